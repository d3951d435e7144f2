"""Cross-validation that trains on inliers only."""

import numpy as np
import pytest
import sklearn
from common import tiny
from model_selection_common import FirstColumn, ring, shuffled_labels
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor

from skgad.metrics import get_scorer
from skgad.model_selection import OneClassKFold, OneClassShuffleSplit, cross_val_scores


def test_cross_val_scores_equal_those_of_a_loop():
    X = ring()
    y = shuffled_labels(300, 100)
    X[y == -1] *= 0.5
    cv = OneClassKFold(3, random_state=0)
    names = ["outlier_roc_auc", "outlier_f1"]
    scores = cross_val_scores(LocalOutlierFactor(novelty=True), X, y, cv=cv, metrics=names)
    assert list(scores) == names
    for fold, (train, test) in enumerate(cv.split(X, y)):
        detector = LocalOutlierFactor(novelty=True).fit(X[train])
        expected = roc_auc_score(y[test], detector.score_samples(X[test]))
        assert scores["outlier_roc_auc"][fold] == pytest.approx(expected)
        expected = get_scorer("outlier_f1")(detector, X[test], y[test])
        assert scores["outlier_f1"][fold] == expected


def test_cross_val_scores_pass_the_labels_of_the_training_fold():
    X, y = ring(60), shuffled_labels(50, 10)
    known = np.where(np.arange(60) % 3 == 0, y, 0)
    cv = OneClassKFold(2, random_state=0)
    expected = [
        get_scorer("outlier_roc_auc")(
            tiny("WALDO").fit(X[train], labels=known[train]), X[test], y[test]
        )
        for train, test in cv.split(X, y)
    ]
    plain = cross_val_scores(tiny("WALDO"), X, y, cv=cv, params={"labels": known})
    with sklearn.config_context(enable_metadata_routing=True):
        detector = tiny("WALDO").set_fit_request(labels=True)
        routed = cross_val_scores(detector, X, y, cv=cv, params={"labels": known})
    for scores in (plain, routed):
        np.testing.assert_array_equal(scores["outlier_roc_auc"], expected)
    assert (cross_val_scores(tiny("WALDO"), X, y, cv=cv)["outlier_roc_auc"] != expected).any()


def test_cross_val_scores_accept_a_name_or_scorers(device):
    X, y = ring(60), shuffled_labels(50, 10)
    scores = cross_val_scores(tiny("ALAD", device=device), X, y, cv=2)
    assert scores["outlier_roc_auc"].shape == (2,)
    scorers = {"at 5": get_scorer("precision_at_n", n=5)}
    cv = OneClassShuffleSplit(3, random_state=0)
    scores = cross_val_scores(IsolationForest(n_estimators=10), X, y, cv=cv, metrics=scorers)
    assert scores["at 5"].shape == (3,)


def test_an_error_in_a_fold_is_raised():
    y = shuffled_labels(10, 10)
    inlier = np.flatnonzero(y == 1)[0]  # in one of the test folds

    class FailsForOneRow(FirstColumn):
        def score_samples(self, X):
            if inlier in X[:, 0]:
                raise ValueError("This row cannot be scored.")
            return super().score_samples(X)

    with pytest.raises(ValueError, match="This row cannot be scored"):
        cross_val_scores(FailsForOneRow(), np.arange(20)[:, None], y, cv=2)


def test_an_unknown_metric_raises_an_error():
    with pytest.raises(ValueError, match="no scorer 'auc'"):
        cross_val_scores(
            LocalOutlierFactor(novelty=True), ring(60), shuffled_labels(50, 10), metrics="auc"
        )
