"""WALDO and its parts on the development sets, with known inliers and with outliers in training.

Settings: "one-class" is that of ``adbench.py``, whose training rows are normal; in "mixture" a
random half of all rows is trained on, outliers among them, and the other half tested. In both,
half of the normal training rows, drawn at random, may be known to be so ("half known").
"""

import argparse
from functools import lru_cache, partial

import numpy as np
import protocols
import results
from files import add_data_home
from sklearn.metrics import balanced_accuracy_score

from skgad.datasets import list_adbench, load_adbench

METHODS = {
    "WALDO": {},
    "CoRA": {"prior_weight": 0.0},
    "WAE": {"outlier_decoder": False},
    "Autoencoder": {"prior_weight": 0.0, "outlier_decoder": False},
    "WALDO, without advantage": {"advantage": False},
    "WALDO, advantage by 10 % quantile": {"advantage_quantile": 0.1, "advantage_decay": 0.0},
    "WALDO, moving advantage": {"advantage_quantile": 0.0, "advantage_decay": 0.99},
    "WALDO, prior_weight=0.1": {"prior_weight": 0.1},
    "WALDO, prior_weight=0.01": {"prior_weight": 0.01},
}
GROUPS = {"parts": list(METHODS)[:4], "advantage": list(METHODS)[4:7]}
SPLITS = {"one-class": protocols.split_one_class, "mixture": protocols.split_contaminated}


@lru_cache(maxsize=1)
def load(name, data_home):
    data = load_adbench(name, data_home)
    return data.data, data.target


def evaluate(key, data_home):
    """One row for each score, from a single fit."""
    from skgad import WALDO

    setting, _, known = key["setting"].partition(", ")
    split, y_train = SPLITS[setting](*load(key["dataset"], data_home), key["seed"]), None
    if setting == "mixture":
        split, y_train = split
    labels = None
    if known:
        normal = np.ones(len(split.X_train), bool) if y_train is None else y_train == 0
        labels = normal & (np.random.default_rng(key["seed"]).random(len(normal)) < 0.5)
    detector = WALDO(**METHODS[key["method"]], random_state=key["seed"])
    detector.fit(split.X_train, labels=labels)
    game = detector.net_.module_.games[0]
    rows = []
    for score in ("inlier", "difference")[: 1 + (game.outlier_decoder is not None)]:
        game.score_type = score
        scores = -detector.score_samples(split.X_test)
        values = protocols.metrics(split.y_test, scores)
        row = {"score": score} | {name: values[name] for name in ("auroc", "ap", "f1")}
        if score == "difference":
            flags = scores > game.boundary.item()
            row |= protocols.decision_metrics(split.y_test, flags, "tie")
            row["tie_balanced_accuracy"] = balanced_accuracy_score(split.y_test, flags)
        rows.append(row)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    settings = [f"{name}{known}" for name in SPLITS for known in ("", ", half known")]
    parser.add_argument("--settings", nargs="+", choices=settings, default=settings)
    parser.add_argument("--methods", nargs="+", choices=[*GROUPS, *METHODS], default=["parts"])
    parser.add_argument("--datasets", nargs="+", help="default: all that are in the folder")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1)
    add_data_home(parser, "adbench/")
    args = parser.parse_args()
    keys = [
        {"setting": setting, "dataset": dataset, "method": method, "seed": seed}
        for seed in range(args.seeds)
        for setting in args.settings
        for dataset in args.datasets or list_adbench(args.data_home)
        for name in args.methods
        for method in GROUPS.get(name, [name])
    ]
    tasks = [(key, partial(evaluate, key, args.data_home)) for key in keys]
    results.run("waldo_adbench", tasks, args.jobs)


if __name__ == "__main__":
    main()
