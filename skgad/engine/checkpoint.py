"""The state of a training in a file, from which a training that was killed goes on.

:func:`training_state` collects everything that determines the next step of a training at the end
of an epoch, and :func:`restore` puts it back. :func:`fingerprint` describes what a training
depends on, so that a file is never mistaken for that of another training.
"""

import io
import os
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from hashlib import sha256
from importlib import import_module
from numbers import Integral, Real
from pathlib import Path

import numpy as np
import sklearn
import torch
from scipy import sparse
from sklearn.utils import check_scalar, gen_batches
from skorch.callbacks import Callback
from skorch.history import History

from .._files import atomic_write, is_replaceable
from ..callbacks import Checkpoint
from .data import Items, sample_as_float
from .runtime import generator_states, restore_generators, warn

#: The first line of a file. The second one is the checksum of the rest.
FORMAT = b"skgad checkpoint 1\n"

#: Parameters of a detector that do not change the result of a training, or are compared otherwise.
NOT_COMPARED = {"checkpoint", "device", "random_state", "verbose"}

#: What an error about a file recommends.
REMEDY = "Delete the file to start anew, or pass another path as 'checkpoint'."


class UnreadableFileError(ValueError):
    """A file is not a whole checkpoint."""


class TrainingFile:
    """The file of one training.

    Parameters
    ----------
    checkpoint : str, path-like or Checkpoint
        Value of the parameter `checkpoint` of a detector.

    Attributes
    ----------
    path, previous : Path
        The file, and the file that it replaced.
    """

    def __init__(self, checkpoint):
        if not isinstance(checkpoint, Checkpoint):
            checkpoint = Checkpoint(checkpoint)
        if checkpoint.every_n_epochs is not None:
            check_scalar(checkpoint.every_n_epochs, "every_n_epochs", Integral, min_val=1)
        if checkpoint.every_n_seconds is not None:
            check_scalar(checkpoint.every_n_seconds, "every_n_seconds", Real, min_val=0)
        self.every_n_epochs = checkpoint.every_n_epochs
        self.every_n_seconds = checkpoint.every_n_seconds
        self.path = Path(checkpoint.path).resolve()
        self.previous = self.path.with_name(f"{self.path.name}.previous")
        self._name = repr(str(self.path))
        self.is_whole = True

    def check_writable(self):
        """Raise an error if the file could not be written."""
        if not is_replaceable(self.path):
            raise OSError(f"checkpoint={self._name} is not a regular file. Pass another path.")
        try:
            with tempfile.TemporaryFile(dir=self.path.parent):
                pass
        except OSError as error:
            raise OSError(
                f"checkpoint={self._name} cannot be written ({error.strerror}). Create its "
                "directory, make it writable or pass another path."
            ) from error

    def read(self):
        """Read the state from the file, or from the previous file if the file is damaged.

        The result is None if the file does not exist, even if the previous one does. So deleting
        the file is enough to start anew.
        """
        if not self.path.exists():
            return None
        try:
            return read_state(self.path)
        except UnreadableFileError as error:
            self.is_whole = False
            if not self.previous.exists():
                raise ValueError(f"{error} {REMEDY}") from error
            try:
                state = read_state(self.previous)
            except UnreadableFileError:
                raise ValueError(f"{error} {self.previous.name} is no better. {REMEDY}") from error
            warn(f"{error} The training goes on from {self.previous.name}, which is older.")
            return state

    def write(self, state):
        """Replace the file, and keep it as the previous one if it is whole."""
        content = io.BytesIO()
        torch.save(state, content)
        payload = content.getbuffer()
        with (
            atomic_write(self.path, previous=self.previous if self.is_whole else None) as draft,
            draft.open("wb") as file,
        ):
            file.write(FORMAT)
            file.write(sha256(payload).hexdigest().encode() + b"\n")
            file.write(payload)
        self.is_whole = True


def read_state(path):
    """Read a file. Nothing in it is executed."""
    content = path.read_bytes()
    if not content.startswith(FORMAT):
        raise UnreadableFileError(f"{path} is not a checkpoint of this version of skgad.")
    checksum, _, payload = content.removeprefix(FORMAT).partition(b"\n")
    if sha256(payload).hexdigest().encode() != checksum:
        raise UnreadableFileError(f"{path} is damaged: its content does not have its checksum.")
    try:
        return torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    except Exception as error:  # a file that was made by hand can raise anything
        raise UnreadableFileError(f"{path} contains other things than numbers and text.") from error


@contextmanager
def made_by_hand_explained(path):
    """Replace errors about the content of a file, which only one made by hand can have."""
    try:
        yield
    except ValueError:
        raise
    except Exception as error:
        raise ValueError(f"{path} does not contain the state of a training. {REMEDY}") from error


class SaveTraining(Callback):
    """Restore the state of a training at its beginning, and save it during the training.

    It is the last callback of a training, because the others change the state.

    Parameters
    ----------
    file : TrainingFile
        The file.
    fingerprint : dict of str to str
        Result of :func:`fingerprint`.
    seeds : list of int
        Seeds of the members.
    has_seed : bool
        Whether the user has chosen the seeds. Otherwise those in the file are used.

    Attributes
    ----------
    seeds : list of int
        Seeds of the training.
    saved : dict or None
        State in the file, until it is restored.
    was_over : bool
        Whether the training in the file was over.
    """

    def __init__(self, file, fingerprint, seeds, has_seed):
        self.file, self.fingerprint, self.seeds = file, fingerprint, seeds
        self.saved, self.was_over = file.read(), False
        if self.saved is not None:
            with made_by_hand_explained(file.path):
                check_same_training(file.path, self.saved["fingerprint"], fingerprint)
                saved_seeds = [check_scalar(seed, "seed", int) for seed in self.saved["seeds"]]
                if has_seed:
                    drawn = {"random_state, by the seeds that it gives,": str(seeds)}
                    known = dict.fromkeys(drawn, str(saved_seeds))
                    check_same_training(file.path, known, drawn)
            self.seeds = saved_seeds

    def on_train_begin(self, net, **kwargs):
        """Go on from the state in the file."""
        if self.saved is not None:
            n_before = len(net.history)
            with made_by_hand_explained(self.file.path):
                check_same_networks(self.file.path, net, self.saved)
                restore(net, self.saved)
                self.was_over = self.saved["is_over"]
            n_done = len(net.history) - n_before
            net.n_epochs_done_ = net.max_epochs if self.was_over else n_done
            self.saved = None  # it is as large as the training
        self._start_waiting(net)

    def on_epoch_end(self, net, **kwargs):
        """Save the state if it is time."""
        n_epochs = len(net.history) - self.n_epochs_saved_
        seconds = time.monotonic() - self.time_saved_
        every_n_epochs, every_n_seconds = self.file.every_n_epochs, self.file.every_n_seconds
        if (every_n_epochs is not None and n_epochs >= every_n_epochs) or (
            every_n_seconds is not None and seconds >= every_n_seconds
        ):
            self.save(net)

    def save(self, net, *, is_over=False):
        """Save the state. The training goes on if this fails."""
        try:
            state = training_state(net)
            self.file.write(
                {
                    "fingerprint": self.fingerprint,
                    "seeds": self.seeds,
                    "is_over": is_over,
                    **state,
                }
            )
        except (OSError, TypeError) as error:
            warn(f"The checkpoint {self.file.path} could not be written ({error}).")
        self._start_waiting(net)

    def finish(self, net):
        """Save the state at the end of the training, unless that is what the file had."""
        if not self.was_over:
            self.save(net, is_over=True)

    def _start_waiting(self, net):
        self.n_epochs_saved_, self.time_saved_ = len(net.history), time.monotonic()


# ------------------------------------------------------------------------ what is saved


def training_state(net):
    """Everything that determines the next step of a training, between two epochs."""
    net.module_.discard_finished_scores()  # a callback may have asked for scores
    return {
        "module": plain(net.module_.state_dict()),
        "optimizer": plain(net.optimizer_.state_dict()),
        "generators": plain(generator_states(net.module_.device)),
        "history": [plain_record(row) for row in net.history],
        "callbacks": {name: callback_state(callback) for name, callback in net.callbacks_},
    }


def restore(net, state):
    """Put back the state of a training, after all other callbacks have begun it."""
    net.module_.load_state_dict(state["module"])
    net.optimizer_.load_state_dict(state["optimizer"])
    net.history_ = History(state["history"])
    for name, callback in net.callbacks_:
        restore_callback(callback, state["callbacks"].get(name, {}))
    restore_generators(net.module_.device, state["generators"])


def callback_state(callback):
    """State of a callback: its `state_dict`, or what skorch's callbacks store while they work.

    These are the attributes with a trailing underscore that are numbers, texts or tensors, or have
    a `state_dict` of their own, such as a scheduler of torch.
    """
    if hasattr(callback, "state_dict"):
        return plain(callback.state_dict())
    if isinstance(callback, SaveTraining):
        return {}
    state = {}
    for name, value in vars(callback).items():
        if name.endswith("_"):
            has_state = hasattr(value, "state_dict") and not isinstance(value, type)
            try:
                state[name] = plain(value.state_dict() if has_state else value)
            except TypeError:
                continue
    return state


def restore_callback(callback, state):
    """Put back the state of a callback."""
    if hasattr(callback, "load_state_dict"):
        callback.load_state_dict(state)
        return
    for name, value in state.items():
        current = getattr(callback, name, None)
        if hasattr(current, "load_state_dict"):
            current.load_state_dict(value)
        else:
            setattr(callback, name, value)


def plain_record(record):
    """Entries of a row of the history that can be saved, with its last mini-batch only."""
    entries = {}
    for name, value in record.items():
        try:
            is_nested = name == "batches"
            entries[name] = [plain_record(b) for b in value[-1:]] if is_nested else plain(value)
        except TypeError:
            continue
    return entries


def plain(value):
    """Copy of a value of tensors, numbers and texts, which can be loaded without running code."""
    if isinstance(value, np.generic):
        return value.item()
    if value is None or type(value) in (bool, int, float, str, bytes):
        return value
    if torch.is_tensor(value):
        return value.detach().cpu().clone()
    if isinstance(value, dict):
        items = {plain(key): plain(item) for key, item in value.items()}
        return Counter(items) if isinstance(value, Counter) else items
    if isinstance(value, (list, tuple)):
        return (list if isinstance(value, list) else tuple)(plain(item) for item in value)
    raise TypeError(f"{type(value).__name__} cannot be saved")


# ------------------------------------------------------------------ what it belongs to


def fingerprint(detector, table, labels, device, start=None):
    """Describe what a training depends on, besides the seeds.

    Parameters
    ----------
    detector : BaseDetector
        The detector, whose parameters are described.
    table : ndarray, CSR matrix or Items
        Training rows.
    labels : ndarray
        Known labels of the rows.
    device : torch.device
        Device of the networks.
    start : AdversarialNet or None, default=None
        Trained net that the training starts from.

    Returns
    -------
    description : dict of str to str
        What each part is, by its name in an error message.
    """
    params = detector.get_params(deep=True)
    return {
        "the class of the detector": type(detector).__name__,
        **{
            f"the version of {module.__name__}": str(module.__version__)
            for module in (torch, np, sklearn)
        },
        "the version of skgad": version_of_skgad(),
        **{name: describe(params[name]) for name in sorted(params.keys() - NOT_COMPARED)},
        "the type of the device": device.type,
        "the shape of X": str(tuple(table.shape)),
        "the type of X": str(table.dtype),
        "the values of X": digest_of_table(table),
        "the labels": digest(labels),
        "the net that the training starts from": "none" if start is None else digest_of_net(start),
    }


def version_of_skgad():
    """Version of this package, whose name is not there yet when it imports this module."""
    return import_module("skgad").__version__


def check_same_training(path, known, current):
    """Raise an error if a file belongs to another training, and name the first difference."""
    for name in current:
        old, new = known.get(name, "unknown"), current[name]
        if old != new:
            if max(len(old), len(new)) > 60:
                difference = f"{name} differ" if name[-1] == "s" else f"{name} differs"
            else:
                difference = f"{name} was {old} and is {new}"
            raise ValueError(f"{path} belongs to another training: {difference}. {REMEDY}")


def check_same_networks(path, net, state):
    """Raise an error if a file has other networks, although all parameters are the same."""
    saved, own = (
        {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        for tensors in (state["module"], net.module_.state_dict())
    )
    for name in sorted(saved.keys() | own.keys()):
        if saved.get(name) != own.get(name):
            raise ValueError(
                f"{path} belongs to other networks: the shape of {name} was {saved.get(name)} and "
                f"is {own.get(name)}. {REMEDY}"
            )


def describe(value, depth=0):
    """Describe a parameter by text that is the same in another process."""
    value = value.item() if isinstance(value, np.generic) else value
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
        return repr(value)
    if isinstance(value, (torch.dtype, torch.device, os.PathLike)):
        return str(value)
    if isinstance(value, np.ndarray) or torch.is_tensor(value):
        return digest(np.asarray(value))
    if isinstance(value, dict):
        items = ", ".join(f"{key!r}: {describe(item, depth)}" for key, item in value.items())
        return "{" + items + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(describe(item, depth) for item in value) + "]"
    if hasattr(value, "__qualname__"):  # a class or a function
        return f"{value.__module__}.{value.__qualname__}"
    name = f"{type(value).__module__}.{type(value).__qualname__}"
    if depth or hasattr(value, "get_params") and not isinstance(value, Callback):
        return name  # the parameters of an estimator are described one by one
    state = value.__getstate__()
    attributes = state.items() if isinstance(state, dict) else ()
    public = [f"{k}={describe(v, depth + 1)}" for k, v in attributes if k.strip("_") == k]
    return f"{name}({', '.join(public)})"


def digest(*arrays):
    """Checksum of the values of some arrays."""
    checksum = sha256()
    for array in arrays:
        checksum.update(np.ascontiguousarray(array))
    return checksum.hexdigest()


def digest_of_table(table):
    """Checksum of the values of a table; of a Dataset, those of up to 1,000 items."""
    if sparse.issparse(table):
        return digest(table.data, table.indices, table.indptr)
    if isinstance(table, Items):
        return digest(sample_as_float(table))
    return digest(*(table[part] for part in gen_batches(len(table), 2**16)))


def digest_of_net(net):
    """Checksum of the numbers in the networks of a net, and its number of epochs."""
    tensors = [tensor.numpy(force=True) for tensor in net.module_.state_dict().values()]
    return digest(np.array(len(net.history)), *tensors)
