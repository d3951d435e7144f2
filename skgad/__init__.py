"""Deep generative anomaly detection with the interface of scikit-learn."""

from .detectors import (
    ALAD,
    AMA,
    ARN,
    DAGMM,
    DSEBM,
    EGBAD,
    RCGAN,
    WAE,
    WALDO,
    AnoGAN,
    Autoencoder,
    BaseDetector,
    CoRA,
    DeepSVDD,
    FenceGAN,
    GANomaly,
    SkipGANomaly,
)
from .engine.game import Game
from .networks import MLP, ConvNet
from .persistence import load, save
from .tabular import TabularDetector

__version__ = "0.1.0.dev0"

__all__ = [
    "ALAD",
    "AMA",
    "ARN",
    "DAGMM",
    "DSEBM",
    "EGBAD",
    "MLP",
    "RCGAN",
    "WAE",
    "WALDO",
    "AnoGAN",
    "Autoencoder",
    "BaseDetector",
    "ConvNet",
    "CoRA",
    "DeepSVDD",
    "FenceGAN",
    "Game",
    "GANomaly",
    "SkipGANomaly",
    "TabularDetector",
    "load",
    "save",
]
