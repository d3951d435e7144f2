"""Metrics with outliers as the positive class, and their scorers."""

import pickle
from itertools import permutations

import numpy as np
import pytest
from common import DETECTORS, table, tiny
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.svm import OneClassSVM

from skgad.metrics import (
    SCORERS,
    f1_at_rate_score,
    false_positive_rate_at_recall_score,
    get_scorer,
    outlier_average_precision_score,
    outlier_roc_auc_score,
    outlier_trapezoid_auprc_score,
    precision_at_n_score,
    recall_at_n_score,
)
from skgad.model_selection import OneClassKFold

METRICS = [
    outlier_roc_auc_score,
    outlier_average_precision_score,
    outlier_trapezoid_auprc_score,
    f1_at_rate_score,
    precision_at_n_score,
    recall_at_n_score,
    false_positive_rate_at_recall_score,
]


@st.composite
def labels_and_scores(draw, max_size=12):
    """Labels with outliers and inliers, and scores with many ties."""
    labels = draw(st.lists(st.sampled_from([-1, 1]), min_size=2, max_size=max_size))
    labels[:2] = -1, 1
    n = len(labels)
    scores = draw(st.lists(st.integers(0, 5), min_size=n, max_size=n))
    return np.array(labels), np.array(scores)


@given(labels_and_scores())
def test_roc_auc_is_the_share_of_correctly_ordered_pairs(rows):
    y, scores = rows
    outliers, inliers = scores[y == -1][:, None], scores[y == 1]
    expected = ((outliers < inliers) + 0.5 * (outliers == inliers)).mean()
    assert outlier_roc_auc_score(y, scores) == pytest.approx(expected)


@given(labels_and_scores())
def test_areas_under_the_precision_recall_curve_follow_their_formulas(rows):
    y, scores = rows
    points = [(0.0, 1.0)]  # recall and precision below each score
    for threshold in np.unique(scores):
        flagged = scores <= threshold
        hits = (y[flagged] == -1).sum()
        points.append((hits / (y == -1).sum(), hits / flagged.sum()))
    steps = lines = 0
    for (r0, p0), (r1, p1) in zip(points, points[1:], strict=False):
        steps += (r1 - r0) * p1
        lines += (r1 - r0) * (p0 + p1) / 2
    assert outlier_average_precision_score(y, scores) == pytest.approx(steps)
    assert outlier_trapezoid_auprc_score(y, scores) == pytest.approx(lines)


def test_constant_scores_have_the_documented_values():
    y, scores = np.repeat([-1, 1], [20, 80]), np.zeros(100)
    assert outlier_roc_auc_score(y, scores) == 0.5
    assert outlier_average_precision_score(y, scores) == pytest.approx(0.2)
    assert outlier_trapezoid_auprc_score(y, scores) == pytest.approx(0.6)
    assert f1_at_rate_score(y, scores) == pytest.approx(2 * 20 / 120)  # all are flagged
    assert f1_at_rate_score(y, scores, ties="mean") == pytest.approx(0.2)
    assert false_positive_rate_at_recall_score(y, scores) == 1


@given(labels_and_scores(), st.floats(0.05, 0.95))
def test_f1_at_a_percentile_is_computed_as_in_the_papers(rows, rate):
    y, scores = rows
    energy = -scores  # the name in DAGMM, which flags the rows at or above its percentile
    flagged = energy >= np.percentile(energy, 100 * (1 - rate))
    expected = 2 * (flagged & (y == -1)).sum() / (flagged.sum() + (y == -1).sum())
    assert f1_at_rate_score(y, scores, rate=rate) == pytest.approx(expected)


@given(labels_and_scores(max_size=6), st.integers(1, 6))
def test_ties_are_averaged_over_all_orders(rows, n):
    y, scores = rows
    n = min(n, len(y))
    hits = []
    for order in permutations(range(len(y))):
        first = np.array(order)[np.argsort(scores[list(order)], kind="stable")][:n]
        hits.append((y[first] == -1).sum())
    n_outliers = (y == -1).sum()
    assert precision_at_n_score(y, scores, n=n) == pytest.approx(np.mean(hits) / n)
    assert recall_at_n_score(y, scores, n=n) == pytest.approx(np.mean(hits) / n_outliers)
    rate = n / len(y)
    if rate < 1:
        f1 = f1_at_rate_score(y, scores, rate=rate, ties="mean")
        assert f1 == pytest.approx(np.mean([2 * h / (n + n_outliers) for h in hits]))


@given(labels_and_scores())
def test_precision_recall_and_f1_are_equal_at_the_number_of_outliers(rows):
    expected = precision_at_n_score(*rows)
    assert recall_at_n_score(*rows) == expected
    assert f1_at_rate_score(*rows, ties="mean") == pytest.approx(expected)


@given(labels_and_scores(), st.floats(0.01, 1))
def test_false_positive_rate_belongs_to_the_strictest_threshold(rows, recall):
    y, scores = rows
    rates = [
        (scores[y == 1] <= threshold).mean()
        for threshold in np.unique(scores)
        if (scores[y == -1] <= threshold).mean() >= recall
    ]
    assert false_positive_rate_at_recall_score(y, scores, recall=recall) == min(rates)


def test_false_positive_rate_considers_every_threshold():
    """The second of three lies on the straight line between the others."""
    y, scores = [-1, 1] * 3, [0, 0, 1, 1, 2, 2]
    assert false_positive_rate_at_recall_score(y, scores, recall=0.6) == pytest.approx(2 / 3)


@pytest.mark.parametrize("metric", METRICS)
@given(rows=labels_and_scores())
def test_metrics_depend_only_on_the_ranking(metric, rows):
    y, scores = rows
    if metric is f1_at_rate_score:  # its percentile is interpolated
        metric = lambda y, scores: f1_at_rate_score(y, scores, ties="mean")  # noqa: E731
    order = np.random.RandomState(0).permutation(len(y))
    assert metric(y, scores**3) == pytest.approx(metric(y, scores))
    assert metric(y[order], scores[order]) == pytest.approx(metric(y, scores))
    assert metric(y, scores.astype(np.uint8)) == metric(y, scores)
    assert metric(y.tolist(), scores.tolist()) == metric(y, scores)


@pytest.mark.parametrize("metric", METRICS)
@given(rows=labels_and_scores())
def test_other_labels_need_a_pos_label(metric, rows):
    y, scores = rows
    expected = metric(y, scores)
    assert metric((y == -1).astype(int), scores, pos_label=1) == expected
    assert metric(np.where(y == -1, "outlier", "inlier"), scores, pos_label="outlier") == expected
    with pytest.raises(ValueError, match=r"-1 for outliers and 1 for inliers, got \[0, 1\]"):
        metric((y == -1).astype(int), scores)


@pytest.mark.parametrize("metric", METRICS)
def test_invalid_labels_and_scores_raise_an_error(metric):
    with pytest.raises(ValueError, match="no outliers among the 3 labels"):
        metric([1, 1, 1], [1, 2, 3])
    with pytest.raises(ValueError, match="no inliers among the 3 labels"):
        metric([-1, -1, -1], [1, 2, 3])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        metric([-1, 1, 1], [1, 2])
    with pytest.raises(ValueError, match="NaN"):
        metric([-1, 1, 1], [1, 2, np.nan])
    with pytest.raises(ValueError, match=r"two labels, got \[0, 1, 2\]"):
        metric([0, 1, 2], [1, 2, 3], pos_label=1)
    with pytest.raises(ValueError, match=r"pos_label=7 is not one of the labels \[0, 1\]"):
        metric([0, 1, 1], [1, 2, 3], pos_label=7)


@pytest.mark.parametrize(
    ("metric", "params"),
    [
        (f1_at_rate_score, {"rate": 0.0}),
        (f1_at_rate_score, {"rate": 1.0}),
        (f1_at_rate_score, {"ties": "first"}),
        (precision_at_n_score, {"n": 0}),
        (recall_at_n_score, {"n": 1.5}),
        (false_positive_rate_at_recall_score, {"recall": 0}),
    ],
)
def test_invalid_parameters_raise_an_error(metric, params):
    with pytest.raises(ValueError, match=f"'{next(iter(params))}' parameter"):
        metric([-1, 1, 1], [1, 2, 3], **params)


def test_n_greater_than_the_number_of_rows_raises_an_error():
    with pytest.raises(ValueError, match="n=4 is greater than the number of rows, 3"):
        precision_at_n_score([-1, 1, 1], [1, 2, 3], n=4)


# ------------------------------------------------------------------------------------- scorers


class OnlyScores(OutlierMixin, BaseEstimator):
    def fit(self, X, y=None):
        return self

    def score_samples(self, X):
        return -np.abs(X).sum(axis=1)


class OnlyDecisions(OutlierMixin, BaseEstimator):
    def fit(self, X, y=None):
        return self

    def decision_function(self, X):
        return 5 - np.abs(X).sum(axis=1)

    def predict(self, X):
        return np.where(self.decision_function(X) < 0, -1, 1)


def rows_with_outliers(n_normal=60, n_outliers=15):
    rng = np.random.RandomState(0)
    X = np.concatenate([rng.normal(0, 1, (n_normal, 3)), rng.normal(0, 4, (n_outliers, 3))])
    return X, np.repeat([1, -1], [n_normal, n_outliers])


@pytest.mark.parametrize("name", SCORERS)
def test_every_scorer_works_in_a_search(name):
    X, y = rows_with_outliers()
    search = GridSearchCV(
        OneClassSVM(),
        {"nu": [0.1, 0.5]},
        scoring=SCORERS[name],
        cv=OneClassKFold(3, random_state=0),
        refit=False,
        error_score="raise",
    ).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_outliers_are_the_positive_class_of_scorers():
    X, y = rows_with_outliers()
    detector = IsolationForest(random_state=0).fit(X[y == 1])
    scores, labels = detector.score_samples(X), detector.predict(X)
    is_outlier = y == -1
    expected = {
        "outlier_roc_auc": roc_auc_score(is_outlier, -scores),
        "outlier_average_precision": average_precision_score(is_outlier, -scores),
        "outlier_f1": f1_score(is_outlier, labels == -1),
        "outlier_precision": is_outlier[labels == -1].mean(),
        "outlier_recall": (labels[is_outlier] == -1).mean(),
        "outlier_balanced_accuracy": sklearn_metrics.balanced_accuracy_score(y, labels),
        "neg_false_positive_rate_at_recall": -false_positive_rate_at_recall_score(y, scores),
    }
    for name, value in expected.items():
        assert SCORERS[name](detector, X, y) == pytest.approx(value), name


def test_a_detector_needs_only_the_response_of_the_metric():
    X, y = rows_with_outliers()
    auc = get_scorer("outlier_roc_auc")(OnlyScores().fit(X), X, y)
    assert auc == get_scorer("outlier_roc_auc")(OnlyDecisions().fit(X), X, y)
    assert auc > 0.9
    assert 0 < get_scorer("outlier_f1")(OnlyDecisions().fit(X), X, y) <= 1
    with pytest.raises(AttributeError, match="predict"):
        get_scorer("outlier_f1")(OnlyScores().fit(X), X, y)


@pytest.mark.parametrize("name", DETECTORS)
def test_skgad_detectors_can_be_scored(name, device):
    X = table(60)
    y = np.repeat([1, -1], [40, 20])
    results = cross_validate(
        tiny(name, device=device), X, y, cv=OneClassKFold(2, random_state=0), scoring=dict(SCORERS)
    )
    assert all(np.isfinite(results[f"test_{scorer}"]).all() for scorer in SCORERS)


def test_parameters_are_passed_to_the_metric():
    X, y = rows_with_outliers()
    detector = OnlyScores().fit(X)
    scores = detector.score_samples(X)
    scorer = get_scorer("f1_at_rate", rate=0.5, ties="mean")
    assert scorer(detector, X, y) == f1_at_rate_score(y, scores, rate=0.5, ties="mean")
    for name in SCORERS:
        expected = SCORERS[name](OnlyDecisions(), X, y)
        assert get_scorer(name, pos_label=1)(OnlyDecisions(), X, y == -1) == expected, name


def test_rows_are_scored_once_for_all_scorers():
    calls = []

    class Counting(OnlyDecisions):
        def decision_function(self, X):
            calls.append(len(X))
            return super().decision_function(X)

    X, y = rows_with_outliers()
    names = ["outlier_roc_auc", "outlier_average_precision", "f1_at_rate"]
    scoring = {name: SCORERS[name] for name in names}
    cross_validate(Counting(), X, y, cv=OneClassKFold(2, random_state=0), scoring=scoring)
    assert calls == [45, 45]


def test_an_unknown_scorer_raises_an_error_with_the_valid_names():
    with pytest.raises(ValueError, match="no scorer 'roc_auc'. Valid names are outlier_roc_auc"):
        get_scorer("roc_auc")


@pytest.mark.parametrize("name", SCORERS)
def test_scorers_can_be_shown_and_pickled(name):
    X, y = rows_with_outliers()
    scorer = pickle.loads(pickle.dumps(SCORERS[name]))
    assert scorer(OnlyDecisions(), X, y) == SCORERS[name](OnlyDecisions(), X, y)
    assert repr(scorer).startswith("make_scorer(")


def test_scorers_of_scikit_learn_are_left_unchanged():
    assert not set(SCORERS) & set(sklearn_metrics.get_scorer_names())
    with pytest.raises(TypeError):
        SCORERS["mine"] = None
