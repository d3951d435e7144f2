"""Anomaly scores and thresholds of fitted detectors."""

import numpy as np

from .._response import decision_threshold, normality_scores
from .._sklearn_compat import _safe_indexing

#: Maximum number of cells in a table of trial rows that a detector scores at once.
BLOCK_CELLS = 2**22


def anomaly_scores(detector, X):
    """Score each row. The higher, the more abnormal."""
    return -np.asarray(normality_scores(detector, X), dtype=np.float64)


def anomaly_threshold(detector, X):
    """Anomaly score above which the detector labels a row as an outlier.

    The first row of `X` serves to compare scores and decisions. None if the detector has no
    `decision_function`.
    """
    threshold = decision_threshold(detector, _safe_indexing(X, slice(1)))
    return None if threshold is None else -threshold
