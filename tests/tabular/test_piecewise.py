"""PiecewiseLinearEncoder."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skgad.preprocessing import PiecewiseLinearEncoder

COLUMNS = ["auto", "all", "both"]
every_columns = pytest.mark.parametrize("columns", COLUMNS)

#: Tables with few and with many values per column, some of them constant.
tables = st.one_of(
    arrays(float, array_shapes(min_dims=2, max_dims=2, max_side=40), elements=elements)
    for elements in (st.integers(-3, 3), st.integers(0, 1), st.floats(-1e3, 1e3, width=16))
)


def exact_encoder(**params):
    return PiecewiseLinearEncoder(dtype=np.float64, **params)


def mixed_table(n_rows=200, seed=0):
    """Columns with 2, 4 and many values, a skewed column and a constant."""
    rng = np.random.default_rng(seed)
    return np.column_stack(
        [
            rng.permutation(np.arange(n_rows) % 2),
            rng.permutation(np.arange(n_rows) % 4) ** 2,
            rng.normal(50, 9, n_rows),
            rng.exponential(size=n_rows),
            np.full(n_rows, 7),
        ]
    )


@parametrize_with_checks(
    [PiecewiseLinearEncoder(columns=columns) for columns in COLUMNS]
    + [exact_encoder(columns="all", max_width=2)]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


# -------------------------------------------------------------------------------------------- codes


def code_of_the_paper(x, edges, t):
    """Equation of section 3.2, for t = 1, ..., T."""
    last = len(edges) - 1
    if x < edges[t - 1] and t > 1:
        return 0.0
    if x >= edges[t] and t < last:
        return 1.0
    return (x - edges[t - 1]) / (edges[t] - edges[t - 1])


def test_codes_are_those_of_the_paper():
    X = mixed_table()
    encoder = exact_encoder(columns="all", n_bins=5).fit(X)
    new = np.concatenate([X, X - 20, X + 20, X + 0.1])
    for j, edges in enumerate(encoder.bin_edges_.values()):
        codes = encoder.transform(new)[:, encoder.feature_groups_[f"x{j}"]]
        expected = [
            [code_of_the_paper(x, edges, t) for t in range(1, len(edges))] for x in new[:, j]
        ]
        np.testing.assert_allclose(codes, expected, rtol=1e-13)


def test_the_edges_of_a_column_with_few_values_are_its_values():
    X = mixed_table()
    encoder = PiecewiseLinearEncoder(n_bins=3).fit(X)
    assert {name: edges.tolist() for name, edges in encoder.bin_edges_.items()} == {
        "x0": [0, 1],
        "x1": [0, 1, 4, 9],
    }
    assert list(PiecewiseLinearEncoder(n_bins=2).fit(X).bin_edges_) == ["x0"]


def test_columns_with_many_values_are_standardized():
    X = mixed_table()
    encoder = exact_encoder().fit(X)
    continuous = [*encoder.feature_groups_["x2"], *encoder.feature_groups_["x3"]]
    expected = StandardScaler().fit_transform(X[:, 2:4])
    np.testing.assert_allclose(encoder.transform(X)[:, continuous], expected, rtol=1e-12)


def test_edges_are_quantiles_if_all_columns_are_divided():
    X = np.random.default_rng(0).exponential(size=(1000, 2))
    encoder = PiecewiseLinearEncoder(columns="all", n_bins=10).fit(X)
    for column, edges in zip(X.T, encoder.bin_edges_.values(), strict=True):
        assert (edges[0], edges[-1]) == (column.min(), column.max())
        assert np.isin(edges, column).all()
        counts, _ = np.histogram(column, edges)
        assert np.abs(counts - 100).max() <= 1


def test_equal_quantiles_are_merged():
    X = np.concatenate([np.zeros(900), np.arange(100)])[:, None]
    encoder = PiecewiseLinearEncoder(columns="all", n_bins=10).fit(X)
    assert encoder.bin_edges_["x0"].tolist() == [0, 99]


def test_standardized_values_follow_the_codes_if_both_are_requested():
    X = mixed_table()
    encoder = PiecewiseLinearEncoder(columns="both").fit(X)
    assert encoder.get_feature_names_out().tolist() == [
        *("x0_piece0", "x0"),
        *("x1_piece0", "x1_piece1", "x1_piece2", "x1"),
        *("x2", "x3", "x4"),
    ]
    Z = encoder.transform(X)
    standardized = [group[-1] for group in encoder.feature_groups_.values()]
    expected = StandardScaler().fit_transform(X)
    np.testing.assert_allclose(Z[:, standardized], expected, rtol=1e-4, atol=1e-6)
    pieces = np.setdiff1d(np.arange(9), standardized)
    np.testing.assert_array_equal(Z[:, pieces], PiecewiseLinearEncoder().fit_transform(X)[:, :4])


@every_columns
def test_values_far_outside_the_range_remain_far_outside(columns):
    X = mixed_table()
    encoder = PiecewiseLinearEncoder(columns=columns).fit(X)
    codes, far = encoder.transform(X), encoder.transform(X + [[1e6]])
    for group in encoder.feature_groups_.values():
        assert (np.abs(far - codes)[:, group].max(axis=1) > 1e3).all()


def test_a_changed_value_is_visible_in_a_constant_column():
    X = np.array([[5.0, 0.0, -1e-6]] * 3)
    encoder = exact_encoder().fit(X)
    changed = encoder.transform([[5, 0, -1e-6], [6, 1, 1e-6]])
    np.testing.assert_allclose(changed, [[0, 0, 0], [0.2, 1, 2]])


def test_values_that_differ_only_by_rounding_are_one_value():
    X = np.array([[0.3, 1], [0.1 + 0.2, 0.3], [0.3, 0.1 + 0.2], [0.3, 1]])
    assert len(np.unique(X)) == 3
    encoder = exact_encoder().fit(X)
    assert encoder.bin_edges_["x1"].tolist() == [0.3, 1]
    np.testing.assert_allclose(encoder.transform([[0.6, 0.3]]), [[1, 0]])


# -------------------------------------------------------------------------- units, order of columns


@every_columns
@given(X=tables, unit=st.sampled_from([1e-6, 1e6]))
def test_the_unit_of_a_column_does_not_matter(columns, X, unit):
    X = X[:, X.any(axis=0)]
    if X.shape[1]:
        new = np.concatenate([X, 3 * X - 1])
        codes = exact_encoder(columns=columns, n_bins=4).fit(X).transform(new)
        scaled = exact_encoder(columns=columns, n_bins=4).fit(X * unit).transform(new * unit)
        np.testing.assert_allclose(scaled, codes, rtol=1e-6, atol=1e-9)


def test_units_close_to_the_limits_of_floats_do_not_matter():
    X = mixed_table()
    codes = exact_encoder().fit_transform(X)
    for unit in (2.0**-900, 2.0**900):
        np.testing.assert_array_equal(exact_encoder().fit_transform(X * unit), codes)


@every_columns
@given(X=tables, seed=st.integers(0, 100))
def test_groups_of_codes_are_permuted_with_the_columns(columns, X, seed):
    order = np.random.default_rng(seed).permutation(X.shape[1])
    encoder = PiecewiseLinearEncoder(columns=columns, n_bins=4).fit(X)
    permuted = PiecewiseLinearEncoder(columns=columns, n_bins=4).fit(X[:, order])
    groups = list(encoder.feature_groups_.values())
    expected = encoder.transform(X)[:, np.concatenate([groups[j] for j in order])]
    np.testing.assert_array_equal(permuted.transform(X[:, order]), expected)


@every_columns
def test_codes_do_not_depend_on_the_order_of_the_training_rows(columns):
    X = mixed_table(999)
    codes = PiecewiseLinearEncoder(columns=columns).fit(X).transform(X)
    reverse = PiecewiseLinearEncoder(columns=columns).fit(X[::-1]).transform(X)
    np.testing.assert_array_equal(reverse, codes)


# ----------------------------------------------------------------------------------------- decoding


@every_columns
@given(X=tables, shift=st.floats(-100, 100, width=16))
def test_values_inside_and_outside_the_range_are_restored(columns, X, shift):
    encoder = exact_encoder(columns=columns, n_bins=4).fit(X)
    for rows in (X, X + shift):
        tolerance = 1e-12 * max(1, np.abs(rows).max())
        back = encoder.inverse_transform(encoder.transform(rows))
        np.testing.assert_allclose(back, rows, rtol=0, atol=tolerance)


def test_codes_of_a_generator_are_clipped_and_decoded():
    encoder = PiecewiseLinearEncoder().fit([[0], [1], [4]] * 2)
    codes = [[0.5, 0], [0, 0.5], [2, 0.5], [-1, -1], [-1, 0.5], [2, 2]]
    assert encoder.inverse_transform(codes).ravel().tolist() == [0.5, 1.5, 2.5, -1, 0.5, 7]


def test_columns_with_codes_are_decoded_from_them_if_there_are_both():
    X = mixed_table()
    encoder = exact_encoder(columns="both").fit(X)
    Z = encoder.transform(X)
    Z[:, [encoder.feature_groups_[name][-1] for name in ("x0", "x1")]] += 100
    np.testing.assert_allclose(encoder.inverse_transform(Z), X, rtol=1e-12)


def test_float32_preserves_seven_digits_of_the_spread():
    X = mixed_table()
    for columns in COLUMNS:
        encoder = PiecewiseLinearEncoder(columns=columns).fit(X)
        codes = encoder.transform(X)
        assert codes.dtype == np.float32
        back = encoder.inverse_transform(codes)
        assert back.dtype == np.float64
        np.testing.assert_allclose(back, X, rtol=0, atol=1e-6 * np.ptp(X, axis=0).max())


# -------------------------------------------------------------------------------------------- width


def wide_table(n_columns, n_rows=200):
    """Columns with 10 values and columns with many values, in turn."""
    rng = np.random.default_rng(0)
    X = rng.permuted(np.arange(n_rows)[:, None] % np.full(n_columns, 10.0), axis=0)
    X[:, 1::2] += rng.normal(size=(n_rows, n_columns // 2))
    return X


@pytest.mark.parametrize(
    ("columns", "max_width", "n_bins", "width"),
    [
        ("auto", None, 16, 10 * 9 + 10),
        ("auto", 100, 16, 10 * 9 + 10),
        ("auto", 99, 8, 10 * 8 + 10),
        ("auto", 5, 1, 10 + 10),
        ("all", None, 16, 10 * 9 + 10 * 16),
        ("all", 249, 15, 10 * 9 + 10 * 15),
        ("all", 150, 7, 20 * 7),
        ("both", None, 16, 10 * 9 + 20),
        ("both", 105, 8, 10 * 8 + 20),
        ("both", 5, 1, 10 + 20),
    ],
)
def test_the_width_of_the_output_is_limited(columns, max_width, n_bins, width):
    X = wide_table(20)
    encoder = exact_encoder(columns=columns, max_width=max_width).fit(X)
    assert encoder.n_bins_ == n_bins
    codes = encoder.transform(X)
    assert codes.shape[1] == width
    np.testing.assert_allclose(encoder.inverse_transform(codes), X, atol=1e-12)


def test_fewer_edges_are_spread_over_the_values():
    X = np.repeat(np.arange(10.0), [900, 1, 1, 1, 1, 1, 1, 1, 1, 1])[:, None]
    encoder = PiecewiseLinearEncoder(max_width=3).fit(X)
    assert encoder.bin_edges_["x0"].tolist() == [0, 3, 6, 9]


@every_columns
def test_tables_with_many_columns_are_encoded(columns):
    X = wide_table(15_000, n_rows=20)
    encoder = exact_encoder(columns=columns).fit(X)
    assert encoder.n_bins_ == 1
    back = encoder.inverse_transform(encoder.transform(X))
    np.testing.assert_allclose(back, X, atol=1e-12)


# ------------------------------------------------------------------------------------ names, frames


def test_groups_partition_the_output_columns():
    X = pd.DataFrame(mixed_table(), columns=["member", "rooms", "height", "income", "version"])
    encoder = PiecewiseLinearEncoder().fit(X)
    assert encoder.get_feature_names_out().tolist() == [
        *("member_piece0", "rooms_piece0", "rooms_piece1", "rooms_piece2"),
        *("height", "income", "version"),
    ]
    assert {name: group.tolist() for name, group in encoder.feature_groups_.items()} == {
        "member": [0],
        "rooms": [1, 2, 3],
        "height": [4],
        "income": [5],
        "version": [6],
    }


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_input_and_output_can_be_frames(library):
    X = pd.DataFrame(mixed_table(), columns=list("abcde"))
    expected = PiecewiseLinearEncoder().fit_transform(X.to_numpy())
    frame = X if library == "pandas" else pl.DataFrame(X.to_dict("list"))
    encoder = PiecewiseLinearEncoder().set_output(transform=library).fit(frame)
    Z = encoder.transform(frame)
    assert list(Z.columns) == encoder.get_feature_names_out().tolist()
    np.testing.assert_array_equal(Z.to_numpy(), expected)
    np.testing.assert_allclose(encoder.inverse_transform(Z), X, rtol=1e-5)


# ------------------------------------------------------------------------------------------- errors


def polars_frame(rows):
    return pl.DataFrame(rows, orient="row")


@pytest.mark.parametrize("library", [np.array, pd.DataFrame, polars_frame])
def test_missing_values_are_rejected_with_a_remedy(library):
    encoder = PiecewiseLinearEncoder().fit(library([[1.0], [2.0]]))
    message = r"contains NaN.*SimpleImputer.*TabularEncoder\(numeric=\"piecewise\"\)"
    with pytest.raises(ValueError, match=message):
        encoder.transform(library([[1.0], [np.nan]]))
    with pytest.raises(ValueError, match=message):
        PiecewiseLinearEncoder().fit(library([[1.0], [np.nan]]))


def test_infinite_values_are_rejected():
    with pytest.raises(ValueError, match="infinity"):
        PiecewiseLinearEncoder().fit([[1.0], [np.inf]])


def test_values_that_overflow_are_rejected_by_name():
    X = pd.DataFrame({"a": [0, 1], "b": [0, 1]})
    encoder = PiecewiseLinearEncoder().fit(X)
    with pytest.raises(ValueError, match=r"\['b'\] contain values that are too far .* float32"):
        encoder.transform(X.assign(b=1e300))
    encoder = exact_encoder().fit(X * 1e-100)
    with pytest.raises(ValueError, match=r"\['b'\] contain values that are too far .* float64"):
        encoder.transform(X.assign(b=1e300))


def test_codes_to_decode_must_have_the_output_columns():
    encoder = PiecewiseLinearEncoder().fit(mixed_table())
    with pytest.raises(ValueError, match="X has 3 columns, but PiecewiseLinearEncoder .* to 7"):
        encoder.inverse_transform(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="NaN"):
        encoder.inverse_transform(np.full((2, 7), np.nan))


@pytest.mark.parametrize("params", [{"n_bins": 0}, {"columns": "some"}, {"max_width": 0}])
def test_parameters_are_validated(params):
    with pytest.raises(ValueError, match=f"'{next(iter(params))}' parameter"):
        PiecewiseLinearEncoder(**params).fit(mixed_table())


def test_methods_raise_an_error_before_fit():
    for method in ("transform", "inverse_transform", "get_feature_names_out"):
        with pytest.raises(NotFittedError):
            getattr(PiecewiseLinearEncoder(), method)(mixed_table())


def test_a_small_table_of_continuous_columns_is_standardized():
    X = np.random.default_rng(0).normal(size=(12, 2))
    encoder = PiecewiseLinearEncoder().fit(X)
    assert encoder.bin_edges_ == {}
    np.testing.assert_allclose(encoder.transform(X), StandardScaler().fit_transform(X), rtol=1e-5)
