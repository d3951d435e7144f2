"""Outlier detection with nearest neighbors."""

from ._k_neighbors import KNeighborsDetector

__all__ = ["KNeighborsDetector"]


def __dir__() -> list[str]:
    return __all__
