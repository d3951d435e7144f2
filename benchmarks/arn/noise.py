"""What the noise of its variants does for ARN's detector: the development sets, one-class.

With ``noise_scale=0`` variants are decoded rows without noise, as in the authors' code.
"""

from functools import partial

import numpy as np
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from benchmarks.common import cli, results
from benchmarks.common.data import load_development_set
from benchmarks.common.detectors import build
from benchmarks.common.splits import split_one_class

NOISE_SCALES = (0.0, 1.0, 2.0)
SCORES = ("discriminator", "reconstruction", "combined")


def evaluate(dataset, seed, noise_scale, *, data_home):
    """AUROC of each score from one fit, its correlation with the norm, and how rows shrink."""
    split = split_one_class(*load_development_set(dataset, data_home), seed)
    detector = build("ARN", seed, noise_scale=noise_scale).fit(split.X_train)
    about = {
        "slope": slope(split.X_train, detector.reconstruct(split.X_train)),
        "variant_distance": detector.variant_distance_,
    }
    norms = np.linalg.norm(split.X_test - split.X_train.mean(axis=0), axis=1)
    rows = []
    for score in SCORES:
        scores = -detector.set_score_type(score, split.X_train).score_samples(split.X_test)
        values = {
            "auroc": roc_auc_score(split.y_test, scores),
            "size_correlation": spearmanr(norms, scores).statistic,
        }
        rows.append({"score": score} | values | about)
    return rows


def slope(X, decoded):
    """Slope of the regression of decoded rows on rows; below 1, rows shrink to the mean."""
    X, decoded = (Z - Z.mean(axis=0, dtype=np.float64) for Z in (X, decoded))
    return np.vdot(X, decoded) / np.vdot(X, X)


def main(arguments=None):
    parser = cli.argument_parser(__doc__, folders="adbench/", seeds=1)
    cli.add_datasets(parser)
    args = parser.parse_args(arguments)
    keys = [
        {"dataset": dataset, "seed": seed, "noise_scale": noise_scale}
        for dataset in cli.chosen_datasets(args)
        for seed in range(args.seeds)
        for noise_scale in NOISE_SCALES
    ]
    results.run("arn_noise", partial(evaluate, data_home=args.data_home), keys, args.jobs)


if __name__ == "__main__":
    main()
