"""Combination of the scores of different detectors."""

from inspect import signature
from numbers import Integral
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import get_config
from sklearn.base import BaseEstimator, MetaEstimatorMixin, OutlierMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch, TransformerTags, check_random_state, check_scalar, get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from .._frames import (
    Table,
    check_table,
    concat_rows,
    copy_index,
    fill_masked,
    is_frame,
    match_columns,
)
from .._random_state import set_random_states
from .._response import SCORE_METHODS, check_score_direction, normality_scores
from .._set_output import OptionalTransformMixin
from .._sklearn_compat import (
    StrOptions,
    _BaseComposition,
    _fit_context,
    _name_estimators,
    _safe_indexing,
    _VisualBlock,
    available_if,
)
from .._threshold import ThresholdMixin
from .._typing import FloatArray, MatrixLike, RandomStateLike
from ..density import DensityDetector
from ..detectors import BaseDetector
from ..engine.ensemble import RECONSTRUCTORS, SAMPLERS
from ..engine.runtime import draw_seed
from ..tabular import TabularDetector
from ._units import UNITS, Combination

Kind = Literal["inlier", "outlier"]

#: Attributes with scores of the training rows that leave out what a row contributes to the fit.
TRAIN_SCORES = ("train_scores_", "negative_outlier_factor_")

#: Scores that differ by less, relative to the largest one, are the same.
CONSTANT_TOLERANCE = 1e-12


def _some_member_can(method, *kinds):
    """Check for ``available_if``: whether some member, fitted or not, has a method."""

    def check(ensemble):
        detectors = [detector for _, detector in ensemble._active_detectors()]
        if kinds:
            return any(_can_generate(det, method, kind) for det in detectors for kind in kinds)
        return any(hasattr(detector, method) for detector in detectors)

    return check


class DetectorEnsemble(
    OptionalTransformMixin,
    ThresholdMixin,
    MetaEstimatorMixin,
    OutlierMixin,
    _BaseComposition,
    BaseEstimator,
):
    r"""Combine the scores of different outlier detectors.

    The scores of different detectors have different units. The ensemble converts the scores of
    each member to a common unit, which it takes from the training rows, and averages them or takes
    the maximum.

    Read more in the :ref:`user guide <combining>`.

    .. versionadded:: 0.1

    Parameters
    ----------
    detectors : list of estimators or of (str, estimator) tuples
        The members: outlier detectors with ``score_samples`` or ``decision_function``, or
        pipelines that end in one. Without a name, a member is named after its class in lower
        case. Members are cloned before they are fitted. To use a detector that is already fitted,
        wrap it in :class:`~sklearn.frozen.FrozenEstimator`. ``set_params`` can replace a member
        by name, or remove it by setting it to "drop".

    scaling : {"tail", "log_iqr", "iqr"}, default="tail"
        Common unit of the members' anomaly scores, the opposites of their scores.

        - "tail": minus the logarithm of the share of training rows that are at least as abnormal.
          Only the order of the training rows matters, not the shape of the distribution of the
          scores. See Notes for rows beyond all training rows.
        - "log_iqr": the logarithm of the anomaly score, minus its median on the training rows,
          divided by its interquartile range. If a training row has a negative anomaly score,
          which happens for log-densities, the anomaly score takes the place of its logarithm.
        - "iqr": the anomaly score minus its median, divided by its interquartile range. A
          member whose scores have a long tail dominates the others for rows far away.

    combination : {"mean", "max"}, default="mean"
        The weighted mean of the members, or their maximum. The mean is less noisy. The maximum
        finds outliers that only one member sees.

    weights : array-like of shape (n_detectors,) or None, default=None
        Weights of the members in the average, in :meth:`sample` and in :meth:`reconstruct`. None
        means equal weights. With ``combination="max"``, members of weight 0 are left out, and the
        other weights do not change the score.

    contamination : "auto" or float, default="auto"
        Share of the training rows to flag, in (0, 0.5]. "auto" is 0.05.

    n_jobs : int or None, default=None
        Number of members to fit in parallel. -1 uses all processors.

    random_state : int, RandomState instance or None, default=None
        Seed of every parameter `random_state` of the members that is None. Pass an int for
        reproducible results.

    Attributes
    ----------
    detectors_ : list of estimators
        The fitted members.

    named_detectors_ : :class:`~sklearn.utils.Bunch`
        The fitted members by name.

    weights_ : ndarray of shape (n_fitted_detectors,)
        Weights of the fitted members, with a sum of 1.

    train_scores_ : ndarray of shape (n_samples,)
        Scores of the training rows. See Notes for members with nearest neighbors.

    offset_ : float
        Threshold, such that ``decision_function = score_samples - offset_``.

    n_features_in_ : int
        Number of features seen during `fit`. Defined only if a member defines it.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`. Defined only if a member defines them.

    See Also
    --------
    skgad.neighbors.KNeighborsDetector : A member that complements detectors with networks.
    sklearn.ensemble.VotingClassifier : Ensemble of different classifiers.

    Notes
    -----
    *Units.* Let :math:`a` be the anomaly score of a row by one member, and
    :math:`a_1, \ldots, a_n` those of the training rows. The unit "tail" is
    :math:`u(a) = -\log p(a)` with

    .. math:: p(a_i) = \frac{\#\{j : a_j \ge a_i\}}{n + 1}

    for training rows. Between two of them, :math:`u` is interpolated linearly. Above the maximum
    :math:`M` of the training rows and below their minimum :math:`m`,

    .. math::

        u(a) = u(M) + \log\left(1 + \frac{a - M}{\beta}\right)
        \quad\text{and}\quad
        u(a) = \frac{u(m)}{1 + (m - a) / \beta}

    where :math:`\beta` is the mean of :math:`a_i - \bar a` over the training rows above the average
    :math:`\bar a`. So :math:`p` decreases as in a generalized Pareto distribution with shape 1, a
    heavy tail, in which no single member decides for rows far away. :math:`u` is strictly
    increasing: a single member keeps its ranking. It does not depend on the unit of :math:`a`.

    The mean of :math:`-\log p` ranks as Fisher's combination of p-values, and the maximum as the
    smallest p-value. The members see the same rows, so their p-values are not independent, and the
    score is a ranking and not a p-value. For valid p-values, wrap the ensemble in
    :class:`~skgad.calibration.ConformalDetector`.

    Kriegel et al. [1]_ describe how to unify outlier scores. They fit a distribution, such as a
    Gaussian, to the scores and use its distribution function, which is in [0, 1] and rounds to 1
    for all rows far away. Here the empirical distribution and the logarithm are used instead.
    Aggarwal and Sathe [2]_ compare combinations: averages reduce the variance of the scores,
    and maxima can reduce their bias.

    If the interquartile range is 0, the standard deviation replaces it. With "log_iqr", anomaly
    scores below half the smallest positive one of the training rows count as this value.

    *Training rows.* A detector with nearest neighbors scores a training row too well if the row
    counts as its own neighbor. New normal rows then look abnormal in comparison. Some detectors
    store scores of the training rows that avoid this: `train_scores_` of the detectors of skgad,
    and `negative_outlier_factor_` of :class:`~sklearn.neighbors.LocalOutlierFactor`. The ensemble
    uses them for the units and for its own `train_scores_`, also if they belong to the last step
    of a pipeline or to the detector inside a :class:`~skgad.TabularDetector`. For other members, it
    uses ``score_samples(X)``, or ``decision_function(X)`` if there is no ``score_samples``. With a
    LocalOutlierFactor, ``score_samples(X)`` of the training rows is higher than `train_scores_`.

    References
    ----------
    .. [1] H.-P. Kriegel, P. Kröger, E. Schubert and A. Zimek. "Interpreting and Unifying Outlier
       Scores". SIAM International Conference on Data Mining, 2011.
    .. [2] C. C. Aggarwal and S. Sathe. "Theoretical Foundations and Algorithms for Outlier
       Ensembles". ACM SIGKDD Explorations 17(1), 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.ensemble import IsolationForest
    >>> from skgad.ensemble import DetectorEnsemble
    >>> from skgad.neighbors import KNeighborsDetector
    >>> X = np.random.default_rng(0).normal(size=(500, 3))
    >>> ensemble = DetectorEnsemble([IsolationForest(random_state=0), KNeighborsDetector()]).fit(X)
    >>> list(ensemble.named_detectors_)
    ['isolationforest', 'kneighborsdetector']
    >>> ensemble.predict([[0, 0, 0], [0, 5, 0]])
    array([ 1, -1])

    The score is the average of the logarithms of tail probabilities:

    >>> np.exp(ensemble.score_samples([[0, 0, 0], [0, 5, 0]])).round(4)
    array([0.9116, 0.0048])
    """

    _parameter_constraints: dict = {
        "detectors": [list],
        "scaling": [StrOptions({*UNITS})],
        "combination": [StrOptions({"mean", "max"})],
        "weights": ["array-like", None],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        **ThresholdMixin._parameter_constraints,
    }

    detectors_: list[Any]
    named_detectors_: Bunch
    weights_: FloatArray

    def __init__(
        self,
        detectors: list[Any],
        *,
        scaling: Literal["tail", "log_iqr", "iqr"] = "tail",
        combination: Literal["mean", "max"] = "mean",
        weights: ArrayLike | None = None,
        contamination: float | Literal["auto"] = "auto",
        n_jobs: int | None = None,
        random_state: RandomStateLike = None,
    ) -> None:
        self.detectors = detectors
        self.scaling = scaling
        self.combination = combination
        self.weights = weights
        self.contamination = contamination
        self.n_jobs = n_jobs
        self.random_state = random_state

    @property
    def _named_detectors(self):
        """Members as (name, detector) tuples, or the parameter as it is if it is not a list."""
        if not isinstance(self.detectors, list):
            return self.detectors
        bare = [detector for detector in self.detectors if not isinstance(detector, tuple)]
        named = iter(_name_estimators(bare))
        return [item if isinstance(item, tuple) else next(named) for item in self.detectors]

    @_named_detectors.setter
    def _named_detectors(self, value):
        self.detectors = value

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Get the parameters of the ensemble and of its members.

        Parameters
        ----------
        deep : bool, default=True
            Whether to include the members, by their names, and their parameters, as
            ``name__parameter``.

        Returns
        -------
        params : dict
            Values of the parameters by name.
        """
        return self._get_params("_named_detectors", deep=deep)

    def set_params(self, **params: Any) -> Self:
        """Set parameters of the ensemble and of its members.

        Parameters
        ----------
        **params : dict
            Values by name. The name of a member replaces it, or removes it if the value is "drop".
            ``name__parameter`` is a parameter of a member.

        Returns
        -------
        self : object
            The ensemble.
        """
        if "detectors" in params:
            self.detectors = params.pop("detectors")
        return self._set_params("_named_detectors", **params)

    def _active_detectors(self):
        """Members, fitted or not, as (name, detector) tuples, without those that are dropped."""
        if hasattr(self, "named_detectors_"):
            return list(self.named_detectors_.items())
        if not isinstance(self.detectors, list):
            return []
        return [item for item in self._named_detectors if not _is_dropped(item)]

    def _check_members(self):
        """Check the members and their weights.

        Returns
        -------
        members : list of (str, estimator) tuples
            Members to fit.
        weights : ndarray of shape (n_members,)
            Their weights, with a sum of 1.
        """
        named = self._named_detectors
        if not named or not all(len(item) == 2 and isinstance(item[0], str) for item in named):
            raise ValueError(
                "detectors must be a non-empty list of outlier detectors or of (name, detector) "
                f"tuples, got {self.detectors!r}."
            )
        self._validate_names([name for name, _ in named])
        kept = [i for i, item in enumerate(named) if not _is_dropped(item)]
        if not kept:
            raise ValueError("All detectors are 'drop'. Keep at least one.")
        members = [named[i] for i in kept]
        for name, detector in members:
            if not any(hasattr(detector, method) for method in SCORE_METHODS):
                raise TypeError(
                    f"{_described(name, detector)} has neither score_samples nor "
                    "decision_function. Some detectors, such as LocalOutlierFactor, have them only "
                    "with novelty=True."
                )
        weights = np.ones(len(named)) if self.weights is None else np.asarray(self.weights, float)
        if weights.shape != (len(named),):
            raise ValueError(
                f"weights has shape {weights.shape}, but there are {len(named)} detectors. Pass "
                "one weight for each detector."
            )
        if not np.isfinite(weights).all() or (weights < 0).any() or not weights[kept].any():
            raise ValueError(
                f"weights must be finite, not negative and not all 0, got {self.weights!r}."
            )
        return members, weights[kept] / weights[kept].sum()

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: MatrixLike, y: Any = None, **fit_params: Any) -> Self:
        """Fit the members, and the units of their scores.

        Parameters
        ----------
        X : {array-like, dataframe, sparse matrix} of shape (n_samples, n_features)
            Training rows. They are passed to the members as they are.
        y : Ignored
            Passed to the members, which by convention ignore it.
        **fit_params : dict
            Passed to the `fit` of each member that has a parameter of this name, for example
            `labels`. With metadata routing enabled, passed to the members that request it, for
            example after ``set_fit_request(labels=True)``.

        Returns
        -------
        self : object
            The fitted ensemble. If `fit` raises an error, the results of an earlier `fit` are kept.

        Raises
        ------
        ValueError
            If names are not unique, if weights do not fit the detectors, if higher scores of a
            member are more abnormal, or if its scores on the training rows are not finite or all
            the same.
        TypeError
            If a detector does not score rows, or if no member has a parameter for one of
            `fit_params`.
        """
        members, weights = self._check_members()
        params = self._route_fit_params(members, fit_params)
        unfitted = [clone(detector) for _, detector in members]
        if self.random_state is not None:
            rng = check_random_state(self.random_state)
            for detector in unfitted:
                set_random_states(detector, rng)
        fits = Parallel(n_jobs=self.n_jobs)(
            delayed(_fit_member)(name, detector, X, y, params[name])
            for (name, _), detector in zip(members, unfitted, strict=True)
        )
        detectors, scores = zip(*fits, strict=True)
        combine = Combination(scores, self.scaling, self.combination, weights)
        train_scores = -combine(scores)
        names = [name for name, _ in members]
        self.detectors_ = list(detectors)
        self.named_detectors_ = Bunch(**dict(zip(names, detectors, strict=True)))
        self.weights_ = weights
        self.train_scores_ = train_scores
        self.offset_ = self._threshold(train_scores)
        self._combine = combine
        return self

    def _route_fit_params(self, members, fit_params):
        """Arguments for the `fit` of each member, by name."""
        if get_config()["enable_metadata_routing"]:
            routed = process_routing(self, "fit", **fit_params)
            return {name: routed[name].fit for name, _ in members}
        params: dict[str, dict] = {name: {} for name, _ in members}
        for key, value in fit_params.items():
            takers = [name for name, detector in members if has_fit_parameter(detector, key)]
            if not takers:
                raise TypeError(
                    f"No detector of this {type(self).__name__} has a fit parameter {key!r}. To "
                    "pass it through a pipeline or another meta-estimator, enable metadata routing."
                )
            for name in takers:
                params[name][key] = value
        return params

    def score_samples(self, X: MatrixLike) -> FloatArray:
        """Combine the scores of the members.

        Parameters
        ----------
        X : {array-like, dataframe, sparse matrix} of shape (n_samples, n_features)
            Rows to score.

        Returns
        -------
        scores : ndarray of shape (n_samples,), float64
            The higher, the more normal.
        """
        check_is_fitted(self)
        scores = [
            _anomaly_scores(name, detector, normality_scores(detector, X))
            for name, detector in self.named_detectors_.items()
        ]
        return -self._combine(scores)

    def _generators(self, method, kind):
        """Fitted members that can sample or reconstruct rows of a kind, and their weights."""
        check_is_fitted(self)
        if kind not in SAMPLERS:
            raise ValueError(f"kind must be 'inlier' or 'outlier', got {kind!r}.")
        members = [
            (detector, weight)
            for detector, weight in zip(self.detectors_, self.weights_, strict=True)
            if weight > 0 and _can_generate(detector, method, kind)
        ]
        if not members:
            raise ValueError(
                f"No detector with a positive weight can {method} rows of kind={kind!r}."
            )
        detectors, weights = zip(*members, strict=True)
        return detectors, np.array(weights) / np.sum(weights)

    @available_if(_some_member_can("sample", "inlier", "outlier"))
    def sample(
        self,
        n_samples: int = 1,
        *,
        kind: Kind = "inlier",
        random_state: RandomStateLike = None,
    ) -> Table:
        """Generate new rows with the members that can.

        Available if a member has a method `sample` with the parameters of this one, as the
        detectors of skgad do.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows. The first rows of a larger sample are those of a smaller one.
        kind : {"inlier", "outlier"}, default="inlier"
            What to generate. Members that cannot generate it are left out.
        random_state : int, RandomState instance or None, default=None
            Determines the rows.

        Returns
        -------
        rows : {ndarray, dataframe} of shape (n_samples, n_features)
            Each row comes from one member, chosen at random in proportion to the weights.
        """
        detectors, weights = self._generators("sample", kind)
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        rng = np.random.default_rng(draw_seed(random_state))
        seeds = rng.integers(2**31, size=len(detectors)).tolist()
        chosen = rng.choice(len(detectors), size=n_samples, p=weights)
        tables = [
            check_table(detectors[i].sample(count, kind=kind, random_state=seeds[i]))
            for i, count in enumerate(np.bincount(chosen).tolist())
            if count
        ]
        like = next(filter(is_frame, tables), tables[0])
        rows = concat_rows([match_columns(table, like, name="sample") for table in tables])
        place = np.argsort(np.argsort(chosen, kind="stable"))
        return copy_index(_safe_indexing(rows, place), rows)

    @available_if(_some_member_can("reconstruct", "inlier", "outlier"))
    def reconstruct(self, X: MatrixLike, *, kind: Kind = "inlier") -> NDArray[Any]:
        """Average the reconstructions of the members that can reconstruct.

        Members in a :class:`~skgad.TabularDetector` of their own do not take part, because
        categories have no average. Put the ensemble inside one TabularDetector instead.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to reconstruct.
        kind : {"inlier", "outlier"}, default="inlier"
            What to reconstruct the rows as. Members that cannot do so are left out.

        Returns
        -------
        rows : ndarray of shape (n_samples, n_features)
            Weighted mean of the reconstructions.
        """
        detectors, weights = self._generators("reconstruct", kind)
        rows = [detector.reconstruct(X, kind=kind) for detector in detectors]
        return np.average(rows, axis=0, weights=weights)

    def _encoders(self):
        """Names and detectors of the members with latent codes."""
        check_is_fitted(self)
        return [
            (name, detector)
            for name, detector in self.named_detectors_.items()
            if hasattr(detector, "transform")
        ]

    @available_if(_some_member_can("transform"))
    def transform(self, X: MatrixLike) -> NDArray[Any]:
        """Latent codes of the members that have them, side by side.

        Parameters
        ----------
        X : {array-like, dataframe, sparse matrix} of shape (n_samples, n_features)
            Rows to encode.

        Returns
        -------
        codes : ndarray of shape (n_samples, n_codes)
            Codes, in the order of :meth:`get_feature_names_out`.
        """
        codes = np.hstack([detector.transform(X) for _, detector in self._encoders()])
        return self._in_container(codes, X)

    @available_if(_some_member_can("transform"))
    def fit_transform(self, X: MatrixLike, y: Any = None, **fit_params: Any) -> NDArray[Any]:
        """Fit the members and return the latent codes of the training rows.

        Parameters
        ----------
        X : {array-like, dataframe, sparse matrix} of shape (n_samples, n_features)
            Training rows.
        y : Ignored
            Passed to the members, which by convention ignore it.
        **fit_params : dict
            As in :meth:`fit`.

        Returns
        -------
        codes : ndarray of shape (n_samples, n_codes)
            Codes, in the order of :meth:`get_feature_names_out`.
        """
        return self.fit(X, y, **fit_params).transform(X)

    @available_if(_some_member_can("transform"))
    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[Any]:
        """Names of the latent codes.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Ignored. The names are those of the members' codes.

        Returns
        -------
        feature_names_out : ndarray of str
            Names such as "alad__alad0": the name of the member and that of its code.
        """
        names = [
            f"{name}__{feature}"
            for name, detector in self._encoders()
            for feature in detector.get_feature_names_out()
        ]
        return np.asarray(names, dtype=object)

    @property
    def n_features_in_(self) -> int:
        """Number of features seen during `fit`."""
        return self._first_attribute("n_features_in_")

    @property
    def feature_names_in_(self) -> NDArray[Any]:
        """Names of features seen during `fit`."""
        return self._first_attribute("feature_names_in_")

    def _first_attribute(self, name):
        """Attribute of the first fitted member that has it."""
        for detector in self.detectors_:
            if hasattr(detector, name):
                return getattr(detector, name)
        raise AttributeError(f"No fitted detector of this {type(self).__name__} has {name}.")

    def get_metadata_routing(self) -> MetadataRouter:
        """Get the metadata routing: all metadata can be routed to the `fit` of the members.

        Returns
        -------
        routing : MetadataRouter
            See scikit-learn's user guide on metadata routing.
        """
        mapping = MethodMapping()
        for caller in ("fit", "fit_predict", "fit_transform"):
            mapping.add(caller=caller, callee="fit")
        members = dict(item for item in self._named_detectors if not _is_dropped(item))
        return MetadataRouter(owner=self).add(method_mapping=mapping, **members)

    def _sk_visual_block_(self):
        names, detectors = zip(*self._named_detectors, strict=True)
        return _VisualBlock("parallel", detectors, names=names)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        members = [get_tags(detector) for _, detector in self._active_detectors()]
        for name in ("sparse", "allow_nan", "categorical", "string"):
            accepted = bool(members) and all(getattr(m.input_tags, name) for m in members)
            setattr(tags.input_tags, name, accepted)
        tags.input_tags.positive_only = any(m.input_tags.positive_only for m in members)
        tags.input_tags.pairwise = any(m.input_tags.pairwise for m in members)
        tags.non_deterministic = any(m.non_deterministic for m in members)
        if any(m.transformer_tags is not None for m in members):
            tags.transformer_tags = TransformerTags(preserves_dtype=[])
        return tags


def _is_dropped(item):
    """Whether a (name, detector) tuple is a dropped member."""
    return isinstance(item[-1], str) and item[-1] == "drop"


def _described(name, detector):
    """Name and class of a member, for error messages."""
    return f"Detector {name!r} ({type(detector).__name__})"


def _fit_member(name, detector, X, y, fit_params):
    """Fit a detector, and return it with the anomaly scores of the training rows."""
    X = fill_masked(X)
    detector.fit(X, y, **fit_params)
    check_score_direction(detector, X)
    scores = _anomaly_scores(name, detector, _train_scores(detector, X))
    if np.ptp(scores) <= CONSTANT_TOLERANCE * np.abs(scores).max():
        raise ValueError(
            f"{_described(name, detector)} gives the same score to all training rows "
            f"(n_samples={len(scores)}), so its scores have no unit. Change its parameters or "
            "remove it."
        )
    return detector, scores


def _train_scores(detector, X):
    """Scores of the training rows: those that the detector stores, or new ones."""
    last = detector
    while isinstance(last, (Pipeline, TabularDetector)):
        last = last[-1] if isinstance(last, Pipeline) else last.detector_
    if not isinstance(last, FrozenEstimator):  # which was fitted to other rows
        for name in TRAIN_SCORES:
            if hasattr(last, name):
                return getattr(last, name)
    return normality_scores(detector, X)


def _anomaly_scores(name, detector, scores):
    """Opposites of scores, as finite floats."""
    scores = np.asarray(scores, dtype=np.float64)
    n_bad = np.count_nonzero(~np.isfinite(scores))
    if n_bad:
        raise ValueError(
            f"{_described(name, detector)} returned NaN or infinite scores for {n_bad} of "
            f"{len(scores)} rows."
        )
    return -scores


def _can_generate(detector, method, kind):
    """Whether a detector can "sample" or "reconstruct" rows of a kind."""
    if not hasattr(detector, method):
        return False
    if isinstance(detector, TabularDetector):
        if method == "reconstruct":  # categories have no average
            return False
        detector = getattr(detector, "detector_", detector._detector())
    if isinstance(detector, FrozenEstimator):
        detector = detector.estimator
    if isinstance(detector, BaseDetector):
        methods = {"sample": SAMPLERS, "reconstruct": RECONSTRUCTORS}[method]
        return detector.game_class.can(methods[kind])
    if isinstance(detector, DetectorEnsemble):
        members = [member for _, member in detector._active_detectors()]
        return any(_can_generate(member, method, kind) for member in members)
    if isinstance(detector, DensityDetector):
        return kind == "inlier"
    return "kind" in signature(getattr(detector, method)).parameters
