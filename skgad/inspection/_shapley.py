"""Shapley values of anomaly scores, from random orders of the columns."""

import numpy as np

from .._frames import concat_rows, take_cells
from ._scores import BLOCK_CELLS, anomaly_scores


def shapley_values(detector, X, scores, background, *, n_permutations, rng):
    """Estimate the Shapley values of the columns for the anomaly scores of rows.

    Each background row is transformed into each row of `X`: its columns are replaced one by one,
    in the order of a permutation, and the changes of the score are averaged by column.

    Parameters
    ----------
    detector : estimator
        Fitted outlier detector.
    X : ndarray or frame of shape (n_samples, n_features)
        Rows to explain.
    scores : ndarray of shape (n_samples,)
        Their anomaly scores.
    background : ndarray or frame of shape (n_background, n_features)
        Normal rows, in a table of the same type.
    n_permutations : int
        Number of permutations for each background row.
    rng : RandomState
        Source of the permutations.

    Returns
    -------
    contributions : ndarray of shape (n_samples, n_features)
        The Shapley values.
    base : float
        Mean anomaly score of the background.
    """
    (n_samples, n_features), n_background = X.shape, len(background)
    # One random order for each background row, then the same orders reversed, and so on: order i
    # belongs to background row i % n_background.
    orders = rng.rand((n_permutations + 1) // 2, n_background, n_features).argsort(axis=-1)
    orders = np.stack([orders, orders[..., ::-1]], axis=1).reshape(-1, n_features)
    orders = orders[: n_permutations * n_background]
    ranks = orders.argsort(axis=1)
    background_scores = anomaly_scores(detector, background)
    pool = concat_rows([X, background])
    steps = np.arange(1, n_features)[:, None]

    contributions = np.zeros((n_samples, n_features))
    pairs = np.arange(n_samples * len(orders))  # of a row and an order
    for block in np.array_split(pairs, 1 + len(pairs) * n_features**2 // BLOCK_CELLS):
        row, order = np.divmod(block, len(orders))
        start = order % n_background
        replaced = ranks[order, None, :] < steps
        source = np.where(replaced, row[:, None, None], n_samples + start[:, None, None])
        path = np.empty((len(block), n_features + 1))
        path[:, 0], path[:, -1] = background_scores[start], scores[row]
        if n_features > 1:
            trial_rows = take_cells(pool, source.reshape(-1, n_features))
            path[:, 1:-1] = anomaly_scores(detector, trial_rows).reshape(len(block), -1)
        np.add.at(contributions, (row[:, None], orders[order]), np.diff(path))
    return contributions / len(orders), float(background_scores.mean())
