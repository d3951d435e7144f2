"""Deep generative anomaly detection with the interface of scikit-learn."""

from ._alad import ALAD
from ._base import BaseDetector
from ._cora import CoRA
from ._game import Game
from ._rcgan import RCGAN
from ._tabular import TabularDetector
from ._wae import WAE
from ._waldo import WALDO
from .networks import MLP

__version__ = "0.1.0.dev0"

__all__ = [
    "ALAD",
    "MLP",
    "RCGAN",
    "WAE",
    "WALDO",
    "CoRA",
    "BaseDetector",
    "Game",
    "TabularDetector",
]
