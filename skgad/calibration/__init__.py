"""P-values, thresholds and probabilities for outlier detectors."""

from ._calibrated import CalibratedDetector
from ._conformal import ConformalDetector
from ._martingale import log_martingale
from ._weighted import weighted_p_values

__all__ = ["CalibratedDetector", "ConformalDetector", "log_martingale", "weighted_p_values"]


def __dir__() -> list[str]:
    return __all__
