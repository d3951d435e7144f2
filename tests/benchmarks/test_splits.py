"""The splits and metrics that the benchmarks share, and the splits of ARN."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.arn.splits import SIZES, one_hot, split_table
from benchmarks.common.metrics import flag_percentile, flag_top, score_metrics
from benchmarks.common.splits import split_as_given, split_dte, split_one_class
from skgad.datasets import load_bank

SMALL = (60, (20, 12), (10, 4))


def test_one_class_trains_on_half_of_the_normal_rows_and_tests_on_all_others():
    X = np.arange(200, dtype=np.float32).reshape(100, 2)
    y = np.repeat([0, 1], [90, 10])
    split = split_one_class(X, y, seed=0)
    assert len(split.X_train) == 45
    assert (split.y_test == 0).sum() == 45
    assert (split.y_test == 1).sum() == 10
    np.testing.assert_allclose(split.X_train.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(split.X_train.std(axis=0), 1, rtol=1e-4)
    other = split_one_class(X, y, seed=1)
    assert not np.array_equal(split.X_train, other.X_train)
    assert len(split_one_class(X, y, 0, max_train=20).X_train) == 20


def test_dte_takes_the_first_half_of_the_normal_rows_and_resamples_small_tables():
    X = np.arange(2400.0)[:, None]
    y = (X[:, 0] >= 2000).astype(int)
    split = split_dte(X, y, seed=0)
    assert len(split.X_train) == 1000
    assert (split.y_test == 0).sum() == 1000
    assert split.X_train.max() < split.X_test.min()  # in the order of the file
    small = split_dte(X[::4], y[::4], seed=0)
    assert len(small.X_train) + len(small.X_test) == 1000  # drawn with replacement


def test_a_given_split_is_kept_with_a_limited_number_of_training_rows():
    X_train, X_test = np.arange(60.0).reshape(30, 2), np.arange(10.0).reshape(5, 2)
    y_test = np.array([0, 1, 0, 0, 1])
    split = split_as_given(X_train, X_test, y_test, seed=0)
    np.testing.assert_allclose(split.X_train, (X_train - X_train.mean(0)) / X_train.std(0))
    np.testing.assert_allclose(split.X_test, (X_test - X_train.mean(0)) / X_train.std(0))
    assert split.y_test is y_test

    first, again, other = (split_as_given(X_train, X_test, y_test, s, 10) for s in (0, 0, 1))
    assert len(np.unique(first.X_train, axis=0)) == 10
    assert len(first.X_test) == 5
    np.testing.assert_array_equal(first.X_train, again.X_train)
    assert not np.array_equal(first.X_train, other.X_train)


def test_metrics_of_perfect_and_of_reversed_scores():
    y = np.repeat([0, 1], [90, 10])
    perfect = score_metrics(y, y + np.linspace(0, 0.1, 100))
    assert [perfect[name] for name in ("auroc", "ap", "f1")] == pytest.approx([1, 1, 1])
    assert score_metrics(y, -np.arange(100.0))["auroc"] == 0
    assert flag_top(np.arange(100.0), 7).sum() == 7
    assert flag_percentile(np.arange(100.0), 0.2).sum() == 20


@pytest.fixture
def table():
    """100 normal rows and 40 anomalies: two numbers, of which the first counts, and a category."""
    X = np.zeros((140, 5), np.float32)
    X[:, 0] = np.arange(140)
    X[np.arange(140), 2 + np.arange(140) % 3] = 1
    return X, np.repeat([0, 1], [100, 40]), [(2, 3, 4)]


def test_one_hot_puts_numeric_columns_first_and_returns_the_columns_of_each_category():
    frame = pd.DataFrame({"c": ["b", "a"], "x": [1, 2], "d": [True, False], "y": [0.5, 0.25]})
    X, groups = one_hot(frame)
    assert X.tolist() == [[1, 0.5, 0, 1, 0, 1], [2, 0.25, 1, 0, 1, 0]]
    assert groups == [(2, 3), (4, 5)]


def test_arn_trains_on_normal_rows_and_tests_on_others(table):
    X, y, groups = table
    split = split_table(X, y, groups, SMALL, run=0)
    assert len(split.X_train) == 60
    assert (split.labels == 1).all()
    assert np.bincount(split.y_test).tolist() == [20, 12]
    both = np.concatenate([split.X_train[:, 0], split.X_test[:, 0]])
    assert len(np.unique(both)) == 92  # no row is in both
    assert (split.X_train[:, 0].min(), split.X_train[:, 0].max()) == (0, 1)
    assert np.isin(split.X_test[:, 2:], [0, 1]).all()
    assert not np.array_equal(np.sort(split.y_test), split.y_test)
    other = split_table(X, y, groups, SMALL, run=1)
    assert not np.array_equal(other.X_test, split.X_test)


def test_arn_sorts_the_same_test_rows_by_label_on_demand(table):
    shuffled, as_published = (
        split_table(*table, SMALL, run=0, sort_test=flag) for flag in (False, True)
    )
    assert as_published.y_test.tolist() == [0] * 20 + [1] * 12
    assert sorted(shuffled.X_test.tolist()) == sorted(as_published.X_test.tolist())


def test_arn_takes_known_and_contaminating_anomalies_from_those_it_does_not_test_on(table):
    X, y, groups = table
    X[:, 1] = y
    split = split_table(X, y, groups, SMALL, run=0, contamination=0.1, known=0.5)
    # 40 // 2 + 1 anomalies belong to the run, so that 19 are left.
    is_anomaly = split.X_train[:, 1] == 1
    assert is_anomaly[split.labels == 1].sum() == 6
    assert is_anomaly[split.labels == -1].sum() == 9
    assert not {*map(tuple, split.X_train)} & {*map(tuple, split.X_test)}


def test_arn_raises_an_error_if_too_few_anomalies_are_left(table):
    message = "contamination=0.5 and known=0.0 need 30 .* 19 are left"
    with pytest.raises(ValueError, match=message):
        split_table(*table, SMALL, run=0, contamination=0.5)


@pytest.mark.parametrize(("known", "n_known"), [(0.01, 23), (0.03, 69)])
def test_arn_on_bank_has_the_sizes_of_the_paper(known, n_known, data_home):
    bunch = load_bank(data_home)
    X, groups = one_hot(bunch.data)
    assert [len(group) for group in groups] == [12, 4, 8, 3, 3, 3, 2, 10, 5, 3]
    split = split_table(X, bunch.target, groups, SIZES["Bank"], run=0, known=known)
    assert (split.labels == 1).sum() == 26_383
    assert (split.labels == -1).sum() == n_known
    assert np.bincount(split.y_test).tolist() == [7614, 1740]
