"""Contributions, nearest normal rows, and the displays."""

import itertools
import math
import sys

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pytest
from common import assert_same_bits, table, tiny
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.datasets import make_blobs
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from skgad import TabularDetector
from skgad.inspection import (
    ExplanationDisplay,
    LatentSpaceDisplay,
    PrecisionRecallDisplay,
    RocCurveDisplay,
    ScoreHistogramDisplay,
    TrainingHistoryDisplay,
    _explain,
    _nearest_normal,
    explain,
    nearest_normal,
)
from skgad.preprocessing import TabularEncoder

matplotlib.use("agg")

LOF = LocalOutlierFactor(n_neighbors=5, novelty=True)


class Scorer(OutlierMixin, BaseEstimator):
    """A detector whose anomaly score is a given function; above the threshold are outliers."""

    def __init__(self, function, threshold=0.0):
        self.function = function
        self.threshold = threshold

    def fit(self, X, y=None):
        return self

    def score_samples(self, X):
        return -self.function(X)

    def decision_function(self, X):
        return self.threshold - self.function(X)

    def predict(self, X):
        return np.where(self.decision_function(X) < 0, -1, 1)


class Reconstructor(Scorer):
    """The normal version of every row is the same; the score is a function of the residuals."""

    center = np.array([1.0, -1.0, 0.5])

    def score_samples(self, X):
        return -self.function(np.asarray(X) - self.center)

    def decision_function(self, X):
        return self.threshold + self.score_samples(X)

    def reconstruct(self, X):
        return np.tile(self.center, (len(X), 1))


WEIGHTS = np.array([2.0, -1.0, 0.0, 0.5])
LINEAR = Scorer(lambda X: np.asarray(X) @ WEIGHTS)
ROWS, BACKGROUND = table(n_samples=6, seed=1), table(n_samples=9, seed=2)
NAMES = list("abcd")


def mixed(frame=pd.DataFrame, n_samples=80, seed=0):
    """A table of categories, whole numbers and numbers; its first row is odd."""
    rng = np.random.RandomState(seed)
    colours = rng.choice(["red", "green"], n_samples).tolist()
    data = {
        "colour": ["blue", *colours[1:]],
        "count": [40, *rng.randint(0, 9, n_samples - 1).tolist()],
        "length": rng.normal(100, 10, n_samples),
        "width": rng.normal(0, 1, n_samples),
    }
    return frame(data)


def forest(**params):
    return IsolationForest(n_estimators=20, random_state=0, **params)


def total(explanation):
    return np.asarray(explanation.contributions).sum(axis=1) + explanation.base


# ------------------------------------------------------------------------------- Shapley values


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


@pytest.mark.parametrize("detector", [forest(), OneClassSVM(), LOF])
def test_positive_contributions_make_a_row_more_abnormal(detector):
    X, _ = make_blobs(200, 3, centers=1, random_state=0)
    odd = X.mean(axis=0) + [0, 9, 0]
    found = explain(detector.fit(X), [odd], background=X, random_state=0)
    assert found.contributions[0].argmax() == 1
    assert found.contributions[0, 1] > 0
    assert found.scores[0] > found.threshold


def test_contributions_to_a_product_are_the_mean_over_both_orders():
    product = Scorer(lambda X: X[:, 0] * X[:, 1])
    x, b = np.array([[3.0, 5.0]]), np.array([[1.0, 2.0], [-1.0, 0.5]])
    found = explain(product, x, background=b)
    first = ((3 - b[:, 0]) * (b[:, 1] + 5) / 2).mean()
    second = ((5 - b[:, 1]) * (b[:, 0] + 3) / 2).mean()
    np.testing.assert_allclose(found.contributions, [[first, second]])


def shapley_by_subsets(score, x, background):
    """Shapley values by their definition: a weighted sum over all subsets of the columns."""
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
def test_contributions_sum_to_the_score_above_the_base(n_columns, n_rows, n_permutations, seed):
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


def test_a_row_is_explained_alike_whatever_rows_are_beside_it():
    detector = forest().fit(BACKGROUND)
    together = explain(detector, ROWS, background=BACKGROUND, random_state=3).contributions
    alone = [
        explain(detector, ROWS[[i]], background=BACKGROUND, random_state=3).contributions[0]
        for i in range(len(ROWS))
    ]
    np.testing.assert_allclose(together, alone, atol=1e-12)


def test_random_state_decides():
    detector = forest().fit(BACKGROUND)
    one, again, other = (
        explain(detector, ROWS, background=BACKGROUND, random_state=seed).contributions
        for seed in (0, 0, 1)
    )
    assert_same_bits(one, again)
    assert not np.array_equal(one, other)


def test_small_blocks_give_the_same(monkeypatch):
    detector = forest().fit(BACKGROUND)
    whole = explain(detector, ROWS, background=BACKGROUND, random_state=0).contributions
    changed = nearest_normal(LINEAR, ROWS, background=BACKGROUND).changed
    monkeypatch.setattr(_explain, "BLOCK_CELLS", 40)
    monkeypatch.setattr(_nearest_normal, "BLOCK_CELLS", 10)
    parts = explain(detector, ROWS, background=BACKGROUND, random_state=0).contributions
    np.testing.assert_allclose(parts, whole, atol=1e-12)
    assert_same_bits(nearest_normal(LINEAR, ROWS, background=BACKGROUND).changed, changed)


def test_the_background_is_drawn_if_it_is_large():
    found = explain(LINEAR, ROWS, background=BACKGROUND, n_background=1, random_state=0)
    bases = BACKGROUND @ WEIGHTS
    assert np.abs(bases - found.base).min() < 1e-12
    np.testing.assert_allclose(total(found), found.scores)


def test_without_a_background_it_is_the_inliers_of_the_table():
    normal = ROWS[LINEAR.predict(ROWS) == 1]
    assert 0 < len(normal) < len(ROWS)
    found = explain(LINEAR, ROWS)
    assert found.base == pytest.approx((normal @ WEIGHTS).mean())


def test_a_detector_without_score_samples_is_explained_by_its_decisions():
    class Decider(OutlierMixin, BaseEstimator):
        def decision_function(self, X):
            return 1 - X @ WEIGHTS

    found = explain(Decider(), ROWS, background=BACKGROUND)
    np.testing.assert_allclose(found.scores, ROWS @ WEIGHTS - 1)
    np.testing.assert_allclose(found.contributions, WEIGHTS * (ROWS - BACKGROUND.mean(axis=0)))
    assert found.threshold == pytest.approx(0)


# --------------------------------------------------------------------------------------- frames


def test_frames_are_explained_in_frames():
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
def test_categories_are_replaced_whole_and_keep_their_type(frame):
    X = mixed(frame)
    if frame is pd.DataFrame:
        X["colour"] = X["colour"].astype("category")
    price = {"red": 1.0, "green": 2.0, "blue": 9.0}

    def score(rows):
        assert type(rows) is frame
        assert list(rows.columns) == list(X.columns)
        assert list(rows.dtypes) == list(X.dtypes)
        colours = rows["colour"].to_list()
        return np.array([price[c] for c in colours]) + rows["count"].to_numpy() / 2.0

    found = explain(Scorer(score), X[:2], background=X[2:], n_background=200)
    contributions = np.asarray(found.contributions)
    colours = np.mean([price[c] for c in X["colour"].to_list()[2:]])
    counts = X["count"].to_numpy()
    np.testing.assert_allclose(contributions[0, 0], 9 - colours)
    np.testing.assert_allclose(contributions[:, 1], (counts[:2] - counts[2:].mean()) / 2)
    np.testing.assert_allclose(contributions[:, 2:], 0, atol=1e-12)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_a_mixed_frame_is_explained_column_by_column(frame, device):
    X = mixed(frame)
    detector = TabularDetector(tiny("ALAD", device=device)).fit(X)
    found = explain(detector, X[:3], background=X[3:30], random_state=0)
    assert type(found.contributions) is frame
    assert list(found.contributions.columns) == ["colour", "count", "length", "width"]
    np.testing.assert_allclose(total(found), -detector.score_samples(X[:3]))
    assert found.threshold == pytest.approx(-detector.offset_)


# ------------------------------------------------------------------------------------ residuals


@pytest.mark.parametrize(
    ("function", "part"),
    [
        (lambda r: np.abs(r).sum(axis=1), np.abs),
        (lambda r: (r**2).sum(axis=1), np.square),
        (lambda r: np.abs(r).mean(axis=1), lambda r: np.abs(r) / 3),
        (lambda r: (r**2).mean(axis=1), lambda r: r**2 / 3),
        (
            lambda r: np.linalg.norm(r, axis=1),
            lambda r: r**2 / np.linalg.norm(r, axis=1, keepdims=True),
        ),
    ],
    ids=["l1", "squares", "mae", "mse", "l2"],
)
def test_residuals_are_taken_where_the_score_is_their_sum(function, part):
    X = table(n_features=3)
    found = explain(Reconstructor(function), X)
    assert (found.method, found.additive, found.base) == ("residual", True, 0)
    np.testing.assert_allclose(found.contributions, part(X - Reconstructor.center))
    np.testing.assert_allclose(total(found), found.scores)


def test_residuals_that_are_not_the_score_are_only_taken_if_asked_for():
    X = table(n_features=3)
    detector = Reconstructor(lambda r: np.exp(-r[:, 0] * r[:, 1]), threshold=2.0)
    found = explain(detector, X, random_state=0)
    assert (found.method, found.additive) == ("shapley", True)
    np.testing.assert_allclose(total(found), found.scores)
    found = explain(detector, X, method="residual")
    assert (found.method, found.additive) == ("residual", False)
    np.testing.assert_allclose(found.contributions, np.abs(X - Reconstructor.center))


def test_shapley_values_can_be_asked_for_where_residuals_would_do():
    X = table(n_features=3)
    detector = Reconstructor(lambda r: np.abs(r).sum(axis=1))
    found = explain(detector, X, background=X, method="shapley")
    distance = np.abs(X - Reconstructor.center)
    np.testing.assert_allclose(found.contributions, distance - distance.mean(axis=0), atol=1e-12)


@pytest.mark.parametrize("score_type", ["l1", "l2"])
@pytest.mark.parametrize("scaled", [False, True])
def test_residuals_of_alad_sum_to_its_score(score_type, scaled, device):
    X = table()
    detector = tiny("ALAD", score_type=score_type, device=device)
    detector = make_pipeline(StandardScaler(), detector) if scaled else detector
    found = explain(detector.fit(X), X)
    assert (found.method, found.additive) == ("residual", True)
    np.testing.assert_allclose(total(found), -detector.score_samples(X), rtol=1e-4)


def test_the_features_of_a_discriminator_are_no_residuals(device):
    detector = tiny("ALAD", device=device).fit(table())
    assert explain(detector, table(), random_state=0).method == "shapley"


@pytest.mark.parametrize("as_pipeline", [False, True])
def test_residuals_of_one_column_of_categories_are_added_up(as_pipeline, device):
    X = mixed()
    alad = tiny("ALAD", score_type="l1", device=device)
    detector = make_pipeline(TabularEncoder(), alad) if as_pipeline else TabularDetector(alad)
    detector.fit(X)
    found = explain(detector, X)
    assert found.method == "residual"
    encoder, alad = detector if as_pipeline else (detector.encoder_, detector.detector_)
    Z = encoder.transform(X)
    r = np.abs(Z - alad.reconstruct(Z))
    names = encoder.get_feature_names_out()
    assert [name.split("_")[0] for name in names].count("colour") == 3
    for column in X.columns:
        mine = [name.split("_")[0] == column for name in names]
        np.testing.assert_allclose(found.contributions[column], r[:, mine].sum(axis=1), rtol=1e-5)
    np.testing.assert_allclose(total(found), found.scores, rtol=1e-4)


def test_columns_that_cannot_be_traced_have_no_residuals(device):
    X = table()
    detector = make_pipeline(PCA(2), tiny("ALAD", score_type="l1", device=device)).fit(X)
    assert explain(detector, X, random_state=0).method == "shapley"
    with pytest.raises(ValueError, match="Use 'shapley'"):
        explain(detector, X, method="residual")


# --------------------------------------------------------------------------------------- errors


def test_explain_says_what_is_wrong():
    with pytest.raises(ValueError, match="'score_samples'"):
        explain(LocalOutlierFactor(n_neighbors=2).fit(ROWS), ROWS)
    with pytest.raises(ValueError, match="n_permutations"):
        explain(LINEAR, ROWS, n_permutations=0)
    with pytest.raises(ValueError, match="give normal rows to compare with as `background`"):
        explain(Scorer(lambda X: np.ones(len(X))), ROWS)
    with pytest.raises(ValueError, match="X has 4 columns, the background has 3"):
        explain(LINEAR, ROWS, background=BACKGROUND[:, :3])
    with pytest.raises(ValueError, match="cannot reconstruct|needs a detector with `reconstruct`"):
        explain(LINEAR, ROWS, method="residual")
    frame = pd.DataFrame(ROWS, columns=NAMES)
    with pytest.raises(ValueError, match=r"lacks the columns \['d'\]"):
        explain(LINEAR, frame, background=frame.rename(columns={"d": "e"}))
    with pytest.raises(ValueError, match="frames of one kind"):
        explain(LINEAR, frame, background=pl.DataFrame(BACKGROUND, schema=NAMES))
    with pytest.raises(ValueError, match="different names"):
        explain(LINEAR, frame.set_axis(list("aacd"), axis=1))
    with pytest.raises(ValueError, match="0 rows"):
        explain(LINEAR, frame[:0])


# -------------------------------------------------------------------------------- nearest normal


def assert_minimal(detector, X, result):
    """What is promised of the result, row by row."""
    X, rows, changed = (np.asarray(t, dtype=object) for t in (X, result.rows, result.changed))
    normal = detector.decision_function(result.rows) >= 0
    np.testing.assert_array_equal(result.success, normal)
    assert (rows == X)[~changed.astype(bool)].all()
    for i in np.flatnonzero(changed.any(axis=1)):
        assert result.success[i]
        for j in np.flatnonzero(changed[i]):
            undone = rows[i].copy()
            undone[j] = X[i, j]
            undone = detector_table(result.rows, undone)
            assert detector.decision_function(undone)[0] < 0


def detector_table(like, row):
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


def test_only_what_is_odd_is_changed():
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


def test_pruning_finds_what_greed_has_passed_by():
    # Greed takes column 0 first; columns 1 and 2 solve the row without it.
    def score(X):
        a, b, c = X.T
        return 2.0 - 1.0 * a - 0.8 * b - 0.8 * c - 1.0 * b * c

    detector = Scorer(score, threshold=0.1)
    result = nearest_normal(detector, np.zeros((1, 3)), background=np.ones((1, 3)))
    assert result.changed.tolist() == [[False, True, True]]


def test_a_row_without_a_normal_version_stays_as_it_is():
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
    X = mixed(frame)
    detector = forest() if name == "IsolationForest" else tiny(name, device=device)
    detector = TabularDetector(detector).fit(X)
    odd = np.flatnonzero(detector.predict(X) == -1)
    assert 0 < len(odd) < 40
    outliers = X.iloc[odd] if frame is pd.DataFrame else X[odd]
    result = nearest_normal(detector, outliers, background=X)
    assert type(result.rows) is type(result.changed) is frame
    assert list(result.rows.dtypes) == list(X.dtypes)
    assert result.success.all()
    assert np.asarray(result.changed).any(axis=1).all()
    assert_minimal(detector, outliers, result)


def test_nearest_normal_keeps_the_index():
    X = mixed().set_axis([f"row {i}" for i in range(80)], axis=0)
    detector = TabularDetector(forest()).fit(X)
    result = nearest_normal(detector, X[:3], background=X)
    assert (
        result.rows.index.tolist() == result.changed.index.tolist() == ["row 0", "row 1", "row 2"]
    )


def test_reconstructions_behind_a_scaler_come_back_in_their_own_units(device):
    X = 100 + 10 * table()
    detector = make_pipeline(StandardScaler(), tiny("ALAD", device=device)).fit(X)
    odd = X[detector.predict(X) == -1]
    result = nearest_normal(detector, odd, n_neighbors=0)
    assert result.success.any()
    assert (np.abs(result.rows - 100) < 100).all()
    assert_minimal(detector, odd, result)


def test_nearest_normal_says_what_is_wrong():
    odd = Scorer(lambda X: np.ones(len(X)))
    with pytest.raises(ValueError, match="give normal rows as `background`"):
        nearest_normal(odd, ROWS)
    with pytest.raises(ValueError, match="give normal rows as `background`"):
        nearest_normal(LINEAR, ROWS, n_neighbors=0)
    with pytest.raises(ValueError, match="max_changes"):
        nearest_normal(LINEAR, ROWS, max_changes=0)
    with pytest.raises(ValueError, match="'decision_function'"):
        nearest_normal(StandardScaler(), ROWS)
    with pytest.raises(ValueError, match="the background has 3"):
        nearest_normal(LINEAR, ROWS, background=BACKGROUND[:, :3])


# -------------------------------------------------------------------------------------- displays


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


LABELS = np.array([1, 1, -1, 1, -1, -1])
DISPLAYS = [
    ScoreHistogramDisplay,
    RocCurveDisplay,
    PrecisionRecallDisplay,
    LatentSpaceDisplay,
    TrainingHistoryDisplay,
    ExplanationDisplay,
]


def draw(cls, detector, X, y, **kwargs):
    """Draw any display of a detector."""
    if cls is TrainingHistoryDisplay:
        return cls.from_estimator(detector, **kwargs)
    if cls is ExplanationDisplay:
        return cls.from_estimator(detector, X, background=X, **kwargs)
    return cls.from_estimator(detector, X, y, **kwargs)


@pytest.mark.parametrize("cls", DISPLAYS)
def test_displays_draw_where_they_are_told(cls, device):
    X, y = table(), np.repeat([1, -1], [40, 8])
    detector = make_pipeline(StandardScaler(), tiny("ALAD", device=device)).fit(X)
    display = draw(cls, detector, X, y)
    assert display.figure_ is display.ax_.figure
    assert "ALAD" in [display.ax_.get_title(loc) for loc in ("left", "center")] + [
        text.get_text().split(",")[0] for text in getattr(display.ax_.get_legend(), "texts", [])
    ]
    _, ax = plt.subplots()
    assert draw(cls, detector, X, y, ax=ax, name="mine").ax_ is ax
    display.figure_.draw_without_rendering()


@pytest.mark.parametrize("cls", DISPLAYS)
def test_displays_say_that_matplotlib_is_missing(cls, monkeypatch, device):
    X, y = table(), np.repeat([1, -1], [40, 8])
    detector = tiny("ALAD", device=device).fit(X)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=f"{cls.__name__}.plot needs matplotlib: install"):
        draw(cls, detector, X, y)


@pytest.mark.parametrize("cls", [ScoreHistogramDisplay, RocCurveDisplay, PrecisionRecallDisplay])
def test_sklearn_detectors_have_displays(cls):
    X, y = table(), np.repeat([1, -1], [40, 8])
    for detector in (forest(), LOF):
        assert cls.from_estimator(detector.fit(X), X, y).ax_.has_data()


def test_the_anomaly_is_the_positive_class():
    rng = np.random.RandomState(0)
    y, scores = np.where(rng.rand(50) < 0.3, -1, 1), rng.normal(size=50)
    scores[y == 1] += 1
    roc = RocCurveDisplay.from_predictions(y, scores, plot_chance_level=True)
    assert roc.roc_auc == pytest.approx(roc_auc_score(y == -1, -scores))
    assert roc.roc_auc > 0.5
    pr = PrecisionRecallDisplay.from_predictions(y, scores, plot_chance_level=True)
    assert pr.average_precision == pytest.approx(average_precision_score(y == -1, -scores))
    assert pr.prevalence == pytest.approx(np.mean(y == -1))
    assert set(pr.chance_level_.get_ydata()) == {pr.prevalence}
    np.testing.assert_array_equal(roc.line_.get_xdata(), roc.fpr)
    np.testing.assert_array_equal(pr.line_.get_xdata(), pr.recall)


def test_two_detectors_share_the_axes_of_a_curve():
    first = RocCurveDisplay.from_predictions(LABELS, [3, 4, 1, 3, 5, 1], name="one")
    both = RocCurveDisplay.from_predictions(LABELS, [3, 4, 1, 3, 2, 1], name="two", ax=first.ax_)
    names = [text.get_text() for text in both.ax_.get_legend().texts]
    assert names == ["one, AUC 0.667", "two, AUC 1.000"]


@pytest.mark.parametrize(
    "draw_labels",
    [
        lambda y, **kwargs: RocCurveDisplay.from_predictions(y, -np.arange(6), **kwargs).tpr,
        lambda y, **kwargs: (
            ScoreHistogramDisplay.from_predictions(-np.arange(6), y, **kwargs).outlier
        ),
    ],
)
def test_other_labels_need_the_label_of_outliers(draw_labels):
    zeros_and_ones = (LABELS == -1).astype(int)
    np.testing.assert_array_equal(draw_labels(LABELS), draw_labels(zeros_and_ones, pos_label=1))
    with pytest.raises(ValueError, match="pos_label"):
        draw_labels(zeros_and_ones)


def test_the_histogram_shows_the_threshold_and_all_rows():
    X = table(200)
    detector = forest(contamination=0.1).fit(X)
    display = ScoreHistogramDisplay.from_estimator(detector, X)
    assert display.threshold_.get_xdata()[0] == pytest.approx(-detector.offset_)
    bars = [patch for patch in display.ax_.patches if hasattr(patch, "get_height")]
    assert sum(bar.get_height() for bar in bars) == 200
    right = [bar for bar in bars if bar.get_x() > -detector.offset_]
    assert sum(bar.get_height() for bar in right) <= 20


def test_the_histogram_of_each_group_sums_to_one():
    display = ScoreHistogramDisplay.from_predictions([5, 4, 1, 4, 1, 1], LABELS, threshold=2)
    bars = [patch for patch in display.ax_.patches if hasattr(patch, "get_height")]
    assert sum(bar.get_height() for bar in bars) == pytest.approx(2)
    assert display.threshold_.get_xdata()[0] == -2
    names = [text.get_text() for text in display.ax_.get_legend().texts]
    assert names == ["3 inliers", "3 outliers", "threshold"]


def test_numbers_of_an_explanation_stay_beside_their_bars_and_inside():
    contributions = 1e-4 * np.array([3.0, -1.5, -1.4, -1.2, -1.1, -0.85])  # up, and down below
    _, axes = plt.subplots(1, 2, figsize=(7, 3), layout="constrained")
    for ax, sign in zip(axes, (1, -1), strict=True):
        display = ExplanationDisplay(sign * contributions, ["a column"] * 6, base=0.001).plot(ax)
        ax.figure.draw_without_rendering()
        box = ax.get_window_extent()
        numbers = [text for text in ax.texts if text.get_text() != "threshold"]
        for bar, text in zip(display.bars_, numbers, strict=True):
            drawn, place = text.get_window_extent(), bar.get_window_extent()
            assert box.x0 <= drawn.x0
            assert drawn.x1 <= box.x1
            assert drawn.x1 <= place.x0 or drawn.x0 >= place.x1
            assert drawn.y0 < (place.y0 + place.y1) / 2 < drawn.y1


def test_a_few_huge_scores_do_not_flatten_the_histogram():
    scores = -np.append(np.random.RandomState(0).rand(200), 1e6)
    display = ScoreHistogramDisplay.from_predictions(scores)
    assert display.ax_.get_xlim()[1] < 2
    assert "all above" in display.ax_.get_xlabel()
    bars = [patch for patch in display.ax_.patches if hasattr(patch, "get_height")]
    assert sum(bar.get_height() for bar in bars) == 201
    whole = ScoreHistogramDisplay.from_predictions(scores, clip=1.0)
    assert whole.ax_.get_xlim()[1] >= 1e6


def test_the_training_history_has_the_losses_of_all_players(device):
    X = table()
    detector = tiny("ALAD", max_epochs=3, early_stopping=True, device=device)
    detector = TabularDetector(detector).fit(X)
    display = TrainingHistoryDisplay.from_estimator(detector)
    history = detector.detector_.history_
    for name, key in [
        ("discriminator", "discriminator_loss"),
        ("generator", "generator_loss"),
        ("valid_loss", "valid_loss"),
    ]:
        np.testing.assert_array_equal(display.lines_[name].get_ydata(), history[:, key])
        assert display.lines_[name].get_xdata().tolist() == [1, 2, 3]
    assert display.valid_ax_ is not None
    without = TrainingHistoryDisplay.from_estimator(tiny("ALAD", device=device).fit(X))
    assert without.valid_ax_ is None
    with pytest.raises(ValueError, match="IsolationForest has no history_"):
        TrainingHistoryDisplay.from_estimator(forest().fit(X))


def test_codes_of_two_dimensions_are_shown_as_they_are(device):
    X, y = table(), np.repeat([1, -1], [40, 8])
    detector = tiny("ALAD", device=device).fit(X)
    display = LatentSpaceDisplay.from_estimator(detector, X, y)
    inliers, outliers = display.points_
    codes = detector.transform(X)
    np.testing.assert_allclose(inliers.get_offsets(), codes[:40], rtol=1e-6)
    np.testing.assert_allclose(outliers.get_offsets(), codes[40:], rtol=1e-6)
    assert display.ax_.get_xlabel() == "code 1"


def test_codes_of_more_dimensions_are_shown_by_their_components(device):
    X = table()
    detector = tiny("ALAD", latent_dim=3, device=device).fit(X)
    display = LatentSpaceDisplay.from_estimator(detector, X)
    (points,) = display.points_
    scores = -detector.score_samples(X)
    np.testing.assert_array_equal(points.get_array(), np.sort(scores))
    spread = np.cov(points.get_offsets().T)
    assert abs(spread[0, 1]) < 1e-4 * spread[0, 0]
    assert "component 1" in display.ax_.get_xlabel()


def test_latent_space_says_what_is_wrong(device):
    X = table()
    with pytest.raises(ValueError, match="IsolationForest has no `transform`"):
        LatentSpaceDisplay.from_estimator(forest().fit(X), X)
    with pytest.raises(ValueError, match="one dimension"):
        LatentSpaceDisplay.from_estimator(tiny("ALAD", latent_dim=1, device=device).fit(X), X)


def test_the_bars_lead_from_the_base_to_the_score():
    explanation = explain(LINEAR, ROWS, background=BACKGROUND)
    frame = pd.DataFrame(ROWS, columns=NAMES)
    display = ExplanationDisplay.from_explanation(explanation, frame, row=2)
    bars = display.bars_.patches
    lengths = [bar.get_width() for bar in bars]
    assert sorted(np.abs(lengths), reverse=True) == np.abs(lengths).tolist()
    assert bars[0].get_x() == pytest.approx(explanation.base)
    end = bars[-1].get_x() + bars[-1].get_width()
    assert end == pytest.approx(explanation.scores[2])
    assert display.threshold_.get_xdata()[0] == pytest.approx(0)
    largest = np.abs(explanation.contributions[2]).argmax()
    first = display.ax_.get_yticklabels()[0].get_text()
    assert first == f"column {largest} = {ROWS[2, largest]:.4g}"


def test_columns_of_little_influence_share_a_bar():
    explanation = explain(LINEAR, ROWS, background=BACKGROUND)
    display = ExplanationDisplay.from_explanation(explanation, max_columns=2)
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert labels[1:] == ["3 other columns"]
    total = sum(bar.get_width() for bar in display.bars_.patches)
    assert total == pytest.approx(explanation.scores[0] - explanation.base)


def test_residuals_that_are_not_the_score_are_drawn_from_zero():
    X = table(n_features=3)
    detector = Reconstructor(lambda r: np.exp(-r[:, 0] * r[:, 1]), threshold=2.0)
    display = ExplanationDisplay.from_estimator(detector, X, row=-1, method="residual")
    assert [bar.get_x() for bar in display.bars_.patches] == [0, 0, 0]
    assert display.threshold_ is None
    distance = np.abs(X[-1] - Reconstructor.center)
    np.testing.assert_allclose([b.get_width() for b in display.bars_], np.sort(distance)[::-1])


def test_values_of_all_kinds_stand_in_the_labels():
    X = mixed()
    detector = TabularDetector(forest()).fit(X)
    display = ExplanationDisplay.from_estimator(detector, X, random_state=0)
    labels = {label.get_text() for label in display.ax_.get_yticklabels()}
    assert {"colour = blue", "count = 40"} <= labels
