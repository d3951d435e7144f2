"""Conformal p-values from the scores of normal rows that were held out of training."""

import warnings
from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import false_discovery_control
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils import indexable

from .._labels import check_known_labels
from .._response import normality_scores
from .._sklearn_compat import (
    Interval,
    _fit_context,
    _num_samples,
    _safe_indexing,
    validate_params,
)
from .._typing import FloatArray, MatrixLike, RandomStateLike
from ._base import BaseThresholdDetector


class ConformalDetector(BaseThresholdDetector):
    r"""Add conformal p-values to a detector, without labels.

    Some of the training rows, which should be normal, are held out. The p-value of a row with
    score :math:`s(x)` is

    .. math:: p(x) = \frac{1 + \#\{i : s(x_i) \le s(x)\}}{n + 1}

    where :math:`s(x_1), \ldots, s(x_n)` are the scores of the held-out rows (Bates, Candès, Lei,
    Romano and Sesia, "Testing for outliers with conformal p-values", Annals of Statistics 51(1),
    2023). If a new row comes from the same distribution as the held-out rows, then
    :math:`P(p(x) \le \alpha) \le \alpha`, for every detector and every distribution. The better
    the detector, the smaller the p-values of outliers.

    .. versionadded:: 0.1

    Parameters
    ----------
    detector : estimator
        Detector with ``score_samples`` or ``decision_function``, or a pipeline that ends in one.
        Wrap a detector that is already fitted in :class:`~sklearn.frozen.FrozenEstimator`. All
        rows passed to `fit` are then used for calibration, so they must not include rows that the
        detector was fitted to.
    alpha : float, default=0.05
        Level of ``predict``: the share of new normal rows that may be flagged. It can be changed
        after `fit`.
    calibration_size : float or int, default=0.2
        Share or number of the rows to hold out. With `n` held-out rows, the smallest possible
        p-value is ``1 / (n + 1)``.
    random_state : int, RandomState instance or None, default=None
        Determines which rows are held out, and seeds every parameter `random_state` of the detector
        that is None. Pass an int for reproducible results.

    Attributes
    ----------
    detector_ : estimator
        The fitted detector.
    calibration_scores_ : ndarray of shape (n_calibration,)
        Sorted scores of the held-out rows.
    offset_ : float
        Threshold of the scores. Rows with lower scores have a p-value of at most `alpha`.
        ``-inf`` if there are too few held-out rows for such a p-value.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if `X` had names.

    See Also
    --------
    CalibratedDetector : Thresholds and probabilities from labels.

    Notes
    -----
    The level `alpha` holds on average over random draws of the held-out rows. For a given set of
    :math:`n` held-out rows, the share of normal rows that ``predict`` flags has a beta
    distribution with parameters :math:`k = \lfloor \alpha (n + 1) \rfloor` and :math:`n + 1 - k`
    if scores do not tie. For example, with 99 rows and a level of 0.05, this share is between
    0.017 and 0.100 in 95 % of the cases. Outliers among the held-out rows increase the p-values,
    so that fewer outliers are found.

    A p-value is not the probability of being an outlier. That probability depends on the share of
    outliers, which cannot be estimated without labels.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.ensemble import IsolationForest
    >>> from skgad.calibration import ConformalDetector
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(2000, 3))
    >>> detector = ConformalDetector(IsolationForest(random_state=0), random_state=0).fit(X)
    >>> detector.p_values([[0.0, 0.0, 0.0], [5.0, 5.0, 5.0]]).round(3)
    array([1.   , 0.002])
    >>> X_new = np.concatenate([rng.normal(size=(90, 3)), rng.normal(5, 1, size=(10, 3))])
    >>> np.flatnonzero(detector.select(X_new, fdr=0.1))
    array([48, 76, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99])
    """

    _parameter_constraints: dict = {
        **BaseThresholdDetector._parameter_constraints,
        "alpha": [Interval(Real, 0, 1, closed="neither")],
    }

    calibration_scores_: FloatArray

    def __init__(
        self,
        detector: BaseEstimator,
        *,
        alpha: float = 0.05,
        calibration_size: float | int = 0.2,
        random_state: RandomStateLike = None,
    ) -> None:
        self.detector = detector
        self.alpha = alpha
        self.calibration_size = calibration_size
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self, X: MatrixLike, y: Any = None, labels: ArrayLike | None = None, **fit_params: Any
    ) -> Self:
        """Fit the detector to some of the rows and score the others.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows. They should be normal, or nearly all of them, or some of them should be
            known inliers according to `labels`.
        y : Ignored
            Present for API consistency by convention.
        labels : array-like of shape (n_samples,), default=None
            1 for known inliers, -1 for known outliers and 0 for unlabeled rows. The held-out rows
            are drawn from the known inliers or, if there are none, from the unlabeled rows. The
            detector receives the labels of its training rows if its `fit` has a parameter
            `labels`; with metadata routing enabled, if it requests `labels`. Otherwise it is
            fitted without the known outliers.
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
            0, or if all labels are -1.

        Warns
        -----
        UserWarning
            If there are so few held-out rows that ``predict`` cannot flag any row.
        """
        fit_params = self._route_fit_params(labels, fit_params)
        (X,) = indexable(X)
        known_labels = check_known_labels(labels, _num_samples(X))
        rng = self._random_state()
        takes_labels = "labels" in fit_params
        train, held_out = self._split(known_labels, rng, detector_takes_labels=takes_labels)
        detector = self._fit_detector(X, train, rng, fit_params)
        self.calibration_scores_ = np.sort(normality_scores(detector, _safe_indexing(X, held_out)))
        self.detector_ = detector
        if np.isneginf(self.offset_):
            n = len(self.calibration_scores_)
            warnings.warn(
                f"With {n} held-out rows, the smallest possible p-value is {1 / (n + 1):.3g}, so "
                f"predict flags no rows at alpha={self.alpha}. Hold out at least "
                f"{int(np.ceil(1 / self.alpha)) - 1} rows or increase alpha.",
                stacklevel=2,
            )
        return self

    def _split(self, labels, rng, detector_takes_labels):
        """Rows to train on, None for a frozen detector, and rows to hold out."""
        normal = np.flatnonzero(labels == (1 if 1 in labels else 0))
        if isinstance(self.detector, FrozenEstimator):
            return None, normal
        train, held_out = train_test_split(
            normal, test_size=self.calibration_size, random_state=rng
        )
        others = np.setdiff1d(np.arange(len(labels)), normal)
        if not detector_takes_labels:
            others = others[labels[others] == 0]
        return np.concatenate([train, others]), held_out

    @property
    def offset_(self) -> float:
        """Threshold of the scores."""
        n = len(self.calibration_scores_)
        # The same division as in p_values: both round alike, so predict agrees with them.
        k = np.count_nonzero(np.arange(1, n + 1) / (n + 1) <= self.alpha)
        return self.calibration_scores_[k - 1] if k else -np.inf

    def p_values(self, X: MatrixLike) -> FloatArray:
        """Compute conformal p-values.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to test.

        Returns
        -------
        p : ndarray of shape (n_samples,)
            How often a normal row has the same or a lower score, in (0, 1]. The lower, the less
            normal.
        """
        scores = self.score_samples(X)
        n_lower = np.searchsorted(self.calibration_scores_, scores, side="right")
        return (1 + n_lower) / (len(self.calibration_scores_) + 1)

    @validate_params(
        {"X": "no_validation", "fdr": [Interval(Real, 0, 1, closed="neither")]},
        prefer_skip_nested_validation=True,
    )
    def select(self, X: MatrixLike, *, fdr: float = 0.1) -> NDArray[np.bool_]:
        r"""Select outliers and limit the share of normal rows among them.

        Let :math:`p_{(1)} \le \ldots \le p_{(m)}` be the sorted p-values of all rows. The rows
        with the :math:`k` lowest p-values are selected, where :math:`k` is the largest number with
        :math:`p_{(k)} \le k \cdot \text{fdr} / m` (Benjamini and Hochberg, JRSS B 1995). On
        average, the share of normal rows among the selected rows is at most `fdr`. Conformal
        p-values are not independent, because they share the held-out rows. But their dependence
        is positive, for which the procedure remains valid (Bates et al., 2023).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to select from. The selection depends on all of them.
        fdr : float, default=0.1
            The false discovery rate.

        Returns
        -------
        mask : ndarray of shape (n_samples,), bool
            True for selected rows.

        Warns
        -----
        UserWarning
            If no row is selected because there are too few held-out rows: all of `X` together
            cannot be selected, or some rows have lower scores than all held-out rows, but more of
            them would be needed.

        Notes
        -----
        To select `k` of `m` rows, at least ``m / (k * fdr) - 1`` rows must be held out.
        """
        p_values = self.p_values(X)
        is_selected = false_discovery_control(p_values) <= fdr
        n, m = len(self.calibration_scores_), len(p_values)
        smallest = 1 / (n + 1)
        if not is_selected.any() and (smallest > fdr or p_values.min() == smallest):
            warnings.warn(
                f"No row is selected, because too few rows were held out: with {n} of them, the "
                f"smallest possible p-value is {smallest:.3g}, which {m * smallest / fdr:.3g} of "
                f"the {m} rows would have to reach at fdr={fdr}. Hold out at least "
                f"{int(np.ceil(m / fdr)) - 1} rows to be able to select a single one, pass fewer "
                "rows, or increase fdr.",
                stacklevel=2,
            )
        return is_selected
