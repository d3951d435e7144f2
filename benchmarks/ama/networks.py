"""Networks of AMA for images of 32 x 32 pixels (the authors' code)."""

from torch import nn
from torch.nn import functional as F

from skgad.networks import Discriminator, OnImages


class AMAImageNetworks:
    """Networks of spectral normalization GANs [1]_, which AMA uses for 32 x 32 pixels.

    The paper does not describe them, but the authors' code has them. ``AMA(spectral_norm=True)``
    normalizes the critic. Weights are Glorot-uniform, with a gain for the kernels of blocks.

    Rows are flattened images with the channels first. The decoder ends with a hyperbolic tangent,
    so pixels must be in [-1, 1]: pass ``X / 127.5 - 1`` as float32.

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
        """Critic of a pair of images."""
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
    """Two convolutions whose output is added to their input."""

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
    """Block of the critic with 128 channels that halves height and width."""

    def __init__(self, n_inputs, first=False):
        super().__init__()
        self.change = nn.Sequential(
            nn.Identity() if first else nn.ReLU(),  # the first block gets pixels
            convolution(n_inputs, 128, 3),
            nn.ReLU(),
            convolution(128, 128, 3),
        )
        self.shortcut = convolution(n_inputs, 128, 1, gain=1.0)

    def forward(self, x):
        return F.avg_pool2d(self.change(x) + self.shortcut(x), 2)


class Up(nn.Module):
    """Block of the decoder that doubles height and width."""

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
