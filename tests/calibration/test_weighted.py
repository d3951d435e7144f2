"""P-values under covariate shift."""

import numpy as np
import pytest
from calibration_common import FITTED, column
from scipy.stats import norm

from skgad.calibration import ConformalDetector, weighted_p_values


def test_equal_weights_give_the_p_values_without_weights():
    rng = np.random.RandomState(0)
    held_out, new = rng.randint(0, 9, 30), rng.randint(-1, 10, 20)
    expected = ConformalDetector(FITTED).fit(column(held_out)).p_values(column(new))
    p = weighted_p_values(
        new, held_out, weights=np.full(20, 3.0), calibration_weights=np.full(30, 3.0)
    )
    np.testing.assert_allclose(p, expected)


def test_integer_weights_count_as_repeated_rows():
    scores, repeats = np.array([3.0, 1.0, 2.0]), np.array([2, 3, 1])
    p = weighted_p_values([2.0, 0.0], scores, weights=[1, 1], calibration_weights=repeats)
    repeated = np.repeat(scores, repeats)
    np.testing.assert_allclose(p, [(1 + (repeated <= 2).sum()) / 7, 1 / 7])


def test_p_values_of_shifted_normal_rows_are_valid_with_the_ratio_of_the_densities():
    rng = np.random.RandomState(0)
    n_runs, n, shift, levels = 400, 100, 1.0, np.array([0.05, 0.1, 0.2, 0.5])
    weighted, unweighted = [], []
    for _ in range(n_runs):
        held_out, new = rng.normal(size=n), rng.normal(shift, size=20)
        p = weighted_p_values(
            -np.abs(new),
            -np.abs(held_out),
            weights=norm.pdf(new - shift) / norm.pdf(new),
            calibration_weights=norm.pdf(held_out - shift) / norm.pdf(held_out),
        )
        weighted.append((p[:, None] <= levels).mean(axis=0))
        equal = weighted_p_values(
            -np.abs(new), -np.abs(held_out), weights=np.ones(20), calibration_weights=np.ones(n)
        )
        unweighted.append((equal[:, None] <= levels).mean(axis=0))
    error = np.std(weighted, axis=0) / np.sqrt(n_runs)
    assert (np.mean(weighted, axis=0) <= levels + 3 * error).all()
    assert (np.mean(unweighted, axis=0) > 1.2 * levels).all()


@pytest.mark.parametrize("bad", [[1.0, 0.0], [1.0, -1.0], [1.0, np.inf], [1.0, np.nan]])
def test_weights_that_are_not_positive_raise_an_error(bad):
    with pytest.raises(ValueError, match=r"^weights must be positive and finite"):
        weighted_p_values([1, 2], [1, 2], weights=bad, calibration_weights=[1, 1])
    with pytest.raises(ValueError, match=r"^calibration_weights must be positive and finite"):
        weighted_p_values([1, 2], [1, 2], weights=[1, 1], calibration_weights=bad)


def test_the_number_of_weights_is_that_of_the_scores():
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        weighted_p_values([1, 2], [1, 2], weights=[1], calibration_weights=[1, 1])
