"""Detectors on the development sets of ADBench, trained on normal rows.

Protocols: "one-class" (`split_one_class`) and "dte" (`split_dte`), for which there are published
results.
"""

import time
from functools import partial

import numpy as np

from benchmarks.common import cli, results
from benchmarks.common.data import load_development_set
from benchmarks.common.detectors import GROUPS, METHODS, SCORES_OF
from benchmarks.common.metrics import score_metrics
from benchmarks.common.splits import split_dte, split_one_class

SPLITS = {"one-class": split_one_class, "dte": split_dte}


def evaluate(protocol, dataset, method, seed, *, data_home):
    """Metrics and times of one fit; for some methods one row for each score."""
    split = SPLITS[protocol](*load_development_set(dataset, data_home), seed)
    detector = METHODS[method](seed)
    start = time.perf_counter()
    detector.fit(split.X_train)
    fit_seconds = time.perf_counter() - start

    def row(detector):
        start = time.perf_counter()
        scores = -detector.score_samples(split.X_test)
        seconds = time.perf_counter() - start
        if protocol == "dte":  # as its authors do
            scores = np.where(np.isnan(scores), 0, scores)
        values = score_metrics(split.y_test, scores)
        times = {"fit_seconds": fit_seconds, "score_seconds": seconds}
        return {name: values[name] for name in ("auroc", "ap", "f1")} | times

    scores = SCORES_OF.get(method.split(",")[0])
    if scores is None:
        return row(detector)
    return [
        {"score": score} | row(detector.set_score_type(score, split.X_train)) for score in scores
    ]


def main(arguments=None):
    parser = cli.argument_parser(__doc__, folders="adbench/", seeds=3)
    parser.add_argument("--protocol", choices=SPLITS, default="one-class")
    parser.add_argument("--methods", nargs="+", choices=[*GROUPS, *METHODS], default=GROUPS)
    cli.add_datasets(parser)
    args = parser.parse_args(arguments)
    keys = [
        {"protocol": args.protocol, "dataset": dataset, "method": method, "seed": seed}
        for dataset in cli.chosen_datasets(args)
        for seed in range(args.seeds)
        for method in cli.expand(args.methods, GROUPS)
    ]
    results.run("adbench", partial(evaluate, data_home=args.data_home), keys, args.jobs)


if __name__ == "__main__":
    main()
