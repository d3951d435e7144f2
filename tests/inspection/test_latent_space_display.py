"""LatentSpaceDisplay."""

import numpy as np
import pytest
from common import table, tiny
from matplotlib_fixtures import close_figures  # noqa: F401
from toy_detectors import (
    forest,
)

from skgad.inspection import (
    LatentSpaceDisplay,
)


def test_codes_with_two_dimensions_are_drawn_unchanged(device):
    X, y = table(), np.repeat([1, -1], [40, 8])
    detector = tiny("ALAD", device=device).fit(X)
    display = LatentSpaceDisplay.from_estimator(detector, X, y)
    inliers, outliers = display.points_
    codes = detector.transform(X)
    np.testing.assert_allclose(inliers.get_offsets(), codes[:40], rtol=1e-6)
    np.testing.assert_allclose(outliers.get_offsets(), codes[40:], rtol=1e-6)
    assert display.ax_.get_xlabel() == "code 1"


def test_codes_with_more_dimensions_are_projected_to_principal_components(device):
    X = table()
    detector = tiny("ALAD", latent_dim=3, device=device).fit(X)
    display = LatentSpaceDisplay.from_estimator(detector, X)
    (points,) = display.points_
    scores = -detector.score_samples(X)
    np.testing.assert_array_equal(points.get_array(), np.sort(scores))
    spread = np.cov(points.get_offsets().T)
    assert abs(spread[0, 1]) < 1e-4 * spread[0, 0]
    assert "component 1" in display.ax_.get_xlabel()


def test_errors_of_the_latent_space_display(device):
    X = table()
    with pytest.raises(ValueError, match="IsolationForest has no `transform`"):
        LatentSpaceDisplay.from_estimator(forest().fit(X), X)
    with pytest.raises(ValueError, match="one dimension"):
        LatentSpaceDisplay.from_estimator(tiny("ALAD", latent_dim=1, device=device).fit(X), X)
