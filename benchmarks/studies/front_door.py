"""From raw tables to explained decisions: the bank data (text) and KDD99 (mixed).

The frames are as the files have them. A detector is fitted on 10,000 normal rows and tested on
20,000 other rows. The search holds a fifth of the training rows out, and ranks its candidates with
them and with 500 known anomalies, which are not among the test rows. P-values come from 2000
normal rows that are used for nothing else.
"""

import argparse
from functools import cache, partial

import numpy as np
import protocols
import results
from files import add_data_home
from sklearn.base import clone
from sklearn.ensemble import IsolationForest
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import f1_score
from sklearn.model_selection import GridSearchCV

from skgad import ALAD, TabularDetector
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

DETECTORS = {"ALAD": ALAD, "IsolationForest": IsolationForest}
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
    """Positions of the rows to fit to, of known anomalies, to calibrate with, and to test on."""
    rng = np.random.default_rng(seed)
    normal, odd = (rng.permutation(np.flatnonzero(y == value)) for value in (0, 1))
    train, calibration, normal = np.split(normal, np.cumsum([N_TRAIN, N_CALIBRATION]))
    known, odd = np.split(odd, [N_KNOWN])
    return train, known, calibration, rng.permutation(np.concatenate([normal, odd]))[:N_TEST]


def evaluate(name, method, seed, data_home):
    """Quality on the test rows with and without a search, reasons, and what is picked."""
    data = load(name, data_home)
    train, known, calibration, test = split(data.target, seed)
    X, X_test, y_test = data.data.iloc[train], data.data.iloc[test], data.target[test]
    detector = TabularDetector(DETECTORS[method](random_state=seed), encoder=TabularEncoder())
    default = protocols.metrics(y_test, -clone(detector).fit(X).score_samples(X_test))

    search = GridSearchCV(
        detector,
        GRIDS[method] | GRIDS[name],
        scoring=SCORERS["outlier_roc_auc"],
        cv=OneClassShuffleSplit(1, test_size=0.2, random_state=seed),
        refit=False,
        error_score="raise",
    )
    labels = np.repeat([1, -1], [len(train), len(known)])
    search.fit(data.data.iloc[np.concatenate([train, known])], labels)
    detector = clone(detector).set_params(**search.best_params_).fit(X)
    scores, flagged = -detector.score_samples(X_test), detector.predict(X_test) == -1
    chosen = protocols.metrics(y_test, scores)
    return {
        "outliers": float(y_test.mean()),
        **{f"default_{metric}": default[metric] for metric in ("auroc", "ap")},
        **{metric: chosen[metric] for metric in ("auroc", "ap")},
        "chosen": search.best_params_,
        "flagged": float(flagged.mean()),
        "decision_f1": f1_score(y_test, flagged),
        **reasons(detector, X, X_test, scores, seed),
        **selection(detector, data.data.iloc[calibration], X_test, y_test),
    }


def reasons(detector, X, X_test, scores, seed):
    """What contributes to the scores of the oddest rows, and what would make them normal."""
    odd = X_test.iloc[np.argsort(-scores)[:N_EXPLAINED]]
    explanation = explain(detector, odd, background=X, random_state=seed)
    means = explanation.contributions.mean().sort_values(ascending=False)
    changed = nearest_normal(detector, odd, background=X, max_changes=10)
    return {
        "contributions": {name: round(float(value), 5) for name, value in means.items()},
        "excess": float((explanation.scores - explanation.base).mean()),
        "made_normal": float(changed.success.mean()),
        "changed_columns": float(changed.changed.sum(axis=1)[changed.success].mean()),
    }


def selection(detector, X_calibration, X_test, y_test):
    """What Benjamini-Hochberg picks at a false discovery rate, and how much of it is wrong."""
    conformal = ConformalDetector(FrozenEstimator(detector)).fit(X_calibration)
    picked = conformal.select(X_test, fdr=FDR)
    return {
        "picked": int(picked.sum()),
        "false_discoveries": float((y_test[picked] == 0).mean()) if picked.any() else 0.0,
        "found": float(picked[y_test == 1].mean()),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", choices=LOADERS, default=[*LOADERS])
    parser.add_argument("--methods", nargs="+", choices=DETECTORS, default=[*DETECTORS])
    parser.add_argument("--seeds", type=int, default=3)
    add_data_home(parser, "uci/ and kdd/")
    args = parser.parse_args()
    tasks = [
        (
            {"data": name, "method": method, "seed": seed},
            partial(evaluate, name, method, seed, args.data_home),
        )
        for name in args.data
        for method in args.methods
        for seed in range(args.seeds)
    ]
    results.run("front_door", tasks)


if __name__ == "__main__":
    main()
