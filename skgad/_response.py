"""Scores and thresholds of any detector that follows scikit-learn's API for outlier detection."""

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import indexable

from ._frames import fill_masked
from ._sklearn_compat import BaseSearchCV, _num_samples, _safe_indexing
from ._threshold import DecisionMixin
from ._typing import FloatArray, MatrixLike

#: Methods that score rows, in order of preference.
SCORE_METHODS = ("score_samples", "decision_function")

#: Number of rows on which scores and decisions are compared.
N_CHECKED = 100

#: Decisions closer to the threshold, relative to the largest one, may have either label.
THRESHOLD_TOLERANCE = 1e-6


def check_score_direction(detector: BaseEstimator, X: MatrixLike | None = None) -> None:
    """Check that higher scores are more normal and that outliers are labeled -1.

    The check compares the methods that the detector has with each other: ``predict`` with
    ``decision_function``, and ``decision_function`` with ``score_samples``.

    Parameters
    ----------
    detector : estimator
        The detector, which must be fitted if `X` is given.
    X : frame or array-like of shape (n_samples, n_features) or None, default=None
        Rows in the format that the detector accepts, such as its training rows. Some of them are
        scored. None means that only the class of the detector is checked.

    Raises
    ------
    ValueError
        If the detector does not follow the conventions of scikit-learn.
    """
    name, innermost = type(detector).__name__, _innermost(detector)
    if any(cls.__module__.split(".")[0] == "pyod" for cls in type(innermost).__mro__):
        raise ValueError(
            f"{name} has the scores and labels of PyOD: higher scores are more abnormal, and "
            "predict returns 0 and 1. Wrap the detector of PyOD in skgad.interop.from_pyod(...), "
            "which returns a detector with the conventions of scikit-learn."
        )
    # Those of DecisionMixin are consistent by construction.
    if X is None or isinstance(innermost, DecisionMixin):
        return
    if not hasattr(detector, "decision_function"):
        return
    (X,) = indexable(X)  # not every sparse format can be indexed
    n = _num_samples(X)
    rows = _safe_indexing(X, np.linspace(0, n - 1, min(n, N_CHECKED)).astype(int))
    decisions = np.asarray(detector.decision_function(rows), dtype=np.float64)
    if hasattr(detector, "predict"):
        _compare_labels(name, decisions, np.asarray(detector.predict(rows)))
    if hasattr(detector, "score_samples"):
        _compare_scores(name, decisions, np.asarray(detector.score_samples(rows), np.float64))


def _innermost(detector):
    """The detector in a pipeline, a search or a frozen estimator."""
    while isinstance(detector, (Pipeline, BaseSearchCV, FrozenEstimator)):
        is_pipeline = isinstance(detector, Pipeline)
        detector = detector.steps[-1][1] if is_pipeline else detector.estimator
    return detector


_CONVENTIONS = (
    "scikit-learn's outlier detectors return higher scores for more normal rows, label outliers "
    "-1 and inliers 1, and have a negative decision_function for outliers. If higher scores are "
    "more abnormal, as in PyOD, wrap the detector in skgad.interop.from_pyod(...)."
)


def _compare_labels(name, decisions, labels):
    unexpected = np.setdiff1d(labels, [-1, 1])
    if len(unexpected):
        raise ValueError(
            f"{name}.predict returned the labels {np.unique(labels)[:5].tolist()}. {_CONVENTIONS}"
        )
    distances = np.abs(decisions)
    scale = np.max(distances, where=np.isfinite(distances), initial=0)
    is_clear = distances > THRESHOLD_TOLERANCE * scale
    n_wrong = np.count_nonzero(((decisions < 0) != (labels == -1)) & is_clear)
    if n_wrong:
        raise ValueError(
            f"{name}.predict and {name}.decision_function disagree on {n_wrong} of {len(labels)} "
            f"rows. {_CONVENTIONS}"
        )


def _compare_scores(name, decisions, scores):
    is_finite = np.isfinite(decisions) & np.isfinite(scores)
    if not is_finite.any():
        return
    decisions = decisions[is_finite] - decisions[is_finite].mean()
    scores = scores[is_finite] - scores[is_finite].mean()
    # Rounding errors correlate in either direction if one of the two is constant.
    tolerance = 0.1 * np.linalg.norm(scores) * np.linalg.norm(decisions)
    if scores @ decisions < -tolerance:
        raise ValueError(
            f"{name}.score_samples decreases when {name}.decision_function increases. "
            f"{_CONVENTIONS}"
        )


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
