"""Base classes of the detectors: scikit-learn's contract around a game."""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import field
from functools import partial
from inspect import isabstract
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Self, TypeAlias

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy import sparse
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    OutlierMixin,
    TransformerMixin,
    clone,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted
from skorch.callbacks import Callback
from skorch.history import History
from torch.utils.data import Dataset

from .._labels import check_known_labels
from .._sklearn_compat import (
    CallbackSupportMixin,
    HasMethods,
    Interval,
    StrOptions,
    _fit_context,
    available_if,
    validate_parameter_constraints,
)
from .._threshold import DecisionMixin
from .._typing import Float32Array, FloatArray, IntArray, MatrixLike, RandomStateLike
from ..callbacks import Checkpoint, WeightAveraging
from ..engine.callbacks import (
    SCHEDULES,
    FitTask,
    LearningRateSchedule,
    StopEarly,
    clone_callbacks,
)
from ..engine.checkpoint import SaveTraining, TrainingFile, fingerprint
from ..engine.checks import check_table, feature_names
from ..engine.data import Rows, StreamedRows
from ..engine.encoding import check_columns, encode_table, origin_of, subtracted
from ..engine.ensemble import RECONSTRUCTORS, SAMPLERS
from ..engine.game import Game
from ..engine.net import AdversarialNet, build_net, check_net_params, copy_net
from ..engine.parameters import DeclaredParameters
from ..engine.plain import dtype_name, named_dtype, replaced, to_array
from ..engine.runtime import (
    choose_device,
    draw_seed,
    draw_seeds,
    first_interrupt_calls,
    generator_states,
    isolated_torch_state,
    memory_explained,
    warn,
)
from ..engine.sampling import RowSampler
from ..engine.scores import (
    BLOCK_IMAGES,
    BLOCK_ROWS,
    finalize,
    map_rows,
    prepare,
    rows_to_learn_from,
    score_rows,
    score_training_rows,
    scores_as_new,
)
from ..networks import MLP
from ..networks._build import Networks, image_shape
from ..tables import ParquetTable

Kind = Literal["inlier", "outlier"]

#: Rows to train on or to score.
TableLike: TypeAlias = MatrixLike | Dataset | ParquetTable

#: Largest number of columns for which scores and samples are learned from the training rows, unless
#: the parameter `score_type` asks for it.
MAX_FEATURES = 1024

#: Bounds of parameters. More members would be built for hours, and more epochs of a millisecond
#: would take weeks, so that such a number is a mistake.
MAX_MEMBERS, MAX_EPOCHS = 10_000, 10**9


def _game_can_encode(detector):
    """Check for ``available_if``: whether the game of a detector has latent codes."""
    return detector.game_class.can("encode")


def _has_score_types(detector):
    """Check for ``available_if``: whether a detector has several anomaly scores."""
    return "score_type" in detector.get_params(deep=False)


class BaseDetector(
    DeclaredParameters,
    CallbackSupportMixin,
    DecisionMixin,
    OutlierMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
    ABC,
):
    """Base class of detectors: turns a :class:`~skgad.Game` into a scikit-learn estimator.

    A subclass declares its parameters as annotated attributes with defaults, from which its
    constructor is made, and names its game in `game_class`. See :ref:`new_method`.

    .. versionadded:: 0.1

    Attributes
    ----------
    game_class : type
        Class of the game. What the detector can do follows from the methods that it implements.
    adam_params : dict
        Parameters of the optimizer Adam, unless `net_params` chooses others.
    auto_threshold : str
        What ``contamination="auto"`` means, for the docstring of the class.
    default_networks : object
        Family of networks that is used if `networks` is None.
    own_score : str
        What ``score_type="auto"`` means for images and wide tables, for which learning a score
        from the training rows would take too long.

    Notes
    -----
    The skorch net is an attribute rather than a base class, because skorch and scikit-learn have
    different contracts on parameters: a bare skorch net fails most of ``check_estimator``. Scores
    are computed in blocks of one size rather than in double precision, which would take twice the
    time and a second copy of the networks. Known labels are metadata and never ``y``, so
    ``cross_val_score(detector, X, y)`` cannot pass the truth to `fit`.
    """

    encoding: Literal["auto", "standard", "piecewise", "piecewise+frequency"] | None = "auto"
    networks: Networks | None = None
    ema_decay: float | None = None
    n_members: int = 1
    contamination: float | Literal["auto"] = "auto"
    max_epochs: int | Literal["auto"] = "auto"
    auto_steps: int = 1000
    batch_size: int = 128
    lr: float = 1e-3
    lr_schedule: Literal["linear", "step", "constant"] = "linear"
    early_stopping: bool = False
    validation_fraction: float = 0.1
    n_iter_no_change: int | Literal["auto"] = "auto"
    warm_start: bool = False
    callbacks: list[Any] | None = None
    checkpoint: str | os.PathLike[str] | Checkpoint | None = None
    net_params: dict[str, Any] | None = None
    device: str | torch.device = "auto"
    random_state: RandomStateLike = None
    verbose: int = 0

    net_: AdversarialNet = field(init=False)
    history_: History = field(init=False)
    n_iter_: int = field(init=False)
    offset_: float = field(init=False)
    train_scores_: FloatArray = field(init=False)
    n_features_in_: int = field(init=False)

    adam_params: ClassVar[dict[str, Any]] = {}
    auto_threshold: ClassVar[str] = "flags about 5 % of new rows that are like the training rows"
    own_score: ClassVar[str]
    default_networks: ClassVar[Networks] = MLP()

    _parameter_constraints: ClassVar[dict] = {
        "encoding": [
            StrOptions({"auto", "standard", "piecewise", "piecewise+frequency"}),
            None,
        ],
        "networks": [HasMethods(["encoder", "decoder", "discriminator"]), None],
        "ema_decay": [Interval(Real, 0, 1, closed="left"), None],
        "n_members": [Interval(Integral, 1, MAX_MEMBERS, closed="both")],
        "contamination": [StrOptions({"auto"}), Interval(Real, 0, 0.5, closed="right")],
        "max_epochs": [StrOptions({"auto"}), Interval(Integral, 1, MAX_EPOCHS, closed="both")],
        "auto_steps": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "lr_schedule": [StrOptions({"constant", *SCHEDULES})],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "warm_start": ["boolean"],
        "callbacks": [list, None],
        "checkpoint": [str, os.PathLike, Checkpoint, None],
        "net_params": [dict, None],
        "device": [str, torch.device],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    @property
    @abstractmethod
    def game_class(self) -> type[Game]:
        """Class of the game."""

    def set_params(self, **params: Any) -> Self:
        """Set parameters of the detector and of its networks.

        Parameters
        ----------
        **params : dict
            Values by name. ``networks__hidden_layer_sizes`` is a parameter of
            `networks`. If `networks` is None, it becomes an :class:`~skgad.MLP`, so that they can
            be searched.

        Returns
        -------
        self : object
            The detector.

        Raises
        ------
        ValueError
            If there is no parameter of a name.
        """
        if self.networks is None and any(name.startswith("networks__") for name in params):
            params = {"networks": clone(self.default_networks), **params}
        return super().set_params(**params)

    def game_params(self) -> dict[str, Any]:
        """Parameters that the game receives: those that are not shared by all detectors.

        Returns
        -------
        params : dict
            Arguments of `game_class`, besides the networks and the number of features.
        """
        names = set(self._get_param_names()) - set(BaseDetector._get_param_names())
        params = {name: getattr(self, name) for name in names}
        if "score_type" in params:
            params["score_type"] = self._resolve_score_type(self.score_type)
        return params

    def _resolve_score_type(self, score_type):
        """Name of the anomaly score, which depends on the table if it is "auto"."""
        if score_type != "auto":
            return score_type
        is_wide = getattr(self, "n_features_in_", 0) > MAX_FEATURES
        if is_wide or image_shape(self.networks) is not None:
            return self.own_score
        return "mahalanobis+neighbors+density"

    def method_callbacks(self) -> list[tuple[str, Callback]]:
        """Named skorch callbacks that belong to the method, such as the averaging of weights.

        Returns
        -------
        callbacks : list of tuple of (str, skorch.callbacks.Callback)
        """
        if self.ema_decay is None:
            return []
        return [("weight_averaging", WeightAveraging(self.ema_decay))]

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: TableLike, y: Any = None) -> Self:
        """Train the networks on rows that are all, or nearly all, normal.

        Parameters
        ----------
        X : {array-like, sparse matrix, Dataset, ParquetTable} of shape (n_samples, n_features)
            Training rows. They are converted to float32; sparse rows become dense one
            mini-batch at a time. For images and torch's Datasets see :ref:`images`.
        y : Ignored
            Present for API consistency by convention.

        Returns
        -------
        self : object
            The fitted detector.

        Raises
        ------
        ValueError
            If `X` is not a table of finite numbers with at least two rows, if a loss or a
            score becomes infinite or NaN, or if `checkpoint` belongs to another training. An
            earlier fit is then kept.
        OSError
            If `checkpoint` cannot be written.
        MemoryError
            If the memory of the device is used up. An earlier fit is then kept.

        Warns
        -----
        ConvergenceWarning
            If the training was interrupted with Ctrl-C. It ends after the current mini-batch, or at
            once if Ctrl-C is pressed twice. The detector works with what it has learned,
            and `n_iter_` is the number of completed epochs. If no epoch has been completed, `fit`
            raises the KeyboardInterrupt.
        UserWarning
            If `checkpoint` is damaged and an older copy is used, or could not be written.
        """
        resume = self.warm_start and hasattr(self, "net_")
        return self._fit(X, y, resume=resume, schedule=self.lr_schedule)

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: MatrixLike, y: Any = None) -> Self:
        """Train for one more epoch at a constant learning rate.

        The threshold is set from the scores of these rows. With `early_stopping`, some of them
        are held out. `checkpoint` is neither read nor written.

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
        return self._fit(X, y, resume=hasattr(self, "net_"), n_epochs=1)

    def _fit(self, X, y=None, *, resume, n_epochs=None, schedule="constant", labels=None):
        device = choose_device(self.device, self.net_.module_.device if resume else None)
        sizes = {"batch_size": self.batch_size, "n_members": self.n_members}
        memory = memory_explained(device, type(self).__name__, **sizes)
        with ExitStack() as interrupts, self._restored_on_failure(), memory:
            table = check_table(self, X, reset=not resume)
            stream = self._check_stream(table, labels)
            table = table if stream is None else stream.sample()
            if resume:
                subtract = self.net_.module_.subtract_origin
            else:
                encoding_name = self._chosen_encoding(table)
                if image_shape(self.networks) is None:
                    check_columns(encoding_name, table, feature_names(self))
                origin = origin_of(encoding_name, table)
                subtract = partial(subtracted, origin=origin)
            table = subtract(table)
            stream = None if stream is None else stream.map(subtract)
            labels = check_known_labels(labels, table.shape[0])
            seeds = self._seeds if resume else draw_seeds(self.random_state, self.n_members)
            saver = None
            if self.checkpoint is not None and n_epochs is None:
                file = TrainingFile(self.checkpoint)
                file.check_writable()
                known = fingerprint(self, table, labels, device, self.net_ if resume else None)
                saver = SaveTraining(file, known, seeds, resume or self.random_state is not None)
                seeds = saver.seeds
            all_rows = Rows(table, labels, device)
            rows, held_out = all_rows if stream is None else StreamedRows(stream, all_rows), None
            if self.early_stopping:
                rows, held_out = all_rows.split(self.validation_fraction, seeds[0])

            with isolated_torch_state(device, seeds, self._generator_states if resume else None):
                if resume:  # a copy is trained, so that a failure leaves the detector as it was
                    net = copy_net(self.net_)
                    if _has_score_types(self):
                        net.module_.set_score_type(self._resolve_score_type(self.score_type))
                else:
                    encoding, codes = encode_table(encoding_name, table, origin)
                    networks = self.networks or self.default_networks
                    make_game = self.game_class.factory(networks, codes, self.game_params())
                    net = self._build_net(make_game, encoding, device)
                    prepare(net.module_, all_rows)
                n_epochs_before = len(net.history)
                net.set_params(batch_size=self.batch_size, verbose=self.verbose)
                if self.lr != net.lr:  # otherwise skorch would reset the rates of parameter groups
                    net.set_params(lr=self.lr)
                n_batches = len(net.get_iterator(rows, training=True))
                n_epochs = n_epochs or self._n_epochs(n_batches)
                net.set_params(max_epochs=n_epochs)
                task = FitTask(self, X, y, n_epochs)

                def fitted_attributes(net):
                    ensemble = net.module_
                    train_scores = finalize(ensemble, all_rows)
                    as_new = scores_as_new(ensemble, table, labels)
                    fitted = {
                        "net_": net,
                        "history_": net.history,
                        "n_iter_": len(net.history),
                        "train_scores_": train_scores,
                        "_scores_as_new": as_new,
                        "_row_sampler": self._learn_to_sample(ensemble, table, labels),
                        "offset_": self._threshold(ensemble, train_scores, as_new),
                        "_known_labels": labels,
                        "_seeds": seeds,
                        "_generator_states": generator_states(device),
                    }
                    if self.game_class.can("encode"):
                        codes = map_rows(ensemble, table[:1], ensemble.encode)
                        fitted["_n_features_out"] = codes.shape[1]
                    return fitted

                callbacks = task.epochs(net, fitted_attributes)
                callbacks += self._training_callbacks(schedule, n_epochs, n_batches)
                interrupts.enter_context(first_interrupt_calls(net.interrupt))
                net.train(rows, held_out, callbacks=callbacks, saver=saver)
                if net.is_cut_short_ and len(net.history) == n_epochs_before:
                    raise KeyboardInterrupt
                self.__dict__.update(fitted_attributes(net))
                if net.interrupted_:
                    when = "after" if net.is_cut_short_ else "after the last of"
                    warn(
                        f"Training was interrupted {when} {len(net.history)} epochs.",
                        ConvergenceWarning,
                    )
                net.module_.scorer.check_training()
        task.end()
        return self

    def _check_stream(self, table, labels):
        """Table that is read in each epoch, or None if it is in memory."""
        if not isinstance(table, ParquetTable):
            return None
        if labels is not None or self.early_stopping:
            name = "early_stopping" if labels is None else "labels"
            raise ValueError(
                f"A ParquetTable is read in windows, without {name}. Set {name} to "
                f"{'False' if labels is None else 'None'}, or pass a table in memory."
            )
        return table

    def _learn_to_sample(self, ensemble, table, labels):
        """Sampler with ``latent="mixture"``, or None if the game or the table has none."""
        is_able = all(self.game_class.can(verb) for verb in ("sample", "encode", "decode"))
        is_image = image_shape(self.networks) is not None
        if not is_able or is_image or table.shape[1] > MAX_FEATURES:
            return None
        return RowSampler(ensemble, table, rows_to_learn_from(labels))

    def _chosen_encoding(self, table):
        """Value of the parameter `encoding` for a table, with "auto" replaced."""
        if self.encoding == "auto":
            return self._auto_encoding(table)
        if self.encoding is not None and image_shape(self.networks) is not None:
            raise ValueError(
                f"encoding={self.encoding!r} is for tables, but the networks have an "
                "image_shape. Set encoding=None."
            )
        return self.encoding

    def _auto_encoding(self, table):
        """Encoding that "auto" stands for. Override it if a game needs columns as they are."""
        keeps_columns = image_shape(self.networks) is not None or sparse.issparse(table)
        return None if keeps_columns else "piecewise+frequency"

    def _build_net(self, make_game, encoding, device):
        net_params = self.net_params or {}
        check_net_params(net_params, type(self).__name__)
        if "optimizer" not in net_params:
            net_params = {"optimizer__fused": True, **self.adam_params, **net_params}
        return build_net(
            make_game,
            n_members=self.n_members,
            encoding=encoding,
            block_rows=BLOCK_ROWS if image_shape(self.networks) is None else BLOCK_IMAGES,
            lr=self.lr,
            batch_size=self.batch_size,
            callbacks=self.method_callbacks() + clone_callbacks(self.callbacks or []),
            device=device,
            **net_params,
        )

    def _n_epochs(self, n_batches):
        """Number of epochs of `n_batches` mini-batches each."""
        if self.max_epochs != "auto":
            return self.max_epochs
        return max(1, round(self.auto_steps / n_batches))

    def _training_callbacks(self, schedule, n_epochs, n_batches):
        """Callbacks that belong to one training."""
        callbacks = []
        if self.early_stopping:
            patience = self.n_iter_no_change
            callbacks.append(StopEarly(max(10, n_epochs // 10) if patience == "auto" else patience))
        if schedule in SCHEDULES:
            callbacks.append(LearningRateSchedule(schedule, n_epochs * n_batches))
        return callbacks

    @contextmanager
    def _restored_on_failure(self):
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

    def _threshold(self, ensemble, train_scores, scores_as_new):
        """Compute `offset_`: the boundary of the method, or a percentile of the scores."""
        if self.contamination != "auto":
            return np.percentile(train_scores, 100.0 * self.contamination)
        if ensemble.boundary is not None:
            return -ensemble.boundary.item()
        return np.percentile(train_scores if scores_as_new is None else scores_as_new, 5.0)

    def set_threshold(self, *, contamination: float | Literal["auto"]) -> Self:
        """Change the threshold without training again.

        Parameters
        ----------
        contamination : "auto" or float
            New value of the parameter of this name; see the class.

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
        self._check_param("set_threshold", "contamination", contamination)
        self.contamination = contamination
        self.offset_ = self._threshold(self.net_.module_, self.train_scores_, self._scores_as_new)
        return self

    @available_if(_has_score_types)
    def set_score_type(self, score_type: str, X: TableLike) -> Self:
        """Change the anomaly score without training again.

        `train_scores_` and `offset_` are computed anew from the training rows.

        Parameters
        ----------
        score_type : str
            New value of the parameter of this name; see the class.
        X : {array-like, sparse matrix, Dataset, ParquetTable} of shape (n_samples, n_features)
            The training rows, in the order of the last `fit` or `partial_fit`.

        Returns
        -------
        self : object
            The detector with its new scores.

        Raises
        ------
        ValueError
            If the detector has no such score, or if `X` does not contain the training rows. The
            detector is then unchanged.
        NotFittedError
            If the detector has not been fitted.

        Examples
        --------
        >>> from sklearn.datasets import make_blobs
        >>> from skgad import ALAD
        >>> X, _ = make_blobs(100, centers=1, random_state=0)
        >>> detector = ALAD(max_epochs=2, random_state=0).fit(X)
        >>> detector = detector.set_score_type("l2", X)
        >>> bool((detector.score_samples(X) == detector.train_scores_).all())
        True
        """
        check_is_fitted(self)
        self._check_param("set_score_type", "score_type", score_type)
        table = self._check_rows(X)
        if isinstance(table, ParquetTable):
            table = table.sample()
        if table.shape[0] != len(self.train_scores_):
            raise ValueError(
                f"X has {table.shape[0]} rows, but the detector was trained on "
                f"{len(self.train_scores_)}: pass the training rows."
            )
        n_compared = min(table.shape[0], self.net_.module_.block_rows)
        scores = score_rows(self.net_.module_, table[:n_compared])
        if not np.allclose(scores, self.train_scores_[:n_compared], rtol=1e-3):
            raise ValueError(
                "The scores of X differ from those of the training rows: pass the training rows, "
                "in the same order."
            )
        net = copy_net(self.net_)
        net.module_.set_score_type(self._resolve_score_type(score_type))
        train_scores = score_training_rows(net.module_, table, self._known_labels)
        self.score_type = score_type
        self.net_, self.train_scores_ = net, train_scores
        self._scores_as_new = scores_as_new(net.module_, table, self._known_labels)
        self.offset_ = self._threshold(net.module_, train_scores, self._scores_as_new)
        return self

    def _check_param(self, method, name, value):
        """Validate a value against the constraints of the parameter of this name."""
        validate_parameter_constraints(
            {name: self._parameter_constraints[name]},
            {name: value},
            caller_name=f"{type(self).__name__}.{method}",
        )

    def _check_score_type(self):
        """Raise an error if `score_type` has been set since the detector was fitted."""
        fitted = self.net_.module_.game.score_type
        wanted = self.get_params(deep=False).get("score_type", fitted)
        if self._resolve_score_type(wanted) != fitted:
            raise ValueError(
                f"score_type={wanted!r} was set after this {type(self).__name__} had been fitted "
                f"with score_type={fitted!r}. Call set_score_type({wanted!r}, X) with the training "
                "rows, which also updates the threshold, or fit again."
            )

    def score_samples(self, X: TableLike) -> FloatArray:
        """Opposite of the anomaly score.

        The score of a row is the same to the last bit, whatever other rows are scored with it.

        Parameters
        ----------
        X : {array-like, sparse matrix, Dataset, ParquetTable} of shape (n_samples, n_features)
            Rows to score.

        Returns
        -------
        scores : ndarray of shape (n_samples,), float64
            Higher for more normal rows, and finite. A row so far from the training rows that its
            score overflows has the lowest score, -3.4e38.

        Raises
        ------
        ValueError
            If `X` does not have the features seen during `fit`, or if `score_type` has been set
            after `fit` other than by :meth:`set_score_type`.
        """
        check_is_fitted(self)
        self._check_score_type()
        return score_rows(self.net_.module_, self._check_rows(X))

    def _check_rows(self, X):
        """Validate rows, and convert them to those that the fitted networks can encode."""
        table, subtract = check_table(self, X, reset=False), self.net_.module_.subtract_origin
        return table.map(subtract) if isinstance(table, ParquetTable) else subtract(table)

    def transform(self, X: TableLike) -> Float32Array:
        """Compute the latent code of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix, Dataset, ParquetTable} of shape (n_samples, n_features)
            Rows to encode.

        Returns
        -------
        codes : ndarray of shape (n_samples, n_members * latent_dim), float32
            Codes of the members, side by side.
        """
        check_is_fitted(self)
        ensemble = self.net_.module_
        return map_rows(ensemble, self._check_rows(X), ensemble.encode)

    def reconstruct(self, X: TableLike, *, kind: Kind = "inlier") -> Float32Array:
        """Reconstruct each row as it would be if it were normal.

        Parameters
        ----------
        X : {array-like, sparse matrix, Dataset, ParquetTable} of shape (n_samples, n_features)
            Rows to reconstruct.
        kind : {"inlier", "outlier"}, default="inlier"
            Whether to reconstruct rows as inliers or as outliers.

        Returns
        -------
        rows : ndarray of shape (n_samples, n_features), float32
            Reconstructions, averaged over the members.

        Raises
        ------
        ValueError
            If the method cannot reconstruct rows of this `kind`.
        """
        check_is_fitted(self)
        self._check_kind("reconstruct", kind)
        table, ensemble = self._check_rows(X), self.net_.module_
        return map_rows(ensemble, table, lambda x: ensemble.reconstruct(x, kind))

    def sample(
        self,
        n_samples: int = 1,
        *,
        kind: Kind = "inlier",
        latent: Literal["auto", "mixture", "own"] = "auto",
        random_state: RandomStateLike = None,
    ) -> Float32Array:
        """Generate new rows.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows. The first rows of a larger sample are those of a smaller one.
        kind : {"inlier", "outlier"}, default="inlier"
            Whether to generate inliers or outliers.
        latent : {"auto", "mixture", "own"}, default="auto"
            How to generate. "mixture" decodes draws from a mixture that is fitted to the codes of
            the training rows, and gives each column the distribution that it has in the
            training rows, see :ref:`sampling`. "own" is the way of the method. "auto" is "mixture"
            for inliers, and "own" for outliers, images and more than 1,024 columns.
        random_state : int, RandomState instance or None, default=None
            Determines the rows.

        Returns
        -------
        rows : ndarray of shape (n_samples, n_features), float32
            Each row comes from one of the members, chosen at random.

        Raises
        ------
        ValueError
            If the method cannot generate rows of this `kind`, or not in this way.

        Warns
        -----
        UserWarning
            If at least 100 rows with ``latent="own"`` have collapsed: in some columns, they vary
            less than half as much as the training rows, or lack a frequent level.
        """
        self._check_sampling(n_samples, kind, latent, ("own",))
        if self._uses_mixture(kind, latent):
            return self._sample_mixture(n_samples, random_state)
        return self._sample(n_samples, kind, random_state)

    def _check_sampling(self, n_samples, kind, latent, own):
        """Check the arguments of `sample`, of which `own` are the ways of the method."""
        check_is_fitted(self)
        self._check_kind("sample", kind)
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        if latent not in (names := ("auto", "mixture", *own)):
            raise ValueError(f"latent must be one of {names}, got {latent!r}.")
        if latent == "mixture" and not self._uses_mixture(kind, "auto"):
            raise ValueError(
                "latent='mixture' generates inliers of a table with at most "
                f"{MAX_FEATURES:,} columns. Use latent={own[0]!r}."
            )

    def _uses_mixture(self, kind, latent):
        return latent in ("auto", "mixture") and kind == "inlier" and self._row_sampler is not None

    def _sample_mixture(self, n_samples, random_state):
        ensemble = self.net_.module_
        n_blocks = -(-n_samples // ensemble.block_rows)
        blocks = self._row_sampler.blocks(ensemble, n_blocks, draw_seed(random_state))
        return np.concatenate([*blocks])[:n_samples]

    def _sample(self, n_samples, kind, random_state, **options):
        ensemble = self.net_.module_
        seed = draw_seed(random_state)
        with isolated_torch_state(ensemble.device, [seed]), torch.inference_mode():
            parts = [
                ensemble.sample(ensemble.block_rows, kind, ensemble.device, **options).cpu()
                for _ in range(0, n_samples, ensemble.block_rows)
            ]
        rows = torch.cat(parts)[:n_samples].numpy()
        if kind == "inlier" and self._row_sampler is not None:
            self._row_sampler.warn_if_collapsed(rows)
        return rows

    def _check_kind(self, verb, kind):
        """Check that the game can sample or reconstruct rows of a kind."""
        methods = {"sample": SAMPLERS, "reconstruct": RECONSTRUCTORS}[verb]
        if kind not in methods:
            raise ValueError(f"kind must be 'inlier' or 'outlier', got {kind!r}.")
        if self.game_class.can(methods[kind]):
            return
        kinds = [other for other in methods if self.game_class.can(methods[other])]
        able = [cls.__name__ for cls in _public_detectors() if cls.game_class.can(methods[kind])]
        raise ValueError(
            f"{type(self).__name__} cannot {verb} rows of kind={kind!r}"
            + (f", only of kind={kinds[0]!r}" if kinds else "")
            + f". Detectors that can: {', '.join(able)}."
        )

    def __getstate__(self):
        """State of arrays and plain values, with that of the optimizer if `warm_start` is set."""
        state = dict(super().__getstate__())  # it may be the dict of the attributes itself
        state["net_params"] = replaced(self.net_params, torch.dtype, dtype_name)
        if isinstance(self.checkpoint, os.PathLike):
            state["checkpoint"] = os.fspath(self.checkpoint)  # can be loaded on any system
        if "net_" not in state:
            return state
        if state.get("history_") is self.net_.history:
            del state["history_"]
        state["net_"] = self.net_.for_pickling(optimizer_state=self.warm_start)
        states = state["_generator_states"]
        state["_generator_states"] = replaced(states, torch.Tensor, to_array)
        return state

    def __setstate__(self, state):
        """Restore the detector."""
        state = dict(state)
        if (autocast := (state["net_params"] or {}).get("autocast")) is not None:
            state["net_params"] = {**state["net_params"], "autocast": named_dtype(autocast)}
        if "net_" in state:
            states = replaced(state["_generator_states"], np.ndarray, torch.tensor)
            state = {"history_": state["net_"].history, **state, "_generator_states": states}
        super().__setstate__(state)

    def to_onnx(self, path: str | os.PathLike, *, reconstruction: bool = False) -> None:
        """Write the fitted detector to an ONNX file.

        See :func:`skgad.export.to_onnx` for the inputs and the outputs of the file.

        .. versionadded:: 0.1

        Parameters
        ----------
        path : str or path-like
            File to write.
        reconstruction : bool, default=False
            Whether the reconstruction of each row is a third output.
        """
        from ..export import to_onnx  # which imports this module

        to_onnx(self, path, reconstruction=reconstruction)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


# Not decorators inside the class: scikit-learn wraps `transform` for `set_output`, and the wrapper
# would hide that some detectors have no such method.
for _name in ("transform", "fit_transform", "get_feature_names_out"):
    setattr(BaseDetector, _name, available_if(_game_can_encode)(getattr(BaseDetector, _name)))


def _public_detectors() -> Iterator[type[BaseDetector]]:
    """Detectors of this package."""
    from skgad import detectors

    for name in detectors.__all__:
        cls = getattr(detectors, name)
        if not isabstract(cls):
            yield cls


class LabelledDetector(BaseDetector):
    """Base class of detectors that can use known labels of some training rows.

    .. versionadded:: 0.1

    Notes
    -----
    `labels` is metadata, which ``set_fit_request(labels=True)`` routes through a Pipeline or a
    search. It is not `y`: ``cross_val_score(detector, X, y)`` passes `y` to `fit`, and with it the
    truth.
    """

    @property
    def labels_(self) -> IntArray:
        """Known label of each training row, or the decision if it is unlabeled."""
        check_is_fitted(self)
        decided = np.where(self.train_scores_ < self.offset_, -1, 1)
        return np.where(self._known_labels, self._known_labels, decided)

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: TableLike, y: Any = None, labels: ArrayLike | None = None) -> Self:
        """Train the networks.

        Parameters
        ----------
        X : {array-like, sparse matrix, Dataset, ParquetTable} of shape (n_samples, n_features)
            Training rows. They are converted to float32; sparse rows become dense one
            mini-batch at a time. For images and torch's Datasets see :ref:`images`.
        y : Ignored
            Present for API consistency by convention.
        labels : array-like of shape (n_samples,) or None, default=None
            Known labels of the rows: 1 for inliers, -1 for outliers, 0 for unlabeled rows. None
            means that all rows are unlabeled. Every mini-batch contains rows of each label.

        Returns
        -------
        self : object
            The fitted detector.

        Raises
        ------
        ValueError
            If `X` is not a table of finite numbers with at least two rows, if `labels` contain
            other values or only -1, if a loss or a score becomes infinite or NaN, or if
            `checkpoint` belongs to another training. An earlier fit is then kept.
        OSError
            If `checkpoint` cannot be written.
        MemoryError
            If the memory of the device is used up. An earlier fit is then kept.

        Warns
        -----
        ConvergenceWarning
            If the training was interrupted with Ctrl-C. It ends after the current mini-batch, or at
            once if Ctrl-C is pressed twice. The detector works with what it has learned,
            and `n_iter_` is the number of completed epochs. If no epoch has been completed, `fit`
            raises the KeyboardInterrupt.
        UserWarning
            If `checkpoint` is damaged and an older copy is used, or could not be written.
        """
        resume = self.warm_start and hasattr(self, "net_")
        return self._fit(X, y, resume=resume, schedule=self.lr_schedule, labels=labels)

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: MatrixLike, y: Any = None, labels: ArrayLike | None = None) -> Self:
        """Train for one more epoch at a constant learning rate.

        The threshold is set from the scores of these rows. With `early_stopping`, some of them
        are held out. `checkpoint` is neither read nor written.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training rows.
        y : Ignored
            Present for API consistency by convention.
        labels : array-like of shape (n_samples,) or None, default=None
            Known labels of the rows, as in :meth:`fit`.

        Returns
        -------
        self : object
            The fitted detector.
        """
        return self._fit(X, y, resume=hasattr(self, "net_"), n_epochs=1, labels=labels)
