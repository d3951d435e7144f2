"""Trainings that are killed and go on from a file."""

import contextlib
import os
import pathlib
import pickle
import random
import signal
import warnings
from hashlib import sha256

import numpy as np
import pytest
import torch
from common import (
    DETECTORS,
    LABELLED,
    Spy,
    assert_same_bits,
    learning_rate,
    outputs,
    recorder,
    state,
    table,
    tiny,
)
from skorch.callbacks import Callback, GradientNormClipping, LRScheduler
from torch.utils.data import TensorDataset

from skgad import ConvNet, TabularDetector
from skgad.callbacks import Checkpoint, WeightAveraging
from skgad.engine import checkpoint as module
from skgad.engine.checkpoint import FORMAT, TrainingFile

LABELS = np.repeat([-1, 1, 0], [6, 12, 30])


class Killed(Exception):
    """Raised where a process would end."""


def kill_in(epoch):
    """A callback that ends a fit in the middle of an epoch."""

    def kill(net):
        if len(net.history) == epoch and len(net.history[-1, "batches"]) == 2:
            raise Killed

    return Spy("on_batch_end", kill)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "training.ckpt"


def every_epoch(path):
    return Checkpoint(path, every_n_epochs=1)


def start_and_kill(detector, path, epoch, X=None, **fit_params):
    """Fit a detector, and end the fit in the middle of an epoch."""
    callbacks = [*(detector.callbacks or []), kill_in(epoch)]
    detector.set_params(checkpoint=every_epoch(path))
    with pytest.raises(Killed):
        tiny_like(detector, callbacks=callbacks).fit(table() if X is None else X, **fit_params)


def tiny_like(detector, **params):
    """A detector with the same parameters, apart from some."""
    return type(detector)(**{**detector.get_params(deep=False), **params})


@pytest.fixture(autouse=True)
def _callbacks_are_not_compared(monkeypatch):
    """Let callbacks kill trainings and watch them without being a difference between them."""
    monkeypatch.setattr(module, "NOT_COMPARED", module.NOT_COMPARED | {"callbacks"})


def losses(detector):
    """History of a detector without the durations."""
    return [{k: v for k, v in row.items() if k != "dur"} for row in detector.history_]


def assert_same_detector(one, other, X=None):
    X = table() if X is None else X
    assert_same_bits(state(one), state(other))
    assert_same_bits(outputs(one, X), outputs(other, X))
    assert_same_bits(one.train_scores_, other.train_scores_)
    assert one.offset_ == other.offset_
    assert losses(one) == losses(other)


# -------------------------------------------------------------------------- the same bits

MEMBERS = {"n_members": 2, "lr_schedule": "linear", "ema_decay": 0.9}
EARLY = {"early_stopping": True, "n_iter_no_change": 3, "lr_schedule": "step"}


@pytest.mark.parametrize("params", [MEMBERS, EARLY], ids=["members", "early_stopping"])
@pytest.mark.parametrize("name", DETECTORS)
def test_a_killed_training_goes_on_to_the_same_bits(name, params, device, path):
    labels = {"labels": LABELS} if name in LABELLED else {}
    detector = tiny(name, device=device, max_epochs=4, **params)
    whole = tiny_like(detector).fit(table(), **labels)
    start_and_kill(detector, path, epoch=3, **labels)
    epochs, spy = recorder("on_epoch_end", lambda net: len(net.history))
    resumed = detector.set_params(callbacks=[spy]).fit(table(), **labels)
    assert epochs[0] == 3
    assert_same_detector(resumed, whole)
    assert_same_bits(state(resumed.partial_fit(table())), state(whole.partial_fit(table())))


def test_a_training_can_be_killed_in_each_phase(device, path):
    detector = tiny("DeepSVDD", device=device, pretraining=2, warm_up=2, max_epochs=6)
    whole = tiny_like(detector).fit(table())
    for epoch in (2, 3, 4, 6):
        start_and_kill(detector, path, epoch)
    assert_same_detector(detector.fit(table()), whole)


@pytest.mark.parametrize("ema_decay", [None, 0.9])
def test_a_training_that_is_over_may_have_ended_in_an_early_phase(ema_decay, device, path):
    params = {"pretraining": 5, "max_epochs": 3, "ema_decay": ema_decay}
    detector = tiny("DeepSVDD", device=device, checkpoint=path, **params)
    whole = tiny_like(detector).fit(table())
    assert_same_detector(detector.fit(table()), whole)


def test_without_a_random_state_the_seeds_are_those_of_the_file(device, path):
    detector = tiny("ALAD", device=device, max_epochs=4, random_state=None)
    start_and_kill(detector, path, epoch=3)
    first = tiny_like(detector).fit(table())
    assert_same_detector(detector.fit(table()), first)  # the training in the file is over


def test_a_random_state_may_be_a_generator(device, path):
    detector = tiny("ALAD", device=device, max_epochs=4)
    whole = tiny_like(detector, random_state=np.random.RandomState(3)).fit(table())
    start_and_kill(detector.set_params(random_state=np.random.RandomState(3)), path, epoch=3)
    detector.set_params(random_state=np.random.RandomState(3))
    assert_same_detector(detector.fit(table()), whole)


def test_a_table_of_mixed_columns_can_be_resumed(device, path):
    X = np.column_stack([table().astype(object), np.repeat(["red", "blue"], 24)])
    detector = TabularDetector(tiny("WAE", device=device, max_epochs=4))
    whole = detector.fit(X).score_samples(X)
    detector.set_params(detector__checkpoint=every_epoch(path))
    with pytest.raises(Killed):
        detector.set_params(detector__callbacks=[kill_in(3)]).fit(X)
    detector.set_params(detector__callbacks=None)
    assert_same_bits(detector.fit(X).score_samples(X), whole)


@pytest.mark.parametrize("kind", ["array", "dataset"])
def test_images_can_be_resumed(kind, device, path):
    images = np.random.RandomState(0).randint(256, size=(40, 64)).astype(np.uint8)
    X = images if kind == "array" else TensorDataset(torch.from_numpy(images))
    networks = ConvNet((1, 8, 8), channels=(2,), batch_norm=True)
    detector = tiny("WAE", device=device, networks=networks, max_epochs=4)
    whole = tiny_like(detector).fit(X)
    start_and_kill(detector, path, 3, X)
    assert_same_bits(state(detector.fit(X)), state(whole))


# -------------------------------------------------------------------------------- callbacks


def test_callbacks_of_skorch_go_on(device, path):
    def callbacks():
        return [LRScheduler("ExponentialLR", gamma=0.5), GradientNormClipping(0.5)]

    rates, spy = recorder("on_batch_begin", learning_rate)
    detector = tiny("ALAD", device=device, max_epochs=5, callbacks=callbacks())
    whole = tiny_like(detector).fit(table())
    start_and_kill(detector, path, epoch=4)
    resumed = detector.set_params(callbacks=[*callbacks(), spy]).fit(table())
    np.testing.assert_allclose(rates, np.repeat([0.01 / 8, 0.01 / 16], 3))
    assert_same_detector(resumed, whole)


def test_averages_of_a_callback_go_on(device, path):
    detector = tiny("WAE", device=device, max_epochs=4, callbacks=[WeightAveraging(0.9)])
    whole = tiny_like(detector).fit(table())
    start_and_kill(detector, path, epoch=3)
    assert_same_detector(detector.fit(table()), whole)


class CountBatches(Callback):
    """A callback with a state of its own."""

    def __init__(self, counts):
        self.counts = counts

    def on_train_begin(self, net, **kwargs):
        self.n = 0

    def on_batch_end(self, net, **kwargs):
        self.n += 1

    def on_train_end(self, net, **kwargs):
        self.counts.append(self.n)

    def state_dict(self):
        return {"n": self.n}

    def load_state_dict(self, state):
        self.n = state["n"]


def test_a_callback_can_save_a_state_of_its_own(device, path):
    counts = []
    detector = tiny("ALAD", device=device, max_epochs=4, callbacks=[CountBatches(counts)])
    start_and_kill(detector, path, epoch=3)
    detector.fit(table())
    assert counts == [12]


def test_a_state_that_cannot_be_saved_is_warned_about(device, path):
    class Unsaved(CountBatches):
        def state_dict(self):
            return {"n": object()}

    detector = tiny("ALAD", device=device, callbacks=[Unsaved([])], checkpoint=path)
    with pytest.warns(UserWarning, match="could not be written .object cannot be saved"):
        detector.fit(table())
    assert not path.exists()


def test_other_entries_of_the_history_are_not_saved(device, path):
    record = Spy("on_epoch_end", lambda net: net.history.record("net", net))
    detector = tiny("ALAD", device=device, max_epochs=4, callbacks=[record])
    start_and_kill(detector, path, epoch=3)
    assert [len(row.keys() & {"net"}) for row in detector.fit(table()).history_] == [0, 0, 1, 1]


# ------------------------------------------------------------------------- when it is over


def test_a_training_that_is_over_is_not_repeated(device, path):
    batches, spy = recorder("on_batch_begin", lambda net: None)
    detector = tiny("ALAD", device=device, checkpoint=path, callbacks=[spy], **EARLY)
    first = tiny_like(detector).fit(table())
    n_batches = len(batches)
    content = path.read_bytes()
    second = detector.fit(table())
    assert len(batches) == n_batches
    assert path.read_bytes() == content
    assert_same_detector(second, first)
    assert_same_bits(state(second.partial_fit(table())), state(first.partial_fit(table())))


def test_a_training_that_was_interrupted_goes_on(device, path):
    detector = tiny("ALAD", device=device, max_epochs=5, **MEMBERS)
    whole = tiny_like(detector).fit(table())

    def press(net):
        if len(net.history) == 3:
            raise KeyboardInterrupt

    interrupted = tiny_like(
        detector, checkpoint=every_epoch(path), callbacks=[Spy("on_batch_end", press)]
    )
    with pytest.warns(UserWarning, match="interrupted after 2 epochs"):
        interrupted.fit(table())
    assert_same_detector(detector.set_params(checkpoint=path).fit(table()), whole)


def test_partial_fit_neither_reads_nor_writes_the_file(device, path):
    detector = tiny("ALAD", device=device, checkpoint=path).partial_fit(table())
    assert not path.exists()
    content = detector.fit(table()) and path.read_bytes()
    detector.partial_fit(table(n_samples=30))
    assert path.read_bytes() == content


def test_a_continued_training_has_a_file_of_its_own(device, path):
    params = {"device": device, "warm_start": True, "max_epochs": 4, **MEMBERS}
    whole = tiny("ALAD", **params).fit(table()).fit(table())
    first, second = path, path.with_suffix(".second")
    detector = tiny("ALAD", checkpoint=first, **params).fit(table())
    with pytest.raises(ValueError, match="the net that the training starts from"):
        detector.fit(table())
    with pytest.raises(Killed):
        detector.set_params(checkpoint=every_epoch(second))
        detector.net_.callbacks_.append(("kill", kill_in(7)))
        detector.fit(table())
    again = tiny("ALAD", checkpoint=first, **params).fit(table())
    again.set_params(checkpoint=second).fit(table())
    assert again.n_iter_ == 8
    assert_same_detector(again, whole)


@pytest.mark.parametrize(
    ("checkpoint", "n_files"),
    [
        ({"every_n_epochs": 2, "every_n_seconds": None}, 3),
        ({"every_n_seconds": 0}, 6),
        ({"every_n_seconds": 1e9}, 1),
        ({"every_n_seconds": None}, 1),
    ],
)
def test_the_file_is_written_as_often_as_asked(checkpoint, n_files, device, path, monkeypatch):
    written = []
    write = TrainingFile.write
    monkeypatch.setattr(
        TrainingFile, "write", lambda file, state: written.append(1) or write(file, state)
    )
    detector = tiny("ALAD", device=device, max_epochs=5)
    detector.set_params(checkpoint=Checkpoint(path, **checkpoint)).fit(table())
    assert len(written) == n_files  # with that at the end


# ---------------------------------------------------------------------------- damaged files


def damage(path, how):
    content = path.read_bytes()
    if how == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "flipped":
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    else:
        path.write_bytes(b"a,b\n1,2\n")


@pytest.mark.parametrize("how", ["truncated", "empty", "flipped", "foreign"])
def test_a_damaged_file_is_replaced_by_the_previous_one(how, device, path):
    detector = tiny("ALAD", device=device, max_epochs=5, **MEMBERS)
    whole = tiny_like(detector).fit(table())
    start_and_kill(detector, path, epoch=4)
    damage(path, how)
    with pytest.warns(UserWarning, match="goes on from training.ckpt.previous, which is older"):
        resumed = detector.fit(table())
    assert_same_detector(resumed, whole)
    module.read_state(path)
    module.read_state(TrainingFile(path).previous)


@pytest.mark.parametrize("how", ["truncated", "empty", "flipped", "foreign"])
def test_a_damaged_file_raises_an_error_and_is_kept(how, device, path):
    detector = tiny("ALAD", device=device, checkpoint=path).fit(table())
    scores = detector.score_samples(table())
    damage(path, how)
    content = path.read_bytes()
    with pytest.raises(ValueError, match="is damaged|is not a checkpoint.*Delete the file"):
        detector.fit(table())
    assert path.read_bytes() == content
    assert_same_bits(detector.score_samples(table()), scores)
    damage(path, "foreign")
    TrainingFile(path).previous.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="training.ckpt.previous is no better"):
        detector.fit(table())


def test_deleting_the_file_starts_anew(device, path):
    detector = tiny("ALAD", device=device, max_epochs=4)
    start_and_kill(detector, path, epoch=4)
    assert TrainingFile(path).previous.exists()
    path.unlink()
    epochs, spy = recorder("on_epoch_end", lambda net: len(net.history))
    detector.set_params(callbacks=[spy]).fit(table())
    assert epochs == [1, 2, 3, 4]


class Malicious:
    def __reduce__(self):
        return os.mkdir, ("/tmp/skgad-was-here",)


def test_no_code_in_a_file_is_executed(device, path):
    payload = pickle.dumps(Malicious())
    path.write_bytes(FORMAT + sha256(payload).hexdigest().encode() + b"\n" + payload)
    with pytest.raises(ValueError, match="contains other things than numbers and text"):
        tiny("ALAD", device=device, checkpoint=path).fit(table())
    assert not os.path.exists("/tmp/skgad-was-here")


# -------------------------------------------------------------------------- failed writing


def test_a_path_that_cannot_be_written_raises_an_error_before_the_training(device, tmp_path):
    with pytest.raises(OSError, match="cannot be written .No such file.*Create its directory"):
        tiny("ALAD", device=device, checkpoint=tmp_path / "missing" / "a").fit(table())
    with pytest.raises(OSError, match="is not a regular file. Pass another path"):
        tiny("ALAD", device=device, checkpoint=str(tmp_path)).fit(table())


def test_a_training_goes_on_if_the_disk_is_full(device, path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    whole = tiny("ALAD", device=device).fit(table())
    monkeypatch.setattr(os, "fsync", full)
    with pytest.warns(UserWarning, match="could not be written .*No space left on device"):
        detector = tiny("ALAD", device=device, checkpoint=every_epoch(path)).fit(table())
    assert_same_detector(detector, whole)
    assert not [*path.parent.iterdir()]


@pytest.mark.parametrize("params", [{"every_n_epochs": 0}, {"every_n_seconds": -1}])
def test_an_invalid_frequency_raises_an_error(params, device, path):
    with pytest.raises(ValueError, match=f"{next(iter(params))} == "):
        tiny("ALAD", device=device, checkpoint=Checkpoint(path, **params)).fit(table())


def test_an_invalid_checkpoint_raises_an_error(device):
    with pytest.raises(ValueError, match="'checkpoint' parameter of ALAD must be"):
        tiny("ALAD", device=device, checkpoint=3).fit(table())


# ------------------------------------------------------------------------- killed processes


def kill_this_process(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)


def kill_after(n_batches):
    """Let a fit be killed at one of its mini-batches."""
    left = iter(range(n_batches))
    return Spy("on_batch_end", lambda net: next(left, None) is None and kill_this_process())


def kill_in_write(where, nth):
    """Let the n-th write of a file kill this process: before or after a step, or half way."""
    calls = iter(range(nth))
    functions = {
        "link": os.link,
        "replace": os.replace,
        "fsync": os.fsync,
        "open": pathlib.Path.open,
    }

    class HalfFile:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *args):
            self.file.close()

        def write(self, data):
            self.file.write(data[: len(data) // 2])
            self.file.flush()
            if len(data) > 100:
                kill_this_process()
            self.file.write(data[len(data) // 2 :])

    def patched(*args, **kwargs):
        if (where == "open" and args[1:] != ("wb",)) or next(calls, None) is not None:
            return functions[where](*args, **kwargs)
        if where == "open":
            return HalfFile(functions[where](*args, **kwargs))
        if random.random() < 0.5:
            functions[where](*args, **kwargs)
        kill_this_process()

    if where == "open":
        pathlib.Path.open = patched
    else:
        setattr(os, where, patched)


def run_in_a_fork(function):
    """Exit code of a process in which a function is called; negative if it was killed."""
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            function()
            os._exit(0)
        os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_process_that_is_killed_twenty_times_ends_with_the_same_bits(device, path):
    if device != "cpu":
        pytest.skip("a forked process cannot use CUDA")
    rng = random.Random(0)
    params = {"pretraining": 40, "max_epochs": 60, "checkpoint": every_epoch(path), **MEMBERS}
    points = [("batch", rng.randrange(1, 9)) for _ in range(10)]
    points += [(w, rng.randrange(4)) for w in ("link", "replace", "fsync", "open") * 3][:10]
    rng.shuffle(points)
    for where, nth in points:

        def fit(where=where, nth=nth):
            random.seed(nth)
            warnings.simplefilter("error")
            callbacks = [kill_after(nth)] if where == "batch" else None
            if where != "batch":
                kill_in_write(where, nth)
            tiny("FenceGAN", callbacks=callbacks, **params).fit(table())

        assert run_in_a_fork(fit) == -signal.SIGKILL
    assert 0 < len(module.read_state(path)["history"]) < 60
    with warnings.catch_warnings(action="error"):
        resumed = tiny("FenceGAN", **params).fit(table())
    params["checkpoint"] = None
    assert_same_detector(resumed, tiny("FenceGAN", **params).fit(table()))
