"""A small game of two players, and helpers of several files in this folder."""

import numpy as np
import torch
from torch import nn

from skgad.base import EncoderDecoderGame
from skgad.engine.ensemble import Ensemble
from skgad.engine.net import AdversarialNet

ROWS = np.random.RandomState(0).normal(size=(24, 3)).astype(np.float32)


class Tug(EncoderDecoderGame):
    """Two players whose losses depend on the parameters of both.

    `seen` has the parameters before the first move and after each move.
    """

    players = {"left": ("a", "c"), "right": ("b", "missing")}
    latent_dim = 3

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(3, 2), nn.Linear(3, 2), nn.Linear(2, 2)
        self.missing = None
        self.encoder = nn.Linear(3, 3)  # no player moves it
        self.decoder = nn.Identity()
        self.seen = []

    def play(self, x, labels=None):
        self.seen.append(snapshot(self))
        yield "left", (self.c(self.a(x)) - self.b(x)).square().mean((-2, -1))
        self.seen.append(snapshot(self))
        yield "right", (self.c(self.a(x)) + self.b(x) + 1).square().mean((-2, -1))
        self.seen.append(snapshot(self))
        yield "left", (self.a(x) * self.b(x)).mean((-2, -1))
        self.seen.append(snapshot(self))

    def score(self, x):
        return self.a(x).square().sum(-1)


def ensemble_of(games):
    """Ensemble of some games."""
    return Ensemble(iter(games).__next__, len(games))


def snapshot(game):
    """Copies of the parameters of a game, by name."""
    return {name: p.detach().cpu().numpy().copy() for name, p in game.named_parameters()}


def moved(before, after):
    """Names of the networks in which at least one number changed."""
    return {name.split(".")[0] for name in before if not np.array_equal(before[name], after[name])}


def initialized_net(device, make_game=Tug, n_members=1, seed=0, **params):
    """Initialized net of an ensemble of games."""
    torch.manual_seed(seed)
    return AdversarialNet(
        Ensemble,
        module__make_game=make_game,
        module__n_members=n_members,
        callbacks__print_log=None,
        device=device,
        **params,
    ).initialize()


def network_numbers(all_numbers):
    """The numbers of the networks, without the units of the members."""
    return {k: v for k, v in all_numbers.items() if k.startswith(("game.", "averaged_game."))}
