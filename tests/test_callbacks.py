"""Averages of the weights."""

import numpy as np
import pytest
import torch
from common import Spy, assert_same_bits, differs, numbers, table, tiny
from torch import nn

from skgad import MLP
from skgad.callbacks import WeightAveraging
from skgad.networks import Discriminator


def part_of(net, part="game"):
    """The numbers of the game or of its averages, in float64."""
    return {
        name: array.astype(float) for name, array in numbers(getattr(net.module_, part)).items()
    }


class BatchNormed(MLP):
    """Networks with batch normalization in one discriminator, whose statistics are buffers."""

    def d_xz(self, *n_inputs):
        body = nn.Sequential(nn.Linear(sum(n_inputs), 8), nn.BatchNorm1d(8), nn.LeakyReLU(0.2))
        return Discriminator(body, 8)


def train_and_record(device, averaging, **params):
    """Train a detector, and return it with its initial numbers and those after each mini-batch."""
    seen = []

    def record(net):
        seen.append(part_of(net))

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
def test_averages_equal_exponential_ones_computed_by_hand(warm_up, decay, device):
    detector, seen = train_and_record(device, WeightAveraging(decay, warm_up), max_epochs=4)
    assert len(seen) == 13
    average = dict(seen[0])
    for t, current in enumerate(seen[1:]):
        d = min(decay, (1 + t) / (10 + t)) if warm_up else decay
        average = {name: d * average[name] + (1 - d) * current[name] for name in average}
    kept = part_of(detector.net_, "averaged_game")
    assert kept.keys() == average.keys()
    weights = [name for name in kept if "running" not in name and "num_batches" not in name]
    for name in weights:
        np.testing.assert_allclose(kept[name], average[name], rtol=1e-4, atol=1e-6, err_msg=name)
    if decay:
        assert differs(kept, part_of(detector.net_))


def test_buffers_are_copied_and_not_averaged(device):
    detector, seen = train_and_record(device, WeightAveraging(0.9, warm_up=False))
    kept, current = part_of(detector.net_, "averaged_game"), part_of(detector.net_)
    statistics = [name for name in kept if "running" in name or "num_batches" in name]
    assert len(statistics) == 3
    for name in statistics:
        assert_same_bits(kept[name], current[name])
        assert (kept[name] != seen[0][name]).any()


def test_a_continued_training_continues_the_averages(device):
    averaging = WeightAveraging(0.9, warm_up=True)
    twice, _ = train_and_record(device, averaging, max_epochs=2, warm_start=True)
    twice.fit(table())
    once, _ = train_and_record(device, averaging, max_epochs=4)
    assert_same_bits(part_of(twice.net_, "averaged_game"), part_of(once.net_, "averaged_game"))


def test_held_out_rows_do_not_update_the_averages(device):
    params = {"early_stopping": True, "validation_fraction": 0.5, "n_iter_no_change": 9}
    detector, seen = train_and_record(
        device, WeightAveraging(0.5, warm_up=False), max_epochs=1, **params
    )
    updates = dict(detector.net_.callbacks_)["WeightAveraging"].n_updates_
    assert updates == 2  # 24 training rows in mini-batches of 16


def l1_by_hand(game, rows):
    """Anomaly score "l1" of an MLP with one hidden layer, computed with numpy."""

    def mlp(network, x):
        (inner, outer) = (m for m in network.modules() if isinstance(m, nn.Linear))
        w, b = (p.detach().cpu().double().numpy() for p in inner.parameters())
        v, c = (p.detach().cpu().double().numpy() for p in outer.parameters())
        hidden = x @ w.T + b
        return np.maximum(hidden, 0.2 * hidden) @ v.T + c

    return np.abs(rows - mlp(game.decoder, mlp(game.encoder, rows))).sum(1)


def test_scores_come_from_the_averages(device):
    detector = tiny("ALAD", device=device, ema_decay=0.9, score_type="l1").fit(table())
    module = detector.net_.module_
    scores = -detector.score_samples(table())
    np.testing.assert_allclose(scores, l1_by_hand(module.averaged_game, table()), rtol=1e-4)
    assert abs(scores - l1_by_hand(module.game, table())).max() > 1e-3


def test_without_averages_scores_come_from_the_last_weights(device):
    detector = tiny("ALAD", device=device, ema_decay=None, score_type="l1").fit(table())
    module = detector.net_.module_
    assert module.averaged_game is None
    scores = -detector.score_samples(table())
    np.testing.assert_allclose(scores, l1_by_hand(module.game, table()), rtol=1e-4)


def test_a_decay_of_zero_gives_the_last_weights(device):
    averaged = tiny("ALAD", device=device, ema_decay=0.0).fit(table())
    last = tiny("ALAD", device=device, ema_decay=None).fit(table())
    assert_same_bits(averaged.score_samples(table()), last.score_samples(table()))


def test_averaging_does_not_change_the_training(device):
    without = tiny("ALAD", device=device, ema_decay=None).fit(table())
    averaged = tiny("ALAD", device=device, ema_decay=0.9).fit(table())
    assert_same_bits(part_of(without.net_), part_of(averaged.net_))


def test_the_callback_keeps_no_tensors(device):
    detector = tiny("ALAD", device=device, ema_decay=0.9).fit(table())
    callback = dict(detector.net_.callbacks_)["weight_averaging"]
    assert not any(torch.is_tensor(v) or isinstance(v, list) for v in vars(callback).values())


@pytest.mark.parametrize("decay", [1.0, -0.1, 2])
def test_a_decay_out_of_range_raises_an_error(decay, device):
    with pytest.raises(ValueError, match=rf"decay must be in \[0, 1\), got {decay}"):
        tiny("ALAD", device=device, callbacks=[("mine", WeightAveraging(decay))]).fit(table())
    with pytest.raises(ValueError, match="'ema_decay' parameter of ALAD must be"):
        tiny("ALAD", device=device, ema_decay=decay).fit(table())
