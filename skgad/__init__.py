"""Deep generative anomaly detection with the interface of scikit-learn."""

from .detectors import (
    ALAD,
    AMA,
    ARN,
    DAGMM,
    DSEBM,
    RCGAN,
    WAE,
    WALDO,
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
from .tabular import TabularDetector

__version__ = "0.1.0.dev0"

__all__ = [
    "ALAD",
    "AMA",
    "ARN",
    "DSEBM",
    "DAGMM",
    "MLP",
    "RCGAN",
    "WAE",
    "WALDO",
    "Autoencoder",
    "ConvNet",
    "CoRA",
    "FenceGAN",
    "DeepSVDD",
    "BaseDetector",
    "GANomaly",
    "Game",
    "SkipGANomaly",
    "TabularDetector",
]
