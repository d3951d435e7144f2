"""Stacked networks: every member computes what its own network computes."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from common import assert_same_bits
from torch import nn

from skgad import MLP, ConvNet
from skgad.engine.runtime import isolated_torch_state
from skgad.networks import Discriminator, mlp, spectrally_normalized, stacking
from skgad.networks._stack import Stack

CPU = torch.device("cpu")
N_MEMBERS = 3


class Custom(nn.Module):
    """A network of a user, with a parameter of its own."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.randn(4))
        self.layer = nn.Linear(4, 2)
        self.layer.weight.requires_grad_(False)

    def forward(self, x):
        return self.layer(x * self.scale).tanh()


class Branching(Custom):
    """Its Python code depends on the values of the rows, which vmap does not allow."""

    def forward(self, x):
        return super().forward(x if x.sum() > 0 else -x)


class OwnFeatures(Discriminator):
    """A discriminator whose features are not those of the base class."""

    def features(self, *inputs):
        return super().features(*inputs).square()


class TiedWeights(nn.Sequential):
    def __init__(self):
        layer = nn.Linear(4, 4)
        super().__init__(layer, nn.Tanh(), layer)


def normalized():
    return nn.Sequential(
        nn.Linear(4, 8, bias=False), nn.LayerNorm(8), nn.GELU(), nn.LayerNorm(8, bias=False)
    )


NETWORKS = {
    "linear": (lambda: nn.Linear(4, 3), "batched"),
    "mlp": (lambda: mlp((4, 8, 2), "elu"), "batched"),
    "encoder": (lambda: MLP((8,)).encoder(4, 2), "batched"),
    "layer norm": (normalized, "batched"),
    "spectral norm": (lambda: spectrally_normalized(mlp((4, 8, 2))), "batched"),
    "tied weights": (TiedWeights, "batched"),
    "skip connections": (lambda: MLP((8, 3)).unet(4, 2), "batched"),
    "custom": (Custom, "vmap"),
    "batch norm": (lambda: nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)), "vmap"),
    "without parameters": (lambda: nn.Sequential(nn.Linear(4, 3), nn.Softmax(-1)), "vmap"),
    "branching": (Branching, "one by one"),
    "convolutions": (lambda: ConvNet((1, 2, 2), (3,), 2).encoder(4, 2), "one by one"),
    "convolutions and skip connections": (
        lambda: ConvNet((1, 2, 2), (3,), 2).unet(4, 2),
        "one by one",
    ),
}
every_network = pytest.mark.parametrize("name", NETWORKS)


def networks_and_stack(make):
    torch.manual_seed(0)
    networks = [make() for _ in range(N_MEMBERS)]
    return networks, Stack().module(deepcopy(networks))


def rows(*shape):
    return torch.from_numpy(np.random.RandomState(1).normal(size=shape).astype(np.float32))


@every_network
def test_each_member_computes_what_its_network_computes(name):
    make, way = NETWORKS[name]
    networks, stacked = networks_and_stack(make)
    for x in (rows(N_MEMBERS, 5, 4), rows(5, 4).expand(N_MEMBERS, 5, 4)):
        for mode in (True, False):
            stacked.train(mode)
            output = stacked(x).detach().numpy()
            alone = [network.train(mode)(part) for network, part in zip(networks, x, strict=True)]
            np.testing.assert_allclose(
                output, torch.stack(alone).detach().numpy(), rtol=1e-4, atol=1e-6
            )
    assert stacking(stacked) == way


@every_network
def test_gradients_and_buffers_are_those_of_the_members(name):
    networks, stacked = networks_and_stack(NETWORKS[name][0])
    x = rows(N_MEMBERS, 5, 4)
    stacked(x).square().sum().backward()
    for network, part in zip(networks, x, strict=True):
        network(part).square().sum().backward()
    found = [*stacked.parameters(), *stacked.buffers()]
    expected = list(
        zip(*([*network.parameters(), *network.buffers()] for network in networks), strict=True)
    )
    assert len(found) == len(expected)
    for one, others in zip(found, expected, strict=True):
        other = torch.stack([tensor.detach() for tensor in others])
        np.testing.assert_allclose(one.detach(), other, rtol=1e-4, atol=1e-5)
        assert one.requires_grad == others[0].requires_grad
        if one.grad is not None:
            gradient = torch.stack([tensor.grad for tensor in others])
            np.testing.assert_allclose(one.grad, gradient, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("cls", [Discriminator, OwnFeatures])
def test_discriminators_have_their_methods(cls):
    networks, stacked = networks_and_stack(lambda: cls(mlp((4, 8, 5)), 5))
    x, z, w = rows(N_MEMBERS, 6, 3), rows(N_MEMBERS, 6, 1), -rows(N_MEMBERS, 6, 3)
    parts = list(zip(networks, x, z, w, strict=True))
    results = [
        (stacked(x, z), [d(a, b) for d, a, b, _ in parts]),
        (stacked.features(x, z), [d.features(a, b) for d, a, b, _ in parts]),
        (stacked.judge((x, z), (w, z))[1], [d.judge((a, b), (c, b))[1] for d, a, b, c in parts]),
    ]
    for result, expected in results:
        expected = torch.stack(expected)
        np.testing.assert_allclose(result.detach(), expected.detach(), rtol=1e-4, atol=1e-6)
    assert stacked.batch_dependent is False
    assert stacking(stacked) == ("batched" if cls is Discriminator else "vmap")


@pytest.mark.parametrize("layer", [nn.Dropout(0.4), MLP(dropout=0.4).discriminator(3).body[2]])
@pytest.mark.parametrize("network", ["batched", "one by one"])
def test_dropout_draws_the_masks_of_a_member_alone(layer, network):
    def make():
        parts = (layer, nn.Dropout(0.4)) if network == "batched" else (Branching(), layer)
        return nn.Sequential(nn.Linear(4, 4), *parts)

    networks, stacked = networks_and_stack(make)
    x = rows(N_MEMBERS, 50, 4)
    with isolated_torch_state(CPU, [5, 6, 7]):
        output = stacked.train()(x).detach().numpy()
    for seed, alone, part, found in zip((5, 6, 7), networks, x, output, strict=True):
        with isolated_torch_state(CPU, [seed]):
            expected = alone.train()(part).detach().numpy()
        assert 0.1 < (expected == 0).mean() < 0.9
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert_same_bits(stacked.eval()(x).detach().numpy(), stacked(x).detach().numpy())


def test_dropout_of_all_units_gives_zeros():
    layer = MLP(dropout=1.0).discriminator(3).body[2].train()
    assert torch.equal(layer(torch.ones(4, 4)), torch.zeros(4, 4))


def test_networks_of_different_structure_raise_an_error():
    networks = [nn.Linear(4, 2), nn.Linear(4, 3)]
    with pytest.raises(ValueError, match=r"shapes \[\(2, 4\), \(3, 4\)\].* same structure for all"):
        Stack().module(networks)


def test_errors_of_a_network_are_not_hidden():
    class Failing(Custom):
        def forward(self, x):
            raise RuntimeError("something is wrong")

    _, stacked = networks_and_stack(Failing)
    with pytest.raises(RuntimeError, match="something is wrong"):
        stacked(rows(N_MEMBERS, 5, 4))
