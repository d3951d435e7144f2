"""Rows that detectors generate: marginals, pairs, a classifier that tells them from real rows.

Each generator is fitted to half of the normal rows, at most 3,000, and generates as many rows as
the other half has, with which they are compared.
"""

from functools import cache, partial
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import ks_2samp
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import skgad
from benchmarks.common import cli, results
from benchmarks.common.data import load_development_set
from benchmarks.common.samplers import (
    Bootstrap,
    Copula,
    Detector,
    Mixture,
    Peer,
    as_numbers,
    categories,
)
from skgad.datasets import load_bank, load_kdd99, load_nsl_kdd

MAX_ROWS = 3_000
NUMERIC = ("breast_cancer", "2_annthyroid", "28_pendigits", "6_cardio", "38_thyroid", "12_fault")
MIXED = ("bank", "kdd99", "nsl_kdd", "visits")
DETECTORS = ("Autoencoder", "CoRA", "WAE", "WALDO", "AMA", "ALAD", "RCGAN")

METHODS = {
    "Training rows": None,
    "Bootstrap": Bootstrap,
    "Mixture of ten": Mixture,
    "Gaussian copula": Copula,
    "CTGAN": partial(Peer, "CTGAN"),
    "TVAE": partial(Peer, "TVAE"),
    **{
        f"{name}{suffix}": lambda seed, name=name, params=params: Detector(
            getattr(skgad, name)(random_state=seed), **params
        )
        for suffix, params in (("", {}), (", latent='own'", {"latent": "own"}))
        for name in DETECTORS
    },
}


def visits(n_samples=6_000):
    """An artificial table of a rare boolean, levels, a skewed amount, a count and a cycle."""
    rng = np.random.default_rng(0)
    plan = rng.choice(["free", "basic", "team", "enterprise"], n_samples, p=[0.6, 0.25, 0.13, 0.02])
    size = pd.Series(plan).map({"free": 0.0, "basic": 1.0, "team": 2.0, "enterprise": 3.5})
    return pd.DataFrame(
        {
            "plan": plan,
            "is_new": rng.random(n_samples) < 0.01 + 0.05 * (plan == "free"),
            "amount": np.round(np.exp(size + rng.normal(size=n_samples)), 2),
            "users": 1.0 + rng.poisson(np.exp(size)),
            "hour": rng.normal(14, 3, n_samples).clip(0, 24) % 24,
        }
    )


@cache
def load(dataset, data_home):
    """Normal rows of a dataset as a frame: numbers as floats, all other columns as text."""
    if dataset == "visits":
        X = visits()
    elif dataset in ("bank", "kdd99", "nsl_kdd"):
        loader = {
            "bank": load_bank,
            "kdd99": partial(load_kdd99, as_frame=True),
            "nsl_kdd": partial(load_nsl_kdd, as_frame=True),
        }
        bunch = loader[dataset](data_home)
        X = bunch.data[bunch.target == 0]
    else:
        if dataset == "breast_cancer":
            X, y = load_breast_cancer(return_X_y=True)
            X = X[y == 1]
        else:
            X, y = load_development_set(dataset, data_home)
            X = X[y == 0].astype(float).round(6)  # the files have single precision
        X = pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])])
    is_text = ~np.isin(X.columns, X.select_dtypes("number").columns)
    return X.astype(dict(zip(X.columns, np.where(is_text, "str", "float64"), strict=True)))


def evaluate(dataset, method, seed, *, data_home):
    """Similarity of generated rows to held-out rows, 1 for equal distributions."""
    X = load(dataset, data_home).sample(frac=1, random_state=seed, ignore_index=True)
    n_rows = min(len(X) // 2, MAX_ROWS)
    train, real = X[:n_rows], X[n_rows : 2 * n_rows].reset_index(drop=True)
    if method == "Training rows":
        made = train
    else:
        made = METHODS[method](seed).fit(train).sample(n_rows).reset_index(drop=True)
    return {name: float(value) for name, value in measures(train, real, made).items()}


def measures(train, real, made):
    """All measures of generated rows."""
    levels = categories(real)
    numbers = [name for name in real if name not in levels]
    stds = [made[name].std() / real[name].std() for name in numbers if real[name].std() > 0]
    frequent = [
        level in set(made[name])
        for name in levels
        for level in real[name].value_counts(normalize=True).loc[lambda share: share >= 0.01].index
    ]
    distances = nearest_distances(train, real, made)
    return {
        "marginals": np.mean([similarity(real[name], made[name]) for name in real]),
        "pairs": np.mean(
            [pair_similarity(real[[a, b]], made[[a, b]], levels) for a, b in combinations(real, 2)]
        ),
        "two_sample_auroc": two_sample_auroc(real, made),
        "median_std": np.median(stds) if stds else np.nan,
        "lowest_std": np.min(stds) if stds else np.nan,
        "levels_found": np.mean(frequent) if frequent else np.nan,
        "nearer": share_nearer(*distances),
    }


def similarity(real, made):
    """Complement of the Kolmogorov-Smirnov statistic, or of the total variation of categories."""
    if pd.api.types.is_float_dtype(real):
        return 1 - ks_2samp(real, made).statistic
    return 1 - total_variation(real, made)


def total_variation(real, made):
    """Half of the sum of the differences of frequencies."""
    shares = [values.value_counts(normalize=True) for values in (real, made)]
    return shares[0].sub(shares[1], fill_value=0).abs().sum() / 2


def pair_similarity(real, made, levels):
    """Similarity of correlations; of contingency tables, with numbers in ten bins, otherwise."""
    if not any(name in levels for name in real):
        constant = real.nunique().min() < 2 or made.nunique().min() < 2
        both = [0 if constant else frame.corr().iloc[0, 1] for frame in (real, made)]
        return 1 - abs(both[0] - both[1]) / 2
    binned = []
    for name in real:
        columns = [real[name], made[name]]
        if name not in levels:
            edges = np.unique(np.quantile(real[name], np.linspace(0, 1, 11)))[1:-1]
            columns = [pd.Series(np.searchsorted(edges, column)) for column in columns]
        binned.append([column.astype(str) for column in columns])
    joint = [binned[0][k] + "|" + binned[1][k] for k in (0, 1)]
    return 1 - total_variation(*joint)


def two_sample_auroc(real, made):
    """AUROC of a random forest that tells generated rows from real ones, cross-validated."""
    X = np.vstack(as_numbers(real, made))
    y = np.repeat([0, 1], [len(real), len(made)])
    forest = RandomForestClassifier(100, min_samples_leaf=3, random_state=0)
    rows = np.random.default_rng(0).permutation(len(X))
    probability = cross_val_predict(forest, X[rows], y[rows], cv=3, method="predict_proba")[:, 1]
    return roc_auc_score(y[rows], probability)


def nearest_distances(train, real, made):
    """Distances of held-out rows and of generated rows to the nearest training row."""
    levels = categories(train)
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), levels),
        remainder=StandardScaler(),
    )
    nearest = NearestNeighbors(n_neighbors=1).fit(encode.fit_transform(train))
    return [nearest.kneighbors(encode.transform(rows))[0].ravel() for rows in (real, made)]


def share_nearer(of_real, of_made):
    """Probability that a generated row is nearer to a training row than a held-out row is."""
    labels = np.repeat([0, 1], [len(of_real), len(of_made)])
    return roc_auc_score(labels, -np.concatenate([of_real, of_made]))


def main(arguments=None):
    parser = cli.argument_parser(__doc__, folders="adbench/, kdd/ and uci/", seeds=3)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=[*METHODS])
    datasets = [*NUMERIC, *MIXED]
    parser.add_argument("--datasets", nargs="+", choices=datasets, default=datasets)
    args = parser.parse_args(arguments)
    keys = [
        {"dataset": dataset, "method": method, "seed": seed}
        for seed in range(args.seeds)
        for method in args.methods
        for dataset in args.datasets
        if not (method == "Mixture of ten" and dataset in MIXED)
    ]
    results.run("samples", partial(evaluate, data_home=args.data_home), keys, args.jobs)


if __name__ == "__main__":
    main()
