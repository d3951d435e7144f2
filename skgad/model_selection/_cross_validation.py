"""Cross-validation that trains on inliers only."""

from collections.abc import Callable, Iterable, Mapping
from numbers import Integral
from typing import Any

from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.model_selection import BaseCrossValidator, cross_validate

from .._response import check_score_direction
from .._typing import FloatArray, IntArray, MatrixLike
from ..metrics import get_scorer
from ._split import OneClassKFold


def cross_val_scores(
    detector: BaseEstimator,
    X: MatrixLike,
    y: ArrayLike,
    *,
    cv: int | BaseCrossValidator | Iterable[tuple[IntArray, IntArray]] = 5,
    metrics: str | Iterable[str] | Mapping[str, Callable[..., float]] = "outlier_roc_auc",
    params: dict[str, Any] | None = None,
    n_jobs: int | None = None,
) -> dict[str, FloatArray]:
    """Cross-validate a detector on labeled rows with one or several metrics.

    By default, the detector is trained on inliers and tested on other inliers and on outliers.

    .. versionadded:: 0.1

    Parameters
    ----------
    detector : estimator
        Detector with scikit-learn's interface and sign of the scores, or a pipeline that ends in
        one.
    X : array-like of shape (n_samples, n_features)
        Rows to train and to test on.
    y : array-like of shape (n_samples,)
        -1 for outliers and 1 for inliers.
    cv : int, splitter or iterable, default=5
        An int is the number of folds of a shuffled :class:`OneClassKFold`. Pass a splitter with a
        `random_state` for the same folds in each call.
    metrics : str, list of str or dict, default="outlier_roc_auc"
        Names of scorers, see :func:`skgad.metrics.get_scorer`, or a dict of names and scorers.
    params : dict or None, default=None
        Parameters of the `fit` of the detector, such as known `labels`. Parameters with one value
        for each row are restricted to the rows of the training fold. With metadata routing enabled,
        they are passed to the objects that request them.
    n_jobs : int or None, default=None
        Number of jobs, as in :func:`sklearn.model_selection.cross_validate`.

    Returns
    -------
    scores : dict of str to ndarray of shape (n_splits,)
        For each metric, the scores of the test folds.

    Raises
    ------
    ValueError
        If there is no metric with a given name. Errors of the detector are raised as well: no
        fold is skipped.

    See Also
    --------
    sklearn.model_selection.cross_validate : Also returns times, training scores and detectors.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.ensemble import IsolationForest
    >>> from skgad.model_selection import OneClassKFold, cross_val_scores
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> scores = cross_val_scores(
    ...     IsolationForest(random_state=0),
    ...     X,
    ...     np.where(y == 1, 1, -1),
    ...     cv=OneClassKFold(3, random_state=0),
    ...     metrics=["outlier_roc_auc", "outlier_average_precision", "outlier_f1"],
    ... )
    >>> for name, values in scores.items():
    ...     print(name, values.round(2))
    outlier_roc_auc [0.97 0.96 0.95]
    outlier_average_precision [0.98 0.97 0.97]
    outlier_f1 [0.92 0.91 0.9 ]
    """
    check_score_direction(detector)
    if not isinstance(metrics, Mapping):
        names = [metrics] if isinstance(metrics, str) else metrics
        metrics = {name: get_scorer(name) for name in names}
    results = cross_validate(
        detector,
        X,
        y,
        cv=OneClassKFold(int(cv)) if isinstance(cv, Integral) else cv,
        scoring=dict(metrics),
        params=params,
        n_jobs=n_jobs,
        error_score="raise",
    )
    return {name: results[f"test_{name}"] for name in metrics}
