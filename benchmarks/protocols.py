"""Splits, thresholds and metrics of the papers, each with its source."""

from typing import NamedTuple

import numpy as np
from sklearn.metrics import average_precision_score, precision_recall_fscore_support, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler


class Split(NamedTuple):
    """What a detector is fitted on, and what it is tested on (1 = anomaly)."""

    X_train: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray

    def transform(self, transformer):
        """Both halves, transformed by what is fitted on the training half."""
        X_train = transformer.fit_transform(self.X_train)
        return Split(X_train, transformer.transform(self.X_test), self.y_test)


def split_kdd99(X, y):
    """KDD99 as in ALAD (Zenati et al., ICDM 2018; ``data/kdd.py`` of the authors' code).

    The training half is pandas' ``sample(frac=0.5, random_state=42)`` without its anomalies (the
    rows labelled ``normal.``); the test half keeps all of its rows. The authors then cut the
    anomalies of the test half to a fifth, but they are less than that already.
    """
    rows = np.random.RandomState(42).choice(len(X), round(0.5 * len(X)), replace=False)
    in_test = np.ones(len(X), dtype=bool)
    in_test[rows] = False
    return Split(X[rows[y[rows] == 0]], X[in_test], y[in_test])


def split_arrhythmia(X, y):
    """Arrhythmia as in ALAD (``data/arrhythmia.py`` of the authors' code).

    The 34 anomalies of the training half stay in it.
    """
    X_train, X_test, _, y_test = train_test_split(X, y, test_size=0.5, random_state=42)
    return Split(X_train, X_test, y_test)


def split_one_class(X, y, seed, max_train=10_000):
    """Train on half of the normal rows, drawn by `seed`, test on the other half and all anomalies.

    The columns are standardised by the training rows, of which there are at most `max_train`.
    """
    normal = np.random.default_rng(seed).permutation(np.flatnonzero(y == 0))
    n_train = len(normal) // 2
    train = normal[: min(n_train, max_train)]
    test = np.concatenate([normal[n_train:], np.flatnonzero(y == 1)])
    return Split(X[train], X[test], y[test]).transform(StandardScaler())


def split_dte(X, y, seed):
    """The semi-supervised protocol of DTE (Livernoche et al., ICLR 2024; ``data_generator.py``).

    Fewer than 1000 rows are first resampled, with replacement, to 1000, more than 50,000 cut to
    50,000. Then the first half of the normal rows, in the order of the file, is for training.
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


def flag_top(scores, n_flagged):
    """The `n_flagged` largest scores: the threshold of who knows how many anomalies there are."""
    flags = np.zeros(len(scores), dtype=int)
    flags[np.argsort(scores, kind="stable")[len(scores) - n_flagged :]] = 1
    return flags


def flag_percentile(scores, rate):
    """The share `rate` of the test scores, as the tables of DAGMM, ALAD and RCGAN (20, 15 %)."""
    return (scores >= np.percentile(scores, 100 * (1 - rate))).astype(int)


def metrics(y, scores, rate=None):
    """Metrics of anomaly scores (higher = more anomalous).

    Precision, recall and F1 are those of `flag_percentile` at `rate`, or of `flag_top` at the true
    number of anomalies if `rate` is None.
    """
    flags = flag_top(scores, y.sum()) if rate is None else flag_percentile(scores, rate)
    precision, recall, f1, _ = precision_recall_fscore_support(
        y, flags, average="binary", zero_division=0
    )
    return {
        "auroc": roc_auc_score(y, scores),
        "ap": average_precision_score(y, scores),
        "precision": precision,
        "recall": recall,
        "f1": f1,
    }
