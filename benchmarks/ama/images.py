"""AMA's tables 1 and 2, on so few images and for so few epochs that a CPU can train it.

Normal images are the first of the training set; the whole test set is scored. FashionMNIST is
tested against a fifth as many digits of MNIST, as in the paper. "known" trains on the other
classes, too, as the command does that the authors give for table 2: with a tenth as many labelled
images of the training set as there are normal ones. No parameter was chosen with labels.
"""

import argparse
from functools import partial

import numpy as np
import protocols
import results
from baselines import CenterDistance, NeighborDistance, OneColumn, PCAResidual
from files import add_data_home, load_images
from sklearn.ensemble import IsolationForest
from torch import nn

from skgad import AMA, WALDO, ConvNet

FILES = {
    "mnist": ("mnist_train", "mnist_test"),
    "fashion": ("fashion_train_first12k", "fashion_test"),
    "cifar10": ("cifar10_train_batch1_jpeg", "cifar10_test_jpeg"),
}


class MeanPixel(OneColumn):
    """How light an image is."""

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
    """The second of two rows that are side by side."""

    def forward(self, pair):
        return pair.chunk(2, dim=-1)[1]


class WithoutMirror(ConvNet):
    """The critic sees an image, and not beside it of which row it is the image."""

    def critic(self, n_features, _):
        critic = self.discriminator(n_features)
        critic.body = nn.Sequential(Second(), critic.body)
        return critic


PARAMS = {"latent_dim": 64, "batch_size": 64}
ATYPICAL = {"negatives": "outward"}  # as in the paper; skgad's default is None
AUTOENCODER = {"prior_weight": 0.0, "outlier_decoder": False}
DETECTORS = {
    "Autoencoder": partial(WALDO, **PARAMS, **AUTOENCODER),
    "AMA": partial(AMA, **PARAMS, **ATYPICAL),
    "AMA, known outliers": partial(AMA, **PARAMS),
    "AMA, no mirrored loss": partial(AMA, **PARAMS, **ATYPICAL),
    "AMA, no interpolation": partial(AMA, **PARAMS, **ATYPICAL, interpolation_weight=0.0),
    "AMA, no negatives": partial(AMA, **PARAMS),
    "AMA, box": partial(AMA, **PARAMS, negatives="box"),
}
SCORES = ("combined", "features", "likelihood")
RUNS = {  # data, normal classes, methods beside the baselines, images, epochs
    "mnist": ("mnist", range(10), ("Autoencoder", "AMA"), 1000, 40),
    "known": ("mnist", (2, 8), ("AMA, known outliers",), 1000, 40),
    "ood": ("fashion", ("all",), [n for n in DETECTORS if "known" not in n], 2000, 15),
    "cifar": ("cifar10", range(1), ("Autoencoder", "AMA"), 900, 20),
}


def split(key, data_home):
    """Normal images and known outliers for the training, and a test set."""
    (X, y), (X_test, y_test) = (load_images(name, data_home) for name in FILES[key["data"]])
    n = key["n_images"]
    if key["normal"] == "all":
        outliers, _ = load_images("mnist_test", data_home)
        outliers = outliers[: len(X_test) // 5]
        is_outlier = np.repeat([0, 1], [len(X_test), len(outliers)])
        return X[:n], X[:0], np.concatenate([X_test, outliers]), is_outlier
    is_normal = y == int(key["normal"])
    return X[is_normal][:n], X[~is_normal][: n // 10], X_test, (y_test != int(key["normal"])) * 1


def evaluate(key, data_home):
    """Results of one run, for AMA one row for each score."""
    X, known, X_test, y_test = split(key, data_home)
    assert len(X) == key["n_images"]
    name, seed = key["method"], key["seed"]
    if name in BASELINES:
        detector = BASELINES[name](seed).fit(X / np.float32(255))
        return measure(detector, X_test / np.float32(255), y_test)

    shape = (3, 32, 32) if key["data"] == "cifar10" else (1, 28, 28)
    Networks = WithoutMirror if name == "AMA, no mirrored loss" else ConvNet
    networks = Networks(image_shape=shape, channels=(16, 32), output_activation="sigmoid")
    detector = DETECTORS[name](networks=networks, max_epochs=key["epochs"], random_state=seed)
    if name == "AMA, known outliers":
        labels = np.repeat([0, -1], [len(X), len(known)])
        detector.fit(np.concatenate([X, known]), labels=labels)
    else:
        detector.fit(X)
    if name == "Autoencoder":
        return measure(detector, X_test, y_test)
    rows = []
    for score in SCORES:
        for game in detector.net_.module_.scorers:
            game.score_type = score
        rows.append({"score": score} | measure(detector, X_test, y_test))
    return rows


def measure(detector, X, y):
    values = protocols.metrics(y, -detector.score_samples(X))
    return {"auroc": values["auroc"], "ap": values["ap"], "n_test": len(X)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", nargs="+", choices=RUNS, default=list(RUNS))
    parser.add_argument("--normal", nargs="+", help="classes; default: those of the run")
    parser.add_argument("--images", type=int, help="number of normal ones")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    add_data_home(parser, "images/")
    args = parser.parse_args()
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
    tasks = [(key, partial(evaluate, key, args.data_home)) for key in keys]
    results.run("ama_images", tasks, args.jobs)


if __name__ == "__main__":
    main()
