"""What a detection method of your own is made of: see :ref:`new_method`."""

from .detectors import BaseDetector, LabelledDetector
from .engine.docstrings import with_shared_parameters
from .engine.game import Game
from .engine.losses import call_fake, call_real
from .engine.net import AdversarialNet
from .networks import build

__all__ = [
    "AdversarialNet",
    "BaseDetector",
    "Game",
    "LabelledDetector",
    "build",
    "call_fake",
    "call_real",
    "with_shared_parameters",
]
