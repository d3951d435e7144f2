"""The convolutional networks of the papers: WALDO, ALAD and AMA.

Rows are flattened images, channels first. Pixels are in [0, 1] for WALDO and in [-1, 1] for ALAD
and AMA, whose decoders end with a hyperbolic tangent: give ``X / 127.5 - 1`` as float32.
"""

from torch import nn
from torch.nn import functional as F

from skgad.networks import Discriminator, OnImages


class WALDOImageNetworks:
    """Tables 5 and 6 of WALDO, with the weights that torch starts with.

    Parameters
    ----------
    image_shape : tuple of int, default=(1, 28, 28)
        Or (3, 32, 32) for table 5. Height and width are equal, even and at least 16.
    n_channels : int, default=40
        After the first convolution; 32 in table 5.
    """

    def __init__(self, image_shape=(1, 28, 28), n_channels=40):
        self.image_shape = image_shape
        self.n_channels = n_channels

    def encoder(self, n_features, latent_dim):
        h = self.n_channels
        layers = [nn.Conv2d(self.image_shape[0], h, 4, 2, 1, bias=False), nn.ReLU()]
        for n in (h, 2 * h, 4 * h):
            convolution = nn.Conv2d(n, 2 * n, 4, 2, 1, bias=False)
            layers += [convolution, nn.BatchNorm2d(2 * n), nn.ReLU()]
        size = self.image_shape[1] // 16
        return nn.Sequential(
            OnImages(self.image_shape, *layers), nn.Linear(8 * h * size**2, latent_dim)
        )

    def decoder(self, latent_dim, n_features):
        h, size = self.n_channels, self.image_shape[1] // 2 - 7
        layers = []
        for n in (8 * h, 4 * h):
            layers += [nn.ConvTranspose2d(n, n // 2, 4), nn.BatchNorm2d(n // 2), nn.ReLU()]
        layers += [nn.ConvTranspose2d(2 * h, self.image_shape[0], 4, 2), nn.Sigmoid()]
        return nn.Sequential(
            nn.Linear(latent_dim, 8 * h * size**2),
            nn.ReLU(),
            OnImages((8 * h, size, size), *layers),
        )

    def discriminator(self, *n_inputs):
        width = 4 * self.n_channels
        sizes = [sum(n_inputs), *4 * [width]]
        layers = [
            layer
            for n, m in zip(sizes, sizes[1:], strict=False)
            for layer in (nn.Linear(n, m), nn.ReLU())
        ]
        return Discriminator(nn.Sequential(*layers), width)


class ALADImageNetworks:
    """Table IX of ALAD, for CIFAR-10 and SVHN with 100 codes.

    Where the table and the authors' code differ, this is the code: leaky ReLU after all
    convolutions of D_xz, 1 x 1 convolutions of the code (affine layers), and no batch-norm on the
    pixels. ``ALAD(spectral_norm=True)`` normalises encoder and discriminators. The code puts the
    images of a pair one below the other, the table does not say how; here channels are stacked.
    """

    image_shape = (3, 32, 32)

    def encoder(self, n_features, latent_dim):
        layers = self._halve(3, 128) + self._halve(128, 256) + self._halve(256, 512)
        return small(OnImages(self.image_shape, *layers, nn.Conv2d(512, latent_dim, 4)))

    def decoder(self, latent_dim, n_features):
        layers = [nn.ConvTranspose2d(latent_dim, 512, 4), *batch_norm(512), nn.ReLU()]
        for n in (512, 256):
            layers += [nn.ConvTranspose2d(n, n // 2, 4, 2, 1), *batch_norm(n // 2), nn.ReLU()]
        layers += [nn.ConvTranspose2d(128, 3, 4, 2, 1), nn.Tanh()]
        return small(OnImages((latent_dim, 1, 1), *layers))

    def d_xz(self, n_features, latent_dim):
        layers = [nn.Conv2d(3, 128, 4, 2, 1), nn.LeakyReLU(0.2)]
        layers += self._halve(128, 256) + self._halve(256, 512)
        codes = [*hidden(latent_dim, 512), *hidden(512, 512)]
        branches = OnImages(self.image_shape, *layers), nn.Sequential(*codes)
        body = nn.Sequential(*hidden(512 * 4 * 4 + 512, 1024))
        return small(Discriminator(body, 1024, branches))

    def d_xx(self, *n_inputs):
        layers = []
        for n, m in ((3 * len(n_inputs), 64), (64, 128)):
            same = nn.ZeroPad2d((1, 2, 1, 2))  # what TensorFlow pads
            layers += [same, nn.Conv2d(n, m, 5, 2), nn.LeakyReLU(0.2), nn.Dropout(0.2)]
        body = OnImages((3 * len(n_inputs), 32, 32), *layers)
        return small(Discriminator(body, 128 * 8 * 8))

    def d_zz(self, *n_inputs):
        body = nn.Sequential(*hidden(sum(n_inputs), 64), *hidden(64, 32))
        return small(Discriminator(body, 32))

    discriminator = d_zz  # of no network of ALAD, but part of the interface

    def _halve(self, n, m):
        return [nn.Conv2d(n, m, 4, 2, 1), *batch_norm(m), nn.LeakyReLU(0.2)]


def batch_norm(n):
    """The moving averages of TensorFlow's batch norm are slower than torch's."""
    return [nn.BatchNorm2d(n, eps=1e-3, momentum=0.01)]


def hidden(n, m):
    return [nn.Linear(n, m), nn.LeakyReLU(0.2), nn.Dropout(0.2)]


def small(network):
    """The network with weights from N(0, 0.01^2) and no biases."""
    for layer in network.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)
    return network


class AMAImageNetworks:
    """The networks of AMA for 32 x 32 pixels: those of spectral normalisation GANs [1]_.

    They are not in the paper's text but in the authors' code. ``AMA(spectral_norm=True)``
    normalises the critic. Weights are Glorot-uniform, with a gain for the kernels of blocks.

    References
    ----------
    .. [1] T. Miyato, T. Kataoka, M. Koyama and Y. Yoshida. "Spectral Normalization for
       Generative Adversarial Networks". ICLR 2018.
    """

    def __init__(self, image_shape=(3, 32, 32)):
        self.image_shape = image_shape

    def encoder(self, n_features, latent_dim):
        layers = []
        for n, m in ((self.image_shape[0], 64), (64, 128), (128, 256)):
            convolution = nn.Conv2d(n, m, 4, 2, 1, bias=False)
            layers += [convolution, nn.BatchNorm2d(m), nn.LeakyReLU(0.2)]
        last = nn.Conv2d(256, latent_dim, 4, bias=False)
        return OnImages(self.image_shape, *layers, last)

    def decoder(self, latent_dim, n_features):
        layers = [*(Up(256) for _ in range(3)), nn.BatchNorm2d(256), nn.ReLU()]
        layers += [convolution(256, self.image_shape[0], 3, gain=1.0), nn.Tanh()]
        first = nn.Linear(latent_dim, 256 * 4 * 4)
        nn.init.xavier_uniform_(first.weight)
        return nn.Sequential(first, OnImages((256, 4, 4), *layers))

    def discriminator(self, *n_inputs):
        """The critic of a pair; codes alone have no use for it."""
        shape = (len(n_inputs) * self.image_shape[0], *self.image_shape[1:])
        blocks = [Down(shape[0], first=True), Down(128), Block(128), Block(128)]
        critic = Discriminator(OnImages(shape, *blocks, nn.ReLU(), Sum()), 128)
        critic.head = nn.Linear(128, 1, bias=False)
        nn.init.xavier_uniform_(critic.head.weight)
        return critic


def convolution(n_inputs, n_outputs, kernel_size, gain=2**0.5):
    layer = nn.Conv2d(n_inputs, n_outputs, kernel_size, padding=kernel_size // 2)
    nn.init.xavier_uniform_(layer.weight, gain)
    return layer


class Sum(nn.Module):
    """Sum over all pixels."""

    def forward(self, x):
        return x.sum((-2, -1))


class Block(nn.Module):
    """Two convolutions, added to what they get."""

    def __init__(self, n_channels):
        super().__init__()
        self.change = nn.Sequential(
            nn.ReLU(),
            convolution(n_channels, n_channels, 3),
            nn.ReLU(),
            convolution(n_channels, n_channels, 3),
        )

    def forward(self, x):
        return x + self.change(x)


class Down(nn.Module):
    """A block of the critic with 128 channels that halves height and width."""

    def __init__(self, n_inputs, first=False):
        super().__init__()
        self.change = nn.Sequential(
            nn.Identity() if first else nn.ReLU(),  # the first sees pixels
            convolution(n_inputs, 128, 3),
            nn.ReLU(),
            convolution(128, 128, 3),
        )
        self.shortcut = convolution(n_inputs, 128, 1, gain=1.0)

    def forward(self, x):
        return F.avg_pool2d(self.change(x) + self.shortcut(x), 2)


class Up(nn.Module):
    """A block of the decoder that doubles height and width."""

    def __init__(self, n_channels):
        super().__init__()
        double = nn.Upsample(scale_factor=2)
        self.change = nn.Sequential(
            nn.BatchNorm2d(n_channels),
            nn.ReLU(),
            double,
            convolution(n_channels, n_channels, 3),
            nn.BatchNorm2d(n_channels),
            nn.ReLU(),
            convolution(n_channels, n_channels, 3),
        )
        self.shortcut = nn.Sequential(double, convolution(n_channels, n_channels, 1, gain=1.0))

    def forward(self, x):
        return self.change(x) + self.shortcut(x)
