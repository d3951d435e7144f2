"""Codes of numeric columns: fitted to a table, computed with numpy here and with torch in engine/.

Every code is a function of one column. Standardized values and the pieces of a piecewise-linear
encoding are clipped linear functions. A frequency code is looked up in a table of values.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

#: Names of the codes of a table, as the parameter `encoding` of a detector has them.
EncodingName: TypeAlias = Literal["standard", "piecewise", "piecewise+frequency"]

#: Values that differ by less than this fraction of the largest value of their column are the same.
ROUNDING = 10 * np.finfo(np.float64).eps

#: Largest number of decimals that numbers are rounded to.
MAX_DECIMALS = 6

#: A value so many times farther from the median of its column than the others leaves nothing of
#: them once the column is standardized: with float32, or with any precision.
INVISIBLE, UNUSABLE = 1e7, 1e12

#: Columns whose median is so many times their spread lose digits as float32.
FAR_FROM_ZERO = 1e3


@dataclass(frozen=True)
class FrequencyCode:
    """Code of how rare the value of a column is among the training rows.

    Attributes
    ----------
    intervals : ndarray of shape (n_values, 2), float64
        Bounds of each value that was seen, in increasing order. A number counts as this value if
        it is greater than the lower bound, and not greater than the upper one.
    codes : ndarray of shape (1 + n_values,), float64
        Code of values that were not seen, followed by the code of each value.
    left_out_codes : ndarray of shape (1 + n_values,), float64
        The same for a training row that is not counted itself.
    """

    intervals: NDArray[np.float64]
    codes: NDArray[np.float64]
    left_out_codes: NDArray[np.float64]

    def encode(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Look up the codes of numbers."""
        n_bounds_below = np.searchsorted(self.intervals.ravel(), x)
        return self.codes[(n_bounds_below + 1) // 2 * (n_bounds_below % 2)]


@dataclass(frozen=True)
class Encoding:
    """Description of the codes of a table.

    A code of a row `x` is ``clip((x[column] - start) / width, low, high)``, unless it is among the
    `frequencies`. A column is decoded as the `start` of its first code plus the sum of its clipped
    codes times `step`. The codes of a column are adjacent, and the columns are in their order.

    Attributes
    ----------
    n_bins : int
        Maximum number of pieces of a column.
    edges : list of (ndarray or None)
        Edges of the pieces of each column. None for columns without pieces.
    column : ndarray of shape (n_codes,), int
        Column that each code is computed from.
    start, width, low, high, step : ndarray of shape (n_codes,), float64
        Parameters of each code.
    frequencies : dict of int to FrequencyCode
        Frequency codes by their positions. Each one is the last code of its column. Decoding
        ignores them, because their `step` is zero.
    origin : ndarray of shape (n_features,), float64, or None
        What has been subtracted from the table whose rows are encoded.
    """

    n_bins: int
    edges: list[NDArray[np.float64] | None]
    column: NDArray[np.intp]
    start: NDArray[np.float64]
    width: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    step: NDArray[np.float64]
    frequencies: dict[int, FrequencyCode]
    origin: NDArray[np.float64] | None = None

    @property
    def first_codes(self) -> NDArray[np.intp]:
        """Position of the first code of each column."""
        return np.flatnonzero(np.diff(self.column, prepend=-1))

    @property
    def groups(self) -> list[NDArray[np.intp]]:
        """Positions of the codes of each column."""
        return np.split(np.arange(len(self.column)), self.first_codes[1:])

    def encode(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Compute the codes of rows. A code that is too large for float64 is infinite."""
        codes = X[:, self.column]
        with np.errstate(over="ignore"):
            codes -= self.start
            codes /= self.width
        np.clip(codes, self.low, self.high, out=codes)
        for t, frequency in self.frequencies.items():
            codes[:, t] = frequency.encode(X[:, self.column[t]])
        return codes

    def decode(self, codes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Convert codes, or any finite numbers, to rows."""
        lengths = np.clip(codes, self.low, self.high)
        lengths *= self.step
        first = self.first_codes
        return self.start[first] + np.add.reduceat(lengths, first, axis=1)


def fit_encoding(
    X: NDArray[np.float64],
    *,
    n_bins: int = 16,
    columns: Literal["auto", "all", "both"] = "auto",
    max_width: int | None = 1024,
    frequencies: bool = False,
) -> Encoding:
    """Fit the codes of a table.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), float64
        Finite numbers.
    n_bins, columns, max_width, frequencies
        Parameters of :class:`~skgad.preprocessing.PiecewiseLinearEncoder`.

    Returns
    -------
    encoding : Encoding
        The fitted codes. They do not depend on the order of the rows.
    """
    # In one memory layout, because it determines in which order a column is summed.
    ordered = np.sort(np.ascontiguousarray(X).T)
    magnitude = np.abs(ordered[:, [0, -1]]).max(axis=1, keepdims=True)
    magnitude[magnitude == 0] = 1
    tolerance = ROUNDING * magnitude
    is_new = np.diff(ordered, prepend=-np.inf) > tolerance
    n_values = is_new.sum(axis=1)
    # In a small table, a column without repeated values has few of them, too.
    has_few_values = n_values <= min(n_bins + 1, len(X) / 2)
    has_pieces = (n_values > 1) & (has_few_values | (columns == "all"))
    is_standardized = ~has_pieces | (columns == "both")
    is_single = is_new & np.roll(is_new, -1, axis=1)  # the first row of a column is new
    has_frequency = frequencies & ~has_few_values & (is_single.mean(axis=1) <= 0.5)

    def n_codes(n_bins):
        n_pieces = np.minimum(n_values - 1, n_bins)[has_pieces]
        return is_standardized.sum() + n_pieces.sum() + has_frequency.sum()

    if max_width is not None:
        n_bins = max(1, bisect_right(range(1, n_bins + 1), max_width, key=n_codes))

    # Squares of values in these units neither overflow nor underflow.
    scaled = ordered / magnitude
    is_constant = n_values == 1
    center = np.where(is_constant, ordered[:, 0], scaled.mean(axis=1) * magnitude[:, 0])
    spread = np.where(is_constant, 1, scaled.std(axis=1)) * magnitude[:, 0]

    edges: list[NDArray[np.float64] | None] = [None] * len(ordered)
    column, codes, frequency_codes = [], [], {}
    for j, values in enumerate(ordered):
        if has_pieces[j]:
            seen = values[is_new[j]] if has_few_values[j] else values
            edges[j] = bin_edges = quantiles(seen, n_bins, tolerance[j])
            codes.append(pieces(bin_edges))
            column += [j] * (len(bin_edges) - 1)
        if is_standardized[j]:
            # A column with pieces is decoded from them.
            step = 0 if has_pieces[j] else spread[j]
            codes.append([[center[j]], [spread[j]], [-np.inf], [np.inf], [step]])
            column.append(j)
        if has_frequency[j]:
            frequency_codes[len(column)] = frequency_code(values, is_new[j], tolerance[j])
            codes.append([[0.0], [1.0], [0.0], [0.0], [0.0]])
            column.append(j)
    start, width, low, high, step = np.hstack(codes)
    return Encoding(n_bins, edges, np.array(column), start, width, low, high, step, frequency_codes)


def fit_named_encoding(name: EncodingName, X: NDArray[np.float64]) -> Encoding:
    """Fit the codes that the parameter `encoding` of a detector names.

    Parameters
    ----------
    name : {"standard", "piecewise", "piecewise+frequency"}
        Value of the parameter.
    X : ndarray of shape (n_samples, n_features), float64
        Finite numbers.

    Returns
    -------
    encoding : Encoding
        The fitted codes.
    """
    encoding = fit_encoding(
        X, n_bins=0 if name == "standard" else 16, frequencies=name == "piecewise+frequency"
    )
    # Generated codes have noise. A column without variation is decoded without it.
    is_constant = np.ptp(X, axis=0)[encoding.column] == 0
    return replace(encoding, step=np.where(is_constant, 0.0, encoding.step))


def center_and_spread(X):
    """Median of each column, and its interquartile range, or its range if that is zero."""
    low, median, high = np.quantile(X, [0.25, 0.5, 0.75], axis=0, method="nearest")
    return median, np.where(high > low, high - low, np.ptp(X, axis=0))


def medians_without_missing(X):
    """Median of each column without missing values, the lower of two. NaN if all are missing."""
    n_known = np.count_nonzero(~np.isnan(X), axis=0)
    middle = np.maximum(n_known - 1, 0) // 2
    return np.take_along_axis(np.sort(X, axis=0), middle[None], axis=0)[0]


def dwarfed_columns(
    X: NDArray[Any], sample: NDArray[np.float64], names: Sequence[object]
) -> list[object]:
    """Columns of training rows in which one value dwarfs the differences of all others.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Training rows. NaN is ignored.
    sample : ndarray of shape (n_rows, n_features), float64
        Some of these rows.
    names : sequence of length n_features
        Names or positions of the columns.

    Returns
    -------
    names : list
        Columns of more than 17 values that differ by less than float32 resolves, except for one.

    Raises
    ------
    ValueError
        If a value is so far from the others that nothing can be learned from its column.
    """
    median = medians_without_missing(sample)
    distances = np.abs(sample - median)
    smallest = np.min(distances, axis=0, where=distances > 0, initial=np.inf)
    low, high = (
        extreme(X, axis=0).astype(np.float64) for extreme in (np.fmin.reduce, np.fmax.reduce)
    )
    farthest = np.fmax(high - median, median - low)
    dwarfed = []
    for j in np.flatnonzero(farthest > INVISIBLE * smallest).tolist():
        typical = np.median(distances[distances[:, j] > 0, j])
        if farthest[j] > UNUSABLE * typical:
            value = high[j] if high[j] - median[j] == farthest[j] else low[j]
            row = np.flatnonzero(X[:, j] == value)[0]
            raise ValueError(
                f"Column {names[j]!r} contains {value:.3g} in row {row}, counted from 0, but half "
                f"of its values are within {typical:.3g} of {median[j]:.3g}. Nothing can be "
                "learned from the column next to such a value. Correct the value or drop the row. "
                "If it stands for a missing value, replace it by NaN."
            )
        if farthest[j] > INVISIBLE * typical and len(np.unique(sample[:, j])) > 17:
            dwarfed.append(names[j])
    return dwarfed


def dwarfed_message(names):
    """Warning of columns from :func:`dwarfed_columns`."""
    return (
        f"In the columns {names}, the largest value is more than {INVISIBLE:.0e} times farther "
        "from the median than the others, which become equal once the column is standardized. "
        "Check the largest values, or take the logarithm of the column."
    )


def quantiles(values, n_bins, tolerance):
    """Edges of bins that contain about the same number of values: some of the sorted values."""
    n_bins = min(n_bins, len(values) - 1)
    edges = values[np.rint(np.linspace(0, len(values) - 1, n_bins + 1)).astype(np.intp)]
    return edges[np.diff(edges, prepend=-np.inf) > tolerance]


def pieces(edges):
    """Parameters of the codes of a column with edges: start, width, low, high, step."""
    width = np.diff(edges)
    low, high = np.zeros_like(width), np.ones_like(width)
    low[0], high[-1] = -np.inf, np.inf
    return [edges[:-1], width, low, high, width]


def frequency_code(values, is_new, tolerance):
    """Frequency code of a column, from its sorted values."""
    first = np.flatnonzero(is_new)
    counts = np.diff(first, append=len(values))

    def rarity(counts):
        return -np.log((np.append(0, counts) + 0.25) / len(values))

    seen = rarity(counts)[1:]
    mean = np.average(seen, weights=counts)
    spread = np.sqrt(np.average((seen - mean) ** 2, weights=counts))
    intervals = widened(np.column_stack([values[first], values[first + counts - 1]]), tolerance)
    codes, left_out_codes = (
        0.5 * (rarity(c) - mean) / max(spread, 1.0) for c in (counts, counts - 1)
    )
    return FrequencyCode(intervals, codes, left_out_codes)


def widened(intervals, tolerance):
    """Widen disjoint, sorted intervals, each one at most to the middle of the gaps next to it."""
    middle = intervals[:-1, 1] / 2 + intervals[1:, 0] / 2
    lower, upper = (intervals + np.array([-1, 1]) * tolerance).T
    lower[1:] = np.maximum(lower[1:], middle)
    upper[:-1] = np.minimum(upper[:-1], middle)
    return np.column_stack([lower, upper])


def n_decimals(values, precision=ROUNDING):
    """Number of decimals that all of the values have, up to their relative precision.

    None if these are more than 6.
    """
    tolerance = precision * np.abs(values)
    for n in range(MAX_DECIMALS + 1):
        if (np.abs(values.round(n) - values) <= tolerance).all():
            return n
    return None
