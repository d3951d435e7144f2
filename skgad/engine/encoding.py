"""Codes of numeric columns as a torch module."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from .._encoding import Encoding, fit_encoding
from .data import to_floats

#: Largest number of rows that the codes are fitted to.
MAX_ROWS = 50_000


class ColumnEncoding(nn.Module):
    """Encode numeric columns in front of networks, and decode codes that networks compute.

    The codes of a row do not depend on the other rows of its batch, to the last bit: only
    elementwise operations and gathers are used. Gradients flow in both directions, except where a
    code is clipped. At an edge, the gradients of both neighboring pieces are added.

    Parameters
    ----------
    encoding : Encoding
        Description of the codes, from :func:`skgad._encoding.fit_encoding`.

    Notes
    -----
    The buffers are float32. If the values of a column are large compared with their differences,
    such as timestamps in seconds, encode them in float64 with :meth:`Encoding.encode` instead.
    """

    column: Tensor
    start: Tensor
    width: Tensor
    low: Tensor
    high: Tensor
    step: Tensor
    first_codes: Tensor
    nth_codes: Tensor

    def __init__(self, encoding: Encoding):
        super().__init__()
        for name in ("start", "width", "low", "high", "step"):
            values = torch.as_tensor(getattr(encoding, name), dtype=torch.float32)
            self.register_buffer(name, values)
        self.register_buffer("column", torch.as_tensor(encoding.column))
        self.register_buffer("first_codes", torch.as_tensor(encoding.first_codes))
        # Row t has the position of code t of each column, or `n_codes` for shorter columns.
        groups = encoding.groups
        nth_codes = np.full((max(map(len, groups)), len(groups)), len(encoding.column))
        for j, group in enumerate(groups):
            nth_codes[: len(group), j] = group
        self.register_buffer("nth_codes", torch.as_tensor(nth_codes))

    @property
    def n_features(self) -> int:
        """Number of columns of the table."""
        return len(self.first_codes)

    @property
    def n_codes(self) -> int:
        """Number of codes of a row."""
        return len(self.column)

    def forward(self, x: Tensor) -> Tensor:
        """Encode rows.

        Parameters
        ----------
        x : Tensor of shape (..., n_features)
            Rows of the table.

        Returns
        -------
        codes : Tensor of shape (..., n_codes)
        """
        return ((x[..., self.column] - self.start) / self.width).clamp(self.low, self.high)

    def decode(self, codes: Tensor) -> Tensor:
        """Convert codes, or any finite numbers, to rows.

        Parameters
        ----------
        codes : Tensor of shape (..., n_codes)
            Codes, such as the output of a decoder.

        Returns
        -------
        x : Tensor of shape (..., n_features)
        """
        lengths = pad(codes.clamp(self.low, self.high) * self.step, (0, 1))
        # A reduction may add in another order if the batch has another size; this loop does not.
        x = lengths[..., self.nth_codes[0]]
        for positions in self.nth_codes[1:]:
            x = x + lengths[..., positions]
        return self.start[self.first_codes] + x


def encode_table(name, table):
    """Fit the codes that the parameter `encoding` of a detector names.

    Parameters
    ----------
    name : {"standard", "piecewise"} or None
        Value of the parameter.
    table : ndarray, CSR matrix or Items of shape (n_samples, n_features)
        Training rows, of which up to 50,000 are used.

    Returns
    -------
    encoding : Encoding or None
        None if the columns are used as they are.
    sample : ndarray of shape (n_rows, n_codes) or the table
        Rows as the games see them.
    """
    if name is None:
        return None, table
    n_rows = table.shape[0]
    rows = np.arange(0, n_rows, -(-n_rows // MAX_ROWS))
    sample = to_floats(table[rows], "cpu").numpy().astype(np.float64)
    encoding = fit_encoding(sample, n_bins=0 if name == "standard" else 16)
    # Networks leave noise in every code. A column without variation is decoded without it.
    is_constant = np.ptp(sample, axis=0)[encoding.column] == 0
    encoding = replace(encoding, step=np.where(is_constant, 0.0, encoding.step))
    return encoding, encoding.encode(sample)
