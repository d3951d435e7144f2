"""Operations on arrays and on the frames of each library."""

import datetime as dt
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal as assert_polars_equal
from scipy import sparse

from skgad._frames import (
    check_frame,
    check_table,
    concat_rows,
    copy_index,
    has_dates,
    is_frame,
    is_missing,
    match_columns,
    read_columns,
    schema_of,
    table_like,
    take_cells,
)

NAMES = ["a", "b"]
VALUES = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
MAKE = {
    "array": lambda values: values,
    "pandas": lambda values: pd.DataFrame(values, columns=NAMES),
    "polars": lambda values: pl.DataFrame(values, schema=NAMES),
    "pyarrow": lambda values: pa.table(dict(zip(NAMES, values.T, strict=True))),
}
every_type = pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)


def assert_tables_equal(one, other):
    if isinstance(other, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other)
    elif isinstance(other, pl.DataFrame):
        assert_polars_equal(one, other)
    elif isinstance(other, pa.Table):
        assert one.equals(other)
    else:
        np.testing.assert_array_equal(one, other)


def test_the_functions_of_a_library_are_imported_with_its_first_frame():
    code = (
        "import sys, numpy as np, skgad\n"
        "from skgad._frames import is_frame, read_columns\n"
        "assert not is_frame(np.zeros((2, 2)))\n"
        "read_columns(np.zeros((2, 2)), ['a', 'b'])\n"
        "assert not {'skgad._frames._pandas', 'skgad._frames._polars'} & set(sys.modules)\n"
        "import pandas as pd\n"
        "assert is_frame(pd.DataFrame())\n"
        "read_columns(pd.DataFrame({'a': [1]}), ['a'])\n"
        "assert 'skgad._frames._pandas' in sys.modules\n"
        "assert 'skgad._frames._polars' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_frames_are_recognized():
    assert is_frame(pd.DataFrame())
    assert is_frame(pl.DataFrame())
    for X in (VALUES, VALUES.tolist(), sparse.csr_array(VALUES), pd.Series([1]), pl.Series([1])):
        assert not is_frame(X)


DATES = [dt.datetime(2020, 1, 1), dt.datetime(2021, 1, 1)]
DURATIONS = [dt.timedelta(1), dt.timedelta(2)]


@pytest.mark.parametrize("values", [DATES, DURATIONS], ids=["dates", "durations"])
def test_dates_and_durations_are_found(values):
    data = {"number": [1.0, 2.0], "time": values}
    assert has_dates(pd.DataFrame(data))
    assert has_dates(pl.DataFrame(data))
    assert has_dates(pd.DataFrame({"time": values}).to_numpy())


@pytest.mark.parametrize(
    "X",
    [
        VALUES,
        VALUES.tolist(),
        sparse.csr_array(VALUES),
        pd.DataFrame({"number": [1.0], "text": ["a"], "category": pd.Categorical(["a"])}),
        pl.DataFrame({"number": [1.0], "text": ["a"]}),
        pd.Series([1.0]),
        None,
    ],
    ids=lambda X: type(X).__name__,
)
def test_no_dates_are_found(X):
    assert not has_dates(X)


def test_frames_need_rows_columns_and_different_names():
    frame = MAKE["pandas"](VALUES)
    check_frame(frame)
    check_frame(MAKE["polars"](VALUES))
    with pytest.raises(ValueError, match="3 rows and 0 columns"):
        check_frame(frame[[]])
    with pytest.raises(ValueError, match="0 rows and 2 columns"):
        check_frame(frame[:0])
    with pytest.raises(ValueError, match=r"several are named \['a'\]"):
        check_frame(frame[["a", "b", "a"]])


@every_type
def test_tables_are_checked_and_stay_unchanged(make):
    X = make(VALUES)
    assert check_table(X) is X
    np.testing.assert_array_equal(check_table(VALUES.tolist()), VALUES)


@every_type
def test_columns_are_read_and_made_to_a_table_again(make):
    X = make(VALUES)
    columns = read_columns(X, NAMES)
    np.testing.assert_array_equal(np.column_stack(columns), VALUES)
    assert_tables_equal(schema_of(X).make_table(columns), X)


@every_type
def test_floats_are_rounded_and_clipped_in_columns_of_integers(make):
    X = make(VALUES.astype(np.uint8))
    table = schema_of(X).make_table([np.array([1.6, -3.0]), np.array([300.0, 2.4])])
    assert_tables_equal(table, make(np.array([[2, 255], [0, 2]], dtype=np.uint8)))


@every_type
def test_rows_are_concatenated(make):
    assert_tables_equal(
        concat_rows([make(VALUES), make(VALUES[:1])]), make(np.vstack([VALUES, VALUES[:1]]))
    )


@every_type
def test_each_cell_is_taken_from_its_own_row(make):
    rows = np.array([[0, 2], [1, 1]])
    assert_tables_equal(take_cells(make(VALUES), rows), make(np.array([[1.0, 6.0], [3.0, 4.0]])))


@every_type
def test_arrays_become_tables_like_another(make):
    assert_tables_equal(table_like(make(VALUES), -VALUES), make(-VALUES))


def test_only_pandas_frames_have_an_index_to_copy():
    indexed = MAKE["pandas"](VALUES).set_axis([7, 8, 9], axis=0)
    assert copy_index(MAKE["pandas"](VALUES), indexed).index.tolist() == [7, 8, 9]
    for table in (VALUES, MAKE["polars"](VALUES)):
        assert copy_index(table, indexed) is table
    frame = MAKE["pandas"](VALUES)
    for X in (VALUES, VALUES.tolist(), MAKE["polars"](VALUES)):
        assert copy_index(frame, X) is frame


@every_type
def test_columns_are_matched_by_name_or_position(make):
    X = make(VALUES)
    assert_tables_equal(match_columns(-VALUES, X, name="background"), make(-VALUES))
    if is_frame(X):
        swapped = X.select(["b", "a"]) if isinstance(X, pa.Table) else X[["b", "a"]]
        assert_tables_equal(match_columns(swapped, X, name="background"), X)
        assert_tables_equal(match_columns(X, VALUES, name="background"), VALUES)
    with pytest.raises(ValueError, match="X has 2 columns, but the background has 1"):
        match_columns(VALUES[:, :1], X, name="background")


def test_frames_of_different_libraries_do_not_match():
    with pytest.raises(ValueError, match="Pass frames of the same library"):
        match_columns(MAKE["polars"](VALUES), MAKE["pandas"](VALUES), name="background")


def test_missing_values_of_all_types_are_recognized(monkeypatch):
    values = np.array([1.0, None, np.nan, np.datetime64("NaT"), "a"], dtype=object)
    expected = [False, True, True, True, False]
    assert is_missing(np.append(values, pd.NA)).tolist() == [*expected, True]
    monkeypatch.delitem(sys.modules, "pandas")
    assert is_missing(values).tolist() == expected
    assert is_missing(np.array([1.0, np.nan])).tolist() == [False, True]
    assert is_missing(np.array(["2020-01-01", "NaT"], "datetime64[s]")).tolist() == [False, True]
