"""ColumnEncoding with frequency codes."""

import copy

import numpy as np
import pytest
import torch

from skgad._encoding import fit_encoding
from skgad.engine.encoding import MAX_ROWS, ColumnEncoding, encode_table


def mixed_table(n_rows=500):
    """Two columns of numbers that repeat, one of 2 values, and continuous numbers; float32."""
    rng = np.random.default_rng(0)
    X = np.column_stack(
        [
            rng.geometric(0.05, n_rows) / 4,
            rng.integers(0, 2, n_rows),
            rng.normal(5, 9, n_rows),
            np.round(rng.standard_cauchy(n_rows) * 8) / 8,
        ]
    )
    return X.astype(np.float32)


def fitted(X, device="cpu"):
    """Both versions of the codes of a table."""
    encoding = fit_encoding(X.astype(np.float64), frequencies=True)
    return encoding, ColumnEncoding(encoding).to(device)


def frequency_codes(X, new, device="cpu"):
    _, module = fitted(X, device)
    return module(torch.tensor(new, device=device))[:, module.frequency_codes]


def test_codes_are_those_of_numpy(device):
    X = mixed_table()
    encoding, module = fitted(X, device)
    assert [*encoding.frequencies] == [1, 5]
    for new in (X, X + np.float32(0.25), X + np.float32(0.05), -X, 1000 * X):
        expected = encoding.encode(new.astype(np.float64))
        codes = module(torch.tensor(new, device=device))
        np.testing.assert_allclose(codes.cpu(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("unit", [1e-6, 1e6, -1, 1e-30])
def test_the_unit_does_not_matter(unit, device):
    X = mixed_table().astype(np.float64)
    new = np.concatenate([X, X + 0.25, X + 0.05])
    codes = frequency_codes(X.astype(np.float32), new.astype(np.float32), device)
    X, new = (X * unit).astype(np.float32), (new * unit).astype(np.float32)
    np.testing.assert_allclose(frequency_codes(X, new, device).cpu(), codes.cpu(), atol=1e-6)


def test_values_are_found_up_to_the_rounding_to_float32():
    X = np.repeat(np.arange(1, 31, dtype=np.float32) / 7, 3)[:, None]
    codes = frequency_codes(X, X)
    for direction in (-np.inf, np.inf):
        neighbors = np.nextafter(X, np.float32(direction))
        assert torch.equal(frequency_codes(X, neighbors), codes)
    assert (frequency_codes(X, X * np.float32(1 + 1e-6)) > codes).all()


def test_neighboring_float32_numbers_have_their_own_codes():
    counts = np.arange(1, 31)
    X = np.repeat(np.float32(2**24 - 30) + np.arange(30, dtype=np.float32), counts)[:, None]
    assert len(np.unique(X)) == 30
    codes = frequency_codes(X, np.unique(X)[:, None])[:, 0]
    assert (codes.diff() < 0).all()


def test_small_values_are_told_apart_beside_a_very_large_one():
    X = np.repeat(np.append(np.arange(30.0), 1e9), 3).astype(np.float32)[:, None]
    seen, unseen = frequency_codes(X, np.float32([[3], [3.001]]))
    assert unseen > seen


def test_decoding_ignores_frequency_codes(device):
    X = torch.tensor(mixed_table(), device=device)
    _, module = fitted(mixed_table(), device)
    codes = module(X)
    without = ColumnEncoding(fit_encoding(mixed_table().astype(np.float64))).to(device)
    expected = without.decode(without(X))
    codes[:, module.frequency_codes] += 100
    assert torch.equal(module.decode(codes), expected)


def test_codes_of_a_row_do_not_depend_on_the_batch(device):
    _, module = fitted(mixed_table(), device)
    X = torch.tensor(mixed_table() + np.float32(0.25), device=device)
    codes = module(X)
    for batch in ([3], [3, 3, 4], range(7, 400)):
        assert torch.equal(module(X[list(batch)]), codes[list(batch)])
    assert torch.equal(module(X[0]), codes[0])


def test_leading_dimensions_are_kept(device):
    _, module = fitted(mixed_table(), device)
    X = torch.tensor(mixed_table(), device=device)
    members = torch.stack([X, X.flip(0), X + 1]).reshape(3, 10, 50, 4)
    codes = module(members)
    assert codes.shape == (3, 10, 50, module.n_codes)
    assert torch.equal(codes[1].flatten(0, 1), module(X.flip(0)))
    assert torch.equal(codes[2, 3], module(X[150:200] + 1))


def test_the_gradient_of_a_frequency_code_is_zero(device):
    _, module = fitted(mixed_table(), device)
    x = torch.tensor(mixed_table(), device=device, requires_grad=True)
    module(x)[:, module.frequency_codes].sum().backward()
    assert (x.grad == 0).all()
    x.grad = None
    module(x).sum().backward()
    without = ColumnEncoding(fit_encoding(mixed_table().astype(np.float64))).to(device)
    other = x.detach().clone().requires_grad_()
    without(other).sum().backward()
    assert torch.equal(x.grad, other.grad)


def test_the_tables_are_part_of_the_state():
    _, module = fitted(mixed_table())
    assert not list(module.parameters())
    other = copy.deepcopy(module)
    for buffer in other.buffers():
        buffer.zero_()
    other.load_state_dict(module.state_dict())
    X = torch.tensor(mixed_table() + np.float32(0.25))
    assert torch.equal(other(X), module(X))


def test_tables_of_other_columns_take_no_memory():
    rng = np.random.default_rng(0)
    _, module = fitted(rng.normal(size=(1000, 5)).astype(np.float32))
    assert module.frequency_bounds.numel() == module.frequency_table.numel() == 0
    _, module = fitted(mixed_table())
    n_values = max(len(np.unique(mixed_table()[:, j])) for j in (0, 3))
    assert module.frequency_bounds.shape == (2, 2 * n_values)


def test_frequencies_of_large_tables_are_those_of_the_sampled_rows():
    X = np.tile(np.arange(1000, dtype=np.float32), MAX_ROWS // 500 + 1)[:, None]
    encoding, codes = encode_table("piecewise+frequency", X)
    sampled = X[:: -(-len(X) // MAX_ROWS)].astype(np.float64)
    np.testing.assert_array_equal(codes, fit_encoding(sampled, frequencies=True).encode(sampled))
    assert [*encoding.frequencies] == [1]


def test_a_training_row_that_is_left_out_does_not_count_itself():
    values = np.repeat(np.arange(40.0), [1, 1, *[3] * 38])[:, None]
    encoding = ColumnEncoding(fit_encoding(values, frequencies=True))
    x = torch.tensor([[0.0], [2.0], [99.0]])  # seen once, seen three times, never seen
    once, three_times, never = encoding(x)[:, -1].tolist()
    with encoding.leave_one_out():
        left_out = encoding(x)[:, -1].tolist()
    assert three_times < once < never
    assert left_out[0] == left_out[2] == never
    assert three_times < left_out[1] < once
    assert encoding(x)[:, -1].tolist() == [once, three_times, never]
