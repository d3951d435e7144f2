"""MNIST in table 1 of WALDO: zeros among other digits.

With fully connected networks the training has the paper's length. Convolutional ones, which the
paper has, are smaller here and see as many mini-batches, but of 128 rows of a kind and not all.
"""

import argparse
from functools import lru_cache, partial

import numpy as np
import protocols
import results
from baselines import CenterDistance, PCAResidual
from files import add_data_home, load_images
from sklearn.ensemble import IsolationForest
from torch import nn

from skgad.networks import MLP, ConvNet


class PixelNetworks(MLP):
    """The decoder gives pixels in [0, 1]."""

    def decoder(self, latent_dim, n_features):
        return nn.Sequential(super().decoder(latent_dim, n_features), nn.Sigmoid())


PARAMS = {
    "latent_dim": 20,
    "networks": PixelNetworks(hidden_layer_sizes=(256, 128), discriminator_layer_sizes=(160,)),
    "lr": 1e-4,
    "lr_schedule": "constant",
    "batch_size": 4096,  # all rows
    "max_epochs": 401,
}
CONVOLUTIONS = {
    "networks": ConvNet(channels=(16, 32), output_activation="sigmoid"),
    "lr": 1e-3,
    "batch_size": 128,
    "max_epochs": 50,
}
PRIOR = {"prior_weight": 0.5}
COMPETITION = {
    "score_type": "difference",
    "advantage": True,
    "advantage_quantile": 0.0,
    "advantage_decay": 0.0,
}
DETECTORS = {"WALDO": PRIOR | COMPETITION, "CoRA": COMPETITION, "WAE": PRIOR}
BASELINES = {
    "PCA-2 residual": lambda seed: PCAResidual(2),
    "PCA-20 residual": lambda seed: PCAResidual(20),
    "L2 distance to the mean": lambda seed: CenterDistance(2),
    "IsolationForest": lambda seed: IsolationForest(random_state=seed),
}


@lru_cache(maxsize=1)
def load(data_home):
    """Pixels in [0, 1] and digits, of the training and of the test set."""
    parts = (load_images(f"mnist_{name}", data_home) for name in ("train", "test"))
    return [(X.astype(np.float32) / 255, y) for X, y in parts]


def split_mnist(train, test, nu, inlier=0, n_held_out=2000):
    """Known inliers and a mixture as in the authors' notebooks, in the order of the files.

    The mixture is of the test set, the known inliers are the first of the training set. Ours:
    held-out rows with the same `nu` from the rest of the training set.
    """
    (X, y), (X_test, y_test) = train, test
    n = int((y_test == inlier).sum() / 0.95)

    def mix(y, n_rows, skip=0):
        n_outliers = int(nu * n_rows)
        inliers = np.flatnonzero(y == inlier)[skip:][: n_rows - n_outliers]
        return np.concatenate([np.flatnonzero(y != inlier)[:n_outliers], inliers])

    mixture, held_out = mix(y_test, n), mix(y, n_held_out, skip=n)
    return protocols.MixtureSplit(
        X[y == inlier][:n],
        X_test[mixture],
        (y_test[mixture] != inlier).astype(int),
        X[held_out],
        (y[held_out] != inlier).astype(int),
    )


def evaluate(key, data_home):
    """Results of one run, for detectors of this package one row for each score."""
    import skgad

    split = split_mnist(*load(data_home), key["nu"])
    (name, _, networks), seed = key["method"].partition(", "), key["seed"]
    if name in BASELINES:
        return measure(BASELINES[name](seed).fit(split.positive), split)

    params = PARAMS | DETECTORS[name] | (CONVOLUTIONS if networks else {})
    detector = getattr(skgad, name)(**params, random_state=seed)
    if name == "WAE":  # it is trained on the known inliers alone
        return {"score": "inlier"} | measure(detector.fit(split.positive), split)
    X = np.concatenate([split.positive, split.mixture])
    labels = np.repeat([1, 0], [len(split.positive), len(split.mixture)])
    detector.fit(X, labels=labels)
    difference = {"score": "difference"} | measure(detector, split)
    for part in ("mixture", "held_out"):
        flags = detector.predict(getattr(split, part)) == -1
        difference |= protocols.decision_metrics(getattr(split, f"y_{part}"), flags, part)
    detector.net_.module_.games[0].score_type = "inlier"
    return [{"score": "inlier"} | measure(detector, split), difference]


def measure(detector, split):
    """Rank metrics on the mixture and on held-out rows."""
    row = {}
    for part in ("mixture", "held_out"):
        y, scores = getattr(split, f"y_{part}"), -detector.score_samples(getattr(split, part))
        values = protocols.metrics(y, scores) | {"auprc": protocols.trapezoid_auprc(y, scores)}
        row |= {f"{part}_{metric}": values[metric] for metric in ("auroc", "ap", "auprc", "f1")}
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    methods = [*BASELINES, *DETECTORS, *(f"{name}, ConvNet" for name in DETECTORS)]
    parser.add_argument("--methods", nargs="+", choices=methods, default=methods)
    parser.add_argument("--nu", nargs="+", type=float, default=[0.05, 0.1, 0.2, 0.5])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=1)
    add_data_home(parser, "images/")
    args = parser.parse_args()
    keys = [
        {"data": "mnist", "nu": nu, "method": method, "seed": seed}
        for seed in range(args.seeds)
        for nu in args.nu
        for method in args.methods
    ]
    tasks = [(key, partial(evaluate, key, args.data_home)) for key in keys]
    results.run("waldo_images", tasks, args.jobs)


if __name__ == "__main__":
    main()
