"""Values of one column, whatever the library of its table."""

import datetime as dt
import re
import sys
from decimal import Decimal
from numbers import Real

import numpy as np

#: Names that PyArrow has for dtypes of numpy.
ARROW_FLOATS = {"halffloat": "float16", "float": "float32"}

#: Digits and decimal places in the name of a dtype of polars or PyArrow.
DECIMAL = re.compile(r"decimal\d*\((?:precision=)?(\d+), (?:scale=)?(-?\d+)\)")


def is_missing(values):
    """Mask of None, NaN, NaT and pandas.NA in an array."""
    if pandas := sys.modules.get("pandas"):
        return pandas.isna(values)
    values = values.astype(object)
    return np.equal(values, None) | (values != values)


def as_levels(values):
    """Convert a column to objects, with None for missing values."""
    levels = values.astype(object)
    levels[is_missing(values)] = None
    return levels


def infer_objects(values, name):
    """Convert a column of objects to numbers, dates or durations; keep text and booleans."""
    levels = as_levels(values)
    types = set(map(type, levels)) - {type(None)}
    if all(issubclass(one, str) for one in types):
        return levels
    booleans = [one for one in types if issubclass(one, (bool, np.bool_))]
    if len(booleans) == len(types):
        return levels
    if not booleans and all(issubclass(one, (Real, Decimal)) for one in types):
        try:
            return levels.astype(np.float64)
        except OverflowError as error:
            raise ValueError(
                f"Column {name!r} contains an integer beyond the range of float64. Correct the "
                "value, or replace it by a missing value."
            ) from error
    if all(one is dt.date for one in types):
        return levels.astype("datetime64[D]")
    if all(issubclass(one, dt.date) for one in types) and not any(map(has_time_zone, levels)):
        return levels.astype("datetime64[us]")
    if all(issubclass(one, dt.timedelta) for one in types):
        return levels.astype("timedelta64[us]")
    found = " and ".join(sorted(one.__name__ for one in types))
    raise TypeError(
        f"Column {name!r} has dtype object and contains {found}. Such a column must contain only "
        "numbers, only text, only booleans, only durations, or only dates without time zones. "
        "Convert it, for example dates with pandas.to_datetime(..., utc=True), or drop it."
    )


def fill_masked(X):
    """Replace masked values by NaN, NaT or None; anything but a masked array is returned as it is.

    Without this, the numbers under the mask would count: other functions ignore masks.
    """
    if not isinstance(X, np.ma.MaskedArray):
        return X
    if not np.ma.is_masked(X):
        return X.data
    if X.dtype.kind in "fc":
        return X.filled(np.nan)
    if X.dtype.kind in "mM":
        return X.filled(np.array("NaT", X.dtype))
    if X.dtype.kind in "iu":
        return X.astype(np.float64).filled(np.nan)
    values = X.data.astype(object)
    values[X.mask] = None
    return values


def has_time_zone(value):
    """Whether a date of the standard library has a time zone."""
    return getattr(value, "tzinfo", None) is not None


def unsupported_dtype(name, dtype):
    """Return the error for a column that is neither numeric, temporal nor categorical."""
    return TypeError(
        f"Column {name!r} has dtype {dtype}. Only numbers, text, categories, booleans, dates and "
        "durations are supported. Convert or drop the column."
    )


def round_to_dtype(values, dtype):
    """Clip floats to the range of `dtype`, and round them if it is an integer dtype."""
    name = str(dtype).lower()
    if values.dtype.kind != "f":
        return values
    if decimal := DECIMAL.match(name):
        digits, places = map(int, decimal.groups())
        largest = min(
            10.0 ** (digits - places) - 10.0**-places, np.nextafter(10.0 ** (digits - places), 0)
        )
        return np.clip(values, -largest, largest)
    number = re.match(r"(u?int|float)\d+", ARROW_FLOATS.get(name, name))
    if not number:
        return values
    if number[1] == "float":
        largest = float(np.finfo(number[0]).max)
        return np.clip(values, -largest, largest)
    limits = np.iinfo(number[0])
    largest = float(limits.max)
    if largest > limits.max:  # 2**63 - 1 and 2**64 - 1 are rounded up to floats out of range
        largest = np.nextafter(largest, 0)
    return np.clip(np.rint(values), limits.min, largest)
