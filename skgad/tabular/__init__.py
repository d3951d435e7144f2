"""Encoder and detector for tables of mixed columns."""

from ._detector import TabularDetector
from ._encoder import TabularEncoder

__all__ = ["TabularDetector", "TabularEncoder"]
