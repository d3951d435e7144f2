"""Interrupted trainings: Ctrl-C, and callbacks that raise KeyboardInterrupt."""

import signal
import warnings

import numpy as np
import pytest
import torch
from common import (
    Spy,
    assert_same_bits,
    differs,
    learning_rate,
    numbers,
    recorder,
    state,
    table,
    tiny,
)
from engine_common import network_numbers
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import EarlyStopping


def interrupt_in(epoch, batch=2):
    """A callback that interrupts the training in the middle of an epoch."""

    def press(net):
        if len(net.history) == epoch and len(net.history[-1, "batches"]) == batch:
            raise KeyboardInterrupt

    return Spy("on_batch_end", press)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_an_interrupted_training_keeps_its_completed_epochs(early_stopping, device):
    detector = tiny(
        "ALAD",
        device=device,
        max_epochs=9,
        early_stopping=early_stopping,
        n_iter_no_change=9,
        callbacks=[interrupt_in(epoch=4)],
    )
    with pytest.warns(ConvergenceWarning, match="interrupted after 3 epochs"):
        detector.fit(table())
    assert detector.n_iter_ == 3
    assert detector.history_[:, "epoch"] == [1, 2, 3]
    assert np.isfinite(detector.score_samples(table())).all()
    assert detector.sample(3).shape == (3, 4)
    assert not detector.net_.module_.training
    detector.set_params(callbacks=None, max_epochs=2)
    assert detector.fit(table()).n_iter_ == 2


def test_an_interruption_in_the_first_epoch_is_raised(device):
    detector = tiny("ALAD", device=device, callbacks=[interrupt_in(epoch=1)])
    with pytest.raises(KeyboardInterrupt):
        detector.fit(table())
    assert not [key for key in vars(detector) if key.endswith("_")]


def test_an_interruption_in_the_first_epoch_keeps_an_earlier_fit(device):
    detector = tiny("ALAD", device=device).fit(table())
    scores = detector.score_samples(table())
    with pytest.raises(KeyboardInterrupt):
        detector.set_params(callbacks=[interrupt_in(epoch=1)]).fit(table(n_features=3))
    assert_same_bits(detector.score_samples(table()), scores)


@pytest.mark.parametrize("method", ["partial_fit", "fit"])
def test_an_interruption_in_the_first_epoch_of_a_continued_training_is_raised(method, device):
    detector = tiny("ALAD", device=device, warm_start=True, callbacks=[interrupt_in(epoch=3)])
    before = detector.fit(table()).score_samples(table())
    with pytest.raises(KeyboardInterrupt):
        getattr(detector, method)(table())
    assert detector.n_iter_ == 2
    assert_same_bits(detector.score_samples(table()), before)


def test_a_training_can_be_interrupted_before_the_first_mini_batch_of_an_epoch(device):
    def press(net):
        if len(net.history) == 3:
            raise KeyboardInterrupt

    detector = tiny("ALAD", device=device, callbacks=[Spy("on_epoch_begin", press)], max_epochs=5)
    with pytest.warns(ConvergenceWarning, match="interrupted after 2 epochs"):
        detector.fit(table())
    assert detector.n_iter_ == 2


def test_the_warning_points_at_the_line_that_called_fit(device):
    detector = tiny("ALAD", device=device, max_epochs=9, callbacks=[interrupt_in(epoch=4)])
    with pytest.warns(ConvergenceWarning) as caught:
        detector.fit(table())
    assert caught[0].filename == __file__


def test_an_interrupted_early_stopping_restores_the_best_networks(device, monkeypatch):
    losses = iter([3.0, 2.0, 1.0])
    states, spy = recorder("on_epoch_end", lambda net: numbers(net.module_))

    def validation_loss(self, x):
        return torch.tensor(next(losses), device=x.device)

    def press(net):
        if len(net.history) == 4:
            raise KeyboardInterrupt

    detector = tiny(
        "ALAD",
        device=device,
        max_epochs=9,
        early_stopping=True,
        callbacks=[spy, Spy("on_batch_end", press)],
    )
    monkeypatch.setattr(detector.game_class, "validation_loss", validation_loss)
    with pytest.warns(ConvergenceWarning, match="interrupted after 3 epochs"):
        detector.fit(table())
    assert_same_bits(network_numbers(state(detector)), network_numbers(states[2]))


def test_a_training_continues_at_the_full_rate_after_an_interruption(device):
    pressed = []
    rates, spy = recorder("on_batch_begin", learning_rate)

    def press(net):
        if len(net.history) == 3 and not pressed:
            pressed.append(True)
            raise KeyboardInterrupt

    detector = tiny(
        "ALAD",
        device=device,
        lr=0.1,
        lr_schedule="linear",
        max_epochs=9,
        callbacks=[Spy("on_batch_end", press), spy],
    )
    with pytest.warns(ConvergenceWarning, match="interrupted after 2 epochs"):
        detector.fit(table())
    before, offset = state(detector), detector.offset_
    assert detector.partial_fit(table()).n_iter_ == 3
    assert detector.history_[:, "epoch"] == [1, 2, 3]
    assert rates[-3:] == [0.1] * 3
    assert differs(before, state(detector))
    assert detector.offset_ != offset


def test_early_stopping_does_not_warn_of_an_interruption(device):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stop = EarlyStopping(monitor="generator_loss", patience=1, threshold=10)
        tiny("ALAD", device=device, max_epochs=9, callbacks=[stop]).fit(table())


# ----------------------------------------------------------------------------------- Ctrl-C


@pytest.mark.parametrize(
    ("event", "n_epochs"),
    [("on_batch_end", 2), ("on_epoch_end", 3), ("on_epoch_begin", 2), ("on_grad_computed", 2)],
)
def test_ctrl_c_ends_a_training_at_any_event(event, n_epochs, device):
    def press(net):
        if len(net.history) == 3 and not pressed:
            pressed.append(True)
            signal.raise_signal(signal.SIGINT)

    pressed = []
    detector = tiny("ALAD", device=device, max_epochs=5, callbacks=[Spy(event, press)])
    with pytest.warns(ConvergenceWarning, match=f"interrupted after {n_epochs} epochs"):
        detector.fit(table())
    assert detector.history_[:, "epoch"] == [*range(1, n_epochs + 1)]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_at_the_end_of_the_last_epoch_warns(device):
    press = Spy("on_epoch_end", lambda net: signal.raise_signal(signal.SIGINT))
    detector = tiny("ALAD", device=device, max_epochs=1, callbacks=[press])
    with pytest.warns(ConvergenceWarning, match="interrupted after 1 epochs"):
        detector.fit(table())
    assert detector.n_iter_ == 1


def test_ctrl_c_twice_ends_a_training_at_once(device):
    def press(net):
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)

    detector = tiny("ALAD", device=device, callbacks=[Spy("on_batch_begin", press)])
    with pytest.raises(KeyboardInterrupt):
        detector.fit(table())
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_of_the_caller_keeps_handling_ctrl_c(device):
    handled = []
    press = Spy("on_batch_begin", lambda net: signal.raise_signal(signal.SIGINT))
    before = signal.signal(signal.SIGINT, lambda *args: handled.append(args))
    try:
        tiny("ALAD", device=device, max_epochs=1, callbacks=[press]).fit(table(48))
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(handled) == 3  # one for each mini-batch


def press_in_finalize(monkeypatch, detector, n_times=1):
    """Press Ctrl-C while the training rows are scored."""

    def finalize(self, apply, labels):
        for _ in range(n_times):
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(detector.game_class, "finalize", finalize)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_ctrl_c_at_the_end_of_a_training_leaves_a_fitted_detector(early_stopping, device):
    params = {"device": device, "early_stopping": early_stopping}
    expected = tiny("ALAD", **params).fit(table()).score_samples(table())
    press = Spy("on_train_end", lambda net: signal.raise_signal(signal.SIGINT))
    detector = tiny("ALAD", callbacks=[press], **params)
    with pytest.warns(ConvergenceWarning, match="interrupted after the last of 2 epochs"):
        detector.fit(table())
    assert_same_bits(detector.score_samples(table()), expected)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_ctrl_c_while_training_rows_are_scored_leaves_a_fitted_detector(
    method, device, monkeypatch
):
    detector = tiny("RCGAN", device=device)
    press_in_finalize(monkeypatch, detector)
    with pytest.warns(ConvergenceWarning, match="interrupted after the last of"):
        getattr(detector, method)(table())
    assert np.isfinite(detector.score_samples(table())).all()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_twice_while_training_rows_are_scored_keeps_the_earlier_fit(device, monkeypatch):
    detector = tiny("RCGAN", device=device).fit(table())
    scores = detector.score_samples(table())
    press_in_finalize(monkeypatch, detector, n_times=2)
    with pytest.raises(KeyboardInterrupt):
        detector.fit(table(seed=1))
    assert_same_bits(detector.score_samples(table()), scores)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_before_the_first_epoch_is_raised(device):
    press = Spy("on_train_begin", lambda net: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        tiny("ALAD", device=device, callbacks=[press]).fit(table())
