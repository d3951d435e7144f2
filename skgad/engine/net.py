"""The skorch net that makes the players of a game move in turn, and its batches."""

import math
import signal
import threading
from contextlib import contextmanager
from copy import copy

import numpy as np
import torch
from scipy import sparse
from sklearn.utils import gen_batches
from skorch import NeuralNet
from skorch.callbacks import EpochTimer, PassthroughScoring, PrintLog
from skorch.dataset import unpack_data
from skorch.utils import TeeGenerator
from torch.overrides import TorchFunctionMode
from torch.utils.data import Dataset, IterableDataset


class Rows(Dataset):
    """Rows of a table that are taken many at a time, as float32 tensors on a device.

    Parameters
    ----------
    X : ndarray, CSR matrix or Items of shape (n_samples, n_features)
        The table, float32 or uint8. It is neither copied nor made dense as a whole, with one
        exception: a dense table that takes less than half of a GPU's free memory is moved
        there, once.
    labels : ndarray of shape (n_samples,) or None, default=None
        What is known of the rows; None is 0 for every row.
    device : str or torch.device, default="cpu"
        Where the tensors are wanted.

    Attributes
    ----------
    groups : list of ndarray
        Positions of the rows of each label, the most frequent label last.
    """

    def __init__(self, X, labels=None, device="cpu"):
        self.labels = np.zeros(X.shape[0], np.int8) if labels is None else labels
        self.positions = np.arange(X.shape[0])
        self.groups = group(self.labels)
        self.device = torch.device(device)
        self.X = X
        if self.device.type == "cuda" and isinstance(X, np.ndarray):
            free, _ = torch.cuda.mem_get_info(self.device)
            dtype = torch.uint8 if X.dtype == np.uint8 else torch.float32
            if X.size * dtype.itemsize < free / 2:
                self.X = torch.empty(X.shape, dtype=dtype, device=self.device)
                for part in gen_batches(len(X), 2**16):
                    rows = X[part] if dtype == torch.uint8 else X[part].astype(np.float32)
                    self.X[part] = torch.tensor(rows)
                self.labels = torch.tensor(self.labels, device=self.device)

    def part(self, positions):
        """Only the rows at these positions. The table is not copied."""
        part = copy(self)
        part.positions = self.positions[positions]
        part.groups = group(torch.as_tensor(self.labels).cpu().numpy()[part.positions])
        return part

    def __len__(self):
        return len(self.positions)

    def __getitem__(self, index):
        """Rows and labels at an array of positions."""
        index = self.positions[index]
        if torch.is_tensor(self.X):
            index = torch.from_numpy(index).to(self.device)
            return to_floats(self.X[index], self.device), self.labels[index]
        labels = torch.as_tensor(self.labels[index])
        return to_floats(self.X[index], self.device), labels.to(self.device)


def group(labels):
    """Positions of each label, the most frequent label last."""
    return sorted((np.flatnonzero(labels == label) for label in np.unique(labels)), key=len)


class Items:
    """The items of a torch ``Dataset`` as the rows of a table, which are read when indexed.

    Parameters
    ----------
    dataset : torch.utils.data.Dataset
        Has a length. Its items are arrays or tensors of one shape, or tuples that start with one.
    image_shape : tuple of int or None, default=None
        Channels, height and width of the items, if they are images. Those of type uint8 then
        stay as they are; all others become float32.
    """

    def __init__(self, dataset, image_shape=None):
        if not hasattr(dataset, "__len__") or isinstance(dataset, IterableDataset):
            raise ValueError(
                f"{type(dataset).__name__} cannot be indexed: a detector takes Datasets with "
                "__len__ and __getitem__, which it reads in an order of its own."
            )
        if len(dataset) == 0:
            raise ValueError(f"{type(dataset).__name__} has 0 items: give at least one.")
        self.dataset = dataset
        first = self._read(0)
        if image_shape is not None and first.ndim > 1:
            if [n for n in first.shape if n > 1] != [n for n in image_shape if n > 1]:
                raise ValueError(
                    f"The items of {type(dataset).__name__} have the shape {first.shape}, but "
                    f"image_shape={image_shape}, which is (channels, height, width): give such "
                    "images or set image_shape."
                )
        self.item_shape, self.item_dtype = first.shape, first.dtype
        self.shape = (len(dataset), first.size)
        is_pixels = image_shape is not None and first.dtype == np.uint8
        self.dtype = np.dtype(np.uint8 if is_pixels else np.float32)

    def _read(self, position):
        item = self.dataset[int(position)]
        return np.asarray(item[0] if isinstance(item, (tuple, list)) else item)

    def __getitem__(self, index):
        """Rows at an array of positions or in a slice, checked as they are read."""
        index = range(*index.indices(self.shape[0])) if isinstance(index, slice) else index
        rows = np.empty((len(index), self.shape[1]), self.dtype)
        for row, position in zip(rows, index, strict=True):
            item = self._read(position)
            if (item.shape, item.dtype) != (self.item_shape, self.item_dtype):
                raise ValueError(
                    f"Item {position} of {type(self.dataset).__name__} has the shape {item.shape} "
                    f"and the type {item.dtype}, the first item {self.item_shape} and "
                    f"{self.item_dtype}: all have to be alike."
                )
            row[:] = item.ravel()
            if not np.isfinite(row).all():
                raise ValueError(
                    f"Item {position} of {type(self.dataset).__name__} contains NaN, infinity or "
                    "a value too large for float32."
                )
        return rows


def to_floats(rows, device):
    """Rows as a float32 tensor on a device; pixels of type uint8 are divided by 255."""
    rows = rows.toarray() if sparse.issparse(rows) else rows
    if isinstance(rows, np.ndarray) and rows.dtype != np.uint8:
        rows = rows.astype(np.float32, copy=False)
    rows = torch.as_tensor(rows, device=device)
    if rows.dtype != torch.uint8:
        return rows
    return rows / torch.tensor(255.0, device=device)  # a GPU multiplies by 1 / 255, if a number


def blocks(X, n_rows, device, positions=None):
    """Yield rows of ``X`` in order, in blocks of ``n_rows``, the last filled up with zeros.

    They are all rows, or those at some positions.
    """
    for start in range(0, X.shape[0] if positions is None else len(positions), n_rows):
        part = slice(start, start + n_rows)
        rows = X[part if positions is None else positions[part]]
        block = np.zeros((n_rows, X.shape[1]), X.dtype)
        block[: rows.shape[0]] = rows.toarray() if sparse.issparse(rows) else rows
        yield to_floats(block, device)


class RowByRow(TorchFunctionMode):
    """Inside the block, an affine layer treats a row alike wherever it stands in its batch.

    A library for matrix products computes the edges of a matrix with other instructions, and
    so in another order, than its bulk. With few outputs the edge goes through all rows of
    ``x @ W.T``, and equal rows get unequal last bits (seen with MKL for 2 to 11 outputs). In
    ``W @ x.T`` each row of ``x`` is a column, and the blocks have as many columns as need no edge.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):
        function = self.linear if func is torch.nn.functional.linear else func
        return function(*args, **(kwargs or {}))

    @staticmethod
    def linear(input, weight, bias=None):
        """Affine map with the rows as columns."""
        if input.dim() != 2:
            return torch.nn.functional.linear(input, weight, bias)
        if bias is None:
            return (weight @ input.T).T
        return torch.addmm(bias[:, None], weight, input.T).T


class BatchLoader:
    """A ``DataLoader`` without workers and collation: one indexing for each batch.

    Shuffled rows with several labels come with rows of each label in every batch, up to
    ``batch_size`` of each. One pass through the most frequent label is an epoch; the rows of the
    others come again and again. A last batch of a single row joins the batch before it, as
    batch-norm has nothing to normalise by in a single row.
    """

    def __init__(self, dataset, batch_size=128, shuffle=False):
        self.dataset = dataset
        self.batch_size = len(dataset) if batch_size == -1 else batch_size
        self.shuffle = shuffle
        everything = [np.arange(len(dataset))]
        groups = getattr(dataset, "groups", everything) if shuffle else everything
        self.rest, self.largest = groups[:-1], groups[-1]

    def __len__(self):
        whole, rest = divmod(len(self.largest), self.batch_size)
        return max(1, whole + (rest > 1))

    def __iter__(self):
        streams = [self._again_and_again(group) for group in self.rest]
        for parts in zip(*streams, self._once(), strict=False):
            yield self.dataset[np.concatenate(parts)]

    def _once(self):
        """Mini-batches of one pass through the rows of the most frequent label."""
        group, n_rows = self._ordered(self.largest), len(self.largest)
        bounds = [*range(0, len(self) * self.batch_size, self.batch_size), n_rows]
        for start, stop in zip(bounds, bounds[1:], strict=False):
            yield group[start:stop]

    def _again_and_again(self, group):
        """Parts of rows of another label, pass after pass, each of at most a batch."""
        while True:
            yield from np.array_split(self._ordered(group), -(-len(group) // self.batch_size))

    def _ordered(self, group):
        return group[torch.randperm(len(group)).numpy()] if self.shuffle else group


@contextmanager
def first_ctrl_c(then):
    """Inside the block the first Ctrl-C calls a function, and the next raises KeyboardInterrupt.

    That exception can be raised anywhere, and be lost where Python ignores exceptions; callbacks
    raise it, too, to end a training. Who handles the signal in another way goes on doing so.
    """
    before = signal.getsignal(signal.SIGINT)
    if (
        threading.current_thread() is not threading.main_thread()
        or before is not signal.default_int_handler
    ):
        yield
        return

    def handle(*_):
        signal.signal(signal.SIGINT, before)
        then()

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class AdversarialNet(NeuralNet):
    """skorch net for an :class:`~skgad.engine.game.Ensemble` of games.

    One module, one optimizer, many players: a move is a step of the optimizer while all
    other players have no gradient, which torch's optimizers skip: no momentum, no weight
    decay, no count of steps for them.

    Notes
    -----
    *A note on design.* ``train_step`` is overridden and not ``train_step_single``, whose
    closure would zero all gradients and play the batch twice. skorch's ``DataLoader`` is
    replaced, because collating rows one by one costs more than a step of a small game.
    The records of single batches are dropped when their epoch has been averaged: a long
    training would otherwise keep and pickle hundreds of thousands of them.
    """

    def __init__(
        self,
        module,
        *,
        criterion=torch.nn.Identity,  # games have their losses; skorch wants one
        optimizer=torch.optim.Adam,
        lr=1e-4,
        train_split=None,
        iterator_train=BatchLoader,
        iterator_train__shuffle=True,
        iterator_valid=BatchLoader,
        **kwargs,
    ):
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

    def on_train_begin(self, net, **kwargs):
        super().on_train_begin(net, **kwargs)
        self.parameters_of_ = {}  # not kept: tensors in it would not survive pickling as the same

    def on_epoch_begin(self, net, **kwargs):
        super().on_epoch_begin(net, **kwargs)
        for row in self.history[-2:-1]:
            row["batches"] = row["batches"][-1:]
        self.module_.set_epoch(len(self.history) - 1)
        self._set_training(True)  # once an epoch: it walks through all modules

    def on_epoch_end(self, net, **kwargs):
        """Average the players' losses over the epoch."""
        super().on_epoch_end(net, **kwargs)
        self.n_completed_ = len(self.history)
        batches = self.history[-1]["batches"]
        for name in [f"{player}_loss" for player in self.module_.players]:
            weights = [b["train_batch_size"] for b in batches if name in b]
            if weights:
                losses = [b[name] for b in batches if name in b]
                self.history.record(name, float(np.average(losses, weights=weights)))

    def on_train_end(self, net, **kwargs):
        super().on_train_end(net, **kwargs)
        for row in self.history[-1:]:
            row["batches"] = row["batches"][-1:]
        del self.parameters_of_

    def fit_loop(self, X, y=None, epochs=None, **fit_params):
        """Train; ``interrupted_`` tells whether the user ended it, and not a callback."""
        self.interrupted_ = False
        self.n_completed_ = len(self.history)
        with first_ctrl_c(self._interrupt):
            try:
                return super().fit_loop(X, y, epochs, **fit_params)
            finally:
                if len(self.history) > self.n_completed_:  # callbacks stop between two epochs
                    self.interrupted_ = True
                    del self.history[self.n_completed_ :]
                self.module_.eval()

    def _interrupt(self):
        self.interrupted_ = True

    def train_step(self, batch, **fit_params):
        if self.interrupted_:
            raise KeyboardInterrupt
        losses = {}
        for player, loss in self.module_.play(*unpack_data(batch)):
            self._move(player, loss, batch)
            losses.setdefault(player, []).append(loss.detach().mean())
        means = torch.stack([torch.stack(moves).mean() for moves in losses.values()])
        means = dict(zip(losses, means.tolist(), strict=True))  # one wait for the device
        for player, loss in means.items():
            if not math.isfinite(loss):
                raise DivergenceError(player, loss, epoch=len(self.history))
            self.history.record_batch(f"{player}_loss", loss)
        return {"loss": np.float64(sum(means.values())), "y_pred": None}

    def _move(self, player, loss, batch):
        """Step the optimizer while only the player's parameters have gradients."""
        parameters = [p for p in self._parameters_of(player) if p.requires_grad]
        if not parameters:  # frozen as a whole
            return
        loss.sum().backward(inputs=parameters)
        self.notify(
            "on_grad_computed",
            named_parameters=TeeGenerator(self.module_.named_parameters()),
            batch=batch,
            training=True,
        )
        self.optimizer_.step()
        for parameter in parameters:  # what zero_grad does, without a walk through all others
            parameter.grad = None

    def _parameters_of(self, player):
        if player not in self.parameters_of_:
            self.parameters_of_[player] = list(self.module_.player_parameters(player))
        return self.parameters_of_[player]

    def validation_step(self, batch, **fit_params):
        self._set_training(False)
        x, _ = unpack_data(batch)
        with torch.no_grad():
            return {"loss": self.module_.validation_loss(x), "y_pred": None}

    def torch_compile(self, module, name):
        """Compile the networks in place; the games stay plain Python."""
        if self.compile:
            for game in getattr(module, "games", ()):
                for network in game.children():
                    network.compile(**self.get_params_for("compile"))
        return module


class DivergenceError(ValueError):
    """A player's loss is not finite any more."""

    def __init__(self, player, loss, epoch):
        super().__init__(player, loss, epoch)  # from which another process makes it again

    def __str__(self):
        return (
            "Training diverged: the loss of the {} was {} in epoch {}. Scale the "
            "features, for example with StandardScaler or MinMaxScaler, or lower the learning "
            "rate 'lr'; callbacks=[skorch.callbacks.GradientNormClipping(1.0)] can help too."
        ).format(*self.args)
