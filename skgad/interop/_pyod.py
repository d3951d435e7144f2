"""Detectors of PyOD as detectors of scikit-learn, and the other way round."""

from numbers import Real
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, MetaEstimatorMixin, OutlierMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from .._response import check_score_direction
from .._sklearn_compat import HasMethods, _fit_context
from .._threshold import DecisionMixin
from .._typing import FloatArray

if TYPE_CHECKING:
    from ._pyod_view import PyODView


class PyODDetector(DecisionMixin, MetaEstimatorMixin, OutlierMixin, BaseEstimator):
    """Detector of PyOD with the interface of scikit-learn.

    PyOD's scores are higher for more abnormal rows, and its labels are 0 for inliers and 1 for
    outliers. Here, scores are higher for more normal rows, and labels are 1 for inliers and -1 for
    outliers. :func:`from_pyod` makes an object of this class.

    .. versionadded:: 0.1

    Parameters
    ----------
    detector : pyod.models.base.BaseDetector
        The detector. It is cloned before it is fitted. To use a detector that is already fitted,
        wrap it in :class:`~sklearn.frozen.FrozenEstimator`.

    Attributes
    ----------
    detector_ : pyod.models.base.BaseDetector
        The fitted detector.

    train_scores_ : ndarray of shape (n_samples,)
        Scores of the training rows: the opposite of the detector's `decision_scores_`. With a
        frozen detector, the scores of the rows passed to `fit`.

    offset_ : float
        Threshold, such that ``decision_function = score_samples - offset_``: the opposite of the
        detector's `threshold_`.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`. Defined only if all of them are strings.

    See Also
    --------
    to_pyod : The other way round.

    Notes
    -----
    The share of flagged training rows is the parameter `contamination` of the detector,
    ``detector__contamination`` in searches. If it is a thresholder of PyThresh, the threshold is
    the middle between the training rows with the label 1 and those with the label 0.

    Some detectors of PyOD, such as ECOD and COPOD, score a row differently depending on the other
    rows in the same call. Others, such as its autoencoders, are random when they score. The wrapper
    does not change this. P-values of :class:`~skgad.calibration.ConformalDetector` are not valid
    for them.

    Examples
    --------
    >>> from skgad.interop import from_pyod
    >>> from pyod.models.iforest import IForest  # doctest: +SKIP
    >>> detector = from_pyod(IForest(random_state=0))  # doctest: +SKIP
    >>> detector.fit(X).predict(X_new)  # doctest: +SKIP
    array([ 1, -1])
    """

    _parameter_constraints: dict = {"detector": [HasMethods(["fit", "decision_function"])]}

    detector_: Any
    train_scores_: FloatArray

    def __init__(self, detector: Any) -> None:
        self.detector = detector

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Fit the detector.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows.
        y : Ignored
            Present for API consistency by convention.

        Returns
        -------
        self : object
            The fitted detector.

        Raises
        ------
        TypeError
            If the detector is not one of PyOD.
        """
        X = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        detector = clone(self.detector)
        is_frozen = isinstance(detector, FrozenEstimator)
        if not is_frozen:
            detector.fit(X)
        if not hasattr(detector, "decision_scores_"):
            raise TypeError(
                f"{type(detector).__name__} has no decision_scores_, so it is not a detector of "
                "PyOD. Detectors of scikit-learn and skgad need no adapter. In a pipeline, wrap "
                "the last step: make_pipeline(StandardScaler(), from_pyod(detector))."
            )
        self.detector_ = detector
        self.offset_ = -_threshold(detector)
        if is_frozen:
            self.train_scores_ = self._score(X)
        else:
            self.train_scores_ = -np.asarray(detector.decision_scores_, dtype=np.float64)
        return self

    def _score(self, X):
        return -np.asarray(self.detector_.decision_function(X), dtype=np.float64).ravel()

    def score_samples(self, X: ArrayLike) -> FloatArray:
        """Score each row with the opposite of PyOD's score.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to score.

        Returns
        -------
        scores : ndarray of shape (n_samples,), float64
            The higher, the more normal.
        """
        check_is_fitted(self)
        return self._score(validate_data(self, X, dtype=np.float64, reset=False))


def _threshold(detector):
    """PyOD's threshold, in the unit of its scores."""
    if isinstance(detector.contamination, Real):
        return float(detector.threshold_)
    # A thresholder of PyThresh has a threshold in another unit, and labels of the training rows.
    scores, is_outlier = np.asarray(detector.decision_scores_), np.asarray(detector.labels_) == 1
    if not is_outlier.any():
        return float(scores.max())
    if is_outlier.all():
        return float(np.nextafter(scores.min(), -np.inf))
    return float((scores[is_outlier].min() + scores[~is_outlier].max()) / 2)


def from_pyod(detector: Any) -> PyODDetector:
    """Give a detector of PyOD the interface of scikit-learn.

    The result can be used wherever skgad and scikit-learn expect an outlier detector.

    .. versionadded:: 0.1

    Parameters
    ----------
    detector : pyod.models.base.BaseDetector
        The detector. To use a detector that is already fitted, wrap it in
        :class:`~sklearn.frozen.FrozenEstimator`.

    Returns
    -------
    detector : PyODDetector
        A detector, not fitted, with higher scores for more normal rows and the labels 1 for inliers
        and -1 for outliers.

    See Also
    --------
    to_pyod : The other way round.

    Examples
    --------
    >>> from skgad.interop import from_pyod
    >>> from pyod.models.iforest import IForest  # doctest: +SKIP
    >>> ConformalDetector(from_pyod(IForest())).fit(X)  # doctest: +SKIP
    """
    return PyODDetector(detector)


def to_pyod(detector: BaseEstimator, *, contamination: Any = 0.1) -> "PyODView":
    """Give a detector of skgad or scikit-learn the interface of PyOD.

    The result is a ``pyod.models.base.BaseDetector`` for packages that expect detectors of PyOD,
    such as PyThresh, SUOD and nonconform. Requires PyOD.

    .. versionadded:: 0.1

    Parameters
    ----------
    detector : estimator
        Outlier detector with the interface of scikit-learn. It is cloned before it is fitted. To
        use a detector that is already fitted, wrap it in :class:`~sklearn.frozen.FrozenEstimator`;
        the rows passed to `fit` then only determine the threshold.
    contamination : float or thresholder of PyThresh, default=0.1
        Share of the training rows to flag, in (0, 0.5], as in PyOD. The threshold of `detector`
        is not used.

    Returns
    -------
    detector : pyod.models.base.BaseDetector
        A detector, not fitted, with higher scores for more abnormal rows and the labels 0 for
        inliers and 1 for outliers. It has the methods of PyOD, such as ``predict_proba``, and
        its fitted attributes ``decision_scores_``, ``threshold_`` and ``labels_``. The fitted
        `detector` is its attribute ``detector_``.

    Raises
    ------
    ImportError
        If PyOD is not installed.

    See Also
    --------
    from_pyod : The other way round.

    Examples
    --------
    >>> from skgad import ALAD
    >>> from skgad.interop import to_pyod
    >>> detector = to_pyod(ALAD(random_state=0))  # doctest: +SKIP
    >>> detector.fit(X).labels_  # doctest: +SKIP
    """
    from ._pyod_view import PyODView

    check_score_direction(detector)
    return PyODView(detector, contamination=contamination)
