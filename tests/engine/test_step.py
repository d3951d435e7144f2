"""The captured training step: the same bits as the played one, and when it is only played."""

import pickle
import threading
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from common import (
    DETECTORS,
    LABELLED,
    Spy,
    assert_same_bits,
    recorder,
    state,
    table,
    tiny,
)
from engine_common import ROWS, initialized_net
from image_common import image_detector, pixels
from skorch.callbacks import Callback, GradientNormClipping
from torch import nn

import skgad.engine.net
import skgad.engine.step
from skgad.callbacks import WeightAveraging
from skgad.engine.data import Rows
from skgad.engine.step import MAX_GRAPHS, N_WARM_UP, CUDARecorder
from skgad.networks._random import current_generators, member_generators


class FakeRecorder:
    """Captures as CUDA does, on the CPU: capturing executes nothing, replaying reads the tensors.

    Tensors of the net and generators are put back after a capture, and a replay calls the function
    again, but gives its results in the tensors of the captured result only.
    """

    def __init__(self, net):
        self.net = net
        self.n_warm_up = self.n_captured = self.n_replayed = 0

    def warm_up(self, function):
        self.n_warm_up += 1
        return function()

    def capture(self, function):
        net, generators = self.net, [torch.default_generator]
        generators += [own["cpu"] for own in current_generators()]
        tensors = [*net.module_.parameters(), *net.module_.buffers()]
        tensors += [t for values in net.optimizer_.state.values() for t in values.values()]
        before = [t.detach().clone() for t in tensors]
        states = [generator.get_state() for generator in generators]
        try:
            result = function()
        finally:
            with torch.no_grad():
                for tensor, value in zip(tensors, before, strict=True):
                    tensor.copy_(value)
            for generator, value in zip(generators, states, strict=True):
                generator.set_state(value)
        self.n_captured += 1

        def replay():
            self.n_replayed += 1
            for name, value in function().items():
                result[name].copy_(value)

        return replay, result


@pytest.fixture
def fakes(monkeypatch):
    """The fake recorders of all trainings inside the test. The detectors must be on the CPU."""
    made = []

    def recorder_for(net):
        if not net.capture:
            return None
        made.append(FakeRecorder(net))
        return made[-1]

    monkeypatch.setattr(skgad.engine.net, "recorder_for", recorder_for)
    return made


PLAYED = {"net_params": {"capture": False}}


def history(detector):
    return [
        {name: value for name, value in row.items() if name not in ("dur", "batches")}
        for row in detector.history_
    ]


def assert_same_training(one, other):
    assert_same_bits(state(one), state(other))
    assert_same_bits(one.train_scores_, other.train_scores_)
    assert history(one) == history(other)


LABELS = np.repeat([-1, 1, 0], [6, 12, 30])

# ------------------------------------------------------------------------------ equal bits


@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize(
    ("name", "labels"),
    [(name, "unlabeled") for name in DETECTORS] + [(name, "labeled") for name in LABELLED],
)
def test_a_captured_training_equals_a_played_one_to_the_bit(name, labels, n_members, fakes):
    params = {"n_members": n_members, "device": "cpu", "max_epochs": 8, "lr_schedule": "linear"}
    fit_params = {"labels": LABELS} if labels == "labeled" else {}
    params |= {"ema_decay": 0.9}
    captured = tiny(name, **params).fit(table(), **fit_params)
    played = tiny(name, **params, **PLAYED).fit(table(), **fit_params)
    assert_same_training(captured, played)
    assert len(fakes) == 1
    assert captured.net_.eager_reason_ is None
    assert fakes[0].n_captured > 0
    assert fakes[0].n_replayed >= 10
    rates = [group["lr"] for group in captured.net_.optimizer_.param_groups]
    assert all(isinstance(rate, float) for rate in rates)
    again = pickle.loads(pickle.dumps(captured))
    assert_same_bits(again.score_samples(table()), captured.score_samples(table()))


@pytest.mark.parametrize("name", DETECTORS)
def test_a_captured_training_equals_a_played_one_on_the_device(name, device):
    if device == "cpu":
        pytest.skip("steps are captured on CUDA devices only")
    params = {"device": device, "max_epochs": 8, "lr_schedule": "linear", "ema_decay": 0.9}
    for n_members in (1, 3):
        captured = tiny(name, n_members=n_members, **params).fit(table())
        played = tiny(name, n_members=n_members, **params, **PLAYED).fit(table())
        assert captured.net_.eager_reason_ is None
        assert_same_training(captured, played)


def test_a_game_of_which_the_capture_fails_is_played_on_the_device(device):
    params = {"device": device, "max_epochs": 8, "penalty": cpu_noise}
    detector = tiny("RCGAN", **params).fit(table())
    assert_same_training(detector, tiny("RCGAN", **params, **PLAYED).fit(table()))
    assert device == "cpu" or "cannot be captured" in detector.net_.eager_reason_


def cpu_noise(generator, shape):
    return torch.randn(shape, generator=generator)


def test_optimizers_of_torch_are_captured(fakes):
    for optimizer in (torch.optim.RMSprop, torch.optim.SGD, torch.optim.AdamW):
        params = {"device": "cpu", "max_epochs": 5, "net_params": {"optimizer": optimizer}}
        captured = tiny("ALAD", **params).fit(table())
        params["net_params"]["capture"] = False
        assert fakes[-1].n_captured == 1
        played = tiny("ALAD", **params).fit(table())
        for name, values in state(captured).items():
            np.testing.assert_allclose(values, state(played)[name], rtol=1e-5, atol=1e-6)


def test_a_training_can_be_continued(fakes):
    params = {"device": "cpu", "max_epochs": 4, "warm_start": True}
    captured, played = tiny("AMA", **params), tiny("AMA", **params, **PLAYED)
    for _ in range(2):
        captured.fit(table())
        played.fit(table())
    captured.partial_fit(table())
    played.partial_fit(table())
    assert_same_training(captured, played)
    assert len(fakes) == 3


# --------------------------------------------------------------------------------- layouts


def test_an_incomplete_last_mini_batch_has_a_layout_of_its_own(fakes):
    # Per epoch: 2 mini-batches of 16 rows and one of 8.
    captured = tiny("ALAD", device="cpu", max_epochs=3).fit(table(40))
    (fake,) = fakes
    assert (fake.n_warm_up, fake.n_captured, fake.n_replayed) == (N_WARM_UP + 3, 1, 3)
    tiny("ALAD", device="cpu", max_epochs=5).fit(table(40))
    assert (fakes[1].n_captured, fakes[1].n_warm_up) == (2, 2 * N_WARM_UP)
    assert_same_training(
        captured, tiny("ALAD", max_epochs=3, device="cpu", **PLAYED).fit(table(40))
    )


def test_the_number_of_graphs_is_bounded(fakes):
    sizes = range(8, 8 + MAX_GRAPHS + 2)
    net = initialized_net(
        "cpu",
        max_epochs=N_WARM_UP + 2,
        iterator_train=lambda rows, **_: [rows[np.arange(n)] for n in sizes],
    )
    net.partial_fit(Rows(np.repeat(ROWS, 10, axis=0)[: max(sizes)]))
    assert fakes[0].n_captured == MAX_GRAPHS


def test_the_step_is_captured_again_when_the_game_enters_another_phase(fakes):
    detector = tiny("AMA", device="cpu", max_epochs=8, warm_up=4)
    captured = detector.fit(table())
    assert fakes[0].n_captured == 2
    played = tiny("AMA", device="cpu", max_epochs=8, warm_up=4, **PLAYED).fit(table())
    assert_same_training(captured, played)


class Freeze(Callback):
    """Freeze the encoder after some epochs."""

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 4:
            net.module_.game.encoder.requires_grad_(False)


class Decay(Callback):
    """Change the weight decay after some epochs."""

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 4:
            net.optimizer_.param_groups[0]["weight_decay"] = 0.1


@pytest.mark.parametrize("callback", [Freeze, Decay])
def test_the_step_is_captured_again_when_something_else_has_changed(callback, fakes):
    params = {"device": "cpu", "max_epochs": 8, "callbacks": [callback()]}
    captured = tiny("ALAD", **params).fit(table())
    assert fakes[0].n_captured == 2
    assert_same_training(captured, tiny("ALAD", **params, **PLAYED).fit(table()))


# ------------------------------------------------------------------------------- obstacles


class AtBatchEnd(Callback):
    def on_batch_end(self, net, **kwargs):
        pass


def test_a_callback_for_each_mini_batch_is_an_obstacle_that_is_told_once(fakes, caplog):
    params = {"device": "cpu", "max_epochs": 5, "callbacks": [AtBatchEnd()]}
    detector = tiny("ALAD", **params, verbose=1).fit(table())
    logged = [record.getMessage() for record in caplog.records]
    caplog.clear()
    told = "not captured as a CUDA graph: the callback AtBatchEnd.on_batch_end is called"
    assert sum(told in message for message in logged) == 1
    assert "AtBatchEnd" in detector.net_.eager_reason_
    assert fakes[0].n_warm_up == 0
    assert_same_training(detector, tiny("ALAD", **params, **PLAYED).fit(table()))
    tiny("ALAD", **params).fit(table())
    assert not caplog.records


def test_callbacks_of_epochs_and_gradient_clipping_are_no_obstacles(fakes):
    clipping = GradientNormClipping(0.1)
    params = {"device": "cpu", "max_epochs": 5}
    captured = tiny("ALAD", **params, callbacks=[clipping]).fit(table())
    assert captured.net_.eager_reason_ is None
    assert_same_training(
        captured, tiny("ALAD", **params, callbacks=[clipping], **PLAYED).fit(table())
    )


def test_spies_on_mini_batches_see_what_they_would_see_without_capture(fakes):
    sizes, spy = recorder("on_batch_end", lambda net: net.history[-1, "batches", -1])
    assert isinstance(spy, Spy)
    tiny("ALAD", device="cpu", callbacks=[spy]).fit(table())
    assert len(sizes) == 6
    assert fakes[0].n_captured == 0


def fit_with(play, monkeypatch, **params):
    game_class = tiny("ALAD").game_class
    original = game_class.play
    monkeypatch.setattr(game_class, "play", lambda game, *args: play(original, game, *args))
    return tiny("ALAD", device="cpu", max_epochs=5, **params).fit(table())


def counting(original, game, x, labels):
    game.counter = getattr(game, "counter", 0) + 1
    yield from original(game, x, labels)


def skipping(original, game, x, labels):
    game.register_buffer("n", getattr(game, "n", torch.tensor(0)) + 1)
    moves = list(original(game, x, labels))
    yield from moves[: 1 + int(game.n % 2)]


@pytest.mark.parametrize(
    ("play", "reason"),
    [(counting, "changes attributes that are not tensors"), (skipping, "plays other moves")],
)
def test_a_game_with_state_in_python_is_an_obstacle(play, reason, fakes, monkeypatch):
    detector = fit_with(play, monkeypatch)
    assert reason in detector.net_.eager_reason_
    assert fakes[0].n_captured == 0


def test_a_game_that_cannot_be_captured_is_played(fakes, monkeypatch):
    monkeypatch.setattr(FakeRecorder, "capture", failing_capture)
    params = {"device": "cpu", "max_epochs": 5, "ema_decay": 0.9}
    detector = tiny("ALAD", **params).fit(table())
    assert detector.net_.eager_reason_ == (
        "ALADGame or its networks cannot be captured (operation not permitted)"
    )
    assert_same_training(detector, tiny("ALAD", **params, **PLAYED).fit(table()))


def failing_capture(self, function):
    raise RuntimeError("operation not permitted\nwhen the stream is capturing")


class OwnOptimizer(torch.optim.Adam):
    """An optimizer that is not one of torch."""


def test_an_unknown_optimizer_is_an_obstacle(fakes):
    detector = tiny("ALAD", device="cpu", net_params={"optimizer": OwnOptimizer}).fit(table())
    assert "OwnOptimizer is not one of torch.optim" in detector.net_.eager_reason_


def test_a_training_on_the_cpu_is_played():
    detector = tiny("ALAD", device="cpu").fit(table())
    assert "CUDA devices only" in detector.net_.eager_reason_


# ------------------------------------------------------------------------------------ CUDA


class FakeCUDA:
    """The functions of ``torch.cuda`` that a recorder calls, in a log."""

    def __init__(self, monkeypatch):
        self.log, self.current = [], "main"
        monkeypatch.setattr(skgad.engine.step, "default_generator", lambda _: self.generator("own"))
        for name in ("Stream", "CUDAGraph", "graph", "stream", "device"):
            monkeypatch.setattr(torch.cuda, name, getattr(self, name))
        monkeypatch.setattr(torch.cuda, "current_stream", lambda device: self.Stream("main"))
        monkeypatch.setattr(torch.cuda, "set_stream", lambda s: self.log.append(f"set {s.name}"))

    def Stream(self, name):
        name = "side" if isinstance(name, torch.device) else name
        waits = lambda other: self.log.append(f"{name} waits for {other.name}")  # noqa: E731
        return SimpleNamespace(name=name, wait_stream=waits)

    def CUDAGraph(self):
        return SimpleNamespace(
            replay=lambda: self.log.append("replay"),
            register_generator_state=lambda g: self.log.append(f"register {g.name}"),
        )

    def generator(self, name):
        restore = lambda state: self.log.append(f"{name} restored to {state}")  # noqa: E731
        return SimpleNamespace(
            name=name, clone_state=lambda: f"state of {name}", graphsafe_set_state=restore
        )

    @contextmanager
    def graph(self, graph, stream):
        self.log.append(f"capture on {stream.name}")
        yield

    @contextmanager
    def stream(self, stream):
        self.log.append(f"on {stream.name}")
        yield
        self.log.append("back")

    @contextmanager
    def device(self, device):
        yield


def test_steps_are_warmed_up_on_a_side_stream(monkeypatch):
    cuda = FakeCUDA(monkeypatch)
    assert CUDARecorder(torch.device("cuda")).warm_up(lambda: cuda.log.append("step") or 5) == 5
    assert cuda.log == [
        "side waits for main",
        "on side",
        "step",
        "back",
        "main waits for side",
    ]


def test_the_generators_of_the_members_belong_to_a_graph(monkeypatch):
    cuda = FakeCUDA(monkeypatch)
    members = [{"cuda": cuda.generator(f"member {k}")} for k in range(2)]
    with member_generators(members):
        replay, result = CUDARecorder(torch.device("cuda")).capture(lambda: "losses")
    replay()
    assert result == "losses"
    assert cuda.log == ["register member 0", "register member 1", "capture on side", "replay"]


def test_a_failed_capture_leaves_neither_the_side_stream_nor_other_generators(monkeypatch):
    cuda = FakeCUDA(monkeypatch)

    def fail():
        raise RuntimeError("operation not permitted when stream is capturing")

    members = [{"cuda": cuda.generator("member 0")}]
    with member_generators(members), pytest.raises(RuntimeError, match="not permitted"):
        CUDARecorder(torch.device("cuda")).capture(fail)
    assert cuda.log[-3:] == [
        "set main",
        "own restored to state of own",
        "member 0 restored to state of member 0",
    ]


# -------------------------------------------------------------------------------- the rest


class Pickle(Callback):
    """Pickle the net during its training."""

    def on_epoch_end(self, net, **kwargs):
        net.step_.lock = threading.Lock()  # as impossible to pickle as a graph
        pickle.dumps(net)


def test_a_net_can_be_pickled_during_a_training(fakes):
    tiny("ALAD", device="cpu", max_epochs=5, callbacks=[Pickle()]).fit(table())
    assert fakes[0].n_captured == 1


def test_a_divergence_is_found_at_the_end_of_the_epoch(fakes):
    net = initialized_net("cpu", max_epochs=10, lr=1e30)
    with pytest.raises(ValueError, match="Training diverged: the loss of the"):
        net.partial_fit(Rows(np.repeat(ROWS, 10, axis=0)))


def test_own_modules_of_several_members_are_captured_or_played(fakes):
    class Family:
        def encoder(self, n_features, latent_dim):
            return nn.Sequential(nn.Linear(n_features, latent_dim), nn.BatchNorm1d(latent_dim))

        def decoder(self, latent_dim, n_features):
            return nn.Linear(latent_dim, n_features)

        def discriminator(self, *sizes):
            raise AssertionError

    params = {"networks": Family(), "n_members": 2, "device": "cpu", "max_epochs": 5}
    captured = tiny("Autoencoder", **params).fit(table())
    played = tiny("Autoencoder", **params, **PLAYED).fit(table())
    assert_same_training(captured, played)


@pytest.mark.parametrize("n_members", [1, 2])
def test_convolutions_are_captured(n_members, fakes):
    params = {"n_members": n_members, "max_epochs": 5, "batch_size": 16}
    captured = image_detector("WAE", "cpu", **params).fit(pixels())
    played = image_detector("WAE", "cpu", **params, **PLAYED).fit(pixels())
    assert captured.net_.eager_reason_ is None
    assert fakes[0].n_captured > 0
    assert_same_training(captured, played)


def test_averages_that_the_step_includes_are_not_updated_twice(fakes):
    params = {"device": "cpu", "max_epochs": 5}
    captured = tiny("WALDO", **params, callbacks=[WeightAveraging(0.5)]).fit(table())
    played = tiny("WALDO", **params, callbacks=[WeightAveraging(0.5)], **PLAYED).fit(table())
    assert captured.net_.eager_reason_ is None
    assert_same_training(captured, played)
