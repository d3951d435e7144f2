"""Splits of RCGAN (Yang et al., ECAI 2020); KDD99 is split as in ALAD."""

from sklearn.model_selection import train_test_split

from benchmarks.common.splits import Split


def split_halves(X, y, seed, clean):
    """Random halves, as for Thyroid; with `seed` 42 those of ALAD for Arrhythmia.

    The training half keeps its anomalies unless it is `clean`. The paper does not say which.
    """
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=seed)
    return Split(X_train[y_train == 0] if clean else X_train, X_test, y_test)
