"""Columns of categories, text and booleans."""

from collections import Counter

import numpy as np
from sklearn.preprocessing import OneHotEncoder
from sklearn.utils import murmurhash3_32

from .._frames import as_levels
from ..engine.runtime import warn
from ._numbers import FAR_OUTSIDE

#: Texts of a column with so many rows are unique if more than this share of them is different.
MIN_KEY_ROWS, MAX_UNIQUE_SHARE = 10, 0.9

#: Little can be learned from more levels than this, unless each has several rows on average.
MAX_LEVELS, MIN_ROWS_PER_LEVEL = 255, 10


class LevelEncoder:
    """One-hot encode columns of levels; a missing value is a level of its own.

    Columns are passed as a dict of arrays by name.

    Parameters
    ----------
    min_frequency, max_categories, dtype
        Parameters of :class:`~sklearn.preprocessing.OneHotEncoder`.

    high_cardinality : {"infrequent", "hash"}
        What happens to columns of more than `max_categories` levels; see :class:`TabularEncoder`.

    Attributes
    ----------
    names : list of str
        Names of the input columns.

    feature_of_output : list of str
        Name of the input column of each output column.
    """

    def __init__(self, *, min_frequency, max_categories, high_cardinality, dtype):
        self.min_frequency = min_frequency
        self.max_categories = max_categories
        self.high_cardinality = high_cardinality
        self.dtype = dtype

    def fit(self, columns):
        """Learn the levels."""
        self.names = self.feature_of_output = list(columns)
        if not columns:
            return self
        self._buckets = {}
        if self.high_cardinality == "hash" and self.max_categories is not None:
            for name, column in columns.items():
                counts = Counter(as_levels(column))
                if len(counts) > self.max_categories:
                    self._buckets[name] = Buckets(counts, self.max_categories)
        levels = self._to_levels(columns)
        self._had_missing = np.equal(levels, None).any(axis=0)
        self._one_hot = OneHotEncoder(
            handle_unknown="infrequent_if_exist",
            min_frequency=self.min_frequency,
            max_categories=self.max_categories,
            sparse_output=False,
            dtype=self.dtype,
        ).fit(levels)
        # The attribute does not exist if both limits are None.
        infrequent = getattr(self._one_hot, "infrequent_categories_", [None] * len(self.names))
        self._levels = [
            output_levels(known, rare, column).astype(columns[name].dtype)
            for name, known, rare, column in zip(
                self.names, self._one_hot.categories_, infrequent, levels.T, strict=True
            )
        ]
        self.feature_of_output = [
            name for name, known in zip(self.names, self._levels, strict=True) for _ in known
        ]
        return self

    def transform(self, columns):
        """Return the block of output columns, if there are any."""
        if not self.names:
            return []
        levels = self._to_levels(columns)
        for name, known, column in zip(
            self.names, self._one_hot.categories_, levels.T, strict=True
        ):
            check_text(column, known, name)
        codes = self._one_hot.transform(levels)
        is_new = np.equal(levels, None) & ~self._had_missing
        if is_new.any():
            codes[np.repeat(is_new, [len(known) for known in self._levels], axis=1)] = FAR_OUTSIDE
        return [codes]

    def newly_missing(self, columns):
        """Names of the columns with missing values that had none in fit."""
        if not self.names:
            return []
        is_new = np.equal(self._to_levels(columns), None).any(axis=0) & ~self._had_missing
        return [self.names[j] for j in np.flatnonzero(is_new)]

    def inverse_transform(self, X):
        """Convert output columns, or any finite numbers, to a dict of columns."""
        if not self.names:
            return {}
        ends = np.cumsum([len(known) for known in self._levels])
        groups = np.split(X, ends[:-1], axis=1)
        return {
            name: known[group.argmax(axis=1)]
            for name, known, group in zip(self.names, self._levels, groups, strict=True)
        }

    def positions(self, name):
        """Position of each level of a column among the output columns of this column.

        Returns
        -------
        positions : dict
            Levels and their positions. None is a missing value.
        unknown : int
            Position of all other levels: that of the infrequent levels, or -1 if they have no
            output column.
        """
        i, categories = self.names.index(name), self._one_hot.categories_
        rows = np.empty((len(categories[i]), len(categories)), dtype=object)
        rows[:] = [known[0] for known in categories]
        rows[:, i] = categories[i]
        start = sum(map(len, self._levels[:i]))
        n_outputs = len(self._levels[i])
        group = self._one_hot.transform(rows)[:, start : start + n_outputs]
        infrequent = getattr(self._one_hot, "infrequent_categories_", [None] * len(categories))[i]
        unknown = -1 if infrequent is None else n_outputs - 1
        return dict(zip(categories[i], group.argmax(axis=1).tolist(), strict=True)), unknown

    def get_feature_names_out(self, names):
        """Names of the output columns, given those of the input columns."""
        return self._one_hot.get_feature_names_out(names) if self.names else []

    def _to_levels(self, columns):
        columns = {name: as_levels(columns[name]) for name in self.names}
        for name, buckets in self._buckets.items():
            columns[name] = buckets.representatives(columns[name])
        return np.column_stack([*columns.values()])


class Buckets:
    """Hash levels to a fixed number of buckets, whose most frequent level stands for the others.

    Parameters
    ----------
    counts : dict of object to int
        Number of rows of each level. A missing value, which is None, has a bucket of its own.
    n_buckets : int
        Number of buckets.
    """

    def __init__(self, counts, n_buckets):
        self.n_buckets = max(1, n_buckets - (None in counts))
        self.most_frequent = {}
        for level in sorted(counts.keys() - {None}, key=lambda one: (-counts[one], str(one))):
            self.most_frequent.setdefault(self._bucket(level), level)

    def representatives(self, levels):
        """Replace levels by the most frequent level of their bucket, if `fit` has seen one."""
        known = {level: self.most_frequent.get(self._bucket(level), level) for level in set(levels)}
        replaced = np.empty(len(levels), dtype=object)
        replaced[:] = [known[level] for level in levels]
        return replaced

    def _bucket(self, level):
        if level is None:
            return None
        try:  # 1, 1.0 and True are the same level.
            text = level if isinstance(level, str) else repr(float(level))
        except TypeError:  # such as a date or an interval
            text = str(level)
        code = text.encode("utf-8", "surrogatepass")
        return murmurhash3_32(code, positive=True) % self.n_buckets


def warn_of_keys(columns):
    """Warn of columns of text from which little can be learned."""
    for name, column in columns.items():
        levels = as_levels(column)
        n_levels, n_rows = len(set(levels) - {None}), np.count_nonzero(~np.equal(levels, None))
        if contains_text(levels) and has_too_many_levels(n_levels, n_rows):
            warn(
                f"Column {name!r} has {n_levels} different texts in {n_rows} rows, so little can "
                "be learned from it. If it is an id, drop it. If it contains dates or numbers, "
                "convert it. If the texts matter, encode the table with a "
                "TabularEncoder(high_cardinality='hash')."
            )


def has_too_many_levels(n_levels, n_rows):
    """Whether a column has nearly as many levels as rows, or very many with few rows each."""
    if n_levels > MAX_LEVELS:
        return n_rows < MIN_ROWS_PER_LEVEL * n_levels
    return n_rows >= MIN_KEY_ROWS and n_levels > MAX_UNIQUE_SHARE * n_rows


def output_levels(categories, infrequent, column):
    """Return the level of each output column.

    The last output column stands for all infrequent levels, if there are any. Its level is the most
    frequent of them.
    """
    if infrequent is None:
        return categories
    rare, counts = set(infrequent), Counter(column)
    frequent = [level for level in categories if level not in rare]
    levels = np.empty(len(frequent) + 1, dtype=object)
    levels[:] = [*frequent, max(infrequent, key=counts.get)]
    return levels


def check_text(levels, known, name):
    """Reject numbers where fit has seen text, and the reverse: no level would be known."""
    has_text, had_text = contains_text(levels), contains_text(known)
    if {has_text, had_text} == {True, False}:
        before, now = ("text", "no text") if had_text else ("no text", "text")
        raise ValueError(
            f"Column {name!r} contained {before} during fit, but now contains {now}. Convert it to "
            "the type seen during fit."
        )


def contains_text(levels):
    """Whether levels are text, judged by the first one; None if all are missing."""
    return next((isinstance(level, str) for level in levels if level is not None), None)
