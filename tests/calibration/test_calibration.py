"""Conformal p-values hold what they promise; thresholds and probabilities follow labels."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from common import DETECTORS, tiny
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import NotFittedError, UnsetMetadataPassedError
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM
from sklearn.utils.estimator_checks import parametrize_with_checks

from skgad import TabularDetector
from skgad.calibration import CalibratedDetector, ConformalDetector
from skgad.metrics import get_scorer
from skgad.model_selection import OneClassKFold

few_rows = pytest.mark.filterwarnings("ignore:With .* held-out rows:UserWarning")
both = pytest.mark.parametrize("Wrapper", [ConformalDetector, CalibratedDetector])


class FirstColumn(OutlierMixin, BaseEstimator):
    """Scores by the first column and remembers what it was fitted on."""

    def fit(self, X, y=None):
        self.X_ = X
        return self

    def score_samples(self, X):
        return np.asarray(X)[:, 0].astype(float)


class Labelled(FirstColumn):
    """Remembers what it is given besides its rows, too."""

    def fit(self, X, y=None, labels=None, sample_weight=None):
        self.labels_, self.weights_ = labels, sample_weight
        return super().fit(X)


FITTED = FrozenEstimator(FirstColumn().fit([[0.0]]))


def column(values):
    return np.asarray(values, dtype=float)[:, None]


def labelled(n_inliers=300, n_outliers=60, seed=0):
    """Inliers around 0 and outliers around -2 in the first column, and their labels."""
    rng = np.random.RandomState(seed)
    X = np.concatenate([rng.normal(0, 1, n_inliers), rng.normal(-2, 1, n_outliers)])
    return np.column_stack([X, rng.normal(size=len(X))]), np.repeat(
        [1, -1], [n_inliers, n_outliers]
    )


# The few rows of some checks are too few for p-values below the level, of which fit warns.
@few_rows
@parametrize_with_checks(
    [
        ConformalDetector(IsolationForest(n_estimators=5, random_state=0), random_state=0),
        ConformalDetector(make_pipeline(StandardScaler(), OneClassSVM()), random_state=0),
        CalibratedDetector(IsolationForest(n_estimators=5, random_state=0), random_state=0),
        CalibratedDetector(make_pipeline(StandardScaler(), OneClassSVM()), random_state=0),
    ]
)
def test_every_check_of_scikit_learn(estimator, check):
    check(estimator)


# ------------------------------------------------------------------------------------ p-values


@few_rows
@given(
    st.lists(st.integers(-5, 5), min_size=2, max_size=30),
    st.lists(st.integers(-6, 6), min_size=1, max_size=10),
)
def test_p_values_are_ranks_among_the_held_out_rows(held_out, new):
    detector = ConformalDetector(FITTED).fit(column(held_out))
    expected = [(1 + sum(s <= x for s in held_out)) / (len(held_out) + 1) for x in new]
    np.testing.assert_allclose(detector.p_values(column(new)), expected)


@few_rows
@given(
    st.lists(st.integers(-9, 9), min_size=2, max_size=60),
    st.one_of(st.sampled_from([0.05, 0.07, 0.1, 0.29, 0.5]), st.floats(0.01, 0.99)),
)
def test_predict_flags_the_p_values_up_to_alpha(held_out, alpha):
    detector = ConformalDetector(FITTED, alpha=alpha).fit(column(held_out))
    new = column(np.arange(-10, 11) / 1)
    np.testing.assert_array_equal(detector.predict(new) == -1, detector.p_values(new) <= alpha)
    np.testing.assert_array_equal(
        detector.decision_function(new), detector.score_samples(new) - detector.offset_
    )


@pytest.mark.parametrize(("n", "alpha"), [(19, 0.05), (100, 0.1), (37, 0.2)])
def test_p_values_of_normal_rows_are_uniform(n, alpha):
    rng = np.random.RandomState(0)
    n_runs, n_new = 400, 50
    flagged = [
        (ConformalDetector(FITTED, alpha=alpha).fit(column(rows[:n])).predict(column(rows[n:])) < 0)
        for rows in rng.normal(size=(n_runs, n + n_new))
    ]
    rates = np.mean(flagged, axis=1)
    expected = np.floor(alpha * (n + 1)) / (n + 1)
    assert expected <= alpha
    assert rates.mean() == pytest.approx(expected, abs=4 * rates.std() / np.sqrt(n_runs))
    k = expected * (n + 1)  # the variance of beta(k, n + 1 - k), and that of 50 draws
    variance = expected * (1 - expected) / (n + 2)
    variance += k * (n + 1 - k) / ((n + 1) * (n + 2)) / n_new
    assert rates.var() == pytest.approx(variance, rel=0.3)


@pytest.mark.parametrize("share", [0.0, 0.2])
def test_the_false_discovery_rate_holds(share):
    rng = np.random.RandomState(0)
    fdr, n, m, n_runs = 0.2, 499, 100, 500
    is_outlier = np.arange(m) < share * m
    false_rates, recalls = [], []
    for rows in rng.normal(size=(n_runs, n + m)):
        held_out, new = rows[:n], rows[n:] - 4.0 * is_outlier
        picked = ConformalDetector(FITTED).fit(column(held_out)).select(column(new), fdr=fdr)
        false_rates.append((picked & ~is_outlier).sum() / max(1, picked.sum()))
        recalls.append(picked[is_outlier].mean() if share else 1)
    error = np.std(false_rates) / np.sqrt(n_runs)
    # 1 - share of the rows are normal, and the rate is that part of fdr; without rounding here,
    # as fdr * (n + 1) / m is an integer
    assert np.mean(false_rates) == pytest.approx((1 - share) * fdr, abs=3 * error)
    assert np.mean(recalls) > 0.8


def test_training_rows_are_no_calibration_rows():
    X = np.random.RandomState(0).normal(size=(200, 2))
    detector = ConformalDetector(FirstColumn(), calibration_size=0.3, random_state=0).fit(X)
    assert len(detector.calibration_scores_) == 60
    trained_on = detector.detector_.X_[:, 0]
    assert not set(trained_on) & set(detector.calibration_scores_)
    assert set(trained_on) | set(detector.calibration_scores_) == set(X[:, 0])
    again = clone(detector).fit(X)
    np.testing.assert_array_equal(again.calibration_scores_, detector.calibration_scores_)
    assert len(clone(detector).set_params(calibration_size=50).fit(X).calibration_scores_) == 50


def test_alpha_can_be_changed_after_fit():
    detector = ConformalDetector(FITTED, alpha=0.5).fit(column(range(99)))
    new = column(range(100)) - 0.5
    assert (detector.predict(new) == -1).sum() == 50
    assert (detector.set_params(alpha=0.1).predict(new) == -1).sum() == 10
    assert detector.offset_ == 9


def test_too_few_held_out_rows_are_told():
    with pytest.warns(UserWarning, match="With 18 held-out rows no p-value is below 0.0526") as log:
        detector = ConformalDetector(FITTED).fit(column(range(18)))
    assert "hold out at least 19 rows" in str(log[0].message)
    assert detector.predict([[-1e9]]) == 1
    assert ConformalDetector(FITTED).fit(column(range(19))).predict([[-1e9]]) == -1


def test_a_rate_out_of_range_is_refused():
    detector = ConformalDetector(FITTED).fit(column(range(30)))
    with pytest.raises(ValueError, match="'fdr' parameter"):
        detector.select([[0.0]], fdr=0)
    with pytest.raises(ValueError, match="'alpha' parameter"):
        ConformalDetector(FITTED, alpha=1.5).fit(column(range(30)))


# ------------------------------------------------------------------------------- any detector


@both
@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_frames_go_through(Wrapper, frame):
    X, labels = labelled()
    X = frame(dict(zip("ab", X.T, strict=True)))
    params = {"labels": labels} if Wrapper is CalibratedDetector else {}
    pipeline = make_pipeline(StandardScaler(), LocalOutlierFactor(novelty=True))
    detector = Wrapper(pipeline, random_state=0).fit(X, **params)
    assert set(detector.predict(X)) == {-1, 1}
    assert list(detector.feature_names_in_) == ["a", "b"]
    assert detector.n_features_in_ == 2


@both
def test_a_detector_with_decisions_only_will_do(Wrapper):
    class Decisions(OutlierMixin, BaseEstimator):
        def fit(self, X, y=None):
            return self

        def decision_function(self, X):
            return X[:, 0] + 1.5

    X, _ = labelled()
    detector = Wrapper(Decisions(), random_state=0).fit(X)
    np.testing.assert_array_equal(detector.score_samples(X), X[:, 0] + 1.5)
    if Wrapper is CalibratedDetector:
        assert detector.offset_ == 0


@both
def test_what_gives_no_scores_is_refused(Wrapper):
    with pytest.raises(ValueError, match="'detector' parameter"):
        Wrapper(LocalOutlierFactor()).fit(labelled()[0])
    with pytest.raises(NotFittedError):
        Wrapper(FITTED).predict([[0.0]])


@both
@pytest.mark.parametrize("name", DETECTORS)
def test_our_detectors_are_wrapped(Wrapper, name, device):
    X, labels = labelled()
    detector = Wrapper(tiny(name, device=device), random_state=0)
    params = {"labels": labels} if Wrapper is CalibratedDetector else {}
    detector.fit(X, **params)
    np.testing.assert_array_equal(detector.score_samples(X), detector.detector_.score_samples(X))
    assert set(detector.predict(X)) <= {-1, 1}


def test_parameters_of_the_detector_are_searched():
    X, y = labelled()
    search = GridSearchCV(
        ConformalDetector(OneClassSVM(), random_state=0),
        {"detector__nu": [0.1, 0.5], "alpha": [0.1, 0.2]},
        scoring=get_scorer("outlier_f1"),
        cv=OneClassKFold(2, random_state=0),
        refit=False,
        error_score="raise",
    ).fit(X, y)
    assert len(search.cv_results_["params"]) == 4


# -------------------------------------------------------------------------------------- labels


@given(
    st.lists(st.integers(-5, 5), min_size=2, max_size=15),
    st.lists(st.integers(-5, 5), min_size=1, max_size=15),
    st.sampled_from(["balanced_accuracy", "f1"]),
)
def test_no_other_threshold_is_better(inliers, outliers, metric):
    X = column(inliers + outliers)
    labels = np.repeat([1, -1], [len(inliers), len(outliers)])
    detector = CalibratedDetector(FITTED, metric=metric).fit(X, labels=labels)

    def value(predicted):
        if metric == "f1":
            return f1_score(labels, predicted, pos_label=-1, zero_division=0)
        return balanced_accuracy_score(labels, predicted)

    values = [value(np.where(X[:, 0] < t, -1, 1)) for t in np.arange(-5.5, 6)]
    assert detector.best_score_ == pytest.approx(max(values))
    assert value(detector.predict(X)) == pytest.approx(max(values))


def test_known_outliers_and_held_out_inliers_are_not_trained_on():
    X, labels = labelled(300, 60)
    labels[:100] = 0
    labels[300:310] = 0  # outliers that nobody knows of
    detector = CalibratedDetector(FirstColumn(), calibration_size=0.25, random_state=0)
    trained_on = detector.fit(X, labels=labels).detector_.X_[:, 0]
    assert len(trained_on) == 110 + 150
    assert set(X[labels == 0, 0]) <= set(trained_on)
    assert not set(X[labels == -1, 0]) & set(trained_on)


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_held_out_inliers_stand_for_all(method):
    """The threshold and the probabilities are nearly those without holding out."""
    X, labels = labelled(20_000, 1000)
    params = {"metric": "f1", "method": method, "random_state": 0}
    part = CalibratedDetector(FirstColumn(), calibration_size=0.2, **params).fit(X, labels=labels)
    whole = CalibratedDetector(FITTED, **params).fit(X, labels=labels)
    assert part.offset_ == pytest.approx(whole.offset_, abs=0.3)
    assert part.best_score_ == pytest.approx(whole.best_score_, abs=0.03)
    difference = part.predict_proba(X) - whole.predict_proba(X)
    assert np.abs(difference).max() < 0.25
    assert np.abs(difference).mean() < 0.01


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_probabilities_are_calibrated(method):
    X, labels = labelled(4000, 1000)
    detector = CalibratedDetector(FirstColumn(), method=method, random_state=0)
    detector.fit(X, labels=labels)
    X_new, labels_new = labelled(4000, 1000, seed=1)
    probabilities = detector.predict_proba(X_new)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (np.diff(probabilities[np.argsort(X_new[:, 0]), 0]) <= 0).all()
    # Bayes: densities of two normal distributions, and four inliers to an outlier
    truth = 1 / (1 + 4 * np.exp(2 * X_new[:, 0] + 2))
    assert np.abs(probabilities[:, 0] - truth).mean() < 0.02
    is_sure = probabilities[:, 0] > 0.8
    assert (labels_new[is_sure] == -1).mean() == pytest.approx(
        probabilities[is_sure, 0].mean(), abs=0.06
    )
    assert detector.classes_.tolist() == [-1, 1]


def test_a_metric_of_ones_own_is_made_best():
    X, labels = labelled()

    def mostly_recall(y_true, y_pred, sample_weight):
        assert sample_weight.sum() == pytest.approx(360)
        return (y_pred[y_true == -1] == -1).mean() - 0.1 * (y_pred[y_true == 1] == -1).mean()

    offsets = [
        CalibratedDetector(FirstColumn(), metric=metric, random_state=0)
        .fit(X, labels=labels)
        .offset_
        for metric in (mostly_recall, "balanced_accuracy")
    ]
    assert offsets[0] > offsets[1]


def test_few_thresholds_are_nearly_as_good():
    X, labels = labelled(1000, 500)
    best = CalibratedDetector(FITTED, n_thresholds=500).fit(X, labels=labels).best_score_
    assert (
        CalibratedDetector(FITTED, n_thresholds=20).fit(X, labels=labels).best_score_ > best - 0.02
    )


def test_the_threshold_is_found_again_in_new_rows():
    X, labels = labelled()
    detector = CalibratedDetector(OneClassSVM(nu=0.5), random_state=0).fit(X, labels=labels)
    X_new, labels_new = labelled(seed=1)
    tuned = balanced_accuracy_score(labels_new, detector.predict(X_new))
    own = balanced_accuracy_score(labels_new, detector.detector_.predict(X_new))
    assert tuned > own + 0.05
    auc = roc_auc_score(labels_new, detector.predict_proba(X_new)[:, 1])
    assert auc == pytest.approx(roc_auc_score(labels_new, detector.score_samples(X_new)))


def test_without_labels_the_detector_keeps_its_threshold():
    X, labels = labelled()
    svm = OneClassSVM(nu=0.3).fit(X)
    detector = CalibratedDetector(OneClassSVM(nu=0.3)).fit(X, labels)  # y is ignored
    assert detector.offset_ == pytest.approx(svm.offset_[0])
    np.testing.assert_allclose(detector.decision_function(X), svm.decision_function(X), atol=1e-9)
    assert not hasattr(detector, "predict_proba")
    with pytest.raises(AttributeError, match="predict_proba") as error:
        detector.predict_proba(X)
    assert "labels=" in str(error.value.__cause__)
    assert hasattr(detector.fit(X, labels=labels), "predict_proba")
    assert not hasattr(detector.fit(X), "predict_proba")
    with pytest.raises(ValueError, match="FirstColumn has no threshold of its own"):
        CalibratedDetector(FirstColumn()).fit(X)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.ones(360), "labels have 0 outliers and 360 inliers"),
        (-np.ones(360), "labels have 360 outliers and 0 inliers"),
        (np.arange(360), r"got \[0, 1, 2, 3, 4\]"),
        (np.ones(5), "inconsistent numbers of samples"),
        (np.ones((360, 2)), "1d array"),
    ],
)
def test_bad_labels_are_refused_and_lose_nothing(labels, message):
    X, good = labelled()
    detector = CalibratedDetector(IsolationForest(random_state=0), random_state=0)
    before = detector.fit(X, labels=good).predict_proba(X)
    with pytest.raises(ValueError, match=message):
        detector.fit(X, labels=labels)
    np.testing.assert_array_equal(detector.predict_proba(X), before)


def test_labels_are_metadata_of_a_search():
    X, y = labelled()
    with sklearn.config_context(enable_metadata_routing=True):
        detector = CalibratedDetector(OneClassSVM(), random_state=0).set_fit_request(labels=True)
        search = GridSearchCV(
            detector,
            {"detector__nu": [0.1, 0.5]},
            scoring=get_scorer("outlier_f1"),
            cv=KFold(3, shuffle=True, random_state=0),
            error_score="raise",
        ).fit(X, y, labels=y)
    assert search.predict_proba(X).shape == (360, 2)


# ------------------------------------------------------------------- metadata of the detector


def mixture():
    """Rows that are known or not, their labels and the numbers of the rows."""
    X, truth = labelled(300, 60)
    return X, np.where(np.arange(360) % 3 == 0, truth, 0), np.arange(360)


@both
def test_each_row_keeps_its_labels_and_weights(Wrapper):
    X, labels, numbers = mixture()
    plain = Wrapper(Labelled(), random_state=0).fit(X, labels=labels, sample_weight=numbers)
    with sklearn.config_context(enable_metadata_routing=True):
        inner = Labelled().set_fit_request(labels=True, sample_weight=True)
        routed = Wrapper(inner, random_state=0).fit(X, labels=labels, sample_weight=numbers)
    for detector in (plain.detector_, routed.detector_):
        np.testing.assert_array_equal(detector.X_, X[detector.weights_])
        np.testing.assert_array_equal(detector.labels_, labels[detector.weights_])
        held_out = np.setdiff1d(numbers, detector.weights_)
        outliers = [-1] if Wrapper is CalibratedDetector else []
        assert set(labels[held_out]) == {1, *outliers}
        assert (labels[held_out] == 1).sum() == 20  # a fifth of those that are known
        assert {0, 1} <= set(detector.labels_)


@both
def test_what_the_detector_does_not_request_it_does_not_get(Wrapper):
    X, labels, numbers = mixture()
    with sklearn.config_context(enable_metadata_routing=True):
        detector = Wrapper(Labelled().set_fit_request(labels=False), random_state=0)
        assert detector.fit(X, labels=labels).detector_.labels_ is None
        with pytest.raises(UnsetMetadataPassedError, match="labels"):
            Wrapper(Labelled()).fit(X, labels=labels)
        with pytest.raises(TypeError, match="unexpected argument"):
            detector.fit(X, other=numbers)
    with pytest.raises(TypeError, match="other"):
        Wrapper(Labelled()).fit(X, other=numbers)


@both
@pytest.mark.parametrize("around", [None, TabularDetector, make_pipeline])
def test_waldo_learns_from_the_labels(Wrapper, around):
    """It is fitted as it would be by hand, in a table's detector and in a pipeline as well."""
    X, labels, numbers = mixture()
    rows = Wrapper(Labelled(), random_state=0).fit(X, labels=labels, sample_weight=numbers)
    rows = rows.detector_.weights_  # the split is that of the same seed
    waldo = tiny("WALDO")
    by_hand = (around or (lambda detector: detector))(clone(waldo))
    name = "waldo__labels" if around is make_pipeline else "labels"
    by_hand.fit(X[rows], **{name: labels[rows]})
    if around is None:
        plain = Wrapper(clone(waldo), random_state=0).fit(X, labels=labels)
        np.testing.assert_array_equal(plain.score_samples(X), by_hand.score_samples(X))
    with sklearn.config_context(enable_metadata_routing=True):
        inner = waldo.set_fit_request(labels=True)
        inner = inner if around is None else around(inner)
        routed = Wrapper(inner, random_state=0).set_fit_request(labels=True)
        outer = make_pipeline(routed).fit(X, labels=labels)
    np.testing.assert_array_equal(outer.score_samples(X), by_hand.score_samples(X))


def test_p_values_of_a_mixture_come_from_known_inliers():
    X, labels, _ = mixture()
    for detector in (FirstColumn(), FITTED):
        conformal = ConformalDetector(detector, random_state=0).fit(X, labels=labels)
        known = X[labels == 1, 0]
        assert set(conformal.calibration_scores_) <= set(known)
        assert len(conformal.calibration_scores_) == (20 if detector is not FITTED else 100)
    trained_on = ConformalDetector(FirstColumn()).fit(X, labels=labels).detector_.X_[:, 0]
    assert not set(trained_on) & set(X[labels == -1, 0])  # which it could not tell from others
    assert set(X[labels == 0, 0]) <= set(trained_on)


def test_without_known_inliers_p_values_come_from_unlabelled_rows():
    X, labels = labelled()
    labels = np.where(labels == -1, -1, 0)
    conformal = ConformalDetector(Labelled(), random_state=0).fit(X, labels=labels)
    assert len(conformal.calibration_scores_) == 60
    assert set(conformal.calibration_scores_) <= set(X[labels == 0, 0])
    assert (conformal.detector_.labels_ == -1).sum() == 60
    with pytest.raises(ValueError, match="All rows are labelled -1"):
        conformal.fit(X, labels=-np.ones(360))
    with pytest.raises(ValueError, match=r"got \[0, 1, 2, 3, 4\]"):
        conformal.fit(X, labels=np.arange(360))


def test_labels_are_searched_with_a_detector_that_learns_from_them():
    X, labels, _ = mixture()
    _, y = labelled()
    with sklearn.config_context(enable_metadata_routing=True):
        waldo = tiny("WALDO").set_fit_request(labels=True)
        detector = ConformalDetector(waldo, alpha=0.2, random_state=0).set_fit_request(labels=True)
        search = GridSearchCV(
            detector,
            {"detector__latent_dim": [1, 2]},
            scoring=get_scorer("outlier_roc_auc"),
            cv=KFold(2, shuffle=True, random_state=0),
            error_score="raise",
        ).fit(X, y, labels=labels)
    assert search.predict(X).shape == (360,)
