"""Fence GAN: a generator that draws a fence around the normal rows."""

from numbers import Integral, Real
from typing import ClassVar

import torch
from torch.nn.functional import softplus

from .._sklearn_compat import Interval
from ..engine.game import Game
from ..engine.losses import call_fake, call_real
from ..engine.runtime import warn
from ..networks import build
from ..networks._random import randn_like
from ._base import BaseDetector

#: Smallest number of generated rows, because the spread of a few rows says little.
MIN_GENERATED = 16

#: Added to the spread before its reciprocal is taken, which collapsed rows would make infinite.
MIN_SPREAD = 0.01

#: Generated rows count as collapsed if their spread is less than this share of that of the rows.
COLLAPSED = 0.01


class FenceGANGame(Game):
    """The game of Fence GAN: generated rows surround the rows instead of imitating them."""

    players = {"discriminator": ("discriminator",), "generator": ("generator",)}
    phase = "training"  # or "pretraining"

    def __init__(self, networks, n_features, **params):
        super().__init__(**params)
        self.discriminator = build(networks, "discriminator", "discriminator", n_features)
        self.generator = build(networks, "generator", "decoder", self.latent_dim, n_features)
        self.register_buffer("spreads", torch.ones(2))  # of generated and of training rows

    def play(self, x, labels=None):
        G, D = self.generator, self.discriminator
        generated = G(self.sample_latent(x))
        yield "discriminator", call_real(D(x)) + self.fake_weight * call_fake(D(generated))
        if self.phase == "pretraining":
            return
        self.store_spreads(generated, x)
        fence = encirclement(D(generated), self.fence_level)
        yield "generator", fence + self.dispersion_weight / (spread(generated) + MIN_SPREAD)

    def plan_phases(self, count):
        return {"pretraining": self.pretraining}

    def sample_latent(self, x):
        """Draw one code for each row, or some more if there are few rows."""
        n_codes = max(x.shape[-2], MIN_GENERATED)
        return randn_like(x.new_empty(*x.shape[:-2], n_codes, self.latent_dim))

    @torch.no_grad()
    def store_spreads(self, generated, x):
        if x.shape[-2] > 1:
            self.spreads.copy_(torch.stack([spread(generated), spread(x)], dim=-1))

    def check_training(self):
        generated, rows = self.spreads.unbind(-1)
        if (generated < COLLAPSED * rows).any():
            warn(
                "The generator collapsed: its rows are almost the same, so that the discriminator "
                "has seen one point of the fence only. Increase dispersion_weight, which is "
                f"{self.dispersion_weight:g}, or lower the learning rate 'lr'."
            )

    def score(self, x):
        return -self.discriminator(x)

    def sample_outliers(self, n_samples, device):
        z = torch.randn(*self.leading_shape, n_samples, self.latent_dim)
        return self.generator(z.to(device))

    def validation_loss(self, x):
        return call_real(self.discriminator(x))


def encirclement(logits, level):
    """Cross-entropy of probabilities with a target between 0 and 1, which is least at the target.

    Takes the logits of the probabilities.
    """
    return (softplus(logits) - level * logits).mean(-1)


def spread(rows):
    """Mean distance of rows to their center."""
    return (rows - rows.mean(-2, keepdim=True)).norm(dim=-1).mean(-1)


class FenceGAN(BaseDetector):
    r"""Fence GAN: a generator that draws a fence around the normal rows [1]_.

    The generator of Fence GAN does not imitate the rows. It surrounds them, so that the
    discriminator learns where the normal rows end. The discriminator is the anomaly score.

    The discriminator :math:`D` learns to tell the rows :math:`x` from generated rows
    :math:`G(z)` with :math:`z \sim N(0, I)`. It minimizes the mean of

    .. math:: -\log D(x) - \gamma \log(1 - D(G(z))) .

    The generator :math:`G` minimizes the sum of two losses. The encirclement loss is the
    cross-entropy of :math:`D(G(z))` with the target :math:`\alpha`. It is least if all generated
    rows lie on the fence :math:`D = \alpha`. The dispersion loss spreads them along the fence. It
    is the reciprocal of their mean distance to their center:

    .. math:: -\alpha \log D(G(z)) - (1 - \alpha) \log(1 - D(G(z)))
              \;+\; \beta \,/\, \operatorname{mean}_i
              \lVert G(z_i) - \operatorname{mean}_j G(z_j) \rVert .

    In the first `pretraining` mini-batches, only the discriminator moves.

    The anomaly score of the paper is :math:`1 - D(x)`. The score here is the opposite of the logit
    of :math:`D(x)`. It ranks the same, without ties where the sigmoid saturates.

    Train the detector on rows that are all, or nearly all, normal. Tables need no scaling, because
    the detector encodes the columns itself (`encoding`). See the :ref:`user guide <fence_gan>`.

    .. versionadded:: 0.1

    Parameters
    ----------
    latent_dim : int, default=32
        Number of dimensions of :math:`z`.

    fence_level : float, default=0.5
        Probability :math:`\alpha`, between 0 and 1, that the discriminator gives to rows on the
        fence.

    fake_weight : float, default=0.5
        Weight :math:`\gamma` of the generated rows in the loss of the discriminator. It is below 1
        so that the discriminator does not give up rows to which generated rows come close.

    dispersion_weight : float, default=30.0
        Weight :math:`\beta` of the dispersion loss, in units of the columns as the networks see
        them.

    pretraining : int, default=100
        Number of mini-batches, counted from the start of the first training, in which the generator
        does not move.

    {shared_parameters}

    Attributes
    ----------
    {shared_attributes}

    Warns
    -----
    UserWarning
        If the generator collapsed, so that its rows are almost the same.

    See Also
    --------
    RCGAN : Its discriminator sees noise next to generated rows.
    ARN : Learns a boundary from variants of the training rows.

    Notes
    -----
    The generated rows are on the outside of the normal rows. ``sample`` therefore returns them for
    ``kind="outlier"``, and raises an error for inliers. They lie on the fence and
    are no model of real outliers, which can be anywhere beyond it. There is no encoder: Fence GAN
    has neither codes nor reconstructions, nor the scores that are learned from them.

    Deviations from the paper and from the code released by its authors:

    - The paper writes the encirclement loss in terms of :math:`\lvert \alpha - D(G(z)) \rvert`. The
      released code has the cross-entropy, which is used here.
    - The spread is increased by 0.01 before its reciprocal is taken, so that the loss stays finite
      if the generated rows collapse to a point. At least 16 rows are generated, however few rows a
      mini-batch has.
    - One step of the discriminator takes real and generated rows together. The released code takes
      one step for each, and draws new codes for the generator.
    - Both players have the same learning rate, and there is no weight decay. In the released code,
      the generator learns ten times as fast for CIFAR-10, twice as fast for MNIST, and the layers
      have dropout.
    - The last networks are used. The released code keeps those that detect the anomalies of a
      validation set best.
    - :math:`\gamma` and :math:`\beta` depend on the dataset in the released code: 0.1 and 30 for
      MNIST, 0.5 and 10 for CIFAR-10. The defaults, the layers and the training are chosen on
      development data, and the columns are encoded. ``FenceGAN(encoding=None)`` takes them as they
      are.

    References
    ----------
    .. [1] P. C. Ngo, A. A. Winarto, C. K. L. Kou, S. Park, F. Akram and H. K. Lee. "Fence GAN:
       Towards Better Anomaly Detection". ICTAI 2019, section 3.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from skgad import FenceGAN
    >>> X, _ = make_blobs(200, centers=[[0, 0]], random_state=0)
    >>> detector = FenceGAN(max_epochs=200, random_state=0).fit(X)
    >>> detector.predict([[0, 0], [9, 9]])
    array([ 1, -1])
    >>> detector.sample(5, kind="outlier", random_state=0).shape
    (5, 2)
    """

    game_class = FenceGANGame

    latent_dim: int = 32
    fence_level: float = 0.5
    fake_weight: float = 0.5
    dispersion_weight: float = 30.0
    pretraining: int = 100

    _parameter_constraints: ClassVar[dict] = {
        **BaseDetector._parameter_constraints,
        "latent_dim": [Interval(Integral, 1, None, closed="left")],
        "fence_level": [Interval(Real, 0, 1, closed="neither")],
        "fake_weight": [Interval(Real, 0, None, closed="neither")],
        "dispersion_weight": [Interval(Real, 0, None, closed="left")],
        "pretraining": [Interval(Integral, 0, None, closed="left")],
    }
    adam_params: ClassVar[dict] = {"optimizer__betas": (0.5, 0.999)}
