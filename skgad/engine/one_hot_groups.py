"""Groups of one-hot columns, one for each categorical attribute of a table."""

import numpy as np
from scipy import sparse
from sklearn.utils import gen_batches


def find_groups(table):
    """Find runs of adjacent columns of zeros and ones in which every row has exactly one 1.

    Runs are read from the left, and a column is in at most one group. Columns without any 1 belong
    to a group only if they are between others of the group.

    Parameters
    ----------
    table : ndarray or CSR matrix of shape (n_samples, n_features)
        Training rows.

    Returns
    -------
    groups : list of tuple of int
        Positions of the columns of each group. Each group has at least two columns.
    """
    is_binary = np.all([np.isin(x, (0, 1)).all(axis=0) for x in dense_batches(table)], axis=0)
    n_ones = sum(np.where(is_binary, x, 0).sum(axis=0, dtype=float) for x in dense_batches(table))
    runs = [run for run in runs_with_a_one_per_row(n_ones, table.shape[0]) if is_binary[run].all()]
    is_one_hot = np.all(
        [[(x[:, run].sum(axis=1) == 1).all() for run in runs] for x in dense_batches(table)], axis=0
    )
    groups, end = [], 0
    for run, one_hot in zip(runs, is_one_hot, strict=True):
        if one_hot and run.start >= end:
            groups.append(tuple(range(run.start, run.stop)))
            end = run.stop
    return groups


def runs_with_a_one_per_row(n_ones, n_rows):
    """Yield slices of at least two columns that have one 1 per row on average."""
    ones_up_to = np.cumsum(n_ones)
    for start in np.flatnonzero(n_ones):
        total = ones_up_to[start] - n_ones[start] + n_rows
        last = np.searchsorted(ones_up_to, total)
        if start < last < len(n_ones) and ones_up_to[last] == total:
            yield slice(int(start), int(last) + 1)


def dense_batches(table):
    """Yield the rows of a table, many at a time, as dense arrays."""
    for batch in gen_batches(table.shape[0], 1000):
        yield table[batch].toarray() if sparse.issparse(table) else table[batch]


def column_positions(groups, columns):
    """Convert groups of columns that a user has given to groups of positions.

    Parameters
    ----------
    groups : list of tuple
        For each attribute, names or positions of its columns.
    columns : list
        Names of the columns of the table, or their positions if they have no names.

    Returns
    -------
    groups : list of tuple of int

    Raises
    ------
    ValueError
        If a group is not a tuple or list of at least two columns of the table, or if a column is
        given twice.
    """
    positions = []
    for group in groups:
        if not isinstance(group, (tuple, list)):
            raise ValueError(
                "categorical_groups must be a list of tuples of columns, one for each attribute, "
                f"but it contains {group!r}."
            )
        for column in group:
            if column not in columns and column not in range(len(columns)):
                raise ValueError(
                    f"categorical_groups contains {column!r}, but X has no such column. Pass "
                    f"positions from 0 to {len(columns) - 1}, or names of columns if X is a data "
                    "frame."
                )
        positions.append(tuple(columns.index(c) if c in columns else int(c) for c in group))
    flat = [position for group in positions for position in group]
    if len(set(flat)) < len(flat) or any(len(group) < 2 for group in positions):
        raise ValueError(
            "Each group of categorical_groups must have at least two columns, and no column may be "
            f"given twice, got {groups!r}."
        )
    return positions
