"""P-values, thresholds and probabilities for outlier detectors."""

from ._calibrated import CalibratedDetector
from ._conformal import ConformalDetector

__all__ = ["CalibratedDetector", "ConformalDetector"]


def __dir__() -> list[str]:
    return __all__
