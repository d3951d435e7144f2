"""TrainingHistoryDisplay."""

import numpy as np
import pytest
from common import table, tiny
from matplotlib_fixtures import close_figures  # noqa: F401
from toy_detectors import (
    forest,
)

from skgad import TabularDetector
from skgad.inspection import (
    TrainingHistoryDisplay,
)


def test_the_training_history_has_the_losses_of_all_players(device):
    X = table()
    detector = tiny("ALAD", max_epochs=3, early_stopping=True, device=device)
    detector = TabularDetector(detector).fit(X)
    display = TrainingHistoryDisplay.from_estimator(detector)
    history = detector.detector_.history_
    for name, key in [
        ("discriminator", "discriminator_loss"),
        ("generator", "generator_loss"),
        ("valid_loss", "valid_loss"),
    ]:
        np.testing.assert_array_equal(display.lines_[name].get_ydata(), history[:, key])
        assert display.lines_[name].get_xdata().tolist() == [1, 2, 3]
    assert display.valid_ax_ is not None
    without = TrainingHistoryDisplay.from_estimator(tiny("ALAD", device=device).fit(X))
    assert without.valid_ax_ is None
    with pytest.raises(ValueError, match="IsolationForest has no history_"):
        TrainingHistoryDisplay.from_estimator(forest().fit(X))
