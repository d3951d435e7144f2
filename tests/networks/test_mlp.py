"""Multi-layer perceptrons."""

import pytest
import torch
from common import table, tiny
from networks_common import layers, widths
from sklearn.base import clone
from torch import nn

from skgad import MLP

pytestmark = pytest.mark.usefixtures("seeded")


def test_the_decoder_has_the_hidden_layers_of_the_encoder_in_reverse():
    networks = MLP(hidden_layer_sizes=(16, 8))
    assert widths(networks.encoder(5, 2)) == [(5, 16), (16, 8), (8, 2)]
    assert widths(networks.decoder(2, 5)) == [(2, 8), (8, 16), (16, 5)]


def test_discriminators_have_half_the_widths_of_the_encoder_by_default():
    assert widths(MLP((16, 7)).discriminator(5, 2)) == [(7, 8), (8, 4), (4, 1)]
    networks = MLP((16, 8), discriminator_layer_sizes=(4,))
    assert widths(networks.discriminator(5, 5)) == [(10, 4), (4, 1)]
    assert widths(networks.encoder(5, 2)) == [(5, 16), (16, 8), (8, 2)]


def test_outputs_are_affine_and_hidden_layers_are_not():
    network = MLP((16, 8)).encoder(5, 2)
    assert len(layers(network, nn.LeakyReLU)) == 2
    assert isinstance(list(network.modules())[-1], nn.Linear)


def test_without_hidden_layers_an_encoder_is_affine():
    networks = MLP(hidden_layer_sizes=(), discriminator_layer_sizes=(4,))
    assert widths(networks.encoder(5, 2)) == [(5, 2)]
    assert widths(networks.decoder(2, 5)) == [(2, 5)]


def test_all_networks_have_the_same_activation():
    networks = MLP((16, 8), activation="tanh")
    for network in (networks.encoder(5, 2), networks.decoder(2, 5), networks.discriminator(5, 2)):
        assert len(layers(network, nn.Tanh)) == 2
        assert not layers(network, nn.LeakyReLU)


def test_only_discriminators_drop_units_and_only_in_training():
    networks = MLP((16, 8), dropout=0.5)
    assert not layers(networks.encoder(5, 2), nn.Dropout)
    assert not layers(networks.decoder(2, 5), nn.Dropout)
    discriminator = networks.discriminator(5, 2)
    assert [layer.p for layer in layers(discriminator, nn.Dropout)] == [0.5, 0.5]
    assert not layers(MLP((16, 8)).discriminator(5, 2), nn.Dropout)
    x, z = torch.ones(50, 5), torch.ones(50, 2)
    with torch.no_grad():
        dropped, kept = discriminator(x, z), discriminator.eval()(x, z)
    assert dropped.max() - dropped.min() > 1e-2
    assert kept.max() - kept.min() < 1e-5


def test_an_mlp_is_an_estimator():
    networks = MLP((4,), (3,), "tanh", 0.2)
    assert networks.get_params() == {
        "hidden_layer_sizes": (4,),
        "discriminator_layer_sizes": (3,),
        "activation": "tanh",
        "dropout": 0.2,
    }
    assert repr(clone(networks)) == repr(networks)


def test_a_discriminator_without_hidden_layers_raises_an_error():
    for networks in (MLP(()), MLP((8,), discriminator_layer_sizes=())):
        with pytest.raises(ValueError, match="a discriminator needs at least one hidden layer"):
            networks.discriminator(3, 3)


@pytest.mark.parametrize("sizes", [100, (8.0,), (-1,), (0,), "16", None])
def test_invalid_widths_raise_an_error(sizes, device):
    message = "hidden_layer_sizes must be a tuple of positive integers"
    with pytest.raises(ValueError, match=message):
        tiny("ALAD", device=device, networks=MLP(hidden_layer_sizes=sizes)).fit(table())
