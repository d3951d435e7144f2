"""CIFAR-10 in tables 1 and 2 of WALDO without a model: how dark the pictures are.

The authors' loader centres the pixels twice, to [-3, 1], and the decoders end in a sigmoid. Where
a value is negative the best that any of them can give is 0: ``||x - clip(x, 0, 1)||²`` remains.
The mixture is that of the authors' loader: airplanes are the inliers, and of 1000 pictures of the
test set, in its order, a share `nu` is something else.
"""

import argparse
from functools import partial

import numpy as np
import protocols
import results
from files import add_data_home, load_images

SCORES = {
    "distance to [0, 1], centred twice": lambda p: clip_error(2 * (2 * p - 1) - 1),
    "distance to [0, 1], centred once": lambda p: clip_error(2 * p - 1),
    "mean pixel, negated": lambda p: -p.mean(axis=1),
}


def clip_error(x):
    return np.square(x - x.clip(0, 1)).mean(axis=1)


def evaluate(key, data_home):
    X, y = load_images("cifar10_test_jpeg", data_home)
    n_outliers = round(1000 * key["nu"])
    inliers, outliers = np.flatnonzero(y == 0), np.flatnonzero(y != 0)
    rows = np.concatenate([inliers[: 1000 - n_outliers], outliers[:n_outliers]])
    is_outlier, scores = y[rows] != 0, SCORES[key["method"]](X[rows] / 255)
    auroc = protocols.metrics(is_outlier, scores)["auroc"]
    return {"mixture_auroc": auroc, "mixture_auprc": protocols.trapezoid_auprc(is_outlier, scores)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_home(parser, "images/")
    args = parser.parse_args()
    keys = [
        {"data": "cifar10", "nu": nu, "method": method}
        for method in SCORES
        for nu in (0.05, 0.1, 0.2, 0.5)
    ]
    tasks = [(key, partial(evaluate, key, args.data_home)) for key in keys]
    results.run("cifar_brightness", tasks)


if __name__ == "__main__":
    main()
