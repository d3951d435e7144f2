"""Networks of ALAD for tables and images (Zenati et al., ICDM 2018, appendix and code)."""

from torch import nn

from skgad.networks import Discriminator, OnImages, hidden_layers, linear, mlp

#: The moving averages of TensorFlow's batch norm are slower than torch's.
TENSORFLOW_NORM = {"eps": 1e-3, "momentum": 0.01}


class KDD99Networks:
    """For 121 columns and 32 codes (the paper's table misprints the latter as 1)."""

    encoder_sizes = (64,)
    decoder_sizes = (64, 128)
    d_xz_size = 128
    d_xx_sizes = (128,)
    d_zz_sizes = (32,)

    def encoder(self, n_features, latent_dim):
        return mlp((n_features, *self.encoder_sizes, latent_dim))

    def decoder(self, latent_dim, n_features):
        return mlp((latent_dim, *self.decoder_sizes, n_features), "relu")

    def d_xz(self, n_features, latent_dim):
        branches = (
            nn.Sequential(
                linear(n_features, 128),
                nn.BatchNorm1d(128, **TENSORFLOW_NORM),
                nn.LeakyReLU(0.2),
            ),
            hidden_layers((latent_dim, 128), dropout=0.5),
        )
        body = hidden_layers((256, self.d_xz_size), dropout=0.5)
        return Discriminator(body, self.d_xz_size, branches)

    def d_xx(self, *n_inputs):
        return self._joined(n_inputs, self.d_xx_sizes)

    def d_zz(self, *n_inputs):
        return self._joined(n_inputs, self.d_zz_sizes)

    discriminator = d_xx  # ALAD does not use it, but it is part of the interface

    def _joined(self, n_inputs, sizes):
        body = hidden_layers((sum(n_inputs), *sizes), dropout=0.2)
        return Discriminator(body, sizes[-1])


class ArrhythmiaNetworks(KDD99Networks):
    """For 274 columns and 64 codes."""

    encoder_sizes = (256, 128)
    decoder_sizes = (128, 256)
    d_xz_size = 256
    d_xx_sizes = (256, 128)
    d_zz_sizes = (64, 32)


class ALADImageNetworks:
    """Table IX of ALAD, for CIFAR-10 and SVHN with 100 codes.

    Rows are flattened images with the channels first. The decoder ends with a hyperbolic tangent,
    so pixels must be in [-1, 1]: pass ``X / 127.5 - 1`` as float32.

    Where the table and the authors' code differ, this follows the code: leaky ReLU after all
    convolutions of D_xz, 1 x 1 convolutions of the codes (affine layers), and no batch norm on the
    pixels. ``ALAD(spectral_norm=True)`` normalizes the encoder and the discriminators. The code
    puts the images of a pair one below the other, and the table does not say how they are joined.
    Here the channels are stacked.
    """

    image_shape = (3, 32, 32)

    def encoder(self, n_features, latent_dim):
        layers = self._halve(3, 128) + self._halve(128, 256) + self._halve(256, 512)
        return with_small_weights(
            OnImages(self.image_shape, *layers, nn.Conv2d(512, latent_dim, 4))
        )

    def decoder(self, latent_dim, n_features):
        layers = [
            nn.ConvTranspose2d(latent_dim, 512, 4),
            nn.BatchNorm2d(512, **TENSORFLOW_NORM),
            nn.ReLU(),
        ]
        for n in (512, 256):
            layers += [
                nn.ConvTranspose2d(n, n // 2, 4, 2, 1),
                nn.BatchNorm2d(n // 2, **TENSORFLOW_NORM),
                nn.ReLU(),
            ]
        layers += [nn.ConvTranspose2d(128, 3, 4, 2, 1), nn.Tanh()]
        return with_small_weights(OnImages((latent_dim, 1, 1), *layers))

    def d_xz(self, n_features, latent_dim):
        layers = [nn.Conv2d(3, 128, 4, 2, 1), nn.LeakyReLU(0.2)]
        layers += self._halve(128, 256) + self._halve(256, 512)
        codes = [*hidden(latent_dim, 512), *hidden(512, 512)]
        branches = OnImages(self.image_shape, *layers), nn.Sequential(*codes)
        body = nn.Sequential(*hidden(512 * 4 * 4 + 512, 1024))
        return with_small_weights(Discriminator(body, 1024, branches))

    def d_xx(self, *n_inputs):
        layers = []
        for n, m in ((3 * len(n_inputs), 64), (64, 128)):
            same = nn.ZeroPad2d((1, 2, 1, 2))  # what TensorFlow pads
            layers += [same, nn.Conv2d(n, m, 5, 2), nn.LeakyReLU(0.2), nn.Dropout(0.2)]
        body = OnImages((3 * len(n_inputs), 32, 32), *layers)
        return with_small_weights(Discriminator(body, 128 * 8 * 8))

    def d_zz(self, *n_inputs):
        body = nn.Sequential(*hidden(sum(n_inputs), 64), *hidden(64, 32))
        return with_small_weights(Discriminator(body, 32))

    discriminator = d_zz  # ALAD does not use it, but it is part of the interface

    def _halve(self, n, m):
        return [nn.Conv2d(n, m, 4, 2, 1), nn.BatchNorm2d(m, **TENSORFLOW_NORM), nn.LeakyReLU(0.2)]


def hidden(n, m):
    return [nn.Linear(n, m), nn.LeakyReLU(0.2), nn.Dropout(0.2)]


def with_small_weights(network):
    """Draw the weights of a network from N(0, 0.01^2) and set its biases to zero."""
    for layer in network.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)
    return network
