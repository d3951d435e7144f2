"""Encoding of mixed tables as numbers, and the way back."""

import re
import sys
from collections import Counter
from decimal import Decimal
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.preprocessing import (
    MinMaxScaler,
    OneHotEncoder,
    QuantileTransformer,
    StandardScaler,
)
from sklearn.utils import check_array
from sklearn.utils._param_validation import Interval, Options, RealNotInt, StrOptions
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, validate_data

__all__ = ["TabularEncoder"]

#: Dates are counted in days from the first one seen.
DAY = np.timedelta64(1, "D")

#: Longest way from the first date, in the column's unit, that overflows no integer.
FAR = 2.0**62


class TabularEncoder(TransformerMixin, BaseEstimator):
    """Encode a table of mixed columns as numbers of similar size, and decode such numbers.

    Numbers are scaled. Dates and durations become days and are scaled, too. Categories, text and
    booleans become one column of zeros and ones per level (one-hot). Missing numbers and dates are
    replaced by the median, and a column of zeros and ones says where; a missing category is a
    level of its own.

    :meth:`inverse_transform` makes a table of the kind, the columns and the dtypes
    that `fit` has seen, out of any numbers: it is meant for what a generator puts out. Every
    value is valid. Of a group of one-hot columns the largest wins, integers are rounded, and a
    value is missing where its indicator exceeds one half.

    See the :ref:`user guide <tabular>`.

    Parameters
    ----------
    numeric : {"standard", "minmax", "quantile"}, default="standard"
        How to scale numbers and dates.

        - "standard": to mean 0 and variance 1. The detectors of this package
          have been tuned on such features, and a value far outside of what was seen stays
          far outside.
        - "minmax": to the range 0 to 1, for networks that end in a sigmoid.
        - "quantile": to a normal distribution by ranks. It tames columns with
          long tails, but what lies beyond the range seen is taken for its end: a value that
          is too large to be normal cannot be told from the largest normal one. Of 1000 quantiles,
          or of as many as there are rows.

    categorical_features : "from_dtype" or array-like of bool, int or str, default="from_dtype"
        Columns to encode by levels, besides those of text, categories and booleans, which always
        are: a mask, positions or names, for columns of numbers that are codes.

    min_frequency : int, float or None, default=None
        Levels that are rarer, in rows or as a fraction of the rows, share one output column. See
        :class:`~sklearn.preprocessing.OneHotEncoder`.

    max_categories : int or None, default=255
        Largest number of output columns of one input column. Its rarest levels
        share one, so that a column of names or keys does not fill the memory.

    clip : bool, default=True
        Whether :meth:`inverse_transform` confines numbers and dates to the range that `fit` has
        seen. Without, the encoding of any row is inverted, beyond the range as well; but a
        generator may then make a negative age. Integers are confined to their dtype either way.

    dtype : {numpy.float32, numpy.float64}, default=numpy.float32
        Type of the output. In float32 the way there and back keeps about 7 digits of a
        column's spread: large integers and fine timestamps want float64, which keeps 16.

    Attributes
    ----------
    feature_groups_ : dict of str to ndarray of int
        For each input column, in order, its output columns: the scaled number and its indicator
        of missing values, if it has one, or the levels. Keys are the names of the
        columns, or "x0", "x1", ... without names.

    categorical_groups_ : list of tuple of int
        The output columns of each one-hot group, in the order of the input columns.

    n_features_in_ : int
        Number of columns seen in `fit`.

    feature_names_in_ : ndarray of str of shape (`n_features_in_`,)
        Names of the columns, if they all are strings.

    See Also
    --------
    TabularDetector : A detector with this encoder before it.
    sklearn.compose.ColumnTransformer : Transforms columns by your own choice, one way.

    Notes
    -----
    - The output has first the numbers and dates, in the order of the table, then their
      indicators, then the levels.
    - Pandas and polars frames and arrays are taken; a column of objects must hold only numbers,
      only text or only booleans. Time zones, units, ordered categories and nullable
      dtypes come back as they were. The index of a frame does not.
    - A level that `fit` has not seen goes with the rare levels if there are any; otherwise its
      group is zero, and comes back as the first level. Rare levels come back as the
      most frequent of them.
    - Only a column that had missing values in `fit` has an indicator. A number that is
      missing elsewhere comes back as the median.
    - NaN, None, NaT, ``pandas.NA`` and null are all missing, and come back as what the dtype has
      for it: in polars as null.

    Examples
    --------
    >>> import pandas as pd
    >>> from skgad.preprocessing import TabularEncoder
    >>> X = pd.DataFrame({"age": [20, 30, 40], "job": ["nurse", "smith", "nurse"]})
    >>> encoder = TabularEncoder().fit(X)
    >>> encoder.get_feature_names_out().tolist()
    ['age', 'job_nurse', 'job_smith']
    >>> encoder.inverse_transform([[0.1, 0.3, 0.6]])
       age    job
    0   31  smith
    """

    _parameter_constraints: dict = {
        "numeric": [StrOptions({"standard", "minmax", "quantile"})],
        "categorical_features": [StrOptions({"from_dtype"}), "array-like"],
        "min_frequency": [
            Interval(Integral, 1, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="neither"),
            None,
        ],
        "max_categories": [Interval(Integral, 1, None, closed="left"), None],
        "clip": ["boolean"],
        "dtype": [Options(type, {np.float32, np.float64})],
    }

    def __init__(
        self,
        *,
        numeric="standard",
        categorical_features="from_dtype",
        min_frequency=None,
        max_categories=255,
        clip=True,
        dtype=np.float32,
    ):
        self.numeric = numeric
        self.categorical_features = categorical_features
        self.min_frequency = min_frequency
        self.max_categories = max_categories
        self.clip = clip
        self.dtype = dtype

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Learn the columns, their types, scales and levels.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            Table to learn.
        y : Ignored
            Present for API consistency by convention.

        Returns
        -------
        self : object
            The fitted encoder.

        Raises
        ------
        ValueError
            If there are no rows or columns, two columns of one name, or infinite values.
        TypeError
            If a column holds something else than numbers, text, categories, booleans or dates.
        """
        X = self._check_table(X, reset=True)
        names = _check_feature_names_in(self)
        self._table = table_class(X)(X)
        columns = self._table.read(X, names)
        listed = self._listed_features(names)
        is_level = [listed[j] or column.dtype == object for j, column in enumerate(columns)]
        self._level_indices = np.flatnonzero(is_level)
        self._number_indices = np.flatnonzero(np.logical_not(is_level))
        owners = [*self._fit_numbers(columns), *self._fit_levels(columns)]
        owners = np.concatenate(owners)
        self.feature_groups_ = {name: np.flatnonzero(owners == j) for j, name in enumerate(names)}
        groups = list(self.feature_groups_.values())
        self.categorical_groups_ = [tuple(groups[j].tolist()) for j in self._level_indices]
        return self

    def _check_table(self, X, reset):
        """Check the shape and the names; only an array is converted."""
        if table_class(X) is NumpyTable:
            options = {"reset": reset, "ensure_all_finite": "allow-nan"}
            array = validate_data(self, X, dtype=None, **options)
            if array.dtype.kind == "U" and not hasattr(X, "dtype"):
                return validate_data(self, X, dtype=object, **options)  # a list of text and numbers
            return array
        several = [name for name, count in Counter(X.columns).items() if count > 1]
        if several:
            raise ValueError(f"Columns must have different names, but there are several {several}.")
        validate_data(self, X, reset=reset, skip_check_array=True)
        if 0 in X.shape:
            raise ValueError(
                f"Found a frame of {X.shape[0]} rows and {X.shape[1]} columns: "
                f"{type(self).__name__} needs at least one of each."
            )
        return X

    def _listed_features(self, names):
        """Mask of the columns that `categorical_features` lists."""
        listed = np.zeros(len(names), dtype=bool)
        if isinstance(self.categorical_features, str) or not len(self.categorical_features):
            return listed
        features = np.asarray(self.categorical_features)
        try:
            if features.dtype.kind in "UOT":
                features = [names.tolist().index(name) for name in features]
            listed[features] = True
        except (IndexError, ValueError) as error:
            raise ValueError(
                f"categorical_features={self.categorical_features!r} does not fit the table's "
                f"{len(names)} columns, {names.tolist()}: give names, positions or a mask."
            ) from error
        return listed

    def _fit_numbers(self, columns):
        """Learn the scales; return the input columns of the output columns."""
        indices = self._number_indices
        self._origins = {
            j: np.fmin.reduce(columns[j]) for j in indices if columns[j].dtype.kind in "mM"
        }
        if not len(indices):
            return []
        numbers = self._numbers(columns)
        # Complains of a new missing value otherwise, which is simply replaced.
        self._indicator = MissingIndicator(error_on_new=False).fit(numbers)
        self._imputer = SimpleImputer(strategy="median", keep_empty_features=True)
        self._ranges = np.fmin.reduce(numbers), np.fmax.reduce(numbers)
        numbers = self._imputer.fit_transform(numbers)
        scalers = {
            "standard": StandardScaler(),
            "minmax": MinMaxScaler(),
            "quantile": QuantileTransformer(
                n_quantiles=min(1000, len(numbers)), output_distribution="normal", subsample=None
            ),
        }
        self._scaler = scalers[self.numeric].fit(numbers)
        return [indices, indices[self._indicator.features_]]

    def _fit_levels(self, columns):
        """Learn the levels; return the input columns of the output columns."""
        indices, self._levels = self._level_indices, []
        if not len(indices):
            return []
        objects = self._objects(columns)
        self._one_hot = OneHotEncoder(
            handle_unknown="infrequent_if_exist",
            min_frequency=self.min_frequency,
            max_categories=self.max_categories,
            sparse_output=False,
            dtype=self.dtype,
        ).fit(objects)
        rare = getattr(self._one_hot, "infrequent_categories_", [None] * len(indices))
        self._levels = [
            output_levels(*known, column).astype(columns[j].dtype)
            for j, *known, column in zip(
                indices, self._one_hot.categories_, rare, objects.T, strict=True
            )
        ]
        return [np.repeat(indices, [len(levels) for levels in self._levels])]

    def _numbers(self, columns):
        """Numbers, and dates as days from the first one seen, with NaN for missing."""
        names = _check_feature_names_in(self)
        numbers = np.column_stack(
            [to_numbers(columns[j], names[j], self._origins.get(j)) for j in self._number_indices]
        )
        infinite = np.isinf(numbers).any(axis=0)
        if infinite.any():
            raise ValueError(
                f"Input X contains infinity in {names[self._number_indices[infinite]].tolist()}: "
                "replace it by a finite number, or by NaN if the value is unknown."
            )
        return numbers

    def _objects(self, columns):
        return np.column_stack([to_levels(columns[j]) for j in self._level_indices])

    def _check_text(self, objects, names):
        """Refuse numbers for text and text for numbers, of which no level would be known."""
        for j, now, known in zip(
            self._level_indices, objects.T, self._one_hot.categories_, strict=True
        ):
            if {holds_text(now), holds_text(known)} == {True, False}:
                kinds = ("text", "no text") if holds_text(known) else ("no text", "text")
                raise ValueError(
                    f"Column {names[j]!r} held {kinds[0]} in fit, but now {kinds[1]}: convert it."
                )

    def transform(self, X):
        """Encode a table.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            Table with the columns that `fit` has seen.

        Returns
        -------
        X_encoded : ndarray of shape (n_samples, n_features_out)
            Finite numbers; a frame if :meth:`set_output` asks for one.

        Raises
        ------
        ValueError
            If the columns are others than in `fit`, or in another order, if a column
            holds something else than in `fit`, or if a value is infinite or becomes infinite in
            `dtype`.
        """
        check_is_fitted(self)
        X = self._check_table(X, reset=False)
        names = _check_feature_names_in(self)
        columns = table_class(X).read(X, names)
        blocks = []
        if len(self._number_indices):
            numbers = self._numbers(columns)
            blocks += [self._scaler.transform(self._imputer.transform(numbers))]
            blocks += [self._indicator.transform(numbers)]
        if len(self._level_indices):
            objects = self._objects(columns)
            self._check_text(objects, names)
            blocks += [self._one_hot.transform(objects)]
        with np.errstate(over="ignore"):
            encoded = np.hstack(blocks, dtype=self.dtype, casting="same_kind")
        infinite = [
            name
            for name, group in self.feature_groups_.items()
            if not np.isfinite(encoded[:, group]).all()
        ]
        if infinite:
            raise ValueError(
                f"Values of {infinite} are too far from those of the fit to be encoded as "
                f"{np.dtype(self.dtype)}: check them, or replace them by NaN."
            )
        return encoded

    def inverse_transform(self, X):
        """Make a table of encoded rows, or of any numbers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features_out)
            Finite numbers, from :meth:`transform` or from a generator.

        Returns
        -------
        X_original : frame or ndarray of shape (n_samples, n_features)
            A table of the kind that `fit` has seen, with its columns and dtypes.

        Raises
        ------
        ValueError
            If `X` does not have the columns of the output, or values that are not finite.
        """
        check_is_fitted(self)
        X = check_array(X, dtype=np.float64, input_name="X")
        n_features_out = sum(map(len, self.feature_groups_.values()))
        if X.shape[1] != n_features_out:
            raise ValueError(
                f"X has {X.shape[1]} columns, but {type(self).__name__} makes {n_features_out}: "
                "see get_feature_names_out()."
            )
        columns = dict(self._decoded_numbers(X))
        for j, group, known in zip(
            self._level_indices, self.categorical_groups_, self._levels, strict=True
        ):
            columns[j] = known[X[:, group].argmax(axis=1)]
        return self._table.make([columns[j] for j in range(self.n_features_in_)])

    def _decoded_numbers(self, X):
        """Positions and values of the columns of numbers and dates."""
        indices = self._number_indices
        if not len(indices):
            return
        numbers = self._scaler.inverse_transform(X[:, : len(indices)])
        if self.clip:
            numbers = np.clip(numbers, *self._ranges)
        holes = self._indicator.features_
        is_hole = X[:, len(indices) : len(indices) + len(holes)] > 0.5
        numbers[:, holes] = np.where(is_hole, np.nan, numbers[:, holes])
        for j, column in zip(indices, numbers.T, strict=True):
            yield j, from_numbers(column, self._table.dtypes[j], self._origins.get(j))

    def get_feature_names_out(self, input_features=None):
        """Names of the output columns.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the input columns, if `fit` has seen none.

        Returns
        -------
        feature_names_out : ndarray of str
            A number keeps its name, an indicator is "missingindicator_age", a level "job_nurse".
        """
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        numbers, levels = names[self._number_indices], names[self._level_indices]
        names_out = [numbers]
        if len(numbers):
            names_out += [self._indicator.get_feature_names_out(numbers)]
        if len(levels):
            names_out += [self._one_hot.get_feature_names_out(levels)]
        return np.concatenate(names_out).astype(object)

    def __sklearn_tags__(self):
        """Tell scikit-learn what input is taken."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = [np.dtype(self.dtype).name]
        return tags


# ------------------------------------------------------------------------------------- one column


def to_numbers(values, name, origin):
    """Column as float64, NaN where it is missing; dates as days from an origin."""
    before, now = ("" if origin is None else origin.dtype.kind), values.dtype.kind
    if before and now == before:
        return (values - origin) / DAY
    if not before and now in "iuf":
        return values.astype(np.float64)
    if is_missing(values).all():
        return np.full(len(values), np.nan)
    raise ValueError(
        f"Column {name!r} held {origin.dtype if before else 'numbers'} in fit, but now "
        f"{'text or booleans' if now == 'O' else values.dtype}: convert it."
    )


def from_numbers(numbers, dtype, origin):
    """Column of a dtype, or a column that becomes one when it is cast."""
    if origin is not None:
        unit = np.timedelta64(1, np.datetime_data(origin.dtype))
        steps = np.rint(np.clip(numbers * (DAY / unit), -FAR, FAR))
        return origin + steps.astype(unit.dtype)
    integer = re.match(r"u?int\d+", str(dtype).lower())
    if integer:
        limits = np.iinfo(integer[0])
        last = float(limits.max)  # of 64 bits, it is rounded up
        last = np.nextafter(last, 0) if last > limits.max else last
        return np.clip(np.rint(numbers), limits.min, last)
    return numbers


def to_levels(values):
    """Column of objects, None where it is missing."""
    objects = values.astype(object)
    objects[is_missing(values)] = None
    return objects


def is_missing(values):
    """Mask of None, NaN, NaT and pandas.NA."""
    if pandas := sys.modules.get("pandas"):
        return pandas.isna(values)
    values = values.astype(object)
    return np.equal(values, None) | (values != values)


def holds_text(objects):
    """Whether the first level is text; None if all are missing."""
    return next((isinstance(level, str) for level in objects if level is not None), None)


def output_levels(categories, rare, column):
    """Level that each output column stands for; the rare ones by the most frequent of them."""
    if rare is None:
        return categories
    counts = Counter(column)
    kept = [level for level in categories if level not in set(rare)]
    levels = np.empty(len(kept) + 1, dtype=object)
    levels[:] = [*kept, max(rare, key=counts.get)]
    return levels


def numbers_or_levels(values, name):
    """Column of objects as float64 if it holds numbers, as levels if it holds text or booleans."""
    objects = to_levels(values)
    types = set(map(type, objects)) - {type(None)}
    if all(issubclass(one, str) for one in types):
        return objects
    booleans = [one for one in types if issubclass(one, (bool, np.bool_))]
    if len(booleans) == len(types):
        return objects
    if not booleans and all(issubclass(one, (Real, Decimal)) for one in types):
        return objects.astype(np.float64)
    found = " and ".join(sorted(one.__name__ for one in types))
    raise TypeError(
        f"Column {name!r} is of objects and holds {found}. It must hold only numbers, only text or "
        "only booleans: convert it, dates for example with pandas.to_datetime, or drop it."
    )


# ------------------------------------------------------------------------------------ whole tables
# A table is read as one array per column: numbers, datetime64, timedelta64, or levels as objects.
# What has seen a table makes another of its kind, of arrays in the order of its columns.


class NumpyTable:
    """Two-dimensional array: all columns have one dtype."""

    def __init__(self, X):
        self.dtypes = [X.dtype] * X.shape[1]

    @staticmethod
    def read(X, names):
        """One array per column."""
        if X.dtype.kind in "iufmM":
            return list(X.T)
        return [numbers_or_levels(x, name) for x, name in zip(X.T, names, strict=True)]

    def make(self, columns):
        """Array of the columns."""
        X = np.empty((len(columns[0]), len(columns)), dtype=self.dtypes[0])
        for j, column in enumerate(columns):
            X[:, j] = column
        return X


class PandasTable:
    """Frame of pandas."""

    def __init__(self, X):
        self.columns = X.columns
        self.dtypes = X.dtypes.tolist()

    @classmethod
    def read(cls, X, names):
        """One array per column."""
        return [cls._read(X.iloc[:, j], name) for j, name in enumerate(names)]

    @staticmethod
    def _read(column, name):
        import pandas as pd

        dtype = column.dtype
        if isinstance(dtype, (pd.CategoricalDtype, pd.StringDtype)) or dtype.kind == "b":
            return to_levels(column.to_numpy(dtype=object))
        if dtype.kind == "O":
            return numbers_or_levels(column.to_numpy(), name)
        if isinstance(dtype, pd.DatetimeTZDtype):
            column = column.dt.tz_convert(None)
        if dtype.kind in "mM":
            return column.to_numpy()
        if dtype.kind in "iuf":
            if column.hasnans:
                return column.to_numpy(dtype=np.float64, na_value=np.nan)
            return column.to_numpy()
        raise no_such_dtype(name, dtype)

    def make(self, columns):
        """Frame of the columns."""
        import pandas as pd

        frame = pd.DataFrame(dict(enumerate(map(self._make, columns, self.dtypes))))
        frame.columns = self.columns
        return frame

    @staticmethod
    def _make(values, dtype):
        import pandas as pd

        column = pd.Series(values, dtype=values.dtype)
        if isinstance(dtype, pd.DatetimeTZDtype):
            column = column.dt.tz_localize("UTC")
        return column.astype(dtype)


class PolarsTable:
    """Frame of polars."""

    def __init__(self, X):
        self.columns = X.columns
        self.dtypes = X.dtypes

    @classmethod
    def read(cls, X, names):
        """One array per column."""
        return [cls._read(column, name) for column, name in zip(X, names, strict=True)]

    @staticmethod
    def _read(column, name):
        import polars as pl

        dtype = column.dtype
        if dtype in (pl.Boolean, pl.String, pl.Categorical, pl.Enum, pl.Null):
            return to_levels(np.array(column.to_list(), dtype=object))
        if dtype.is_numeric():
            column = column.cast(pl.Float64) if dtype.is_decimal() else column
            return column.to_numpy()
        if dtype in (pl.Date, pl.Datetime, pl.Duration):
            return column.to_numpy()
        raise no_such_dtype(name, dtype)

    def make(self, columns):
        """Frame of the columns."""
        import polars as pl

        series = map(self._make, self.columns, columns, self.dtypes)
        return pl.DataFrame(list(series))

    @staticmethod
    def _make(name, values, dtype):
        import polars as pl

        if values.dtype == object:
            return pl.Series(name, values.tolist()).cast(dtype)
        return pl.Series(name, values, nan_to_null=values.dtype.kind == "f").cast(dtype)


def table_class(X):
    """Class that reads a table."""
    for name, cls in (("pandas", PandasTable), ("polars", PolarsTable)):
        library = sys.modules.get(name)  # who has a frame has imported its library
        if library and isinstance(X, library.DataFrame):
            return cls
    return NumpyTable


def no_such_dtype(name, dtype):
    """Error for a column that cannot be encoded."""
    return TypeError(
        f"Column {name!r} has dtype {dtype}, which is neither numbers, text, categories, booleans "
        "nor dates: convert or drop it."
    )
