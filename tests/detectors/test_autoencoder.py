"""The autoencoder: what it learns from, and what it scores."""

import numpy as np
import torch
from common import build_game, table

from skgad import MLP, Autoencoder
from skgad.engine.corruption import add_noise, replace_values

ROWS = torch.tensor(table(n_samples=40), dtype=torch.float32)


def make_game(**params):
    networks = MLP(hidden_layer_sizes=(8,))
    return build_game(Autoencoder(latent_dim=2, networks=networks, **params), ROWS.numpy())


def loss_of(game, x):
    ((player, loss),) = game.play(x)
    assert player == "autoencoder"
    return loss


def test_without_corruption_the_loss_is_the_mean_squared_error():
    game = make_game(noise=0.0, replaced=0.0)
    with torch.no_grad():
        restored = game.decoder(game.encoder(ROWS)).double().numpy()
    expected = 2 * np.mean((ROWS.double().numpy() - restored) ** 2)  # all rows are in both terms
    np.testing.assert_allclose(loss_of(game, ROWS).item(), expected, rtol=1e-5)


def test_the_clean_row_is_restored_from_the_corrupted_one():
    game = make_game(noise=0.5, replaced=0.0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        loss = loss_of(game, ROWS)
        torch.manual_seed(0)
        noisy = ROWS + 0.5 * torch.randn_like(ROWS)
    expected = 2 * (ROWS - game.decoder(game.encoder(noisy))).square().mean()
    torch.testing.assert_close(loss, expected)


def test_scores_and_reconstructions_are_of_the_clean_row():
    game = make_game(noise=10.0, replaced=0.9).eval()
    torch.testing.assert_close(game.reconstruct(ROWS), game.decoder(game.encoder(ROWS)))
    errors = (ROWS - game.reconstruct(ROWS)).square().mean(-1)
    torch.testing.assert_close(game.score(ROWS), errors)


def test_replaced_values_are_values_of_their_column():
    x = torch.arange(2000.0).reshape(500, 4)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        corrupted = replace_values(x, 0.3)
    assert ((corrupted - x) % 4 == 0).all()  # values of column j are j modulo 4
    assert 0.25 < (corrupted != x).float().mean() < 0.35


def test_all_values_can_be_replaced():
    x = torch.arange(2000.0).reshape(500, 4)
    assert (replace_values(x, 1.0) != x).float().mean() > 0.98


def test_noise_has_the_scale_asked_for():
    x = torch.zeros(5000, 4)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        noise = add_noise(x, 0.5)
    assert abs(noise.std().item() - 0.5) < 0.02


def test_members_are_corrupted_independently():
    x = torch.arange(80.0).reshape(20, 4).expand(3, 20, 4)
    corrupted = replace_values(x, 0.5)
    assert not torch.equal(corrupted[0], corrupted[1])
    assert ((corrupted - x) % 4 == 0).all()


def test_a_search_of_the_networks_starts_from_those_of_the_default():
    detector = Autoencoder().set_params(networks__activation="tanh")
    assert detector.networks.hidden_layer_sizes == (128, 64)
    assert detector.networks.activation == "tanh"
    assert Autoencoder.default_networks.activation == "leaky_relu"
