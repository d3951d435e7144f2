"""Adversarially learned anomaly detection."""

from numbers import Integral, Real
from typing import ClassVar, Literal

from .._sklearn_compat import Interval, StrOptions
from ..engine.game import EncoderDecoderGame
from ..engine.losses import call_fake, call_real
from ..engine.parameters import detector_parameters
from ..networks import build, spectrally_normalized
from ._base import BaseDetector


class ALADGame(EncoderDecoderGame):
    """The game of ALAD: three discriminators against an encoder and a decoder."""

    players = {
        "discriminator": ("d_xz", "d_xx", "d_zz"),
        "generator": ("encoder", "decoder"),
    }

    def __init__(self, networks, n_features, **params):
        super().__init__(**params)
        latent_dim = self.latent_dim
        self.encoder = build(networks, "encoder", "encoder", n_features, latent_dim)
        self.decoder = build(networks, "decoder", "decoder", latent_dim, n_features)
        self.d_xz = build(networks, "d_xz", "discriminator", n_features, latent_dim)
        self.d_xx = build(networks, "d_xx", "discriminator", n_features, n_features)
        self.d_zz = None
        if self.latent_discriminator:
            self.d_zz = build(networks, "d_zz", "discriminator", latent_dim, latent_dim)
        if self.spectral_norm:
            for name in ("encoder", *self.players["discriminator"]):
                if (network := getattr(self, name)) is not None:
                    setattr(self, name, spectrally_normalized(network))

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

        judged = [D.judge(real, fake) for D, real, fake in duels]
        yield "discriminator", sum(call_real(real) + call_fake(fake) for real, fake in judged)

        loss = call_fake(self.d_xz(x, z_x))
        for (D, _, fake), weight in zip(duels, (1, 1, self.latent_weight), strict=False):
            loss = loss + weight * call_real(D(*fake))
        yield "generator", loss

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
            case "combined":
                features = (D.features(x, x) - D.features(x, x_hat)).abs().sum(-1)
                return (features * (x - x_hat).norm(dim=-1)).sqrt()

    def validation_loss(self, x):
        return (x - self.reconstruct(x)).abs().mean()


@detector_parameters
class ALAD(BaseDetector):
    r"""Adversarially learned anomaly detection (ALAD) [1]_.

    An encoder :math:`E` and a decoder :math:`G` play against three discriminators of pairs,
    whose logits are :math:`D`, with :math:`z \sim N(0, I)`:

    .. math::

        D_{xz}:\; (x, E(x)) \text{ against } (G(z), z), \quad
        D_{xx}:\; (x, x) \text{ against } (x, G(E(x))), \quad
        D_{zz}:\; (z, z) \text{ against } (z, E(G(z))).

    :math:`D_{xz}` makes the two joint distributions of rows and codes agree, :math:`D_{xx}` and
    :math:`D_{zz}` make :math:`G` and :math:`E` inverse to each other. For each pair
    of a first ("real") and a second ("fake") kind, the discriminators descend
    :math:`-\log \sigma(D(real)) - \log(1 - \sigma(D(fake)))`, and encoder and decoder
    descend the same with the two kinds exchanged. The anomaly score of a row compares it
    with its reconstruction :math:`\hat x = G(E(x))` in the features :math:`f` of
    :math:`D_{xx}`, which are the activations of its last hidden layer,

    .. math:: A(x) = \| f(x, x) - f(x, \hat x) \|_1 .

    Train it on rows that are all or nearly all normal, with scaled features. See the
    :ref:`user guide <alad>`.

    Parameters
    ----------
    latent_dim : int, default=64
        Number of dimensions of a code.

    latent_discriminator : bool, default=True
        Whether :math:`D_{zz}` plays. False is the ablation "no DL" of the paper.

    latent_weight : float, default=0.1
        Weight of :math:`D_{zz}` in the loss of encoder and decoder. The paper has 1.

    spectral_norm : bool, default=False
        Whether to divide the weights of the encoder and of the discriminators by their
        largest singular value, as the paper's section IV-B proposes.

    score_type : {"features", "l1", "l2", "logits", "combined"}, default="combined"
        Anomaly score: "features" is :math:`A(x)`; "l1" and "l2" are the norms of
        :math:`x - \hat x`; "logits" is :math:`-D_{xx}(x, \hat x)`; "combined", not from
        the paper, is the geometric mean of "features" and "l2", which needs no common unit.
        (A parameter called `score` would hide the method of that name from scikit-learn.)

    {shared_parameters}

    Attributes
    ----------
    {shared_attributes}

    See Also
    --------
    sklearn.ensemble.IsolationForest : Isolates rows by random splits.
    sklearn.neighbors.LocalOutlierFactor : Compares densities of neighbourhoods.

    Notes
    -----
    Where this departs from the paper and from the code that its authors released:

    - The generators' loss is the flipped one of the released code; the paper writes the minimax
      loss, whose gradient vanishes when the discriminators win. Terms that do not
      depend on the moving player are left out.
    - The paper prints :math:`1 - \log D` where :math:`\log(1 - D)` is meant, and the score
      "logits" without the minus sign that makes larger values more anomalous.
    - Both moves of a batch use the same rows and codes; the released code draws them twice. An
      incomplete last batch is used; there it is dropped.
    - The moving average has a decay of 0.99 and starts with a warm-up. The paper's 0.999 goes
      with its learning rate of 1e-5; at the rate used here the networks move too far in
      a thousand mini-batches for their average to be a network that works.
    - Early stopping watches the mean absolute error of the reconstructions of held-out rows. The
      released code watches their mean score, whose unit grows while :math:`D_{xx}` learns, so that
      untrained networks would win.
    - Layers (leaky ReLUs throughout, no dropout, no batch-norm), batch size, learning rate, number
      of epochs, `latent_weight` and `score_type` are chosen on
      development data, for tables of any size. The paper's lr=1e-5 and 100 epochs train next to
      nothing on a few hundred rows, and with a weight of 1 :math:`D_{zz}` asks for codes that
      survive a decoder into fewer dimensions than the codes have.
      ``benchmarks/alad/networks.py`` builds the paper's networks.
    - Spectral normalisation acts. In the released code its flag is not used for tables.

    References
    ----------
    .. [1] H. Zenati, M. Romain, C.-S. Foo, B. Lecouat and V. Chandrasekhar. "Adversarially
       Learned Anomaly Detection". ICDM 2018, equations of section IV and algorithm 1.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from skgad import ALAD
    >>> X, _ = make_blobs(300, centers=1, random_state=0)
    >>> detector = ALAD(max_epochs=50, random_state=0).fit(X - X.mean(axis=0))
    >>> detector.predict([[0, 0], [9, 9]])
    array([ 1, -1])
    """

    game_class = ALADGame

    latent_dim: int = 64
    latent_discriminator: bool = True
    latent_weight: float = 0.1
    spectral_norm: bool = False
    score_type: Literal["features", "l1", "l2", "logits", "combined"] = "combined"
    ema_decay: float | None = 0.99
    lr: float = 2e-3

    _parameter_constraints: ClassVar[dict] = {
        **BaseDetector._parameter_constraints,
        "latent_dim": [Interval(Integral, 1, None, closed="left")],
        "latent_discriminator": ["boolean"],
        "latent_weight": [Interval(Real, 0, None, closed="left")],
        "spectral_norm": ["boolean"],
        "score_type": [StrOptions({"features", "l1", "l2", "logits", "combined"})],
    }
    adam_params: ClassVar[dict] = {"optimizer__betas": (0.5, 0.999)}
