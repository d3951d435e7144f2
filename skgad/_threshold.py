"""Thresholds that flag a share of the training rows."""

from abc import ABC, abstractmethod
from numbers import Real
from typing import Any, Literal, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ._save import SaveMixin
from ._sklearn_compat import Interval, StrOptions, validate_parameter_constraints
from ._typing import FloatArray, IntArray

#: What ``contamination="auto"`` means.
AUTO_CONTAMINATION = 0.05

#: Lowest score, of rows whose values or scores are too large to be computed.
LOWEST_SCORE = float(np.finfo(np.float32).min)


class DecisionMixin(SaveMixin, ABC):
    """Mixin for detectors that compare `score_samples` with the threshold `offset_`."""

    offset_: Any  # a number; some classes compute it in a property

    @abstractmethod
    def score_samples(self, X: Any) -> FloatArray:
        """Score each row. The higher, the more normal."""

    def decision_function(self, X: Any) -> FloatArray:
        """Score each row relative to the threshold.

        Parameters
        ----------
        X : table of shape (n_samples, n_features)
            Rows to score, in any format that `score_samples` accepts.

        Returns
        -------
        scores : ndarray of shape (n_samples,), float64
            ``score_samples(X) - offset_``. Negative for outliers.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> IntArray:
        """Predict whether each row is an outlier.

        Parameters
        ----------
        X : table of shape (n_samples, n_features)
            Rows to classify, in any format that `score_samples` accepts.

        Returns
        -------
        labels : ndarray of shape (n_samples,), int
            -1 for outliers and 1 for inliers.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)


class ThresholdMixin(DecisionMixin):
    """Mixin for detectors whose threshold is a percentile of the scores of the training rows.

    The detector has a parameter `contamination`. Its `fit` sets `train_scores_`, and `offset_` to
    the value of ``_threshold(train_scores_)``.
    """

    _parameter_constraints: dict = {
        "contamination": [StrOptions({"auto"}), Interval(Real, 0, 0.5, closed="right")],
    }

    contamination: float | Literal["auto"]
    train_scores_: FloatArray

    def _threshold(self, train_scores):
        """Score below which the share `contamination` of the training rows lies."""
        share = AUTO_CONTAMINATION if self.contamination == "auto" else self.contamination
        return np.percentile(train_scores, 100.0 * share)

    def set_threshold(self, *, contamination: float | Literal["auto"]) -> Self:
        """Change the threshold of the fitted detector without fitting it again.

        Parameters
        ----------
        contamination : "auto" or float
            New value of the parameter of this name; see the class.

        Returns
        -------
        self : object
            The detector with its new `offset_`.
        """
        check_is_fitted(self)
        validate_parameter_constraints(
            ThresholdMixin._parameter_constraints,
            {"contamination": contamination},
            caller_name=f"{type(self).__name__}.set_threshold",
        )
        self.contamination = contamination
        self.offset_ = self._threshold(self.train_scores_)
        return self
