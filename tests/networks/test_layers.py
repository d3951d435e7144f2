"""Layers, activations and initial weights."""

import numpy as np
import pytest
import torch
from common import table, tiny
from networks_common import layers
from scipy.special import ndtr
from torch import nn

from skgad import MLP, ConvNet
from skgad.networks import hidden_layers, linear, mlp

pytestmark = pytest.mark.usefixtures("seeded")


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        ("relu", lambda x: np.maximum(x, 0)),
        ("leaky_relu", lambda x: np.where(x > 0, x, 0.2 * x)),
        ("tanh", np.tanh),
        ("silu", lambda x: x / (1 + np.exp(-x))),
        ("gelu", lambda x: x * ndtr(x)),
        ("elu", lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0)))),
    ],
)
def test_activations_are_computed_as_their_names_say(activation, expected):
    layer = hidden_layers((3, 4), activation)
    x = torch.linspace(-3, 3, 30).reshape(10, 3)
    affine = x.numpy() @ layer[0].weight.detach().numpy().T
    np.testing.assert_allclose(layer(x).detach(), expected(affine), rtol=1e-4, atol=1e-6)


def test_an_unknown_activation_raises_an_error_with_the_known_ones(device):
    with pytest.raises(ValueError, match="Unknown activation='swish'.*leaky_relu.*tanh"):
        tiny("ALAD", device=device, networks=MLP((8,), activation="swish")).fit(table())


def test_the_output_layer_is_affine_and_hidden_layers_are_not():
    network = mlp((5, 16, 8, 2))
    assert len(layers(network, nn.LeakyReLU)) == 2
    assert isinstance(list(network.modules())[-1], nn.Linear)
    assert isinstance(list(hidden_layers((5, 16, 8)).modules())[-1], nn.LeakyReLU)


def test_an_mlp_drops_only_hidden_units():
    network = mlp((5, 16, 8, 2), dropout=0.5)
    assert [layer.p for layer in layers(network, nn.Dropout)] == [0.5, 0.5]
    assert isinstance(list(network.modules())[-1], nn.Linear)


@pytest.mark.parametrize(
    ("make_layer", "limit", "std_rtol"),
    [
        (lambda: linear(100, 200), np.sqrt(6 / 300), 0.02),
        (lambda: layers(MLP((200,)).encoder(100, 7))[0], np.sqrt(6 / 300), 0.02),
        (
            lambda: ConvNet(channels=(300,)).encoder(784, 3)[0][0],
            np.sqrt(6 / (16 + 300 * 16)),
            0.05,
        ),
    ],
    ids=["linear", "MLP", "ConvNet"],
)
def test_initial_weights_are_glorot_uniform_and_biases_are_zero(make_layer, limit, std_rtol):
    layer = make_layer()
    weight = layer.weight.detach().numpy()
    assert 0.99 * limit < abs(weight).max() <= limit
    np.testing.assert_allclose(weight.std(), limit / np.sqrt(3), rtol=std_rtol)
    assert (layer.bias == 0).all()
