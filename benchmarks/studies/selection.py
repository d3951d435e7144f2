"""Choice of hyperparameters without labels: which criterion finds good candidates?

For each dataset (one-class split of ``benchmarks.studies.adbench``, at most 2000 training rows),
the candidates of a method are fitted on four fifths of the training rows. Each criterion sees the
other fifth, whose rows are all normal. The candidate that it prefers is compared with the default,
which is the first of each grid, and with the best candidate for at most 5000 test rows.
"""

import warnings
from functools import partial

import numpy as np
from scipy.stats import spearmanr
from sklearn.base import clone
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import LocalOutlierFactor
from sklearn.svm import OneClassSVM

from benchmarks.common import cli, results
from benchmarks.common.baselines import NeighborDistance
from benchmarks.common.detectors import build
from benchmarks.common.splits import split_for_selection
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
    """Numbers of neighbors, limited to what the smallest fit, on half of the rows, allows."""
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
ALAD_SCORES = ("combined", "features", "l1", "l2", "logits")  # its own score first


def fitted(method, X, seed):
    """Names and fitted candidates; ALAD is fitted once for all of its scores."""
    if method == "ALAD":
        for name, params in ALADS.items():
            detector = build("ALAD", seed, **params).fit(X)
            for score in ALAD_SCORES:
                yield f"{name}, {score} score", detector.set_score_type(score, X)
        return
    with warnings.catch_warnings(action="ignore"):  # about duplicate rows
        for name, detector in GRIDS[method](*X.shape, seed).items():
            yield name, detector.fit(X)


def stability(detector, X, X_valid, seed):
    """Rank correlation of the scores of two fits, one on each half of the rows."""
    with warnings.catch_warnings(action="ignore"):
        halves = train_test_split(X, test_size=0.5, random_state=seed)
        scores = [clone(detector).fit(half).score_samples(X_valid) for half in halves]
    return spearmanr(*scores).statistic


def evaluate(dataset, method, seed, *, data_home):
    """Metrics of each candidate on the test rows, and the value that each criterion gives it."""
    X, X_valid, X_test, y_test = split_for_selection(dataset, seed, data_home)
    row = {"candidates": [], "auroc": [], "ap": []}
    criteria = {name: [] for name in CRITERIA}
    valid_scores = []
    if method != "ALAD":  # fitting it twice more would take too long
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


def main(arguments=None):
    parser = cli.argument_parser(__doc__, folders="adbench/", seeds=3)
    parser.add_argument("--methods", nargs="+", choices=[*GRIDS, "ALAD"], default=[*GRIDS])
    cli.add_datasets(parser)
    args = parser.parse_args(arguments)
    keys = [
        {"dataset": dataset, "method": method, "seed": seed}
        for seed in range(args.seeds)
        for dataset in cli.chosen_datasets(args)
        for method in args.methods
    ]
    results.run("selection", partial(evaluate, data_home=args.data_home), keys, args.jobs)


if __name__ == "__main__":
    main()
