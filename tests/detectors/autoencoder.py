"""A method in a few lines: what doc/user_guide/new_method.rst shows."""

from functools import partial

from skgad import MLP, BaseDetector, Game


class AutoencoderGame(Game):
    players = {"autoencoder": ("encoder", "decoder")}

    def __init__(self, networks, n_features, latent_dim):
        super().__init__()
        self.encoder = networks.encoder(n_features, latent_dim)
        self.decoder = networks.decoder(latent_dim, n_features)

    def play(self, x, labels=None):
        yield "autoencoder", self.score(x).mean()

    def score(self, x):
        return (x - self.decoder(self.encoder(x))).square().mean(-1)


class Autoencoder(BaseDetector):
    _sample_kinds = ()  # it has no prior to sample from

    def _make_game(self, n_features):
        return partial(AutoencoderGame, MLP((32, 16)), n_features, latent_dim=2)
