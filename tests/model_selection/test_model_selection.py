"""Splitters that keep outliers out of training, and criteria that need no labels."""

from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from common import tiny
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.compose import make_column_transformer
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, KFold, ShuffleSplit, cross_validate
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skgad.metrics import SCORERS, get_scorer
from skgad.model_selection import (
    OneClassKFold,
    OneClassShuffleSplit,
    _made_up_rows,
    cross_val_scores,
    mass_volume_score,
    pseudo_outlier_score,
)

both_splitters = pytest.mark.parametrize("Splitter", [OneClassKFold, OneClassShuffleSplit])
both_criteria = pytest.mark.parametrize("criterion", [pseudo_outlier_score, mass_volume_score])


def labels(n_inliers, n_outliers, seed=0):
    y = np.repeat([1, -1], [n_inliers, n_outliers])
    return np.random.RandomState(seed).permutation(y)


def ring(n_samples=400, seed=0):
    """Rows on a circle: normal ones are neither in its middle nor far out."""
    rng = np.random.RandomState(seed)
    angle = rng.uniform(0, 2 * np.pi, n_samples)
    return np.column_stack([np.cos(angle), np.sin(angle)]) + 0.05 * rng.normal(size=(n_samples, 2))


class Memory(OutlierMixin, BaseEstimator):
    """Remembers what it was fitted on; its score is the first column."""

    seen = []

    def fit(self, X, y=None):
        self.seen.append((X, y))
        return self

    def score_samples(self, X):
        return np.asarray(X)[:, 0].astype(float)


# ----------------------------------------------------------------------------------- splitters


@given(st.integers(2, 5), st.integers(0, 20), st.integers(0, 9), st.integers(0, 99), st.booleans())
def test_folds_divide_the_inliers_and_share_the_outliers(k, more, n_outliers, seed, shuffle):
    y = labels(k + more, n_outliers + 1, seed)
    folds = OneClassKFold(k, shuffle=shuffle, random_state=seed).split(y[:, None], y)
    tested = []
    for train, test in folds:
        assert (y[train] == 1).all()
        assert set(np.flatnonzero(y == -1)) <= set(test)
        assert not set(train) & set(test)
        assert len(train) + len(test) == len(y)
        tested.extend(test[y[test] == 1])
    assert sorted(tested) == np.flatnonzero(y == 1).tolist()


@given(st.integers(2, 5), st.integers(0, 20), st.integers(0, 20), st.integers(0, 99))
def test_outliers_can_be_divided_as_well(k, more_inliers, more_outliers, seed):
    y = labels(k + more_inliers, k + more_outliers, seed)
    splitter = OneClassKFold(k, random_state=seed, outliers="split")
    tests = [test for _, test in splitter.split(y, y)]
    assert sorted(np.concatenate(tests)) == list(range(len(y)))
    numbers = [(y[test] == -1).sum() for test in tests]
    assert max(numbers) - min(numbers) <= 1


def test_without_shuffling_the_inliers_are_those_of_kfold():
    y = labels(10, 3)
    inliers = np.flatnonzero(y == 1)
    ours = OneClassKFold(3, shuffle=False).split(y, y)
    for (train, _), (expected, _) in zip(ours, KFold(3).split(inliers), strict=True):
        np.testing.assert_array_equal(train, inliers[expected])


@pytest.mark.parametrize("test_size", [0.25, 5])
def test_random_splits_have_the_sizes_that_were_asked_for(test_size):
    y = labels(20, 8)
    splitter = OneClassShuffleSplit(4, test_size=test_size, random_state=0)
    for train, test in splitter.split(y, y):
        assert (y[train] == 1).all()
        assert (len(train), (y[test] == 1).sum(), (y[test] == -1).sum()) == (15, 5, 8)
    splitter.outliers = "split"
    for train, test in splitter.split(y, y):
        assert (len(train), (y[test] == 1).sum(), (y[test] == -1).sum()) == (15, 5, 2)
    splitter.train_size = 3
    assert [len(train) for train, _ in splitter.split(y, y)] == [3] * 4


def test_half_of_the_inliers_is_the_default():
    y = labels(20, 8)
    train, test = next(OneClassShuffleSplit(random_state=0).split(y, y))
    assert (len(train), len(test)) == (10, 18)


@both_splitters
def test_splits_are_determined_by_random_state(Splitter):
    y = labels(20, 4)

    def splits(seed):
        return [
            np.concatenate(pair).tolist() for pair in Splitter(3, random_state=seed).split(y, y)
        ]

    assert splits(0) == splits(0)
    assert splits(0) != splits(1)
    assert len({str(split) for split in splits(0)}) == 3


@both_splitters
def test_other_labels_need_a_pos_label(Splitter):
    y = labels(20, 4)
    expected = list(Splitter(2, random_state=0).split(y, y))
    for other, pos_label in ((y == -1).astype(int), 1), (np.where(y == -1, "odd", "ok"), "odd"):
        got = Splitter(2, random_state=0, pos_label=pos_label).split(y, other)
        for pair, expected_pair in zip(got, expected, strict=True):
            np.testing.assert_array_equal(pair[0], expected_pair[0])
            np.testing.assert_array_equal(pair[1], expected_pair[1])
    with pytest.raises(ValueError, match="-1 for outliers and 1 for inliers, got"):
        next(Splitter().split(y, (y == -1).astype(int)))


@both_splitters
def test_what_cannot_be_split_is_refused(Splitter):
    y = labels(20, 4)
    with pytest.raises(ValueError, match=f"{Splitter.__name__} needs labels"):
        next(Splitter().split(y))
    with pytest.raises(ValueError, match="no outlier among the 3 labels"):
        next(Splitter().split([[0]] * 3, [1, 1, 1]))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        next(Splitter().split(y[:3], y))
    with pytest.raises(ValueError, match="outliers is 'all' or 'split', got 'some'"):
        next(Splitter(outliers="some").split(y, y))


def test_too_few_rows_for_the_folds_are_named():
    with pytest.raises(ValueError, match="n_splits=5 is more than the 3 inliers"):
        next(OneClassKFold().split([0] * 9, labels(3, 6)))
    with pytest.raises(ValueError, match="n_splits=5 is more than the 3 outliers"):
        next(OneClassKFold(outliers="split").split([0] * 9, labels(6, 3)))


@both_splitters
def test_no_label_reaches_the_training(Splitter, monkeypatch):
    monkeypatch.setattr(Memory, "seen", [])
    y = labels(30, 6)
    X = np.column_stack([y, np.arange(36)])
    cross_validate(
        Memory(), X, y, cv=Splitter(3, random_state=0), scoring=SCORERS["outlier_roc_auc"]
    )
    assert len(Memory.seen) == 3
    for X_train, y_train in Memory.seen:
        assert (X_train[:, 0] == 1).all()
        assert set(y_train) == {1}


@both_splitters
def test_a_splitter_says_how_many_splits_and_what_it_is(Splitter):
    splitter = Splitter(4, random_state=0)
    assert splitter.get_n_splits() == 4
    assert repr(splitter).startswith(f"{Splitter.__name__}(n_splits=4, outliers='all'")


# --------------------------------------------------------------------------- cross-validation


def test_cross_val_scores_are_those_of_a_loop():
    X = ring()
    y = labels(300, 100)
    X[y == -1] *= 0.5
    cv = OneClassKFold(3, random_state=0)
    names = ["outlier_roc_auc", "outlier_f1"]
    scores = cross_val_scores(LocalOutlierFactor(novelty=True), X, y, cv=cv, metrics=names)
    assert list(scores) == names
    for fold, (train, test) in enumerate(cv.split(X, y)):
        detector = LocalOutlierFactor(novelty=True).fit(X[train])
        expected = roc_auc_score(y[test], detector.score_samples(X[test]))
        assert scores["outlier_roc_auc"][fold] == pytest.approx(expected)
        expected = get_scorer("outlier_f1")(detector, X[test], y[test])
        assert scores["outlier_f1"][fold] == expected


def test_cross_val_scores_hand_labels_of_the_training_fold_to_the_detector():
    X, y = ring(60), labels(50, 10)
    known = np.where(np.arange(60) % 3 == 0, y, 0)
    cv = OneClassKFold(2, random_state=0)
    expected = [
        get_scorer("outlier_roc_auc")(
            tiny("WALDO").fit(X[train], labels=known[train]), X[test], y[test]
        )
        for train, test in cv.split(X, y)
    ]
    plain = cross_val_scores(tiny("WALDO"), X, y, cv=cv, params={"labels": known})
    with sklearn.config_context(enable_metadata_routing=True):
        detector = tiny("WALDO").set_fit_request(labels=True)
        routed = cross_val_scores(detector, X, y, cv=cv, params={"labels": known})
    for scores in (plain, routed):
        np.testing.assert_array_equal(scores["outlier_roc_auc"], expected)
    assert (cross_val_scores(tiny("WALDO"), X, y, cv=cv)["outlier_roc_auc"] != expected).any()


def test_cross_val_scores_take_one_name_or_scorers(device):
    X, y = ring(60), labels(50, 10)
    scores = cross_val_scores(tiny("ALAD", device=device), X, y, cv=2)
    assert scores["outlier_roc_auc"].shape == (2,)
    scorers = {"at 5": get_scorer("precision_at_n", n=5)}
    cv = OneClassShuffleSplit(3, random_state=0)
    scores = cross_val_scores(IsolationForest(n_estimators=10), X, y, cv=cv, metrics=scorers)
    assert scores["at 5"].shape == (3,)


def test_no_fold_is_left_out_in_silence():
    y = labels(10, 10)
    inlier = np.flatnonzero(y == 1)[0]  # in one of the test folds

    class Picky(Memory):
        def score_samples(self, X):
            if inlier in X[:, 0]:
                raise ValueError("I do not like this row.")
            return super().score_samples(X)

    with pytest.raises(ValueError, match="I do not like this row"):
        cross_val_scores(Picky(), np.arange(20)[:, None], y, cv=2)


def test_an_unknown_metric_is_refused():
    with pytest.raises(ValueError, match="no scorer 'auc'"):
        cross_val_scores(LocalOutlierFactor(novelty=True), ring(60), labels(50, 10), metrics="auc")


# --------------------------------------------------------------------------- without labels


@both_criteria
@pytest.mark.parametrize("reference", ["uniform", "shuffle"])
@pytest.mark.parametrize("share", [0.25, 1.0])
def test_a_criterion_prefers_what_fits(criterion, reference, share):
    search = GridSearchCV(
        LocalOutlierFactor(novelty=True),
        {"n_neighbors": [10, 310]},  # of 320 rows: the second is blind to the hole in the ring
        scoring=partial(criterion, reference=reference, share=share),
        cv=KFold(shuffle=True, random_state=0),
        error_score="raise",
    ).fit(ring())
    assert search.best_params_ == {"n_neighbors": 10}


@both_criteria
def test_a_criterion_ignores_labels(criterion):
    X = ring()
    detector = LocalOutlierFactor(novelty=True).fit(X[::2])
    assert criterion(detector, X[1::2]) == criterion(detector, X[1::2], labels(100, 100))


@both_criteria
def test_all_candidates_meet_the_same_rows(criterion):
    X = ring()
    detector = LocalOutlierFactor(novelty=True).fit(X[::2])
    assert criterion(detector, X[1::2]) == criterion(detector, X[1::2])
    other = criterion(detector, X[1::2], random_state=1)
    assert other == pytest.approx(criterion(detector, X[1::2]), abs=0.1)
    assert other != criterion(detector, X[1::2])


def test_a_detector_that_knows_nothing_gets_half_and_one_tenth():
    X = np.random.RandomState(0).uniform(size=(2000, 2))
    X[:2] = [0, 0], [1, 1]
    detector = Memory().fit(X)
    assert pseudo_outlier_score(detector, X, share=1.0) == pytest.approx(0.5, abs=0.03)
    # uniform rows pass a threshold as often as the rows do: the mean of alpha from 0.9 to 1
    assert mass_volume_score(detector, X, share=1.0) == pytest.approx(-0.95, abs=0.01)


@pytest.mark.parametrize("reference", ["uniform", "shuffle"])
def test_the_whole_mass_volume_curve_is_the_other_criterion(reference):
    X = ring(1500)
    detector = LocalOutlierFactor(novelty=True).fit(X[::2])
    area = mass_volume_score(detector, X[1::2], min_mass=1e-9, reference=reference)
    expected = pseudo_outlier_score(detector, X[1::2], reference=reference) - 1
    assert area == pytest.approx(expected, abs=0.01)


@given(st.sampled_from(["uniform", "shuffle"]), st.floats(0.01, 1), st.integers(0, 99))
def test_made_up_rows_replace_some_columns_by_values_of_their_range(reference, share, seed):
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(40, 6))
    made_up = _made_up_rows(X, reference, share, rng)
    assert made_up.shape == (1000, 6)
    assert (made_up >= X.min(axis=0)).all()
    assert (made_up <= X.max(axis=0)).all()
    changed = made_up != np.resize(X, (1000, 6))
    if reference == "uniform":
        assert changed.any(axis=1).all()
        n_more = 5 * share  # besides the one that is always replaced
        assert changed.sum(axis=1).mean() == pytest.approx(1 + n_more, abs=0.3)
    else:
        assert all(np.isin(made_up[:, j], X[:, j]).all() for j in range(6))
        assert changed.mean() == pytest.approx((1 + 5 * share) / 6 * 39 / 40, abs=0.05)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
@pytest.mark.parametrize("reference", ["uniform", "shuffle"])
def test_made_up_frames_have_the_columns_and_types_of_the_frame(frame, reference):
    rng = np.random.RandomState(0)
    X = frame(
        {
            "colour": rng.choice(["red", "green"], 50).tolist(),
            "size": rng.normal(size=50),
            "count": rng.randint(3, 9, 50),
            "flag": rng.uniform(size=50) < 0.5,
        }
    )
    if frame is pd.DataFrame:
        X = X.astype({"colour": "category"}).set_index(np.arange(50) * 7)
    made_up = _made_up_rows(X, reference, 1.0, rng)
    assert type(made_up) is type(X)
    assert list(made_up.columns) == list(X.columns)
    assert list(made_up.dtypes) == list(X.dtypes)
    assert set(made_up["colour"]) == {"red", "green"}
    assert set(made_up["count"]) == set(range(3, 9))
    pipeline = make_pipeline(
        make_column_transformer(
            (OneHotEncoder(sparse_output=False), ["colour"]),
            (StandardScaler(), ["size", "count"]),
        ),
        LocalOutlierFactor(novelty=True),
    )
    assert 0 < pseudo_outlier_score(pipeline.fit(X), X, reference=reference) < 1


@pytest.mark.parametrize("reference", ["uniform", "shuffle"])
def test_missing_values_are_taken_as_they_are(reference):
    X = ring(200)
    X[::10, 0] = np.nan
    made_up = _made_up_rows(X, reference, 0.5, np.random.RandomState(0))
    assert 0 < np.isnan(made_up[:, 0]).mean() < 0.15
    assert not np.isnan(made_up[:, 1]).any()


@both_criteria
def test_criteria_refuse_what_they_cannot_use(criterion):
    detector = IsolationForest(n_estimators=5).fit(ring())
    with pytest.raises(ValueError, match="'share' parameter"):
        criterion(detector, ring(), share=0.0)
    with pytest.raises(ValueError, match="'reference' parameter"):
        criterion(detector, ring(), reference="gauss")
    with pytest.raises(AttributeError, match="neither score_samples nor decision_function"):
        criterion(LocalOutlierFactor().fit(ring()), ring())


def test_splits_without_labels_are_scikit_learns():
    search = GridSearchCV(
        IsolationForest(n_estimators=10, random_state=0),
        {"max_features": [1, 2]},
        scoring=mass_volume_score,
        cv=ShuffleSplit(2, random_state=0),
    ).fit(ring())
    assert set(search.best_params_) == {"max_features"}
