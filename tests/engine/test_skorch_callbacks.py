"""Callbacks of skorch in the training of a detector."""

import math

import numpy as np
import pytest
import torch
from common import assert_same_bits, differs, learning_rate, numbers, recorder, state, table, tiny
from engine_common import initialized_net, network_numbers
from skorch.callbacks import (
    Checkpoint,
    EarlyStopping,
    Freezer,
    GradientNormClipping,
    LoadInitState,
    LRScheduler,
)

from skgad.engine.data import Rows

pytestmark = pytest.mark.usefixtures("seeded")


def test_a_scheduler_changes_the_learning_rate(device):
    schedule = LRScheduler("ExponentialLR", gamma=0.5)
    detector = tiny("ALAD", device=device, max_epochs=3, lr=0.08, callbacks=[schedule])
    detector.fit(table())
    assert detector.history_[:, "event_lr"] == [0.08, 0.04, 0.02]
    assert [group["lr"] for group in detector.net_.optimizer_.param_groups] == [0.01]


def test_early_stopping_of_skorch_ends_the_training(device):
    stop = EarlyStopping(monitor="generator_loss", patience=2, threshold=10, lower_is_better=True)
    detector = tiny("ALAD", device=device, max_epochs=50, callbacks=[stop]).fit(table())
    assert detector.n_iter_ == 3  # no epoch improves on the first one by the threshold


def test_callbacks_can_have_names(device):
    stop = EarlyStopping(monitor="generator_loss", patience=2, threshold=10)
    detector = tiny("ALAD", device=device, max_epochs=50, callbacks=[("stop", stop)])
    assert detector.fit(table()).n_iter_ == 3
    assert "stop" in dict(detector.net_.callbacks_)


@pytest.mark.filterwarnings("ignore:.*weights_only.*")
def test_training_resumes_from_a_checkpoint(device, tmp_path):
    seen, spy = recorder("on_train_begin", lambda net: numbers(net.module_))

    def checkpoint():
        return Checkpoint(dirname=tmp_path, monitor=None)

    first = tiny("ALAD", device=device, max_epochs=2, ema_decay=None, callbacks=[checkpoint()])
    first.fit(table())
    second = tiny(
        "ALAD",
        device=device,
        max_epochs=3,
        ema_decay=None,
        random_state=1,
        callbacks=[LoadInitState(checkpoint()), spy],
    ).fit(table())
    assert_same_bits(
        {k: v for k, v in seen[0].items() if k.startswith("game.")},
        {k: v for k, v in state(first).items() if k.startswith("game.")},
    )
    assert second.n_iter_ == 5
    moments = second.net_.optimizer_.state_dict()["state"][0]
    assert moments["step"].item() == 3 * 5  # three batches in each epoch


@pytest.mark.filterwarnings("ignore:.*weights_only.*")
@pytest.mark.parametrize("schedule", ["constant", "linear", "step"])
def test_training_from_a_checkpoint_restores_the_rate_and_the_averages(schedule, device, tmp_path):
    rates, spy = recorder("on_batch_begin", learning_rate)
    keep = Checkpoint(dirname=tmp_path, monitor=None)
    params = {"device": device, "lr": 0.01, "lr_schedule": schedule, "max_epochs": 3}
    first = tiny("ALAD", callbacks=[keep], **params).fit(table())
    callbacks = [LoadInitState(keep), keep, spy]
    second = tiny("ALAD", callbacks=callbacks, random_state=1, **params).fit(table())
    assert rates[0] == 0.01
    assert differs(network_numbers(state(first)), network_numbers(state(second)))
    averaging = dict(second.net_.callbacks_)["weight_averaging"]
    assert averaging.n_updates_ == 3 * 6  # three batches in each epoch, of both trainings


def test_the_best_checkpoint_is_loaded(device, tmp_path):
    losses = iter([3.0, 1.0, 2.0, 4.0])
    states = []

    def pretend(net):
        net.history.record("pretended", next(losses))
        states.append(numbers(net.module_))

    class Best(Checkpoint):
        def on_epoch_end(self, net, **kwargs):
            pretend(net)
            best = min(net.history[:, "pretended"])
            net.history.record("pretended_best", net.history[-1, "pretended"] == best)
            super().on_epoch_end(net, **kwargs)

    keeper = Best(dirname=tmp_path, monitor="pretended_best", load_best=True)
    detector = tiny("ALAD", device=device, max_epochs=4, callbacks=[keeper]).fit(table())
    assert_same_bits(network_numbers(state(detector)), network_numbers(states[1]))
    assert differs(network_numbers(states[1]), network_numbers(states[3]))


@pytest.mark.parametrize("clipped", [True, False])
def test_gradients_are_clipped_for_each_player(clipped, device):
    limit = 1e-3
    trained = initialized_net(
        device,
        optimizer=torch.optim.SGD,
        lr=1e-2,  # a step is the gradient times this
        max_epochs=3,
        callbacks=[GradientNormClipping(0.1)] if clipped else [],
    )
    trained.partial_fit(Rows(table(n_features=3).astype(np.float32), device=device))
    seen = trained.module_.game.seen
    steps = [
        math.sqrt(sum(((after[k] - before[k]) ** 2).sum() for k in before))
        for before, after in zip(seen, seen[1:], strict=False)
        if any(not np.array_equal(before[k], after[k]) for k in before)
    ]
    assert len(steps) == 9  # three moves in each of three epochs
    if clipped:
        np.testing.assert_allclose(steps, limit, rtol=1e-2)
    else:
        assert min(steps) > 2 * limit


def test_a_frozen_network_does_not_move(device):
    seen, spy = recorder("on_train_begin", lambda net: numbers(net.module_.game))
    detector = tiny("ALAD", device=device, callbacks=[Freezer("*encoder*"), spy]).fit(table())
    first, last = seen[0], numbers(detector.net_.module_.game)
    still = {name.split(".")[0] for name in first if np.array_equal(first[name], last[name])}
    assert still == {"encoder"}
    assert {
        name.split(".")[0] for name in first if not np.array_equal(first[name], last[name])
    } == {"decoder", "d_xz", "d_xx", "d_zz"}


def test_a_player_can_be_frozen_completely(device):
    first, spy = recorder("on_train_begin", lambda net: numbers(net.module_))
    detector = tiny("ALAD", device=device, callbacks=[spy, Freezer("*.d_*")]).fit(table())
    before, after = first[0], state(detector)
    moved = {name for name in before if not np.array_equal(before[name], after[name])}
    moved = {name for name in moved if name.startswith("game.")}
    assert moved
    assert not [name for name in moved if ".d_" in name]
