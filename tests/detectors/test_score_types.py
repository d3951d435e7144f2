"""Anomaly scores that are changed after the training."""

import inspect
import pickle
from itertools import chain
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from common import DETECTORS, assert_same_bits, fitted, samples, state, table, tiny
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import skgad
from skgad import MLP, ConvNet
from skgad.base import LabelledDetector
from skgad.detectors._alad import ALADGame


def score_types(name):
    """Values of the parameter `score_type` of a detector, if it has one."""
    parameters = inspect.signature(getattr(skgad, name)).parameters
    if "score_type" not in parameters:
        return ()
    parts = get_args(parameters["score_type"].annotation)
    return tuple(chain(*(get_args(part) or (part,) for part in parts)))


SCORED = DETECTORS
LABELLED = [name for name in SCORED if issubclass(getattr(skgad, name), LabelledDetector)]
every_detector = pytest.mark.parametrize("name", SCORED)
every_score_type = pytest.mark.parametrize(
    ("name", "score_type"), [(name, kind) for name in SCORED for kind in score_types(name)]
)

#: Known labels of the rows of ``table()``.
LABELS = np.repeat([1, 0, -1], [12, 30, 6])


def copy_of(detector):
    """Copy of a fitted detector, which a test may change."""
    return pickle.loads(pickle.dumps(detector))


def other_than(score_type, name):
    """Another score type of a detector."""
    return next(kind for kind in score_types(name) if kind != score_type)


def assert_same_scores(detector, expected):
    """Compare all that depends on the score type, to the last bit."""
    rows = table(n_samples=20, seed=1)
    assert detector.score_type == expected.score_type
    assert_same_bits(detector.train_scores_, expected.train_scores_)
    assert detector.offset_ == expected.offset_
    for method in ("score_samples", "decision_function", "predict"):
        assert_same_bits(getattr(detector, method)(rows), getattr(expected, method)(rows))
    assert_same_bits(detector.score_samples(table()), detector.train_scores_)


# -------------------------------------------------------------------------- the new scores


def test_the_detectors_with_several_scores():
    assert set(SCORED) >= {"ALAD", "RCGAN", "WALDO", "CoRA", "AMA", "ARN"}
    assert all(len(score_types(name)) > 1 for name in SCORED)


@every_score_type
@pytest.mark.parametrize("n_members", [1, 3])
def test_scores_are_those_of_a_training_with_this_score_type(name, score_type, n_members, device):
    expected = fitted(name, device, score_type=score_type, n_members=n_members)
    for before in score_types(name):
        detector = copy_of(fitted(name, device, score_type=before, n_members=n_members))
        assert detector.set_score_type(score_type, table()) is detector
        assert_same_scores(detector, expected)
        assert_same_bits(state(detector), state(expected))


@every_score_type
def test_the_threshold_is_that_of_a_training_with_this_contamination(name, score_type, device):
    params = {"device": device, "contamination": 0.25}
    detector = tiny(name, score_type=other_than(score_type, name), **params).fit(table())
    expected = tiny(name, score_type=score_type, **params).fit(table())
    assert_same_scores(detector.set_score_type(score_type, table()), expected)
    assert (detector.predict(table()) == -1).sum() == 12


@every_score_type
def test_scores_are_those_of_a_training_with_early_stopping(name, score_type, device):
    params = {"early_stopping": True, "max_epochs": 4}
    before = other_than(score_type, name)
    detector = tiny(name, device=device, score_type=before, **params).fit(table())
    expected = tiny(name, device=device, score_type=score_type, **params).fit(table())
    assert_same_scores(detector.set_score_type(score_type, table()), expected)


@pytest.mark.parametrize("name", LABELLED)
@pytest.mark.parametrize("n_members", [1, 3])
def test_scores_are_those_of_a_training_with_known_labels(name, n_members, device):
    for score_type in score_types(name):
        params = {"device": device, "n_members": n_members}
        detector = tiny(name, score_type=other_than(score_type, name), **params)
        expected = tiny(name, score_type=score_type, **params)
        for each in (detector, expected):
            each.fit(table(), labels=LABELS)
        assert_same_scores(detector.set_score_type(score_type, table()), expected)
        assert_same_bits(detector.labels_, expected.labels_)


@every_detector
def test_all_games_have_the_new_score_type(name, device):
    for score_type in score_types(name):
        detector = copy_of(fitted(name, device)).set_score_type(score_type, table())
        games = detector.net_.module_.games
        meant = "mahalanobis+neighbors+density" if score_type == "auto" else score_type
        assert {game.score_type for game in games} == {meant}


@pytest.mark.parametrize("convert", [pd.DataFrame, sparse.csr_array, np.float32, np.ndarray.tolist])
def test_rows_can_be_in_any_container_that_fit_accepts(convert, device):
    rows = convert(table().astype(np.float32))
    if convert is pd.DataFrame:
        rows.columns = list("abcd")
    detector = tiny("ALAD", device=device, score_type="l1").fit(rows)
    expected = tiny("ALAD", device=device, score_type="l2").fit(rows)
    detector.set_score_type("l2", rows)
    assert_same_bits(detector.train_scores_, expected.train_scores_)
    assert detector.offset_ == expected.offset_


def test_set_score_type_does_not_train(device):
    detector = tiny("ALAD", device=device).fit(table())
    before, codes = state(detector), detector.transform(table())
    samples = detector.sample(3, random_state=0)
    detector.set_score_type("l2", table())
    assert detector.n_iter_ == len(detector.history_) == 2
    assert_same_bits(state(detector), before)
    assert_same_bits(detector.transform(table()), codes)
    assert_same_bits(detector.sample(3, random_state=0), samples)


@every_detector
def test_a_changed_score_type_is_kept_by_pickling_and_cloning(name, device):
    score_type = other_than(tiny(name).score_type, name)
    detector = copy_of(fitted(name, device)).set_score_type(score_type, table())
    assert_same_scores(copy_of(detector), detector)
    assert clone(detector).score_type == score_type


# ----------------------------------------------------------------------- invalid arguments


@every_detector
@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (table(n_samples=47), "X has 47 rows, but the detector was trained on 48"),
        (table(n_samples=1), "X has 1 rows, but the detector was trained on 48"),
        (table(n_features=3), "X has 3 features, but .* is expecting 4 features"),
        (np.full((48, 4), np.nan), "Input X contains NaN"),
    ],
)
def test_other_rows_are_rejected_and_change_nothing(name, rows, message, device):
    detector = copy_of(fitted(name, device))
    before = pickle.dumps(detector)
    with pytest.raises(ValueError, match=message):
        detector.set_score_type(other_than(detector.score_type, name), rows)
    assert pickle.dumps(detector) == before


@every_detector
@pytest.mark.parametrize("score_type", ["feature", "", None, 1])
def test_an_invalid_score_type_is_rejected_and_changes_nothing(name, score_type, device):
    detector = copy_of(fitted(name, device))
    before = pickle.dumps(detector)
    message = f"The 'score_type' parameter of {name}.set_score_type must be a str among"
    with pytest.raises(ValueError, match=message):
        detector.set_score_type(score_type, table())
    assert pickle.dumps(detector) == before


@every_detector
def test_set_score_type_requires_a_fitted_detector(name):
    detector = tiny(name)
    with pytest.raises(NotFittedError):
        detector.set_score_type(detector.score_type, table())


def test_a_score_that_requires_a_network_is_rejected_without_it(device):
    detector = tiny("WALDO", device=device, outlier_decoder=False).fit(table())
    before = pickle.dumps(detector)
    with pytest.raises(ValueError, match="outlier_decoder=False"):
        detector.set_score_type("difference", table())
    assert pickle.dumps(detector) == before


def test_scores_that_are_not_finite_are_rejected_and_change_nothing(device, monkeypatch):
    score = ALADGame.score

    def score_with_nan(game, x):
        return score(game, x) * (np.nan if game.score_type == "l2" else 1)

    monkeypatch.setattr(ALADGame, "score", score_with_nan)
    detector = tiny("ALAD", device=device).fit(table())
    before = pickle.dumps(detector)
    with pytest.raises(ValueError, match="scores of some training rows are not finite"):
        detector.set_score_type("l2", table())
    assert pickle.dumps(detector) == before


# -------------------------------------------------------------------------- set_params alone

METHODS = ["score_samples", "decision_function", "predict"]


@every_detector
@pytest.mark.parametrize("method", METHODS)
def test_set_params_alone_makes_scoring_raise_an_error(name, method, device):
    detector = copy_of(fitted(name, device))
    before = detector.score_type
    score_type = other_than(before, name)
    detector.set_params(score_type=score_type)
    message = (
        f"score_type='{score_type}' was set after this {name} had been fitted with "
        rf"score_type='{before}'\. Call set_score_type\('{score_type}', X\)"
    )
    for each in (detector, copy_of(detector)):
        with pytest.raises(ValueError, match=message):
            getattr(each, method)(table())


@every_detector
def test_set_params_alone_leaves_codes_reconstructions_and_samples(name, device):
    expected, detector = fitted(name, device), copy_of(fitted(name, device))
    detector.set_params(score_type=other_than(detector.score_type, name))
    assert_same_bits(detector.transform(table()), expected.transform(table()))
    assert_same_bits(detector.reconstruct(table()), expected.reconstruct(table()))
    assert_same_bits(samples(detector, 3), samples(expected, 3))


@every_detector
def test_scoring_works_again_after_set_score_type_fit_or_the_old_value(name, device):
    before = tiny(name).score_type
    score_type = other_than(before, name)
    expected = fitted(name, device, score_type=score_type)

    def changed():
        return copy_of(fitted(name, device)).set_params(score_type=score_type)

    assert_same_scores(changed().set_score_type(score_type, table()), expected)
    assert_same_scores(changed().fit(table()), expected)
    assert_same_scores(changed().set_params(score_type=before), fitted(name, device))
    assert_same_bits(changed().fit_predict(table()), expected.predict(table()))


@every_detector
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_scoring_works_again_after_a_continued_training(name, method, device):
    score_type = other_than(tiny(name).score_type, name)
    expected = tiny(name, device=device, score_type=score_type, warm_start=True).fit(table())
    detector = tiny(name, device=device, warm_start=True).fit(table())
    detector.set_params(score_type=score_type)
    for each in (detector, expected):
        getattr(each, method)(table())
    assert_same_scores(detector, expected)


# ---------------------------------------------------------------------- continued training


@every_detector
@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_training_continues_with_the_new_score_type(name, n_members, method, device):
    score_type = other_than(tiny(name).score_type, name)
    params = {"device": device, "n_members": n_members, "warm_start": True}
    expected = tiny(name, score_type=score_type, **params).fit(table())
    detector = tiny(name, **params).fit(table()).set_score_type(score_type, table())
    for each in (detector, expected):
        getattr(each, method)(table())
    assert_same_bits(state(detector), state(expected))
    assert_same_scores(detector, expected)


def test_training_rows_are_those_of_the_last_partial_fit(device):
    rows = table(n_samples=30, seed=2)
    detector = tiny("ALAD", device=device).fit(table()).partial_fit(rows)
    expected = tiny("ALAD", device=device, score_type="l2").fit(table()).partial_fit(rows)
    detector.set_score_type("l2", rows)
    assert_same_bits(detector.train_scores_, expected.train_scores_)
    assert detector.offset_ == expected.offset_


def test_the_threshold_can_be_changed_after_the_score_type(device):
    detector = copy_of(fitted("ALAD", device)).set_score_type("l2", table())
    detector.set_threshold(contamination=0.25)
    assert (detector.predict(table()) == -1).sum() == 12


@every_detector
def test_other_rows_than_the_training_rows_are_rejected(name, device):
    detector = tiny(name, device=device).fit(table())
    before = pickle.dumps(detector)
    for other in (table(seed=1), table()[::-1]):
        with pytest.raises(ValueError, match="pass the training rows, in the same order"):
            detector.set_score_type(other_than(detector.score_type, name), other)
    assert pickle.dumps(detector) == before


def test_auto_is_the_own_score_for_images_and_wide_tables():
    learned = "mahalanobis+neighbors+density"
    images = ConvNet(image_shape=(1, 4, 4), channels=(2,))
    X = np.random.default_rng(0).normal(size=(30, 1025)).astype(np.float32)
    for rows, networks, meant in (
        (X[:, :16], MLP((4,)), learned),
        (X[:, :16], images, "combined"),
        (X[:, :1024], MLP((4,)), learned),
        (X, MLP((4,)), "combined"),
    ):
        detector = tiny("ALAD", score_type="auto", networks=networks, max_epochs=1).fit(rows)
        assert detector.net_.module_.game.score_type == meant
        assert detector.score_samples(rows).shape == (30,)
