"""Samples that are spread like the training rows."""

import numpy as np
import pytest
import torch
from common import DETECTORS, tiny
from sklearn.mixture import GaussianMixture

from skgad import ALAD, WALDO, Autoencoder
from skgad._encoding import n_decimals
from skgad.engine.finished import fit_mixture
from skgad.engine.sampling import CodeMixture, Column, OneHotGroup

SAMPLING = [name for name in DETECTORS if tiny(name).game_class.can("sample")]

every_sampler = pytest.mark.parametrize("name", SAMPLING)


def people(n_samples=400, seed=0):
    """A skewed amount, a rare boolean that goes with it, a count, and three one-hot columns."""
    rng = np.random.default_rng(seed)
    rare = rng.random(n_samples) < 0.04
    amount = np.round(np.exp(rng.normal(size=n_samples) + 2 * rare), 2)
    count = rng.poisson(3, n_samples)
    levels = np.eye(3)[rng.choice(3, n_samples, p=[0.7, 0.2, 0.1])]
    return np.column_stack([amount, rare, count, levels])


def sample_of(name, X, n_samples=2000, **params):
    detector = tiny(name, encoding="auto", max_epochs=5, **params).fit(X)
    return detector.sample(n_samples, random_state=0)


@every_sampler
def test_columns_have_the_distributions_of_the_training_rows(name):
    X = people()
    rows = sample_of(name, X)
    for j in range(3):
        quantiles = np.quantile(X[:, j], [0.1, 0.25, 0.5, 0.75, 0.9])
        found = [(rows[:, j] <= q + 1e-6).mean() for q in quantiles]
        expected = [(X[:, j] <= q).mean() for q in quantiles]
        np.testing.assert_allclose(found, expected, atol=0.06)


@every_sampler
def test_values_are_those_that_the_columns_can_have(name):
    X = people()
    amount, rare, count, *levels = sample_of(name, X).T.astype(float)
    np.testing.assert_allclose(amount, np.round(amount, 2), rtol=1e-6)
    low, high = np.float32([X[:, 0].min(), X[:, 0].max()])
    assert low <= amount.min() <= amount.max() <= high
    assert set(rare) == {0, 1}
    assert set(count) <= set(X[:, 2])
    assert (np.sum(levels, axis=0) == 1).all()
    assert set(np.ravel(levels)) == {0, 1}
    shares = np.mean(levels, axis=1) / [0.7, 0.2, 0.1]
    assert 0.4 < shares.min() <= shares.max() < 2


def test_columns_that_go_together_are_sampled_together():
    rows = sample_of("Autoencoder", people(), latent_dim=4)
    amount, rare = rows[:, 0], rows[:, 1] == 1
    assert np.median(amount[rare]) > 3 * np.median(amount[~rare])


def test_rows_are_new():
    X = people()[:, :1] + np.random.default_rng(1).normal(size=(400, 3))
    rows = sample_of("WAE", X)
    assert len(np.unique(rows, axis=0)) == 2000
    distances = np.linalg.norm(rows[:, None] - X, axis=-1).min(axis=1)
    assert np.median(distances) > 0.1


@pytest.mark.parametrize("n_members", [1, 2])
def test_a_large_sample_begins_with_every_smaller_one(n_members):
    detector = tiny("ALAD", n_members=n_members).fit(people())
    large = detector.sample(1500, random_state=3)
    for n_samples in (1, 1024, 1025):
        assert (detector.sample(n_samples, random_state=3) == large[:n_samples]).all()
    assert (detector.sample(5, random_state=4) != large[:5]).any()


def test_the_mixture_of_the_score_is_the_one_to_sample_from():
    X = people()
    by_score = tiny("ALAD", score_type="density").fit(X).sample(50, random_state=0)
    assert (by_score == tiny("ALAD", score_type="features").fit(X).sample(50, random_state=0)).all()


def test_learning_to_sample_leaves_the_training_and_the_scores_as_they_are(monkeypatch):
    X = people()
    scores = tiny("WALDO", n_members=2, warm_start=True).fit(X).fit(X).train_scores_
    monkeypatch.setattr("skgad.detectors._base.RowSampler", lambda *args: None)
    again = tiny("WALDO", n_members=2, warm_start=True).fit(X).fit(X).train_scores_
    assert (scores == again).all()


@pytest.mark.filterwarnings("ignore:The generated rows have collapsed")
def test_the_way_of_the_method_remains():
    X = people()
    detector = tiny("ALAD").fit(X)
    own = detector.sample(100, latent="own", random_state=0)
    assert (own != detector.sample(100, random_state=0)).any()
    assert not set(own[:, 1]) <= {0, 1}
    waldo = tiny("WALDO").fit(X)
    fitted = waldo.sample(100, latent="fitted", random_state=0)
    assert (waldo.sample(100, latent="own", random_state=0) == fitted).all()


def collapsed_sample(columns):
    """Sample rows whose decoder always answers with the training mean of some columns."""
    X = people()
    detector = tiny("ALAD").fit(X)
    ensemble = detector.net_.module_
    mixture_rows = torch.from_numpy(detector.sample(1024, random_state=0))
    mixture_rows[:, columns] = torch.from_numpy(X[:, columns].mean(axis=0)).float()
    ensemble.sample = lambda n_rows, kind, device: mixture_rows
    return lambda n_samples: detector.sample(n_samples, latent="own")


@pytest.mark.parametrize("n_samples", [100, 1000])
def test_rows_that_vary_too_little_are_warned_of(n_samples):
    with pytest.warns(UserWarning, match=r"collapsed in 1 of 6 columns \(positions 0\)"):
        collapsed_sample([0])(n_samples)


def test_levels_that_are_lost_are_warned_of():
    with pytest.warns(UserWarning, match=r"collapsed in 2 of 6 columns \(positions 4, 5\)"):
        collapsed_sample([3, 4, 5])(1000)


def test_a_few_rows_or_rows_of_the_right_spread_are_not_warned_of():
    collapsed_sample([0])(99)
    collapsed_sample([])(1000)


def test_outliers_and_wide_tables_are_generated_in_the_way_of_the_method():
    detector = tiny("WALDO").fit(people(), labels=np.repeat([0, -1], [380, 20]))
    outliers = detector.sample(20, kind="outlier", random_state=0)
    fitted = detector.sample(20, kind="outlier", latent="fitted", random_state=0)
    assert (outliers == fitted).all()
    with pytest.raises(ValueError, match="latent='mixture' generates inliers .* Use latent='own'"):
        detector.sample(kind="outlier", latent="mixture")
    wide = tiny("ALAD").fit(np.random.default_rng(0).normal(size=(20, 1025)))
    own = wide.sample(3, latent="own", random_state=0)
    assert (wide.sample(3, random_state=0) == own).all()


@pytest.mark.parametrize(("cls", "ways"), [(ALAD, "'own'"), (WALDO, "'own', 'fitted', 'prior'")])
def test_an_unknown_way_raises(cls, ways):
    detector = tiny(cls.__name__).fit(people())
    message = rf"latent must be one of \('auto', 'mixture', {ways}.*got 'normal'"
    with pytest.raises(ValueError, match=message):
        detector.sample(latent="normal")


def test_known_outliers_are_not_sampled():
    X = np.random.default_rng(0).normal(size=(300, 3))
    X[:30] += 20
    labels = np.repeat([-1, 0], [30, 270])
    rows = tiny("CoRA").fit(X, labels=labels).sample(1000, random_state=0)
    assert rows.max() < 10


def test_sparse_rows_and_two_rows_can_be_learned_from():
    X = people(2)
    assert Autoencoder(max_epochs=1, random_state=0).fit(X).sample(3, random_state=0).shape == (
        3,
        6,
    )


# ------------------------------------------------------------------------------------ the parts


@pytest.mark.parametrize("n_dims", [3, 300])
def test_codes_have_the_moments_of_their_mixture(n_dims):
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(3, n_dims))
    codes = rng.normal(size=(400, 3)) @ mixing + 5
    codes[:100] += 4 * mixing[0]
    mixture = CodeMixture(*fit_mixture(codes))
    drawn = mixture.draw(40_000, rng)
    np.testing.assert_allclose(drawn.mean(0), codes.mean(0), atol=0.15)
    scale = np.abs(np.cov(codes.T)).max()
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(codes.T), atol=0.06 * scale)
    np.testing.assert_allclose(mixture.weights.sum(), 1)


def test_the_components_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(200, 2)) * [1, 3] + np.repeat([[0, 0], [9, 9]], [150, 50], axis=0)
    mixture = CodeMixture(*fit_mixture(codes))
    scale = codes.std(0)
    expected = GaussianMixture(
        4, reg_covar=1e-2, tol=2e-3, max_iter=10_000, init_params="k-means++", random_state=0
    ).fit((codes - codes.mean(0)) / scale)
    np.testing.assert_allclose(mixture.weights, expected.weights_, rtol=1e-6)
    means = expected.means_ * scale + codes.mean(0)
    np.testing.assert_allclose(mixture.means, means, rtol=1e-6, atol=1e-6)
    covariances = mixture.spread @ mixture.spread.transpose(0, 2, 1)
    np.testing.assert_allclose(covariances, expected.covariances_ * np.outer(scale, scale), 1e-6)


def test_ranks_are_matched_and_ties_are_broken_at_random():
    seen = np.repeat([0.0, 1.0], [700, 300])
    generated = np.repeat([0.2, 0.3], [500, 500])
    matched = generated[:, None].astype(np.float32)
    Column(0, seen[:, None], matched.copy()).match(matched, np.random.default_rng(0))
    assert set(matched[:, 0]) == {0, 1}
    assert abs(matched.mean() - 0.3) < 0.05
    assert matched[:500].sum() == 0


def test_levels_are_drawn_from_probabilities_that_have_the_frequencies_of_the_table():
    rng = np.random.default_rng(0)
    seen = np.eye(3)[rng.choice(3, 10_000, p=[0.9, 0.08, 0.02])]
    generated = np.repeat([[0.95, 0.05, -0.1], [0.5, 0.4, 0.2]], [9_000, 1_000], axis=0)
    group = OneHotGroup((0, 1, 2), seen, generated)
    drawn = generated.copy()
    group.match(drawn, rng)
    np.testing.assert_allclose(drawn.mean(axis=0), seen.mean(axis=0), atol=0.01)
    assert drawn[9_000:, 2].mean() > 10 * drawn[:9_000, 2].mean()
    assert (drawn.sum(axis=1) == 1).all()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2, 30], 0),
        ([0.5, 2.25], 2),
        ([1e9, 2e9], 0),
        ([np.pi / 1000, 1], None),
        ([0.1, 1e6], 1),
    ],
)
def test_decimals_are_counted(values, expected):
    single = np.float32(values).astype(float)
    assert n_decimals(single, np.finfo(np.float32).eps) == expected


def test_a_level_without_training_rows_is_never_generated():
    rng = np.random.default_rng(0)
    seen = np.eye(4)[rng.choice([0, 1, 3], 500, p=[0.6, 0.3, 0.1])].astype(np.float32)
    group = OneHotGroup((0, 1, 2, 3), seen, rng.random((500, 4)).astype(np.float32))
    assert group.weights[2] == 0
    rows = rng.random((4000, 4)).astype(np.float32)
    group.match(rows, rng)
    np.testing.assert_allclose(rows.mean(axis=0), seen.mean(axis=0), atol=0.05)
    assert group.collapsed(rows) == []
