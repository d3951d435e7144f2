"""skorch callbacks that skorch lacks."""

from copy import copy, deepcopy

from skorch.callbacks import Callback, EarlyStopping
from torch.optim.lr_scheduler import MultiStepLR, PolynomialLR
from torch.optim.swa_utils import get_ema_multi_avg_fn

__all__ = ["WeightAveraging"]


class WeightAveraging(Callback):
    """Exponential moving average of all weights, used for scoring instead of the last ones.

    After every mini-batch, ``average <- decay * average + (1 - decay) * weights``. The
    averages live in the module, so that pickling, checkpoints and early stopping keep them.
    Statistics that are no weights, as those of batch-norm, are copied and not averaged.

    Parameters
    ----------
    decay : float, default=0.999
        Weight of the past, in [0, 1).
    warm_up : bool, default=True
        Bound the decay by ``(1 + t) / (10 + t)`` after ``t`` mini-batches, as TensorFlow's
        moving average does when it is told the number of updates. Otherwise the first few
        thousand mini-batches are spent on forgetting the initial weights.

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

    def __init__(self, decay=0.999, warm_up=True):
        self.decay = decay
        self.warm_up = warm_up

    def initialize(self):
        """Forget earlier averages."""
        if not 0 <= self.decay < 1:
            raise ValueError(f"decay must be in [0, 1), got {self.decay!r}.")
        self.n_updates_ = 0
        return self

    def on_train_begin(self, net, **kwargs):
        """Start from the weights as they are, or go on with the averages of before."""
        ensemble = net.module_
        ensemble.start_averaging()
        self._weights = list(ensemble.games.parameters())
        self._averages = list(ensemble.averages.parameters())
        self._statistics = list(
            zip(ensemble.averages.buffers(), ensemble.games.buffers(), strict=True)
        )

    def on_epoch_begin(self, net, **kwargs):
        """Count the mini-batches of a checkpoint that was loaded."""
        if self.n_updates_ == 0:
            self.n_updates_ = sum(row["train_batch_count"] for row in net.history[:-1])

    def on_batch_end(self, net, training=False, **kwargs):
        """Move the averages towards the weights."""
        if not training:
            return
        decay = self.decay
        if self.warm_up:
            decay = min(decay, (1 + self.n_updates_) / (10 + self.n_updates_))
        get_ema_multi_avg_fn(decay)(self._averages, self._weights, None)
        for average, current in self._statistics:
            average.copy_(current)
        self.n_updates_ += 1

    def on_train_end(self, net, **kwargs):
        """Let go of the tensors: they belong to the module, and travel with it alone."""
        del self._weights, self._averages, self._statistics


def linear_schedule(optimizer, n_batches):
    """Lower the learning rates to zero."""
    return PolynomialLR(optimizer, total_iters=n_batches)


def step_schedule(optimizer, n_batches):
    """Divide the learning rates by 10 after 30, 60 and 90 % of the mini-batches."""
    return MultiStepLR(optimizer, [round(share * n_batches) for share in (0.3, 0.6, 0.9)])


SCHEDULES = {"linear": linear_schedule, "step": step_schedule}


class Decay(Callback):
    """Decay of the learning rates within one training, then their restoration.

    Parameters
    ----------
    schedule : {"linear", "step"}
        How they decay.
    n_batches : int
        Number of mini-batches of the training.
    """

    def __init__(self, schedule, n_batches):
        self.schedule = schedule
        self.n_batches = n_batches

    def on_train_begin(self, net, **kwargs):
        """Start from the rates as they are; those of a checkpoint have decayed already."""
        for group in net.optimizer_.param_groups:
            group["lr"] = group.pop("initial_lr", group["lr"])
        self.schedule_ = SCHEDULES[self.schedule](net.optimizer_, self.n_batches)

    def on_batch_end(self, net, training=False, **kwargs):
        """Lower the rates."""
        if training:
            self.schedule_.step()

    def on_train_end(self, net, **kwargs):
        """Give the next training the rates that this one began with."""
        for group in net.optimizer_.param_groups:
            group["lr"] = group.pop("initial_lr")


class StopEarly(EarlyStopping):
    """Stop when the validation loss has not improved for some epochs; restore the best networks.

    Unlike skorch's, it takes every improvement for one, however small, and restores the networks
    after an interruption, too.

    Parameters
    ----------
    patience : int
        Number of epochs to wait.
    """

    def __init__(self, patience):
        super().__init__(patience=patience, threshold=0, load_best=True)

    def on_train_end(self, net, **kwargs):
        """Restore the best networks."""
        if self.best_model_weights_ is not None:
            net.module_.load_state_dict(self.best_model_weights_)


def copied(callbacks):
    """Copies for a training to change, which refer to each other where the callbacks do.

    What they hold is not copied: a writer goes on writing where its owner looks.
    """
    instances = [callback[1] if isinstance(callback, tuple) else callback for callback in callbacks]
    for callback in instances:
        is_class = isinstance(callback, type) and issubclass(callback, Callback)
        if not is_class and not isinstance(callback, Callback):
            raise TypeError(
                f"callbacks has {callback!r}, which is no callback of skorch. Each has to be an "
                "instance of skorch.callbacks.Callback, or a tuple of its name and one."
            )
    instances = [callback for callback in instances if not isinstance(callback, type)]
    copies = {id(old): object.__new__(type(old)) for old in instances}
    for old in instances:  # copy(old) would leave out what is not pickled
        parts = {name: copies.get(id(part), part) for name, part in vars(old).items()}
        vars(copies[id(old)]).update(parts)
    return [
        (callback[0], copies.get(id(callback[1]), callback[1]))
        if isinstance(callback, tuple)
        else copies.get(id(callback), callback)
        for callback in callbacks
    ]


class FitTasks(Callback):
    """Tell scikit-learn's callbacks of every epoch, and stop when one of them asks for it.

    Parameters
    ----------
    detector : BaseDetector
        The estimator that is being fitted.
    context : sklearn.callback.CallbackContext
        The task of fitting it, whose subtasks are the epochs.
    X, y
        What `fit` was given.
    results : callable
        Gives the fitted attributes that follow from a net.
    """

    def __init__(self, detector, context, X, y, results):
        self.detector = detector
        self.context = context
        self.X = X
        self.y = y
        self.results = results

    def on_epoch_begin(self, net, **kwargs):
        """Begin a subtask."""
        self.epoch_ = self.context.subcontext(task_name="epoch")
        self.epoch_.call_on_fit_task_begin(estimator=self.detector, X=self.X, y=self.y)

    def on_epoch_end(self, net, **kwargs):
        """End the subtask; the detector as it is now is made only if a callback wants it."""
        stop = self.epoch_.call_on_fit_task_end(
            estimator=self.detector,
            X=self.X,
            y=self.y,
            reconstruction_attributes=lambda: self.results(self._copy(net)),
        )
        if stop:
            raise KeyboardInterrupt  # skorch's way of ending a training

    def _copy(self, net):
        """The net as it is now, without what belongs to this training alone."""
        net = copy(net)
        net.callbacks_ = [(name, callback) for name, callback in net.callbacks_ if name]
        net.history_ = deepcopy(net.history_)
        net.train_split = None
        return net
