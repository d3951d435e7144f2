"""The conformal martingale, evidence of drift."""

import numpy as np
import pytest

from skgad.calibration import log_martingale


def streams(n_runs, n, seed=0):
    """Scores of held-out rows and of streams without drift."""
    rng = np.random.RandomState(seed)
    return rng.normal(size=(n_runs, 100)), rng.normal(size=(n_runs, n))


@pytest.mark.parametrize("decimals", [8, 0], ids=["distinct", "ties"])
def test_false_alarms_are_rare_without_drift(decimals):
    n_runs = 300
    held_out, stream = streams(n_runs, 250)
    held_out, stream = held_out.round(decimals), stream.round(decimals)
    highest = [
        log_martingale(new, old, random_state=i).max()
        for i, (old, new) in enumerate(zip(held_out, stream, strict=True))
    ]
    for level in (0.05, 0.2, 0.5):
        rate = np.mean(np.array(highest) >= -np.log(level))
        assert rate <= level + 3 * np.sqrt(level * (1 - level) / n_runs)


@pytest.mark.parametrize("shift", [-1.5, 1.5], ids=["less normal", "more normal"])
def test_the_martingale_grows_after_a_change_in_either_direction(shift):
    held_out, stream = streams(10, 300)
    stream[:, 100:] += shift
    for old, new in zip(held_out, stream, strict=True):
        log_m = log_martingale(new, old, random_state=0)
        assert log_m[:100].max() < np.log(100) < log_m[-1]


def test_the_capital_is_a_product_of_bets_on_ranks():
    """With one row of the stream, three equal bets on its rank are averaged."""
    uniform = np.random.RandomState(0).uniform()
    p = (2 + uniform * 2) / 4  # two lower scores and a tie among three
    expected = np.mean([1 - (p - 0.5), 1, 1 + (p - 0.5)])
    result = log_martingale([3.0], [1.0, 2.0, 3.0], random_state=0)
    np.testing.assert_allclose(result, np.log(expected), atol=1e-12)


def test_single_outliers_raise_no_alarm():
    held_out, stream = streams(1, 300, seed=1)
    stream[0, 50::50] = -1e6
    assert log_martingale(stream[0], held_out[0], random_state=0).max() < np.log(20)


def test_ties_are_broken_reproducibly():
    scores = np.repeat([1.0, 2.0], 20)
    one, other = (log_martingale(scores, scores, random_state=0) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    assert (log_martingale(scores, scores, random_state=1) != one).any()


@pytest.mark.parametrize("jump", [-0.1, 1.5])
def test_a_share_that_is_no_share_raises_an_error(jump):
    with pytest.raises(ValueError, match="'jump' parameter of log_martingale"):
        log_martingale([1.0], [1.0], jump=jump)
