"""Detectors on a folder of npz files, one-class: ``python benchmarks/adbench.py --help``.

Protocols: "one-class" (`protocols.split_one_class`) and "dte" (`protocols.split_dte`, for which
there are published results).
"""

import argparse
import time
from functools import lru_cache, partial

import numpy as np
import protocols
import results
from baselines import CenterDistance, DenoisingAutoencoder, NeighborDistance, PCAResidual, PyOD
from files import add_data_home
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor
from sklearn.svm import OneClassSVM

from skgad.datasets import list_adbench, load_adbench


def ours(name, seed, **params):
    import skgad

    return getattr(skgad, name)(random_state=seed, **params)


BASELINES = {
    "L1 norm": lambda seed: CenterDistance(1),
    "L2 norm": lambda seed: CenterDistance(2),
    "PCA-2 residual": lambda seed: PCAResidual(2),
    "IsolationForest": lambda seed: IsolationForest(random_state=seed),
    "OneClassSVM": lambda seed: OneClassSVM(),
    "LocalOutlierFactor": lambda seed: LocalOutlierFactor(novelty=True),
    "k-NN": lambda seed: NeighborDistance(5),
    "Denoising autoencoder": lambda seed: DenoisingAutoencoder(random_state=seed),
}
METHODS = {
    **BASELINES,
    "PyOD KNN": lambda seed: PyOD("KNN"),
    "PyOD AutoEncoder": lambda seed: PyOD("AutoEncoder", {"verbose": 0}, random_state=seed),
    "PyOD ALAD": lambda seed: PyOD("ALAD", random_state=seed),
    "RCGAN": partial(ours, "RCGAN"),
    "RCGAN, penalty_weight=0": partial(ours, "RCGAN", penalty_weight=0.0),
    "WALDO": partial(ours, "WALDO"),
    "WAE": partial(ours, "WAE"),
    "CoRA": partial(ours, "CoRA"),
    "Autoencoder": partial(ours, "WALDO", prior_weight=0.0, outlier_decoder=False),
    "AMA": partial(ours, "AMA"),
    "AMA, outward": partial(ours, "AMA", negatives="outward"),
    "AMA, inward": partial(ours, "AMA", negatives="inward"),
    "AMA, box": partial(ours, "AMA", negatives="box"),
    "AMA, no interpolation": partial(ours, "AMA", interpolation_weight=0.0),
    "AMA, spectral norm": partial(ours, "AMA", spectral_norm=True),
    "ARN": partial(ours, "ARN"),
    "ARN, noise_scale=0": partial(ours, "ARN", noise_scale=0.0),
    "ALAD": partial(ours, "ALAD"),
    "ALAD, latent_weight=1": partial(ours, "ALAD", latent_weight=1.0),
}
GROUPS = {
    "alad": [name for name in METHODS if name.startswith("ALAD")],
    "rcgan": [name for name in METHODS if name.startswith("RCGAN")],
    "waldo": ["WALDO", "WAE", "CoRA", "Autoencoder"],
    "ama": [name for name in METHODS if name.startswith("AMA")],
    "arn": ["ARN", "ARN, noise_scale=0"],
    "pyod": [name for name in METHODS if name.startswith("PyOD")],
    "baselines": list(BASELINES),
}
SCORES = ("features", "l1", "l2", "logits", "combined")
SCORES_OF = {
    "ALAD": SCORES,
    "AMA": ("combined", "features", "likelihood"),
    "ARN": ("combined", "discriminator", "reconstruction"),
    "RCGAN": ("combined", "discriminator", "features"),
}
SPLITS = {"one-class": protocols.split_one_class, "dte": protocols.split_dte}


@lru_cache(maxsize=1)
def load(name, data_home):
    data = load_adbench(name, data_home)
    return data.data, data.target


def evaluate(protocol, dataset, method, seed, data_home):
    """One row of results; for some methods one for each score, from a single fit."""
    split = SPLITS[protocol](*load(dataset, data_home), seed)
    detector = METHODS[method](seed)
    start = time.perf_counter()
    detector.fit(split.X_train)
    fit_seconds = time.perf_counter() - start

    def row(detector):
        start = time.perf_counter()
        scores = -detector.score_samples(split.X_test)
        seconds = time.perf_counter() - start
        if protocol == "dte":  # its authors do so
            scores = np.where(np.isnan(scores), 0, scores)
        values = protocols.metrics(split.y_test, scores)
        times = {"fit_seconds": fit_seconds, "score_seconds": seconds}
        return {name: values[name] for name in ("auroc", "ap", "f1")} | times

    scores = SCORES_OF.get(method.split(",")[0])
    if scores is None:
        return row(detector)
    return [{"score": score} | row(rescored(detector, score, split.X_train)) for score in scores]


def rescored(detector, score, X_train):
    """A trained detector with another of its scores, without training again."""
    module = detector.set_params(score_type=score).net_.module_
    for game in [*module.games, *(module.averages or ())]:
        game.score_type = score
    unlabelled = np.zeros(len(X_train), np.int8)
    units = detector._results(detector.net_, X_train, unlabelled)  # of the members
    vars(detector).update(units)
    return detector


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--protocol", choices=SPLITS, default="one-class")
    parser.add_argument("--methods", nargs="+", choices=[*GROUPS, *METHODS], default=GROUPS)
    parser.add_argument("--datasets", nargs="+", help="default: all that are in the folder")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1)
    add_data_home(parser, "adbench/")
    args = parser.parse_args()
    tasks = [
        (
            {"protocol": args.protocol, "dataset": dataset, "method": method, "seed": seed},
            partial(evaluate, args.protocol, dataset, method, seed, args.data_home),
        )
        for dataset in args.datasets or list_adbench(args.data_home)
        for seed in range(args.seeds)
        for name in args.methods
        for method in GROUPS.get(name, [name])
    ]
    results.run("adbench", tasks, args.jobs)


if __name__ == "__main__":
    main()
