"""Threshold and probabilities from the scores of labeled rows."""

from collections.abc import Callable
from functools import partial
from numbers import Integral
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, f1_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import RobustScaler
from sklearn.utils import indexable

from .._labels import check_known_labels
from .._response import decision_threshold, normality_scores
from .._sklearn_compat import (
    Interval,
    StrOptions,
    _fit_context,
    _num_samples,
    _safe_indexing,
    available_if,
)
from .._typing import FloatArray, IntArray, MatrixLike, RandomStateLike
from ._base import BaseThresholdDetector

#: Largest scaled score. The lowest score of a detector, -3.4e38, is far beyond it.
MAX_SCALED = 1e4

_METRICS = {
    "balanced_accuracy": balanced_accuracy_score,
    "f1": partial(f1_score, pos_label=-1, zero_division=0),
}


def _has_calibrator(detector):
    if not hasattr(detector, "calibrator_"):
        raise AttributeError("predict_proba requires a fit with labels: fit(X, labels=labels).")
    return True


class CalibratedDetector(BaseThresholdDetector):
    """Set the threshold of a detector and calibrate probabilities with some known labels.

    The known outliers and a share of the known inliers are held out of the training of the
    detector. Their scores determine the threshold that maximizes a metric, and calibrate the
    probability of being an outlier.

    .. versionadded:: 0.1

    Parameters
    ----------
    detector : estimator
        Detector with ``score_samples`` or ``decision_function``, or a pipeline that ends in one.
        Wrap a detector that is already fitted in :class:`~sklearn.frozen.FrozenEstimator`. All
        labeled rows are then used for calibration.
    metric : {"balanced_accuracy", "f1"} or callable, default="balanced_accuracy"
        Metric that the threshold maximizes. A callable is called as
        ``metric(y_true, y_pred, sample_weight=weights)`` with labels -1 and 1. "f1" is the F1
        score of the outliers. It depends on the share of outliers among the labeled rows;
        balanced accuracy does not.
    method : {"sigmoid", "isotonic"}, default="sigmoid"
        How scores are converted to probabilities.

        - "sigmoid": logistic regression with a slight regularization (Platt, 1999). A good choice
          for few outliers.
        - "isotonic": isotonic regression (Zadrozny and Elkan, 2002), for hundreds of outliers.

    calibration_size : float or int, default=0.2
        Share or number of the known inliers to hold out. In the metric and the probabilities,
        they are weighted to represent all known inliers.
    n_thresholds : int, default=200
        Number of thresholds to try, if the known outliers have more distinct scores than that.
    random_state : int, RandomState instance or None, default=None
        Determines which rows are held out, and seeds every parameter `random_state` of the detector
        that is None. Pass an int for reproducible results.

    Attributes
    ----------
    detector_ : estimator
        The fitted detector.
    offset_ : float
        Threshold of the scores. Without labels, the threshold of the detector.
    best_score_ : float
        Metric at the threshold, computed on the rows that the threshold was chosen on. Only
        available after a fit with labels.
    calibrator_ : estimator
        Regression from scores to probabilities. Only available after a fit with labels.
    classes_ : ndarray of shape (2,)
        -1 and 1, the labels of the columns of ``predict_proba``.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if `X` had names.

    See Also
    --------
    ConformalDetector : P-values, without labels.
    sklearn.model_selection.TunedThresholdClassifierCV : Threshold tuning for classifiers.

    Notes
    -----
    Labels are passed as `labels` and not as `y`. Detectors ignore `y`, so that
    ``cross_val_score(detector, X, y)`` cannot train on the true labels by accident. In a search,
    request the labels as metadata with ``set_fit_request(labels=True)``.

    ``predict`` uses the threshold that maximizes the metric. At this threshold, the probability
    may be higher or lower than one half.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.ensemble import IsolationForest
    >>> from skgad.calibration import CalibratedDetector
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(size=(500, 3)), rng.normal(4, 1, size=(20, 3))])
    >>> labels = np.zeros(520, dtype=int)  # unlabeled
    >>> labels[:200], labels[500:510] = 1, -1
    >>> detector = CalibratedDetector(IsolationForest(random_state=0), random_state=0)
    >>> detector.fit(X, labels=labels).predict(X[510:])
    array([-1, -1, -1, -1, -1, -1, -1, -1, -1, -1])
    >>> detector.predict_proba([[0.0, 0.0, 0.0], [5.0, 5.0, 5.0]]).round(2)
    array([[0.  , 1.  ],
           [0.96, 0.04]])
    """

    _parameter_constraints: dict = {
        **BaseThresholdDetector._parameter_constraints,
        "metric": [StrOptions({"balanced_accuracy", "f1"}), callable],
        "method": [StrOptions({"sigmoid", "isotonic"})],
        "n_thresholds": [Interval(Integral, 1, None, closed="left")],
    }

    offset_: float
    best_score_: float
    calibrator_: BaseEstimator

    def __init__(
        self,
        detector: BaseEstimator,
        *,
        metric: Literal["balanced_accuracy", "f1"] | Callable[..., float] = "balanced_accuracy",
        method: Literal["sigmoid", "isotonic"] = "sigmoid",
        calibration_size: float | int = 0.2,
        n_thresholds: int = 200,
        random_state: RandomStateLike = None,
    ) -> None:
        self.detector = detector
        self.metric = metric
        self.method = method
        self.calibration_size = calibration_size
        self.n_thresholds = n_thresholds
        self.random_state = random_state

    @property
    def classes_(self) -> IntArray:
        """Labels of the columns of ``predict_proba``."""
        return np.array([-1, 1])

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self, X: MatrixLike, y: Any = None, labels: ArrayLike | None = None, **fit_params: Any
    ) -> Self:
        """Fit the detector, and choose its threshold with the labels.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows.
        y : Ignored
            Present for API consistency by convention.
        labels : array-like of shape (n_samples,), default=None
            1 for known inliers, -1 for known outliers and 0 for unlabeled rows. The detector is
            fitted to the unlabeled rows and to the known inliers that are not held out. It
            receives the labels of these rows if its `fit` has a parameter `labels`; with metadata
            routing enabled, if it requests `labels`. With None, the detector keeps its own
            threshold, and ``predict_proba`` is not available.
        **fit_params : dict
            Parameters of the `fit` of the detector. Parameters with one value for each row are
            restricted to its training rows. With metadata routing enabled, the parameters that
            the detector requests.

        Returns
        -------
        self : object
            The fitted detector.

        Raises
        ------
        ValueError
            If `labels` does not have one label for each row, contains values other than 1, -1 and
            0, or has no outlier or fewer than two inliers. Without labels, if the detector has no
            ``decision_function``.
        """
        fit_params = self._route_fit_params(labels, fit_params)
        (X,) = indexable(X)
        rng = self._random_state()
        if labels is None:
            detector = self._fit_detector(X, None, rng, fit_params)
            offset = decision_threshold(detector, X)
            if offset is None:
                raise ValueError(
                    f"{type(detector).__name__} has no decision_function and therefore no "
                    "threshold of its own. Pass labels to choose one."
                )
            fitted = {"offset_": offset}
        else:
            known_labels = check_known_labels(labels, _num_samples(X), allow_only_outliers=True)
            train, held_out, weights = self._split(known_labels, rng)
            detector = self._fit_detector(X, train, rng, fit_params)
            scores = normality_scores(detector, _safe_indexing(X, held_out))
            y_true = known_labels[held_out].astype(int)  # int8 may overflow in a custom metric
            fitted = self._calibrate(scores, y_true, weights)
        # Only now, so that an earlier fit survives an error.
        for name in ("best_score_", "calibrator_", "_scaler"):
            self.__dict__.pop(name, None)
        self.__dict__.update(fitted, detector_=detector)
        return self

    def _split(self, labels, rng):
        """Rows to train on, rows to hold out, and the weights of the latter."""
        inliers, outliers = np.flatnonzero(labels == 1), np.flatnonzero(labels == -1)
        if len(outliers) == 0 or len(inliers) < 2:
            raise ValueError(
                f"labels contain {len(outliers)} known outliers and {len(inliers)} known inliers, "
                "but at least one outlier and two inliers are required. If no labels are known, "
                "use ConformalDetector."
            )
        held_out_inliers = inliers
        if not isinstance(self.detector, FrozenEstimator):
            _, held_out_inliers = train_test_split(
                inliers, test_size=self.calibration_size, random_state=rng
            )
        held_out = np.sort(np.concatenate([held_out_inliers, outliers]))
        weights = np.where(labels[held_out] == 1, len(inliers) / len(held_out_inliers), 1.0)
        return np.setdiff1d(np.arange(len(labels)), held_out), held_out, weights

    def _calibrate(self, scores, labels, weights):
        """Compute the fitted attributes that depend on the scores of the held-out rows."""
        metric = self.metric if callable(self.metric) else _METRICS[self.metric]
        thresholds = _candidate_thresholds(scores, labels, self.n_thresholds)
        values = [
            metric(labels, np.where(scores < threshold, -1, 1), sample_weight=weights)
            for threshold in thresholds
        ]
        best = int(np.argmax(values))
        fitted = {"offset_": thresholds[best], "best_score_": float(values[best])}
        if self.method == "isotonic":
            calibrator = IsotonicRegression(
                y_min=0, y_max=1, increasing=False, out_of_bounds="clip"
            )
            return fitted | {"calibrator_": calibrator.fit(scores, labels == -1, weights)}
        scaler = RobustScaler().fit(scores[:, None])
        calibrator = LogisticRegression().fit(_scaled(scaler, scores), labels, weights)
        return fitted | {"calibrator_": calibrator, "_scaler": scaler}

    @available_if(_has_calibrator)
    def predict_proba(self, X: MatrixLike) -> FloatArray:
        """Predict the probabilities of being an outlier and of being an inlier.

        The probabilities are calibrated for rows with the same share of outliers as the labeled
        rows, where the held-out inliers represent all known inliers. If outliers are rarer, the
        probabilities of being an outlier are too high. Few labels give inaccurate probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to classify.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, 2)
            Columns are in the order of ``classes_``: the first column is the probability of being
            an outlier.
        """
        scores = self.score_samples(X)
        if isinstance(self.calibrator_, LogisticRegression):
            return self.calibrator_.predict_proba(_scaled(self._scaler, scores))
        p_outlier = self.calibrator_.predict(scores)
        return np.column_stack([p_outlier, 1 - p_outlier])


def _scaled(scaler, scores):
    """Scores in units of their spread, as a column of numbers that a regression can square."""
    return np.clip(scaler.transform(scores[:, None]), -MAX_SCALED, MAX_SCALED)


def _candidate_thresholds(scores, labels, n_thresholds):
    """Midpoints between each outlier and the next higher score, and one that flags no row."""
    distinct = np.unique(scores)
    midpoints = np.append((distinct[:-1] + distinct[1:]) / 2, np.nextafter(distinct[-1], np.inf))
    above_outliers = midpoints[np.isin(distinct, scores[labels == -1])]
    n = min(n_thresholds, len(above_outliers))
    chosen = above_outliers[np.linspace(0, len(above_outliers) - 1, n).astype(int)]
    return np.append(chosen, distinct[0])
