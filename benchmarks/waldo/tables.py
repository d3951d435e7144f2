"""KDD99 in tables 1 and 2 of WALDO: known inliers beside a mixture with unknown outliers.

The mixture is what the detectors are trained on and, in the paper, also what they are tested on;
here they are tested on other rows, too.
"""

import argparse
from functools import lru_cache, partial

import numpy as np
import protocols
import results
from baselines import CenterDistance, OneColumn, PCAResidual
from files import add_data_home
from sklearn.ensemble import IsolationForest
from waldo_networks import KDD99Networks

from skgad.datasets import load_kdd99

PAPER = {
    "latent_dim": 32,
    "networks": KDD99Networks(),
    "prior_weight": 0.1,
    "lr": 1e-4,
    "lr_schedule": "constant",
    "batch_size": 3000,
    "max_epochs": 401,
    "advantage": True,
    "advantage_quantile": 0.0,
    "advantage_decay": 0.0,
}
LINEAR = PAPER | {"networks": KDD99Networks(relu_codes=False)}
DETECTORS = {
    "WALDO": PAPER,
    "CoRA": PAPER | {"prior_weight": 0.0},
    "WAE": PAPER | {"outlier_decoder": False},
    "WALDO, without advantage": PAPER | {"advantage": False},
    "WALDO, linear codes": LINEAR,
    "WALDO, linear codes, without advantage": LINEAR | {"advantage": False},
    "WALDO, linear codes, prior on all": LINEAR | {"prior_on": "all"},
    "WALDO, skgad's defaults": {},
}
BASELINES = {
    "PCA-2 residual": lambda names, seed: PCAResidual(2),
    "count, negated": lambda names, seed: OneColumn(names.index("count")),
    "L2 distance to the mean": lambda names, seed: CenterDistance(2),
    "IsolationForest": lambda names, seed: IsolationForest(random_state=seed),
}


@lru_cache(maxsize=1)
def load(data_home):
    return load_kdd99(data_home)


def evaluate(key, data_home):
    """Results of one run, for detectors of this package one row for each score."""
    data = load(data_home)
    split = protocols.split_waldo_kdd99(
        data.data, data.target, key["seed"], key["nu"], key["contamination"]
    )
    if key["method"] in BASELINES:
        detector = BASELINES[key["method"]](data.feature_names, key["seed"]).fit(split.positive)
        return measure(detector, split)
    return evaluate_skgad(key, split)


def evaluate_skgad(key, split):
    from skgad import WALDO

    params = DETECTORS[key["method"]]
    detector = WALDO(**params, random_state=key["seed"])
    if key["method"] == "WAE":  # it is trained on the known inliers alone
        detector.fit(split.positive)
    else:
        X = np.concatenate([split.positive, split.mixture])
        labels = np.repeat([1, 0], [len(split.positive), len(split.mixture)])
        detector.fit(X, labels=labels)
    game = detector.net_.module_.games[0]
    codes = detector.transform(split.mixture)
    rows = []
    for score in ("inlier", "difference")[: 1 + (game.outlier_decoder is not None)]:
        game.score_type = score
        row = {"score": score} | measure(detector, split)
        if score == "difference":
            detector.offset_ = -game.boundary.item()
            for name in ("mixture", "held_out"):
                flags = detector.predict(getattr(split, name)) == -1
                row |= protocols.decision_metrics(getattr(split, f"y_{name}"), flags, name)
        row["zero_codes"] = float((codes == 0).mean())
        rows.append(row)
    return rows


def measure(detector, split):
    """Rank metrics on the mixture and on held-out rows."""
    row = {}
    for name in ("mixture", "held_out"):
        y, X = getattr(split, f"y_{name}"), getattr(split, name)
        scores = -detector.score_samples(X)
        values = protocols.metrics(y, scores) | {"auprc": protocols.trapezoid_auprc(y, scores)}
        row |= {f"{name}_{metric}": values[metric] for metric in ("auroc", "ap", "auprc", "f1")}
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    groups = {"baselines": list(BASELINES), "paper": ["WALDO", "CoRA", "WAE"]}
    methods = [*BASELINES, *DETECTORS]
    parser.add_argument("--methods", nargs="+", choices=[*groups, *methods], default=groups)
    parser.add_argument("--nu", nargs="+", type=float, default=[0.05, 0.1, 0.2, 0.5])
    parser.add_argument("--contamination", nargs="+", type=float, default=[0.0, 0.05, 0.1])
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--jobs", type=int, default=1)
    add_data_home(parser, "kdd/")
    args = parser.parse_args()
    keys = [
        {"data": "kdd99", "nu": nu, "contamination": c, "method": method, "seed": seed}
        for seed in range(args.seeds)
        for c in args.contamination
        for nu in args.nu
        for name in args.methods
        for method in groups.get(name, [name])
    ]
    tasks = [(key, partial(evaluate, key, args.data_home)) for key in keys]
    results.run("waldo_tables", tasks, args.jobs)


if __name__ == "__main__":
    main()
