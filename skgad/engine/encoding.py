"""Codes of numeric columns as a torch module."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn
from torch.nn.functional import pad

from .._encoding import (
    FAR_FROM_ZERO,
    Encoding,
    center_and_spread,
    dwarfed_columns,
    dwarfed_message,
    fit_named_encoding,
    widened,
)
from .data import Items, to_floats
from .runtime import warn

#: Largest number of rows that the codes are fitted to.
MAX_ROWS = 50_000

#: Largest number of values from which the sizes and the spreads of columns are estimated.
MAX_VALUES = 2_000_000

#: Root mean squares of columns that networks can learn from if they are not encoded.
MIN_SIZE, MAX_SIZE = 1e-3, 1e4


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
    The buffers are float32. If the values of a column are large compared with their differences,
    such as timestamps in seconds, an origin is subtracted in float64 before they become float32,
    see :func:`origin_of`. It is added to decoded rows.

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
    origin: Tensor | None

    def __init__(self, encoding: Encoding, dtype: torch.dtype = torch.float32):
        super().__init__()
        origin = encoding.origin
        self.register_buffer("origin", None if origin is None else torch.as_tensor(origin))
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
        return self.add_origin(self.start[self.first_codes] + x)

    def add_origin(self, x: Tensor) -> Tensor:
        """Convert rows without the origin to rows of the table."""
        return x if self.origin is None else (x.double() + self.origin).float()

    def subtract_origin(self, table: Any) -> Any:
        """Convert a table to float64 rows without the origin."""
        return table if self.origin is None else subtracted(table, self.origin.numpy(force=True))


def float32_bounds(intervals):
    """Bounds of intervals of a frequency code, widened by the rounding to float32."""
    exact = widened(intervals, np.finfo(np.float32).eps * np.abs(intervals)).ravel()
    bounds = exact.astype(np.float32)
    # Rounded down, so that a value that was seen remains above its lower bound.
    return np.where(bounds > exact, np.nextafter(bounds, np.float32(-np.inf)), bounds)


def origin_of(name, table):
    """Origin of the columns of a table, of which float32 would lose digits otherwise.

    Parameters
    ----------
    name : {"standard", "piecewise", "piecewise+frequency"} or None
        Value of the parameter `encoding` of a detector.
    table : ndarray, CSR matrix or Items of shape (n_samples, n_features)
        Training rows.

    Returns
    -------
    origin : ndarray of shape (n_features,) or None
        Medians of columns that are far from zero, compared with their spread; zero for the others.
        None if there is no such column.
    """
    is_exact = isinstance(table, np.ndarray) and table.dtype.itemsize > 2
    if name is None or not is_exact or table.dtype == np.float32:
        return None
    median, spread = center_and_spread(sample_rows(table).astype(np.float64))
    is_far = (spread > 0) & (np.abs(median) > FAR_FROM_ZERO * spread)
    return np.where(is_far, median, 0.0) if is_far.any() else None


def subtracted(table, origin):
    """Subtract the origin from a table of any type, unless it is None."""
    if origin is None:
        return table
    return (table.toarray() if sparse.issparse(table) else table[:]) - origin


def sample_rows(table):
    """At most 50,000 rows, evenly spaced."""
    return table[:: -(-table.shape[0] // MAX_ROWS)]


def check_columns(name, table, names):
    """Warn of columns whose values would be invisible, or would hide those of the others.

    Parameters
    ----------
    name : {"standard", "piecewise", "piecewise+frequency"} or None
        Value of the parameter `encoding` of a detector.
    table : ndarray, CSR matrix or Items of shape (n_samples, n_features)
        Training rows.
    names : sequence of length n_features
        Names or positions of the columns.

    Raises
    ------
    ValueError
        If a value is so far from the others that nothing can be learned from its column.
    """
    if isinstance(table, Items) or table.dtype == np.uint8:
        return
    n_rows = max(100, min(MAX_ROWS, MAX_VALUES // table.shape[1]))
    sample = table[:: -(-table.shape[0] // n_rows)].astype(np.float64)
    if not sparse.issparse(table):
        if dwarfed := dwarfed_columns(table, sample, names):
            warn(dwarfed_message(dwarfed))
    if name is not None:
        return
    squares = sample.power(2) if sparse.issparse(sample) else sample**2
    size = np.sqrt(np.asarray(squares.mean(axis=0), dtype=np.float64)).ravel()
    largest = size.max()
    too_large = [names[j] for j in np.flatnonzero(size > MAX_SIZE)]
    if too_large:
        warn(
            f"The columns {too_large} contain numbers of about {largest:.1g}, which hide "
            "the other columns from the networks. Set encoding='auto', or scale the columns, for "
            "example with a StandardScaler."
        )
    elif 0 < largest < MIN_SIZE:
        warn(
            f"All numbers are of about {largest:.1g} or smaller, which the networks cannot tell "
            "from zero. Set encoding='auto', or scale the columns, for example with a "
            "StandardScaler."
        )


def encode_table(name, table, origin=None):
    """Fit the codes that the parameter `encoding` of a detector names.

    Parameters
    ----------
    name : {"standard", "piecewise", "piecewise+frequency"} or None
        Value of the parameter.
    table : ndarray, CSR matrix or Items of shape (n_samples, n_features)
        Training rows, of which up to 50,000 are used. Frequencies are counted among these rows
        only.
    origin : ndarray of shape (n_features,) or None, default=None
        What has been subtracted from the table.

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
    encoding = replace(fit_named_encoding(name, sample), origin=origin)
    return encoding, encoding.encode(sample)
