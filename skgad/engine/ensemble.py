"""The games of several members as one game, and the combination of their scores."""

from copy import deepcopy

import numpy as np
import torch
from torch import nn

from ..networks._random import as_member
from ..networks._stack import Stack
from .encoding import ColumnEncoding

#: Methods of a game that make rows, for each kind of rows.
SAMPLERS = {"inlier": "sample", "outlier": "sample_outliers"}
RECONSTRUCTORS = {"inlier": "reconstruct", "outlier": "reconstruct_as_outlier"}


def stack_games(games):
    """Stack games of one class: all tensors get a leading dimension of members."""
    if len(games) == 1:
        return games[0]
    game = Stack().with_stacked_parts(games)
    game.leading_shape = (len(games),)
    return game


class Ensemble(nn.Module):
    """The game of all members, and the averages of its weights.

    Each member has its own initial weights, its own noise and its own order of the rows. Their
    games are built one by one, as those of detectors with a single member, and stacked to one game
    that has a leading dimension of members. They share no parameters, and the sum of their losses
    is minimized, so each member is trained as if it were alone. A single member keeps its game as
    it is, without a leading dimension.

    Parameters
    ----------
    make_game : callable
        Returns a new :class:`~skgad.Game`.
    n_members : int, default=1
        Number of members.
    block_rows : int, default=1024
        Number of rows that are scored at once. See :func:`~skgad.engine.scores.map_rows`.
    encoding : Encoding or None, default=None
        Codes of the columns that the game sees in place of the rows. None passes rows on as they
        are.

    Notes
    -----
    Scores of different members have no common unit, for example if they are distances in the
    features of a discriminator. After training, :meth:`calibrate` stores the median and
    the interquartile range of each member's scores on the training rows. The score of the ensemble
    is the average of the members' scores in these units. A single member keeps the score of
    the paper as it is.
    """

    def __init__(self, make_game, n_members=1, block_rows=1024, encoding=None):
        super().__init__()
        games = []
        for k in range(n_members):
            with as_member(k):
                games.append(make_game())
        self.game = stack_games(games)
        self.phase_names = [*self.game.plan_phases(lambda duration: 0)]
        if self.phase_names:  # number of mini-batches of each phase
            self.register_buffer("phases_left", torch.zeros(len(self.phase_names)).long())
        self.averaged_game = None
        self.block_rows = block_rows
        self.encoding = None if encoding is None else ColumnEncoding(encoding)
        self.register_buffer("location", torch.zeros(n_members, 1, dtype=torch.float64))
        self.register_buffer("scale", torch.ones(n_members, 1, dtype=torch.float64))

    @property
    def n_members(self):
        """Number of members."""
        return len(self.location)

    @property
    def scorer(self):
        """Game that scores: the one with averaged weights, if there are averages."""
        return self.game if self.averaged_game is None else self.averaged_game

    @property
    def games(self):
        """The game that is trained, and the one with averaged weights if there is one."""
        return [game for game in (self.game, self.averaged_game) if game is not None]

    @property
    def device(self):
        """Device of the networks."""
        return next(self.parameters()).device

    def to_codes(self, x):
        """Encode rows for the game, with a leading dimension if there are several members."""
        x = x if self.encoding is None else self.encoding(x)
        return x.expand(*self.game.leading_shape, *x.shape[-2:])

    def to_rows(self, codes):
        """Decode the output of the game."""
        return codes if self.encoding is None else self.encoding.decode(codes)

    def subtract_origin(self, table):
        """Convert a table to one whose rows can be encoded."""
        return table if self.encoding is None else self.encoding.subtract_origin(table)

    def add_origin(self, x):
        """Convert rows that can be encoded to rows of the table."""
        return x if self.encoding is None else self.encoding.add_origin(x)

    def start_averaging(self):
        """Add a copy of the game for :class:`skgad.callbacks.WeightAveraging` to update."""
        if self.averaged_game is None:
            self.averaged_game = deepcopy(self.game).requires_grad_(False)

    def play(self, x, labels=None):
        """Play one mini-batch: yield ``(player, losses)`` with one loss for each member.

        Parameters
        ----------
        x : Tensor of shape (batch_size, n_features) or (n_members, batch_size, n_features)
            Training rows, the same for all members or of each member.
        labels : Tensor of shape (batch_size,) or None, default=None
            Known labels of the rows.
        """
        for player, loss in self.game.play(self.to_codes(x), labels):
            if loss.shape != self.game.leading_shape:
                raise ValueError(
                    f"The loss of the {player} has shape {tuple(loss.shape)}, but it must have "
                    f"shape {self.game.leading_shape} with n_members={self.n_members}: one loss "
                    f"for each member. In {type(self.game).__name__}.play, average over the rows "
                    "only, which are the last dimension of scores, with mean(-1) in place of "
                    "mean()."
                )
            yield player, loss

    def prepare(self, apply, labels):
        """Prepare the game for the first mini-batch."""
        self.game.prepare(apply, labels)

    def finalize(self, apply, labels):
        """Finalize the game that scores."""
        self.scorer.finalize(apply, labels)

    def discard_finished_scores(self):
        """Return to the scores of the game itself, whose networks are trained further."""
        for game in self.games:
            game.finished = None

    def set_score_type(self, score_type):
        """Change the anomaly score."""
        for game in self.games:
            game.set_score_type(score_type)

    def member_scores(self, x):
        """Score of each row by each member, float64; shape (n_members, batch_size)."""
        return self._by_member(self.scorer.anomaly_score(self.to_codes(x))).double()

    def _by_member(self, values):
        """Values of the game, with a dimension of members in any case."""
        return values if self.game.leading_shape else values[None]

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
        boundary = self.scorer.boundary
        if boundary is None:
            return None
        return self.combine(self._by_member(boundary).double()[:, None]).squeeze()

    def score(self, x):
        """Anomaly score of each row; shape (batch_size,)."""
        return self.combine(self.member_scores(x))

    def encode(self, x):
        """Latent codes of the members, side by side."""
        codes = self._by_member(self.scorer.encode(self.to_codes(x)))
        # A code that overflows remains far from all others.
        return codes.movedim(0, -2).flatten(-2).nan_to_num(nan=torch.finfo(codes.dtype).max)

    def reconstruct(self, x, kind):
        """Reconstructions as rows of a kind, averaged over the members."""
        reconstructed = getattr(self.scorer, RECONSTRUCTORS[kind])(self.to_codes(x))
        # Where the networks overflow, the reconstruction is the center of the column.
        codes = self._by_member(reconstructed).nan_to_num(0.0, 0.0, 0.0)
        return self.to_rows(codes).mean(0).nan_to_num()

    def sample(self, n_samples, kind, device, **options):
        """Sample new rows of a kind, each from a member chosen at random."""
        rows = self._by_member(getattr(self.scorer, SAMPLERS[kind])(n_samples, device, **options))
        chosen = rows[torch.randint(len(rows), (n_samples,)), torch.arange(n_samples)]
        return self.to_rows(chosen)

    def validation_loss(self, x):
        """Average of the members' losses on held-out rows; shape ()."""
        return self.scorer.validation_loss(self.to_codes(x)).mean()

    def forward(self, x):
        """Anomaly score, so that skorch's own inference returns it, too."""
        return self.score(x)
