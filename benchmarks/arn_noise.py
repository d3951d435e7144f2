"""What ARN's detector owes to the noise of its variants: the development sets, one-class.

With ``noise_scale=0`` variants are what is decoded and nothing else, as in the authors' code.
"""

import argparse
from functools import partial

import protocols
import results
from adbench import load, rescored
from sklearn.metrics import roc_auc_score

from skgad import ARN
from skgad.datasets import list_adbench

NOISE_SCALES = (0.0, 1.0, 2.0)
SCORES = ("discriminator", "reconstruction", "combined")


def evaluate(dataset, seed, noise_scale, data_home):
    """AUROC of each score from one fit, and what is left of the rows' variance in decoding."""
    split = protocols.split_one_class(*load(dataset, data_home), seed)
    detector = ARN(noise_scale=noise_scale, random_state=seed).fit(split.X_train)
    about = {
        "variance": detector.net_.module_.games[0].spread_of_variants.item(),
        "variant_distance": detector.variant_distance_,
    }
    rows = []
    for score in SCORES:
        scores = -rescored(detector, score, split.X_train).score_samples(split.X_test)
        rows.append({"score": score, "auroc": roc_auc_score(split.y_test, scores)} | about)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datasets", nargs="+", help="default: all that are in the folder")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--data-home", default="../shared/data", help="holds the folder adbench/")
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
