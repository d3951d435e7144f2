"""Gradients with respect to rows, which some methods need in their losses and scores."""

from collections.abc import Callable

import torch
from torch import Tensor


def input_gradient(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    r"""Gradient of a function of rows with respect to these rows.

    It works while scores are computed, too, where torch's inference mode records no gradients.
    During training, the result can be differentiated again.

    .. versionadded:: 0.1

    Parameters
    ----------
    function : callable
        Maps `x` to a tensor of shape (..., n_samples). The value of a row must depend on this row
        only.
    x : Tensor of shape (..., n_samples, n_features)
        Rows.

    Returns
    -------
    gradient : Tensor of shape (..., n_samples, n_features)
        The gradient of the value of each row.
    """
    is_training = torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
    with torch.inference_mode(False), torch.enable_grad():
        if x.is_inference():
            x = x.clone()  # an inference tensor cannot be recorded
        if not x.requires_grad:
            x = x.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(function(x).sum(), x, create_graph=is_training)
    return gradient
