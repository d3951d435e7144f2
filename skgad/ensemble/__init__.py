"""Ensembles of different outlier detectors."""

from ._detector_ensemble import DetectorEnsemble

__all__ = ["DetectorEnsemble"]


def __dir__() -> list[str]:
    return __all__
