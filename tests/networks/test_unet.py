"""Encoders and decoders with skip connections."""

import numpy as np
import pytest
import torch
from common import assert_same_bits
from hypothesis import assume, given
from hypothesis import strategies as st
from image_common import convnet
from networks_common import layers, widths
from torch import nn

from skgad import MLP, ConvNet
from skgad.base import build
from skgad.networks._unet import SkipConnection, unet

pytestmark = pytest.mark.usefixtures("seeded")


def test_a_skip_connection_appends_the_output_to_the_input():
    layer, x = nn.Linear(3, 2), torch.randn(5, 4, 3)
    expected = torch.cat([x, layer(x)], dim=2)
    assert_same_bits(SkipConnection(layer)(x).detach().numpy(), expected.detach().numpy())


def test_each_part_of_the_decoder_receives_the_output_of_its_counterpart():
    class Name(nn.Module):
        """Appends its name to the text of its input, which is a tensor of characters."""

        def __init__(self, name):
            super().__init__()
            self.name = name

        def forward(self, x):
            text = "".join(map(chr, x.tolist()))
            return torch.tensor(list(map(ord, f"{self.name}({text})")))

    network = unet([Name("a"), Name("b"), Name("c")], [Name("C"), Name("B"), Name("A")])
    output = network(torch.tensor([ord("x")]))
    assert "".join(map(chr, output.tolist())) == "A(a(x)B(b(a(x))C(c(b(a(x))))))"


def test_parts_of_different_number_raise_an_error():
    with pytest.raises(ValueError, match="shorter|longer"):
        unet([nn.Identity(), nn.Identity()], [nn.Identity()])


def test_layers_of_a_perceptron_have_the_widths_of_encoder_and_decoder():
    network = MLP((16, 7)).unet(5, 2)
    assert widths(network) == [(5, 16), (16, 7), (7, 2), (2, 7), (14, 16), (32, 5)]
    assert len(layers(network, nn.LeakyReLU)) == 4
    assert isinstance(list(network.modules())[-1], nn.Linear)


def test_a_perceptron_without_hidden_layers_has_no_skip_connections():
    network = MLP(()).unet(5, 2)
    assert widths(network) == [(5, 2), (2, 5)]
    assert not layers(network, SkipConnection)


def test_perceptrons_work_on_the_last_dimension():
    network, x = MLP((16, 7)).unet(5, 2), torch.randn(2, 4, 5)
    assert network(x).shape == x.shape
    torch.testing.assert_close(network(x)[1], network(x[1]))


def test_the_activation_is_that_of_the_other_networks():
    assert len(layers(MLP((16, 8), activation="tanh").unet(5, 2), nn.Tanh)) == 4
    assert not layers(MLP((16, 8), dropout=0.5).unet(5, 2), nn.Dropout)


@given(
    height=st.integers(1, 33),
    width=st.integers(1, 33),
    n_channels=st.integers(1, 3),
    channels=st.lists(st.integers(1, 4), max_size=4),
    kernel_size=st.integers(1, 6),
    batch_norm=st.booleans(),
)
def test_images_of_any_size_are_restored(
    height, width, n_channels, channels, kernel_size, batch_norm
):
    shape = (n_channels, height, width)
    networks = ConvNet(shape, tuple(channels), kernel_size, batch_norm=batch_norm)
    n_pixels = height * width * n_channels
    assume(n_pixels != 5)
    try:
        network = networks.unet(n_pixels, 5)
    except ValueError as error:
        assert "convolutions" in str(error) or "kernel_size must be" in str(error)
        assume(False)
    x = torch.randn(3, n_pixels)
    assert network(x).shape == x.shape
    assert len(layers(network, SkipConnection)) == len(channels)


def test_transposed_convolutions_receive_feature_maps_of_the_encoder():
    network = convnet(channels=(3, 4)).unet(36, 2)
    one, two = layers(network, nn.Conv2d)
    up_two, up_one = layers(network, nn.ConvTranspose2d)
    code, decode = layers(network, nn.Linear)
    leaky_relu = nn.LeakyReLU(0.2)
    x = torch.randn(5, 1, 6, 6)
    h_1 = leaky_relu(one(x))
    h_2 = leaky_relu(two(h_1))
    g_2 = decode(code(h_2.flatten(1))).reshape(h_2.shape)
    g_1 = up_two(leaky_relu(torch.cat([h_2, g_2], dim=1)))
    expected = up_one(leaky_relu(torch.cat([h_1, g_1], dim=1)))
    torch.testing.assert_close(network(x.flatten(1)), expected.flatten(1))


def test_the_output_activation_bounds_the_pixels():
    x = 100 * torch.randn(50, 36)
    low, high = convnet(output_activation="sigmoid").unet(36, 3)(x).aminmax()
    assert 0 <= low < 0.1 < 0.9 < high <= 1
    with pytest.raises(ValueError, match="Unknown output_activation='relu'"):
        convnet(output_activation="relu").unet(36, 3)


def test_batch_normalization_is_between_the_convolutions():
    def norms(network):
        return [m.num_features for m in network.modules() if isinstance(m, nn.BatchNorm2d)]

    assert norms(convnet(batch_norm=True).unet(36, 2)) == [3, 4, 8, 6]
    assert norms(convnet().unet(36, 2)) == []


def test_images_work_on_the_last_dimension():
    network, x = convnet().unet(36, 3), torch.randn(2, 4, 36)
    assert network(x).shape == x.shape
    torch.testing.assert_close(network(x)[1], network(x[1]))
    assert network(x[:0]).shape == (0, 4, 36)


def test_invalid_widths_of_images_raise_an_error():
    with pytest.raises(ValueError, match="have 36 pixels, but X has 35 features"):
        convnet().unet(35, 3)
    with pytest.raises(ValueError, match="latent_dim=36 is also the number of pixels"):
        convnet().unet(36, 36)


def test_networks_that_cannot_be_built_are_named():
    class Networks:
        def own(self, *widths):
            return widths

    assert build(Networks(), "own", "unet", 3, 4) == (3, 4)
    with pytest.raises(ValueError, match="networks with a method 'unet', which Networks does not"):
        build(Networks(), "generator", "unet", 3, 4)


def test_a_row_can_reach_the_output_without_passing_the_code():
    network, x = MLP((16, 8)).unet(5, 1), torch.randn(6, 5)
    code = layers(network)[2]
    with torch.no_grad():
        code.weight.zero_()
    assert np.linalg.matrix_rank(network(x).detach().numpy()) == 5
