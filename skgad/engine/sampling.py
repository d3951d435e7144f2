"""New rows that are spread like the training rows, for every game that encodes and decodes.

A decoder answers the average of the rows that have a code, and the prior's codes are not those of
the training rows, so the rows that a method itself generates vary too little. Here, codes are drawn
from a mixture that is fitted to the training codes, the residual of a training row with a similar
code is added, and each column is brought to the distribution that it has in the training rows.
"""

import numpy as np
import torch
from scipy.special import softmax

from .._encoding import n_decimals
from .data import to_floats
from .finished import DensityScore, evenly
from .one_hot_groups import find_groups
from .scores import applying

#: Largest number of training rows whose residuals are added to generated rows.
MAX_RESIDUALS = 2_000

#: Largest number of training rows that determine the distributions of the columns.
MAX_SEEN = 20_000

#: Number of generated rows that determine how the columns have to be changed.
N_GENERATED = 4_096

#: Number of quantiles that describe the distribution of a column.
N_QUANTILES = 513

#: Largest number of values of a column that only takes some values.
MAX_VALUES = 256


class RowSampler:
    """Sampler of rows, learned from the training rows after the training.

    Parameters
    ----------
    ensemble : Ensemble
        Trained networks, whose game can encode and decode.
    table : ndarray, CSR matrix or Items of shape (n_samples, n_features)
        Training rows.
    positions : ndarray of int
        Positions of the rows to learn from.

    Attributes
    ----------
    rows : Tensor of shape (n_rows, n_features)
        Training rows whose residuals are added.
    mixtures : list of CodeMixture
        Distribution of the codes of each member.
    groups : list of tuple of int
        Groups of one-hot columns.
    columns : dict of int to Column
        Distributions of all other columns.
    """

    def __init__(self, ensemble, table, positions):
        self.rows = to_floats(table[evenly(positions, MAX_RESIDUALS)], "cpu")
        self.mixtures = code_mixtures(ensemble, table, positions)
        seen = to_floats(table[evenly(positions, MAX_SEEN)], "cpu").numpy().astype(np.float64)
        self.groups = find_groups(seen)
        self.columns = {}
        blocks = self.blocks(ensemble, -(-N_GENERATED // ensemble.block_rows), seed=0)
        generated = np.concatenate([*blocks])
        in_groups = {j for group in self.groups for j in group}
        for j in set(range(seen.shape[1])) - in_groups:
            self.columns[j] = Column(seen[:, j], generated[:, j])

    @torch.inference_mode()
    def blocks(self, ensemble, n_blocks, seed):
        """Yield blocks of new rows, ndarrays of shape (block_rows, n_features)."""
        game, n_rows = ensemble.scorer, ensemble.block_rows
        known = ensemble.to_codes(self.rows.to(ensemble.device))
        z_known = game.encode(known)
        residuals = known - game.decode(z_known)
        rng = np.random.default_rng(seed)
        for _ in range(n_blocks):
            z = np.stack([mixture.draw(n_rows, rng) for mixture in self.mixtures])
            z = torch.from_numpy(z.reshape(*game.leading_shape, *z.shape[1:])).to(known)
            nearest = torch.cdist(z, z_known).argmin(-1)[..., None]
            generated = game.decode(z) + residuals.take_along_dim(nearest, dim=-2)
            by_member = generated.reshape(-1, *generated.shape[-2:])
            chosen = by_member[rng.integers(len(by_member), size=n_rows), torch.arange(n_rows)]
            yield self.like_the_table(ensemble.to_rows(chosen).cpu().numpy().astype(float), rng)

    def like_the_table(self, rows, rng):
        """Bring the columns of generated rows to the distributions of the training rows."""
        for group in self.groups:
            largest = rows[:, group].argmax(axis=1)
            rows[:, group] = np.arange(len(group)) == largest[:, None]
        for j, column in self.columns.items():
            rows[:, j] = column.match(rows[:, j], rng)
        return rows.astype(np.float32)


class CodeMixture:
    """Mixture of Gaussians of codes, to draw from.

    Parameters
    ----------
    center, scale, whitening, shift, log_peaks : ndarray
        Parameters of a :class:`~skgad.engine.finished.DensityScore`, for one member.
    """

    def __init__(self, center, scale, whitening, shift, log_peaks):
        whitening = scale * whitening.reshape(len(log_peaks), -1, center.shape[1])
        self.spread = scale.reshape(-1, 1) * np.linalg.pinv(whitening)
        shift = shift.reshape(len(log_peaks), -1, 1)
        self.means = center - (self.spread @ shift)[:, :, 0]
        _, log_determinants = np.linalg.slogdet(whitening @ whitening.transpose(0, 2, 1))
        self.weights = softmax(log_peaks - log_determinants / 2)

    def draw(self, n_codes, rng):
        """Draw codes; shape (n_codes, n_dims)."""
        component = rng.choice(len(self.weights), size=n_codes, p=self.weights)
        noise = rng.normal(size=(n_codes, self.spread.shape[2]))
        return self.means[component] + np.einsum("nij,nj->ni", self.spread[component], noise)


def code_mixtures(ensemble, table, positions):
    """Mixture of the training codes of each member: that of the anomaly score, if it has one."""
    game = ensemble.scorer
    parts = [] if game.finished is None else game.finished.modules()
    density = next((part for part in parts if isinstance(part, DensityScore)), None)
    if density is None:
        density = DensityScore(game, applying(ensemble, table), positions)
    parameters = [values.cpu().numpy().astype(np.float64) for values in density.buffers()]
    if not game.leading_shape:
        return [CodeMixture(*parameters)]
    return [CodeMixture(*of_member) for of_member in zip(*parameters, strict=True)]


class Column:
    """Distribution of a column in the training rows and in generated rows.

    Parameters
    ----------
    seen : ndarray of shape (n_seen,)
        Values of training rows.
    generated : ndarray of shape (n_generated,)
        Values of generated rows.
    """

    def __init__(self, seen, generated):
        values = np.unique(seen)
        # A column of few values that repeat takes no others.
        self.values = values if len(values) <= min(MAX_VALUES, len(seen) / 2) else None
        method = "linear" if self.values is None else "nearest"
        probabilities = np.linspace(0, 1, N_QUANTILES)
        self.seen = np.quantile(seen, probabilities, method=method)
        self.generated = np.quantile(generated, probabilities)
        self.decimals = n_decimals(values, np.finfo(np.float32).eps)

    def match(self, x, rng):
        """Values of the training rows at the ranks that `x` has among generated rows."""
        below = np.searchsorted(self.generated, x, side="left")
        above = np.searchsorted(self.generated, x, side="right")
        lower = np.clip(below - 1, 0, N_QUANTILES - 2)
        gap = self.generated[lower + 1] - self.generated[lower]
        between = np.clip((x - self.generated[lower]) / np.where(gap > 0, gap, 1), 0, 1)
        # A value that is generated often has a range of ranks.
        tied = below + rng.random(len(x)) * (above - 1 - below)
        rank = np.where(above > below, tied, lower + between)
        matched = np.interp(rank, np.arange(N_QUANTILES), self.seen)
        if self.values is not None:
            middles = (self.values[1:] + self.values[:-1]) / 2
            return self.values[np.searchsorted(middles, matched)]
        return matched if self.decimals is None else matched.round(self.decimals)
