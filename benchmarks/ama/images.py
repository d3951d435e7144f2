"""Tables 1 and 2 of AMA, with so few images and epochs that a CPU can train it.

Normal images are the first of the training set, and the whole test set is scored. FashionMNIST is
tested with a fifth as many digits of MNIST as anomalies, as in the paper. "known" also trains on
the other classes, as the authors' command for table 2 does: with a tenth as many labelled images of
the training set as there are inliers. No parameter was chosen with labels.
"""

from functools import partial

import numpy as np
from sklearn.ensemble import IsolationForest
from torch import nn

from benchmarks.common import cli, results
from benchmarks.common.baselines import (
    CenterDistance,
    NeighborDistance,
    OneColumn,
    PCAResidual,
)
from benchmarks.common.data import load_images
from benchmarks.common.detectors import QUOTED, SCORES_OF, build
from benchmarks.common.metrics import score_metrics
from skgad import ConvNet

FILES = {
    "mnist": ("mnist_train", "mnist_test"),
    "fashion": ("fashion_train_first12k", "fashion_test"),
    "cifar10": ("cifar10_train_batch1_jpeg", "cifar10_test_jpeg"),
}


class MeanPixel(OneColumn):
    """Brightness of an image."""

    def score_samples(self, X):
        return super().score_samples(X.mean(axis=1, keepdims=True))


BASELINES = {
    "mean pixel, negated": lambda seed: MeanPixel(larger_is="normal"),
    "L1 distance to the mean": lambda seed: CenterDistance(1),
    "L2 distance to the mean": lambda seed: CenterDistance(2),
    "PCA-20 residual": lambda seed: PCAResidual(20),
    "k-NN": lambda seed: NeighborDistance(5),
    "IsolationForest": lambda seed: IsolationForest(random_state=seed),
}


class Second(nn.Module):
    """The second of two concatenated rows."""

    def forward(self, pair):
        return pair.chunk(2, dim=-1)[1]


class WithoutMirror(ConvNet):
    """Networks whose critic sees only the second image of a pair."""

    def critic(self, n_features, _):
        critic = self.discriminator(n_features)
        critic.body = nn.Sequential(Second(), critic.body)
        return critic


PARAMS = {"latent_dim": 64, "batch_size": 64}
ATYPICAL = {"negatives": "outward"}  # as in the paper; the default of AMA is None
AUTOENCODER = {"prior_weight": 0.0, "outlier_decoder": False}
DETECTORS = {
    "Autoencoder": partial(build, "WALDO", **PARAMS, **AUTOENCODER),
    "AMA": partial(build, "AMA", **PARAMS, **ATYPICAL),
    "AMA, known outliers": partial(build, "AMA", **PARAMS),
    "AMA, no mirrored loss": partial(build, "AMA", **PARAMS, **ATYPICAL),
    "AMA, no interpolation": partial(build, "AMA", **PARAMS, **ATYPICAL, interpolation_weight=0.0),
    "AMA, no negatives": partial(build, "AMA", **PARAMS),
    "AMA, box": partial(build, "AMA", **PARAMS, negatives="box"),
}
#: Methods of table 2, trained on as many images and for as many epochs. The paper calls FenceGAN
#: "FGAN". In table 1 there is DeepSVDD.
OTHERS = ("FenceGAN", "ALAD", "AnoGAN", "Skip-GANomaly", "DeepSVDD")
RUNS = {  # data, normal classes, methods in addition to the baselines, images, epochs
    "mnist": ("mnist", range(10), ("Autoencoder", "AMA", *OTHERS), 1000, 40),
    "known": ("mnist", (2, 8), ("AMA, known outliers",), 1000, 40),
    "ood": (
        "fashion",
        ("all",),
        [*(n for n in DETECTORS if "known" not in n), "DeepSVDD"],
        2000,
        15,
    ),
    "cifar": ("cifar10", range(1), ("Autoencoder", "AMA", *OTHERS), 900, 20),
}


def split(data, normal, n_images, data_home):
    """Normal images and known outliers for training, and a test set with labels."""
    (X, y), (X_test, y_test) = (load_images(name, data_home) for name in FILES[data])
    if normal == "all":
        outliers, _ = load_images("mnist_test", data_home)
        outliers = outliers[: len(X_test) // 5]
        is_outlier = np.repeat([0, 1], [len(X_test), len(outliers)])
        return X[:n_images], X[:0], np.concatenate([X_test, outliers]), is_outlier
    is_normal = y == int(normal)
    known = X[~is_normal][: n_images // 10]
    return X[is_normal][:n_images], known, X_test, (y_test != int(normal)) * 1


def evaluate(data, normal, n_images, seed, method, epochs=None, *, data_home):
    """Metrics of one run; for AMA one row for each score."""
    X, known, X_test, y_test = split(data, normal, n_images, data_home)
    assert len(X) == n_images
    if method in BASELINES:
        detector = BASELINES[method](seed).fit(X / np.float32(255))
        return measure(detector, X_test / np.float32(255), y_test)

    shape = (3, 32, 32) if data == "cifar10" else (1, 28, 28)
    Networks = WithoutMirror if method == "AMA, no mirrored loss" else ConvNet
    networks = Networks(image_shape=shape, channels=(16, 32), output_activation="sigmoid")
    make = QUOTED[method] if method in OTHERS else DETECTORS[method]
    detector = make(seed, networks=networks, max_epochs=epochs, batch_size=PARAMS["batch_size"])
    if method == "AMA, known outliers":
        labels = np.repeat([0, -1], [len(X), len(known)])
        X = np.concatenate([X, known])
        detector.fit(X, labels=labels)
    else:
        detector.fit(X)
    if not method.startswith("AMA"):
        return measure(detector, X_test, y_test)
    rows = []
    for score in SCORES_OF["AMA"]:
        detector.set_score_type(score, X)
        rows.append({"score": score} | measure(detector, X_test, y_test))
    return rows


def measure(detector, X, y):
    values = score_metrics(y, -detector.score_samples(X))
    return {"auroc": values["auroc"], "ap": values["ap"], "n_test": len(X)}


def main(arguments=None):
    parser = cli.argument_parser(__doc__, folders="images/", seeds=1)
    parser.add_argument("--runs", nargs="+", choices=RUNS, default=list(RUNS))
    parser.add_argument("--normal", nargs="+", help="classes; default: those of the run")
    parser.add_argument("--methods", nargs="+", help="default: all of the run")
    parser.add_argument("--images", type=int, help="number of normal images")
    parser.add_argument("--epochs", type=int)
    args = parser.parse_args(arguments)
    keys = []
    for run in args.runs:
        data, classes, detectors, n_images, n_epochs = RUNS[run]
        for seed in range(args.seeds):
            for normal in args.normal or classes:
                key = {"data": data, "normal": str(normal), "n_images": args.images or n_images}
                key |= {"seed": seed}
                if run != "known":
                    keys += [key | {"method": name} for name in BASELINES]
                epochs = {"epochs": args.epochs or n_epochs}
                keys += [key | {"method": name} | epochs for name in detectors]
    methods = cli.expand(args.methods or [key["method"] for key in keys], {"others": OTHERS})
    keys = [key for key in keys if key["method"] in methods]
    results.run("ama_images", partial(evaluate, data_home=args.data_home), keys, args.jobs)


if __name__ == "__main__":
    main()
