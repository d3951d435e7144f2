"""Losses, search and parameters of AnoGAN."""

import numpy as np
import pytest
import torch
from common import affine_layers, assert_same_bits, build_game, moves_of, state, table, tiny
from torch import nn

from skgad import MLP, AnoGAN

ROWS = table(n_samples=20).astype(np.float32)
NETWORKS = MLP(hidden_layer_sizes=(8,), discriminator_layer_sizes=(7, 6))


def make_game(device="cpu", **params):
    """A game with biases other than zero."""
    params = {"latent_dim": 2, "networks": NETWORKS, **params}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        game = build_game(AnoGAN(**params), ROWS)
        for p in game.parameters():
            p.data += 0.1 * torch.randn(p.shape)
    return game.to(device)


def forward(network, x):
    """Activations of the last hidden layer, and the output, in float64 numpy."""
    *hidden, last = affine_layers(network)
    for weight, bias in hidden:
        x = x @ weight.T + bias
        x = np.where(x > 0, x, 0.2 * x)
    return x, x @ last[0].T + last[1]


def log_sigmoid(t):
    return -np.log(1 + np.exp(-t))


def loss_by_hand(game, x, z):
    """Loss of the code of each row, in float64 numpy."""
    x_hat = forward(game.decoder, z)[1]
    features, logits = forward(game.discriminator, x_hat)
    discrimination = {
        "features": np.abs(forward(game.discriminator, x)[0] - features).sum(1),
        "cross_entropy": -log_sigmoid(logits[:, 0]),
    }[game.score_type]
    weight = game.discrimination_weight
    return (1 - weight) * np.abs(x - x_hat).sum(1) + weight * discrimination


def search_by_hand(game, x):
    """Adam on the codes, with gradients from finite differences."""
    z = np.zeros((len(x), game.latent_dim))
    first, second = np.zeros_like(z), np.zeros_like(z)
    for t in range(1, game.n_search_steps + 1):
        gradient = np.empty_like(z)
        for k, step in enumerate(1e-7 * np.eye(game.latent_dim)):
            difference = loss_by_hand(game, x, z + step) - loss_by_hand(game, x, z - step)
            gradient[:, k] = difference / 2e-7
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        z -= game.search_lr * (first / (1 - 0.9**t)) / (np.sqrt(second / (1 - 0.999**t)) + 1e-8)
    return z


# ----------------------------------------------------------------------------------- losses


def play(game, x):
    """Losses of the players in one mini-batch, and the codes drawn for it."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        losses = dict(game.play(x))
        torch.manual_seed(0)
        return losses, game.sample_latent(x).cpu().double().numpy()


def test_losses_are_those_of_a_plain_gan(device):
    game = make_game(device)
    losses, z = play(game, torch.from_numpy(ROWS).to(device))
    real = forward(game.discriminator, ROWS.astype(float))[1]
    fake = forward(game.discriminator, forward(game.decoder, z)[1])[1]
    expected = {
        "discriminator": -log_sigmoid(real).mean() - log_sigmoid(-fake).mean(),
        "generator": -log_sigmoid(fake).mean(),
    }
    assert list(losses) == list(expected)
    for player, loss in losses.items():
        assert loss.shape == ()
        assert loss.item() == pytest.approx(expected[player], rel=1e-5)


def test_losses_are_finite_if_probabilities_are_zero_or_one(device):
    for bias in (1000, -1000):
        game = make_game(device)
        with torch.no_grad():
            game.discriminator.head.bias += bias
        for loss in play(game, torch.from_numpy(ROWS).to(device))[0].values():
            assert 0 <= loss.item() < 1e4


def test_the_decoder_moves_after_the_discriminator(device):
    batches = moves_of(tiny("AnoGAN", device=device, max_epochs=1), table())
    assert batches == [[{"discriminator"}, {"decoder"}]] * 3


# ----------------------------------------------------------------------------------- search


@pytest.mark.parametrize("weight", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("score_type", ["features", "cross_entropy"])
def test_search_and_score_agree_with_their_formulas(score_type, weight, device):
    params = {"n_search_steps": 4, "search_lr": 0.01}
    game = make_game(device, score_type=score_type, discrimination_weight=weight, **params).eval()
    x = ROWS.astype(float)
    expected = search_by_hand(game, x)
    with torch.inference_mode():
        rows = torch.from_numpy(ROWS).to(device)
        codes, scores = game.encode(rows), game.score(rows)
    # Where the loss has a kink, gradients are not defined.
    close = np.isclose(codes.cpu(), expected, rtol=1e-3, atol=1e-4).all(axis=1)
    assert close.mean() >= 0.9
    np.testing.assert_allclose(
        scores.cpu(), loss_by_hand(game, x, codes.cpu().double().numpy()), rtol=1e-4, atol=1e-5
    )


def test_a_longer_search_finds_lower_losses(device):
    scores = [
        tiny("AnoGAN", device=device, n_search_steps=n).fit(table()).score_samples(table())
        for n in (0, 10, 100)
    ]
    assert (scores[1] > scores[0]).mean() > 0.9
    assert (scores[2] >= scores[1]).mean() > 0.9


def test_reconstructions_are_decoded_codes(device):
    detector = tiny("AnoGAN", device=device).fit(table())
    game = detector.net_.module_.scorer
    x_hat = forward(game.decoder, detector.transform(table()))[1]
    np.testing.assert_allclose(detector.reconstruct(table()), x_hat, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad, torch.enable_grad])
def test_the_search_does_not_depend_on_the_mode_of_torch(mode, device):
    game = make_game(device, n_search_steps=5).eval()
    x = torch.from_numpy(ROWS).to(device)
    with torch.no_grad():
        expected = game.encode(x).cpu().numpy()
    with mode():
        codes = game.encode(x)
    assert not codes.requires_grad
    assert_same_bits(codes.cpu().numpy(), expected)


def test_the_search_leaves_the_networks_and_the_generators_alone(device):
    detector = tiny("AnoGAN", device=device, ema_decay=None).fit(table())
    before, generator = state(detector), torch.get_rng_state()
    scores = detector.score_samples(table())
    assert_same_bits(state(detector), before)
    assert (torch.get_rng_state() == generator).all()
    assert all(p.grad is None for p in detector.net_.module_.game.decoder.parameters())
    assert_same_bits(detector.score_samples(table()), scores)


@pytest.mark.parametrize("width", [5, 11])
@pytest.mark.parametrize("n_members", [1, 2])
def test_a_long_search_does_not_depend_on_the_other_rows(n_members, width, device):
    rows, order = table(n_samples=1000, n_features=33), np.random.RandomState(0).permutation(1000)
    detector = tiny(
        "AnoGAN",
        device=device,
        latent_dim=width,
        n_members=n_members,
        n_search_steps=30,
        networks=MLP(hidden_layer_sizes=(19, width)),
    ).fit(rows[:50])
    scores = detector.score_samples(rows)
    assert_same_bits(detector.score_samples(rows[order]), scores[order])
    assert_same_bits(detector.score_samples(rows[7:8]), scores[7:8])


class IdentityDecoder(MLP):
    """Networks whose decoder returns the codes, so that samples are codes."""

    def decoder(self, latent_dim, n_features):
        return nn.Sequential(nn.Identity(), FixedScale())


class FixedScale(nn.Module):
    """A parameter for the decoder to move, which has no effect."""

    def __init__(self):
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return x + 0 * self.unused


@pytest.mark.filterwarnings("ignore:The generated rows have collapsed")
def test_samples_are_decoded_from_the_prior(device):
    detector = tiny("AnoGAN", device=device, latent_dim=4, networks=IdentityDecoder((8,)))
    codes = detector.fit(table()).sample(20_000, latent="own", random_state=0)
    np.testing.assert_allclose(codes.mean(0), np.zeros(4), atol=0.03)
    np.testing.assert_allclose(np.cov(codes.T), np.eye(4), atol=0.05)


# ------------------------------------------------------------------------------- parameters


def test_parameters_of_the_search_do_not_change_the_training(device):
    one = tiny("AnoGAN", device=device).fit(table())
    for params in (
        {"score_type": "cross_entropy"},
        {"discrimination_weight": 0.9},
        {"n_search_steps": 5},
        {"search_lr": 0.01},
    ):
        other = tiny("AnoGAN", device=device, **params).fit(table())
        assert_same_bits(state(one), state(other))
        assert (one.score_samples(table()) != other.score_samples(table())).any()


def test_early_stopping_watches_the_reconstruction_error(device):
    detector = tiny("AnoGAN", device=device, early_stopping=True).fit(table())
    loss = detector.net_.module_.scorer.validation_loss(torch.from_numpy(ROWS).to(device))
    expected = np.abs(ROWS - detector.reconstruct(ROWS)).mean()
    assert loss.item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("discrimination_weight", 1.1),
        ("n_search_steps", -1),
        ("search_lr", 0.0),
        ("latent_dim", 0),
        ("score_type", "l1"),
    ],
)
def test_invalid_parameters_raise_an_error(parameter, value, device):
    with pytest.raises(ValueError, match=f"The '{parameter}' parameter of AnoGAN must be"):
        tiny("AnoGAN", device=device, **{parameter: value}).fit(table())
