"""What all detectors of skgad.calibration share: the wrapped detector and its metadata."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from calibration_common import (
    FITTED,
    RecordingDetector,
    few_rows,
    labeled_rows,
    partly_labeled_rows,
)
from common import DETECTORS, tiny
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import NotFittedError, UnsetMetadataPassedError
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM
from sklearn.utils.estimator_checks import parametrize_with_checks

from skgad import TabularDetector
from skgad.calibration import CalibratedDetector, ConformalDetector

both = pytest.mark.parametrize("Wrapper", [ConformalDetector, CalibratedDetector])


# With the few rows of some checks, no p-value can reach alpha, and fit raises a warning.
@few_rows
@parametrize_with_checks(
    [
        ConformalDetector(IsolationForest(n_estimators=5, random_state=0), random_state=0),
        ConformalDetector(make_pipeline(StandardScaler(), OneClassSVM()), random_state=0),
        CalibratedDetector(IsolationForest(n_estimators=5, random_state=0), random_state=0),
        CalibratedDetector(make_pipeline(StandardScaler(), OneClassSVM()), random_state=0),
        ConformalDetector(IsolationForest(n_estimators=5)),
        CalibratedDetector(TabularDetector(tiny("Autoencoder", random_state=None))),
    ]
)
def test_scikit_learn_estimator_checks_pass(estimator, check):
    check(estimator)


@both
@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_frames_are_accepted(Wrapper, frame):
    X, labels = labeled_rows()
    X = frame(dict(zip("ab", X.T, strict=True)))
    params = {"labels": labels} if Wrapper is CalibratedDetector else {}
    pipeline = make_pipeline(StandardScaler(), LocalOutlierFactor(novelty=True))
    detector = Wrapper(pipeline, random_state=0).fit(X, **params)
    assert set(detector.predict(X)) == {-1, 1}
    assert list(detector.feature_names_in_) == ["a", "b"]
    assert detector.n_features_in_ == 2


@both
def test_a_seed_also_seeds_the_detector(Wrapper):
    X, labels = labeled_rows()
    forest = IsolationForest(n_estimators=3)
    scores = [
        Wrapper(forest, random_state=seed).fit(X, labels=labels).score_samples(X)
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(scores[0], scores[1])
    assert (scores[0] != scores[2]).any()
    assert forest.random_state is None
    seeded = IsolationForest(n_estimators=3, random_state=7)
    assert Wrapper(seeded, random_state=0).fit(X, labels=labels).detector_.random_state == 7


@both
def test_a_detector_needs_only_a_decision_function(Wrapper):
    class Decisions(OutlierMixin, BaseEstimator):
        def fit(self, X, y=None):
            return self

        def decision_function(self, X):
            return X[:, 0] + 1.5

    X, _ = labeled_rows()
    detector = Wrapper(Decisions(), random_state=0).fit(X)
    np.testing.assert_array_equal(detector.score_samples(X), X[:, 0] + 1.5)
    if Wrapper is CalibratedDetector:
        assert detector.offset_ == 0


@both
def test_missing_scores_raise_an_error(Wrapper):
    with pytest.raises(ValueError, match="'detector' parameter"):
        Wrapper(LocalOutlierFactor()).fit(labeled_rows()[0])
    with pytest.raises(NotFittedError):
        Wrapper(FITTED).predict([[0.0]])


@both
@pytest.mark.parametrize("name", DETECTORS)
def test_skgad_detectors_are_supported(Wrapper, name, device):
    X, labels = labeled_rows()
    detector = Wrapper(tiny(name, device=device), random_state=0)
    params = {"labels": labels} if Wrapper is CalibratedDetector else {}
    detector.fit(X, **params)
    np.testing.assert_array_equal(detector.score_samples(X), detector.detector_.score_samples(X))
    assert set(detector.predict(X)) <= {-1, 1}


@both
def test_the_detector_receives_labels_and_weights_of_its_rows(Wrapper):
    X, labels, numbers = partly_labeled_rows()
    plain = Wrapper(RecordingDetector(), random_state=0).fit(
        X, labels=labels, sample_weight=numbers
    )
    with sklearn.config_context(enable_metadata_routing=True):
        inner = RecordingDetector().set_fit_request(labels=True, sample_weight=True)
        routed = Wrapper(inner, random_state=0).fit(X, labels=labels, sample_weight=numbers)
    for detector in (plain.detector_, routed.detector_):
        np.testing.assert_array_equal(detector.X_, X[detector.weights_])
        np.testing.assert_array_equal(detector.labels_, labels[detector.weights_])
        held_out = np.setdiff1d(numbers, detector.weights_)
        outliers = [-1] if Wrapper is CalibratedDetector else []
        assert set(labels[held_out]) == {1, *outliers}
        assert (labels[held_out] == 1).sum() == 20  # a fifth of the known inliers
        assert {0, 1} <= set(detector.labels_)


@both
def test_the_detector_receives_only_the_metadata_it_requests(Wrapper):
    X, labels, numbers = partly_labeled_rows()
    with sklearn.config_context(enable_metadata_routing=True):
        detector = Wrapper(RecordingDetector().set_fit_request(labels=False), random_state=0)
        assert detector.fit(X, labels=labels).detector_.labels_ is None
        with pytest.raises(UnsetMetadataPassedError, match="labels"):
            Wrapper(RecordingDetector()).fit(X, labels=labels)
        with pytest.raises(TypeError, match="unexpected argument"):
            detector.fit(X, other=numbers)
    with pytest.raises(TypeError, match="other"):
        Wrapper(RecordingDetector()).fit(X, other=numbers)


@both
@pytest.mark.parametrize("around", [None, TabularDetector, make_pipeline])
def test_waldo_is_trained_with_the_labels(Wrapper, around):
    """It is fitted as by hand, on its own and in a TabularDetector or a pipeline."""
    X, labels, numbers = partly_labeled_rows()
    rows = Wrapper(RecordingDetector(), random_state=0).fit(X, labels=labels, sample_weight=numbers)
    rows = rows.detector_.weights_  # the same seed gives the same split
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
