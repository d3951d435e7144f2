"""From raw tables to explained decisions: the bank data (text) and KDD99 (mixed types).

The frames have the columns of the files. A detector is fitted on 10,000 normal rows and tested on
20,000 other rows. The search holds out a fifth of the training rows, and ranks its candidates with
them and with 500 known anomalies that are not among the test rows. P-values come from 2000 normal
rows that are used for nothing else.
"""

from functools import cache, partial

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import IsolationForest
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import f1_score
from sklearn.model_selection import GridSearchCV

from benchmarks.common import cli, results
from benchmarks.common.detectors import build
from benchmarks.common.metrics import score_metrics
from skgad import TabularDetector
from skgad.calibration import ConformalDetector
from skgad.datasets import load_bank, load_kdd99
from skgad.inspection import explain, nearest_normal
from skgad.metrics import SCORERS
from skgad.model_selection import OneClassShuffleSplit
from skgad.preprocessing import TabularEncoder

LOADERS = {"bank": load_bank, "kdd99": partial(load_kdd99, as_frame=True)}
N_TRAIN, N_TEST, N_KNOWN, N_CALIBRATION = 10_000, 20_000, 500, 2_000
N_EXPLAINED = 20
FDR = 0.1

DETECTORS = {
    "ALAD": partial(build, "ALAD"),
    "IsolationForest": lambda seed: IsolationForest(random_state=seed),
}
GRIDS = {
    "ALAD": {"detector__latent_dim": [64, 8]},
    "IsolationForest": {"detector__max_features": [1.0, 0.25]},
    "bank": {"encoder__min_frequency": [None, 0.05]},
    "kdd99": {"encoder__numeric": ["standard", "quantile"]},
}


@cache
def load(name, data_home):
    return LOADERS[name](data_home)


def split(y, seed):
    """Positions of the training rows, known anomalies, calibration rows and test rows."""
    rng = np.random.default_rng(seed)
    normal, anomalous = (rng.permutation(np.flatnonzero(y == value)) for value in (0, 1))
    train, calibration, normal = np.split(normal, np.cumsum([N_TRAIN, N_CALIBRATION]))
    known, anomalous = np.split(anomalous, [N_KNOWN])
    test = rng.permutation(np.concatenate([normal, anomalous]))[:N_TEST]
    return train, known, calibration, test


def evaluate(data, method, seed, *, data_home):
    """Metrics on the test rows with and without a search, explanations, and selected rows."""
    bunch = load(data, data_home)
    train, known, calibration, test = split(bunch.target, seed)
    X, X_test, y_test = bunch.data.iloc[train], bunch.data.iloc[test], bunch.target[test]
    detector = TabularDetector(DETECTORS[method](seed), encoder=TabularEncoder())
    default = score_metrics(y_test, -clone(detector).fit(X).score_samples(X_test))

    search = GridSearchCV(
        detector,
        GRIDS[method] | GRIDS[data],
        scoring=SCORERS["outlier_roc_auc"],
        cv=OneClassShuffleSplit(1, test_size=0.2, random_state=seed),
        refit=False,
        error_score="raise",
    )
    labels = np.repeat([1, -1], [len(train), len(known)])
    search.fit(bunch.data.iloc[np.concatenate([train, known])], labels)
    detector = clone(detector).set_params(**search.best_params_).fit(X)
    scores, flagged = -detector.score_samples(X_test), detector.predict(X_test) == -1
    chosen = score_metrics(y_test, scores)
    return {
        "outliers": float(y_test.mean()),
        **{f"default_{metric}": default[metric] for metric in ("auroc", "ap")},
        **{metric: chosen[metric] for metric in ("auroc", "ap")},
        "chosen": search.best_params_,
        "flagged": float(flagged.mean()),
        "decision_f1": f1_score(y_test, flagged),
        **reasons(detector, X, X_test, scores, seed),
        **selection(detector, bunch.data.iloc[calibration], X_test, y_test),
    }


def reasons(detector, X, X_test, scores, seed):
    """Contributions to the scores of the most anomalous rows, and changes that make them normal."""
    outliers = X_test.iloc[np.argsort(-scores)[:N_EXPLAINED]]
    explanation = explain(detector, outliers, background=X, random_state=seed)
    means = explanation.contributions.mean().sort_values(ascending=False)
    changed = nearest_normal(detector, outliers, background=X, max_changes=10)
    return {
        "contributions": {name: round(float(value), 5) for name, value in means.items()},
        "excess": float((explanation.scores - explanation.base).mean()),
        "made_normal": float(changed.success.mean()),
        "changed_columns": float(changed.changed.sum(axis=1)[changed.success].mean()),
    }


def selection(detector, X_calibration, X_test, y_test):
    """Rows that Benjamini-Hochberg selects at a false discovery rate, and its true errors."""
    conformal = ConformalDetector(FrozenEstimator(detector)).fit(X_calibration)
    selected = conformal.select(X_test, fdr=FDR)
    return {
        "picked": int(selected.sum()),
        "false_discoveries": float((y_test[selected] == 0).mean()) if selected.any() else 0.0,
        "found": float(selected[y_test == 1].mean()),
    }


def main(arguments=None):
    parser = cli.argument_parser(__doc__, folders="uci/ and kdd/", seeds=3)
    parser.add_argument("--data", nargs="+", choices=LOADERS, default=[*LOADERS])
    parser.add_argument("--methods", nargs="+", choices=DETECTORS, default=[*DETECTORS])
    args = parser.parse_args(arguments)
    keys = [
        {"data": data, "method": method, "seed": seed}
        for data in args.data
        for method in args.methods
        for seed in range(args.seeds)
    ]
    results.run("front_door", partial(evaluate, data_home=args.data_home), keys, args.jobs)


if __name__ == "__main__":
    main()
