"""Networks of WALDO for tables (the authors' ``waldo_kdd.py``) and images (tables 5 and 6)."""

from torch import nn

from skgad.networks import Discriminator, OnImages


class KDD99Networks:
    """For 121 columns and 32 codes, with the initial weights of torch.

    Parameters
    ----------
    relu_codes : bool, default=True
        Whether the encoder ends with a ReLU, as in the paper. Most of its codes are then zero and
        cannot match a normal prior.
    """

    def __init__(self, relu_codes=True):
        self.relu_codes = relu_codes

    def encoder(self, n_features, latent_dim):
        layers = [nn.Linear(n_features, 64), nn.LeakyReLU(), nn.Linear(64, latent_dim)]
        return nn.Sequential(*layers, *([nn.ReLU()] if self.relu_codes else []))

    def decoder(self, latent_dim, n_features):
        return nn.Sequential(
            nn.Linear(latent_dim, 64), nn.LeakyReLU(), nn.Linear(64, n_features), nn.Tanh()
        )

    def discriminator(self, *n_inputs):
        body = nn.Sequential(nn.Linear(sum(n_inputs), 32), nn.LeakyReLU(), nn.Dropout(0.2))
        return Discriminator(body, 32)


class WALDOImageNetworks:
    """Tables 5 and 6 of WALDO, with the initial weights of torch.

    Rows are flattened images with the channels first and pixels in [0, 1].

    Parameters
    ----------
    image_shape : tuple of int, default=(1, 28, 28)
        (3, 32, 32) in table 5. Height and width must be equal, even and at least 16.
    n_channels : int, default=40
        Channels after the first convolution. The paper has 32 in table 5.
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
