"""Generative adversarial network with a search for the code of each row."""

from functools import partial
from numbers import Integral, Real
from typing import ClassVar, Literal

import torch
from torch.nn.functional import softplus

from .._sklearn_compat import Interval, StrOptions
from ..engine.finished import FINISHED_SCORES, FinishedScore
from ..engine.gan import GANGame
from ..engine.gradients import input_gradient
from ..engine.losses import call_fake, call_real
from ..networks import build
from ._base import BaseDetector


class AnoGANGame(GANGame):
    """The game of AnoGAN: a plain GAN, and a search for the code of each row."""

    players = {"discriminator": ("discriminator",), "generator": ("decoder",)}

    def __init__(self, networks, n_features, **params):
        super().__init__(**params)
        self.decoder = build(networks, "decoder", "decoder", self.latent_dim, n_features)
        self.discriminator = build(networks, "discriminator", "discriminator", n_features)

    def play(self, x, labels=None):
        G, D = self.decoder, self.discriminator
        x_z = G(self.sample_latent(x))

        real, fake = D.judge((x,), (x_z,))
        yield "discriminator", call_real(real) + call_fake(fake)

        yield "generator", call_real(D(x_z))

    @torch.no_grad()
    def encode(self, x):
        """Search the code of each row, from the mean of the prior."""
        loss = partial(self.search_loss, x, self.discriminator.features(x))
        z = x.new_zeros(*x.shape[:-1], self.latent_dim)
        # Adam is elementwise, so the search of a row does not depend on the other rows.
        adam = torch.optim.Adam([z], lr=self.search_lr)
        for _ in range(self.n_search_steps):
            z.grad = input_gradient(loss, z)
            adam.step()
        return z

    def search_loss(self, x, features, z):
        """Loss of codes of rows, of which the discriminator has these features."""
        G, D = self.decoder, self.discriminator
        x_hat = G(z)
        residual = (x - x_hat).abs().sum(-1)
        if self.score_type == "cross_entropy":
            discrimination = softplus(-D(x_hat))
        else:  # "features", also for the codes that a score is learned from
            discrimination = (features - D.features(x_hat)).abs().sum(-1)
        weight = self.discrimination_weight
        return (1 - weight) * residual + weight * discrimination

    def score(self, x):
        return self.search_loss(x, self.discriminator.features(x), self.encode(x))


class AnoGAN(BaseDetector):
    r"""Generative adversarial network with a search for the code of each row (AnoGAN) [1]_.

    AnoGAN trains a plain GAN. It has no encoder. To score a row, it searches the code whose decoded
    row is most similar, and the loss that remains is the anomaly score.

    With :math:`z \sim N(0, I)` and the logits :math:`D` of the discriminator, the discriminator
    minimizes

    .. math:: -\operatorname{mean} \log \sigma(D(x))
              - \operatorname{mean} \log(1 - \sigma(D(G(z)))),

    and the decoder :math:`G`, which is the generator, minimizes
    :math:`-\operatorname{mean} \log \sigma(D(G(z)))`. For each row to score, Adam then minimizes

    .. math:: A(x) = \min_z\; (1 - \lambda) \| x - G(z) \|_1 + \lambda \| f(x) - f(G(z)) \|_1,

    starting from :math:`z = 0`, where :math:`f` are the activations of the last hidden layer of the
    discriminator.

    The search makes scoring slow, and `fit` scores the training rows. The time is proportional to
    `n_search_steps`. The codes and the reconstructions that :meth:`transform` and
    :meth:`reconstruct` return are searched, too.

    Train the detector on rows that are all, or nearly all, normal. Tables need no scaling, because
    the detector encodes the columns itself (`encoding`). See the :ref:`user guide <anogan>`.

    .. versionadded:: 0.1

    Parameters
    ----------
    latent_dim : int, default=32
        Number of dimensions of a code.

    discrimination_weight : float, default=0.1
        Weight :math:`\lambda` of the discrimination loss, in [0, 1].

    n_search_steps : int, default=100
        Number of steps of the search. The paper has 500.

    search_lr : float, default=0.05
        Learning rate of the search.

    score_type : {"features", "cross_entropy", "auto"} or str, default="features"
        Anomaly score, which is also the loss of the search. "features" is :math:`A(x)`.
        "cross_entropy" has the discrimination loss :math:`-\log \sigma(D(G(z)))` instead, which
        the paper compares with.
        "mahalanobis", "neighbors", "density" and combinations such as "neighbors+density" are
        learned from the training rows after the training, see :ref:`finished_scores`. They search
        the codes of the training rows several times. "auto" is "mahalanobis+neighbors+density",
        and "features" for images and for more than 1,024 columns.

    {shared_parameters}

    Attributes
    ----------
    {shared_attributes}

    See Also
    --------
    EGBAD : Learns an encoder together with the GAN, which makes scoring fast.
    ALAD : The successor of EGBAD.

    Notes
    -----
    The discriminator that `networks` builds is of the class :class:`skgad.networks.Discriminator`,
    which computes the features. ``sample(latent="own")`` decodes draws from :math:`N(0, I)`. A
    ConvergenceWarning says so if the generated rows are nearly the same for all codes.

    All rows of a block are searched at once. The state of Adam has one entry for each number of a
    code, and the start is the same for all rows. The score of a row therefore does not depend on
    the other rows, and is the same every time.

    Deviations from the paper:

    - The paper is on patches of images. Here, networks, mini-batches and the length of the
      training are those of all detectors of this package.
    - The search starts from zero, the mean of the prior, instead of a random code.
    - The search takes 100 steps with a learning rate of 0.05. More steps make the reconstruction
      of abnormal rows better, too.
    - Scores are computed with a moving average of the weights.
    - The columns are encoded. ``encoding=None`` takes them as they are.

    The implementation that the authors of ALAD released has the weights of the two losses
    exchanged: 0.1 is the weight of the residual.

    Early stopping searches the codes of the held-out rows after each epoch.

    References
    ----------
    .. [1] T. Schlegl, P. Seeboeck, S. M. Waldstein, U. Schmidt-Erfurth and G. Langs. "Unsupervised
       Anomaly Detection with Generative Adversarial Networks to Guide Marker Discovery". IPMI
       2017, section 2.2.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from skgad import AnoGAN
    >>> X, _ = make_blobs(300, centers=1, random_state=0)
    >>> detector = AnoGAN(max_epochs=50, random_state=0).fit(X - X.mean(axis=0))
    >>> detector.predict([[0, 0], [9, 9]])
    array([ 1, -1])
    """

    game_class = AnoGANGame
    own_score = "features"

    latent_dim: int = 32
    discrimination_weight: float = 0.1
    n_search_steps: int = 100
    search_lr: float = 0.05
    score_type: Literal["auto", "features", "cross_entropy"] | FinishedScore = "features"
    ema_decay: float | None = 0.99
    lr: float = 2e-3

    _parameter_constraints: ClassVar[dict] = {
        **BaseDetector._parameter_constraints,
        "latent_dim": [Interval(Integral, 1, None, closed="left")],
        "discrimination_weight": [Interval(Real, 0, 1, closed="both")],
        "n_search_steps": [Interval(Integral, 0, None, closed="left")],
        "search_lr": [Interval(Real, 0, None, closed="neither")],
        "score_type": [StrOptions({"auto", "features", "cross_entropy", *FINISHED_SCORES})],
    }
    adam_params: ClassVar[dict] = {"optimizer__betas": (0.5, 0.999)}
