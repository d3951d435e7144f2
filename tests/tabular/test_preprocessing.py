"""TabularEncoder: there and back, for every kind of column and table."""

import datetime as dt
import pickle
import sys
import zoneinfo

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal as assert_polars_equal
from scipy import sparse, stats
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skgad.preprocessing import TabularEncoder

NUMERIC = ["standard", "minmax", "quantile"]
every_scaling = pytest.mark.parametrize("numeric", NUMERIC)


@parametrize_with_checks(
    [TabularEncoder(numeric=numeric) for numeric in NUMERIC] + [TabularEncoder(dtype=np.float64)]
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def people():
    """A table with a column of most kinds and a hole in most of them."""
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


# ---------------------------------------------------------------------------------- there and back

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

#: Values that are no holes, the dtype, and whether the dtype has holes.
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


def random_frame(data, kinds):
    """Names, values and dtypes of a random choice of columns, all of one length."""
    n_rows = data.draw(st.integers(1, 8), label="rows")
    names = data.draw(st.lists(st.sampled_from(list(kinds)), min_size=1, unique=True))
    for name in names:
        values, dtype, *has_holes = kinds[name]
        if has_holes != [False]:
            values |= st.none()
        yield name, data.draw(st.lists(values, min_size=n_rows, max_size=n_rows)), dtype


@every_scaling
@given(data=st.data())
def test_a_frame_of_pandas_comes_back(numeric, data):
    X = pd.DataFrame(
        {
            name: pandas_column(values, dtype)
            for name, values, dtype in random_frame(data, PANDAS_COLUMNS)
        }
    )
    encoder = TabularEncoder(numeric=numeric, dtype=np.float64).fit(X)
    pd.testing.assert_frame_equal(encoder.inverse_transform(encoder.transform(X)), X, atol=1e-4)


@every_scaling
@given(data=st.data())
def test_a_frame_of_polars_comes_back(numeric, data):
    X = pl.DataFrame(
        [
            pl.Series(name, values).cast(dtype)
            for name, values, dtype in random_frame(data, POLARS_COLUMNS)
        ]
    )
    encoder = TabularEncoder(numeric=numeric, dtype=np.float64).fit(X)
    assert_polars_equal(encoder.inverse_transform(encoder.transform(X)), X, abs_tol=1e-4)


@every_scaling
@pytest.mark.parametrize(
    "X",
    [
        np.array([[1.5, np.nan], [2.5, 4], [-1, 9]]),
        np.array([[1.5, np.nan], [2.5, 4], [-1, 9]], dtype=np.float32),
        np.array([[1, 200], [0, 255], [5, 0]], dtype=np.uint8),
        np.array([[True, False], [True, True]]),
        np.array([["a", "b"], ["c", "b"]]),
        np.array([["a", 1.5, True], [None, None, None], ["b", 2.5, False]], dtype=object),
        np.array([["2020-01-01", "NaT"], ["2021-01-01", "2022-03-04"]], dtype="datetime64[s]"),
    ],
    ids=lambda X: str(X.dtype),
)
def test_an_array_comes_back(numeric, X):
    encoder = TabularEncoder(numeric=numeric, dtype=np.float64).fit(X)
    back = encoder.inverse_transform(encoder.transform(X))
    assert back.dtype == X.dtype
    if X.dtype == object:  # the two kinds of hole are one
        X, back = (np.where(pd.isna(array), None, array) for array in (X, back))
    if X.dtype.kind == "f":
        np.testing.assert_allclose(back, X, rtol=1e-5)
    else:
        np.testing.assert_array_equal(back, X)


def test_float32_keeps_seven_digits_of_the_spread():
    X = pd.DataFrame({"a": np.linspace(0, 1, 100), "n": np.arange(100) * 1000})
    encoder = TabularEncoder().fit(X)
    assert encoder.transform(X).dtype == np.float32
    pd.testing.assert_frame_equal(encoder.inverse_transform(encoder.transform(X)), X, atol=1e-6)


def test_names_that_are_no_strings_come_back():
    X = people().set_axis([3, 1, 4, 15, 9, 2, 6], axis=1)
    encoder = TabularEncoder().fit(X)
    assert encoder.inverse_transform(encoder.transform(X)).columns.tolist() == X.columns.tolist()
    assert list(encoder.feature_groups_)[:2] == ["x0", "x1"]


def test_encoding_does_not_depend_on_the_library():
    X = people()
    as_polars = pl.DataFrame(
        {
            name: column.astype(object).where(column.notna(), None).tolist()
            for name, column in X.items()
        }
    )
    encoder = TabularEncoder(dtype=np.float64).fit(X)
    np.testing.assert_allclose(encoder.transform(as_polars), encoder.transform(X))
    np.testing.assert_allclose(
        TabularEncoder(dtype=np.float64).fit_transform(as_polars), encoder.transform(X)
    )


class Absent:
    """Importer of nothing."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        raise ModuleNotFoundError(name)


def test_pandas_and_polars_are_not_needed(monkeypatch):
    X = np.array([["a", 1.5, True], [None, np.nan, None], ["b", 2.5, False]], dtype=object)
    expected = TabularEncoder().fit_transform(X)
    monkeypatch.setattr(sys, "meta_path", [Absent])
    monkeypatch.delitem(sys.modules, "pandas")
    monkeypatch.delitem(sys.modules, "polars")
    np.testing.assert_array_equal(TabularEncoder().fit_transform(X), expected)


def test_the_table_is_not_changed():
    X = people()
    X["member"] = np.array([True, None, np.nan, False], dtype=object)
    before = X.copy(deep=True)
    TabularEncoder().fit_transform(X)
    pd.testing.assert_frame_equal(X, before)


def test_a_pickled_encoder_is_the_same():
    encoder = TabularEncoder().fit(people())
    copy = pickle.loads(pickle.dumps(encoder))
    Z = copy.transform(people())
    np.testing.assert_array_equal(Z, encoder.transform(people()))
    pd.testing.assert_frame_equal(copy.inverse_transform(Z), encoder.inverse_transform(Z))


# ------------------------------------------------------------------------ what a generator puts out


@every_scaling
@pytest.mark.parametrize("clip", [True, False])
@given(seed=st.integers(0, 1000), scale=st.sampled_from([0.1, 1.0, 1e3, 1e30]))
def test_any_numbers_become_valid_rows(numeric, clip, seed, scale):
    X = people()
    encoder = TabularEncoder(numeric=numeric, clip=clip).fit(X)
    Z = np.random.default_rng(seed).normal(
        scale=scale, size=(20, len(encoder.get_feature_names_out()))
    )
    rows = encoder.inverse_transform(Z)
    pd.testing.assert_series_equal(rows.dtypes, X.dtypes)
    for name in ("job", "size", "member"):
        assert set(rows[name].dropna()) <= set(X[name].dropna())
    assert not rows[["age", "member"]].isna().any(axis=None)
    if clip:
        for name in ("height", "children", "age", "since"):
            assert rows[name].dropna().between(X[name].min(), X[name].max()).all()


def test_largest_level_wins_and_holes_are_where_the_indicator_says():
    X = pd.DataFrame({"age": [20, 40, None], "job": ["a", "b", "c"]})
    encoder = TabularEncoder().fit(X)
    names = ["age", "missingindicator_age", "job_a", "job_b", "job_c"]
    assert encoder.get_feature_names_out().tolist() == names
    rows = encoder.inverse_transform([[0, 0.4, 0.3, 0.5, -2], [0, 0.6, 0.1, 0, 0.2]])
    assert rows["job"].tolist() == ["b", "c"]
    assert rows["age"].isna().tolist() == [False, True]


def test_integers_are_rounded_and_confined_to_their_dtype():
    X = pd.DataFrame({"small": np.array([0, 255], np.uint8), "large": [-(2**63), 2**63 - 1]})
    rows = TabularEncoder(clip=False).fit(X).inverse_transform([[9, 9], [-9, -9], [0.002, 0]])
    assert rows["small"].tolist() == [255, 0, 128]
    assert rows["large"].tolist()[1:] == [-(2**63), 0]
    assert 2**63 - 2**10 <= rows["large"][0] < 2**63


def test_without_clip_rows_beyond_the_range_come_back():
    X = pd.DataFrame({"age": [20, 40], "since": pd.to_datetime(["2020-01-01", "2021-01-01"])})
    beyond = pd.DataFrame({"age": [99], "since": pd.to_datetime(["2030-01-01"])})
    for clip, expected in ((False, beyond), (True, X.tail(1).reset_index(drop=True))):
        encoder = TabularEncoder(clip=clip, dtype=np.float64).fit(X)
        rows = encoder.inverse_transform(encoder.transform(beyond))
        assert rows["age"].tolist() == expected["age"].tolist()
        assert (rows["since"] - expected["since"]).abs().max() <= pd.Timedelta(1, "ms")


# ------------------------------------------------------------------------------- numbers and dates


def test_numbers_are_scaled_as_scikit_learn_scales():
    X = np.random.default_rng(0).exponential(size=(500, 3))
    for numeric, scaler in (("standard", StandardScaler()), ("minmax", MinMaxScaler())):
        np.testing.assert_allclose(
            TabularEncoder(numeric=numeric).fit_transform(X), scaler.fit_transform(X), rtol=1e-5
        )
    ranks = TabularEncoder(numeric="quantile").fit_transform(X)
    assert stats.kstest(ranks[:, 0], "norm").statistic < 0.01


def test_quantiles_confine_what_lies_beyond_the_range():
    X = np.arange(10.0)[:, None]
    encoder = TabularEncoder(numeric="quantile").fit(X)
    np.testing.assert_array_equal(encoder.transform([[9.0]]), encoder.transform([[1e9]]))


def test_a_date_is_counted_in_days():
    X = pd.DataFrame({"date": pd.to_datetime(["2020-01-01", "2020-01-01"])})
    later = pd.DataFrame({"date": pd.to_datetime(["2020-01-31"])})
    assert TabularEncoder().fit(X).transform(later).tolist() == [[30.0]]


def test_timestamps_close_together_are_told_apart():
    start = np.datetime64("2024-01-01", "ns")
    X = pd.DataFrame({"t": start + np.arange(10).astype("timedelta64[us]")})
    Z = TabularEncoder().fit_transform(X)
    np.testing.assert_allclose(Z, StandardScaler().fit_transform(np.arange(10.0)[:, None]), 1e-3)


def test_constant_columns_and_a_single_row_are_encoded():
    X = people().drop(columns=["height"])
    for numeric in NUMERIC:
        encoder = TabularEncoder(numeric=numeric).fit(X[:1])
        assert np.isfinite(encoder.transform(X)).all()
        pd.testing.assert_frame_equal(encoder.inverse_transform(encoder.transform(X[:1])), X[:1])


# --------------------------------------------------------------------------------- missing values


def test_missing_numbers_are_the_median_and_indicated():
    X = pd.DataFrame({"a": [0.0, 1.0, 5.0, np.nan], "b": [1.0, 2.0, 3.0, 4.0]})
    Z = TabularEncoder(numeric="minmax").set_output(transform="pandas").fit_transform(X)
    assert Z.columns.tolist() == ["a", "b", "missingindicator_a"]
    assert Z["a"].tolist() == pytest.approx([0, 0.2, 1, 0.2])
    assert Z["missingindicator_a"].tolist() == [0, 0, 0, 1]


def test_holes_in_columns_that_had_none_become_the_median_or_the_rare_level():
    X = pd.DataFrame({"a": [1.0, 2.0, 5.0], "job": ["x", "y", "x"]})
    encoder = TabularEncoder(numeric="minmax").fit(X)
    Z = encoder.transform(pd.DataFrame({"a": [np.nan], "job": [None]}))
    assert Z.tolist() == [[0.25, 0, 0]]
    assert encoder.inverse_transform(Z).values.tolist() == [[2.0, "x"]]


def test_a_column_without_any_value_stays_so():
    X = pd.DataFrame({"a": [np.nan] * 3, "t": pd.to_datetime([None] * 3), "o": [None] * 3})
    encoder = TabularEncoder().fit(X)
    n_out = len(encoder.get_feature_names_out())
    for Z in (encoder.transform(X), np.zeros((3, n_out))):
        assert encoder.inverse_transform(Z).isna().all(axis=None)
    assert np.isfinite(encoder.transform(X.assign(a=1.0))).all()


def test_all_kinds_of_hole_are_one():
    values = np.array([1.5, None, np.nan, pd.NA], dtype=object)
    Z = TabularEncoder().fit_transform(pd.DataFrame({"a": values}))
    assert Z[:, 1].tolist() == [0, 1, 1, 1]
    text = np.array(["a", None, np.nan, pd.NA], dtype=object)
    Z = TabularEncoder().fit_transform(pd.DataFrame({"a": text}))
    assert Z.argmax(axis=1).tolist() == [0, 1, 1, 1]


# ------------------------------------------------------------------------------------- categories


def test_unseen_levels_are_zeros_or_rare():
    X = pd.DataFrame({"job": ["a"] * 4 + ["b"] * 4 + ["c", "d", "d"]})
    new = pd.DataFrame({"job": ["q"]})
    encoder = TabularEncoder().fit(X)
    assert encoder.transform(new).tolist() == [[0, 0, 0, 0]]
    assert encoder.inverse_transform(encoder.transform(new))["job"].tolist() == ["a"]

    encoder = TabularEncoder(min_frequency=4).fit(X)
    assert encoder.get_feature_names_out()[-1] == "job_infrequent_sklearn"
    assert encoder.transform(new).tolist() == [[0, 0, 1]]
    assert encoder.inverse_transform(encoder.transform(new))["job"].tolist() == ["d"]


@given(seen=st.lists(text, min_size=1), new=st.lists(text | st.none(), min_size=1))
def test_levels_come_back_valid_seen_or_not(seen, new):
    encoder = TabularEncoder(max_categories=3).fit(pd.DataFrame({"x": seen}, dtype=str))
    Z = encoder.transform(pd.DataFrame({"x": new}, dtype=str))
    assert set(encoder.inverse_transform(Z)["x"]) <= set(seen)
    assert Z.shape[1] == min(3, len(set(seen)))
    assert np.isin(Z.sum(axis=1), [0, 1]).all()


def test_a_column_of_keys_does_not_fill_the_memory():
    X = pd.DataFrame({"key": [f"k{i}" for i in range(1000)]})
    assert TabularEncoder().fit_transform(X).shape == (1000, 255)
    assert TabularEncoder(max_categories=None).fit_transform(X).shape == (1000, 1000)


@pytest.mark.parametrize("listed", [["code"], [1], [False, True, False], np.array([1])])
def test_numbers_can_be_listed_as_categories(listed):
    X = pd.DataFrame({"age": [20, 30, 40], "code": [7, 9, 7], "job": ["a", "b", "a"]})
    encoder = TabularEncoder(categorical_features=listed).fit(X)
    assert encoder.get_feature_names_out().tolist() == ["age", "code_7", "code_9", "job_a", "job_b"]
    pd.testing.assert_frame_equal(encoder.inverse_transform(encoder.transform(X)), X)


def test_lists_of_text_and_numbers_are_read_as_an_array_of_objects_is():
    rows = [["a", 1.5, True], ["b", 2.5, False], ["a", 9.0, True]]
    encoder = TabularEncoder().fit(rows)
    assert encoder.get_feature_names_out().tolist()[:1] == ["x1"]
    encoded = encoder.transform(rows)
    array = np.array(rows, dtype=object)
    np.testing.assert_array_equal(encoded, encoder.transform(array))
    np.testing.assert_array_equal(encoded, TabularEncoder().fit_transform(array))
    back = encoder.inverse_transform(encoded).tolist()
    assert back == [[text, pytest.approx(number), flag] for text, number, flag in rows]


def test_listed_columns_of_every_kind_come_back():
    X = people()
    X["since"] = X["since"].dt.tz_localize("UTC").dt.tz_convert(PARIS).dt.as_unit("ns")
    encoder = TabularEncoder(categorical_features=X.columns.tolist()).fit(X)
    assert len(encoder.categorical_groups_) == X.shape[1]
    pd.testing.assert_frame_equal(encoder.inverse_transform(encoder.transform(X)), X)


def test_arrays_of_numbers_have_no_categories():
    encoder = TabularEncoder().fit([[0, 1], [1, 1]])
    assert encoder.categorical_groups_ == []
    assert encoder.get_feature_names_out().tolist() == ["x0", "x1"]


# ------------------------------------------------------------------------------------------ groups


@given(data=st.data())
def test_groups_divide_the_output_columns(data):
    X = pd.DataFrame(
        {
            name: pandas_column(values, dtype)
            for name, values, dtype in random_frame(data, PANDAS_COLUMNS)
        }
    )
    encoder = TabularEncoder().fit(X)
    names = encoder.get_feature_names_out()
    assert list(encoder.feature_groups_) == X.columns.tolist()
    assert sorted(np.concatenate(list(encoder.feature_groups_.values()))) == [*range(len(names))]
    for name, group in encoder.feature_groups_.items():
        for out in names[group]:
            assert out in (name, f"missingindicator_{name}") or out.startswith(f"{name}_")
    Z = encoder.transform(X)
    assert Z.shape == (len(X), len(names))
    for group in encoder.categorical_groups_:
        assert tuple(encoder.feature_groups_[X.columns[owner(encoder, group)]]) == group
        np.testing.assert_array_equal(Z[:, group].sum(axis=1), 1)


def owner(encoder, group):
    """Position of the input column of a group."""
    return [tuple(each) for each in encoder.feature_groups_.values()].index(group)


def test_groups_of_the_people():
    groups = TabularEncoder().fit(people()).feature_groups_
    assert {name: group.tolist() for name, group in groups.items()} == {
        "height": [0, 4],
        "children": [1, 5],
        "age": [2],
        "job": [7, 8, 9],
        "size": [10, 11, 12],
        "member": [13, 14],
        "since": [3, 6],
    }
    groups = TabularEncoder().fit(people()).categorical_groups_
    assert groups == [(7, 8, 9), (10, 11, 12), (13, 14)]


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_output_can_be_a_frame(library):
    X = people().set_index(pd.Index([5, 6, 7, 8]))
    encoder = TabularEncoder().fit(X)
    expected = encoder.transform(X)
    Z = encoder.set_output(transform=library).transform(X)
    assert list(Z.columns) == encoder.get_feature_names_out().tolist()
    np.testing.assert_array_equal(Z.to_numpy(), expected)
    if library == "pandas":
        assert Z.index.equals(X.index)
    pd.testing.assert_frame_equal(encoder.inverse_transform(Z), encoder.inverse_transform(expected))


# -------------------------------------------------------------------------------- fits and errors


def test_fitting_again_forgets_the_first_table():
    encoder = TabularEncoder().fit(people())
    X = pl.DataFrame({"a": [1.0, 2.0]})
    Z = encoder.fit(X).transform(X)
    np.testing.assert_array_equal(Z, clone(encoder).fit_transform(X))
    assert_polars_equal(encoder.inverse_transform(Z), X)
    assert encoder.categorical_groups_ == []


def test_not_fitted():
    for method in ("transform", "inverse_transform", "get_feature_names_out"):
        with pytest.raises(NotFittedError):
            getattr(TabularEncoder(), method)(people())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X: X[X.columns[::-1]], "same order"),
        (lambda X: X.drop(columns="age"), "now missing:\n- age"),
        (lambda X: X.assign(new=1), "unseen at fit time:\n- new"),
        (lambda X: X[:0], "0 rows and 7 columns"),
        (lambda X: X.assign(age="old"), "Column 'age' held numbers in fit, but now text"),
        (lambda X: X.assign(age=X["since"]), "Column 'age' held numbers in fit, but now datetime"),
        (lambda X: X.assign(since=3), r"'since' held datetime64\[s\] in fit, but now int64"),
        (lambda X: X.assign(since="then"), r"'since' held datetime64\[s\] in fit, but now text"),
        (lambda X: X.assign(job=3), "Column 'job' held text in fit, but now no text"),
        (lambda X: X.assign(member="yes"), "Column 'member' held no text in fit, but now text"),
        (lambda X: X.assign(age=np.inf), r"infinity in \['age'\]"),
        (lambda X: X.assign(age=1e300), r"\['age'\] are too far .* float32"),
    ],
)
def test_other_tables_are_refused(change, message):
    X = people()
    encoder = TabularEncoder().fit(X)
    with pytest.raises(ValueError, match=message):
        encoder.transform(change(X))


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (people()[:0], ValueError, "0 rows and 7 columns"),
        (people()[[]], ValueError, "4 rows and 0 columns"),
        (people()[["age", "age"]], ValueError, r"different names, but there are several \['age'\]"),
        (pd.DataFrame({"a": [1.0, np.inf]}), ValueError, r"infinity in \['a'\]"),
        (np.array([[np.inf]]), ValueError, "infinity"),
        (pd.DataFrame({"a": [1, "b"]}), TypeError, "'a' is of objects and holds int and str"),
        (pd.DataFrame({"a": [dt.date(2020, 1, 1)]}), TypeError, "holds date.*to_datetime"),
        (pd.DataFrame({"a": [1j]}), TypeError, "'a' has dtype complex128"),
        (pl.DataFrame({"a": [[1]]}), TypeError, r"'a' has dtype List\(Int64\)"),
        (pl.DataFrame({"a": [dt.time(3)]}), TypeError, "'a' has dtype Time"),
        (sparse.eye_array(3), TypeError, "dense data is required"),
        (people()["age"], ValueError, "2-dimensional"),
    ],
)
def test_what_is_no_table_of_known_columns_is_refused(X, error, message):
    with pytest.raises(error, match=message):
        TabularEncoder().fit(X)


@pytest.mark.parametrize(
    ("listed", "message"),
    [(["nope"], "does not fit"), ([7], "does not fit"), ([True], "does not fit"), ("age", "must")],
)
def test_listed_categories_must_exist(listed, message):
    with pytest.raises(ValueError, match=message):
        TabularEncoder(categorical_features=listed).fit(people())


def test_rows_to_decode_must_fit():
    encoder = TabularEncoder().fit(people())
    with pytest.raises(ValueError, match="X has 3 columns, but TabularEncoder makes 15"):
        encoder.inverse_transform(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="NaN"):
        encoder.inverse_transform(np.full((2, 15), np.nan))
