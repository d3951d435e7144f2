"""ColumnEncoding: the codes of PiecewiseLinearEncoder as a torch module."""

import copy

import numpy as np
import pytest
import torch

from skgad._encoding import fit_encoding
from skgad.engine.encoding import ColumnEncoding

every_columns = pytest.mark.parametrize("columns", ["auto", "all", "both"])


def mixed_table(n_rows=100):
    """Columns with 2, 5 and many values, a skewed column and a constant; float32."""
    rng = np.random.default_rng(0)
    X = np.column_stack(
        [
            rng.integers(0, 2, n_rows),
            rng.integers(0, 5, n_rows) ** 2,
            rng.normal(5, 9, n_rows),
            rng.exponential(size=n_rows),
            np.full(n_rows, 7),
        ]
    )
    return X.astype(np.float32)


def fitted(columns, device="cpu", **params):
    """Both versions of the codes of the table."""
    encoding = fit_encoding(mixed_table().astype(np.float64), columns=columns, **params)
    return encoding, ColumnEncoding(encoding).to(device)


@every_columns
def test_codes_and_decoded_rows_are_those_of_numpy(columns, device):
    encoding, module = fitted(columns, device)
    for X in (mixed_table(), mixed_table() + 30, -mixed_table()):
        expected = encoding.encode(X.astype(np.float64))
        codes = module(torch.tensor(X, device=device))
        assert codes.shape == (100, module.n_codes)
        assert codes.dtype == torch.float32
        np.testing.assert_allclose(codes.cpu(), expected, rtol=1e-5, atol=1e-5)
        back = module.decode(codes)
        assert back.shape == (100, module.n_features)
        np.testing.assert_allclose(back.cpu(), X, rtol=1e-5, atol=1e-5)


@every_columns
def test_any_codes_are_decoded_as_numpy_does(columns, device):
    encoding, module = fitted(columns, device)
    codes = 2 * np.random.default_rng(0).normal(size=(50, module.n_codes))
    rows = module.decode(torch.tensor(codes, dtype=torch.float32, device=device))
    np.testing.assert_allclose(rows.cpu(), encoding.decode(codes), rtol=1e-5, atol=1e-4)


@every_columns
def test_values_that_were_seen_have_codes_of_exactly_zero_and_one(columns, device):
    _, module = fitted(columns, device)
    codes = module(torch.tensor(mixed_table(), device=device))
    is_piece = torch.tensor([0, 1, 2, 3, 4]) + (columns == "both") * torch.tensor([0, 1, 1, 1, 1])
    assert set(codes[:, is_piece].unique().tolist()) == {0.0, 1.0}


@every_columns
def test_results_for_a_row_do_not_depend_on_the_batch(columns, device):
    _, module = fitted(columns, device)
    X = torch.tensor(mixed_table() + 1, device=device)
    codes = module(X)
    rows = module.decode(codes)
    for batch in ([3], [3, 3, 4], range(7, 90)):
        batch = list(batch)
        assert torch.equal(module(X[batch]), codes[batch])
        assert torch.equal(module.decode(codes[batch]), rows[batch])
    assert torch.equal(module(X[0]), codes[0])
    assert torch.equal(module.decode(codes[0]), rows[0])


def test_leading_dimensions_are_kept(device):
    _, module = fitted("both", device)
    X = torch.tensor(mixed_table(), device=device)
    members = X.expand(3, 2, *X.shape)
    codes = module(members)
    assert codes.shape == (3, 2, 100, module.n_codes)
    assert torch.equal(codes[1, 1], module(X))
    assert torch.equal(module.decode(codes)[2, 0], module.decode(module(X)))


def test_gradients_flow_in_both_directions(device):
    _, module = fitted("all", device, n_bins=4)
    between_edges = mixed_table() + 0.01
    x = torch.tensor(between_edges, device=device, requires_grad=True)
    module.decode(module(x)).sum().backward()
    np.testing.assert_allclose(x.grad.cpu(), 1, rtol=1e-5)


def test_the_codes_are_part_of_the_state_and_are_not_trained():
    _, module = fitted("both")
    assert not list(module.parameters())
    other = copy.deepcopy(module)
    for buffer in other.buffers():
        buffer.zero_()
    other.load_state_dict(module.state_dict())
    X = torch.tensor(mixed_table())
    assert torch.equal(other(X), module(X))
