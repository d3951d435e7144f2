"""The convolutional networks of the papers."""

import pytest
import torch
from image_common import image_detector, n_parameters, pixels
from torch import nn

from benchmarks.alad.networks import ALADImageNetworks
from benchmarks.ama.networks import AMAImageNetworks
from benchmarks.waldo.networks import WALDOImageNetworks
from skgad import BaseDetector
from skgad.networks import spectrally_normalized

pytestmark = pytest.mark.usefixtures("seeded")


def shapes_of_maps(layers, x):
    """Shapes of the feature maps after each convolution."""
    shapes = []
    for layer in layers:
        x = layer(x)
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            shapes.append(tuple(x.shape[1:]))
    return shapes


def test_waldo_networks_have_the_sizes_of_table_6():
    networks = WALDOImageNetworks()
    encoder, decoder = networks.encoder(784, 32), networks.decoder(32, 784)
    convolutions = 640 + 51_200 + 204_800 + 819_200
    assert n_parameters(encoder) == convolutions + 160 + 320 + 640 + 10_272
    assert n_parameters(decoder) == 517_440 + 819_360 + 320 + 204_880 + 160 + 1_281
    assert n_parameters(networks.discriminator(32)) == 5_280 + 3 * 25_760 + 161
    assert shapes_of_maps(encoder[0], torch.zeros(2, 1, 28, 28)) == [
        (40, 14, 14),
        (80, 7, 7),
        (160, 3, 3),
        (320, 1, 1),
    ]
    maps = shapes_of_maps(decoder[2], torch.zeros(2, 320, 7, 7))
    assert maps == [(160, 10, 10), (80, 13, 13), (1, 28, 28)]


def test_waldo_networks_have_the_sizes_of_table_5():
    networks = WALDOImageNetworks((3, 32, 32), 32)
    encoder, decoder = networks.encoder(3072, 32), networks.decoder(32, 3072)
    convolutions = 1_536 + 32_768 + 131_072 + 524_288
    assert n_parameters(encoder) == convolutions + 128 + 256 + 512 + 32_800
    assert n_parameters(decoder) == 684_288 + 524_416 + 256 + 131_136 + 128 + 3_075
    assert n_parameters(networks.discriminator(32)) == 4_224 + 3 * 16_512 + 129
    maps = shapes_of_maps(decoder[2], torch.zeros(2, 256, 9, 9))
    assert maps == [(128, 12, 12), (64, 15, 15), (3, 32, 32)]


def test_alad_networks_have_the_sizes_of_table_9():
    networks = ALADImageNetworks()
    encoder, decoder = networks.encoder(3072, 100), networks.decoder(100, 3072)
    norms = 2 * 128, 2 * 256, 2 * 512
    assert n_parameters(encoder) == 6_272 + 524_544 + 2_097_664 + sum(norms) + 819_300
    assert n_parameters(decoder) == 819_712 + 2_097_408 + 524_416 + sum(norms) + 6_147
    assert n_parameters(networks.d_xz(3072, 100)) == sum(
        [6_272, 524_544 + norms[1], 2_097_664 + norms[2]],  # of x
        51_712 + 262_656 + 8_913_920 + 1_025,  # of z, joint, logit
    )
    assert n_parameters(networks.d_xx(3072, 3072)) == 9_664 + 204_928 + 8_193
    assert n_parameters(networks.d_zz(100, 100)) == 12_864 + 2_080 + 33
    x = torch.zeros(2, 3, 32, 32)
    assert shapes_of_maps(encoder, x) == [(128, 16, 16), (256, 8, 8), (512, 4, 4), (100, 1, 1)]
    x, z = torch.randn(2, 3072), torch.randn(2, 100)
    assert decoder(encoder(x)).shape == (2, 3072)
    assert networks.d_xz(3072, 100)(x, z).shape == (2,)
    assert networks.d_xx(3072, 3072).features(x, x).shape == (2, 8_192)
    assert 0.009 < encoder[0].weight.std() < 0.011


def test_ama_networks_have_the_sizes_of_the_code_of_the_authors():
    networks = AMAImageNetworks()
    encoder, decoder = networks.encoder(3072, 128), networks.decoder(128, 3072)
    critic = networks.discriminator(3072, 3072)
    assert n_parameters(encoder) == 3_072 + 128 + 131_072 + 256 + 524_288 + 512 + 524_288
    block = 2 * 512 + 2 * 590_080 + 65_792
    assert n_parameters(decoder) == 528_384 + 3 * block + 512 + 6_915
    first, second = 7_040 + 147_584 + 896, 2 * 147_584 + 16_512
    assert n_parameters(critic) == first + second + 2 * 295_168 + 128
    x = torch.randn(2, 3072)
    assert encoder(x).shape == (2, 128)
    assert decoder(encoder(x)).shape == (2, 3072)
    assert critic.features(x, x).shape == (2, 128)
    assert spectrally_normalized(critic)(x, x).shape == (2,)


@pytest.mark.parametrize(
    ("name", "networks", "shape"),
    [
        ("WALDO", WALDOImageNetworks((1, 16, 16), 2), (1, 16, 16)),
        ("ALAD", ALADImageNetworks(), (3, 32, 32)),
    ],
)
def test_networks_of_the_papers_can_be_trained(name, networks, shape, device):
    X = pixels(4, shape)
    detector = image_detector(name, device, networks, max_epochs=1).fit(X)
    assert isinstance(detector, BaseDetector)
    assert detector.reconstruct(X).shape == X.shape
