"""What users may expect of any detector with its defaults: distance, units, order of columns.

"distance" measures rows far from a standard normal cloud in the plane. "change" fits a detector to
the same table after a change that should not matter, and compares its ranking of new rows by
Spearman's correlation. "contamination" adds 5 % of the anomalies of a development set, or as many
copies of a single one, to the training rows.
"""

from functools import partial

import numpy as np
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from benchmarks.common import cli, results
from benchmarks.common.data import load_development_set
from benchmarks.common.splits import Split, split_one_class
from benchmarks.studies.ranking import DETECTORS, METHODS

RADII = (0, 1, 2, 3, 5, 8, 16, 32, 64)

CHANGES = {
    "columns permuted": lambda X: X[:, ::-1],
    "signs of columns changed": lambda X: X * np.array([-1, 1] * 3),
    "constant column added": lambda X: np.column_stack([X, np.full(len(X), 7.0)]),
    "all columns times 1e-6": lambda X: 1e-6 * X,
    "all columns times 1e6": lambda X: 1e6 * X,
    "one column times 1e6": lambda X: X * np.array([1e6, 1, 1, 1, 1, 1]),
    "nothing": lambda X: X,
}

CONTAMINATED = ("2_annthyroid", "6_cardio", "12_fault", "28_pendigits", "30_satellite", "40_vowels")


def distance(method, seed):
    """Mean scores on circles around a cloud, and the share of inliers at 5 or more."""
    rng = np.random.default_rng(seed)
    detector = METHODS[method](seed).fit(rng.normal(size=(1000, 2)))
    angles = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    circle = np.column_stack([np.cos(angles), np.sin(angles)])
    means = [-detector.score_samples(r * circle).mean() for r in RADII]
    far = np.vstack([r * circle for r in RADII if r >= 5])
    falls = np.diff(means[RADII.index(1) :]) > 0
    values = {"falls": float(falls.mean())}
    if hasattr(detector, "predict"):
        values["far_inliers"] = float((detector.predict(far) == 1).mean())
    return values


def change(method, seed, name):
    """Spearman correlation of the rankings before and after a change."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(2, 3, 6))

    def draw(n):
        rows = np.vstack([rng.normal(size=(n // 2, 3)) @ mixing[k] + 3 * k for k in (0, 1)])
        return rows + 0.3 * rng.normal(size=rows.shape)

    X = draw(1000)
    X_new = np.vstack([draw(400), X.mean(axis=0) + 2 * X.std(axis=0) * rng.normal(size=(200, 6))])
    before = METHODS[method](seed).fit(X).score_samples(X_new)
    # With "nothing", only the seed of the detector changes: no other change should matter more.
    seed_after = seed + 1 if name == "nothing" else seed
    changed = CHANGES[name]
    after = METHODS[method](seed_after).fit(changed(X)).score_samples(changed(X_new))
    return {"spearman": float(spearmanr(before, after).statistic)}


def contamination(method, seed, dataset, *, data_home):
    """AUROC with clean training rows, with scattered anomalies among them, and with a clump."""
    split = split_one_class(*load_development_set(dataset, data_home), seed, 2000)
    rng = np.random.default_rng(seed)
    anomalies = rng.permutation(np.flatnonzero(split.y_test == 1))
    known = anomalies[: max(2, len(anomalies) // 20)]
    test = np.setdiff1d(np.arange(len(split.y_test)), known)
    clump = split.X_test[known[:1]] + 0.01 * rng.normal(size=(len(known), split.X_test.shape[1]))
    added = {"clean": known[:0], "scattered": known, "clump": known}
    values = {"n_added": len(known)}
    for kind, rows in added.items():
        extra = clump if kind == "clump" else split.X_test[rows]
        X_train = np.vstack([split.X_train, extra])
        part = Split(X_train, split.X_test[test], split.y_test[test])
        scores = METHODS[method](seed).fit(part.X_train).score_samples(part.X_test)
        values[kind] = round(float(roc_auc_score(part.y_test, -scores)), 6)
    return values


def evaluate(check, case, method, seed, *, data_home):
    """Results of one check."""
    if check == "distance":
        return distance(method, seed)
    if check == "change":
        return change(method, seed, case)
    return contamination(method, seed, case, data_home=data_home)


def main(arguments=None):
    parser = cli.argument_parser(__doc__, folders="adbench/", seeds=3)
    methods = ["IsolationForest", "k-NN", *DETECTORS]
    parser.add_argument("--methods", nargs="+", choices=methods, default=methods)
    checks = ["distance", "change", "contamination"]
    parser.add_argument("--checks", nargs="+", choices=checks, default=checks)
    args = parser.parse_args(arguments)
    cases = {"distance": ["cloud"], "change": [*CHANGES], "contamination": [*CONTAMINATED]}
    keys = [
        {"check": check, "case": case, "method": method, "seed": seed}
        for check in args.checks
        for seed in range(args.seeds)
        for case in cases[check]
        for method in args.methods
    ]
    results.run("properties", partial(evaluate, data_home=args.data_home), keys, args.jobs)


if __name__ == "__main__":
    main()
