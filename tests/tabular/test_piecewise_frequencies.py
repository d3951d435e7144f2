"""PiecewiseLinearEncoder(frequencies=True): codes of how rare a value is."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from sklearn.utils.estimator_checks import parametrize_with_checks

from skgad.preprocessing import PiecewiseLinearEncoder

COLUMNS = ["auto", "all", "both"]
every_columns = pytest.mark.parametrize("columns", COLUMNS)

#: Tables whose values often repeat, some of them with more than 4 values per column.
tables = arrays(
    float,
    array_shapes(min_dims=2, max_dims=2, max_side=40),
    elements=st.one_of(st.integers(-5, 5), st.sampled_from([0.5, 1e4, 1 / 3])),
)


def exact_encoder(**params):
    return PiecewiseLinearEncoder(dtype=np.float64, frequencies=True, **params)


def prices(n_rows=500, seed=0):
    """A column of numbers that repeat, with more than 17 values."""
    return np.random.default_rng(seed).geometric(0.05, n_rows) * 0.99


def mixed_table():
    """Columns with 2, 4 and many values, numbers that repeat, and a constant."""
    rng = np.random.default_rng(0)
    return np.column_stack(
        [
            rng.integers(0, 2, 500),
            rng.integers(0, 4, 500) ** 2,
            rng.normal(50, 9, 500),
            prices(),
            np.full(500, 7),
        ]
    )


def frequency_columns(encoder):
    return [j for j, name in enumerate(encoder.get_feature_names_out()) if "_frequency" in name]


def expected_codes(train, new):
    """Frequency codes of numbers, from their definition."""

    def rarity(x):
        return -np.log((np.sum(train == x) + 0.25) / len(train))

    train_rarity = np.array([rarity(x) for x in train])
    deviation = np.array([rarity(x) for x in new]) - train_rarity.mean()
    return 0.5 * deviation / max(train_rarity.std(), 1)


@parametrize_with_checks(
    [
        PiecewiseLinearEncoder(frequencies=True),
        PiecewiseLinearEncoder(frequencies=True, columns="all", n_bins=2),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


# -------------------------------------------------------------------------------------------- codes


def test_codes_are_those_of_the_definition():
    train = prices()
    new = np.concatenate([train[:50], [-3, 0, 0.99, 1, 1.5, 1e6]])
    codes = exact_encoder().fit(train[:, None]).transform(new[:, None])
    np.testing.assert_allclose(codes[:, 1], expected_codes(train, new), rtol=1e-12, atol=1e-12)


def test_codes_have_at_most_half_the_spread_of_standardized_values():
    train = np.repeat(np.arange(100.0), [900] + 99 * [2])
    code = exact_encoder().fit_transform(train[:, None])[:, 1]
    np.testing.assert_allclose(code, expected_codes(train, train), rtol=1e-12)
    assert code.mean() == pytest.approx(0, abs=1e-12)
    assert code.std() == pytest.approx(0.5)
    even = np.repeat(np.arange(100.0), [3] * 50 + [4] * 50)
    assert exact_encoder().fit_transform(even[:, None])[:, 1].std() < 0.1


@given(X=tables, n_bins=st.integers(1, 4))
def test_codes_of_any_table_are_those_of_the_definition(X, n_bins):
    encoder = exact_encoder(n_bins=n_bins).fit(X)
    codes = encoder.transform(X)
    for column, group in zip(X.T, encoder.feature_groups_.values(), strict=True):
        _, counts = np.unique(column, return_counts=True)
        repeats = counts[counts > 1].sum() >= len(X) / 2
        has_code = group[-1] in frequency_columns(encoder)
        assert has_code == (len(counts) > n_bins + 1 and repeats)
        if has_code:
            expected = expected_codes(column, column)
            np.testing.assert_allclose(codes[:, group[-1]], expected, rtol=1e-10, atol=1e-10)


def test_rarer_values_have_larger_codes_and_unseen_values_the_largest():
    values = np.repeat(np.arange(20.0), np.arange(1, 21))
    encoder = exact_encoder().fit(values[:, None])
    codes = encoder.transform([[19.0], [18.0], [1.0], [0.0], [0.5], [-1.0], [99.0]])[:, 1]
    assert (np.diff(codes[:5]) > 0).all()
    assert (codes[4:] == codes[4]).all()


def test_columns_with_few_values_and_continuous_columns_have_no_codes():
    X = mixed_table()
    encoder = exact_encoder().fit(X)
    assert encoder.get_feature_names_out()[frequency_columns(encoder)].tolist() == ["x3_frequency"]
    assert not frequency_columns(exact_encoder(n_bins=len(np.unique(X[:, 3])) - 1).fit(X))
    assert len(frequency_columns(exact_encoder(n_bins=2).fit(X))) == 2


def test_half_of_the_rows_must_have_a_value_that_repeats():
    repeated = np.repeat(np.arange(30.0), 2)
    single = np.arange(100.0, 160.0)
    at_half = np.concatenate([repeated, single])[:, None]
    assert frequency_columns(exact_encoder().fit(at_half)) == [1]
    assert frequency_columns(exact_encoder().fit(np.append(at_half, [[999.0]], axis=0))) == []


def test_values_that_differ_only_by_rounding_are_one_value():
    X = np.repeat(np.append(np.arange(1, 20), 0.3), 3)[:, None]
    X[-1] = 0.1 + 0.2
    encoder = exact_encoder().fit(X)
    expected = exact_encoder().fit_transform(np.round(X, 9))[:, 1]
    np.testing.assert_array_equal(encoder.transform(X)[:, 1], expected)
    # A residual of a subtraction counts as zero.
    zeros = np.repeat(np.arange(20.0), 3)[:, None]
    codes = exact_encoder().fit(zeros).transform([[0.0], [0.3 - (0.1 + 0.2)], [1e-9]])[:, 1]
    assert codes[0] == codes[1] < codes[2]


@every_columns
def test_other_codes_are_those_without_frequencies(columns):
    X = mixed_table()
    encoder = PiecewiseLinearEncoder(frequencies=True, columns=columns, n_bins=3).fit(X)
    without = PiecewiseLinearEncoder(columns=columns, n_bins=3).fit(X)
    assert frequency_columns(encoder)
    codes = np.delete(encoder.transform(X), frequency_columns(encoder), axis=1)
    np.testing.assert_array_equal(codes, without.transform(X))
    names = np.delete(encoder.get_feature_names_out(), frequency_columns(encoder))
    assert names.tolist() == without.get_feature_names_out().tolist()


# -------------------------------------------------------------------------- units, order of columns


@every_columns
@given(X=tables, unit=st.sampled_from([1e-6, 1e6, -1.0]))
def test_the_unit_and_the_sign_of_a_column_do_not_matter(columns, X, unit):
    new = np.concatenate([X, 3 * X - 1])
    encoder = exact_encoder(columns=columns, n_bins=4).fit(X)
    scaled = exact_encoder(columns=columns, n_bins=4).fit(X * unit)
    codes = encoder.transform(new)[:, frequency_columns(encoder)]
    scaled_codes = scaled.transform(new * unit)[:, frequency_columns(scaled)]
    np.testing.assert_allclose(scaled_codes, codes, rtol=1e-9, atol=1e-9)


@given(X=tables, seed=st.integers(0, 100))
def test_codes_are_permuted_with_the_columns(X, seed):
    order = np.random.default_rng(seed).permutation(X.shape[1])
    encoder = exact_encoder(n_bins=4).fit(X)
    groups = list(encoder.feature_groups_.values())
    expected = encoder.transform(X)[:, np.concatenate([groups[j] for j in order])]
    permuted = exact_encoder(n_bins=4).fit(X[:, order])
    np.testing.assert_array_equal(permuted.transform(X[:, order]), expected)


@given(X=tables)
def test_codes_do_not_depend_on_the_order_of_the_training_rows(X):
    codes = exact_encoder(n_bins=4).fit(X).transform(X)
    np.testing.assert_array_equal(exact_encoder(n_bins=4).fit(X[::-1]).transform(X), codes)


def test_units_close_to_the_limits_of_floats_do_not_matter():
    X = mixed_table()
    codes = exact_encoder().fit_transform(X)
    for unit in (2.0**-900, 2.0**900):
        np.testing.assert_array_equal(exact_encoder().fit_transform(X * unit), codes)


# ----------------------------------------------------------------------- decoding, width, names


@every_columns
@given(X=tables, noise=st.floats(-1e3, 1e3))
def test_decoding_ignores_frequency_codes(columns, X, noise):
    encoder = exact_encoder(columns=columns, n_bins=4).fit(X)
    without = PiecewiseLinearEncoder(dtype=np.float64, columns=columns, n_bins=4).fit(X)
    codes = encoder.transform(X)
    codes[:, frequency_columns(encoder)] += noise
    expected = without.inverse_transform(without.transform(X))
    np.testing.assert_array_equal(encoder.inverse_transform(codes), expected)


def test_the_maximum_width_counts_frequency_codes():
    X = np.column_stack([np.arange(500) % 10.0, prices()])
    for max_width, n_bins, width in [(None, 16, 11), (11, 16, 11), (10, 8, 10), (1, 1, 3)]:
        encoder = exact_encoder(max_width=max_width).fit(X)
        assert encoder.n_bins_ == n_bins
        assert encoder.transform(X).shape[1] == width
        assert frequency_columns(encoder) == [width - 1]


@every_columns
def test_frequency_codes_follow_the_other_codes_of_their_column(columns):
    X = pd.DataFrame({"price": prices(), "height": mixed_table()[:, 2]})
    encoder = PiecewiseLinearEncoder(frequencies=True, columns=columns, n_bins=2).fit(X)
    names = {
        name: encoder.get_feature_names_out()[group].tolist()
        for name, group in encoder.feature_groups_.items()
    }
    pieces = {
        "price": ["price_piece0", "price_piece1"],
        "height": ["height_piece0", "height_piece1"],
    }
    expected = pieces if columns == "all" else {"price": ["price"], "height": ["height"]}
    expected["price"].append("price_frequency")
    assert names == expected


def test_a_pickled_encoder_has_the_same_codes():
    X = mixed_table()
    encoder = exact_encoder().fit(X)
    restored = pickle.loads(pickle.dumps(encoder))
    np.testing.assert_array_equal(restored.transform(X + 0.99), encoder.transform(X + 0.99))
