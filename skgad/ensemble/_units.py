"""Common units for the anomaly scores of different detectors, and their combination.

A unit is made from the anomaly scores of the training rows by one detector. Calling it converts the
anomaly scores of any rows. Larger values are more abnormal.
"""

from collections.abc import Callable

import numpy as np


class TailUnits:
    """Opposite of the logarithm of the share of training rows with at least the same score.

    Between the scores of two training rows, the values are interpolated. Beyond the most abnormal
    and the most normal training row, they are extrapolated, so different scores never get the same
    value.
    """

    def __init__(self, train_scores):
        self.scores, counts = np.unique(train_scores, return_counts=True)
        n_at_least = counts[::-1].cumsum()[::-1]
        self.values = np.log((len(train_scores) + 1) / n_at_least)
        excess = train_scores - self.scores[0]
        excess -= excess.mean()
        self.scale = excess[excess > 0].mean()

    def __call__(self, scores):
        """Convert anomaly scores."""
        above = np.maximum(scores - self.scores[-1], 0)
        below = np.maximum(self.scores[0] - scores, 0)
        inside = np.interp(scores, self.scores, self.values)
        return (inside + np.log1p(above / self.scale)) / (1 + below / self.scale)


class InterquartileUnits:
    """Scores minus their median, divided by their interquartile range.

    The standard deviation replaces an interquartile range of 0.
    """

    def __init__(self, train_scores):
        low, self.center, high = np.percentile(train_scores, [25, 50, 75])
        self.scale = high - low if high > low else np.std(train_scores)

    def __call__(self, scores):
        """Convert anomaly scores."""
        return (scores - self.center) / self.scale


class LogInterquartileUnits:
    """Logarithms of positive scores in units of their interquartile range.

    Scores below half the smallest positive score of the training rows count as this value. If the
    score of a training row is negative, the scores themselves take the place of the logarithms.
    """

    def __init__(self, train_scores):
        self.lowest = None
        if train_scores.min() >= 0:
            self.lowest = train_scores[train_scores > 0].min() / 2
        self.units = InterquartileUnits(self._logarithms(train_scores))

    def _logarithms(self, scores):
        return scores if self.lowest is None else np.log(np.maximum(scores, self.lowest))

    def __call__(self, scores):
        """Convert anomaly scores."""
        return self.units(self._logarithms(scores))


#: Class of each value of the parameter `scaling`.
UNITS = {"tail": TailUnits, "log_iqr": LogInterquartileUnits, "iqr": InterquartileUnits}


class Combination:
    """Mean or maximum of the anomaly scores of several detectors in common units.

    Parameters
    ----------
    train_scores : sequence of n_members ndarrays of shape (n_samples,)
        Anomaly scores of the training rows by each member.
    scaling : {"tail", "log_iqr", "iqr"}
        The common unit.
    combination : {"mean", "max"}
        How to combine the members.
    weights : ndarray of shape (n_members,)
        Weights with a sum of 1.
    """

    def __init__(self, train_scores, scaling, combination, weights):
        make_unit: Callable = UNITS[scaling]
        self.units = [make_unit(scores) for scores in train_scores]
        self.combination = combination
        self.weights = weights

    def __call__(self, member_scores):
        """Combine the anomaly scores of rows by each member."""
        converted = np.stack([unit(s) for unit, s in zip(self.units, member_scores, strict=True)])
        if self.combination == "max":
            return converted[self.weights > 0].max(axis=0)
        # A matrix product could round differently for different numbers of rows.
        return (self.weights[:, np.newaxis] * converted).sum(axis=0)
