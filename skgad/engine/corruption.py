"""Corruption of rows that a network learns to undo."""

import torch
from torch import Tensor

from ..networks._random import rand_like, randn_like, random_positions


def add_noise(x: Tensor, scale: float) -> Tensor:
    """Add Gaussian noise with a standard deviation of `scale` to every value."""
    return x + scale * randn_like(x)


def replace_values(x: Tensor, share: float | Tensor) -> Tensor:
    """Replace a share of the values by values of the same column.

    The new values come from other rows of the mini-batch, so that they are values which the table
    has, in the proportions in which it has them. Only their combinations are new.

    Parameters
    ----------
    x : Tensor of shape (..., batch_size, n_features)
        Rows.
    share : float or Tensor of shape (..., batch_size, 1)
        Probability that a value is replaced, of all rows or of each row.

    Returns
    -------
    corrupted : Tensor of shape (..., batch_size, n_features)
    """
    donors = random_positions(x.shape[-2], x.shape, x.device)
    return torch.where(rand_like(x) < share, x.gather(-2, donors), x)


def replace_some_values(x: Tensor) -> Tensor:
    """Replace a random share of the values of each row, from none to all of them.

    See :func:`replace_values`. Some rows are close to rows of the table, and others are mere draws
    from the distribution of each column.
    """
    return replace_values(x, rand_like(x[..., :1]))
