"""Callbacks that the engine adds to a training."""

from copy import copy, deepcopy
from numbers import Integral

from skorch.callbacks import Callback, EarlyStopping, LRScheduler
from torch.optim.lr_scheduler import MultiStepLR, PolynomialLR


def linear_schedule(optimizer, n_batches):
    """Decrease the learning rates linearly to zero."""
    return PolynomialLR(optimizer, total_iters=n_batches)


def step_schedule(optimizer, n_batches):
    """Divide the learning rates by 10 after 30, 60 and 90 % of the mini-batches."""
    return MultiStepLR(optimizer, [round(share * n_batches) for share in (0.3, 0.6, 0.9)])


SCHEDULES = {"linear": linear_schedule, "step": step_schedule}


def count_batches(duration, net, rows):
    """Number of mini-batches of a part of a training.

    Parameters
    ----------
    duration : int or float
        Number of epochs if it is an int, proportion of the training if it is a float.
    net : AdversarialNet
        The net, which knows the number of epochs.
    rows : Rows
        Training rows.
    """
    n_epochs = duration if isinstance(duration, Integral) else duration * net.max_epochs
    return round(n_epochs * len(net.get_iterator(rows, training=True)))


class LearningRateSchedule(Callback):
    """Decrease the learning rates during one training, and restore them at its end.

    Parameters
    ----------
    schedule : {"linear", "step"}
        Shape of the decrease.
    n_batches : int
        Number of mini-batches of the training.
    """

    capturable = True

    def __init__(self, schedule, n_batches):
        self.schedule = schedule
        self.n_batches = n_batches

    def on_train_begin(self, net, **kwargs):
        """Start from the current rates, or from the initial rates stored in a checkpoint."""
        for _, callback in net.callbacks_:
            if isinstance(callback, LRScheduler):
                raise ValueError(
                    f"lr_schedule={self.schedule!r} and an LRScheduler among the callbacks would "
                    "both set the learning rate. Set lr_schedule='constant' to use your own."
                )
        for group in net.optimizer_.param_groups:
            group["lr"] = group.pop("initial_lr", group["lr"])
        self.schedule_ = SCHEDULES[self.schedule](net.optimizer_, self.n_batches)

    def on_batch_end(self, net, training=False, **kwargs):
        """Decrease the rates."""
        if training:
            self.schedule_.step()

    def on_train_end(self, net, **kwargs):
        """Restore the rates for the next training."""
        for group in net.optimizer_.param_groups:
            group["lr"] = group.pop("initial_lr")


class StopEarly(EarlyStopping):
    """Stop if the validation loss has not improved for some epochs; restore the best networks.

    Unlike skorch's class, it accepts any improvement, however small, and restores the networks
    after an interruption, too.

    Parameters
    ----------
    patience : int
        Number of epochs to wait for an improvement.
    """

    def __init__(self, patience):
        super().__init__(patience=patience, threshold=0, load_best=True)

    def on_train_end(self, net, **kwargs):
        """Restore the best networks."""
        if self.best_model_weights_ is not None:
            net.module_.load_state_dict(self.best_model_weights_)


def clone_callbacks(callbacks):
    """Clone callbacks, so that a training does not change those of the user.

    Clones refer to each other where the callbacks do. Other attributes are shared: a writer keeps
    writing to the same place.

    Parameters
    ----------
    callbacks : list
        Callbacks of skorch, their classes, or tuples of a name and one of these.

    Returns
    -------
    clones : list
    """
    instances = [callback[1] if isinstance(callback, tuple) else callback for callback in callbacks]
    for callback in instances:
        is_class = isinstance(callback, type) and issubclass(callback, Callback)
        if not is_class and not isinstance(callback, Callback):
            raise TypeError(
                f"callbacks contains {callback!r}, which is not a callback of skorch. Pass "
                "instances of skorch.callbacks.Callback, or tuples of a name and an instance."
            )
    instances = [callback for callback in instances if not isinstance(callback, type)]
    clones = {id(old): object.__new__(type(old)) for old in instances}
    for old in instances:  # copy(old) would omit what is not pickled
        parts = {name: clones.get(id(part), part) for name, part in vars(old).items()}
        vars(clones[id(old)]).update(parts)
    return [
        (callback[0], clones.get(id(callback[1]), callback[1]))
        if isinstance(callback, tuple)
        else clones.get(id(callback), callback)
        for callback in callbacks
    ]


class FitTask:
    """Fit of an estimator as a task of scikit-learn's callbacks.

    Parameters
    ----------
    estimator : BaseDetector
        The estimator.
    X, y
        Arguments of its `fit`.
    n_epochs : int
        Number of epochs.
    """

    def __init__(self, estimator, X, y, n_epochs):
        self.estimator, self.X, self.y = estimator, X, y
        self.context = None
        if hasattr(estimator, "_skl_callbacks"):  # set by set_callbacks, from scikit-learn 1.9 on
            self.context = estimator._init_callback_context(max_subtasks=n_epochs)
            self.context.call_on_fit_task_begin(estimator=estimator, X=X, y=y)

    def epochs(self, net, fitted_attributes):
        """Callbacks for skorch that report the epochs to scikit-learn's callbacks."""
        if self.context is None:
            return []
        return [EpochTasks(self, net.callbacks_, fitted_attributes)]

    def end(self):
        """Tell the callbacks that the fit is complete."""
        if self.context is not None:
            self.context.call_on_fit_task_end(estimator=self.estimator, X=self.X, y=self.y)


class EpochTasks(Callback):
    """Report every epoch to scikit-learn's callbacks, and stop if one of them asks for it.

    Parameters
    ----------
    task : FitTask
        The fit, whose subtasks are the epochs.
    permanent_callbacks : list
        Callbacks that the net keeps after this training.
    fitted_attributes : callable
        Computes the fitted attributes of the estimator from a net.
    """

    def __init__(self, task, permanent_callbacks, fitted_attributes):
        self.task = task
        self.permanent_callbacks = permanent_callbacks
        self.fitted_attributes = fitted_attributes

    def on_epoch_begin(self, net, **kwargs):
        """Begin a subtask."""
        self.epoch_ = self.task.context.subcontext(task_name="epoch")
        self.epoch_.call_on_fit_task_begin(
            estimator=self.task.estimator, X=self.task.X, y=self.task.y
        )

    def on_epoch_end(self, net, **kwargs):
        """End the subtask. The fitted attributes are computed only if a callback uses them."""
        stop = self.epoch_.call_on_fit_task_end(
            estimator=self.task.estimator,
            X=self.task.X,
            y=self.task.y,
            reconstruction_attributes=lambda: self.fitted_attributes(self._snapshot(net)),
        )
        if stop:
            raise KeyboardInterrupt  # ends a training of skorch

    def _snapshot(self, net):
        """The net at this epoch, without what belongs to this training only."""
        net = copy(net)
        net.callbacks_ = self.permanent_callbacks
        net.history_ = deepcopy(net.history_)
        net.train_split = None
        return net
