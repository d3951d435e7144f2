"""Phases of a training, which the engine counts for every game."""

import pytest
from common import recorder, table, tiny
from skorch.callbacks import Callback


def phases_of(name, device, labels=None, n_more=0, **params):
    """Phase of the game in each mini-batch of a fit and of some further epochs."""
    phases, spy = recorder("on_batch_begin", lambda net: net.module_.game.phase)
    detector = tiny(name, device=device, callbacks=[spy], **params)
    detector.fit(table(), **({} if labels is None else {"labels": labels}))
    for _ in range(n_more):
        detector.partial_fit(table())
    return phases


def test_phases_follow_each_other_and_continue_in_the_next_training(device):
    params = {"pretraining": 1, "warm_up": 2, "max_epochs": 2}  # epochs of 3 mini-batches
    phases = phases_of("DeepSVDD", device, n_more=2, **params)
    assert phases == ["pretraining"] * 3 + ["warm-up"] * 6 + ["training"] * 3


@pytest.mark.parametrize("n_members", [1, 2])
def test_a_phase_can_be_a_proportion_of_the_first_training(n_members, device):
    params = {"warm_up": 0.5, "max_epochs": 4, "n_members": n_members}
    phases = phases_of("AMA", device, n_more=1, **params)
    assert phases == ["warm-up"] * 6 + ["training"] * 9


def test_mini_batches_with_known_outliers_do_not_count_in_the_warm_up(device):
    labels = [-1] * 6 + [0] * 42
    phases = phases_of("AMA", device, labels=labels, n_more=2, warm_up=1, max_epochs=1)
    assert phases == ["warm-up"] * 6 + ["training"] * 3


def test_a_game_without_a_plan_keeps_its_own_phase(device):
    class Own(Callback):
        def on_epoch_begin(self, net, **kwargs):
            net.module_.game.phase = len(net.history)

    phases, spy = recorder("on_batch_end", lambda net: net.module_.game.phase)
    tiny("WAE", device=device, callbacks=[Own(), spy]).fit(table())
    assert phases == [1, 1, 1, 2, 2, 2]


def test_the_game_with_averaged_weights_knows_the_phase(device):
    params = {"pretraining": 2, "warm_up": 0, "max_epochs": 1, "ema_decay": 0.9}
    module = tiny("DeepSVDD", device=device, **params).fit(table()).net_.module_
    assert [game.phase for game in module.games] == ["pretraining"] * 2


def test_no_callback_of_the_phases_is_kept(device):
    detector = tiny("DeepSVDD", device=device).fit(table())
    assert "Phases" not in dict(detector.net_.callbacks_)
