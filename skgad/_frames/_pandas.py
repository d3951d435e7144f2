"""Frames of pandas."""

from importlib import import_module

import numpy as np
import pandas as pd

from ._values import as_levels, infer_objects, round_to_dtype, unsupported_dtype


def column_names(X):
    """Names of the columns."""
    return list(X.columns)


def select_columns(X, names):
    """Frame with some of the columns."""
    return X[names]


def read_columns(X, names):
    """Convert the columns to arrays."""
    return [read_column(column, name) for (_, column), name in zip(X.items(), names, strict=True)]


def read_column(column, name):
    """Convert a column to an array."""
    dtype = column.dtype
    if isinstance(dtype, pd.ArrowDtype):
        return pyarrow().read_column(pyarrow().from_pandas(column), name)
    if isinstance(dtype, (pd.CategoricalDtype, pd.StringDtype)) or dtype.kind == "b":
        return as_levels(column.to_numpy(dtype=object))
    if isinstance(dtype, pd.PeriodDtype):
        # The middle of each period, so that inexact dates are decoded to the same period.
        middle = column.dt.start_time + (column.dt.end_time - column.dt.start_time) / 2
        return middle.to_numpy().astype("datetime64[ms]")
    if dtype.kind == "O":
        return infer_objects(column.to_numpy(), name)
    if isinstance(dtype, pd.DatetimeTZDtype):
        column = column.dt.tz_convert(None)
    if dtype.kind in "mM":
        return column.to_numpy()
    if dtype.kind in "iuf":
        if column.hasnans:
            return column.to_numpy(dtype=np.float64, na_value=np.nan)
        return column.to_numpy()
    raise unsupported_dtype(name, dtype)


def is_categorical(X):
    """Whether each column has a dtype of categories."""
    return [
        isinstance(dtype, pd.CategoricalDtype)
        or (isinstance(dtype, pd.ArrowDtype) and pyarrow().is_dictionary(dtype.pyarrow_dtype))
        for dtype in X.dtypes
    ]


def pyarrow():
    """Functions for columns with the dtypes of PyArrow."""
    return import_module("._pyarrow", __package__)


class Schema:
    """Columns and dtypes of a frame."""

    def __init__(self, X):
        self.columns = X.columns
        self.dtypes = X.dtypes.tolist()

    def make_table(self, columns):
        """Make a frame from arrays."""
        frame = pd.DataFrame(dict(enumerate(map(make_column, columns, self.dtypes))))
        frame.columns = self.columns
        return frame

    def __getstate__(self):
        """State of plain values."""
        columns = self.columns
        return {
            "columns": columns.tolist(),
            "columns_dtype": None if columns.nlevels > 1 else dtype_state(columns.dtype),
            "columns_names": list(columns.names),
            "dtypes": [dtype_state(dtype) for dtype in self.dtypes],
        }

    def __setstate__(self, state):
        """Restore the columns and dtypes."""
        names = state["columns_names"]
        if state["columns_dtype"] is None:
            self.columns = pd.MultiIndex.from_tuples(state["columns"], names=names)
        else:
            dtype = dtype_from_state(state["columns_dtype"])
            self.columns = pd.Index(state["columns"], dtype=dtype, name=names[0])
        self.dtypes = [dtype_from_state(dtype) for dtype in state["dtypes"]]


def dtype_state(dtype):
    """Plain values that describe a dtype."""
    if isinstance(dtype, pd.CategoricalDtype):
        categories = dtype.categories
        if categories is None:
            return {"name": "category"}
        values = {"values": categories.to_numpy(), "dtype": dtype_state(categories.dtype)}
        return {"name": "category", "categories": values, "ordered": bool(dtype.ordered)}
    if isinstance(dtype, pd.StringDtype):
        is_na = getattr(dtype, "na_value", pd.NA) is pd.NA  # always, before pandas 2.3
        return {"name": "string", "storage": dtype.storage, "missing": "NA" if is_na else "NaN"}
    if isinstance(dtype, pd.ArrowDtype):
        return {"name": "arrow", "dtype": pyarrow().dtype_state(dtype.pyarrow_dtype)}
    state = {"name": str(dtype)}
    try:
        is_restored = dtype_from_state(state) == dtype
    except (TypeError, ValueError):
        is_restored = False
    if not is_restored:
        raise ValueError(
            f"The dtype {dtype} cannot be restored from its name. If it has a time zone, use one "
            "of zoneinfo or 'UTC', for example with dt.tz_convert('Europe/Berlin')."
        )
    return state


def dtype_from_state(state):
    """Dtype that plain values describe."""
    if state["name"] == "string":
        if state["missing"] == "NA":
            return pd.StringDtype(state["storage"])
        return pd.StringDtype(state["storage"], na_value=np.nan)
    if state["name"] == "category" and "categories" in state:
        values = state["categories"]
        categories = pd.Index(values["values"], dtype=dtype_from_state(values["dtype"]))
        return pd.CategoricalDtype(categories, ordered=state["ordered"])
    if state["name"] == "arrow":
        return pd.ArrowDtype(pyarrow().dtype_from_state(state["dtype"]))
    if "dateutil" in state["name"]:
        raise ValueError(f"The dtype {state['name']} names a file.")  # which pandas would read
    return pd.api.types.pandas_dtype(state["name"])


def make_column(values, dtype):
    """Convert an array to a column."""
    if isinstance(dtype, pd.ArrowDtype):
        values = pyarrow().make_column(values, dtype.pyarrow_dtype)
        return pd.Series(pd.arrays.ArrowExtensionArray(values))
    if isinstance(dtype, np.dtype) and dtype.kind == "O" and values.dtype.kind in "mM":
        values = values.astype(object)  # those of the standard library
    values = round_to_dtype(values, dtype)
    column = pd.Series(values, dtype=values.dtype)
    if isinstance(dtype, pd.DatetimeTZDtype):
        column = column.dt.tz_localize("UTC")
    return column.astype(dtype)


def from_array(values, X):
    """Convert an array to a frame with the columns of another."""
    return type(X)(values, columns=X.columns)


def copy_index(table, X):
    """Replace the index of a frame by that of another."""
    return table.set_axis(X.index, axis=0)


def concat_rows(tables):
    """Concatenate rows and renumber them."""
    return pd.concat(tables, ignore_index=True)


def take_cells(table, rows):
    """Take each cell from a row of its own; the dtypes stay."""
    return type(table)(
        {name: table[name].array[index] for name, index in zip(table.columns, rows.T, strict=True)}
    )
