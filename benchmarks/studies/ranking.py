"""Detectors with their defaults, and what users compare them with, on both families of sets."""

import time
from functools import partial

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import skgad
from benchmarks.common import cli, results
from benchmarks.common.baselines import PyOD
from benchmarks.common.detectors import BASELINES
from benchmarks.common.splits import split_of_family
from skgad.neighbors import KNeighborsDetector
from skgad.preprocessing import PiecewiseLinearEncoder


class Mixtures(OutlierMixin, BaseEstimator):
    """Mean log density of three Gaussian mixtures that differ in their seed."""

    def __init__(self, random_state=0):
        self.random_state = random_state

    def fit(self, X, y=None):
        n_components = int(np.clip(len(X) // 50, 1, 20))
        self.mixtures_ = [
            GaussianMixture(
                n_components, reg_covar=1e-3, max_iter=500, tol=1e-2, random_state=seed
            ).fit(X)
            for seed in range(3 * self.random_state, 3 * self.random_state + 3)
        ]
        return self

    def score_samples(self, X):
        return np.mean([mixture.score_samples(X) for mixture in self.mixtures_], axis=0)


def neighbors_of_codes(seed):
    return make_pipeline(PiecewiseLinearEncoder(frequencies=True), KNeighborsDetector())


#: Frequencies of the periodic codes, in periods for each standard deviation of the column.
PERIODS = (0.125, 0.25, 0.5, 1.0)


def periodic(X):
    """Add sines and cosines of the columns (Gorishniy et al., NeurIPS 2022, equation 2)."""
    angles = [2 * np.pi * frequency * X for frequency in PERIODS]
    return np.hstack([X, *map(np.sin, angles), *map(np.cos, angles)])


def autoencoder_of_periodic_codes(seed):
    autoencoder = with_defaults("Autoencoder", seed, encoding=None)
    return make_pipeline(StandardScaler(), FunctionTransformer(periodic), autoencoder)


def with_defaults(name, seed, **params):
    return getattr(skgad, name)(random_state=seed, **params)


#: What the parts of the default detector contribute: it is run with one of them changed.
CHANGED = (
    ("encoding", "standard"),
    ("encoding", "piecewise"),
    ("score_type", "inlier"),
    ("score_type", "mahalanobis+neighbors"),
    ("score_type", "density"),
    ("n_members", 1),
    ("noise", 0.0),
    ("replaced", 0.2),
)


DETECTORS = ("Autoencoder", "CoRA", "WAE", "WALDO", "ARN", "AMA", "ALAD", "RCGAN")
METHODS = {
    "L2 norm": BASELINES["L2 norm"],
    "IsolationForest": BASELINES["IsolationForest"],
    "k-NN": BASELINES["k-NN"],
    "k-NN of codes": neighbors_of_codes,
    "Gaussian mixtures": Mixtures,
    "Denoising autoencoder": BASELINES["Denoising autoencoder"],
    "PyOD LUNAR": lambda seed: PyOD("LUNAR", random_state=seed),
    **{name: partial(with_defaults, name) for name in DETECTORS},
    **{
        f"Autoencoder, {name}={value!r}": partial(with_defaults, "Autoencoder", **{name: value})
        for name, value in CHANGED
    },
    "Autoencoder, periodic codes": autoencoder_of_periodic_codes,
    "ARN, replaced=0.2": partial(with_defaults, "ARN", replaced=0.2),
    "RCGAN, penalty='replaced'": partial(with_defaults, "RCGAN", penalty="replaced"),
    "AMA, negatives='replaced'": partial(with_defaults, "AMA", negatives="replaced"),
}


def measures(detector, split):
    """AUROC, average precision, share of false alarms, and seconds of one fit."""
    start = time.perf_counter()
    detector.fit(split.X_train)
    fitted = time.perf_counter()
    scores = detector.score_samples(split.X_test)
    values = {
        "auroc": roc_auc_score(split.y_test, -scores),
        "ap": average_precision_score(split.y_test, -scores),
        "fit_seconds": fitted - start,
        "score_seconds": time.perf_counter() - fitted,
    }
    if hasattr(detector, "offset_"):
        is_normal = split.y_test == 0
        values["false_alarms"] = (scores[is_normal] < detector.offset_).mean()
        values["detected"] = (scores[~is_normal] < detector.offset_).mean()
    return {name: float(value) for name, value in values.items()}


def evaluate(family, dataset, method, seed, *, data_home):
    """Measures of one fit, with a split of its own for each seed."""
    return measures(METHODS[method](seed), split_of_family(family, dataset, seed, data_home))


def main(arguments=None):
    parser = cli.argument_parser(__doc__, folders="adbench/ and oddbench/", seeds=3)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=[*METHODS])
    cli.add_families(parser)
    args = parser.parse_args(arguments)
    keys = cli.keys_of_families(args)
    results.run("ranking", partial(evaluate, data_home=args.data_home), keys, args.jobs)


if __name__ == "__main__":
    main()
