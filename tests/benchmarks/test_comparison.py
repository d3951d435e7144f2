"""Ranks, wins and tests over datasets."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import wilcoxon

from benchmarks.common.comparison import compare_with, critical_difference, mean_ranks

SCORES = pd.DataFrame(
    {"a": [0.9, 0.8, 0.7, 0.6], "b": [0.8, 0.8, 0.6, 0.7], "c": [0.5, 0.5, 0.5, 0.5]},
    index=["w", "x", "y", "z"],
)


def test_the_best_detector_has_rank_one_and_ties_share_their_ranks():
    assert mean_ranks(SCORES).to_dict() == {
        "a": (1 + 1.5 + 1 + 2) / 4,
        "b": (2 + 1.5 + 2 + 1) / 4,
        "c": 3,
    }


@pytest.mark.parametrize(("n_detectors", "quantile"), [(2, 1.960), (5, 2.728), (10, 3.164)])
def test_the_critical_difference_has_the_quantiles_of_demsar(n_detectors, quantile):
    expected = quantile * np.sqrt(n_detectors * (n_detectors + 1) / (6 * 30))
    assert critical_difference(n_detectors, 30) == pytest.approx(expected, rel=1e-3)


def test_detectors_are_compared_with_a_reference():
    scores = pd.concat([SCORES] * 5)  # enough datasets for the normal approximation of the test
    table = compare_with("a", scores)
    assert table.loc["b", ["won", "tied", "lost"]].tolist() == [5, 5, 10]
    assert table.loc["c", ["won", "tied", "lost"]].tolist() == [0, 0, 20]
    assert table.loc["c", "p"] == wilcoxon(scores.c - scores.a).pvalue
    assert table.loc["a", ["won", "tied", "lost"]].tolist() == [0, 20, 0]
    assert np.isnan(table.loc["a", "p"])
