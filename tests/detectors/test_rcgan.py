"""Losses, penalty and scores of RCGAN, and the theory of its paper on discrete examples."""

import numpy as np
import pytest
import torch
from common import assert_same_bits, build_game, table
from numpy.testing import assert_allclose
from scipy.optimize import brentq, minimize
from scipy.special import expit, xlogy
from sklearn.preprocessing import StandardScaler

from skgad import MLP, RCGAN

SMALL = {"networks": MLP((8,)), "latent_dim": 2}


def tiny(device="cpu", **params):
    params = {
        "max_epochs": 2,
        "random_state": 0,
        "encoding": None,
        "n_members": 1,
        "device": device,
        **params,
    }
    return RCGAN(**{**SMALL, **params})


def make_game(n_features=3, **params):
    torch.manual_seed(0)
    detector = tiny(**params)
    return build_game(detector, detector.penalty_scale * np.ones((2, n_features)))


def moves(game, x):
    """Losses of one mini-batch, and the codes and penalties drawn for it."""
    torch.manual_seed(1)
    z, t = game.sample_latent(x), game.sample_penalty(x)
    torch.manual_seed(1)
    return dict(game.play(x)), z, t


def cross_entropies(game, x, z, t):
    """Cross-entropy of calling each kind of pairs real, and of calling it fake, in numpy."""
    with torch.no_grad():
        logits = {
            "encoded": game.d_xz(x, game.encoder(x)),
            "generated": game.d_xz(game.decoder(z), z),
            "penalty": game.d_xz(t, game.encoder(t)),
            "same": game.d_xx(x, x),
            "other": game.d_xx(x, game.decoder(game.encoder(x))),
        }
    probabilities = {name: expit(values.double().numpy()) for name, values in logits.items()}
    real = {name: -np.log(p).mean() for name, p in probabilities.items()}
    fake = {name: -np.log1p(-p).mean() for name, p in probabilities.items()}
    return real, fake


@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("penalize_encoder", [False, True])
def test_losses_are_those_of_the_paper_with_exchanged_labels(weight, penalize_encoder):
    g = make_game(penalty_weight=weight, penalize_encoder=penalize_encoder)
    x = torch.randn(16, 3)
    losses, z, t = moves(g, x)
    real, fake = cross_entropies(g, x, z, t)
    discriminator = (
        real["encoded"] + fake["generated"] + weight * fake["penalty"]
        + real["same"] + fake["other"]
    )  # fmt: skip
    generator = fake["encoded"] + real["generated"] + real["other"]
    generator += weight * penalize_encoder * real["penalty"]
    assert_allclose(losses["discriminator"].item(), discriminator, rtol=1e-5)
    assert_allclose(losses["generator"].item(), generator, rtol=1e-5)


@pytest.mark.parametrize(("penalize_encoder", "moves_encoder"), [(False, False), (True, True)])
def test_the_penalty_moves_the_encoder_only_with_penalize_encoder(penalize_encoder, moves_encoder):
    gradients = []
    for weight in (0.0, 5.0):
        g = make_game(penalty_weight=weight, penalize_encoder=penalize_encoder)
        losses, _, _ = moves(g, torch.randn(16, 3, generator=torch.Generator().manual_seed(0)))
        gradients.append(torch.autograd.grad(losses["generator"], g.encoder[-1].weight)[0])
    assert torch.equal(*gradients) != moves_encoder


def test_penalties_have_the_given_distribution_and_scale():
    for penalty, scale, sd in (("normal", 2.0, 2.0), ("uniform", 3.0, 3 / 3**0.5)):
        t = make_game(penalty=penalty, penalty_scale=scale).sample_penalty(torch.zeros(20_000, 3))
        assert_allclose(t.std(dim=0), sd, rtol=0.03)
        assert_allclose(t.mean(dim=0), 0, atol=0.1)
    assert t.abs().max() <= 3


def test_a_callable_penalty_receives_a_generator_and_a_shape(device):
    shapes = []

    def penalty(generator, shape):
        shapes.append(shape)
        return torch.ones(shape) + torch.rand(shape, generator=generator)

    detectors = [tiny(device, penalty=penalty, batch_size=16).fit(table(40)) for _ in range(2)]
    assert set(shapes) == {(16, 4), (8, 4)}
    assert_same_bits(*(d.score_samples(table(40)) for d in detectors))


def test_a_callable_penalty_of_the_wrong_shape_is_rejected():
    message = r"called with shape=\(40, 4\), but it returned an array of shape \(2,\)"
    with pytest.raises(ValueError, match=message):
        tiny(penalty=lambda generator, shape: torch.zeros(2)).fit(table(40))


def test_a_penalty_of_fixed_size_is_drawn_once():
    g = make_game(penalty_size=5)
    rows = torch.cat([g.sample_penalty(torch.zeros(50, 3)) for _ in range(3)])
    assert len(rows.unique(dim=0)) == 5
    assert len(make_game().sample_penalty(torch.zeros(50, 3)).unique(dim=0)) == 50


def test_scores_agree_with_the_equations_of_the_paper(device):
    X = table(30)
    x = torch.tensor(X, dtype=torch.float32, device=device)
    for score_type in ("discriminator", "features", "combined"):
        detector = tiny(device, score_type=score_type).fit(X)
        g = detector.net_.module_.scorer
        with torch.no_grad():
            x_hat = g.decoder(g.encoder(x))
            if score_type == "discriminator":
                expected = -g.d_xx(x, x_hat).double()
            else:
                f = g.d_xx.features
                expected = ((f(x, x) - f(x, x_hat)) ** 2).sum(1).sqrt()
            if score_type == "combined":
                expected = (expected.log() / 2 + ((x_hat - x) ** 2).sum(1).log() / 4).exp()
        assert_allclose(detector.score_samples(X), -expected.cpu().numpy(), rtol=1e-4, atol=1e-5)


def test_scores_have_no_ties_where_the_sigmoid_saturates():
    X = table(200)
    detector = tiny(max_epochs=5, score_type="discriminator").fit(X)
    with torch.no_grad():
        detector.net_.module_.scorer.d_xx.head.bias += 30  # the sigmoid is 1 for all rows
    assert len(np.unique(detector.score_samples(X))) > 190


def test_features_far_from_the_scale_of_the_penalty_cause_a_warning():
    X = 1000 * table(40)
    with pytest.warns(UserWarning, match="root mean square of .* StandardScaler"):
        tiny().fit(X)
    tiny(penalty_scale=1000.0).fit(X)
    tiny().fit(StandardScaler().fit_transform(X))


def test_outliers_cannot_be_sampled():
    with pytest.raises(ValueError, match="RCGAN cannot sample rows of kind='outlier'"):
        tiny().fit(table(40)).sample(kind="outlier")


# The theory of the paper, on distributions over twelve pairs (x, z).


def distributions(seed):
    return np.random.default_rng(seed).dirichlet(np.full(12, 0.7), size=3)


def beta_of(q, t):
    """The beta for which max(0, beta q - t) is a distribution."""
    return brentq(lambda beta: np.maximum(0, beta * q - t).sum() - 1, 0, 1e6, xtol=1e-14)


def generator_cost(p, q, t):
    """V_ano with the discriminator of proposition 1, as a function of the generator's p."""
    s = p + q + t
    return (xlogy(q, q / s) + xlogy(t + p, (t + p) / s)).sum()


@pytest.mark.parametrize("seed", range(3))
def test_the_best_discriminator_is_that_of_proposition_1(seed):
    q, p, t = distributions(seed)

    def loss(logits):
        D = expit(logits)
        value = xlogy(q, D) + xlogy(p + t, 1 - D)
        return -value.sum(), -(q * (1 - D) - (p + t) * D)

    best = minimize(loss, np.zeros(12), jac=True, options={"gtol": 1e-12})
    assert_allclose(expit(best.x), q / (q + p + t), atol=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_the_best_generator_is_that_of_theorem_1(seed):
    q, p_start, t = distributions(seed)

    def gradient(p):
        return np.log((t + p) / (p + q + t))

    best = minimize(
        generator_cost,
        p_start,
        args=(q, t),
        jac=lambda p, *_: gradient(p),
        bounds=[(0, 1)] * 12,
        constraints={"type": "eq", "fun": lambda p: p.sum() - 1, "jac": lambda p: np.ones(12)},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    beta = beta_of(q, t)
    assert 1 <= beta <= 2
    assert_allclose(best.x, np.maximum(0, beta * q - t), atol=2e-4)


def test_beta_is_1_without_overlap_and_2_if_the_penalty_is_the_data():
    q, _, _ = distributions(0)
    half = np.repeat([1.0, 0.0], 6) / 6
    assert_allclose(beta_of(half, half[::-1]), 1)
    assert_allclose(beta_of(q, q), 2)


@pytest.mark.parametrize("seed", range(5))
def test_beta_is_unique(seed):
    q, _, t = distributions(seed)
    betas = np.linspace(0, 5, 2001)
    mass = np.maximum(0, betas[:, None] * q - t).sum(axis=1)
    assert np.all(np.diff(mass)[mass[:-1] > 0] > 0)
    assert np.sum(np.diff(np.sign(mass - 1)) != 0) == 1


def test_replaced_penalties_have_values_of_their_column_near_and_far_from_the_rows():
    x = torch.arange(400.0).reshape(100, 4)
    t = make_game(n_features=4, penalty="replaced", penalty_scale=3.0).sample_penalty(x)
    assert ((t - x) % 4 == 0).all()  # values of column j are j modulo 4
    n_replaced = (t != x).sum(1)
    assert set(n_replaced.tolist()) == {0, 1, 2, 3, 4}


def test_replaced_penalties_are_trained_with_in_any_unit():
    X = 1000 * table(40)
    tiny(penalty="replaced").fit(X)  # without a warning about the scale


def test_replaced_penalties_cannot_be_drawn_before_the_training():
    with pytest.raises(ValueError, match=r"penalty_size=5 .* Set penalty_size=None"):
        tiny(penalty="replaced", penalty_size=5).fit(table(40))
