"""Columns of numbers, dates and durations."""

import numpy as np
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.preprocessing import MinMaxScaler, QuantileTransformer, StandardScaler

from .._encoding import dwarfed_columns, dwarfed_message, n_decimals
from .._frames import is_missing
from ..engine.runtime import warn
from ._dates import DAY, choose_cycles
from ._piecewise import PiecewiseLinearEncoder

#: A value that is missing in a column without missing values in fit is so many ranges of the column
#: above its largest value, or has so many times the largest code of a level.
FAR_OUTSIDE = 10.0

#: Largest number that can be squared.
MAX_NUMBER = float(np.sqrt(np.finfo(np.float64).max))

#: Largest distance from the first date, in the unit of the column, without an integer overflow.
MAX_STEPS = 2.0**62


class NumberEncoder:
    """Scale columns of numbers, dates and durations, impute missing values and indicate them.

    Columns are passed as a dict of arrays by name. Dates and durations are counted in days from
    the smallest one in the training rows. The output has one column for each input column, or
    several if it is encoded by pieces, followed by the cycles of dates and by one indicator for
    each input column with missing values in `fit`.

    Parameters
    ----------
    numeric : {"standard", "minmax", "quantile", "piecewise", "piecewise+frequency"}
        The encoding; see :class:`TabularEncoder`.
    date_cycles : "auto", collection of str or None
        The cycles of dates; see :class:`TabularEncoder`.

    Attributes
    ----------
    names : list of str
        Names of the input columns.

    feature_of_output : list of str
        Name of the input column of each output column.
    """

    def __init__(self, numeric, date_cycles):
        self.numeric = numeric
        self.date_cycles = date_cycles

    def fit(self, columns):
        """Learn medians and scales."""
        self.names = self.feature_of_output = list(columns)
        self._origins = {
            name: np.fmin.reduce(column)
            for name, column in columns.items()
            if column.dtype.kind in "mM"
        }
        if not columns:
            return self
        self._cycles = [
            cycle
            for name, column in columns.items()
            if column.dtype.kind == "M"
            for cycle in choose_cycles(name, column, self.date_cycles)
        ]
        numbers = self._to_floats(columns)
        self._check_sizes(numbers)
        self._ranges = low, high = np.fmin.reduce(numbers), np.fmax.reduce(numbers)
        width = np.where(high > low, high - low, np.fmax(np.abs(high), 1.0))
        self._far_outside = high + FAR_OUTSIDE * width
        self._decimals = [
            None if name in self._origins else decimals(columns[name].dtype, column)
            for name, column in zip(self.names, numbers.T, strict=True)
        ]
        # A value that is missing only after fit has no indicator, see `_far_outside`.
        self._indicator = MissingIndicator(error_on_new=False).fit(numbers)
        # The scaler sees arrays, not frames with other names, if frames are the global default.
        self._imputer = SimpleImputer(strategy="median", keep_empty_features=True)
        self._imputer.set_output(transform="default")
        numbers = self._imputer.fit_transform(self._with_cycles(numbers, columns))
        self._scaler = self._make_scaler(n_samples=len(numbers)).fit(numbers)
        self._n_scaled = len(self._scaler.get_feature_names_out())
        scaled = self.names + [cycle.column for cycle in self._cycles for _ in cycle.outputs]
        if isinstance(self._scaler, PiecewiseLinearEncoder):
            groups = self._scaler.feature_groups_.values()
            scaled = [name for name, group in zip(scaled, groups, strict=True) for _ in group]
        self.feature_of_output = scaled + [self.names[j] for j in self._indicator.features_]
        return self

    def _make_scaler(self, n_samples):
        if self.numeric == "standard":
            return StandardScaler()
        if self.numeric == "minmax":
            return MinMaxScaler()
        if self.numeric in ("piecewise", "piecewise+frequency"):
            frequencies = self.numeric == "piecewise+frequency"
            return PiecewiseLinearEncoder(frequencies=frequencies, dtype=np.float64)
        return QuantileTransformer(
            n_quantiles=min(1000, n_samples), output_distribution="normal", subsample=None
        )

    def transform(self, columns):
        """Return the blocks of output columns, if there are any: numbers and indicators."""
        if not self.names:
            return []
        numbers = self._to_floats(columns)
        indicators = self._indicator.transform(numbers)
        numbers = np.where(self._is_newly_missing(numbers), self._far_outside, numbers)
        numbers = self._imputer.transform(self._with_cycles(numbers, columns))
        with np.errstate(over="ignore"):
            scaled = self._scaler.transform(numbers)
        return [scaled, indicators]

    def newly_missing(self, columns):
        """Names of the columns with missing values that had none in fit."""
        if not self.names:
            return []
        is_new = self._is_newly_missing(self._to_floats(columns)).any(axis=0)
        return [self.names[j] for j in np.flatnonzero(is_new)]

    def beyond_float32(self, columns):
        """Names of the columns with numbers that float32 cannot represent."""
        if not self.names:
            return []
        sizes = np.abs(self._to_floats(columns))
        is_beyond = (sizes > np.finfo(np.float32).max).any(axis=0)
        return [self.names[j] for j in np.flatnonzero(is_beyond)]

    def _is_newly_missing(self, numbers):
        """Mask of missing values in columns without missing values in fit."""
        had_missing = np.isin(np.arange(numbers.shape[1]), self._indicator.features_)
        return np.isnan(numbers) & ~had_missing

    def _check_sizes(self, numbers):
        """Reject training rows with numbers next to which all others vanish, or warn of them."""
        is_too_large = np.abs(numbers) > MAX_NUMBER
        if is_too_large.any():
            row, j = np.argwhere(is_too_large)[0]
            raise ValueError(
                f"Column {self.names[j]!r} contains {numbers[row, j]:.3g} in row {row}, counted "
                "from 0, which is too large. Correct the value, drop the row, or replace the value "
                "by NaN if it is unknown."
            )
        dwarfed = dwarfed_columns(numbers, numbers, self.names)
        if dwarfed and self.numeric != "quantile":
            warn(dwarfed_message(dwarfed))

    def inverse_transform(self, X, clip):
        """Convert output columns, or any finite numbers, to a dict of columns."""
        if not self.names:
            return {}
        scaled, indicators = np.split(X, [self._n_scaled], axis=1)
        numbers, codes = np.split(self._scaler.inverse_transform(scaled), [len(self.names)], axis=1)
        for k, cycle in enumerate(self._cycles):
            days = numbers[:, self.names.index(cycle.column)]
            days[:] = cycle.shift(days, self._origins[cycle.column], codes[:, 2 * k : 2 * k + 2])
        if clip:
            numbers = np.clip(numbers, *self._ranges)
        for j, decimals in enumerate(self._decimals):
            if decimals is not None:
                numbers[:, j] = numbers[:, j].round(decimals)
        with_missing = self._indicator.features_
        numbers[:, with_missing] = np.where(indicators > 0.5, np.nan, numbers[:, with_missing])
        return {
            name: from_days(column, self._origins[name]) if name in self._origins else column
            for name, column in zip(self.names, numbers.T, strict=True)
        }

    def get_feature_names_out(self, names):
        """Names of the output columns, given those of the input columns."""
        if not self.names:
            return []
        names_of = dict(zip(self.names, names, strict=True))
        cycles = [
            f"{names_of[cycle.column]}_{output}"
            for cycle in self._cycles
            for output in cycle.outputs
        ]
        return [
            *self._scaler.get_feature_names_out([*names, *cycles]),
            *self._indicator.get_feature_names_out(names),
        ]

    def _with_cycles(self, numbers, columns):
        """Append the codes of the cycles to the array of the columns."""
        return np.hstack(
            [numbers, *(cycle.encode(columns[cycle.column]) for cycle in self._cycles)]
        )

    def _to_floats(self, columns):
        """Array of the columns, dates as days, NaN for missing values."""
        numbers = np.column_stack(
            [to_floats(columns[name], name, self._origins.get(name)) for name in self.names]
        )
        infinite = [
            name
            for name, column in zip(self.names, numbers.T, strict=True)
            if np.isinf(column).any()
        ]
        if infinite:
            raise ValueError(
                f"Input X contains infinity in {infinite}. Replace it by a finite number, or by "
                "NaN if the value is unknown."
            )
        return numbers


def to_floats(values, name, origin):
    """Convert a column to float64: dates to days from an origin, missing values to NaN."""
    if origin is None and values.dtype.kind in "iuf":
        return values.astype(np.float64)
    if origin is not None and values.dtype.kind == origin.dtype.kind:
        return (values - origin) / DAY
    if is_missing(values).all():
        return np.full(len(values), np.nan)
    before = "numbers" if origin is None else origin.dtype
    now = "text or booleans" if values.dtype.kind == "O" else values.dtype
    raise ValueError(
        f"Column {name!r} contained {before} during fit, but now contains {now}. Convert it to the "
        "type seen during fit."
    )


def decimals(dtype, numbers):
    """Number of decimals of a column, up to the precision of its dtype, or None if many."""
    numbers = numbers[~np.isnan(numbers)]
    return n_decimals(numbers, np.finfo(dtype).eps) if dtype.kind == "f" else n_decimals(numbers)


def from_days(days, origin):
    """Convert days from an origin to dates or durations."""
    unit = np.timedelta64(1, np.datetime_data(origin.dtype))
    steps = np.rint(np.clip(days * (DAY / unit), -MAX_STEPS, MAX_STEPS))
    return origin + steps.astype(unit.dtype)
