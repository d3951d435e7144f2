"""Which of ARN's players should learn from known outliers, on the development sets.

The one-class split, with a few anomalies of the test half moved to the training rows as known
outliers. Their number is a share of the normal training rows, and at most half of the anomalies.
"""

from functools import partial

import numpy as np

from benchmarks.common import cli, results
from benchmarks.common.data import load_development_set
from benchmarks.common.detectors import build
from benchmarks.common.metrics import score_metrics
from benchmarks.common.splits import split_one_class

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


def evaluate(dataset, known, method, seed, *, data_home):
    """AUROC and average precision of each score from one fit."""
    split = split_one_class(*load_development_set(dataset, data_home), seed)
    anomalies = np.random.default_rng(seed).permutation(np.flatnonzero(split.y_test))
    n_known = min(round(known * len(split.X_train)), len(anomalies) // 2)
    X = np.concatenate([split.X_train, split.X_test[anomalies[:n_known]]])
    name, params, scores = DETECTORS[method]
    labels = np.repeat([1 if name == "WALDO" else 0, -1], [len(split.X_train), n_known])
    detector = build(name, seed, **params).fit(X, labels=labels)
    unseen = np.setdiff1d(np.arange(len(split.y_test)), anomalies[:n_known])
    rows = []
    for score in scores:
        detector.set_score_type(score, X)
        values = score_metrics(split.y_test[unseen], -detector.score_samples(split.X_test[unseen]))
        rows.append(
            {"score": score, "n_known": n_known, "auroc": values["auroc"], "ap": values["ap"]}
        )
    return rows


def main(arguments=None):
    parser = cli.argument_parser(__doc__, folders="adbench/", seeds=1)
    cli.add_datasets(parser, DATASETS)
    args = parser.parse_args(arguments)
    keys = [
        {"dataset": dataset, "known": known, "method": method, "seed": seed}
        for seed in range(args.seeds)
        for dataset in args.datasets
        for method in DETECTORS
        for known in (0.0, 0.01, 0.03)
    ]
    results.run("arn_labels", partial(evaluate, data_home=args.data_home), keys, args.jobs)


if __name__ == "__main__":
    main()
