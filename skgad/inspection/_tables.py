"""Tables of any kind: arrays and frames of pandas or polars."""

import numpy as np
from sklearn.utils import check_array

#: Cells of the trial rows that a detector is given at once.
BLOCK_CELLS = 2**22


def is_frame(X):
    """Whether a table is a frame of pandas or of polars."""
    return hasattr(X, "columns") and hasattr(X, "shape")


def check_table(X):
    """Leave a frame as it is, and make a two-dimensional array of anything else."""
    if not is_frame(X):
        return check_array(X, dtype=None, ensure_all_finite=False)
    if len(set(X.columns)) < X.shape[1]:
        raise ValueError(f"The columns need different names, got {list(X.columns)}.")
    if len(X) == 0:
        raise ValueError("The table has 0 rows: give at least one.")
    return X


def take(X, rows):
    """Rows of a table by their numbers."""
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows]


def table_like(X, values):
    """An array, or a frame with the columns of ``X``, and its index if there are as many rows."""
    if not is_frame(X):
        return values
    if not hasattr(X, "iloc"):
        return type(X)(values, schema=list(X.columns), orient="row")
    return type(X)(values, columns=X.columns, index=X.index if len(values) == len(X) else None)


def same_columns(X, other):
    """The table ``other`` as a table of the type of ``X``, its columns in the same order."""
    if other.shape[1] != X.shape[1]:
        raise ValueError(f"X has {X.shape[1]} columns, the background has {other.shape[1]}.")
    if not (is_frame(X) and is_frame(other)):
        return table_like(X, np.asarray(other))
    if hasattr(X, "iloc") != hasattr(other, "iloc"):
        raise ValueError(
            f"X is a {type(X)}, the background a {type(other)}: give frames of one kind."
        )
    missing = [name for name in X.columns if name not in other.columns]
    if missing:
        raise ValueError(f"The background lacks the columns {missing} of X.")
    return other[list(X.columns)]


def stack(*tables):
    """Tables of one kind below each other."""
    if not is_frame(tables[0]):
        return np.concatenate(tables)
    if hasattr(tables[0], "iloc"):
        import pandas as pd

        return pd.concat(tables, ignore_index=True)
    import polars as pl

    return pl.concat(tables, how="vertical_relaxed")


def mix(pool, index):
    """Table whose cell (i, j) is that of row ``index[i, j]`` and column j of the pool.

    The columns of a frame keep their types: a detector sees the kind of table it was fitted on.
    """
    if not is_frame(pool):
        return np.take_along_axis(pool, index, axis=0)
    columns = [getattr(pool[name], "array", pool[name]) for name in pool.columns]
    mixed = (column[rows] for column, rows in zip(columns, index.T, strict=True))
    return type(pool)(dict(zip(pool.columns, mixed, strict=True)))
