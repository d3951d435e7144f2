"""What ARN's detector owes to the noise of its variants: the development sets, one-class.

With ``noise_scale=0`` variants are what is decoded and nothing else, as in the authors' code.
"""

import argparse
from functools import partial

import numpy as np
import protocols
import results
from adbench import load, rescored
from files import add_data_home
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from skgad import ARN
from skgad.datasets import list_adbench

NOISE_SCALES = (0.0, 1.0, 2.0)
SCORES = ("discriminator", "reconstruction", "combined")


def evaluate(dataset, seed, noise_scale, data_home):
    """AUROC of each score from one fit, how rows shrink, and how the scores go with their size."""
    split = protocols.split_one_class(*load(dataset, data_home), seed)
    detector = ARN(noise_scale=noise_scale, random_state=seed).fit(split.X_train)
    about = {
        "slope": slope(split.X_train, detector.reconstruct(split.X_train)),
        "variant_distance": detector.variant_distance_,
    }
    sizes = np.linalg.norm(split.X_test - split.X_train.mean(axis=0), axis=1)
    rows = []
    for score in SCORES:
        scores = -rescored(detector, score, split.X_train).score_samples(split.X_test)
        values = {
            "auroc": roc_auc_score(split.y_test, scores),
            "size_correlation": spearmanr(sizes, scores).statistic,
        }
        rows.append({"score": score} | values | about)
    return rows


def slope(X, decoded):
    """Slope of the regression of what is decoded on the rows: below 1 they shrink to the mean."""
    X, decoded = (Z - Z.mean(axis=0, dtype=np.float64) for Z in (X, decoded))
    return np.vdot(X, decoded) / np.vdot(X, X)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datasets", nargs="+", help="default: all that are in the folder")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    add_data_home(parser, "adbench/")
    args = parser.parse_args()
    tasks = [
        (
            {"dataset": dataset, "seed": seed, "noise_scale": noise_scale},
            partial(evaluate, dataset, seed, noise_scale, args.data_home),
        )
        for dataset in args.datasets or list_adbench(args.data_home)
        for seed in range(args.seeds)
        for noise_scale in NOISE_SCALES
    ]
    results.run("arn_noise", tasks, args.jobs)


if __name__ == "__main__":
    main()
