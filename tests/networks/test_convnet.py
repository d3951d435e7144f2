"""Convolutional networks."""

import pytest
import torch
from common import assert_same_bits
from hypothesis import assume, given
from hypothesis import strategies as st
from image_common import convnet, image_detector, n_parameters, pixels
from sklearn.base import clone
from torch import nn

from skgad import ConvNet
from skgad.engine.scores import BLOCK_IMAGES
from skgad.networks import Discriminator, OnImages

pytestmark = pytest.mark.usefixtures("seeded")


@given(
    height=st.integers(1, 33),
    width=st.integers(1, 33),
    n_channels=st.integers(1, 3),
    channels=st.lists(st.integers(1, 4), max_size=4),
    kernel_size=st.integers(1, 6),
    batch_norm=st.booleans(),
)
def test_decoders_restore_images_of_any_size(
    height, width, n_channels, channels, kernel_size, batch_norm
):
    shape = (n_channels, height, width)
    networks = ConvNet(shape, tuple(channels), kernel_size, batch_norm=batch_norm)
    n_pixels = height * width * n_channels
    assume(n_pixels != 5)
    try:
        encoder = networks.encoder(n_pixels, 5)
    except ValueError as error:
        assert "convolutions" in str(error) or "kernel_size must be" in str(error)
        assume(False)
    decoder, x = networks.decoder(5, n_pixels), torch.randn(3, n_pixels)
    z = encoder(x)
    assert z.shape == (3, 5)
    assert decoder(z).shape == x.shape
    for inputs in ((x,), (x, x), (x, z), (z,), (z, z)):
        discriminator = networks.discriminator(*(part.shape[1] for part in inputs))
        assert isinstance(discriminator, Discriminator)
        assert discriminator(*inputs).shape == (3,)
        assert discriminator.features(*inputs).shape == (3, 128)


def test_rows_hold_images_channel_by_channel():
    image = torch.randn(2, 3, 5, 4)
    convolution = nn.Conv2d(3, 2, 3)
    expected = convolution(image).reshape(2, -1)
    assert_same_bits(
        OnImages((3, 5, 4), convolution)(image.reshape(2, -1)).detach().numpy(),
        expected.detach().numpy(),
    )


def test_an_encoder_has_convolutions_of_stride_two_and_an_affine_layer():
    encoder = convnet(kernel_size=4, activation="tanh").encoder(36, 2)
    (one, _, two, _), last = encoder[0], encoder[1]
    x = torch.randn(7, 1, 6, 6)
    maps = torch.tanh(nn.functional.conv2d(x, one.weight, one.bias, 2, 1))
    maps = torch.tanh(nn.functional.conv2d(maps, two.weight, two.bias, 2, 1))
    expected = maps.reshape(7, -1) @ last.weight.T + last.bias
    torch.testing.assert_close(encoder(x.reshape(7, 36)), expected)


def test_the_decoder_has_the_layers_of_the_encoder_in_reverse():
    networks = convnet(image_shape=(2, 7, 9), channels=(3, 4), kernel_size=4)
    encoder, decoder = networks.encoder(126, 5), networks.decoder(5, 126)
    kernels = [layer.weight.shape for layer in encoder[0] if isinstance(layer, nn.Conv2d)]
    mirrored = [layer for layer in decoder[1] if isinstance(layer, nn.ConvTranspose2d)]
    assert [layer.weight.shape for layer in mirrored] == kernels[::-1]
    assert encoder[1].weight.shape == decoder[0].weight.shape[::-1]
    assert n_parameters(networks.encoder(126, 5)) == (
        (2 * 16 + 1) * 3 + (3 * 16 + 1) * 4 + (4 * 1 * 2 + 1) * 5
    )


def test_the_output_activation_bounds_the_output():
    z = 100 * torch.randn(50, 3)
    low, high = convnet(output_activation="sigmoid").decoder(3, 36)(z).aminmax()
    assert 0 <= low < 0.1 < 0.9 < high <= 1
    low, high = convnet(output_activation="tanh").decoder(3, 36)(z).aminmax()
    assert -1 <= low < -0.9 < 0.9 < high <= 1
    assert convnet().decoder(3, 36)(z).abs().max() > 1


def test_only_encoder_and_decoder_have_batch_normalization():
    def norms(network):
        return [m.num_features for m in network.modules() if isinstance(m, nn.BatchNorm2d)]

    networks = convnet(batch_norm=True)
    assert norms(networks.encoder(36, 2)) == [3, 4]
    assert norms(networks.decoder(2, 36)) == [4, 3]
    assert norms(networks.discriminator(36, 36)) == []
    assert norms(convnet().encoder(36, 2)) == []


def test_only_discriminators_drop_units():
    def rates(network):
        return [m.p for m in network.modules() if isinstance(m, nn.Dropout)]

    networks = convnet(dropout=0.3)
    assert rates(networks.encoder(36, 2)) == rates(networks.decoder(2, 36)) == []
    assert rates(networks.discriminator(36)) == 3 * [0.3]


def test_discriminators_have_half_the_channels_by_default():
    def channels(networks):
        network = networks.discriminator(36, 36)
        return [m.weight.shape[:2] for m in network.modules() if isinstance(m, nn.Conv2d)]

    assert channels(convnet(channels=(3, 8))) == [(2, 2), (4, 2)]  # a pair has two channels
    assert channels(convnet(discriminator_channels=(7,))) == [(7, 2)]


def test_a_pair_of_images_is_one_image_with_the_channels_of_both():
    discriminator = convnet(image_shape=(2, 6, 6)).discriminator(72, 72)
    one, other = torch.randn(3, 2, 6, 6), torch.randn(3, 2, 6, 6)
    features = discriminator.features(one.flatten(1), other.flatten(1))
    first = discriminator.body[0][0]
    stacked = torch.cat([one, other], dim=1)
    assert first.weight.shape[1] == 4
    expected = discriminator.body(stacked.flatten(1))
    assert_same_bits(features.detach().numpy(), expected.detach().numpy())


def test_an_image_and_a_code_are_combined_after_the_convolutions():
    discriminator = convnet().discriminator(36, 3)
    of_image, of_code = discriminator.branches
    assert [type(m) for m in of_code] == [nn.Linear, nn.LeakyReLU]
    assert any(isinstance(m, nn.Conv2d) for m in of_image.modules())
    x, z = torch.randn(4, 36), torch.randn(4, 3)
    expected = discriminator.body(torch.cat([of_image(x), of_code(z)], dim=1))
    torch.testing.assert_close(discriminator.features(x, z), expected)


def test_a_discriminator_of_codes_has_no_convolutions():
    for widths in ((3,), (3, 3), (7, 2)):
        discriminator = convnet().discriminator(*widths)
        assert not any(isinstance(m, nn.Conv2d) for m in discriminator.modules())
        assert discriminator.body[0].in_features == sum(widths)


def test_convolutional_networks_work_on_the_last_dimension():
    networks, x = convnet(), torch.randn(2, 4, 36)
    z = networks.encoder(36, 3)(x)
    assert z.shape == (2, 4, 3)
    assert networks.decoder(3, 36)(z).shape == x.shape
    assert networks.discriminator(36, 3)(x, z).shape == (2, 4)
    encoder = networks.encoder(36, 3)
    torch.testing.assert_close(encoder(x)[1], encoder(x[1]))


def test_an_empty_batch_gives_an_empty_batch():
    networks, x = convnet(), torch.zeros(0, 36)
    assert networks.encoder(36, 3)(x).shape == (0, 3)
    assert networks.decoder(3, 36)(x[:, :3]).shape == (0, 36)
    assert networks.discriminator(36, 36)(x, x).shape == (0,)


def test_judging_two_pairs_together_equals_judging_each_alone():
    discriminator = convnet().discriminator(36, 36)
    real, fake = (torch.randn(8, 36), torch.randn(8, 36)), (torch.randn(8, 36),) * 2
    together = discriminator.judge(real, fake)
    torch.testing.assert_close(together, (discriminator(*real), discriminator(*fake)))


def test_a_convnet_is_an_estimator():
    networks = convnet(kernel_size=3, batch_norm=True)
    assert repr(clone(networks)) == repr(networks)
    assert networks.set_params(channels=(9,)).channels == (9,)
    assert set(networks.get_params()) == {
        "image_shape",
        "channels",
        "kernel_size",
        "discriminator_channels",
        "discriminator_layer_sizes",
        "activation",
        "output_activation",
        "dropout",
        "batch_norm",
    }


@pytest.mark.parametrize("kernel_size", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("n_channels", [1, 2, 3, 8, 17, 32])
def test_the_output_for_an_image_does_not_depend_on_its_position(n_channels, kernel_size, device):
    """Scores of images rely on this. If it fails, extend BatchInvariantLinear."""
    for size in (2, 5, 8, 14):
        for n_inputs in (1, 3, 16):
            layer = nn.Conv2d(n_inputs, n_channels, kernel_size, 2, (kernel_size - 1) // 2)
            mirrored = nn.ConvTranspose2d(n_inputs, n_channels, kernel_size, 2)
            x = torch.randn(BLOCK_IMAGES, n_inputs, size, size, device=device)
            order = torch.randperm(BLOCK_IMAGES, device=device)
            if size < kernel_size:
                continue
            with torch.inference_mode():
                for function in (layer.to(device), mirrored.to(device)):
                    assert torch.equal(function(x[order]), function(x)[order])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"image_shape": (6, 6)}, r"must be three positive integers.*got \(6, 6\)"),
        ({"image_shape": (1, 0, 6)}, "must be three positive integers"),
        ({"image_shape": (1, 6.0, 6)}, "must be three positive integers"),
        ({"kernel_size": 7}, r"kernel_size must be.*at most 6 for image_shape=\(1, 6, 6\), got 7"),
        ({"kernel_size": 0}, "kernel_size must be a positive integer.*got 0"),
        ({"kernel_size": 2.0}, "kernel_size must be a positive integer.*got 2.0"),
        (
            {"channels": (2, 2, 2)},
            r"After 2 of 3 convolutions, images of image_shape=\(1, 6, 6\) have a size of 1 x 1.*"
            r"too small for kernel_size=4. Use fewer than the 3 convolutions of channels=\(2",
        ),
        ({"discriminator_channels": (2, 2, 2)}, "After 2 of 3 convolutions"),
        (
            {"discriminator_layer_sizes": ()},
            "discriminator_layer_sizes is empty, but a discriminator needs at least one hidden",
        ),
        ({"activation": "swish"}, "Unknown activation='swish'. Choose one of .*leaky_relu"),
        (
            {"output_activation": "relu"},
            "Unknown output_activation='relu'. Choose one of None, sigmoid, tanh",
        ),
    ],
)
def test_networks_that_cannot_be_built_raise_an_error(params, message, device):
    with pytest.raises(ValueError, match=message):
        image_detector("ALAD", device, convnet(**params)).fit(pixels())
