"""Anomaly scores that are finished after the training, for every game that can provide them.

A paper's score compares a row with what the networks make of it, column by column. The training
rows tell more: how large residuals usually are, in which directions, and where the codes of
normal rows lie. The scores in this file learn this from all training rows, once the networks are
trained.
"""

from functools import partial
from typing import Literal, TypeAlias, get_args

import numpy as np
import torch
from sklearn import config_context
from sklearn.covariance import ledoit_wolf
from sklearn.mixture import GaussianMixture
from sklearn.utils.extmath import randomized_svd
from torch import nn
from torch.nn.functional import pad

from .runtime import BatchInvariantLinear

linear = BatchInvariantLinear.linear

#: Largest number of rows from which the covariance of the residuals is estimated.
MAX_RESIDUALS = 20_000

#: Largest number of training codes that are searched for neighbors.
MAX_CODES = 5_000

#: Which neighbor counts.
N_NEIGHBORS = 5

#: The search for neighbors first finds the groups of so many training codes that are nearest.
GROUP_SIZE = 32

#: Number of rows whose neighbors a CPU searches at once, because their distances to all training
#: codes then fit into its cache.
SEARCH_ROWS = 128

#: Largest number of training codes to which a mixture is fitted.
MAX_DENSITY_CODES = 5_000

#: Largest number of components of the mixture.
MAX_COMPONENTS = 20

#: Smallest number of training codes for a component of the mixture, and for each dimension of it.
CODES_PER_COMPONENT = 50
CODES_PER_DIMENSION = 2

#: Codes with more dimensions are projected before a mixture is fitted.
MAX_DENSITY_DIMS = 256

#: Largest number of dimensions after the projection.
N_DIRECTIONS = 64

#: Dimensions of codes with at most this standard deviation are centered, but not scaled.
MIN_STD = 1e-6

#: Smallest variance of whitened directions, in units of the average variance.
MIN_VARIANCE = 1e-6

#: Stands for a score of zero before the logarithm is taken.
MIN_SCORE = 1e-12

#: Largest number of training rows whose scores determine common units.
MAX_UNIT_ROWS = 2_000

#: Quantile of the positive training scores below which scores count as equal.
LOWEST = 0.01


class MahalanobisScore(nn.Module):
    r"""Mahalanobis norm of the residual of a row.

    .. math:: A(x) = \sqrt{(r - \mu)^\top \Sigma^{-1} (r - \mu)}, \qquad r = x - \hat x,

    where :math:`\mu` and :math:`\Sigma` are the mean and the Ledoit-Wolf covariance of the
    residuals of the training rows. A residual counts for more in a direction in which
    residuals of training rows are small.

    Parameters
    ----------
    game : Game
        Game with a `reconstruct` method.
    apply : callable
        Applies a function of a batch to training rows, as in :meth:`skgad.Game.finalize`.
    positions : ndarray of int
        Positions of the training rows that are not known outliers.
    """

    is_logarithm = False

    def __init__(self, game, apply, positions):
        super().__init__()
        positions = evenly(positions, MAX_RESIDUALS)
        residuals = apply(lambda x: x - game.reconstruct(x), positions).astype(np.float64)
        mean = residuals.mean(axis=-2, keepdims=True)
        self.register_buffer("mean", tensor_for(game, mean))
        self.register_buffer("whitening", tensor_for(game, for_each_member(whiten, residuals)))

    def forward(self, game, x):
        """Score of each row; shape (..., batch_size)."""
        residuals = x - game.reconstruct(x) - self.mean
        return for_each_member(linear, residuals, self.whitening).norm(dim=-1)


def whiten(residuals):
    """Matrix that makes the covariance of residuals the identity."""
    covariance, _ = ledoit_wolf(at_least_two(residuals))
    variances, directions = np.linalg.eigh(np.atleast_2d(covariance))
    average = variances.mean()
    # If all residuals are the same, they have no unit.
    floor = MIN_VARIANCE * average if average > np.finfo(np.float32).tiny else 1.0
    return (directions / np.sqrt(np.maximum(variances, floor))).T


class NeighborScore(nn.Module):
    """Distance of the code of a row to its fifth nearest neighbor among the training codes.

    The codes of up to 5,000 training rows are searched, spread evenly over the table. Scoring
    1,024 rows with codes of 64 dimensions takes about 0.3 billion multiplications, and 2.5 MB (on a
    GPU 20 MB) for the distances to all training codes.

    Parameters
    ----------
    game, apply, positions
        As for :class:`MahalanobisScore`, with a game that has an `encode` method.
    """

    is_logarithm = False

    def __init__(self, game, apply, positions):
        super().__init__()
        codes = tensor_for(game, apply(game.encode, evenly(positions, MAX_CODES)))
        self.n_neighbors = min(N_NEIGHBORS, codes.shape[-2])
        train_codes, half_squares = padded_for_search(codes)
        self.register_buffer("codes", train_codes)
        self.register_buffer("half_squares", half_squares)

    def forward(self, game, x):
        """Score of each row; shape (..., batch_size)."""
        search = partial(distances_to_neighbor, n_neighbors=self.n_neighbors)
        return for_each_member(search, game.encode(x), self.codes, self.half_squares)


def padded_for_search(codes):
    """Training codes, padded to whole groups, and half of their squared norms."""
    n_missing = -codes.shape[-2] % GROUP_SIZE
    half_squares = codes.square().sum(-1) / 2
    return pad(codes, (0, 0, 0, n_missing)), pad(half_squares, (0, n_missing), value=torch.inf)


def distances_to_neighbor(codes, train_codes, half_squares, n_neighbors):
    """Distances to the n-th nearest of some training codes.

    The number of training codes is a multiple of `GROUP_SIZE`. Half of their squared norms are
    given, too, and infinity excludes a training code.
    """
    search = partial(
        search_neighbors,
        train_codes=train_codes,
        half_squares=half_squares,
        n_neighbors=n_neighbors,
    )
    if codes.device.type != "cpu" or is_symbolic(codes.shape[0]):
        return search(codes)
    return torch.cat([*map(search, codes.split(SEARCH_ROWS))])


def is_symbolic(n_rows):
    """Whether a number of rows is a symbol, because an export traces any number of rows."""
    return isinstance(n_rows, torch.SymInt)


def search_neighbors(codes, train_codes, half_squares, n_neighbors):
    """Distances to the n-th nearest training code, for all rows at once."""
    # |c - z|^2 = 2 (|c|^2 / 2 - c z) + |z|^2, of which the last term is the same for all c.
    closeness = linear(codes, train_codes, -half_squares)
    # The nearest codes lie in the groups with the nearest codes. A maximum over groups that are
    # contiguous in memory takes a fraction of the time of `topk`.
    groups = closeness.T.unflatten(0, (-1, GROUP_SIZE))
    halves = groups
    if not is_symbolic(codes.shape[0]) and codes.shape[0] < 64:  # `amax` is slow for few rows
        while halves.shape[1] > 1:
            halves = torch.maximum(*halves.chunk(2, dim=1))
    nearest_in_group = halves.amax(1).T.contiguous()
    n_groups = min(n_neighbors, groups.shape[0])
    chosen = nearest_in_group.topk(n_groups, dim=-1).indices
    rows = torch.arange(codes.shape[0], device=codes.device)[:, None]
    candidates = groups[chosen, :, rows].flatten(-2).topk(n_neighbors, dim=-1).indices
    nearest = chosen.gather(-1, candidates // GROUP_SIZE) * GROUP_SIZE + candidates % GROUP_SIZE
    # Distances anew, because the expanded square loses digits for near neighbors.
    return (train_codes[nearest] - codes[:, None]).norm(dim=-1).amax(-1)


class DensityScore(nn.Module):
    r"""Negative log density of the code of a row under a mixture of Gaussians.

    .. math:: A(x) = -\log \sum_k \pi_k\, \mathcal{N}(z; \mu_k, \Sigma_k),

    where :math:`z` is the code of the row, with each dimension standardized on the training rows. A
    mixture with one component for every 50 codes, or for twice as many codes as dimensions if that
    is more, at least 1 and at most 20, is fitted to the codes of up to 5,000 training rows, spread
    evenly over the table.

    Codes with more than 256 dimensions, or with more dimensions than there are codes, are first
    projected to at most 64 principal components. The score then ignores the part of a code that is
    orthogonal to them.

    For 5,000 codes with 64 dimensions, the fit takes about 0.3 s on one core, and scoring 1,024
    rows 42 million multiplications.

    Parameters
    ----------
    game, apply, positions
        As for :class:`NeighborScore`.
    """

    is_logarithm = True

    def __init__(self, game, apply, positions):
        super().__init__()
        codes = apply(game.encode, evenly(positions, MAX_DENSITY_CODES)).astype(np.float64)
        names = ("center", "scale", "whitening", "shift", "log_peaks")
        for name, values in zip(names, for_each_member(fit_mixture, codes), strict=True):
            self.register_buffer(name, tensor_for(game, values))

    def forward(self, game, x):
        """Score of each row; shape (..., batch_size)."""
        mixture = (self.center, self.whitening, self.shift, self.log_peaks)
        return for_each_member(negative_log_density, game.encode(x), *mixture)


def fit_mixture(codes):
    """Fit a mixture of Gaussians to the standardized codes.

    Returns
    -------
    center, scale : ndarray of shape (1, n_dims)
        Mean of the codes, and the units of their dimensions.
    whitening : ndarray of shape (n_components * n_directions, n_dims)
        Maps of centered codes, one for each component, that make its covariance the identity.
    shift : ndarray of shape (n_components * n_directions,)
        Added to the mapped codes, so that the mean of each component becomes zero.
    log_peaks : ndarray of shape (n_components,)
        Weighted log density of each component at its mean.
    """
    codes = at_least_two(codes)
    n_codes, n_dims = codes.shape
    center, std = codes.mean(axis=0, keepdims=True), codes.std(axis=0)
    scale = np.where(std > MIN_STD, std, 1.0)
    standardized = (codes - center) / scale
    directions = np.eye(n_dims)
    if n_dims > min(n_codes, MAX_DENSITY_DIMS):
        # PCA would divide by the total variance, which can be zero.
        n_directions = min(N_DIRECTIONS, n_codes - 1)
        directions = randomized_svd(standardized, n_directions, random_state=0)[2]
    codes_per_component = max(CODES_PER_COMPONENT, CODES_PER_DIMENSION * len(directions))
    mixture = GaussianMixture(
        int(np.clip(n_codes // codes_per_component, 1, MAX_COMPONENTS)),
        reg_covar=1e-2,
        # EM stops once a step raises the mean log density by less than this. The mean log density
        # is bounded, by `reg_covar`, and would exceed its bound before the last step. So EM always
        # converges, and never warns. It took 3 to 22 steps on all distributions that we tried.
        tol=1e-3 * len(directions),
        max_iter=10_000,
        init_params="k-means++",
        random_state=0,
    )
    with config_context(array_api_dispatch=False):  # does not know "k-means++"
        mixture.fit(standardized @ directions.T)
    to_unit, shift, log_peaks = whiten_components(mixture)
    whitening = (to_unit @ (directions / scale)).reshape(-1, n_dims)
    return center, scale[None], whitening, shift, log_peaks


def whiten_components(mixture):
    """Maps of the components of a mixture with full covariances that make them standard normal.

    Returns
    -------
    to_unit : ndarray of shape (n_components, n_dims, n_dims)
    shift, log_peaks : ndarray
        As :func:`fit_mixture` returns them.
    """
    to_unit = mixture.precisions_cholesky_.transpose(0, 2, 1)
    log_determinants = np.log(np.diagonal(to_unit, axis1=1, axis2=2)).sum(axis=1)
    log_peaks = np.log(mixture.weights_) + log_determinants
    log_peaks -= to_unit.shape[-1] / 2 * np.log(2 * np.pi)
    shift = -(to_unit @ mixture.means_[:, :, None]).ravel()
    return to_unit, shift, log_peaks


def negative_log_density(codes, center, whitening, shift, log_peaks):
    """Negative log density of codes under a mixture, from the results of :func:`fit_mixture`."""
    # Centered first: a code can be far from zero, compared with its standard deviation.
    whitened = linear(codes - center, whitening, shift).unflatten(-1, (len(log_peaks), -1))
    return -(log_peaks - whitened.square().sum(-1) / 2).logsumexp(-1)


class CombinedScore(nn.Module):
    """Average of several scores in common units.

    The unit of a score is the interquartile range of its logarithm on up to 2,000 training rows,
    and its origin the median. The density score is a logarithm already, and grows with the square
    of the distance. The inverse hyperbolic sine of the average, which is the score, grows with the
    logarithm of the distance, and changes small averages little. About half of the training rows
    have negative scores.

    A row that equals several training rows has a distance of zero, whose logarithm would be out of
    all proportion. Scores below the 1 % quantile of the positive training scores count as this
    quantile.

    Parameters
    ----------
    game, apply, positions
        As for :class:`MahalanobisScore`.
    parts : sequence of type
        Classes of the scores to combine.
    """

    def __init__(self, game, apply, positions, parts):
        super().__init__()
        self.parts = nn.ModuleList(part(game, apply, positions) for part in parts)
        logs = apply(lambda x: self.log_scores(game, x), evenly(positions, MAX_UNIT_ROWS))
        logs = logs.astype(np.float64)
        floor = np.concatenate([self.floor(logs, p) for p in range(len(parts))], axis=-1)
        low, median, high = np.percentile(
            np.maximum(logs, floor), [25, 50, 75], axis=-2, keepdims=True
        )
        spread = np.where(high > low, high - low, 1.0)
        self.register_buffer("lowest", tensor_for(game, floor))
        self.register_buffer("location", tensor_for(game, median))
        self.register_buffer("scale", tensor_for(game, spread))

    def floor(self, logs, p):
        """Lowest logarithm of a score that counts, for each member; shape (..., 1, 1)."""
        logs = logs[..., p]
        if self.parts[p].is_logarithm:
            return np.full((*logs.shape[:-1], 1, 1), -np.inf)
        positive = np.where(logs > np.log(MIN_SCORE) + 1e-3, logs, np.nan)
        positive[np.isnan(positive).all(axis=-1)] = np.log(MIN_SCORE)
        return np.nanquantile(positive, LOWEST, axis=-1)[..., None, None]

    def log_scores(self, game, x):
        """Logarithms of the scores; shape (..., batch_size, n_parts)."""
        scores = [(part, part(game, x)) for part in self.parts]
        logs = [s if part.is_logarithm else s.clamp(min=MIN_SCORE).log() for part, s in scores]
        return torch.stack(logs, dim=-1)

    def forward(self, game, x):
        """Score of each row; shape (..., batch_size)."""
        logs = self.log_scores(game, x).maximum(self.lowest)
        return ((logs - self.location) / self.scale).mean(-1).asinh()


def for_each_member(function, first, *others):
    """Apply a function to matrices, or to those of each member if there is a leading dimension."""
    # `linear` is called directly here, so no function needs to be replaced, which takes a third of
    # the time of a single row.
    with torch._C.DisableTorchFunction():
        if first.ndim == 2:
            return function(first, *others)
        return stacked(function, first, *others)


def stacked(function, first, *others):
    """Results of a function for the matrices of each member, stacked."""
    stack = torch.stack if torch.is_tensor(first) else np.stack
    results = [function(*parts) for parts in zip(first, *others, strict=True)]
    if isinstance(results[0], tuple):
        return tuple(stack(parts) for parts in zip(*results, strict=True))
    return stack(results)


def tensor_for(game, values):
    """Tensor with the dtype and on the device of the parameters of a game."""
    parameter = next(game.parameters())
    return torch.tensor(
        np.ascontiguousarray(values), dtype=parameter.dtype, device=parameter.device
    )


def at_least_two(rows):
    """Rows to fit an estimator to that needs two of them: a single row is repeated."""
    return np.repeat(rows, 2, axis=0) if len(rows) == 1 else rows


def evenly(positions, n_max):
    """At most `n_max` of the positions, spread evenly."""
    if len(positions) <= n_max:
        return positions
    return positions[np.linspace(0, len(positions) - 1, n_max).astype(int)]


#: Scores that every detector offers whose game can reconstruct rows and encode them.
FinishedScore: TypeAlias = Literal[
    "mahalanobis",
    "neighbors",
    "density",
    "mahalanobis+neighbors",
    "neighbors+density",
    "mahalanobis+neighbors+density",
]

#: Classes of the scores that can be combined.
PARTS = {"mahalanobis": MahalanobisScore, "neighbors": NeighborScore, "density": DensityScore}


def builder(score_type):
    """Class of a score, or a function that builds a combination."""
    parts = [PARTS[name] for name in score_type.split("+")]
    return parts[0] if len(parts) == 1 else partial(CombinedScore, parts=parts)


#: Builders of the scores, by score type.
FINISHED_SCORES = {score_type: builder(score_type) for score_type in get_args(FinishedScore)}
