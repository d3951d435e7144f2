"""The nearest normal version of a row."""

from numbers import Integral

import numpy as np
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch
from sklearn.utils._param_validation import HasMethods, Interval, validate_params

from ..preprocessing import TabularEncoder
from ._tables import BLOCK_CELLS, check_table, mix, same_columns, stack, table_like, take


@validate_params(
    {
        "detector": [HasMethods("decision_function")],
        "n_neighbors": [Interval(Integral, 0, None, closed="left")],
        "max_changes": [Interval(Integral, 1, None, closed="left"), None],
    },
    prefer_skip_nested_validation=True,
)
def nearest_normal(detector, X, *, background=None, n_neighbors=5, max_changes=None):
    """Change as few columns of each outlier as make it an inlier.

    Each outlier takes over values from a normal row, column by column. Such rows are its
    reconstruction, if the detector reconstructs, and its nearest neighbours in the background. At
    each step the column is taken over that raises the `decision_function` most, until it is not
    negative. Then changes that are not needed are undone, as long as there are any. Of the
    results, the one with the fewest changes is kept.

    Parameters
    ----------
    detector : estimator
        Fitted outlier detector with a `decision_function`, of scikit-learn or of skgad, or a
        pipeline with such a detector as its last step.

    X : {array-like, dataframe} of shape (n_samples, n_features)
        Rows, as the detector takes them.

    background : {array-like, dataframe} of shape (n_background_samples, n_features), default=None
        Rows to take values from, for example the training rows; those that the detector takes for
        outliers are left out. None takes the rows of `X`.

    n_neighbors : int, default=5
        Number of background rows that are tried for each outlier. 0 tries the
        reconstruction alone.

    max_changes : int or None, default=None
        Give up on a row after so many changes. None goes on to the last column.

    Returns
    -------
    result : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        rows : {ndarray, dataframe} of shape (n_samples, n_features)
            The rows with their changes. Inliers, and outliers for which no change was found,
            are as they were.
        changed : {ndarray, dataframe} of bool of shape (n_samples, n_features)
            Which cells have changed. Undoing any single one makes the row an outlier again.
        success : ndarray of bool of shape (n_samples,)
            Whether the detector takes the row, after the changes, for an inlier.

    Raises
    ------
    ValueError
        If there is no row to take values from, or if the columns of `background` are not
        those of `X`.

    See Also
    --------
    explain : What each column contributes to the score.

    Notes
    -----
    This is a counterfactual explanation [1]_ with the number of changed columns as its distance.
    The search is greedy: there may be a row with fewer changes, but no change
    of the result can be undone alone. Columns are changed whatever they mean: "five years
    younger" may be the answer.

    Neighbours are the nearest in the Euclidean distance behind a
    :class:`~skgad.preprocessing.TabularEncoder` of the background.

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
    odd = np.flatnonzero(detector.decision_function(X) < 0)
    index = np.tile(np.arange(len(X))[:, None], X.shape[1])
    changed = np.zeros(X.shape, dtype=bool)
    pool = X
    if len(odd):
        pool, candidates = normal_candidates(detector, X, odd, background, n_neighbors)
        rows, sources = np.repeat(odd, candidates.shape[1]), candidates.ravel()
        mask, success = fewest_changes(detector, pool, rows, sources, max_changes)
        mask &= success[:, None]
        order = np.lexsort((mask.sum(axis=1), ~success, rows))
        best = order[np.unique(rows[order], return_index=True)[1]]  # the first one of each row
        changed[odd] = mask[best]
        index[odd] = np.where(mask[best], sources[best, None], odd[:, None])
    result = mix(pool, index)
    if hasattr(X, "iloc"):
        result.index = X.index
    return Bunch(
        rows=result,
        changed=table_like(X, changed),
        success=np.asarray(detector.decision_function(result)) >= 0,
    )


def normal_candidates(detector, X, odd, background, n_neighbors):
    """Rows to take values from: a pool that begins with X, and row numbers for each odd row."""
    outliers, tables, candidates = take(X, odd), [X], np.empty((len(odd), 0), dtype=int)
    reconstructed = reconstruction(detector, outliers)
    if reconstructed is not None:
        tables.append(same_columns(outliers, reconstructed))
        candidates = len(X) + np.arange(len(odd))[:, None]
    background = X if background is None else same_columns(X, check_table(background))
    normal = np.flatnonzero(detector.decision_function(background) >= 0)
    if len(normal) and n_neighbors:
        normal = take(background, normal)
        encoder = TabularEncoder().fit(normal)
        neighbors = NearestNeighbors(n_neighbors=min(n_neighbors, len(normal)))
        neighbors.fit(encoder.transform(normal))
        nearest = neighbors.kneighbors(encoder.transform(outliers), return_distance=False)
        candidates = np.hstack([candidates, sum(map(len, tables)) + nearest])
        tables.append(normal)
    if len(tables) == 1:
        raise ValueError(
            f"{type(detector).__name__} does not reconstruct, and there is no background row that "
            "it takes for an inlier: give normal rows as `background`, for example the training "
            "rows, and n_neighbors above 0."
        )
    return stack(*tables), candidates


def reconstruction(detector, X):
    """Normal versions of the rows in their own units, or None if the detector gives none."""
    if hasattr(detector, "reconstruct"):
        return detector.reconstruct(X)
    if isinstance(detector, Pipeline) and hasattr(detector[-1], "reconstruct"):
        encoder = detector[:-1]
        if hasattr(encoder, "inverse_transform"):
            return encoder.inverse_transform(detector[-1].reconstruct(encoder.transform(X)))
    return None


def fewest_changes(detector, pool, rows, sources, max_changes):
    """Which columns each row takes over from its source, and whether that makes it normal.

    The pairs go step by step together. When a row is solved, its other sources are given up:
    they would need at least one more change.
    """

    def decisions(pairs, toggles):
        """Decision value of each pair after each one of some toggles; elsewhere -inf."""
        values = np.full(toggles.shape, -np.inf)
        which, column = np.nonzero(toggles)
        n_blocks = -(-which.size * toggles.shape[1] // BLOCK_CELLS)
        for block in np.array_split(np.arange(which.size), n_blocks) if n_blocks else ():
            pair = pairs[which[block]]
            trial = mask[pair]
            trial[np.arange(len(pair)), column[block]] ^= True
            index = np.where(trial, sources[pair, None], rows[pair, None])
            values[which[block], column[block]] = detector.decision_function(mix(pool, index))
        return values

    mask = np.zeros((len(rows), pool.shape[1]), dtype=bool)  # columns that are taken over
    success = np.zeros(len(rows), dtype=bool)
    pairs = np.arange(len(rows))
    for _ in range(min(max_changes or pool.shape[1], pool.shape[1])):
        values = decisions(pairs, ~mask[pairs])
        mask[pairs, values.argmax(axis=1)] = True
        success[pairs] = values.max(axis=1) >= 0
        pairs = np.flatnonzero(~np.isin(rows, rows[success]))
        if len(pairs) == 0:
            break

    pairs = np.flatnonzero(success)  # undo what is not needed
    while len(pairs):
        values = decisions(pairs, mask[pairs])
        pairs, values = pairs[values.max(axis=1) >= 0], values[values.max(axis=1) >= 0]
        mask[pairs, values.argmax(axis=1)] = False
    return mask, success
