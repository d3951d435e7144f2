"""Deep support vector data description."""

from math import ceil, floor
from numbers import Integral, Real
from typing import ClassVar, Literal

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from torch import nn
from torch.nn.functional import relu

from .._sklearn_compat import Interval, RealNotInt, StrOptions
from ..engine.game import Game
from ..engine.runtime import warn
from ..networks import build
from ._base import BaseDetector

#: Smallest absolute value of an entry of the center, as in the authors' code.
MIN_CENTER = 0.1

#: Activations that approach a constant. With them, an encoder without biases can map all rows to
#: the center (proposition 3 of the paper).
BOUNDED = (nn.Hardsigmoid, nn.Hardtanh, nn.Sigmoid, nn.Softmax, nn.Softmin, nn.Softsign, nn.Tanh)

#: Standard deviation of the codes, relative to the distance of the center from zero, below which
#: they count as equal.
COLLAPSED = 1e-3

#: Constraints of parameters that are a number of epochs or a proportion of the training.
DURATION = [Interval(Integral, 0, None, closed="left"), Interval(RealNotInt, 0, 1, closed="left")]


class DeepSVDDGame(Game):
    """The game of Deep SVDD: an encoder moves the codes of the rows towards a fixed center."""

    players = {"autoencoder": ("encoder", "decoder"), "encoder": ("encoder",)}
    phase = "training"  # or "pretraining" or "warm-up"
    fresh_start_after = "pretraining"

    def __init__(self, networks, n_features, **params):
        super().__init__(**params)
        latent_dim = self.latent_dim
        self.encoder = without_biases(build(networks, "encoder", "encoder", n_features, latent_dim))
        self.decoder = build(networks, "decoder", "decoder", latent_dim, n_features)
        self.register_buffer("center", torch.full((1, latent_dim), MIN_CENTER))
        self.register_buffer("radius", torch.tensor(0.0))
        self.register_buffer("relative_spread", torch.tensor(1.0))

    def play(self, x, labels=None):
        if self.phase == "pretraining":
            x_hat = self.decoder(self.encoder(x))
            yield "autoencoder", (x - x_hat).square().mean(-1).mean(-1)
            return

        distance = self.squared_distance(x)
        if self.objective == "one_class":
            yield "encoder", distance.mean(-1)
            return
        self.update_radius(distance)
        excess = relu(distance - self.radius.square()[..., None])
        yield "encoder", self.radius.square() + excess.mean(-1) / self.nu

    def plan_phases(self, count):
        return {"pretraining": count(self.pretraining), "warm-up": count(self.warm_up)}

    def encode(self, x):
        return self.encoder(x)

    def squared_distance(self, x):
        """Squared distance between the code of each row and the center."""
        return (self.encoder(x) - self.center).square().sum(-1)

    @torch.no_grad()
    def update_radius(self, distance):
        """Set the radius to the quantile of a mini-batch, and to zero during the warm-up."""
        if self.phase == "warm-up":
            self.radius.zero_()
        else:
            self.radius.copy_(self.quantile_of(distance))

    def quantile_of(self, distance):
        """Radius of the sphere that a proportion of `nu` of the rows lies outside of."""
        # torch.quantile would read its argument on the device.
        position = (1 - self.nu) * (distance.shape[-1] - 1)
        lower, upper = (distance.sort(-1).values[..., f(position)] for f in (floor, ceil))
        return lower.lerp(upper, position - floor(position)).sqrt()

    def score(self, x):
        distance = self.squared_distance(x)
        if self.objective == "one_class":
            return distance
        return distance - self.radius.square()[..., None]

    def validation_loss(self, x):
        return self.squared_distance(x).mean(-1)

    @property
    def boundary(self):
        """Score of the rows on the sphere of the soft-boundary objective."""
        has_sphere = self.objective == "soft_boundary" and self.score_type == "distance"
        return torch.zeros_like(self.radius) if has_sphere else None

    def prepare(self, apply, labels):
        """Fix the center at the mean code of all training rows, away from zero."""
        center = apply(self.encode).mean(-2, dtype=float, keepdims=True)
        too_small = np.abs(center) < MIN_CENTER
        center = np.where(too_small, np.copysign(MIN_CENTER, center), center)
        self.center.copy_(torch.from_numpy(center))

    def finalize(self, apply, labels):
        """Store the radius for all training rows, and how much their codes differ."""
        if self.phase == "pretraining":  # the center is that of the initial encoder
            self.prepare(apply, labels)
        if self.objective == "soft_boundary":
            self.radius.copy_(self.quantile_of(torch.from_numpy(apply(self.squared_distance))))
        codes = apply(self.encode).astype(float)
        distance = self.center.norm(dim=-1)[..., 0].cpu()
        self.relative_spread.copy_(torch.as_tensor(np.sqrt(codes.var(-2).sum(-1))) / distance)

    def check_training(self):
        """Warn if a member maps all rows to the same code."""
        spread = self.relative_spread.min().item()
        if spread < COLLAPSED:
            warn(
                "The encoder collapsed: it maps all training rows to nearly the same code. The "
                f"standard deviation of the codes is {spread:.2g} times the distance of the center "
                "from zero. Remove constant columns, lower the learning rate 'lr' or train for "
                "fewer mini-batches.",
                ConvergenceWarning,
            )


def without_biases(encoder):
    """Fix the biases of a network at zero. Reject bounded activations, which would replace them."""
    for module in encoder.modules():
        if isinstance(module, BOUNDED):
            raise ValueError(
                f"The encoder has a {type(module).__name__}, which is bounded. DeepSVDD could then "
                "map all rows to the same code. Use another activation, such as "
                "networks=MLP(activation='leaky_relu')."
            )
    for name, parameter in encoder.named_parameters():
        if "bias" in name.rpartition(".")[2]:
            nn.init.zeros_(parameter).requires_grad_(False)
    return encoder


class DeepSVDD(BaseDetector):
    r"""Deep support vector data description (Deep SVDD) [1]_.

    Deep SVDD trains an encoder that maps the rows close to a fixed point, and scores a row by the
    distance of its code from this point.

    An autoencoder is trained first. The mean code of all training rows is then the center
    :math:`c`, and the encoder :math:`\phi` alone is trained further. The objective "one_class" is

    .. math:: \operatorname{mean} \lVert \phi(x) - c \rVert^2 .

    The objective "soft_boundary" lets a proportion :math:`\nu` of the rows lie outside of a sphere
    with radius :math:`R`:

    .. math::

        R^2 + \frac{1}{\nu} \operatorname{mean} \max(0, \lVert \phi(x) - c \rVert^2 - R^2) .

    Here, :math:`R` is not trained but set to the :math:`1 - \nu` quantile of the distances in each
    mini-batch. The anomaly score is :math:`\lVert \phi(x) - c \rVert^2`, minus :math:`R^2` with
    "soft_boundary".

    An encoder that maps every row to :math:`c` would minimize both objectives. To make this hard,
    the encoder has no biases and no bounded activations.

    Train the detector on rows that are all, or nearly all, normal. Tables need no scaling, because
    the detector encodes the columns itself (`encoding`). See the :ref:`user guide <deep_svdd>`.

    .. versionadded:: 0.1

    Parameters
    ----------
    latent_dim : int, default=32
        Number of dimensions of a code.

    objective : {"one_class", "soft_boundary"}, default="one_class"
        What the encoder minimizes after the pre-training.

    nu : float, default=0.1
        Proportion of the training rows outside of the sphere of "soft_boundary", in (0, 1).

    pretraining : int or float, default=0.5
        Length of the pre-training of the autoencoder: the number of epochs if it is an int, the
        proportion of the mini-batches of `fit` if it is a float. 0 starts from the initial encoder.

    warm_up : int or float, default=0.1
        Length of the warm-up of "soft_boundary", which follows the pre-training, in the same units.
        Until it is over, the radius is zero.

    score_type : {"distance", "neighbors", "density", "neighbors+density"}, default="distance"
        Anomaly score. "distance" is the score of the paper. The others are learned from the codes
        of the training rows after the training, see :ref:`finished_scores`.

    {shared_parameters}

    Attributes
    ----------
    {shared_attributes}

    See Also
    --------
    Autoencoder : Scores a row by its reconstruction, which DeepSVDD does not have.
    sklearn.svm.OneClassSVM : Uses a kernel in place of the encoder.

    Notes
    -----
    Deep SVDD can neither sample nor reconstruct rows: the decoder is trained before the codes move
    to the center, and no longer fits them.

    The biases of any encoder that `networks` builds are fixed at zero. An encoder with a bounded
    activation layer, such as Tanh, raises an error. Batch normalization subtracts the mean of the
    rows, which acts like a bias. A warning is raised if all training rows have nearly the same code
    after the training.

    Deviations from the paper and from the code released by its authors:

    - Entries of the center between -0.1 and 0.1 become -0.1 or 0.1, as in the released code, where
      entries of exactly zero remain zero.
    - The decoder of the pre-training keeps its biases. The released autoencoder has none.
    - Pre-training and training share one learning rate and one schedule, and follow each other
      within `max_epochs`. The optimizer starts anew in between. The paper trains the autoencoder
      for longer than the encoder.
    - The radius that scores and decides is the quantile over all training rows. The released code
      keeps that of the last mini-batch.
    - ``contamination="auto"`` with "soft_boundary" decides at the radius, so about `nu` of the
      training rows are outliers.
    - Early stopping monitors the mean squared distance of held-out rows to the center, and ignores
      the epochs of the pre-training. A small distance can also be a collapse.
    - The columns are encoded. ``DeepSVDD(encoding=None)`` takes them as they are. The paper has
      images that are normalized globally, and LeNet encoders with batch normalization,
      ``networks=ConvNet(channels=(8, 4), kernel_size=5, batch_norm=True)`` with ``latent_dim=32``
      for MNIST being similar. Weight decay is 1e-6, as in the paper.

    References
    ----------
    .. [1] L. Ruff, R. A. Vandermeulen, N. Goernitz, L. Deecke, S. A. Siddiqui, A. Binder,
       E. Mueller and M. Kloft. "Deep One-Class Classification". ICML 2018, equations 3 and 4,
       sections 3.2 to 3.4.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from skgad import DeepSVDD
    >>> X, _ = make_blobs(300, centers=[[5, 5]], random_state=0)
    >>> detector = DeepSVDD(max_epochs=50, random_state=0).fit(X)
    >>> detector.predict([[5, 5], [14, 14]])
    array([ 1, -1])
    """

    game_class = DeepSVDDGame
    own_score = "distance"
    auto_threshold = (
        'sets the threshold at the radius if ``objective="soft_boundary"`` and the score is '
        '"distance", and otherwise flags about 5 % of new rows that are like the training rows'
    )

    latent_dim: int = 32
    objective: Literal["one_class", "soft_boundary"] = "one_class"
    nu: float = 0.1
    pretraining: int | float = 0.5
    warm_up: int | float = 0.1
    score_type: Literal["distance", "neighbors", "density", "neighbors+density"] = "distance"
    lr: float = 3e-4

    _parameter_constraints: ClassVar[dict] = {
        **BaseDetector._parameter_constraints,
        "latent_dim": [Interval(Integral, 1, None, closed="left")],
        "objective": [StrOptions({"one_class", "soft_boundary"})],
        "nu": [Interval(Real, 0, 1, closed="neither")],
        "pretraining": DURATION,
        "warm_up": DURATION,
        "score_type": [StrOptions({"distance", "neighbors", "density", "neighbors+density"})],
    }
    adam_params: ClassVar[dict] = {"optimizer__weight_decay": 1e-6}
