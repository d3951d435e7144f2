"""Codes of numeric columns: fitted to a table, computed with numpy here and with torch in engine/.

Every code is a clipped linear function of one column. Standardized values are such codes, and so
are the pieces of a piecewise-linear encoding.
"""

from bisect import bisect_right
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

#: Values that differ by less than this fraction of the largest value of their column are the same.
ROUNDING = 10 * np.finfo(np.float64).eps


@dataclass(frozen=True)
class Encoding:
    """Description of the codes of a table.

    A code of a row `x` is ``clip((x[column] - start) / width, low, high)``. A column is decoded as
    the `start` of its first code plus the sum of its clipped codes times `step`. The codes of a
    column are adjacent, and the columns are in their order.

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
    """

    n_bins: int
    edges: list[NDArray[np.float64] | None]
    column: NDArray[np.intp]
    start: NDArray[np.float64]
    width: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    step: NDArray[np.float64]

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
        return np.clip(codes, self.low, self.high, out=codes)

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
) -> Encoding:
    """Fit the codes of a table.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), float64
        Finite numbers.
    n_bins, columns, max_width
        Parameters of :class:`~skgad.preprocessing.PiecewiseLinearEncoder`.

    Returns
    -------
    encoding : Encoding
        The fitted codes. They do not depend on the order of the rows.
    """
    ordered = np.sort(X.T)
    magnitude = np.abs(ordered[:, [0, -1]]).max(axis=1, keepdims=True)
    magnitude[magnitude == 0] = 1
    tolerance = ROUNDING * magnitude
    is_new = np.diff(ordered, prepend=-np.inf) > tolerance
    n_values = is_new.sum(axis=1)
    has_few_values = n_values <= n_bins + 1
    has_pieces = (n_values > 1) & (has_few_values | (columns == "all"))
    is_standardized = ~has_pieces | (columns == "both")

    def n_codes(n_bins):
        n_pieces = np.minimum(n_values - 1, n_bins)[has_pieces]
        return is_standardized.sum() + n_pieces.sum()

    if max_width is not None:
        n_bins = max(1, bisect_right(range(1, n_bins + 1), max_width, key=n_codes))

    # Squares of values in these units neither overflow nor underflow.
    scaled = ordered / magnitude
    is_constant = n_values == 1
    center = np.where(is_constant, ordered[:, 0], scaled.mean(axis=1) * magnitude[:, 0])
    spread = np.where(is_constant, 1, scaled.std(axis=1)) * magnitude[:, 0]

    edges: list[NDArray[np.float64] | None] = [None] * len(ordered)
    column, codes = [], []
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
    return Encoding(n_bins, edges, np.array(column), *np.hstack(codes))


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
