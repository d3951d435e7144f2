"""Explanations of outliers and plots of detectors.

All tools work with the outlier detectors of scikit-learn and of skgad. The plots of codes and
losses need a detector that has them.
"""

from ._curve_displays import PrecisionRecallDisplay, RocCurveDisplay
from ._explain import explain
from ._explanation_display import ExplanationDisplay
from ._latent_space_display import LatentSpaceDisplay
from ._nearest_normal import nearest_normal
from ._samples_display import SamplesDisplay
from ._score_histogram_display import ScoreHistogramDisplay
from ._training_history_display import TrainingHistoryDisplay

__all__ = [
    "ExplanationDisplay",
    "LatentSpaceDisplay",
    "PrecisionRecallDisplay",
    "RocCurveDisplay",
    "SamplesDisplay",
    "ScoreHistogramDisplay",
    "TrainingHistoryDisplay",
    "explain",
    "nearest_normal",
]


def __dir__() -> list[str]:
    return __all__
