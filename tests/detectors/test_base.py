"""Base class of the detectors: training, thresholds, scores, samples, parameters and devices."""

import inspect
import itertools
import pickle
import subprocess
import sys
import tracemalloc
import warnings
from copy import deepcopy
from functools import partial
from typing import get_args

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from common import (
    DETECTORS,
    Spy,
    WatchRows,
    assert_same_bits,
    build_game,
    can,
    differs,
    fitted,
    kinds,
    member_games,
    recorder,
    state,
    table,
    tiny,
)
from hypothesis import given
from hypothesis import strategies as st
from joblib import Parallel, delayed
from numpydoc.docscrape import NumpyDocString
from sklearn.base import clone
from skorch.callbacks import Callback
from threadpoolctl import threadpool_info, threadpool_limits

import skgad
from skgad import ALAD, MLP
from skgad._sklearn_compat import StrOptions
from skgad._threshold import LOWEST_SCORE
from skgad.base import BaseDetector
from skgad.detectors import _base
from skgad.detectors._alad import ALADGame
from skgad.engine.scores import map_rows

every_detector = pytest.mark.parametrize("name", DETECTORS)
every_encoder = pytest.mark.parametrize("name", [n for n in DETECTORS if can(n, "transform")])
every_generator = pytest.mark.parametrize(
    ("name", "kind"), [(n, kind) for n in DETECTORS for kind in kinds(getattr(skgad, n), "sample")]
)

# ----------------------------------------------------------------------- continued training


@every_detector
def test_two_epochs_twice_equal_four_epochs(name, device):
    once = fitted(name, device, max_epochs=4)
    twice = tiny(name, device=device, max_epochs=2, warm_start=True).fit(table())
    assert twice.n_iter_ == 2
    twice.fit(table())
    assert (twice.n_iter_, once.n_iter_) == (4, 4)
    assert_same_bits(state(once), state(twice))
    assert_same_bits(once.train_scores_, twice.train_scores_)
    assert once.offset_ == twice.offset_


@every_detector
def test_training_of_an_ensemble_can_be_continued(name, device):
    once = tiny(name, device=device, n_members=2, max_epochs=4).fit(table())
    twice = tiny(name, device=device, n_members=2, warm_start=True).fit(table()).fit(table())
    assert_same_bits(state(once), state(twice))
    assert_same_bits(once.train_scores_, twice.train_scores_)


@every_detector
def test_fit_and_partial_fit_continue_the_same_training(name, device):
    expected = fitted(name, device, max_epochs=4)
    mixed = tiny(name, device=device, max_epochs=2).partial_fit(table())
    assert mixed.n_iter_ == 1
    mixed.set_params(warm_start=True).fit(table()).partial_fit(table())
    assert mixed.n_iter_ == 4
    assert_same_bits(state(mixed), state(expected))
    assert_same_bits(mixed.score_samples(table()), expected.score_samples(table()))


@every_detector
def test_without_warm_start_fit_builds_new_networks(name, device):
    detector = tiny(name, device=device).fit(table(seed=1)).partial_fit(table(seed=1))
    detector.fit(table())
    assert detector.n_iter_ == 2
    assert_same_bits(state(detector), state(fitted(name, device)))


@every_detector
def test_only_a_new_fit_accepts_another_number_of_features(name, device):
    detector = deepcopy(fitted(name, device))
    assert detector.fit(table(n_features=3)).n_features_in_ == 3
    with pytest.raises(ValueError, match=f"{name} is expecting 3 features"):
        detector.partial_fit(table())
    with pytest.raises(ValueError, match=f"{name} is expecting 3 features"):
        detector.set_params(warm_start=True).fit(table())


@pytest.mark.filterwarnings("ignore:The encoder collapsed", "ignore:The mixture is singular")
@every_detector
def test_partial_fit_accepts_any_number_of_rows(name, device):
    detector = tiny(name, device=device, ema_decay=None).fit(table())
    before = state(detector)
    detector.partial_fit(table(n_samples=1, seed=1))
    assert differs(before, state(detector))
    detector.partial_fit(table(n_samples=100, seed=1))
    assert detector.n_iter_ == 4
    assert detector.train_scores_.shape == (100,)


@every_detector
def test_partial_fit_sets_the_threshold_from_its_own_rows(name, device):
    detector = tiny(name, device=device, contamination=0.25).fit(table())
    detector.partial_fit(table(n_samples=80, seed=1))
    assert (detector.predict(table(n_samples=80, seed=1)) == -1).sum() == 20


def test_a_new_batch_size_applies_to_continued_training(device):
    detector = tiny("ALAD", device=device, batch_size=16).fit(table())
    detector.set_params(batch_size=12).partial_fit(table())
    assert detector.history_[:, "train_batch_count"] == [3, 3, 4]


@every_detector
@pytest.mark.parametrize(("n_samples", "batch_size"), [(33, 16), (17, 16), (16, 16), (5, 64)])
def test_fit_accepts_any_number_of_rows(name, n_samples, batch_size, device):
    sizes = []

    def record(net):
        sizes.append(net.history[-1, "batches", -1, "train_batch_size"])

    params = {"batch_size": batch_size, "callbacks": [Spy("on_batch_end", record)]}
    tiny(name, device=device, max_epochs=1, **params).fit(table(n_samples))
    assert sum(sizes) == n_samples
    assert min(sizes) > 1


@every_detector
@pytest.mark.parametrize(
    ("n_samples", "n_epochs"), [(10, 12), (51, 12), (60, 6), (100, 6), (330, 2)]
)
def test_auto_epochs_give_about_the_same_number_of_mini_batches(name, n_samples, n_epochs, device):
    params = {"max_epochs": "auto", "auto_steps": 12, "batch_size": 50}
    detector = tiny(name, device=device, **params).fit(table(n_samples))
    assert detector.n_iter_ == n_epochs


@every_detector
def test_auto_epochs_are_at_least_one(name, device):
    params = {"max_epochs": "auto", "auto_steps": 2, "batch_size": 10}
    assert tiny(name, device=device, **params).fit(table(90)).n_iter_ == 1


def test_fit_and_predict_do_not_warn(device):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tiny("ALAD", device=device, early_stopping=True, n_members=2).fit(table()).predict(table())


def test_training_scores_that_are_not_finite_are_rejected_and_keep_the_earlier_fit(device):
    def fill_with_nan(net):
        with torch.no_grad():
            for parameter in net.module_.parameters():
                parameter.fill_(np.nan)

    detector = tiny("ALAD", device=device).fit(table())
    scores = detector.score_samples(table())
    detector.set_params(callbacks=[Spy("on_train_end", fill_with_nan)])
    with pytest.raises(
        ValueError, match="some training rows are not finite.*encoding='standard'.*'lr'"
    ):
        detector.fit(table(n_features=3))
    assert_same_bits(detector.score_samples(table()), scores)


# --------------------------------------------------------------------------- early stopping

HOLD_OUT = {"max_epochs": 1, "early_stopping": True}


def record_held_out(rows):
    """Callback that appends the held-out rows of each epoch to a list."""
    return WatchRows(lambda training, x: None if training else rows.append(x))


@every_detector
def test_early_stopping_restores_the_best_epoch(name, device):
    states, patience = [], 3

    def record(net):
        tensors = net.module_.state_dict().items()
        states.append({k: v.cpu().numpy().copy() for k, v in tensors})

    detector = tiny(
        name,
        device=device,
        max_epochs=200,
        lr=0.05,
        early_stopping=True,
        n_iter_no_change=patience,
        callbacks=[Spy("on_epoch_end", record)],
    ).fit(table())
    losses = detector.history_[:, "valid_loss"]
    best = int(np.argmin(losses))
    assert detector.n_iter_ == len(losses) == best + 1 + patience < 200
    restored = state(detector)
    trained = {name for name, _ in detector.net_.module_.named_parameters()}
    assert_same_bits(
        *({k: v for k, v in s.items() if k in trained} for s in (restored, states[best]))
    )
    assert differs(states[best], states[-1])


@pytest.mark.parametrize(("max_epochs", "patience"), [(20, 10), (100, 10), (150, 15)])
def test_auto_patience_is_a_tenth_of_the_epochs_and_at_least_ten(
    max_epochs, patience, device, monkeypatch
):
    losses = itertools.count(1.0)  # it never improves
    monkeypatch.setattr(ALADGame, "validation_loss", lambda game, x: torch.tensor(next(losses)))
    params = {"early_stopping": True, "n_iter_no_change": "auto", "batch_size": 48}
    detector = tiny("ALAD", device=device, max_epochs=max_epochs, **params).fit(table())
    assert detector.n_iter_ == 1 + patience


@every_detector
def test_the_validation_loss_is_that_of_held_out_rows(name, device):
    seen, rows = [], table(n_samples=60)
    watch = WatchRows(lambda training, x: seen.append((training, x)))
    # Copies, because some games change when they are finalized.
    modules, spy = recorder("on_epoch_end", lambda net: deepcopy(net.module_).eval())
    params = {**HOLD_OUT, "validation_fraction": 0.3, "callbacks": [watch, spy]}
    detector = tiny(name, device=device, **params).fit(rows)
    train = np.concatenate([x for training, x in seen if training])
    valid = np.concatenate([x for training, x in seen if not training])
    assert (len(train), len(valid)) == (42, 18)
    together = {tuple(row) for row in np.concatenate([train, valid])}
    assert together == {tuple(row) for row in rows.astype(np.float32)}
    loss = modules[-1].validation_loss(torch.from_numpy(valid).to(device)).item()
    weights = [len(x) for training, x in seen if not training]
    assert weights == [16, 2]
    assert detector.history_[-1, "valid_loss"] == pytest.approx(loss, rel=1e-4)


def test_the_validation_loss_uses_averaged_weights_in_evaluation_mode(device):
    seen = []

    class RecordMode(Callback):
        def on_batch_end(self, net, batch=None, training=False, **kwargs):
            if not training:
                seen.append((batch[0], net.module_.training))

    params = {**HOLD_OUT, "callbacks": [RecordMode()]}
    detector = tiny("ALAD", device=device, ema_decay=0.9, **params).fit(table())
    ((x, is_training_mode),) = seen
    assert not is_training_mode
    losses = {}
    with torch.no_grad():
        for part in ("game", "averaged_game"):
            losses[part] = getattr(detector.net_.module_, part).validation_loss(x).item()
    assert detector.history_[0, "valid_loss"] == pytest.approx(losses["averaged_game"], rel=1e-5)
    assert losses["game"] != pytest.approx(losses["averaged_game"], rel=1e-3)


@pytest.mark.parametrize(("n_samples", "fraction"), [(2, 0.9), (1, 0.1)])
def test_early_stopping_requires_rows_to_train_on(n_samples, fraction, device):
    detector = tiny("ALAD", device=device, early_stopping=True).fit(table())
    detector.set_params(validation_fraction=fraction)
    message = f"validation_fraction={fraction} of the {n_samples} rows, which leaves none to train"
    with pytest.raises(ValueError, match=message):
        detector.partial_fit(table(n_samples))


@every_detector
def test_without_early_stopping_no_rows_are_held_out(name, device):
    detector = fitted(name, device)
    assert "valid_loss" not in detector.history_[-1]
    assert detector.history_[-1]["train_batch_count"] == 3
    assert detector.net_.train_split is None


@every_detector
def test_a_continued_training_holds_out_the_same_rows(name, device):
    held_out = []
    detector = tiny(name, device=device, **HOLD_OUT, callbacks=[record_held_out(held_out)])
    detector.fit(table()).partial_fit(table())
    first, second = held_out
    assert len(first) == 5
    assert_same_bits(first, second)


@pytest.mark.parametrize("random_state", [None, "instance"])
def test_a_continued_training_holds_out_the_same_rows_with_any_random_state(random_state, device):
    if random_state == "instance":
        random_state = np.random.RandomState(0)
    held_out = []
    params = {**HOLD_OUT, "callbacks": [record_held_out(held_out)], "random_state": random_state}
    tiny("ALAD", device=device, **params).fit(table()).partial_fit(table())
    assert_same_bits(*held_out)


def test_random_state_determines_the_held_out_rows(device):
    held_out = []
    for random_state in (0, 1):
        params = {"callbacks": [record_held_out(held_out)], "random_state": random_state}
        tiny("ALAD", device=device, **HOLD_OUT, **params).fit(table())
    assert not np.array_equal(*held_out)


def test_the_same_rows_are_held_out_after_a_failed_fit(device):
    held_out = []
    params = {**HOLD_OUT, "callbacks": [record_held_out(held_out)], "random_state": None}
    detector = tiny("ALAD", device=device, **params).fit(table())
    with pytest.raises(ValueError):
        detector.set_params(lr=1e30, max_epochs=9).fit(table())
    del held_out[1:]
    detector.set_params(lr=1e-2).partial_fit(table())
    assert_same_bits(*held_out)


# ------------------------------------------------------------------------------- thresholds


@every_detector
@given(contamination=st.floats(0.01, 0.5))
def test_contamination_is_the_proportion_of_training_rows_below_the_threshold(
    name, device, contamination
):
    detector = deepcopy(fitted(name, device)).set_threshold(contamination=contamination)
    n_outliers = (detector.predict(table()) == -1).sum()
    assert abs(n_outliers - contamination * 48) < 1


@every_detector
@pytest.mark.parametrize("contamination", [0.125, 0.25, 0.5])
def test_fit_predict_flags_exactly_this_proportion(name, contamination, device):
    detector = tiny(name, device=device, contamination=contamination)
    labels = detector.fit_predict(table())
    assert (labels == -1).sum() == contamination * 48
    assert_same_bits(labels, detector.predict(table()))
    assert set(labels) == {-1, 1}


@every_detector
def test_auto_contamination_is_5_percent_unless_there_is_a_boundary(name, device):
    detector = tiny(name, device=device, contamination="auto").fit(table(n_samples=200))
    if detector.net_.module_.boundary is None:
        assert (detector.predict(table(n_samples=200)) == -1).sum() == 10
    else:
        assert detector.offset_ == -detector.net_.module_.boundary.item()


@every_detector
def test_a_row_on_the_threshold_is_an_inlier(name, device):
    rows = table(n_samples=49)
    detector = tiny(name, device=device, contamination=0.5).fit(rows)
    is_on_threshold = detector.decision_function(rows) == 0
    assert is_on_threshold.sum() == 1  # the median row
    assert detector.predict(rows)[is_on_threshold] == 1
    assert (detector.predict(rows) == -1).sum() == 24


@every_detector
def test_decisions_follow_from_score_and_threshold(name, device):
    detector, rows = fitted(name, device), table(n_samples=100, seed=3)
    scores = detector.score_samples(rows)
    assert scores.dtype == np.float64
    assert_same_bits(detector.decision_function(rows), scores - detector.offset_)
    assert_same_bits(detector.predict(rows), np.where(scores - detector.offset_ < 0, -1, 1))


@every_detector
def test_set_threshold_does_not_train(name, device):
    detector = tiny(name, device=device, contamination=0.25).fit(table())
    before, auto = state(detector), fitted(name, device).offset_
    assert detector.set_threshold(contamination=0.5) is detector
    assert (detector.predict(table()) == -1).sum() == 24
    assert detector.contamination == 0.5
    assert_same_bits(state(detector), before)
    assert detector.n_iter_ == 2
    assert detector.offset_ == tiny(name, device=device, contamination=0.5).fit(table()).offset_
    assert detector.set_threshold(contamination="auto").offset_ == auto


@every_detector
@pytest.mark.parametrize("contamination", [0, 0.0, 0.51, -1, "much", None, np.nan])
def test_an_invalid_contamination_is_rejected_and_changes_nothing(name, contamination, device):
    detector = deepcopy(fitted(name, device))
    before = pickle.dumps(detector)
    with pytest.raises(ValueError, match=f"'contamination' parameter of {name}.set_threshold"):
        detector.set_threshold(contamination=contamination)
    assert pickle.dumps(detector) == before


# ----------------------------------------------------------------------------------- scores


@every_detector
def test_train_scores_are_those_of_score_samples(name, device):
    detector = fitted(name, device)
    assert_same_bits(detector.train_scores_, detector.score_samples(table()))
    assert detector.train_scores_.dtype == np.float64


def test_train_scores_of_several_blocks_are_those_of_score_samples(device):
    rows = table(n_samples=1100)
    detector = tiny("ALAD", device=device, max_epochs=1, batch_size=550, n_members=2).fit(rows)
    assert_same_bits(detector.train_scores_, detector.score_samples(rows))


@every_detector
def test_a_single_member_keeps_the_score_of_the_paper(name, device):
    detector = fitted(name, device, n_members=1)
    x = torch.from_numpy(table().astype(np.float32)).to(device)
    with torch.no_grad():
        scores = detector.net_.module_.scorer.score(x).cpu().numpy()
    np.testing.assert_allclose(detector.score_samples(table()), -scores, rtol=1e-4, atol=1e-6)


@every_detector
def test_members_are_averaged_in_units_of_the_training_scores(name, device):
    detector, rows = fitted(name, device, n_members=3), table(n_samples=20, seed=2)

    def member_scores(rows):
        x = torch.from_numpy(rows.astype(np.float32)).to(device)
        with torch.no_grad():
            scores = [game.score(x) for game in member_games(detector)]
        return torch.stack(scores).cpu().double().numpy()

    low, median, high = np.percentile(member_scores(table()), [25, 50, 75], axis=1)[..., None]
    expected = -((member_scores(rows) - median) / (high - low)).mean(0)
    np.testing.assert_allclose(detector.score_samples(rows), expected, rtol=1e-3, atol=1e-4)
    assert len({*median.ravel()}) == 3


@every_detector
@given(order=st.permutations(range(48)))
def test_scores_of_an_ensemble_do_not_depend_on_the_other_rows(name, device, order):
    detector = fitted(name, device, n_members=3)
    expected = detector.score_samples(table())[order[:11]]
    assert_same_bits(detector.score_samples(table()[order[:11]]), expected)


def test_inference_with_skorch_returns_the_anomaly_score(device):
    detector = fitted("ALAD", device)
    x = torch.from_numpy(table().astype(np.float32))
    with torch.no_grad():
        scores = detector.net_.module_(x.to(device)).cpu().numpy()
    np.testing.assert_allclose(-scores, detector.score_samples(table()), rtol=1e-4, atol=1e-6)


def test_rows_whose_scores_overflow_have_the_lowest_score(device):
    detector = tiny("ALAD", device=device, score_type="l2").fit(table())
    rows, expected = table(), detector.score_samples(table())
    rows[:2], expected[:2] = 1e38, LOWEST_SCORE
    assert_same_bits(detector.score_samples(rows), expected)


# ------------------------------------------------------------------- samples, rows and codes


@every_detector
@pytest.mark.parametrize("n_members", [1, 2])
def test_shapes_and_dtypes_of_reconstructions_and_codes(name, n_members, device):
    detector = fitted(name, device, n_members=n_members)
    for kind in kinds(detector, "sample"):
        assert detector.sample(kind=kind).shape == (1, 4)
        rows = detector.sample(7, kind=kind, random_state=0)
        assert (rows.shape, rows.dtype) == ((7, 4), np.float32)
    for kind in kinds(detector, "reconstruct"):
        rows = detector.reconstruct(table(n_samples=9), kind=kind)
        assert (rows.shape, rows.dtype) == ((9, 4), np.float32)
    if can(name, "transform"):
        codes = detector.transform(table(n_samples=9))
        assert (codes.shape, codes.dtype) == ((9, 2 * n_members), np.float32)
    assert detector.score_samples(table(n_samples=9)).shape == (9,)


@every_generator
@given(small=st.integers(1, 30), more=st.integers(0, 1500))
def test_a_larger_sample_starts_with_a_smaller_one(name, kind, device, small, more):
    detector = fitted(name, device, n_members=2)
    large = detector.sample(small + more, kind=kind, random_state=5)
    assert_same_bits(large[:small], detector.sample(small, kind=kind, random_state=5))


@every_generator
def test_random_state_determines_a_sample(name, kind, device):
    sample = partial(fitted(name, device).sample, kind=kind)
    one = sample(5, random_state=1)
    assert_same_bits(one, sample(5, random_state=1))
    assert_same_bits(one, sample(5, random_state=np.random.RandomState(1)))
    assert (one != sample(5, random_state=2)).any()
    assert (sample(5) != sample(5)).any()
    assert len(np.unique(sample(2000, random_state=0), axis=0)) == 2000
    rng = np.random.RandomState(1)
    assert (sample(5, random_state=rng) != sample(5, random_state=rng)).any()


@every_encoder
def test_codes_have_names_and_can_be_data_frames(name, device):
    detector = tiny(name, device=device, n_members=2).fit(table())
    names = [f"{name.lower()}{i}" for i in range(4)]
    assert detector.get_feature_names_out().tolist() == names
    codes = detector.transform(table())
    for container, frame in (("pandas", pd.DataFrame), ("polars", pl.DataFrame)):
        framed = detector.set_output(transform=container).transform(table())
        assert isinstance(framed, frame)
        assert list(framed.columns) == names
        assert_same_bits(framed.to_numpy(), codes)
    rows = pd.DataFrame(table(), index=np.arange(48) * 2, columns=list("abcd"))
    framed = detector.set_output(transform="pandas").fit(rows).transform(rows)
    assert framed.index.tolist() == rows.index.tolist()


@every_encoder
def test_fit_transform_equals_fit_and_transform(name, device):
    codes = tiny(name, device=device).fit_transform(table())
    assert_same_bits(codes, fitted(name, device).transform(table()))


@every_detector
@pytest.mark.parametrize(("verb", "argument"), [("sample", 3), ("reconstruct", table())])
def test_a_kind_that_is_not_available_lists_the_detectors_that_have_it(
    name, verb, argument, device
):
    detector = fitted(name, device)
    able = [other for other in DETECTORS if "outlier" in kinds(tiny(other), verb)]
    assert "WALDO" in able
    if name in able:
        assert getattr(detector, verb)(argument, kind="outlier").shape[1] == 4
        return
    only = ", only of kind='inlier'" if can(name, verb) else ""
    message = rf"{name} cannot {verb} rows of kind='outlier'{only}\. "
    with pytest.raises(ValueError, match=message) as error:
        getattr(detector, verb)(argument, kind="outlier")
    listed = str(error.value).rstrip(".").split(": ")[1].split(", ")
    assert sorted(listed) == sorted(able)


@pytest.mark.parametrize("verb", ["sample", "reconstruct"])
@pytest.mark.parametrize("name", ["ALAD", "RCGAN", "WAE"])
def test_some_detectors_generate_inliers_only(name, verb, device):
    detector = fitted(name, device)
    argument = 3 if verb == "sample" else table()
    message = f"{name} cannot {verb} rows of kind='outlier', only of kind='inlier'"
    with pytest.raises(ValueError, match=message):
        getattr(detector, verb)(argument, kind="outlier")


# ------------------------------------------------------------------------------- parameters


def parameters_of(cls):
    """Parameters of the constructor of a detector, by name."""
    return inspect.signature(cls).parameters


class LessAveragedALAD(ALAD):
    """ALAD with other defaults and one more parameter."""

    ema_decay: float | None = 0.5
    latent_weight: float = 0.2
    momentum: float = 0.9


def test_a_subclass_can_override_defaults():
    detector = LessAveragedALAD()
    assert (detector.ema_decay, detector.latent_weight, detector.momentum) == (0.5, 0.2, 0.9)
    assert detector.get_params().keys() - ALAD().get_params().keys() == {"momentum"}
    assert detector.lr == ALAD().lr
    assert (ALAD().ema_decay, ALAD().latent_weight) == (0.99, 0.1)
    assert LessAveragedALAD(ema_decay=None).ema_decay is None
    assert clone(detector.set_params(momentum=0.5)).momentum == 0.5
    assert repr(LessAveragedALAD()) == "LessAveragedALAD()"
    assert repr(LessAveragedALAD(ema_decay=0.99)) == "LessAveragedALAD(ema_decay=0.99)"


def test_a_subclass_with_other_defaults_trains_with_them(device):
    params = {"device": device, "max_epochs": 2, "random_state": 0}
    detector = LessAveragedALAD(**params).fit(table())
    expected = ALAD(ema_decay=0.5, latent_weight=0.2, **params).fit(table())
    assert_same_bits(state(detector), state(expected))
    assert detector.net_.module_.game.momentum == 0.9


@every_detector
def test_misspelled_parameters_are_rejected(name):
    cls = getattr(skgad, name)
    with pytest.raises(TypeError, match="unexpected keyword argument 'latent_dimension'"):
        cls(latent_dimension=3)
    with pytest.raises(ValueError, match=f"Invalid parameter 'latent_dimension' for .*{name}"):
        cls().set_params(latent_dimension=3)
    with pytest.raises(TypeError, match="positional argument"):
        cls(3)


@pytest.mark.parametrize("cls", [LessAveragedALAD, *map(skgad.__dict__.get, DETECTORS)])
def test_the_signature_lists_own_parameters_before_shared_ones(cls):
    names, shared = list(parameters_of(cls)), list(parameters_of(BaseDetector))
    n_own = len(names) - len(shared)
    assert n_own > 0
    assert names[n_own:] == shared
    assert set(names) == cls().get_params(deep=False).keys()


@every_detector
def test_every_parameter_is_described_in_the_docstring(name):
    cls = getattr(skgad, name)
    parameters = NumpyDocString(inspect.getdoc(cls))["Parameters"]
    assert [parameter.name for parameter in parameters] == list(parameters_of(cls))
    assert all(parameter.type and parameter.desc for parameter in parameters)
    assert "{shared" not in cls.__doc__


@every_detector
def test_fitted_attributes_are_described_in_the_docstring(name, device):
    detector = fitted(name, device)
    attributes = NumpyDocString(inspect.getdoc(type(detector)))["Attributes"]
    described = {attribute.name for attribute in attributes}
    assert {key for key in vars(detector) if key.endswith("_")} <= described
    assert not [key for key in described if hasattr(tiny(name), key)]


def strings_of(annotation):
    """Strings that a type allows."""
    if isinstance(annotation, str):
        return {annotation}
    return set().union(*map(strings_of, get_args(annotation)))


@every_detector
def test_types_of_string_parameters_agree_with_the_constraints(name):
    cls = getattr(skgad, name)
    for parameter in parameters_of(cls).values():
        constraints = cls._parameter_constraints[parameter.name]
        options = [c.options for c in constraints if isinstance(c, StrOptions)]
        assert strings_of(parameter.annotation) == set().union(*options), parameter.name


@every_detector
def test_a_game_receives_the_own_parameters_of_the_detector(name):
    detector = tiny(name)
    params = detector.game_params()
    own = parameters_of(type(detector)).keys() - parameters_of(BaseDetector).keys()
    assert own <= params.keys()
    assert not params.keys() & parameters_of(BaseDetector).keys()
    assert {key: params[key] for key in own} == {key: getattr(detector, key) for key in own}
    game = build_game(detector)
    assert all(hasattr(game, key) for key in params)


def test_constants_and_fitted_attributes_are_not_parameters():
    not_parameters = {"game_class", "adam_params", "auto_threshold", "net_", "offset_"}
    assert not not_parameters & ALAD().get_params().keys()
    assert not hasattr(ALAD(), "net_")


def test_the_constructor_only_assigns(device):
    assert vars(ALAD(lr="wrong", device=device)).keys() == ALAD().get_params(deep=False).keys()
    assert ALAD(lr="wrong").lr == "wrong"


# ----------------------------------------------------------------------------------- threads


def test_detectors_in_several_threads_do_not_affect_each_other(device):
    def work(seed):
        detector = tiny("ALAD", device=device, random_state=seed, max_epochs=5).fit(table(100))
        return detector.score_samples(table()), detector.sample(5, random_state=seed)

    before = torch.get_rng_state()
    expected = [work(seed) for seed in range(4)]
    in_threads = Parallel(n_jobs=4, backend="threading")(delayed(work)(i) for i in range(4))
    for one, other in zip(expected, in_threads, strict=True):
        assert_same_bits(one[0], other[0])
        assert_same_bits(one[1], other[1])
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("activation", ["gelu", "silu", "elu"])
def test_scores_do_not_depend_on_the_order_of_rows_with_several_threads(activation, device):
    rows = np.random.default_rng(0).normal(size=(1500, 33)).astype(np.float32)
    order = np.random.default_rng(1).permutation(len(rows))
    networks = MLP(hidden_layer_sizes=(256, 128), activation=activation)
    detector = tiny("ALAD", device=device, networks=networks, max_epochs=1).fit(rows[:100])
    torch.set_num_threads(3)
    try:
        assert_same_bits(detector.score_samples(rows)[order], detector.score_samples(rows[order]))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(1)


def test_scoring_does_not_limit_thread_pools_that_threads_share(device):
    """Otherwise, threads that score at the same time would restore each other's limits."""
    shared = []

    def record_limits(x):
        shared.extend(p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas")
        return x[:, 0]

    detector = tiny("ALAD", device=device).fit(table())
    with threadpool_limits(2, user_api="blas"):
        map_rows(detector.net_.module_, np.float32(table()), record_limits)
    assert set(shared) == {2}


# ------------------------------------------------------------------------ global state of torch


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_gradients_are_computed_inside_no_grad_and_inference_mode(mode, device):
    with mode():
        detector = tiny("ALAD", device=device).fit(table()).partial_fit(table())
        assert not torch.is_grad_enabled()
    expected = tiny("ALAD", device=device).fit(table()).partial_fit(table())
    assert_same_bits(state(detector), state(expected))


def test_computations_are_in_float32_with_any_default_dtype(device):
    expected = tiny("ALAD", device=device).fit(table())
    torch.set_default_dtype(torch.float64)
    try:
        detector = tiny("ALAD", device=device).fit(table())
        assert torch.get_default_dtype() == torch.float64
        assert_same_bits(detector.score_samples(table()), expected.score_samples(table()))
        samples = detector.sample(3, random_state=0)
    finally:
        torch.set_default_dtype(torch.float32)
    assert_same_bits(samples, expected.sample(3, random_state=0))


def test_tensors_are_accepted_as_tables(device):
    detector = tiny("ALAD", device=device).fit(table())
    rows = torch.tensor(table(), requires_grad=True)
    assert_same_bits(detector.score_samples(rows), detector.score_samples(table()))


# ----------------------------------------------------------------------------------- devices


def test_the_net_is_a_skorch_net_on_the_device(device):
    import skorch

    detector = fitted("ALAD", device)
    assert isinstance(detector.net_, skorch.NeuralNet)
    assert {p.device.type for p in detector.net_.module_.parameters()} == {device}


class Stop(Exception):
    """Raised by a callback to stop a training."""


def test_networks_and_rows_are_on_the_device(monkeypatch):
    """The device "meta" exists on every machine. Its tensors have no values, so stop early."""
    devices = set()

    class RecordDevices(Callback):
        def on_batch_begin(self, net, batch=None, **kwargs):
            devices.update(p.device.type for p in (*net.module_.parameters(), batch[0]))
            raise Stop

    net_params = {"optimizer": torch.optim.SGD}  # fused Adam does not support "meta"
    monkeypatch.setattr(_base, "choose_device", lambda *_: torch.device("meta"))  # is rejected
    with pytest.raises(Stop):
        tiny("ALAD", net_params=net_params, callbacks=[RecordDevices()]).fit(table())
    assert devices == {"meta"}


def test_a_device_that_is_not_available_is_rejected(device):
    message = r"device='xpu' is not available on this machine\. Use 'auto'"
    with pytest.raises(ValueError, match=message):
        tiny("ALAD", device="xpu").fit(table())


def test_a_continued_training_cannot_change_its_device(device):
    detector = tiny("ALAD", device=device).fit(table())
    scores = detector.score_samples(table())
    detector.set_params(device="meta")
    message = f"device='meta' differs from {device}.*, where this detector was trained"
    with pytest.raises(ValueError, match=message):
        detector.partial_fit(table())
    assert_same_bits(detector.score_samples(table()), scores)
    assert detector.set_params(device="auto").partial_fit(table()).n_iter_ == 3


def test_training_on_the_cpu_does_not_touch_the_generators_of_gpus(monkeypatch):
    def fail(*args, **kwargs):
        raise AssertionError("a GPU was used")

    once = tiny("ALAD", device="cpu", max_epochs=4).fit(table())
    monkeypatch.setattr(torch, "manual_seed", fail)  # it seeds all devices
    for name in ("manual_seed", "manual_seed_all", "get_rng_state", "set_rng_state"):
        monkeypatch.setattr(torch.cuda, name, fail)
    twice = tiny("ALAD", device="cpu", max_epochs=2, warm_start=True).fit(table()).fit(table())
    assert_same_bits(state(twice), state(once))
    assert_same_bits(twice.sample(3, random_state=0), once.sample(3, random_state=0))


def test_a_detector_trained_on_cuda_can_be_loaded_without_cuda(device, tmp_path):
    if device != "cuda":
        pytest.skip("needs a CUDA device: run pytest with --device cuda")
    detector = fitted("ALAD", device, n_members=2)
    path = tmp_path / "detector.pkl"
    path.write_bytes(pickle.dumps(detector))
    code = (
        "import pickle, sys, torch, numpy as np\n"
        "assert not torch.cuda.is_available()\n"
        "with open(sys.argv[1], 'rb') as file:\n"
        "    detector = pickle.load(file)\n"
        "rows = np.load(sys.argv[2])\n"
        "np.save(sys.argv[3], detector.score_samples(rows))\n"
        "detector.sample(3), detector.transform(rows), detector.reconstruct(rows)\n"
        "detector.set_params(device='cpu').partial_fit(rows)\n"
    )
    np.save(tmp_path / "rows.npy", table())
    files = [str(path), str(tmp_path / "rows.npy"), str(tmp_path / "scores.npy")]
    environment = {"CUDA_VISIBLE_DEVICES": "", "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", code, *files], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(
        np.load(tmp_path / "scores.npy"), detector.score_samples(table()), rtol=1e-3, atol=1e-4
    )


def test_a_training_on_cuda_can_be_continued_after_pickling(device):
    if device != "cuda":
        pytest.skip("needs a CUDA device: run pytest with --device cuda")
    one = tiny("ALAD", device="cuda", warm_start=True).fit(table())
    two = pickle.loads(pickle.dumps(one))
    assert_same_bits(state(one.partial_fit(table())), state(two.partial_fit(table())))


# ------------------------------------------------------------------------------------ memory


@every_detector
def test_the_detector_does_not_store_the_training_rows(name, device):
    detector = tiny(name, device=device, early_stopping=True).fit(table(100))
    n_stored = getattr(detector, "reservoir_size", 0)  # ARN samples variants of these rows
    rows, pickled = table(100).astype(np.float32), pickle.dumps(detector)
    assert sum(row.tobytes() in pickled for row in rows) <= n_stored
    assert detector.net_.train_split is None


@pytest.mark.parametrize("dtype", [np.float64, np.int16, np.float32, np.longdouble])
def test_rows_are_converted_to_float32_one_block_at_a_time(dtype, device):
    few = (10 * table(100, 20)).astype(dtype)
    detector = tiny("ALAD", device=device, networks=MLP(hidden_layer_sizes=(8,)), batch_size=128)
    rows = np.tile(few, (500, 1))
    expected = detector.fit(few.astype(np.float32)).score_samples(few.astype(np.float32))
    tracemalloc.start()
    scores = detector.fit(few).score_samples(rows)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert_same_bits(scores, np.tile(expected, 500))
    assert peak < 0.6 * rows.size * 4  # a float32 copy would take more, the scores take 0.1 of it


@pytest.mark.parametrize("value", [1e39, -1e39])
def test_values_beyond_float32_are_rejected(value, device):
    detector = fitted("ALAD", device)
    rows = table()
    rows[3, 1] = value
    with pytest.raises(ValueError, match="value too large for float32: .* in row 3 of column 1"):
        detector.score_samples(rows)
    with pytest.raises(ValueError, match="value too large for float32: .* in row 3 of column 1"):
        tiny("ALAD", device=device).fit(rows)


class OneParameter(ALAD):
    """A detector whose constructor is written by hand."""

    def __init__(self, *, width=4):
        self.width = width


def test_a_constructor_written_by_hand_is_kept():
    assert list(parameters_of(OneParameter)) == ["width"]
    assert OneParameter(width=3).get_params() == {"width": 3}


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"n_members": 10**12}, ValueError, r"n_members.*range \[1, 10000\]. Got 1000000000000"),
        ({"max_epochs": 10**12}, ValueError, r"max_epochs.*range \[1, 1000000000\]"),
        ({"latent_dim": 10**12}, MemoryError, "ALAD needs .* bytes.*such as 'latent_dim'"),
        ({"networks__hidden_layer_sizes": (10**12,)}, MemoryError, "sizes of the networks"),
        ({"device": "meta"}, ValueError, "device='meta' computes nothing"),
    ],
)
def test_absurd_sizes_are_rejected(params, error, message):
    with pytest.raises(error, match=message):
        tiny("ALAD", device="cpu").set_params(**params).fit(table())


@pytest.mark.parametrize("name", ["batch_size", "auto_steps", "n_iter_no_change"])
def test_sizes_that_exceed_the_table_mean_all_of_it(name):
    detector = tiny("DSEBM", **{name: 10**30}).fit(table())
    assert np.isfinite(detector.score_samples(table())).all()
