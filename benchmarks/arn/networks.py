"""The tabular networks of ARN (2021; the notebooks of the authors' code)."""

from torch import nn

from skgad.networks import Discriminator


class ARNNetworks:
    """For any number of columns and, in the paper, 16 codes.

    Parameters
    ----------
    batch_statistics : bool, default=False
        Whether batch-norm has no running statistics, as in the authors' code: each batch is then
        normalised by its own mean and variance in scoring, too, and a row's score depends on the
        rows beside it.
    """

    def __init__(self, batch_statistics=False):
        self.batch_statistics = batch_statistics

    def encoder(self, n_features, n_codes):
        return started(
            *self.block(n_features, 64),
            *self.block(64, 32),
            nn.Linear(32, 32),
            nn.Linear(32, n_codes),  # two heads in the paper
        )

    def decoder(self, latent_dim, n_features):
        return started(
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
        return Discriminator(body, 16).apply(start)

    def block(self, n_inputs, n_outputs, activation=None):
        """An affine layer, batch-norm and an activation, by default a leaky ReLU."""
        norm = nn.BatchNorm1d(n_outputs, track_running_stats=not self.batch_statistics)
        return nn.Linear(n_inputs, n_outputs), norm, activation or nn.LeakyReLU(0.2)


def started(*layers):
    """The layers one after the other, with the paper's first weights."""
    return nn.Sequential(*layers).apply(start)


def start(layer):
    if isinstance(layer, nn.Linear):
        nn.init.normal_(layer.weight, 0, 0.01)
        nn.init.zeros_(layer.bias)
