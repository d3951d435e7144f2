"""Anomaly scores that are finished after the training, for every game that can provide them.

A paper's score compares a row with what the networks make of it, column by column. The training
rows tell more: how large residuals usually are, in which directions, and where the codes of
normal rows lie. The scores in this file learn this from all training rows, once the networks are
trained.
"""

from typing import Literal, TypeAlias

import numpy as np
import torch
from sklearn.covariance import ledoit_wolf
from torch import nn
from torch.nn.functional import linear

#: Largest number of rows from which the covariance of the residuals is estimated.
MAX_RESIDUALS = 20_000

#: Largest number of training codes that are searched for neighbors.
MAX_CODES = 10_000

#: Which neighbor counts.
N_NEIGHBORS = 5

#: Smallest variance of whitened directions, in units of the average variance.
MIN_VARIANCE = 1e-6

#: Stands for a score of zero before the logarithm is taken.
MIN_SCORE = 1e-12


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
    covariance, _ = ledoit_wolf(residuals)
    variances, directions = np.linalg.eigh(np.atleast_2d(covariance))
    floor = max(MIN_VARIANCE * variances.mean(), np.finfo(np.float32).tiny)
    return (directions / np.sqrt(np.maximum(variances, floor))).T


class NeighborScore(nn.Module):
    """Distance of the code of a row to its fifth nearest neighbor among the training codes.

    The codes of up to 10,000 training rows are searched, spread evenly over the table. Scoring
    1,024 rows with codes of 64 dimensions takes about 1.3 billion multiplications.

    Parameters
    ----------
    game, apply, positions
        As for :class:`MahalanobisScore`, with a game that has an `encode` method.
    """

    def __init__(self, game, apply, positions):
        super().__init__()
        codes = tensor_for(game, apply(game.encode, evenly(positions, MAX_CODES)))
        self.register_buffer("codes", codes)
        self.register_buffer("half_squares", codes.square().sum(-1) / 2)

    def forward(self, game, x):
        """Score of each row; shape (..., batch_size)."""
        return for_each_member(distances_to_neighbor, game.encode(x), self.codes, self.half_squares)


def distances_to_neighbor(codes, train_codes, half_squares):
    """Distances to the fifth nearest of some codes, with half of their squared norms."""
    # |c - z|^2 = 2 (|c|^2 / 2 - c z) + |z|^2, of which the last term is the same for all c.
    closeness = linear(codes, train_codes, -half_squares)
    n_neighbors = min(N_NEIGHBORS, len(train_codes))
    nearest = closeness.topk(n_neighbors, dim=-1).indices
    # Distances anew, because the expanded square loses digits for near neighbors.
    return (train_codes[nearest] - codes[:, None]).norm(dim=-1).amax(-1)


class CombinedScore(nn.Module):
    """Average of several scores in common units.

    The unit of a score is the interquartile range of its logarithm on the training rows, and its
    origin the median. The average is exponentiated, so that scores stay positive.

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
        logs = apply(lambda x: self.log_scores(game, x), evenly(positions, MAX_RESIDUALS))
        low, median, high = np.percentile(
            logs.astype(np.float64), [25, 50, 75], axis=-2, keepdims=True
        )
        spread = np.where(high > low, high - low, 1.0)
        self.register_buffer("location", tensor_for(game, median))
        self.register_buffer("scale", tensor_for(game, spread))

    def log_scores(self, game, x):
        """Logarithms of the scores; shape (..., batch_size, n_parts)."""
        scores = torch.stack([part(game, x) for part in self.parts], dim=-1)
        return scores.clamp(min=MIN_SCORE).log()

    def forward(self, game, x):
        """Score of each row; shape (..., batch_size)."""
        return ((self.log_scores(game, x) - self.location) / self.scale).mean(-1).exp()


def for_each_member(function, first, *others):
    """Apply a function to matrices, or to those of each member if there is a leading dimension."""
    if first.ndim == 2:
        return function(first, *others)
    stack = torch.stack if torch.is_tensor(first) else np.stack
    return stack([function(*parts) for parts in zip(first, *others, strict=True)])


def tensor_for(game, values):
    """Tensor with the dtype and on the device of the parameters of a game."""
    parameter = next(game.parameters())
    return torch.tensor(
        np.ascontiguousarray(values), dtype=parameter.dtype, device=parameter.device
    )


def evenly(positions, n_max):
    """At most `n_max` of the positions, spread evenly."""
    if len(positions) <= n_max:
        return positions
    return positions[np.linspace(0, len(positions) - 1, n_max).astype(int)]


def mahalanobis_and_neighbors(game, apply, positions):
    """Combine the Mahalanobis norm of the residuals and the neighbors of the codes."""
    return CombinedScore(game, apply, positions, (MahalanobisScore, NeighborScore))


#: Scores that every detector offers whose game can reconstruct rows and encode them.
FinishedScore: TypeAlias = Literal["mahalanobis", "neighbors", "mahalanobis+neighbors"]

#: Builders of the scores, by score type.
FINISHED_SCORES = {
    "mahalanobis": MahalanobisScore,
    "neighbors": NeighborScore,
    "mahalanobis+neighbors": mahalanobis_and_neighbors,
}
