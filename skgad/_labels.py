"""Checks of labels: those known before training, and the true ones that metrics compare with."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array, check_consistent_length, column_or_1d

from ._typing import FloatArray


def reject_masked(values: ArrayLike, name: str) -> None:
    """Raise an error if values are masked: scikit-learn would use the numbers under the mask."""
    if np.ma.is_masked(values):
        raise ValueError(
            f"{name} contains {np.ma.count_masked(values)} masked values, but none can be missing. "
            "Drop these rows, for example with the mask of the array."
        )


def check_known_labels(
    labels: ArrayLike | None, n_samples: int, *, allow_only_outliers: bool = False
) -> NDArray[np.int8]:
    """Check the labels that are known of training rows.

    Parameters
    ----------
    labels : array-like of shape (n_samples,) or None
        1 for known inliers, -1 for known outliers and 0 for unlabeled rows. None means that all
        rows are unlabeled.
    n_samples : int
        Number of rows.
    allow_only_outliers : bool, default=False
        Whether all rows may be known outliers.

    Returns
    -------
    labels : ndarray of shape (n_samples,), int8
        The labels; all 0 if `labels` is None.

    Raises
    ------
    ValueError
        If the number of labels is not `n_samples`, if they contain values other than 1, -1 and 0,
        or if all of them are -1 and `allow_only_outliers` is False.
    """
    if labels is None:
        return np.zeros(n_samples, np.int8)
    reject_masked(labels, "labels")
    try:
        labels = np.asarray(labels)
    except ValueError as error:
        raise ValueError("labels must be one-dimensional, but some of them are lists.") from error
    if labels.shape not in ((n_samples,), (n_samples, 1)):
        raise ValueError(
            f"labels must be one-dimensional with one label for each of the {n_samples} rows, but "
            f"their shape is {labels.shape}."
        )
    labels = labels.ravel()
    unexpected = labels[~np.isin(labels, [-1, 0, 1])].tolist()
    if unexpected:
        examples = [*dict.fromkeys(map(repr, unexpected))][:3]
        raise ValueError(
            "labels must be 1 for known inliers, -1 for known outliers and 0 for all other rows, "
            f"but they contain {', '.join(examples)}."
        )
    if np.all(labels == -1) and not allow_only_outliers:
        raise ValueError("All labels are -1. Include rows that are not known outliers.")
    return labels.astype(np.int8)


def outlier_mask(y_true: ArrayLike, pos_label: int | str | None = None) -> NDArray[np.bool_]:
    """Convert true labels to a mask of the outliers.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        -1 for outliers and 1 for inliers, or any two labels if `pos_label` is given.
    pos_label : int, str or None, default=None
        The label of outliers, if `y_true` contains other labels than -1 and 1.

    Returns
    -------
    is_outlier : ndarray of shape (n_samples,), bool
        True for outliers.

    Raises
    ------
    ValueError
        If `y_true` contains other labels than -1 and 1 and `pos_label` is None, or if it contains
        more than two labels, or two labels of which none is `pos_label`.
    """
    reject_masked(y_true, "y_true")
    y = column_or_1d(y_true)
    labels = np.unique(y)
    if pos_label is None:
        if not np.isin(labels, (-1, 1)).all():
            raise ValueError(
                "Labels must be -1 for outliers and 1 for inliers, got "
                f"{labels[:5].tolist()}. Pass the label of outliers as pos_label, or convert the "
                "labels with np.where(y == label, -1, 1)."
            )
        return y == -1
    if len(labels) > 2:
        raise ValueError(f"Expected two labels, got {labels.tolist()}.")
    if len(labels) == 2 and pos_label not in labels:
        raise ValueError(f"pos_label={pos_label!r} is not one of the labels {labels.tolist()}.")
    return y == pos_label


def check_ranking(
    y_true: ArrayLike, y_score: ArrayLike, pos_label: int | str | None = None
) -> tuple[NDArray[np.bool_], FloatArray]:
    """Check true labels and scores, and convert them for metrics whose positives are outliers.

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
    is_outlier : ndarray of shape (n_samples,), bool
        True for outliers.
    anomaly_scores : ndarray of shape (n_samples,), float64
        Opposite of the scores. The higher, the more abnormal.

    Raises
    ------
    ValueError
        If the labels or the scores are invalid, or if there are no outliers or no inliers.
    """
    is_outlier = outlier_mask(y_true, pos_label)
    reject_masked(y_score, "y_score")
    scores = check_array(column_or_1d(y_score), ensure_2d=False, dtype=np.float64)
    check_consistent_length(is_outlier, scores)
    for name, mask in (("outliers", is_outlier), ("inliers", ~is_outlier)):
        if not mask.any():
            raise ValueError(
                f"There are no {name} among the {len(mask)} labels, but a ranking metric needs "
                "outliers and inliers. The splitters of skgad.model_selection put both into each "
                "test fold."
            )
    return is_outlier, -scores
