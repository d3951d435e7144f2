"""Callbacks for skorch that skorch lacks, and the file of a training."""

import os
from dataclasses import dataclass
from typing import Any, Self

import torch
from skorch.callbacks import Callback

__all__ = ["Checkpoint", "WeightAveraging"]


@dataclass(frozen=True)
class Checkpoint:
    """File that saves a training, and how often it is written.

    Pass it as the parameter `checkpoint` of a detector, not among its `callbacks`. See
    :ref:`long_trainings`.

    .. versionadded:: 0.1

    Parameters
    ----------
    path : str or path-like
        The file. The file that it replaces is kept under this name with the ending ``.previous``.
    every_n_epochs : int or None, default=None
        The file is written after so many epochs. None does not count epochs.
    every_n_seconds : float or None, default=60.0
        The file is written at the end of an epoch if so many seconds have passed. None does not
        count seconds.

    Examples
    --------
    >>> from skgad import ALAD
    >>> from skgad.callbacks import Checkpoint
    >>> detector = ALAD(checkpoint=Checkpoint("alad.ckpt", every_n_epochs=10))
    """

    path: str | os.PathLike[str]
    every_n_epochs: int | None = None
    every_n_seconds: float | None = 60.0

    def __getstate__(self) -> dict[str, Any]:
        """State of plain values: a path as text can be loaded on any system."""
        return {**vars(self), "path": os.fspath(self.path)}


def __dir__() -> list[str]:
    return __all__


class WeightAveraging(Callback):
    """Exponential moving average of the weights, which scoring uses instead of the last weights.

    After every mini-batch, ``average <- decay * average + (1 - decay) * weights``. The averages are
    part of the module, so pickling, checkpoints and early stopping preserve them. Buffers, such as
    the statistics of batch normalization, are copied and not averaged.

    .. versionadded:: 0.1

    Parameters
    ----------
    decay : float, default=0.999
        Decay of the average, in [0, 1).
    warm_up : bool, default=True
        Whether to bound the decay by ``(1 + t) / (10 + t)`` after ``t`` mini-batches, as
        TensorFlow's moving average does if it is told the number of updates. Without this bound,
        the average remembers the initial weights for the first few thousand mini-batches.

    Attributes
    ----------
    n_updates_ : int
        Number of mini-batches averaged so far.

    Examples
    --------
    >>> from skgad import ALAD
    >>> from skgad.callbacks import WeightAveraging
    >>> detector = ALAD(ema_decay=None, callbacks=[WeightAveraging(decay=0.99)])
    """

    n_updates_: int
    capturable = True

    def __init__(self, decay: float = 0.999, warm_up: bool = True):
        self.decay = decay
        self.warm_up = warm_up

    def initialize(self) -> Self:
        """Forget earlier averages."""
        if not 0 <= self.decay < 1:
            raise ValueError(f"decay must be in [0, 1), got {self.decay!r}.")
        self.n_updates_ = 0
        return self

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """Start from the current weights, or continue with the averages of an earlier training."""
        ensemble = net.module_
        ensemble.start_averaging()
        self._weights = list(ensemble.game.parameters())
        self._averages = list(ensemble.averaged_game.parameters())
        self._buffers = list(
            zip(ensemble.averaged_game.buffers(), ensemble.game.buffers(), strict=True)
        )
        # A tensor, because a captured step repeats numbers.
        self._shares = [torch.zeros((), device=ensemble.device)] * len(self._weights)

    def on_epoch_begin(self, net: Any, **kwargs: Any) -> None:
        """Count the mini-batches of a checkpoint that was loaded."""
        if self.n_updates_ == 0:
            self.n_updates_ = sum(row["train_batch_count"] for row in net.history[:-1])

    def on_batch_begin(self, net: Any, training: bool = False, **kwargs: Any) -> None:
        """Compute the share of the weights of this mini-batch."""
        if training:
            decay = self.decay
            if self.warm_up:
                decay = min(decay, (1 + self.n_updates_) / (10 + self.n_updates_))
            self._shares[0].fill_(1 - decay)

    def on_batch_end(self, net: Any, training: bool = False, **kwargs: Any) -> None:
        """Update the averages, unless the training step has done so."""
        if training:
            if not net.step_.has_averaged:
                self.update()
            self.n_updates_ += 1

    @torch.no_grad()
    def update(self) -> None:
        """Move the averages towards the weights, and copy the buffers."""
        torch._foreach_lerp_(self._averages, self._weights, self._shares)
        for average, current in self._buffers:
            average.copy_(current)

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        """Release the tensors: they belong to the module and are pickled with it."""
        del self._weights, self._averages, self._buffers, self._shares
