"""Conformal p-values, and the rates that they control."""

import numpy as np
import pytest
import sklearn
from calibration_common import (
    FITTED,
    FirstColumn,
    RecordingDetector,
    column,
    few_rows,
    labeled_rows,
    partly_labeled_rows,
)
from common import tiny
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.svm import OneClassSVM

from skgad.calibration import ConformalDetector
from skgad.metrics import get_scorer
from skgad.model_selection import OneClassKFold


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
def test_predict_flags_rows_with_p_values_up_to_alpha(held_out, alpha):
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
    # The variance of beta(k, n + 1 - k), and that of 50 draws.
    k = expected * (n + 1)
    variance = expected * (1 - expected) / (n + 2)
    variance += k * (n + 1 - k) / ((n + 1) * (n + 2)) / n_new
    assert rates.var() == pytest.approx(variance, rel=0.3)


@pytest.mark.parametrize("share", [0.0, 0.2])
def test_select_controls_the_false_discovery_rate(share):
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
    # The rate is fdr times the share of normal rows. It is exact here because fdr * (n + 1) / m is
    # an integer.
    assert np.mean(false_rates) == pytest.approx((1 - share) * fdr, abs=3 * error)
    assert np.mean(recalls) > 0.8


def test_calibration_rows_are_not_used_for_training():
    X = np.random.RandomState(0).normal(size=(200, 2))
    detector = ConformalDetector(FirstColumn(), calibration_size=0.3, random_state=0).fit(X)
    assert len(detector.calibration_scores_) == 60
    trained_on = detector.detector_.X_[:, 0]
    assert not set(trained_on) & set(detector.calibration_scores_)
    assert set(trained_on) | set(detector.calibration_scores_) == set(X[:, 0])
    again = clone(detector).fit(X)
    np.testing.assert_array_equal(again.calibration_scores_, detector.calibration_scores_)
    assert len(clone(detector).set_params(calibration_size=50).fit(X).calibration_scores_) == 50


def test_calibration_rows_are_drawn_from_the_known_inliers():
    X, labels, _ = partly_labeled_rows()
    for detector in (FirstColumn(), FITTED):
        conformal = ConformalDetector(detector, random_state=0).fit(X, labels=labels)
        known = X[labels == 1, 0]
        assert set(conformal.calibration_scores_) <= set(known)
        assert len(conformal.calibration_scores_) == (20 if detector is not FITTED else 100)
    trained_on = ConformalDetector(FirstColumn()).fit(X, labels=labels).detector_.X_[:, 0]
    assert not set(trained_on) & set(X[labels == -1, 0])  # its fit takes no labels
    assert set(X[labels == 0, 0]) <= set(trained_on)


def test_calibration_rows_are_unlabeled_if_no_inliers_are_known():
    X, labels = labeled_rows()
    labels = np.where(labels == -1, -1, 0)
    conformal = ConformalDetector(RecordingDetector(), random_state=0).fit(X, labels=labels)
    assert len(conformal.calibration_scores_) == 60
    assert set(conformal.calibration_scores_) <= set(X[labels == 0, 0])
    assert (conformal.detector_.labels_ == -1).sum() == 60
    with pytest.raises(ValueError, match="All labels are -1"):
        conformal.fit(X, labels=-np.ones(360))
    with pytest.raises(ValueError, match="they contain 2, 3, 4"):
        conformal.fit(X, labels=np.arange(360))


def test_alpha_can_be_changed_after_fit():
    detector = ConformalDetector(FITTED, alpha=0.5).fit(column(range(99)))
    new = column(range(100)) - 0.5
    assert (detector.predict(new) == -1).sum() == 50
    assert (detector.set_params(alpha=0.1).predict(new) == -1).sum() == 10
    assert detector.offset_ == 9


def test_too_few_held_out_rows_raise_a_warning():
    with pytest.warns(UserWarning, match="With 18 held-out rows, .* p-value is 0.0526") as log:
        detector = ConformalDetector(FITTED).fit(column(range(18)))
    assert "Hold out at least 19 rows" in str(log[0].message)
    assert detector.predict([[-1e9]]) == 1
    assert ConformalDetector(FITTED).fit(column(range(19))).predict([[-1e9]]) == -1


def test_too_few_held_out_rows_to_select_any_row_raise_a_warning():
    detector = ConformalDetector(FITTED).fit(column(range(30)))
    new = column([-1.0, *range(1, 20)])
    message = r"with 30 of them.*0\.0323, which 6\.45 of the 20 rows.*at least 199 rows"
    with pytest.warns(UserWarning, match=message):
        assert not detector.select(new, fdr=0.1).any()
    assert detector.select(new[[0, 10]], fdr=0.1).tolist() == [True, False]
    assert not detector.select(new[1:], fdr=0.1).any()  # no row is lower than all held-out rows


@few_rows
def test_a_rate_below_the_smallest_p_value_raises_a_warning():
    detector = ConformalDetector(FITTED).fit(column(range(5)))
    with pytest.warns(UserWarning, match="No row is selected, because too few rows"):
        assert not detector.select(column([3.0]), fdr=0.1).any()


def test_rates_out_of_range_raise_an_error():
    detector = ConformalDetector(FITTED).fit(column(range(30)))
    with pytest.raises(ValueError, match="'fdr' parameter"):
        detector.select([[0.0]], fdr=0)
    with pytest.raises(ValueError, match="'alpha' parameter"):
        ConformalDetector(FITTED, alpha=1.5).fit(column(range(30)))


def test_parameters_of_the_wrapped_detector_can_be_searched():
    X, y = labeled_rows()
    search = GridSearchCV(
        ConformalDetector(OneClassSVM(), random_state=0),
        {"detector__nu": [0.1, 0.5], "alpha": [0.1, 0.2]},
        scoring=get_scorer("outlier_f1"),
        cv=OneClassKFold(2, random_state=0),
        refit=False,
        error_score="raise",
    ).fit(X, y)
    assert len(search.cv_results_["params"]) == 4


def test_labels_are_routed_through_a_search_to_the_detector():
    X, labels, _ = partly_labeled_rows()
    _, y = labeled_rows()
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
