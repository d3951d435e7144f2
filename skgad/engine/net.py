"""The skorch net that lets the players of a game move in turn."""

from copy import deepcopy
from typing import Any, Self

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import EpochTimer, PassthroughScoring, PrintLog
from skorch.dataset import unpack_data
from skorch.helper import predefined_split
from skorch.history import History
from skorch.utils import TeeGenerator

from ..callbacks import WeightAveraging
from .callbacks import clone_callbacks
from .data import BatchLoader
from .ensemble import Ensemble
from .phases import Phases
from .plain import (
    dtype_name,
    named_dtype,
    replaced,
    to_array,
    to_tensor,
    with_arrays,
    with_tensors,
)
from .runtime import available_device, first_interrupt_calls
from .step import Step, recorder_for


class AdversarialNet(NeuralNet):
    """skorch net that trains the game of an ensemble.

    There is one module and one optimizer for all players. A player moves by a step of the
    optimizer while the parameters of all other players have no gradient. The optimizers of torch
    skip such parameters: their momentum, weight decay and step count do not change.

    .. versionadded:: 0.1

    Parameters
    ----------
    module : type
        Class of the ensemble, whose arguments are ``module__*``.
    criterion : type, default=torch.nn.Identity
        Required by skorch and not used: games compute their own losses.
    optimizer : type, default=torch.optim.Adam
        Optimizer of all players. Its arguments are ``optimizer__*``.
    lr : float, default=1e-4
        Learning rate.
    train_split : callable or None, default=None
        See :class:`skorch.NeuralNet`.
    iterator_train : type, default=BatchLoader
        Iterates over mini-batches of training rows.
    iterator_train__shuffle : bool, default=True
        Whether the training rows are shuffled in each epoch.
    iterator_valid : type, default=BatchLoader
        Iterates over mini-batches of held-out rows.
    autocast : torch.dtype or None, default=None
        Type in which matrix products and convolutions are computed during training, such as
        ``torch.bfloat16``. The weights remain float32, and so do the computations outside of
        training. None computes everything in float32.
    capture : bool, default=True
        Whether the training step is captured as a CUDA graph on a GPU if it can be. The results are
        the same. See :ref:`devices`.
    **kwargs : dict
        Further parameters of :class:`skorch.NeuralNet`.

    Attributes
    ----------
    eager_reason_ : str or None
        Why the steps of the last training were not captured as a CUDA graph. None if they were.

    Notes
    -----
    ``train_step`` is overridden rather than ``train_step_single``, whose closure would zero all
    gradients and play each mini-batch twice. Losses stay on the device during an epoch, in which
    the records of mini-batches have tensors, and are read and checked at its end. The loader
    replaces the ``DataLoader`` of skorch's default because collating single rows takes longer than
    a step of a small game. The records of single mini-batches are dropped after their epoch has
    been averaged. Otherwise a long training would keep, and pickle, hundreds of thousands of them.
    """

    def __init__(
        self,
        module: type[torch.nn.Module],
        *,
        criterion: type[torch.nn.Module] = torch.nn.Identity,
        optimizer: type[torch.optim.Optimizer] = torch.optim.Adam,
        lr: float = 1e-4,
        train_split: Any = None,
        iterator_train: type = BatchLoader,
        iterator_train__shuffle: bool = True,
        iterator_valid: type = BatchLoader,
        autocast: torch.dtype | None = None,
        capture: bool = True,
        **kwargs: Any,
    ):
        self.autocast = autocast
        self.capture = capture
        super().__init__(
            module,
            criterion=criterion,
            optimizer=optimizer,
            lr=lr,
            train_split=train_split,
            iterator_train=iterator_train,
            iterator_train__shuffle=iterator_train__shuffle,
            iterator_valid=iterator_valid,
            **kwargs,
        )

    @property
    def _default_callbacks(self):
        return [
            ("epoch_timer", EpochTimer()),
            ("valid_loss", PassthroughScoring("valid_loss")),
            ("print_log", PrintLog()),
        ]

    def train(self, rows, held_out=None, *, callbacks=(), saver=None):
        """Train for `max_epochs` epochs, with callbacks that belong to this training only.

        Parameters
        ----------
        rows : Rows
            Rows to train on.
        held_out : Rows or None, default=None
            Rows whose loss is recorded after each epoch.
        callbacks : sequence of skorch.callbacks.Callback, default=()
            Callbacks of this training.
        saver : SaveTraining or None, default=None
            Restores the state of the training, and saves it.
        """
        permanent, self.saver_ = self.callbacks_, saver
        callbacks = [*callbacks, *([] if saver is None else [saver])]
        named = [(type(callback).__name__, callback.initialize()) for callback in callbacks]
        self.set_params(train_split=None if held_out is None else predefined_split(held_out))
        # The phases first, because the averages copy the buffers that they change.
        phases = [("Phases", Phases())] if self.module_.phase_names else []
        self.callbacks_ = [*phases, *permanent, *named]
        self.partial_fit(rows)
        self.callbacks_ = permanent
        self.set_params(train_split=None)  # otherwise the net would keep the held-out rows
        del self.saver_

    def on_train_begin(self, net, **kwargs):
        """Start with empty lists of parameters and losses for each player."""
        super().on_train_begin(net, **kwargs)
        self.interrupted_ = False
        # Not kept after the training: unpickled, these would be other tensors than the module's.
        self.parameters_of_, self.losses_of_ = {}, {}
        self.step_ = Step(self, recorder_for(self))
        self.n_epochs_done_ = 0  # those of this training that a checkpoint has
        self.module_.discard_finished_scores()

    def on_epoch_begin(self, net, **kwargs):
        """Drop the records of single mini-batches of the epoch before."""
        super().on_epoch_begin(net, **kwargs)
        for row in self.history[-2:-1]:
            row["batches"] = row["batches"][-1:]
        self.module_.discard_finished_scores()  # a callback may have asked for scores
        self._set_training(True)  # once per epoch, because it visits all modules

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """Go through the mini-batches of an epoch, and read its losses at the end."""
        if not training:
            super().run_single_epoch(iterator, training, prefix, step_fn, **fit_params)
            return
        self.losses_of_ = {}
        self.step_.begin_epoch()
        for batch in iterator:
            self.notify("on_batch_begin", batch=batch, training=True)
            step = step_fn(batch, **fit_params)
            x, _ = unpack_data(batch)
            self.history.record_batch("train_loss", step["loss"])
            self.history.record_batch("train_batch_size", x.shape[-2])
            self.notify("on_batch_end", batch=batch, training=True, **step)
        self.history.record("train_batch_count", len(self.history[-1]["batches"]))
        self._read_losses()

    def _read_losses(self):
        """Check the losses of the epoch, and average them over its mini-batches."""
        batches = self.history[-1]["batches"]
        for batch in batches:
            batch["train_loss"] = 0.0
        for player, losses in self.losses_of_.items():
            name = f"{player}_loss"
            losses = torch.stack(losses).double().numpy(force=True)  # waits for the device
            losses = losses.reshape(len(losses), -1)
            for position in np.argwhere(~np.isfinite(losses))[:1]:
                member = int(position[1]) if losses.shape[1] > 1 else None
                loss = float(losses[*position])
                raise DivergenceError(player, loss, len(self.history), member)
            played = [batch for batch in batches if name in batch]
            for batch, loss in zip(played, losses.mean(1).tolist(), strict=True):
                batch[name] = loss
                batch["train_loss"] += loss
            weights = [batch["train_batch_size"] for batch in played]
            self.history.record(name, float(np.average(losses.mean(1), weights=weights)))

    def on_epoch_end(self, net, **kwargs):
        """Count the epoch as completed."""
        super().on_epoch_end(net, **kwargs)
        self.n_completed_ = len(self.history)

    def on_train_end(self, net, **kwargs):
        """Save that the training is over, and drop what belongs to it only."""
        super().on_train_end(net, **kwargs)
        if getattr(self, "saver_", None) is not None and not self.is_cut_short_:
            self.saver_.finish(self)  # before the callbacks, as they expect it at the next start
        for row in self.history[-1:]:
            row["batches"] = row["batches"][-1:]
        self.eager_reason_ = self.step_.obstacle
        del self.parameters_of_, self.losses_of_, self.step_, self.n_epochs_done_

    def for_pickling(self, *, optimizer_state: bool) -> Self:
        """Return the same net, whose pickle keeps the state of the optimizer or leaves it out.

        Parameters
        ----------
        optimizer_state : bool
            Whether to keep it. A net of its own does.

        Returns
        -------
        net : AdversarialNet
            A net that shares everything with this one.
        """
        net = type(self).__new__(type(self))
        net.__dict__.update(vars(self), pickles_optimizer_state=optimizer_state)
        return net

    def __getstate__(self):
        """State of arrays and plain values, without what belongs to one training and process."""
        state = vars(self).copy()
        for name in ("step_", "parameters_of_", "losses_of_", "criterion_", "virtual_params_"):
            state.pop(name, None)
        state["autocast"] = None if self.autocast is None else dtype_name(self.autocast)
        if not self.initialized_:
            return state
        state["module_"], state["frozen_"] = with_arrays(self.module_)
        optimizer = replaced(self.optimizer_.state_dict(), torch.Tensor, to_array)
        if not state.pop("pickles_optimizer_state", True):
            optimizer["state"] = {}
        state["optimizer_"] = optimizer
        state["history_"] = list(self.history_)
        state["callbacks_"] = [
            (name, None if self._is_default(name, callback) else callback)
            for name, callback in self.callbacks_
        ]
        return state

    def __setstate__(self, state):
        """Restore the net, on the CPU if its device is not available."""
        state = dict(state)
        if state["autocast"] is not None:
            state["autocast"] = named_dtype(state["autocast"])
        module, frozen = state.pop("module_", None), state.pop("frozen_", ())
        optimizer = state.pop("optimizer_", None)
        vars(self).update(state, virtual_params_={})
        if not self.initialized_:
            return
        self.device = available_device(self.device)
        self.module_ = with_tensors(module, frozen, self.device)
        self.initialize_criterion()
        self._initialize_optimizer_quietly()
        self.optimizer_.load_state_dict(
            replaced(optimizer, np.ndarray, lambda array: to_tensor(array, self.device))
        )
        self.history_ = History(self.history_)
        defaults = dict(self._default_callbacks)
        self.callbacks_ = [
            (name, self._initialized(name, defaults[name]) if callback is None else callback)
            for name, callback in self.callbacks_
        ]

    def get_all_learnable_params(self):
        """Names and parameters for the optimizer, without averages from an earlier training."""
        for name, parameter in super().get_all_learnable_params():
            if "averaged_game" not in name.split("."):
                yield name, parameter

    def _is_default(self, name, callback):
        """Whether a callback is one that every net has, with the parameters that the net has."""
        is_replaced = f"callbacks__{name}" in vars(self)
        return not is_replaced and type(callback) is type(dict(self._default_callbacks).get(name))

    def _initialized(self, name, callback):
        """Default callback with the parameters that it has in the net."""
        callback.set_params(**self.get_params_for(f"callbacks__{name}"))
        callback.initialize()
        return callback

    def _initialize_optimizer_quietly(self):
        """Initialize the optimizer, without the message of skorch that it does so again."""
        verbose, self.verbose = self.verbose, 0
        self._initialize_optimizer()
        self.verbose = verbose

    def fit_loop(self, X, y=None, epochs=None, **fit_params):
        """Train. ``is_cut_short_`` tells whether the user stopped it, rather than a callback."""
        self.n_completed_ = len(self.history)
        with first_interrupt_calls(self.interrupt):
            try:
                n_epochs = self.max_epochs if epochs is None else epochs
                return super().fit_loop(X, y, n_epochs - self.n_epochs_done_, **fit_params)
            finally:
                if len(self.history) > self.n_completed_:  # callbacks stop between two epochs
                    self.interrupted_ = True
                    del self.history[self.n_completed_ :]
                self.is_cut_short_ = self.interrupted_
                self.module_.eval()

    def interrupt(self):
        """End the training after the current mini-batch."""
        self.interrupted_ = True

    def train_step(self, batch, **fit_params):
        """Play one mini-batch: step the optimizer once for each move."""
        if self.interrupted_:
            raise KeyboardInterrupt
        total = 0.0
        for player, loss in self.step_(*unpack_data(batch)).items():
            self.losses_of_.setdefault(player, []).append(loss)
            # The records of a captured step are first read at the end of the epoch, so that these
            # small operations, which take as long as the step, need not be done.
            is_read = self.step_.obstacle is not None
            mean = loss.mean() if is_read else loss
            self.history.record_batch(f"{player}_loss", mean)
            total = total + mean if is_read else mean
        return {"loss": total, "y_pred": None}

    def _play(self, x, labels):
        """Play one mini-batch, and return ``(player, loss)`` of each move."""
        moves = self.module_.play(x, labels)
        losses = []
        while (move := self._next_move(moves)) is not None:
            player, loss = move
            self._move(player, loss, (x, labels))
            losses.append((player, loss.detach()))
        return losses

    def _next_move(self, moves):
        """Next move of the game, or None after the last one."""
        if self.autocast is None:
            return next(moves, None)
        # Without the cache, which would keep weights from before a move.
        with torch.autocast(self.module_.device.type, dtype=self.autocast, cache_enabled=False):
            return next(moves, None)

    def _move(self, player, loss, batch):
        """Step the optimizer while only the parameters of the player have gradients."""
        parameters = [p for p in self._parameters_of(player) if p.requires_grad]
        if not parameters:  # all of them are frozen
            return
        loss.sum().backward(inputs=parameters)
        self.notify(
            "on_grad_computed",
            named_parameters=TeeGenerator(self.module_.named_parameters()),
            batch=batch,
            training=True,
        )
        self.optimizer_.step()
        for parameter in parameters:  # as zero_grad does, without visiting all other parameters
            parameter.grad = None

    def _parameters_of(self, player):
        if player not in self.parameters_of_:
            self.parameters_of_[player] = list(self.module_.game.player_parameters(player))
        return self.parameters_of_[player]

    def validation_step(self, batch, **fit_params):
        """Compute the loss of held-out rows."""
        self._set_training(False)
        x, _ = unpack_data(batch)
        with torch.no_grad():
            return {"loss": self.module_.validation_loss(x), "y_pred": None}

    def torch_compile(self, module, name):
        """Compile the networks in place; the game remains plain Python."""
        if self.compile and isinstance(module, Ensemble):
            for network in module.game.children():
                network.compile(**self.get_params_for("compile"))
        return module

    def __deepcopy__(self, memo):
        """Copy tensors in memory. skorch would pickle each of them, which takes much longer."""
        copied = memo[id(self)] = type(self).__new__(type(self))
        copies = dict(memo)
        try:
            attributes = deepcopy(vars(self), copies)
        except RuntimeError:  # a network stores a tensor with a gradient function
            copied.__setstate__(deepcopy(self.__getstate__(), memo))
        else:
            vars(copied).update(attributes)
            vars(copied).pop("pickles_optimizer_state", None)
            # Under the id of a memo is the list of what it keeps alive.
            memo.setdefault(id(memo), []).extend(copies.pop(id(copies), []))
            memo.update(copies)
        return copied


class DivergenceError(ValueError):
    """The loss of a player is no longer finite.

    Parameters
    ----------
    player : str
        Player whose loss it is.
    loss : float
        Value of the loss.
    epoch : int
        Number of the epoch, starting from 1.
    member : int or None, default=None
        Position of the member in an ensemble of several.
    """

    def __init__(self, player: str, loss: float, epoch: int, member: int | None = None):
        super().__init__(player, loss, epoch, member)  # from these, another process can rebuild it

    def __str__(self):
        player, loss, epoch, member = self.args
        whose = player if member is None else f"{player} of member {member}"
        return (
            f"Training diverged: the loss of the {whose} was {loss} in epoch {epoch}. Scale the "
            "features, unless they are encoded, as with encoding='standard', or lower the learning "
            "rate 'lr'. callbacks=[skorch.callbacks.GradientNormClipping(1.0)] can help, too."
            + ("" if member is None else OTHER_MEMBERS)
        )


#: What a user can do if only one of several members diverges.
OTHER_MEMBERS = (
    " If only this member diverges, another 'random_state' gives it other initial weights, and a "
    "smaller 'n_members' leaves out the last members."
)


#: Parameters of the net that a detector sets from parameters of its own.
SET_BY_DETECTOR = {
    **{name: f"the parameter {name!r}" for name in ("lr", "batch_size", "max_epochs", "verbose")},
    **{name: f"the parameter {name!r}" for name in ("callbacks", "device", "warm_start")},
    "train_split": "'early_stopping' and 'validation_fraction'",
    "optimizer__lr": "the parameter 'lr'",
    "module": "'networks'",
    "module__make_game": "'networks'",
    "module__n_members": "the parameter 'n_members'",
    "module__block_rows": "'networks'",
    "module__encoding": "the parameter 'encoding'",
}


def check_net_params(net_params, detector_name):
    """Reject parameters of the net that the detector sets."""
    for name in SET_BY_DETECTOR.keys() & net_params.keys():
        raise ValueError(
            f"net_params contains {name!r}, which {detector_name} sets itself. Use "
            f"{SET_BY_DETECTOR[name]} of {detector_name} instead."
        )


def build_net(make_game, *, n_members, block_rows, encoding, **params):
    """Build and initialize the net of an ensemble.

    Parameters
    ----------
    make_game : callable
        Builds one game.
    n_members : int
        Number of members.
    block_rows : int
        Number of rows that are scored at once.
    encoding : Encoding or None
        Codes of the columns that the game sees.
    **params : dict
        Further parameters of :class:`AdversarialNet`.

    Returns
    -------
    net : AdversarialNet
    """
    net = AdversarialNet(
        Ensemble,
        module__make_game=make_game,
        module__n_members=n_members,
        module__block_rows=block_rows,
        module__encoding=encoding,
        **params,
    )
    net.initialize()
    if sum(isinstance(callback, WeightAveraging) for _, callback in net.callbacks_) > 1:
        raise ValueError(
            "There is more than one WeightAveraging callback, and all of them would update the "
            "same averages. Keep one of them, or set ema_decay=None to use your own."
        )
    return net


def copy_net(net):
    """Copy a trained net, so that a failure while training the copy leaves the net as it was.

    What the callbacks hold is not copied, because it may not support it.
    """
    callbacks = [callback for _, callback in net.callbacks_]
    clones = clone_callbacks(callbacks)
    memo = {id(old): new for old, new in zip(callbacks, clones, strict=True)}
    copied = deepcopy(net, memo)
    copied.torch_compile(copied.module_, "module")  # copies are not compiled
    return copied
