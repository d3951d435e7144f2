"""Two-dimensional numpy arrays: all columns have the same dtype, and no names."""

import numpy as np

from ._values import infer_objects, round_to_dtype


def column_names(X):
    """Positions of the columns, because an array has no names."""
    return list(range(X.shape[1]))


def read_columns(X, names):
    """Return the columns; those of text, booleans and objects as objects."""
    if X.dtype.kind in "iufmM":
        return list(X.T)
    return [infer_objects(column, name) for column, name in zip(X.T, names, strict=True)]


def is_categorical(X):
    """Whether each column has a dtype of categories: no column of an array has."""
    return [False] * X.shape[1]


class Schema:
    """Dtype of an array."""

    def __init__(self, X):
        self.dtype = X.dtype

    def make_table(self, columns):
        """Make an array from its columns."""
        X = np.empty((len(columns[0]), len(columns)), dtype=self.dtype)
        for j, column in enumerate(columns):
            X[:, j] = round_to_dtype(column, self.dtype)
        return X


def from_array(values, X):
    """Return the array itself."""
    return values


def copy_index(table, X):
    """Return the table itself: an array has no index."""
    return table


def concat_rows(tables):
    """Concatenate rows."""
    return np.concatenate(tables)


def take_cells(table, rows):
    """Take each cell from a row of its own."""
    return np.take_along_axis(table, rows, axis=0)
