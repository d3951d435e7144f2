"""Averages of the weights, and the decay of the learning rate."""

import numpy as np
import pytest
import torch
from common import Spy, assert_same_bits, differs, state, table, tiny
from torch import nn

from skgad import MLP
from skgad.callbacks import WeightAveraging
from skgad.networks import Discriminator


def numbers(net, part="games"):
    """All numbers of a part of the module, in float64 and by name."""
    entries = getattr(net.module_, part).state_dict().items()
    return {name: tensor.detach().cpu().double().numpy().copy() for name, tensor in entries}


class BatchNormed(MLP):
    """Networks with statistics that are not learnt: batch-norm in one discriminator."""

    def d_xz(self, *n_inputs):
        body = nn.Sequential(nn.Linear(sum(n_inputs), 8), nn.BatchNorm1d(8), nn.LeakyReLU(0.2))
        return Discriminator(body, 8)


def train_and_record(device, averaging, **params):
    """Train a detector; return it with the numbers after each mini-batch, the start first."""
    seen = []

    def record(net):
        seen.append(numbers(net))

    detector = tiny(
        "ALAD",
        device=device,
        ema_decay=None,
        networks=BatchNormed((8,)),
        callbacks=[
            averaging,
            Spy("on_train_begin", record),
            Spy("on_batch_end", record),
        ],
        **params,
    )
    return detector.fit(table()), seen


@pytest.mark.parametrize("warm_up", [True, False])
@pytest.mark.parametrize("decay", [0.0, 0.3, 0.99])
def test_averages_are_the_exponential_ones_computed_by_hand(warm_up, decay, device):
    detector, seen = train_and_record(device, WeightAveraging(decay, warm_up), max_epochs=4)
    assert len(seen) == 13
    average = dict(seen[0])
    for t, current in enumerate(seen[1:]):
        d = min(decay, (1 + t) / (10 + t)) if warm_up else decay
        average = {name: d * average[name] + (1 - d) * current[name] for name in average}
    kept = numbers(detector.net_, "averages")
    assert kept.keys() == average.keys()
    weights = [name for name in kept if "running" not in name and "num_batches" not in name]
    for name in weights:
        np.testing.assert_allclose(kept[name], average[name], rtol=1e-4, atol=1e-6, err_msg=name)
    if decay:
        assert differs(kept, numbers(detector.net_))


def test_statistics_are_copied_and_not_averaged(device):
    detector, seen = train_and_record(device, WeightAveraging(0.9, warm_up=False))
    kept, current = numbers(detector.net_, "averages"), numbers(detector.net_)
    statistics = [name for name in kept if "running" in name or "num_batches" in name]
    assert len(statistics) == 3
    for name in statistics:
        assert_same_bits(kept[name], current[name])
        assert (kept[name] != seen[0][name]).any()


def test_averages_go_on_where_they_were(device):
    averaging = WeightAveraging(0.9, warm_up=True)
    twice, _ = train_and_record(device, averaging, max_epochs=2, warm_start=True)
    twice.fit(table())
    once, _ = train_and_record(device, averaging, max_epochs=4)
    assert_same_bits(numbers(twice.net_, "averages"), numbers(once.net_, "averages"))


def test_held_out_rows_do_not_move_the_averages(device):
    params = {"early_stopping": True, "validation_fraction": 0.5, "n_iter_no_change": 9}
    detector, seen = train_and_record(
        device, WeightAveraging(0.5, warm_up=False), max_epochs=1, **params
    )
    updates = dict(detector.net_.callbacks_)["WeightAveraging"].n_updates_
    assert updates == 2  # 24 rows to train on, 16 at once


def l1_by_hand(game, rows):
    """Anomaly score "l1" of an MLP with one hidden layer, in numpy."""

    def mlp(network, x):
        (inner, outer) = (m for m in network.modules() if isinstance(m, nn.Linear))
        w, b = (p.detach().cpu().double().numpy() for p in inner.parameters())
        v, c = (p.detach().cpu().double().numpy() for p in outer.parameters())
        hidden = x @ w.T + b
        return np.maximum(hidden, 0.2 * hidden) @ v.T + c

    return np.abs(rows - mlp(game.decoder, mlp(game.encoder, rows))).sum(1)


def test_scores_come_from_the_averages(device):
    detector = tiny("ALAD", device=device, ema_decay=0.9, score_type="l1").fit(table())
    games, averages = detector.net_.module_.games, detector.net_.module_.averages
    scores = -detector.score_samples(table())
    np.testing.assert_allclose(scores, l1_by_hand(averages[0], table()), rtol=1e-4)
    assert abs(scores - l1_by_hand(games[0], table())).max() > 1e-3


def test_without_averages_scores_come_from_the_last_weights(device):
    detector = tiny("ALAD", device=device, ema_decay=None, score_type="l1").fit(table())
    module = detector.net_.module_
    assert module.averages is None
    scores = -detector.score_samples(table())
    np.testing.assert_allclose(scores, l1_by_hand(module.games[0], table()), rtol=1e-4)


def test_averaging_does_not_disturb_the_training(device):
    without = tiny("ALAD", device=device, ema_decay=None).fit(table())
    averaged = tiny("ALAD", device=device, ema_decay=0.9).fit(table())
    assert_same_bits(numbers(without.net_), numbers(averaged.net_))


def test_averages_travel_once_with_the_module(device):
    detector = tiny("ALAD", device=device, ema_decay=0.9).fit(table())
    callback = dict(detector.net_.callbacks_)["weight_averaging"]
    assert not any(torch.is_tensor(v) or isinstance(v, list) for v in vars(callback).values())


@pytest.mark.parametrize("decay", [1.0, -0.1, 2])
def test_a_decay_out_of_range_is_refused(decay, device):
    with pytest.raises(ValueError, match=rf"decay must be in \[0, 1\), got {decay}"):
        tiny("ALAD", device=device, callbacks=[("mine", WeightAveraging(decay))]).fit(table())
    with pytest.raises(ValueError, match="'ema_decay' parameter of ALAD must be"):
        tiny("ALAD", device=device, ema_decay=decay).fit(table())


def rates_of(detector, rows):
    """Fit, and return the learning rate of every mini-batch."""
    rates = []

    def record(net):
        rates.append(net.optimizer_.param_groups[0]["lr"])

    return detector.set_params(callbacks=[Spy("on_batch_begin", record)]).fit(rows), rates


def test_a_linear_schedule_ends_at_zero_and_starts_again(device):
    detector, rates = rates_of(
        tiny("ALAD", device=device, lr=0.1, lr_schedule="linear", max_epochs=4, warm_start=True),
        table(),
    )
    np.testing.assert_allclose(rates, 0.1 * (1 - np.arange(12) / 12))
    detector.fit(table())
    np.testing.assert_allclose(rates, np.tile(0.1 * (1 - np.arange(12) / 12), 2))
    detector.partial_fit(table())
    np.testing.assert_allclose(rates[24:], [0.1] * 3)


def test_a_step_schedule_has_three_steps_and_starts_again(device):
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


def test_a_schedule_that_is_none_is_refused(device):
    with pytest.raises(ValueError, match="'lr_schedule' parameter of ALAD must be"):
        tiny("ALAD", device=device, lr_schedule="cosine").fit(table())


def test_a_schedule_goes_with_groups_of_parameters(device):
    groups = {"optimizer__param_groups": [("games.*.encoder.*", {"lr": 0.5})]}
    rates = []

    def record(net):
        rates.append([group["lr"] for group in net.optimizer_.param_groups])

    spy = Spy("on_batch_begin", record)
    params = {"lr": 0.1, "lr_schedule": "step", "net_params": groups, "callbacks": [spy]}
    tiny("ALAD", device=device, max_epochs=10, **params).fit(table())
    assert sorted(rates[0]) == [0.1, 0.5]
    np.testing.assert_allclose(sorted(rates[10]), [0.01, 0.05])


def test_a_constant_schedule_is_one(device):
    detector = tiny("ALAD", device=device, lr=0.01, lr_schedule="constant", max_epochs=4)
    assert rates_of(detector, table())[1] == [0.01] * 12


def test_a_changed_learning_rate_counts_when_training_goes_on(device):
    detector, rates = rates_of(tiny("ALAD", device=device, lr=0.01), table())
    detector.set_params(lr=0.002).partial_fit(table())
    assert rates == [0.01] * 6 + [0.002] * 3


def test_the_schedule_is_no_part_of_the_detector(device):
    detector = tiny("ALAD", device=device, lr_schedule="linear").fit(table())
    constant = tiny("ALAD", device=device, lr_schedule="constant").fit(table())
    assert [name for name, _ in detector.net_.callbacks_] == [
        name for name, _ in constant.net_.callbacks_
    ]
    assert detector.net_.optimizer_.param_groups[0]["lr"] == detector.lr
    assert differs(state(detector), state(constant))


def test_a_decay_of_zero_is_the_last_weights(device):
    averaged = tiny("ALAD", device=device, ema_decay=0.0).fit(table())
    last = tiny("ALAD", device=device, ema_decay=None).fit(table())
    assert_same_bits(averaged.score_samples(table()), last.score_samples(table()))


def test_held_out_rows_do_not_count_in_the_schedule(device):
    rates = []
    spy = Spy("on_grad_computed", lambda net: rates.append(net.optimizer_.param_groups[0]["lr"]))
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
    # 24 rows to train on are two mini-batches of two moves each
    np.testing.assert_allclose(rates, np.repeat(0.1 * (1 - np.arange(8) / 8), 2))


def test_a_changed_learning_rate_is_where_the_next_schedule_starts(device):
    rates = []
    spy = Spy("on_batch_begin", lambda net: rates.append(net.optimizer_.param_groups[0]["lr"]))
    params = {"lr_schedule": "linear", "warm_start": True, "callbacks": [spy]}
    detector = tiny("ALAD", device=device, lr=0.1, **params).fit(table())
    detector.set_params(lr=0.02).fit(table())
    np.testing.assert_allclose(rates[6:], 0.02 * (1 - np.arange(6) / 6))
