"""Encoders and detector for tables of mixed columns."""

from ._detector import TabularDetector
from ._encoder import TabularEncoder
from ._piecewise import PiecewiseLinearEncoder

__all__ = ["PiecewiseLinearEncoder", "TabularDetector", "TabularEncoder"]
