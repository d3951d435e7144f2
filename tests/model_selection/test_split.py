"""Splitters that keep outliers out of the training folds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_selection_common import FirstColumn, shuffled_labels
from sklearn.model_selection import KFold, cross_validate

from skgad.metrics import SCORERS
from skgad.model_selection import OneClassKFold, OneClassShuffleSplit

both_splitters = pytest.mark.parametrize("Splitter", [OneClassKFold, OneClassShuffleSplit])


@given(st.integers(2, 5), st.integers(0, 20), st.integers(0, 9), st.integers(0, 99), st.booleans())
def test_folds_divide_the_inliers_and_all_test_the_outliers(k, more, n_outliers, seed, shuffle):
    y = shuffled_labels(k + more, n_outliers + 1, seed)
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
def test_outliers_can_be_divided_too(k, more_inliers, more_outliers, seed):
    y = shuffled_labels(k + more_inliers, k + more_outliers, seed)
    splitter = OneClassKFold(k, random_state=seed, outliers="split")
    tests = [test for _, test in splitter.split(y, y)]
    assert sorted(np.concatenate(tests)) == list(range(len(y)))
    numbers = [(y[test] == -1).sum() for test in tests]
    assert max(numbers) - min(numbers) <= 1


def test_without_shuffling_the_inliers_are_split_like_kfold():
    y = shuffled_labels(10, 3)
    inliers = np.flatnonzero(y == 1)
    ours = OneClassKFold(3, shuffle=False).split(y, y)
    for (train, _), (expected, _) in zip(ours, KFold(3).split(inliers), strict=True):
        np.testing.assert_array_equal(train, inliers[expected])


@pytest.mark.parametrize("test_size", [0.25, 5])
def test_random_splits_have_the_given_sizes(test_size):
    y = shuffled_labels(20, 8)
    splitter = OneClassShuffleSplit(4, test_size=test_size, random_state=0)
    for train, test in splitter.split(y, y):
        assert (y[train] == 1).all()
        assert (len(train), (y[test] == 1).sum(), (y[test] == -1).sum()) == (15, 5, 8)
    splitter.outliers = "split"
    for train, test in splitter.split(y, y):
        assert (len(train), (y[test] == 1).sum(), (y[test] == -1).sum()) == (15, 5, 2)
    splitter.train_size = 3
    assert [len(train) for train, _ in splitter.split(y, y)] == [3] * 4


def test_half_of_the_inliers_are_tested_by_default():
    y = shuffled_labels(20, 8)
    train, test = next(OneClassShuffleSplit(random_state=0).split(y, y))
    assert (len(train), len(test)) == (10, 18)


@both_splitters
def test_random_state_determines_the_splits(Splitter):
    y = shuffled_labels(20, 4)

    def splits(seed):
        return [
            np.concatenate(pair).tolist() for pair in Splitter(3, random_state=seed).split(y, y)
        ]

    assert splits(0) == splits(0)
    assert splits(0) != splits(1)
    assert len({str(split) for split in splits(0)}) == 3


@both_splitters
def test_other_labels_need_a_pos_label(Splitter):
    y = shuffled_labels(20, 4)
    expected = list(Splitter(2, random_state=0).split(y, y))
    for other, pos_label in (
        ((y == -1).astype(int), 1),
        (np.where(y == -1, "outlier", "inlier"), "outlier"),
    ):
        got = Splitter(2, random_state=0, pos_label=pos_label).split(y, other)
        for pair, expected_pair in zip(got, expected, strict=True):
            np.testing.assert_array_equal(pair[0], expected_pair[0])
            np.testing.assert_array_equal(pair[1], expected_pair[1])
    with pytest.raises(ValueError, match="-1 for outliers and 1 for inliers, got"):
        next(Splitter().split(y, (y == -1).astype(int)))


@both_splitters
def test_invalid_labels_raise_an_error(Splitter):
    y = shuffled_labels(20, 4)
    with pytest.raises(ValueError, match=f"{Splitter.__name__} requires y"):
        next(Splitter().split(y))
    with pytest.raises(ValueError, match="y contains no outliers among its 3 labels"):
        next(Splitter().split([[0]] * 3, [1, 1, 1]))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        next(Splitter().split(y[:3], y))
    with pytest.raises(ValueError, match="outliers must be 'all' or 'split', got 'some'"):
        next(Splitter(outliers="some").split(y, y))


def test_too_few_rows_for_the_folds_raise_an_error():
    with pytest.raises(ValueError, match="n_splits=5 is greater than the number of inliers, 3"):
        next(OneClassKFold().split([0] * 9, shuffled_labels(3, 6)))
    with pytest.raises(ValueError, match="n_splits=5 is greater than the number of outliers, 3"):
        next(OneClassKFold(outliers="split").split([0] * 9, shuffled_labels(6, 3)))


@both_splitters
def test_training_folds_contain_inliers_only(Splitter, monkeypatch):
    monkeypatch.setattr(FirstColumn, "training_sets", [])
    y = shuffled_labels(30, 6)
    X = np.column_stack([y, np.arange(36)])
    cross_validate(
        FirstColumn(), X, y, cv=Splitter(3, random_state=0), scoring=SCORERS["outlier_roc_auc"]
    )
    assert len(FirstColumn.training_sets) == 3
    for X_train, y_train in FirstColumn.training_sets:
        assert (X_train[:, 0] == 1).all()
        assert set(y_train) == {1}


@both_splitters
def test_splitters_have_a_number_of_splits_and_a_repr(Splitter):
    splitter = Splitter(4, random_state=0)
    assert splitter.get_n_splits() == 4
    assert repr(splitter).startswith(f"{Splitter.__name__}(n_splits=4, outliers='all'")
