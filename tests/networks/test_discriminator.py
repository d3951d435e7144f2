"""Discriminators of tuples of inputs."""

import numpy as np
import pytest
import torch
from common import assert_same_bits
from networks_common import layers
from torch import nn

from skgad import MLP
from skgad.networks import Discriminator, hidden_layers

pytestmark = pytest.mark.usefixtures("seeded")


def test_the_logit_is_an_affine_map_of_the_features():
    discriminator = MLP((16, 8)).discriminator(5, 2).eval()
    x, z = torch.randn(6, 5), torch.randn(6, 2)
    first, second, head = layers(discriminator)

    def leaky(x):
        return np.where(x > 0, x, 0.2 * x)

    joined = np.concatenate([x.numpy(), z.numpy()], axis=1)
    hidden = leaky(joined @ first.weight.detach().numpy().T)
    features = leaky(hidden @ second.weight.detach().numpy().T)
    np.testing.assert_allclose(
        discriminator.features(x, z).detach(), features, rtol=1e-4, atol=1e-6
    )
    logits = (features @ head.weight.detach().numpy().T)[:, 0]
    assert discriminator(x, z).shape == (6,)
    np.testing.assert_allclose(discriminator(x, z).detach(), logits, rtol=1e-4, atol=1e-6)


def test_branches_come_before_the_joint_layers():
    branches = [nn.Linear(5, 3), nn.Linear(2, 4)]
    discriminator = Discriminator(hidden_layers((7, 6)), 6, branches)
    x, z = torch.randn(8, 5), torch.randn(8, 2)
    plain = Discriminator(discriminator.body, 6)
    expected = plain.features(branches[0](x), branches[1](z))
    assert_same_bits(discriminator.features(x, z).detach().numpy(), expected.detach().numpy())
    assert {id(p) for b in branches for p in b.parameters()} < {
        id(p) for p in discriminator.parameters()
    }
    with pytest.raises(ValueError, match="shorter|longer"):
        discriminator.features(x)


def test_networks_work_on_the_last_dimension():
    networks = MLP((16, 8))
    x, z = torch.randn(3, 4, 5), torch.randn(3, 4, 2)
    assert networks.encoder(5, 2)(x).shape == (3, 4, 2)
    discriminator = networks.discriminator(5, 2)
    assert discriminator(x, z).shape == (3, 4)
    assert discriminator.features(x, z).shape == (3, 4, 4)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_judging_two_tuples_together_equals_judging_each_alone(batch_norm):
    norm = nn.BatchNorm1d(6) if batch_norm else nn.Identity()
    body = nn.Sequential(nn.Linear(7, 6), norm, nn.Tanh())
    discriminator = Discriminator(body, 6)
    real = torch.randn(8, 5) + 3, torch.randn(8, 2)
    fake = torch.randn(8, 5), torch.randn(8, 2) - 3
    expected = [discriminator(*real), discriminator(*fake)]
    for ours, theirs in zip(discriminator.judge(real, fake), expected, strict=True):
        assert ours.shape == (8,)
        np.testing.assert_allclose(ours.detach(), theirs.detach(), rtol=1e-4, atol=1e-6)


def test_batch_normalization_makes_a_discriminator_batch_dependent():
    assert not MLP((8,)).discriminator(3).batch_dependent
    assert Discriminator(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), 4).batch_dependent
    assert Discriminator(nn.Linear(4, 4), 4, [nn.BatchNorm1d(4)]).batch_dependent
