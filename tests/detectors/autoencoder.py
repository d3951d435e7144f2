"""A method of one's own, whole: the example of doc/user_guide/new_method.rst."""

from skgad.base import BaseDetector, Game, build, randn_like


class DenoisingGame(Game):
    """An autoencoder that learns to remove noise from rows."""

    players = {"autoencoder": ("encoder", "decoder")}

    def __init__(self, networks, n_features, **params):
        super().__init__(**params)
        self.encoder = build(networks, "encoder", "encoder", n_features, self.latent_dim)
        self.decoder = build(networks, "decoder", "decoder", self.latent_dim, n_features)

    def play(self, x, labels=None):
        x_noisy = x + self.noise * randn_like(x)
        errors = (x - self.reconstruct(x_noisy)).square().mean(-1)
        yield "autoencoder", errors.mean(-1)

    def encode(self, x):
        return self.encoder(x)

    def reconstruct(self, x):
        return self.decoder(self.encode(x))

    def score(self, x):
        return (x - self.reconstruct(x)).square().mean(-1)


class DenoisingAutoencoder(BaseDetector):
    """Denoising autoencoder, whose anomaly score is the error of reconstruction."""

    game_class = DenoisingGame

    latent_dim: int = 2
    noise: float = 0.1
