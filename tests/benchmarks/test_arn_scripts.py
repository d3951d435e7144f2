"""The networks of ARN, the leak of its batch norm, and the runs of its tables."""

import numpy as np
import pytest
import torch

from benchmarks.arn import tables
from benchmarks.arn.networks import ARNNetworks
from benchmarks.arn.splits import LabelledSplit

BATCH_NORM = torch.nn.BatchNorm1d


def widths(network):
    return [layer.out_features for layer in network.modules() if isinstance(layer, torch.nn.Linear)]


def test_networks_of_arn_have_the_widths_of_the_paper():
    networks = ARNNetworks()
    encoder, decoder = networks.encoder(121, 32), networks.decoder(16, 121)
    discriminator = networks.discriminator(121)
    assert widths(encoder) == [64, 32, 32, 32]
    assert widths(decoder) == [32, 32, 64, 121]
    assert widths(discriminator.body) == [128, 256, 512, 128, 64, 32, 16]
    assert discriminator(torch.rand(5, 121)).shape == (5,)
    weights = torch.cat(
        [p.flatten() for p in discriminator.parameters() if p.dim() == 2 and len(p) > 1]
    )
    assert weights.std().item() == pytest.approx(0.01, rel=0.05)


@pytest.mark.parametrize("batch_statistics", [False, True])
def test_scores_depend_on_the_batch_only_without_running_statistics(batch_statistics):
    torch.manual_seed(0)
    D = ARNNetworks(batch_statistics).discriminator(3).eval()
    x = torch.rand(10, 3)
    alone, with_others = D(x[:5]), D(x)[:5]
    assert torch.allclose(alone, with_others, rtol=1e-3, atol=0) != batch_statistics


def test_fixed_statistics_are_those_of_the_given_rows():
    torch.manual_seed(0)
    D = ARNNetworks(batch_statistics=True).discriminator(3).eval()
    X = torch.rand(2 * tables.BATCH_SIZE + 1, 3)
    fixed = tables.fix_statistics(D, X)
    assert not any(
        layer.track_running_stats for layer in D.modules() if isinstance(layer, BATCH_NORM)
    )
    assert torch.allclose(fixed(X[:5]), fixed(X)[:5], rtol=1e-3, atol=0)
    first = next(layer for layer in fixed.modules() if isinstance(layer, BATCH_NORM))
    inputs = D.body[0](X)
    torch.testing.assert_close(first.running_mean, inputs.mean(0), rtol=0, atol=1e-3)
    torch.testing.assert_close(first.running_var, inputs.var(0), rtol=0.05, atol=0)


def test_runs_that_tables_share_occur_once():
    args = tables.parse(["--tables", "2", "4", "--datasets", "Bank", "--seeds", "1"])
    keys = tables.selected_keys(args)
    assert len({tuple(key.items()) for key in keys}) == len(keys)
    weak = {key["known"] for key in keys if key["method"] == "WALDO"}
    assert weak == {0.01, 0.03}
    assert all(("epochs" in key) == (key["method"] in tables.PAPER) for key in keys)
    assert not any(key["method"].startswith("count") for key in keys)  # Bank has no such column


def test_scores_of_batches_are_compared_with_the_labels_of_their_rows():
    class Sum(torch.nn.Module):
        def forward(self, x):
            return -x.sum(-1)

    rng = np.random.default_rng(0)
    y = rng.integers(2, size=3000)
    X = (y[:, None] + rng.uniform(0, 0.5, (3000, 2))).astype(np.float32)
    split = LabelledSplit(X, np.ones(3000), X, y)
    assert [row["auroc"] for row in tables.leak(Sum(), split)] == [1, 1, 1]
