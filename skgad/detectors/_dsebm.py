"""Deep structured energy-based model."""

from collections.abc import Iterator
from numbers import Integral, Real
from typing import ClassVar, Literal

import torch
from torch import nn
from torch.nn.functional import softplus

from .._sklearn_compat import Interval, StrOptions
from ..engine.corruption import add_noise
from ..engine.finished import FINISHED_SCORES, FinishedScore
from ..engine.game import Game
from ..engine.gradients import input_gradient
from ..networks import MLP, build
from ..networks._build import Networks
from ._base import BaseDetector


class DSEBMGame(Game):
    """The game of DSEBM: an energy whose gradient learns to remove noise from rows."""

    players = {"energy": ("network",)}

    def __init__(self, networks, n_features, **params):
        super().__init__(**params)
        self.network = build(networks, "network", "encoder", n_features, self.latent_dim)
        self.center = nn.Parameter(torch.zeros(1, n_features))

    def player_parameters(self, player) -> Iterator[nn.Parameter]:
        yield self.center
        yield from super().player_parameters(player)

    def play(self, x, labels=None):
        x_hat = self.reconstruct(add_noise(x, self.noise))
        yield "energy", (x - x_hat).square().mean(-1).mean(-1)

    def energy(self, x):
        return (x - self.center).square().sum(-1) / 2 - self.encode(x).sum(-1)

    def encode(self, x):
        return softplus(self.network(x))

    def reconstruct(self, x):
        return x - input_gradient(self.energy, x)

    def score(self, x):
        if self.score_type == "reconstruction":
            return (x - self.reconstruct(x)).norm(dim=-1)
        return self.energy(x)

    def validation_loss(self, x):
        return (x - self.reconstruct(x)).square().mean()


class DSEBM(BaseDetector):
    r"""Deep structured energy-based model (DSEBM) [1]_.

    DSEBM learns an energy :math:`E`, the negative log density of the rows up to a constant. Its
    gradient learns to remove noise from rows.

    The energy is a parabola around a point :math:`b'`, minus the sum of the outputs :math:`h_j` of
    a network:

    .. math:: E(x) = \tfrac{1}{2} \lVert x - b' \rVert^2 - \sum_j h_j(x),
              \qquad p(x) \propto e^{-E(x)} .

    Following the energy downhill for one step gives the reconstruction of a row:

    .. math:: \hat x(x) = x - \nabla E(x) = b' + \sum_j \nabla h_j(x) .

    The network minimizes the error of rows that are reconstructed from noisy rows, the mean of
    :math:`\lVert x - \hat x(x + \varepsilon) \rVert^2` with
    :math:`\varepsilon \sim N(0, \sigma^2 I)`. This is denoising score matching [2]_. It needs
    neither samples of the model nor the normalizing constant of the density.

    The anomaly score is the energy, or the length :math:`\lVert x - \hat x(x) \rVert` of the
    step.

    Train the detector on rows that are all, or nearly all, normal. Tables need no scaling, because
    the detector encodes the columns itself (`encoding`). With ``encoding=None``, scale the columns
    to the unit of the noise. See the :ref:`user guide <dsebm>`.

    .. versionadded:: 0.1

    Parameters
    ----------
    latent_dim : int, default=32
        Number of outputs :math:`h_j` of the network, which are the codes of the rows.

    noise : float, default=0.5
        Standard deviation :math:`\sigma` of the noise, in units of the columns as the networks see
        them.

    score_type : {"energy", "reconstruction"} or str, default="energy"
        Anomaly score: "energy" is :math:`E(x)`, the DSEBM-e of the paper. "reconstruction" is
        :math:`\lVert x - \hat x(x) \rVert`, its DSEBM-r.
        "mahalanobis", "neighbors", "density" and combinations such as "neighbors+density" are
        learned from the training rows after the training, see :ref:`finished_scores`.

    {shared_parameters}

    Attributes
    ----------
    {shared_attributes}

    See Also
    --------
    Autoencoder : Restores rows from noisy rows by a decoder, and has no density.
    sklearn.neighbors.KernelDensity : Sums up bumps around the training rows.

    Notes
    -----
    `networks` builds :math:`h` as it builds an encoder, and a softplus is applied to its outputs.
    By default, the hidden layers have tanh activations. They bound :math:`h`, so that the energy
    rises in every direction far from the rows. If the activations are unbounded, the energy can
    have its minimum far from all rows, and the score "energy" fails on some tables. Leaky ReLUs,
    the default of other detectors, also have no second derivative, by which some of the weights
    would learn. For images, use ``ConvNet(activation="tanh")``.

    The loss has derivatives of the energy with respect to a row and a weight, but none with respect
    to a row twice. It costs two passes backward through the network, whatever the number of
    columns.

    If :math:`\sigma` is not 1, then :math:`E(x) / \sigma^2` is the energy of the noisy rows rather
    than :math:`E(x)`. The ranking is the same.

    DSEBM does not generate rows. The energy is trained only as far from the rows as the noise goes,
    so that Langevin dynamics, the usual way to sample from an energy, starts where the energy is
    arbitrary and hardly moves between groups of rows.

    Deviations from the paper:

    - Only the fully connected and the convolutional form are implemented, not the recurrent one.
    - The noise, the layers and their activations, and the learning rate are chosen on development
      data. The implementation by the authors of ALAD [3]_ has :math:`\sigma = 1`, softplus
      activations, and layers of 128, 512 and 128 units for KDD99.
    - The squared error is averaged over the columns rather than summed.
    - Early stopping monitors the error of reconstructions from held-out rows without noise.
    - :math:`b'` has one value for each column. In the code of [3]_, it also differs between the
      positions in a mini-batch, so that a score depends on the position of the row.
    - The columns are encoded. ``DSEBM(encoding=None, noise=1.0)`` takes them as they are.

    References
    ----------
    .. [1] S. Zhai, Y. Cheng, W. Lu and Z. Zhang. "Deep Structured Energy Based Models for Anomaly
       Detection". ICML 2016, sections 3 to 5.
    .. [2] P. Vincent. "A Connection Between Score Matching and Denoising Autoencoders". Neural
       Computation, 2011.
    .. [3] H. Zenati, M. Romain, C.-S. Foo, B. Lecouat and V. Chandrasekhar. "Adversarially
       Learned Anomaly Detection". ICDM 2018.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from skgad import DSEBM
    >>> X, _ = make_moons(300, noise=0.05, random_state=0)
    >>> detector = DSEBM(noise=0.2, max_epochs=50, random_state=0).fit(X)
    >>> detector.predict([[0, 1], [0.5, 0.25], [9, 9]])
    array([ 1, -1, -1])
    """

    game_class = DSEBMGame
    own_score = "energy"
    default_networks: ClassVar[Networks] = MLP(activation="tanh")

    latent_dim: int = 32
    noise: float = 0.5
    score_type: Literal["energy", "reconstruction"] | FinishedScore = "energy"
    lr: float = 3e-3

    _parameter_constraints: ClassVar[dict] = {
        **BaseDetector._parameter_constraints,
        "latent_dim": [Interval(Integral, 1, None, closed="left")],
        "noise": [Interval(Real, 0, None, closed="neither")],
        "score_type": [StrOptions({"energy", "reconstruction", *FINISHED_SCORES})],
    }
