"""Effect of ensembling ALAD: the development sets, one-class, with 1, 3 and 10 members.

The score of an ensemble is the average of its members' scores. Each member's scores are scaled by
statistics of its own scores on the training rows. One training of ten members therefore gives the
scores of each member alone, and those of any three of them together.
"""

from functools import partial

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmarks.common import cli, results
from benchmarks.common.data import load_development_set
from benchmarks.common.detectors import build
from benchmarks.common.splits import split_one_class
from skgad.engine.scores import map_rows

N_MEMBERS = 10
SIZES = (1, 3, N_MEMBERS)


def evaluate(dataset, seed, *, data_home):
    """AUROC and average precision of each part of the ensemble; parts of one size are disjoint."""
    split = split_one_class(*load_development_set(dataset, data_home), seed)
    detector = build("ALAD", seed, n_members=N_MEMBERS).fit(split.X_train)
    module = detector.net_.module_
    scores = map_rows(module, np.float32(split.X_test), lambda x: module.member_scores(x).T)
    scores = (scores - module.location.numpy().T) / module.scale.numpy().T
    np.testing.assert_allclose(scores.mean(1), -detector.score_samples(split.X_test), atol=1e-6)

    rows = []
    for size in SIZES:
        for start in range(0, N_MEMBERS - size + 1, size):
            mean = scores[:, start : start + size].mean(1)
            rows.append(
                {
                    "members": size,
                    "first": start,
                    "auroc": roc_auc_score(split.y_test, mean),
                    "ap": average_precision_score(split.y_test, mean),
                }
            )
    return rows


def main(arguments=None):
    parser = cli.argument_parser(__doc__, folders="adbench/", seeds=1)
    cli.add_datasets(parser)
    args = parser.parse_args(arguments)
    keys = [
        {"dataset": dataset, "seed": seed}
        for seed in range(args.seeds)
        for dataset in cli.chosen_datasets(args)
    ]
    results.run("members", partial(evaluate, data_home=args.data_home), keys, args.jobs)


if __name__ == "__main__":
    main()
