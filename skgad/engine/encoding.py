"""Codes of numeric columns as a torch module."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from .._encoding import Encoding, fit_named_encoding, widened
from .data import to_floats

#: Largest number of rows that the codes are fitted to.
MAX_ROWS = 50_000


class ColumnEncoding(nn.Module):
    """Encode numeric columns in front of networks, and decode codes that networks compute.

    The codes of a row do not depend on the other rows of its batch, to the last bit: only
    elementwise operations, gathers and searches are used. Gradients flow in both directions, except
    where a code is clipped. At an edge, the gradients of both neighboring pieces are added. The
    gradients of frequency codes are zero.

    Parameters
    ----------
    encoding : Encoding
        Description of the codes, from :func:`skgad._encoding.fit_encoding`.
    dtype : torch.dtype, default=torch.float32
        Type of the buffers, and of the codes.

    Notes
    -----
    If the values of a column are large compared with their differences, such as timestamps in
    seconds, float32 buffers are too coarse. Encode them in float64, here or with
    :meth:`Encoding.encode`.

    A frequency code looks up the nearest value that was seen, up to a relative difference of
    1.2e-7, the spacing of float32 numbers, because numbers that are equal up to rounding may be
    rounded to neighboring float32 numbers. A tolerance in units of the largest value of the column
    would let small values count as seen if the column also has a very large one.
    """

    column: Tensor
    start: Tensor
    width: Tensor
    low: Tensor
    high: Tensor
    step: Tensor
    first_codes: Tensor
    nth_codes: Tensor
    frequency_codes: Tensor
    frequency_bounds: Tensor
    frequency_table: Tensor
    left_out_table: Tensor

    def __init__(self, encoding: Encoding, dtype: torch.dtype = torch.float32):
        super().__init__()
        for name in ("start", "width", "low", "high", "step"):
            values = torch.as_tensor(getattr(encoding, name), dtype=dtype)
            self.register_buffer(name, values)
        self.register_buffer("column", torch.as_tensor(encoding.column))
        self.register_buffer("first_codes", torch.as_tensor(encoding.first_codes))
        # Row t has the position of code t of each column, or `n_codes` for shorter columns.
        groups = encoding.groups
        nth_codes = np.full((max(map(len, groups)), len(groups)), len(encoding.column))
        for j, group in enumerate(groups):
            nth_codes[: len(group), j] = group
        self.register_buffer("nth_codes", torch.as_tensor(nth_codes))
        # One row for each frequency code. Rows of columns with fewer values are padded.
        frequencies = encoding.frequencies.values()
        n_values = max((len(frequency.intervals) for frequency in frequencies), default=0)
        bounds = torch.full((len(frequencies), 2 * n_values), torch.inf, dtype=dtype)
        looked_up = torch.zeros(len(frequencies), 1 + n_values, dtype=dtype)
        left_out = torch.zeros_like(looked_up)
        for i, frequency in enumerate(frequencies):
            is_exact = dtype == torch.float64
            own_bounds = (np.ravel if is_exact else float32_bounds)(frequency.intervals)
            bounds[i, : len(own_bounds)] = torch.as_tensor(own_bounds)
            looked_up[i, : len(frequency.codes)] = torch.as_tensor(frequency.codes)
            left_out[i, : len(frequency.codes)] = torch.as_tensor(frequency.left_out_codes)
        self.register_buffer("frequency_codes", torch.tensor([*encoding.frequencies]).long())
        self.register_buffer("frequency_bounds", bounds)
        self.register_buffer("frequency_table", looked_up)
        self.register_buffer("left_out_table", left_out)

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
        codes = ((x[..., self.column] - self.start) / self.width).clamp(self.low, self.high)
        if len(self.frequency_codes) == 0:
            return codes
        return codes.index_copy(-1, self.frequency_codes, self._look_up_frequencies(x.detach()))

    @contextmanager
    def leave_one_out(self) -> Iterator[None]:
        """Encode training rows as if they were new inside the block: no row counts itself."""
        seen, left_out = self.frequency_table, self.left_out_table
        self.frequency_table = left_out
        try:
            yield
        finally:
            self.frequency_table = seen

    def _look_up_frequencies(self, x):
        """Frequency codes of rows, as :meth:`FrequencyCode.encode` computes them."""
        x = x[..., self.column[self.frequency_codes]]
        by_column = x.reshape(-1, x.shape[-1]).T.contiguous()
        n_bounds_below = torch.searchsorted(self.frequency_bounds, by_column)
        codes = self.frequency_table.gather(1, (n_bounds_below + 1) // 2 * (n_bounds_below % 2))
        return codes.T.reshape(x.shape)

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


def float32_bounds(intervals):
    """Bounds of intervals of a frequency code, widened by the rounding to float32."""
    exact = widened(intervals, np.finfo(np.float32).eps * np.abs(intervals)).ravel()
    bounds = exact.astype(np.float32)
    # Rounded down, so that a value that was seen remains above its lower bound.
    return np.where(bounds > exact, np.nextafter(bounds, np.float32(-np.inf)), bounds)


def encode_table(name, table):
    """Fit the codes that the parameter `encoding` of a detector names.

    Parameters
    ----------
    name : {"standard", "piecewise", "piecewise+frequency"} or None
        Value of the parameter.
    table : ndarray, CSR matrix or Items of shape (n_samples, n_features)
        Training rows, of which up to 50,000 are used. Frequencies are counted among these rows
        only.

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
    encoding = fit_named_encoding(name, sample)
    return encoding, encoding.encode(sample)
