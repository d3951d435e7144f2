"""CIFAR-10 in tables 1 and 2 of WALDO without a model: how dark the images are.

The authors' loader centers the pixels twice, to [-3, 1], and the decoders end with a sigmoid. Where
a value is negative, the best reconstruction is 0, so the error is at least ``||x - clip(x, 0,
1)||²``. The mixture is that of the authors' loader: airplanes are the inliers, and a share `nu` of
1000 images of the test set, in its order, shows something else.
"""

from functools import partial

import numpy as np

from benchmarks.common import cli, results
from benchmarks.common.data import load_images
from benchmarks.common.metrics import score_metrics, trapezoid_auprc

# The names are part of the keys of the results.
SCORES = {
    "distance to [0, 1], centred twice": lambda p: clip_error(2 * (2 * p - 1) - 1),
    "distance to [0, 1], centred once": lambda p: clip_error(2 * p - 1),
    "mean pixel, negated": lambda p: -p.mean(axis=1),
}


def clip_error(x):
    return np.square(x - x.clip(0, 1)).mean(axis=1)


def evaluate(data, nu, method, *, data_home):
    X, y = load_images(f"{data}_test_jpeg", data_home)
    n_outliers = round(1000 * nu)
    inliers, outliers = np.flatnonzero(y == 0), np.flatnonzero(y != 0)
    rows = np.concatenate([inliers[: 1000 - n_outliers], outliers[:n_outliers]])
    is_outlier, scores = y[rows] != 0, SCORES[method](X[rows] / 255)
    auroc = score_metrics(is_outlier, scores)["auroc"]
    return {"mixture_auroc": auroc, "mixture_auprc": trapezoid_auprc(is_outlier, scores)}


def main(arguments=None):
    args = cli.argument_parser(__doc__, folders="images/").parse_args(arguments)
    keys = [
        {"data": "cifar10", "nu": nu, "method": method}
        for method in SCORES
        for nu in (0.05, 0.1, 0.2, 0.5)
    ]
    results.run("cifar_brightness", partial(evaluate, data_home=args.data_home), keys, args.jobs)


if __name__ == "__main__":
    main()
