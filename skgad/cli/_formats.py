"""File formats of tables: CSV and Parquet."""

import csv
import io
import warnings
from collections.abc import Collection
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from .._files import atomic_write
from ._messages import CommandError, quote_names

if TYPE_CHECKING:
    import pandas as pd

CSV_SUFFIXES = (".csv", ".csv.gz", ".csv.bz2", ".csv.xz")

#: Modules that open CSV files. Some builds of Python have no bz2 or lzma.
OPENERS = {".csv": "io", ".gz": "gzip", ".bz2": "bz2", ".xz": "lzma"}

#: Texts that are missing values in the features of a CSV file.
MISSING_VALUES = [
    *("", "NA", "N/A", "n/a", "<NA>", "#NA", "#N/A", "#N/A N/A", "NaN", "nan", "-NaN", "-nan"),
    *("NULL", "null", "None", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"),
]


def import_pandas() -> ModuleType:
    """Import pandas, which is an optional dependency."""
    try:
        import pandas as pd
    except ImportError as error:
        raise CommandError("The command line requires pandas: pip install pandas.") from error
    return pd


def check_format(path: Path) -> None:
    """Raise an error if the format of a file is unknown or its library is not installed."""
    if path.name.lower().endswith(CSV_SUFFIXES):
        return
    if not is_parquet(path):
        raise CommandError(
            f"Cannot tell the format of {path} from its name, which must end in "
            f"{', '.join(CSV_SUFFIXES)} or .parquet."
        )
    if not (find_spec("pyarrow") or find_spec("fastparquet")):
        raise CommandError(f"Reading or writing {path} requires pyarrow: pip install pyarrow.")


def read_table(
    path: Path,
    *,
    sep: str,
    decimal: str,
    encoding: str,
    text_columns: Collection[str],
    verbatim_columns: Collection[str],
) -> "pd.DataFrame":
    """Read a table from a CSV or Parquet file.

    Parameters
    ----------
    path : Path
        The file.

    sep, decimal, encoding : str
        Format of a CSV file.

    text_columns : collection of str
        Columns of a CSV file that contain text, even if it looks like numbers.

    verbatim_columns : collection of str
        Columns of a CSV file that are copied rather than learned from. They contain text, in which
        only an empty cell is a missing value.

    Returns
    -------
    table : DataFrame of shape (n_rows, n_columns)
        The rows in the order of the file.
    """
    if not path.is_file():
        raise CommandError(f"File {path} not found.")
    check_format(path)
    if is_parquet(path):
        table = _read_parquet(path)
    else:
        table = _read_csv(path, sep, decimal, encoding, text_columns, verbatim_columns)
    if len(table) == 0:
        raise CommandError(f"{path} has a header but no rows.")
    return table


def write_table(table: "pd.DataFrame", path: Path) -> None:
    """Write a table to a CSV or Parquet file."""
    with atomic_write(path) as temporary:
        if is_parquet(path):
            table.to_parquet(temporary, index=False)
        else:
            table.to_csv(temporary, index=False)


def is_parquet(path: Path) -> bool:
    """Tell whether a file is a Parquet file, by its name."""
    return path.suffix.lower() == ".parquet"


def _read_csv(path, sep, decimal, encoding, text_columns, verbatim_columns):
    pd = import_pandas()
    try:
        opener = import_module(OPENERS[path.suffix.lower()])
        with opener.open(path, "rt", encoding=encoding, newline="") as file:
            # Blank lines are rows, except before the header and at the end of the file.
            text = file.read()
            content = text.strip("\r\n").encode()
            n_skipped = text[: len(text) - len(text.lstrip("\r\n"))].count("\n")
        with warnings.catch_warnings(action="error", category=pd.errors.ParserWarning):
            # Without index_col=False, pandas uses a column without a name as the index.
            options = {"sep": sep, "index_col": False, "skip_blank_lines": False}
            read = partial(pd.read_csv, low_memory=False, **options)
            header = read(io.BytesIO(content), header=None, nrows=1, dtype=str, na_filter=False)
            columns = read(io.BytesIO(content), nrows=0).columns
            table = read(
                io.BytesIO(content),
                decimal=decimal,
                dtype=dict.fromkeys([*text_columns, *verbatim_columns], "string"),
                keep_default_na=False,
                na_values={
                    name: [""] if name in verbatim_columns else MISSING_VALUES for name in columns
                },
            )
    except pd.errors.EmptyDataError as error:
        raise CommandError(f"{path} is empty.") from error
    except (UnicodeError, LookupError) as error:
        raise CommandError(
            f"Cannot decode {path} as {encoding}. Pass its encoding, for example "
            f"--encoding latin-1 ({error})."
        ) from error
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise CommandError(
            f"Cannot read {path} as a table separated by {sep!r} (see --sep): {error}"
        ) from error
    except Exception as error:  # depends on the library that decompresses the file
        raise CommandError(f"Cannot read {path}: {error}") from error
    _check_header(header.loc[0], path)
    if len(table) and table.iloc[:, -1].hasnans:
        _check_lines(content.decode(), sep, table.shape[1], n_skipped, path)
    return table


def _check_lines(content, sep, n_columns, n_skipped, path):
    """Raise an error for lines with fewer cells than columns, and warn of blank lines.

    Pandas would fill them with missing values. The header is preceded by `n_skipped` lines.
    """
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=sep)
    short: list[int] = []
    blank: list[int] = []
    has_values = False
    try:
        next(reader)
        first = n_skipped + reader.line_num + 1
        for cells in reader:
            has_values = has_values or any(cells)
            if len(cells) < n_columns and n_columns > 1:
                (short if cells else blank).append(n_skipped + reader.line_num)
    except csv.Error:  # a cell is beyond the limit of this reader, but not of pandas
        return
    if not has_values:
        last = n_skipped + reader.line_num
        raise CommandError(
            f"{path} contains no values: all cells of lines {first} to {last} are empty."
        )
    if short:
        raise CommandError(
            f"Lines of {path} have fewer cells than the header, which has {n_columns}: line "
            f"{quote_names(short)}. Complete them: a missing value is an empty cell, so that every "
            f"line has {n_columns - 1} separators."
        )
    if blank:
        warnings.warn(
            f"Blank lines of {path} are read as rows of missing values: line "
            f"{quote_names(blank)}. Remove the lines that are not rows.",
            stacklevel=2,
        )


def _check_header(names, path):
    """Raise an error for duplicate column names, and warn if all of them are numbers."""
    duplicates = names[names.duplicated() & (names != "")].unique()
    if len(duplicates):
        raise CommandError(
            f"Column names must be unique, but {path} repeats {quote_names(duplicates)}."
        )
    if import_pandas().to_numeric(names, errors="coerce").notna().all():
        warnings.warn(
            f"The first line of {path} is used as column names, but it contains only numbers: "
            f"{quote_names(names)}. If it is a row, add a line of column names above it.",
            stacklevel=2,
        )


def _read_parquet(path):
    """Read a Parquet file. The named levels of its index become columns."""
    pd = import_pandas()
    try:
        table = pd.read_parquet(path)
    except Exception as error:  # depends on the library that reads the file
        raise CommandError(f"Cannot read {path} as Parquet: {error}") from error
    named_levels = [name for name in table.index.names if name is not None]
    return table.reset_index(named_levels).reset_index(drop=True)
