"""Data frames: the only place in the package that knows pandas and polars.

A table is a two-dimensional array, a pandas frame or a polars frame. The rest of the package
handles tables with the functions below. `_array`, `_pandas` and `_polars` implement them, and each
is imported only when a table of its library is seen: skgad imports neither pandas nor polars.
"""

from ._tables import (
    Table,
    check_frame,
    check_table,
    concat_rows,
    copy_index,
    has_dates,
    is_categorical,
    is_frame,
    match_columns,
    read_columns,
    schema_of,
    table_like,
    take_cells,
)
from ._values import as_levels, is_missing

__all__ = [
    "Table",
    "as_levels",
    "check_frame",
    "check_table",
    "concat_rows",
    "copy_index",
    "has_dates",
    "is_categorical",
    "is_frame",
    "is_missing",
    "match_columns",
    "read_columns",
    "schema_of",
    "table_like",
    "take_cells",
]
