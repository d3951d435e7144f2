"""Deep autoencoding Gaussian mixture model."""

import math
from numbers import Integral, Real
from typing import ClassVar, Literal

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning

from .._sklearn_compat import Interval, StrOptions
from ..engine.finished import FINISHED_SCORES, FinishedScore
from ..engine.game import EncoderDecoderGame
from ..engine.runtime import warn
from ..networks import build, mlp
from ._base import BaseDetector

#: Added to the variances of the components: a proportion of them, and a number.
JITTER = (1e-3, 1e-6)

#: The same for the check whether a covariance is singular, in double precision.
SMALL_JITTER = (1e-9, 1e-12)

#: Norms of rows count as at least this proportion of the median norm of the training rows.
MIN_NORM = 0.1

#: Smallest weight of a component that is checked after the training.
MIN_WEIGHT = 0.01

#: Buffers that hold the mixture.
MIXTURE = ("log_weights", "means", "whitening")


class DAGMMGame(EncoderDecoderGame):
    """The game of DAGMM: an autoencoder, and a mixture that an estimator assigns its codes to."""

    players = {"autoencoder": ("encoder", "decoder", "estimator")}

    def __init__(self, networks, n_features, **params):
        super().__init__(**params)
        latent_dim, n_dims, n_components = self.latent_dim, self.latent_dim + 2, self.n_components
        self.encoder = build(networks, "encoder", "encoder", n_features, latent_dim)
        self.decoder = build(networks, "decoder", "decoder", latent_dim, n_features)
        self.estimator = getattr(networks, "estimator", estimator)(n_dims, n_components)
        self.register_buffer("log_weights", torch.full((n_components,), -math.log(n_components)))
        self.register_buffer("means", torch.zeros(n_components, n_dims))
        self.register_buffer("whitening", torch.eye(n_dims).repeat(n_components, 1, 1))
        self.register_buffer("min_norm", torch.tensor(1.0))
        self.register_buffer("unexplained", torch.tensor(torch.inf))

    def play(self, x, labels=None):
        z, error = self.features(x)
        mixture, variances = fit_mixture(z, self.log_memberships(z))
        self.store(mixture)  # for scores during the training
        loss = error.mean(-1) + self.energy_weight * energy(z, *mixture).mean(-1)
        yield "autoencoder", loss + self.covariance_weight * (1 / variances).sum((-2, -1))

    def features(self, x):
        """Code, relative error and cosine similarity of each row, and its squared error."""
        z_x = self.encoder(x)
        x_hat = self.decoder(z_x)
        distance = (x - x_hat).norm(dim=-1)
        norm, norm_hat = (
            rows.norm(dim=-1).maximum(self.min_norm[..., None]) for rows in (x, x_hat)
        )
        cosine = (x * x_hat).sum(-1) / norm / norm_hat
        z = torch.cat([z_x, (distance / norm)[..., None], cosine[..., None]], dim=-1)
        return z, distance.square()

    def log_memberships(self, z):
        """Logarithm of the probability that a row belongs to each component."""
        return self.estimator(z).log_softmax(-1)

    @torch.no_grad()
    def store(self, mixture):
        """Keep a mixture for the scores."""
        for name, values in zip(MIXTURE, mixture, strict=True):
            getattr(self, name).copy_(values)

    @property
    def mixture(self):
        """Logarithms of the weights, means, and whitening matrices of the components."""
        return tuple(getattr(self, name) for name in MIXTURE)

    def score(self, x):
        return energy(self.features(x)[0], *self.mixture)

    def validation_loss(self, x):
        z, error = self.features(x)
        return (error + self.energy_weight * energy(z, *self.mixture)).mean(-1)

    def sample(self, n_samples, device):
        """Decode the codes of draws from the mixture."""
        weights = self.log_weights.exp().cpu()
        k = torch.multinomial(weights, n_samples, replacement=True).to(device)
        noise = torch.randn(*k.shape, self.means.shape[-1], 1).to(device)
        whitening = self.whitening.take_along_dim(k[..., None, None], dim=-3)
        z = torch.linalg.solve_triangular(whitening, noise, upper=False)[..., 0]
        z = z + self.means.take_along_dim(k[..., None], dim=-2)
        return self.decoder(z[..., : self.latent_dim])

    def prepare(self, apply, labels):
        """Store the smallest norm that rows count with."""
        norm = np.median(apply(lambda x: x.norm(dim=-1)), axis=-1)
        self.min_norm.copy_(torch.as_tensor(np.maximum(MIN_NORM * norm, JITTER[1])))

    def finalize(self, apply, labels):
        """Compute the mixture from all training rows, and how regular its covariances are."""
        z = torch.from_numpy(apply(lambda x: self.features(x)[0])).double()
        log_memberships = torch.from_numpy(
            apply(lambda x: self.log_memberships(self.features(x)[0]))
        )
        self.store(fit_mixture(z, log_memberships.double())[0])
        mixture, variances = fit_mixture(z, log_memberships.double(), SMALL_JITTER)
        log_weights, _, whitening = mixture
        # Variance of each dimension that the dimensions before it do not explain.
        unexplained = whitening.diagonal(dim1=-2, dim2=-1).square().reciprocal()
        in_jitters = unexplained / (SMALL_JITTER[0] * variances + SMALL_JITTER[1])
        is_used = (log_weights > math.log(MIN_WEIGHT))[..., None]
        self.unexplained.copy_(in_jitters.where(is_used, torch.inf).amin((-2, -1)))

    def check_training(self):
        """Warn if a covariance of a member is singular without the jitter."""
        if self.unexplained.min() < 2:
            warn(
                "The mixture is singular: the codes and errors of the training rows in one of its "
                "components have no variance in some direction, so the energies depend on a "
                "constant that is added to it. Decrease latent_dim or n_components, or increase "
                "covariance_weight.",
                ConvergenceWarning,
            )


def estimator(n_inputs, n_components):
    """Network of the paper that assigns rows to the components."""
    return mlp((n_inputs, 10, n_components), "tanh", dropout=0.5)


def fit_mixture(z, log_memberships, jitter=JITTER):
    """Mixture of Gaussians of rows whose memberships are known.

    Parameters
    ----------
    z : Tensor of shape (..., n_samples, n_dims)
        Rows.
    log_memberships : Tensor of shape (..., n_samples, n_components)
        Logarithm of the probability that each row belongs to each component.
    jitter : tuple of float, default=JITTER
        Proportion of the variances, and number, that are added to them.

    Returns
    -------
    mixture : tuple of Tensor
        Logarithms of the weights, means, and inverse Cholesky factors of the covariances.
    variances : Tensor of shape (..., n_components, n_dims)
        Diagonals of the covariances.
    """
    log_weights = log_memberships.logsumexp(-2) - math.log(z.shape[-2])
    shares = log_memberships.softmax(-2).mT  # of each row in a component; no division by zero
    means = shares @ z
    centered = z.unsqueeze(-3) - means.unsqueeze(-2)  # (..., n_components, n_samples, n_dims)
    covariances = (shares.unsqueeze(-1) * centered).mT @ centered
    added = jitter[0] * covariances.diagonal(dim1=-2, dim2=-1) + jitter[1]
    covariances = covariances + torch.diag_embed(added)
    cholesky, _ = torch.linalg.cholesky_ex(covariances)
    identity = torch.eye(z.shape[-1], dtype=z.dtype, device=z.device)
    whitening = torch.linalg.solve_triangular(cholesky, identity, upper=False)
    return (log_weights, means, whitening), covariances.diagonal(dim1=-2, dim2=-1)


def energy(z, log_weights, means, whitening):
    """Negative log density of rows under a mixture."""
    centered = z.unsqueeze(-2) - means.unsqueeze(-3)  # (..., n_samples, n_components, n_dims)
    # Not a matrix product, whose rounding could depend on the other rows.
    whitened = (whitening.unsqueeze(-4) * centered.unsqueeze(-2)).sum(-1)
    log_peaks = log_weights + whitening.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    log_peaks = log_peaks - z.shape[-1] / 2 * math.log(2 * math.pi)
    return -(log_peaks.unsqueeze(-2) - whitened.square().sum(-1) / 2).logsumexp(-1)


class DAGMM(BaseDetector):
    r"""Deep autoencoding Gaussian mixture model (DAGMM) [1]_.

    DAGMM trains an autoencoder together with a mixture of Gaussians of its codes and errors, and
    scores a row by its negative log density under this mixture.

    An encoder :math:`E` and a decoder :math:`G` turn a row :math:`x` into a code :math:`z_c = E(x)`
    and a reconstruction :math:`\hat x = G(z_c)`. The mixture describes

    .. math::

        z = \left( z_c,\;
        \frac{\lVert x - \hat x \rVert}{\lVert x \rVert},\;
        \frac{x \cdot \hat x}{\lVert x \rVert \, \lVert \hat x \rVert} \right) .

    An estimation network maps :math:`z` to the probability that the row belongs to each component.
    These determine the weights :math:`\phi_k`, means :math:`\mu_k` and covariances :math:`\Sigma_k`
    of the components in a mini-batch. The energy of a row, which is the anomaly score, is

    .. math:: A(x) = -\log \sum_k \phi_k\, \mathcal{N}(z; \mu_k, \Sigma_k) .

    All three networks minimize

    .. math::

        \operatorname{mean} \lVert x - \hat x \rVert^2 + \lambda_1 \operatorname{mean} A(x)
        + \lambda_2 \sum_k \sum_j \frac{1}{\Sigma_{k,jj}} .

    After the training, the mixture is computed again from all training rows.

    Train the detector on rows that are all, or nearly all, normal. Tables need no scaling, because
    the detector encodes the columns itself (`encoding`). See the :ref:`user guide <dagmm>`.

    .. versionadded:: 0.1

    Parameters
    ----------
    latent_dim : int, default=8
        Number of dimensions of a code. The covariances have two more.

    n_components : int, default=4
        Number of components of the mixture.

    energy_weight : float, default=0.1
        Weight :math:`\lambda_1` of the energy in the loss.

    covariance_weight : float, default=0.005
        Weight :math:`\lambda_2` of the inverse variances in the loss. It keeps the components from
        shrinking to single points.

    score_type : {"energy"} or str, default="energy"
        Anomaly score. "energy" is :math:`A(x)`.
        "mahalanobis", "neighbors", "density" and combinations such as "neighbors+density" are
        learned from the training rows after the training, see :ref:`finished_scores`.

    {shared_parameters}

    Attributes
    ----------
    {shared_attributes}

    See Also
    --------
    Autoencoder : Fits a mixture to the codes after the training, with ``score_type="density"``.
    sklearn.mixture.GaussianMixture : Fits a mixture to the rows themselves.

    Notes
    -----
    ``sample(latent="own")`` decodes the codes of draws from the mixture.

    The estimation network of the paper, one hidden layer of 10 tanh units with a dropout of 0.5, is
    used unless `networks` has a method ``estimator(n_inputs, n_components)``. The codes of the
    paper have 1 dimension for KDD99 and 2 for Arrhythmia, and its encoder for KDD99 has tanh layers
    of 60, 30 and 10 units.

    Deviations from the paper and from public implementations:

    - The covariances of the components get a jitter of 1e-3 of each variance, plus 1e-6. A warning
      is raised if a covariance is singular without it.
    - The energy is a log-sum-exp without a lower bound of the density. A bound gives all distant
      rows the same energy.
    - Norms of rows are at least a tenth of the median norm of the training rows. Otherwise, the
      relative error of rows near zero would have no bound, and zero rows would divide by zero.
    - The mixture that scores is computed from all training rows, as in the paper. Some
      implementations keep that of the last mini-batch.
    - Early stopping monitors the squared error plus the weighted energy of held-out rows, under the
      mixture of the last mini-batch.
    - The columns are encoded. ``DAGMM(encoding=None)`` takes them as they are. Learning rate and
      number of epochs are chosen for tables of any size. The paper trains for up to 20,000 epochs
      with a learning rate of 1e-4 and mini-batches of 1024 rows.

    References
    ----------
    .. [1] B. Zong, Q. Song, M. R. Min, W. Cheng, C. Lumezanu, D. Cho and H. Chen. "Deep
       Autoencoding Gaussian Mixture Model for Unsupervised Anomaly Detection". ICLR 2018,
       section 3.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from skgad import DAGMM
    >>> X, _ = make_blobs(300, n_features=4, centers=1, random_state=0)
    >>> detector = DAGMM(max_epochs=50, random_state=0).fit(X)
    >>> detector.predict([X.mean(axis=0), X.mean(axis=0) + 9])
    array([ 1, -1])
    """

    game_class = DAGMMGame
    own_score = "energy"

    latent_dim: int = 8
    n_components: int = 4
    energy_weight: float = 0.1
    covariance_weight: float = 0.005
    score_type: Literal["energy"] | FinishedScore = "energy"

    _parameter_constraints: ClassVar[dict] = {
        **BaseDetector._parameter_constraints,
        "latent_dim": [Interval(Integral, 1, None, closed="left")],
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "energy_weight": [Interval(Real, 0, None, closed="left")],
        "covariance_weight": [Interval(Real, 0, None, closed="left")],
        "score_type": [StrOptions({"energy", *FINISHED_SCORES})],
    }
