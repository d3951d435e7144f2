"""Columns of categories, text and booleans."""

from collections import Counter

import numpy as np
from sklearn.preprocessing import OneHotEncoder

from .._frames import as_levels


class LevelEncoder:
    """One-hot encode columns of levels; a missing value is a level of its own.

    Columns are passed as a dict of arrays by name.

    Parameters
    ----------
    min_frequency, max_categories, dtype
        Parameters of :class:`~sklearn.preprocessing.OneHotEncoder`.

    Attributes
    ----------
    names : list of str
        Names of the input columns.

    feature_of_output : list of str
        Name of the input column of each output column.
    """

    def __init__(self, *, min_frequency, max_categories, dtype):
        self.min_frequency = min_frequency
        self.max_categories = max_categories
        self.dtype = dtype

    def fit(self, columns):
        """Learn the levels."""
        self.names = self.feature_of_output = list(columns)
        if not columns:
            return self
        levels = self._to_levels(columns)
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
        return [self._one_hot.transform(levels)]

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
            Position of all other levels: that of infrequent levels, or -1 if there is none.
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
        return np.column_stack([as_levels(columns[name]) for name in self.names])


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
