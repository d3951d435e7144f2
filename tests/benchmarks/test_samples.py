"""Measures of generated rows."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.common.samplers import Bootstrap, Mixture
from benchmarks.studies.samples import load, measures, pair_similarity, similarity


def table(seed):
    rng = np.random.default_rng(seed)
    level = rng.choice(["a", "b", "c"], 400, p=[0.7, 0.25, 0.05])
    x = rng.normal(size=400) + 3 * (level == "b")
    return pd.DataFrame({"level": level, "x": x, "y": x + rng.normal(size=400)})


def test_rows_of_the_same_distribution_are_similar():
    values = measures(table(0), table(1), table(2))
    assert values["marginals"] > 0.9
    assert values["pairs"] > 0.85
    assert 0.4 < values["two_sample_auroc"] < 0.65
    assert 0.9 < values["median_std"] < 1.1
    assert values["levels_found"] == 1
    assert 0.4 < values["nearer"] < 0.6


def test_faults_of_generated_rows_are_measured():
    made = table(2).assign(y=lambda frame: 0.1 * frame.y.to_numpy()[::-1])
    made.loc[made.level == "c", "level"] = "a"
    values = measures(table(0), table(1), made)
    assert values["two_sample_auroc"] > 0.9
    assert values["lowest_std"] < 0.2
    assert values["levels_found"] == pytest.approx(2 / 3)
    assert measures(table(0), table(1), table(0))["nearer"] > 0.95  # copies


def test_similarities_follow_their_formulas():
    one, other = pd.Series(list("aab")), pd.Series(list("abb"))
    assert similarity(one, other) == pytest.approx(2 / 3)
    assert similarity(pd.Series([0.0, 1.0]), pd.Series([0.0, 5.0])) == 0.5
    x = pd.DataFrame({"x": [0.0, 1.0, 2.0], "y": [0.0, 1.0, 2.0]})
    assert pair_similarity(x, x.assign(y=-x.y), levels=[]) == pytest.approx(0)
    assert pair_similarity(x.assign(y=one), x.assign(y=one), levels=["y"]) == 1


def test_the_artificial_table_has_numbers_and_text():
    X = load("visits", None)
    assert [str(dtype) for dtype in X.dtypes] == ["str", "str", "float64", "float64", "float64"]
    assert not X.isna().any(axis=None)


def test_references_generate_rows_of_the_table():
    X = table(0)
    drawn = Bootstrap(0).fit(X).sample(10)
    assert drawn.merge(X.drop_duplicates()).shape == (10, 3)
    assert Mixture(0).fit(X[["x", "y"]]).sample(10).shape == (10, 2)
