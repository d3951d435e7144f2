"""Adversarially learned anomaly detection."""

from functools import partial
from numbers import Integral, Real

from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from ._base import BaseDetector
from ._docstring import with_shared_parameters
from ._game import Game
from ._losses import call_fake, call_real
from .callbacks import WeightAveraging
from .networks import MLP, build, spectrally_normalized


class ALADGame(Game):
    """The game of ALAD: three discriminators against an encoder and a decoder."""

    players = {
        "discriminator": ("d_xz", "d_xx", "d_zz"),
        "generator": ("encoder", "decoder"),
    }

    def __init__(
        self,
        networks,
        n_features,
        latent_dim,
        latent_discriminator=True,
        spectral_norm=False,
        score_type="features",
    ):
        super().__init__()
        self.latent_dim = latent_dim
        self.score_type = score_type
        self.encoder = build(networks, "encoder", "encoder", n_features, latent_dim)
        self.decoder = build(networks, "decoder", "decoder", latent_dim, n_features)
        self.d_xz = build(networks, "d_xz", "discriminator", n_features, latent_dim)
        self.d_xx = build(networks, "d_xx", "discriminator", n_features, n_features)
        self.d_zz = None
        if latent_discriminator:
            self.d_zz = build(networks, "d_zz", "discriminator", latent_dim, latent_dim)
        if spectral_norm:
            for network in (self.encoder, self.d_xz, self.d_xx, self.d_zz):
                spectrally_normalized(network)

    def play(self, x, labels=None):
        E, G = self.encoder, self.decoder
        z = self.sample_latent(x)
        z_x, x_z = E(x), G(z)
        duels = [
            (self.d_xz, (x, z_x), (x_z, z)),
            (self.d_xx, (x, x), (x, G(z_x))),
        ]
        if self.d_zz is not None:
            duels += [(self.d_zz, (z, z), (z, E(x_z)))]

        yield "discriminator", sum(
            call_real(D(*real)) + call_fake(D(*fake)) for D, real, fake in duels
        )
        yield "generator", sum(
            call_fake(D(*real)) + call_real(D(*fake)) for D, real, fake in duels
        )

    def score(self, x):
        D, x_hat = self.d_xx, self.decoder(self.encoder(x))
        match self.score_type:
            case "features":
                return (D.features(x, x) - D.features(x, x_hat)).abs().sum(-1)
            case "l1":
                return (x - x_hat).abs().sum(-1)
            case "l2":
                return (x - x_hat).norm(dim=-1)
            case "logits":
                return -D(x, x_hat)


@with_shared_parameters
class ALAD(BaseDetector):
    """TODO

    Parameters
    ----------
    latent_dim : int, default=32
        x

    {shared_parameters}

    Attributes
    ----------
    {shared_attributes}
    """

    _parameter_constraints: dict = {
        **BaseDetector._parameter_constraints,
        "latent_dim": [Interval(Integral, 1, None, closed="left")],
        "networks": [HasMethods(["encoder", "decoder", "discriminator"]), None],
        "latent_discriminator": ["boolean"],
        "spectral_norm": ["boolean"],
        "score_type": [StrOptions({"features", "l1", "l2", "logits"})],
        "ema_decay": [Interval(Real, 0, 1, closed="left"), None],
    }

    def __init__(
        self,
        *,
        latent_dim=32,
        networks=None,
        latent_discriminator=True,
        spectral_norm=False,
        score_type="features",
        ema_decay=0.999,
        n_members=1,
        contamination="auto",
        max_epochs="auto",
        batch_size=128,
        lr=3e-4,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        warm_start=False,
        callbacks=None,
        net_params=None,
        device="auto",
        random_state=None,
        verbose=0,
    ):
        super().__init__(
            n_members=n_members,
            contamination=contamination,
            max_epochs=max_epochs,
            batch_size=batch_size,
            lr=lr,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            warm_start=warm_start,
            callbacks=callbacks,
            net_params=net_params,
            device=device,
            random_state=random_state,
            verbose=verbose,
        )
        self.latent_dim = latent_dim
        self.networks = networks
        self.latent_discriminator = latent_discriminator
        self.spectral_norm = spectral_norm
        self.score_type = score_type
        self.ema_decay = ema_decay

    def _make_game(self, n_features):
        return partial(
            ALADGame,
            networks=self.networks or MLP(),
            n_features=n_features,
            latent_dim=self.latent_dim,
            latent_discriminator=self.latent_discriminator,
            spectral_norm=self.spectral_norm,
            score_type=self.score_type,
        )

    def _method_callbacks(self):
        if self.ema_decay is None:
            return []
        return [("weight_averaging", WeightAveraging(self.ema_decay))]
