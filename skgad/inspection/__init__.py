"""Why a row is an outlier, what would make it normal, and pictures of detectors.

Everything here works with scikit-learn's outlier detectors as well as with those of skgad.
"""

from ._explain import explain
from ._explanation_display import ExplanationDisplay
from ._model_displays import LatentSpaceDisplay, TrainingHistoryDisplay
from ._nearest_normal import nearest_normal
from ._score_displays import PrecisionRecallDisplay, RocCurveDisplay, ScoreHistogramDisplay

__all__ = [
    "ExplanationDisplay",
    "LatentSpaceDisplay",
    "PrecisionRecallDisplay",
    "RocCurveDisplay",
    "ScoreHistogramDisplay",
    "TrainingHistoryDisplay",
    "explain",
    "nearest_normal",
]
