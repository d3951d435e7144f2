"""Losses, moves, scores, networks and parameters of Skip-GANomaly."""

import numpy as np
import pytest
import torch
from common import affine_layers, build_game, member_games, moves_of, table, tiny
from image_common import convnet, image_detector, pixels
from torch import nn

from skgad import MLP, SkipGANomaly
from skgad.networks import Discriminator, hidden_layers, stacking

ROWS = table(n_samples=20).astype(np.float32)
NETWORKS = MLP(hidden_layer_sizes=(8, 5), discriminator_layer_sizes=(7, 6))


def make_game(device="cpu", **params):
    """A game with biases other than zero."""
    params = {"latent_dim": 2, **params}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        game = build_game(SkipGANomaly(**{"networks": NETWORKS, **params}), ROWS)
        for p in game.parameters():
            p.data += 0.1 * torch.randn(p.shape)
    return game.to(device)


def leaky_relu(x):
    return np.where(x > 0, x, 0.2 * x)


def reconstruct_by_hand(game, x=ROWS):
    """Output of a generator with two hidden layers, in float64 numpy."""
    one, two, code, up_two, up_one, last = affine_layers(game.generator)

    def affine(layer, x):
        return x @ layer[0].T + layer[1]

    h_1 = leaky_relu(affine(one, x.astype(float)))
    h_2 = leaky_relu(affine(two, h_1))
    g_2 = leaky_relu(affine(up_two, affine(code, h_2)))
    g_1 = leaky_relu(affine(up_one, np.hstack([h_2, g_2])))
    return affine(last, np.hstack([h_1, g_1]))


def features_by_hand(game, x):
    """Features of the discriminator, in float64 numpy."""
    for weight, bias in affine_layers(game.discriminator)[:-1]:
        x = leaky_relu(x @ weight.T + bias)
    return x


def probability_by_hand(game, x):
    """Probability that rows are real, in float64 numpy."""
    weight, bias = affine_layers(game.discriminator)[-1]
    return 1 / (1 + np.exp(-(features_by_hand(game, x) @ weight.T + bias)))


def errors_by_hand(game, x=ROWS):
    """Contextual and latent error of each row, in float64 numpy."""
    x_hat = reconstruct_by_hand(game, x)
    difference = features_by_hand(game, x) - features_by_hand(game, x_hat)
    return np.abs(x - x_hat).sum(1) / x.shape[1], (difference**2).sum(1) / difference.shape[1]


def play(game):
    """Moves of one mini-batch."""
    x = torch.from_numpy(ROWS).to(next(game.parameters()).device)
    return list(game.play(x))


# ----------------------------------------------------------------------------------- losses


@pytest.mark.parametrize("weights", [(1.0, 40.0, 1.0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (2, 3, 5)])
def test_the_generator_minimizes_the_weighted_sum_of_three_losses(weights, device):
    names = ("adversarial_weight", "contextual_weight", "latent_weight")
    game = make_game(device, **dict(zip(names, weights, strict=True)))
    contextual, latent = errors_by_hand(game)
    fake = probability_by_hand(game, reconstruct_by_hand(game))
    losses = (-np.log(fake).mean(), contextual.mean(), latent.mean())
    player, loss = play(game)[0]
    assert player == "generator"
    assert loss.shape == ()
    assert loss.item() == pytest.approx(np.dot(weights, losses), rel=1e-5)


def test_the_default_weights_are_those_of_the_paper():
    detector = SkipGANomaly()
    assert detector.adversarial_weight == 1
    assert detector.contextual_weight == 40
    assert detector.latent_weight == 1
    assert detector.score_weight == 0.9


def test_the_discriminator_minimizes_the_cross_entropy(device):
    game = make_game(device)
    real = probability_by_hand(game, ROWS)
    fake = probability_by_hand(game, reconstruct_by_hand(game))
    player, loss = play(game)[1]
    assert player == "discriminator"
    assert loss.item() == pytest.approx(-np.log(real).mean() - np.log(1 - fake).mean(), rel=1e-5)


def test_losses_are_finite_if_probabilities_are_zero_or_one(device):
    game = make_game(device)
    with torch.no_grad():
        game.discriminator.head.bias -= 1000
    for _, loss in play(game):
        assert 0 <= loss.item() < 1e4


# ------------------------------------------------------------------------------------ moves


def test_the_discriminator_moves_after_the_generator(device):
    batches = moves_of(tiny("SkipGANomaly", device=device, max_epochs=1), table())
    assert batches == [[{"generator"}, {"discriminator"}]] * 3


def test_the_discriminator_sees_reconstructions_from_before_the_move_of_the_generator(device):
    expected = play(make_game(device))[1][1].item()
    game = make_game(device)
    moves = game.play(torch.from_numpy(ROWS).to(device))
    next(moves)
    with torch.no_grad():
        for parameter in game.generator.parameters():
            parameter += 1
    _, loss = next(moves)
    assert loss.item() == expected


# ----------------------------------------------------------------------------------- scores


@pytest.mark.parametrize("score_weight", [0.9, 1.0, 0.0])
def test_the_score_weighs_the_two_errors(score_weight, device):
    game = make_game(device, score_weight=score_weight).eval()
    contextual, latent = errors_by_hand(game)
    with torch.no_grad():
        scores = game.score(torch.from_numpy(ROWS).to(device)).cpu().numpy()
    expected = score_weight * contextual + (1 - score_weight) * latent
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)


def test_scores_are_computed_in_evaluation_mode(device):
    networks = convnet(batch_norm=True)
    detector = image_detector("SkipGANomaly", device, networks).fit(pixels())
    scores = detector.score_samples(pixels())
    sorted_by_brightness = np.argsort(pixels().sum(axis=1))
    np.testing.assert_array_equal(
        detector.score_samples(pixels()[sorted_by_brightness]), scores[sorted_by_brightness]
    )
    assert not detector.net_.module_.training


def test_codes_are_features_of_the_discriminator(device):
    detector = tiny("SkipGANomaly", device=device, networks=NETWORKS).fit(table())
    game = detector.net_.module_.scorer
    np.testing.assert_allclose(
        detector.transform(table()), features_by_hand(game, table()), rtol=1e-3, atol=1e-5
    )
    np.testing.assert_allclose(
        detector.reconstruct(table()), reconstruct_by_hand(game, table()), rtol=1e-3, atol=1e-4
    )


def test_early_stopping_monitors_the_mean_absolute_error(device):
    game = make_game(device)
    loss = game.validation_loss(torch.from_numpy(ROWS).to(device))
    assert loss.item() == pytest.approx(errors_by_hand(game)[0].mean(), rel=1e-5)


# --------------------------------------------------------------------------------- networks


class WithoutUnet:
    """Networks of a user that have only the three methods that every detector needs."""

    def encoder(self, n_features, latent_dim):
        return nn.Linear(n_features, latent_dim)

    def decoder(self, latent_dim, n_features):
        return nn.Linear(latent_dim, n_features)

    def discriminator(self, *n_inputs):
        return Discriminator(hidden_layers((sum(n_inputs), 3)), 3)


class WithGenerator(WithoutUnet):
    def generator(self, n_features, latent_dim):
        return nn.Linear(n_features, n_features)


def test_networks_without_a_unet_raise_an_error(device):
    message = (
        "This detector needs networks with a method 'unet', which WithoutUnet does not have. Add a "
        "method 'unet' or 'generator' to the class, or use MLP or ConvNet."
    )
    with pytest.raises(ValueError, match=message):
        tiny("SkipGANomaly", device=device, networks=WithoutUnet()).fit(table())
    detector = tiny("SkipGANomaly", device=device, networks=WithGenerator()).fit(table())
    assert type(detector.net_.module_.game.generator) is nn.Linear


def test_members_of_perceptrons_are_computed_together(device):
    detector = tiny("SkipGANomaly", device=device, n_members=3).fit(table())
    assert stacking(detector.net_.module_.game.generator) == "batched"


def test_members_reconstruct_as_their_games(device):
    detector = tiny("SkipGANomaly", device=device, n_members=2).fit(table())
    x = torch.from_numpy(table().astype(np.float32)).to(device)
    with torch.inference_mode():
        rows = torch.stack([game.reconstruct(x) for game in member_games(detector)]).mean(0)
    np.testing.assert_allclose(detector.reconstruct(table()), rows.cpu(), rtol=1e-4, atol=1e-5)


# ------------------------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("latent_dim", 0),
        ("adversarial_weight", -0.1),
        ("contextual_weight", -1),
        ("latent_weight", "high"),
        ("score_weight", 1.1),
        ("score_weight", -0.1),
        ("score_type", "features"),
    ],
)
def test_an_invalid_parameter_is_named(parameter, value, device):
    with pytest.raises(ValueError, match=f"The '{parameter}' parameter of SkipGANomaly must be"):
        tiny("SkipGANomaly", **{"device": device, parameter: value}).fit(table())


def test_adam_has_the_betas_of_the_paper(device):
    detector = tiny("SkipGANomaly", device=device).fit(table())
    assert detector.net_.optimizer_.param_groups[0]["betas"] == (0.5, 0.999)
