"""Tables of mixed columns for the tests of the encoder."""

import datetime as dt
import zoneinfo

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import strategies as st

NUMERIC = ["standard", "minmax", "quantile", "piecewise", "piecewise+frequency"]
every_numeric = pytest.mark.parametrize("numeric", NUMERIC)


def people():
    """A table with columns of most dtypes, most of them with a missing value."""
    return pd.DataFrame(
        {
            "height": [1.5, np.nan, 1.8, 1.7],
            "children": pd.array([0, 3, None, 1], dtype="Int64"),
            "age": np.array([20, 31, 45, 60], dtype=np.int8),
            "job": ["nurse", "smith", "nurse", None],
            "size": pd.Categorical(["S", "L", None, "S"], ["S", "M", "L"], ordered=True),
            "member": [True, False, True, True],
            "since": pd.to_datetime(["2020-01-01", None, "2021-06-01", "2022-01-01"]).as_unit("s"),
        }
    )


small_floats = st.floats(-1e6, 1e6, width=32)
text = st.text("abc \u00e9", max_size=2)
dates = st.dates(dt.date(1900, 1, 1), dt.date(2100, 1, 1))
times = st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2100, 1, 1)).map(
    lambda time: time.replace(microsecond=0)
)
durations = st.timedeltas(dt.timedelta(-100), dt.timedelta(100)).map(
    lambda time: dt.timedelta(time.days, time.seconds)
)
PARIS = "Europe/Paris"

#: Values that are not missing, the dtype, and whether the dtype has missing values.
PANDAS_COLUMNS = {
    "float64": (small_floats, "float64", True),
    "float32": (small_floats, "float32", True),
    "nullable float": (small_floats, "Float64", True),
    "int8": (st.integers(-128, 127), "int8", False),
    "int64": (st.integers(-(2**40), 2**40), "int64", False),
    "uint16": (st.integers(0, 2**16 - 1), "uint16", False),
    "nullable int": (st.integers(-1000, 1000), "Int32", True),
    "bool": (st.booleans(), "bool", False),
    "nullable bool": (st.booleans(), "boolean", True),
    "text": (text, "str", True),
    "nullable text": (text, "string", True),
    "objects": (text, "object", True),
    "objects that are bool": (st.booleans(), "object", True),
    "categories": (text, "category", True),
    "ordered": (
        st.sampled_from("SML"),
        pd.CategoricalDtype(["S", "M", "L", "XL"], ordered=True),
        True,
    ),
    "categories of numbers": (st.integers(0, 5), "category", True),
    "seconds": (times, "datetime64[s]", True),
    "milliseconds": (times, "datetime64[ms]", True),
    "with a time zone": (times, f"datetime64[ms, {PARIS}]", True),
    "durations": (durations, "timedelta64[s]", True),
}
POLARS_COLUMNS = {
    "float64": (small_floats, pl.Float64),
    "float32": (small_floats, pl.Float32),
    "decimal": (st.decimals(-100, 100, places=2), pl.Decimal(10, 2)),
    "int8": (st.integers(-128, 127), pl.Int8),
    "int64": (st.integers(-(2**40), 2**40), pl.Int64),
    "uint16": (st.integers(0, 2**16 - 1), pl.UInt16),
    "bool": (st.booleans(), pl.Boolean),
    "text": (text, pl.String),
    "categories": (text, pl.Categorical),
    "enum": (st.sampled_from("SML"), pl.Enum(["S", "M", "L", "XL"])),
    "nothing": (st.none(), pl.Null),
    "dates": (dates, pl.Date),
    "milliseconds": (times, pl.Datetime("ms")),
    "with a time zone": (
        times.map(lambda time: time.replace(tzinfo=zoneinfo.ZoneInfo("UTC"))),
        pl.Datetime("ms", PARIS),
    ),
    "durations": (durations, pl.Duration("ms")),
}


def pandas_column(values, dtype):
    if str(dtype).endswith(f"{PARIS}]"):
        return pd.Series(values, dtype="datetime64[ms]").dt.tz_localize("UTC").astype(dtype)
    return pd.Series(values, dtype=dtype)


def draw_columns(data, columns):
    """Draw names, values and dtypes of columns of the same length."""
    n_rows = data.draw(st.integers(1, 8), label="rows")
    names = data.draw(st.lists(st.sampled_from(list(columns)), min_size=1, unique=True))
    for name in names:
        values, dtype, *has_missing = columns[name]
        if has_missing != [False]:
            values |= st.none()
        yield name, data.draw(st.lists(values, min_size=n_rows, max_size=n_rows)), dtype
