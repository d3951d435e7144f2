"""Modules and optimizers as numpy arrays and plain values, and back.

Pickles and model files then contain no tensors: they are as large as the networks, any library that
stores numpy arrays can store them, and they can be loaded without the device of the training.
"""

from copy import deepcopy

import numpy as np
import torch
from torch import nn

#: Attributes of every module that are left out if they have the value that a new module has.
UNUSED = vars(nn.Module()).keys() - {"training", "_parameters", "_buffers", "_modules"}


def with_arrays(module):
    """Copy a module, with arrays in place of its parameters and buffers.

    Parameters
    ----------
    module : torch.nn.Module
        The module. Copy and module share the memory of tensors on the CPU.

    Returns
    -------
    copied : torch.nn.Module
        A module that cannot compute.
    frozen : list of str
        Names of the parameters that have no gradient.
    """
    tensors = [*module.parameters(), *module.buffers()]
    memo = {id(tensor): to_array(tensor) for tensor in tensors}
    # Layers may store what they computed, which cannot be copied if it has a gradient function.
    stored = [value for part in module.modules() for value in vars(part).values()]
    memo |= {id(value): value.detach() for value in stored if torch.is_tensor(value)}
    frozen = [
        name
        for name, parameter in module.named_parameters(remove_duplicate=False)
        if not parameter.requires_grad
    ]
    copied = deepcopy(module, memo)
    for part in copied.modules():
        for name, default in vars(nn.Module()).items():
            # Most of what a module consists of is a dozen of empty dicts for hooks.
            if name in UNUSED and vars(part).get(name, default) == default:
                vars(part).pop(name, None)
    return copied, frozen


def with_tensors(module, frozen, device):
    """Copy a module from :func:`with_arrays`, with tensors on a device in place of its arrays."""
    memo = {}
    for part in module.modules():
        vars(part).update(vars(nn.Module()) | vars(part))
        for array in part._parameters.values():
            if isinstance(array, np.ndarray) and id(array) not in memo:
                memo[id(array)] = nn.Parameter(to_tensor(array, device), requires_grad=False)
        for array in part._buffers.values():
            if isinstance(array, np.ndarray) and id(array) not in memo:
                memo[id(array)] = to_tensor(array, device)
    copied = deepcopy(module, memo).to(device)
    frozen = set(frozen)
    for name, parameter in copied.named_parameters(remove_duplicate=False):
        parameter.requires_grad_(name not in frozen)
    return copied


def to_array(tensor):
    """Array of a tensor; the tensor itself, on the CPU, if numpy does not have its dtype."""
    try:
        return tensor.detach().cpu().numpy()
    except TypeError:
        return tensor.detach().cpu()


def to_tensor(array, device):
    """Tensor of an array that may be read-only."""
    return torch.tensor(array, device=device)


def replaced(values, kind, replace):
    """Copy nested dicts, lists and tuples, with all values of a type replaced."""
    if isinstance(values, kind):
        return replace(values)
    if isinstance(values, dict):
        return {key: replaced(value, kind, replace) for key, value in values.items()}
    if type(values) in (list, tuple):
        return type(values)(replaced(value, kind, replace) for value in values)
    return values


def dtype_name(dtype):
    """Name of a dtype of torch."""
    return str(dtype).removeprefix("torch.")


def named_dtype(name):
    """Dtype of torch with a name."""
    dtype = getattr(torch, name)
    if not isinstance(dtype, torch.dtype):
        raise ValueError(f"{name} is not a dtype of torch.")
    return dtype
