"""Detectors that the scripts compare, by the names that the results use.

Most results of this package's detectors were measured with one member, with larger networks and
longer trainings than today's defaults, with ``encoding=None``, on the columns as they are, and with
each method's own anomaly score, the `own_score` of its class. These were the defaults then. The
scripts make these detectors with `build`; those that measure today's defaults do not.
"""

from functools import partial

from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor
from sklearn.svm import OneClassSVM

import skgad
from benchmarks.common.baselines import (
    CenterDistance,
    DeepOD,
    DenoisingAutoencoder,
    NeighborDistance,
    PCAResidual,
    PyOD,
)

#: Methods that the five papers compare themselves with. They have their own sizes and trainings.
PAPER_BASELINES = (
    "AnoGAN",
    "DAGMM",
    "DSEBM",
    "DeepSVDD",
    "EGBAD",
    "FenceGAN",
    "GANomaly",
    "SkipGANomaly",
)


def own_settings(name):
    """Parameters of a detector that were its defaults when the results were measured."""
    if name in PAPER_BASELINES:  # their own score is their default
        return {"encoding": None, "n_members": 1}
    return {
        "encoding": None,
        "score_type": getattr(skgad, name).own_score,
        "networks": skgad.MLP((256, 128)),
        "latent_dim": 32 if name == "ARN" else 64,
        "n_members": 1,
        "auto_steps": 2000,
    }


def build(name, seed, **params):
    """Detector of this package on the columns as they are, with its own score.

    Parameters that are given replace these settings. All others have their defaults.
    """
    return getattr(skgad, name)(**own_settings(name) | {"random_state": seed} | params)


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
    "PyOD LUNAR": lambda seed: PyOD("LUNAR", random_state=seed),
    "DeepOD DeepSVDD": lambda seed: DeepOD("DeepSVDD", random_state=seed),
    "DeepOD DIF": lambda seed: DeepOD("DeepIsolationForest", random_state=seed),
    "DeepOD RCA": lambda seed: DeepOD("RCA", random_state=seed),
    "DeepOD RDP": lambda seed: DeepOD("RDP", random_state=seed),
    "DeepOD NeuTraL": lambda seed: DeepOD("NeuTraL", random_state=seed),
    "DeepOD SLAD": lambda seed: DeepOD("SLAD", random_state=seed),
    "DeepOD ICL": lambda seed: DeepOD("ICL", random_state=seed),
    "RCGAN": partial(build, "RCGAN"),
    "RCGAN, penalty_weight=0": partial(build, "RCGAN", penalty_weight=0.0),
    "WALDO": partial(build, "WALDO"),
    "WAE": partial(build, "WAE"),
    "CoRA": partial(build, "CoRA"),
    "Autoencoder": partial(build, "Autoencoder"),
    "Autoencoder, noise=0": partial(build, "WALDO", prior_weight=0.0, outlier_decoder=False),
    "AMA": partial(build, "AMA"),
    "AMA, outward": partial(build, "AMA", negatives="outward"),
    "AMA, inward": partial(build, "AMA", negatives="inward"),
    "AMA, box": partial(build, "AMA", negatives="box"),
    "AMA, no interpolation": partial(build, "AMA", interpolation_weight=0.0),
    "AMA, spectral norm": partial(build, "AMA", spectral_norm=True),
    "GANomaly": partial(build, "GANomaly"),
    "SkipGANomaly": partial(build, "SkipGANomaly"),
    "ARN": partial(build, "ARN"),
    "ARN, noise_scale=0": partial(build, "ARN", noise_scale=0.0),
    "DAGMM": partial(build, "DAGMM", latent_dim=8),
    "DeepSVDD": partial(build, "DeepSVDD"),
    "ALAD": partial(build, "ALAD"),
    "ALAD, latent_weight=1": partial(build, "ALAD", latent_weight=1.0),
    **{name: partial(build, name) for name in PAPER_BASELINES if hasattr(skgad, name)},
}
#: Methods of the papers' tables that are not the method of the paper, as this package runs them.
QUOTED = {
    "ALAD": partial(build, "ALAD"),
    "AnoGAN": partial(build, "AnoGAN"),
    "DAGMM": partial(build, "DAGMM"),
    "DSEBM-e": partial(build, "DSEBM", score_type="energy"),
    "DSEBM-r": partial(build, "DSEBM", score_type="reconstruction"),
    "DeepSVDD": partial(build, "DeepSVDD"),
    "FenceGAN": partial(build, "FenceGAN"),
    "GANomaly": partial(build, "GANomaly"),
    "Skip-GANomaly": partial(build, "SkipGANomaly"),
}
GROUPS = {
    "alad": [name for name in METHODS if name.startswith("ALAD")],
    "rcgan": [name for name in METHODS if name.startswith("RCGAN")],
    "waldo": ["WALDO", "WAE", "CoRA", "Autoencoder, noise=0"],
    "ama": [name for name in METHODS if name.startswith("AMA")],
    "arn": ["ARN", "ARN, noise_scale=0"],
    "dsebm": ["DSEBM"],
    "fence_gan": ["FenceGAN"],
    "pyod": [name for name in METHODS if name.startswith("PyOD")],
    "deepod": [name for name in METHODS if name.startswith("DeepOD")],
    "baselines": list(BASELINES),
}
#: Groups that run by default. DeepOD is slow, and is not part of the extra ``peers``.
DEFAULT_GROUPS = [name for name in GROUPS if name != "deepod"]
SCORES_OF = {
    "ALAD": ("features", "l1", "l2", "logits", "combined"),
    "AMA": ("combined", "features", "likelihood"),
    "ARN": ("combined", "discriminator", "reconstruction"),
    "RCGAN": ("combined", "discriminator", "features"),
}
