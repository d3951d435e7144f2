"""The net: its batches, its history, and skorch's callbacks around the moves of players."""

import math
import pickle
import signal
import threading
import warnings

import numpy as np
import pytest
import torch
from common import Spy, WatchRows, assert_same_bits, differs, state, table, tiny
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import (
    Callback,
    Checkpoint,
    EarlyStopping,
    Freezer,
    GradientNormClipping,
    LoadInitState,
    LRScheduler,
)
from test_game import Tug, net
from torch import nn

from skgad.callbacks import WeightAveraging
from skgad.engine.data import BatchLoader, Rows, blocks
from skgad.engine.net import DivergenceError
from skgad.engine.runtime import BatchInvariantLinear

# ------------------------------------------------------------------------------------- rows


class Positions:
    """A data set that gives back the positions that it is asked for."""

    def __init__(self, n_samples):
        self.n_samples = n_samples

    def __len__(self):
        return self.n_samples

    def __getitem__(self, index):
        return index


@given(st.integers(1, 300), st.integers(1, 310), st.booleans())
def test_an_epoch_has_every_row_once_and_no_single_one_left(n_samples, batch_size, shuffle):
    loader = BatchLoader(Positions(n_samples), batch_size, shuffle)
    with torch.random.fork_rng():
        batches = list(loader)
    assert len(batches) == len(loader)
    assert sorted(np.concatenate(batches)) == list(range(n_samples))
    sizes = [len(batch) for batch in batches]
    assert all(size == batch_size for size in sizes[:-1])
    if batch_size > 1 and n_samples > 1:
        assert 1 < sizes[-1] <= batch_size + 1
        assert (sizes[-1] == batch_size + 1) == (
            n_samples > batch_size and n_samples % batch_size == 1
        )
    if not shuffle:
        assert np.concatenate(batches).tolist() == list(range(n_samples))


def test_rows_are_shuffled_anew_in_every_epoch():
    loader = BatchLoader(Positions(200), 50, shuffle=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        first, second = np.concatenate(list(loader)), np.concatenate(list(loader))
        torch.manual_seed(0)
        again = np.concatenate(list(loader))
    assert first.tolist() == again.tolist()
    assert (first != second).sum() > 150
    assert (first != np.arange(200)).sum() > 150


def test_a_batch_size_of_minus_one_is_all_rows():
    assert [len(batch) for batch in BatchLoader(Positions(7), batch_size=-1)] == [7]


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array, sparse.csr_matrix])
def test_rows_are_taken_by_position_with_their_labels(make, device):
    X = np.arange(12, dtype=np.float32).reshape(6, 2)
    labels = np.array([0, 1, -1, 0, 1, -1], np.int8)
    x, known = Rows(make(X), labels, device)[np.array([4, 1, 2])]
    assert (x.dtype, x.device.type, known.device.type) == (torch.float32, device, device)
    assert x.cpu().tolist() == [[8, 9], [2, 3], [4, 5]]
    assert known.cpu().tolist() == [1, 1, -1]
    _, unknown = Rows(make(X), None, device)[np.array([0, 5])]
    assert unknown.cpu().tolist() == [0, 0]


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("n_rows", [1, 4, 5, 10, 11])
def test_blocks_have_one_size_and_all_rows_in_order(make, n_rows, device):
    X = np.arange(1, 21, dtype=np.float32).reshape(10, 2)
    parts = [block.cpu().numpy() for block in blocks(make(X), n_rows, device)]
    assert {part.shape for part in parts} == {(n_rows, 2)}
    assert len(parts) == math.ceil(10 / n_rows)
    assert_same_bits(np.concatenate(parts)[:10], X)
    assert (np.concatenate(parts)[10:] == 0).all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_table_larger_than_the_gpu_stays_on_the_host(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (100, 100))
    rows = Rows(np.ones((100, 3), np.float32), device="cuda")
    assert isinstance(rows.X, np.ndarray)
    assert rows[np.array([5])][0].device.type == "cuda"


# ------------------------------------------------------------------------------ row by row


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("n_outputs", range(1, 17))
def test_a_row_is_mapped_alike_wherever_it_stands(n_outputs, bias, device):
    rng = np.random.RandomState(n_outputs)
    for n_inputs in (1, 3, 8, 33, 64):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            layer = nn.Linear(n_inputs, n_outputs, bias=bias).to(device)
        x = torch.from_numpy(rng.normal(size=(1024, n_inputs)).astype(np.float32)).to(device)
        order = torch.from_numpy(rng.permutation(1024)).to(device)
        with torch.inference_mode(), BatchInvariantLinear():
            straight, permuted = layer(x).cpu().numpy(), layer(x[order]).cpu().numpy()
            rolled = layer(x.roll(5, 0)).cpu().numpy()
        assert_same_bits(permuted, straight[order.cpu().numpy()])
        assert_same_bits(rolled, np.roll(straight, 5, 0))


def test_row_by_row_changes_no_more_than_the_last_bits(device):
    layer = nn.Linear(30, 5).to(device)
    x = torch.randn(64, 30, generator=torch.Generator().manual_seed(0)).to(device)
    weight, bias = layer.weight.detach(), layer.bias.detach()
    expected = x.double().cpu().numpy() @ weight.double().cpu().numpy().T + bias.cpu().numpy()
    linear = nn.functional.linear
    with torch.inference_mode(), BatchInvariantLinear():
        results = {
            "a layer": layer(x),
            "by position": linear(x, weight, bias),
            "by keyword": linear(x, weight, bias=bias),
            "all by keyword": linear(input=x, weight=weight, bias=bias),
            "without bias": linear(x, weight) + bias,
            "three dimensions": layer(x[None])[0],
            "one dimension": torch.stack([layer(row) for row in x]),
        }
    for name, result in results.items():
        np.testing.assert_allclose(result.cpu(), expected, rtol=1e-4, atol=1e-5, err_msg=name)


# --------------------------------------------------------------------------------- history


def test_the_history_has_each_players_loss_averaged_over_the_rows(device):
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


def test_the_history_keeps_no_old_batches(device):
    detector = tiny("ALAD", device=device, max_epochs=4).fit(table(n_samples=160))
    for row in detector.history_:
        assert row["train_batch_count"] == 10
        assert len(row["batches"]) <= 1
    detector.partial_fit(table(n_samples=160))
    assert all(len(row["batches"]) <= 1 for row in detector.history_)


def test_the_loss_of_an_ensembles_player_is_the_mean_of_its_members(device):
    trained = net(device, n_members=3, max_epochs=1, batch_size=-1, lr=1e-9)
    games = trained.module_.games
    rows = table(n_samples=24, n_features=3).astype(np.float32)
    x = torch.from_numpy(rows).to(device)
    expected = [[loss.item() for _, loss in game.play(x)] for game in games]
    trained.partial_fit(Rows(rows, device=device))
    np.testing.assert_allclose(  # of the two moves of "left", too
        trained.history[-1, "left_loss"], np.mean(expected, axis=0)[[0, 2]].mean(), rtol=1e-4
    )
    np.testing.assert_allclose(
        trained.history[-1, "right_loss"], np.mean(expected, axis=0)[1], rtol=1e-4
    )


def test_verbose_prints_the_losses_of_each_epoch(device, capsys):
    tiny("ALAD", device=device).fit(table())
    assert capsys.readouterr().out == ""
    tiny("ALAD", device=device, verbose=1).fit(table())
    lines = capsys.readouterr().out.splitlines()
    assert "discriminator_loss" in lines[0]
    assert "generator_loss" in lines[0]
    assert [line.split()[0] for line in lines[2:]] == ["1", "2"]


# ------------------------------------------------------------------------------ divergence


class Runaway(Tug):
    """The player on the right diverges in the third epoch."""

    def play(self, x, labels=None):
        yield "left", self.a(x).mean()
        yield "right", self.b(x).mean() * (float("nan") if self.epoch == 2 else 1)


def test_divergence_names_the_player_the_epoch_and_the_remedy(device):
    rows = Rows(table(n_features=3).astype(np.float32), device=device)
    with pytest.raises(DivergenceError) as caught:
        net(device, Runaway, max_epochs=5).partial_fit(rows)
    message = str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert "the loss of the right was nan in epoch 3" in message
    assert "Scale the features" in message
    assert "lower the learning rate 'lr'" in message
    assert "GradientNormClipping" in message


def test_divergence_is_told_by_another_process():
    error = DivergenceError("generator", math.inf, epoch=7)
    told = pickle.loads(pickle.dumps(error))
    assert isinstance(told, DivergenceError)
    assert str(told) == str(error)
    assert "the loss of the generator was inf in epoch 7" in str(told)


def test_divergence_of_a_single_member_is_noticed(device):
    class OneOf(Tug):
        def play(self, x, labels=None):
            yield "left", self.a(x).mean() * self.factor

    trained = net(device, OneOf, n_members=3)
    for game, factor in zip(trained.module_.games, (1, math.inf, 1), strict=True):
        game.factor = factor
    with pytest.raises(DivergenceError, match="loss of the left was -?(inf|nan) in epoch 1"):
        trained.partial_fit(Rows(table(n_features=3).astype(np.float32), device=device))


def test_a_detector_that_diverges_raises(device):
    with pytest.raises(ValueError, match="lower the learning rate 'lr'"):
        tiny("ALAD", device=device, lr=1e30, max_epochs=5).fit(table())


# ------------------------------------------------------------------------ skorch's callbacks


def test_a_schedule_changes_the_learning_rate(device):
    schedule = LRScheduler("ExponentialLR", gamma=0.5)
    detector = tiny("ALAD", device=device, max_epochs=3, lr=0.08, callbacks=[schedule])
    detector.fit(table())
    assert detector.history_[:, "event_lr"] == [0.08, 0.04, 0.02]
    assert [group["lr"] for group in detector.net_.optimizer_.param_groups] == [0.01]


@pytest.mark.filterwarnings("ignore:.*weights_only.*")
def test_training_resumes_from_a_checkpoint(device, tmp_path):
    seen = []

    def record(net):
        seen.append({k: v.cpu().numpy().copy() for k, v in net.module_.state_dict().items()})

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
        callbacks=[LoadInitState(checkpoint()), Spy("on_train_begin", record)],
    ).fit(table())
    assert_same_bits(
        {k: v for k, v in seen[0].items() if k.startswith("games.")},
        {k: v for k, v in state(first).items() if k.startswith("games.")},
    )
    assert second.n_iter_ == 5
    moments = second.net_.optimizer_.state_dict()["state"][0]
    assert moments["step"].item() == 3 * 5  # three batches in each epoch


@pytest.mark.filterwarnings("ignore:.*weights_only.*")
@pytest.mark.parametrize("schedule", ["constant", "linear", "step"])
def test_a_checkpoint_is_trained_on_at_the_full_rate_and_with_its_averages(
    schedule, device, tmp_path
):
    rates = []

    def record(net):
        rates.append(net.optimizer_.param_groups[0]["lr"])

    keep = Checkpoint(dirname=tmp_path, monitor=None)
    params = {"device": device, "lr": 0.01, "lr_schedule": schedule, "max_epochs": 3}
    first = tiny("ALAD", callbacks=[keep], **params).fit(table())
    callbacks = [LoadInitState(keep), keep, Spy("on_batch_begin", record)]
    second = tiny("ALAD", callbacks=callbacks, random_state=1, **params).fit(table())
    assert rates[0] == 0.01
    assert differs(networks(state(first)), networks(state(second)))
    averaging = dict(second.net_.callbacks_)["weight_averaging"]
    assert averaging.n_updates_ == 3 * 6  # three batches in each epoch, of both trainings


def test_the_best_checkpoint_is_loaded(device, tmp_path):
    losses = iter([3.0, 1.0, 2.0, 4.0])
    states = []

    def pretend(net):
        net.history.record("pretended", next(losses))
        states.append({k: v.cpu().numpy().copy() for k, v in net.module_.state_dict().items()})

    class Best(Checkpoint):
        def on_epoch_end(self, net, **kwargs):
            pretend(net)
            best = min(net.history[:, "pretended"])
            net.history.record("pretended_best", net.history[-1, "pretended"] == best)
            super().on_epoch_end(net, **kwargs)

    keeper = Best(dirname=tmp_path, monitor="pretended_best", load_best=True)
    detector = tiny("ALAD", device=device, max_epochs=4, callbacks=[keeper]).fit(table())
    assert_same_bits(networks(state(detector)), networks(states[1]))
    assert differs(networks(states[1]), networks(states[3]))


def networks(numbers):
    """Numbers of the networks alone, without the units of the members."""
    return {k: v for k, v in numbers.items() if k.startswith(("games.", "averages."))}


@pytest.mark.parametrize("clipped", [True, False])
def test_gradients_are_clipped_for_each_player(clipped, device):
    limit = 1e-3
    trained = net(
        device,
        optimizer=torch.optim.SGD,
        lr=1e-2,  # a step is this times the gradient
        max_epochs=3,
        callbacks=[GradientNormClipping(0.1)] if clipped else [],
    )
    trained.partial_fit(Rows(table(n_features=3).astype(np.float32), device=device))
    seen = trained.module_.games[0].seen
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
    seen = []

    def record(net):
        seen.append(
            {k: p.detach().cpu().numpy().copy() for k, p in net.module_.games.named_parameters()}
        )

    detector = tiny(
        "ALAD",
        device=device,
        callbacks=[
            Freezer("*encoder*"),
            Spy("on_train_begin", record),
            Spy("on_epoch_end", record),
        ],
    )
    detector.fit(table())
    first, last = seen[0], seen[-1]
    still = {name.split(".")[1] for name in first if np.array_equal(first[name], last[name])}
    assert still == {"encoder"}
    assert {
        name.split(".")[1] for name in first if not np.array_equal(first[name], last[name])
    } == {"decoder", "d_xz", "d_xx", "d_zz"}


def test_networks_have_their_own_learning_rates_by_name(device):
    groups = [("*.encoder.*", {"lr": 0.0}), ("*.d_xz.*", {"lr": 0.5})]
    start = []
    detector = tiny(
        "ALAD",
        device=device,
        net_params={"optimizer__param_groups": groups},
        ema_decay=None,
        callbacks=[
            Spy(
                "on_train_begin",
                lambda net: start.append(
                    {k: v.cpu().numpy().copy() for k, v in net.module_.state_dict().items()}
                ),
            )
        ],
    ).fit(table())
    assert [group["lr"] for group in detector.net_.optimizer_.param_groups] == [0.0, 0.5, 1e-2]
    end = state(detector)
    still = {k.split(".")[2] for k in networks(end) if np.array_equal(end[k], start[0][k])}
    assert still == {"encoder"}


def test_skorchs_early_stopping_works_as_a_callback(device):
    stop = EarlyStopping(monitor="generator_loss", patience=2, threshold=10, lower_is_better=True)
    detector = tiny("ALAD", device=device, max_epochs=50, callbacks=[stop]).fit(table())
    assert detector.n_iter_ == 3  # no epoch is better than the first by so much


def test_callbacks_are_taken_with_names_too(device):
    stop = EarlyStopping(monitor="generator_loss", patience=2, threshold=10)
    detector = tiny("ALAD", device=device, max_epochs=50, callbacks=[("stop", stop)])
    assert detector.fit(table()).n_iter_ == 3
    assert "stop" in dict(detector.net_.callbacks_)


def test_another_optimizer_can_be_given(device):
    params = {"optimizer": torch.optim.SGD, "optimizer__momentum": 0.5}
    detector = tiny("ALAD", device=device, lr=1e-3, net_params=params).fit(table())
    assert type(detector.net_.optimizer_) is torch.optim.SGD
    assert detector.net_.optimizer_.param_groups[0]["momentum"] == 0.5


@pytest.mark.parametrize("name", ["lr", "batch_size", "callbacks", "device", "train_split"])
def test_parameters_of_the_detector_are_refused_for_the_net(name, device):
    with pytest.raises(ValueError, match=f"net_params has '{name}', for which there is"):
        tiny("ALAD", device=device, net_params={name: None}).fit(table())


def test_torchs_own_data_loader_will_do(device):
    params = {"iterator_train": torch.utils.data.DataLoader}
    detector = tiny("ALAD", device=device, net_params=params).fit(table())
    assert detector.history_[-1, "train_batch_count"] == 3
    assert np.isfinite(detector.score_samples(table())).all()


def test_epochs_and_schedule_go_by_the_batches_that_there_are(device):
    rates = []

    def record(net):
        rates.append(net.optimizer_.param_groups[0]["lr"])

    detector = tiny(
        "ALAD",
        device=device,
        lr=0.1,
        lr_schedule="linear",
        net_params={"iterator_train__batch_size": 4},
        callbacks=[Spy("on_batch_begin", record)],
    ).fit(table())
    assert detector.history_[-1, "train_batch_count"] == 12
    np.testing.assert_allclose(rates, 0.1 * (1 - np.arange(24) / 24))


def test_a_scheduler_beside_a_schedule_is_refused(device):
    step = LRScheduler("StepLR", step_size=1)
    with pytest.raises(ValueError, match="would both set the learning rate"):
        tiny("ALAD", device=device, lr_schedule="linear", callbacks=[step]).fit(table())
    tiny("ALAD", device=device, callbacks=[("step", step)]).fit(table()).partial_fit(table())


def test_a_player_may_be_frozen_as_a_whole(device):
    first = []

    def record(net):
        first.append({k: v.cpu().numpy().copy() for k, v in net.module_.state_dict().items()})

    spy = Spy("on_train_begin", record)
    detector = tiny("ALAD", device=device, callbacks=[spy, Freezer("*.d_*")]).fit(table())
    before, after = first[0], state(detector)
    moved = {name for name in before if not np.array_equal(before[name], after[name])}
    moved = {name for name in moved if name.startswith("games.")}
    assert moved
    assert not [name for name in moved if ".d_" in name]


def test_callbacks_are_copied_with_what_they_refer_to(device, tmp_path):
    keep = Checkpoint(dirname=tmp_path, monitor=None)
    load = LoadInitState(keep)
    detector = tiny("ALAD", device=device, callbacks=[("keep", keep), load]).fit(table())
    used = dict(detector.net_.callbacks_)
    assert used["keep"] is not keep
    assert used["LoadInitState"].checkpoint is used["keep"]
    assert load.checkpoint is keep
    going_on = dict(detector.partial_fit(table()).net_.callbacks_)
    assert going_on["keep"] is not used["keep"]
    assert going_on["LoadInitState"].checkpoint is going_on["keep"]


def test_two_averages_of_the_weights_are_refused(device):
    with pytest.raises(ValueError, match="more than one WeightAveraging.* set ema_decay=None"):
        tiny("ALAD", device=device, callbacks=[WeightAveraging()]).fit(table())
    tiny("ALAD", device=device, ema_decay=None, callbacks=[WeightAveraging()]).fit(table())


@pytest.mark.parametrize("callback", ["early stopping", ("mine", print), None, int])
def test_what_is_no_callback_is_refused(callback, device):
    with pytest.raises(TypeError, match="which is no callback of skorch"):
        tiny("ALAD", device=device, callbacks=[callback]).fit(table())


def test_a_callback_may_hold_what_cannot_be_copied(device):
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


# ----------------------------------------------------------------------------- interruption


def interrupt_in(epoch, batch=2):
    """A callback that does what Ctrl-C does, in the middle of an epoch."""

    def press(net):
        if len(net.history) == epoch and len(net.history[-1, "batches"]) == batch:
            raise KeyboardInterrupt

    return Spy("on_batch_end", press)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_an_interrupted_training_keeps_what_it_has(early_stopping, device):
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


@pytest.mark.parametrize("how", ["partial_fit", "fit"])
def test_an_interruption_in_the_first_epoch_of_going_on_is_raised(how, device):
    detector = tiny("ALAD", device=device, warm_start=True, callbacks=[interrupt_in(epoch=3)])
    before = detector.fit(table()).score_samples(table())
    with pytest.raises(KeyboardInterrupt):
        getattr(detector, how)(table())
    assert detector.n_iter_ == 2
    assert_same_bits(detector.score_samples(table()), before)


def test_an_interruption_before_the_first_mini_batch_of_an_epoch_is_one(device):
    def press(net):
        if len(net.history) == 3:
            raise KeyboardInterrupt

    detector = tiny("ALAD", device=device, callbacks=[Spy("on_epoch_begin", press)], max_epochs=5)
    with pytest.warns(ConvergenceWarning, match="interrupted after 2 epochs"):
        detector.fit(table())
    assert detector.n_iter_ == 2


def test_an_interrupted_early_stopping_restores_the_best_networks(device, monkeypatch):
    losses, states = iter([3.0, 2.0, 1.0]), []

    def judge(self, x):
        return torch.tensor(next(losses), device=x.device)

    def press(net):
        if len(net.history) == 4:
            raise KeyboardInterrupt

    def record(net):
        states.append({k: v.cpu().numpy().copy() for k, v in net.module_.state_dict().items()})

    detector = tiny(
        "ALAD",
        device=device,
        max_epochs=9,
        early_stopping=True,
        callbacks=[Spy("on_epoch_end", record), Spy("on_batch_end", press)],
    )
    monkeypatch.setattr(detector.game_class, "validation_loss", judge)
    with pytest.warns(ConvergenceWarning, match="interrupted after 3 epochs"):
        detector.fit(table())
    assert_same_bits(networks(state(detector)), networks(states[2]))


@pytest.mark.parametrize("best", [1.0, -1.0])
def test_early_stopping_takes_every_improvement_for_one(best, device, monkeypatch):
    losses = iter(np.float32(best) - np.float32(1e-6) * np.array([0, 1, 2, 1, 0], np.float32))

    def judge(self, x):
        return torch.tensor(next(losses), device=x.device)

    detector = tiny(
        "ALAD", device=device, max_epochs=9, early_stopping=True, n_iter_no_change=2, callbacks=[]
    )
    monkeypatch.setattr(detector.game_class, "validation_loss", judge)
    assert detector.fit(table()).n_iter_ == 5
    assert detector.history_[:, "valid_loss_best"] == [True, True, True, False, False]


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


@pytest.mark.parametrize(
    ("event", "n_epochs"),
    [("on_batch_end", 2), ("on_epoch_end", 3), ("on_epoch_begin", 2), ("on_grad_computed", 2)],
)
def test_ctrl_c_ends_a_training_wherever_it_comes(event, n_epochs, device):
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


def test_ctrl_c_in_the_last_epoch_end_is_told_too(device):
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


def test_who_handles_ctrl_c_goes_on_doing_so(device):
    handled = []
    press = Spy("on_batch_begin", lambda net: signal.raise_signal(signal.SIGINT))
    before = signal.signal(signal.SIGINT, lambda *args: handled.append(args))
    try:
        tiny("ALAD", device=device, max_epochs=1, callbacks=[press]).fit(table(48))
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(handled) == 3  # one for each mini-batch


def test_early_stopping_is_no_interruption(device):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stop = EarlyStopping(monitor="generator_loss", patience=1, threshold=10)
        tiny("ALAD", device=device, max_epochs=9, callbacks=[stop]).fit(table())


def test_a_part_of_a_part_has_the_rows_and_the_labels_of_the_table(device):
    labels = np.array([0, 1, -1, 0, 1, 0], np.int8)
    rows = Rows(np.arange(6, dtype=np.float32)[:, None], labels, device)
    part = rows.part(np.array([5, 4, 2, 0])).part(np.array([0, 1, 3]))
    assert len(part) == 3
    x, known = part[np.arange(3)]
    assert x[:, 0].tolist() == [5, 4, 0]
    assert known.tolist() == [0, 1, 0]
    assert [group.tolist() for group in part.groups] == [[1], [0, 2]]


@pytest.mark.parametrize("shuffle", [True, False])
def test_a_detector_shuffles_its_rows_in_every_epoch_unless_told(shuffle, device):
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


def test_the_warning_of_an_interruption_points_at_the_call(device):
    detector = tiny("ALAD", device=device, max_epochs=9, callbacks=[interrupt_in(epoch=4)])
    with pytest.warns(ConvergenceWarning) as caught:
        detector.fit(table())
    assert caught[0].filename == __file__


def test_the_networks_are_compiled_one_by_one_if_asked(device, monkeypatch):
    compiled = []
    monkeypatch.setattr(nn.Module, "compile", lambda net, **how: compiled.append((net, how)))
    params = {"compile": True, "compile__dynamic": True}
    detector = tiny("ALAD", device=device, n_members=2, net_params=params).fit(table())
    networks = [network for made in detector.net_.module_.games for network in made.children()]
    assert len(networks) == 2 * 5
    assert [id(network) for network, _ in compiled] == [id(network) for network in networks]
    assert all(how == {"dynamic": True} for _, how in compiled)


def test_after_an_interruption_training_goes_on_at_the_full_rate(device):
    pressed, rates = [], []

    def press(net):
        if len(net.history) == 3 and not pressed:
            pressed.append(True)
            raise KeyboardInterrupt

    def record(net):
        rates.append(net.optimizer_.param_groups[0]["lr"])

    detector = tiny(
        "ALAD",
        device=device,
        lr=0.1,
        lr_schedule="linear",
        max_epochs=9,
        callbacks=[Spy("on_batch_end", press), Spy("on_batch_begin", record)],
    )
    with pytest.warns(ConvergenceWarning, match="interrupted after 2 epochs"):
        detector.fit(table())
    before, offset = state(detector), detector.offset_
    assert detector.partial_fit(table()).n_iter_ == 3
    assert detector.history_[:, "epoch"] == [1, 2, 3]
    assert rates[-3:] == [0.1] * 3
    assert differs(before, state(detector))
    assert detector.offset_ != offset
