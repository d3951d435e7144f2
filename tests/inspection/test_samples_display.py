"""SamplesDisplay."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from common import fitted, table, tiny
from matplotlib_fixtures import close_figures  # noqa: F401
from toy_detectors import forest

from skgad import TabularDetector
from skgad.inspection import SamplesDisplay


def people(n_samples=120, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": rng.integers(18, 90, n_samples),
            "job": rng.choice(["nurse", "clerk", None], n_samples, p=[0.6, 0.3, 0.1]),
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, 120), "D"),
            "is_new": rng.random(n_samples) < 0.2,
            "income": np.where(rng.random(n_samples) < 0.1, np.nan, rng.normal(size=n_samples)),
        }
    )


def test_similarities_are_those_of_their_definitions():
    X, made = np.array([[0.0], [1], [2], [3]]), np.array([[0.0], [1], [9], [9]])
    display = SamplesDisplay.from_rows(X, made)
    assert display.similarities_.tolist() == [0.5]
    levels = pd.DataFrame({"a": ["x", "x", "y", None]}), pd.DataFrame({"a": ["x", "y", "y", "y"]})
    assert SamplesDisplay.from_rows(*levels).similarities_.tolist() == [0.5]
    assert SamplesDisplay.from_rows(people(), people()).similarities_.tolist() == [1.0] * 5


@pytest.mark.parametrize("convert", [lambda X: X, pl.from_pandas])
def test_columns_of_all_types_are_drawn_the_most_different_first(convert):
    real, generated = people(), people(seed=1).assign(age=30)
    display = SamplesDisplay.from_rows(convert(real), convert(generated), name="people")
    titles = [ax.get_title() for ax in display.axes_]
    assert len(titles) == 5
    assert titles[0] == f"age: {display.similarities_[0]:.2f}"
    assert display.similarities_.argmin() == 0
    assert display.figure_.get_suptitle() == "people"
    assert [text.get_text() for text in display.axes_[0].get_legend().texts] == [
        "real",
        "generated",
    ]


def test_at_most_some_columns_and_levels_are_drawn():
    X = pd.DataFrame({"id": [f"n{i}" for i in range(30)], "x": range(30), "y": range(30)})
    display = SamplesDisplay.from_rows(X, X, max_features=2, max_levels=3)
    assert len(display.axes_) == len(display.figure_.axes) == 2
    assert len(display.axes_[0].get_xticks()) == 3
    assert len(display.similarities_) == 3


def test_the_rows_of_a_detector_are_drawn():
    detector = fitted("WAE", "cpu")
    display = SamplesDisplay.from_estimator(detector, table(), random_state=0)
    again = SamplesDisplay.from_rows(table(), detector.sample(48, random_state=0))
    assert (display.similarities_ == again.similarities_).all()
    assert display.figure_.get_suptitle() == "WAE"
    frames = TabularDetector(tiny("WAE")).fit(people())
    display = SamplesDisplay.from_estimator(frames, people(), n_samples=500, random_state=0)
    assert display.names == ["age", "job", "since", "is_new", "income"]
    assert display.similarities_.min() > 0.5


def test_a_constant_column_and_one_without_values_are_drawn():
    X = pd.DataFrame({"constant": [7.0] * 5, "missing": [np.nan] * 5})
    assert SamplesDisplay.from_rows(X, X).similarities_.tolist() == [1.0, 1.0]


def test_a_detector_that_generates_no_rows_is_rejected():
    with pytest.raises(TypeError, match="IsolationForest has no method 'sample'.*from_rows"):
        SamplesDisplay.from_estimator(forest().fit(table()), table())
    with pytest.raises(ValueError, match="X_generated"):
        SamplesDisplay.from_rows(table(), table(n_features=3))
