"""Splits of WALDO (Rizzo et al., 2020; the authors' code)."""

from typing import NamedTuple

import numpy as np
from sklearn.preprocessing import MinMaxScaler


class MixtureSplit(NamedTuple):
    """Known inliers, a mixture with unknown outliers, and held-out rows (1 = anomaly)."""

    positive: np.ndarray
    mixture: np.ndarray
    y_mixture: np.ndarray
    held_out: np.ndarray
    y_held_out: np.ndarray

    def training_rows(self):
        """Known inliers and the mixture, and which of them are known: 1, else 0."""
        X = np.concatenate([self.positive, self.mixture])
        return X, np.repeat([1, 0], [len(self.positive), len(self.mixture)])


def split_kdd99(X, y, seed, nu, contamination=0.0, n_held_out=20_000):
    """KDD99 as in ``waldo_kdd.py`` of the authors' code.

    A tenth of the rows is halved. The attacks of one half are the known inliers. The other half
    gives a mixture in which a share `nu` of the rows is ``normal.``. Both have as many rows as
    every `nu` from 0.05 to 0.5 allows. `contamination` replaces that share of the known inliers by
    anomalies of the first half. The columns are scaled to [0, 1] with the attacks of the first
    half. We add held-out rows with the same `nu` from the other nine tenths.
    """
    order = np.random.RandomState(seed).permutation(len(X))
    n_sample = round(0.1 * len(X))
    first, second, rest = np.split(order, [n_sample // 2, n_sample])
    inliers, outliers = (
        [part[y[part] == label] for part in (first, second, rest)] for label in (0, 1)
    )
    n = int(min(len(inliers[1]) / 0.95, len(outliers[1]) / 0.5))
    positive = inliers[0][:n]
    n_bad = round(contamination * n)
    positive = np.concatenate([positive[: n - n_bad], outliers[0][:n_bad]])

    def mix(part, n_rows):
        n_outliers = round(nu * n_rows)
        return np.concatenate([outliers[part][:n_outliers], inliers[part][: n_rows - n_outliers]])

    mixture, held_out = mix(1, n), mix(2, n_held_out)
    scaler = MinMaxScaler().fit(X[inliers[0]])
    scaled = (scaler.transform(X[rows]) for rows in (positive, mixture, held_out))
    positive, X_mixture, X_held_out = scaled
    return MixtureSplit(positive, X_mixture, y[mixture], X_held_out, y[held_out])


def split_mnist(train, test, nu, inlier=0, n_held_out=2000):
    """Known inliers and a mixture as in the authors' notebooks, in the order of the files.

    The mixture comes from the test set, the known inliers are the first of the training set. We
    add held-out rows with the same `nu` from the rest of the training set.
    """
    (X, y), (X_test, y_test) = train, test
    n = int((y_test == inlier).sum() / 0.95)

    def mix(y, n_rows, skip=0):
        n_outliers = int(nu * n_rows)
        inliers = np.flatnonzero(y == inlier)[skip:][: n_rows - n_outliers]
        return np.concatenate([np.flatnonzero(y != inlier)[:n_outliers], inliers])

    mixture, held_out = mix(y_test, n), mix(y, n_held_out, skip=n)
    return MixtureSplit(
        X[y == inlier][:n],
        X_test[mixture],
        (y_test[mixture] != inlier).astype(int),
        X[held_out],
        (y[held_out] != inlier).astype(int),
    )
