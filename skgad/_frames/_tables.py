"""Functions for tables of all kinds."""

import os
import sys
from collections import Counter
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array

from . import _array
from ._values import fill_masked

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

#: A table that the package returns, of the type that the user passed.
Table: TypeAlias = "NDArray[Any] | pd.DataFrame | pl.DataFrame | pa.Table"

#: Name of the class of frames in each library.
FRAMES = {"pandas": "DataFrame", "polars": "DataFrame", "pyarrow": "Table"}


def is_instance(X, module, name):
    """Whether `X` is an instance of a class of a module, which is imported if that is the case."""
    cls = getattr(sys.modules.get(module), name, None)
    return cls is not None and isinstance(X, cls)


def library_of(X):
    """Module that implements the functions below for the type of a table."""
    for library, name in FRAMES.items():
        if is_instance(X, library, name):
            return import_module(f"._{library}", __package__)
    return _array


def is_frame(X):
    """Whether a table is a frame of pandas or polars, or a table of PyArrow."""
    return library_of(X) is not _array


def collect(X):
    """Read a table that is not in memory; anything else is returned as it is.

    A path of Parquet files, a dataset of PyArrow and a relation of DuckDB become a PyArrow table. A
    lazy frame of polars becomes a frame.
    """
    if isinstance(X, (str, os.PathLike)):
        X = import_module("pyarrow.dataset").dataset(X, format="parquet")
    if is_instance(X, "pyarrow.dataset", "Dataset"):
        return X.to_table()
    if is_instance(X, "duckdb", "DuckDBPyRelation"):
        return X.to_arrow_table()
    return X.collect() if is_instance(X, "polars", "LazyFrame") else X


def column_names(X):
    """Names of the columns, or their positions in an array."""
    return list(library_of(X).column_names(X))


def has_dates(X):
    """Whether an array, or a column of a frame of any library, contains dates or durations."""
    if is_instance(X, "pyarrow", "Table"):
        return library_of(X).has_dates(X)
    if isinstance(X, np.ndarray):
        dtypes = [X.dtype]
    else:
        dtypes = X.dtypes if hasattr(X, "dtypes") and hasattr(X, "columns") else []
    return any(
        dtype.is_temporal() if hasattr(dtype, "is_temporal") else dtype.kind in "mM"
        for dtype in dtypes
    )


def is_categorical(X):
    """Boolean mask of the columns with a dtype of categories."""
    return np.array(library_of(X).is_categorical(X), dtype=bool)


def check_frame(X):
    """Raise an error if a frame is empty or if several of its columns have the same name."""
    duplicates = [name for name, count in Counter(column_names(X)).items() if count > 1]
    if duplicates:
        raise ValueError(
            f"The columns of a data frame must have different names, but several are named "
            f"{duplicates}. Rename or drop them."
        )
    if 0 in X.shape:
        raise ValueError(
            f"Found a data frame with {X.shape[0]} rows and {X.shape[1]} columns while a minimum "
            "of 1 row and 1 column is required."
        )


def check_table(X):
    """Check a frame, which stays as it is, or convert anything else to a 2D array."""
    if not is_frame(X):
        return check_array(fill_masked(X), dtype=None, ensure_all_finite=False)
    check_frame(X)
    return X


def read_columns(X, names):
    """Read the columns of a table as arrays.

    Parameters
    ----------
    X : ndarray or frame of shape (n_samples, n_features)
        The table.
    names : sequence of str of length n_features
        Names of the columns, for error messages.

    Returns
    -------
    columns : list of ndarray of shape (n_samples,)
        Columns of numbers are integers or floats, dates and durations are datetime64 and
        timedelta64, with NaN or NaT for missing values. Categories, text and booleans are objects,
        with None for missing values.

    Raises
    ------
    TypeError
        If a column contains anything else.
    """
    return library_of(X).read_columns(X, names)


def schema_of(X):
    """Type of a table: its columns and their dtypes.

    Parameters
    ----------
    X : ndarray or frame of shape (n_samples, n_features)
        The table.

    Returns
    -------
    schema : Schema
        An object whose ``make_table(columns)`` makes tables of this type from arrays such as those
        of :func:`read_columns`. Floats are clipped to the range of the dtype of a column, and
        rounded if it is one of integers.
    """
    return library_of(X).Schema(X)


def table_like(X, values):
    """Convert an array to a table with the type, the column names and the index of `X`."""
    return copy_index(library_of(X).from_array(values, X), X)


def copy_index(table, X):
    """Give a pandas frame the index of the pandas frame `X`; leave other tables unchanged."""
    library = library_of(table)
    return library.copy_index(table, X) if library is library_of(X) else table


def match_columns(table, X, *, name):
    """Convert a table to the type of `X`, with the same columns in the same order.

    Parameters
    ----------
    table : ndarray or frame of shape (n_rows, n_features)
        The table to convert. The columns of an array correspond to those of `X` by position.
    X : ndarray or frame of shape (n_samples, n_features)
        Table with the columns to match.
    name : str
        What the table is, for error messages.

    Returns
    -------
    table : ndarray or frame of shape (n_rows, n_features)
        The converted table.
    """
    if table.shape[1] != X.shape[1]:
        raise ValueError(f"X has {X.shape[1]} columns, but the {name} has {table.shape[1]}.")
    if not (is_frame(X) and is_frame(table)):
        return library_of(X).from_array(np.asarray(table), X)
    if library_of(X) is not library_of(table):
        raise ValueError(
            f"X is a {type(X)}, but the {name} is a {type(table)}. Pass frames of the same library."
        )
    names, found = column_names(X), column_names(table)
    missing = [name for name in names if name not in found]
    if missing:
        raise ValueError(f"The {name} does not have the columns {missing} of X.")
    return library_of(table).select_columns(table, names)


def concat_rows(tables):
    """Concatenate the rows of tables of the same library."""
    return library_of(tables[0]).concat_rows(tables)


def take_cells(table, rows):
    """Take each cell from a row of its own.

    Parameters
    ----------
    table : ndarray or frame of shape (n_samples, n_features)
        Table to take cells from.
    rows : ndarray of int of shape (n_rows, n_features)
        Row numbers.

    Returns
    -------
    cells : ndarray or frame of shape (n_rows, n_features)
        Table of the same type. Cell (i, j) is that of row ``rows[i, j]`` in column j.
    """
    return library_of(table).take_cells(table, rows)
