"""Losses, scores and parameters of EGBAD."""

import numpy as np
import pytest
import torch
from common import affine_layers, assert_same_bits, build_game, moves_of, state, table, tiny
from sklearn.exceptions import ConvergenceWarning
from torch import nn

from skgad import EGBAD, MLP

ROWS = table(n_samples=20).astype(np.float32)
NETWORKS = MLP(hidden_layer_sizes=(8,), discriminator_layer_sizes=(7, 6))


def make_game(device="cpu", **params):
    """A game with biases other than zero."""
    params = {"latent_dim": 2, "networks": NETWORKS, **params}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        game = build_game(EGBAD(**params), ROWS)
        for p in game.parameters():
            p.data += 0.1 * torch.randn(p.shape)
    return game.to(device)


def forward(network, *inputs):
    """Activations of the last hidden layer, and the output, in float64 numpy."""
    x = np.concatenate(inputs, axis=1)
    *hidden, last = affine_layers(network)
    for weight, bias in hidden:
        x = x @ weight.T + bias
        x = np.where(x > 0, x, 0.2 * x)
    return x, x @ last[0].T + last[1]


def log_sigmoid(t):
    return -np.log(1 + np.exp(-t))


def play(game, x):
    """Losses of the players in one mini-batch, and the codes drawn for it."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        losses = dict(game.play(x))
        torch.manual_seed(0)
        return losses, game.sample_latent(x).cpu().double().numpy()


def test_losses_are_the_cross_entropies_of_encoded_and_generated_pairs(device):
    game = make_game(device)
    losses, z = play(game, torch.from_numpy(ROWS).to(device))
    x = ROWS.astype(float)
    encoded = forward(game.discriminator, x, forward(game.encoder, x)[1])[1]
    generated = forward(game.discriminator, forward(game.decoder, z)[1], z)[1]
    expected = {
        "discriminator": -log_sigmoid(encoded).mean() - log_sigmoid(-generated).mean(),
        "generator": -log_sigmoid(-encoded).mean() - log_sigmoid(generated).mean(),
    }
    assert list(losses) == list(expected)
    for player, loss in losses.items():
        assert loss.shape == ()
        assert loss.item() == pytest.approx(expected[player], rel=1e-5)


@pytest.mark.parametrize("network", ["encoder", "decoder"])
def test_encoder_and_decoder_both_learn_from_the_discriminator(network, device):
    game = make_game(device)
    losses, _ = play(game, torch.from_numpy(ROWS).to(device))
    parameters = list(getattr(game, network).parameters())
    gradients = torch.autograd.grad(losses["generator"], parameters)
    assert all(gradient.abs().max() > 0 for gradient in gradients)


def test_losses_are_finite_if_probabilities_are_zero_or_one(device):
    game = make_game(device)
    with torch.no_grad():
        game.discriminator.head.bias += 1000
    for loss in play(game, torch.from_numpy(ROWS).to(device))[0].values():
        assert 0 <= loss.item() < 1e4


def test_encoder_and_decoder_move_after_the_discriminator(device):
    batches = moves_of(tiny("EGBAD", device=device, max_epochs=1), table())
    assert batches == [[{"discriminator"}, {"encoder", "decoder"}]] * 3


@pytest.mark.parametrize("alpha", [0.0, 0.9, 1.0])
@pytest.mark.parametrize("score_type", ["features", "cross_entropy"])
def test_scores_agree_with_their_formulas(score_type, alpha, device):
    game = make_game(device, score_type=score_type, alpha=alpha).eval()
    x = ROWS.astype(float)
    z = forward(game.encoder, x)[1]
    x_hat = forward(game.decoder, z)[1]
    features, logits = forward(game.discriminator, x, z)
    discrimination = {
        "features": np.abs(features - forward(game.discriminator, x_hat, z)[0]).sum(1),
        "cross_entropy": -log_sigmoid(logits[:, 0]),
    }[score_type]
    expected = alpha * np.abs(x - x_hat).sum(1) + (1 - alpha) * discrimination
    with torch.no_grad():
        scores = game.score(torch.from_numpy(ROWS).to(device)).cpu().numpy()
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)


def test_the_score_does_not_change_the_training(device):
    one = tiny("EGBAD", device=device).fit(table())
    for params in ({"score_type": "cross_entropy"}, {"alpha": 0.5}):
        other = tiny("EGBAD", device=device, **params).fit(table())
        assert_same_bits(state(one), state(other))
        assert (one.score_samples(table()) != other.score_samples(table())).all()


class IdentityDecoder(MLP):
    """Networks whose decoder returns the codes, so that samples are codes."""

    def decoder(self, latent_dim, n_features):
        return nn.Identity()


@pytest.mark.filterwarnings("ignore:The generated rows have collapsed")
def test_samples_are_decoded_from_the_prior(device):
    detector = tiny("EGBAD", device=device, latent_dim=4, networks=IdentityDecoder((8,)))
    codes = detector.fit(table()).sample(20_000, latent="own", random_state=0)
    np.testing.assert_allclose(codes.mean(0), np.zeros(4), atol=0.03)
    np.testing.assert_allclose(np.cov(codes.T), np.eye(4), atol=0.05)


class ConstantDecoder(MLP):
    """Networks whose decoder nearly ignores the codes, as after a collapse."""

    def decoder(self, latent_dim, n_features):
        decoder = super().decoder(latent_dim, n_features)
        with torch.no_grad():
            decoder[0].weight *= 1e-4
        return decoder


@pytest.mark.parametrize("name", ["EGBAD", "AnoGAN"])
@pytest.mark.parametrize("n_members", [1, 2])
def test_a_collapse_of_the_generator_is_noticed(name, n_members, device):
    networks = ConstantDecoder((8,), discriminator_layer_sizes=(16,))
    params = {"networks": networks, "n_members": n_members, "device": device, "lr": 1e-6}
    detector = tiny(name, max_epochs=1, **params)
    with pytest.warns(ConvergenceWarning, match="The generator collapsed: the standard deviation"):
        detector.fit(table())


def test_early_stopping_watches_the_reconstruction_error(device):
    detector = tiny("EGBAD", device=device, early_stopping=True).fit(table())
    game = detector.net_.module_.scorer
    x = torch.from_numpy(ROWS).to(device)
    expected = np.abs(ROWS - detector.reconstruct(ROWS)).mean()
    assert game.validation_loss(x).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [("alpha", -0.1), ("alpha", 1.1), ("latent_dim", 0), ("score_type", "l1")],
)
def test_invalid_parameters_raise_an_error(parameter, value, device):
    with pytest.raises(ValueError, match=f"The '{parameter}' parameter of EGBAD must be"):
        tiny("EGBAD", device=device, **{parameter: value}).fit(table())
