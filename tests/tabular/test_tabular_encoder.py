"""TabularEncoder: encoding and decoding of whole tables."""

import datetime as dt
import pickle
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mixed_tables import (
    NUMERIC,
    PANDAS_COLUMNS,
    POLARS_COLUMNS,
    draw_columns,
    every_numeric,
    pandas_column,
    people,
)
from polars.testing import assert_frame_equal as assert_polars_equal
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

from skgad.preprocessing import TabularEncoder


@parametrize_with_checks(
    [TabularEncoder(numeric=numeric) for numeric in NUMERIC] + [TabularEncoder(dtype=np.float64)]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


# ------------------------------------------------------------------------------ tables are restored


@every_numeric
@given(data=st.data())
def test_pandas_frames_are_restored(numeric, data):
    X = pd.DataFrame(
        {
            name: pandas_column(values, dtype)
            for name, values, dtype in draw_columns(data, PANDAS_COLUMNS)
        }
    )
    encoder = TabularEncoder(numeric=numeric, dtype=np.float64).fit(X)
    pd.testing.assert_frame_equal(encoder.inverse_transform(encoder.transform(X)), X, atol=1e-4)


@every_numeric
@given(data=st.data())
def test_polars_frames_are_restored(numeric, data):
    X = pl.DataFrame(
        [
            pl.Series(name, values).cast(dtype)
            for name, values, dtype in draw_columns(data, POLARS_COLUMNS)
        ]
    )
    encoder = TabularEncoder(numeric=numeric, dtype=np.float64).fit(X)
    assert_polars_equal(encoder.inverse_transform(encoder.transform(X)), X, abs_tol=1e-4)


@every_numeric
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
def test_arrays_are_restored(numeric, X):
    encoder = TabularEncoder(numeric=numeric, dtype=np.float64).fit(X)
    back = encoder.inverse_transform(encoder.transform(X))
    assert back.dtype == X.dtype
    if X.dtype == object:  # missing values of both types are restored as one
        X, back = (np.where(pd.isna(array), None, array) for array in (X, back))
    if X.dtype.kind == "f":
        np.testing.assert_allclose(back, X, rtol=1e-5)
    else:
        np.testing.assert_array_equal(back, X)


def test_float32_preserves_seven_digits_of_the_spread():
    X = pd.DataFrame({"a": np.linspace(0, 1, 100), "n": np.arange(100) * 1000})
    encoder = TabularEncoder().fit(X)
    assert encoder.transform(X).dtype == np.float32
    pd.testing.assert_frame_equal(encoder.inverse_transform(encoder.transform(X)), X, atol=1e-6)


def test_column_names_that_are_not_strings_are_restored():
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


class FailingFinder:
    """Import nothing."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        raise ModuleNotFoundError(name)


def test_pandas_and_polars_are_not_needed(monkeypatch):
    X = np.array([["a", 1.5, True], [None, np.nan, None], ["b", 2.5, False]], dtype=object)
    expected = TabularEncoder().fit_transform(X)
    monkeypatch.setattr(sys, "meta_path", [FailingFinder])
    monkeypatch.delitem(sys.modules, "pandas")
    monkeypatch.delitem(sys.modules, "polars")
    np.testing.assert_array_equal(TabularEncoder().fit_transform(X), expected)


def test_encoding_does_not_change_the_table():
    X = people()
    X["member"] = np.array([True, None, np.nan, False], dtype=object)
    before = X.copy(deep=True)
    TabularEncoder().fit_transform(X)
    pd.testing.assert_frame_equal(X, before)


def test_a_pickled_encoder_gives_the_same_results():
    encoder = TabularEncoder().fit(people())
    copy = pickle.loads(pickle.dumps(encoder))
    Z = copy.transform(people())
    np.testing.assert_array_equal(Z, encoder.transform(people()))
    pd.testing.assert_frame_equal(copy.inverse_transform(Z), encoder.inverse_transform(Z))


# ---------------------------------------------------------------------------- output of a generator


@every_numeric
@pytest.mark.parametrize("clip", [True, False])
@given(seed=st.integers(0, 1000), scale=st.sampled_from([0.1, 1.0, 1e3, 1e30]))
def test_any_numbers_are_decoded_to_valid_rows(numeric, clip, seed, scale):
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


def test_the_largest_level_wins_and_the_indicator_marks_missing_values():
    X = pd.DataFrame({"age": [20, 40, None], "job": ["a", "b", "c"]})
    encoder = TabularEncoder().fit(X)
    names = ["age", "missingindicator_age", "job_a", "job_b", "job_c"]
    assert encoder.get_feature_names_out().tolist() == names
    rows = encoder.inverse_transform([[0, 0.4, 0.3, 0.5, -2], [0, 0.6, 0.1, 0, 0.2]])
    assert rows["job"].tolist() == ["b", "c"]
    assert rows["age"].isna().tolist() == [False, True]


def test_integers_are_rounded_and_clipped_to_the_range_of_their_dtype():
    X = pd.DataFrame({"small": np.array([0, 255], np.uint8), "large": [-(2**63), 2**63 - 1]})
    rows = TabularEncoder(clip=False).fit(X).inverse_transform([[9, 9], [-9, -9], [0.002, 0]])
    assert rows["small"].tolist() == [255, 0, 128]
    assert rows["large"].tolist()[1:] == [-(2**63), 0]
    assert 2**63 - 2**10 <= rows["large"][0] < 2**63


def test_rows_beyond_the_range_are_restored_without_clip():
    X = pd.DataFrame({"age": [20, 40], "since": pd.to_datetime(["2020-01-01", "2021-01-01"])})
    beyond = pd.DataFrame({"age": [99], "since": pd.to_datetime(["2030-01-01"])})
    for clip, expected in ((False, beyond), (True, X.tail(1).reset_index(drop=True))):
        encoder = TabularEncoder(clip=clip, dtype=np.float64).fit(X)
        rows = encoder.inverse_transform(encoder.transform(beyond))
        assert rows["age"].tolist() == expected["age"].tolist()
        assert (rows["since"] - expected["since"]).abs().max() <= pd.Timedelta(1, "ms")


# ------------------------------------------------------------------------------------------- groups


@given(data=st.data())
def test_feature_groups_partition_the_output_columns(data):
    X = pd.DataFrame(
        {
            name: pandas_column(values, dtype)
            for name, values, dtype in draw_columns(data, PANDAS_COLUMNS)
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


def test_feature_groups_of_a_mixed_table():
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
def test_the_output_can_be_a_frame(library):
    X = people().set_index(pd.Index([5, 6, 7, 8]))
    encoder = TabularEncoder().fit(X)
    expected = encoder.transform(X)
    Z = encoder.set_output(transform=library).transform(X)
    assert list(Z.columns) == encoder.get_feature_names_out().tolist()
    np.testing.assert_array_equal(Z.to_numpy(), expected)
    if library == "pandas":
        assert Z.index.equals(X.index)
    pd.testing.assert_frame_equal(encoder.inverse_transform(Z), encoder.inverse_transform(expected))


@every_numeric
def test_frames_can_be_the_default_output_of_all_transformers(numeric):
    X = people()
    encoder = TabularEncoder(numeric=numeric).fit(X)
    with config_context(transform_output="pandas"):
        Z = TabularEncoder(numeric=numeric).fit(X).transform(X)
    assert Z.columns.tolist() == encoder.get_feature_names_out().tolist()
    np.testing.assert_array_equal(Z, encoder.transform(X))


# ---------------------------------------------------------------------------------- fits and errors


def test_fitting_again_replaces_the_first_fit():
    encoder = TabularEncoder().fit(people())
    X = pl.DataFrame({"a": [1.0, 2.0]})
    Z = encoder.fit(X).transform(X)
    np.testing.assert_array_equal(Z, clone(encoder).fit_transform(X))
    assert_polars_equal(encoder.inverse_transform(Z), X)
    assert encoder.categorical_groups_ == []


def test_methods_raise_an_error_before_fit():
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
        (
            lambda X: X.assign(age="old"),
            "Column 'age' contained numbers during fit, but now contains text",
        ),
        (
            lambda X: X.assign(age=X["since"]),
            "'age' contained numbers during fit, but now contains datetime",
        ),
        (
            lambda X: X.assign(since=3),
            r"'since' contained datetime64\[s\] during fit, but now contains int64",
        ),
        (
            lambda X: X.assign(since="then"),
            r"'since' contained datetime64\[s\] during fit, but now contains text",
        ),
        (
            lambda X: X.assign(job=3),
            "Column 'job' contained text during fit, but now contains no text",
        ),
        (
            lambda X: X.assign(member="yes"),
            "'member' contained no text during fit, but now contains text",
        ),
        (lambda X: X.assign(age=np.inf), r"infinity in \['age'\]"),
        (lambda X: X.assign(age=1e300), r"\['age'\] contain values that are too far .* float32"),
    ],
)
def test_tables_that_differ_from_the_fitted_one_are_rejected(change, message):
    X = people()
    encoder = TabularEncoder().fit(X)
    with pytest.raises(ValueError, match=message):
        encoder.transform(change(X))


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (people()[:0], ValueError, "0 rows and 7 columns"),
        (people()[[]], ValueError, "4 rows and 0 columns"),
        (people()[["age", "age"]], ValueError, r"different names, but several are named \['age'\]"),
        (pd.DataFrame({"a": [1.0, np.inf]}), ValueError, r"infinity in \['a'\]"),
        (np.array([[np.inf]]), ValueError, "infinity"),
        (pd.DataFrame({"a": [1, "b"]}), TypeError, "'a' has dtype object and contains int and str"),
        (pd.DataFrame({"a": [dt.date(2020, 1, 1), "b"]}), TypeError, "contains date and str"),
        (
            np.array([[dt.datetime(2020, 1, 1, tzinfo=dt.UTC)]], dtype=object),
            TypeError,
            r"contains datetime.*pandas.to_datetime\(..., utc=True\)",
        ),
        (pd.DataFrame({"a": [1j]}), TypeError, "'a' has dtype complex128"),
        (pl.DataFrame({"a": [[1]]}), TypeError, r"'a' has dtype List\(Int64\)"),
        (pl.DataFrame({"a": [dt.time(3)]}), TypeError, "'a' has dtype Time"),
        (sparse.eye_array(3), TypeError, "dense data is required"),
        (people()["age"], ValueError, "2-dimensional"),
    ],
)
def test_tables_with_unsupported_columns_are_rejected(X, error, message):
    with pytest.raises(error, match=message):
        TabularEncoder().fit(X)


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        (["nope"], "does not match"),
        ([7], "does not match"),
        ([True], "does not match"),
        ("age", "must"),
    ],
)
def test_listed_categorical_features_must_exist(listed, message):
    with pytest.raises(ValueError, match=message):
        TabularEncoder(categorical_features=listed).fit(people())


def test_rows_to_decode_must_have_the_output_columns():
    encoder = TabularEncoder().fit(people())
    with pytest.raises(
        ValueError, match="X has 3 columns, but TabularEncoder encodes tables to 15"
    ):
        encoder.inverse_transform(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="NaN"):
        encoder.inverse_transform(np.full((2, 15), np.nan))
