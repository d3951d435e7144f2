"""nearest_normal: minimal changes, sources of values, frames and errors."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from common import assert_same_bits, table, tiny
from hypothesis import given
from hypothesis import strategies as st
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from toy_detectors import BACKGROUND, LINEAR, ROWS, Reconstructor, Scorer, forest, mixed_table

from skgad import TabularDetector
from skgad.inspection import (
    nearest_normal,
)


def assert_minimal(detector, X, result):
    """Check that no change of any row can be undone."""
    X, rows, changed = (np.asarray(t, dtype=object) for t in (X, result.rows, result.changed))
    normal = detector.decision_function(result.rows) >= 0
    np.testing.assert_array_equal(result.success, normal)
    assert (rows == X)[~changed.astype(bool)].all()
    for i in np.flatnonzero(changed.any(axis=1)):
        assert result.success[i]
        for j in np.flatnonzero(changed[i]):
            undone = rows[i].copy()
            undone[j] = X[i, j]
            undone = one_row_table(result.rows, undone)
            assert detector.decision_function(undone)[0] < 0


def one_row_table(like, row):
    if isinstance(like, np.ndarray):
        return row[None].astype(like.dtype)
    if isinstance(like, pd.DataFrame):
        return pd.DataFrame([row], columns=like.columns).astype(like.dtypes)
    return pl.DataFrame([row.tolist()], schema=like.schema, orient="row")


@given(st.integers(1, 5), st.integers(0, 2**31 - 1), st.sampled_from([None, 1, 2]))
def test_no_change_of_the_nearest_normal_row_can_be_undone(n_columns, seed, max_changes):
    rng = np.random.RandomState(seed)
    X, background = 2 * rng.normal(size=(8, n_columns)), rng.normal(size=(12, n_columns))
    weights = rng.normal(size=n_columns)
    detector = Scorer(lambda X: np.abs(X).max(axis=1) + np.sin(X @ weights), threshold=1.5)
    if not (detector.predict(background) == 1).any():
        return
    before = X.copy()
    result = nearest_normal(detector, X, background=background, max_changes=max_changes)
    assert_same_bits(X, before)
    assert_minimal(detector, X, result)
    if max_changes is None:
        assert result.success.all()
    else:
        assert (result.changed.sum(axis=1) <= max_changes).all()
    unchanged = ~result.changed.any(axis=1)
    assert_same_bits(result.rows[unchanged], X[unchanged])


def test_only_abnormal_columns_are_changed():
    X = np.array([[0.0, 0.0, 0.0], [0.0, 7.0, 0.0], [8.0, 0.1, -9.0]])
    detector = Scorer(lambda X: np.abs(X).max(axis=1), threshold=1.0)
    result = nearest_normal(detector, X, background=[[0.5, 0.5, 0.5], [0.2, 0.2, 0.2]])
    np.testing.assert_array_equal(
        result.changed, [[False] * 3, [False, True, False], [True, False, True]]
    )
    assert result.success.all()
    assert_minimal(detector, X, result)


def test_values_come_from_the_reconstruction():
    detector = Reconstructor(lambda r: np.abs(r).max(axis=1), threshold=1.0)
    X = Reconstructor.center + np.array([[0, 5, 0], [0, 0, 0]])
    result = nearest_normal(detector, X, n_neighbors=0)
    np.testing.assert_allclose(result.rows, np.tile(Reconstructor.center, (2, 1)))
    assert result.changed.tolist() == [[False, True, False], [False] * 3]


def test_unnecessary_changes_are_undone():
    # The greedy search replaces column 0 first, but columns 1 and 2 suffice.
    def score(X):
        a, b, c = X.T
        return 2.0 - 1.0 * a - 0.8 * b - 0.8 * c - 1.0 * b * c

    detector = Scorer(score, threshold=0.1)
    result = nearest_normal(detector, np.zeros((1, 3)), background=np.ones((1, 3)))
    assert result.changed.tolist() == [[False, True, True]]


def test_rows_are_unchanged_if_the_search_fails():
    X = np.array([[5.0, 5.0], [0.0, 0.0]])
    detector = Scorer(lambda X: np.abs(X).max(axis=1), threshold=1.0)
    result = nearest_normal(detector, X, max_changes=1)
    assert_same_bits(result.rows, X)
    assert result.success.tolist() == [False, True]
    assert not result.changed.any()


def test_without_outliers_nothing_changes():
    detector = Scorer(lambda X: np.zeros(len(X)))
    result = nearest_normal(detector, ROWS)
    assert_same_bits(result.rows, ROWS)
    assert result.success.all()


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
@pytest.mark.parametrize("name", ["IsolationForest", "ALAD"])
def test_nearest_normal_of_a_mixed_frame(frame, name, device):
    X = mixed_table(frame)
    detector = forest() if name == "IsolationForest" else tiny(name, device=device)
    detector = TabularDetector(detector).fit(X)
    indices = np.flatnonzero(detector.predict(X) == -1)
    assert 0 < len(indices) < 40
    outliers = X.iloc[indices] if frame is pd.DataFrame else X[indices]
    result = nearest_normal(detector, outliers, background=X)
    assert type(result.rows) is type(result.changed) is frame
    assert list(result.rows.dtypes) == list(X.dtypes)
    assert result.success.all()
    assert np.asarray(result.changed).any(axis=1).all()
    assert_minimal(detector, outliers, result)


def test_nearest_normal_keeps_the_index():
    X = mixed_table().set_axis([f"row {i}" for i in range(80)], axis=0)
    detector = TabularDetector(forest()).fit(X)
    result = nearest_normal(detector, X[:3], background=X)
    assert (
        result.rows.index.tolist() == result.changed.index.tolist() == ["row 0", "row 1", "row 2"]
    )


def test_reconstructions_in_a_pipeline_are_converted_to_the_units_of_the_table(device):
    X = 100 + 10 * table()
    detector = make_pipeline(StandardScaler(), tiny("ALAD", device=device)).fit(X)
    outliers = X[detector.predict(X) == -1]
    result = nearest_normal(detector, outliers, n_neighbors=0)
    assert result.success.any()
    assert (np.abs(result.rows - 100) < 100).all()
    assert_minimal(detector, outliers, result)


def test_errors_of_nearest_normal():
    detector = Scorer(lambda X: np.ones(len(X)))
    with pytest.raises(ValueError, match="Pass normal rows as `background`"):
        nearest_normal(detector, ROWS)
    with pytest.raises(ValueError, match="Pass normal rows as `background`"):
        nearest_normal(LINEAR, ROWS, n_neighbors=0)
    with pytest.raises(ValueError, match="max_changes"):
        nearest_normal(LINEAR, ROWS, max_changes=0)
    with pytest.raises(ValueError, match="'decision_function'"):
        nearest_normal(StandardScaler(), ROWS)
    with pytest.raises(ValueError, match="the background has 3"):
        nearest_normal(LINEAR, ROWS, background=BACKGROUND[:, :3])
