"""Where and how torch computes: devices, seeds, generators, threads."""

import os
import re
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from functools import cache

import numpy as np
import torch
from sklearn.utils import check_random_state
from skorch.exceptions import DeviceWarning
from threadpoolctl import ThreadpoolController
from torch.nn.functional import pad
from torch.overrides import TorchFunctionMode

from ..networks._random import current_generators, default_generator, member_generators

_torch_lock = threading.RLock()

#: Thread that holds the lock, and functions that undo what it has changed for all threads.
_holder: int | None = None
_undo: list[Callable[[], None]] = []

#: What torch's setting of the precision was when the first of several blocks changed it, with the
#: thread of each block.
_precisions: list[tuple[int, str]] = []
_precision_lock = threading.Lock()

#: Numbers of rows of a matrix that threads divide unevenly, and a number that they do not.
SPLIT = range(5, 12)
TILE = 8

#: Packages whose lines mean nothing to the user who reads a warning.
INTERNAL_PACKAGES = {"skgad", "sklearn", "skorch", "torch"}


@contextmanager
def isolated_torch_state(device, seeds, states=None):
    """Isolate the generators and the defaults of torch inside the block.

    The generators start from seeds, or from the states that an earlier block ended with. New
    tensors are float32 and gradients are computed, whatever the caller has set. All of this is
    global in torch and restored afterwards, so threads enter the block one after the other.

    Parameters
    ----------
    device : torch.device
        Device of the networks.
    seeds : sequence of int
        Seed of each member. A single member uses the default generators of torch. Several members
        have their own, and the default generators start from the first seed.
    states : list or None, default=None
        Result of :func:`generator_states` at the end of an earlier block.
    """
    devices = generating_devices(device)
    with (
        _torch_lock,
        torch.inference_mode(False),
        torch.enable_grad(),
        full_precision(device),
    ):
        defaults = {d.type: default_generator(d) for d in devices}
        before = {name: generator.get_state() for name, generator in defaults.items()}
        members = []
        if len(seeds) > 1:
            members = [{d.type: torch.Generator(d) for d in devices} for _ in seeds]
        dtype = torch.get_default_dtype()

        def undo_on_host():
            torch.set_default_dtype(dtype)
            torch.default_generator.set_state(before["cpu"])

        try:
            _hold(undo_on_host)
            for generators, seed in zip([defaults, *members], [seeds[0], *seeds], strict=False):
                for generator in generators.values():
                    generator.manual_seed(seed)
            torch.set_default_dtype(torch.float32)
            with member_generators(members):
                restore_generators(device, states or [])
                yield
        finally:
            torch.set_default_dtype(dtype)
            for name, generator in defaults.items():
                generator.set_state(before[name])
            _release()


def _hold(undo):
    """Note what this thread, which holds the lock, changes for all threads."""
    global _holder
    _holder = threading.get_ident()
    _undo.append(undo)


def _release():
    """Note that this thread has undone its last change."""
    global _holder
    _undo.pop()
    if not _undo:
        _holder = None


def forget_other_threads():
    """In a forked process, undo what threads have changed that exist only in its parent.

    A lock that another thread held when the process was forked would never be released. The thread
    that forked is the only one in the new process, and keeps what it holds itself.
    """
    global _holder, _torch_lock, _precision_lock
    this = threading.get_ident()
    if _holder != this:
        _torch_lock, _holder = threading.RLock(), None
        for undo in reversed(_undo):
            undo()
        _undo.clear()
    _precision_lock = threading.Lock()
    if _precisions:
        before = _precisions[0][1]
        _precisions[:] = [entry for entry in _precisions if entry[0] == this]
        if not _precisions:
            torch.backends.cudnn.conv.fp32_precision = before


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget_other_threads)


def generating_devices(device):
    """Devices whose generators a training uses: the CPU and the device of the networks."""
    return [torch.device("cpu"), *([device] if device.type not in ("cpu", "meta") else [])]


@contextmanager
def full_precision(device):
    """Compute convolutions in float32 on a GPU inside the block, as matrix products are by default.

    By default, torch lets cuDNN round their inputs to TF32, which has 10 bits. The setting is
    global in torch, so it is restored when the last of several threads leaves its block.
    """
    if device.type != "cuda":
        yield
        return
    this = threading.get_ident()
    with _precision_lock:
        if not _precisions:
            _precisions.append((this, torch.backends.cudnn.conv.fp32_precision))
            torch.backends.cudnn.conv.fp32_precision = "ieee"
        else:
            _precisions.append((this, _precisions[0][1]))
    try:
        yield
    finally:
        with _precision_lock:
            _, before = entry = next(e for e in reversed(_precisions) if e[0] == this)
            _precisions.remove(entry)
            if not _precisions:
                torch.backends.cudnn.conv.fp32_precision = before


@contextmanager
def memory_explained(device, name, **params):
    """Name the parameters that need less memory if the block uses up that of the device.

    Parameters
    ----------
    device : torch.device
        Device of the networks.
    name : str
        Class of the detector.
    **params : dict
        The parameters, with their values.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        values = ", ".join(f"{param}={value}" for param, value in params.items())
        message = (
            f"{name} has used up the memory of {device} with {values}. Decrease "
            f"{' or '.join(map(repr, params))}, or set device='cpu'."
        )
        # The traceback would keep the tensors of its frames.
        raise MemoryError(message) from error.with_traceback(None)
    except RuntimeError as error:
        if "can't allocate memory" not in str(error):
            raise
        n_bytes = re.search(r"allocate (\d+) bytes", str(error))
        amount = f"{int(n_bytes[1]):.2g} bytes" if n_bytes else "more memory than there is"
        message = (
            f"{name} needs {amount} for an array, which is more than there is. Decrease the sizes "
            f"of the networks, such as 'latent_dim', or {' or '.join(map(repr, params))}."
        )
        raise MemoryError(message) from error.with_traceback(None)


def generator_states(device):
    """States of the default generators and of those of the members."""
    return [
        {name: generator.get_state() for name, generator in generators.items()}
        for generators in training_generators(device)
    ]


def restore_generators(device, states):
    """Put back the result of :func:`generator_states`, for the devices that are there."""
    for generators, state in zip(training_generators(device), states, strict=False):
        for name in generators.keys() & state.keys():
            generators[name].set_state(state[name])


def training_generators(device):
    """The default generators and those of the members, by type of device."""
    defaults = {d.type: default_generator(d) for d in generating_devices(device)}
    return [defaults, *current_generators()]


def draw_seed(random_state):
    """Draw a seed. None gives fresh entropy and leaves numpy's global generator alone."""
    if random_state is None:
        return int(np.random.default_rng().integers(2**31))
    return int(check_random_state(random_state).randint(2**31 - 1))


def draw_seeds(random_state, n_members):
    """Draw the seeds that detectors of one member would draw one after the other."""
    if random_state is not None:
        random_state = check_random_state(random_state)
    return [draw_seed(random_state) for _ in range(n_members)]


def choose_device(device, trained_on=None):
    """Turn the ``device`` parameter of a detector into a device of torch.

    Parameters
    ----------
    device : str or torch.device
        "auto", or the name of a device.
    trained_on : torch.device or None, default=None
        Device of a training that is to be continued.

    Returns
    -------
    torch.device
    """
    if device == "auto":
        return trained_on or torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise ValueError(
            f"device={device!r} is not a device of torch. Use 'auto', 'cpu', 'cuda' or 'cuda:1'."
        ) from error
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            f"device={device!r} requires CUDA, but torch finds no CUDA device. Use 'auto' or 'cpu'."
        )
    try:
        torch.empty(0, dtype=torch.float64, device=chosen)
    except TypeError as error:  # MPS
        raise ValueError(
            f"device={device!r} has no float64, which the scores of several members are combined "
            "in. Use 'cpu', or 'cuda' if there is an NVIDIA GPU."
        ) from error
    except (AssertionError, RuntimeError) as error:
        raise ValueError(
            f"device={device!r} is not available on this machine. Use 'auto' or 'cpu', or 'cuda' "
            "if there is a GPU."
        ) from error
    if trained_on is None:
        if chosen.type == "meta":
            raise ValueError("device='meta' computes nothing. Use 'auto', 'cpu' or 'cuda'.")
        return chosen
    if trained_on.type != chosen.type or chosen.index not in (None, trained_on.index):
        raise ValueError(
            f"device={device!r} differs from {trained_on}, where this detector was trained, and a "
            "training cannot change its device. Use device='auto', or fit from scratch with "
            "warm_start=False."
        )
    return trained_on


def available_device(device):
    """Return the device of saved networks, or the CPU with a warning if it is not available."""
    try:
        return choose_device(device)
    except ValueError:
        warn(
            f"The networks were trained on {device}, which is not available on this machine, so "
            "they are loaded on the CPU. Set device='auto' before training them further.",
            DeviceWarning,
        )
        return torch.device("cpu")


@cache
def thread_pools():
    """Thread pools of this process."""
    return ThreadpoolController()


class BatchInvariantLinear(TorchFunctionMode):
    """Make affine layers treat all rows of a batch alike, inside the block.

    A library for matrix products computes the edges of a matrix with other instructions, and so in
    another order, than its interior. With few outputs the edge runs through all rows of
    ``x @ W.T``, and equal rows get different last bits (seen with MKL for 2 to 11 outputs). In
    ``W @ x.T`` each row of ``x`` is a column, and blocks have a number of columns without an edge.

    Several threads divide the rows of a narrow ``W`` among them, and compute the parts with other
    instructions than one thread computes the whole (seen with MKL for 5, 6, 7, 9, 10 and 11 rows).
    Rows of zeros are added to such a matrix, which changes no bit of the result of one thread.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):
        function = self.linear if func is torch.nn.functional.linear else func
        return function(*args, **(kwargs or {}))

    @staticmethod
    def linear(input, weight, bias=None):
        """Affine map with the rows as columns."""
        if input.dim() != 2:
            return torch.nn.functional.linear(input, weight, bias)
        columns = input.T
        n_outputs, n_inputs = weight.shape
        n_extra = n_missing(n_outputs)
        if torch.is_grad_enabled():  # the gradient gets the layout of the columns
            columns = pad(columns.contiguous(), (0, 0, 0, n_missing(n_inputs)))
            weight = pad(weight, (0, n_missing(n_inputs)))
        weight = pad(weight, (0, 0, 0, n_extra))
        if bias is None:
            product = weight @ columns
        else:
            product = torch.addmm(pad(bias, (0, n_extra))[:, None], weight, columns)
        return product[:n_outputs].T


def n_missing(n):
    """Number of rows of zeros that a matrix of n rows needs."""
    return -n % TILE if n in SPLIT else 0


@contextmanager
def first_interrupt_calls(function):
    """Inside the block, the first Ctrl-C calls a function; the next raises KeyboardInterrupt.

    A KeyboardInterrupt can be raised anywhere, and gets lost where Python or a library ignores
    exceptions. Callbacks raise it, too, to stop a training. Nothing changes outside the
    main thread, or if the caller has installed a handler of their own.
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
        function()

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def warn(message, category=UserWarning):
    """Warn at the line that called the package, however deep inside the package this is."""
    frame, level = sys._getframe(1), 2
    while frame and frame.f_globals.get("__name__", "").partition(".")[0] in INTERNAL_PACKAGES:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
