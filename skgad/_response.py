"""Scores and thresholds of any detector that follows scikit-learn's API for outlier detection."""

import numpy as np
from sklearn.base import BaseEstimator

from ._frames import fill_masked
from ._typing import FloatArray, MatrixLike

#: Methods that score rows, in order of preference.
SCORE_METHODS = ("score_samples", "decision_function")


def normality_scores(detector: BaseEstimator, X: MatrixLike) -> FloatArray:
    """Score each row with ``score_samples`` or, without that method, ``decision_function``.

    Parameters
    ----------
    detector : estimator
        Fitted detector whose scores are higher for more normal rows.
    X : frame or array-like of shape (n_samples, n_features)
        Rows to score.

    Returns
    -------
    scores : array of shape (n_samples,)
        The scores, exactly as the detector returns them.

    Raises
    ------
    AttributeError
        If the detector has neither method.
    """
    for name in SCORE_METHODS:
        if hasattr(detector, name):
            return getattr(detector, name)(fill_masked(X))
    raise AttributeError(
        f"{type(detector).__name__} has neither score_samples nor decision_function. Some "
        "detectors, such as LocalOutlierFactor, have them only with novelty=True."
    )


def decision_threshold(detector: BaseEstimator, X: MatrixLike) -> float | None:
    """Threshold of the scores below which a detector flags a row.

    Parameters
    ----------
    detector : estimator
        Fitted detector whose scores are higher for more normal rows.
    X : frame or array-like of shape (n_samples, n_features)
        Rows to compare scores and decisions on. One row is enough; with more rows, rounding
        errors average out.

    Returns
    -------
    threshold : float or None
        Median difference between the scores and ``decision_function``. None if the detector has
        no ``decision_function``.
    """
    if not hasattr(detector, "decision_function"):
        return None
    return float(np.median(normality_scores(detector, X) - detector.decision_function(X)))
