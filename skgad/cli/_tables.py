"""Tables: which columns are features, and their types."""

import warnings
from argparse import Namespace
from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING

from .._frames import as_levels
from ..tabular._dates import TextDates
from ..tabular._levels import has_too_many_levels
from ._formats import import_pandas, read_table
from ._messages import CommandError, quote_names

if TYPE_CHECKING:
    import pandas as pd


def excluded_columns(args: Namespace) -> list[str]:
    """Columns that the arguments exclude from the features."""
    return args.ignore + ([] if args.label_column is None else [args.label_column])


def read_training_table(args: Namespace) -> "pd.DataFrame":
    """Read a table to train on, with the column types given by the arguments."""
    table = _read_features(args)
    # Ignored columns are read verbatim.
    return _read_features(args) if ignore_keys(table, args) else table


def ignore_keys(table: "pd.DataFrame", args: Namespace) -> bool:
    """Ignore columns that look like keys, say so, and tell whether there are any."""
    keys = find_keys(table, args)
    if keys:
        warnings.warn(
            f"Ignored {quote_names(keys)}: nearly every row has a different text, or few rows have "
            "the same. Pass --date for dates, or --categorical to learn from a column in any case. "
            "Check columns of numbers for texts.",
            stacklevel=2,
        )
        args.ignore = [*args.ignore, *keys]
    return bool(keys)


def _read_features(args):
    """Read a table with the column types given by the arguments."""
    excluded = excluded_columns(args)
    text_columns = {*args.categorical}.difference(excluded)
    time_zones = dict.fromkeys({*args.date}.difference(excluded))
    table = _read(args, {*text_columns, *time_zones}, {*excluded})
    return prepare_training_table(table, args)


def prepare_training_table(
    table: "pd.DataFrame", args: Namespace, *, check: bool = True
) -> "pd.DataFrame":
    """Convert columns to the types given by the arguments; check that all of them exist."""
    excluded = excluded_columns(args)
    if check:
        _check_columns_exist(table, [*args.categorical, *args.date, *excluded])
    text_columns = {*args.categorical}.difference(excluded)
    return _convert_types(table, text_columns, dict.fromkeys({*args.date}.difference(excluded)))


def find_keys(table: "pd.DataFrame", args: Namespace) -> list[str]:
    """Columns of text with nearly as many values as rows, from which little can be learned.

    If all columns are like this, none is returned, because the table may have been misread.
    """
    named = {*excluded_columns(args), *args.categorical, *args.date}
    keys = []
    for name in table.columns.difference([*named], sort=False):
        values = table[name].dropna()
        has_too_many = has_too_many_levels(values.nunique(), len(values))
        if not (has_too_many and _is_text(values)):
            continue
        if not _is_mostly_numeric(values) and not _contains_dates(values):
            keys.append(name)
    n_features = table.shape[1] - len({*excluded_columns(args)})
    return keys if len(keys) < n_features else []


def read_scoring_table(
    args: Namespace, features: "pd.DataFrame", ignored: Collection[str]
) -> "pd.DataFrame":
    """Read a table to score, with the feature types of a model.

    Parameters
    ----------
    args : Namespace
        Arguments of the command.

    features : DataFrame
        Rows with the features of the model.

    ignored : collection of str
        Columns that the model ignores. The table may have them or not.

    Returns
    -------
    table : DataFrame
        The features, in the order of the model, then all other columns.
    """
    text_columns, time_zones = _types(features)
    verbatim_columns = {*excluded_columns(args), *ignored}
    table = _read(args, {*text_columns, *time_zones} - verbatim_columns, verbatim_columns)
    return prepare_scoring_table(table, args, features, ignored)


def prepare_scoring_table(
    table: "pd.DataFrame", args: Namespace, features: "pd.DataFrame", ignored: Collection[str]
) -> "pd.DataFrame":
    """Check the columns of a table, put the features first, and convert them to their types."""
    excluded = excluded_columns(args)
    _check_columns_exist(table, excluded)
    table = _align_columns(table, features, ignored, excluded)
    return _convert_types(table, *_types(features))


def _types(features):
    """Columns of text, and the time zones of columns of dates, of the features of a model."""
    text_columns = {name for name in features if _is_text(features[name])}
    time_zones = {
        name: features[name].dt.tz for name in features if features[name].dtype.kind == "M"
    }
    return text_columns, time_zones


def select_features(table: "pd.DataFrame", excluded: Collection[str]) -> "pd.DataFrame":
    """Table without the excluded columns."""
    X = table.drop(columns=excluded)
    if X.shape[1] == 0:
        raise CommandError(f"No feature is left: all columns are ignored ({quote_names(table)}).")
    return X


def check_text_features(X: "pd.DataFrame", categorical: Collection[str], decimal: str) -> list[str]:
    """Warn of features that look like misread numbers, and return their names.

    Raise an error if all features look like keys.
    """
    text_columns = [name for name in X if _is_text(X[name]) and not _contains_dates(X[name])]
    if len(text_columns) == X.shape[1] and len(X) > 1 and all(X[c].is_unique for c in text_columns):
        raise CommandError(
            f"Cannot learn from {quote_names(text_columns)}: every row has a different text. Check "
            "the separator (--sep), the decimal mark (--decimal) and the dates (--date) of the "
            "table."
        )
    to_numeric = partial(import_pandas().to_numeric, errors="coerce")
    misread = []
    for name in text_columns:
        values = X[name].dropna()
        with_points = values.str.translate(str.maketrans({".": "?", decimal: "."}))
        not_numbers = values[to_numeric(with_points).isna()]
        example = next(iter(not_numbers), next(iter(values), None))
        if _is_mostly_numeric(values) and name not in categorical:
            misread.append(name)
            warnings.warn(
                f"Column {name!r} is used as text because of {example!r}, but most of its values "
                "are numbers. Leave missing values empty, remove thousands separators, or pass "
                f'--decimal ",". If the values are codes, pass --categorical {name}.',
                stacklevel=2,
            )
    return misread


def _read(args, text_columns, verbatim_columns):
    return read_table(
        args.data,
        sep=args.sep,
        decimal=args.decimal,
        encoding=args.encoding,
        text_columns=text_columns,
        verbatim_columns=verbatim_columns,
    )


def _check_columns_exist(table, names):
    missing = [name for name in names if name not in table]
    if missing:
        raise CommandError(
            f"Column {missing[0]!r} not found. The columns are {quote_names(table)}."
        )


def _align_columns(table, features, ignored, excluded):
    """Check the columns of a table against a model, and put the features first."""
    excluded_features = [name for name in excluded if name in features]
    if excluded_features:
        raise CommandError(
            f"The model was trained with {quote_names(excluded_features)} as features. They cannot "
            "be ignored or used as labels."
        )
    missing = [name for name in features if name not in table]
    if missing:
        raise CommandError(
            f"Columns {quote_names(missing)} not found, but the model was trained with them. The "
            f"columns are {quote_names(table)}."
        )
    others = [name for name in table if name not in features]
    unknown = [name for name in others if name not in {*ignored, *excluded}]
    if unknown:
        raise CommandError(
            f"The model was not trained with {quote_names(unknown)}. Exclude these columns with "
            "--ignore."
        )
    return table[[*features, *others]]


def _convert_types(table, text_columns, time_zones):
    for name in text_columns:
        table[name] = table[name].astype("string")
    for name in sorted(time_zones):
        table[name] = _to_dates(table[name], time_zones[name])
    return table


def _to_dates(column, time_zone):
    """Convert a column to dates in a time zone, or to naive dates in UTC."""
    if column.dtype.kind != "M":
        column = column.astype("string")
    dates = import_pandas().to_datetime(column, format="ISO8601", utc=True, errors="coerce")
    invalid = column[dates.isna() & column.notna()]
    if len(invalid):
        raise CommandError(
            f"Column {column.name!r} contains {invalid.iloc[0]!r}, which is not a date. Write "
            "dates as 2024-12-31 or 2024-12-31 13:00 (ISO 8601)."
        )
    return dates.dt.tz_convert(time_zone)


def _is_mostly_numeric(values):
    """Whether most texts are numbers, up to thousands separators."""
    numbers = import_pandas().to_numeric(values.str.replace(",", ""), errors="coerce")
    return numbers.notna().mean() > 0.5


def _contains_dates(column):
    """Whether a column of text contains dates, which the encoder reads."""
    return TextDates.of(as_levels(column.to_numpy(dtype=object))) is not None


def _is_text(column):
    """Whether all values of a column are text, apart from missing values."""
    return import_pandas().api.types.infer_dtype(column, skipna=True) == "string"
