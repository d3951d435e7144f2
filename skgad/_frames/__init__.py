"""Data frames: the only place in the package that knows pandas, polars, PyArrow and DuckDB.

A table is a two-dimensional array, a frame of pandas or polars, or a table of PyArrow. The rest of
the package handles tables with the functions below. `_array`, `_pandas`, `_polars` and `_pyarrow`
implement them, and each is imported only when a table of its library is seen: skgad imports none of
these libraries. `collect` reads tables that are not in memory.

Narwhals, which gives the libraries one interface, would not replace these modules: a table is made
again with the exact dtypes that were read, such as categories, periods and nullable integers, which
only its own library can do.
"""

from ._tables import (
    Table,
    check_frame,
    check_table,
    collect,
    column_names,
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
from ._values import as_levels, fill_masked, is_missing

__all__ = [
    "Table",
    "as_levels",
    "check_frame",
    "check_table",
    "collect",
    "column_names",
    "concat_rows",
    "copy_index",
    "fill_masked",
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
