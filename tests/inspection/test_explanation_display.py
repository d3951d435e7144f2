"""ExplanationDisplay."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from common import table
from matplotlib_fixtures import close_figures  # noqa: F401
from toy_detectors import (
    BACKGROUND,
    LINEAR,
    NAMES,
    ROWS,
    Reconstructor,
    forest,
    mixed_table,
)

from skgad import TabularDetector
from skgad.inspection import (
    ExplanationDisplay,
    explain,
)


def test_the_bars_lead_from_the_base_to_the_score():
    explanation = explain(LINEAR, ROWS, background=BACKGROUND)
    frame = pd.DataFrame(ROWS, columns=NAMES)
    display = ExplanationDisplay.from_explanation(explanation, frame, row=2)
    bars = display.bars_.patches
    lengths = [bar.get_width() for bar in bars]
    assert sorted(np.abs(lengths), reverse=True) == np.abs(lengths).tolist()
    assert bars[0].get_x() == pytest.approx(explanation.base)
    end = bars[-1].get_x() + bars[-1].get_width()
    assert end == pytest.approx(explanation.scores[2])
    assert display.threshold_.get_xdata()[0] == pytest.approx(0)
    largest = np.abs(explanation.contributions[2]).argmax()
    first = display.ax_.get_yticklabels()[0].get_text()
    assert first == f"column {largest} = {ROWS[2, largest]:.4g}"


def test_the_columns_with_the_smallest_contributions_share_a_bar():
    explanation = explain(LINEAR, ROWS, background=BACKGROUND)
    display = ExplanationDisplay.from_explanation(explanation, max_columns=2)
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert labels[1:] == ["3 other columns"]
    total = sum(bar.get_width() for bar in display.bars_.patches)
    assert total == pytest.approx(explanation.scores[0] - explanation.base)


def test_numbers_are_next_to_their_bars_and_inside_the_axes():
    contributions = 1e-4 * np.array([3.0, -1.5, -1.4, -1.2, -1.1, -0.85])
    _, axes = plt.subplots(1, 2, figsize=(7, 3), layout="constrained")
    for ax, sign in zip(axes, (1, -1), strict=True):
        display = ExplanationDisplay(sign * contributions, ["a column"] * 6, base=0.001).plot(ax)
        ax.figure.draw_without_rendering()
        box = ax.get_window_extent()
        numbers = [text for text in ax.texts if text.get_text() != "threshold"]
        for bar, text in zip(display.bars_, numbers, strict=True):
            drawn, place = text.get_window_extent(), bar.get_window_extent()
            assert box.x0 <= drawn.x0
            assert drawn.x1 <= box.x1
            assert drawn.x1 <= place.x0 or drawn.x0 >= place.x1
            assert drawn.y0 < (place.y0 + place.y1) / 2 < drawn.y1


@pytest.mark.parametrize("threshold", np.linspace(0.05, 3.25, 17))
def test_numbers_are_clear_of_the_threshold(threshold):
    contributions = [2.4, 0.4, -0.06, -0.01, 0.009]
    display = ExplanationDisplay(contributions, ["a column"] * 5, base=0.1, threshold=threshold)
    ax = display.plot().ax_
    ax.figure.draw_without_rendering()
    line = display.threshold_.get_window_extent().x0
    for text in ax.texts:
        if text.get_text() != "threshold":
            drawn = text.get_window_extent()
            assert drawn.x1 < line or drawn.x0 > line


def test_bars_of_residuals_that_do_not_sum_to_the_score_start_at_zero():
    X = table(n_features=3)
    detector = Reconstructor(lambda r: np.exp(-r[:, 0] * r[:, 1]), threshold=2.0)
    display = ExplanationDisplay.from_estimator(detector, X, row=-1, method="residual")
    assert [bar.get_x() for bar in display.bars_.patches] == [0, 0, 0]
    assert display.threshold_ is None
    distance = np.abs(X[-1] - Reconstructor.center)
    np.testing.assert_allclose([b.get_width() for b in display.bars_], np.sort(distance)[::-1])


def test_labels_contain_values_of_all_dtypes():
    X = mixed_table()
    detector = TabularDetector(forest()).fit(X)
    display = ExplanationDisplay.from_estimator(detector, X, random_state=0)
    labels = {label.get_text() for label in display.ax_.get_yticklabels()}
    assert {"color = blue", "count = 40"} <= labels
