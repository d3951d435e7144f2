"""Scores that are finished after the training: their formulas, their units, their life."""

import pickle

import numpy as np
import pytest
from common import DETECTORS, assert_same_bits, table, tiny
from hypothesis import given
from hypothesis import strategies as st
from sklearn.covariance import LedoitWolf
from sklearn.exceptions import NotFittedError
from sklearn.neighbors import NearestNeighbors

from skgad.engine import finished
from skgad.engine.finished import FINISHED_SCORES, evenly

every_detector = pytest.mark.parametrize("name", DETECTORS)
every_score = pytest.mark.parametrize("score_type", FINISHED_SCORES)
NEW_ROWS = 2 * table(40, seed=5)


def mahalanobis_by_hand(detector, X_train, X):
    """Mahalanobis norms of residuals, with scikit-learn's estimator."""
    residuals = X_train.astype(np.float32) - detector.reconstruct(X_train)
    estimator = LedoitWolf().fit(residuals.astype(float))
    return np.sqrt(estimator.mahalanobis(X - detector.reconstruct(X).astype(float)))


def neighbors_by_hand(detector, X_train, X):
    """Distances to the fifth neighbor, with scikit-learn's search."""
    search = NearestNeighbors(n_neighbors=5).fit(detector.transform(X_train))
    return search.kneighbors(detector.transform(X))[0][:, -1]


def in_units(scores, train_scores):
    """Logarithms of scores, in interquartile ranges of the training scores."""
    low, median, high = np.percentile(np.log(train_scores), [25, 50, 75])
    return (np.log(scores) - median) / (high - low)


BY_HAND = {"mahalanobis": mahalanobis_by_hand, "neighbors": neighbors_by_hand}


@every_detector
@pytest.mark.parametrize("score_type", BY_HAND)
def test_scores_agree_with_their_formula(name, score_type, device):
    detector = tiny(name, score_type=score_type, device=device).fit(table())
    expected = BY_HAND[score_type](detector, table(), NEW_ROWS)
    np.testing.assert_allclose(-detector.score_samples(NEW_ROWS), expected, rtol=2e-3)


@every_detector
def test_the_combination_averages_logarithms_in_units_of_the_training_rows(name, device):
    detector = tiny(name, score_type="mahalanobis+neighbors", device=device).fit(table())
    parts = [
        in_units(by_hand(detector, table(), NEW_ROWS), by_hand(detector, table(), table()))
        for by_hand in BY_HAND.values()
    ]
    expected = np.mean(parts, axis=0)
    np.testing.assert_allclose(np.log(-detector.score_samples(NEW_ROWS)), expected, atol=0.05)


@every_score
@every_detector
@pytest.mark.parametrize("n_members", [1, 2])
def test_scores_are_the_same_bits_for_any_batch_and_after_pickling(
    name, score_type, n_members, device
):
    detector = tiny(name, score_type=score_type, n_members=n_members, device=device)
    detector.fit(table())
    scores = detector.score_samples(NEW_ROWS)
    assert_same_bits(detector.score_samples(NEW_ROWS[::-1])[::-1], scores)
    assert_same_bits(detector.score_samples(NEW_ROWS[7:9]), scores[7:9])
    assert_same_bits(pickle.loads(pickle.dumps(detector)).score_samples(NEW_ROWS), scores)
    assert_same_bits(detector.score_samples(table()), detector.train_scores_)


@every_score
def test_a_training_that_continues_learns_the_score_anew(score_type, device):
    params = {"score_type": score_type, "warm_start": True, "early_stopping": True}
    detector = tiny("ALAD", device=device, **params).fit(table())
    before = detector.score_samples(NEW_ROWS)
    after = detector.fit(table()).score_samples(NEW_ROWS)
    assert not np.array_equal(before, after)
    expected = BY_HAND.get(score_type, lambda *_: -after)(detector, table(), NEW_ROWS)
    np.testing.assert_allclose(-after, expected, rtol=2e-3)
    assert np.isfinite(detector.partial_fit(table()).score_samples(NEW_ROWS)).all()


def test_known_outliers_do_not_count_as_normal(device):
    X = np.vstack([table(), 50 + table(6)])
    labels = np.repeat([0, -1], [len(table()), 6])
    detector = tiny("WALDO", score_type="neighbors", device=device).fit(X, labels=labels)
    expected = neighbors_by_hand(detector, table(), X)
    np.testing.assert_allclose(-detector.score_samples(X), expected, rtol=2e-3, atol=1e-6)


def test_a_constant_column_and_more_columns_than_rows_are_no_problem(device):
    for X in (np.column_stack([table(), np.ones(48)]), table(10, 30)):
        detector = tiny("CoRA", score_type="mahalanobis", device=device).fit(X)
        assert np.isfinite(detector.score_samples(10 * X)).all()


def test_large_tables_are_sampled_evenly(device, monkeypatch):
    monkeypatch.setattr(finished, "MAX_CODES", 10)
    detector = tiny("ALAD", score_type="neighbors", device=device).fit(table())
    rows = np.linspace(0, 47, 10).astype(int)
    expected = neighbors_by_hand(detector, table()[rows], NEW_ROWS)
    np.testing.assert_allclose(-detector.score_samples(NEW_ROWS), expected, rtol=2e-3)


@given(n=st.integers(1, 50), n_max=st.integers(1, 20))
def test_positions_are_spread_evenly(n, n_max):
    positions = evenly(np.arange(n), n_max)
    assert len(positions) == min(n, n_max)
    assert len(np.unique(positions)) == len(positions)
    assert positions[0] == 0
    steps = np.diff(positions)
    assert len(steps) == 0 or steps.max() - steps.min() <= 1


@every_score
def test_scores_of_few_rows_are_finite(score_type, device):
    detector = tiny("ALAD", score_type=score_type, device=device).fit(table(3))
    assert np.isfinite(detector.score_samples(NEW_ROWS)).all()


def test_finished_scores_require_a_fit():
    with pytest.raises(NotFittedError):
        tiny("ALAD", score_type="neighbors").score_samples(table())
