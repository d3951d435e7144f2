"""Checks of known labels, of true labels, and of rankings."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from skgad._labels import check_known_labels, check_ranking, outlier_mask

LABELS = [1, 0, -1, 0]


@pytest.mark.parametrize(
    "container",
    [list, tuple, np.array, pd.Series, pl.Series, lambda labels: np.array(labels, float)[:, None]],
)
def test_known_labels_become_small_integers(container):
    labels = check_known_labels(container(LABELS), 4)
    assert labels.dtype == np.int8
    assert labels.tolist() == LABELS


def test_no_labels_mean_that_all_rows_are_unlabeled():
    labels = check_known_labels(None, 3)
    assert labels.dtype == np.int8
    assert labels.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (LABELS[:3], r"one label for each of the 4 rows, but their shape is \(3,\)"),
        ([LABELS] * 4, r"one label for each of the 4 rows, but their shape is \(4, 4\)"),
        ([1, 2, 3, 3], r"1 for known inliers, .* but they contain 2, 3\."),
        ([1, np.nan, 0, 0], "they contain nan"),
        (["1", "0", "-1", "0"], "they contain '1', '0', '-1'"),
        ([-1] * 4, "All labels are -1"),
    ],
)
def test_invalid_known_labels_raise_an_error(labels, message):
    with pytest.raises(ValueError, match=message):
        check_known_labels(labels, 4)


def test_labels_of_outliers_only_can_be_allowed():
    assert check_known_labels([-1, -1], 2, allow_only_outliers=True).tolist() == [-1, -1]


@pytest.mark.parametrize(
    ("y_true", "pos_label"),
    [([-1, 1, 1], None), ([1, 0, 0], 1), ([0, 1, 1], 0), (["bad", "good", "good"], "bad")],
)
def test_outlier_mask_is_true_for_outliers(y_true, pos_label):
    assert outlier_mask(y_true, pos_label).tolist() == [True, False, False]


def test_a_ranking_is_converted_to_a_mask_and_anomaly_scores():
    is_outlier, anomaly_scores = check_ranking([-1, 1], [2, 5])
    assert is_outlier.tolist() == [True, False]
    assert anomaly_scores.dtype == np.float64
    assert anomaly_scores.tolist() == [-2, -5]
