"""Deep generative anomaly detection with the interface of scikit-learn."""

from ._alad import ALAD
from ._ama import AMA
from ._arn import ARN
from ._base import BaseDetector
from ._cora import CoRA
from ._game import Game
from ._rcgan import RCGAN
from ._tabular import TabularDetector
from ._wae import WAE
from ._waldo import WALDO
from .networks import MLP, ConvNet

__version__ = "0.1.0.dev0"

__all__ = [
    "ALAD",
    "AMA",
    "ARN",
    "MLP",
    "RCGAN",
    "WAE",
    "WALDO",
    "ConvNet",
    "CoRA",
    "BaseDetector",
    "Game",
    "TabularDetector",
]
