"""Scores after the training: blocks of rows, and the units of the members."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from common import assert_same_bits
from engine_common import ROWS, Tug
from image_common import image_detector, pixels

import skgad.engine.scores
from skgad.engine.data import Rows
from skgad.engine.ensemble import Ensemble
from skgad.engine.scores import (
    BLOCK_IMAGES,
    BLOCK_ROWS,
    finalize,
    map_rows,
    prepare,
    rows_around,
    score_rows,
    score_training_rows,
)
from skgad.networks import OnImages

pytestmark = pytest.mark.usefixtures("seeded")

UNLABELED = np.zeros(len(ROWS), np.int8)


@pytest.mark.parametrize("block_rows", [1, 5, 24, 100])
def test_a_function_is_mapped_block_by_block(block_rows):
    shapes = []

    def double(x):
        shapes.append(tuple(x.shape))
        return torch.stack([x, x], dim=-1)

    ensemble = Ensemble(Tug, block_rows=block_rows)
    results = map_rows(ensemble, ROWS, double)
    assert_same_bits(results, np.stack([ROWS, ROWS], axis=-1))
    assert set(shapes) == {(block_rows, 3)}
    positions = np.array([7, 0, 23])
    assert_same_bits(map_rows(ensemble, ROWS, double, positions), results[positions])


def test_scores_of_rows_are_the_opposite_of_the_anomaly_scores():
    ensemble = Ensemble(Tug)
    expected = ensemble.game.score(torch.from_numpy(ROWS)).detach().numpy()
    scores = score_rows(ensemble, ROWS)
    assert scores.dtype == np.float64
    np.testing.assert_allclose(scores, -expected, rtol=1e-5)
    assert_same_bits(score_training_rows(ensemble, ROWS, UNLABELED), scores)


def test_the_training_rows_set_the_units_of_several_members():
    ensemble = Ensemble(Tug, 2)
    scores = score_training_rows(ensemble, ROWS, UNLABELED)
    anomaly_scores = map_rows(ensemble, ROWS, lambda x: ensemble.game.score(x).T).T
    in_units = [
        (a - np.median(a)) / np.subtract(*np.percentile(a, [75, 25])) for a in anomaly_scores
    ]
    np.testing.assert_allclose(scores, -np.mean(in_units, axis=0), rtol=1e-4, atol=1e-6)
    assert_same_bits(score_rows(ensemble, ROWS), scores)


def test_a_single_member_keeps_its_unit():
    ensemble = Ensemble(Tug)
    score_training_rows(ensemble, ROWS, UNLABELED)
    assert (ensemble.location.item(), ensemble.scale.item()) == (0, 1)


class Remembering(Tug):
    """Stores what its hooks receive."""

    def prepare(self, apply, labels):
        self.prepared = apply(self.encode), apply(self.encode, np.array([2, 1])), labels
        self.was_training = [self.training]

    def finalize(self, apply, labels):
        self.finalized = apply(self.encode)
        self.was_training.append(self.training)
        self.shift = 1.0

    def score(self, x):
        return super().score(x) + getattr(self, "shift", 0.0)


def test_hooks_receive_all_training_rows_and_their_labels(device):
    labels = np.arange(24, dtype=np.int8) % 3 - 1
    rows = Rows(ROWS, labels, device)
    ensemble = Ensemble(Remembering).to(device)
    prepare(ensemble, rows)
    game = ensemble.game
    codes, of_two, known = game.prepared
    expected = map_rows(ensemble, ROWS, game.encode)
    assert_same_bits(codes, expected)
    assert_same_bits(of_two, expected[[2, 1]])
    assert_same_bits(known, labels)
    ensemble.train()
    scores = finalize(ensemble, rows)
    assert_same_bits(game.finalized, expected)
    assert game.was_training == [False, False]
    assert_same_bits(scores, score_rows(ensemble, ROWS))
    assert (scores <= -1).all()  # scored after the hook


class Overflowing(Tug):
    """Scores are infinite from a feature of 10 on."""

    def score(self, x):
        return torch.where(x[..., 0] >= 10, torch.inf, x[..., 0])


def test_scores_of_training_rows_that_are_not_finite_raise_an_error():
    ensemble, rows = Ensemble(Overflowing), ROWS.copy()
    rows[3, 0], rows[5, 0] = 10, 12.5
    with pytest.raises(ValueError, match="some training rows are not finite. Scale the features"):
        score_training_rows(ensemble, rows, UNLABELED)


@pytest.mark.parametrize("overflown", [np.inf, -np.inf, np.nan, 1e300])
def test_scores_that_overflow_are_the_lowest(overflown, monkeypatch):
    rows = ROWS.copy()
    rows[3, 0], rows[5, 0] = 10, 12.5
    ensemble = Ensemble(Tug)
    expected = score_rows(ensemble, ROWS)

    def score(x):
        return torch.where(x[..., 0] >= 10, overflown, Ensemble.score(ensemble, x))

    monkeypatch.setattr(ensemble, "score", score)
    scores = score_rows(ensemble, rows)
    assert scores[[3, 5]].tolist() == [-np.finfo(np.float32).max] * 2
    assert_same_bits(np.delete(scores, [3, 5]), np.delete(expected, [3, 5]))


def test_images_are_scored_in_smaller_blocks_than_rows(device, monkeypatch):
    sizes = []
    convolve = OnImages.forward
    monkeypatch.setattr(
        OnImages, "forward", lambda self, x: sizes.append(len(x)) or convolve(self, x)
    )
    detector = image_detector("ALAD", device).fit(pixels())
    sizes.clear()
    detector.score_samples(pixels(BLOCK_IMAGES + 1))
    assert set(sizes) == {BLOCK_IMAGES}
    assert BLOCK_IMAGES < BLOCK_ROWS


# ------------------------------------------------------------------------------- small blocks


class Recording(Tug):
    """Records the sizes of the blocks that are scored; wrong in blocks of `wrong` rows."""

    wrong = None

    def score(self, x):
        self.sizes = [*getattr(self, "sizes", ()), x.shape[-2]]
        return super().score(x) + 1e-6 * (x.shape[-2] == self.wrong)


def sizes_of(ensemble, n_rows):
    """Sizes of the blocks in which some rows are scored."""
    score_rows(ensemble, np.tile(ROWS, (50, 1))[:n_rows])
    ensemble.game.sizes = []
    score_rows(ensemble, np.tile(ROWS, (50, 1))[:n_rows])
    return ensemble.game.sizes


def test_few_rows_are_scored_in_a_small_block():
    ensemble = Ensemble(Recording)
    assert [sizes_of(ensemble, n) for n in (1, 32, 33, 128)] == [[32], [32], [64], [128]]
    assert [sizes_of(ensemble, n) for n in (129, 1024, 1025)] == [[1024], [1024], [1024] * 2]
    assert sizes_of(Ensemble(Recording, block_rows=8), 3) == [8]


def test_a_small_block_that_rounds_differently_is_not_used():
    ensemble = Ensemble(Recording)
    ensemble.game.wrong = 32
    assert [sizes_of(ensemble, n) for n in (1, 32, 65)] == [[64], [64], [128]]
    expected = score_rows(ensemble, np.tile(ROWS, (50, 1)))[:1]
    assert_same_bits(score_rows(ensemble, ROWS[:1]), expected)


def test_full_blocks_are_used_if_no_small_block_has_their_bits():
    ensemble = Ensemble(Recording)
    ensemble.game.wrong = 1024
    assert [sizes_of(ensemble, n) for n in (1, 65)] == [[1024], [1024]]


def test_small_blocks_are_tried_again_after_another_training_and_in_a_copy():
    ensemble = Ensemble(Recording)
    assert sizes_of(ensemble, 1) == [32]
    ensemble.game.wrong = 32
    assert sizes_of(ensemble, 1) == [32]
    assert sizes_of(deepcopy(ensemble), 1) == [64]
    score_training_rows(ensemble, ROWS, UNLABELED)
    assert sizes_of(ensemble, 1) == [64]


def test_rows_to_try_small_blocks_with_are_finite_and_differ():
    extreme = np.array([[0.0, 1.0, np.finfo(np.float32).max]], np.float32)
    rows = rows_around(extreme, 100)
    assert rows.shape == (100, 3)
    assert np.isfinite(rows).all()
    assert len(np.unique(rows[:, :2])) == 200


def test_long_scoring_logs_how_far_it_is(monkeypatch, caplog):
    monkeypatch.setattr(skgad.engine.scores, "LOG_SECONDS", -1)
    with caplog.at_level("INFO", logger="skgad"):
        map_rows(Ensemble(Tug, block_rows=10), ROWS, lambda x: x)
    assert caplog.messages == [f"{n} of 24 rows are done" for n in (10, 20, 24)]
