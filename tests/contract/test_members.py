"""Members of an ensemble: each one is the detector that would have been trained alone."""

import numpy as np
import pytest
import torch
from common import DETECTORS, LABELLED, WatchRows, can, numbers, table, tiny
from image_common import image_detector, pixels
from sklearn.base import clone
from torch import nn

from skgad import MLP
from skgad.callbacks import WeightAveraging
from skgad.engine.ensemble import stack_games
from skgad.networks import stacking

LABELS = np.arange(48) % 3 - 1

#: If the same row has the lowest error of both decoders, it is assigned to one of them by rounding
#: errors, unless the advantage is an average.
WITHOUT_TIES = {name: {"advantage_decay": 0.5} for name in ("WALDO", "CoRA")}


def assert_members_are_detectors_alone(detector, X, **fit_params):
    """Train an ensemble, and detectors alone whose seeds are drawn from the same generator."""
    n_members = 3
    ensemble = clone(detector).set_params(n_members=n_members, random_state=3).fit(X, **fit_params)
    rng = np.random.RandomState(3)
    alone = [
        clone(detector).set_params(random_state=rng).fit(X, **fit_params) for _ in range(n_members)
    ]
    for part in ("game", "averaged_game"):
        if getattr(ensemble.net_.module_, part) is None:
            continue
        found = numbers(getattr(ensemble.net_.module_, part))
        expected = numbers(stack_games([getattr(d.net_.module_, part) for d in alone]))
        assert found.keys() == expected.keys()
        for name in expected:
            np.testing.assert_allclose(
                found[name], expected[name], rtol=1e-4, atol=1e-6, err_msg=name
            )
    for player in ensemble.net_.module_.game.players:
        losses = [d.history_[:, f"{player}_loss"] for d in alone]
        np.testing.assert_allclose(
            ensemble.history_[:, f"{player}_loss"], np.mean(losses, axis=0), rtol=1e-3
        )
    if can(type(detector).__name__, "transform"):
        codes = [d.transform(X[:5]) for d in alone]
        np.testing.assert_allclose(ensemble.transform(X[:5]), np.hstack(codes), atol=1e-4)


@pytest.mark.parametrize("name", DETECTORS)
def test_a_member_is_the_detector_alone(name, device):
    detector = tiny(name, device=device, **WITHOUT_TIES.get(name, {}))
    assert_members_are_detectors_alone(detector, table())


@pytest.mark.parametrize("name", LABELLED)
def test_a_member_is_the_detector_alone_with_known_labels(name, device):
    detector = tiny(name, device=device, **WITHOUT_TIES.get(name, {}))
    assert_members_are_detectors_alone(detector, table(), labels=LABELS)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("ALAD", {"spectral_norm": True, "encoding": "piecewise", "ema_decay": None}),
        ("RCGAN", {"penalty_size": 30}),
        ("RCGAN", {"penalty": "uniform", "lr_schedule": "linear"}),
        ("RCGAN", {"penalty": lambda generator, shape: torch.rand(shape, generator=generator)}),
        ("AMA", {"negatives": "box", "warm_up": 0, "gradient_penalty": "per_pixel"}),
        ("AMA", {"negatives": None, "spectral_norm": False, "score_type": "likelihood"}),
        ("ARN", {"supervised_players": "both", "kl_schedule": "annealed", "free_bits": 0.1}),
        ("ARN", {"score_type": "discriminator", "callbacks": [WeightAveraging(0.9)]}),
    ],
)
def test_a_member_is_the_detector_alone_with_other_parameters(name, params, device):
    assert_members_are_detectors_alone(tiny(name, device=device, **params), table())


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_member_that_draws_categories_is_the_detector_alone(device):
    X = np.hstack([table(), np.eye(3)[np.arange(48) % 3]])
    detector = tiny("ARN", device=device, categorical="gumbel")
    assert_members_are_detectors_alone(detector, X)


@pytest.mark.parametrize(
    ("name", "network"), [("ALAD", "encoder"), ("WAE", "encoder"), ("SkipGANomaly", "generator")]
)
def test_a_member_with_convolutions_is_the_detector_alone(name, network, device):
    detector = image_detector(name, device)
    assert_members_are_detectors_alone(detector, pixels())
    fitted = detector.set_params(n_members=2).fit(pixels())
    assert stacking(getattr(fitted.net_.module_.game, network)) == "one by one"


class BatchNormed(MLP):
    """Encoders with batch normalization, which averages over the rows of a member."""

    def encoder(self, n_features, latent_dim):
        layers = nn.Linear(n_features, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU()
        return nn.Sequential(*layers, nn.Linear(8, latent_dim))


@pytest.mark.parametrize("name", ["ALAD", "WAE"])
def test_a_member_with_batch_normalization_is_the_detector_alone(name, device):
    detector = tiny(name, device=device, networks=BatchNormed((8,)))
    assert_members_are_detectors_alone(detector, table())
    fitted = detector.set_params(n_members=2).fit(table())
    assert stacking(fitted.net_.module_.game.encoder) == "vmap"


def test_a_continued_training_continues_each_member(device):
    params = {"n_members": 3, "warm_start": True, "device": device}
    twice = tiny("ALAD", max_epochs=2, **params).fit(table()).fit(table())
    once = tiny("ALAD", max_epochs=4, **params).fit(table())
    for name, expected in numbers(once.net_.module_).items():
        np.testing.assert_array_equal(numbers(twice.net_.module_)[name], expected)


@pytest.mark.parametrize("own_order", [True, False])
def test_members_can_have_their_own_order_of_the_rows(own_order, device):
    seen = []
    net_params = {} if own_order else {"iterator_train__own_order": False}
    tiny(
        "ALAD",
        device=device,
        n_members=2,
        max_epochs=1,
        net_params=net_params,
        callbacks=[WatchRows(lambda _, x: seen.append(x))],
    ).fit(table())
    if not own_order:
        assert {x.shape for x in seen} == {(16, 4)}
        return
    assert {x.shape for x in seen} == {(2, 16, 4)}
    one, other = np.concatenate(seen, axis=1)
    assert not np.array_equal(one, other)
    for rows in (one, other):
        np.testing.assert_allclose(np.sort(rows, axis=0), np.sort(np.float32(table()), axis=0))
