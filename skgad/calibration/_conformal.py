"""Conformal p-values from the scores of normal rows that were held out of training."""

import warnings
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import false_discovery_control
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import BaseCrossValidator, KFold, check_cv, train_test_split
from sklearn.utils import indexable
from sklearn.utils.validation import check_is_fitted

from .._labels import check_known_labels
from .._response import normality_scores
from .._sklearn_compat import (
    Interval,
    _fit_context,
    _num_samples,
    _safe_indexing,
    validate_params,
)
from .._typing import FloatArray, IntArray, MatrixLike, RandomStateLike
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
        p-value is ``1 / (n + 1)``. Ignored if `cv` is given.
    cv : int, cross-validation generator, iterable or None, default=None
        With folds, every row is used both for training and for calibration: a detector is fitted
        for each fold, to the rows of the others. This is CV+, and jackknife+ with
        :class:`~sklearn.model_selection.LeaveOneOut`; see Notes. An int is the number of shuffled
        folds. None holds out `calibration_size` rows once.
    random_state : int, RandomState instance or None, default=None
        Determines which rows are held out, and seeds every parameter `random_state` of the detector
        that is None. Pass an int for reproducible results.

    Attributes
    ----------
    detector_ : estimator
        The fitted detector. Not available with `cv`.
    detectors_ : list of estimators
        The fitted detectors, one for each fold. Without `cv`, only ``detector_``.
    calibration_scores_ : ndarray of shape (n_calibration,)
        Sorted scores of the held-out rows. With `cv`, those of each fold by the detector that was
        not fitted to it, one fold after the other.
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
    weighted_p_values : P-values if new normal rows come from another distribution.
    log_martingale : Evidence of drift in a stream of rows.

    Notes
    -----
    The level `alpha` holds on average over random draws of the held-out rows. For a given set of
    :math:`n` held-out rows, the share of normal rows that ``predict`` flags has a beta
    distribution with parameters :math:`k = \lfloor \alpha (n + 1) \rfloor` and :math:`n + 1 - k`
    if scores do not tie. For example, with 99 rows and a level of 0.05, this share is between
    0.017 and 0.100 in 95 % of the cases. Outliers among the held-out rows increase the p-values,
    so that fewer outliers are found.

    *Cross-validation.* Let :math:`s_i` be the score of a detector that was not fitted to the fold
    of row :math:`i`. With `cv`, the p-value is

    .. math:: p(x) = \frac{1 + \#\{i : s_i(x_i) \le s_i(x)\}}{n + 1}

    where :math:`n` is the number of all rows, as in CV+ and jackknife+ [1]_ and in cross-conformal
    anomaly detection [2]_. No row is lost for training, and p-values can be as small as
    ``1 / (n + 1)``. In return, training and scoring take as many times as long as there are folds,
    and the guarantee is weaker: :math:`P(p(x) \le \alpha)` is at most :math:`2 \alpha` plus a
    term that is small for many rows [1]_. In practice, it is close to :math:`\alpha`. There is no
    proof that `select` keeps its rate. `score_samples` is then the share of rows in the numerator,
    where rows with the same number are ordered by the average score of all detectors.

    A p-value is not the probability of being an outlier. That probability depends on the share of
    outliers, which cannot be estimated without labels.

    References
    ----------
    .. [1] R. F. Barber, E. J. Candès, A. Ramdas and R. J. Tibshirani. "Predictive inference with
       the jackknife+". Annals of Statistics 49(1), 2021.
    .. [2] O. Hennhöfer and C. Preisach. "Leave-One-Out-, Bootstrap- and Cross-Conformal Anomaly
       Detectors". IEEE International Conference on Knowledge Graph, 2024.

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
        "cv": ["cv_object"],
    }

    detectors_: list[Any]
    calibration_scores_: FloatArray

    def __init__(
        self,
        detector: BaseEstimator,
        *,
        alpha: float = 0.05,
        calibration_size: float | int = 0.2,
        cv: int | BaseCrossValidator | Iterable[tuple[IntArray, IntArray]] | None = None,
        random_state: RandomStateLike = None,
    ) -> None:
        self.detector = detector
        self.alpha = alpha
        self.calibration_size = calibration_size
        self.cv = cv
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
            0, or if all labels are -1. If `cv` is given, and the detector is frozen or a row is
            held out more than once.

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
        splits = self._splits(known_labels, rng, detector_takes_labels=takes_labels)
        detectors, fold_scores = [], []
        for train, held_out in splits:
            detector = self._fit_detector(X, train, rng, fit_params)
            scores = normality_scores(detector, _safe_indexing(X, held_out))
            detectors.append(detector)
            fold_scores.append(np.sort(scores))
        self.__dict__.pop("detector_", None)
        if self.cv is None:
            self.detector_ = detectors[0]
        self.detectors_ = detectors
        self.calibration_scores_ = np.concatenate(fold_scores)
        self._fold_scores = fold_scores
        n = len(self.calibration_scores_)
        if self._n_flagged() == 0:
            warnings.warn(
                f"With {n} held-out rows, the smallest possible p-value is {1 / (n + 1):.3g}, so "
                f"predict flags no rows at alpha={self.alpha}. Hold out at least "
                f"{int(np.ceil(1 / self.alpha)) - 1} rows or increase alpha.",
                stacklevel=2,
            )
        return self

    def _splits(self, labels, rng, detector_takes_labels):
        """Rows to train on, None for a frozen detector, and rows to hold out, of each fold."""
        normal = np.flatnonzero(labels == (1 if 1 in labels else 0))
        if isinstance(self.detector, FrozenEstimator):
            if self.cv is not None:
                raise ValueError(
                    "cv fits a detector for each fold, but the detector is frozen. Pass cv=None to "
                    "calibrate it, or a detector that is not frozen."
                )
            return [(None, normal)]
        others = np.setdiff1d(np.arange(len(labels)), normal)
        if not detector_takes_labels:
            others = others[labels[others] == 0]
        return [
            (np.concatenate([normal[train], others]), normal[held_out])
            for train, held_out in self._folds(len(normal), rng)
        ]

    def _folds(self, n_normal, rng):
        """Positions of the normal rows to train on and to hold out, of each fold."""
        if self.cv is None:
            return [
                train_test_split(
                    np.arange(n_normal),
                    test_size=self.calibration_size,
                    random_state=rng,
                )
            ]
        cv = check_cv(self.cv)
        if isinstance(self.cv, Integral):
            cv = KFold(self.cv, shuffle=True, random_state=rng)
        folds = list(cv.split(np.zeros((n_normal, 1))))
        if not folds:
            raise ValueError(f"cv={self.cv!r} has no folds. Pass a number of folds, or a splitter.")
        held_out = np.concatenate([test for _, test in folds])
        if len(np.unique(held_out)) < len(held_out):
            raise ValueError(
                "cv holds out a row more than once. Pass a splitter whose folds do not overlap, "
                "such as KFold."
            )
        return folds

    def _n_flagged(self):
        """Largest number of held-out rows with lower scores, plus 1, at which a row is flagged."""
        n = len(self.calibration_scores_)
        # The same division as in p_values: both round alike, so predict agrees with them.
        return np.count_nonzero(np.arange(1, n + 1) / (n + 1) <= self.alpha)

    @property
    def n_features_in_(self) -> int:
        """Number of features seen during `fit`."""
        return self.detectors_[0].n_features_in_

    @property
    def feature_names_in_(self) -> NDArray[Any]:
        """Names of features seen during `fit`."""
        return self.detectors_[0].feature_names_in_

    @property
    def offset_(self) -> float:
        """Threshold of the scores."""
        k = self._n_flagged()
        if k == 0:
            return -np.inf
        if len(self.detectors_) == 1:
            return self.calibration_scores_[k - 1]
        return k / (len(self.calibration_scores_) + 1)

    def score_samples(self, X: MatrixLike) -> FloatArray:
        """Score each row with the fitted detector, or with those of all folds.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to score.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            The higher, the more normal. Without `cv`, the scores of the detector. With `cv`, they
            are between 0 and 1; see Notes.
        """
        check_is_fitted(self)
        if len(self.detectors_) == 1:
            return normality_scores(self.detectors_[0], X)
        scores = [normality_scores(detector, X) for detector in self.detectors_]
        median, quartile, other_quartile = np.percentile(self.calibration_scores_, [50, 25, 75])
        # In [0, 1): it orders rows that have the same number of lower scores.
        average = (np.mean(scores, axis=0) - median) / ((other_quartile - quartile) or 1.0)
        fraction = np.minimum(0.5 + np.arctan(average) / np.pi, 1 - 1e-6)
        return (self._n_lower(scores) + fraction) / (len(self.calibration_scores_) + 1)

    def _n_lower(self, scores):
        """Number of held-out rows with the same or a lower score than each row, in their fold."""
        return sum(
            np.searchsorted(held_out, new, side="right")
            for held_out, new in zip(self._fold_scores, scores, strict=True)
        )

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
        check_is_fitted(self)
        scores = [normality_scores(detector, X) for detector in self.detectors_]
        return (1 + self._n_lower(scores)) / (len(self.calibration_scores_) + 1)

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

    def __getstate__(self):
        """State with each fitted detector once, because a model file would have it twice."""
        state = dict(super().__getstate__())
        state.pop("detector_", None)
        return state

    def __setstate__(self, state):
        """Restore the detector."""
        super().__setstate__(state)
        if len(state.get("detectors_", ())) == 1:
            self.detector_ = self.detectors_[0]
