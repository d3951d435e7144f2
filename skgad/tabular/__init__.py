"""Tables of mixed columns: their encoding, and a detector that encodes."""

from ._detector import TabularDetector
from ._encoder import TabularEncoder

__all__ = ["TabularDetector", "TabularEncoder"]
