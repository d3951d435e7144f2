"""Base class of the detectors."""

import re
import threading
import warnings
from abc import ABC, abstractmethod
from contextlib import contextmanager
from copy import deepcopy
from functools import cache, partial
from inspect import signature
from itertools import chain
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    OutlierMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state, check_scalar
from sklearn.utils._param_validation import Interval, StrOptions, validate_parameter_constraints
from sklearn.utils.validation import check_is_fitted, validate_data
from skorch.callbacks import LRScheduler
from skorch.helper import predefined_split
from threadpoolctl import ThreadpoolController
from torch.utils.data import Dataset

from ..callbacks import SCHEDULES, Decay, FitTasks, StopEarly, WeightAveraging, copied
from ..engine.game import Ensemble
from ..engine.net import AdversarialNet, Items, RowByRow, Rows, blocks, to_floats
from ..networks import MLP

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # scikit-learn < 1.9

    class CallbackSupportMixin:
        """Stands for what scikit-learn has from version 1.9 on."""


#: Rows that are scored at once. A matrix product of another size may round differently, so
#: that every block has this size, the last one filled up: a score is the same to the last bit
#: whatever else is scored with it.
BLOCK_ROWS = 1024

#: The same for images, whose networks need more memory and time for a row.
BLOCK_IMAGES = 128


#: What a detector has parameters for.
NOT_FOR_NET_PARAMS = {
    **{name: f"the parameter {name!r}" for name in ("lr", "batch_size", "max_epochs", "verbose")},
    **{name: f"the parameter {name!r}" for name in ("callbacks", "device", "warm_start")},
    "train_split": "'early_stopping' and 'validation_fraction'",
    "optimizer__lr": "the parameter 'lr'",
    "module": "'networks'",
    "module__make_game": "'networks'",
    "module__n_members": "the parameter 'n_members'",
}

_torch_is_free = threading.RLock()


@contextmanager
def torch_of_our_own(device, seed, state=None):
    """Inside the block, torch's generators start from a seed, or where they were left.

    Whatever the caller has set, numbers are float32 and gradients are computed. All this is
    global, and given back as it was. So threads have it one after the other.
    """
    on_gpu = device.type == "cuda"
    with (
        _torch_is_free,
        torch.random.fork_rng([device] if on_gpu else []),
        torch.inference_mode(False),
        torch.enable_grad(),
    ):
        torch.default_generator.manual_seed(seed)
        if on_gpu:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        if state is not None:
            torch.set_rng_state(state["cpu"])
            if on_gpu and "cuda" in state:
                torch.cuda.set_rng_state(state["cuda"], device)
        dtype = torch.get_default_dtype()
        torch.set_default_dtype(torch.float32)
        try:
            yield
        finally:
            torch.set_default_dtype(dtype)


def generator_state(device):
    """Where the generators are that torch uses."""
    state = {"cpu": torch.get_rng_state()}
    return state | ({"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


@cache
def thread_pools():
    """The thread pools of this process."""
    return ThreadpoolController()


def some_floats(X):
    """The table itself if it is one of numbers, else up to 1,000 rows of it, as floats."""
    if X.dtype != np.uint8 and not isinstance(X, Items):
        return X
    step = 1 + X.shape[0] // 1000
    return to_floats(X[np.arange(0, X.shape[0], step)], "cpu").numpy()


def has_dates(X):
    """Whether an array, or a column of a frame of pandas or polars, holds dates or durations."""
    dtypes = [X.dtype] if isinstance(X, np.ndarray) else getattr(X, "dtypes", [])
    return any(
        dtype.is_temporal() if hasattr(dtype, "is_temporal") else dtype.kind in "mM"
        for dtype in dtypes
    )


def draw_seed(random_state):
    """Draw a seed; None is fresh entropy, which leaves numpy's global generator alone."""
    if random_state is None:
        return int(np.random.default_rng().integers(2**31))
    return int(check_random_state(random_state).randint(2**31 - 1))


class BaseDetector(
    CallbackSupportMixin,
    OutlierMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
    ABC,
):
    """Base class that turns a :class:`~skgad.Game` into a scikit-learn detector.

    A detector has parameters, ``_make_game`` and the ``kinds`` that its game can produce.

    Notes
    -----
    *A note on design.* The skorch net is composed and not inherited: scikit-learn's contract
    on parameters and skorch's are at odds (a bare skorch net fails most of
    ``check_estimator``). Scores are computed in blocks of one size and not in double
    precision, which would cost twice the time and a second copy of the networks.
    Known labels are metadata and never ``y``, so that
    ``cross_val_score(detector, X, y)`` cannot hand the truth to `fit`.
    """

    _parameter_constraints: dict = {
        "n_members": [Interval(Integral, 1, None, closed="left")],
        "contamination": [StrOptions({"auto"}), Interval(Real, 0, 0.5, closed="right")],
        "max_epochs": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "lr_schedule": [StrOptions({"constant", *SCHEDULES})],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "warm_start": ["boolean"],
        "callbacks": [list, None],
        "net_params": [dict, None],
        "device": [str, torch.device],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    #: Mini-batches of ``max_epochs="auto"``.
    _auto_steps = 2000

    #: What the class docstring says of ``contamination="auto"``.
    _auto_threshold = "is 0.05"

    #: The method's parameters of Adam, unless `net_params` gives others or another optimizer.
    _adam_params: dict = {}

    #: What :meth:`sample` and :meth:`reconstruct` can produce.
    _sample_kinds = ("inlier",)
    _reconstruct_kinds = ("inlier",)

    def __init__(
        self,
        *,
        n_members=1,
        contamination="auto",
        max_epochs="auto",
        batch_size=128,
        lr=1e-3,
        lr_schedule="linear",
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change="auto",
        warm_start=False,
        callbacks=None,
        net_params=None,
        device="auto",
        random_state=None,
        verbose=0,
    ):
        self.n_members = n_members
        self.contamination = contamination
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.lr_schedule = lr_schedule
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.net_params = net_params
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def set_params(self, **params):
        """Set parameters, down to those of the networks.

        Parameters
        ----------
        **params : dict
            Values by name. ``networks__hidden_layer_sizes`` and the like are those of `networks`;
            if that is None, it becomes an :class:`~skgad.MLP`, so that they can be searched.

        Returns
        -------
        self : object
            The detector.

        Raises
        ------
        ValueError
            If there is no parameter of a name.
        """
        if getattr(self, "networks", self) is None and any(
            name.startswith("networks__") for name in params
        ):
            params = {"networks": MLP(), **params}
        return super().set_params(**params)

    @abstractmethod
    def _make_game(self, n_features):
        """Return a callable without arguments that makes the game."""

    def _with_own_params(self, game, n_features, **others):
        """A maker of games that have the detector's parameters of the same names, and others."""
        names = signature(game).parameters.keys() - {"networks", "n_features", *others}
        params = {name: getattr(self, name) for name in names}
        if isinstance(self.networks, type):
            raise ValueError(
                f"networks={self.networks.__name__} is a class: give an instance of it, "
                f"{self.networks.__name__}()."
            )
        return partial(game, self.networks or MLP(), n_features, **params, **others)

    def _method_callbacks(self):
        """Named callbacks that belong to the method: averaging, if it has an `ema_decay`."""
        decay = getattr(self, "ema_decay", None)
        return [] if decay is None else [("weight_averaging", WeightAveraging(decay))]

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Train the networks on rows that are normal, or nearly all of them.

        Parameters
        ----------
        X : {array-like, sparse matrix, Dataset} of shape (n_samples, n_features)
            Training rows. They are read as float32; sparse rows become dense one
            mini-batch at a time. For pixels and for torch's Datasets see :ref:`images`.
        y : Ignored
            Present for API consistency by convention.

        Returns
        -------
        self : object
            The fitted detector.

        Raises
        ------
        ValueError
            If `X` is no table of finite numbers with at least two rows, or if a loss or a
            score becomes infinite or NaN. An earlier fit is then kept as it was.

        Warns
        -----
        ConvergenceWarning
            If the training was interrupted with Ctrl-C. It ends after the mini-batch (at once, if
            Ctrl-C is pressed twice), and the detector works with what it has learned; `n_iter_`
            tells the number of completed epochs. Interrupted before the end of the first
            epoch, `fit` raises the KeyboardInterrupt.
        """
        go_on = self.warm_start and hasattr(self, "net_")
        return self._fit(X, y, go_on=go_on, schedule=self.lr_schedule)

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None):
        """Go on training for one epoch, at a constant learning rate.

        The threshold is set anew from the scores of these rows. With `early_stopping`, some of
        them are held out here, too.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training rows.
        y : Ignored
            Present for API consistency by convention.

        Returns
        -------
        self : object
            The fitted detector.
        """
        return self._fit(X, y, go_on=hasattr(self, "net_"), n_epochs=1)

    def _fit(self, X, y=None, *, go_on, n_epochs=None, schedule="constant", labels=None):
        given = X
        with self._unchanged_on_failure():
            X = self._check_rows(X, reset=not go_on)
            self._examine_rows(some_floats(X), reset=not go_on)
            labels = self._check_labels(labels, X)
            seed = self._seed if go_on else draw_seed(self.random_state)
            device = self._check_device(go_on)
            train, valid = self._split(X, labels, seed, device)

            with torch_of_our_own(device, seed, self._generator_state if go_on else None):
                # Going on, a copy is trained, so that a failure leaves the detector as it was.
                net = self._copy_of_net() if go_on else self._make_net(X.shape[1], device)
                n_epochs_before = len(net.history)
                if self.lr != net.lr:  # skorch would overwrite the rates of parameter groups
                    net.set_params(lr=self.lr)
                net.set_params(batch_size=self.batch_size)
                n_batches = len(net.get_iterator(train, training=True))
                n_epochs = self._n_epochs(n_batches) if n_epochs is None else n_epochs
                net.set_params(
                    max_epochs=n_epochs,
                    verbose=self.verbose,
                    train_split=None if valid is None else predefined_split(valid),
                )
                context = self._begin_fit_task(given, y, n_epochs)

                def results(net):
                    state = {"_seed": seed, "_generator_state": generator_state(device)}
                    return self._results(net, X, labels) | state

                extra = [] if context is None else [FitTasks(self, context, given, y, results)]
                extra += self._callbacks_of_one_training(net, schedule, n_epochs, n_batches)
                self._train(net, train, extra)
                if net.interrupted_:
                    if len(net.history) == n_epochs_before:
                        raise KeyboardInterrupt
                    warnings.warn(
                        f"Training was interrupted after {len(net.history)} epochs.",
                        ConvergenceWarning,
                        stacklevel=4,
                    )
                self.__dict__.update(results(net))
        if context is not None:
            context.call_on_fit_task_end(estimator=self, X=given, y=y)
        return self

    def _callbacks_of_one_training(self, net, schedule, n_epochs, n_batches):
        callbacks = []
        if self.early_stopping:
            patience = self.n_iter_no_change
            callbacks.append(StopEarly(max(10, n_epochs // 10) if patience == "auto" else patience))
        if schedule in SCHEDULES:
            if any(isinstance(callback, LRScheduler) for _, callback in net.callbacks_):
                raise ValueError(
                    f"lr_schedule={schedule!r} and an LRScheduler among the callbacks would both "
                    "set the learning rate: set lr_schedule='constant'."
                )
            callbacks.append(Decay(schedule, n_epochs * n_batches))
        return callbacks

    def _train(self, net, rows, extra_callbacks):
        """Train a net with callbacks that belong to this one training."""
        callbacks = net.callbacks_
        net.callbacks_ = callbacks + [("", callback.initialize()) for callback in extra_callbacks]
        net.partial_fit(rows)
        net.callbacks_ = callbacks
        net.set_params(train_split=None)  # or the net would keep the held-out rows

    def _results(self, net, X, labels):
        """Fitted attributes that follow from a trained net and the training rows."""
        module = net.module_.eval()
        module.finish(partial(self._map_rows, net, X), labels)
        member_scores = self._map_rows(net, X, lambda x: module.member_scores(x).T)
        if not np.isfinite(member_scores).all():
            raise ValueError(
                "Training gave anomaly scores that are not finite. Scale the features, for "
                "example with StandardScaler or MinMaxScaler, or lower the learning rate 'lr'."
            )
        if len(module.games) > 1:
            module.calibrate(member_scores)
        train_scores = -module.combine(torch.from_numpy(member_scores.T)).numpy()
        return {
            "net_": net,
            "history_": net.history,
            "n_iter_": len(net.history),
            "train_scores_": train_scores,
            "offset_": self._offset(net, train_scores),
            "_n_features_out": self._map_rows(net, X[:1], module.encode).shape[1],
        }

    @contextmanager
    def _unchanged_on_failure(self):
        """Restore the fitted attributes of an earlier fit if the block raises."""

        def fitted(attributes):
            return {name for name in attributes if name.endswith("_")}

        before = vars(self).copy()
        try:
            yield
        except BaseException:
            for name in fitted(vars(self)):
                delattr(self, name)
            self.__dict__.update({name: before[name] for name in fitted(before)})
            raise

    @property
    def _image_shape(self):
        """Channels, height and width, if the rows are images."""
        return getattr(getattr(self, "networks", None), "image_shape", None)

    @property
    def _block_rows(self):
        return BLOCK_ROWS if self._image_shape is None else BLOCK_IMAGES

    def _check_rows(self, X, reset):
        if isinstance(X, (Dataset, Items)):
            X = X if isinstance(X, Items) else Items(X, self._image_shape)
            if reset and X.shape[0] < 2:
                raise ValueError(f"{type(self).__name__} needs at least 2 items, but there is 1.")
            return validate_data(self, X, reset=reset, skip_check_array=True)
        X = X.numpy(force=True) if torch.is_tensor(X) else X
        no_numbers = (
            f"{type(self).__name__} takes a table of numbers, but {{}}. Encode other columns "
            "first, for example with a ColumnTransformer and a OneHotEncoder, or put the detector "
            "into a skgad.TabularDetector, which encodes them."
        )
        if has_dates(X):
            raise TypeError(no_numbers.format("some of its columns are dates or durations"))
        dtypes = [np.float32] if self._image_shape is None else [np.float32, np.uint8]
        if isinstance(X, np.ndarray) and X.dtype.kind in "fiu" and X.dtype != np.uint8:
            dtypes.append(X.dtype)  # becomes float32 one batch at a time
        try:
            X = validate_data(
                self,
                X,
                reset=reset,
                accept_sparse="csr",
                dtype=dtypes,
                ensure_min_samples=2 if reset else 1,
            )
        except (TypeError, ValueError) as error:
            problem = str(error)
            if "contains NaN" in problem:
                raise ValueError(
                    f"Input X contains NaN, and {type(self).__name__} takes no missing values: put "
                    "a SimpleImputer before it, or it into a skgad.TabularDetector, which fills "
                    "holes."
                ) from error
            if not re.search("could not convert|argument must be a string", problem):
                raise
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(no_numbers.format(problem)) from error
        too_precise = X.dtype.kind == "f" and X.dtype.itemsize > 4
        if too_precise and max(X.max(), -X.min()) > np.finfo(np.float32).max:
            raise ValueError("Input X contains infinity or a value too large for dtype('float32').")
        return X

    def _examine_rows(self, X, reset):
        """What a method wants to know or to say of its training rows before they are played."""

    def _check_labels(self, labels, X):
        """Known labels as an array of small integers, without any 0 for all rows."""
        if labels is None:
            return np.zeros(X.shape[0], np.int8)
        labels = np.asarray(labels)
        if labels.shape not in ((X.shape[0],), (X.shape[0], 1)):
            raise ValueError(
                f"labels must be one-dimensional, one for each of the {X.shape[0]} rows, but their "
                f"shape is {labels.shape}."
            )
        labels = labels.ravel()
        unknown = labels[~np.isin(labels, [-1, 0, 1])].tolist()
        if unknown:
            raise ValueError(
                "labels must be 1 for known inliers, -1 for known outliers and 0 for all other "
                f"rows, but they contain {', '.join([*dict.fromkeys(map(repr, unknown))][:3])}."
            )
        if np.all(labels == -1):
            raise ValueError(
                "All rows are labelled -1: a detector needs rows that are not known outliers."
            )
        return labels.astype(np.int8)

    def _check_device(self, go_on):
        trained_on = next(self.net_.module_.parameters()).device if go_on else None
        if self.device == "auto":
            return trained_on or torch.device("cuda" if torch.cuda.is_available() else "cpu")
        try:
            device = torch.device(self.device)
        except RuntimeError as error:
            raise ValueError(
                f"device={self.device!r} is no device: use 'auto', 'cpu', 'cuda' or 'cuda:1'."
            ) from error
        if device.type == "cuda" and not torch.cuda.is_available():
            raise ValueError(
                f"device={self.device!r} was asked for, but torch finds no CUDA device here: "
                "use 'auto' or 'cpu'."
            )
        try:
            torch.empty(0, device=device)
        except (AssertionError, RuntimeError) as error:
            raise ValueError(
                f"device={self.device!r} cannot be used here: use 'auto' or 'cpu', or 'cuda' where "
                "there is a GPU."
            ) from error
        if go_on and (
            trained_on.type != device.type or device.index not in (None, trained_on.index)
        ):
            raise ValueError(
                f"device={self.device!r} was asked for, but this detector was trained on "
                f"{trained_on}, and a training goes on where it is: use 'auto', or fit anew."
            )
        return trained_on or device

    def _split(self, X, labels, seed, device):
        """Rows to train on, and rows that early stopping watches, or None."""
        if not self.early_stopping:
            return Rows(X, labels, device), None
        watched = np.flatnonzero(labels != -1)  # known outliers are trained on
        known, counts = np.unique(labels[watched], return_counts=True)
        if len(known) > 1 and counts.min() < 2:
            raise ValueError(
                "early_stopping holds rows of each label out, but there is a single row with the "
                f"label {known[counts.argmin()]}. Label more rows, or set early_stopping=False."
            )
        if len(watched) * (1 - self.validation_fraction) < 1:
            raise ValueError(
                f"early_stopping holds {self.validation_fraction} of the rows out, and of "
                f"{len(watched)} that leaves none to train on: give more rows, or set "
                "validation_fraction or early_stopping=False."
            )
        train, valid = train_test_split(
            watched,
            test_size=self.validation_fraction,
            random_state=seed,
            stratify=labels[watched] if len(known) > 1 else None,
        )
        train = np.concatenate([train, np.flatnonzero(labels == -1)])
        rows = Rows(X, labels, device)
        return rows.part(train), rows.part(valid)

    def _n_epochs(self, n_batches):
        """Number of epochs of ``n_batches`` each."""
        if self.max_epochs != "auto":
            return self.max_epochs
        return max(1, round(self._auto_steps / n_batches))

    def _make_net(self, n_features, device):
        net_params = self.net_params or {}
        for name in NOT_FOR_NET_PARAMS.keys() & net_params.keys():
            raise ValueError(
                f"net_params has {name!r}, for which there is {NOT_FOR_NET_PARAMS[name]} of "
                f"{type(self).__name__}: set that instead."
            )
        if "optimizer" not in net_params:
            net_params = {"optimizer__fused": True, **self._adam_params, **net_params}
        callbacks = self._method_callbacks() + copied(self.callbacks or [])
        net = AdversarialNet(
            Ensemble,
            module__make_game=self._make_game(n_features),
            module__n_members=self.n_members,
            lr=self.lr,
            batch_size=self.batch_size,
            callbacks=callbacks,
            device=device,
            **net_params,
        )
        net.initialize()
        if sum(isinstance(callback, WeightAveraging) for _, callback in net.callbacks_) > 1:
            raise ValueError(
                "There is more than one WeightAveraging, and all would write to the same averages: "
                "leave one among the callbacks, and set ema_decay=None if the detector has it."
            )
        return net

    def _copy_of_net(self):
        """A copy of the trained net. Callbacks may hold what cannot be copied."""
        callbacks = [callback for _, callback in self.net_.callbacks_]
        memo = {id(old): new for old, new in zip(callbacks, copied(callbacks), strict=True)}
        net = deepcopy(self.net_, memo)
        net.torch_compile(net.module_, "module")  # no copy is compiled
        return net

    def _begin_fit_task(self, X, y, n_epochs):
        """Context of scikit-learn's callbacks, or None without callbacks."""
        if not hasattr(self, "_skl_callbacks"):
            return None
        context = self._init_callback_context(max_subtasks=n_epochs)
        context.call_on_fit_task_begin(estimator=self, X=X, y=y)
        return context

    def _map_rows(self, net, X, function, rows=None):
        """Apply a function of ``(BLOCK_ROWS, n_features)`` tensors to all rows, or to some."""
        n_rows = X.shape[0] if rows is None else len(rows)
        device = next(net.module_.parameters()).device
        # Among three threads or more, the place of a row in its block can matter.
        with torch.inference_mode(), RowByRow(), thread_pools().limit(limits=1, user_api="openmp"):
            n = self._block_rows
            parts = map(function, blocks(X, n, device, rows))
            first = next(parts)
            # Many small results, kept apart, would leave holes between them in the memory.
            results = first.new_empty((n_rows, *first.shape[1:]), device="cpu")
            for start, part in zip(range(0, n_rows, n), chain([first], parts), strict=True):
                results[start : start + n] = part[: n_rows - start]
        return results.numpy()

    def _offset(self, net, train_scores):
        """The method's own boundary, or a percentile of the training scores."""
        if self.contamination == "auto" and net.module_.boundary is not None:
            return -net.module_.boundary.item()
        contamination = 0.05 if self.contamination == "auto" else self.contamination
        return np.percentile(train_scores, 100.0 * contamination)

    def set_threshold(self, *, contamination):
        """Move the threshold without training again.

        Parameters
        ----------
        contamination : "auto" or float
            Becomes the parameter of this name; see the class.

        Returns
        -------
        self : object
            The detector with its new `offset_`.

        Raises
        ------
        ValueError
            If `contamination` is neither "auto" nor in (0, 0.5].
        NotFittedError
            If the detector has not been fitted.
        """
        check_is_fitted(self)
        validate_parameter_constraints(
            {"contamination": self._parameter_constraints["contamination"]},
            {"contamination": contamination},
            caller_name=f"{type(self).__name__}.set_threshold",
        )
        self.contamination = contamination
        self.offset_ = self._offset(self.net_, self.train_scores_)
        return self

    def score_samples(self, X):
        """Opposite of the method's anomaly score.

        The score of a row is the same to the last bit whatever rows are scored with it.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to score.

        Returns
        -------
        scores : ndarray of shape (n_samples,), float64
            The higher, the more normal.

        Raises
        ------
        ValueError
            If `X` does not fit the training rows, or if a score is not finite.
        """
        check_is_fitted(self)
        X = self._check_rows(X, reset=False)
        scores = -self._map_rows(self.net_, X, self.net_.module_.score)
        bad = np.flatnonzero(~np.isfinite(scores))
        if len(bad):
            raise ValueError(
                f"The scores of {len(bad)} of {len(scores)} rows are not finite. Their values, up "
                f"to {abs(X[bad]).max():.3g} in size, are too far from the training rows: scale "
                "them."
            )
        return scores

    def decision_function(self, X):
        """Score above the threshold.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to score.

        Returns
        -------
        scores : ndarray of shape (n_samples,), float64
            ``score_samples(X) - offset_``; negative for outliers.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X):
        """Tell outliers from inliers.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to judge.

        Returns
        -------
        labels : ndarray of shape (n_samples,), int
            -1 for outliers and +1 for inliers.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    def transform(self, X):
        """Latent code of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to encode.

        Returns
        -------
        codes : ndarray of shape (n_samples, n_members * latent_dim), float32
            The codes of the members, side by side.
        """
        check_is_fitted(self)
        return self._map_rows(self.net_, self._check_rows(X, reset=False), self.net_.module_.encode)

    def reconstruct(self, X, *, kind="inlier"):
        """What each row would be if it were normal.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to reconstruct.
        kind : {"inlier", "outlier"}, default="inlier"
            What to make of the rows.

        Returns
        -------
        rows : ndarray of shape (n_samples, n_features), float32
            The reconstructions, averaged over the members.

        Raises
        ------
        ValueError
            If the method cannot produce this `kind`.
        """
        check_is_fitted(self)
        self._check_kind("reconstruct", kind)
        X = self._check_rows(X, reset=False)
        return self._map_rows(self.net_, X, lambda x: self.net_.module_.reconstruct(x, kind))

    def sample(self, n_samples=1, *, kind="inlier", random_state=None):
        """Generate new rows.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows. The first rows of a larger sample are those of a smaller one.
        kind : {"inlier", "outlier"}, default="inlier"
            What to generate.
        random_state : int, RandomState instance or None, default=None
            Determines the rows.

        Returns
        -------
        rows : ndarray of shape (n_samples, n_features), float32
            Each row comes from one of the members, chosen at random.

        Raises
        ------
        ValueError
            If the method cannot produce this `kind`.
        """
        return self._sample(n_samples, kind, random_state)

    def _sample(self, n_samples, kind, random_state, **options):
        check_is_fitted(self)
        self._check_kind("sample", kind)
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        module, device = self.net_.module_, next(self.net_.module_.parameters()).device
        with torch_of_our_own(device, draw_seed(random_state)), torch.inference_mode():
            parts = [
                module.sample(self._block_rows, kind, device, **options).cpu()
                for _ in range(0, n_samples, self._block_rows)
            ]
        return torch.cat(parts)[:n_samples].numpy()

    @classmethod
    def _all_subclasses(cls):
        for subclass in cls.__subclasses__():
            yield from (subclass, *subclass._all_subclasses())

    def _check_kind(self, verb, kind):
        kinds = getattr(self, f"_{verb}_kinds")
        if kind in kinds:
            return
        if kind not in ("inlier", "outlier"):
            raise ValueError(f"kind must be 'inlier' or 'outlier', got {kind!r}.")
        others = [
            cls.__name__
            for cls in BaseDetector._all_subclasses()
            if kind in getattr(cls, f"_{verb}_kinds")
            and cls.__module__.startswith("skgad.")
            and "__init__" in vars(cls)  # no base class of some of them
        ]
        only = f", only {' and '.join(kinds)}" if kinds else ""
        raise ValueError(
            f"{type(self).__name__} cannot {verb} kind={kind!r}{only}. "
            f"Detectors that can: {', '.join(others) or 'none in this version of skgad'}."
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


class LabelledDetector(BaseDetector):
    """Base class of the detectors whose training can use what is known of some rows.

    Notes
    -----
    *A note on design.* `labels` is metadata, which ``set_fit_request(labels=True)`` sends through
    a Pipeline or a search. It is not `y`: ``cross_val_score(detector, X, y)`` hands `y` to `fit`,
    and the truth with it.
    """

    def _results(self, net, X, labels):
        return {**super()._results(net, X, labels), "_known_labels": labels}

    @property
    def labels_(self):
        """What is known of each training row, or the decision on it."""
        check_is_fitted(self)
        decided = np.where(self.train_scores_ < self.offset_, -1, 1)
        return np.where(self._known_labels, self._known_labels, decided)

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, labels=None):
        """Train the networks.

        Parameters
        ----------
        X : {array-like, sparse matrix, Dataset} of shape (n_samples, n_features)
            Training rows. They are read as float32; sparse rows become dense one
            mini-batch at a time. For pixels and for torch's Datasets see :ref:`images`.
        y : Ignored
            Present for API consistency by convention.
        labels : array-like of shape (n_samples,) or None, default=None
            What is known of the rows: 1 for inliers, -1 for outliers, 0 for nothing. None is 0 for
            all rows. Every mini-batch has rows of each label.

        Returns
        -------
        self : object
            The fitted detector.

        Raises
        ------
        ValueError
            If `X` is no table of finite numbers with at least two rows, if `labels` are no such
            numbers or all of them are -1, or if a loss or a score becomes infinite or NaN. An
            earlier fit is then kept as it was.

        Warns
        -----
        ConvergenceWarning
            If the training was interrupted with Ctrl-C. It ends after the mini-batch (at once, if
            Ctrl-C is pressed twice), and the detector works with what it has learned; `n_iter_`
            tells the number of completed epochs. Interrupted before the end of the first
            epoch, `fit` raises the KeyboardInterrupt.
        """
        go_on = self.warm_start and hasattr(self, "net_")
        return self._fit(X, y, go_on=go_on, schedule=self.lr_schedule, labels=labels)

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, labels=None):
        """Go on training for one epoch, at a constant learning rate.

        The threshold is set anew from the scores of these rows. With `early_stopping`, some of
        them are held out here, too.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training rows.
        y : Ignored
            Present for API consistency by convention.
        labels : array-like of shape (n_samples,) or None, default=None
            What is known of the rows, as in :meth:`fit`.

        Returns
        -------
        self : object
            The fitted detector.
        """
        return self._fit(X, y, go_on=hasattr(self, "net_"), n_epochs=1, labels=labels)
