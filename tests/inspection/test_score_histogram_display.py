"""ScoreHistogramDisplay."""

import numpy as np
import pytest
from common import table
from matplotlib_fixtures import close_figures  # noqa: F401
from toy_detectors import (
    forest,
)

from skgad.inspection import (
    ScoreHistogramDisplay,
)

LABELS = np.array([1, 1, -1, 1, -1, -1])


def test_the_histogram_shows_the_threshold_and_all_rows():
    X = table(200)
    detector = forest(contamination=0.1).fit(X)
    display = ScoreHistogramDisplay.from_estimator(detector, X)
    assert display.threshold_.get_xdata()[0] == pytest.approx(-detector.offset_)
    bars = [patch for patch in display.ax_.patches if hasattr(patch, "get_height")]
    assert sum(bar.get_height() for bar in bars) == 200
    right = [bar for bar in bars if bar.get_x() > -detector.offset_]
    assert sum(bar.get_height() for bar in right) <= 20


def test_the_histogram_of_each_group_sums_to_one():
    display = ScoreHistogramDisplay.from_predictions([5, 4, 1, 4, 1, 1], LABELS, threshold=2)
    bars = [patch for patch in display.ax_.patches if hasattr(patch, "get_height")]
    assert sum(bar.get_height() for bar in bars) == pytest.approx(2)
    assert display.threshold_.get_xdata()[0] == -2
    names = [text.get_text() for text in display.ax_.get_legend().texts]
    assert names == ["3 inliers", "3 outliers", "threshold"]


def test_a_few_extreme_scores_do_not_flatten_the_histogram():
    scores = -np.append(np.random.RandomState(0).rand(200), 1e6)
    display = ScoreHistogramDisplay.from_predictions(scores)
    assert display.ax_.get_xlim()[1] < 2
    assert "all above" in display.ax_.get_xlabel()
    bars = [patch for patch in display.ax_.patches if hasattr(patch, "get_height")]
    assert sum(bar.get_height() for bar in bars) == 201
    whole = ScoreHistogramDisplay.from_predictions(scores, clip=1.0)
    assert whole.ax_.get_xlim()[1] >= 1e6
