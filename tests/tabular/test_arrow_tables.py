"""Tables of PyArrow, columns of pandas with Arrow dtypes, and tables that are not in memory."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest
from common import tiny
from polars.testing import assert_frame_equal as assert_polars_equal

from skgad import TabularDetector
from skgad.preprocessing import TabularEncoder

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is built without Parquet")

N_ROWS = 20
CODES = TabularEncoder(dtype=np.float64)
TIMES = [dt.datetime(2024, 1, day + 1, day) for day in range(N_ROWS - 1)]
TEXT = ["a", "b", None, "c"] * 5

#: Values and type of each column.
COLUMNS = {
    "integers": (range(N_ROWS), "int64"),
    "small integers": (range(N_ROWS), "uint8"),
    "missing integers": ([None, *range(1, N_ROWS)], "int32"),
    "floats": ([None, *np.linspace(0, 1, N_ROWS - 1)], "double"),
    "decimals": ([Decimal(n) / 4 for n in range(N_ROWS)], pa.decimal128(10, 2)),
    "booleans": ([True, False, None, True] * 5, "bool"),
    "text": (TEXT, "string"),
    "large text": (TEXT, "large_string"),
    "categories": (TEXT, pa.dictionary("int8", "string")),
    "dates": ([None, *(time.date() for time in TIMES)], "date32"),
    "times": ([None, *TIMES], pa.timestamp("us")),
    "times in a zone": ([None, *TIMES], pa.timestamp("ms", tz="Europe/Paris")),
    "durations": ([None, *map(dt.timedelta, range(1, N_ROWS))], pa.duration("s")),
    "nothing": ([None] * N_ROWS, "null"),
}
every_column = pytest.mark.parametrize("name", COLUMNS)


def table(*names):
    """Table with some of the columns, or all."""
    chosen = {name: COLUMNS[name] for name in names or COLUMNS}
    return pa.table({name: pa.array(values, dtype) for name, (values, dtype) in chosen.items()})


def payments(n_rows=60):
    rng = np.random.default_rng(0)
    times = np.datetime64("2024-01-01", "ms") + rng.integers(0, 10**10, n_rows)
    return pl.DataFrame(
        {"shop": rng.choice(["a", "b"], n_rows), "amount": rng.random(n_rows), "when": times}
    )


# ------------------------------------------------------------------------------------------- tables


@every_column
def test_columns_of_tables_are_restored(name):
    X = table(name)
    back = CODES.fit(X).inverse_transform(CODES.transform(X))
    assert back.schema.equals(X.schema)
    if name == "floats":
        np.testing.assert_allclose(back[name].to_numpy(), X[name].to_numpy(), atol=1e-12)
    else:
        assert back[name].to_pylist() == X[name].to_pylist()


@every_column
def test_columns_of_pandas_with_arrow_dtypes_are_restored(name):
    X = table(name).to_pandas(types_mapper=pd.ArrowDtype)
    back = CODES.fit(X).inverse_transform(CODES.transform(X))
    pd.testing.assert_frame_equal(back, X, check_exact=name != "floats")


@every_column
def test_tables_are_encoded_like_frames(name):
    X = table(name)
    Z = CODES.fit(X).transform(X)
    np.testing.assert_array_equal(CODES.fit_transform(X.to_pandas(types_mapper=pd.ArrowDtype)), Z)
    names = CODES.get_feature_names_out().tolist()
    if name not in ("nothing", "decimals"):
        np.testing.assert_allclose(CODES.fit_transform(pl.from_arrow(X)), Z)
        assert CODES.get_feature_names_out().tolist() == names


@pytest.mark.parametrize("dtype", ["string[pyarrow]", "string[python]", "str"])
def test_text_of_pandas_is_restored_whatever_stores_it(dtype):
    X = pd.DataFrame({"text": pd.Series(TEXT, dtype=dtype)})
    pd.testing.assert_frame_equal(CODES.fit(X).inverse_transform(CODES.transform(X)), X)


def test_columns_of_other_types_are_rejected_by_name():
    with pytest.raises(TypeError, match="'t' has dtype time32"):
        CODES.fit(pa.table({"t": pa.array([dt.time(3)], "time32[s]")}))
    with pytest.raises(TypeError, match="'l' has dtype list"):
        CODES.fit(pa.table({"l": [[1]]}))
    with pytest.raises(ValueError, match=r"several are named \['a'\]"):
        CODES.fit(pa.Table.from_arrays([[1], [2]], names=["a", "a"]))


def test_generated_rows_are_tables():
    X = payments().to_arrow()
    detector = TabularDetector(tiny("ALAD")).fit(X)
    for rows in (detector.sample(60, random_state=0), detector.reconstruct(X)):
        assert rows.schema.equals(X.schema)
        assert len(rows) == 60
    rows = detector.sample(3, conditions={"shop": "a"}, random_state=0)
    assert rows["shop"].to_pylist() == ["a"] * 3


# -------------------------------------------------------------------- tables that are not in memory


def lazy_frame(frame, path):
    return frame.lazy()


def relation(frame, path):
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")
    return duckdb.from_arrow(frame.to_arrow())


def file(frame, path):
    frame.write_parquet(path / "payments.parquet")
    return path / "payments.parquet"


def folder(frame, path):
    frame[:30].write_parquet(path / "a.parquet")
    frame[30:].write_parquet(path / "b.parquet")
    return str(path)


def dataset(frame, path):
    datasets = pytest.importorskip("pyarrow.dataset", reason="pyarrow is built without datasets")
    return datasets.dataset(folder(frame, path))


every_source = pytest.mark.parametrize("make", [lazy_frame, relation, file, folder, dataset])


@every_source
def test_tables_that_are_not_in_memory_are_read(make, tmp_path):
    frame = payments()
    X = make(frame, tmp_path)
    Z = TabularEncoder().fit_transform(X)
    np.testing.assert_array_equal(Z, TabularEncoder().fit_transform(frame))
    detector = TabularDetector(tiny("ALAD")).fit(X)
    scores = TabularDetector(tiny("ALAD")).fit(frame).score_samples(frame)
    np.testing.assert_array_equal(detector.score_samples(X), scores)
    rows = detector.reconstruct(X)
    assert isinstance(rows, pl.DataFrame if make is lazy_frame else pa.Table)
    decoded = pl.from_arrow(rows) if isinstance(rows, pa.Table) else rows
    assert_polars_equal(decoded, TabularDetector(tiny("ALAD")).fit(frame).reconstruct(frame))


@every_source
def test_detectors_read_tables_of_numbers(make, tmp_path):
    frame = payments().select("amount", other=-pl.col("amount"))
    X = make(frame, tmp_path)
    detector = tiny("WAE").fit(X)
    np.testing.assert_array_equal(detector.score_samples(X), detector.score_samples(frame))
    assert detector.feature_names_in_.tolist() == ["amount", "other"]


def test_detectors_reject_tables_of_dates():
    with pytest.raises(TypeError, match="some columns contain dates.*TabularDetector"):
        tiny("WAE").fit(table("dates"))
