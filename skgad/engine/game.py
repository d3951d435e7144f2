"""Adversarial games: the networks of a method and the order of their moves."""

from abc import ABC, abstractmethod
from copy import deepcopy
from itertools import chain

import numpy as np
import torch
from torch import nn


class Game(nn.Module, ABC):
    """Base class of the games: one method's networks, moves and anomaly score.

    A game owns all networks of a method. ``players`` names the groups of networks that
    move together, ``play`` is the algorithm box of the paper, ``score`` its anomaly score.

    Attributes
    ----------
    players : dict of str to tuple of str
        For each player, the names of the networks that it moves; one that is None is left out.
    epoch : int
        Number of completed epochs. The net keeps it.
    boundary : Tensor of shape () or None
        The anomaly score above which the method calls a row an outlier, if it has such a one.

    Notes
    -----
    *A note on design.* ``play`` is a generator so that inner loops, schedules and branches
    are plain Python in the paper's order. A loss is differentiated with respect to the
    yielded player's own parameters only, and that player has moved when the ``yield``
    returns: a game needs neither ``detach`` nor ``requires_grad_`` nor ``zero_grad``, which
    is where hand-written adversarial code goes wrong. One optimizer per player was rejected:
    skorch's schedulers, checkpoints and early stopping know one module and one optimizer.

    Rules: do not ``yield`` inside a ``with``; state that changes in training is a buffer
    and changes only ``if self.training``; work on the last dimension; ``score`` must not
    look at the batch.
    """

    players: dict[str, tuple[str, ...]]
    epoch = 0
    boundary = None

    @abstractmethod
    def play(self, x, labels=None):
        """Play one mini-batch: yield ``(player, loss)`` for every move, in order.

        Parameters
        ----------
        x : Tensor of shape (batch_size, n_features)
            Rows of the training data.
        labels : Tensor of shape (batch_size,) or None
            What is known of the rows: 1 inlier, -1 outlier, 0 nothing.

        Yields
        ------
        player : str
            Who moves.
        loss : Tensor of shape ()
            What the player's parameters descend.
        """

    @abstractmethod
    def score(self, x):
        """Anomaly score of each row, the higher the more abnormal; shape (batch_size,)."""

    def encode(self, x):
        """Latent code of each row; shape (batch_size, latent_dim)."""
        return self.encoder(x)

    def reconstruct(self, x, kind):
        """The version of each row that the game takes for ``kind``."""
        return self.decoder(self.encode(x))

    def sample(self, n_samples, kind, device):
        """``n_samples`` new rows of a ``kind``, here decoded from the latent prior."""
        return self.decoder(torch.randn(n_samples, self.latent_dim).to(device))

    def validation_loss(self, x):
        """What early stopping wants to be small on held-out rows; shape ()."""
        return self.score(x).mean()

    def finish(self, apply, labels):
        """Store, as buffers, what the method takes from all training rows after the training.

        Parameters
        ----------
        apply : callable
            ``apply(function, rows=...)`` is the array of what a function of a batch gives for the
            training rows, or for those at the positions ``rows``.
        labels : ndarray of shape (n_samples,)
            What is known of the rows.
        """

    def sample_latent(self, x):
        """Draw one standard normal code for each row of ``x``."""
        return torch.randn(len(x), self.latent_dim, device=x.device, dtype=x.dtype)

    def player_parameters(self, player):
        """Iterate over the parameters that ``player`` moves."""
        networks = (getattr(self, name) for name in self.players[player])
        return chain.from_iterable(n.parameters() for n in networks if n is not None)


class Ensemble(Game):
    """Games of one kind that are played side by side, and the averages of their weights.

    Each member has its own initial weights and its own noise; all see the same
    mini-batches. A move of a player is that player's move in every game at once: the games
    share no parameter, so each of them goes as if it were alone.

    Parameters
    ----------
    make_game : callable
        Returns a new :class:`Game`.
    n_members : int, default=1
        Number of games.

    Notes
    -----
    Members that differ in scale cannot be averaged as they are: the features of a
    discriminator have no unit. After training, ``calibrate`` stores the median and the
    interquartile range of each member's scores on the training rows, and the score of the
    ensemble is the mean of the members' scores in these units. A single game keeps
    the paper's score as it is.

    *A note on design.* A loop over the games, not one more tensor dimension: it takes any
    ``networks``, and one net, one optimizer, one history and one early stopping serve all.
    """

    def __init__(self, make_game, n_members=1):
        super().__init__()
        self.games = nn.ModuleList(make_game() for _ in range(n_members))
        self.averages = None
        self.register_buffer("location", torch.zeros(n_members, 1, dtype=torch.float64))
        self.register_buffer("scale", torch.ones(n_members, 1, dtype=torch.float64))

    @property
    def players(self):
        return self.games[0].players

    @property
    def scorers(self):
        """The games that score: with averaged weights where there are averages."""
        return self.games if self.averages is None else self.averages

    def start_averaging(self):
        """Add a copy of the games for :class:`skgad.callbacks.WeightAveraging` to keep."""
        if self.averages is None:
            self.averages = deepcopy(self.games).requires_grad_(False)

    def play(self, x, labels=None):
        for moves in zip(*(game.play(x, labels) for game in self.games), strict=True):
            players, losses = zip(*moves, strict=True)
            yield players[0], torch.stack(losses)

    def player_parameters(self, player):
        return chain.from_iterable(game.player_parameters(player) for game in self.games)

    def set_epoch(self, epoch):
        """Tell all games how many epochs have been completed."""
        for game in chain(self.games, self.averages or ()):
            game.epoch = epoch

    def member_scores(self, x):
        """Score of each row by each member, float64; shape (n_members, batch_size)."""
        return torch.stack([game.score(x) for game in self.scorers]).double()

    def calibrate(self, scores):
        """Take the units of the members from their scores, of shape (n_rows, n_members)."""
        low, median, high = np.percentile(scores, [25, 50, 75], axis=0)
        spread = np.where(high > low, high - low, 1.0)
        self.location.copy_(torch.from_numpy(median)[:, None])
        self.scale.copy_(torch.from_numpy(spread)[:, None])

    def combine(self, member_scores):
        """Mean of the members' scores in their units."""
        location, scale = (unit.to(member_scores.device) for unit in (self.location, self.scale))
        return ((member_scores - location) / scale).mean(0)

    def finish(self, apply, labels):
        for game in self.scorers:
            game.finish(apply, labels)

    @property
    def boundary(self):
        """The members' boundaries in their units, averaged as the scores are."""
        boundaries = [game.boundary for game in self.scorers]
        if boundaries[0] is None:
            return None
        return self.combine(torch.stack(boundaries).double()[:, None]).squeeze()

    def score(self, x):
        return self.combine(self.member_scores(x))

    def encode(self, x):
        return torch.cat([game.encode(x) for game in self.scorers], dim=-1)

    def reconstruct(self, x, kind):
        return torch.stack([game.reconstruct(x, kind) for game in self.scorers]).mean(0)

    def sample(self, n_samples, kind, device, **options):
        rows = [game.sample(n_samples, kind, device, **options) for game in self.scorers]
        rows = torch.stack(rows)
        return rows[torch.randint(len(rows), (n_samples,)), torch.arange(n_samples)]

    def validation_loss(self, x):
        return torch.stack([game.validation_loss(x) for game in self.scorers]).mean()

    def forward(self, x):
        """The score, so that skorch's own inference gives it too."""
        return self.score(x)
