"""MNIST in table 1 of WALDO: zeros among other digits.

With fully connected networks the training is as long as in the paper. The convolutional networks,
which the paper uses, are smaller here. They see as many mini-batches, but of 128 known inliers and
128 rows of the mixture instead of all rows.
"""

from functools import lru_cache, partial

import numpy as np
from sklearn.ensemble import IsolationForest
from torch import nn

from benchmarks.common import cli, results
from benchmarks.common.baselines import CenterDistance, PCAResidual
from benchmarks.common.data import load_images
from benchmarks.common.detectors import QUOTED, build
from benchmarks.waldo.metrics import decisions, ranking
from benchmarks.waldo.splits import split_mnist
from benchmarks.waldo.tables import OTHERS
from skgad.networks import MLP, ConvNet


class PixelNetworks(MLP):
    """Networks whose decoder gives pixels in [0, 1]."""

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
def load(data, data_home):
    """Pixels in [0, 1] and classes of the training set and of the test set."""
    parts = (load_images(f"{data}_{name}", data_home) for name in ("train", "test"))
    return [(X.astype(np.float32) / 255, y) for X, y in parts]


def evaluate(data, nu, method, seed, *, data_home):
    """Metrics of one run; for detectors of this package one row for each score."""
    split = split_mnist(*load(data, data_home), nu)
    name, _, networks = method.partition(", ")
    if name in BASELINES:
        return ranking(BASELINES[name](seed).fit(split.positive), split)

    if (
        name in OTHERS
    ):  # with their own training, and their own networks unless they are convolutional
        params = {"networks": CONVOLUTIONS["networks"]} if networks else {}
        return ranking(QUOTED[name](seed, **params).fit(split.positive), split)

    params = PARAMS | DETECTORS[name] | (CONVOLUTIONS if networks else {})
    detector = build(name, seed, **params)
    if name == "WAE":  # is trained on the known inliers only
        return {"score": "inlier"} | ranking(detector.fit(split.positive), split)
    X, labels = split.training_rows()
    detector.fit(X, labels=labels)
    difference = {"score": "difference"} | ranking(detector, split) | decisions(detector, split)
    detector.set_score_type("inlier", X)
    return [{"score": "inlier"} | ranking(detector, split), difference]


def main(arguments=None):
    groups = {"others": [*OTHERS, *(f"{name}, ConvNet" for name in OTHERS)]}
    ours = [*DETECTORS, *(f"{name}, ConvNet" for name in DETECTORS)]
    methods = [*BASELINES, *ours, *groups["others"]]
    parser = cli.argument_parser(__doc__, folders="images/", seeds=2)
    parser.add_argument("--methods", nargs="+", choices=[*groups, *methods], default=methods)
    parser.add_argument("--nu", nargs="+", type=float, default=[0.05, 0.1, 0.2, 0.5])
    args = parser.parse_args(arguments)
    keys = [
        {"data": "mnist", "nu": nu, "method": method, "seed": seed}
        for seed in range(args.seeds)
        for nu in args.nu
        for method in cli.expand(args.methods, groups)
    ]
    results.run("waldo_images", partial(evaluate, data_home=args.data_home), keys, args.jobs)


if __name__ == "__main__":
    main()
