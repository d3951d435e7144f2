"""Labels of known anomalies, and the evaluation of scores and decisions against them."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from .._typing import FloatArray
from ._formats import import_pandas
from ._messages import CommandError, quote_names

if TYPE_CHECKING:
    import pandas as pd


def read_labels(
    table: "pd.DataFrame", label_column: str | None, anomaly_label: str | None
) -> FloatArray | None:
    """Read which rows are anomalies.

    Parameters
    ----------
    table : DataFrame of shape (n_rows, n_columns)
        The table.

    label_column : str or None
        Column with the labels.

    anomaly_label : str or None
        Label of anomalies. None is -1 for labels 1 and -1, and 1 for labels 0 and 1.

    Returns
    -------
    is_anomaly : ndarray of shape (n_rows,) or None
        1 for anomalies, 0 for other rows and NaN for rows without a label. None if there is no
        label column.
    """
    if label_column is None:
        if anomaly_label is not None:
            raise CommandError("--anomaly-label requires --label-column.")
        return None
    labels = table[label_column]
    known = labels.dropna().astype(object)
    values = {label: _label_value(label) for label in known.unique()}
    anomaly_value = _find_anomaly_value(values, label_column, anomaly_label)
    is_anomaly = (known.map(values) == anomaly_value).astype(float)
    if is_anomaly.nunique() < 2:
        raise CommandError(
            "The evaluation needs both anomalies and other rows, but the labels in column "
            f"{label_column!r} are {quote_names(values) or 'all missing'}. To skip the "
            "evaluation, pass --ignore instead of --label-column."
        )
    return is_anomaly.reindex(labels.index).to_numpy()


def print_evaluation(
    is_anomaly: FloatArray, scores: FloatArray, is_outlier: NDArray[np.bool_]
) -> None:
    """Print how well scores and decisions agree with the labels, for rows that have one."""
    known = ~np.isnan(is_anomaly)
    y_true = is_anomaly[known].astype(int)
    y_score, y_pred = scores[known], is_outlier[known]
    print(f"rows with a label  {len(y_true)}")
    print(f"anomalies          {y_true.sum()}")
    print(f"flagged            {y_pred.sum()}")
    print(f"AUROC              {roc_auc_score(y_true, y_score):.4f}")
    print(f"average precision  {average_precision_score(y_true, y_score):.4f}")
    print(f"F1                 {f1_score(y_true, y_pred, zero_division=0):.4f}")


def _label_value(label):
    """Number that a label stands for, where true is 1 and false is 0, or else its text."""
    text = {"true": "1", "false": "0"}.get(str(label).lower(), str(label))
    number = import_pandas().to_numeric(text, errors="coerce")
    return text if np.isnan(number) else number


def _find_anomaly_value(values, label_column, anomaly_label):
    """Value of the label of anomalies, given the values of all labels."""
    known = {*values.values()}
    if anomaly_label is not None:
        value = _label_value(anomaly_label)
        if value in known:
            return value
        raise CommandError(
            f"Label {anomaly_label!r} not found in column {label_column!r}. Its labels are "
            f"{quote_names(values)}."
        )
    if known <= {-1, 1}:
        return -1
    if known <= {0, 1}:
        return 1
    raise CommandError(
        f"The labels in column {label_column!r} are {quote_names(values)}. Pass the one of "
        "anomalies with --anomaly-label."
    )
