"""The base class of the detectors: training on, thresholds, early stopping, what it gives."""

import pickle
import subprocess
import sys
import tracemalloc
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from common import (
    DETECTORS,
    TINY,
    Spy,
    WatchRows,
    assert_same_bits,
    differs,
    fitted,
    kinds,
    state,
    table,
    tiny,
)
from hypothesis import given
from hypothesis import strategies as st
from joblib import Parallel, delayed
from skorch.callbacks import Callback
from threadpoolctl import threadpool_info, threadpool_limits

from skgad import ALAD, MLP
from skgad.detectors._alad import ALADGame
from skgad.engine.scores import map_rows

every_detector = pytest.mark.parametrize("name", DETECTORS)

# ------------------------------------------------------------------------------ training on


@every_detector
def test_twice_two_epochs_are_four(name, device):
    once = tiny(name, device=device, max_epochs=4).fit(table())
    twice = tiny(name, device=device, max_epochs=2, warm_start=True).fit(table())
    assert twice.n_iter_ == 2
    twice.fit(table())
    assert (twice.n_iter_, once.n_iter_) == (4, 4)
    assert_same_bits(state(once), state(twice))
    assert_same_bits(once.train_scores_, twice.train_scores_)
    assert once.offset_ == twice.offset_


@every_detector
def test_fit_and_partial_fit_make_one_training(name, device):
    expected = tiny(name, device=device, max_epochs=4).fit(table())
    mixed = tiny(name, device=device, max_epochs=2).partial_fit(table())
    assert mixed.n_iter_ == 1
    mixed.set_params(warm_start=True).fit(table()).partial_fit(table())
    assert mixed.n_iter_ == 4
    assert_same_bits(state(mixed), state(expected))
    assert_same_bits(mixed.score_samples(table()), expected.score_samples(table()))


@every_detector
def test_without_warm_start_fit_starts_again(name, device):
    detector = tiny(name, device=device).fit(table(seed=1)).partial_fit(table(seed=1))
    detector.fit(table())
    assert detector.n_iter_ == 2
    assert_same_bits(state(detector), state(tiny(name, device=device).fit(table())))


@every_detector
def test_fit_may_take_another_table_and_go_on_may_not(name, device):
    detector = tiny(name, device=device).fit(table())
    assert detector.fit(table(n_features=3)).n_features_in_ == 3
    with pytest.raises(ValueError, match=f"{name} is expecting 3 features"):
        detector.partial_fit(table())
    with pytest.raises(ValueError, match=f"{name} is expecting 3 features"):
        detector.set_params(warm_start=True).fit(table())


def last_weights(name):
    """What makes a detector score with its last weights."""
    return {"ema_decay": None} if "ema_decay" in TINY[name] else {}


@every_detector
def test_partial_fit_takes_a_single_row_and_another_number_of_them(name, device):
    detector = tiny(name, device=device, **last_weights(name)).fit(table())
    before = state(detector)
    detector.partial_fit(table(n_samples=1, seed=1))
    assert differs(before, state(detector))
    detector.partial_fit(table(n_samples=100, seed=1))
    assert detector.n_iter_ == 4
    assert detector.train_scores_.shape == (100,)


@every_detector
def test_the_threshold_follows_the_rows_that_are_trained_on(name, device):
    detector = tiny(name, device=device, contamination=0.25).fit(table())
    detector.partial_fit(table(n_samples=80, seed=1))
    assert (detector.predict(table(n_samples=80, seed=1)) == -1).sum() == 20


@every_detector
@pytest.mark.parametrize(("n_samples", "batch_size"), [(33, 16), (17, 16), (16, 16), (5, 64)])
def test_every_number_of_rows_can_be_trained_on(name, n_samples, batch_size, device):
    sizes = []

    def record(net):
        sizes.append(net.history[-1, "batches", -1, "train_batch_size"])

    tiny(
        name,
        device=device,
        max_epochs=1,
        batch_size=batch_size,
        callbacks=[Spy("on_batch_end", record)],
    ).fit(table(n_samples))
    assert sum(sizes) == n_samples
    assert min(sizes) > 1


@every_detector
@pytest.mark.parametrize(
    ("n_samples", "n_epochs"), [(10, 12), (51, 12), (60, 6), (100, 6), (330, 2)]
)
def test_auto_epochs_give_about_the_same_number_of_batches(
    name, n_samples, n_epochs, device, monkeypatch
):
    monkeypatch.setattr(type(tiny(name)), "auto_steps", 12)
    detector = tiny(name, device=device, max_epochs="auto", batch_size=50).fit(table(n_samples))
    assert detector.n_iter_ == n_epochs


@every_detector
def test_a_single_epoch_is_trained_on_more_rows_than_auto_asks_for(name, device, monkeypatch):
    monkeypatch.setattr(type(tiny(name)), "auto_steps", 2)
    assert tiny(name, device=device, max_epochs="auto", batch_size=10).fit(table(90)).n_iter_ == 1


# --------------------------------------------------------------------------- early stopping


@every_detector
def test_early_stopping_stops_and_restores_the_best_epoch(name, device):
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


@every_detector
def test_the_validation_loss_is_that_of_rows_held_out_of_training(name, device):
    seen, rows = [], table(n_samples=60)

    class Watch(Spy):
        def on_batch_begin(self, net, batch=None, training=False, **kwargs):
            seen.append((training, batch[0].cpu().numpy()))

    detector = tiny(
        name,
        device=device,
        max_epochs=1,
        early_stopping=True,
        validation_fraction=0.3,
        callbacks=[Watch("", None)],
    ).fit(rows)
    train = np.concatenate([x for training, x in seen if training])
    valid = np.concatenate([x for training, x in seen if not training])
    assert (len(train), len(valid)) == (42, 18)
    together = {tuple(row) for row in np.concatenate([train, valid])}
    assert together == {tuple(row) for row in rows.astype(np.float32)}
    loss = detector.net_.module_.validation_loss(torch.from_numpy(valid).to(device)).item()
    weights = [len(x) for training, x in seen if not training]
    assert weights == [16, 2]
    assert detector.history_[-1, "valid_loss"] == pytest.approx(loss, rel=1e-4)


@every_detector
def test_the_same_rows_are_held_out_when_training_goes_on(name, device):
    held_out = []

    class Watch(Spy):
        def on_batch_begin(self, net, batch=None, training=False, **kwargs):
            if not training:
                held_out.append(batch[0].cpu().numpy())

    detector = tiny(
        name, device=device, max_epochs=1, early_stopping=True, callbacks=[Watch("", None)]
    )
    detector.fit(table()).partial_fit(table())
    first, second = held_out
    assert len(first) == 5
    assert_same_bits(first, second)


@pytest.mark.parametrize(("n_samples", "fraction"), [(2, 0.9), (1, 0.1)])
def test_early_stopping_says_which_rows_are_missing(n_samples, fraction, device):
    detector = tiny("ALAD", device=device, early_stopping=True).fit(table())
    detector.set_params(validation_fraction=fraction)
    message = f"holds {fraction} of the rows out, and of {n_samples} that leaves none to train on"
    with pytest.raises(ValueError, match=message):
        detector.partial_fit(table(n_samples))


@every_detector
def test_without_early_stopping_nothing_is_held_out(name, device):
    detector = tiny(name, device=device).fit(table())
    assert "valid_loss" not in detector.history_[-1]
    assert detector.history_[-1]["train_batch_count"] == 3
    assert detector.net_.train_split is None


@every_detector
def test_the_detector_does_not_keep_the_training_rows(name, device):
    detector = tiny(name, device=device, early_stopping=True).fit(table(100))
    kept = getattr(detector, "reservoir_size", 0) if name == "ARN" else 0  # to make variants of
    rows, pickled = table(100).astype(np.float32), pickle.dumps(detector)
    assert sum(row.tobytes() in pickled for row in rows) <= kept
    assert detector.net_.train_split is None


# ------------------------------------------------------------------------------- thresholds


@every_detector
@given(share=st.floats(0.01, 0.5))
def test_contamination_is_the_share_of_training_rows_below_the_threshold(name, device, share):
    detector = clone_of(fitted(name, device)).set_threshold(contamination=share)
    flagged = (detector.predict(table()) == -1).sum()
    assert abs(flagged - share * 48) < 1


def clone_of(detector):
    return pickle.loads(pickle.dumps(detector))


@every_detector
@pytest.mark.parametrize("contamination", [0.125, 0.25, 0.5])
def test_fit_flags_exactly_its_contamination(name, contamination, device):
    detector = tiny(name, device=device, contamination=contamination)
    labels = detector.fit_predict(table())
    assert (labels == -1).sum() == contamination * 48
    assert_same_bits(labels, detector.predict(table()))
    assert set(labels) == {-1, 1}


@every_detector
def test_the_training_scores_are_kept_and_are_those_of_score_samples(name, device):
    detector = fitted(name, device)
    assert_same_bits(detector.train_scores_, detector.score_samples(table()))
    assert detector.train_scores_.dtype == np.float64


@every_detector
def test_decision_and_labels_follow_from_score_and_threshold(name, device):
    detector, rows = fitted(name, device), table(n_samples=100, seed=3)
    scores = detector.score_samples(rows)
    assert scores.dtype == np.float64
    assert_same_bits(detector.decision_function(rows), scores - detector.offset_)
    assert_same_bits(detector.predict(rows), np.where(scores - detector.offset_ < 0, -1, 1))


@every_detector
def test_the_threshold_moves_without_training(name, device):
    detector = tiny(name, device=device, contamination=0.25).fit(table())
    before, auto = state(detector), tiny(name, device=device).fit(table()).offset_
    assert detector.set_threshold(contamination=0.5) is detector
    assert (detector.predict(table()) == -1).sum() == 24
    assert detector.contamination == 0.5
    assert_same_bits(state(detector), before)
    assert detector.n_iter_ == 2
    assert detector.offset_ == tiny(name, device=device, contamination=0.5).fit(table()).offset_
    assert detector.set_threshold(contamination="auto").offset_ == auto


@every_detector
@pytest.mark.parametrize("contamination", [0, 0.0, 0.51, -1, "much", None, np.nan])
def test_a_threshold_that_is_none_is_refused_and_changes_nothing(name, contamination, device):
    detector = clone_of(fitted(name, device))
    before = pickle.dumps(detector)
    with pytest.raises(ValueError, match=f"'contamination' parameter of {name}.set_threshold"):
        detector.set_threshold(contamination=contamination)
    assert pickle.dumps(detector) == before


# ------------------------------------------------------------------- samples, rows and codes


@every_detector
@pytest.mark.parametrize("n_members", [1, 2])
def test_shapes_and_types_of_what_is_generated(name, n_members, device):
    detector = fitted(name, device, n_members=n_members)
    assert detector.sample().shape == (1, 4)
    rows = detector.sample(7, random_state=0)
    assert (rows.shape, rows.dtype) == ((7, 4), np.float32)
    rows = detector.reconstruct(table(n_samples=9))
    assert (rows.shape, rows.dtype) == ((9, 4), np.float32)
    codes = detector.transform(table(n_samples=9))
    assert (codes.shape, codes.dtype) == ((9, 2 * n_members), np.float32)
    assert detector.score_samples(table(n_samples=9)).shape == (9,)


@every_detector
@given(small=st.integers(1, 30), more=st.integers(0, 1500))
def test_a_sample_begins_with_every_smaller_one(name, device, small, more):
    detector = fitted(name, device, n_members=2)
    large = detector.sample(small + more, random_state=5)
    assert_same_bits(large[:small], detector.sample(small, random_state=5))


@every_detector
def test_samples_are_determined_by_their_own_random_state(name, device):
    detector = fitted(name, device)
    one = detector.sample(5, random_state=1)
    assert_same_bits(one, detector.sample(5, random_state=1))
    assert_same_bits(one, detector.sample(5, random_state=np.random.RandomState(1)))
    assert (one != detector.sample(5, random_state=2)).any()
    assert (detector.sample(5) != detector.sample(5)).any()
    assert len(np.unique(detector.sample(2000, random_state=0), axis=0)) == 2000
    rng = np.random.RandomState(1)
    assert (detector.sample(5, random_state=rng) != detector.sample(5, random_state=rng)).any()


@every_detector
def test_codes_can_be_named_and_framed(name, device):
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


@every_detector
def test_fit_transform_is_fit_and_transform(name, device):
    codes = tiny(name, device=device).fit_transform(table())
    assert_same_bits(codes, tiny(name, device=device).fit(table()).transform(table()))


@every_detector
@pytest.mark.parametrize(("verb", "argument"), [("sample", 3), ("reconstruct", table())])
def test_a_kind_that_a_method_cannot_produce_names_those_that_can(name, verb, argument, device):
    detector = fitted(name, device)
    able = [other for other in DETECTORS if "outlier" in kinds(tiny(other), verb)]
    assert "WALDO" in able
    if name in able:
        assert getattr(detector, verb)(argument, kind="outlier").shape[1] == 4
        return
    message = rf"{name} cannot {verb} rows of kind='outlier', only of kind='inlier'\. "
    with pytest.raises(ValueError, match=message) as error:
        getattr(detector, verb)(argument, kind="outlier")
    listed = str(error.value).rstrip(".").split(": ")[1].split(", ")
    assert sorted(listed) == sorted(able)


# ---------------------------------------------------------------------------------- members


@every_detector
def test_members_are_averaged_in_units_of_the_training_scores(name, device):
    detector, rows = fitted(name, device, n_members=3), table(n_samples=20, seed=2)

    def member_scores(rows):
        x = torch.from_numpy(rows.astype(np.float32)).to(device)
        with torch.no_grad():
            scores = [game.score(x) for game in detector.net_.module_.scorers]
        return torch.stack(scores).cpu().double().numpy()

    low, median, high = np.percentile(member_scores(table()), [25, 50, 75], axis=1)[..., None]
    expected = -((member_scores(rows) - median) / (high - low)).mean(0)
    np.testing.assert_allclose(detector.score_samples(rows), expected, rtol=1e-3, atol=1e-4)
    assert len({*median.ravel()}) == 3


@every_detector
def test_a_member_alone_keeps_the_papers_score(name, device):
    detector = fitted(name, device, n_members=1)
    x = torch.from_numpy(table().astype(np.float32)).to(device)
    with torch.no_grad():
        scores = detector.net_.module_.scorers[0].score(x).cpu().numpy()
    np.testing.assert_allclose(detector.score_samples(table()), -scores, rtol=1e-4, atol=1e-6)


@every_detector
@given(order=st.permutations(range(48)))
def test_scores_of_members_do_not_depend_on_the_other_rows(name, device, order):
    detector = fitted(name, device, n_members=3)
    expected = detector.score_samples(table())[order[:11]]
    assert_same_bits(detector.score_samples(table()[order[:11]]), expected)


@every_detector
def test_members_go_on_training_too(name, device):
    once = tiny(name, device=device, n_members=2, max_epochs=4).fit(table())
    twice = tiny(name, device=device, n_members=2, warm_start=True).fit(table()).fit(table())
    assert_same_bits(state(once), state(twice))
    assert_same_bits(once.train_scores_, twice.train_scores_)


# --------------------------------------------------------------------------------- the rest


def test_scores_too_large_for_a_float_are_refused(device):
    detector = tiny("ALAD", device=device, score_type="l2").fit(table())
    rows = table()
    rows[:2] = 1e38
    with pytest.raises(ValueError, match=r"scores of 2 of 48 rows are not finite.*up to 1e\+38"):
        detector.score_samples(rows)
    assert np.isfinite(detector.score_samples(rows[2:])).all()


def test_construction_does_nothing(device):
    assert vars(ALAD(lr="wrong", device=device)).keys() == ALAD().get_params(deep=False).keys()
    assert ALAD(lr="wrong").lr == "wrong"


def test_the_net_is_a_skorch_net_on_the_device(device):
    import skorch

    detector = fitted("ALAD", device)
    assert isinstance(detector.net_, skorch.NeuralNet)
    assert {p.device.type for p in detector.net_.module_.parameters()} == {device}


def test_skorchs_own_inference_gives_the_anomaly_score(device):
    detector = fitted("ALAD", device)
    x = torch.from_numpy(table().astype(np.float32))
    with torch.no_grad():
        scores = detector.net_.module_(x.to(device)).cpu().numpy()
    np.testing.assert_allclose(-scores, detector.score_samples(table()), rtol=1e-4, atol=1e-6)


def test_a_detector_trained_on_cuda_loads_where_there_is_none(device, tmp_path):
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


def test_a_detector_trained_on_cuda_goes_on_there(device):
    if device != "cuda":
        pytest.skip("needs a CUDA device: run pytest with --device cuda")
    one = tiny("ALAD", device="cuda").fit(table())
    two = clone_of(one)
    assert_same_bits(state(one.partial_fit(table())), state(two.partial_fit(table())))


def test_fitting_warns_of_nothing(device):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tiny("ALAD", device=device, early_stopping=True, n_members=2).fit(table()).predict(table())


# ---------------------------------------------------------------------------------- threads


def test_threads_train_and_sample_as_if_they_were_alone(device):
    def work(seed):
        detector = tiny("ALAD", device=device, random_state=seed, max_epochs=5).fit(table(100))
        return detector.score_samples(table()), detector.sample(5, random_state=seed)

    before = torch.get_rng_state()
    expected = [work(seed) for seed in range(4)]
    side_by_side = Parallel(n_jobs=4, backend="threading")(delayed(work)(i) for i in range(4))
    for one, other in zip(expected, side_by_side, strict=True):
        assert_same_bits(one[0], other[0])
        assert_same_bits(one[1], other[1])
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("activation", ["gelu", "silu", "elu"])
def test_scores_do_not_depend_on_the_order_with_several_threads(activation, device):
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


def test_scoring_limits_no_pool_that_all_threads_share(device):
    """Otherwise threads that score side by side restore each other's limits."""
    shared = []

    def look(x):
        shared.extend(p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas")
        return x[:, 0]

    detector = tiny("ALAD", device=device).fit(table())
    with threadpool_limits(2, user_api="blas"):
        map_rows(detector.net_.module_, np.float32(table()), look)
    assert set(shared) == {2}


# ------------------------------------------------------------------------------ torch's own state


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_gradients_are_computed_whatever_the_caller_has_set(mode, device):
    with mode():
        detector = tiny("ALAD", device=device).fit(table()).partial_fit(table())
        assert not torch.is_grad_enabled()
    expected = tiny("ALAD", device=device).fit(table()).partial_fit(table())
    assert_same_bits(state(detector), state(expected))


def test_numbers_are_float32_whatever_the_default_is(device):
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


def test_tensors_are_taken_as_arrays(device):
    detector = tiny("ALAD", device=device).fit(table())
    rows = torch.tensor(table(), requires_grad=True)
    assert_same_bits(detector.score_samples(rows), detector.score_samples(table()))


# ----------------------------------------------------------------------------------- devices


def test_a_device_that_is_not_here_is_refused(device):
    with pytest.raises(ValueError, match="device='xpu' cannot be used here: use 'auto'"):
        tiny("ALAD", device="xpu").fit(table())


def test_a_training_goes_on_where_it_is(device):
    detector = tiny("ALAD", device=device).fit(table())
    scores = detector.score_samples(table())
    detector.set_params(device="meta")
    with pytest.raises(ValueError, match=f"'meta' was asked for, but .* was trained on {device}"):
        detector.partial_fit(table())
    assert_same_bits(detector.score_samples(table()), scores)
    assert detector.set_params(device="auto").partial_fit(table()).n_iter_ == 3


def test_on_the_cpu_no_generator_of_a_gpu_is_touched(monkeypatch):
    def fail(*args, **kwargs):
        raise AssertionError("a GPU was used")

    once = tiny("ALAD", device="cpu", max_epochs=4).fit(table())
    monkeypatch.setattr(torch, "manual_seed", fail)  # it seeds all of them
    for name in ("manual_seed", "manual_seed_all", "get_rng_state", "set_rng_state"):
        monkeypatch.setattr(torch.cuda, name, fail)
    twice = tiny("ALAD", device="cpu", max_epochs=2, warm_start=True).fit(table()).fit(table())
    assert_same_bits(state(twice), state(once))
    assert_same_bits(twice.sample(3, random_state=0), once.sample(3, random_state=0))


# ------------------------------------------------------------------------------------ memory


@pytest.mark.parametrize("dtype", [np.float64, np.int16, np.float32, np.longdouble])
def test_rows_become_floats_one_block_at_a_time(dtype, device):
    few = (10 * table(100, 20)).astype(dtype)
    detector = tiny("ALAD", device=device, networks=MLP(hidden_layer_sizes=(8,)), batch_size=128)
    rows = np.tile(few, (500, 1))
    expected = detector.fit(few.astype(np.float32)).score_samples(few.astype(np.float32))
    tracemalloc.start()
    scores = detector.fit(few).score_samples(rows)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert_same_bits(scores, np.tile(expected, 500))
    assert peak < 0.6 * rows.size * 4  # a copy as float32 would take more; scores take 0.1 of it


@pytest.mark.parametrize("value", [1e39, -1e39])
def test_numbers_beyond_float32_are_refused(value, device):
    detector = fitted("ALAD", device)
    rows = table()
    rows[3, 1] = value
    with pytest.raises(ValueError, match=r"too large for dtype\('float32'\)"):
        detector.score_samples(rows)
    with pytest.raises(ValueError, match=r"too large for dtype\('float32'\)"):
        tiny("ALAD", device=device).fit(rows)


# ------------------------------------------------------------- what is held out, and how judged


def that_holds_out(seen, **params):
    """An ALAD that writes down the rows that it holds out in each of its epochs."""
    watch = WatchRows(lambda training, rows: None if training else seen.append(rows))
    return tiny("ALAD", max_epochs=1, early_stopping=True, callbacks=[watch], **params)


@pytest.mark.parametrize("random_state", [None, "instance"])
def test_the_same_rows_are_held_out_whatever_the_random_state(random_state, device):
    if random_state == "instance":
        random_state = np.random.RandomState(0)
    seen = []
    that_holds_out(seen, device=device, random_state=random_state).fit(table()).partial_fit(table())
    assert_same_bits(*seen)


def test_which_rows_are_held_out_is_a_matter_of_the_random_state(device):
    seen = []
    for random_state in (0, 1):
        that_holds_out(seen, device=device, random_state=random_state).fit(table())
    assert not np.array_equal(*seen)


def test_after_a_failing_refit_the_same_rows_are_held_out(device):
    seen = []
    detector = that_holds_out(seen, device=device, random_state=None).fit(table())
    with pytest.raises(ValueError):
        detector.set_params(lr=1e30, max_epochs=9).fit(table())
    del seen[1:]
    detector.set_params(lr=1e-2).partial_fit(table())
    assert_same_bits(*seen)


@pytest.mark.parametrize(("max_epochs", "patience"), [(20, 10), (100, 10), (150, 15)])
def test_auto_patience_is_a_tenth_of_the_epochs_and_at_least_ten(
    max_epochs, patience, device, monkeypatch
):
    def worse_and_worse(game, x):
        return torch.tensor(1.0 + game.epoch)

    monkeypatch.setattr(ALADGame, "validation_loss", worse_and_worse)
    params = {"early_stopping": True, "n_iter_no_change": "auto", "batch_size": 48}
    detector = tiny("ALAD", device=device, max_epochs=max_epochs, **params).fit(table())
    assert detector.n_iter_ == 1 + patience


def test_held_out_rows_are_judged_by_the_averages_and_as_in_scoring(device):
    seen = []

    class Look(Spy):
        def on_batch_end(self, net, batch=None, training=False, **kwargs):
            if not training:
                seen.append((batch[0], net.module_.training))

    params = {"early_stopping": True, "max_epochs": 1, "callbacks": [Look("", None)]}
    detector = tiny("ALAD", device=device, ema_decay=0.9, **params).fit(table())
    ((x, training),) = seen
    assert not training  # batch-norm and dropout
    losses = {}
    with torch.no_grad():
        for part in ("games", "averages"):
            (made,) = getattr(detector.net_.module_, part)
            losses[part] = made.validation_loss(x).item()
    assert detector.history_[0, "valid_loss"] == pytest.approx(losses["averages"], rel=1e-5)
    assert losses["games"] != pytest.approx(losses["averages"], rel=1e-3)


@every_detector
def test_auto_is_a_contamination_of_5_percent_unless_there_is_a_boundary(name, device):
    detector = tiny(name, device=device, contamination="auto").fit(table(n_samples=200))
    if detector.net_.module_.boundary is None:
        assert (detector.predict(table(n_samples=200)) == -1).sum() == 10
    else:
        assert detector.offset_ == -detector.net_.module_.boundary.item()


@every_detector
def test_a_row_on_the_threshold_is_an_inlier(name, device):
    rows = table(n_samples=49)
    detector = tiny(name, device=device, contamination=0.5).fit(rows)
    on_it = detector.decision_function(rows) == 0
    assert on_it.sum() == 1  # the median row
    assert detector.predict(rows)[on_it] == 1
    assert (detector.predict(rows) == -1).sum() == 24


def test_a_changed_batch_size_counts_when_training_goes_on(device):
    detector = tiny("ALAD", device=device, batch_size=16).fit(table())
    detector.set_params(batch_size=12).partial_fit(table())
    assert detector.history_[:, "train_batch_count"] == [3, 3, 4]


def test_scores_that_are_not_finite_after_training_are_refused_and_lose_nothing(device):
    def spoil(net):
        with torch.no_grad():
            for parameter in net.module_.parameters():
                parameter.fill_(np.nan)

    detector = tiny("ALAD", device=device).fit(table())
    scores = detector.score_samples(table())
    detector.set_params(callbacks=[Spy("on_train_end", spoil)])
    with pytest.raises(ValueError, match="scores that are not finite.*StandardScaler.*'lr'"):
        detector.fit(table(n_features=3))
    assert_same_bits(detector.score_samples(table()), scores)


def test_the_training_scores_are_those_of_more_rows_than_a_block(device):
    rows = table(n_samples=1100)
    detector = tiny("ALAD", device=device, max_epochs=1, batch_size=550, n_members=2).fit(rows)
    assert_same_bits(detector.train_scores_, detector.score_samples(rows))


@pytest.mark.parametrize("verb", ["sample", "reconstruct"])
@pytest.mark.parametrize("name", ["ALAD", "RCGAN", "WAE"])
def test_detectors_of_inliers_make_no_outliers(name, verb, device):
    detector = fitted(name, device)
    argument = 3 if verb == "sample" else table()
    with pytest.raises(ValueError, match=f"{name} cannot {verb} kind='outlier', only inlier"):
        getattr(detector, verb)(argument, kind="outlier")


class Stop(Exception):
    """Raised by a callback."""


def test_the_device_reaches_the_networks_and_the_rows(monkeypatch):
    """On "meta", which every machine has: its tensors have no numbers, so stop at the first."""
    devices = set()

    class Look(Callback):
        def on_batch_begin(self, net, batch=None, **kwargs):
            devices.update(p.device.type for p in (*net.module_.parameters(), *batch))
            raise Stop

    net_params = {"optimizer": torch.optim.SGD}  # fused Adam refuses "meta"
    with pytest.raises(Stop):
        tiny("ALAD", device="meta", net_params=net_params, callbacks=[Look()]).fit(table())
    assert devices == {"meta"}
