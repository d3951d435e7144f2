"""Networks of ARN for tables (Liguori et al., ICDM 2021; the notebooks of the authors' code)."""

from torch import nn

from skgad.networks import Discriminator


class ARNNetworks:
    """For any number of columns and, in the paper, 16 codes.

    Parameters
    ----------
    batch_statistics : bool, default=False
        Whether batch norm has no running statistics, as in the authors' code. Each batch is then
        normalized by its own mean and variance, in scoring too, so the score of a row depends on
        the other rows of its batch.
    """

    def __init__(self, batch_statistics=False):
        self.batch_statistics = batch_statistics

    def encoder(self, n_features, n_codes):
        return initialized(
            *self.block(n_features, 64),
            *self.block(64, 32),
            nn.Linear(32, 32),
            nn.Linear(32, n_codes),  # two heads in the paper
        )

    def decoder(self, latent_dim, n_features):
        return initialized(
            *(nn.Linear(latent_dim, 32), nn.ReLU(), nn.Linear(32, 32)),
            *self.block(32, 64, nn.ReLU()),
            *(nn.Dropout(0.2), nn.Linear(64, n_features)),
        )

    def discriminator(self, n_features):
        body = nn.Sequential(
            *self.block(n_features, 128),
            *self.block(128, 256),
            *self.block(256, 512),
            *self.block(512, 128, nn.ReLU()),
            *self.block(128, 64, nn.ReLU()),
            *(nn.Dropout(0.2), nn.Linear(64, 32), nn.ReLU()),
            *(nn.Dropout(0.2), nn.Linear(32, 16), nn.ReLU()),
            nn.Dropout(0.2),
        )
        return Discriminator(body, 16).apply(initialize)

    def block(self, n_inputs, n_outputs, activation=None):
        """Affine layer, batch norm and an activation, by default a leaky ReLU."""
        norm = nn.BatchNorm1d(n_outputs, track_running_stats=not self.batch_statistics)
        return nn.Linear(n_inputs, n_outputs), norm, activation or nn.LeakyReLU(0.2)


def initialized(*layers):
    """Layers in sequence, with the initial weights of the paper."""
    return nn.Sequential(*layers).apply(initialize)


def initialize(layer):
    if isinstance(layer, nn.Linear):
        nn.init.normal_(layer.weight, 0, 0.01)
        nn.init.zeros_(layer.bias)
