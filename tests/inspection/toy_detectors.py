"""Detectors with known scores, and tables, for the tests of the inspection tools."""

import numpy as np
import pandas as pd
from common import table
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor

LOF = LocalOutlierFactor(n_neighbors=5, novelty=True)


class Scorer(OutlierMixin, BaseEstimator):
    """Detector with a given function as its anomaly score; outliers are above the threshold."""

    def __init__(self, function, threshold=0.0):
        self.function = function
        self.threshold = threshold

    def fit(self, X, y=None):
        return self

    def score_samples(self, X):
        return -self.function(X)

    def decision_function(self, X):
        return self.threshold - self.function(X)

    def predict(self, X):
        return np.where(self.decision_function(X) < 0, -1, 1)


class Reconstructor(Scorer):
    """Detector with one reconstruction for all rows and a function of the residuals as score."""

    center = np.array([1.0, -1.0, 0.5])

    def score_samples(self, X):
        return -self.function(np.asarray(X) - self.center)

    def decision_function(self, X):
        return self.threshold + self.score_samples(X)

    def reconstruct(self, X):
        return np.tile(self.center, (len(X), 1))


WEIGHTS = np.array([2.0, -1.0, 0.0, 0.5])
LINEAR = Scorer(lambda X: np.asarray(X) @ WEIGHTS)
ROWS, BACKGROUND = table(n_samples=6, seed=1), table(n_samples=9, seed=2)
NAMES = list("abcd")


def mixed_table(frame=pd.DataFrame, n_samples=80, seed=0):
    """A table of categories, integers and floats whose first row is an outlier."""
    rng = np.random.RandomState(seed)
    colors = rng.choice(["red", "green"], n_samples).tolist()
    data = {
        "color": ["blue", *colors[1:]],
        "count": [40, *rng.randint(0, 9, n_samples - 1).tolist()],
        "length": rng.normal(100, 10, n_samples),
        "width": rng.normal(0, 1, n_samples),
    }
    return frame(data)


def forest(**params):
    return IsolationForest(n_estimators=20, random_state=0, **params)


def total(explanation):
    return np.asarray(explanation.contributions).sum(axis=1) + explanation.base
