"""Outlier detection with any density estimator of scikit-learn."""

from copy import copy
from inspect import signature
from numbers import Integral
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, MetaEstimatorMixin, OutlierMixin, clone
from sklearn.mixture import GaussianMixture
from sklearn.utils import check_random_state, check_scalar
from sklearn.utils.validation import check_is_fitted, validate_data

from ._encoding import EncodingName, fit_named_encoding
from ._frames import fill_masked
from ._sklearn_compat import HasMethods, StrOptions, _fit_context, available_if
from ._threshold import LOWEST_SCORE, ThresholdMixin
from ._typing import FloatArray, MatrixLike, RandomStateLike

__all__ = ["DensityDetector"]


def __dir__() -> list[str]:
    return __all__


#: Lower bound of a log-density, so that it is finite where the density is zero.
MIN_LOG_DENSITY = LOWEST_SCORE

#: Largest code of a row to score. It can be squared without overflow.
MAX_CODE = 1e150

#: Number of rows that are sampled at once.
BLOCK_ROWS = 256

#: Number of rows that are scored at a time.
SCORED_ROWS = 64


def default_mixture(X):
    """Gaussian mixture with about 50 distinct rows for each of up to 20 components."""
    n_components = np.clip(len(np.unique(X, axis=0)) // 50, 1, 20)
    # The floor suits columns of unit variance, and keeps the covariances of few rows regular.
    return GaussianMixture(int(n_components), reg_covar=1e-2, tol=1e-2, max_iter=500)


def _density_can_sample(detector):
    """Check for ``available_if``: whether the density estimator, fitted or not, has `sample`."""
    estimator = getattr(detector, "estimator_", detector.estimator)
    return estimator is None or hasattr(estimator, "sample")


class DensityDetector(ThresholdMixin, MetaEstimatorMixin, OutlierMixin, BaseEstimator):
    """Outlier detection by the log-density of the row.

    Any density estimator of scikit-learn can be used, such as
    :class:`~sklearn.mixture.GaussianMixture` or :class:`~sklearn.neighbors.KernelDensity`. The
    lower the density at a row, the more abnormal the row.

    Read more in the :ref:`user guide <density>`.

    .. versionadded:: 0.1

    Parameters
    ----------
    estimator : object or None, default=None
        Density estimator with the methods `fit` and `score_samples`. It is cloned before it is
        fitted. A pipeline that ends in one can be used, too. None means a
        :class:`~sklearn.mixture.GaussianMixture` with one component for 50 distinct training rows,
        at least 1 and at most 20, and 0.01 added to all variances.

    encoding : {"standard", "piecewise", "piecewise+frequency"} or None, default="standard"
        How columns are encoded before the density is estimated.

        - "standard": to zero mean and unit variance.
        - "piecewise": columns with few values are divided into pieces, and all others are
          standardized, as in :class:`~skgad.preprocessing.PiecewiseLinearEncoder`.
        - "piecewise+frequency": columns of numbers that repeat also have a code of how rare their
          value is.
        - None: columns are used as they are. Choose this for an encoding of your own, in a pipeline
          in front of the detector.

    contamination : "auto" or float, default="auto"
        Share of the training rows to flag, in (0, 0.5]. "auto" is 0.05.

    random_state : int, RandomState instance or None, default=None
        Seed of the estimator, if it has a parameter `random_state`. None keeps the value that the
        estimator has. Pass an int for reproducible results.

    Attributes
    ----------
    estimator_ : object
        The fitted density estimator. It has seen the encoded columns.

    train_scores_ : ndarray of shape (n_samples,)
        Scores of the training rows.

    offset_ : float
        Threshold, such that ``decision_function = score_samples - offset_``.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if `X` had names.

    See Also
    --------
    skgad.neighbors.KNeighborsDetector : Distance to the k-th nearest training row.
    skgad.calibration.ConformalDetector : A threshold from rows that were not used in training.

    Notes
    -----
    The density of a training row includes what the row itself contributes to the estimate, so new
    normal rows have lower densities on average, and more of them are flagged than the share
    `contamination`. The effect is large for a kernel density with a narrow kernel. Use
    :class:`~skgad.calibration.ConformalDetector` for a threshold without it.

    The default mixture was chosen by its ranking on development sets of the benchmarks. With
    ``encoding="piecewise"`` or ``"piecewise+frequency"``, rows of wide tables have many codes, and
    full covariances of them take long to estimate.

    Log-densities are those of the encoded columns. Where a density is zero, as with a kernel of
    finite support, the score is the lowest float32 number instead of minus infinity.

    There are neither reconstructions nor latent codes.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.neighbors import KernelDensity
    >>> from skgad.density import DensityDetector
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> detector = DensityDetector(random_state=0).fit(X)
    >>> detector.predict([[0, 0], [5, 5]])
    array([ 1, -1])
    >>> detector.sample(3, random_state=0).shape
    (3, 2)

    With another density:

    >>> DensityDetector(KernelDensity(bandwidth=0.5)).fit(X).predict([[0, 0], [5, 5]])
    array([ 1, -1])
    """

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit", "score_samples"]), None],
        "encoding": [StrOptions({"standard", "piecewise", "piecewise+frequency"}), None],
        "random_state": ["random_state"],
        **ThresholdMixin._parameter_constraints,
    }

    estimator_: Any

    def __init__(
        self,
        estimator: Any = None,
        *,
        encoding: EncodingName | None = "standard",
        contamination: float | Literal["auto"] = "auto",
        random_state: RandomStateLike = None,
    ) -> None:
        self.estimator = estimator
        self.encoding = encoding
        self.contamination = contamination
        self.random_state = random_state

    def set_params(self, **params: Any) -> Self:
        """Set parameters of this object and of the density estimator.

        Parameters
        ----------
        **params : dict
            Values by name. ``estimator__n_components`` is a parameter of `estimator`, which must
            not be None then.

        Returns
        -------
        self : object
            The detector.

        Raises
        ------
        ValueError
            If there is no parameter of a name.
        """
        nested = [name for name in params if name.startswith("estimator__")]
        if nested and params.get("estimator", self.estimator) is None:
            raise ValueError(
                f"Cannot set {nested}, because estimator is None: its default depends on the "
                "training rows. Pass an estimator, for example "
                "DensityDetector(GaussianMixture(reg_covar=0.01))."
            )
        return super().set_params(**params)

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: MatrixLike, y: Any = None) -> Self:
        """Estimate the density of the training rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows.
        y : Ignored
            Present for API consistency by convention.

        Returns
        -------
        self : object
            The fitted detector. If `fit` raises an error, the results of an earlier `fit` are kept.
        """
        before = vars(self).copy()
        try:
            X = validate_data(self, fill_masked(X), dtype=np.float64, ensure_min_samples=2)
            encoding = None if self.encoding is None else fit_named_encoding(self.encoding, X)
            codes = X if encoding is None else encoding.encode(X)
            estimator = self._make_estimator(codes).fit(codes)
            train_scores = _log_densities(estimator, codes)
        except BaseException:
            self.__dict__ = before
            raise
        self._encoding, self.estimator_, self.train_scores_ = encoding, estimator, train_scores
        self.offset_ = self._threshold(train_scores)
        return self

    def _make_estimator(self, X):
        """Density estimator with its seeds, not fitted."""
        estimator = default_mixture(X) if self.estimator is None else clone(self.estimator)
        if self.random_state is None:
            return estimator
        generator = check_random_state(self.random_state)
        names = [name for name in estimator.get_params() if name.split("__")[-1] == "random_state"]
        return estimator.set_params(**{name: _seed(generator) for name in sorted(names)})

    def score_samples(self, X: MatrixLike) -> FloatArray:
        """Log-density of each row.

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
        X = validate_data(self, fill_masked(X), dtype=np.float64, reset=False)
        codes = X if self._encoding is None else self._encoding.encode(X)
        codes = np.clip(codes, -MAX_CODE, MAX_CODE)
        return _log_densities(self.estimator_, codes)

    @available_if(_density_can_sample)
    def sample(
        self,
        n_samples: int = 1,
        *,
        kind: Literal["inlier"] = "inlier",
        random_state: RandomStateLike = None,
    ) -> NDArray[Any]:
        """Draw new rows from the density.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows. The first rows of a larger sample are those of a smaller one.
        kind : {"inlier"}, default="inlier"
            Present for API consistency by convention. A density generates no outliers.
        random_state : int, RandomState instance or None, default=None
            Determines the rows.

        Returns
        -------
        rows : ndarray of shape (n_samples, n_features)
            Independent rows.
        """
        check_is_fitted(self)
        if kind != "inlier":
            raise ValueError(f"{type(self).__name__} only samples kind='inlier', got {kind!r}.")
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        # None stands for fresh entropy. NumPy's global generator is left alone.
        fresh = np.random.RandomState() if random_state is None else random_state
        generator = check_random_state(fresh)
        n_blocks = -(-n_samples // BLOCK_ROWS)
        rows = np.concatenate([self._sample_block(generator) for _ in range(n_blocks)])[:n_samples]
        return rows if self._encoding is None else self._encoding.decode(rows)

    def _sample_block(self, generator):
        """Independent encoded rows. A block has a fixed size, so that a longer sample continues."""
        seed, estimator = _seed(generator), self.estimator_
        if "random_state" in signature(estimator.sample).parameters:
            rows = estimator.sample(BLOCK_ROWS, random_state=seed)
        else:  # a mixture draws the same rows in every call, unless it gets a new seed
            rows, _ = copy(estimator).set_params(random_state=seed).sample(BLOCK_ROWS)
        return generator.permutation(rows)  # a mixture sorts the rows by their component


def _log_densities(estimator, codes):
    """Finite log-densities of encoded rows.

    Matrix products of other shapes have other last bits. Blocks of the same size, the last one
    filled up with its last row, give each row the same bits whatever the other rows are.
    """
    n_rows = len(codes)
    codes = np.pad(codes, [(0, -n_rows % SCORED_ROWS), (0, 0)], mode="edge")
    blocks = np.split(codes, len(codes) // SCORED_ROWS)
    with np.errstate(over="ignore"):  # squares of rows that are extremely far away
        scores = np.concatenate([estimator.score_samples(block) for block in blocks])
    return np.maximum(scores[:n_rows].astype(np.float64), MIN_LOG_DENSITY)


def _seed(generator):
    return int(generator.randint(2**31 - 1))
