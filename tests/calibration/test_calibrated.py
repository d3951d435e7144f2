"""Thresholds and probabilities that follow known labels."""

import numpy as np
import pytest
import sklearn
from calibration_common import FITTED, FirstColumn, column, labeled_rows
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import IsolationForest
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.svm import OneClassSVM

from skgad.calibration import CalibratedDetector
from skgad.metrics import get_scorer


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
    X, labels = labeled_rows(300, 60)
    labels[:100] = 0
    labels[300:310] = 0  # unlabeled outliers
    detector = CalibratedDetector(FirstColumn(), calibration_size=0.25, random_state=0)
    trained_on = detector.fit(X, labels=labels).detector_.X_[:, 0]
    assert len(trained_on) == 110 + 150
    assert set(X[labels == 0, 0]) <= set(trained_on)
    assert not set(X[labels == -1, 0]) & set(trained_on)


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_held_out_inliers_represent_all_known_inliers(method):
    """The threshold and the probabilities are close to those without holding out inliers."""
    X, labels = labeled_rows(20_000, 1000)
    params = {"metric": "f1", "method": method, "random_state": 0}
    some = CalibratedDetector(FirstColumn(), calibration_size=0.2, **params).fit(X, labels=labels)
    every = CalibratedDetector(FITTED, **params).fit(X, labels=labels)
    assert some.offset_ == pytest.approx(every.offset_, abs=0.3)
    assert some.best_score_ == pytest.approx(every.best_score_, abs=0.03)
    difference = some.predict_proba(X) - every.predict_proba(X)
    assert np.abs(difference).max() < 0.25
    assert np.abs(difference).mean() < 0.01


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_probabilities_are_calibrated(method):
    X, labels = labeled_rows(4000, 1000)
    detector = CalibratedDetector(FirstColumn(), method=method, random_state=0)
    detector.fit(X, labels=labels)
    X_new, labels_new = labeled_rows(4000, 1000, seed=1)
    probabilities = detector.predict_proba(X_new)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (np.diff(probabilities[np.argsort(X_new[:, 0]), 0]) <= 0).all()
    # Bayes' theorem with two normal densities and four inliers per outlier.
    truth = 1 / (1 + 4 * np.exp(2 * X_new[:, 0] + 2))
    assert np.abs(probabilities[:, 0] - truth).mean() < 0.02
    is_sure = probabilities[:, 0] > 0.8
    assert (labels_new[is_sure] == -1).mean() == pytest.approx(
        probabilities[is_sure, 0].mean(), abs=0.06
    )
    assert detector.classes_.tolist() == [-1, 1]


def test_a_custom_metric_is_maximized():
    X, labels = labeled_rows()

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
    X, labels = labeled_rows(1000, 500)
    best = CalibratedDetector(FITTED, n_thresholds=500).fit(X, labels=labels).best_score_
    assert (
        CalibratedDetector(FITTED, n_thresholds=20).fit(X, labels=labels).best_score_ > best - 0.02
    )


def test_the_threshold_generalizes_to_new_rows():
    X, labels = labeled_rows()
    detector = CalibratedDetector(OneClassSVM(nu=0.5), random_state=0).fit(X, labels=labels)
    X_new, labels_new = labeled_rows(seed=1)
    tuned = balanced_accuracy_score(labels_new, detector.predict(X_new))
    own = balanced_accuracy_score(labels_new, detector.detector_.predict(X_new))
    assert tuned > own + 0.05
    auc = roc_auc_score(labels_new, detector.predict_proba(X_new)[:, 1])
    assert auc == pytest.approx(roc_auc_score(labels_new, detector.score_samples(X_new)))


def test_without_labels_the_detector_keeps_its_threshold():
    X, labels = labeled_rows()
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
    with pytest.raises(ValueError, match="FirstColumn has no decision_function"):
        CalibratedDetector(FirstColumn()).fit(X)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.ones(360), "labels contain 0 known outliers and 360 known inliers"),
        (-np.ones(360), "labels contain 360 known outliers and 0 known inliers"),
        (np.arange(360), r"labels must be 1 .* they contain 2, 3, 4\."),
        (np.ones(5), r"each of the 360 rows, but their shape is \(5,\)"),
        (np.ones((360, 2)), r"each of the 360 rows, but their shape is \(360, 2\)"),
    ],
)
def test_invalid_labels_raise_an_error_and_keep_the_earlier_fit(labels, message):
    X, good = labeled_rows()
    detector = CalibratedDetector(IsolationForest(random_state=0), random_state=0)
    before = detector.fit(X, labels=good).predict_proba(X)
    with pytest.raises(ValueError, match=message):
        detector.fit(X, labels=labels)
    np.testing.assert_array_equal(detector.predict_proba(X), before)


def test_labels_can_be_a_single_column():
    X, labels = labeled_rows()
    detector = CalibratedDetector(FirstColumn(), random_state=0)
    expected = detector.fit(X, labels=labels).predict_proba(X)
    np.testing.assert_array_equal(
        detector.fit(X, labels=labels[:, None]).predict_proba(X), expected
    )


def test_labels_are_routed_through_a_search():
    X, y = labeled_rows()
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
