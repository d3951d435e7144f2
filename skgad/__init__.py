"""Deep generative anomaly detection with the interface of scikit-learn."""

from .detectors import (
    ALAD,
    AMA,
    ARN,
    EGBAD,
    RCGAN,
    WAE,
    WALDO,
    AnoGAN,
    Autoencoder,
    BaseDetector,
    CoRA,
)
from .engine.game import Game
from .networks import MLP, ConvNet
from .tabular import TabularDetector

__version__ = "0.1.0.dev0"

__all__ = [
    "ALAD",
    "AMA",
    "ARN",
    "EGBAD",
    "MLP",
    "RCGAN",
    "WAE",
    "WALDO",
    "AnoGAN",
    "Autoencoder",
    "ConvNet",
    "CoRA",
    "BaseDetector",
    "Game",
    "TabularDetector",
]
