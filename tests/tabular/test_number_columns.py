"""TabularEncoder: columns of numbers, dates and durations."""

import numpy as np
import pandas as pd
import pytest
from mixed_tables import NUMERIC, people
from scipy import stats
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from skgad.preprocessing import PiecewiseLinearEncoder, TabularEncoder

# ------------------------------------------------------------------------------------------- scales


def test_numbers_are_scaled_as_in_scikit_learn():
    X = np.random.default_rng(0).exponential(size=(500, 3))
    for numeric, scaler in (("standard", StandardScaler()), ("minmax", MinMaxScaler())):
        np.testing.assert_allclose(
            TabularEncoder(numeric=numeric).fit_transform(X), scaler.fit_transform(X), rtol=1e-5
        )
    ranks = TabularEncoder(numeric="quantile").fit_transform(X)
    assert stats.kstest(ranks[:, 0], "norm").statistic < 0.01


def test_quantiles_map_values_beyond_the_range_to_its_ends():
    X = np.arange(10.0)[:, None]
    encoder = TabularEncoder(numeric="quantile").fit(X)
    np.testing.assert_array_equal(encoder.transform([[9.0]]), encoder.transform([[1e9]]))


def test_numbers_are_encoded_by_pieces_as_on_their_own():
    X = np.random.default_rng(0).exponential(size=(500, 3))
    X[:, 1] = np.rint(X[:, 1])
    Z = TabularEncoder(numeric="piecewise").fit_transform(X)
    np.testing.assert_array_equal(Z, PiecewiseLinearEncoder().fit_transform(X))


def test_frequency_codes_are_those_of_the_encoder_and_belong_to_their_columns():
    X = np.random.default_rng(0).exponential(size=(500, 2))
    X[:, 1] = np.rint(10 * X[:, 1])
    encoder = TabularEncoder(numeric="piecewise+frequency").fit(X)
    Z = encoder.transform(X)
    np.testing.assert_array_equal(Z, PiecewiseLinearEncoder(frequencies=True).fit_transform(X))
    assert encoder.get_feature_names_out().tolist() == ["x0", "x1", "x1_frequency"]
    assert {name: group.tolist() for name, group in encoder.feature_groups_.items()} == {
        "x0": [0],
        "x1": [1, 2],
    }
    Z[:, 2] += 100
    np.testing.assert_allclose(encoder.inverse_transform(Z), X, atol=1e-5)


def test_pieces_and_indicators_belong_to_their_columns():
    X = pd.DataFrame({"job": ["a", "b", "c"] * 4, "n": [0, 2, 5] * 4, "height": range(12)})
    X = pd.concat([X, X.assign(height=X["height"] / 7)])
    X.iloc[0, 1] = np.nan
    X.iloc[1, 2] = np.nan
    encoder = TabularEncoder(numeric="piecewise").fit(X)
    assert encoder.get_feature_names_out().tolist() == [
        *("n_piece0", "n_piece1", "height", "missingindicator_n", "missingindicator_height"),
        *("job_a", "job_b", "job_c"),
    ]
    assert {name: group.tolist() for name, group in encoder.feature_groups_.items()} == {
        "job": [5, 6, 7],
        "n": [0, 1, 3],
        "height": [2, 4],
    }
    row = encoder.transform(X)[1]
    assert row[[0, 1, 3, 4]].tolist() == [1, 0, 0, 1]


def test_integers_decoded_from_pieces_are_rounded_and_clipped():
    X = pd.DataFrame({"n": [0, 2, 5] * 2})
    codes = [[0.4, 0], [0.6, 0.1], [1, 0.5], [1, 9], [-9, 0]]
    encoder = TabularEncoder(numeric="piecewise").fit(X)
    assert encoder.inverse_transform(codes)["n"].tolist() == [1, 2, 4, 5, 0]
    encoder = TabularEncoder(numeric="piecewise", clip=False).fit(X)
    assert encoder.inverse_transform(codes)["n"].tolist() == [1, 2, 4, 29, -18]


def test_dates_with_few_values_are_encoded_by_pieces():
    days = ["2020-01-01", "2020-01-02", "2020-12-01"]
    X = pd.DataFrame({"date": pd.to_datetime(days * 2)})
    encoder = TabularEncoder(numeric="piecewise").fit(X)
    assert encoder.transform(X).tolist() == [[0, 0], [1, 0], [1, 1]] * 2
    pd.testing.assert_frame_equal(encoder.inverse_transform(encoder.transform(X)), X)


def test_dates_are_counted_in_days():
    X = pd.DataFrame({"date": pd.to_datetime(["2020-01-01", "2020-01-01"])})
    later = pd.DataFrame({"date": pd.to_datetime(["2020-01-31"])})
    assert TabularEncoder().fit(X).transform(later).tolist() == [[30.0]]


def test_timestamps_close_together_are_distinguished():
    start = np.datetime64("2024-01-01", "ns")
    X = pd.DataFrame({"t": start + np.arange(10).astype("timedelta64[us]")})
    Z = TabularEncoder().fit_transform(X)
    np.testing.assert_allclose(Z, StandardScaler().fit_transform(np.arange(10.0)[:, None]), 1e-3)


@pytest.mark.filterwarnings("ignore:The columns .* have missing values, but had none")
def test_constant_columns_and_a_single_row_are_encoded():
    X = people().drop(columns=["height"])
    for numeric in NUMERIC:
        encoder = TabularEncoder(numeric=numeric).fit(X[:1])
        assert np.isfinite(encoder.transform(X)).all()
        pd.testing.assert_frame_equal(encoder.inverse_transform(encoder.transform(X[:1])), X[:1])


# ----------------------------------------------------------------------------------- missing values


def test_missing_numbers_are_replaced_by_the_median_and_indicated():
    X = pd.DataFrame({"a": [0.0, 1.0, 5.0, np.nan], "b": [1.0, 2.0, 3.0, 4.0]})
    Z = TabularEncoder(numeric="minmax").set_output(transform="pandas").fit_transform(X)
    assert Z.columns.tolist() == ["a", "b", "missingindicator_a"]
    assert Z["a"].tolist() == pytest.approx([0, 0.2, 1, 0.2])
    assert Z["missingindicator_a"].tolist() == [0, 0, 0, 1]


@pytest.mark.filterwarnings("ignore:The columns .* have missing values, but had none")
def test_values_missing_only_after_fit_are_encoded_as_far_outside():
    X = pd.DataFrame({"a": [1.0, 2.0, 5.0], "job": ["x", "y", "x"]})
    encoder = TabularEncoder(numeric="minmax").fit(X)
    Z = encoder.transform(pd.DataFrame({"a": [np.nan], "job": [None]}))
    assert Z.tolist() == [[11, 10, 10]]
    assert encoder.inverse_transform(Z).values.tolist() == [[5.0, "x"]]


def test_columns_with_only_missing_values_are_restored():
    X = pd.DataFrame({"a": [np.nan] * 3, "t": pd.to_datetime([None] * 3), "o": [None] * 3})
    encoder = TabularEncoder().fit(X)
    n_out = len(encoder.get_feature_names_out())
    for Z in (encoder.transform(X), np.zeros((3, n_out))):
        assert encoder.inverse_transform(Z).isna().all(axis=None)
    assert np.isfinite(encoder.transform(X.assign(a=1.0))).all()


def test_all_missing_values_are_encoded_alike():
    values = np.array([1.5, None, np.nan, pd.NA], dtype=object)
    Z = TabularEncoder().fit_transform(pd.DataFrame({"a": values}))
    assert Z[:, 1].tolist() == [0, 1, 1, 1]
    text = np.array(["a", None, np.nan, pd.NA], dtype=object)
    Z = TabularEncoder().fit_transform(pd.DataFrame({"a": text}))
    assert Z.argmax(axis=1).tolist() == [0, 1, 1, 1]
