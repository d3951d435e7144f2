"""How sure: conformal p-values without labels, thresholds and probabilities with some."""

import warnings
from functools import partial
from numbers import Integral, Real

import numpy as np
from scipy.stats import false_discovery_control
from sklearn import get_config
from sklearn.base import BaseEstimator, MetaEstimatorMixin, OutlierMixin, _fit_context, clone
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, f1_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import RobustScaler
from sklearn.utils import (
    _safe_indexing,
    check_consistent_length,
    column_or_1d,
    get_tags,
    indexable,
)
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions, validate_params
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import (
    _check_method_params,
    _num_samples,
    check_is_fitted,
    has_fit_parameter,
)

from .._response import normality_scores

__all__ = ["CalibratedDetector", "ConformalDetector"]


class _HeldOutDetector(OutlierMixin, MetaEstimatorMixin, BaseEstimator):
    """A fitted ``detector_`` whose threshold ``offset_`` comes from rows that were held out."""

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

    @property
    def n_features_in_(self):
        """Number of features seen during `fit`."""
        return self.detector_.n_features_in_

    @property
    def feature_names_in_(self):
        """Names of features seen during `fit`."""
        return self.detector_.feature_names_in_

    def score_samples(self, X):
        """Scores of the detector.

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

    def decision_function(self, X):
        """Score above the threshold.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to score.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            ``score_samples(X) - offset_``; negative for outliers.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X):
        """Tell outliers from inliers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to judge.

        Returns
        -------
        labels : ndarray of shape (n_samples,), int
            -1 for outliers and 1 for inliers.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    def get_metadata_routing(self):
        """What metadata goes where: labels are for both, all else is for the detector's `fit`.

        Returns
        -------
        routing : MetadataRouter
            See scikit-learn's guide to metadata routing.
        """
        mapping = MethodMapping()
        for caller in ("fit", "fit_predict"):
            mapping.add(caller=caller, callee="fit")
        router = MetadataRouter(owner=self).add_self_request(self)
        return router.add(detector=self.detector, method_mapping=mapping)

    def _routed(self, labels, fit_params):
        """Parameters for the detector's fit, all rows of them."""
        if get_config()["enable_metadata_routing"]:
            return process_routing(self, "fit", labels=labels, **fit_params).detector.fit
        if labels is not None and has_fit_parameter(self.detector, "labels"):
            return {**fit_params, "labels": labels}
        return fit_params

    def _fit_detector(self, X, train, fit_params):
        """Fit the detector to some of the rows, or to all for None."""
        if isinstance(self.detector, FrozenEstimator):
            return self.detector
        fit_params = _check_method_params(X, fit_params, train)
        return clone(self.detector).fit(_safe_indexing(X, train), **fit_params)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.detector).input_tags
        return tags


class ConformalDetector(_HeldOutDetector):
    r"""A detector with p-values, from normal rows that it was not trained on.

    The p-value of a row with score :math:`s(x)` is

    .. math:: p(x) = \frac{1 + \#\{i : s(x_i) \le s(x)\}}{n + 1}

    with the scores of :math:`n` held-out rows (Bates, Candès, Lei, Romano and Sesia, "Testing for
    outliers with conformal p-values", Annals of Statistics 51(1), 2023). For a new row that
    is drawn as the held-out ones are, :math:`P(p(x) \le \alpha) \le \alpha`, whatever the detector
    and the distribution. A good detector makes the p-values of outliers small.

    Parameters
    ----------
    detector : estimator
        Detector with ``score_samples`` or ``decision_function``, or a pipeline that ends in one.
        A detector that has been fitted already is wrapped in
        :class:`~sklearn.frozen.FrozenEstimator`; all rows that `fit` is given are then for
        calibration, and must not be those that it was fitted on.
    alpha : float, default=0.05
        Level of ``predict``: the share of new normal rows that may be flagged. It can be changed
        after `fit`.
    calibration_size : float or int, default=0.2
        Share or number of the rows that are held out. The smallest p-value that there can be is
        one divided by their number and one.
    random_state : int, RandomState instance or None, default=None
        Determines which rows are held out.

    Attributes
    ----------
    detector_ : estimator
        The fitted detector.
    calibration_scores_ : ndarray of shape (n_calibration,)
        Sorted scores of the held-out rows.
    offset_ : float
        Threshold of the scores: below it are the rows whose p-value is at most `alpha`.
        ``-inf`` if there are too few held-out rows for any to be so.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if `X` had names.

    See Also
    --------
    CalibratedDetector : Thresholds and probabilities from labels.

    Notes
    -----
    The rate holds in the mean over the draws of the held-out rows. With :math:`n` given rows, the
    share of normal rows that ``predict`` flags has a beta distribution with parameters
    :math:`k = \lfloor \alpha (n + 1) \rfloor` and :math:`n + 1 - k` if scores do not tie: with
    99 rows and a level of 0.05 it is between 0.017 and 0.100 nineteen times in twenty. Outliers
    among the held-out rows make the p-values larger, so that fewer outliers are found.

    A p-value is not the probability of being an outlier. That depends on how many outliers there
    are, which only labels tell.

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
        **_HeldOutDetector._parameter_constraints,
        "alpha": [Interval(Real, 0, 1, closed="neither")],
    }

    def __init__(self, detector, *, alpha=0.05, calibration_size=0.2, random_state=None):
        self.detector = detector
        self.alpha = alpha
        self.calibration_size = calibration_size
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, labels=None, **fit_params):
        """Fit the detector to some of the rows and score the others.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows that are normal, or nearly all of them, or of which some are known to be.
        y : Ignored
            Present for API consistency by convention.
        labels : array-like of shape (n_samples,), default=None
            1 for rows that are known to be inliers, -1 for known outliers, 0 for all others. Rows
            are then held out of the known inliers, or, if there are none, of the others. The
            detector is given the labels of its rows if its `fit` takes them, with metadata
            routing if it requests them; else it is fitted without the known outliers.
        **fit_params : dict
            Handed to the `fit` of the detector: of a value for each row, those of its rows. With
            metadata routing enabled, what it requests.

        Returns
        -------
        self : object
            The fitted detector.

        Raises
        ------
        ValueError
            If `labels` are no such numbers, or if all rows are known outliers.

        Warns
        -----
        UserWarning
            If so few rows are held out that ``predict`` can flag none.
        """
        fit_params = self._routed(labels, fit_params)
        (X,) = indexable(X)
        train, held_out = self._split(X, labels, "labels" in fit_params)
        detector = self._fit_detector(X, train, fit_params)
        self.calibration_scores_ = np.sort(normality_scores(detector, _safe_indexing(X, held_out)))
        self.detector_ = detector
        if np.isneginf(self.offset_):
            n = len(self.calibration_scores_)
            warnings.warn(
                f"With {n} held-out rows no p-value is below {1 / (n + 1):.3g}, so that predict "
                f"flags nothing at alpha={self.alpha}: hold out at least "
                f"{int(np.ceil(1 / self.alpha)) - 1} rows or raise alpha.",
                stacklevel=2,
            )
        return self

    def _split(self, X, labels, for_detector):
        """Rows to train on, and rows to calibrate with, which are as normal as any is known."""
        labels = np.zeros(_num_samples(X)) if labels is None else _check_labels(X, labels)
        normal = np.flatnonzero(labels == (1 if 1 in labels else 0))
        if len(normal) == 0:
            raise ValueError("All rows are labelled -1: p-values need rows that are normal.")
        if isinstance(self.detector, FrozenEstimator):
            return None, normal
        train, held_out = train_test_split(
            normal, test_size=self.calibration_size, random_state=self.random_state
        )
        others = np.setdiff1d(np.arange(len(labels)), normal)
        others = others if for_detector else others[labels[others] == 0]
        return np.concatenate([train, others]), held_out

    @property
    def offset_(self):
        """Threshold of the scores."""
        n = len(self.calibration_scores_)
        k = np.count_nonzero(np.arange(1, n + 1) / (n + 1) <= self.alpha)
        return self.calibration_scores_[k - 1] if k else -np.inf

    def p_values(self, X):
        """How often a normal row scores as low as each row, or lower.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to judge.

        Returns
        -------
        p : ndarray of shape (n_samples,)
            In (0, 1]: the lower, the less normal.
        """
        scores = self.score_samples(X)
        n_lower = np.searchsorted(self.calibration_scores_, scores, side="right")
        return (1 + n_lower) / (len(self.calibration_scores_) + 1)

    @validate_params(
        {"X": "no_validation", "fdr": [Interval(Real, 0, 1, closed="neither")]},
        prefer_skip_nested_validation=True,
    )
    def select(self, X, *, fdr=0.1):
        r"""Pick outliers, such that few of those that are picked are normal.

        With the p-values of all rows in order, :math:`p_{(1)} \le \ldots \le p_{(m)}`, those up to
        the largest :math:`k` with :math:`p_{(k)} \le k \cdot \text{fdr} / m` are picked (Benjamini
        and Hochberg, JRSS B 1995). The share of normal rows among those picked is at most `fdr` in
        the mean: conformal p-values depend on each other, by the held-out rows, but positively,
        which the procedure allows (Bates et al., 2023).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to pick from. What is picked depends on all of them.
        fdr : float, default=0.1
            The false discovery rate.

        Returns
        -------
        mask : ndarray of shape (n_samples,), bool
            True for rows that are picked.

        Notes
        -----
        To pick `k` rows of `m`, at least ``m / (k * fdr) - 1`` rows must be held out.
        """
        return false_discovery_control(self.p_values(X)) <= fdr


def _is_calibrated(detector):
    """Whether there are probabilities; the message says what is missing."""
    if not hasattr(detector, "calibrator_"):
        raise AttributeError("predict_proba needs a fit with labels=.")
    return True


class CalibratedDetector(_HeldOutDetector):
    """A detector whose threshold and probabilities come from some known labels.

    Known outliers are kept out of the training of the detector, as is a share of the known
    inliers. The scores of both set the threshold that is best for a metric, and calibrate the
    probability of being an outlier.

    Parameters
    ----------
    detector : estimator
        Detector with ``score_samples`` or ``decision_function``, or a pipeline that ends in one.
        A detector that has been fitted already is wrapped in
        :class:`~sklearn.frozen.FrozenEstimator`; all labelled rows are then for calibration.
    metric : {"balanced_accuracy", "f1"} or callable, default="balanced_accuracy"
        What the threshold makes best. A callable is used as
        ``metric(y_true, y_pred, sample_weight=weights)`` with labels -1 and 1. F1, that of
        outliers, depends on the share of outliers among the labelled rows, balanced accuracy does
        not.
    method : {"sigmoid", "isotonic"}, default="sigmoid"
        How probabilities follow from scores.

        - "sigmoid": by a logistic regression, slightly regularised (Platt, 1999). A good choice
          for few outliers.
        - "isotonic": by isotonic regression (Zadrozny and Elkan, 2002), for hundreds of them.

    calibration_size : float or int, default=0.2
        Share or number of the known inliers that are held out. They stand for all known inliers
        in the metric and in the probabilities, by their weights.
    n_thresholds : int, default=200
        Number of thresholds to try, if there are more labelled outliers than that.
    random_state : int, RandomState instance or None, default=None
        Determines which rows are held out.

    Attributes
    ----------
    detector_ : estimator
        The fitted detector.
    offset_ : float
        Threshold of the scores. Without labels, that of the detector.
    best_score_ : float
        Metric at the threshold, on the rows that it was chosen on. Only with labels.
    calibrator_ : estimator
        What makes probabilities of scores. Only with labels.
    classes_ : ndarray of shape (2,)
        -1 and 1, the columns of ``predict_proba``.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if `X` had names.

    See Also
    --------
    ConformalDetector : P-values, without labels.
    sklearn.model_selection.TunedThresholdClassifierCV : The like for classifiers.

    Notes
    -----
    Labels are not `y`, which detectors ignore, so that ``cross_val_score(detector, X, y)`` cannot
    train on the truth by accident. In a search, request them as metadata by
    ``set_fit_request(labels=True)``.

    ``predict`` follows the metric and not the probabilities, which may be above or below one half
    at the threshold.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.ensemble import IsolationForest
    >>> from skgad.calibration import CalibratedDetector
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(size=(500, 3)), rng.normal(4, 1, size=(20, 3))])
    >>> labels = np.zeros(520, dtype=int)  # unknown
    >>> labels[:200], labels[500:510] = 1, -1
    >>> detector = CalibratedDetector(IsolationForest(random_state=0), random_state=0)
    >>> detector.fit(X, labels=labels).predict(X[510:])
    array([-1, -1, -1, -1, -1, -1, -1, -1, -1, -1])
    >>> detector.predict_proba([[0.0, 0.0, 0.0], [5.0, 5.0, 5.0]]).round(2)
    array([[0.  , 1.  ],
           [0.96, 0.04]])
    """

    _parameter_constraints: dict = {
        **_HeldOutDetector._parameter_constraints,
        "metric": [StrOptions({"balanced_accuracy", "f1"}), callable],
        "method": [StrOptions({"sigmoid", "isotonic"})],
        "n_thresholds": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        detector,
        *,
        metric="balanced_accuracy",
        method="sigmoid",
        calibration_size=0.2,
        n_thresholds=200,
        random_state=None,
    ):
        self.detector = detector
        self.metric = metric
        self.method = method
        self.calibration_size = calibration_size
        self.n_thresholds = n_thresholds
        self.random_state = random_state

    @property
    def classes_(self):
        """Labels of the columns of ``predict_proba``."""
        return np.array([-1, 1])

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, labels=None, **fit_params):
        """Fit the detector, and set its threshold by the labels.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows.
        y : Ignored
            Present for API consistency by convention.
        labels : array-like of shape (n_samples,), default=None
            1 for rows that are known to be inliers, -1 for known outliers, 0 for all others. The
            detector is fitted on the latter, too, and given the labels of its rows if its `fit`
            takes them, with metadata routing if it requests them. None leaves the detector its own
            threshold, and there are no probabilities.
        **fit_params : dict
            Handed to the `fit` of the detector: of a value for each row, those of its rows. With
            metadata routing enabled, what it requests.

        Returns
        -------
        self : object
            The fitted detector.

        Raises
        ------
        ValueError
            If `labels` are no such numbers, or if there is no outlier or no inlier among them.
        """
        fit_params = self._routed(labels, fit_params)
        (X,) = indexable(X)
        if labels is None:
            detector = self._fit_detector(X, None, fit_params)
            fitted = {"offset_": _own_threshold(detector, X)}
        else:
            train, held_out, weights = self._split(X, labels)
            detector = self._fit_detector(X, train, fit_params)
            scores = normality_scores(detector, _safe_indexing(X, held_out))
            fitted = self._calibrate(scores, np.asarray(labels)[held_out], weights)
        for name in ("best_score_", "calibrator_", "_scaler"):
            vars(self).pop(name, None)
        vars(self).update(fitted, detector_=detector)
        return self

    def _split(self, X, labels):
        """Rows to train on, rows to calibrate with, and the weights of the latter."""
        labels = _check_labels(X, labels)
        inliers, outliers = np.flatnonzero(labels == 1), np.flatnonzero(labels == -1)
        if len(outliers) == 0 or len(inliers) < 2:
            raise ValueError(
                f"labels have {len(outliers)} outliers and {len(inliers)} inliers; at least one "
                "outlier and two inliers must be known. Without any, ConformalDetector sets a "
                "threshold."
            )
        held_in = inliers
        if not isinstance(self.detector, FrozenEstimator):
            _, held_in = train_test_split(
                inliers, test_size=self.calibration_size, random_state=self.random_state
            )
        held_out = np.sort(np.concatenate([held_in, outliers]))
        weights = np.where(labels[held_out] == 1, len(inliers) / len(held_in), 1.0)
        return np.setdiff1d(np.arange(len(labels)), held_out), held_out, weights

    def _calibrate(self, scores, labels, weights):
        """Fitted attributes that follow from the scores of held-out rows."""
        metric = self.metric if callable(self.metric) else _METRICS[self.metric]
        thresholds = _thresholds(scores, labels, self.n_thresholds)
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
        calibrator = LogisticRegression().fit(scaler.transform(scores[:, None]), labels, weights)
        return fitted | {"calibrator_": calibrator, "_scaler": scaler}

    @available_if(_is_calibrated)
    def predict_proba(self, X):
        """Probabilities of being an outlier and of being an inlier.

        They are right for rows among which outliers are as frequent as among the labelled rows
        (held-out inliers standing for all of them), and as right as there are labels to learn
        from. Where outliers are rarer, they are too high.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to judge.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, 2)
            In the order of ``classes_``: the first column is that of outliers.
        """
        scores = self.score_samples(X)
        if isinstance(self.calibrator_, LogisticRegression):
            return self.calibrator_.predict_proba(self._scaler.transform(scores[:, None]))
        outlier = self.calibrator_.predict(scores)
        return np.column_stack([outlier, 1 - outlier])


_METRICS = {
    "balanced_accuracy": balanced_accuracy_score,
    "f1": partial(f1_score, pos_label=-1, zero_division=0),
}


def _check_labels(X, labels):
    """Known labels of the rows."""
    labels = column_or_1d(labels)
    check_consistent_length(X, labels)
    if not np.isin(labels, (-1, 0, 1)).all():
        raise ValueError(
            "labels are 1 for known inliers, -1 for known outliers and 0 for all other rows, "
            f"got {np.unique(labels)[:5].tolist()}."
        )
    return labels


def _own_threshold(detector, X):
    """What the detector takes from its scores to make decisions."""
    if not hasattr(detector, "decision_function"):
        raise ValueError(
            f"{type(detector).__name__} has no threshold of its own, so that labels are needed."
        )
    return float(np.median(normality_scores(detector, X) - detector.decision_function(X)))


def _thresholds(scores, labels, n_thresholds):
    """Scores half-way from each outlier to the next higher row, and one that flags none."""
    ordered = np.unique(scores)
    middles = np.append((ordered[:-1] + ordered[1:]) / 2, np.nextafter(ordered[-1], np.inf))
    of_outliers = middles[np.isin(ordered, scores[labels == -1])]
    n = min(n_thresholds, len(of_outliers))
    picked = of_outliers[np.linspace(0, len(of_outliers) - 1, n).astype(int)]
    return np.append(picked, ordered[0])
