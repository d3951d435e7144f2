"""A detector of one's own, and what happens when it cannot do something."""

import numpy as np
import pytest
import torch
from autoencoder import DenoisingAutoencoder, DenoisingGame
from common import table
from conftest import ROOT
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn

from skgad.base import BaseDetector, Game, build


class OneClassGame(Game):
    """Distances to a center that is fixed before the training, without a decoder."""

    players = {"encoder": ("encoder",)}

    def __init__(self, networks, n_features, **params):
        super().__init__(**params)
        self.encoder = build(networks, "encoder", "encoder", n_features, 2)
        self.register_buffer("center", torch.zeros(1, 2))
        self.seen = []

    def prepare(self, apply, labels):
        codes = apply(self.encode)
        self.seen.append((codes.shape, labels.shape))
        self.center.copy_(torch.from_numpy(codes.mean(axis=-2, keepdims=True)))

    def play(self, x, labels=None):
        self.seen.append(self.center.clone())
        yield "encoder", self.score(x).mean(-1)

    def encode(self, x):
        return self.encoder(x)

    def score(self, x):
        return (self.encoder(x) - self.center).square().sum(-1)


class OneClass(BaseDetector):
    game_class = OneClassGame


class CriticGame(Game):
    """Only a score: neither codes nor rows can be computed."""

    players = {"critic": ("critic",)}

    def __init__(self, networks, n_features, **params):
        super().__init__(**params)
        self.critic = nn.Linear(n_features, 1)

    def play(self, x, labels=None):
        yield "critic", self.score(x).square().mean(-1)

    def score(self, x):
        return self.critic(x).squeeze(-1)


class Critic(BaseDetector):
    game_class = CriticGame


TINY = {"max_epochs": 5, "random_state": 0}


@parametrize_with_checks([cls(**TINY) for cls in (DenoisingAutoencoder, OneClass, Critic)])
def test_it_passes_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


def test_the_example_is_short_and_uses_public_names_only():
    source = (ROOT / "tests" / "detectors" / "autoencoder.py").read_text()
    assert len(source.splitlines()) < 60
    imports = [line for line in source.splitlines() if line.startswith(("import", "from"))]
    assert not [line for line in imports if "._" in line or " _" in line]


def test_it_detects_reconstructs_and_encodes(device):
    rows = table(200)
    params = {"max_epochs": 60, "n_members": 2, "random_state": 0}
    detector = DenoisingAutoencoder(device=device, **params).fit(rows)
    unusual = 4 * np.random.default_rng(0).normal(size=(50, 4))
    is_normal = np.arange(250) < 200
    scores = detector.score_samples(np.concatenate([rows, unusual]))
    assert roc_auc_score(is_normal, scores) > 0.9
    assert np.square(rows - detector.reconstruct(rows)).mean() < 0.3 * rows.var()
    assert detector.transform(rows).shape == (200, 4)


def test_its_parameters_are_those_of_any_estimator():
    detector = DenoisingAutoencoder(noise=0.5)
    assert {"noise", "latent_dim", "lr", "networks"} <= detector.get_params().keys()
    assert clone(detector).set_params(noise=0.2).noise == 0.2
    assert repr(detector) == "DenoisingAutoencoder(noise=0.5)"
    with pytest.raises(TypeError, match="unexpected keyword argument 'nosie'"):
        DenoisingAutoencoder(nosie=0.5)


def test_noise_acts():
    scores = [
        DenoisingAutoencoder(noise=noise, **TINY).fit(table()).score_samples(table())
        for noise in (0.0, 0.5)
    ]
    assert not np.allclose(*scores)


def test_an_own_score_type_is_checked_where_the_detector_has_none():
    detector = DenoisingAutoencoder(**TINY).fit(table())
    assert not hasattr(detector, "set_score_type")
    assert DenoisingGame.can("reconstruct")


def test_the_games_are_prepared_once_before_the_first_mini_batch(device):
    rows = table(40)
    detector = OneClass(device=device, n_members=2, warm_start=True, **TINY).fit(rows)
    game = detector.net_.module_.game
    prepared, *centers = game.seen
    assert prepared == ((2, 40, 2), (40,))
    assert len(centers) == 5
    assert all(torch.equal(center, game.center) for center in centers)
    assert game.center.abs().sum(dim=(1, 2)).gt(0).all()
    detector.fit(rows + 1)  # continues, and keeps the center
    after = detector.net_.module_.game
    assert torch.equal(after.center, game.center)
    assert torch.equal(after.center, after.seen[-1])
    assert sum(isinstance(entry, tuple) for entry in after.seen) == 1


@pytest.mark.parametrize(("verb", "argument"), [("sample", 3), ("reconstruct", table())])
@pytest.mark.parametrize("kind", ["inlier", "outlier"])
@pytest.mark.parametrize("cls", [OneClass, Critic])
def test_a_game_without_a_decoder_says_what_it_cannot_do(cls, verb, argument, kind, device):
    detector = cls(device=device, **TINY)
    with pytest.raises(NotFittedError):
        getattr(detector, verb)(argument)
    detector.fit(table())
    message = rf"{cls.__name__} cannot {verb} rows of kind='{kind}'\. Detectors that can: .*WALDO"
    with pytest.raises(ValueError, match=message):
        getattr(detector, verb)(argument, kind=kind)


def test_a_game_without_an_encoder_is_no_transformer():
    assert not hasattr(Critic(), "transform")
    assert hasattr(OneClass(), "transform")
    with pytest.raises(AttributeError, match="'Critic' has no attribute 'fit_transform'"):
        Critic(**TINY).fit_transform(table())


def test_it_samples_only_if_it_can(device):
    detector = DenoisingAutoencoder(device=device, max_epochs=1, random_state=0).fit(table())
    with pytest.raises(ValueError, match=r"DenoisingAutoencoder cannot sample.*Detec.*ALAD"):
        detector.sample(3)
