"""RocCurveDisplay and PrecisionRecallDisplay."""

import numpy as np
import pytest
from matplotlib_fixtures import close_figures  # noqa: F401
from sklearn.metrics import average_precision_score, roc_auc_score

from skgad.inspection import (
    PrecisionRecallDisplay,
    RocCurveDisplay,
)

LABELS = np.array([1, 1, -1, 1, -1, -1])


def test_outliers_are_the_positive_class():
    rng = np.random.RandomState(0)
    y, scores = np.where(rng.rand(50) < 0.3, -1, 1), rng.normal(size=50)
    scores[y == 1] += 1
    roc = RocCurveDisplay.from_predictions(y, scores, plot_chance_level=True)
    assert roc.roc_auc == pytest.approx(roc_auc_score(y == -1, -scores))
    assert roc.roc_auc > 0.5
    pr = PrecisionRecallDisplay.from_predictions(y, scores, plot_chance_level=True)
    assert pr.average_precision == pytest.approx(average_precision_score(y == -1, -scores))
    assert pr.prevalence == pytest.approx(np.mean(y == -1))
    assert set(pr.chance_level_.get_ydata()) == {pr.prevalence}
    np.testing.assert_array_equal(roc.line_.get_xdata(), roc.fpr)
    np.testing.assert_array_equal(pr.line_.get_xdata(), pr.recall)


def test_curves_of_two_detectors_share_axes():
    first = RocCurveDisplay.from_predictions(LABELS, [3, 4, 1, 3, 5, 1], name="one")
    both = RocCurveDisplay.from_predictions(LABELS, [3, 4, 1, 3, 2, 1], name="two", ax=first.ax_)
    names = [text.get_text() for text in both.ax_.get_legend().texts]
    assert names == ["one, AUC 0.667", "two, AUC 1.000"]
