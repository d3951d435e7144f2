"""What all displays have in common."""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
from common import table, tiny
from matplotlib_fixtures import close_figures  # noqa: F401
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from toy_detectors import LOF, forest

from skgad.inspection import (
    ExplanationDisplay,
    LatentSpaceDisplay,
    PrecisionRecallDisplay,
    RocCurveDisplay,
    ScoreHistogramDisplay,
    TrainingHistoryDisplay,
)

LABELS = np.array([1, 1, -1, 1, -1, -1])


DISPLAYS = [
    ScoreHistogramDisplay,
    RocCurveDisplay,
    PrecisionRecallDisplay,
    LatentSpaceDisplay,
    TrainingHistoryDisplay,
    ExplanationDisplay,
]


def draw(cls, detector, X, y, **kwargs):
    """Draw a display of a detector, whatever its class."""
    if cls is TrainingHistoryDisplay:
        return cls.from_estimator(detector, **kwargs)
    if cls is ExplanationDisplay:
        return cls.from_estimator(detector, X, background=X, **kwargs)
    return cls.from_estimator(detector, X, y, **kwargs)


@pytest.mark.parametrize("cls", DISPLAYS)
def test_displays_draw_on_given_axes(cls, device):
    X, y = table(), np.repeat([1, -1], [40, 8])
    detector = make_pipeline(StandardScaler(), tiny("ALAD", device=device)).fit(X)
    display = draw(cls, detector, X, y)
    assert display.figure_ is display.ax_.figure
    assert "ALAD" in [display.ax_.get_title(loc) for loc in ("left", "center")] + [
        text.get_text().split(",")[0] for text in getattr(display.ax_.get_legend(), "texts", [])
    ]
    _, ax = plt.subplots()
    assert draw(cls, detector, X, y, ax=ax, name="mine").ax_ is ax
    display.figure_.draw_without_rendering()


@pytest.mark.parametrize("cls", DISPLAYS)
def test_displays_raise_an_error_without_matplotlib(cls, monkeypatch, device):
    X, y = table(), np.repeat([1, -1], [40, 8])
    detector = tiny("ALAD", device=device).fit(X)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=f"{cls.__name__}.plot requires matplotlib"):
        draw(cls, detector, X, y)


@pytest.mark.parametrize("cls", [ScoreHistogramDisplay, RocCurveDisplay, PrecisionRecallDisplay])
def test_sklearn_detectors_have_displays(cls):
    X, y = table(), np.repeat([1, -1], [40, 8])
    for detector in (forest(), LOF):
        assert cls.from_estimator(detector.fit(X), X, y).ax_.has_data()


@pytest.mark.parametrize(
    "draw_labels",
    [
        lambda y, **kwargs: RocCurveDisplay.from_predictions(y, -np.arange(6), **kwargs).tpr,
        lambda y, **kwargs: (
            ScoreHistogramDisplay.from_predictions(-np.arange(6), y, **kwargs).outlier
        ),
    ],
)
def test_labels_other_than_plus_and_minus_one_need_pos_label(draw_labels):
    zeros_and_ones = (LABELS == -1).astype(int)
    np.testing.assert_array_equal(draw_labels(LABELS), draw_labels(zeros_and_ones, pos_label=1))
    with pytest.raises(ValueError, match="pos_label"):
        draw_labels(zeros_and_ones)
