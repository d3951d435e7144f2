"""Splits of ALAD (Zenati et al., ICDM 2018; the authors' code)."""

import numpy as np
from sklearn.model_selection import train_test_split

from benchmarks.common.splits import Split


def split_kdd99(X, y):
    """KDD99 as in ``data/kdd.py`` of the authors' code.

    The training half is pandas' ``sample(frac=0.5, random_state=42)`` without its anomalies, which
    are the rows labelled ``normal.``. The test half keeps all of its rows. The authors then cut the
    anomalies of the test half to a fifth, but there are fewer than that already.
    """
    rows = np.random.RandomState(42).choice(len(X), round(0.5 * len(X)), replace=False)
    in_test = np.ones(len(X), dtype=bool)
    in_test[rows] = False
    return Split(X[rows[y[rows] == 0]], X[in_test], y[in_test])


def split_arrhythmia(X, y):
    """Arrhythmia as in ``data/arrhythmia.py`` of the authors' code.

    The 34 anomalies of the training half stay in it.
    """
    X_train, X_test, _, y_test = train_test_split(X, y, test_size=0.5, random_state=42)
    return Split(X_train, X_test, y_test)
