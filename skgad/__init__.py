"""Deep generative anomaly detection with the interface of scikit-learn."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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

#: Public modules, which are attributes of the package without an import of their own.
_MODULES = [
    "base",
    "calibration",
    "callbacks",
    "datasets",
    "density",
    "ensemble",
    "export",
    "inspection",
    "interop",
    "metrics",
    "model_selection",
    "neighbors",
    "networks",
    "persistence",
    "preprocessing",
    "tables",
]

#: Modules of the names that are not detectors.
_HOMES = {
    "ConvNet": "networks",
    "Game": "engine.game",
    "MLP": "networks",
    "TabularDetector": "tabular",
    "load": "persistence",
    "save": "persistence",
}


def __dir__() -> list[str]:
    return sorted([*__all__, *_MODULES, "__version__"])


if not TYPE_CHECKING:

    def __getattr__(name):
        """Import a name when it is first used, because torch and scikit-learn take seconds."""
        if name in _MODULES:
            return import_module(f".{name}", __name__)
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f".{_HOMES.get(name, 'detectors')}", __name__), name)
        globals()[name] = value
        return value
