"""Networks of several members of an ensemble as one network with a leading dimension."""

from collections.abc import Sequence
from copy import copy
from functools import partial
from inspect import ismethod
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.linalg import vector_norm
from torch.nn.functional import layer_norm

from ._discriminator import Discriminator
from ._layers import Dropout
from ._random import as_member, member_generators
from ._spectral_norm import SpectralNorm
from ._unet import SkipConnection

#: Layers without parameters that treat all numbers alike.
ELEMENTWISE = {
    *(nn.CELU, nn.ELU, nn.GELU, nn.Hardsigmoid, nn.Hardswish, nn.Hardtanh, nn.Identity),
    *(nn.LeakyReLU, nn.LogSigmoid, nn.Mish, nn.ReLU, nn.ReLU6, nn.SELU, nn.Sigmoid, nn.SiLU),
    *(nn.Softplus, nn.Softsign, nn.Tanh, Dropout),
}

#: How a network computes all members.
Stacking = Literal["batched", "vmap", "one by one"]


class StackedLinear(nn.Module):
    """Affine layers of several members, as one batched matrix product."""

    def __init__(self, weight: Tensor, bias: Tensor | None):
        super().__init__()
        self.weight = weight  # (n_members, n_outputs, n_inputs)
        self.bias = bias  # (n_members, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Affine maps of x, of shape (n_members, n_rows, n_inputs) or the same for all members."""
        return self.map(x, self.weight)

    def map(self, x: Tensor, weight: Tensor) -> Tensor:
        """Output for another weight."""
        x = x.expand(len(weight), *x.shape[-2:])
        # With the rows as columns, gradients have the layout of the weights, and rows do not
        # depend on their position; see skgad.engine.runtime.BatchInvariantLinear.
        if self.bias is None:
            return torch.bmm(weight, x.mT).mT
        return torch.baddbmm(self.bias.unsqueeze(-1), weight, x.mT).mT


class StackedSpectralNorm(nn.Module):
    """Affine layers of several members, each divided by its largest singular value."""

    u: Tensor

    def __init__(self, layer: StackedLinear, u: Tensor):
        super().__init__()
        self.layer = layer
        self.register_buffer("u", u)  # (n_members, n_outputs)

    @torch.no_grad()
    def iterate(self) -> None:
        """Make one step of the power iteration for the first left singular vectors."""
        matrix = self.layer.weight
        u = (matrix @ (self.u.unsqueeze(-2) @ matrix).mT).squeeze(-1)
        self.u.copy_(u / vector_norm(u, dim=-1, keepdim=True))

    def forward(self, x: Tensor) -> Tensor:
        """Output of the layers with the normalized weights."""
        if self.training:
            self.iterate()
        weight = self.layer.weight
        norms = vector_norm(self.u.clone().unsqueeze(-2) @ weight, dim=-1, keepdim=True)
        return self.layer.map(x, weight / norms)


class StackedLayerNorm(nn.Module):
    """Layer normalization over the last dimension, with the affine maps of several members."""

    def __init__(self, layer: nn.LayerNorm, weight: Tensor | None, bias: Tensor | None):
        super().__init__()
        self.shape, self.eps = layer.normalized_shape, layer.eps
        self.weight, self.bias = weight, bias  # (n_members, n_features)

    def forward(self, x: Tensor) -> Tensor:
        """Normalize each row."""
        x = layer_norm(x, self.shape, eps=self.eps)
        x = x if self.weight is None else x * self.weight.unsqueeze(-2)
        return x if self.bias is None else x + self.bias.unsqueeze(-2)


class StackedModule(nn.Module):
    """Any module, whose parameters and buffers have a leading dimension of members.

    In training, the members are computed by :func:`torch.vmap`, or one by one if the module does
    not allow it. Outside of training they are always computed one by one, because the score of a
    row must not depend on the batch to the last bit. Methods of the module can be called, too.

    Parameters
    ----------
    module : torch.nn.Module
        The module of the first member, with the tensors of all members in place of its own.
    stacking : {"vmap", "one by one"}
        How the members are computed. "vmap" becomes "one by one" if it turns out to be impossible.
    """

    def __init__(self, module: nn.Module, stacking: Stacking):
        super().__init__()
        self.module = module
        self.stacking = stacking

    def forward(self, *inputs: Tensor) -> Any:
        """Outputs of the members, stacked."""
        return self._call("forward", *inputs)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "module":  # not there yet
                raise
            value = getattr(self.module, name)
            return partial(self._call, name) if ismethod(value) else value

    def _call(self, name: str, *inputs: Any) -> Any:
        """Call a method for each member."""
        method = _Method(self.module, name)
        state = {**dict(method.named_parameters()), **dict(method.named_buffers())}
        if self.training and self.stacking == "vmap":
            try:
                with member_generators(()):
                    call = partial(functional_call, method)
                    return torch.vmap(call, randomness="different")(state, inputs)
            except RuntimeError:  # also if the module itself fails, which will be seen below
                self.stacking = "one by one"
        tensors = {name: tensor.unbind() for name, tensor in state.items()}
        outputs = []
        for k, own_inputs in enumerate(_unbind(inputs)):
            own_state = {name: parts[k] for name, parts in tensors.items()}
            with as_member(k):
                outputs.append(functional_call(method, own_state, own_inputs))
        return _stack_outputs(outputs)


class _Method(nn.Module):
    """A method of a module as a module, because ``functional_call`` calls modules only."""

    def __init__(self, module: nn.Module, name: str):
        super().__init__()
        self.module, self.name = module, name
        self.training = module.training

    def forward(self, *inputs: Any) -> Any:
        call = self.module if self.name == "forward" else getattr(self.module, self.name)
        return call(*inputs)


def _unbind(inputs: Any) -> list[Any]:
    """Inputs of each member, from a tensor or a tuple of tensors with a leading dimension."""
    if isinstance(inputs, tuple):
        return list(zip(*map(_unbind, inputs), strict=True))
    return list(inputs.unbind())


def _stack_outputs(outputs: list[Any]) -> Any:
    """Stack tensors, or tuples of tensors, of the members."""
    if isinstance(outputs[0], tuple):
        return tuple(map(_stack_outputs, map(list, zip(*outputs, strict=True))))
    return torch.stack(outputs)


class Stack:
    """Stack the modules of several members, and keep what a member uses in several places.

    Affine layers, layer normalization, spectral normalization, dropout and elementwise activations
    become layers with batched operations, also inside of sequential modules, of skip connections
    and of a :class:`Discriminator`. Any other module becomes a :class:`StackedModule`.
    """

    def __init__(self):
        self.stacked = {}  # by the id of what the first member has

    def module(self, modules):
        """Stack modules of the same structure, one for each member."""
        return self._once(modules, self._new_module)

    def _once(self, parts, make):
        key = id(parts[0])
        if key not in self.stacked:
            self.stacked[key] = make(parts)
        return self.stacked[key]

    def _new_module(self, modules):
        first = modules[0]
        kind = type(first)
        if kind in ELEMENTWISE:
            return first
        if is_container(first):
            return self.with_stacked_parts(modules)
        if kind is nn.Dropout:
            stacked = Dropout(first.p)
        elif kind is nn.Linear:
            stacked = StackedLinear(*self._tensors(modules, "weight", "bias"))
        elif kind is nn.LayerNorm and len(first.normalized_shape) == 1:
            stacked = StackedLayerNorm(first, *self._tensors(modules, "weight", "bias"))
        elif kind is SpectralNorm and type(first.layer) is nn.Linear:
            layer = self.module([module.layer for module in modules])
            stacked = StackedSpectralNorm(layer, *self._tensors(modules, "u"))
        else:
            with_tensors = self.with_stacked_tensors(modules)
            # On a CPU, vmap takes up to 1.6 times as long for convolutions, which it groups.
            convolves = any(isinstance(m, nn.modules.conv._ConvNd) for m in with_tensors.modules())
            stacked = StackedModule(with_tensors, "one by one" if convolves else "vmap")
        stacked.training = first.training
        return stacked

    def with_stacked_parts(self, modules):
        """Copy the first module, with stacked tensors and stacked submodules."""
        return self._copy(modules, self.module)

    def with_stacked_tensors(self, modules):
        """Copy the first module and all modules inside of it, with stacked tensors."""
        return self._copy(modules, lambda children: self._once(children, self.with_stacked_tensors))

    def _copy(self, modules, stack_children):
        copied = copy(modules[0])
        for kind, stack in (
            ("_parameters", self._tensor),
            ("_buffers", self._tensor),
            ("_modules", stack_children),
        ):
            members = [getattr(module, kind) for module in modules]
            copied.__dict__[kind] = {
                name: None if part is None else stack([parts[name] for parts in members])
                for name, part in members[0].items()
            }
        return copied

    def _tensors(self, modules, *names):
        return [self._tensor([getattr(module, name) for module in modules]) for name in names]

    def _tensor(self, tensors):
        return None if tensors[0] is None else self._once(tensors, stack_tensors)


def stack_tensors(tensors: Sequence[Tensor]) -> Tensor:
    """Stack parameters or buffers of the members."""
    shapes = {tuple(tensor.shape) for tensor in tensors}
    if len(shapes) > 1:
        raise ValueError(
            f"The networks of the members differ: one parameter has the shapes {sorted(shapes)}. "
            "'networks' must build networks of the same structure for all members."
        )
    stacked = torch.stack([tensor.detach() for tensor in tensors])
    if isinstance(tensors[0], nn.Parameter):
        return nn.Parameter(stacked, requires_grad=tensors[0].requires_grad)
    return stacked


def is_container(module: nn.Module) -> bool:
    """Whether a module only calls its submodules, in a way that suits any leading dimensions."""
    cls = type(module)
    if isinstance(module, Discriminator):
        names = ("forward", "features", "judge")
        return all(getattr(cls, name) is getattr(Discriminator, name) for name in names)
    if isinstance(module, nn.Sequential):
        return cls.forward in (nn.Sequential.forward, SkipConnection.forward)
    return cls is nn.ModuleList


def stacking(network: nn.Module) -> Stacking:
    """Tell how a network of an ensemble computes all of its members.

    The networks of a detector with several members have a leading dimension of members. Networks
    of affine layers, layer normalization, dropout and activations are computed by batched matrix
    products. Other modules are computed by :func:`torch.vmap` during training, or one by one if
    they do not allow that. Convolutions are computed one by one, which is faster on a CPU.

    .. versionadded:: 0.1

    Parameters
    ----------
    network : torch.nn.Module
        Network of a fitted detector, such as ``detector.net_.module_.game.encoder``.

    Returns
    -------
    stacking : {"batched", "vmap", "one by one"}
        The slowest way that occurs in the network.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from skgad import WAE
    >>> from skgad.networks import stacking
    >>> X, _ = make_blobs(100, centers=1, random_state=0)
    >>> detector = WAE(n_members=2, max_epochs=1, random_state=0).fit(X)
    >>> stacking(detector.net_.module_.game.encoder)
    'batched'
    """
    ways = {part.stacking for part in network.modules() if isinstance(part, StackedModule)}
    for way in ("one by one", "vmap"):
        if way in ways:
            return way
    return "batched"
