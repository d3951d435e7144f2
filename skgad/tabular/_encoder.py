"""Encoding of mixed tables as numbers, and decoding."""

from copy import copy
from numbers import Integral
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted, validate_data

from .._frames import (
    Table,
    check_frame,
    collect,
    fill_masked,
    is_categorical,
    is_frame,
    read_columns,
    schema_of,
)
from .._sklearn_compat import (
    Interval,
    Options,
    RealNotInt,
    StrOptions,
    _check_feature_names_in,
    _fit_context,
)
from .._typing import MatrixLike
from ..engine.runtime import warn
from ._dates import PERIODS, TextDates
from ._levels import LevelEncoder, warn_of_keys
from ._numbers import NumberEncoder
from ._piecewise import check_overflow

__all__ = ["TabularEncoder"]

#: Codes are at most the square root of the largest number, divided by this.
SQUARES_MARGIN = 1e3


class TabularEncoder(TransformerMixin, BaseEstimator):
    """Encode a table of mixed columns as numbers of similar scale, and decode such numbers.

    Numbers are scaled. Dates and durations are converted to days and scaled, and dates with times
    have the time of the day, the day of the week and the day of the year besides. Categories, text
    and booleans are one-hot encoded, but text that contains dates is encoded as dates. A missing
    number or date is replaced by the median of its column, and an indicator column of zeros and
    ones marks it. A missing category is a level of its own.

    :meth:`inverse_transform` decodes any numbers, such as the output of a generator, to a table
    with the columns and the dtypes seen in `fit`. All its values are valid: within a one-hot group,
    the column with the largest value wins; numbers are rounded to the decimals that their column
    has, if these are at most 6; a value is missing if its indicator exceeds 0.5.

    Read more in the :ref:`user guide <tabular>`.

    .. versionadded:: 0.1

    Parameters
    ----------
    numeric : str, default="standard"
        Encoding of numbers and dates, one of:

        - "standard": zero mean and unit variance. A value far outside the range seen in `fit`
          remains far outside. The detectors of this package encode such features further, see
          :ref:`encoding`.
        - "minmax": the range 0 to 1, for networks that end in a sigmoid. The detectors of this
          package see this range only if they do not encode it further.
        - "quantile": a normal distribution, by ranks. This shortens long tails. Values beyond the
          range seen in `fit` are mapped to its ends, so a value that is too large to be normal
          cannot be distinguished from the largest normal value. The number of quantiles is 1000,
          or the number of rows if that is smaller.
        - "piecewise": codes for the pieces between the values of a column that has few distinct
          values; all other columns have zero mean and unit variance. See
          :class:`PiecewiseLinearEncoder`, which is used with its default parameters. A value far
          outside the range seen in `fit` remains far outside.
        - "piecewise+frequency": in addition, codes of how rare a value is, for columns of numbers
          that repeat. Missing values are imputed before values are counted.

    categorical_features : "from_dtype" or array-like of bool, int or str, default="from_dtype"
        Additional columns to one-hot encode, such as numbers that are codes: names, positions or a
        boolean mask. Columns of text, categories and booleans are always one-hot encoded. There is
        no warning that little can be learned from a listed column.

    min_frequency : int, float or None, default=None
        Levels that occur less often than this share one output column: a number of rows or a
        fraction of the rows. See :class:`~sklearn.preprocessing.OneHotEncoder`.

    max_categories : int or None, default=255
        Maximum number of output columns of one input column. The least frequent levels share one
        output column, which limits the memory that a column of names or keys can take.

    high_cardinality : {"infrequent", "hash"}, default="infrequent"
        What happens to columns of more than `max_categories` levels.

        - "infrequent": the least frequent levels share one output column, and `fit` warns of
          columns of text from which little can be learned.
        - "hash": all levels are hashed to `max_categories` output columns. Unrelated levels share
          a column, which is decoded as the most frequent of them, and so do levels that are not
          seen in `fit`. There is no warning.

    date_cycles : "auto", array-like of {"day", "week", "year"} or None, default="auto"
        Cycles of dates: the time of the day, the day of the week and the day of the year. Each is
        encoded as the sine and the cosine of its phase. If listed, they are encoded for all columns
        of dates; None means none. "auto" stands for the cycles of which the dates of the column
        cover more than one period, provided that the column has more than two times of the day.

    clip : bool, default=True
        Whether :meth:`inverse_transform` clips numbers and dates to the range seen in `fit`. If
        False, rows beyond that range are decoded correctly, but a generator may produce, for
        example, a negative age. Integers are always clipped to the range of their dtype.

    dtype : {numpy.float32, numpy.float64}, default=numpy.float32
        Dtype of the output. With float32, encoding and decoding preserve about 7 digits of the
        spread of a column. Large integers and fine timestamps need float64, which preserves 16.

    Attributes
    ----------
    feature_groups_ : dict of str to ndarray of int
        Output columns of each input column, in the order of the input columns: either the scaled
        number or its codes and, if there is one, the indicator of missing values, or the levels.
        Keys are the names of the columns, or "x0", "x1", ... if they have none.

    categorical_groups_ : list of tuple of int
        Output columns of each one-hot group, in the order of the input columns.

    n_features_in_ : int
        Number of columns seen in `fit`.

    feature_names_in_ : ndarray of str of shape (`n_features_in_`,)
        Names of the columns seen in `fit`. Defined only if all of them are strings.

    See Also
    --------
    TabularDetector : A detector that encodes tables with this encoder.
    PiecewiseLinearEncoder : The encoding of ``numeric="piecewise"`` on its own.
    sklearn.compose.ColumnTransformer : Apply a different transformer to each column, without
        decoding.

    Notes
    -----
    - The output columns are ordered: first the numbers and dates in the order of the table, then
      the cycles of dates, the indicators and the levels.
    - Frames of pandas and polars, tables of PyArrow and arrays are accepted. Lazy frames of polars,
      relations of DuckDB, datasets of PyArrow and paths of Parquet files are read; the last three
      are decoded to tables of PyArrow. A column of objects must contain only numbers, only text,
      only booleans, only dates or only durations. Time zones, units, ordered categories and
      nullable dtypes are restored when decoding; the index of a frame is not.
    - A column of text contains dates if all its values are dates, or dates with times, as ISO 8601
      writes them: 2024-12-31, 2024-12-31T23:59, 2024-12-31 23:59:59.5+01:00. They are decoded to
      text. To treat them as categories, list the column in `categorical_features`, or give it a
      dtype of categories.
    - The cycles of dates with a time zone are those of UTC, unless they are text and all have the
      same zone. A date is decoded as the closest one to its position in time that agrees with its
      cycles, so that a date drawn by a generator has a time of the day that the generator has
      learned.
    - A level not seen in `fit` is encoded as the infrequent levels if there are any. Otherwise its
      group is all zeros and is decoded as the first level. The column of infrequent levels is
      decoded as the most frequent of them.
    - Only a column with missing values in `fit` has an indicator. If a value of another column is
      missing later, :meth:`transform` warns, and encodes it as far outside: as a number that is ten
      ranges of the column above its largest value, or as 10 in all output columns of its levels. A
      detector then takes it as abnormal. With ``numeric="quantile"``, it is the largest value.
    - Masked values of numpy's masked arrays are missing values.
    - Numbers up to 3.4e38, the largest float32, are encoded, but no code is larger than 1.8e16, or
      1.3e151 with float64, in absolute value. Detectors can square such codes without overflow.
    - NaN, None, NaT, ``pandas.NA`` and null are all missing values. They are decoded as the missing
      value of the dtype, which is null in polars.

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
        "numeric": [
            StrOptions({"standard", "minmax", "quantile", "piecewise", "piecewise+frequency"})
        ],
        "categorical_features": [StrOptions({"from_dtype"}), "array-like"],
        "min_frequency": [
            Interval(Integral, 1, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="neither"),
            None,
        ],
        "max_categories": [Interval(Integral, 1, None, closed="left"), None],
        "high_cardinality": [StrOptions({"infrequent", "hash"})],
        "date_cycles": [StrOptions({"auto"}), "array-like", None],
        "clip": ["boolean"],
        "dtype": [Options(type, {np.float32, np.float64})],
    }

    feature_groups_: dict[str, NDArray[np.intp]]
    categorical_groups_: list[tuple[int, ...]]
    n_features_in_: int
    feature_names_in_: NDArray[Any]

    def __init__(
        self,
        *,
        numeric: Literal[
            "standard", "minmax", "quantile", "piecewise", "piecewise+frequency"
        ] = "standard",
        categorical_features: Literal["from_dtype"] | ArrayLike = "from_dtype",
        min_frequency: int | float | None = None,
        max_categories: int | None = 255,
        high_cardinality: Literal["infrequent", "hash"] = "infrequent",
        date_cycles: Literal["auto"] | ArrayLike | None = "auto",
        clip: bool = True,
        dtype: type[np.float32] | type[np.float64] = np.float32,
    ):
        self.numeric = numeric
        self.categorical_features = categorical_features
        self.min_frequency = min_frequency
        self.max_categories = max_categories
        self.high_cardinality = high_cardinality
        self.date_cycles = date_cycles
        self.clip = clip
        self.dtype = dtype

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: MatrixLike, y: Any = None) -> Self:
        """Learn the columns, their dtypes, scales and levels.

        Parameters
        ----------
        X : {array-like, dataframe} of shape (n_samples, n_features)
            Table to learn from.
        y : Ignored
            Present for API consistency by convention.

        Returns
        -------
        self : object
            The fitted encoder.

        Raises
        ------
        ValueError
            If `X` has no rows, no columns, several columns of the same name or infinite values, or
            if a value is so far from the others that nothing can be learned from its column.
        TypeError
            If a column contains anything but numbers, text, categories, booleans, dates or
            durations.

        Warns
        -----
        UserWarning
            If little can be learned from a column of text, because nearly all of its values are
            different, or from a column of numbers, because one of them dwarfs the others.
        """
        learned = copy(self)._learn(X)  # if this fails, an earlier fit stays as it is
        self.__dict__ = vars(learned)
        return self

    def _learn(self, X):
        """Set the fitted attributes."""
        X = self._check_table(X, reset=True)
        names = _check_feature_names_in(self)
        columns, self._text_dates = self._find_text_dates(X, names)
        numbers, levels = self._split_columns(columns, names)
        if self.high_cardinality == "infrequent":
            listed = names[self._listed_features(names)]
            warn_of_keys({name: levels[name] for name in levels if name not in listed})
        self._schema = schema_of(X)
        self._numbers = NumberEncoder(self.numeric, self._chosen_cycles()).fit(numbers)
        self._levels = LevelEncoder(
            min_frequency=self.min_frequency,
            max_categories=self.max_categories,
            high_cardinality=self.high_cardinality,
            dtype=self.dtype,
        ).fit(levels)

        groups: dict[str, list[int]] = {name: [] for name in names}
        outputs = [*self._numbers.feature_of_output, *self._levels.feature_of_output]
        for output, name in enumerate(outputs):
            groups[name].append(output)
        self.feature_groups_ = {name: np.array(group) for name, group in groups.items()}
        self.categorical_groups_ = [tuple(groups[name]) for name in self._levels.names]
        return self

    def transform(self, X: MatrixLike) -> NDArray[Any]:
        """Encode a table.

        Parameters
        ----------
        X : {array-like, dataframe} of shape (n_samples, n_features)
            Table with the columns seen in `fit`.

        Returns
        -------
        X_encoded : ndarray of shape (n_samples, n_features_out)
            Finite numbers. A frame if :meth:`set_output` requests one.

        Raises
        ------
        ValueError
            If the columns, their order or the type of their values differ from those seen in
            `fit`, or if a value is infinite or overflows `dtype`.

        Warns
        -----
        UserWarning
            If values are missing in columns that had no missing values in `fit`.
        """
        check_is_fitted(self)
        X = self._check_table(X, reset=False)
        names = _check_feature_names_in(self)
        columns = dict(zip(names, read_columns(X, names), strict=True))
        for name in self._text_dates:
            columns[name] = self._parse_dates(name, columns[name])
        if new := [*self._numbers.newly_missing(columns), *self._levels.newly_missing(columns)]:
            warn(
                f"The columns {new} have missing values, but had none during fit. They are encoded "
                "as far outside the values seen, so that such rows are abnormal. If missing values "
                "are normal, fit on rows with some of them, or impute them first."
            )
        blocks = [*self._numbers.transform(columns), *self._levels.transform(columns)]
        with np.errstate(over="ignore"):  # reported below, with the names of the columns
            encoded = np.hstack(blocks, dtype=self.dtype, casting="same_kind")
        too_large = {*self._numbers.beyond_float32(columns)}
        groups = {name: group for name, group in self.feature_groups_.items() if name in too_large}
        check_overflow(encoded, groups)
        limit = self._largest_code()
        return np.clip(encoded, -limit, limit, out=encoded)

    def inverse_transform(self, X: MatrixLike) -> Table:
        """Decode rows, encoded by :meth:`transform` or produced by a generator.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features_out)
            Finite numbers.

        Returns
        -------
        X_original : {ndarray, dataframe} of shape (n_samples, n_features)
            Table of the type seen in `fit`, with the same columns and dtypes.

        Raises
        ------
        ValueError
            If `X` has another number of columns than the output of :meth:`transform`, or values
            that are not finite.
        """
        check_is_fitted(self)
        X = check_array(X, dtype=np.float64, input_name="X")
        n_numbers = len(self._numbers.feature_of_output)
        n_features_out = n_numbers + len(self._levels.feature_of_output)
        if X.shape[1] != n_features_out:
            raise ValueError(
                f"X has {X.shape[1]} columns, but {type(self).__name__} encodes tables to "
                f"{n_features_out} columns. See get_feature_names_out()."
            )
        numbers, levels = np.split(X, [n_numbers], axis=1)
        columns = {
            **self._numbers.inverse_transform(numbers, clip=self.clip),
            **self._levels.inverse_transform(levels),
        }
        for name, form in self._text_dates.items():
            columns[name] = form.format(columns[name])
        return self._schema.make_table([columns[name] for name in self.feature_groups_])

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[Any]:
        """Names of the output columns.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the input columns, if `fit` has not seen any.

        Returns
        -------
        feature_names_out : ndarray of str
            A number keeps the name of its column, such as "age", unless it is encoded by pieces,
            whose names are "age_piece0", "age_piece1", ... The name of its indicator is
            "missingindicator_age". The name of a level is, for example, "job_nurse".
        """
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        with_levels = {*self._levels.names}
        is_level = np.array([name in with_levels for name in self.feature_groups_])
        return np.array(
            [
                *self._numbers.get_feature_names_out(names[~is_level]),
                *self._levels.get_feature_names_out(names[is_level]),
            ],
            dtype=object,
        )

    def _check_table(self, X, reset):
        """Read the table; check its shape and column names. Frames stay as they are."""
        X = fill_masked(collect(X))
        if is_frame(X):
            check_frame(X)
            validate_data(self, X, reset=reset, skip_check_array=True)
            return X
        options = {"reset": reset, "ensure_all_finite": "allow-nan"}
        array = validate_data(self, X, dtype=None, **options)
        if array.dtype.kind == "U" and not hasattr(X, "dtype"):
            # Numpy converts lists of text and numbers to text.
            return validate_data(self, X, dtype=object, **options)
        return array

    def _find_text_dates(self, X, names):
        """Read the columns, those of text that contain dates as dates.

        Returns
        -------
        columns : list of ndarray
            The columns.
        text_dates : dict of str to TextDates
            Formats of the columns of text that contain dates.
        """
        columns = read_columns(X, names)
        stays = self._listed_features(names) | is_categorical(X)
        text_dates = {}
        for j in np.flatnonzero(~stays):
            form = TextDates.of(columns[j]) if columns[j].dtype == object else None
            if form is not None:
                columns[j] = form.parse(columns[j])
                text_dates[names[j]] = form
        return columns, text_dates

    def _parse_dates(self, name, column):
        """Convert a column that contained text with dates in `fit`; others stay as they are."""
        if column.dtype != object:
            return column
        try:
            return self._text_dates[name].parse(column)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"Column {name!r} contained text with dates during fit, but now {error}. If it "
                "contains categories, list it in categorical_features."
            ) from error

    def _largest_code(self):
        """Absolute value to which codes are clipped."""
        return np.sqrt(np.finfo(self.dtype).max) / SQUARES_MARGIN

    def _chosen_cycles(self):
        """Value of `date_cycles`, checked."""
        cycles = [] if self.date_cycles is None else self.date_cycles
        if isinstance(cycles, str):
            return cycles
        if unknown := [cycle for cycle in cycles if cycle not in PERIODS]:
            raise ValueError(f"date_cycles contains {unknown}. The cycles are {sorted(PERIODS)}.")
        return list(cycles)

    def _split_columns(self, columns, names):
        """Split columns into numbers and levels, as two dicts by name."""
        listed = self._listed_features(names)
        numbers, levels = {}, {}
        for name, column, is_listed in zip(names, columns, listed, strict=True):
            part = levels if is_listed or column.dtype == object else numbers
            part[name] = column
        return numbers, levels

    def _listed_features(self, names):
        """Boolean mask of the columns listed in `categorical_features`."""
        listed = np.zeros(len(names), dtype=bool)
        if isinstance(self.categorical_features, str) or not len(self.categorical_features):
            return listed
        features, names = np.asarray(self.categorical_features), names.tolist()
        try:
            if features.dtype.kind in "UOT":
                positions = {name: j for j, name in enumerate(names)}
                features = [positions[name] for name in features]
            listed[features] = True
        except (IndexError, KeyError, ValueError) as error:
            raise ValueError(
                f"categorical_features={self.categorical_features!r} does not match the "
                f"{len(names)} columns of X, {names}. Pass column names, positions or a boolean "
                "mask."
            ) from error
        return listed

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = [np.dtype(self.dtype).name]
        return tags
