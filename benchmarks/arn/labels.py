"""Who of ARN's players should learn from known outliers, on the development sets.

The one-class split, with a few anomalies of the test half moved to the training rows as known
outliers: a share of the number of normal training rows, at most half of the anomalies.
"""

import argparse
from functools import partial

import numpy as np
import protocols
import results
from adbench import METHODS, load
from files import add_data_home

DATASETS = ["6_cardio", "12_fault", "20_letter", "26_optdigits", "28_pendigits", "30_satellite"]
DETECTORS = {
    "ARN, discriminator supervised": ("ARN", {}, ("combined", "discriminator")),
    "ARN, both supervised": (
        "ARN",
        {"supervised_players": "both"},
        ("combined", "discriminator"),
    ),
    "WALDO": ("WALDO", {}, ("inlier", "difference")),
}


def evaluate(dataset, known, method, seed, data_home):
    """AUROC of each score from one fit."""
    split = protocols.split_one_class(*load(dataset, data_home), seed)
    anomalies = np.random.default_rng(seed).permutation(np.flatnonzero(split.y_test))
    n_known = min(round(known * len(split.X_train)), len(anomalies) // 2)
    X = np.concatenate([split.X_train, split.X_test[anomalies[:n_known]]])
    name, params, scores = DETECTORS[method]
    labels = np.repeat([1 if name == "WALDO" else 0, -1], [len(split.X_train), n_known])
    detector = METHODS[name](seed, **params).fit(X, labels=labels)
    unseen = np.setdiff1d(np.arange(len(split.y_test)), anomalies[:n_known])
    rows = []
    for score in scores:
        for game in detector.net_.module_.games:
            game.score_type = score
        values = protocols.metrics(
            split.y_test[unseen], -detector.score_samples(split.X_test[unseen])
        )
        rows.append(
            {"score": score, "n_known": n_known, "auroc": values["auroc"], "ap": values["ap"]}
        )
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datasets", nargs="+", default=DATASETS)
    parser.add_argument("--seeds", type=int, default=1)
    add_data_home(parser, "adbench/")
    args = parser.parse_args()
    tasks = [
        (
            {"dataset": dataset, "known": known, "method": method, "seed": seed},
            partial(evaluate, dataset, known, method, seed, args.data_home),
        )
        for seed in range(args.seeds)
        for dataset in args.datasets
        for method in DETECTORS
        for known in (0.0, 0.01, 0.03)
    ]
    results.run("arn_labels", tasks)


if __name__ == "__main__":
    main()
