"""Ensembles: how the games of several members become one score."""

import numpy as np
import pytest
import torch
from common import assert_same_bits
from engine_common import ROWS, Tug, ensemble_of, moved, snapshot
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from skgad.engine.ensemble import Ensemble

pytestmark = pytest.mark.usefixtures("seeded")


def test_a_player_has_the_stacked_parameters_of_its_networks():
    games = [Tug(), Tug()]
    right = list(ensemble_of(games).game.player_parameters("right"))
    expected = zip(*(game.b.parameters() for game in games), strict=True)
    assert len(right) == 2
    for parameter, parts in zip(right, expected, strict=True):
        assert torch.equal(parameter, torch.stack(parts))


@pytest.mark.parametrize("own_rows", [False, True])
def test_each_member_has_its_own_loss(own_rows):
    games = [Tug(), Tug(), Tug()]
    x = torch.from_numpy(ROWS)
    rows = torch.stack([x + k for k in range(3)]) if own_rows else x
    moves = list(ensemble_of(games).play(rows))
    assert [player for player, _ in moves] == ["left", "right", "left"]
    alone = [
        [loss.item() for _, loss in game.play(part)]
        for game, part in zip(games, rows.expand(3, 24, 3), strict=True)
    ]
    for (_, losses), expected in zip(moves, zip(*alone, strict=True), strict=True):
        assert losses.shape == (3,)
        np.testing.assert_allclose(losses.tolist(), expected, rtol=1e-5)


def test_members_have_different_initial_weights():
    parameters = snapshot(Ensemble(Tug, 2).game)
    a, b = ({name: p[k] for name, p in parameters.items()} for k in range(2))
    assert moved(a, b) == {"a", "b", "c", "encoder"}


def calibrated(scores):
    """An ensemble whose units come from ``scores`` of shape (n_members, n_samples)."""
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
def test_the_combined_score_does_not_depend_on_the_units_of_the_members(factors, shifts):
    scores = np.random.RandomState(0).gamma(2, size=(3, 50))
    factors, shifts = np.array(factors)[:, None], np.array(shifts)[:, None]
    other = scores * factors + shifts
    np.testing.assert_allclose(
        calibrated(other).combine(torch.from_numpy(other)),
        calibrated(scores).combine(torch.from_numpy(scores)),
        rtol=1e-5,
        atol=1e-8,
    )


def test_a_member_with_constant_training_scores_gives_finite_scores():
    scores = np.stack([np.full(20, 3.0), np.arange(20.0)])
    combined = calibrated(scores).combine(torch.from_numpy(scores)).numpy()
    assert np.isfinite(combined).all()
    assert (np.diff(combined) > 0).all()


def test_a_member_with_constant_training_scores_keeps_its_unit():
    ensemble = Ensemble(Tug, 2)
    ensemble.calibrate(np.stack([np.full(21, 3.0), np.arange(21.0)]).T)
    combined = ensemble.combine(torch.tensor([[3.5], [15.0]], dtype=torch.float64))
    assert combined.item() == pytest.approx((0.5 + (15 - 10) / 10) / 2)


def test_the_units_of_the_members_are_part_of_the_state_dict():
    scores = np.random.RandomState(0).gamma(2, [[1], [100]], size=(2, 50))
    ensemble, other = Ensemble(Tug, 2), Ensemble(Tug, 2)
    ensemble.calibrate(scores.T)
    other.load_state_dict(ensemble.state_dict())
    one, two = (e.combine(torch.from_numpy(scores)).numpy() for e in (ensemble, other))
    assert_same_bits(one, two)


def test_a_single_member_keeps_the_score_of_its_game():
    ensemble = Ensemble(Tug)
    x = torch.from_numpy(ROWS)
    expected = ensemble.game.score(x).double()
    assert_same_bits(ensemble.score(x).detach().numpy(), expected.detach().numpy())
    assert_same_bits(ensemble(x).detach().numpy(), expected.detach().numpy())


def test_codes_are_concatenated_and_reconstructions_are_averaged():
    games, x = [Tug(), Tug()], torch.from_numpy(ROWS)
    ensemble = ensemble_of(games)
    codes = [game.encoder(x).detach().numpy() for game in games]
    with torch.no_grad():
        np.testing.assert_allclose(
            ensemble.encode(x).numpy(), np.concatenate(codes, axis=1), rtol=1e-5, atol=1e-6
        )
        np.testing.assert_allclose(
            ensemble.reconstruct(x, "inlier"), np.mean(codes, axis=0), rtol=1e-5, atol=1e-6
        )


def test_each_sampled_row_comes_from_one_of_the_members(device):
    class Constant(Tug):
        def sample(self, n_samples, device):
            return torch.arange(3.0, device=device)[:, None, None].expand(3, n_samples, 3)

    ensemble = Ensemble(Constant, 3)
    rows = ensemble.sample(300, "inlier", device).cpu().numpy()
    assert rows.shape == (300, 3)
    assert (rows == rows[:, :1]).all()
    assert set(rows[:, 0]) == {0, 1, 2}
    assert min(np.bincount(rows[:, 0].astype(int))) > 60


def test_the_validation_loss_is_the_average_over_the_members():
    games, x = [Tug(), Tug()], torch.from_numpy(ROWS)
    ensemble = ensemble_of(games)
    expected = np.mean([game.score(x).detach().numpy().mean() for game in games])
    np.testing.assert_allclose(ensemble.validation_loss(x).item(), expected, rtol=1e-6)


def test_the_averaged_game_scores_but_is_not_trained(device):
    ensemble = Ensemble(Tug, 2)
    assert ensemble.scorer is ensemble.game
    ensemble.start_averaging()
    averages = ensemble.averaged_game
    assert ensemble.scorer is averages
    assert not any(p.requires_grad for p in averages.parameters())
    ensemble.start_averaging()
    assert ensemble.averaged_game is averages  # a continued training keeps them
    with torch.no_grad():
        for p in averages.parameters():
            p.zero_()
    assert ensemble.score(torch.from_numpy(ROWS)).eq(0).all()
    game = ensemble.game
    players = {id(p) for player in ("left", "right") for p in game.player_parameters(player)}
    assert not players & {id(p) for p in averages.parameters()}


def test_all_results_come_from_the_averaged_game():
    games, x = [Tug(), Tug()], torch.from_numpy(ROWS[:, :3])
    for game in games:
        game.decoder = nn.Linear(3, 3)
    ensemble = ensemble_of(games)
    ensemble.start_averaging()
    with torch.no_grad():
        for p in ensemble.averaged_game.parameters():
            p.zero_()
        results = {
            "score": ensemble.score(x),
            "encode": ensemble.encode(x),
            "reconstruct": ensemble.reconstruct(x, "inlier"),
            "sample": ensemble.sample(5, "inlier", "cpu"),
            "validation_loss": ensemble.validation_loss(x),
        }
    assert [name for name, values in results.items() if values.any()] == []


def test_the_game_that_scores_is_finalized():
    class Finalizing(Tug):
        taken = None

        def finalize(self, apply, labels):
            self.taken = apply, labels

    ensemble = Ensemble(Finalizing, 2)
    ensemble.finalize("apply", "labels")
    assert ensemble.game.taken == ("apply", "labels")
    ensemble.start_averaging()
    ensemble.finalize("again", "labels")
    assert ensemble.averaged_game.taken == ("again", "labels")
    assert ensemble.game.taken == ("apply", "labels")


def test_each_batch_and_each_member_draws_new_codes():
    drawn = []

    class Drawing(Tug):
        def play(self, x, labels=None):
            drawn.append(self.sample_latent(x).numpy())
            yield "left", self.a(x).mean((-2, -1))

    ensemble, x = Ensemble(Drawing, 2), torch.from_numpy(ROWS[:, :3])
    for _ in range(2):
        list(ensemble.play(x))
    assert len(np.unique(np.concatenate(drawn).reshape(-1, 3), axis=0)) == 2 * 2 * len(x)
