"""Choice of hyper-parameters without labels: which criterion finds good candidates?

For each data set (one-class protocol of `adbench.py`, at most 2000 training rows), the candidates
of a method are fitted on four fifths of the training rows; each criterion sees the other fifth,
all of them normal. The candidate that it prefers is compared with the default, which is the first
of each grid, and with the best for the test rows, of which at most 5000 are drawn.
"""

import argparse
import warnings
from functools import partial

import numpy as np
import protocols
import results
from adbench import load, rescored
from baselines import NeighborDistance
from files import add_data_home
from scipy.stats import spearmanr
from sklearn.base import clone
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import LocalOutlierFactor
from sklearn.svm import OneClassSVM

from skgad import ALAD
from skgad.datasets import list_adbench
from skgad.model_selection import mass_volume_score, pseudo_outlier_score

REFERENCES = [("uniform", 0.25), ("uniform", 1.0), ("shuffle", 0.25), ("shuffle", 1.0)]
CRITERIA = {
    f"{name}, {reference} {share}": partial(function, reference=reference, share=share)
    for name, function in {
        "pseudo-outliers": pseudo_outlier_score,
        "mass-volume": mass_volume_score,
    }.items()
    for reference, share in REFERENCES
}


def isolation_forests(n_rows, n_columns, seed):
    return {
        f"max_samples={n}, max_features={share}": IsolationForest(
            max_samples=min(n, n_rows), max_features=share, random_state=seed
        )
        for n in (256, 64, 2000)
        for share in (1.0, 0.25)
    }


def svms(n_rows, n_columns, seed):
    return {
        f"gamma={gamma}/n_features, nu={nu}": OneClassSVM(gamma=gamma / n_columns, nu=nu)
        for gamma in (1, 0.01, 0.1, 10)
        for nu in (0.5, 0.05)
    }


def neighbors(detector, numbers, n_rows, n_columns, seed):
    """At most as many neighbours as the smallest fit, on half of the rows, can have."""
    return {
        f"n_neighbors={k}": clone(detector).set_params(n_neighbors=min(k, n_rows // 2 - 1))
        for k in numbers
    }


GRIDS = {
    "IsolationForest": isolation_forests,
    "OneClassSVM": svms,
    "LocalOutlierFactor": partial(
        neighbors, LocalOutlierFactor(novelty=True), (20, 5, 10, 50, 100)
    ),
    "k-NN": partial(neighbors, NeighborDistance(), (5, 1, 20, 50, 100)),
}
ALADS = {"default": {}, "latent_dim=8": {"latent_dim": 8}, "lr=5e-4": {"lr": 5e-4}}
ALAD_SCORES = ("combined", "features", "l1", "l2", "logits")  # the default first


def fitted(method, X, seed):
    """Names and fitted detectors; the same detector with another score, where it has several."""
    if method == "ALAD":
        for name, params in ALADS.items():
            detector = ALAD(random_state=seed, **params).fit(X)
            for score in ALAD_SCORES:
                yield f"{name}, {score} score", rescored(detector, score, X)
        return
    with warnings.catch_warnings(action="ignore"):  # of neighbours that are duplicates
        for name, detector in GRIDS[method](*X.shape, seed).items():
            yield name, detector.fit(X)


def stability(detector, X, X_valid, seed):
    """Rank correlation of the scores after fits to the one and to the other half."""
    with warnings.catch_warnings(action="ignore"):
        halves = train_test_split(X, test_size=0.5, random_state=seed)
        scores = [clone(detector).fit(half).score_samples(X_valid) for half in halves]
    return spearmanr(*scores).statistic


def evaluate(dataset, method, seed, data_home):
    """What each candidate is worth on the test rows, and what each criterion says of it."""
    split = protocols.split_one_class(*load(dataset, data_home), seed, max_train=2000)
    X_test, y_test = split.X_test, split.y_test
    if len(y_test) > 5000:
        X_test, _, y_test, _ = train_test_split(
            X_test, y_test, train_size=5000, stratify=y_test, random_state=seed
        )
    X, X_valid = train_test_split(split.X_train, test_size=0.2, random_state=seed)
    row = {"candidates": [], "auroc": [], "ap": []}
    criteria = {name: [] for name in CRITERIA}
    valid_scores = []
    if method != "ALAD":  # too dear
        criteria["stability"] = []
    for name, detector in fitted(method, X, seed):
        test = -detector.score_samples(X_test)
        row["candidates"].append(name)
        row["auroc"].append(round(roc_auc_score(y_test, test), 4))
        row["ap"].append(round(average_precision_score(y_test, test), 4))
        valid_scores.append(detector.score_samples(X_valid))
        for criterion, function in CRITERIA.items():
            criteria[criterion].append(round(function(detector, X_valid), 5))
        if "stability" in criteria:
            criteria["stability"].append(round(stability(detector, X, X_valid, seed), 5))
    agreement = spearmanr(np.array(valid_scores), axis=1).statistic
    criteria["consensus"] = agreement.mean(axis=1).round(5).tolist()
    return row | {"criteria": criteria}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", nargs="+", choices=[*GRIDS, "ALAD"], default=[*GRIDS])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1)
    add_data_home(parser, "adbench/")
    args = parser.parse_args()
    tasks = [
        (
            {"dataset": dataset, "method": method, "seed": seed},
            partial(evaluate, dataset, method, seed, args.data_home),
        )
        for seed in range(args.seeds)
        for dataset in list_adbench(args.data_home)
        for method in args.methods
    ]
    results.run("selection", tasks, args.jobs)


if __name__ == "__main__":
    main()
