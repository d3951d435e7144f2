"""What several members of ALAD give: the development sets, one-class, 1, 3 and 10 of ten members.

The score of an ensemble is the mean of its members' scores in units that each takes from its own
scores of the training rows. So one training of ten members tells what each of them gives alone, and
what three of them give together.
"""

import argparse
from functools import partial

import numpy as np
import protocols
import results
from adbench import METHODS, load
from files import add_data_home
from sklearn.metrics import average_precision_score, roc_auc_score

from skgad.datasets import list_adbench

N_MEMBERS = 10
SIZES = (1, 3, N_MEMBERS)


def evaluate(dataset, seed, data_home):
    """AUROC and average precision of each part of the ensemble; no two of one size overlap."""
    split = protocols.split_one_class(*load(dataset, data_home), seed)
    detector = METHODS["ALAD"](seed, n_members=N_MEMBERS).fit(split.X_train)
    module = detector.net_.module_
    scores = detector._map_rows(
        detector.net_, np.float32(split.X_test), lambda x: module.member_scores(x).T
    )
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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datasets", nargs="+", help="default: all that are in the folder")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    add_data_home(parser, "adbench/")
    args = parser.parse_args()
    tasks = [
        ({"dataset": name, "seed": seed}, partial(evaluate, name, seed, args.data_home))
        for seed in range(args.seeds)
        for name in args.datasets or list_adbench(args.data_home)
    ]
    results.run("members", tasks, args.jobs)


if __name__ == "__main__":
    main()
