"""Callbacks of the engine: the schedule, early stopping, and clones of callbacks."""

import threading

import numpy as np
import pytest
import torch
from common import differs, learning_rate, recorder, state, table, tiny
from skorch.callbacks import Callback, Checkpoint, LoadInitState, LRScheduler

from skgad.engine.callbacks import StopEarly, clone_callbacks

# -------------------------------------------------------------------------------- schedules


def rates_of(detector, rows):
    """Fit a detector, and return it with the learning rate of each mini-batch."""
    rates, spy = recorder("on_batch_begin", learning_rate)
    return detector.set_params(callbacks=[spy]).fit(rows), rates


def test_a_constant_schedule_keeps_the_learning_rate(device):
    detector = tiny("ALAD", device=device, lr=0.01, lr_schedule="constant", max_epochs=4)
    assert rates_of(detector, table())[1] == [0.01] * 12


def test_a_linear_schedule_decreases_to_zero_in_each_fit(device):
    detector, rates = rates_of(
        tiny("ALAD", device=device, lr=0.1, lr_schedule="linear", max_epochs=4, warm_start=True),
        table(),
    )
    np.testing.assert_allclose(rates, 0.1 * (1 - np.arange(12) / 12))
    detector.fit(table())
    np.testing.assert_allclose(rates, np.tile(0.1 * (1 - np.arange(12) / 12), 2))
    detector.partial_fit(table())
    np.testing.assert_allclose(rates[24:], [0.1] * 3)


def test_a_step_schedule_has_three_steps_in_each_fit(device):
    detector, rates = rates_of(
        tiny("ALAD", device=device, lr=0.1, lr_schedule="step", max_epochs=10, warm_start=True),
        table(),
    )
    expected = np.repeat([0.1, 0.01, 1e-3, 1e-4], [9, 9, 9, 3])  # of 30 mini-batches
    np.testing.assert_allclose(rates, expected)
    detector.fit(table())
    np.testing.assert_allclose(rates, np.tile(expected, 2))
    detector.partial_fit(table())
    np.testing.assert_allclose(rates[60:], [0.1] * 3)


def test_an_unknown_schedule_raises_an_error(device):
    with pytest.raises(ValueError, match="'lr_schedule' parameter of ALAD must be"):
        tiny("ALAD", device=device, lr_schedule="cosine").fit(table())


def test_a_schedule_applies_to_each_group_of_parameters(device):
    groups = {"optimizer__param_groups": [("game.encoder.*", {"lr": 0.5})]}
    rates, spy = recorder(
        "on_batch_begin", lambda net: [group["lr"] for group in net.optimizer_.param_groups]
    )
    params = {"lr": 0.1, "lr_schedule": "step", "net_params": groups, "callbacks": [spy]}
    tiny("ALAD", device=device, max_epochs=10, **params).fit(table())
    assert sorted(rates[0]) == [0.1, 0.5]
    np.testing.assert_allclose(sorted(rates[10]), [0.01, 0.05])


def test_a_continued_training_uses_a_changed_learning_rate(device):
    detector, rates = rates_of(tiny("ALAD", device=device, lr=0.01), table())
    detector.set_params(lr=0.002).partial_fit(table())
    assert rates == [0.01] * 6 + [0.002] * 3


def test_the_next_schedule_starts_at_a_changed_learning_rate(device):
    rates, spy = recorder("on_batch_begin", learning_rate)
    params = {"lr_schedule": "linear", "warm_start": True, "callbacks": [spy]}
    detector = tiny("ALAD", device=device, lr=0.1, **params).fit(table())
    detector.set_params(lr=0.02).fit(table())
    np.testing.assert_allclose(rates[6:], 0.02 * (1 - np.arange(6) / 6))


def test_the_schedule_is_not_kept_in_the_detector(device):
    detector = tiny("ALAD", device=device, lr_schedule="linear").fit(table())
    constant = tiny("ALAD", device=device, lr_schedule="constant").fit(table())
    assert [name for name, _ in detector.net_.callbacks_] == [
        name for name, _ in constant.net_.callbacks_
    ]
    assert detector.net_.optimizer_.param_groups[0]["lr"] == detector.lr
    assert differs(state(detector), state(constant))


def test_held_out_rows_do_not_count_in_the_schedule(device):
    rates, spy = recorder("on_grad_computed", learning_rate)
    tiny(
        "ALAD",
        device=device,
        lr=0.1,
        lr_schedule="linear",
        max_epochs=4,
        early_stopping=True,
        validation_fraction=0.5,
        n_iter_no_change=9,
        callbacks=[spy],
    ).fit(table())
    # 24 training rows are two mini-batches of two moves each
    np.testing.assert_allclose(rates, np.repeat(0.1 * (1 - np.arange(8) / 8), 2))


def test_the_schedule_counts_the_batches_of_the_iterator(device):
    rates, spy = recorder("on_batch_begin", learning_rate)
    detector = tiny(
        "ALAD",
        device=device,
        lr=0.1,
        lr_schedule="linear",
        net_params={"iterator_train__batch_size": 4},
        callbacks=[spy],
    ).fit(table())
    assert detector.history_[-1, "train_batch_count"] == 12
    np.testing.assert_allclose(rates, 0.1 * (1 - np.arange(24) / 24))


def test_a_scheduler_and_a_schedule_together_raise_an_error(device):
    step = LRScheduler("StepLR", step_size=1)
    with pytest.raises(ValueError, match="would both set the learning rate"):
        tiny("ALAD", device=device, lr_schedule="linear", callbacks=[step]).fit(table())
    tiny("ALAD", device=device, callbacks=[("step", step)]).fit(table()).partial_fit(table())


# --------------------------------------------------------------------------- early stopping


@pytest.mark.parametrize("best", [1.0, -1.0])
def test_early_stopping_counts_every_improvement_however_small(best, device, monkeypatch):
    losses = iter(np.float32(best) - np.float32(1e-6) * np.array([0, 1, 2, 1, 0], np.float32))

    def validation_loss(self, x):
        return torch.tensor(next(losses), device=x.device)

    detector = tiny(
        "ALAD", device=device, max_epochs=9, early_stopping=True, n_iter_no_change=2, callbacks=[]
    )
    monkeypatch.setattr(detector.game_class, "validation_loss", validation_loss)
    assert detector.fit(table()).n_iter_ == 5
    assert detector.history_[:, "valid_loss_best"] == [True, True, True, False, False]


# ----------------------------------------------------------------------------------- clones


def test_clones_of_callbacks_refer_to_each_other(device, tmp_path):
    keep = Checkpoint(dirname=tmp_path, monitor=None)
    load = LoadInitState(keep)
    detector = tiny("ALAD", device=device, callbacks=[("keep", keep), load]).fit(table())
    used = dict(detector.net_.callbacks_)
    assert used["keep"] is not keep
    assert used["LoadInitState"].checkpoint is used["keep"]
    assert load.checkpoint is keep
    continued = dict(detector.partial_fit(table()).net_.callbacks_)
    assert continued["keep"] is not used["keep"]
    assert continued["LoadInitState"].checkpoint is continued["keep"]


def test_a_callback_can_hold_what_cannot_be_copied(device):
    class Writer:
        def __init__(self):
            self.lock, self.lines = threading.Lock(), []

    class Log(Callback):
        def __init__(self, writer):
            self.writer = writer

        def on_epoch_end(self, net, **kwargs):
            self.writer.lines.append(len(net.history))

    log = Log(Writer())
    tiny("ALAD", device=device, callbacks=[log]).fit(table()).partial_fit(table())
    assert log.writer.lines == [1, 2, 3]


@pytest.mark.parametrize("callback", ["early stopping", ("mine", print), None, int])
def test_other_objects_than_callbacks_raise_an_error(callback, device):
    with pytest.raises(TypeError, match="which is not a callback of skorch"):
        tiny("ALAD", device=device, callbacks=[callback]).fit(table())


def test_classes_and_names_of_callbacks_are_kept():
    named, plain = ("mine", Callback()), StopEarly(3)
    (name, clone), other, cls = clone_callbacks([named, plain, Checkpoint])
    assert name == "mine"
    assert type(clone) is Callback
    assert clone is not named[1]
    assert (type(other), other.patience) == (StopEarly, 3)
    assert other is not plain
    assert cls is Checkpoint
