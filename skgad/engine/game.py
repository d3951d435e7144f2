"""Games: the networks of a method and the order in which its players move."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ..networks import MLP
from ..networks._build import Networks
from ..networks._random import randn_like


class Game(nn.Module, ABC):
    """Base class of games: the networks of one method, their moves and the anomaly score.

    A game owns all networks of a method. `players` names the groups of networks that move
    together, :meth:`play` is the algorithm box of the paper, and :meth:`score` is the
    anomaly score.

    .. versionadded:: 0.1

    Parameters
    ----------
    **params : dict
        Parameters of the method, stored as attributes of the same names.

    Attributes
    ----------
    players : dict of str to tuple of str
        For each player, the names of the networks it moves. Networks that are None are skipped.
    score_type : str or None
        Which anomaly score :meth:`score` computes, if the method has several.
    finished : torch.nn.Module or None
        Anomaly score that replaces :meth:`score` once the training is over.
    boundary : Tensor of shape (...) or None
        Anomaly score above which the method itself calls a row an outlier. None if the
        method does not define one.
    leading_shape : tuple of int
        Shape of the leading dimensions: () for the game of one member, and (n_members,) for the
        game of several members.
    phase : object
        What the moves depend on besides the rows and their labels, such as whether a warm-up is
        over. Hashable, and known without reading a tensor. See :ref:`devices`. If
        :meth:`plan_phases` is implemented, it is the name of the current phase.
    fresh_start_after : str or None
        Name of a phase, such as a pre-training, after which the training starts anew:
        :meth:`prepare` is called again, the optimizer forgets its state, and early stopping begins
        to compare epochs.

    Notes
    -----
    A game is built by ``GameClass(networks, n_features, **params)``.

    The games of several members are stacked to one game. Its parameters, its buffers and the
    tensors that its methods receive have a leading dimension of members, which the shapes below
    write as "...". The methods of a game therefore work on the last two dimensions, rows and
    features, and average over rows with ``mean(-1)``.

    A game declares what else it can do by the methods that it implements:

    - ``encode(x)``: latent codes, shape (..., batch_size, latent_dim);
    - ``reconstruct(x)`` and ``reconstruct_as_outlier(x)``: versions of the rows that the game
      considers normal or abnormal, shape (..., batch_size, n_features);
    - ``sample(n_samples, device)`` and ``sample_outliers(n_samples, device)``: new rows, shape
      (..., n_samples, n_features).

    `play` is a generator, so inner loops, schedules and branches are plain Python in the order of
    the paper. A loss is differentiated with respect to the parameters of the yielded player only,
    and that player has moved when the ``yield`` returns. A game therefore needs no ``detach``,
    ``requires_grad_`` or ``zero_grad``, which is where hand-written adversarial code goes wrong.
    One optimizer per player was rejected: the schedulers, checkpoints and early stopping of skorch
    expect one module and one optimizer.

    Rules for the code of a game: do not ``yield`` inside a ``with`` block. State that changes
    during training is a buffer, and changes only ``if self.training``. A buffer that is combined
    with rows has a dimension for them, such as a center of shape (1, n_features). Draw noise with
    :func:`skgad.base.randn_like` and :func:`skgad.base.rand_like`, which use the generator of each
    member. The score of a row must not depend on the other rows of its batch.
    """

    players: ClassVar[dict[str, tuple[str, ...]]]
    score_type: str | None = None
    leading_shape: tuple[int, ...] = ()
    phase: Any = None
    fresh_start_after: ClassVar[str | None] = None

    def __init__(self, **params: Any):
        super().__init__()
        self.finished = None
        for name, value in params.items():
            setattr(self, name, value)

    @classmethod
    def factory(
        cls, networks: Networks | None, table: Any, params: dict[str, Any]
    ) -> Callable[[], "Game"]:
        """Return a callable that builds one game for a table.

        Parameters
        ----------
        networks : object or None
            Family of networks. None is ``MLP()``.
        table : ndarray, CSR matrix or Items of shape (n_samples, n_features)
            Validated training rows.
        params : dict
            Parameters of the method.

        Returns
        -------
        build_game : callable
            Takes no arguments.
        """
        if isinstance(networks, type):
            raise ValueError(
                f"networks={networks.__name__} is a class. Pass an instance, {networks.__name__}()."
            )
        params = {**params, **cls.inspect(table, params)}
        build: Callable[..., Game] = cls  # each game defines how it is built
        return partial(build, networks or MLP(), table.shape[1], **params)

    @classmethod
    def inspect(cls, table: Any, params: dict[str, Any]) -> dict[str, Any]:
        """Look at the training rows before the networks are built.

        Override it to warn about unsuitable rows, or to derive parameters from them.

        Parameters
        ----------
        table : ndarray, CSR matrix or Items of shape (n_samples, n_features)
            Validated training rows.
        params : dict
            Parameters of the method.

        Returns
        -------
        params : dict
            Parameters of the game to add or to replace.
        """
        return {}

    @abstractmethod
    def play(self, x: Tensor, labels: Tensor | None = None) -> Iterator[tuple[str, Tensor]]:
        """Play one mini-batch: yield ``(player, loss)`` for every move, in order.

        Parameters
        ----------
        x : Tensor of shape (..., batch_size, n_features)
            Training rows.
        labels : Tensor of shape (batch_size,) or None
            Known labels of the rows: 1 for inliers, -1 for outliers, 0 for unlabeled rows. Rows
            of different members at the same position have the same label. During training they
            are on the CPU, so that branches do not wait for the device, see
            :func:`skgad.base.rows_with`.

        Yields
        ------
        player : str
            The player that moves.
        loss : Tensor of shape (...)
            The loss that the parameters of the player descend, averaged over rows only.
        """

    def plan_phases(self, count: Callable[[float], int]) -> dict[str, int]:
        """Plan the phases that come before the last one, whose name is "training".

        The engine calls this method at the beginning of the first training, counts the mini-batches
        and sets `phase`. A training that is continued continues the count.

        Parameters
        ----------
        count : callable
            Converts a duration to a number of mini-batches. An int is a number of epochs, and a
            float is a proportion of the training.

        Returns
        -------
        n_batches : dict of str to int
            Number of mini-batches of each phase, in order.
        """
        return {}

    def counts_in_phase(self, labels: Tensor) -> bool:
        """Tell whether a mini-batch counts towards the length of the current phase.

        Parameters
        ----------
        labels : Tensor of shape (batch_size,)
            Known labels of its rows, on the CPU.

        Returns
        -------
        bool
        """
        return True

    @abstractmethod
    def score(self, x: Tensor) -> Tensor:
        """Compute the anomaly score of each row, higher for more abnormal rows.

        Parameters
        ----------
        x : Tensor of shape (..., batch_size, n_features)
            Rows.

        Returns
        -------
        scores : Tensor of shape (..., batch_size)
        """

    def anomaly_score(self, x: Tensor) -> Tensor:
        """Anomaly score of each row: the method's own, or one that is finished after training.

        Parameters
        ----------
        x : Tensor of shape (..., batch_size, n_features)
            Rows to score.

        Returns
        -------
        score : Tensor of shape (..., batch_size)
            Higher for more abnormal rows.
        """
        return self.score(x) if self.finished is None else self.finished(self, x)

    def validation_loss(self, x: Tensor) -> Tensor:
        """Compute the loss on held-out rows that early stopping watches.

        Parameters
        ----------
        x : Tensor of shape (..., batch_size, n_features)
            Held-out rows.

        Returns
        -------
        loss : Tensor of shape (...) or ()
            The loss of each member, or their average.
        """
        return self.score(x).mean()

    def set_score_type(self, score_type: str) -> None:
        """Change which anomaly score :meth:`score` computes.

        Parameters
        ----------
        score_type : str
            Name of the anomaly score.
        """
        self.score_type = score_type

    def prepare(self, apply: Callable[..., np.ndarray], labels: np.ndarray) -> None:
        """Store what the method takes from all training rows before the first mini-batch.

        Store it as buffers, so that it is saved with the networks. A training that is resumed
        does not call this method again.

        Parameters
        ----------
        apply : callable
            ``apply(function, positions=None)`` applies a function of a batch to all training
            rows, or to those at some positions, and returns an array with one entry per row, of
            shape (..., n_samples) or (..., n_samples, n_outputs). The networks are in evaluation
            mode.
        labels : ndarray of shape (n_samples,)
            Known labels of the rows.
        """

    def finalize(self, apply: Callable[..., np.ndarray], labels: np.ndarray) -> None:
        """Store what the method takes from all training rows after the training.

        Store it as buffers, so that it is saved with the networks.

        Parameters
        ----------
        apply : callable
            As in :meth:`prepare`.
        labels : ndarray of shape (n_samples,)
            Known labels of the rows.
        """

    def check_training(self) -> None:
        """Warn about a training that went wrong. Called once at the end of `fit`."""

    @property
    def boundary(self) -> Tensor | None:
        """Anomaly score above which the method itself calls a row an outlier."""
        return None

    @classmethod
    def can(cls, method: str) -> bool:
        """Tell whether the game implements an optional method.

        Parameters
        ----------
        method : str
            Name of the method, such as "encode".

        Returns
        -------
        bool
        """
        return getattr(cls, method, None) is not None

    def player_parameters(self, player: str) -> Iterator[nn.Parameter]:
        """Iterate over the parameters that a player moves.

        Parameters
        ----------
        player : str
            Name of the player.

        Returns
        -------
        parameters : iterator of torch.nn.Parameter
        """
        networks = (getattr(self, name) for name in self.players[player])
        return chain.from_iterable(n.parameters() for n in networks if n is not None)


class EncoderDecoderGame(Game):
    """Base class of games with an `encoder`, a `decoder` and a standard normal latent prior.

    .. versionadded:: 0.1
    """

    encoder: nn.Module
    decoder: nn.Module
    latent_dim: int

    def encode(self, x: Tensor) -> Tensor:
        """Compute the latent code of each row.

        Parameters
        ----------
        x : Tensor of shape (..., batch_size, n_features)
            Rows.

        Returns
        -------
        codes : Tensor of shape (..., batch_size, latent_dim)
        """
        return self.encoder(x)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Compute a version of each row that the game considers normal.

        Parameters
        ----------
        x : Tensor of shape (..., batch_size, n_features)
            Rows.

        Returns
        -------
        reconstructions : Tensor of shape (..., batch_size, n_features)
        """
        return self.decode(self.encode(x))

    def decode(self, z: Tensor) -> Tensor:
        """Compute the row of each code.

        Parameters
        ----------
        z : Tensor of shape (..., batch_size, latent_dim)
            Codes.

        Returns
        -------
        rows : Tensor of shape (..., batch_size, n_features)
        """
        return self.decoder(z)

    def sample(self, n_samples: int, device: torch.device) -> Tensor:
        """Decode draws from the latent prior.

        Parameters
        ----------
        n_samples : int
            Number of rows.
        device : torch.device
            Device of the networks.

        Returns
        -------
        rows : Tensor of shape (..., n_samples, n_features)
        """
        z = torch.randn(*self.leading_shape, n_samples, self.latent_dim)
        return self.decoder(z.to(device))

    def sample_latent(self, x: Tensor) -> Tensor:
        """Draw one code from the latent prior for each row.

        Parameters
        ----------
        x : Tensor of shape (..., batch_size, n_features)
            Rows, whose number, device and dtype the codes have.

        Returns
        -------
        codes : Tensor of shape (..., batch_size, latent_dim)
        """
        return randn_like(x.new_empty(*x.shape[:-1], self.latent_dim))
