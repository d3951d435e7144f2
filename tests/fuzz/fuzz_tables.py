"""Tables of odd columns, in any container."""

import datetime as dt
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from hypothesis import strategies as st

# ----------------------------------------------------------------------------------- values

numbers = st.one_of(
    st.integers(-3, 3),
    st.floats(-100, 100),
    st.floats(),
    st.sampled_from(
        [0.0, -0.0, 5e-324, 1e-30, 1e16, 1.7e9, 1e30, 3.5e38, 1e150, 1e200, -1.7e308, 2.0**63]
    ),
)
finite_numbers = numbers.filter(np.isfinite)
integers = st.integers(-3, 3) | st.integers(-(2**63), 2**63 - 1)
texts = st.one_of(
    st.sampled_from(["a", "b", "red", "1", "2.5", "nan", "None", "", " ", "\x00", "\ud800", "\n"]),
    st.sampled_from(["a" * 1000, "é", "e\u0301", "\U0001f600", "True", "2024-02-30", "0000-01-01"]),
    st.text(st.characters(), max_size=3),
)
utf8_texts = texts.map(lambda text: text.encode("utf-8", "replace").decode())
date_texts = st.one_of(
    st.dates().map(str),
    st.datetimes().map(lambda date: date.isoformat()),
    st.sampled_from(
        ["2024-01-01T10:00Z", "2024-01-01 10:00+99:99", "0000-01-01", "9999-12-31", "2024-02-29"]
    ),
)
dates = st.dates()
times = st.datetimes()
near_times = st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1))
durations = st.timedeltas()
near_durations = st.timedeltas(dt.timedelta(-(10**4)), dt.timedelta(10**4))
decimals = st.decimals(-100, 100, places=2)
anything = st.one_of(
    *(numbers, texts, st.booleans(), dates, times, durations, decimals, st.complex_numbers()),
    st.sampled_from([b"a", [1], {"a": 1}, (1, 2), pd.NA, pd.NaT, np.nan, np.float32(1), int]),
    st.integers(10**400, 10**401),
)

#: Values and dtypes of the columns of each library.
COLUMNS = {
    "pandas": [
        *[(numbers, dtype) for dtype in ("float64", "Float64", "object")],
        (st.floats(width=32), "float32"),
        (st.floats(width=16), "float16"),
        *[(integers, dtype) for dtype in ("int64", "Int64", "object", "category")],
        (st.integers(0, 2**64 - 1), "uint64"),
        (st.integers(-128, 127), "int8"),
        (st.integers(-128, 127), "Sparse[int]"),
        (st.booleans(), "bool"),
        (st.booleans(), "boolean"),
        (st.booleans(), "object"),
        *[(texts, dtype) for dtype in ("object", "category")],
        *[(utf8_texts, dtype) for dtype in ("str", "string", "string[pyarrow]")],
        (date_texts, "object"),
        (times, "object"),
        (dates, "object"),
        (durations, "object"),
        (decimals, "object"),
        (anything, "object"),
        (times, "datetime64[s]"),
        (times, "datetime64[us]"),
        (near_times, "datetime64[ns]"),
        (near_times, "datetime64[us, Europe/Paris]"),
        (durations, "timedelta64[s]"),
        (near_durations, "timedelta64[ns]"),
        *[(near_times, f"period[{freq}]") for freq in ("D", "M", "Y", "h", "s")],
        (st.complex_numbers(), "complex128"),
        (finite_numbers, "float64[pyarrow]"),
        (integers, "int64[pyarrow]"),
    ],
    "polars": [
        (numbers, pl.Float64),
        (st.floats(width=32), pl.Float32),
        (integers, pl.Int64),
        (st.integers(0, 2**64 - 1), pl.UInt64),
        (st.booleans(), pl.Boolean),
        (utf8_texts, pl.String),
        (utf8_texts, pl.Categorical),
        (date_texts, pl.String),
        (decimals, pl.Decimal(10, 2)),
        (dates, pl.Date),
        (times, pl.Datetime("ms")),
        (near_times, pl.Datetime("ns")),
        (near_durations, pl.Duration("us")),
        (times.map(dt.datetime.time), pl.Time),
        (st.none(), pl.Null),
        (st.just([1]), pl.List(pl.Int64)),
        (st.just(b"a"), pl.Binary),
    ],
    "pyarrow": [
        (numbers.map(float), pa.float64()),
        (st.floats(width=32), pa.float32()),
        (integers, pa.int64()),
        (st.integers(0, 2**64 - 1), pa.uint64()),
        (st.booleans(), pa.bool_()),
        (utf8_texts, pa.string()),
        (utf8_texts, pa.large_string()),
        (utf8_texts, pa.dictionary(pa.int32(), pa.string())),
        (date_texts, pa.string()),
        (decimals, pa.decimal128(10, 2)),
        (dates, pa.date32()),
        (dates, pa.date64()),
        (times, pa.timestamp("s")),
        (near_times, pa.timestamp("ns")),
        (near_times, pa.timestamp("us", tz="Europe/Paris")),
        (near_durations, pa.duration("us")),
        (times.map(dt.datetime.time), pa.time64("us")),
        (st.none(), pa.null()),
        (st.just([1]), pa.list_(pa.int64())),
        (st.just(b"a"), pa.binary()),
    ],
    "array": [
        (numbers, "float64"),
        (st.floats(width=16), "float16"),
        (integers, "int64"),
        (integers, "object"),
        (st.booleans(), "bool"),
        (texts.map(lambda text: text.rstrip("\x00")), "str"),
        (texts, "object"),
        (date_texts, "object"),
        (times, "datetime64[us]"),
        (durations, "timedelta64[s]"),
        (anything, "object"),
        (st.complex_numbers(), "complex128"),
    ],
}
#: Dtypes of pandas and numpy that have no missing values.
NEVER_MISSING = {"int64", "uint64", "int8", "Sparse[int]", "bool"}
COLUMNS["masked"] = COLUMNS["array"]
COLUMNS["list"] = COLUMNS["array"]
NAMES = st.sampled_from(["a", "b", "c", "", " ", "a_b", "missingindicator_a", "\x00"]) | texts
ODD_NAMES = NAMES | st.sampled_from([0, 1, 2.5, None, ("a", "b"), True, np.nan])


# ----------------------------------------------------------------------------------- tables


@dataclass
class Table:
    """A table, as values that can be written down as an example.

    Parameters
    ----------
    library : str
        A key of `COLUMNS`.
    columns : list of (name, values, dtype)
        The columns. Arrays have the dtype of the first one, or object if there are several.
    times : int
        How often the rows are repeated.
    """

    library: str
    columns: list = field(default_factory=list)
    times: int = 1

    def build(self):
        """The table, or None if the library cannot represent it."""
        try:
            return getattr(self, f"_{self.library}")()
        except Exception:  # of another library
            return None

    def _values(self):
        return [self.times * values for _, values, _ in self.columns]

    def _pandas(self):
        columns = [
            pd.Series(values, dtype=dtype)
            if not dtype.startswith("period")
            else pd.PeriodIndex(pd.DatetimeIndex(values), freq=dtype[7:-1]).to_series(
                range(len(values))
            )
            for values, (_, _, dtype) in zip(self._values(), self.columns, strict=True)
        ]
        frame = pd.DataFrame(dict(enumerate(columns)))
        frame.columns = [name for name, _, _ in self.columns]
        return frame

    def _polars(self):
        return pl.DataFrame(
            [
                pl.Series(name, values, dtype, strict=True)
                for values, (name, _, dtype) in zip(self._values(), self.columns, strict=True)
            ]
        )

    def _pyarrow(self):
        arrays = [
            pa.array(values, dtype)
            for values, (_, _, dtype) in zip(self._values(), self.columns, strict=True)
        ]
        return pa.table(arrays, names=[name for name, _, _ in self.columns])

    def _list(self):
        return [list(row) for row in zip(*self._values(), strict=True)]

    def _array(self, missing=None):
        dtypes = {dtype for _, _, dtype in self.columns}
        dtype = dtypes.pop() if len(dtypes) == 1 else object
        array = np.empty((self.times * len(self.columns[0][1]), len(self.columns)), dtype)
        for j, values in enumerate(self._values()):
            column = np.empty(len(values), object)
            column[:] = [missing if value is None else value for value in values]
            array[:, j] = column.astype(dtype)
        return array

    def _masked(self):
        """The values under the mask are those of other rows."""
        mask = np.column_stack([[value is None for value in values] for values in self._values()])
        filled = []
        for name, values, dtype in self.columns:
            fill = next((value for value in values if value is not None), 0)
            filled.append((name, [fill if value is None else value for value in values], dtype))
        return np.ma.MaskedArray(Table("array", filled, self.times)._array(), mask)


def row(table, position):
    """Table of one row."""
    if isinstance(table, pd.DataFrame):
        return table.iloc[[position]]
    if isinstance(table, pa.Table):
        return table.slice(position, 1)
    return table[position : position + 1]


@st.composite
def columns_of_values(draw, library, n_rows):
    """Values of a column in training, values of new rows, and the dtype."""
    values, dtype = draw(st.sampled_from(COLUMNS[library]))
    if dtype not in NEVER_MISSING or library == "masked":
        kind = draw(st.sampled_from(["complete", "missing", "all missing"]))
        values = {"complete": values, "missing": values | st.none(), "all missing": st.none()}[kind]
    if draw(st.integers(0, 5)) == 0:
        values = st.just(draw(values))  # a constant
    length = {"min_size": n_rows, "max_size": n_rows}
    return draw(st.lists(values, **length)), draw(st.lists(values, **length)), dtype


@st.composite
def table_pairs(draw, libraries=tuple(COLUMNS)):
    """A table to train on and a table of new rows, nearly always with the same columns."""
    library = draw(st.sampled_from(libraries))
    n_columns, n_rows = draw(st.integers(1, 4)), draw(st.integers(1, 6))
    names = NAMES.map(lambda name: name.encode("utf-8", "replace").decode())
    if library == "pandas":
        names = draw(st.sampled_from([NAMES, NAMES, ODD_NAMES]))
    names = draw(
        st.lists(names, min_size=n_columns, max_size=n_columns, unique=draw(st.integers(0, 9)) > 0)
    )
    train, new = [], []
    for name in names:
        old_values, new_values, dtype = draw(columns_of_values(library, n_rows))
        train.append((name, old_values, dtype))
        if draw(st.integers(0, 9)) == 0:
            _, new_values, dtype = draw(columns_of_values(library, n_rows))
        new.append((name, new_values, dtype))
    times = draw(st.sampled_from([1, 1, 3, 20]))
    return Table(library, train, times), Table(library, new)
