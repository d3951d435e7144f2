"""Conformal p-values from cross-validation: CV+ and jackknife+."""

import numpy as np
import pytest
from calibration_common import FITTED, FirstColumn, RecordingDetector, column, few_rows
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.ensemble import IsolationForest
from sklearn.model_selection import GridSearchCV, KFold, LeaveOneOut, RepeatedKFold
from sklearn.neighbors import LocalOutlierFactor

from skgad.calibration import ConformalDetector
from skgad.metrics import outlier_roc_auc_score


class Mean(OutlierMixin, BaseEstimator):
    """Opposite of the distance from the mean of the training rows."""

    def fit(self, X, y=None):
        self.mean_ = X.mean(axis=0)
        self.n_ = len(X)
        return self

    def score_samples(self, X):
        return -np.linalg.norm(X - self.mean_, axis=1)


def rows(n=40, seed=0):
    return np.random.RandomState(seed).normal(size=(n, 2))


def count_by_hand(X, new, cv):
    """P-values of CV+ from their definition."""
    n_lower = np.zeros(len(new), dtype=int)
    for train, held_out in cv.split(X):
        detector = Mean().fit(X[train])
        scores = detector.score_samples(X[held_out])
        n_lower += (scores[:, None] <= detector.score_samples(new)).sum(axis=0)
    return (1 + n_lower) / (len(X) + 1)


@pytest.mark.parametrize(
    "cv", [KFold(4), KFold(3, shuffle=True, random_state=0), LeaveOneOut()], ids=repr
)
def test_p_values_compare_each_held_out_row_by_its_own_detector(cv):
    X, new = rows(), 2 * rows(30, seed=1)
    detector = ConformalDetector(Mean(), cv=cv).fit(X)
    np.testing.assert_allclose(detector.p_values(new), count_by_hand(X, new, cv))
    assert len(detector.detectors_) == cv.get_n_splits(X)
    assert len(detector.calibration_scores_) == 40
    assert sum(40 - fitted.n_ for fitted in detector.detectors_) == 40


@few_rows
@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.1, 0.24, 0.5, 1 / 41, 2 / 41])
@pytest.mark.parametrize("cv", [4, LeaveOneOut()], ids=repr)
def test_predict_flags_rows_with_p_values_up_to_alpha(alpha, cv):
    new = 2 * rows(200, seed=1)
    detector = ConformalDetector(Mean(), alpha=alpha, cv=cv, random_state=0).fit(rows())
    np.testing.assert_array_equal(detector.predict(new) == -1, detector.p_values(new) <= alpha)
    np.testing.assert_array_equal(
        detector.decision_function(new), detector.score_samples(new) - detector.offset_
    )


def test_scores_rank_as_p_values_and_distinguish_rows_beyond_all_others():
    new = 2 * rows(200, seed=1)
    detector = ConformalDetector(Mean(), cv=5, random_state=0).fit(rows())
    scores, p = detector.score_samples(new), detector.p_values(new)
    order = np.argsort(scores)
    assert (np.diff(p[order]) >= 0).all()
    far = detector.score_samples([[5.0, 0], [50.0, 0], [5000.0, 0]])
    assert (np.diff(far) < 0).all()


@pytest.mark.parametrize("cv", [5, LeaveOneOut()], ids=["CV+", "jackknife+"])
def test_p_values_of_normal_rows_are_close_to_uniform(cv):
    n_runs, n_new, levels = 300, 40, np.array([0.05, 0.1, 0.2, 0.5])
    rng = np.random.RandomState(0)
    below = np.zeros((n_runs, len(levels)))
    for run in range(n_runs):
        X = rng.normal(size=(24 + n_new, 2))
        detector = ConformalDetector(Mean(), cv=cv, alpha=0.2, random_state=run).fit(X[:24])
        below[run] = (detector.p_values(X[24:])[:, None] <= levels).mean(axis=0)
    error = below.std(axis=0) / np.sqrt(n_runs)
    assert (below.mean(axis=0) <= 1.1 * levels + 3 * error).all()  # the bound is 2 alpha
    assert (below.mean(axis=0) >= 0.5 * levels).all()


def test_an_int_shuffles_the_folds_reproducibly():
    X = np.sort(rows(), axis=0)
    fits = [ConformalDetector(Mean(), cv=4, random_state=0).fit(X) for _ in range(2)]
    np.testing.assert_array_equal(*[fit.calibration_scores_ for fit in fits])
    unshuffled = ConformalDetector(Mean(), cv=KFold(4)).fit(X)
    assert (unshuffled.calibration_scores_ != fits[0].calibration_scores_).any()


@few_rows
def test_only_normal_rows_are_held_out():
    labels = np.repeat([1, 0, -1], [12, 6, 3])
    X = column(range(21))
    detector = ConformalDetector(FirstColumn(), cv=3).fit(X, labels=labels)
    assert sorted(detector.calibration_scores_) == list(range(12))
    for fitted in detector.detectors_:
        assert len(fitted.X_) == 8 + 6
    detector = ConformalDetector(RecordingDetector(), cv=3)
    detector.fit(X, labels=labels, sample_weight=np.arange(21))
    for fitted in detector.detectors_:
        np.testing.assert_array_equal(fitted.labels_, labels[fitted.X_[:, 0].astype(int)])
        np.testing.assert_array_equal(fitted.weights_, fitted.X_[:, 0])


def test_another_fit_without_folds_replaces_the_detectors():
    detector = ConformalDetector(Mean(), cv=4).fit(rows())
    assert not hasattr(detector, "detector_")
    detector.set_params(cv=None).fit(rows(120))
    assert detector.detectors_ == [detector.detector_]
    new = rows(5, seed=1)
    np.testing.assert_array_equal(
        detector.score_samples(new), detector.detector_.score_samples(new)
    )


def test_outliers_are_found_and_the_folds_can_be_searched():
    X = rows(100)
    new, y = np.concatenate([rows(20, seed=1), 6 + rows(20, seed=2)]), np.repeat([1, -1], 20)
    detector = ConformalDetector(LocalOutlierFactor(novelty=True), cv=4, random_state=0).fit(X)
    assert outlier_roc_auc_score(y, detector.score_samples(new)) == 1
    assert detector.select(new)[y == -1].all()
    search = GridSearchCV(
        ConformalDetector(IsolationForest(n_estimators=3), alpha=0.2),
        {"cv": [None, 3]},
        scoring=lambda detector, X, y=None: 0.0,
        cv=2,
        error_score="raise",
    )
    assert search.fit(X).best_estimator_.n_features_in_ == 2
    assert clone(detector).cv == 4


def test_folds_that_cannot_be_used_raise_an_error():
    with pytest.raises(ValueError, match="the detector is frozen"):
        ConformalDetector(FITTED, cv=3).fit(rows())
    with pytest.raises(ValueError, match="holds out a row more than once"):
        ConformalDetector(Mean(), cv=RepeatedKFold(n_splits=2, n_repeats=2)).fit(rows())
    with pytest.raises(ValueError, match="'cv' parameter"):
        ConformalDetector(Mean(), cv="five").fit(rows())
