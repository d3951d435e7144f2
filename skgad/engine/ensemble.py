"""Several games of one kind that are trained together."""

from copy import deepcopy
from itertools import chain

import numpy as np
import torch
from torch import nn

from .encoding import ColumnEncoding

#: Methods of a game that make rows, for each kind of rows.
SAMPLERS = {"inlier": "sample", "outlier": "sample_outliers"}
RECONSTRUCTORS = {"inlier": "reconstruct", "outlier": "reconstruct_as_outlier"}


class Ensemble(nn.Module):
    """Games of one kind that are trained side by side, and the averages of their weights.

    Each member has its own initial weights and its own noise; all of them see the same
    mini-batches. A move of a player is the move of that player in every game. The games share
    no parameters, so each one is trained as if it were alone.

    Parameters
    ----------
    make_game : callable
        Returns a new :class:`~skgad.Game`.
    n_members : int, default=1
        Number of games.
    block_rows : int, default=1024
        Number of rows that are scored at once. See :func:`~skgad.engine.scores.map_rows`.
    encoding : Encoding or None, default=None
        Codes of the columns that the games see in place of the rows. None passes rows on as they
        are.

    Notes
    -----
    Scores of different members have no common unit, for example if they are distances in the
    features of a discriminator. After training, :meth:`calibrate` stores the median and
    the interquartile range of each member's scores on the training rows. The score of the ensemble
    is the average of the members' scores in these units. A single game keeps the score of
    the paper as it is.
    """

    def __init__(self, make_game, n_members=1, block_rows=1024, encoding=None):
        super().__init__()
        self.games = nn.ModuleList(make_game() for _ in range(n_members))
        self.averages = None
        self.block_rows = block_rows
        self.encoding = None if encoding is None else ColumnEncoding(encoding)
        self.register_buffer("location", torch.zeros(n_members, 1, dtype=torch.float64))
        self.register_buffer("scale", torch.ones(n_members, 1, dtype=torch.float64))

    @property
    def players(self):
        """Players of the games."""
        return self.games[0].players

    @property
    def scorers(self):
        """Games that score: those with averaged weights, if there are averages."""
        return self.games if self.averages is None else self.averages

    @property
    def all_games(self):
        """All games, including those with averaged weights."""
        return [*self.games, *(self.averages or ())]

    @property
    def device(self):
        """Device of the networks."""
        return next(self.parameters()).device

    def to_codes(self, x):
        """Encode rows for the games."""
        return x if self.encoding is None else self.encoding(x)

    def to_rows(self, codes):
        """Decode the output of the games."""
        return codes if self.encoding is None else self.encoding.decode(codes)

    def start_averaging(self):
        """Add a copy of the games for :class:`skgad.callbacks.WeightAveraging` to update."""
        if self.averages is None:
            self.averages = deepcopy(self.games).requires_grad_(False)

    def play(self, x, labels=None):
        """Play one mini-batch in all games."""
        x = self.to_codes(x)
        for moves in zip(*(game.play(x, labels) for game in self.games), strict=True):
            players, losses = zip(*moves, strict=True)
            yield players[0], torch.stack(losses)

    def player_parameters(self, player):
        """Iterate over the parameters that a player moves in all games."""
        return chain.from_iterable(game.player_parameters(player) for game in self.games)

    def prepare(self, apply, labels):
        """Prepare all games for the first mini-batch."""
        for game in self.games:
            game.prepare(apply, labels)

    def finalize(self, apply, labels):
        """Finalize the games that score."""
        for game in self.scorers:
            game.finalize(apply, labels)

    def discard_finished_scores(self):
        """Return to the scores of the games themselves, whose networks are trained further."""
        for game in self.all_games:
            game.finished = None

    def set_score_type(self, score_type):
        """Change the anomaly score of all games."""
        for game in self.all_games:
            game.set_score_type(score_type)

    def member_scores(self, x):
        """Score of each row by each member, float64; shape (n_members, batch_size)."""
        x = self.to_codes(x)
        return torch.stack([game.anomaly_score(x) for game in self.scorers]).double()

    def calibrate(self, scores):
        """Set the units of the members from their scores, of shape (n_samples, n_members)."""
        low, median, high = np.percentile(scores, [25, 50, 75], axis=0)
        spread = np.where(high > low, high - low, 1.0)
        self.location.copy_(torch.from_numpy(median)[:, None])
        self.scale.copy_(torch.from_numpy(spread)[:, None])

    def combine(self, member_scores):
        """Average the members' scores in their units."""
        location, scale = (unit.to(member_scores.device) for unit in (self.location, self.scale))
        return ((member_scores - location) / scale).mean(0)

    @property
    def boundary(self):
        """Average of the members' boundaries in their units, or None."""
        boundaries = [game.boundary for game in self.scorers]
        if boundaries[0] is None:
            return None
        return self.combine(torch.stack(boundaries).double()[:, None]).squeeze()

    def score(self, x):
        """Anomaly score of each row; shape (batch_size,)."""
        return self.combine(self.member_scores(x))

    def encode(self, x):
        """Latent codes of the members, side by side."""
        x = self.to_codes(x)
        return torch.cat([game.encode(x) for game in self.scorers], dim=-1)

    def reconstruct(self, x, kind):
        """Reconstructions as rows of a kind, averaged over the members."""
        x = self.to_codes(x)
        reconstructed = [getattr(game, RECONSTRUCTORS[kind])(x) for game in self.scorers]
        return self.to_rows(torch.stack(reconstructed)).mean(0)

    def sample(self, n_samples, kind, device, **options):
        """Sample new rows of a kind, each from a member chosen at random."""
        rows = [
            getattr(game, SAMPLERS[kind])(n_samples, device, **options) for game in self.scorers
        ]
        rows = torch.stack(rows)
        chosen = rows[torch.randint(len(rows), (n_samples,)), torch.arange(n_samples)]
        return self.to_rows(chosen)

    def validation_loss(self, x):
        """Average of the members' losses on held-out rows; shape ()."""
        x = self.to_codes(x)
        return torch.stack([game.validation_loss(x) for game in self.scorers]).mean()

    def forward(self, x):
        """Anomaly score, so that skorch's own inference returns it, too."""
        return self.score(x)
