"""WALDO and its parts on the development sets, with known inliers and with outliers in training.

Settings: "one-class" is the split of ``benchmarks.studies.adbench``, where all training rows are
normal. In "mixture" a random half of all rows is used for training, its outliers included, and the
other half for testing. In both, half of the normal training rows, drawn at random, may be known to
be normal ("half known").
"""

from functools import partial

import numpy as np
from sklearn.metrics import balanced_accuracy_score

from benchmarks.common import cli, results
from benchmarks.common.data import load_development_set
from benchmarks.common.detectors import build
from benchmarks.common.metrics import decision_metrics, score_metrics
from benchmarks.common.splits import split_contaminated, split_one_class

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
SPLITS = {"one-class": split_one_class, "mixture": split_contaminated}


def evaluate(setting, dataset, method, seed, *, data_home):
    """Metrics of one fit, one row for each score."""
    name, _, known = setting.partition(", ")
    split, y_train = SPLITS[name](*load_development_set(dataset, data_home), seed), None
    if name == "mixture":
        split, y_train = split
    labels = None
    if known:
        normal = np.ones(len(split.X_train), bool) if y_train is None else y_train == 0
        labels = normal & (np.random.default_rng(seed).random(len(normal)) < 0.5)
    detector = build("WALDO", seed, **METHODS[method])
    detector.fit(split.X_train, labels=labels)
    rows = []
    for score in ("inlier", "difference")[: 1 + detector.outlier_decoder]:
        detector.set_score_type(score, split.X_train)
        scores = -detector.score_samples(split.X_test)
        values = score_metrics(split.y_test, scores)
        row = {"score": score} | {name: values[name] for name in ("auroc", "ap", "f1")}
        if score == "difference":
            flags = detector.predict(split.X_test) == -1  # where the decoders tie
            row |= decision_metrics(split.y_test, flags, "tie")
            row["tie_balanced_accuracy"] = balanced_accuracy_score(split.y_test, flags)
        rows.append(row)
    return rows


def main(arguments=None):
    settings = [f"{name}{known}" for name in SPLITS for known in ("", ", half known")]
    parser = cli.argument_parser(__doc__, folders="adbench/", seeds=3)
    parser.add_argument("--settings", nargs="+", choices=settings, default=settings)
    parser.add_argument("--methods", nargs="+", choices=[*GROUPS, *METHODS], default=["parts"])
    cli.add_datasets(parser)
    args = parser.parse_args(arguments)
    keys = [
        {"setting": setting, "dataset": dataset, "method": method, "seed": seed}
        for seed in range(args.seeds)
        for setting in args.settings
        for dataset in cli.chosen_datasets(args)
        for method in cli.expand(args.methods, GROUPS)
    ]
    results.run("waldo_adbench", partial(evaluate, data_home=args.data_home), keys, args.jobs)


if __name__ == "__main__":
    main()
