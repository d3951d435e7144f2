"""KNeighborsDetector: the distance to the k-th nearest training row."""

import numpy as np
import pandas as pd
import pytest
from common import assert_same_bits, table
from scipy import sparse
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.metrics import pairwise_distances
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from skgad.neighbors import KNeighborsDetector


@parametrize_with_checks([KNeighborsDetector(), KNeighborsDetector(1, algorithm="brute")])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("algorithm", ["kd_tree", "ball_tree", "brute"])
@pytest.mark.parametrize("n_neighbors", [1, 4])
def test_scores_are_distances_to_the_kth_neighbor(algorithm, n_neighbors):
    X, X_new = table(60), table(9, seed=1)
    detector = KNeighborsDetector(n_neighbors, algorithm=algorithm).fit(X)
    expected = np.sort(pairwise_distances(X_new, X), axis=1)[:, n_neighbors - 1]
    np.testing.assert_allclose(detector.score_samples(X_new), -expected)


@pytest.mark.parametrize("algorithm", ["kd_tree", "brute"])
def test_training_rows_are_scored_without_themselves(algorithm):
    X = table(60, n_features=20)
    X[:8] = X[8:16]  # twice
    detector = KNeighborsDetector(3, algorithm=algorithm).fit(X)
    expected = [
        np.sort(np.linalg.norm(np.delete(X, i, axis=0) - X[i], axis=1))[2] for i in range(60)
    ]
    np.testing.assert_allclose(detector.train_scores_, np.negative(expected))
    np.testing.assert_allclose(detector.score_samples(X), detector.train_scores_)


def test_more_equal_rows_than_neighbors_have_distance_zero():
    X = np.repeat(table(6), 5, axis=0)
    detector = KNeighborsDetector(3).fit(X)
    assert not detector.train_scores_.any()
    assert not detector.score_samples(X).any()


def test_training_rows_are_recognized_despite_rounding():
    X = table(60, n_features=6)
    pipeline = make_pipeline(PCA(), KNeighborsDetector(3)).fit(X)
    np.testing.assert_allclose(pipeline.score_samples(X), pipeline[-1].train_scores_)


def test_the_threshold_flags_the_share_of_the_training_rows():
    X = table(200)
    detector = KNeighborsDetector(contamination=0.1).fit(X)
    assert (detector.predict(X) == -1).sum() == 20
    assert (detector.set_threshold(contamination="auto").predict(X) == -1).sum() == 10
    assert detector.contamination == "auto"
    with pytest.raises(ValueError, match="KNeighborsDetector.set_threshold must be"):
        detector.set_threshold(contamination=0.6)
    assert detector.contamination == "auto"
    with pytest.raises(NotFittedError):
        clone(detector).set_threshold(contamination=0.1)


def test_sparse_rows_and_frames_score_as_arrays():
    X = table(40)
    detector = KNeighborsDetector().fit(X)
    thin = KNeighborsDetector().fit(sparse.csr_array(X))
    np.testing.assert_allclose(thin.score_samples(sparse.csr_array(X)), detector.train_scores_)
    frame = pd.DataFrame(X, columns=list("abcd"))
    named = KNeighborsDetector().fit(frame)
    assert_same_bits(named.score_samples(frame), detector.score_samples(X))
    assert named.feature_names_in_.tolist() == list("abcd")


def test_missing_values_are_accepted_by_a_metric_that_does():
    X = table(40)
    X[0, 0] = np.nan
    assert np.isfinite(KNeighborsDetector(metric="nan_euclidean").fit(X).score_samples(X)).all()


def test_too_few_rows_are_rejected_and_an_earlier_fit_is_kept():
    X = table(30)
    detector = KNeighborsDetector(5).fit(X)
    before = detector.score_samples(X)
    with pytest.raises(
        ValueError, match="requires at least 6 training rows, but X has n_samples=5"
    ):
        detector.fit(X[:5, :2])
    assert_same_bits(detector.score_samples(X), before)
    assert detector.n_features_in_ == 4


@pytest.mark.parametrize("n_features", [3, 40])  # searched by a tree and by brute force
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_score_of_a_row_does_not_depend_on_the_other_rows(n_features, dtype):
    X = np.random.default_rng(0).normal(size=(300, n_features)).astype(dtype)
    detector = KNeighborsDetector().fit(X)
    rows = np.random.default_rng(1).normal(size=(200, n_features)).astype(dtype)
    scores = detector.score_samples(rows)
    one_by_one = np.concatenate([detector.score_samples(row[None]) for row in rows])
    np.testing.assert_array_equal(scores, one_by_one)
    np.testing.assert_array_equal(detector.score_samples(X), detector.train_scores_)


def test_the_detector_keeps_the_training_rows_if_the_array_changes():
    X = np.random.default_rng(0).normal(size=(50, 20))
    detector = KNeighborsDetector().fit(X)
    rows, expected = X.copy(), detector.score_samples(X)
    X[:] = 1e200
    np.testing.assert_array_equal(detector.score_samples(rows), expected)
