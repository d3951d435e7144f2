"""Base class of detectors that calibrate another detector on held-out rows."""

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn import get_config
from sklearn.base import BaseEstimator, MetaEstimatorMixin, OutlierMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_random_state, get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from .._frames import fill_masked
from .._random_state import set_random_states
from .._response import check_score_direction, normality_scores
from .._sklearn_compat import HasMethods, Interval, _check_method_params, _safe_indexing
from .._threshold import DecisionMixin
from .._typing import FloatArray, MatrixLike, RandomStateLike


class BaseThresholdDetector(DecisionMixin, OutlierMixin, MetaEstimatorMixin, BaseEstimator):
    """Base class of detectors that replace the threshold of another detector.

    A subclass implements `fit`: it holds rows out, fits ``detector_`` to the others, and computes
    the threshold ``offset_`` from the scores of the held-out rows.
    """

    _parameter_constraints: dict = {
        "detector": [
            HasMethods(["fit", "score_samples"]),
            HasMethods(["fit", "decision_function"]),
        ],
        "calibration_size": [
            Interval(Real, 0, 1, closed="neither"),
            Interval(Integral, 1, None, closed="left"),
        ],
        "random_state": ["random_state"],
    }

    random_state: RandomStateLike
    detector_: BaseEstimator

    @property
    def n_features_in_(self) -> int:
        """Number of features seen during `fit`."""
        return self.detector_.n_features_in_

    @property
    def feature_names_in_(self) -> np.ndarray:
        """Names of features seen during `fit`."""
        return self.detector_.feature_names_in_

    def score_samples(self, X: MatrixLike) -> FloatArray:
        """Score each row with the fitted detector.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to score.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            The higher, the more normal.
        """
        check_is_fitted(self)
        return normality_scores(self.detector_, X)

    def get_metadata_routing(self) -> MetadataRouter:
        """Get the metadata routing of this detector.

        It requests `labels` itself. All metadata, `labels` included, can be routed to the `fit` of
        the wrapped detector.

        Returns
        -------
        routing : MetadataRouter
            See scikit-learn's user guide on metadata routing.
        """
        mapping = MethodMapping()
        for caller in ("fit", "fit_predict"):
            mapping.add(caller=caller, callee="fit")
        router = MetadataRouter(owner=self).add_self_request(self)
        return router.add(detector=self.detector, method_mapping=mapping)

    def _route_fit_params(
        self, labels: ArrayLike | None, fit_params: dict[str, Any]
    ) -> dict[str, Any]:
        """Parameters for the `fit` of the wrapped detector, with values for all rows."""
        if get_config()["enable_metadata_routing"]:
            return process_routing(self, "fit", labels=labels, **fit_params).detector.fit
        if labels is not None and has_fit_parameter(self.detector, "labels"):
            return {**fit_params, "labels": labels}
        return fit_params

    def _random_state(self):
        """Generator of this fit, or None if there is no seed."""
        return None if self.random_state is None else check_random_state(self.random_state)

    def _fit_detector(self, X, train, rng, fit_params):
        """Fit a clone of the detector to the rows `train`, or to all rows if it is None."""
        if isinstance(self.detector, FrozenEstimator):
            check_score_direction(self.detector, X)
            return self.detector
        fit_params = _check_method_params(X, fit_params, train)
        rows = fill_masked(X if train is None else _safe_indexing(X, train))
        detector = clone(self.detector)
        set_random_states(detector, rng)
        detector.fit(rows, **fit_params)
        check_score_direction(detector, rows)
        return detector

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.detector).input_tags
        return tags
