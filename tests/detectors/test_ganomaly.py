"""Losses, moves, scores and parameters of GANomaly."""

import numpy as np
import pytest
import torch
from common import affine_layers, assert_same_bits, build_game, moves_of, state, table, tiny
from torch import nn

from skgad import MLP, GANomaly

ROWS = table(n_samples=20).astype(np.float32)
NETWORKS = MLP(hidden_layer_sizes=(8,), discriminator_layer_sizes=(7, 6))


def make_game(device="cpu", **params):
    """A game with biases other than zero."""
    params = {"latent_dim": 2, **params}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        game = build_game(GANomaly(**{"networks": NETWORKS, **params}), ROWS)
        for p in game.parameters():
            p.data += 0.1 * torch.randn(p.shape)
    return game.to(device)


def hidden(network, x):
    """Activations of the last hidden layer, in float64 numpy."""
    for weight, bias in affine_layers(network)[:-1]:
        x = x @ weight.T + bias
        x = np.where(x > 0, x, 0.2 * x)
    return x


def output(network, x):
    """Output of a network, in float64 numpy."""
    weight, bias = affine_layers(network)[-1]
    return hidden(network, x) @ weight.T + bias


def by_hand(game, x=ROWS):
    """Codes, reconstructions and codes of the reconstructions, in float64 numpy."""
    z = output(game.encoder, x.astype(float))
    x_hat = output(game.decoder, z)
    return z, x_hat, output(game.second_encoder, x_hat)


def play(game):
    """Moves of one mini-batch."""
    x = torch.from_numpy(ROWS).to(next(game.parameters()).device)
    return list(game.play(x))


# ----------------------------------------------------------------------------------- losses


@pytest.mark.parametrize("weights", [(1.0, 50.0, 1.0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (2, 3, 5)])
def test_the_generator_minimizes_the_weighted_sum_of_three_errors(weights, device):
    names = ("adversarial_weight", "contextual_weight", "encoder_weight")
    game = make_game(device, **dict(zip(names, weights, strict=True)))
    z, x_hat, z_hat = by_hand(game)
    f, f_hat = hidden(game.discriminator, ROWS), hidden(game.discriminator, x_hat)
    errors = (
        ((f - f_hat) ** 2).sum() / (20 * 6),
        np.abs(ROWS - x_hat).sum() / (20 * 4),
        ((z - z_hat) ** 2).sum() / (20 * 2),
    )
    player, loss = play(game)[0]
    assert player == "generator"
    assert loss.shape == ()
    assert loss.item() == pytest.approx(np.dot(weights, errors), rel=1e-5)


def test_the_default_weights_are_those_of_the_paper():
    detector = GANomaly()
    assert detector.adversarial_weight == 1
    assert detector.contextual_weight == 50
    assert detector.encoder_weight == 1


def test_the_discriminator_minimizes_half_the_cross_entropy(device):
    game = make_game(device)
    _, x_hat, _ = by_hand(game)
    real, fake = output(game.discriminator, ROWS), output(game.discriminator, x_hat)
    p_real, p_fake = 1 / (1 + np.exp(-real)), 1 / (1 + np.exp(-fake))
    expected = -(np.log(p_real).mean() + np.log(1 - p_fake).mean()) / 2
    player, loss = play(game)[1]
    assert player == "discriminator"
    assert loss.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("weights", "moved"),
    [
        ({"contextual_weight": 0, "encoder_weight": 0}, {"encoder", "decoder"}),
        ({"adversarial_weight": 0, "encoder_weight": 0}, {"encoder", "decoder"}),
        (
            {"adversarial_weight": 0, "contextual_weight": 0},
            {"encoder", "decoder", "second_encoder"},
        ),
    ],
)
def test_each_error_trains_its_networks(weights, moved):
    game = make_game(**weights)
    (_, loss), _ = play(game)
    parameters = dict(game.named_parameters())
    names = [name for name in parameters if not name.startswith("discriminator")]
    gradients = torch.autograd.grad(
        loss, [parameters[name] for name in names], materialize_grads=True
    )
    found = {
        name.split(".")[0]
        for name, gradient in zip(names, gradients, strict=True)
        if gradient.abs().max() > 0
    }
    assert found == moved


def test_losses_are_finite_if_probabilities_are_zero_or_one(device):
    game = make_game(device)
    with torch.no_grad():
        game.discriminator.head.bias += 1000
    for _, loss in play(game):
        assert 0 <= loss.item() < 1e4


# ------------------------------------------------------------------------------------ moves


def test_the_discriminator_moves_after_the_generator(device):
    batches = moves_of(tiny("GANomaly", device=device, max_epochs=1), table())
    assert batches == [[{"encoder", "decoder", "second_encoder"}, {"discriminator"}]] * 3


def test_the_discriminator_sees_reconstructions_from_before_the_move_of_the_generator(device):
    expected = play(make_game(device))[1][1].item()
    game = make_game(device)
    moves = game.play(torch.from_numpy(ROWS).to(device))
    next(moves)
    with torch.no_grad():
        for parameter in game.decoder.parameters():
            parameter += 1
    _, loss = next(moves)
    assert loss.item() == expected
    gradients = torch.autograd.grad(loss, list(game.discriminator.parameters()))
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


# ----------------------------------------------------------------------------------- scores


@pytest.mark.parametrize("score_type", ["l1", "l2"])
def test_scores_are_norms_of_the_difference_between_the_codes(score_type, device):
    game = make_game(device, score_type=score_type).eval()
    z, _, z_hat = by_hand(game)
    expected = {
        "l1": np.abs(z - z_hat).sum(1),
        "l2": np.sqrt(((z - z_hat) ** 2).sum(1)),
    }[score_type]
    with torch.no_grad():
        scores = game.score(torch.from_numpy(ROWS).to(device)).cpu().numpy()
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)


def test_the_default_score_is_that_of_the_paper(device):
    detector = tiny("GANomaly", device=device, score_type=GANomaly().score_type).fit(table())
    z, _, z_hat = by_hand(detector.net_.module_.scorer, table())
    expected = -np.abs(z - z_hat).sum(1)
    np.testing.assert_allclose(detector.score_samples(table()), expected, rtol=1e-3, atol=1e-5)


def test_the_score_type_does_not_change_the_training(device):
    one = tiny("GANomaly", device=device, score_type="l1").fit(table())
    other = tiny("GANomaly", device=device, score_type="l2").fit(table())
    assert_same_bits(state(one), state(other))


def test_codes_and_reconstructions_are_outputs_of_the_networks(device):
    detector = tiny("GANomaly", device=device).fit(table())
    z, x_hat, _ = by_hand(detector.net_.module_.scorer, table())
    np.testing.assert_allclose(detector.transform(table()), z, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(detector.reconstruct(table()), x_hat, rtol=1e-3, atol=1e-5)


def test_the_two_encoders_share_no_weights(device):
    game = tiny("GANomaly", device=device).fit(table()).net_.module_.game
    for one, other in zip(game.encoder.parameters(), game.second_encoder.parameters(), strict=True):
        assert not torch.equal(one, other)


def test_networks_can_build_the_second_encoder(device):
    class Networks(MLP):
        def second_encoder(self, n_features, latent_dim):
            return nn.Linear(n_features, latent_dim)

    detector = tiny("GANomaly", device=device, networks=Networks((8,))).fit(table())
    assert type(detector.net_.module_.game.second_encoder) is nn.Linear
    assert type(detector.net_.module_.game.encoder) is nn.Sequential


def test_early_stopping_monitors_the_mean_absolute_error(device):
    game = make_game(device)
    _, x_hat, _ = by_hand(game)
    loss = game.validation_loss(torch.from_numpy(ROWS).to(device))
    assert loss.item() == pytest.approx(np.abs(ROWS - x_hat).mean(), rel=1e-5)


# ------------------------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("latent_dim", 0),
        ("latent_dim", 1.5),
        ("adversarial_weight", -0.1),
        ("contextual_weight", -1),
        ("encoder_weight", "high"),
        ("score_type", "features"),
    ],
)
def test_an_invalid_parameter_is_named(parameter, value, device):
    with pytest.raises(ValueError, match=f"The '{parameter}' parameter of GANomaly must be"):
        tiny("GANomaly", **{"device": device, parameter: value}).fit(table())


def test_adam_has_the_betas_of_the_paper(device):
    detector = tiny("GANomaly", device=device).fit(table())
    assert detector.net_.optimizer_.param_groups[0]["betas"] == (0.5, 0.999)
