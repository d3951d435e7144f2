"""Bridges to other packages: PyOD, imbalanced-learn, and pipelines of scikit-learn."""

from ._pipeline import pipeline_reconstruct, pipeline_sample
from ._pyod import PyODDetector, from_pyod, to_pyod
from ._remover import OutlierRemover

__all__ = [
    "OutlierRemover",
    "PyODDetector",
    "from_pyod",
    "pipeline_reconstruct",
    "pipeline_sample",
    "to_pyod",
]


def __dir__() -> list[str]:
    return __all__
