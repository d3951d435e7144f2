"""Whether a discriminator at one half separates anomalies: RCGAN and ARN on the development sets.

The one-class split. At the boundary the logit is 0, and so is the score, so positive scores are
flagged. For comparison, the common rule of ``contamination="auto"`` flags scores above the 95th
percentile of the training rows.
"""

from functools import partial

import numpy as np
from sklearn.metrics import balanced_accuracy_score, f1_score

from benchmarks.common import cli, results
from benchmarks.common.data import load_development_set
from benchmarks.common.detectors import build
from benchmarks.common.splits import split_one_class

#: The discriminator at one half, in the notation of each paper.
BOUNDARIES = {"RCGAN": "D_xx = 1/2", "ARN": "D = 1/2"}


def evaluate(dataset, seed, *, method, data_home):
    """For each rule, shares of flagged rows, balanced accuracy and F1."""
    split = split_one_class(*load_development_set(dataset, data_home), seed)
    detector = build(method, seed, score_type="discriminator").fit(split.X_train)
    train, test = (-detector.score_samples(X) for X in (split.X_train, split.X_test))

    def judge(limit):
        flags, y = test > limit, split.y_test
        values = {
            "training": np.mean(train > limit),
            "normal": flags[y == 0].mean(),
            "anomalies": flags[y == 1].mean(),
            "balanced_accuracy": balanced_accuracy_score(y, flags),
            "f1": f1_score(y, flags),
        }
        return {name: round(float(value), 6) for name, value in values.items()}

    percentile = judge(np.percentile(train, 95))
    return {"rules": {BOUNDARIES[method]: judge(0), "percentile 95": percentile}}


def main(arguments=None):
    parser = cli.argument_parser(__doc__, folders="adbench/", seeds=1)
    parser.add_argument("method", choices=BOUNDARIES)
    cli.add_datasets(parser)
    args = parser.parse_args(arguments)
    keys = [
        {"dataset": dataset, "seed": seed}
        for dataset in cli.chosen_datasets(args)
        for seed in range(args.seeds)
    ]
    measure = partial(evaluate, method=args.method, data_home=args.data_home)
    results.run(f"{args.method.lower()}_boundary", measure, keys, args.jobs)


if __name__ == "__main__":
    main()
