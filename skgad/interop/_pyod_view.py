"""The class behind `to_pyod`, in a module of its own because it requires PyOD."""

import numpy as np
from pyod.models.base import BaseDetector
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from .._response import check_score_direction, normality_scores


class PyODView(BaseDetector):
    """Outlier detector of scikit-learn with the interface of PyOD; see `to_pyod`."""

    def __init__(self, detector, contamination=0.1):
        super().__init__(contamination=contamination)
        self.detector = detector

    def fit(self, X, y=None):
        """Fit the detector, and set the threshold from the scores of the rows.

        Parameters
        ----------
        X : {array-like, dataframe} of shape (n_samples, n_features)
            Training rows, in the form that the detector accepts.
        y : Ignored
            Present for API consistency by convention.

        Returns
        -------
        self : object
            The fitted detector.
        """
        self._set_n_classes(None)
        self.detector_ = clone(self.detector).fit(X, None)
        check_score_direction(self.detector_, X)
        self.decision_scores_ = self.decision_function(X)
        self._process_decision_scores()
        return self

    def decision_function(self, X):
        """Anomaly score of each row, the opposite of the detector's score.

        Parameters
        ----------
        X : {array-like, dataframe} of shape (n_samples, n_features)
            Rows to score.

        Returns
        -------
        scores : ndarray of shape (n_samples,), float64
            The higher, the more abnormal.
        """
        check_is_fitted(self, "detector_")
        return -np.asarray(normality_scores(self.detector_, X), dtype=np.float64)
