"""Criteria that compare detectors without labels."""

from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_selection_common import FirstColumn, ring, shuffled_labels
from sklearn.compose import make_column_transformer
from sklearn.ensemble import IsolationForest
from sklearn.model_selection import GridSearchCV, KFold, ShuffleSplit
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skgad.model_selection import mass_volume_score, pseudo_outlier_score
from skgad.model_selection._criteria import _draw_pseudo_outliers

both_criteria = pytest.mark.parametrize("criterion", [pseudo_outlier_score, mass_volume_score])


@both_criteria
@pytest.mark.parametrize("reference", ["uniform", "shuffle"])
@pytest.mark.parametrize("share", [0.25, 1.0])
def test_criteria_select_the_better_detector(criterion, reference, share):
    search = GridSearchCV(
        LocalOutlierFactor(novelty=True),
        {"n_neighbors": [10, 310]},  # with 310 of 320 rows, the inside of the ring is not found
        scoring=partial(criterion, reference=reference, share=share),
        cv=KFold(shuffle=True, random_state=0),
        error_score="raise",
    ).fit(ring())
    assert search.best_params_ == {"n_neighbors": 10}


@both_criteria
def test_criteria_ignore_labels(criterion):
    X = ring()
    detector = LocalOutlierFactor(novelty=True).fit(X[::2])
    assert criterion(detector, X[1::2]) == criterion(detector, X[1::2], shuffled_labels(100, 100))


@both_criteria
def test_all_candidates_are_compared_on_the_same_pseudo_outliers(criterion):
    X = ring()
    detector = LocalOutlierFactor(novelty=True).fit(X[::2])
    assert criterion(detector, X[1::2]) == criterion(detector, X[1::2])
    other = criterion(detector, X[1::2], random_state=1)
    assert other == pytest.approx(criterion(detector, X[1::2]), abs=0.1)
    assert other != criterion(detector, X[1::2])


def test_an_uninformative_detector_has_the_scores_of_chance():
    X = np.random.RandomState(0).uniform(size=(2000, 2))
    X[:2] = [0, 0], [1, 1]
    detector = FirstColumn().fit(X)
    assert pseudo_outlier_score(detector, X, share=1.0) == pytest.approx(0.5, abs=0.03)
    # As many pseudo-outliers as rows pass a threshold: a share from 0.9 to 1, 0.95 on average.
    assert mass_volume_score(detector, X, share=1.0) == pytest.approx(-0.95, abs=0.01)


@pytest.mark.parametrize("reference", ["uniform", "shuffle"])
def test_the_area_under_the_whole_mass_volume_curve_is_the_pseudo_outlier_score(reference):
    X = ring(1500)
    detector = LocalOutlierFactor(novelty=True).fit(X[::2])
    area = mass_volume_score(detector, X[1::2], min_mass=1e-9, reference=reference)
    expected = pseudo_outlier_score(detector, X[1::2], reference=reference) - 1
    assert area == pytest.approx(expected, abs=0.01)


@given(st.sampled_from(["uniform", "shuffle"]), st.floats(0.01, 1), st.integers(0, 99))
def test_pseudo_outliers_replace_some_columns_by_values_within_their_range(reference, share, seed):
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(40, 6))
    pseudo_outliers = _draw_pseudo_outliers(X, reference, share, rng)
    assert pseudo_outliers.shape == (1000, 6)
    assert (pseudo_outliers >= X.min(axis=0)).all()
    assert (pseudo_outliers <= X.max(axis=0)).all()
    changed = pseudo_outliers != np.resize(X, (1000, 6))
    if reference == "uniform":
        assert changed.any(axis=1).all()
        n_more = 5 * share  # in addition to the one that is always replaced
        assert changed.sum(axis=1).mean() == pytest.approx(1 + n_more, abs=0.3)
    else:
        assert all(np.isin(pseudo_outliers[:, j], X[:, j]).all() for j in range(6))
        assert changed.mean() == pytest.approx((1 + 5 * share) / 6 * 39 / 40, abs=0.05)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
@pytest.mark.parametrize("reference", ["uniform", "shuffle"])
def test_pseudo_outliers_have_the_columns_and_types_of_the_frame(frame, reference):
    rng = np.random.RandomState(0)
    X = frame(
        {
            "color": rng.choice(["red", "green"], 50).tolist(),
            "size": rng.normal(size=50),
            "count": rng.randint(3, 9, 50),
            "flag": rng.uniform(size=50) < 0.5,
        }
    )
    if frame is pd.DataFrame:
        X = X.astype({"color": "category"}).set_index(np.arange(50) * 7)
    pseudo_outliers = _draw_pseudo_outliers(X, reference, 1.0, rng)
    assert type(pseudo_outliers) is type(X)
    assert list(pseudo_outliers.columns) == list(X.columns)
    assert list(pseudo_outliers.dtypes) == list(X.dtypes)
    assert set(pseudo_outliers["color"]) == {"red", "green"}
    assert set(pseudo_outliers["count"]) == set(range(3, 9))
    pipeline = make_pipeline(
        make_column_transformer(
            (OneHotEncoder(sparse_output=False), ["color"]),
            (StandardScaler(), ["size", "count"]),
        ),
        LocalOutlierFactor(novelty=True),
    )
    assert 0 < pseudo_outlier_score(pipeline.fit(X), X, reference=reference) < 1


@pytest.mark.parametrize("reference", ["uniform", "shuffle"])
def test_missing_values_are_kept(reference):
    X = ring(200)
    X[::10, 0] = np.nan
    pseudo_outliers = _draw_pseudo_outliers(X, reference, 0.5, np.random.RandomState(0))
    assert 0 < np.isnan(pseudo_outliers[:, 0]).mean() < 0.15
    assert not np.isnan(pseudo_outliers[:, 1]).any()


@both_criteria
def test_invalid_parameters_and_detectors_raise_an_error(criterion):
    detector = IsolationForest(n_estimators=5).fit(ring())
    with pytest.raises(ValueError, match="'share' parameter"):
        criterion(detector, ring(), share=0.0)
    with pytest.raises(ValueError, match="'reference' parameter"):
        criterion(detector, ring(), reference="gauss")
    with pytest.raises(AttributeError, match="neither score_samples nor decision_function"):
        criterion(LocalOutlierFactor().fit(ring()), ring())


def test_criteria_work_with_splitters_of_scikit_learn():
    search = GridSearchCV(
        IsolationForest(n_estimators=10, random_state=0),
        {"max_features": [1, 2]},
        scoring=mass_volume_score,
        cv=ShuffleSplit(2, random_state=0),
    ).fit(ring())
    assert set(search.best_params_) == {"max_features"}
