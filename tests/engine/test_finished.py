"""Scores that are finished after the training: their formulas, their units, their life."""

import pickle

import numpy as np
import pytest
import torch
from common import DETECTORS, assert_same_bits, can, table, tiny
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.covariance import LedoitWolf
from sklearn.exceptions import NotFittedError
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler
from torch import nn

from skgad.engine import finished
from skgad.engine.finished import FINISHED_SCORES, evenly
from skgad.engine.runtime import BatchInvariantLinear

every_score = pytest.mark.parametrize("score_type", FINISHED_SCORES)
COMBINATIONS = [score_type for score_type in FINISHED_SCORES if "+" in score_type]


def offered(score_types):
    """Pairs of a detector and one of these scores, if it has what the score is learned from."""
    return [
        (name, score_type)
        for name in DETECTORS
        for score_type in score_types
        if "mahalanobis" not in score_type or can(name, "reconstruct")
    ]


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


def density_by_hand(detector, X_train, X):
    """Negative log densities of standardized codes, with scikit-learn's mixture."""
    return mixture_by_hand(detector.transform(X_train), detector.transform(X))


def mixture_by_hand(train_codes, codes):
    """Negative log densities under a mixture that is fitted to standardized training codes."""
    scaler = StandardScaler().fit(train_codes.astype(float))
    mixture = GaussianMixture(
        n_components=min(max(len(train_codes) // max(50, 2 * train_codes.shape[1]), 1), 20),
        reg_covar=1e-2,
        tol=1e-3 * train_codes.shape[1],
        init_params="k-means++",
        random_state=0,
    ).fit(scaler.transform(train_codes.astype(float)))
    return -mixture.score_samples(scaler.transform(codes.astype(float)))


BY_HAND = {
    "mahalanobis": mahalanobis_by_hand,
    "neighbors": neighbors_by_hand,
    "density": density_by_hand,
}


def in_units(part, detector):
    """Logarithms of the scores of new rows, in interquartile ranges of the training scores."""
    scores, train_scores = (BY_HAND[part](detector, table(), X) for X in (NEW_ROWS, table()))
    if part != "density":
        floor = np.quantile(train_scores[train_scores > 0], 0.01)
        scores, train_scores = (np.log(np.maximum(s, floor)) for s in (scores, train_scores))
    low, median, high = np.percentile(train_scores, [25, 50, 75])
    return (scores - median) / (high - low)


class IdentityGame(nn.Module):
    """Game whose codes are the rows, and whose reconstructions are the center of the training."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def encode(self, x):
        return x

    def reconstruct(self, x):
        return torch.zeros_like(x)


def scores_of_codes(score_type, train_codes, codes):
    """Scores of codes, shape (..., n_codes), without a detector."""
    game = IdentityGame()
    train_codes, codes = (
        torch.as_tensor(rows, dtype=torch.float32) for rows in (train_codes, codes)
    )

    def apply(function, positions):
        return function(train_codes[..., positions, :]).numpy()

    with torch.inference_mode(), BatchInvariantLinear():
        score = FINISHED_SCORES[score_type](game, apply, np.arange(train_codes.shape[-2]))
        return score(game, codes).numpy()


def clusters(n, n_dims=3, seed=0):
    """Rows in four clusters."""
    rng = np.random.default_rng(seed)
    centers = 5 * np.random.default_rng(9).normal(size=(4, n_dims))
    return centers[rng.integers(4, size=n)] + rng.normal(size=(n, n_dims))


@pytest.mark.parametrize(("name", "score_type"), offered(BY_HAND))
def test_scores_agree_with_their_formula(name, score_type, device):
    detector = tiny(name, score_type=score_type, device=device).fit(table())
    expected = BY_HAND[score_type](detector, table(), NEW_ROWS)
    np.testing.assert_allclose(-detector.score_samples(NEW_ROWS), expected, rtol=2e-3)


@pytest.mark.parametrize(("name", "score_type"), offered(COMBINATIONS))
def test_the_combination_averages_logarithms_in_units_of_the_training_rows(
    name, score_type, device
):
    detector = tiny(name, score_type=score_type, device=device).fit(table())
    expected = np.mean([in_units(part, detector) for part in score_type.split("+")], axis=0)
    expected = np.arcsinh(expected)
    np.testing.assert_allclose(-detector.score_samples(NEW_ROWS), expected, rtol=2e-3, atol=0.05)


@pytest.mark.parametrize("n_codes", [49, 120, 700])
@pytest.mark.parametrize("score_type", ["neighbors", "density"])
def test_the_score_agrees_with_its_formula_for_any_number_of_codes(score_type, n_codes):
    codes, new_codes = clusters(n_codes), 2 * clusters(100, seed=1)
    expected = {
        "neighbors": lambda: NearestNeighbors().fit(codes).kneighbors(new_codes)[0][:, -1],
        "density": lambda: mixture_by_hand(codes, new_codes),
    }[score_type]()
    scores = scores_of_codes(score_type, codes, new_codes)
    np.testing.assert_allclose(scores, expected, rtol=1e-4)


@pytest.mark.parametrize("n_dims", [1, 2, 5, 16, 64])
@pytest.mark.parametrize("score_type", ["neighbors", "density"])
def test_scores_of_codes_do_not_depend_on_their_position(score_type, n_dims):
    codes, new_codes = clusters(1500, n_dims), clusters(1024, n_dims, seed=1)
    order = np.random.default_rng(0).integers(1024, size=1024)
    scores = scores_of_codes(score_type, codes, new_codes)
    assert_same_bits(scores_of_codes(score_type, codes, new_codes[order]), scores[order])


@pytest.mark.parametrize("score_type", ["neighbors", "density"])
def test_each_member_is_compared_with_its_own_codes(score_type):
    codes = np.stack([clusters(120, seed=seed) for seed in range(3)])
    new_codes = np.stack([clusters(50, seed=seed) for seed in (4, 5, 6)])
    scores = scores_of_codes(score_type, codes, new_codes)
    for member in range(3):
        expected = scores_of_codes(score_type, codes[member], new_codes[member])
        assert_same_bits(scores[member], expected)


@every_score
@pytest.mark.parametrize(
    "codes",
    [
        clusters(1000),
        np.column_stack([clusters(200), np.ones(200)]),
        clusters(200, n_dims=300),
        1e-5 * clusters(200),
        1e5 + clusters(200),
    ],
    ids=["clusters", "constant dimension", "more dimensions than codes", "small", "far from zero"],
)
def test_scores_grow_with_the_distance(score_type, codes):
    distances = np.array([3, 10, 1e2, 1e3, 1e4, 1e5, 1e6])
    direction = np.random.default_rng(2).normal(size=codes.shape[1])
    far_codes = codes.mean(0) + distances[:, None] * codes.std() * direction
    scores = scores_of_codes(score_type, codes, far_codes)
    assert np.isfinite(scores).all()
    assert (np.diff(scores) > 0).all()


@every_score
@pytest.mark.parametrize(
    "codes",
    [
        np.ones((60, 3)),
        np.repeat(clusters(2), 100, axis=0),
        clusters(2),
        clusters(2, n_dims=1),
        clusters(2)[:1],
        clusters(6),
        clusters(40, n_dims=300),
        np.ones((40, 300)),
    ],
    ids=["equal", "two values", "two", "one dimension", "one", "few", "wide", "wide and equal"],
)
def test_scores_of_degenerate_codes_are_finite(score_type, codes):
    for new_codes in (codes, codes + 1, 1e6 * codes):
        assert np.isfinite(scores_of_codes(score_type, codes, new_codes)).all()


def test_the_density_of_wide_codes_is_that_of_their_principal_components():
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(3, 400))
    codes, new_codes = (clusters(500, seed=seed) @ mixing for seed in (0, 1))
    scaler = StandardScaler().fit(codes)
    components = np.linalg.svd(scaler.transform(codes), full_matrices=False)[2][:64]
    mixture = GaussianMixture(
        3, reg_covar=1e-2, tol=0.064, init_params="k-means++", random_state=0
    ).fit(scaler.transform(codes) @ components.T)
    expected = -mixture.score_samples(scaler.transform(new_codes) @ components.T)
    scores = scores_of_codes("density", codes, new_codes)
    assert np.corrcoef(scores, expected)[0, 1] > 0.999


@every_score
def test_a_clone_is_fitted_to_the_same_scores(score_type, device):
    detector = tiny("ALAD", score_type=score_type, device=device).fit(table())
    again = clone(detector).fit(table())
    assert_same_bits(again.score_samples(NEW_ROWS), detector.score_samples(NEW_ROWS))


@pytest.mark.parametrize(("name", "score_type"), offered(FINISHED_SCORES))
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


@pytest.mark.parametrize(
    ("score_type", "name"), [("neighbors", "MAX_CODES"), ("density", "MAX_DENSITY_CODES")]
)
def test_large_tables_are_sampled_evenly(score_type, name, device, monkeypatch):
    monkeypatch.setattr(finished, name, 10)
    detector = tiny("ALAD", score_type=score_type, device=device).fit(table())
    rows = np.linspace(0, 47, 10).astype(int)
    expected = BY_HAND[score_type](detector, table()[rows], NEW_ROWS)
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


def test_rows_that_repeat_do_not_dominate_the_combination():
    codes = np.vstack([np.zeros((20, 2)), clusters(200, 2)])
    scores = scores_of_codes("mahalanobis+neighbors", codes, codes)
    assert scores[:20].max() < np.median(scores)
    assert np.ptp(scores) < 20


def test_scores_are_learned_from_the_known_inliers_if_there_are_enough():
    X = np.vstack([table(100), 6 + 0.01 * table(30)])  # the outliers resemble each other
    labels = np.repeat([1, 0], [60, 70])
    detector = tiny("WALDO", score_type="neighbors")
    scores = detector.fit(X, labels=labels).score_samples(X)
    assert scores[100:].max() < scores[:100].min()
    scores = detector.fit(X).score_samples(X)
    assert scores[100:].min() > scores[:100].min()


def test_the_threshold_counts_false_alarms_among_new_rows():
    X, X_new = np.split(table(2200), [200])
    detector = tiny("ALAD", score_type="density", latent_dim=16, max_epochs=20).fit(X)
    for contamination, low, high in (("auto", 0.025, 0.09), (0.05, 0.1, 1.0)):
        detector.set_threshold(contamination=contamination)
        assert low < (detector.predict(X_new) == -1).mean() < high


def test_combined_scores_far_away_stay_in_proportion():
    codes = clusters(500, 2)
    near, far = scores_of_codes(
        "mahalanobis+neighbors+density", codes, np.array([[1e2, 1e2], [1e6, 1e6]])
    )
    assert near < far < 100
