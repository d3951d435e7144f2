"""explain: detectors, backgrounds, frames and errors."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from common import assert_same_bits, tiny
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.datasets import make_blobs
from sklearn.neighbors import LocalOutlierFactor
from sklearn.svm import OneClassSVM
from toy_detectors import (
    BACKGROUND,
    LINEAR,
    LOF,
    NAMES,
    ROWS,
    WEIGHTS,
    Scorer,
    forest,
    mixed_table,
    total,
)

from skgad import TabularDetector
from skgad.inspection import (
    _nearest_normal,
    _shapley,
    explain,
    nearest_normal,
)


@pytest.mark.parametrize("detector", [forest(), OneClassSVM(), LOF])
def test_positive_contributions_make_a_row_more_abnormal(detector):
    X, _ = make_blobs(200, 3, centers=1, random_state=0)
    outlier = X.mean(axis=0) + [0, 9, 0]
    found = explain(detector.fit(X), [outlier], background=X, random_state=0)
    assert found.contributions[0].argmax() == 1
    assert found.contributions[0, 1] > 0
    assert found.scores[0] > found.threshold


def test_random_state_determines_the_contributions():
    detector = forest().fit(BACKGROUND)
    one, again, other = (
        explain(detector, ROWS, background=BACKGROUND, random_state=seed).contributions
        for seed in (0, 0, 1)
    )
    assert_same_bits(one, again)
    assert not np.array_equal(one, other)


def test_results_do_not_depend_on_the_block_size(monkeypatch):
    detector = forest().fit(BACKGROUND)
    whole = explain(detector, ROWS, background=BACKGROUND, random_state=0).contributions
    changed = nearest_normal(LINEAR, ROWS, background=BACKGROUND).changed
    monkeypatch.setattr(_shapley, "BLOCK_CELLS", 40)
    monkeypatch.setattr(_nearest_normal, "BLOCK_CELLS", 10)
    parts = explain(detector, ROWS, background=BACKGROUND, random_state=0).contributions
    np.testing.assert_allclose(parts, whole, atol=1e-12)
    assert_same_bits(nearest_normal(LINEAR, ROWS, background=BACKGROUND).changed, changed)


def test_a_large_background_is_sampled():
    found = explain(LINEAR, ROWS, background=BACKGROUND, n_background=1, random_state=0)
    bases = BACKGROUND @ WEIGHTS
    assert np.abs(bases - found.base).min() < 1e-12
    np.testing.assert_allclose(total(found), found.scores)


def test_the_default_background_consists_of_the_inliers_of_the_table():
    normal = ROWS[LINEAR.predict(ROWS) == 1]
    assert 0 < len(normal) < len(ROWS)
    found = explain(LINEAR, ROWS)
    assert found.base == pytest.approx((normal @ WEIGHTS).mean())


def test_a_detector_without_score_samples_is_explained_by_its_decision_function():
    class Decider(OutlierMixin, BaseEstimator):
        def decision_function(self, X):
            return 1 - X @ WEIGHTS

    found = explain(Decider(), ROWS, background=BACKGROUND)
    np.testing.assert_allclose(found.scores, ROWS @ WEIGHTS - 1)
    np.testing.assert_allclose(found.contributions, WEIGHTS * (ROWS - BACKGROUND.mean(axis=0)))
    assert found.threshold == pytest.approx(0)


def test_contributions_to_frames_are_frames():
    index = [f"row {i}" for i in range(len(ROWS))]
    rows = pd.DataFrame(ROWS, columns=NAMES, index=index)
    background = pd.DataFrame(BACKGROUND, columns=NAMES)[["d", "c", "b", "a"]]
    found = explain(LINEAR, rows, background=background).contributions
    expected = WEIGHTS * (ROWS - BACKGROUND.mean(axis=0))
    pd.testing.assert_frame_equal(found, pd.DataFrame(expected, index=index, columns=NAMES))

    rows, background = (pl.DataFrame(X, schema=NAMES) for X in (ROWS, BACKGROUND))
    found = explain(LINEAR, rows, background=background).contributions
    assert isinstance(found, pl.DataFrame)
    assert found.columns == NAMES
    np.testing.assert_allclose(found.to_numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_the_detector_sees_frames_with_the_same_dtypes(frame):
    X = mixed_table(frame)
    if frame is pd.DataFrame:
        X["color"] = X["color"].astype("category")
    price = {"red": 1.0, "green": 2.0, "blue": 9.0}

    def score(rows):
        assert type(rows) is frame
        assert list(rows.columns) == list(X.columns)
        assert list(rows.dtypes) == list(X.dtypes)
        colors = rows["color"].to_list()
        return np.array([price[c] for c in colors]) + rows["count"].to_numpy() / 2.0

    found = explain(Scorer(score), X[:2], background=X[2:], n_background=200)
    contributions = np.asarray(found.contributions)
    colors = np.mean([price[c] for c in X["color"].to_list()[2:]])
    counts = X["count"].to_numpy()
    np.testing.assert_allclose(contributions[0, 0], 9 - colors)
    np.testing.assert_allclose(contributions[:, 1], (counts[:2] - counts[2:].mean()) / 2)
    np.testing.assert_allclose(contributions[:, 2:], 0, atol=1e-12)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_a_mixed_frame_is_explained_column_by_column(frame, device):
    X = mixed_table(frame)
    detector = TabularDetector(tiny("ALAD", device=device)).fit(X)
    found = explain(detector, X[:3], background=X[3:30], random_state=0)
    assert type(found.contributions) is frame
    assert list(found.contributions.columns) == ["color", "count", "length", "width"]
    np.testing.assert_allclose(total(found), -detector.score_samples(X[:3]))
    assert found.threshold == pytest.approx(-detector.offset_)


def test_errors_of_explain():
    with pytest.raises(ValueError, match="'score_samples'"):
        explain(LocalOutlierFactor(n_neighbors=2).fit(ROWS), ROWS)
    with pytest.raises(ValueError, match="n_permutations"):
        explain(LINEAR, ROWS, n_permutations=0)
    with pytest.raises(ValueError, match="Pass normal rows to compare with as `background`"):
        explain(Scorer(lambda X: np.ones(len(X))), ROWS)
    with pytest.raises(ValueError, match="X has 4 columns, but the background has 3"):
        explain(LINEAR, ROWS, background=BACKGROUND[:, :3])
    with pytest.raises(ValueError, match="requires a detector with `reconstruct`"):
        explain(LINEAR, ROWS, method="residual")
    frame = pd.DataFrame(ROWS, columns=NAMES)
    with pytest.raises(ValueError, match=r"does not have the columns \['d'\]"):
        explain(LINEAR, frame, background=frame.rename(columns={"d": "e"}))
    with pytest.raises(ValueError, match="frames of the same library"):
        explain(LINEAR, frame, background=pl.DataFrame(BACKGROUND, schema=NAMES))
    with pytest.raises(ValueError, match="different names"):
        explain(LINEAR, frame.set_axis(list("aacd"), axis=1))
    with pytest.raises(ValueError, match="0 rows"):
        explain(LINEAR, frame[:0])
