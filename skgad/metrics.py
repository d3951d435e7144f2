"""Metrics and scorers with outliers as the positive class.

Labels are -1 for outliers and 1 for inliers, as in scikit-learn. Scores are those of
``score_samples`` or ``decision_function``: the higher, the more normal. There are no functions for
metrics of ``predict``, because scikit-learn's can be used:
``sklearn.metrics.f1_score(y_true, detector.predict(X), pos_label=-1)``.
"""

from collections.abc import Callable, Mapping
from functools import partial
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from sklearn import metrics as sklearn_metrics

from ._labels import check_ranking, outlier_mask, reject_masked
from ._response import SCORE_METHODS
from ._sklearn_compat import Interval, StrOptions, validate_params

__all__ = [
    "SCORERS",
    "f1_at_rate_score",
    "false_positive_rate_at_recall_score",
    "get_scorer",
    "outlier_average_precision_score",
    "outlier_roc_auc_score",
    "outlier_trapezoid_auprc_score",
    "precision_at_n_score",
    "recall_at_n_score",
]


def __dir__() -> list[str]:
    return __all__


def outlier_roc_auc_score(
    y_true: ArrayLike, y_score: ArrayLike, *, pos_label: int | str | None = None
) -> float:
    r"""Area under the ROC curve.

    This is the probability that a random outlier has a lower score than a random inlier:

    .. math:: P(s(\text{outlier}) < s(\text{inlier})) + \tfrac12 P(s(\text{outlier}) =
        s(\text{inlier}))

    .. versionadded:: 0.1

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        -1 for outliers and 1 for inliers, or any two labels if `pos_label` is given.
    y_score : array-like of shape (n_samples,)
        Scores. The higher, the more normal.
    pos_label : int, str or None, default=None
        The label of outliers, if `y_true` contains other labels than -1 and 1.

    Returns
    -------
    score : float
        1 for a perfect ranking, 0.5 for a random one.

    Raises
    ------
    ValueError
        If `y_true` contains other labels than -1 and 1 and `pos_label` is None, or if there are no
        outliers or no inliers.

    See Also
    --------
    sklearn.metrics.roc_auc_score : The same for scores that are higher for positives.

    Examples
    --------
    >>> from skgad.metrics import outlier_roc_auc_score
    >>> outlier_roc_auc_score([-1, -1, 1, 1, 1], [0.1, 0.6, 0.5, 0.8, 0.9])
    0.8333...
    """
    return float(sklearn_metrics.roc_auc_score(*check_ranking(y_true, y_score, pos_label)))


def outlier_average_precision_score(
    y_true: ArrayLike, y_score: ArrayLike, *, pos_label: int | str | None = None
) -> float:
    r"""Average precision of the outliers.

    .. math:: \sum_k (R_k - R_{k-1}) P_k

    where :math:`P_k` and :math:`R_k` are the precision and the recall of the rows whose scores are
    at or below threshold :math:`k`. ADBench and DTE call this metric AUCPR.

    .. versionadded:: 0.1

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        -1 for outliers and 1 for inliers, or any two labels if `pos_label` is given.
    y_score : array-like of shape (n_samples,)
        Scores. The higher, the more normal.
    pos_label : int, str or None, default=None
        The label of outliers, if `y_true` contains other labels than -1 and 1.

    Returns
    -------
    score : float
        1 for a perfect ranking. The share of outliers, on average, for a random one.

    Raises
    ------
    ValueError
        If `y_true` contains other labels than -1 and 1 and `pos_label` is None, or if there are no
        outliers or no inliers.

    See Also
    --------
    sklearn.metrics.average_precision_score : The same for scores that are higher for positives.
    outlier_trapezoid_auprc_score : Interpolates the curve linearly.

    Examples
    --------
    >>> from skgad.metrics import outlier_average_precision_score
    >>> outlier_average_precision_score([-1, -1, 1, 1, 1], [0.1, 0.6, 0.5, 0.8, 0.9])
    0.8333...
    """
    return float(
        sklearn_metrics.average_precision_score(*check_ranking(y_true, y_score, pos_label))
    )


def outlier_trapezoid_auprc_score(
    y_true: ArrayLike, y_score: ArrayLike, *, pos_label: int | str | None = None
) -> float:
    r"""Area under the precision-recall curve by the trapezoidal rule.

    .. math:: \sum_k (R_k - R_{k-1}) \frac{P_k + P_{k-1}}{2}

    Some papers, such as WALDO, report this area. It tends to be too large, because no detector
    achieves the points on a straight line between two points of the curve (Davis and Goadrich,
    ICML 2006, "The relationship between precision-recall and ROC curves"). Ties increase it most:
    for a constant score, it is the mean of 1 and the share of outliers. Use it to compare with
    such papers, and :func:`outlier_average_precision_score` otherwise.

    .. versionadded:: 0.1

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        -1 for outliers and 1 for inliers, or any two labels if `pos_label` is given.
    y_score : array-like of shape (n_samples,)
        Scores. The higher, the more normal.
    pos_label : int, str or None, default=None
        The label of outliers, if `y_true` contains other labels than -1 and 1.

    Returns
    -------
    score : float
        1 for a perfect ranking.

    Raises
    ------
    ValueError
        If `y_true` contains other labels than -1 and 1 and `pos_label` is None, or if there are no
        outliers or no inliers.

    Examples
    --------
    >>> from skgad.metrics import outlier_trapezoid_auprc_score
    >>> outlier_trapezoid_auprc_score([-1, -1, 1, 1, 1], [0.1, 0.6, 0.5, 0.8, 0.9])
    0.7916...
    """
    is_outlier, anomaly_scores = check_ranking(y_true, y_score, pos_label)
    precision, recall, _ = sklearn_metrics.precision_recall_curve(is_outlier, anomaly_scores)
    return float(sklearn_metrics.auc(recall, precision))


@validate_params(
    {
        "rate": [Interval(Real, 0, 1, closed="neither"), None],
        "ties": [StrOptions({"percentile", "mean"})],
    },
    prefer_skip_nested_validation=True,
)
def f1_at_rate_score(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    rate: float | None = None,
    ties: Literal["percentile", "mean"] = "percentile",
    pos_label: int | str | None = None,
) -> float:
    r"""F1 score of the threshold that flags a given share of the rows.

    .. math:: F_1 = \frac{2 \cdot \text{flagged outliers}}{\text{flagged} + \text{outliers}}

    The threshold depends on the scores of the test rows and on a rate that a detector does not
    know. This metric therefore evaluates a ranking, and not the decisions of ``predict``.

    .. versionadded:: 0.1

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        -1 for outliers and 1 for inliers, or any two labels if `pos_label` is given.
    y_score : array-like of shape (n_samples,)
        Scores. The higher, the more normal.
    rate : float or None, default=None
        Share of the rows to flag, in (0, 1). None means the share of outliers in `y_true`. The
        tables of DAGMM, ALAD and RCGAN use 0.2 for KDD99 and 0.15 for Arrhythmia.
    ties : {"percentile", "mean"}, default="percentile"
        Which rows are flagged if several have the same score.

        - "percentile": all rows whose score is at or below the linearly interpolated percentile
          of the scores, as in DAGMM, ALAD and RCGAN. For a constant score, all rows are flagged.
        - "mean": exactly ``rate * n_samples`` rows, rounded, as in ADBench and DTE. There, the
          order of the rows breaks ties. Here, the number of flagged outliers is averaged over all
          orders.

    pos_label : int, str or None, default=None
        The label of outliers, if `y_true` contains other labels than -1 and 1.

    Returns
    -------
    score : float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If `y_true` contains other labels than -1 and 1 and `pos_label` is None, if there are no
        outliers or no inliers, or if `rate` is not in (0, 1).

    Examples
    --------
    >>> from skgad.metrics import f1_at_rate_score
    >>> f1_at_rate_score([-1, -1, 1, 1, 1], [0.1, 0.6, 0.5, 0.8, 0.9])
    0.5
    >>> f1_at_rate_score([-1, -1, 1, 1, 1], [0.1, 0.6, 0.5, 0.8, 0.9], rate=0.6)
    0.8
    """
    is_outlier, anomaly_scores = check_ranking(y_true, y_score, pos_label)
    rate = is_outlier.mean() if rate is None else rate
    if ties == "percentile":
        flagged = anomaly_scores >= np.percentile(anomaly_scores, 100 * (1 - rate))
        return float(sklearn_metrics.f1_score(is_outlier, flagged))
    n_flagged = round(rate * len(is_outlier))
    n_found = _expected_outliers(is_outlier, anomaly_scores, n_flagged)
    return float(2 * n_found / (n_flagged + is_outlier.sum()))


@validate_params(
    {"n": [Interval(Integral, 1, None, closed="left"), None]}, prefer_skip_nested_validation=True
)
def precision_at_n_score(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    n: int | None = None,
    pos_label: int | str | None = None,
) -> float:
    """Precision of the `n` rows with the lowest scores: the share of outliers among them.

    .. versionadded:: 0.1

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        -1 for outliers and 1 for inliers, or any two labels if `pos_label` is given.
    y_score : array-like of shape (n_samples,)
        Scores. The higher, the more normal. The result is averaged over all orders of rows with
        the same score.
    n : int or None, default=None
        Number of rows, for example as many as can be inspected by hand. None means the number of
        outliers. Precision, recall and F1 score are then the same.
    pos_label : int, str or None, default=None
        The label of outliers, if `y_true` contains other labels than -1 and 1.

    Returns
    -------
    score : float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If `y_true` contains other labels than -1 and 1 and `pos_label` is None, if there are no
        outliers or no inliers, or if `n` is not between 1 and the number of rows.

    Examples
    --------
    >>> from skgad.metrics import precision_at_n_score
    >>> precision_at_n_score([-1, -1, 1, 1, 1], [0.1, 0.6, 0.5, 0.8, 0.9], n=3)
    0.6666...
    """
    is_outlier, anomaly_scores = check_ranking(y_true, y_score, pos_label)
    n = _number_of_rows(n, is_outlier)
    return float(_expected_outliers(is_outlier, anomaly_scores, n) / n)


@validate_params(
    {"n": [Interval(Integral, 1, None, closed="left"), None]}, prefer_skip_nested_validation=True
)
def recall_at_n_score(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    n: int | None = None,
    pos_label: int | str | None = None,
) -> float:
    """Recall of the `n` rows with the lowest scores: the share of outliers that they contain.

    .. versionadded:: 0.1

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        -1 for outliers and 1 for inliers, or any two labels if `pos_label` is given.
    y_score : array-like of shape (n_samples,)
        Scores. The higher, the more normal. The result is averaged over all orders of rows with
        the same score.
    n : int or None, default=None
        Number of rows. None means the number of outliers. Precision, recall and F1 score are then
        the same.
    pos_label : int, str or None, default=None
        The label of outliers, if `y_true` contains other labels than -1 and 1.

    Returns
    -------
    score : float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If `y_true` contains other labels than -1 and 1 and `pos_label` is None, if there are no
        outliers or no inliers, or if `n` is not between 1 and the number of rows.

    Examples
    --------
    >>> from skgad.metrics import recall_at_n_score
    >>> recall_at_n_score([-1, -1, 1, 1, 1], [0.1, 0.6, 0.5, 0.8, 0.9], n=3)
    1.0
    """
    is_outlier, anomaly_scores = check_ranking(y_true, y_score, pos_label)
    n = _number_of_rows(n, is_outlier)
    return float(_expected_outliers(is_outlier, anomaly_scores, n) / is_outlier.sum())


@validate_params(
    {"recall": [Interval(Real, 0, 1, closed="right")]}, prefer_skip_nested_validation=True
)
def false_positive_rate_at_recall_score(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    recall: float = 0.95,
    pos_label: int | str | None = None,
) -> float:
    """False positive rate of the strictest threshold with the given recall.

    This is "FPR95" with outliers as the positive class. In some papers on images, inliers are the
    positive class.

    .. versionadded:: 0.1

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        -1 for outliers and 1 for inliers, or any two labels if `pos_label` is given.
    y_score : array-like of shape (n_samples,)
        Scores. The higher, the more normal.
    recall : float, default=0.95
        Minimum share of the outliers to flag, in (0, 1].
    pos_label : int, str or None, default=None
        The label of outliers, if `y_true` contains other labels than -1 and 1.

    Returns
    -------
    rate : float
        Share of the inliers that are flagged, between 0 and 1. The lower, the better.

    Raises
    ------
    ValueError
        If `y_true` contains other labels than -1 and 1 and `pos_label` is None, if there are no
        outliers or no inliers, or if `recall` is not in (0, 1].

    Examples
    --------
    >>> from skgad.metrics import false_positive_rate_at_recall_score
    >>> false_positive_rate_at_recall_score([-1, -1, 1, 1, 1], [0.1, 0.6, 0.5, 0.8, 0.9])
    0.3333...
    """
    is_outlier, anomaly_scores = check_ranking(y_true, y_score, pos_label)
    rates, recalls, _ = sklearn_metrics.roc_curve(
        is_outlier, anomaly_scores, drop_intermediate=False
    )
    return float(rates[np.argmax(recalls >= recall)])


def get_scorer(name: str, **params: Any) -> Callable[..., float]:
    """Get a scorer by name.

    .. versionadded:: 0.1

    Parameters
    ----------
    name : str
        Name of the scorer. All scorers are in ``skgad.metrics.SCORERS``.

        - Metrics of scores: "outlier_roc_auc", "outlier_average_precision",
          "outlier_trapezoid_auprc", "f1_at_rate", "precision_at_n", "recall_at_n" and
          "neg_false_positive_rate_at_recall".
        - Metrics of decisions: "outlier_precision", "outlier_recall", "outlier_f1" and
          "outlier_balanced_accuracy".

    **params : dict
        Parameters of the metric, such as `rate`, `n`, `recall`, or `pos_label` if the labels are
        not -1 and 1.

    Returns
    -------
    scorer : callable
        ``scorer(detector, X, y)``, for the parameter `scoring` of scikit-learn's searches and
        cross-validation. The detector needs ``score_samples`` or ``decision_function``; for
        metrics of decisions, it needs ``predict``.

    Raises
    ------
    ValueError
        If there is no scorer with this name.

    Notes
    -----
    Pass the scorer to `scoring`, not its name. The names that scikit-learn accepts there are fixed
    when ``sklearn.model_selection`` is imported, and there is no public way to add to them.

    The scores of the detector must be higher for more normal rows, as in scikit-learn. PyOD's
    ``decision_function`` has the opposite sign, which would reverse the ranking. Wrap a detector of
    PyOD in :func:`skgad.interop.from_pyod`.

    Examples
    --------
    >>> from sklearn.ensemble import IsolationForest
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skgad.metrics import get_scorer
    >>> from skgad.model_selection import OneClassKFold
    >>> search = GridSearchCV(
    ...     IsolationForest(random_state=0),
    ...     {"max_features": [0.5, 1.0]},
    ...     scoring=get_scorer("f1_at_rate", rate=0.1),
    ...     cv=OneClassKFold(random_state=0),
    ... )
    """
    metric: Callable[..., float]
    response_method: str | tuple[str, ...]
    if name in _SCORE_METRICS:
        metric, response_method = _SCORE_METRICS[name], SCORE_METHODS
    elif name in _DECISION_METRICS:
        metric, response_method = _score_decisions, "predict"
        params["metric"] = _DECISION_METRICS[name]
    else:
        raise ValueError(f"There is no scorer {name!r}. Valid names are {', '.join(_NAMES)}.")
    return sklearn_metrics.make_scorer(
        metric,
        response_method=response_method,
        greater_is_better=not name.startswith("neg_"),
        **params,
    )


def _number_of_rows(n, is_outlier):
    if n is None:
        return int(is_outlier.sum())
    if n > len(is_outlier):
        raise ValueError(f"n={n} is greater than the number of rows, {len(is_outlier)}.")
    return n


def _expected_outliers(is_outlier, anomaly_scores, n):
    """Number of outliers among the `n` most abnormal rows, averaged over all orders of ties."""
    threshold = np.partition(anomaly_scores, -n)[-n]
    is_above, is_tied = anomaly_scores > threshold, anomaly_scores == threshold
    return is_outlier[is_above].sum() + is_outlier[is_tied].mean() * (n - is_above.sum())


def _score_decisions(y_true, y_pred, *, metric, pos_label=None):
    """Apply a metric of labels -1 and 1, after converting the true labels to them."""
    reject_masked(y_pred, "y_pred")
    return metric(np.where(outlier_mask(y_true, pos_label), -1, 1), y_pred)


_SCORE_METRICS: dict[str, Callable[..., float]] = {
    "outlier_roc_auc": outlier_roc_auc_score,
    "outlier_average_precision": outlier_average_precision_score,
    "outlier_trapezoid_auprc": outlier_trapezoid_auprc_score,
    "f1_at_rate": f1_at_rate_score,
    "precision_at_n": precision_at_n_score,
    "recall_at_n": recall_at_n_score,
    "neg_false_positive_rate_at_recall": false_positive_rate_at_recall_score,
}

_OUTLIERS = {"pos_label": -1, "zero_division": 0}
_DECISION_METRICS: dict[str, Callable[..., float]] = {
    "outlier_precision": partial(sklearn_metrics.precision_score, **_OUTLIERS),
    "outlier_recall": partial(sklearn_metrics.recall_score, **_OUTLIERS),
    "outlier_f1": partial(sklearn_metrics.f1_score, **_OUTLIERS),
    "outlier_balanced_accuracy": sklearn_metrics.balanced_accuracy_score,
}

_NAMES = [*_SCORE_METRICS, *_DECISION_METRICS]

#: Scorers by name, with outliers as the positive class: ``scoring=SCORERS["outlier_f1"]``.
SCORERS: Mapping[str, Callable[..., float]] = MappingProxyType(
    {name: get_scorer(name) for name in _NAMES}
)
