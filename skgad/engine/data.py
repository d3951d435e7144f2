"""Tables as the networks see them: rows, mini-batches and blocks of float32 tensors."""

from copy import copy

import numpy as np
import torch
from scipy import sparse
from sklearn.model_selection import train_test_split
from sklearn.utils import gen_batches
from torch.utils.data import Dataset, IterableDataset

from ..networks._random import permutations


class Items:
    """Items of a torch ``Dataset`` as the rows of a table, read when they are indexed.

    Parameters
    ----------
    dataset : torch.utils.data.Dataset
        Dataset with a length. Its items are arrays or tensors of one shape, or tuples that start
        with one.
    image_shape : tuple of int or None, default=None
        Channels, height and width of the items, if they are images. Images of type uint8 keep
        their type. All other items become float32.
    """

    def __init__(self, dataset, image_shape=None):
        if not hasattr(dataset, "__len__") or isinstance(dataset, IterableDataset):
            raise ValueError(
                f"{type(dataset).__name__} cannot be indexed. A detector reads the items in an "
                "order of its own: pass a Dataset with __len__ and __getitem__."
            )
        if len(dataset) == 0:
            raise ValueError(f"{type(dataset).__name__} has 0 items: at least one is required.")
        self.dataset = dataset
        first = self._read(0)
        if image_shape is not None and first.ndim > 1:
            if [n for n in first.shape if n > 1] != [n for n in image_shape if n > 1]:
                raise ValueError(
                    f"The items of {type(dataset).__name__} have the shape {first.shape}, which "
                    f"is not image_shape={image_shape}, the (channels, height, width) of the "
                    "networks. Set image_shape to the shape of the items."
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
                    f"Item {position} of {type(self.dataset).__name__} has shape {item.shape} "
                    f"and dtype {item.dtype}, but the first item has shape {self.item_shape} and "
                    f"dtype {self.item_dtype}: all items must have the same shape and dtype."
                )
            row[:] = item.ravel()
            if not np.isfinite(row).all():
                raise ValueError(
                    f"Item {position} of {type(self.dataset).__name__} contains NaN, infinity or "
                    "a value too large for float32."
                )
        return rows


class Rows(Dataset):
    """Training rows with their labels, delivered many at a time as tensors on a device.

    Parameters
    ----------
    table : ndarray, CSR matrix or Items of shape (n_samples, n_features)
        Training table of float32 or uint8. It is neither copied nor made dense as a whole,
        with one exception: a dense table that takes less than half of a GPU's free memory is
        moved there once.
    labels : ndarray of shape (n_samples,) or None, default=None
        Known labels of the rows: 1 for inliers, -1 for outliers, 0 for unlabeled rows. None
        means that all rows are unlabeled.
    device : str or torch.device, default="cpu"
        Device of the tensors.

    Attributes
    ----------
    groups : list of ndarray
        Positions of the rows of each label. The most frequent label comes last.
    """

    def __init__(self, table, labels=None, device="cpu"):
        self.table = table
        self.known_labels = np.zeros(table.shape[0], np.int8) if labels is None else labels
        self.positions = np.arange(table.shape[0])
        self.groups = group_by_label(self.known_labels)
        self.device = torch.device(device)
        self.store, self.labels = table, self.known_labels
        if self.device.type == "cuda" and isinstance(table, np.ndarray):
            free, _ = torch.cuda.mem_get_info(self.device)
            dtype = torch.uint8 if table.dtype == np.uint8 else torch.float32
            if table.size * dtype.itemsize < free / 2:
                self.store = torch.empty(table.shape, dtype=dtype, device=self.device)
                for part in gen_batches(len(table), 2**16):
                    rows = table[part]
                    rows = rows if dtype == torch.uint8 else rows.astype(np.float32)
                    self.store[part] = torch.tensor(rows)
                self.labels = torch.tensor(self.known_labels, device=self.device)

    @property
    def is_on_device(self):
        """Whether the table is on a device other than the host."""
        return torch.is_tensor(self.store)

    def take(self, positions):
        """Subset of the rows, without a copy of the table."""
        subset = copy(self)
        subset.positions = self.positions[positions]
        subset.groups = group_by_label(self.known_labels[subset.positions])
        return subset

    def split(self, validation_fraction, seed):
        """Split into rows to train on and rows that early stopping watches.

        Known outliers are always among the rows to train on.
        """
        labels = self.known_labels
        watched = np.flatnonzero(labels != -1)
        known, counts = np.unique(labels[watched], return_counts=True)
        if len(known) > 1 and counts.min() < 2:
            raise ValueError(
                "early_stopping holds out rows of each label, but only one row has the label "
                f"{known[counts.argmin()]}. Label more rows, or set early_stopping=False."
            )
        if len(watched) * (1 - validation_fraction) < 1:
            raise ValueError(
                f"early_stopping holds out validation_fraction={validation_fraction} of the "
                f"{len(watched)} rows, which leaves none to train on. Pass more rows, decrease "
                "validation_fraction, or set early_stopping=False."
            )
        train, held_out = train_test_split(
            watched,
            test_size=validation_fraction,
            random_state=seed,
            stratify=labels[watched] if len(known) > 1 else None,
        )
        train = np.concatenate([train, np.flatnonzero(labels == -1)])
        return self.take(train), self.take(held_out)

    def __len__(self):
        return len(self.positions)

    def __getitem__(self, index):
        """Rows and labels at an array of positions.

        An array of shape (n_members, n_rows) gives the rows of each member, with the labels of the
        first member's rows: those of the other members are the same.
        """
        if np.ndim(index) == 2:
            rows, labels = self[index.ravel()]
            return rows.unflatten(0, index.shape), labels[: index.shape[1]]
        index = self.positions[index]
        if self.is_on_device:
            index = torch.from_numpy(index).to(self.device)
            return to_floats(self.store[index], self.device), self.labels[index]
        labels = torch.as_tensor(self.labels[index])
        return to_floats(self.store[index], self.device), labels.to(self.device)

    def indices(self, positions):
        """Indices of the table for :meth:`batch`, which are moved to the table once an epoch."""
        indices = self.positions[positions]
        return to_device(torch.from_numpy(indices), self.device) if self.is_on_device else indices

    def batch(self, parts):
        """Rows of a mini-batch, and their labels on the CPU.

        Parameters
        ----------
        parts : list of (ndarray or Tensor, int)
            Indices of the rows of each label, as :meth:`indices` gives them, with the label. The
            indices have shape (n_rows,), or (n_members, n_rows) for the rows of each member.
        """
        indices = [part for part, _ in parts]
        index = torch.cat(indices, -1) if self.is_on_device else np.concatenate(indices, axis=-1)
        rows = to_floats(self.store[index.reshape(-1)], self.device)
        labels = np.repeat([label for _, label in parts], [part.shape[-1] for part in indices])
        return rows.unflatten(0, tuple(index.shape)), torch.from_numpy(labels)


class StreamedRows(Dataset):
    """Training rows that are read from files in each epoch, all of them unlabeled.

    Parameters
    ----------
    stream : ParquetTable
        Table whose batches are arrays of finite numbers.
    sample : Rows
        Rows that stand for all rows where a game looks at all of them: `table` and `known_labels`
        are theirs. Their device is that of the tensors.
    """

    def __init__(self, stream, sample):
        self.stream = stream
        self.table, self.known_labels = sample.table, sample.known_labels
        self.device = sample.device

    def __len__(self):
        return len(self.stream)

    def batches(self, batch_size, own_order):
        """Mini-batches of one epoch, with as many rows as those of :class:`BatchLoader`.

        The row groups come in a random order, the same for all members, and the rows of a window
        are shuffled. Up to a mini-batch of rows waits for the next window.
        """
        waiting = None
        for window in self.stream.shuffled(lambda n: np.atleast_2d(permutations(n).numpy())[0]):
            parts = [window] if waiting is None else [waiting, window]
            rows = np.concatenate(parts, dtype=np.float32)
            n_taken = max(0, (len(rows) - 2) // batch_size * batch_size)
            yield from self._shuffled_batches(rows[:n_taken], batch_size, own_order)
            waiting = rows[n_taken:]
        yield from self._shuffled_batches(waiting, batch_size, own_order)

    def _shuffled_batches(self, rows, batch_size, own_order):
        n_full, n_rest = divmod(len(rows), batch_size)
        if n_full + n_rest == 0:
            return
        orders = permutations(len(rows)).numpy()
        order = orders if own_order else np.atleast_2d(orders)[0]
        # As in BatchLoader, a last single row is merged with the batch before it.
        starts = range(0, max(1, n_full + (n_rest > 1)) * batch_size, batch_size)
        for start, stop in zip(starts, [*starts[1:], len(rows)], strict=True):
            index = order[..., start:stop]
            batch = to_floats(rows[index.reshape(-1)], self.device).unflatten(0, index.shape)
            yield batch, torch.zeros(index.shape[-1], dtype=torch.int8)


def group_by_label(labels):
    """Positions of each label, the most frequent label last."""
    return sorted((np.flatnonzero(labels == label) for label in np.unique(labels)), key=len)


class BatchLoader:
    """Mini-batches of rows: a ``DataLoader`` that indexes once per batch and collates nothing.

    If the rows are shuffled and have several labels, each batch contains rows of each label, up
    to ``batch_size`` of each. One pass through the rows of the most frequent label is an epoch;
    the rows of the other labels are repeated as often as needed. A last batch of a single row is
    merged with the batch before it, because batch normalization needs more than one row.

    Parameters
    ----------
    dataset : Rows
        Rows to iterate over.
    batch_size : int, default=128
        Number of rows of a batch. -1 is the number of all rows.
    shuffle : bool, default=False
        Whether the rows have a new, random order in each epoch.
    own_order : bool, default=True
        Whether each member of an ensemble has its own order of the rows. A member is then trained
        as if it were alone. Otherwise, all members have the order of the first one.
    """

    def __init__(self, dataset, batch_size=128, shuffle=False, own_order=True):
        self.dataset = dataset
        self.batch_size = len(dataset) if batch_size == -1 else batch_size
        self.shuffle = shuffle
        self.own_order = own_order
        self.is_streamed = isinstance(dataset, StreamedRows)
        all_rows = [range(len(dataset)) if self.is_streamed else np.arange(len(dataset))]
        self.by_label = shuffle and isinstance(dataset, Rows)
        groups = dataset.groups if self.by_label else all_rows
        self.smaller_groups, self.largest_group = groups[:-1], groups[-1]

    def __len__(self):
        n_full, n_rest = divmod(len(self.largest_group), self.batch_size)
        return max(1, n_full + (n_rest > 1))

    def __iter__(self):
        if self.is_streamed:
            yield from self.dataset.batches(self.batch_size, self.own_order)
            return
        if not self.by_label:
            yield from map(self.dataset.__getitem__, self._one_pass(self._ordered))
            return
        rows = self.dataset
        groups = [*self.smaller_groups, self.largest_group]
        labels = [rows.known_labels[rows.positions[group[0]]] for group in groups]
        streams = [self._repeated(group) for group in self.smaller_groups]
        for parts in zip(*streams, self._one_pass(self._indices), strict=False):
            yield rows.batch([*zip(parts, labels, strict=True)])

    def _one_pass(self, indices):
        """Batches of one pass through the rows of the most frequent label."""
        index, n_rows = indices(self.largest_group), len(self.largest_group)
        bounds = [*range(0, len(self) * self.batch_size, self.batch_size), n_rows]
        for start, stop in zip(bounds, bounds[1:], strict=False):
            yield index[..., start:stop]

    def _repeated(self, group):
        """Batches of the rows of another label, pass after pass."""
        bounds = np.cumsum([0, *map(len, np.array_split(group, -(-len(group) // self.batch_size)))])
        while True:
            index = self._indices(group)
            for start, stop in zip(bounds, bounds[1:], strict=False):
                yield index[..., start:stop]

    def _indices(self, group):
        return self.dataset.indices(self._ordered(group))

    def _ordered(self, group):
        if not self.shuffle:
            return group
        orders = permutations(len(group)).numpy()
        return group[orders if self.own_order else np.atleast_2d(orders)[0]]


def to_floats(rows, device):
    """Rows as a float32 tensor on a device; pixels of type uint8 are divided by 255."""
    rows = rows.toarray() if sparse.issparse(rows) else rows
    if isinstance(rows, np.ndarray) and rows.dtype != np.uint8:
        rows = rows.astype(np.float32, copy=False)
    rows = to_device(torch.as_tensor(rows), torch.device(device))
    if rows.dtype != torch.uint8:
        return rows
    # A GPU would multiply by 1 / 255 if this were a number.
    return rows / torch.full((), 255.0, device=rows.device)


def to_device(x, device):
    """Move a tensor to a device. If this is a GPU, the host does not wait for the copy."""
    if device.type == "cuda" and x.device.type == "cpu":
        x = x.pin_memory()
    return x.to(device, non_blocking=True)


def to_host(parts, device):
    """Yield tensors of a device on the host, each while the device computes the next one.

    Only two of them are under way at a time, so their pinned memory is used again and again.
    """
    if device.type != "cuda":
        yield from (part.cpu() for part in parts)
        return
    before = None
    for part in parts:
        copy = start_copy(part)
        if before is not None:
            yield finish_copy(*before)
        before = copy
    if before is not None:
        yield finish_copy(*before)


def start_copy(x):
    """Start to copy a tensor to pinned memory; return the copy and the event of its completion."""
    copy = torch.empty_like(x, device="cpu", pin_memory=True)
    copy.copy_(x, non_blocking=True)
    is_done = torch.cuda.Event()
    is_done.record(torch.cuda.current_stream(x.device))
    return copy, is_done


def finish_copy(copy, is_done):
    """Copy whose completion has been waited for."""
    is_done.synchronize()
    return copy


def sample_as_float(table):
    """Table as floats, and up to 1,000 rows of it if it is stored in another way."""
    if table.dtype != np.uint8 and not isinstance(table, Items):
        return table
    step = 1 + table.shape[0] // 1000
    return to_floats(table[np.arange(0, table.shape[0], step)], "cpu").numpy()


def blocks(table, n_rows, device, positions=None):
    """Yield rows in blocks of exactly ``n_rows``; the last block is padded with zeros.

    Parameters
    ----------
    table : ndarray, CSR matrix or Items of shape (n_samples, n_features)
        Table to read.
    n_rows : int
        Number of rows of a block.
    device : torch.device
        Device of the blocks.
    positions : ndarray of int or None, default=None
        Positions of the rows to read. None reads all rows in order.

    Yields
    ------
    block : Tensor of shape (n_rows, n_features), float32
    """
    for start in range(0, table.shape[0] if positions is None else len(positions), n_rows):
        part = slice(start, start + n_rows)
        rows = table[part if positions is None else positions[part]]
        block = np.zeros((n_rows, table.shape[1]), table.dtype)
        block[: rows.shape[0]] = rows.toarray() if sparse.issparse(rows) else rows
        yield to_floats(block, device)
