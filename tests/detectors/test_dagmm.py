"""Loss, mixture, energy, samples and warnings of DAGMM."""

import numpy as np
import pytest
import torch
from common import Spy, assert_same_bits, build_game, numbers, state, table, tiny
from scipy.special import logsumexp, softmax
from scipy.stats import multivariate_normal
from sklearn.exceptions import ConvergenceWarning
from torch import nn

from skgad import DAGMM, MLP
from skgad.detectors._dagmm import JITTER, energy, fit_mixture

ROWS = table(n_samples=40).astype(np.float32)


def make_game(device="cpu", **params):
    """A game in evaluation mode, so that the estimator drops no units."""
    params = {"latent_dim": 2, "n_components": 3, "networks": MLP((8,)), **params}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        game = build_game(DAGMM(**params), ROWS)
    game.min_norm.fill_(0.1 * np.median(np.linalg.norm(ROWS, axis=1)))
    return game.to(device).eval()


def features_by_hand(game, x):
    """Code, relative error and cosine similarity of rows, and their reconstructions."""
    with torch.no_grad():
        codes = game.encoder(torch.from_numpy(x).to(next(game.parameters()).device))
        x_hat = game.decoder(codes)
    codes, x_hat, x = codes.cpu().double().numpy(), x_hat.cpu().double().numpy(), x.astype(float)
    floor = game.min_norm.item()
    norm, norm_hat = (np.maximum(np.linalg.norm(rows, axis=1), floor) for rows in (x, x_hat))
    relative = np.linalg.norm(x - x_hat, axis=1) / norm
    return np.column_stack([codes, relative, (x * x_hat).sum(1) / (norm * norm_hat)]), x_hat


def memberships_by_hand(game, z):
    with torch.no_grad():
        logits = game.estimator(torch.from_numpy(z).float().to(next(game.parameters()).device))
    return softmax(logits.cpu().double().numpy(), axis=1)


def mixture_by_hand(z, gamma):
    """Weights, means and covariances, component by component, as equations 5 of the paper."""
    weights, means, covariances = gamma.mean(axis=0), [], []
    for g in gamma.T:
        means.append((g[:, None] * z).sum(0) / g.sum())
        d = z - means[-1]
        covariance = sum(gi * np.outer(di, di) for gi, di in zip(g, d, strict=True)) / g.sum()
        added = JITTER[0] * np.diag(covariance) + JITTER[1]
        covariances.append(covariance + np.diag(added))
    return weights, means, covariances


def energy_by_hand(z, weights, means, covariances):
    logs = [
        np.log(w) + multivariate_normal(m, c).logpdf(z)
        for w, m, c in zip(weights, means, covariances, strict=True)
    ]
    return -logsumexp(logs, axis=0)


# ------------------------------------------------------------------------------------- loss


@pytest.mark.parametrize(
    ("energy_weight", "covariance_weight"), [(0.1, 0.005), (2.0, 0.0), (0.0, 1.0), (0.0, 0.0)]
)
def test_the_loss_agrees_with_the_formula(energy_weight, covariance_weight, device):
    game = make_game(device, energy_weight=energy_weight, covariance_weight=covariance_weight)
    ((player, loss),) = game.play(torch.from_numpy(ROWS).to(device))
    z, x_hat = features_by_hand(game, ROWS)
    mixture = mixture_by_hand(z, memberships_by_hand(game, z))
    expected = ((ROWS - x_hat) ** 2).sum(1).mean()
    expected += energy_weight * energy_by_hand(z, *mixture).mean()
    expected += covariance_weight * sum((1 / np.diag(c)).sum() for c in mixture[2])
    assert player == "autoencoder"
    assert loss.shape == ()
    assert loss.item() == pytest.approx(expected, rel=1e-4)


def test_all_networks_move_in_every_mini_batch(device):
    weights = []

    def record(net):
        weights.append(numbers(net.module_.game))

    spies = [Spy("on_batch_begin", record), Spy("on_batch_end", record)]
    tiny("DAGMM", device=device, max_epochs=1, batch_size=48, callbacks=spies).fit(table())
    before, after = weights
    moved = {name.split(".")[0] for name in before if not np.array_equal(before[name], after[name])}
    assert {"encoder", "decoder", "estimator"} <= moved


@pytest.mark.parametrize("part", ["energy_weight", "covariance_weight"])
def test_both_weights_act(part, device):
    with_it, without = (
        tiny("DAGMM", device=device, **{part: weight}).fit(table()) for weight in (1.0, 0.0)
    )
    assert not np.array_equal(with_it.train_scores_, without.train_scores_)


def test_the_loss_and_its_gradients_are_finite_for_degenerate_rows(device):
    """Zero rows, equal rows, and rows that are reconstructed without an error."""
    game = make_game(device)
    for x in (torch.zeros(6, 4), torch.ones(6, 4), torch.eye(4)[[0, 0, 1, 1]], 1e4 * torch.eye(4)):
        ((_, loss),) = game.play(x.to(device))
        gradients = torch.autograd.grad(loss, list(game.parameters()), allow_unused=True)
        assert torch.isfinite(loss)
        assert all(torch.isfinite(g).all() for g in gradients if g is not None)


def test_components_without_rows_are_finite(device):
    log_memberships = torch.tensor([[0.0, -200.0]] * 10, device=device, requires_grad=True)
    z = torch.randn(10, 3, generator=torch.Generator().manual_seed(0)).to(device)
    mixture, variances = fit_mixture(z, log_memberships)
    loss = energy(z, *mixture).mean() + (1 / variances).sum()
    (gradient,) = torch.autograd.grad(loss, log_memberships)
    assert torch.isfinite(loss)
    assert torch.isfinite(gradient).all()


# ------------------------------------------------------------------------ mixture and scores


def test_the_mixture_that_scores_is_that_of_all_training_rows(device):
    X = table(100).astype(np.float32)
    detector = tiny("DAGMM", device=device, n_components=3).fit(X)
    game = detector.net_.module_.game
    z, _ = features_by_hand(game, X)
    mixture = mixture_by_hand(z, memberships_by_hand(game, z))
    np.testing.assert_allclose(game.log_weights.exp().cpu(), mixture[0], rtol=1e-4)
    np.testing.assert_allclose(game.means.cpu(), mixture[1], rtol=1e-3, atol=1e-5)
    X_new = 2 * table(30, seed=3).astype(np.float32)
    expected = energy_by_hand(features_by_hand(game, X_new)[0], *mixture)
    np.testing.assert_allclose(-detector.score_samples(X_new), expected, rtol=1e-3, atol=1e-3)


def test_scores_do_not_depend_on_the_last_mini_batch(device):
    """Training goes on with a learning rate of nearly zero, in another order of the rows."""
    detector = tiny("DAGMM", device=device, lr=1e-12).fit(table())
    before = detector.score_samples(table())
    detector.partial_fit(table())
    np.testing.assert_allclose(detector.score_samples(table()), before, rtol=1e-3, atol=1e-3)


def test_distant_rows_have_no_ties(device):
    detector = tiny("DAGMM", device=device).fit(table())
    distances = np.array([20, 100, 1000, 10_000])
    scores = -detector.score_samples(np.outer(distances, [1, -1, 1, -1]))
    assert np.isfinite(scores).all()
    assert len(np.unique(scores)) == 4
    assert scores.min() > 30  # a density with a floor of 1e-12 ends at 27.6


def test_rows_near_zero_have_a_bounded_relative_error(device):
    game = make_game(device)
    game.decoder[-1].bias.data += 1
    z, error = game.features(torch.tensor([[0.0] * 4, [1e-20] * 4], device=device))
    expected = error.sqrt() / game.min_norm
    np.testing.assert_allclose(z[:, -2].detach().cpu(), expected.detach().cpu(), rtol=1e-5)
    detector = tiny("DAGMM", device=device).fit(table())
    norms = np.linalg.norm(table(), axis=1)
    assert detector.net_.module_.game.min_norm.item() == pytest.approx(np.median(norms) / 10)


def test_the_estimator_can_be_chosen(device):
    class WithEstimator(MLP):
        def estimator(self, n_inputs, n_components):
            return nn.Linear(n_inputs, n_components)

    detector = tiny("DAGMM", device=device, networks=WithEstimator((8,))).fit(table())
    assert type(detector.net_.module_.game.estimator) is nn.Linear
    default = tiny("DAGMM", device=device).fit(table()).net_.module_.game.estimator
    assert [type(layer).__name__ for layer in default] == ["Linear", "Tanh", "Dropout", "Linear"]


def test_early_stopping_monitors_error_and_energy(device):
    game = make_game(device, energy_weight=0.5)
    z, x_hat = features_by_hand(game, ROWS)
    mixture = mixture_by_hand(z, memberships_by_hand(game, z))
    list(game.play(torch.from_numpy(ROWS).to(device)))
    expected = ((ROWS - x_hat) ** 2).sum(1).mean() + 0.5 * energy_by_hand(z, *mixture).mean()
    loss = game.validation_loss(torch.from_numpy(ROWS).to(device))
    assert loss.item() == pytest.approx(expected, rel=1e-4)


# -------------------------------------------------------------------- samples and warnings


def test_samples_are_decoded_from_the_codes_of_the_mixture(device):
    detector = tiny("DAGMM", device=device, max_epochs=20).fit(table(200))
    game = detector.net_.module_.game
    game.decoder = nn.Identity()
    detector._row_sampler = None  # the codes are not rows that could be compared with it
    codes = detector.sample(20_000, latent="own", random_state=0)
    weights = game.log_weights.exp().cpu().double().numpy()
    means = game.means.cpu().double().numpy()[:, :2]
    factors = np.linalg.inv(game.whitening.cpu().double().numpy())
    covariances = (factors @ factors.transpose(0, 2, 1))[:, :2, :2]
    mean = weights @ means
    moments = covariances + means[:, :, None] * means[:, None]
    covariance = np.tensordot(weights, moments, 1) - np.outer(mean, mean)
    scale = np.sqrt(np.trace(covariance))
    np.testing.assert_allclose(codes.mean(axis=0), mean, atol=0.03 * scale)
    np.testing.assert_allclose(np.cov(codes.T), covariance, atol=0.05 * scale**2)


@pytest.mark.parametrize("n_members", [1, 2])
def test_a_singular_mixture_is_noticed(n_members, device):
    class Constant(MLP):
        """Networks whose codes are the same for all rows."""

        def encoder(self, n_features, latent_dim):
            layer = nn.Linear(n_features, latent_dim)
            nn.init.zeros_(layer.weight).requires_grad_(False)
            return layer

    params = {"networks": Constant((8,)), "n_members": n_members, "device": device}
    with pytest.warns(ConvergenceWarning, match="The mixture is singular"):
        detector = tiny("DAGMM", **params).fit(table())
    assert np.isfinite(detector.train_scores_).all()


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("latent_dim", 0),
        ("n_components", 0),
        ("energy_weight", -1),
        ("covariance_weight", -0.1),
        ("score_type", "auto"),
    ],
)
def test_an_invalid_parameter_is_named(parameter, value, device):
    with pytest.raises(ValueError, match=f"The '{parameter}' parameter of DAGMM must be"):
        tiny("DAGMM", **{"device": device, parameter: value}).fit(table())


def test_scoring_during_the_training_does_not_change_it(device):
    def score(net):
        with torch.inference_mode():
            net.module_.eval()
            net.module_.score(torch.from_numpy(ROWS).to(device))
            net.module_.train()

    expected = tiny("DAGMM", device=device).fit(table())
    detector = tiny("DAGMM", device=device, callbacks=[Spy("on_batch_end", score)]).fit(table())
    assert_same_bits(state(detector), state(expected))
