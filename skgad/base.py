"""Building blocks for detection methods of your own, see :ref:`new_method`."""

from .detectors import BaseDetector, LabelledDetector
from .engine.game import EncoderDecoderGame, Game
from .engine.gradients import input_gradient
from .engine.labels import rows_with
from .engine.losses import call_fake, call_real
from .engine.net import AdversarialNet
from .networks import build
from .networks._random import rand_like, randn_like

__all__ = [
    "AdversarialNet",
    "BaseDetector",
    "EncoderDecoderGame",
    "Game",
    "LabelledDetector",
    "build",
    "call_fake",
    "call_real",
    "input_gradient",
    "rand_like",
    "randn_like",
    "rows_with",
]


def __dir__() -> list[str]:
    return __all__
