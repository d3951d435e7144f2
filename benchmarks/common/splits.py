"""Splits of the development sets into training and test rows."""

from typing import NamedTuple

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from benchmarks.common.data import load_development_set
from skgad.datasets import load_oddbench


class Split(NamedTuple):
    """Training rows, and test rows with their labels (1 = anomaly)."""

    X_train: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray

    def transform(self, transformer):
        """Both parts, transformed by a transformer that is fitted on the training rows."""
        X_train = transformer.fit_transform(self.X_train)
        return Split(X_train, transformer.transform(self.X_test), self.y_test)


def split_one_class(X, y, seed, max_train=10_000):
    """Train on half of the normal rows, drawn by `seed`; test on the other half and all anomalies.

    At most `max_train` rows are used for training. The columns are standardized with them.
    """
    normal = np.random.default_rng(seed).permutation(np.flatnonzero(y == 0))
    n_train = len(normal) // 2
    train = normal[: min(n_train, max_train)]
    test = np.concatenate([normal[n_train:], np.flatnonzero(y == 1)])
    return Split(X[train], X[test], y[test]).transform(StandardScaler())


def split_dte(X, y, seed):
    """Semi-supervised protocol of DTE (Livernoche et al., ICLR 2024; ``data_generator.py``).

    Tables with fewer than 1000 rows are first resampled with replacement to 1000 rows. Tables with
    more than 50,000 rows are cut to 50,000. The first half of the normal rows, in the order of the
    file, is for training.
    """
    random = np.random.RandomState(seed)
    if len(X) < 1000:
        rows = random.choice(len(X), 1000, replace=True)
    elif len(X) > 50_000:
        rows = random.choice(len(X), 50_000, replace=False)
    else:
        rows = np.arange(len(X))
    X, y = X[rows], y[rows]
    normal = np.flatnonzero(y == 0)
    n_train = round(0.5 * len(normal))
    test = np.concatenate([normal[n_train:], np.flatnonzero(y == 1)])
    return Split(X[normal[:n_train]], X[test], y[test]).transform(StandardScaler())


def split_as_given(X_train, X_test, y_test, seed, max_train=10_000):
    """Keep the split of the dataset, with at most `max_train` training rows, drawn by `seed`.

    The columns are standardized with the training rows.
    """
    if len(X_train) > max_train:
        X_train = X_train[np.random.default_rng(seed).permutation(len(X_train))[:max_train]]
    return Split(X_train, X_test, y_test).transform(StandardScaler())


def split_contaminated(X, y, seed, max_train=10_000):
    """Train on a stratified random half that keeps its anomalies, and test on the other half.

    The columns are standardized with the training rows. Returns the split and the labels of the
    training rows.
    """
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.5, random_state=seed, stratify=y
    )
    split = Split(X_train[:max_train], X_test, y_test).transform(StandardScaler())
    return split, y_train[:max_train]


def split_for_selection(dataset, seed, data_home, max_train=2000, max_test=5000):
    """Rows to fit candidates on, normal rows to choose with, and test rows with their labels.

    The one-class split with at most `max_train` training rows, of which a fifth is held out for
    the choice, and at most `max_test` test rows.
    """
    split = split_one_class(*load_development_set(dataset, data_home), seed, max_train)
    X_test, y_test = split.X_test, split.y_test
    if len(y_test) > max_test:
        X_test, _, y_test, _ = train_test_split(
            X_test, y_test, train_size=max_test, stratify=y_test, random_state=seed
        )
    X, X_valid = train_test_split(split.X_train, test_size=0.2, random_state=seed)
    return X, X_valid, X_test, y_test


def split_of_family(family, dataset, seed, data_home):
    """Standardized training and test rows of a development set."""
    if family == "adbench":
        return split_one_class(*load_development_set(dataset, data_home), seed)
    bunch = load_oddbench(dataset, data_home)
    return split_as_given(bunch.data_train, bunch.data_test, bunch.target_test, seed)
