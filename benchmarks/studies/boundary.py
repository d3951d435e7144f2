"""Does D_xx = 1/2 of RCGAN separate anomalies? On the development sets, one-class.

At this boundary the logit is 0, and so is the score; positive scores are taken for anomalous. The
common rule of ``contamination="auto"`` flags what scores above 95 % of the training rows.
"""

import argparse
from functools import partial

import numpy as np
import protocols
import results
from adbench import METHODS, load
from files import add_data_home
from sklearn.metrics import balanced_accuracy_score, f1_score

from skgad.datasets import list_adbench


def evaluate(dataset, seed, data_home, method="RCGAN", boundary="D_xx = 1/2"):
    """For each rule, shares of flagged rows, balanced accuracy and F1."""
    split = protocols.split_one_class(*load(dataset, data_home), seed)
    detector = METHODS[method](seed, score_type="discriminator").fit(split.X_train)
    train, test = (-detector.score_samples(X) for X in (split.X_train, split.X_test))

    def judge(limit):
        flags, y = test > limit, split.y_test
        shares = {
            "training": np.mean(train > limit),
            "normal": flags[y == 0].mean(),
            "anomalies": flags[y == 1].mean(),
            "balanced_accuracy": balanced_accuracy_score(y, flags),
            "f1": f1_score(y, flags),
        }
        return rounded(shares)

    rules = {boundary: judge(0), "percentile 95": judge(np.percentile(train, 95))}
    return {"rules": rules}


def rounded(values):
    return {name: round(float(value), 6) for name, value in values.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    add_data_home(parser, "adbench/")
    args = parser.parse_args()
    tasks = [
        ({"dataset": name, "seed": seed}, partial(evaluate, name, seed, args.data_home))
        for name in list_adbench(args.data_home)
        for seed in range(args.seeds)
    ]
    results.run("rcgan_boundary", tasks, args.jobs)


if __name__ == "__main__":
    main()
