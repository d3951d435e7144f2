"""Distances to nearest neighbors as anomaly scores."""

from collections.abc import Callable
from copy import copy
from numbers import Integral
from typing import Any, Literal, Self

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import gen_batches, get_tags
from sklearn.utils.validation import check_is_fitted

from .._frames import fill_masked
from .._sklearn_compat import Interval, StrOptions, _fit_context
from .._threshold import ThresholdMixin
from .._typing import FloatArray, MatrixLike

#: A row is a training row if its nearest neighbor is this close, relative to the last neighbor.
#: Matrix products and transformers such as PCA round, so equal rows may have a distance above 0.
SAME_ROW_TOLERANCE = 1e-5

#: Number of differences between values that are computed at once.
MAX_DIFFERENCES = 1_000_000

#: Distance of rows that are so far away that the squared distance overflows.
MAX_DISTANCE = float(np.sqrt(np.finfo(np.float64).max))


class KNeighborsDetector(ThresholdMixin, OutlierMixin, BaseEstimator):
    """Outlier detection by the distance to the k-th nearest training row.

    The larger the distance from a row to its k-th nearest neighbor among the training rows, the
    more abnormal the row [1]_. A training row is not its own neighbor. Standardize the columns
    first if they have different units.

    Read more in the :ref:`user guide <nearest_neighbors>`.

    .. versionadded:: 0.1

    Parameters
    ----------
    n_neighbors : int, default=5
        Which neighbor to measure the distance to.

    algorithm : {"auto", "ball_tree", "kd_tree", "brute"}, default="auto"
        Search algorithm of :class:`~sklearn.neighbors.NearestNeighbors`.

    metric : str or callable, default="euclidean"
        Metric of :class:`~sklearn.neighbors.NearestNeighbors`.

    contamination : "auto" or float, default="auto"
        Share of the training rows to flag, in (0, 0.5]. "auto" is 0.05.

    n_jobs : int or None, default=None
        Number of parallel jobs for the search. -1 uses all processors.

    Attributes
    ----------
    neighbors_ : NearestNeighbors
        Index of the training rows.

    train_scores_ : ndarray of shape (n_samples,)
        Scores of the training rows. Each row is scored without itself.

    offset_ : float
        Threshold, such that ``decision_function = score_samples - offset_``.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if `X` had names.

    See Also
    --------
    sklearn.neighbors.LocalOutlierFactor : Scores relative to the density of the neighborhood.
    skgad.ensemble.DetectorEnsemble : Combine several detectors.

    Notes
    -----
    `score_samples` also leaves a training row out of its own neighbors, so that scores of training
    rows and of new rows are comparable. It recognizes a training row by the distance to its
    nearest neighbor: if it is less than 1e-5 times the distance to the neighbor k + 1, both are
    taken for the same row. A new row that equals a training row therefore has the same score as
    this row.

    References
    ----------
    .. [1] S. Ramaswamy, R. Rastogi and K. Shim. "Efficient Algorithms for Mining Outliers from
       Large Data Sets". SIGMOD 2000.

    Examples
    --------
    >>> from skgad.neighbors import KNeighborsDetector
    >>> X = [[0], [1], [2], [3], [9]]
    >>> detector = KNeighborsDetector(n_neighbors=2, contamination=0.2).fit(X)
    >>> detector.score_samples([[1.5], [8]])
    array([-0.5, -5. ])
    >>> detector.predict(X)
    array([ 1,  1,  1,  1, -1])
    """

    _parameter_constraints: dict = {
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "algorithm": [StrOptions({"auto", "ball_tree", "kd_tree", "brute"})],
        "metric": [str, callable],
        "n_jobs": [Integral, None],
        **ThresholdMixin._parameter_constraints,
    }

    neighbors_: NearestNeighbors

    def __init__(
        self,
        n_neighbors: int = 5,
        *,
        algorithm: Literal["auto", "ball_tree", "kd_tree", "brute"] = "auto",
        metric: str | Callable[..., float] = "euclidean",
        contamination: float | Literal["auto"] = "auto",
        n_jobs: int | None = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.algorithm = algorithm
        self.metric = metric
        self.contamination = contamination
        self.n_jobs = n_jobs

    def _index(self):
        """Index without rows."""
        return NearestNeighbors(
            n_neighbors=self.n_neighbors,
            algorithm=self.algorithm,
            metric=self.metric,
            n_jobs=self.n_jobs,
        )

    @property
    def n_features_in_(self) -> int:
        """Number of features seen during `fit`."""
        return self.neighbors_.n_features_in_

    @property
    def feature_names_in_(self) -> np.ndarray:
        """Names of features seen during `fit`."""
        return self.neighbors_.feature_names_in_

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: MatrixLike, y: Any = None) -> Self:
        """Index the training rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training rows, more than `n_neighbors`.
        y : Ignored
            Present for API consistency by convention.

        Returns
        -------
        self : object
            The fitted detector. If `fit` raises an error, the results of an earlier `fit` are kept.
        """
        X = fill_masked(X)
        # A copy, because the index would change with the array of the user.
        neighbors = self._index().fit(X.copy() if isinstance(X, np.ndarray) else X)
        if neighbors.n_samples_fit_ <= self.n_neighbors:
            raise ValueError(
                f"n_neighbors={self.n_neighbors} requires at least {self.n_neighbors + 1} training "
                f"rows, but X has n_samples={neighbors.n_samples_fit_}. Pass more rows or decrease "
                "n_neighbors."
            )
        distances = distances_to_neighbors(neighbors, None, self.n_neighbors)
        train_scores = np.maximum(-distances[:, -1].astype(np.float64), -MAX_DISTANCE)
        offset = self._threshold(train_scores)
        self.neighbors_, self.train_scores_, self.offset_ = neighbors, train_scores, offset
        return self

    def score_samples(self, X: MatrixLike) -> FloatArray:
        """Opposite of the distance to the k-th nearest training row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to score.

        Returns
        -------
        scores : ndarray of shape (n_samples,), float64
            The higher, the more normal.
        """
        check_is_fitted(self)
        n_neighbors = self.neighbors_.n_neighbors
        distances = distances_to_neighbors(self.neighbors_, fill_masked(X), n_neighbors + 1)
        scores = distances_to_scores(distances).astype(np.float64, copy=False)
        return np.maximum(scores, -MAX_DISTANCE)

    def __getstate__(self):
        """State without the tree, which is built again from the training rows."""
        state = dict(super().__getstate__())
        if "neighbors_" in state:
            state["neighbors_"] = copy(self.neighbors_)
            state["neighbors_"]._tree = None
        return state

    def __setstate__(self, state):
        """Restore the detector."""
        super().__setstate__(state)
        if "neighbors_" in state:
            self.neighbors_ = copy(self.neighbors_)
            self.neighbors_._tree = clone(self.neighbors_).fit(self.neighbors_._fit_X)._tree

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self._index()).input_tags
        return tags


def distances_to_neighbors(neighbors, X, n_neighbors):
    """Sorted distances to the nearest training rows, without the row itself if X is None.

    Euclidean distances of dense rows are computed anew: those of a search by brute force have other
    last bits if other rows are searched at the same time.
    """
    distances, indices = neighbors.kneighbors(X, n_neighbors)
    train = neighbors._fit_X
    rows = train if X is None else X
    if neighbors.effective_metric_ != "euclidean" or sparse.issparse(train) or sparse.issparse(X):
        return distances
    rows, train = np.asarray(rows, dtype=np.float64), np.asarray(train, dtype=np.float64)
    n_rows = max(1, MAX_DIFFERENCES // (n_neighbors * train.shape[1]))
    with np.errstate(over="ignore"):
        parts = [
            np.sqrt(np.square(rows[batch, None] - train[indices[batch]]).sum(axis=-1))
            for batch in gen_batches(len(rows), n_rows)
        ]
    return np.sort(np.concatenate(parts), axis=1)


def distances_to_scores(distances, where=np.where):
    """Scores from the sorted distances to the nearest training rows, one more than neighbors.

    `where` is that of torch for tensors.
    """
    is_training_row = distances[:, 0] <= SAME_ROW_TOLERANCE * distances[:, -1]
    return -where(is_training_row, distances[:, -1], distances[:, -2])
