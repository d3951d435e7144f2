"""Known labels of the rows of a mini-batch."""

import numpy as np
import torch
from torch import Tensor


def rows_with(labels: Tensor, *values: int) -> slice | Tensor | None:
    """Find the rows of a mini-batch that have one of some labels.

    During training, the labels are on the CPU, and the rows of a label are adjacent. The result is
    then a slice that is known without waiting for the device, whereas a mask such as
    ``labels == -1`` stops the capture of the training step on a GPU, see :ref:`devices`.

    .. versionadded:: 0.1

    Parameters
    ----------
    labels : Tensor of shape (batch_size,)
        Known labels of the rows: 1 for inliers, -1 for outliers, 0 for unlabeled rows.
    *values : int
        The labels to look for.

    Returns
    -------
    rows : slice, Tensor of int or None
        Index of the rows: a slice if they are adjacent, their positions otherwise, and None if
        there are no such rows.

    Examples
    --------
    >>> import torch
    >>> from skgad.base import rows_with
    >>> rows_with(torch.tensor([-1, -1, 0, 0, 0]), 0)
    slice(2, 5, None)
    """
    positions = np.flatnonzero(np.isin(labels.numpy(force=True), values))
    if len(positions) == 0:
        return None
    start, stop = int(positions[0]), int(positions[-1]) + 1
    if stop - start == len(positions):
        return slice(start, stop)
    return torch.from_numpy(positions)
