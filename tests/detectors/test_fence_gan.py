"""Losses, schedule, score and samples of Fence GAN."""

import warnings

import numpy as np
import pytest
import torch
from common import Spy, build_game, state, table, tiny
from torch import nn

from skgad import MLP, FenceGAN
from skgad.detectors._fence_gan import MIN_GENERATED, MIN_SPREAD

ROWS = table(n_samples=20).astype(np.float32)
NETWORKS = MLP(hidden_layer_sizes=(8,), discriminator_layer_sizes=(7, 6))


def make_game(device="cpu", **params):
    """A game with biases other than zero, without pre-training."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        params = {"latent_dim": 2, "networks": NETWORKS, "pretraining": 0, **params}
        game = build_game(FenceGAN(**params), ROWS)
        for p in game.parameters():
            p.data += 0.1 * torch.randn(p.shape)
    return game.to(device)


def output(network, x):
    """Output of a network, in float64 numpy."""
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    for i, layer in enumerate(layers):
        weight, bias = (p.detach().cpu().double().numpy() for p in (layer.weight, layer.bias))
        x = x @ weight.T + bias
        if i < len(layers) - 1:
            x = np.where(x > 0, x, 0.2 * x)
    return x


def probability(game, x):
    return 1 / (1 + np.exp(-output(game.discriminator, x)[:, 0]))


def play(game, x, seed=0):
    """Losses of one mini-batch by player, and the codes drawn for it."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        moves = dict(game.play(x))
        torch.manual_seed(seed)
        return moves, game.sample_latent(x).cpu().double().numpy()


def on(device, x=ROWS):
    return torch.from_numpy(x).to(device)


@pytest.mark.parametrize("fake_weight", [0.1, 1.0])
def test_the_discriminator_minimizes_the_weighted_cross_entropy(fake_weight, device):
    game = make_game(device, fake_weight=fake_weight)
    moves, z = play(game, on(device))
    real = probability(game, ROWS.astype(float))
    fake = probability(game, output(game.generator, z))
    expected = -np.log(real).mean() - fake_weight * np.log(1 - fake).mean()
    assert moves["discriminator"].shape == ()
    assert moves["discriminator"].item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("alpha", "beta"), [(0.5, 0.0), (0.5, 30.0), (0.1, 3.0)])
def test_the_generator_minimizes_encirclement_and_dispersion(alpha, beta, device):
    game = make_game(device, fence_level=alpha, dispersion_weight=beta)
    moves, z = play(game, on(device))
    generated = output(game.generator, z)
    p = probability(game, generated)
    encirclement = -(alpha * np.log(p) + (1 - alpha) * np.log(1 - p)).mean()
    distances = np.sqrt(((generated - generated.mean(0)) ** 2).sum(1))
    expected = encirclement + beta / (distances.mean() + MIN_SPREAD)
    assert moves["generator"].item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("alpha", [0.2, 0.5, 0.8])
def test_without_dispersion_the_generated_rows_reach_the_fence(alpha):
    game = make_game(fence_level=alpha, dispersion_weight=0.0)
    optimizer = torch.optim.Adam(game.generator.parameters(), lr=2e-2)
    for _ in range(150):
        optimizer.zero_grad()
        play(game, on("cpu"))[0]["generator"].backward()
        optimizer.step()
    _, z = play(game, on("cpu"))
    np.testing.assert_allclose(probability(game, output(game.generator, z)), alpha, atol=0.02)


@pytest.mark.parametrize("logit", [-200.0, 200.0])
def test_losses_and_gradients_are_finite_if_the_discriminator_is_certain(logit, device):
    game = make_game(device)
    game.discriminator.head.bias.data += logit
    moves, _ = play(game, on(device))
    for player, loss in moves.items():
        assert torch.isfinite(loss)
        assert loss < 1e3
        for gradient in torch.autograd.grad(loss, list(game.player_parameters(player))):
            assert torch.isfinite(gradient).all()


def test_losses_and_gradients_are_finite_if_the_generator_has_collapsed(device):
    game = make_game(device, dispersion_weight=30.0)
    for p in game.generator.parameters():
        p.data.zero_()
    loss = play(game, on(device))[0]["generator"]
    assert loss < 30 / MIN_SPREAD + 10
    for gradient in torch.autograd.grad(loss, list(game.generator.parameters())):
        assert torch.isfinite(gradient).all()


def test_nearly_collapsed_rows_are_pulled_apart(device):
    game = make_game(device)
    for p in game.generator.parameters():
        p.data *= 0.1
    loss = play(game, on(device))[0]["generator"]
    before = spread_of(game, device)
    for p, gradient in zip(
        game.generator.parameters(),
        torch.autograd.grad(loss, list(game.generator.parameters())),
        strict=True,
    ):
        p.data -= 1e-3 * gradient.sign()
    assert spread_of(game, device) > before


def spread_of(game, device):
    _, z = play(game, on(device))
    generated = output(game.generator, z)
    return np.linalg.norm(generated - generated.mean(0), axis=1).mean()


@pytest.mark.parametrize("n_rows", [1, 2, 20])
def test_enough_rows_are_generated_for_small_mini_batches(n_rows, device):
    game = make_game(device)
    assert len(game.sample_latent(on(device, ROWS[:n_rows]))) == max(n_rows, MIN_GENERATED)
    for loss in play(game, on(device, ROWS[:n_rows]))[0].values():
        assert torch.isfinite(loss)


@pytest.mark.parametrize("pretraining", [0, 2, 5])
def test_only_the_discriminator_moves_during_the_pretraining(pretraining, device):
    """Two epochs of three mini-batches."""
    players = []

    def record(net):
        players.append(
            set(net.history[-1]["batches"][-1]) & {"discriminator_loss", "generator_loss"}
        )

    params = {"device": device, "pretraining": pretraining, "n_members": 2}
    detector = tiny("FenceGAN", callbacks=[Spy("on_batch_end", record)], **params).fit(table())
    both = {"discriminator_loss", "generator_loss"}
    assert players == [{"discriminator_loss"}] * pretraining + [both] * (6 - pretraining)
    assert detector.net_.module_.phases_left == 0


def test_the_pretraining_is_not_repeated(device):
    detector = tiny("FenceGAN", device=device, pretraining=4, max_epochs=1).fit(table())
    assert detector.net_.module_.phases_left == 1
    generator = {k: v for k, v in state(detector).items() if "generator" in k}
    detector.partial_fit(table())
    assert any((state(detector)[k] != v).any() for k, v in generator.items())
    assert detector.net_.module_.phases_left == 0


def test_the_score_is_the_opposite_of_the_logit(device):
    game = make_game(device).eval()
    scores = game.score(on(device)).detach().cpu()
    np.testing.assert_allclose(
        scores, -output(game.discriminator, ROWS.astype(float))[:, 0], rtol=1e-4, atol=1e-5
    )
    order = np.argsort(1 - probability(game, ROWS.astype(float)))
    assert (np.argsort(scores.numpy()) == order).all()


def test_scores_have_no_ties_where_the_sigmoid_saturates(device):
    game = make_game(device).eval()
    game.discriminator.head.bias.data += 100
    scores = game.score(on(device)).detach().cpu().numpy()
    assert len(np.unique(scores)) == len(scores)


def test_generated_rows_surround_the_rows(device):
    X = np.random.RandomState(0).normal(size=(200, 2))
    detector = FenceGAN(
        encoding=None, max_epochs=300, networks=MLP((32, 32)), device=device, random_state=0
    ).fit(X)
    fence = detector.sample(300, kind="outlier", random_state=0)
    assert np.median(np.linalg.norm(fence, axis=1)) > np.quantile(np.linalg.norm(X, axis=1), 0.9)
    assert np.linalg.norm(fence.mean(axis=0)) < np.linalg.norm(fence, axis=1).mean() / 2
    lowest = np.quantile(detector.train_scores_, 0.05)
    assert (detector.score_samples(fence) < lowest).mean() > 0.5


def test_inliers_cannot_be_sampled_and_rows_have_neither_codes_nor_reconstructions(device):
    detector = tiny("FenceGAN", device=device).fit(table())
    with pytest.raises(ValueError, match="cannot sample rows of kind='inlier', only of kind='out"):
        detector.sample(3)
    with pytest.raises(ValueError, match="cannot reconstruct rows"):
        detector.reconstruct(table())
    assert not hasattr(detector, "transform")


class ConstantGenerator(MLP):
    """Networks whose decoder ignores the code."""

    def decoder(self, latent_dim, n_features):
        layer = nn.Linear(latent_dim, n_features)
        layer.weight.requires_grad_(False).zero_()
        return layer


@pytest.mark.parametrize("n_members", [1, 2])
def test_a_collapsed_generator_is_noticed(n_members, device):
    params = {"device": device, "n_members": n_members}
    detector = tiny("FenceGAN", networks=ConstantGenerator((8,)), **params)
    with pytest.warns(UserWarning, match="The generator collapsed.*dispersion_weight, which is 3"):
        detector.fit(table())


def test_a_constant_table_gives_no_warning(device):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tiny("FenceGAN", device=device).fit(np.ones((40, 3)))


def test_early_stopping_monitors_the_cross_entropy_of_held_out_rows(device):
    game = make_game(device).eval()
    expected = -np.log(probability(game, ROWS.astype(float))).mean()
    assert game.validation_loss(on(device)).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("latent_dim", 0),
        ("fence_level", 0.0),
        ("fence_level", 1.0),
        ("fake_weight", 0.0),
        ("dispersion_weight", -1.0),
        ("pretraining", -1),
        ("pretraining", 0.5),
    ],
)
def test_an_invalid_parameter_is_named(parameter, value, device):
    with pytest.raises(ValueError, match=f"The '{parameter}' parameter of FenceGAN must be"):
        tiny("FenceGAN", **{"device": device, parameter: value}).fit(table())
