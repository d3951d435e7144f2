"""Generators of rows that samples of the detectors are compared with, fitted to frames."""

import warnings

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import OrdinalEncoder

from skgad import TabularDetector


def categories(X):
    """Names of the columns of text and booleans."""
    return list(X.columns[[not pd.api.types.is_float_dtype(t) for t in X.dtypes]])


class Detector(BaseEstimator):
    """A detector of this package, by :class:`~skgad.TabularDetector`."""

    def __init__(self, detector, **params):
        self.detector, self.params = detector, params

    def fit(self, X):
        self.detector_ = TabularDetector(self.detector).fit(X)
        return self

    def sample(self, n_samples):
        return self.detector_.sample(n_samples, random_state=0, **self.params)


class Bootstrap:
    """Training rows, drawn with replacement."""

    def __init__(self, seed):
        self.seed = seed

    def fit(self, X):
        self.X = X
        return self

    def sample(self, n_samples):
        return self.X.sample(n_samples, replace=True, random_state=self.seed, ignore_index=True)


class Mixture:
    """Mixture of ten Gaussians of numbers; categories are not possible."""

    def __init__(self, seed):
        self.seed = seed

    def fit(self, X):
        self.columns = X.columns
        self.mixture = GaussianMixture(10, random_state=self.seed).fit(X.to_numpy(float))
        return self

    def sample(self, n_samples):
        return pd.DataFrame(self.mixture.sample(n_samples)[0], columns=self.columns)


class Copula:
    """Gaussian copula of the package copulas, with beta distributions, which are SDV's default.

    As in SDV, the number of a category is drawn from an interval as long as its frequency.
    """

    def __init__(self, seed):
        self.seed = seed

    def fit(self, X):
        from copulas.multivariate import GaussianMultivariate
        from copulas.univariate import BetaUnivariate

        self.rng = np.random.default_rng(self.seed)
        self.levels = {}
        numbers = X.copy()
        for name in categories(X):
            shares = X[name].value_counts(normalize=True)
            self.levels[name] = shares.index.to_numpy(), shares.cumsum().to_numpy()
            high = X[name].map(shares.cumsum()).to_numpy(float)
            width = X[name].map(shares).to_numpy(float)
            numbers[name] = high - width * self.rng.random(len(X))
        self.copula = GaussianMultivariate(distribution=BetaUnivariate, random_state=self.seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of constant columns
            self.copula.fit(numbers)
        return self

    def sample(self, n_samples):
        rows = self.copula.sample(n_samples)
        for name, (levels, ends) in self.levels.items():
            place = np.searchsorted(ends, rows[name].to_numpy())
            rows[name] = levels[place.clip(max=len(levels) - 1)]
        return rows


class Peer:
    """CTGAN or TVAE of the package ctgan, with their defaults."""

    def __init__(self, name, seed):
        self.name, self.seed = name, seed

    def fit(self, X):
        import ctgan

        torch.manual_seed(self.seed)
        np.random.seed(self.seed)  # noqa: NPY002, because ctgan draws from it
        self.model = getattr(ctgan, self.name)(enable_gpu=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of columns whose mixtures do not converge
            self.model.fit(X, discrete_columns=categories(X))
        return self

    def sample(self, n_samples):
        return self.model.sample(n_samples)


def as_numbers(*frames):
    """Frames as arrays, with categories as integers, for a classifier."""
    names = categories(frames[0])
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    encoder.fit(pd.concat(frames)[names].astype(str))
    return [
        np.column_stack(
            [frame.drop(columns=names).to_numpy(float), encoder.transform(frame[names].astype(str))]
        )
        for frame in frames
    ]
