"""A small detector and toy data that the tests of skgad.model_selection share."""

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin


class FirstColumn(OutlierMixin, BaseEstimator):
    """Scores by the first column and remembers the training sets of all instances."""

    training_sets = []

    def fit(self, X, y=None):
        self.training_sets.append((X, y))
        return self

    def score_samples(self, X):
        return np.asarray(X)[:, 0].astype(float)


def shuffled_labels(n_inliers, n_outliers, seed=0):
    y = np.repeat([1, -1], [n_inliers, n_outliers])
    return np.random.RandomState(seed).permutation(y)


def ring(n_samples=400, seed=0):
    """Rows on a circle. Outliers would be in its center or far outside."""
    rng = np.random.RandomState(seed)
    angle = rng.uniform(0, 2 * np.pi, n_samples)
    return np.column_stack([np.cos(angle), np.sin(angle)]) + 0.05 * rng.normal(size=(n_samples, 2))
