"""Games and their ensembles: who moves when, and how members become one score."""

import inspect

import numpy as np
import pytest
import torch
from common import assert_same_bits
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from skgad.base import EncoderDecoderGame, Game
from skgad.engine.data import Rows
from skgad.engine.ensemble import Ensemble
from skgad.engine.net import AdversarialNet

ROWS = np.random.RandomState(0).normal(size=(24, 3)).astype(np.float32)


class Tug(EncoderDecoderGame):
    """Two players pull at each other's outputs; both losses depend on all parameters."""

    players = {"left": ("a", "c"), "right": ("b", "missing")}
    latent_dim = 3

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(3, 2), nn.Linear(3, 2), nn.Linear(2, 2)
        self.missing = None
        self.encoder = nn.Linear(3, 3)  # belongs to no player
        self.decoder = nn.Identity()
        self.seen = []

    def play(self, x, labels=None):
        self.seen.append(snapshot(self))
        yield "left", (self.c(self.a(x)) - self.b(x)).square().mean()
        self.seen.append(snapshot(self))
        yield "right", (self.c(self.a(x)) + self.b(x) + 1).square().mean()
        self.seen.append(snapshot(self))
        yield "left", (self.a(x) * self.b(x)).mean()
        self.seen.append(snapshot(self))

    def score(self, x):
        return self.a(x).square().sum(-1)


def snapshot(game):
    return {name: p.detach().cpu().numpy().copy() for name, p in game.named_parameters()}


def moved(before, after):
    """Names of the networks of which at least one number changed."""
    return {name.split(".")[0] for name in before if not np.array_equal(before[name], after[name])}


def net(device, make_game=Tug, n_members=1, seed=0, **params):
    torch.manual_seed(seed)
    return AdversarialNet(
        Ensemble,
        module__make_game=make_game,
        module__n_members=n_members,
        callbacks__print_log=None,
        device=device,
        **params,
    ).initialize()


def batch(device, rows=ROWS):
    return Rows(rows, device=device)[np.arange(len(rows))]


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


# ----------------------------------------------------------------------------------- moves

OPTIMIZERS = {
    "Adam": (torch.optim.Adam, {"weight_decay": 0.1}),
    "fused Adam": (torch.optim.Adam, {"fused": True, "weight_decay": 0.1}),
    "AdamW": (torch.optim.AdamW, {"weight_decay": 0.1}),
    "RMSprop": (torch.optim.RMSprop, {"momentum": 0.9, "weight_decay": 0.1}),
    "SGD": (torch.optim.SGD, {"momentum": 0.9, "weight_decay": 0.1}),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_only_the_yielded_player_moves_and_before_the_yield_returns(name, device):
    optimizer, params = OPTIMIZERS[name]
    params = {f"optimizer__{key}": value for key, value in params.items()}
    trained = net(device, optimizer=optimizer, lr=0.1, batch_size=-1, max_epochs=3, **params)
    trained.partial_fit(Rows(ROWS, device=device))  # from the second round on with momentum
    seen = trained.module_.games[0].seen
    assert len(seen) == 12
    for start, left, right, end in zip(*[iter(seen)] * 4, strict=True):
        assert moved(start, left) == {"a", "c"}
        assert moved(left, right) == {"b"}
        assert moved(right, end) == {"a"}  # c is the player's, but not in this loss
    assert moved(seen[0], seen[-1]) == {"a", "b", "c"}


def by_hand(game, rows, n_rounds, optimizer, **params):
    """Play the tug with one optimizer for each player, and all the freezing by hand."""
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
    trained = net(
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
    games = Ensemble(Tug, n_members).to(device).games
    assert_same_bits(snapshot(games), snapshot(trained.module_.games))  # the same start
    trained.partial_fit(Rows(ROWS, device=device))
    for game, other in zip(games, trained.module_.games, strict=True):
        by_hand(game, batch(device)[0], 20, optimizer, lr=0.01, **params)
        assert_same_bits(snapshot(game), snapshot(other))


def test_players_parameters_are_those_of_their_networks_and_none_is_left_out():
    game = Tug()
    left = list(game.player_parameters("left"))
    assert [id(p) for p in left] == [id(p) for n in (game.a, game.c) for p in n.parameters()]
    assert [id(p) for p in game.player_parameters("right")] == [id(p) for p in game.b.parameters()]
    ensemble = Ensemble(Tug, 2)
    right = [p for game in ensemble.games for p in game.b.parameters()]
    assert [id(p) for p in ensemble.player_parameters("right")] == [id(p) for p in right]


def test_a_game_must_say_how_it_is_played_and_scored():
    assert inspect.isabstract(Game)
    with pytest.raises(TypeError, match="abstract"):
        type("Unplayable", (Game,), {"score": lambda self, x: x})()


def test_a_game_sees_the_rows_and_the_labels(device):
    seen = []

    class Witness(Tug):
        def play(self, x, labels=None):
            seen.append((x.cpu().numpy(), labels.cpu().numpy(), self.training))
            yield "left", self.a(x).mean()

    labels = np.arange(24, dtype=np.int8) % 3 - 1
    trained = net(device, Witness, max_epochs=2, batch_size=10, iterator_train__shuffle=False)
    trained.partial_fit(Rows(ROWS, labels, device))
    assert [len(x) for x, *_ in seen] == [10, 10, 4] * 2
    assert_same_bits(np.concatenate([x for x, *_ in seen[:3]]), ROWS)
    assert_same_bits(np.concatenate([known for _, known, _ in seen[3:]]), labels)
    assert all(training for *_, training in seen)
    assert not trained.module_.training
    assert trained.history[0, "left_loss"] != 0
    assert "right_loss" not in trained.history[0]


def test_latent_codes_are_standard_normal_one_for_each_row(device):
    z = Tug().sample_latent(torch.zeros(20_000, 7, device=device))
    assert z.shape == (20_000, 3)
    assert z.device.type == device
    np.testing.assert_allclose(z.mean(0).cpu(), np.zeros(3), atol=0.03)
    np.testing.assert_allclose(np.cov(z.cpu().numpy().T), np.eye(3), atol=0.05)


# -------------------------------------------------------------------------------- ensembles


def test_losses_of_an_ensemble_are_one_for_each_member():
    ensemble = Ensemble(Tug, 3)
    x = torch.from_numpy(ROWS)
    moves = list(ensemble.play(x))
    assert [player for player, _ in moves] == ["left", "right", "left"]
    alone = [[loss.item() for _, loss in game.play(x)] for game in ensemble.games]
    for (_, losses), expected in zip(moves, zip(*alone, strict=True), strict=True):
        assert losses.shape == (3,)
        assert losses.tolist() == list(expected)


def test_members_differ_from_the_start():
    a, b = (snapshot(game) for game in Ensemble(Tug, 2).games)
    assert moved(a, b) == {"a", "b", "c", "encoder"}


def calibrated(scores):
    """An ensemble that takes its units from ``scores`` of shape (n_members, n_samples)."""
    ensemble = Ensemble(Tug, len(scores))
    ensemble.calibrate(scores.T)
    return ensemble


def test_members_are_averaged_in_units_of_their_median_and_quartiles():
    scores = np.random.RandomState(0).gamma(2, [[1], [100], [0.01]], size=(3, 101))
    new = np.random.RandomState(1).gamma(2, [[1], [100], [0.01]], size=(3, 7))
    low, median, high = np.percentile(scores, [25, 50, 75], axis=1)
    expected = ((new - median[:, None]) / (high - low)[:, None]).mean(0)
    combined = calibrated(scores).combine(torch.from_numpy(new))
    assert combined.dtype == torch.float64
    np.testing.assert_allclose(combined.numpy(), expected, rtol=1e-12)


@given(
    factors=st.lists(st.floats(1e-3, 1e3), min_size=3, max_size=3),
    shifts=st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=3),
)
def test_the_units_of_the_members_do_not_matter(factors, shifts):
    scores = np.random.RandomState(0).gamma(2, size=(3, 50))
    factors, shifts = np.array(factors)[:, None], np.array(shifts)[:, None]
    other = scores * factors + shifts
    np.testing.assert_allclose(
        calibrated(other).combine(torch.from_numpy(other)),
        calibrated(scores).combine(torch.from_numpy(scores)),
        rtol=1e-5,
        atol=1e-8,
    )


def test_a_member_that_scores_all_training_rows_alike_gives_no_infinite_score():
    scores = np.stack([np.full(20, 3.0), np.arange(20.0)])
    combined = calibrated(scores).combine(torch.from_numpy(scores)).numpy()
    assert np.isfinite(combined).all()
    assert (np.diff(combined) > 0).all()


def test_a_game_alone_keeps_its_score():
    ensemble = Ensemble(Tug)
    x = torch.from_numpy(ROWS)
    expected = ensemble.games[0].score(x).double()
    assert_same_bits(ensemble.score(x).detach().numpy(), expected.detach().numpy())
    assert_same_bits(ensemble(x).detach().numpy(), expected.detach().numpy())


def test_codes_are_side_by_side_and_reconstructions_are_averaged():
    ensemble = Ensemble(Tug, 2)
    x = torch.from_numpy(ROWS)
    codes = [game.encoder(x).detach().numpy() for game in ensemble.games]
    with torch.no_grad():
        assert_same_bits(ensemble.encode(x).numpy(), np.concatenate(codes, axis=1))
        np.testing.assert_allclose(
            ensemble.reconstruct(x, "inlier"), np.mean(codes, axis=0), rtol=1e-5, atol=1e-6
        )


def test_each_sampled_row_comes_from_one_of_the_members(device):
    class Constant(Tug):
        def sample(self, n_samples, device):
            return torch.full((n_samples, 3), float(self.number), device=device)

    ensemble = Ensemble(Constant, 3)
    for number, game in enumerate(ensemble.games):
        game.number = number
    rows = ensemble.sample(300, "inlier", device).cpu().numpy()
    assert rows.shape == (300, 3)
    assert (rows == rows[:, :1]).all()
    assert set(rows[:, 0]) == {0, 1, 2}
    assert min(np.bincount(rows[:, 0].astype(int))) > 60


def test_the_validation_loss_is_the_mean_of_the_members():
    ensemble = Ensemble(Tug, 2)
    x = torch.from_numpy(ROWS)
    expected = np.mean([game.score(x).detach().numpy().mean() for game in ensemble.games])
    np.testing.assert_allclose(ensemble.validation_loss(x).item(), expected, rtol=1e-6)


def test_averages_score_but_are_neither_trained_nor_played(device):
    ensemble = Ensemble(Tug, 2)
    assert ensemble.scorers is ensemble.games
    ensemble.start_averaging()
    averages = ensemble.averages
    assert ensemble.scorers is averages
    assert not any(p.requires_grad for p in averages.parameters())
    ensemble.start_averaging()
    assert ensemble.averages is averages  # going on does not start anew
    with torch.no_grad():
        for p in averages.parameters():
            p.zero_()
    assert ensemble.score(torch.from_numpy(ROWS)).eq(0).all()
    players = {id(p) for player in ("left", "right") for p in ensemble.player_parameters(player)}
    assert not players & {id(p) for p in averages.parameters()}


def test_codes_are_drawn_anew_for_every_batch_and_every_member():
    drawn = []

    class Drawing(Tug):
        def play(self, x, labels=None):
            drawn.append(self.sample_latent(x).numpy())
            yield "left", self.a(x).mean()

    ensemble, x = Ensemble(Drawing, 2), torch.from_numpy(ROWS[:, :3])
    for _ in range(2):
        list(ensemble.play(x))
    assert len(np.unique(np.concatenate(drawn), axis=0)) == 2 * 2 * len(x)


def test_the_games_that_score_take_what_they_need_from_all_rows():
    class Finalizing(Tug):
        taken = None

        def finalize(self, apply, labels):
            self.taken = apply, labels

    ensemble = Ensemble(Finalizing, 2)
    ensemble.finalize("apply", "labels")
    assert [made.taken for made in ensemble.games] == [("apply", "labels")] * 2
    ensemble.start_averaging()
    ensemble.finalize("again", "labels")
    assert [made.taken for made in ensemble.averages] == [("again", "labels")] * 2


def test_everything_that_is_given_comes_from_the_averages():
    ensemble, x = Ensemble(Tug, 2), torch.from_numpy(ROWS[:, :3])
    for made in ensemble.games:
        made.decoder = nn.Linear(3, 3)
    ensemble.start_averaging()
    with torch.no_grad():
        for p in ensemble.averages.parameters():
            p.zero_()
        given = {
            "score": ensemble.score(x),
            "encode": ensemble.encode(x),
            "reconstruct": ensemble.reconstruct(x, "inlier"),
            "sample": ensemble.sample(5, "inlier", "cpu"),
            "validation_loss": ensemble.validation_loss(x),
        }
    assert [name for name, values in given.items() if values.any()] == []


def test_the_units_of_the_members_are_part_of_the_state_dict():
    scores = np.random.RandomState(0).gamma(2, [[1], [100]], size=(2, 50))
    ensemble, other = Ensemble(Tug, 2), Ensemble(Tug, 2)
    ensemble.calibrate(scores.T)
    other.load_state_dict(ensemble.state_dict())
    one, two = (e.combine(torch.from_numpy(scores)).numpy() for e in (ensemble, other))
    assert_same_bits(one, two)


def test_a_member_that_scored_all_training_rows_alike_keeps_its_unit():
    ensemble = Ensemble(Tug, 2)
    ensemble.calibrate(np.stack([np.full(21, 3.0), np.arange(21.0)]).T)
    combined = ensemble.combine(torch.tensor([[3.5], [15.0]], dtype=torch.float64))
    assert combined.item() == pytest.approx((0.5 + (15 - 10) / 10) / 2)
