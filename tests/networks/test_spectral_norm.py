"""Spectral normalization of layers."""

import numpy as np
import pytest
import torch
from image_common import convnet
from networks_common import layers
from torch import nn

from skgad.networks import Discriminator, SpectralNorm, spectrally_normalized

pytestmark = pytest.mark.usefixtures("seeded")


def test_each_layer_of_a_normalized_network_has_norm_one():
    plain = nn.Sequential(nn.Linear(9, 7), nn.Sequential(nn.ReLU(), nn.Linear(7, 5)))
    weights = [layer.weight.detach().numpy().copy() for layer in layers(plain)]
    network = spectrally_normalized(plain)
    for _ in range(200):  # each training pass makes one step of the power iteration
        network(torch.zeros(1, 9))
    parts = layers(network.eval(), SpectralNorm)
    assert len(parts) == 2
    for part, weight in zip(parts, weights, strict=True):
        eye = torch.eye(weight.shape[1])
        matrix = (part(eye) - part(0 * eye)).detach().numpy().T  # the matrix of the layer
        np.testing.assert_allclose(matrix, weight / np.linalg.svd(weight)[1][0], atol=1e-4)


def test_each_layer_of_normalized_convolutional_networks_has_norm_one():
    networks = convnet()
    for plain in (networks.encoder(36, 3), networks.discriminator(36, 36)):
        network, x = spectrally_normalized(plain), torch.randn(2, 36)
        for _ in range(300):
            network(x) if not isinstance(network, Discriminator) else network(x, x)
        parts = [m for m in network.modules() if isinstance(m, SpectralNorm)]
        assert sum(isinstance(part.layer, nn.Conv2d) for part in parts) == 2
        for part in parts:
            norm = np.linalg.svd(part.weight.detach().flatten(1))[1][0]
            np.testing.assert_allclose(norm, 1, rtol=1e-3)


def test_a_layer_is_normalized_from_the_start():
    part = SpectralNorm(nn.Linear(9, 7)).eval()
    assert np.linalg.svd(part.weight.detach())[1][0] == pytest.approx(1, rel=0.02)


def test_the_norm_is_part_of_the_gradient():
    """The output does not depend on the norm of the weight, so their product is zero."""
    part = SpectralNorm(nn.Linear(4, 3)).eval()
    part(torch.randn(20, 4)).square().sum().backward()
    weight, gradient = part.layer.weight, part.layer.weight.grad
    assert gradient.norm() > 0.1
    assert abs((weight * gradient).sum()) < 1e-4 * weight.norm() * gradient.norm()
