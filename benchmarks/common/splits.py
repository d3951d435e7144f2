"""Splits, thresholds and metrics of the papers, each with its source."""

from typing import NamedTuple

import numpy as np
from sklearn.metrics import (
    auc,
    average_precision_score,
    precision_recall_curve,
    precision_recall_fscore_support,
    roc_auc_score,
)
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler
from sklearn.utils import shuffle


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


def split_halves(X, y, seed, clean):
    """Random halves, as RCGAN (Yang et al., ECAI 2020) for Thyroid.

    With `seed` 42 they are those of `split_arrhythmia`. The training half keeps its anomalies
    unless it is to be `clean`; the paper does not say which.
    """
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=seed)
    return Split(X_train[y_train == 0] if clean else X_train, X_test, y_test)


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


def split_contaminated(X, y, seed, max_train=10_000):
    """Train on a stratified random half with its anomalies, and test on the other half.

    The columns are standardised by the training rows. The labels of the training rows come second.
    """
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.5, random_state=seed, stratify=y
    )
    split = Split(X_train[:max_train], X_test, y_test).transform(StandardScaler())
    return split, y_train[:max_train]


class MixtureSplit(NamedTuple):
    """Known inliers, a mixture with unknown outliers, and held-out rows (1 = anomaly)."""

    positive: np.ndarray
    mixture: np.ndarray
    y_mixture: np.ndarray
    held_out: np.ndarray
    y_held_out: np.ndarray


def split_waldo_kdd99(X, y, seed, nu, contamination=0.0, n_held_out=20_000):
    """KDD99 as in WALDO (Rizzo et al., 2020; ``waldo_kdd.py`` of the authors' code).

    A tenth of the rows is halved. The attacks of one half are the known inliers; the other half
    gives a mixture with a share `nu` of ``normal.`` rows. Both have as many rows as allow every
    `nu` from 0.05 to 0.5. `contamination` replaces that share of the known inliers by anomalies of
    the first half. The columns are scaled to [0, 1] by the attacks of the first half. Ours:
    held-out rows with the same `nu`, from the other nine tenths.
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


class ARNSplit(NamedTuple):
    """Training rows with what is known of them (1 normal, -1 anomaly), and test rows."""

    X_train: np.ndarray
    labels: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray

    def transform(self, transformer):
        """Both tables, transformed by what is fitted on the rows that are taken for normal."""
        transformer.fit(self.X_train[self.labels == 1])
        X_train, X_test = map(transformer.transform, (self.X_train, self.X_test))
        return self._replace(X_train=X_train, X_test=X_test)


# Table I of ARN: normal rows for training; normal rows and anomalies for test and for validation.
ARN_SIZES = {
    "KDDCUP99": (77_822, (14_592, 29_756), (4_864, 9_919)),
    "KDDCUP99_Rev": (81_323, (11_966, 3_282), (3_989, 1_094)),
    "KDDCUP99_Inv": (274_006, (91_197, 36_479), (31_540, 12_161)),
    "NSL-KDD": (68_501, (6_396, 6_396), (2_157, 2_157)),
    "DoH": (15_846, (2_971, 18_738), (990, 6_246)),
    "DoH_Inv": (184_444, (46_794, 7_427), (15_598, 2_475)),
    "CoverType": (444_764, (64_599, 18_794), (21_532, 6_265)),
    "CreditCard": (227_846, (42_352, 369), (14_117, 123)),
    "Bank": (26_383, (7_614, 1_740), (2_551, 580)),
}


def one_hot(frame):
    """A table of numbers, those of the frame first, and the columns of each category."""
    numeric = frame.select_dtypes("number")
    categories = frame.drop(columns=numeric.columns)
    encoder = OneHotEncoder(sparse_output=False, dtype=np.float32).fit(categories)
    X = np.hstack([numeric.to_numpy(np.float32), encoder.transform(categories)])
    bounds = np.cumsum([numeric.shape[1], *map(len, encoder.categories_)])
    groups = [tuple(range(*ends)) for ends in zip(bounds, bounds[1:], strict=False)]
    return X, groups


def split_arn(X, y, groups, sizes, run, *, contamination=0.0, known=0.0, sort_test=False):
    """A split of ARN (2021; ``load_data.py`` of the authors' code), with the sizes of its table I.

    Half of the anomalies belong to a `run`. `contamination`, a share of the training rows, and
    `known`, a share of that half, are as many anomalies of the other half: the former are taken
    for normal, the latter are labelled. The paper says that `known`, too, is a share of the
    training rows; the numbers of the authors' code are 23 for 1 % on Bank and 43 on KDDCUP99_Rev,
    as here. The numeric columns, which come before the `groups` of one-hot columns, are scaled
    to [0, 1] by the rows that are taken for normal. The rows that the authors validate on are
    left out.

    Test rows are in random order. With `sort_test` the anomalies come last, as in the authors'
    code, whose networks look at the batch.
    """
    n_train, (n_normal, n_anomalous), (n_normal_valid, n_anomalous_valid) = sizes
    seed = 42 * (run + 1)
    normal, anomalies = (shuffle(np.flatnonzero(y == label), random_state=seed) for label in (0, 1))
    n_used = max(len(anomalies) // 2 + 1, n_anomalous_valid + n_anomalous)
    unused = anomalies[n_used:]
    n_bad, n_known = int(contamination * n_train), int(known * len(unused))
    if n_bad + n_known > len(unused):
        raise ValueError(
            f"contamination={contamination} and known={known} need {n_bad + n_known} anomalies, "
            f"but {len(unused)} are left over."
        )
    train = np.concatenate([normal[:n_train], unused[: n_bad + n_known]])
    labels = np.repeat([1, -1], [n_train + n_bad, n_known])
    test = np.concatenate(
        [
            normal[n_train + n_normal_valid :][:n_normal],
            anomalies[n_anomalous_valid:][:n_anomalous],
        ]
    )
    if not sort_test:
        test = shuffle(test, random_state=seed)
    X_train, X_test = X[train], X[test]
    n_numeric = X.shape[1] - sum(map(len, groups))
    if n_numeric:
        scaler = MinMaxScaler().fit(X_train[labels == 1, :n_numeric])
        for rows in (X_train, X_test):
            rows[:, :n_numeric] = scaler.transform(rows[:, :n_numeric])
    return ARNSplit(X_train, labels, X_test, y[test])


def trapezoid_auprc(y, scores):
    """Area under the precision-recall points by the trapezoid rule, as in WALDO and ARN."""
    precision, recall, _ = precision_recall_curve(y, scores)
    return auc(recall, precision)


def decision_metrics(y, flags, name):
    """Precision, recall and F1 of a decision, and the share that it flags."""
    precision, recall, f1, _ = precision_recall_fscore_support(
        y, flags, average="binary", zero_division=0
    )
    values = {"precision": precision, "recall": recall, "f1": f1, "flagged": np.mean(flags)}
    return {f"{name}_decision_{metric}": value for metric, value in values.items()}


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
