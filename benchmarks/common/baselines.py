"""Detectors to compare with: trivial ones, k-NN, an autoencoder, and those of PyOD and DeepOD."""

import random
from contextlib import contextmanager
from importlib import import_module
from inspect import signature

import numpy as np
import torch
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors
from torch import nn


class CenterDistance(OutlierMixin, BaseEstimator):
    """L1 or L2 distance to the mean or median; with standardized columns, the norm of the row."""

    def __init__(self, ord=1, center=np.mean):
        self.ord = ord
        self.center = center

    def fit(self, X, y=None):
        self.center_ = self.center(np.asarray(X, np.float64), axis=0)
        return self

    def score_samples(self, X):
        return -np.linalg.norm(X - self.center_, ord=self.ord, axis=1)


class PCAResidual(OutlierMixin, BaseEstimator):
    """Squared distance to the plane of the first principal components."""

    def __init__(self, n_components=2):
        self.n_components = n_components

    def fit(self, X, y=None):
        self.pca_ = PCA(self.n_components, svd_solver="covariance_eigh").fit(X)
        return self

    def score_samples(self, X):
        residual = X - self.pca_.inverse_transform(self.pca_.transform(X))
        return -np.square(residual, dtype=np.float64).sum(axis=1)


class OneColumn(OutlierMixin, BaseEstimator):
    """One column of the table, unchanged."""

    def __init__(self, column=0, larger_is="normal"):
        self.column = column
        self.larger_is = larger_is

    def fit(self, X, y=None):
        return self

    def score_samples(self, X):
        return X[:, self.column] if self.larger_is == "normal" else -X[:, self.column]


class NeighborDistance(OutlierMixin, BaseEstimator):
    """Distance to the `n_neighbors`-th nearest training row (PyOD's method "largest")."""

    def __init__(self, n_neighbors=5):
        self.n_neighbors = n_neighbors

    def fit(self, X, y=None):
        self.neighbors_ = NearestNeighbors(n_neighbors=self.n_neighbors).fit(X)
        return self

    def score_samples(self, X):
        distances, _ = self.neighbors_.kneighbors(X)
        return -distances[:, -1]


class DenoisingAutoencoder(OutlierMixin, BaseEstimator):
    """Autoencoder that restores clean rows from noisy ones; the score is its squared error."""

    def __init__(self, noise=0.5, n_steps=2000, batch_size=128, lr=1e-3, random_state=0):
        self.noise = noise
        self.n_steps = n_steps
        self.batch_size = batch_size
        self.lr = lr
        self.random_state = random_state

    def fit(self, X, y=None):
        X = torch.as_tensor(X, dtype=torch.float32)
        with _seeded(self.random_state):
            self.net_ = _autoencoder(X.shape[1])
            optimizer = torch.optim.Adam(self.net_.parameters(), lr=self.lr, fused=True)
            for _ in range(self.n_steps):
                x = X[torch.randint(len(X), (self.batch_size,))]
                loss = (self.net_(x + self.noise * torch.randn_like(x)) - x).square().mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        return self

    @torch.no_grad()
    def score_samples(self, X):
        blocks = torch.as_tensor(X, dtype=torch.float32).split(8192)
        errors = torch.cat([(self.net_(x) - x).square().mean(dim=1) for x in blocks])
        return -errors.double().numpy()


def _autoencoder(n_features):
    return nn.Sequential(
        *(nn.Linear(n_features, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU()),
        *(nn.Linear(128, 64), nn.Linear(64, 128)),  # the 64 codes
        *(nn.ReLU(), nn.Linear(128, 256), nn.ReLU(), nn.Linear(256, n_features)),
    )


class PyOD(OutlierMixin, BaseEstimator):
    """Detector of PyOD with the sign of scikit-learn, which leaves the global generators alone."""

    #: The module of each detector.
    MODULES = {
        "ALAD": "pyod.models.alad",
        "AnoGAN": "pyod.models.anogan",
        "AutoEncoder": "pyod.models.auto_encoder",
        "DeepSVDD": "pyod.models.deep_svdd",
        "GMM": "pyod.models.gmm",
        "KNN": "pyod.models.knn",
        "LUNAR": "pyod.models.lunar",
    }

    def __init__(self, name="ALAD", params=None, random_state=0):
        self.name = name
        self.params = params
        self.random_state = random_state

    def fit(self, X, y=None):
        detector = getattr(import_module(self.MODULES[self.name]), self.name)
        params = self.params or {}
        if "n_features" in signature(detector).parameters:
            params = params | {"n_features": X.shape[1]}
        with _seeded(self.random_state):
            self.detector_ = detector(**params).fit(X)
        return self

    def score_samples(self, X):
        with _seeded(self.random_state):  # PyOD's ALAD and DeepOD's RCA score with dropout
            return -self.detector_.decision_function(X)


class DeepOD(PyOD):
    """Detector of DeepOD on the CPU, in the same way."""

    def __init__(self, name="DeepSVDD", params=None, random_state=0):
        super().__init__(name, params, random_state)

    def fit(self, X, y=None):
        detector = getattr(import_module("deepod.models.tabular"), self.name)
        params = {"device": "cpu", "verbose": 0, "random_state": self.random_state}
        with _seeded(self.random_state):
            self.detector_ = detector(**params | (self.params or {})).fit(X)
        return self


@contextmanager
def _seeded(seed):
    """Seed the global generators, which PyOD and DeepOD use, and restore their state."""
    python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        try:
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)  # noqa: NPY002
