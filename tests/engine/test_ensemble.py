"""Ensembles: how the games of several members become one score."""

import numpy as np
import pytest
import torch
from common import assert_same_bits
from engine_common import ROWS, Tug, moved, snapshot
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from skgad.engine.ensemble import Ensemble

pytestmark = pytest.mark.usefixtures("seeded")


def test_a_player_has_the_parameters_of_its_networks_in_all_games():
    ensemble = Ensemble(Tug, 2)
    right = [p for game in ensemble.games for p in game.b.parameters()]
    assert [id(p) for p in ensemble.player_parameters("right")] == [id(p) for p in right]


def test_each_member_has_its_own_loss():
    ensemble = Ensemble(Tug, 3)
    x = torch.from_numpy(ROWS)
    moves = list(ensemble.play(x))
    assert [player for player, _ in moves] == ["left", "right", "left"]
    alone = [[loss.item() for _, loss in game.play(x)] for game in ensemble.games]
    for (_, losses), expected in zip(moves, zip(*alone, strict=True), strict=True):
        assert losses.shape == (3,)
        assert losses.tolist() == list(expected)


def test_members_have_different_initial_weights():
    a, b = (snapshot(game) for game in Ensemble(Tug, 2).games)
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
    expected = ensemble.games[0].score(x).double()
    assert_same_bits(ensemble.score(x).detach().numpy(), expected.detach().numpy())
    assert_same_bits(ensemble(x).detach().numpy(), expected.detach().numpy())


def test_codes_are_concatenated_and_reconstructions_are_averaged():
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


def test_the_validation_loss_is_the_average_over_the_members():
    ensemble = Ensemble(Tug, 2)
    x = torch.from_numpy(ROWS)
    expected = np.mean([game.score(x).detach().numpy().mean() for game in ensemble.games])
    np.testing.assert_allclose(ensemble.validation_loss(x).item(), expected, rtol=1e-6)


def test_averaged_games_score_but_are_not_trained(device):
    ensemble = Ensemble(Tug, 2)
    assert ensemble.scorers is ensemble.games
    ensemble.start_averaging()
    averages = ensemble.averages
    assert ensemble.scorers is averages
    assert not any(p.requires_grad for p in averages.parameters())
    ensemble.start_averaging()
    assert ensemble.averages is averages  # a continued training keeps them
    with torch.no_grad():
        for p in averages.parameters():
            p.zero_()
    assert ensemble.score(torch.from_numpy(ROWS)).eq(0).all()
    players = {id(p) for player in ("left", "right") for p in ensemble.player_parameters(player)}
    assert not players & {id(p) for p in averages.parameters()}


def test_all_results_come_from_the_averaged_games():
    ensemble, x = Ensemble(Tug, 2), torch.from_numpy(ROWS[:, :3])
    for member in ensemble.games:
        member.decoder = nn.Linear(3, 3)
    ensemble.start_averaging()
    with torch.no_grad():
        for p in ensemble.averages.parameters():
            p.zero_()
        results = {
            "score": ensemble.score(x),
            "encode": ensemble.encode(x),
            "reconstruct": ensemble.reconstruct(x, "inlier"),
            "sample": ensemble.sample(5, "inlier", "cpu"),
            "validation_loss": ensemble.validation_loss(x),
        }
    assert [name for name, values in results.items() if values.any()] == []


def test_the_games_that_score_are_finalized():
    class Finalizing(Tug):
        taken = None

        def finalize(self, apply, labels):
            self.taken = apply, labels

    ensemble = Ensemble(Finalizing, 2)
    ensemble.finalize("apply", "labels")
    assert [member.taken for member in ensemble.games] == [("apply", "labels")] * 2
    ensemble.start_averaging()
    ensemble.finalize("again", "labels")
    assert [member.taken for member in ensemble.averages] == [("again", "labels")] * 2


def test_each_batch_and_each_member_draws_new_codes():
    drawn = []

    class Drawing(Tug):
        def play(self, x, labels=None):
            drawn.append(self.sample_latent(x).numpy())
            yield "left", self.a(x).mean()

    ensemble, x = Ensemble(Drawing, 2), torch.from_numpy(ROWS[:, :3])
    for _ in range(2):
        list(ensemble.play(x))
    assert len(np.unique(np.concatenate(drawn), axis=0)) == 2 * 2 * len(x)
