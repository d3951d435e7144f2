"""DensityDetector: the log-density of a row, with any density estimator of scikit-learn."""

import pickle

import numpy as np
import pandas as pd
import pytest
from common import assert_same_bits, table
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skgad.density import MIN_LOG_DENSITY, DensityDetector

MIXTURE = GaussianMixture(2, reg_covar=1e-3)
ENCODINGS = ["standard", "piecewise", "piecewise+frequency", None]
DENSITIES = {
    "default": None,
    "mixture": MIXTURE,
    "kernel": KernelDensity(),
    "pca": PCA(),
    "pipeline": make_pipeline(PCA(), KernelDensity()),
}

every_density = pytest.mark.parametrize("density", DENSITIES.values(), ids=DENSITIES)


@parametrize_with_checks(
    [
        DensityDetector(random_state=0),
        DensityDetector(encoding="piecewise", random_state=0),
        DensityDetector(encoding="piecewise+frequency", random_state=0),
        DensityDetector(GaussianMixture(reg_covar=1e-2), encoding=None, random_state=0),
        DensityDetector(KernelDensity()),
        DensityDetector(make_pipeline(PCA(), KernelDensity()), encoding=None),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def normal_log_density(X, mean, covariance):
    difference = X - mean
    squares = np.einsum("ij,jk,ik->i", difference, np.linalg.inv(covariance), difference)
    return -0.5 * (squares + np.linalg.slogdet(2 * np.pi * covariance)[1])


def test_default_score_is_the_normal_log_density_of_standardized_columns_if_there_are_few_rows():
    X, X_new = table(60), 5 * table(9, seed=1)
    codes = (X - X.mean(axis=0)) / X.std(axis=0)
    expected = normal_log_density(
        (X_new - X.mean(axis=0)) / X.std(axis=0),
        codes.mean(axis=0),
        np.cov(codes.T, bias=True) + 0.01 * np.eye(4),
    )
    scores = DensityDetector().fit(X).score_samples(X_new)
    np.testing.assert_allclose(scores, expected, rtol=1e-5)


@pytest.mark.parametrize(("n_rows", "n_components"), [(20, 1), (60, 1), (170, 3), (1100, 20)])
def test_number_of_components_grows_with_the_number_of_distinct_rows(n_rows, n_components):
    X = np.repeat(table(n_rows), 2, axis=0)
    assert DensityDetector(random_state=0).fit(X).estimator_.n_components == n_components


def test_scores_are_those_of_the_estimator():
    X, X_new = table(60), table(9, seed=1)
    kernel = KernelDensity(bandwidth=0.5)
    detector = DensityDetector(kernel, encoding=None).fit(X)
    assert_same_bits(detector.score_samples(X_new), clone(kernel).fit(X).score_samples(X_new))
    assert not hasattr(kernel, "tree_")


@pytest.mark.parametrize("encoding", ENCODINGS[:-1])
def test_units_of_the_columns_do_not_matter(encoding):
    X = table(60)
    X[:, 0] = X[:, 0].round()
    units = np.array([1e-6, 1, 1e3, 1e6])
    scores = [
        DensityDetector(KernelDensity(), encoding=encoding).fit(rows).train_scores_
        for rows in (X, X * units + units)
    ]
    np.testing.assert_allclose(*scores)


def test_a_changed_value_of_a_constant_column_is_an_outlier():
    X = table(60)
    X[:, 0] = 7
    X_changed = X[:5] + [7, 0, 0, 0]
    detector = DensityDetector().fit(X)
    assert (detector.predict(X_changed) == -1).all()
    assert (detector.sample(50)[:, 0] == 7).all()


@every_density
def test_the_threshold_flags_the_share_of_the_training_rows(density):
    X = table(200)
    detector = DensityDetector(density, contamination=0.1, random_state=0)
    assert (detector.fit_predict(X) == -1).sum() == 20
    assert (detector.set_threshold(contamination="auto").predict(X) == -1).sum() == 10
    np.testing.assert_allclose(detector.train_scores_, detector.score_samples(X))
    np.testing.assert_allclose(
        detector.decision_function(X), detector.train_scores_ - detector.offset_
    )


@every_density
def test_results_are_reproducible(density):
    X = table(300)
    first, second = (DensityDetector(density, random_state=0).fit(X) for _ in range(2))
    assert_same_bits(first.score_samples(X), second.score_samples(X))
    assert_same_bits(pickle.loads(pickle.dumps(first)).score_samples(X), first.score_samples(X))


def test_random_state_seeds_the_estimator():
    pipeline = make_pipeline(PCA(), GaussianMixture(random_state=3))
    X = table(60)
    steps = DensityDetector(pipeline, random_state=0).fit(X).estimator_
    assert steps[0].random_state != steps[1].random_state
    assert isinstance(steps[0].random_state, int)
    assert DensityDetector(pipeline).fit(X).estimator_[1].random_state == 3


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    "density",
    [None, MIXTURE, BayesianGaussianMixture(n_components=2, tol=0.1), KernelDensity(bandwidth=0.1)],
)
def test_sampled_rows_have_the_distribution_of_the_training_rows(density, encoding):
    X = np.array([5, -3, 0, 100]) + table(400) * [1, 10, 1, 1]
    detector = DensityDetector(density, encoding=encoding, random_state=0).fit(X)
    rows = detector.sample(3000, random_state=0)
    assert rows.shape == (3000, 4)
    np.testing.assert_allclose(rows.mean(axis=0), X.mean(axis=0), atol=0.15 * X.std(axis=0).max())
    np.testing.assert_allclose(rows.std(axis=0), X.std(axis=0), rtol=0.15)


@pytest.mark.parametrize("density", [None, KernelDensity()])
def test_samples_are_reproducible_and_differ_between_seeds(density):
    detector = DensityDetector(density, random_state=0).fit(table(300))
    rows = detector.sample(600, random_state=1)
    assert_same_bits(detector.sample(600, random_state=1), rows)
    assert_same_bits(detector.sample(7, random_state=1), rows[:7])
    assert len(np.unique(rows, axis=0)) == 600
    assert not np.array_equal(detector.sample(7, random_state=2), rows[:7])
    assert not np.array_equal(detector.sample(7), detector.sample(7))


def test_sampled_rows_are_not_sorted_by_component():
    X = np.vstack([table(300), table(300) + 100])
    rows = DensityDetector(GaussianMixture(2), random_state=0).fit(X).sample(200, random_state=0)
    is_first = rows[:, 0] < 50
    assert 60 < (is_first[1:] != is_first[:-1]).sum() < 140


def test_sampling_leaves_the_global_generator_alone():
    detector = DensityDetector(random_state=0).fit(table())
    before = np.random.get_state()[1].copy()
    detector.sample(5)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_sample_exists_if_the_density_has_it():
    assert hasattr(DensityDetector(), "sample")
    assert hasattr(DensityDetector(KernelDensity()), "sample")
    for density in (PCA(), make_pipeline(KernelDensity())):
        assert not hasattr(DensityDetector(density), "sample")
        assert not hasattr(DensityDetector(density).fit(table()), "sample")


def test_invalid_arguments_of_sample_are_rejected():
    detector = DensityDetector().fit(table())
    with pytest.raises(ValueError, match="only samples kind='inlier', got 'outlier'"):
        detector.sample(kind="outlier")
    with pytest.raises(ValueError, match="n_samples == 0"):
        detector.sample(0)


@pytest.mark.parametrize("estimator", [StandardScaler(), 3])
def test_estimators_without_densities_are_rejected(estimator):
    with pytest.raises(ValueError, match="'estimator' parameter of DensityDetector must be"):
        DensityDetector(estimator).fit(table())


def test_scores_are_finite_where_the_density_is_zero():
    X = table()
    detector = DensityDetector(KernelDensity(kernel="tophat", bandwidth=0.5)).fit(X)
    assert (detector.score_samples(X + 100) == MIN_LOG_DENSITY).all()
    assert (DensityDetector().fit(X).score_samples(X * 1e300) == MIN_LOG_DENSITY).all()


def test_frames_score_as_arrays():
    X = table(40)
    frame = pd.DataFrame(X, columns=list("abcd"))
    detector = DensityDetector().fit(frame)
    assert_same_bits(detector.score_samples(frame), DensityDetector().fit(X).score_samples(X))
    assert detector.feature_names_in_.tolist() == list("abcd")


def test_an_earlier_fit_is_kept_if_a_fit_fails():
    X = table(30)
    detector = DensityDetector(GaussianMixture(5, reg_covar=0.1), random_state=0).fit(X)
    before = detector.score_samples(X)
    with pytest.raises(ValueError, match="n_samples"):
        detector.fit(X[:4, :2])
    assert detector.n_features_in_ == 4
    assert_same_bits(detector.score_samples(X), before)


def test_parameters_of_the_density_can_be_searched():
    X = table(100)
    grid = {"estimator__bandwidth": [0.01, 0.5]}
    search = GridSearchCV(
        DensityDetector(KernelDensity()),
        grid,
        scoring=lambda detector, X, y=None: detector.score_samples(X).mean(),
        cv=3,
    )
    assert search.fit(X).best_params_ == {"estimator__bandwidth": 0.5}


def test_parameters_of_the_default_estimator_cannot_be_set():
    with pytest.raises(ValueError, match="because estimator is None.*Pass an estimator"):
        DensityDetector().set_params(estimator__n_components=3)
    detector = DensityDetector().set_params(estimator=MIXTURE, estimator__n_components=3)
    assert detector.estimator.n_components == 3
    MIXTURE.set_params(n_components=2)
