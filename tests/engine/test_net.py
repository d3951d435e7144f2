"""The net: moves of the players, the history, divergence, and parameters of skorch."""

import math
import pickle
from copy import deepcopy

import numpy as np
import pytest
import torch
from common import (
    DETECTORS,
    Spy,
    WatchRows,
    assert_same_bits,
    differs,
    numbers,
    recorder,
    state,
    table,
    tiny,
)
from engine_common import ROWS, Tug, ensemble_of, initialized_net, moved, network_numbers, snapshot
from skorch.callbacks import Callback
from torch import nn

from skgad.callbacks import WeightAveraging
from skgad.engine.data import Rows
from skgad.engine.net import DivergenceError

pytestmark = pytest.mark.usefixtures("seeded")

# ------------------------------------------------------------------------------------ moves

OPTIMIZERS = {
    "Adam": (torch.optim.Adam, {"weight_decay": 0.1}),
    "fused Adam": (torch.optim.Adam, {"fused": True, "weight_decay": 0.1}),
    "AdamW": (torch.optim.AdamW, {"weight_decay": 0.1}),
    "RMSprop": (torch.optim.RMSprop, {"momentum": 0.9, "weight_decay": 0.1}),
    "SGD": (torch.optim.SGD, {"momentum": 0.9, "weight_decay": 0.1}),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_only_the_yielded_player_moves_and_has_moved_when_the_yield_returns(name, device):
    optimizer, params = OPTIMIZERS[name]
    params = {f"optimizer__{key}": value for key, value in params.items()}
    trained = initialized_net(
        device, optimizer=optimizer, lr=0.1, batch_size=-1, max_epochs=3, **params
    )
    trained.partial_fit(Rows(ROWS, device=device))  # with momentum from the second round on
    seen = trained.module_.game.seen
    assert len(seen) == 12
    for start, left, right, end in zip(*[iter(seen)] * 4, strict=True):
        assert moved(start, left) == {"a", "c"}
        assert moved(left, right) == {"b"}
        assert moved(right, end) == {"a"}  # the loss does not depend on c
    assert moved(seen[0], seen[-1]) == {"a", "b", "c"}


def train_by_hand(game, rows, n_rounds, optimizer, **params):
    """Train a Tug with one optimizer for each player, and with explicit detach calls."""
    left = [*game.a.parameters(), *game.c.parameters()]
    right = [*game.b.parameters()]
    optimizers = [optimizer(left, **params), optimizer(right, **params)]

    def move(player, loss):
        optimizers[player].zero_grad()
        loss.backward()
        optimizers[player].step()

    a, b, c = game.a, game.b, game.c
    for _ in range(n_rounds):
        move(0, (c(a(rows)) - b(rows).detach()).square().mean())
        move(1, (c(a(rows)).detach() + b(rows) + 1).square().mean())
        move(0, (a(rows) * b(rows).detach()).mean())


@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_equals_one_optimizer_for_each_player(name, n_members, device):
    optimizer, params = OPTIMIZERS[name]
    trained = initialized_net(
        device,
        n_members=n_members,
        optimizer=optimizer,
        lr=0.01,
        max_epochs=20,
        batch_size=-1,
        iterator_train__shuffle=False,
        **{f"optimizer__{key}": value for key, value in params.items()},
    )
    torch.manual_seed(0)
    games = [Tug().to(device) for _ in range(n_members)]
    initial = snapshot(ensemble_of(games).game)
    assert_same_bits(initial, snapshot(trained.module_.game))
    trained.partial_fit(Rows(ROWS, device=device))
    for game in games:
        train_by_hand(game, torch.from_numpy(ROWS).to(device), 20, optimizer, lr=0.01, **params)
    expected, trained = snapshot(ensemble_of(games).game), snapshot(trained.module_.game)
    assert expected.keys() == trained.keys()
    for name in expected:
        if n_members == 1:
            assert_same_bits(trained[name], expected[name])
        else:
            np.testing.assert_allclose(trained[name], expected[name], rtol=1e-4, atol=1e-5)


def test_a_game_receives_the_rows_and_the_labels(device):
    seen = []

    class Witness(Tug):
        def play(self, x, labels=None):
            seen.append((x.cpu().numpy(), labels.cpu().numpy(), self.training))
            yield "left", self.a(x).mean((-2, -1))

    labels = np.arange(24, dtype=np.int8) % 3 - 1
    trained = initialized_net(
        device, Witness, max_epochs=2, batch_size=10, iterator_train__shuffle=False
    )
    trained.partial_fit(Rows(ROWS, labels, device))
    assert [len(x) for x, *_ in seen] == [10, 10, 4] * 2
    assert_same_bits(np.concatenate([x for x, *_ in seen[:3]]), ROWS)
    assert_same_bits(np.concatenate([known for _, known, _ in seen[3:]]), labels)
    assert all(training for *_, training in seen)
    assert not trained.module_.training
    assert trained.history[0, "left_loss"] != 0
    assert "right_loss" not in trained.history[0]


@pytest.mark.parametrize("shuffle", [True, False])
def test_rows_are_shuffled_in_each_epoch_unless_shuffling_is_off(shuffle, device):
    seen, rows = [], table().astype(np.float32)
    detector = tiny("ALAD", device=device, callbacks=[WatchRows(lambda _, x: seen.append(x))])
    if not shuffle:
        detector.set_params(net_params={"iterator_train__shuffle": False})
    detector.fit(rows)
    epochs = np.concatenate(seen).reshape(2, *rows.shape)
    for epoch in epochs:
        assert_same_bits(epoch[np.lexsort(epoch.T)], rows[np.lexsort(rows.T)])
        assert np.array_equal(epoch, rows) != shuffle
    assert np.array_equal(*epochs) != shuffle


# ---------------------------------------------------------------------- one call of `train`


def test_the_net_keeps_neither_the_callbacks_of_a_training_nor_held_out_rows(device):
    seen = []

    class Watch(Callback):
        def on_train_begin(self, net, **kwargs):
            seen.append([name for name, _ in net.callbacks_])

    trained = initialized_net(device, max_epochs=2, callbacks=[("kept", Callback())])
    permanent = list(trained.callbacks_)
    held_out = np.full((7, 3), 54321, np.float32)
    trained.train(
        Rows(ROWS, device=device), Rows(held_out, device=device), callbacks=[Watch(), Watch()]
    )
    assert seen == [[*dict(permanent), "Watch", "Watch"]] * 2
    assert trained.callbacks_ == permanent
    assert trained.train_split is None
    assert np.isfinite(trained.history[:, "valid_loss"]).all()
    assert held_out[0].tobytes() not in pickle.dumps(trained)
    trained.train(Rows(ROWS, device=device))
    assert len(seen) == 2
    assert "valid_loss" not in trained.history[-1]


def test_two_trainings_equal_a_longer_one(device):
    rows = Rows(ROWS, device=device)
    once = initialized_net(device, max_epochs=4, batch_size=10)
    once.train(rows)
    twice = initialized_net(device, max_epochs=2, batch_size=10)
    twice.train(rows)
    twice.train(rows)
    assert twice.history[:, "epoch"] == [1, 2, 3, 4]
    assert_same_bits(numbers(twice.module_), numbers(once.module_))


# ---------------------------------------------------------------------------------- history


def test_the_history_averages_the_loss_of_each_player_over_the_rows(device):
    batches = []

    def record(net):
        batches.append((len(net.history), dict(net.history[-1, "batches", -1])))

    detector = tiny("ALAD", device=device, max_epochs=3, callbacks=[Spy("on_batch_end", record)])
    detector.fit(table(n_samples=40))
    assert detector.history_ is detector.net_.history
    assert detector.history_[:, "epoch"] == [1, 2, 3]
    for epoch in (1, 2, 3):
        rows = [batch for number, batch in batches if number == epoch]
        sizes = [batch["train_batch_size"] for batch in rows]
        assert sizes == [16, 16, 8]
        for loss in ("discriminator_loss", "generator_loss"):
            expected = np.average([batch[loss] for batch in rows], weights=sizes)
            assert detector.history_[epoch - 1, loss] == pytest.approx(expected, rel=1e-12)
        both = [batch["discriminator_loss"] + batch["generator_loss"] for batch in rows]
        np.testing.assert_allclose(both, [batch["train_loss"] for batch in rows])


def test_the_history_drops_the_records_of_earlier_batches(device):
    detector = tiny("ALAD", device=device, max_epochs=4).fit(table(n_samples=160))
    for row in detector.history_:
        assert row["train_batch_count"] == 10
        assert len(row["batches"]) <= 1
    detector.partial_fit(table(n_samples=160))
    assert all(len(row["batches"]) <= 1 for row in detector.history_)


def test_the_recorded_loss_is_the_average_over_the_members(device):
    trained = initialized_net(device, n_members=3, max_epochs=1, batch_size=-1, lr=1e-9)
    rows = table(n_samples=24, n_features=3).astype(np.float32)
    x = torch.from_numpy(rows).to(device)
    expected = [loss.tolist() for _, loss in trained.module_.play(x)]
    trained.partial_fit(Rows(rows, device=device))
    np.testing.assert_allclose(  # averaged over the two moves of "left", too
        trained.history[-1, "left_loss"], np.mean(expected, axis=1)[[0, 2]].mean(), rtol=1e-4
    )
    np.testing.assert_allclose(
        trained.history[-1, "right_loss"], np.mean(expected, axis=1)[1], rtol=1e-4
    )


def test_verbose_prints_the_losses_of_each_epoch(device, capsys):
    tiny("ALAD", device=device).fit(table())
    assert capsys.readouterr().out == ""
    tiny("ALAD", device=device, verbose=1).fit(table())
    lines = capsys.readouterr().out.splitlines()
    assert "discriminator_loss" in lines[0]
    assert "generator_loss" in lines[0]
    assert [line.split()[0] for line in lines[2:]] == ["1", "2"]


# ------------------------------------------------------------------------------- divergence


class Runaway(Tug):
    """The loss of the player on the right is not a number in the third mini-batch."""

    n_played = 0

    def play(self, x, labels=None):
        self.n_played += 1
        yield "left", self.a(x).mean()
        yield "right", self.b(x).mean() * (float("nan") if self.n_played == 3 else 1)


def test_a_divergence_error_names_the_player_the_epoch_and_the_remedy(device):
    rows = Rows(table(n_features=3).astype(np.float32), device=device)
    with pytest.raises(DivergenceError) as caught:
        initialized_net(device, Runaway, max_epochs=5).partial_fit(rows)
    message = str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert "the loss of the right was nan in epoch 3" in message
    assert "Scale the features" in message
    assert "lower the learning rate 'lr'" in message
    assert "GradientNormClipping" in message


def test_a_divergence_error_can_be_pickled():
    error = DivergenceError("generator", math.inf, epoch=7)
    loaded = pickle.loads(pickle.dumps(error))
    assert isinstance(loaded, DivergenceError)
    assert str(loaded) == str(error)
    assert "the loss of the generator was inf in epoch 7" in str(loaded)


def test_a_divergence_error_names_the_member(device):
    class OneOf(Tug):
        def __init__(self):
            super().__init__()
            self.register_buffer("factor", torch.tensor(1.0))

        def play(self, x, labels=None):
            yield "left", self.a(x).mean((-2, -1)) * self.factor

    trained = initialized_net(device, OneOf, n_members=3)
    trained.module_.game.factor[1] = math.inf
    message = "loss of the left of member 1 was -?(inf|nan) in epoch 1.*another 'random_state'"
    with pytest.raises(DivergenceError, match=message) as caught:
        trained.partial_fit(Rows(table(n_features=3).astype(np.float32), device=device))
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_losses_are_read_once_an_epoch(device):
    types = []

    class Watch(Callback):
        def on_batch_end(self, net, **kwargs):
            types.append(type(net.history[-1, "batches", -1, "left_loss"]))

        def on_epoch_end(self, net, **kwargs):
            types.extend(map(type, net.history[-1, "batches", :, "left_loss"]))

    trained = initialized_net(device, max_epochs=1, batch_size=8, callbacks=[Watch()])
    trained.partial_fit(Rows(ROWS, device=device))
    assert types == [torch.Tensor] * 3 + [float] * 3


def test_a_loss_that_is_averaged_over_the_members_raises_an_error(device):
    class Averaged(Tug):
        def play(self, x, labels=None):
            yield "left", self.a(x).mean()

    rows = Rows(ROWS, device=device)
    message = (
        r"The loss of the left has shape \(\), but it must have shape \(2,\) with n_members=2: .*"
        r"In Averaged\.play, average over the rows only, .* with mean\(-1\)"
    )
    with pytest.raises(ValueError, match=message):
        initialized_net(device, Averaged, n_members=2).partial_fit(rows)
    initialized_net(device, Averaged).partial_fit(rows)


def test_a_diverging_detector_raises_an_error(device):
    with pytest.raises(ValueError, match="lower the learning rate 'lr'"):
        tiny("ALAD", device=device, lr=1e30, max_epochs=5).fit(table())


# ------------------------------------------------------------------------------- net_params


def test_networks_can_have_their_own_learning_rates(device):
    groups = [("*.encoder.*", {"lr": 0.0}), ("*.d_xz.*", {"lr": 0.5})]
    start, spy = recorder("on_train_begin", lambda net: numbers(net.module_))
    detector = tiny(
        "ALAD",
        device=device,
        net_params={"optimizer__param_groups": groups},
        ema_decay=None,
        callbacks=[spy],
    ).fit(table())
    assert [group["lr"] for group in detector.net_.optimizer_.param_groups] == [0.0, 0.5, 1e-2]
    end = state(detector)
    still = {k.split(".")[1] for k in network_numbers(end) if np.array_equal(end[k], start[0][k])}
    assert still == {"encoder"}


def test_the_optimizer_can_be_replaced(device):
    params = {"optimizer": torch.optim.SGD, "optimizer__momentum": 0.5}
    detector = tiny("ALAD", device=device, lr=1e-3, net_params=params).fit(table())
    assert type(detector.net_.optimizer_) is torch.optim.SGD
    assert detector.net_.optimizer_.param_groups[0]["momentum"] == 0.5


@pytest.mark.parametrize("name", ["lr", "batch_size", "callbacks", "device", "train_split"])
def test_net_params_that_the_detector_sets_raise_an_error(name, device):
    with pytest.raises(ValueError, match=f"net_params contains '{name}', which ALAD sets itself"):
        tiny("ALAD", device=device, net_params={name: None}).fit(table())


def test_the_data_loader_of_torch_can_be_used(device):
    params = {"iterator_train": torch.utils.data.DataLoader}
    detector = tiny("ALAD", device=device, net_params=params).fit(table())
    assert detector.history_[-1, "train_batch_count"] == 3
    assert np.isfinite(detector.score_samples(table())).all()


def test_two_weight_averaging_callbacks_raise_an_error(device):
    with pytest.raises(ValueError, match="more than one WeightAveraging.* set ema_decay=None"):
        tiny("ALAD", device=device, callbacks=[WeightAveraging()]).fit(table())
    tiny("ALAD", device=device, ema_decay=None, callbacks=[WeightAveraging()]).fit(table())


def test_the_networks_are_compiled_on_request(device, monkeypatch):
    compiled = []
    monkeypatch.setattr(nn.Module, "compile", lambda net, **how: compiled.append((net, how)))
    params = {"compile": True, "compile__dynamic": True}
    detector = tiny("ALAD", device=device, n_members=2, net_params=params).fit(table())
    networks = list(detector.net_.module_.game.children())
    assert len(networks) == 5
    assert [id(network) for network, _ in compiled] == [id(network) for network in networks]
    assert all(how == {"dynamic": True} for _, how in compiled)


def tensors(net):
    """All tensors of the module and of the optimizer."""
    states = net.optimizer_.state.values()
    moments = [value for moment in states for value in moment.values() if torch.is_tensor(value)]
    return [*net.module_.state_dict().values(), *moments]


@pytest.mark.parametrize("n_members", [1, 3])
def test_a_copy_shares_no_tensors_and_trains_like_its_original(n_members, device):
    detector = tiny("ALAD", device=device, n_members=n_members, warm_start=True).fit(table())
    copied, pickled = deepcopy(detector), pickle.loads(pickle.dumps(detector))
    storages, others = (
        {tensor.untyped_storage().data_ptr() for tensor in tensors(each.net_)}
        for each in (detector, copied)
    )
    assert not storages & others
    before = state(detector)
    assert_same_bits(state(copied), before)
    for each in (copied, pickled):
        each.partial_fit(table())
    assert_same_bits(state(copied), state(pickled))
    assert_same_bits(state(detector), before)


class StoringLinear(nn.Linear):
    """Layer that stores a tensor with a gradient function, which torch cannot copy."""

    def forward(self, x):
        self.doubled = 2 * self.weight
        return nn.functional.linear(x, self.doubled, self.bias)


def test_layers_can_store_what_they_compute(device, monkeypatch):
    monkeypatch.setattr(nn, "Linear", StoringLinear)
    detector = tiny("WAE", device=device).fit(table())
    layers = [m for m in detector.net_.module_.modules() if isinstance(m, StoringLinear)]
    assert any(not layer.doubled.is_leaf for layer in layers)
    before = state(detector)
    continued = deepcopy(detector).partial_fit(table())
    assert continued.n_iter_ == 3
    assert_same_bits(state(detector), before)


@pytest.mark.parametrize("n_members", [1, 2])
@pytest.mark.parametrize("name", DETECTORS)
def test_bf16_autocast_trains_in_bf16_and_keeps_float32_weights(name, n_members, device):
    dtypes = set()
    params = {"n_members": n_members, "device": device, "ema_decay": 0.9}
    detector = tiny(name, **params, net_params={"autocast": torch.bfloat16})
    network = next(iter(detector.game_class.players.values()))[0]

    def watch(net):
        module = getattr(net.module_.game, network)
        module.register_forward_hook(lambda *args: dtypes.add(args[-1].dtype))

    spy = Spy("on_train_begin", watch)
    detector.set_params(callbacks=[spy]).fit(table())
    exact = tiny(name, **params).fit(table())
    assert torch.bfloat16 in dtypes
    weights, exact_weights = state(detector), state(exact)
    assert {values.dtype for values in weights.values()} == {
        values.dtype for values in exact_weights.values()
    }
    assert differs(weights, exact_weights)
    scores, exact_scores = (d.score_samples(table()) for d in (detector, exact))
    assert np.corrcoef(scores, exact_scores)[0, 1] > 0.9
