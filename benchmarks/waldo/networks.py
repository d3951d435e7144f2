"""The tabular networks of WALDO (the authors' ``waldo_kdd.py``)."""

from torch import nn

from skgad.networks import Discriminator


class KDD99Networks:
    """For 121 columns and 32 codes, with the weights that torch starts with.

    Parameters
    ----------
    relu_codes : bool, default=True
        Whether the encoder ends with a ReLU, as in the paper. Its codes are then zero for the
        most part, and cannot match a normal prior.
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
