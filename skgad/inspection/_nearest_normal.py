"""Changes that turn outliers into inliers."""

from numbers import Integral

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch

from .._frames import (
    Table,
    check_table,
    concat_rows,
    copy_index,
    match_columns,
    table_like,
    take_cells,
)
from .._response import check_score_direction
from .._sklearn_compat import HasMethods, Interval, _safe_indexing, validate_params
from .._typing import MatrixLike
from ..preprocessing import TabularEncoder
from ._scores import BLOCK_CELLS


class NearestNormal(Bunch):
    """Result of :func:`nearest_normal`."""

    rows: Table
    changed: Table
    success: NDArray[np.bool_]


@validate_params(
    {
        "detector": [HasMethods("decision_function")],
        "n_neighbors": [Interval(Integral, 0, None, closed="left")],
        "max_changes": [Interval(Integral, 1, None, closed="left"), None],
    },
    prefer_skip_nested_validation=True,
)
def nearest_normal(
    detector: BaseEstimator,
    X: MatrixLike,
    *,
    background: MatrixLike | None = None,
    n_neighbors: int = 5,
    max_changes: int | None = None,
) -> NearestNormal:
    """Find few changes that turn each outlier into an inlier.

    The values of an outlier are replaced by those of a normal row, column by column. The candidates
    for the normal row are the reconstruction of the outlier, if the detector has `reconstruct`, and
    its nearest neighbors in the background. Each step replaces the column that increases the
    `decision_function` most, until the `decision_function` is not negative. Then changes that
    turn out to be unnecessary are undone one by one. The candidate with the fewest changes is kept.

    .. versionadded:: 0.1

    Parameters
    ----------
    detector : estimator
        Fitted outlier detector of scikit-learn or skgad, or a pipeline that ends with one. It
        needs a `decision_function`.

    X : {array-like, dataframe} of shape (n_samples, n_features)
        Rows, in the form that the detector accepts.

    background : {array-like, dataframe} of shape (n_background_samples, n_features), default=None
        Rows to take values from, for example the training rows. Rows that the detector labels as
        outliers are ignored. If None, the rows of `X` are used.

    n_neighbors : int, default=5
        Number of background rows to try for each outlier. With 0, only the reconstruction is tried.

    max_changes : int or None, default=None
        Maximum number of changes before the search for a row stops. None means the number of
        columns.

    Returns
    -------
    result : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        rows : {ndarray, dataframe} of shape (n_samples, n_features)
            The rows with their changes. Inliers are unchanged, and so are outliers for which the
            search fails.
        changed : {ndarray, dataframe} of bool of shape (n_samples, n_features)
            Mask of the changed cells. Undoing any single change makes the row an outlier again.
        success : ndarray of bool of shape (n_samples,)
            Whether the detector labels the row as an inlier after the changes.

    Raises
    ------
    ValueError
        If there are no rows to take values from, or if the columns of `background` are not
        those of `X`.

    See Also
    --------
    explain : Compute the contribution of each column to the score.

    Notes
    -----
    This is a counterfactual explanation [1]_ with the number of changed columns as the distance.
    The search is greedy: there may be a solution with fewer changes, but no single change of the
    result can be undone. The meaning of the columns is ignored: the answer may be "five years
    younger".

    Neighbors are found with the Euclidean distance between rows encoded by a
    :class:`~skgad.preprocessing.TabularEncoder` that is fitted on the inliers of the background.

    References
    ----------
    .. [1] S. Wachter, B. Mittelstadt and C. Russell. "Counterfactual Explanations Without Opening
       the Black Box". Harvard Journal of Law & Technology 31, 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.neighbors import LocalOutlierFactor
    >>> from skgad.inspection import nearest_normal
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> detector = LocalOutlierFactor(novelty=True).fit(X)
    >>> nearest_normal(detector, [[0, 5, 0]], background=X).changed
    array([[False,  True, False]])
    """
    X = check_table(X)
    check_score_direction(detector, X)
    outliers = np.flatnonzero(detector.decision_function(X) < 0)
    sources = np.tile(np.arange(len(X))[:, None], X.shape[1])
    changed = np.zeros(X.shape, dtype=bool)
    pool = X
    if len(outliers):
        pool, candidates = normal_candidates(detector, X, outliers, background, n_neighbors)
        rows, normal_rows = np.repeat(outliers, candidates.shape[1]), candidates.ravel()
        replaced, success = search_changes(detector, pool, rows, normal_rows, max_changes)
        replaced &= success[:, None]
        order = np.lexsort((replaced.sum(axis=1), ~success, rows))
        best = order[np.unique(rows[order], return_index=True)[1]]  # the first pair of each row
        changed[outliers] = replaced[best]
        sources[outliers] = np.where(replaced[best], normal_rows[best, None], outliers[:, None])
    result = copy_index(take_cells(pool, sources), X)
    return NearestNormal(
        rows=result,
        changed=table_like(X, changed),
        success=np.asarray(detector.decision_function(result)) >= 0,
    )


def normal_candidates(detector, X, outliers, background, n_neighbors):
    """Find normal rows for each outlier.

    Parameters
    ----------
    detector : estimator
        Fitted outlier detector.
    X : ndarray or frame of shape (n_samples, n_features)
        All rows.
    outliers : ndarray of int of shape (n_outliers,)
        Row numbers of the outliers.
    background : {array-like, dataframe} or None
        Rows to choose from; None for those of `X`.
    n_neighbors : int
        Maximum number of background rows for each outlier.

    Returns
    -------
    pool : ndarray or frame
        `X`, followed by normal rows.
    candidates : ndarray of int of shape (n_outliers, n_candidates)
        Row numbers in the pool.
    """
    X_outliers = _safe_indexing(X, outliers)
    tables, candidates = [X], np.empty((len(outliers), 0), dtype=int)
    reconstructed = reconstruction(detector, X_outliers)
    if reconstructed is not None:
        tables.append(match_columns(reconstructed, X_outliers, name="reconstruction"))
        candidates = len(X) + np.arange(len(outliers))[:, None]
    if background is None:
        background = X
    else:
        background = match_columns(check_table(background), X, name="background")
    inliers = np.flatnonzero(detector.decision_function(background) >= 0)
    if len(inliers) and n_neighbors:
        background = _safe_indexing(background, inliers)
        encoder = TabularEncoder().fit(background)
        neighbors = NearestNeighbors(n_neighbors=min(n_neighbors, len(inliers)))
        neighbors.fit(encoder.transform(background))
        nearest = neighbors.kneighbors(encoder.transform(X_outliers), return_distance=False)
        candidates = np.hstack([candidates, sum(map(len, tables)) + nearest])
        tables.append(background)
    if len(tables) == 1:
        raise ValueError(
            f"There are no normal rows to take values from. {type(detector).__name__} cannot "
            "reconstruct rows, and either it labels all background rows as outliers or "
            "n_neighbors=0. Pass normal rows as `background`, for example the training rows, and "
            "a positive n_neighbors."
        )
    return concat_rows(tables), candidates


def reconstruction(detector, X):
    """Reconstruct rows in their own units. None if the detector cannot do it."""
    if hasattr(detector, "reconstruct"):
        return detector.reconstruct(X)
    if isinstance(detector, Pipeline) and hasattr(detector[-1], "reconstruct"):
        encoder = detector[:-1]
        if hasattr(encoder, "inverse_transform"):
            return encoder.inverse_transform(detector[-1].reconstruct(encoder.transform(X)))
    return None


def search_changes(detector, pool, rows, normal_rows, max_changes):
    """Search for columns in which to replace the values of each row by those of a normal row.

    All pairs of a row and a normal row are searched together, step by step. Once a row is an
    inlier, its other pairs are given up, because they need at least one more change.

    Parameters
    ----------
    detector : estimator
        Fitted outlier detector.
    pool : ndarray or frame of shape (n_pool, n_features)
        All rows and normal rows.
    rows, normal_rows : ndarray of int of shape (n_pairs,)
        Row numbers in the pool of the two rows of each pair.
    max_changes : int or None
        Maximum number of columns to replace.

    Returns
    -------
    replaced : ndarray of bool of shape (n_pairs, n_features)
        Columns to replace.
    success : ndarray of bool of shape (n_pairs,)
        Whether the result is an inlier.
    """

    def evaluate_toggles(pairs, toggles):
        """Decision after each single toggle of `replaced`; -inf where there is no toggle."""
        values = np.full(toggles.shape, -np.inf)
        which, column = np.nonzero(toggles)
        n_blocks = -(-which.size * toggles.shape[1] // BLOCK_CELLS)
        for block in np.array_split(np.arange(which.size), n_blocks) if n_blocks else ():
            pair = pairs[which[block]]
            trial = replaced[pair]
            trial[np.arange(len(pair)), column[block]] ^= True
            sources = np.where(trial, normal_rows[pair, None], rows[pair, None])
            trial_rows = take_cells(pool, sources)
            values[which[block], column[block]] = detector.decision_function(trial_rows)
        return values

    replaced = np.zeros((len(rows), pool.shape[1]), dtype=bool)
    success = np.zeros(len(rows), dtype=bool)
    pairs = np.arange(len(rows))
    for _ in range(min(max_changes or pool.shape[1], pool.shape[1])):
        values = evaluate_toggles(pairs, ~replaced[pairs])
        replaced[pairs, values.argmax(axis=1)] = True
        success[pairs] = values.max(axis=1) >= 0
        pairs = np.flatnonzero(~np.isin(rows, rows[success]))
        if len(pairs) == 0:
            break

    pairs = np.flatnonzero(success)  # to undo unnecessary changes
    while len(pairs):
        values = evaluate_toggles(pairs, replaced[pairs])
        is_inlier = values.max(axis=1) >= 0
        pairs, values = pairs[is_inlier], values[is_inlier]
        replaced[pairs, values.argmax(axis=1)] = False
    return replaced, success
