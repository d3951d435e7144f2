"""Small detectors and labeled rows that the tests of skgad.calibration share."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.frozen import FrozenEstimator

few_rows = pytest.mark.filterwarnings("ignore:With .* held-out rows:UserWarning")


class FirstColumn(OutlierMixin, BaseEstimator):
    """Scores by the first column and remembers the rows that it was fitted to."""

    def fit(self, X, y=None):
        self.X_ = X
        return self

    def score_samples(self, X):
        return np.asarray(X)[:, 0].astype(float)


class RecordingDetector(FirstColumn):
    """Remembers the metadata of its rows as well."""

    def fit(self, X, y=None, labels=None, sample_weight=None):
        self.labels_, self.weights_ = labels, sample_weight
        return super().fit(X)


FITTED = FrozenEstimator(FirstColumn().fit([[0.0]]))


def column(values):
    return np.asarray(values, dtype=float)[:, None]


def labeled_rows(n_inliers=300, n_outliers=60, seed=0):
    """Inliers around 0 and outliers around -2 in the first column, and their labels."""
    rng = np.random.RandomState(seed)
    X = np.concatenate([rng.normal(0, 1, n_inliers), rng.normal(-2, 1, n_outliers)])
    return np.column_stack([X, rng.normal(size=len(X))]), np.repeat(
        [1, -1], [n_inliers, n_outliers]
    )


def partly_labeled_rows():
    """Rows of which a third has known labels, these labels, and the numbers of the rows."""
    X, truth = labeled_rows(300, 60)
    return X, np.where(np.arange(360) % 3 == 0, truth, 0), np.arange(360)
