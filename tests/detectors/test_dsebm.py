"""Energy, reconstructions, loss and scores of DSEBM."""

import numpy as np
import pytest
import torch
from common import build_game, table, tiny
from torch import nn

from skgad import DSEBM, MLP
from skgad.base import randn_like

ROWS = table(n_samples=20).astype(np.float32)


def make_game(device="cpu", **params):
    """A game with biases and a center other than zero."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        params = {"latent_dim": 3, "networks": MLP((8, 5), activation="tanh"), **params}
        game = build_game(DSEBM(**params), ROWS)
        for p in game.parameters():
            p.data += 0.3 * torch.randn(p.shape)
    return game.to(device)


def affine_layers(game):
    layers = [m for m in game.network.modules() if isinstance(m, nn.Linear)]
    return [[p.detach().cpu().double().numpy() for p in (m.weight, m.bias)] for m in layers]


def by_hand(game, x):
    """Energy and reconstruction in numpy, with the gradient from the chain rule."""
    center = game.center.detach().cpu().double().numpy()
    *hidden, (W, b) = affine_layers(game)
    h, slopes = x, []
    for weight, bias in hidden:
        h = np.tanh(h @ weight.T + bias)
        slopes.append(1 - h**2)
    f = h @ W.T + b
    energy = ((x - center) ** 2).sum(1) / 2 - np.log(1 + np.exp(f)).sum(1)
    gradient = 1 / (1 + np.exp(-f)) @ W
    for (weight, _), slope in zip(hidden[::-1], slopes[::-1], strict=True):
        gradient = (gradient * slope) @ weight
    return energy, center + gradient


def on(device, x=ROWS):
    return torch.from_numpy(x).to(device)


def play(game, x, seed=0):
    """The loss of one mini-batch, and the noise drawn for it."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        ((player, loss),) = game.play(x)
        torch.manual_seed(seed)
        noise = randn_like(x).cpu().double().numpy()
    assert player == "energy"
    return loss, noise


def test_energy_and_reconstruction_agree_with_their_formulas(device):
    game = make_game(device)
    energy, reconstruction = by_hand(game, ROWS.astype(float))
    x = on(device)
    np.testing.assert_allclose(game.energy(x).detach().cpu(), energy, rtol=1e-5)
    np.testing.assert_allclose(
        game.reconstruct(x).detach().cpu(), reconstruction, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("noise", [0.3, 2.0])
def test_loss_is_the_error_of_rows_that_are_reconstructed_from_noisy_rows(noise, device):
    game = make_game(device, noise=noise)
    loss, draws = play(game, on(device))
    x = ROWS.astype(float)
    _, reconstruction = by_hand(game, x + noise * draws)
    assert loss.shape == ()
    assert loss.item() == pytest.approx(((x - reconstruction) ** 2).mean(), rel=1e-5)


def test_gradients_of_the_loss_agree_with_finite_differences():
    """The loss contains a derivative, which has to be differentiated again."""
    game = make_game().double()
    x = torch.from_numpy(ROWS).double()
    loss, _ = play(game, x)
    parameters = dict(game.named_parameters())
    gradients = torch.autograd.grad(loss, list(parameters.values()))
    for (name, p), gradient in zip(parameters.items(), gradients, strict=True):
        position = (0,) * p.ndim
        losses = []
        for step in (1e-5, -1e-5):
            p.data[position] += step
            losses.append(play(game, x)[0].item())
            p.data[position] -= step
        slope = (losses[0] - losses[1]) / 2e-5
        assert gradient[position].item() == pytest.approx(slope, rel=1e-5, abs=1e-9), name


@pytest.mark.parametrize("networks", [None, MLP(activation="leaky_relu"), MLP(())])
def test_every_weight_gets_a_gradient(networks, device):
    """With piecewise linear activations, weights learn by the slopes of the softplus only."""
    detector = DSEBM(networks=networks)
    game = build_game(detector.set_params(networks=networks or detector.default_networks), ROWS)
    loss, _ = play(game.to(device), on(device))
    for p in torch.autograd.grad(loss, list(game.parameters())):
        assert p.abs().max() > 1e-6


@pytest.mark.parametrize("score_type", ["energy", "reconstruction"])
def test_scores_agree_with_their_formulas(score_type, device):
    game = make_game(device, score_type=score_type)
    energy, reconstruction = by_hand(game, ROWS.astype(float))
    distance = np.sqrt(((ROWS - reconstruction) ** 2).sum(1))
    expected = {"energy": energy, "reconstruction": distance}[score_type]
    with torch.inference_mode():
        scores = game.score(on(device)).cpu()
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)


def test_codes_are_the_outputs_that_the_energy_sums(device):
    detector = tiny("DSEBM", device=device).fit(table())
    game = detector.net_.module_.game
    x = table().astype(np.float32)
    codes = detector.transform(x)
    assert (codes > 0).all()
    parabola = ((x - game.center.detach().cpu().numpy()) ** 2).sum(1) / 2
    energy = parabola - codes.sum(1)
    np.testing.assert_allclose(-detector.score_samples(x), energy, rtol=1e-4, atol=1e-4)


def test_the_energy_is_low_at_the_rows_and_the_noise_points_back_to_them(device):
    angles = np.random.RandomState(0).uniform(0, 2 * np.pi, 300)
    X = np.column_stack([np.cos(angles), np.sin(angles)])
    detector = DSEBM(
        encoding=None, noise=0.2, max_epochs=200, lr=1e-2, device=device, random_state=0
    ).fit(X)
    assert detector.score_samples(X).min() > detector.score_samples([[0, 0]])
    assert detector.score_samples(X).min() > detector.score_samples(1.6 * X).max()
    radii = np.linalg.norm(detector.reconstruct(1.2 * X), axis=1)
    assert abs(radii.mean() - 1) < 0.1


def test_the_default_networks_let_the_energy_rise_far_from_the_rows(device):
    """Unbounded activations do not: their outputs can grow faster than the parabola for a while."""
    X = table()
    detector = DSEBM(encoding=None, max_epochs=20, device=device, random_state=0).fit(X)
    directions = np.random.RandomState(0).normal(size=(50, 4))
    scores = [detector.score_samples(r * directions) for r in (10, 20, 40, 80)]
    assert (np.diff(scores, axis=0) < 0).all()


def test_the_center_is_learned(device):
    detector = tiny("DSEBM", device=device, max_epochs=20).fit(table() + 3)
    assert (detector.net_.module_.game.center > 0.5).all()


def test_early_stopping_monitors_reconstructions_without_noise(device):
    game = make_game(device)
    _, reconstruction = by_hand(game, ROWS.astype(float))
    with torch.no_grad():
        loss = game.validation_loss(on(device)).item()
    assert loss == pytest.approx(((ROWS - reconstruction) ** 2).mean(), rel=1e-5)


def test_rows_cannot_be_sampled(device):
    with pytest.raises(ValueError, match="DSEBM cannot sample rows of kind='inlier'"):
        tiny("DSEBM", device=device).fit(table()).sample()


@pytest.mark.parametrize(
    ("parameter", "value"),
    [("latent_dim", 0), ("noise", 0.0), ("noise", -1.0), ("score_type", "auto"), ("networks", 3)],
)
def test_an_invalid_parameter_is_named(parameter, value, device):
    with pytest.raises(ValueError, match=f"The '{parameter}' parameter of DSEBM must be"):
        tiny("DSEBM", **{"device": device, parameter: value}).fit(table())
