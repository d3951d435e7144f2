"""Adversarially learned anomaly detection."""

from numbers import Integral, Real
from typing import ClassVar, Literal

from .._sklearn_compat import Interval, StrOptions
from ..engine.finished import FINISHED_SCORES, FinishedScore
from ..engine.game import EncoderDecoderGame
from ..engine.losses import call_fake, call_real
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
        D_xz, D_xx, D_zz = self.d_xz, self.d_xx, self.d_zz
        z = self.sample_latent(x)
        z_x, x_z = E(x), G(z)
        x_hat = G(z_x)
        pairs = [(D_xz, (x, z_x), (x_z, z)), (D_xx, (x, x), (x, x_hat))]
        if D_zz is not None:
            z_hat = E(x_z)
            pairs += [(D_zz, (z, z), (z, z_hat))]

        logits = [D.judge(real, fake) for D, real, fake in pairs]
        yield "discriminator", sum(call_real(real) + call_fake(fake) for real, fake in logits)

        loss = call_fake(D_xz(x, z_x)) + call_real(D_xz(x_z, z)) + call_real(D_xx(x, x_hat))
        if D_zz is not None:
            loss = loss + self.latent_weight * call_real(D_zz(z, z_hat))
        yield "generator", loss

    def score(self, x):
        f, x_hat = self.d_xx.features, self.reconstruct(x)
        match self.score_type:
            case "features":
                return (f(x, x) - f(x, x_hat)).abs().sum(-1)
            case "l1":
                return (x - x_hat).abs().sum(-1)
            case "l2":
                return (x - x_hat).norm(dim=-1)
            case "logits":
                return -self.d_xx(x, x_hat)
            case _:  # "combined", and until a score has been learned from the training rows
                features = (f(x, x) - f(x, x_hat)).abs().sum(-1)
                return (features * (x - x_hat).norm(dim=-1)).sqrt()

    def validation_loss(self, x):
        return (x - self.reconstruct(x)).abs().mean()


class ALAD(BaseDetector):
    r"""Adversarially learned anomaly detection (ALAD) [1]_.

    ALAD trains an encoder and a decoder against three discriminators, and scores a row by comparing
    it with its reconstruction.

    Each discriminator sees pairs, and learns to tell a real pair from a fake one:

    .. math::

        D_{xz}:\; (x, E(x)) \text{ against } (G(z), z), \quad
        D_{xx}:\; (x, x) \text{ against } (x, G(E(x))), \quad
        D_{zz}:\; (z, z) \text{ against } (z, E(G(z))).

    Here, :math:`E` is the encoder, :math:`G` is the decoder, and :math:`z \sim N(0, I)`.
    :math:`D_{xz}` makes the two joint distributions of rows and codes agree. :math:`D_{xx}` and
    :math:`D_{zz}` make :math:`G` and :math:`E` inverse to each other. With the logits :math:`D`,
    the discriminators minimize :math:`-\log \sigma(D(real)) - \log(1 - \sigma(D(fake)))`, summed
    over the three. Encoder and decoder minimize the same sum with real and fake exchanged.

    The anomaly score of the paper compares a row with its reconstruction :math:`\hat x = G(E(x))`
    in the features :math:`f` of :math:`D_{xx}`, which are the activations of its last hidden layer:

    .. math:: A(x) = \| f(x, x) - f(x, \hat x) \|_1 .

    Train the detector on rows that are all, or nearly all, normal. Tables need no scaling, because
    the detector encodes the columns itself (`encoding`). See the :ref:`user guide <alad>`.

    .. versionadded:: 0.1

    Parameters
    ----------
    latent_dim : int, default=32
        Number of dimensions of a code.

    latent_discriminator : bool, default=True
        Whether there is a discriminator :math:`D_{zz}`. False is the ablation "no DL" of the paper.

    latent_weight : float, default=0.1
        Weight of :math:`D_{zz}` in the loss of encoder and decoder. The paper has 1.

    spectral_norm : bool, default=False
        Whether to divide the weights of the encoder and of the discriminators by their largest
        singular value, as section IV-B of the paper proposes.

    score_type : {"auto", "features", "l1", "l2", "logits", "combined"} or str, default="auto"
        Anomaly score. "features" is :math:`A(x)`. "l1" and "l2" are the norms of
        :math:`x - \hat x`. "logits" is :math:`-D_{xx}(x, \hat x)`. "combined" is the geometric mean
        of "features" and "l2", which needs no common unit; it is not from the paper. (A parameter
        called `score` would hide the method of that name from scikit-learn.)
        "mahalanobis", "neighbors", "density" and combinations such as "neighbors+density" are
        learned from the training rows after the training, see :ref:`finished_scores`. "auto" is
        "mahalanobis+neighbors+density", and "combined" for images and for more than 1,024
        columns.

    {shared_parameters}

    Attributes
    ----------
    {shared_attributes}

    See Also
    --------
    RCGAN : Shows one of the discriminators noise, and has no discriminator of codes.
    sklearn.ensemble.IsolationForest : Isolates rows by random splits.
    sklearn.neighbors.LocalOutlierFactor : Compares the densities of neighborhoods.

    Notes
    -----
    The discriminators that `networks` builds are of the class
    :class:`skgad.networks.Discriminator`, which computes the features.

    Deviations from the paper and from the code released by its authors:

    - The loss of encoder and decoder exchanges the labels, as in the released code. The paper
      writes the minimax loss, whose gradient vanishes when the discriminators win. Terms that do
      not depend on the moving player are omitted.
    - The paper prints :math:`1 - \log D` where :math:`\log(1 - D)` is meant. It prints the score
      "logits" without the minus sign that makes larger values more anomalous.
    - Both moves of a mini-batch use the same rows and codes. The released code draws them twice.
    - An incomplete last mini-batch is used. The released code drops it.
    - The moving average of the weights has a decay of 0.99 and a warm-up. The decay of 0.999 in the
      released code goes with its learning rate of 1e-5. At the learning rate used here, the
      networks move so far in a thousand mini-batches that their average does not work as a network.
    - Early stopping monitors the mean absolute error of the reconstructions of held-out rows. The
      released code monitors their mean score. The unit of the score grows while :math:`D_{xx}`
      learns, so that untrained networks would win.
    - The columns are encoded, four members are trained together, and the default score is learned
      from the training rows. ``ALAD(encoding=None, n_members=1, score_type="features")`` takes the
      columns as they are, trains once, and has the score of the paper.
    - The layers (leaky ReLUs throughout, no dropout, no batch-norm), the batch size, the learning
      rate, the number of epochs, `latent_weight`, `encoding` and `score_type` are chosen on
      development data, for tables of any size. With the learning rate of 1e-5 and the 100 epochs of
      the paper, a table of a few hundred rows is hardly trained. With a weight of 1, :math:`D_{zz}`
      requires codes to survive a decoder into fewer dimensions than the codes have.
      ``benchmarks/alad/networks.py`` builds the networks of the paper.
    - `spectral_norm` has an effect on tables. The released code ignores it for tables.

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
    own_score = "combined"

    latent_dim: int = 32
    n_members: int = 4
    auto_steps: int = 500
    latent_discriminator: bool = True
    latent_weight: float = 0.1
    spectral_norm: bool = False
    score_type: Literal["auto", "features", "l1", "l2", "logits", "combined"] | FinishedScore = (
        "auto"
    )
    ema_decay: float | None = 0.99
    lr: float = 2e-3

    _parameter_constraints: ClassVar[dict] = {
        **BaseDetector._parameter_constraints,
        "latent_dim": [Interval(Integral, 1, None, closed="left")],
        "latent_discriminator": ["boolean"],
        "latent_weight": [Interval(Real, 0, None, closed="left")],
        "spectral_norm": ["boolean"],
        "score_type": [
            StrOptions({"auto", "features", "l1", "l2", "logits", "combined", *FINISHED_SCORES})
        ],
    }
    adam_params: ClassVar[dict] = {"optimizer__betas": (0.5, 0.999)}
