"""Frames of polars."""

import numpy as np
import polars as pl

from ._values import as_levels, round_to_dtype, unsupported_dtype


def column_names(X):
    """Names of the columns."""
    return list(X.columns)


def select_columns(X, names):
    """Frame with some of the columns."""
    return X[names]


def read_columns(X, names):
    """Convert the columns to arrays."""
    return [read_column(column, name) for column, name in zip(X, names, strict=True)]


def read_column(column, name):
    """Convert a column to an array."""
    dtype = column.dtype
    if dtype in (pl.Boolean, pl.String, pl.Categorical, pl.Enum, pl.Null):
        return as_levels(np.array(column.to_list(), dtype=object))
    if dtype.is_numeric():
        column = column.cast(pl.Float64) if dtype.is_decimal() else column
        return column.to_numpy()
    if dtype in (pl.Date, pl.Datetime, pl.Duration):
        return column.to_numpy()
    raise unsupported_dtype(name, dtype)


def is_categorical(X):
    """Whether each column has a dtype of categories."""
    return [dtype in (pl.Categorical, pl.Enum) for dtype in X.dtypes]


class Schema:
    """Columns and dtypes of a frame."""

    def __init__(self, X):
        self.columns = X.columns
        self.dtypes = X.dtypes

    def make_table(self, columns):
        """Make a frame from arrays."""
        return pl.DataFrame(list(map(make_column, self.columns, columns, self.dtypes)))

    def __getstate__(self):
        """State of plain values."""
        return {
            "columns": list(self.columns),
            "dtypes": [(type(dtype).__name__, parameters(dtype)) for dtype in self.dtypes],
        }

    def __setstate__(self, state):
        """Restore the columns and dtypes."""
        self.columns = state["columns"]
        self.dtypes = [DTYPES[name](**arguments) for name, arguments in state["dtypes"]]


#: Dtypes that `read_columns` reads, by name.
DTYPES = {
    name: dtype
    for name, dtype in vars(pl).items()
    if isinstance(dtype, type) and issubclass(dtype, pl.DataType)
}


def parameters(dtype):
    """Arguments that make a dtype, as plain values."""
    if isinstance(dtype, pl.Enum):
        return {"categories": dtype.categories.to_list()}
    if isinstance(dtype, pl.Categorical):
        return {}  # its levels are those of the column
    return dict(vars(dtype))


def make_column(name, values, dtype):
    """Convert an array to a column, with null for missing values."""
    if values.dtype == object:
        return pl.Series(name, values.tolist()).cast(dtype)
    values = round_to_dtype(values, dtype)
    return pl.Series(name, values, nan_to_null=values.dtype.kind == "f").cast(dtype)


def from_array(values, X):
    """Convert an array to a frame with the columns of another."""
    return type(X)(values, schema=X.columns, orient="row")


def copy_index(table, X):
    """Return the table itself: a polars frame has no index."""
    return table


def concat_rows(tables):
    """Concatenate rows, with a common dtype where those of a column differ."""
    return pl.concat(tables, how="vertical_relaxed")


def take_cells(table, rows):
    """Take each cell from a row of its own; the dtypes stay."""
    return type(table)(
        {name: table[name][index] for name, index in zip(table.columns, rows.T, strict=True)}
    )
