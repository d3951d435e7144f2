"""Random numbers of the members of an ensemble, each of which has generators of its own."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

#: Generators of each member, by type of device. Empty if torch's default generators are used.
_generators: ContextVar[Sequence[dict[str, torch.Generator]]] = ContextVar("generators", default=())


@contextmanager
def member_generators(generators: Sequence[dict[str, torch.Generator]]) -> Iterator[None]:
    """Let the functions of this file draw from these generators inside the block."""
    token = _generators.set(generators)
    try:
        yield
    finally:
        _generators.reset(token)


def current_generators() -> Sequence[dict[str, torch.Generator]]:
    """Return the generators of each member, by type of device."""
    return _generators.get()


@contextmanager
def as_member(k: int) -> Iterator[None]:
    """Make torch's default generators those of member k inside the block.

    Code that knows nothing of members draws the numbers that it would draw for this member alone.
    """
    members = _generators.get()
    with ExitStack() as stack:
        for generator in members[k].values() if members else ():
            stack.enter_context(_as_default(generator))
        with member_generators(()):
            yield


@contextmanager
def _as_default(generator: torch.Generator) -> Iterator[None]:
    """Let torch's default generator of a device draw the numbers of another one of this device."""
    default = default_generator(generator.device)
    if generator.device.type == "cuda":
        # The two share a state, which needs no copy from the device and works during a capture.
        shared = default.graphsafe_get_state()
        default.graphsafe_set_state(generator)
        try:
            yield
        finally:
            default.graphsafe_set_state(shared)
        return
    before = default.get_state()
    default.set_state(generator.get_state())
    try:
        yield
    finally:
        generator.set_state(default.get_state())
        default.set_state(before)


def default_generator(device: torch.device) -> torch.Generator:
    """Return torch's default generator of a device."""
    if device.type == "cpu":
        return torch.default_generator
    backend = torch.get_device_module(device)
    current = backend.current_device()  # which initializes the generators
    return backend.default_generators[current if device.index is None else device.index]


def cpu_generators(n_members: int) -> list[torch.Generator]:
    """Return the generator on the CPU of each member."""
    members = _generators.get()
    return [g["cpu"] for g in members] if members else [torch.default_generator] * n_members


def fill(x: Tensor, draw: Callable[..., Tensor], *args: float) -> Tensor:
    """Fill a tensor with random numbers, such as ``fill(x, Tensor.normal_)``.

    The first dimension is that of the members, if they have their own generators.
    """
    members = _generators.get()
    if not members:
        return draw(x, *args)
    for part, generators in zip(x, members, strict=True):
        draw(part, *args, generator=generators[x.device.type])
    return x


def empty_like(x: Tensor) -> Tensor:
    """Return a new contiguous tensor, whatever the layout of ``x`` is."""
    return torch.empty_like(x, memory_format=torch.contiguous_format, requires_grad=False)


def randn_like(x: Tensor) -> Tensor:
    """Draw from the standard normal distribution, for each member from its own generator.

    Use it in :meth:`skgad.Game.play` in place of :func:`torch.randn_like`, which draws the numbers
    of all members from one generator.

    .. versionadded:: 0.1

    Parameters
    ----------
    x : Tensor
        Tensor with the shape, dtype and device of the result, such as the rows of a mini-batch.

    Returns
    -------
    Tensor
        Random numbers.
    """
    return fill(empty_like(x), Tensor.normal_)


def rand_like(x: Tensor) -> Tensor:
    """Draw from the uniform distribution on [0, 1), for each member from its own generator.

    Use it in :meth:`skgad.Game.play` in place of :func:`torch.rand_like`, which draws the numbers
    of all members from one generator.

    .. versionadded:: 0.1

    Parameters
    ----------
    x : Tensor
        Tensor with the shape, dtype and device of the result, such as the rows of a mini-batch.

    Returns
    -------
    Tensor
        Random numbers.
    """
    return fill(empty_like(x), Tensor.uniform_)


def random_positions(n: int, shape: Sequence[int], device: torch.device | str = "cpu") -> Tensor:
    """Draw integers below ``n``, for each member from its own generator."""
    return fill(torch.empty(shape, dtype=torch.long, device=device), Tensor.random_, 0, n)


def permutations(n: int) -> Tensor:
    """Return a random permutation of shape (n,), or one of each member, (n_members, n)."""
    members = _generators.get()
    if not members:
        return torch.randperm(n)
    return torch.stack([torch.randperm(n, generator=g["cpu"]) for g in members])
