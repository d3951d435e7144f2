"""New rows that are spread like the training rows, for every game that encodes and decodes.

A decoder answers the average of the rows that have a code, and the prior's codes are not those of
the training rows, so the rows that a method itself generates vary too little. Here, codes are drawn
from a mixture that is fitted to the training codes, and each column of the decoded rows is brought
to the distribution that it has in the training rows. No training row is stored.
"""

import numpy as np
import torch
from scipy.special import softmax

from .._encoding import n_decimals
from .finished import DensityScore, evenly
from .one_hot_groups import find_groups
from .runtime import warn
from .scores import applying, map_rows

#: Largest number of training codes to which a mixture is fitted if the anomaly score has none.
MAX_CODES = 2_000

#: Largest number of training rows that determine the distributions of the columns.
MAX_SEEN = 20_000

#: Number of generated rows that determine how the columns have to be changed.
N_GENERATED = 4_096

#: Number of quantiles that describe the distribution of a column.
N_QUANTILES = 513

#: Largest number of values of a column that only takes some values.
MAX_VALUES = 256

#: Generated rows have collapsed in a column if its standard deviation is less than this share of
#: that of the training rows, or if a level is missing that this number of rows should have.
MIN_SPREAD = 0.5
MIN_EXPECTED = 10

#: Smallest number of generated rows whose spread is judged.
MIN_JUDGED = 100

#: Smallest probability of a level, before it is adjusted to the frequency of the level.
MIN_PROBABILITY = 1e-3


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
    mixtures : list of CodeMixture
        Distribution of the codes of each member.
    parts : list of Column or OneHotGroup
        Distributions of the columns.
    """

    def __init__(self, ensemble, table, positions):
        self.mixtures = code_mixtures(ensemble, table, positions)
        self.parts = []
        seen = map_rows(ensemble, table, ensemble.add_origin, evenly(positions, MAX_SEEN))
        blocks = self.blocks(ensemble, -(-N_GENERATED // ensemble.block_rows), seed=0)
        generated = np.concatenate([*blocks])
        groups = find_groups(seen)
        others = set(range(seen.shape[1])).difference(*groups)
        self.parts = [OneHotGroup(group, seen, generated) for group in groups]
        self.parts += [Column(j, seen, generated) for j in others]

    @torch.inference_mode()
    def blocks(self, ensemble, n_blocks, seed):
        """Yield blocks of new rows, ndarrays of shape (block_rows, n_features)."""
        game, n_rows = ensemble.scorer, ensemble.block_rows
        rng = np.random.default_rng(seed)
        for _ in range(n_blocks):
            z = np.stack([mixture.draw(n_rows, rng) for mixture in self.mixtures])
            z = torch.from_numpy(z.reshape(*game.leading_shape, *z.shape[1:]))
            decoded = game.decode(z.to(ensemble.device, torch.float32))
            by_member = decoded.reshape(-1, *decoded.shape[-2:])
            chosen = by_member[rng.integers(len(by_member), size=n_rows), np.arange(n_rows)]
            rows = ensemble.to_rows(chosen).cpu().numpy()
            for part in self.parts:
                part.match(rows, rng)
            yield rows

    def warn_if_collapsed(self, rows):
        """Warn if rows that are generated in another way vary much less than the training rows.

        Parameters
        ----------
        rows : ndarray of shape (n_rows, n_features)
            Generated rows.
        """
        if len(rows) < MIN_JUDGED:
            return
        collapsed = sorted(j for part in self.parts for j in part.collapsed(rows))
        if collapsed:
            some = ", ".join(map(str, collapsed[:10])) + (", ..." if len(collapsed) > 10 else "")
            warn(
                f"The generated rows have collapsed in {len(collapsed)} of {rows.shape[1]} columns "
                f"(positions {some}): they vary less than {MIN_SPREAD:.0%} of what the training "
                "rows do, or a level is missing. Use latent='mixture', or train longer."
            )


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
        density = DensityScore(game, applying(ensemble, table), evenly(positions, MAX_CODES))
    parameters = [values.cpu().numpy().astype(np.float64) for values in density.buffers()]
    if not game.leading_shape:
        return [CodeMixture(*parameters)]
    return [CodeMixture(*of_member) for of_member in zip(*parameters, strict=True)]


class Column:
    """Distribution of a column in the training rows and in generated rows.

    Parameters
    ----------
    column : int
        Position of the column.
    seen : ndarray of shape (n_seen, n_features)
        Training rows.
    generated : ndarray of shape (n_generated, n_features)
        Generated rows.
    """

    def __init__(self, column, seen, generated):
        self.column = column
        seen, generated = seen[:, column], generated[:, column]
        values = np.unique(seen)
        # A column of few values that repeat takes no others.
        self.values = values if len(values) <= min(MAX_VALUES, len(seen) / 2) else None
        method = "linear" if self.values is None else "nearest"
        probabilities = np.linspace(0, 1, N_QUANTILES)
        self.seen = np.quantile(seen, probabilities, method=method).astype(np.float32)
        self.generated = np.quantile(generated, probabilities).astype(np.float32)
        self.decimals = n_decimals(values.astype(np.float64), np.finfo(np.float32).eps)

    def match(self, rows, rng):
        """Replace generated values by the values of the training rows at the same ranks."""
        x = rows[:, self.column]
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
            matched = self.values[np.searchsorted(middles, matched)]
        elif self.decimals is not None:
            matched = matched.round(self.decimals)
        rows[:, self.column] = matched

    def collapsed(self, rows):
        """The position of the column, in a list, if generated rows vary too little in it."""
        spread = rows[:, self.column].std()
        return [self.column] if spread < MIN_SPREAD * self.seen.std() else []


class OneHotGroup:
    """Frequencies of the levels of one-hot columns in the training rows and in generated rows.

    Parameters
    ----------
    columns : tuple of int
        Positions of the columns.
    seen, generated : ndarray
        As for :class:`Column`.
    """

    def __init__(self, columns, seen, generated):
        self.columns = list(columns)
        self.share = share = seen[:, self.columns].mean(axis=0)
        # The decoded values are probabilities, which are brought to the frequencies step by step.
        probabilities = as_probabilities(generated[:, self.columns])
        self.weights = np.ones(len(columns))
        for _ in range(100):
            weighted = probabilities * self.weights
            generated_share = (weighted / weighted.sum(axis=1, keepdims=True)).mean(axis=0)
            # A level without rows has the weight 0, and is then not generated either.
            self.weights *= np.divide(
                share, generated_share, where=share > 0, out=np.zeros_like(share)
            )

    def match(self, rows, rng):
        """Draw a level for each row from the decoded probabilities."""
        weighted = as_probabilities(rows[:, self.columns]) * self.weights
        cumulated = weighted.cumsum(axis=1)
        drawn = (cumulated < rng.random((len(rows), 1)) * cumulated[:, -1:]).sum(axis=1)
        rows[:, self.columns] = np.arange(len(self.columns)) == drawn[:, None]

    def collapsed(self, rows):
        """Positions of the levels that generated rows do not have, though they should."""
        levels = rows[:, self.columns].argmax(axis=1)
        counts = np.bincount(levels, minlength=len(self.columns))
        is_missing = (counts == 0) & (self.share * len(rows) >= MIN_EXPECTED)
        return [self.columns[j] for j in np.flatnonzero(is_missing)]


def as_probabilities(decoded):
    """Decoded values of one-hot columns as positive probabilities, up to a factor."""
    return np.clip(decoded.astype(np.float64), MIN_PROBABILITY, 1)
