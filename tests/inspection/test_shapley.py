"""Shapley values: definition, additivity, sampling."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM
from toy_detectors import (
    BACKGROUND,
    LINEAR,
    LOF,
    ROWS,
    WEIGHTS,
    Scorer,
    forest,
    total,
)

from skgad.inspection import (
    explain,
)


@pytest.mark.parametrize("n_permutations", [1, 2, 5])
def test_contributions_to_a_linear_score_are_exact(n_permutations):
    found = explain(LINEAR, ROWS, background=BACKGROUND, n_permutations=n_permutations)
    expected = WEIGHTS * (ROWS - BACKGROUND.mean(axis=0))
    np.testing.assert_allclose(found.contributions, expected, atol=1e-12)
    np.testing.assert_allclose(found.scores, ROWS @ WEIGHTS)
    assert found.base == pytest.approx((BACKGROUND @ WEIGHTS).mean())
    assert found.threshold == pytest.approx(0)
    assert found.method == "shapley"
    assert found.additive


def test_contributions_to_a_product_are_averaged_over_both_orders():
    product = Scorer(lambda X: X[:, 0] * X[:, 1])
    x, b = np.array([[3.0, 5.0]]), np.array([[1.0, 2.0], [-1.0, 0.5]])
    found = explain(product, x, background=b)
    first = ((3 - b[:, 0]) * (b[:, 1] + 5) / 2).mean()
    second = ((5 - b[:, 1]) * (b[:, 0] + 3) / 2).mean()
    np.testing.assert_allclose(found.contributions, [[first, second]])


def shapley_by_subsets(score, x, background):
    """Compute Shapley values by definition: a weighted sum over all subsets of the columns."""
    n_columns = len(x)

    def value(subset):
        rows = background.copy()
        rows[:, list(subset)] = x[list(subset)]
        return score(rows).mean()

    values = np.zeros(n_columns)
    for j in range(n_columns):
        others = [k for k in range(n_columns) if k != j]
        for size in range(n_columns):
            weight = 1 / (n_columns * math.comb(n_columns - 1, size))
            for subset in itertools.combinations(others, size):
                values[j] += weight * (value((*subset, j)) - value(subset))
    return values


def test_contributions_approach_the_shapley_values_of_any_score():
    detector = forest().fit(BACKGROUND)
    found = explain(detector, ROWS[:2], background=BACKGROUND, n_permutations=100, random_state=0)
    for x, contributions in zip(ROWS, found.contributions, strict=False):
        expected = shapley_by_subsets(lambda X: -detector.score_samples(X), x, BACKGROUND)
        np.testing.assert_allclose(contributions, expected, atol=3e-4)
        assert np.ptp(expected) > 0.01


@given(st.integers(1, 5), st.integers(1, 6), st.integers(1, 3), st.integers(0, 2**31 - 1))
def test_contributions_sum_to_the_score_minus_the_base(n_columns, n_rows, n_permutations, seed):
    rng = np.random.RandomState(seed)
    X, background = rng.normal(size=(n_rows, n_columns)), rng.normal(size=(7, n_columns))
    weights = rng.normal(size=n_columns)
    detector = Scorer(lambda X: np.sin(X @ weights) * np.abs(X).max(axis=1))
    found = explain(
        detector, X, background=background, n_permutations=n_permutations, random_state=seed
    )
    np.testing.assert_allclose(total(found), found.scores, atol=1e-10)
    assert found.base == pytest.approx(detector.function(background).mean())


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize(
    "detector",
    [forest(), OneClassSVM(), LOF],
)
def test_contributions_of_sklearn_detectors_sum_to_the_score(detector, scaled):
    detector = make_pipeline(StandardScaler(), detector) if scaled else detector
    detector.fit(BACKGROUND)
    found = explain(detector, ROWS, background=BACKGROUND, random_state=0)
    np.testing.assert_allclose(total(found), -detector.score_samples(ROWS))
    last = detector[-1] if scaled else detector
    assert found.threshold == pytest.approx(-np.ravel(last.offset_)[0])


def test_a_column_without_influence_contributes_nothing():
    detector = Scorer(lambda X: X[:, 0] * X[:, 1] + X[:, 3] ** 2)
    found = explain(detector, ROWS, background=BACKGROUND, random_state=0)
    assert not found.contributions[:, 2].any()


def test_the_explanation_of_a_row_does_not_depend_on_other_rows():
    detector = forest().fit(BACKGROUND)
    together = explain(detector, ROWS, background=BACKGROUND, random_state=3).contributions
    alone = [
        explain(detector, ROWS[[i]], background=BACKGROUND, random_state=3).contributions[0]
        for i in range(len(ROWS))
    ]
    np.testing.assert_allclose(together, alone, atol=1e-12)
