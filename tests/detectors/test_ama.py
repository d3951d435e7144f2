"""Losses, slopes of the critic, mixtures, atypical codes, scores and samples of AMA."""

import numpy as np
import pytest
import torch
from common import SHARED, assert_same_bits, build_game, moves_of, state, table
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from torch import nn
from torch.nn.functional import leaky_relu

from skgad import AMA, MLP
from skgad.detectors import _ama as module
from skgad.detectors._ama import AMAGame, draw_atypical_codes, mix_codes
from skgad.networks import Discriminator

#: Parameters of all detectors and games here, unless the test sets others.
PARAMS = {
    "latent_dim": 2,
    "networks": MLP(hidden_layer_sizes=(8,), discriminator_layer_sizes=(7,)),
    "n_critic": 2,
    "spectral_norm": False,
    "gradient_penalty": "flattened",
    "gradient_penalty_weight": 0.0,
    "n_interpolated": 3,
    "interpolation_weight": 0.5,
    "negatives": "outward",
    "delta": 0.5,
    "negative_weight": 0.3,
    "regularization_weight": 0.7,
    "score_type": "features",
}

#: Known outliers and inliers of ``table()``.
LABELS = np.repeat([1, 0, -1], [12, 30, 6])


def make_detector(device="cpu", **params):
    base = {**SHARED, "contamination": "auto", "warm_up": 0, "ema_decay": None, **PARAMS}
    return AMA(**{**base, "device": device, **params})


def make_game(device="cpu", n_features=4, **params):
    """A game in double precision with random weights and biases."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        game = build_game(AMA(**{**PARAMS, **params}), table(n_features=n_features))
        for p in game.parameters():
            p.data += 0.3 * torch.randn(p.shape)
    return game.double().to(device)


def play(game, x, labels=None):
    """Players and losses of one mini-batch, without any update."""
    device = next(game.parameters()).device
    labels = None if labels is None else torch.tensor(labels, dtype=torch.int8, device=device)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return list(game.play(torch.as_tensor(x, device=device), labels))


# ------------------------------------------------------------------- the algorithm in numpy


def run(network, x):
    """Output of a multi-layer perceptron, computed in numpy."""
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    for i, layer in enumerate(layers):
        weight, bias = (p.detach().cpu().double().numpy() for p in (layer.weight, layer.bias))
        x = x @ weight.T + bias
        if i < len(layers) - 1:
            x = np.where(x > 0, x, 0.2 * x)
    return x


def gap(game, x, x_hat):
    """Means of D(x, x) - D(x, x_hat) and of D(x, x_hat)."""
    same, other = (run(game.critic, np.column_stack([x, y]))[:, 0] for y in (x, x_hat))
    return np.mean(same - other), np.mean(other)


def losses_by_hand(game, x, x_neg, groups, z_mix, params):
    """The losses of both players by equations (2) to (4) of the paper."""
    terms = [(1, x, run(game.decoder, run(game.encoder, x)))]
    if len(x_neg):
        terms += [(-params["negative_weight"], x_neg, run(game.decoder, run(game.encoder, x_neg)))]
    if params["interpolation_weight"]:
        share = params["interpolation_weight"] / groups.shape[1]
        x_mix = run(game.decoder, z_mix)
        terms += [(share, x[partners], x_mix) for partners in groups.T]
    critic = autoencoder = 0
    for weight, rows, other in terms:
        distance, judged = gap(game, rows, other)
        critic -= weight * distance
        autoencoder -= weight * judged
    norms = np.linalg.norm(run(game.encoder, x), axis=1)
    return critic, autoencoder + params["regularization_weight"] * norms.mean()


@pytest.mark.parametrize("negatives", ["inward", "outward", "box", None])
@pytest.mark.parametrize("labels", [None, LABELS])
@pytest.mark.parametrize("interpolation_weight", [0.0, 0.5])
@pytest.mark.parametrize("k", [2, 3, 5])
def test_losses_are_those_of_the_paper(
    negatives, labels, interpolation_weight, k, device, monkeypatch
):
    params = {**PARAMS, "negatives": negatives, "interpolation_weight": interpolation_weight}
    game = make_game(device, **{**params, "n_interpolated": k})
    seen = {}

    def spy(function):
        def call(*args):
            seen[function.__name__] = function(*args)
            return seen[function.__name__]

        return call

    for function in (mix_codes, draw_atypical_codes):
        monkeypatch.setattr(module, function.__name__, spy(function))
    X = table()
    moves = play(game, X, labels)
    x, x_neg = (X, X[:0]) if labels is None else (X[labels != -1], X[labels == -1])
    if labels is not None:
        assert "draw_atypical_codes" not in seen
    elif negatives is not None:
        z_neg = seen["draw_atypical_codes"].cpu().numpy()
        assert z_neg.shape == (5, 2)  # a tenth of the rows, rounded up
        x_neg = run(game.decoder, z_neg)
    groups = np.arange(len(x) // k * k).reshape(-1, k)
    z_mix = seen["mix_codes"].detach().cpu().numpy()
    critic, autoencoder = losses_by_hand(game, x, x_neg, groups, z_mix, params)
    assert [player for player, _ in moves] == ["critic", "critic", "autoencoder"]
    for (_, loss), expected in zip(moves, (critic, critic, autoencoder), strict=True):
        assert loss.shape == ()
        assert loss.item() == pytest.approx(expected, rel=1e-9)


def test_known_inliers_are_treated_as_unlabelled_rows(device):
    game = make_game(device)
    for labels in (np.zeros(48), np.ones(48), np.repeat([0, 1], 24)):
        for (_, loss), (_, expected) in zip(
            play(game, table(), labels), play(game, table()), strict=True
        ):
            assert loss.item() == expected.item()


def test_fewer_rows_than_n_interpolated_are_not_mixed(device):
    weights = (0.5, 0.0)
    games = [make_game(device, n_interpolated=5, interpolation_weight=w) for w in weights]
    moves = [play(game, table(n_samples=4)) for game in games]
    for (_, loss), (_, expected) in zip(*moves, strict=True):
        assert loss.item() == pytest.approx(expected.item(), rel=1e-12)


def test_a_move_changes_the_networks_of_its_player_only(device):
    params = {"n_critic": 3, "gradient_penalty_weight": 10.0, "spectral_norm": True}
    batches = moves_of(make_detector(device, **params), table())
    assert batches == [[{"critic"}] * 3 + [{"encoder", "decoder"}]] * 6


def test_mixtures_train_the_encoder_and_the_decoder(device):
    """In the authors' code the decoded mixture is detached from both."""
    x = table()
    gradients = {}
    for weight in (0.0, 1.0):
        game = make_game(device, interpolation_weight=weight, negatives=None)
        loss = play(game, x)[-1][1]
        parameters = [*game.encoder.parameters(), *game.decoder.parameters()]
        gradients[weight] = torch.autograd.grad(loss, parameters)
    game = make_game(device)
    E, G, D = game.encoder, game.decoder, game.critic
    x = torch.from_numpy(x).to(device)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        # The first draw of a mini-batch without negatives.
        alpha = torch.rand_like(x.new_empty(16, 3, 1))
    codes = E(x).reshape(16, 3, 2)
    decoded = G((alpha * codes).sum(1) / alpha.sum(1))
    judged = [D(x[j::3], decoded) for j in range(3)]
    parameters = [*E.parameters(), *G.parameters()]
    expected = torch.autograd.grad(-torch.stack(judged).mean(), parameters)
    for one, other, wanted in zip(gradients[1.0], gradients[0.0], expected, strict=True):
        assert wanted.abs().max() > 1e-4
        np.testing.assert_allclose((one - other).cpu(), wanted.cpu(), atol=1e-9)


def test_no_gradient_passes_through_the_making_of_negatives(device, monkeypatch):
    """Negatives are constant rows: only their reconstruction is trained."""
    game = make_game(device, interpolation_weight=0.0, regularization_weight=0.0)
    rows = []
    monkeypatch.setattr(game, "make_negatives", spied := lambda x: rows[0])
    assert spied is game.make_negatives
    with torch.random.fork_rng():
        torch.manual_seed(0)
        x = torch.from_numpy(table()).to(device)
        rows.append(AMAGame.make_negatives(game, x))
    assert not rows[0].requires_grad
    fixed = play(game, table())[-1][1]
    monkeypatch.undo()
    loss = play(game, table())[-1][1]
    parameters = [*game.encoder.parameters(), *game.decoder.parameters()]
    for one, other in zip(
        *(torch.autograd.grad(value, parameters) for value in (fixed, loss)), strict=True
    ):
        torch.testing.assert_close(one, other)


# ------------------------------------------------------------------ slopes of the critic


class LinearCritic(MLP):
    """Networks with an affine critic, for gray images."""

    image_shape = (1, 2, 3)

    def critic(self, *n_inputs):
        return Discriminator(nn.Identity(), sum(n_inputs))


class ColorLinearCritic(LinearCritic):
    """Networks with an affine critic, for color images."""

    image_shape = (3, 1, 2)


@pytest.mark.parametrize("networks", [LinearCritic((8,)), ColorLinearCritic((8,))])
def test_the_slope_penalty_of_an_affine_critic_is_exact(networks, device):
    x, x_hat = (torch.from_numpy(table(20, 6, seed)).to(device) for seed in (0, 1))
    game = make_game(device, n_features=6, networks=networks)
    slope = game.critic.head.weight.detach().cpu().numpy()[0]
    penalty = game.slope_penalty(x, x_hat)
    assert penalty.item() == pytest.approx((np.linalg.norm(slope) - 1) ** 2, rel=1e-9)
    gradient = torch.autograd.grad(penalty, game.critic.head.weight)[0].cpu().numpy()[0]
    length = np.linalg.norm(slope)
    np.testing.assert_allclose(gradient, 2 * (length - 1) * slope / length, rtol=1e-9)

    game = make_game(device, n_features=6, networks=networks, gradient_penalty="per_pixel")
    channels, n_pixels = networks.image_shape[0], 6 // networks.image_shape[0]
    norms = [
        np.sqrt(sum(slope[c * n_pixels + j] ** 2 for c in range(2 * channels)))
        for j in range(n_pixels)
    ]
    expected = np.mean([(length - 1) ** 2 for length in norms])
    assert game.slope_penalty(x, x_hat).item() == pytest.approx(expected, rel=1e-9)


def test_per_pixel_norms_of_a_table_have_one_norm_per_column(device):
    game = make_game(device, networks=type("Plain", (LinearCritic,), {"image_shape": (1,)})((8,)))
    game.gradient_penalty = "per_pixel"
    a, b = game.critic.head.weight.detach().cpu().numpy()[0].reshape(2, 4)
    x = torch.from_numpy(table()).to(device)
    expected = np.mean((np.hypot(a, b) - 1) ** 2)
    assert game.slope_penalty(x, -x).item() == pytest.approx(expected, rel=1e-9)


def test_slopes_are_taken_between_a_row_and_its_mirror_image(device):
    game, points = make_game(device), []
    game.critic.register_forward_hook(lambda module, inputs, output: points.append(inputs))
    x, x_hat = (torch.from_numpy(table(500, 4, seed)).to(device) for seed in (0, 1))
    penalty = game.slope_penalty(x, x_hat)
    left, between = (part.detach() for part in points[0])
    torch.testing.assert_close(left, x)
    share = ((between - x) / (x_hat - x)).cpu().numpy()
    np.testing.assert_allclose(share, np.broadcast_to(share[:, :1], share.shape), rtol=1e-6)
    assert share.min() >= 0
    assert share.max() <= 1
    assert share.mean() == pytest.approx(0.5, abs=0.05)
    inner, outer = (layer for layer in game.critic.modules() if isinstance(layer, nn.Linear))
    w, c = (p.detach().cpu().numpy() for p in (inner.weight, inner.bias))
    hidden = np.column_stack([left.cpu(), between.cpu()]) @ w.T + c
    slopes = (np.where(hidden > 0, 1, 0.2) * outer.weight.detach().cpu().numpy()) @ w
    expected = np.mean((np.linalg.norm(slopes, axis=1) - 1) ** 2)
    assert penalty.item() == pytest.approx(expected, rel=1e-9)


def test_the_slope_penalty_is_part_of_the_loss_of_the_critic_only(device):
    x = table()
    plain, penalized = (play(make_game(device, gradient_penalty_weight=w), x) for w in (0.0, 3.0))
    assert penalized[-1][1].item() == pytest.approx(plain[-1][1].item(), rel=1e-12)
    game = make_game(device, gradient_penalty_weight=3.0)
    seen, penalty = [], game.slope_penalty
    game.slope_penalty = lambda *pair: seen.append(penalty(*pair)) or seen[-1]
    for (_, loss), (_, without) in zip(play(game, x)[:2], plain[:2], strict=True):
        assert loss.item() > without.item()
    assert len(seen) == 2
    assert all(slopes.item() > 0 for slopes in seen)
    difference = play(game, x)[0][1].item() - plain[0][1].item()
    assert difference == pytest.approx(3 * seen[0].item(), rel=1e-9)


def test_spectral_norm_normalizes_every_layer_of_the_critic(device):
    game = make_game(device, spectral_norm=True)
    x = torch.from_numpy(table()).to(device)
    for _ in range(100):
        game.critic(x, x)
    layers = [layer for layer in game.critic.modules() if type(layer).__name__ == "SpectralNorm"]
    assert len(layers) == 2
    for layer in layers:
        spectral_norm = np.linalg.norm(layer.weight.detach().cpu().numpy(), 2)
        assert spectral_norm == pytest.approx(1, rel=1e-6)
        assert np.linalg.norm(layer.layer.weight.detach().cpu().numpy(), 2) > 1.05
    assert not [n for n, _ in game.encoder.named_modules() if "layer" in n]


def test_scoring_does_not_update_the_spectral_norm(device):
    game = make_game(device, spectral_norm=True)
    x = torch.from_numpy(table()).to(device)
    layer = next(layer for layer in game.critic.modules() if hasattr(layer, "u"))
    before = layer.u.clone()
    game.eval()
    game.score(x)
    assert torch.equal(layer.u, before)
    game.train()
    game.score(x)
    assert not torch.equal(layer.u, before)


# ----------------------------------------------------------- mixtures and atypical codes


@given(n=st.integers(1, 50), k=st.integers(2, 6), seed=st.integers(0, 99))
def test_weights_of_a_mixture_are_positive_and_sum_to_one(n, k, seed):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        weights = mix_codes(torch.eye(k).expand(n, k, k)).numpy()
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-5)


def test_weights_of_a_mixture_are_normalized_uniform_draws():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        weights = mix_codes(torch.eye(3).expand(20_000, 3, 3)).numpy()
    draws = np.random.RandomState(0).uniform(0, 0.5, size=(20_000, 3))
    draws /= draws.sum(axis=1, keepdims=True)
    for q in (0.05, 0.5, 0.95):
        np.testing.assert_allclose(
            np.quantile(weights, q, axis=0), np.quantile(draws, q, axis=0), atol=0.015
        )


def codes(n=400, d=5, seed=0):
    """Codes with a mean other than zero and unequal standard deviations."""
    rng = np.random.RandomState(seed)
    return torch.from_numpy(3 + np.arange(1, d + 1) * rng.normal(size=(n, d)))


@pytest.mark.parametrize("delta", [0.1, 0.5, 2.0])
@pytest.mark.parametrize("where", ["inward", "outward"])
def test_atypical_codes_are_between_the_two_spheres(where, delta):
    z = codes()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        drawn = draw_atypical_codes(z, 4000, where, delta).numpy()
    mean, sd = z.numpy().mean(0), z.numpy().std(0)
    radii = np.linalg.norm((drawn - mean) / sd, axis=1) / np.sqrt(5)
    inner, outer = (max(0, 1 - delta), 1) if where == "inward" else (1, 1 + delta)
    assert radii.min() >= inner - 1e-6
    assert radii.max() <= outer + 1e-6
    uniform = (np.arange(1, 4001) - 0.5) / 4000
    np.testing.assert_allclose(np.sort(radii), inner + (outer - inner) * uniform, atol=0.04)
    # All directions are drawn.
    np.testing.assert_allclose(((drawn - mean) / sd).mean(0), 0, atol=0.15)


def test_typical_codes_are_near_the_sphere():
    """In units of their standard deviations, whatever the penalty on their norms has done."""
    for scale in (1e-3, 1.0, 50.0):
        z = scale * codes().numpy()
        radii = np.linalg.norm((z - z.mean(0)) / z.std(0), axis=1)
        assert np.sqrt(np.mean(radii**2)) == pytest.approx(np.sqrt(5))


@pytest.mark.parametrize("delta", [0.5, 1.0])
def test_the_box_is_that_of_the_codes_plus_a_margin(delta):
    z = codes()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        drawn = draw_atypical_codes(z, 20_000, "box", delta).numpy()
    low, high = z.numpy().min(0), z.numpy().max(0)
    width = high - low
    np.testing.assert_allclose(drawn.min(0), low - delta * width / 2, atol=0.01 * width.max())
    np.testing.assert_allclose(drawn.max(0), high + delta * width / 2, atol=0.01 * width.max())
    np.testing.assert_allclose(drawn.mean(0), (low + high) / 2, atol=0.03 * width.max())


@pytest.mark.parametrize("where", ["inward", "outward", "box"])
def test_atypical_codes_of_equal_codes_are_the_same_code(where):
    drawn = draw_atypical_codes(torch.ones(3, 4), 10, where, 0.5)
    assert_same_bits(drawn.numpy(), np.ones((10, 4), np.float32))


# ------------------------------------------------------------------- warm-up and negatives


def count_negatives(monkeypatch, device, labels=None, rows=table, **params):
    """Number of negatives that are made in each mini-batch."""
    counts, original = [], AMAGame.make_negatives

    def spy(self, x):
        drawn = original(self, x)
        counts.append(len(drawn))
        return drawn

    monkeypatch.setattr(AMAGame, "make_negatives", spy)
    detector = make_detector(device, max_epochs=4, **params).fit(rows(), labels=labels)
    return counts, detector


@pytest.mark.parametrize(
    ("warm_up", "n_without"), [(0, 0), (1, 3), (2, 6), (9, 12), (0.0, 0), (0.25, 3), (1.0, 12)]
)
def test_negatives_are_made_after_the_warm_up(warm_up, n_without, device, monkeypatch):
    counts, _ = count_negatives(monkeypatch, device, warm_up=warm_up)
    assert counts == [0] * n_without + [2] * (12 - n_without)


def test_the_warm_up_can_be_shorter_than_an_epoch(device, monkeypatch):
    counts, _ = count_negatives(monkeypatch, device, warm_up=0.3)
    assert counts == [0] * 4 + [2] * 8
    counts.clear()
    make_detector(device, max_epochs=1, warm_up=0.5).fit(table(n_samples=160))
    assert counts == [0] * 5 + [2] * 5


def test_the_warm_up_continues_when_training_continues(device, monkeypatch):
    counts, detector = count_negatives(monkeypatch, device, warm_up=6)
    detector.partial_fit(table()).partial_fit(table())
    assert counts == [0] * 18
    detector.partial_fit(table())
    assert counts == [0] * 18 + [2] * 3


def test_known_outliers_replace_negatives(device, monkeypatch):
    counts, _ = count_negatives(monkeypatch, device, labels=LABELS)
    assert counts == []


@pytest.mark.parametrize("negatives", [None, "outward"])
def test_known_outliers_are_used_without_negatives_and_during_the_warm_up(negatives, device):
    game = make_game(device, negatives=negatives)
    game.phase = "warm-up"
    x = table()
    moved = x.copy()
    moved[LABELS == -1] += 1
    losses = [[loss.item() for _, loss in play(game, rows, LABELS)] for rows in (x, moved)]
    assert all(one != other for one, other in zip(*losses, strict=True))


# ------------------------------------------------------------------------------------- scores


def r_scores(detector, X):
    """Equation (5), computed in torch from the public reconstructions."""
    critic = detector.net_.module_.game.critic
    device = next(critic.parameters()).device
    x, x_hat = (
        torch.as_tensor(part, dtype=torch.float32, device=device)
        for part in (X, detector.reconstruct(X))
    )
    inner = critic.body[0][0] if isinstance(critic.body[0], nn.Sequential) else critic.body[0]
    features = [leaky_relu(inner(torch.cat([x, other], 1)), 0.2) for other in (x, x_hat)]
    return (features[0] - features[1]).abs().sum(1).detach().cpu().numpy()


@pytest.mark.parametrize("labels", [None, LABELS])
def test_scores_agree_with_the_paper(labels, device):
    X = table(n_samples=60, seed=1)

    def fit(score_type):
        detector = make_detector(device, max_epochs=5, score_type=score_type)
        return detector.fit(table(), labels=labels)

    detector = fit("features")
    R = r_scores(detector, X)
    np.testing.assert_allclose(-detector.score_samples(X), R, rtol=1e-4, atol=1e-6)

    detector = fit("likelihood")
    R_train = r_scores(detector, table())
    R_train = R_train if labels is None else R_train[labels != -1]
    expected = np.abs(R - R_train.mean()) / R_train.std()
    np.testing.assert_allclose(-detector.score_samples(X), expected, rtol=1e-3, atol=1e-3)
    game = detector.net_.module_.game
    assert game.r_mean.item() == pytest.approx(R_train.mean(), rel=1e-4)
    assert game.r_std.item() == pytest.approx(R_train.std(), rel=1e-4)
    assert {"r_mean", "r_std"} <= set(game.state_dict())

    detector = fit("combined")
    distance = np.linalg.norm(X - detector.reconstruct(X), axis=1)
    np.testing.assert_allclose(-detector.score_samples(X), np.sqrt(R * distance), rtol=1e-3)


def test_the_likelihood_ranks_as_the_density_and_does_not_underflow(device):
    detector = make_detector(device, max_epochs=5, score_type="likelihood").fit(table())
    game = detector.net_.module_.game
    X = table(n_samples=200, seed=1)
    density = norm(game.r_mean.item(), game.r_std.item()).pdf(r_scores(detector, X))
    scores = detector.score_samples(X)
    order = np.argsort(scores)
    assert (np.diff(density[order]) > -1e-6).all()
    far = 1000 * X
    assert (norm(game.r_mean.item(), game.r_std.item()).pdf(r_scores(detector, far)) == 0).any()
    assert len(np.unique(detector.score_samples(far))) == len(far)


def test_the_likelihood_is_finite_if_all_training_rows_are_equal(device):
    detector = make_detector(device, score_type="likelihood").fit(np.ones((20, 4)))
    assert np.isfinite(detector.score_samples(table())).all()


def test_early_stopping_monitors_the_reconstruction_error(device):
    game, x = make_game(device), table()
    loss = game.validation_loss(torch.from_numpy(x).to(device)).item()
    image = run(game.decoder, run(game.encoder, x))
    assert loss == pytest.approx(np.mean((image - x) ** 2), rel=1e-9)


# ------------------------------------------------------------------------------- optimizer


def test_the_encoder_has_other_betas_than_the_decoder(device):
    detector = make_detector(device).fit(table())
    optimizer = detector.net_.optimizer_
    named = {id(p): n.split(".")[1] for n, p in detector.net_.module_.named_parameters()}
    betas = {
        named[id(p)]: group["betas"] for group in optimizer.param_groups for p in group["params"]
    }
    assert betas == {"encoder": (0.5, 0.9), "decoder": (0.0, 0.9), "critic": (0.0, 0.9)}
    same = make_detector(device, net_params={"optimizer__param_groups": []}).fit(table())
    assert {group["betas"] for group in same.net_.optimizer_.param_groups} == {(0.0, 0.9)}
    before, after = state(same), state(detector)
    assert any(not np.array_equal(before[n], after[n]) for n in before if ".encoder." in n)


@pytest.mark.parametrize("n_members", [1, 2])
def test_the_encoders_have_betas_of_their_own(n_members, device):
    detector = make_detector(device, n_members=n_members).fit(table())
    encoder = {id(p) for p in detector.net_.module_.game.encoder.parameters()}
    groups = detector.net_.optimizer_.param_groups
    found = [g["betas"] for g in groups for p in g["params"] if id(p) in encoder]
    assert found == [(0.5, 0.9)] * len(encoder)


def test_betas_can_be_set(device):
    detector = make_detector(device, net_params={"optimizer__betas": (0.9, 0.99)}).fit(table())
    assert {g["betas"] for g in detector.net_.optimizer_.param_groups} == {(0.5, 0.9), (0.9, 0.99)}


# --------------------------------------------------------------------------------- samples


@pytest.mark.filterwarnings("ignore:The generated rows have collapsed")
@pytest.mark.parametrize("kind", ["inlier", "outlier"])
def test_samples_are_decoded_from_the_codes_of_training_rows(kind, device):
    detector = make_detector(device, max_epochs=5).fit(table())
    game = detector.net_.module_.game
    drawn = []
    game.decoder.register_forward_hook(lambda module, inputs, output: drawn.append(inputs[0]))
    rows = detector.sample(1000, kind=kind, latent="own", random_state=0)
    assert rows.shape == (1000, 4)
    z = drawn[0].cpu().numpy()
    known = detector.transform(table())
    np.testing.assert_allclose(np.unique(game.codes.cpu(), axis=0), np.unique(known, axis=0))
    if kind == "inlier":  # inside the range of the codes
        assert (z >= known.min(0)).all()
        assert (z <= known.max(0)).all()
        np.testing.assert_allclose(z.mean(0), known.mean(0), atol=0.1 * known.std(0).max())
    else:
        centered = (z - game.codes.cpu().numpy().mean(0)) / game.codes.cpu().numpy().std(0)
        radii = np.linalg.norm(centered, axis=1)
        assert radii.min() >= np.sqrt(2) - 1e-3
        assert radii.max() <= 1.5 * np.sqrt(2) + 1e-3


@pytest.mark.parametrize("kind", ["inlier", "outlier"])
def test_a_larger_sample_starts_with_a_smaller_one(kind, device):
    detector = make_detector(device, n_members=2).fit(table())
    large = detector.sample(1500, kind=kind, random_state=3)
    for n_samples in (1, 10, 1024, 1025):
        smaller = detector.sample(n_samples, kind=kind, random_state=3)
        assert_same_bits(smaller, large[:n_samples])


def test_codes_of_known_outliers_are_not_stored(device):
    rows = table()
    rows[LABELS == -1] += 50
    detector = make_detector(device).fit(rows, labels=LABELS)
    kept = detector.net_.module_.game.codes.cpu().numpy()
    normal, outliers = (detector.transform(rows[LABELS != -1]), detector.transform(rows[-6:]))
    np.testing.assert_allclose(np.unique(kept, axis=0), np.unique(normal, axis=0), rtol=1e-6)
    assert not np.isin(outliers[:, 0], kept[:, 0]).any()


def test_stored_codes_are_spread_over_all_training_rows(device):
    detector = make_detector(device, max_epochs=1, batch_size=512).fit(table(n_samples=3500))
    kept = detector.net_.module_.game.codes.cpu().numpy()
    assert len(np.unique(kept, axis=0)) == 1000
    everything = detector.transform(table(n_samples=3500))
    np.testing.assert_allclose(kept[0], everything[0], rtol=1e-6)
    assert np.isin(kept[-1, 0], everything[-10:, 0])


@pytest.mark.parametrize("negatives", ["inward", "outward", "box", None])
def test_outliers_can_be_sampled_whatever_the_negatives_are(negatives, device):
    detector = make_detector(device, negatives=negatives).fit(table())
    assert np.isfinite(detector.sample(5, kind="outlier", random_state=0)).all()


def test_rows_cannot_be_reconstructed_as_outliers(device):
    message = "AMA cannot reconstruct rows of kind='outlier', only of kind='inlier'"
    with pytest.raises(ValueError, match=message):
        make_detector(device).fit(table()).reconstruct(table(), kind="outlier")


# ------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_critic", 0),
        ("gradient_penalty", "none"),
        ("gradient_penalty_weight", -1),
        ("n_interpolated", 1),
        ("interpolation_weight", -0.5),
        ("negatives", "around"),
        ("delta", 0),
        ("negative_weight", -1),
        ("warm_up", 1.5),
        ("warm_up", -1),
        ("regularization_weight", -1),
        ("score_type", "energy"),
    ],
)
def test_an_invalid_parameter_is_named(name, value, device):
    with pytest.raises(ValueError, match=f"The '{name}' parameter of AMA must be"):
        make_detector(device, **{name: value}).fit(table())


def test_the_game_has_the_parameters_of_the_detector():
    detector = make_detector()
    game, params = build_game(detector), detector.game_params()
    assert {"latent_dim", "n_critic", "warm_up", "score_type"} <= params.keys()
    assert {name: getattr(game, name) for name in params} == params


def test_replaced_negatives_have_values_of_their_column():
    x = torch.arange(400.0, dtype=torch.float64).reshape(100, 4)
    game = make_game(negatives="replaced", warm_up=0)
    negatives = game.make_negatives(x)
    assert negatives.shape == (10, 4)
    assert (negatives % 4 == torch.arange(4.0)).all()  # values of column j are j modulo 4
    assert (negatives != x[:10]).any()
