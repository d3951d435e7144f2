"""Games: what a game declares, and when its hooks are called."""

import inspect

import numpy as np
import pytest
import torch
from common import table, tiny
from engine_common import Tug
from torch import nn

from skgad import MLP
from skgad.base import BaseDetector, Game
from skgad.detectors._alad import ALADGame

pytestmark = pytest.mark.usefixtures("seeded")


def test_a_game_must_implement_play_and_score():
    assert inspect.isabstract(Game)
    with pytest.raises(TypeError, match="abstract"):
        type("Unplayable", (Game,), {"score": lambda self, x: x})()


def test_a_player_has_the_parameters_of_its_networks():
    game = Tug()
    left = list(game.player_parameters("left"))
    assert [id(p) for p in left] == [id(p) for n in (game.a, game.c) for p in n.parameters()]
    assert [id(p) for p in game.player_parameters("right")] == [id(p) for p in game.b.parameters()]


def test_latent_codes_are_drawn_from_a_standard_normal_for_each_row(device):
    z = Tug().sample_latent(torch.zeros(20_000, 7, device=device))
    assert z.shape == (20_000, 3)
    assert z.device.type == device
    np.testing.assert_allclose(z.mean(0).cpu(), np.zeros(3), atol=0.03)
    np.testing.assert_allclose(np.cov(z.cpu().numpy().T), np.eye(3), atol=0.05)


def test_a_game_can_do_what_it_implements():
    assert all(Tug.can(method) for method in ("encode", "reconstruct", "sample"))
    assert not Tug.can("reconstruct_as_outlier")
    assert not Tug.can("sample_outliers")
    assert not Game.can("encode")


def test_a_factory_builds_games_for_the_width_of_the_table():
    params = tiny("ALAD", spectral_norm=False).game_params()
    build_game = ALADGame.factory(MLP((8,)), table(n_features=5), params)
    one, other = build_game(), build_game()
    assert one.encoder[0].in_features == 5
    assert one.latent_discriminator is params["latent_discriminator"]
    assert not torch.equal(one.encoder[0].weight, other.encoder[0].weight)


def test_a_class_instead_of_an_instance_of_networks_raises_an_error(device):
    with pytest.raises(ValueError, match=r"networks=MLP is a class\. Pass an instance, MLP\(\)"):
        tiny("ALAD", device=device, networks=MLP).fit(table())


# ------------------------------------------------------------------------------------ hooks


class HookedGame(Game):
    """Records the calls of its hooks, and how far the training is."""

    players = {"scorer": ("scorer",)}
    calls = []

    def __init__(self, networks, n_features, **params):
        super().__init__(**params)
        self.scorer = nn.Linear(n_features, 1)
        self.register_buffer("n_batches", torch.zeros(()))
        self.record("build")

    def record(self, hook, *details):
        self.calls.append((hook, *details, int(self.n_batches.max()), self.training))

    @classmethod
    def inspect(cls, table, params):
        cls.calls.append(("inspect", table.shape, dict(params)))
        return {"found": table.shape[1]}

    def prepare(self, apply, labels):
        self.record("prepare", self.found, apply(self.score).shape, labels.tolist())

    def play(self, x, labels=None):
        self.record("play")
        self.n_batches += 1
        yield "scorer", self.score(x).square().mean(-1)

    def finalize(self, apply, labels):
        self.record("finalize", self.found, apply(self.score).shape, labels.tolist())

    def score(self, x):
        return self.scorer(x).squeeze(-1)


class Hooked(BaseDetector):
    game_class = HookedGame

    strength: float = 0.5


def calls_during(function, *args):
    """What a function makes a game record."""
    HookedGame.calls.clear()
    function(*args)
    return HookedGame.calls.copy()


NO_LABELS = [0] * 5


def test_fit_calls_the_hooks_in_order(device):
    detector = Hooked(encoding=None, device=device, max_epochs=2, random_state=0)
    assert calls_during(detector.fit, table(5)) == [
        ("inspect", (5, 4), {"strength": 0.5}),
        ("build", 0, True),
        ("prepare", 4, (5,), NO_LABELS, 0, False),
        ("play", 0, True),
        ("play", 1, True),
        ("finalize", 4, (5,), NO_LABELS, 2, False),
    ]


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_continued_training_calls_finalize_only(method, device):
    detector = Hooked(encoding=None, device=device, max_epochs=1, warm_start=True, random_state=0)
    detector.fit(table(5))
    assert calls_during(getattr(detector, method), table(5, seed=1)) == [
        ("play", 1, True),
        ("finalize", 4, (5,), NO_LABELS, 2, False),
    ]


def test_the_hooks_of_all_members_are_called_at_once(device):
    calls = calls_during(
        Hooked(encoding=None, device=device, max_epochs=1, n_members=3).fit, table(5)
    )
    assert calls == [
        ("inspect", (5, 4), {"strength": 0.5}),
        *[("build", 0, True)] * 3,
        ("prepare", 4, (3, 5), NO_LABELS, 0, False),
        ("play", 0, True),
        ("finalize", 4, (3, 5), NO_LABELS, 1, False),
    ]


def test_only_averaged_games_are_finalized(device):
    detector = Hooked(encoding=None, device=device, max_epochs=1, ema_decay=0.5)
    calls = calls_during(detector.fit, table(5))
    assert [hook for hook, *_ in calls] == ["inspect", "build", "prepare", "play", "finalize"]


def test_inspect_runs_again_in_a_new_fit(device):
    detector = Hooked(encoding=None, device=device, max_epochs=1).fit(table(5))
    calls = calls_during(detector.fit, table(6, n_features=3))
    assert calls[0] == ("inspect", (6, 3), {"strength": 0.5})
    assert detector.net_.module_.game.found == 3
