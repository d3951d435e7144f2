"""Efficient GAN-based anomaly detection."""

from numbers import Integral, Real
from typing import ClassVar, Literal

from torch.nn.functional import softplus

from .._sklearn_compat import Interval, StrOptions
from ..engine.finished import FINISHED_SCORES, FinishedScore
from ..engine.gan import GANGame
from ..engine.losses import call_fake, call_real
from ..networks import build
from ._base import BaseDetector


class EGBADGame(GANGame):
    """The game of EGBAD, a BiGAN: one discriminator of pairs against an encoder and a decoder."""

    players = {
        "discriminator": ("discriminator",),
        "generator": ("encoder", "decoder"),
    }

    def __init__(self, networks, n_features, **params):
        super().__init__(**params)
        latent_dim = self.latent_dim
        self.encoder = build(networks, "encoder", "encoder", n_features, latent_dim)
        self.decoder = build(networks, "decoder", "decoder", latent_dim, n_features)
        self.discriminator = build(
            networks, "discriminator", "discriminator", n_features, latent_dim
        )

    def play(self, x, labels=None):
        E, G, D = self.encoder, self.decoder, self.discriminator
        z = self.sample_latent(x)
        encoded, generated = (x, E(x)), (G(z), z)

        logits_encoded, logits_generated = D.judge(encoded, generated)
        yield "discriminator", call_real(logits_encoded) + call_fake(logits_generated)

        yield "generator", call_fake(D(*encoded)) + call_real(D(*generated))

    def score(self, x):
        E, G, D = self.encoder, self.decoder, self.discriminator
        z = E(x)
        x_hat = G(z)
        if self.score_type == "cross_entropy":
            discrimination = softplus(-D(x, z))
        else:  # "features", and until a score has been learned from the training rows
            discrimination = (D.features(x, z) - D.features(x_hat, z)).abs().sum(-1)
        return self.alpha * (x - x_hat).abs().sum(-1) + (1 - self.alpha) * discrimination


class EGBAD(BaseDetector):
    r"""Efficient GAN-based anomaly detection (EGBAD) [1]_, a bidirectional GAN [2]_.

    EGBAD trains an encoder and a decoder against one discriminator, and scores a row by comparing
    it with its reconstruction.

    The discriminator sees pairs of rows and codes, and learns to tell encoded pairs
    :math:`(x, E(x))` from generated pairs :math:`(G(z), z)`, with :math:`z \sim N(0, I)`. With its
    logits :math:`D`, it minimizes

    .. math:: -\operatorname{mean} \log \sigma(D(x, E(x)))
              - \operatorname{mean} \log(1 - \sigma(D(G(z), z))).

    The encoder :math:`E` and the decoder :math:`G` minimize the same loss with the two kinds of
    pairs exchanged. If the pairs have the same distribution, :math:`E` and :math:`G` are inverse
    to each other.

    The anomaly score is a weighted sum of the reconstruction error and of a discrimination loss:

    .. math:: A(x) = \alpha \| x - \hat x \|_1
              + (1 - \alpha) \| f(x, E(x)) - f(\hat x, E(x)) \|_1, \qquad \hat x = G(E(x)),

    where :math:`f` are the activations of the last hidden layer of the discriminator. Unlike
    :class:`AnoGAN`, EGBAD does not search the code of a row, so scoring is fast.

    Train the detector on rows that are all, or nearly all, normal. Tables need no scaling, because
    the detector encodes the columns itself (`encoding`). See the :ref:`user guide <egbad>`.

    .. versionadded:: 0.1

    Parameters
    ----------
    latent_dim : int, default=8
        Number of dimensions of a code.

    alpha : float, default=0.9
        Weight :math:`\alpha` of the reconstruction error, in [0, 1].

    score_type : {"features", "cross_entropy", "auto"} or str, default="features"
        Anomaly score. "features" is :math:`A(x)`. "cross_entropy" has the discrimination loss
        :math:`-\log \sigma(D(x, E(x)))` instead, which is low if the discriminator takes the pair
        for an encoded one.
        "mahalanobis", "neighbors", "density" and combinations such as "neighbors+density" are
        learned from the training rows after the training, see :ref:`finished_scores`. "auto" is
        "mahalanobis+neighbors+density", and "features" for images and for more than 1,024
        columns.

    {shared_parameters}

    Attributes
    ----------
    {shared_attributes}

    See Also
    --------
    ALAD : Adds discriminators that make encoder and decoder inverse to each other.
    AnoGAN : Has no encoder, and searches the code of each row.

    Notes
    -----
    The discriminator that `networks` builds is of the class :class:`skgad.networks.Discriminator`,
    which computes the features. ``sample(latent="own")`` decodes draws from :math:`N(0, I)`. A
    ConvergenceWarning says so if the generated rows are nearly the same for all codes.

    Deviations from the paper and from the code released by its authors:

    - The paper writes the minimax loss, whose gradient vanishes when the discriminator wins.
      Encoder and decoder exchange the labels, as in the released code.
    - The cross-entropy is that of the pair :math:`(x, E(x))`, as in the paper. The released code
      has the pair :math:`(\hat x, E(x))`.
    - Both moves of a mini-batch use the same rows and codes. The released code draws them twice.
    - An incomplete last mini-batch is used. The released code drops it.
    - The moving average of the weights, which the paper does not mention, has a decay of 0.99 and
      a warm-up. The decay of 0.9999 in the released code goes with its learning rate of 1e-5.
    - The columns are encoded. ``encoding=None`` takes them as they are.
    - Codes have 8 dimensions, and 32 in the paper. Nothing but the discriminator makes
      :math:`E` and :math:`G` inverse to each other, which is easier for short codes.
    - The layers, the batch size, the learning rate and the number of epochs are those of all
      detectors of this package. The networks of the paper for KDD99 have an encoder with a layer
      of 64, a decoder with 64 and 128, and a discriminator with layers of 128 for rows, codes and
      pairs.

    References
    ----------
    .. [1] H. Zenati, C.-S. Foo, B. Lecouat, G. Manek and V. R. Chandrasekhar. "Efficient GAN-Based
       Anomaly Detection". Workshop of ICLR 2018, arXiv:1802.06222.
    .. [2] J. Donahue, P. Kraehenbuehl and T. Darrell. "Adversarial Feature Learning". ICLR 2017.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from skgad import EGBAD
    >>> X, _ = make_blobs(300, centers=1, random_state=0)
    >>> detector = EGBAD(max_epochs=50, random_state=0).fit(X - X.mean(axis=0))
    >>> detector.predict([[0, 0], [9, 9]])
    array([ 1, -1])
    """

    game_class = EGBADGame
    own_score = "features"

    latent_dim: int = 8
    alpha: float = 0.9
    score_type: Literal["auto", "features", "cross_entropy"] | FinishedScore = "features"
    ema_decay: float | None = 0.99
    lr: float = 2e-3

    _parameter_constraints: ClassVar[dict] = {
        **BaseDetector._parameter_constraints,
        "latent_dim": [Interval(Integral, 1, None, closed="left")],
        "alpha": [Interval(Real, 0, 1, closed="both")],
        "score_type": [StrOptions({"auto", "features", "cross_entropy", *FINISHED_SCORES})],
    }
    adam_params: ClassVar[dict] = {"optimizer__betas": (0.5, 0.999)}
