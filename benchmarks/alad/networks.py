"""The tabular networks of ALAD (Zenati et al., ICDM 2018, appendix and the authors' code)."""

from torch import nn

from skgad.networks import Discriminator, hidden_layers, linear, mlp


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
            # The moving averages of TensorFlow's batch norm are slower than torch's.
            nn.Sequential(
                linear(n_features, 128),
                nn.BatchNorm1d(128, eps=1e-3, momentum=0.01),
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

    discriminator = d_xx  # of no network of ALAD, but part of the interface

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
