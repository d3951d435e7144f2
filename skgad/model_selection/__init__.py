"""Splitters that train on inliers only, cross-validation, and model selection without labels."""

from ._criteria import mass_volume_score, pseudo_outlier_score
from ._cross_validation import cross_val_scores
from ._split import OneClassKFold, OneClassShuffleSplit

__all__ = [
    "OneClassKFold",
    "OneClassShuffleSplit",
    "cross_val_scores",
    "mass_volume_score",
    "pseudo_outlier_score",
]


def __dir__() -> list[str]:
    return __all__
