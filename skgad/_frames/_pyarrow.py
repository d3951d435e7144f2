"""Tables of PyArrow."""

import numpy as np
import pyarrow as pa

from ._values import as_levels, round_to_dtype, unsupported_dtype


def column_names(X):
    """Names of the columns."""
    return X.column_names


def select_columns(X, names):
    """Table with some of the columns."""
    return X.select(names)


def read_columns(X, names):
    """Convert the columns to arrays."""
    return [read_column(column, name) for column, name in zip(X.columns, names, strict=True)]


def read_column(column, name):
    """Convert a column to an array."""
    dtype = column.type
    if is_dictionary(dtype) or is_text(dtype) or pa.types.is_boolean(dtype):
        return as_levels(np.array(column.to_pylist(), dtype=object))
    if pa.types.is_null(dtype):
        return np.full(len(column), None)
    if pa.types.is_decimal(dtype):
        column = column.cast(pa.float64())
    elif not is_number(dtype) and not is_date(dtype):
        raise unsupported_dtype(name, dtype)
    return column.to_numpy()


def from_pandas(column):
    """Convert a column of pandas with a dtype of PyArrow."""
    return pa.table([column.array], names=[""]).column(0)


def is_dictionary(dtype):
    """Whether a type is one of categories."""
    return pa.types.is_dictionary(dtype)


def is_text(dtype):
    """Whether a type is one of text."""
    return any(
        check(dtype)
        for check in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    )


def is_number(dtype):
    """Whether a type is one of integers or floats."""
    return pa.types.is_integer(dtype) or pa.types.is_floating(dtype)


def is_date(dtype):
    """Whether a type is one of dates or durations."""
    return any(
        check(dtype) for check in (pa.types.is_timestamp, pa.types.is_date, pa.types.is_duration)
    )


def is_categorical(X):
    """Whether each column has a dtype of categories."""
    return list(map(is_dictionary, X.schema.types))


def has_dates(X):
    """Whether a column contains dates or durations."""
    return any(map(is_date, X.schema.types))


class Schema:
    """Columns and dtypes of a table."""

    def __init__(self, X):
        self.names = X.schema.names
        self.dtypes = X.schema.types

    def make_table(self, columns):
        """Make a table from arrays."""
        columns = list(map(make_column, columns, self.dtypes))
        return pa.Table.from_arrays(columns, names=self.names)

    def __getstate__(self):
        """State of plain values."""
        return {"names": self.names, "dtypes": list(map(dtype_state, self.dtypes))}

    def __setstate__(self, state):
        """Restore the columns and dtypes."""
        self.names = state["names"]
        self.dtypes = list(map(dtype_from_state, state["dtypes"]))


def dtype_state(dtype):
    """Plain values that describe a type: its name and arguments."""
    if is_dictionary(dtype):
        parts = [dtype_state(dtype.index_type), dtype_state(dtype.value_type)]
        return {"name": "dictionary", "arguments": [*parts, dtype.ordered]}
    if pa.types.is_decimal(dtype):
        name = str(dtype).partition("(")[0]
        return {"name": name, "arguments": [dtype.precision, dtype.scale]}
    if pa.types.is_timestamp(dtype):
        return {"name": "timestamp", "arguments": [dtype.unit, dtype.tz]}
    return {"name": str(dtype)}


def dtype_from_state(state):
    """Type that plain values describe."""
    name = state["name"]
    if name == "dictionary":
        index, values, is_ordered = state["arguments"]
        return pa.dictionary(dtype_from_state(index), dtype_from_state(values), is_ordered)
    if name in ("decimal32", "decimal64", "decimal128", "decimal256", "timestamp"):
        return getattr(pa, name)(*state["arguments"])
    return pa.type_for_alias(name)


def make_column(values, dtype):
    """Convert an array to a column, with null for missing values."""
    if is_dictionary(dtype):  # pa.array does not make those of dates
        return pa.array(values.tolist(), type=dtype.value_type).dictionary_encode().cast(dtype)
    if values.dtype == object:
        return pa.array(values.tolist(), type=dtype)
    values = round_to_dtype(values, dtype)
    return pa.array(values, from_pandas=True).cast(dtype)


def from_array(values, X):
    """Convert an array to a table with the columns of another."""
    return pa.Table.from_arrays(list(map(pa.array, values.T)), names=X.column_names)


def copy_index(table, X):
    """Return the table itself: it has no index."""
    return table


def concat_rows(tables):
    """Concatenate rows, with a common dtype where those of a column differ."""
    return pa.concat_tables(tables, promote_options="permissive")


def take_cells(table, rows):
    """Take each cell from a row of its own; the dtypes stay."""
    columns = [column.take(index) for column, index in zip(table.columns, rows.T, strict=True)]
    return pa.Table.from_arrays(columns, names=table.column_names)
