"""ARN: losses, noise of the variants, categories, scores, collapse and generated rows."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from common import SHARED, assert_same_bits, member_games, moves_of, state, table
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.special import expit, log_expit, softmax
from scipy.stats import kurtosis, norm
from sklearn.compose import make_column_transformer
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import OneHotEncoder
from sklearn.utils._param_validation import InvalidParameterError
from torch import nn
from torch.distributions import Normal, kl_divergence

from skgad import ARN, MLP
from skgad.detectors._arn import ARNGame, gaussian_kl
from skgad.networks import Discriminator

#: Parameters of the detectors and games, unless a test sets others.
ARN_PARAMS = {
    "latent_dim": 2,
    "networks": MLP(hidden_layer_sizes=(8,), discriminator_layer_sizes=(7,)),
    "adversarial_weight": 0.1,
    "reconstruction_weight": 1.0,
    "kl_weight": 0.01,
    "kl_schedule": "constant",
    "free_bits": 0.0,
    "noise_scale": 1.0,
    "label_noise": 0.3,
    "label_noise_decay": 0.9,
    "annealing": 0.9,
    "objective": "adversarial",
    "supervised_players": "both",
    "output_activation": "identity",
    "replaced": 0.0,
    "reservoir_size": 48,
    "score_type": "combined",
}

#: Known inliers, unlabeled rows and known outliers of ``table()``.
LABELS = np.repeat([1, 0, -1], [12, 30, 6])

#: Columns of the two attributes of ``mixed()``, with three and two categories.
GROUPS = [(1, 2, 3), (4, 5)]


def make(**params):
    return ARN(**{**SHARED, "contamination": "auto", **ARN_PARAMS, **params})


def mixed(n_samples=48, seed=0):
    """Rows with a number, two one-hot attributes and another number."""
    rng = np.random.RandomState(seed)
    numbers = rng.normal(size=(n_samples, 2))
    one, other = (np.eye(k)[rng.permutation(np.arange(n_samples) % k)] for k in (3, 2))
    return np.hstack([numbers[:, :1], one, other, numbers[:, 1:]])


def game(device="cpu", n_features=4, **params):
    """A game in double precision, with noise added to all parameters."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = ARNGame(n_features=n_features, **{**ARN_PARAMS, "categorical_groups": [], **params})
        for p in made.parameters():
            p.data += 0.3 * torch.randn(p.shape)
    return made.double().to(device)


def as_tensor(device, x):
    return torch.from_numpy(np.asarray(x, float)).to(device)


def losses_of_batch(game, x, labels=None, seed=0):
    """Losses of one mini-batch, without any update."""
    device = next(game.parameters()).device
    labels = None if labels is None else torch.tensor(labels, dtype=torch.int8, device=device)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return dict(game.play(as_tensor(device, x), labels))


def scorer(detector):
    """The game of a detector with one member."""
    return detector.net_.module_.scorer


# -------------------------------------------------------------------- the algorithm in numpy


def numpy_output(network, x):
    """Output of a multilayer perceptron, in numpy."""
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    for i, layer in enumerate(layers):
        weight, bias = (p.detach().cpu().double().numpy() for p in (layer.weight, layer.bias))
        x = x @ weight.T + bias
        if i < len(layers) - 1:
            x = np.where(x > 0, x, 0.2 * x)
    return x


def expected_logit(game, x):
    return numpy_output(game.discriminator, x)[..., 0]


def expected_posterior(game, x):
    """Mean and standard deviation of the codes."""
    mean, log_var = np.split(numpy_output(game.encoder, x), 2, axis=-1)
    return mean, np.exp(np.clip(log_var, -10, 10) / 2)


def expected_divergence(mean, sd):
    """KL divergence from N(0, 1) in each dimension, computed by torch."""
    mean, sd = torch.from_numpy(mean), torch.from_numpy(sd)
    return kl_divergence(Normal(mean, sd), Normal(0.0, 1.0)).numpy()


def random_numbers_of_batch(n_samples, n_features, groups, device, seed=0):
    """The random numbers of one mini-batch, in the order of the game."""

    def draw(kind, *shape):
        return getattr(torch.empty(*shape, dtype=torch.float64, device=device), kind)()

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        draws = {
            "codes": draw("normal_", n_samples, 2),
            "groups": [-draw("exponential_", n_samples, len(group)).log() for group in groups],
            "factor": draw("uniform_", n_samples, 1),
            "numbers": draw("normal_", n_samples, n_features),
            "targets": [draw("uniform_", n_samples) for _ in range(4)],
        }
    return {
        name: [d.cpu().numpy() for d in value] if isinstance(value, list) else value.cpu().numpy()
        for name, value in draws.items()
    }


def expected_target(is_normal, noise, amount, exchange):
    """1 for normal rows. Targets are moved by up to the noise, and this share is exchanged."""
    target = np.where(is_normal, 1 - noise * amount, noise * amount)
    return np.where(exchange < noise, 1 - target, target)


def expected_cross_entropy(logit, target):
    return -(target * log_expit(logit) + (1 - target) * log_expit(-logit))


def expected_losses(game, x, labels, batch, draws, p, groups=()):
    """Losses of the two players in a mini-batch. The first mini-batch has number 1."""
    n_samples, n_features = x.shape
    normal = np.ones(n_samples, bool) if labels is None else np.asarray(labels) != -1
    mean, sd = expected_posterior(game, x)
    logits = numpy_output(game.decoder, mean + sd * draws["codes"])
    decoded = expit(logits) if p["output_activation"] == "sigmoid" else logits.copy()
    unit = x[normal].std(axis=0)
    for group, gumbel in zip(groups, draws["groups"], strict=True):
        winner = np.argmax(logits[:, group] + gumbel, axis=1)
        decoded[:, group] = np.eye(len(group))[winner]
        unit[list(group)] = 0
    factor = p["noise_scale"] * draws["factor"] * normal[:, None]
    variant = decoded + factor * unit * draws["numbers"]

    def sum_of_means(loss, both=True):
        return loss[normal].mean() + (loss[~normal].mean() if both and not normal.all() else 0)

    both = p["supervised_players"] == "both"

    noise = p["label_noise"] * p["label_noise_decay"] ** batch
    amounts, exchanges = draws["targets"][::2], draws["targets"][1::2]
    targets = [
        expected_target(is_normal, noise, amount, exchange)
        for is_normal, amount, exchange in zip((normal, ~normal), amounts, exchanges, strict=True)
    ]
    real = expected_cross_entropy(expected_logit(game, x), targets[0])
    fake = expected_cross_entropy(expected_logit(game, variant), targets[1])
    losses = {"discriminator": sum_of_means(real) + sum_of_means(fake, both)}

    aim = (normal if p["objective"] == "adversarial" else ~normal).astype(float)
    kl = np.maximum(expected_divergence(mean, sd), p["free_bits"]).sum(axis=1)
    anneal = p["annealing"] ** batch if p["kl_schedule"] == "annealed" else 1
    loss = (
        p["adversarial_weight"] * expected_cross_entropy(expected_logit(game, variant), aim)
        + p["reconstruction_weight"] * ((x - decoded) ** 2).sum(axis=1) / n_features
        + p["kl_weight"] * anneal * kl / n_features
    )
    losses["generator"] = sum_of_means(loss, both)
    return losses


batches = {
    "no labels": st.none(),
    "inliers": st.lists(st.sampled_from([0, 1]), min_size=2, max_size=25),
    "outliers": st.lists(st.sampled_from([0, 0, 1, -1]), min_size=3, max_size=25),
}


@pytest.mark.parametrize("groups", [[], GROUPS], ids=["numbers", "groups"])
@pytest.mark.parametrize("known", batches)
@settings(max_examples=15)
@given(data=st.data())
def test_losses_match_equations_1_to_4(known, groups, data, device):
    labels = data.draw(batches[known].filter(lambda labels: labels is None or max(labels) >= 0))
    choose = {
        "adversarial_weight": [0.0, 0.1, 2.0],
        "reconstruction_weight": [0.0, 1.0, 3.0],
        "kl_weight": [0.0, 0.5],
        "kl_schedule": ["constant", "annealed"],
        "free_bits": [0.0, 0.5],
        "noise_scale": [0.0, 2.0],
        "label_noise": [0.0, 0.3, 0.5],
        "label_noise_decay": [1.0, 0.7],
        "objective": ["adversarial", "elbo"],
        "supervised_players": ["discriminator", "both"],
        "output_activation": ["identity", "sigmoid"],
    }
    params = {name: data.draw(st.sampled_from(values)) for name, values in choose.items()}
    n_samples = 20 if labels is None else len(labels)
    make_rows = mixed if groups else table
    x = make_rows(n_samples=n_samples, seed=data.draw(st.integers(0, 9)))
    made = game(device, x.shape[1], categorical_groups=groups, **params)
    draws = random_numbers_of_batch(*x.shape, groups, device)
    for batch in (1, 2):  # with the same rows, so that the unit of the noise does not change
        losses = losses_of_batch(made, x, labels)
        expected = expected_losses(made, x, labels, batch, draws, {**ARN_PARAMS, **params}, groups)
        assert list(losses) == ["discriminator", "generator"]
        for player, loss in expected.items():
            assert losses[player].shape == ()
            assert losses[player].item() == pytest.approx(loss, rel=1e-5)  # decays are float32


finite = st.floats(-8, 8)


@given(codes=st.lists(st.tuples(finite, finite), min_size=1, max_size=20))
def test_gaussian_kl_matches_torch(codes):
    mean, log_var = torch.tensor(codes, dtype=torch.float64).T
    expected = kl_divergence(Normal(mean, log_var.exp().sqrt()), Normal(0.0, 1.0))
    divergence = gaussian_kl(mean, log_var)
    torch.testing.assert_close(divergence, expected, rtol=1e-9, atol=1e-9)


def test_code_divergence_is_the_sum_over_the_dimensions(device):
    made, x = game(device), table()
    expected = expected_divergence(*expected_posterior(made, x)).sum(axis=1)
    np.testing.assert_allclose(
        made.code_divergence(as_tensor(device, x)).detach().cpu(), expected, rtol=1e-9, atol=1e-12
    )


def test_losses_are_finite_for_extreme_variances_of_the_codes(device):
    for bias in (-1e6, 1e6):
        made = game(device)
        with torch.no_grad():
            made.encoder[-1].bias[2:] += bias
        losses = losses_of_batch(made, table())
        assert all(torch.isfinite(loss) for loss in losses.values())
        assert torch.isfinite(made.code_divergence(as_tensor(device, table()))).all()


def test_free_bits_apply_to_each_dimension(device):
    """A dimension above the limit is not offset by another one below it."""
    made = game(device, free_bits=1.0, adversarial_weight=0.0, reconstruction_weight=0.0)
    with torch.no_grad():
        for p in made.encoder.parameters():
            p.zero_()
        made.encoder[-1].bias[0] = 4.0  # divergences of 8 and 0 nats
    loss = losses_of_batch(made, table())["generator"]
    assert loss.item() == pytest.approx(0.01 * (8 + 1) / 4, rel=1e-9)
    slope = torch.autograd.grad(loss, made.encoder[-1].bias)[0]
    assert slope.cpu().numpy() == pytest.approx([0.01, 0, 0, 0])


def test_losses_are_finite_if_probabilities_are_zero_or_one(device):
    for bias in (-1000.0, 1000.0):
        made = game(device, label_noise=0.0, reconstruction_weight=0.0, kl_weight=0.0)
        with torch.no_grad():
            made.discriminator.head.bias += bias
        losses = losses_of_batch(made, table())
        assert losses["discriminator"].item() == pytest.approx(1000, rel=0.05)
        assert losses["generator"].item() == pytest.approx(100 * (bias < 0), rel=0.05, abs=1e-12)


# ------------------------------------------------------------------------------ noisy targets


@pytest.mark.parametrize("batch", [0, 1, 5, 200])
@pytest.mark.parametrize("label", [0.0, 1.0])
def test_targets_have_the_noise_of_their_mini_batch(label, batch, device):
    made = game(device, label_noise=0.4, label_noise_decay=0.9)
    made.n_batches.fill_(batch)
    noise = 0.4 * 0.9**batch
    with torch.random.fork_rng():
        torch.manual_seed(0)
        targets = made.noisy_targets(torch.full((100_000,), label, device=device))
    targets = targets.cpu().double().numpy()
    away = np.abs(targets - label)
    kept = away <= noise + 1e-6
    assert np.all(kept | (away >= 1 - noise - 1e-6))
    assert np.mean(~kept) == pytest.approx(noise, abs=0.008)
    assert away[kept].mean() == pytest.approx(noise / 2, abs=0.002)
    assert away[kept].max(initial=0) == pytest.approx(noise, abs=0.001)
    assert away.mean() == pytest.approx(1.5 * noise - noise**2, abs=0.008)


def test_without_noise_the_targets_are_the_classes():
    y = torch.tensor([0.0, 1.0, 1.0])
    assert torch.equal(game(label_noise=0.0).noisy_targets(y), y)


@pytest.mark.parametrize(("schedule", "expected"), [("constant", 0.5), ("annealed", 0.5 * 0.9**6)])
def test_an_annealed_kl_weight_decreases_with_the_mini_batches(schedule, expected, device):
    detector = make(kl_weight=0.5, kl_schedule=schedule, device=device).fit(table())
    made = scorer(detector)
    assert made.n_batches.item() == 6  # two epochs of three mini-batches
    assert float(made.current_kl_weight()) == pytest.approx(expected, rel=1e-5)


# -------------------------------------------------------------------------------------- moves


@pytest.mark.parametrize("params", [{}, {"objective": "elbo"}, {"categorical": "gumbel"}])
def test_a_move_changes_only_the_parameters_of_its_player(params, device):
    batches = moves_of(make(device=device, batch_size=42, **params), mixed(), labels=LABELS)
    assert batches == [[{"discriminator"}, {"encoder", "decoder"}]] * 2


# --------------------------------------------------------------------- the noise of the variants


def decoded_and_variants(made, x, seed=0):
    """Output of the decoder in a mini-batch, and the variants that the discriminator sees."""
    decoded, shown = [], []
    hooks = [
        made.decoder.register_forward_hook(lambda module, inputs, output: decoded.append(output)),
        made.discriminator.register_forward_hook(
            lambda module, inputs, output: shown.append(inputs[0])
        ),
    ]
    losses_of_batch(made, x, seed=seed)
    for hook in hooks:
        hook.remove()
    (judged, again), (output,) = shown, decoded
    assert torch.equal(judged[len(x) :], again)  # both players see the same variants
    return output.detach().cpu().numpy(), again.detach().cpu().numpy()


@pytest.mark.parametrize("noise_scale", [0.5, 2.0])
def test_the_noise_of_numbers_has_the_scale_of_the_column_times_a_factor_of_the_row(
    noise_scale, device
):
    x = table(n_samples=50_000) * [1, 2, 3, 4] + [0, 5, 0, -5]
    decoded, variant = decoded_and_variants(game(device, noise_scale=noise_scale), x)
    noise = (variant - decoded) / x.std(axis=0)
    np.testing.assert_allclose(noise.mean(axis=0), 0, atol=0.02 * noise_scale)
    # For a normal e and a uniform f, E (fe)^2 = s^2 / 3 and E (fe)^4 = 3 s^4 / 5.
    np.testing.assert_allclose(noise.var(axis=0), noise_scale**2 / 3, rtol=0.03)
    np.testing.assert_allclose(kurtosis(noise, fisher=False), 27 / 5, rtol=0.1)
    # The columns of a row share f but not e, and E f^4 = s^4 / 5.
    np.testing.assert_allclose(np.corrcoef(noise.T), np.eye(4), atol=0.03)
    shared = (noise[:, 0] * noise[:, 1]) ** 2 / noise_scale**4
    assert shared.mean() == pytest.approx(1 / 5, rel=0.1)
    # Given the factor of the row, the noise is normal. Rows with many columns show it.
    wide = np.random.RandomState(0).normal(size=(2000, 64))
    decoded, variant = decoded_and_variants(game(device, 64, noise_scale=noise_scale), wide)
    noise = (variant - decoded) / wide.std(axis=0)
    factor = noise.std(axis=1)
    assert factor.max() < 1.4 * noise_scale
    assert np.quantile(factor / noise_scale, [0.25, 0.5, 0.75]) == pytest.approx(
        [0.25, 0.5, 0.75], abs=0.04
    )
    within = np.abs(noise / factor[:, None]) < 1
    assert within.mean() == pytest.approx(norm.cdf(1) - norm.cdf(-1), abs=0.01)


def test_without_noise_the_variants_are_the_decoded_rows(device):
    decoded, variant = decoded_and_variants(game(device, noise_scale=0.0), table())
    np.testing.assert_array_equal(variant, decoded)


def test_categories_have_no_noise(device):
    x = mixed(n_samples=500)
    decoded, variant = decoded_and_variants(
        game(device, 7, categorical_groups=GROUPS, noise_scale=2.0), x
    )
    for group in GROUPS:
        assert_one_hot(variant, [group])
    assert np.all(np.abs(variant - decoded)[:, [0, 6]].max(axis=0) > 1)


def assert_one_hot(rows, groups=GROUPS):
    for group in groups:
        values = rows[:, group]
        assert set(np.unique(values)) <= {0, 1}
        assert np.all(values.sum(axis=1) == 1)


@pytest.mark.parametrize("max_epochs", [1, 3])
def test_the_unit_of_the_noise_is_the_standard_deviation_of_the_column(max_epochs, device):
    X = table() * [1, 2, 3, 4] + [0, 5, 0, -5]
    detector = make(max_epochs=max_epochs, device=device).fit(X)
    np.testing.assert_allclose(scorer(detector).noise_unit().cpu(), X.std(axis=0), rtol=1e-3)
    before = state(detector)
    detector.score_samples(X + 100)
    detector.sample(5, random_state=0)
    detector.reconstruct(X + 100, kind="outlier")
    assert_same_bits(state(detector), before)


def test_the_unit_of_the_noise_ignores_known_outliers(device):
    X = table()
    X[LABELS == -1] += 100
    detector = make(batch_size=48, device=device).fit(X, labels=np.minimum(LABELS, 0))
    np.testing.assert_allclose(scorer(detector).noise_unit().cpu(), X[:42].std(axis=0), rtol=1e-4)


def test_moments_change_only_during_training(device):
    made = game(device).eval()
    before = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    losses_of_batch(made, table())
    assert all(torch.equal(before[name], t) for name, t in made.state_dict().items())
    made.train()
    losses_of_batch(made, table())
    assert not torch.equal(before["moments"], made.moments)
    assert made.n_batches == 1


def test_moments_adapt_to_changing_rows(device):
    made = game(device)
    made.n_batches.fill_(10**6)
    made.moments.zero_()
    losses_of_batch(made, np.full((5, 4), 2.0))
    expected = np.repeat([[2e-3], [4e-3]], 4, axis=1)
    np.testing.assert_allclose(made.moments.cpu(), expected, rtol=1e-5)


def test_a_constant_column_has_no_noise(device):
    X = np.column_stack([table(), np.full(48, 1e3)])
    decoded, variant = decoded_and_variants(game(device, 5), X)
    assert np.abs(variant - decoded)[:, 4].max() < 1e-3 < np.abs(variant - decoded)[:, 0].max()


# --------------------------------------------------------------------------------- categories


def frame():
    rng = np.random.RandomState(0)
    return pd.DataFrame(
        {
            "age": rng.normal(size=60),
            "job": rng.choice(["baker", "cook", "none"], 60),
            "pay": rng.normal(size=60),
            "home": rng.choice(["own", "rent"], 60),
        }
    )


@pytest.mark.parametrize("sparse_threshold", [0, 1])
def test_groups_are_inferred_from_the_output_of_a_column_transformer(sparse_threshold, device):
    encode = make_column_transformer(
        (OneHotEncoder(), ["job", "home"]),
        remainder="passthrough",
        sparse_threshold=sparse_threshold,
    )
    X = encode.fit_transform(frame())
    assert sparse.issparse(X) == bool(sparse_threshold)
    detector = make(categorical="gumbel", device=device).fit(X)
    assert detector.categorical_groups_ == [(0, 1, 2), (3, 4)]
    assert all(type(column) is int for group in detector.categorical_groups_ for column in group)


def test_sparse_and_dense_rows_give_the_same_detector(device):
    one, other = (make(categorical="gumbel", device=device) for _ in range(2))
    one.fit(mixed())
    other.fit(sparse.csr_matrix(mixed()))
    assert one.categorical_groups_ == other.categorical_groups_ == GROUPS
    assert_same_bits(state(one), state(other))


def test_groups_may_be_given_by_position_or_name(device):
    encode = make_column_transformer(
        ("passthrough", ["age"]),
        (OneHotEncoder(sparse_output=False), ["job", "home"]),
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    X = encode.fit_transform(frame())
    assert [*X.columns] == ["age", "job_baker", "job_cook", "job_none", "home_own", "home_rent"]
    given_as = [
        (X, [("job_baker", "job_cook", "job_none"), ("home_own", "home_rent")]),
        (X, [(1, 2, 3), (4, 5)]),
        (X, [["job_baker", 2, np.int64(3)], ["home_own", 5]]),
        (X.to_numpy(), [(1, 2, 3), (4, 5)]),
        (X, "infer"),
    ]
    states = []
    for rows, groups in given_as:
        detector = make(categorical="gumbel", categorical_groups=groups, device=device).fit(rows)
        assert detector.categorical_groups_ == [(1, 2, 3), (4, 5)]
        assert detector.categorical_groups is groups
        states.append(state(detector))
    for other in states[1:]:
        assert_same_bits(states[0], other)


def test_given_groups_need_not_be_adjacent(device):
    X = mixed()[:, [1, 0, 2, 3]]
    detector = make(categorical="gumbel", categorical_groups=[(0, 3, 2)], device=device).fit(X)
    assert detector.categorical_groups_ == [(0, 3, 2)]
    rows = detector.sample(300, random_state=0)
    assert_one_hot(rows, [(0, 2, 3)])
    assert np.abs(rows[:, 1]).max() > 1.1


BAD_GROUPS = {
    "position": ([(1, 2), (3, 7)], "contains 7, but X has no such .* from 0 to 6"),
    "negative": ([(-1, 2)], "contains -1, but X has no such column"),
    "name": ([("a", "b")], "contains 'a', but X has no such column"),
    "overlap": ([(1, 2, 3), (3, 4)], r"at least two columns.*got \[\(1, 2, 3\), \(3, 4\)\]"),
    "twice": ([(1, 1)], "at least two columns"),
    "single": ([(1, 2), (4,)], "at least two columns"),
    "empty": ([()], "at least two columns"),
    "not a tuple": ([1, 2], "must be a list of tuples of columns.*contains 1"),
}


@pytest.mark.parametrize(("groups", "message"), BAD_GROUPS.values(), ids=BAD_GROUPS)
def test_invalid_groups_raise_an_error(groups, message, device):
    detector = make(categorical="gumbel", categorical_groups=groups, device=device)
    with pytest.raises(ValueError, match=message):
        detector.fit(mixed())
    assert not hasattr(detector, "categorical_groups_")


@pytest.mark.parametrize("groups", ["infer", None, []])
def test_gumbel_without_categories_warns_and_works(groups, device):
    detector = make(categorical="gumbel", categorical_groups=groups, device=device)
    with pytest.warns(UserWarning, match="has no effect.*OneHotEncoder") as record:
        detector.fit(table())
    assert record[0].filename == __file__
    assert detector.categorical_groups_ == []
    assert_same_bits(state(detector), state(make(device=device).fit(table())))


@pytest.mark.parametrize("groups", ["infer", GROUPS])
def test_relaxed_categories_are_treated_as_numbers(groups, device):
    detector = make(categorical_groups=groups, device=device).fit(mixed())
    assert detector.categorical_groups_ == []
    values = detector.sample(50, random_state=0)[:, 1:6]
    assert np.all((values != 0) & (values != 1))
    np.testing.assert_allclose(scorer(detector).noise_unit().cpu(), mixed().std(axis=0), rtol=1e-4)


@pytest.mark.parametrize("output_activation", ["identity", "sigmoid"])
def test_every_generated_row_has_one_category_of_each_attribute(output_activation, device):
    params = {"categorical": "gumbel", "output_activation": output_activation, "max_epochs": 5}
    detector = make(device=device, **params).fit(mixed())
    X = mixed(seed=1)
    rows = [
        detector.sample(1100, random_state=0),
        detector.reconstruct(X),
        detector.reconstruct(X, kind="outlier"),
    ]
    for generated in rows:
        assert_one_hot(generated)
    assert np.all(rows[0][:, 1:6].mean(axis=0) > 0)  # every category is drawn
    numbers = rows[1][:, [0, 6]]
    assert np.all((numbers > 0) & (numbers < 1)) == (output_activation == "sigmoid")


def test_the_reconstruction_has_the_most_likely_categories(device):
    detector = make(categorical="gumbel", device=device, max_epochs=5).fit(mixed())
    X = mixed(seed=1).astype(np.float32).astype(float)
    logits = numpy_output(scorer(detector).decoder, detector.transform(X).astype(float))
    rows = detector.reconstruct(X)
    for group in GROUPS:
        assert np.array_equal(rows[:, group].argmax(axis=1), logits[:, group].argmax(axis=1))
    np.testing.assert_allclose(rows[:, [0, 6]], logits[:, [0, 6]], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("batch", [0, 1000])
def test_categories_are_drawn_with_their_probabilities(batch, device):
    """The temperature affects the gradients and not the draw."""
    made = game(device, 7, categorical_groups=GROUPS)
    made.n_batches.fill_(batch)
    with torch.no_grad():
        made.decoder[-1].weight.zero_()
    logits = made.decoder[-1].bias.detach().cpu().numpy()
    _, variant = decoded_and_variants(made, mixed(n_samples=20_000))
    for group in GROUPS:
        share = variant[:, group].mean(axis=0)
        np.testing.assert_allclose(share, softmax(logits[list(group)]), atol=0.015)


@pytest.mark.parametrize(
    ("batch", "temperature"), [(0, 0.9), (4, 0.9**5), (20, 0.9**21), (21, 0.1), (10_000, 0.1)]
)
def test_gradients_through_the_draw_have_the_temperature_of_the_mini_batch(
    batch, temperature, device
):
    params = {"adversarial_weight": 0.0, "kl_weight": 0.0, "annealing": 0.9}
    made, x = game(device, 7, categorical_groups=GROUPS, **params), mixed()
    made.n_batches.fill_(batch)
    bias = made.decoder[-1].bias
    slope = torch.autograd.grad(losses_of_batch(made, x)["generator"], bias)[0].cpu().numpy()

    draws = random_numbers_of_batch(*x.shape, GROUPS, device)
    mean, sd = expected_posterior(made, x)
    logits = numpy_output(made.decoder, mean + sd * draws["codes"])
    expected = np.zeros(7)
    numbers = [0, 6]
    expected[numbers] = 2 * (logits - x)[:, numbers].mean(axis=0) / 7
    for group, gumbel in zip(GROUPS, draws["groups"], strict=True):
        scores = logits[:, group] + gumbel
        value = np.eye(len(group))[scores.argmax(axis=1)]
        p = softmax(scores / temperature, axis=1)
        pull = 2 * (value - x[:, group]) / 7
        # The Jacobian of a softmax is diag(p) - p p'.
        slopes = p * (pull - (p * pull).sum(axis=1, keepdims=True)) / temperature
        expected[list(group)] = slopes.mean(axis=0)
    assert np.all(np.abs(expected) > 1e-6)
    np.testing.assert_allclose(slope, expected, rtol=1e-4, atol=1e-9)


def test_gradients_of_the_discriminator_reach_the_decoder_through_the_draw(device):
    params = {"categorical_groups": GROUPS, "reconstruction_weight": 0.0, "kl_weight": 0.0}
    made = game(device, 7, **params)
    loss = losses_of_batch(made, mixed())["generator"]
    slopes = torch.autograd.grad(loss, [made.decoder[-1].bias, made.encoder[-1].bias])
    assert all(slope.abs().min() > 1e-9 for slope in slopes)


@pytest.mark.parametrize("go_on", ["warm_start", "partial_fit"])
def test_groups_are_kept_when_training_is_resumed(go_on, device):
    detector = make(categorical="gumbel", warm_start=True, device=device).fit(mixed())
    before = state(detector)
    X = mixed()
    X[:, 1:4] = [1, 0, 0]  # no longer an attribute
    detector = detector.fit(X) if go_on == "warm_start" else detector.partial_fit(X)
    assert detector.categorical_groups_ == GROUPS
    assert_one_hot(detector.sample(50, random_state=0))
    assert not np.array_equal(before["game.moments"], state(detector)["game.moments"])
    anew = detector.set_params(warm_start=False).fit(X)
    assert anew.categorical_groups_ == GROUPS[1:]


# ------------------------------------------------------------------------------------- scores


def expected_scores(made, X, score_type, groups=()):
    X = X.astype(np.float32).astype(float)
    decoded = numpy_output(made.decoder, expected_posterior(made, X)[0])
    for group in groups:
        decoded[:, group] = softmax(decoded[:, group], axis=1)
    distance = np.sqrt(((X - decoded) ** 2).sum(axis=1))
    return {
        "discriminator": -expected_logit(made, X),
        "reconstruction": distance,
        "combined": np.sqrt(distance * -np.log(expit(expected_logit(made, X)))),
    }[score_type]


@pytest.mark.parametrize("categorical", ["relaxed", "gumbel"])
@pytest.mark.parametrize("score_type", ["discriminator", "reconstruction", "combined"])
def test_scores_match_the_docstring(score_type, categorical, device):
    params = {"score_type": score_type, "categorical": categorical, "max_epochs": 5}
    detector = make(device=device, **params).fit(mixed())
    X = mixed(n_samples=30, seed=1)
    groups = [list(group) for group in detector.categorical_groups_]
    expected = expected_scores(scorer(detector), X, score_type, groups)
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(-detector.score_samples(X), expected, rtol=1e-3, atol=1e-5)


def test_the_reconstruction_score_is_the_distance_to_the_reconstruction(device):
    X = table(n_samples=30, seed=1).astype(np.float32)
    detector = make(score_type="reconstruction", device=device).fit(table())
    expected = np.linalg.norm(X - detector.reconstruct(X), axis=1)
    np.testing.assert_allclose(-detector.score_samples(X), expected, rtol=1e-4)


def test_the_combined_score_is_the_geometric_mean_of_the_others(device):
    X = table(n_samples=30, seed=1)
    kinds = ("combined", "discriminator", "reconstruction")
    combined, logits, distance = (
        -make(score_type=kind, device=device).fit(table()).score_samples(X) for kind in kinds
    )
    surprise = np.logaddexp(0, logits)  # -log p(0 | x), because logits have the opposite sign
    np.testing.assert_allclose(combined, np.sqrt(surprise * distance), rtol=1e-4)


class BatchNormalized(MLP):
    """Perceptrons with batch normalization, which uses running statistics in scoring."""

    def encoder(self, n_features, latent_dim):
        return nn.Sequential(nn.BatchNorm1d(n_features), super().encoder(n_features, latent_dim))

    def decoder(self, latent_dim, n_features):
        return nn.Sequential(nn.BatchNorm1d(latent_dim), super().decoder(latent_dim, n_features))

    def discriminator(self, *n_inputs):
        n_inputs = sum(n_inputs)
        body = nn.Sequential(nn.Linear(n_inputs, 7), nn.BatchNorm1d(7), nn.LeakyReLU(0.2))
        return Discriminator(body, 7)


@pytest.mark.parametrize("score_type", ["discriminator", "reconstruction", "combined"])
@pytest.mark.parametrize(
    "networks", [ARN_PARAMS["networks"], BatchNormalized((8,))], ids=["plain", "bn"]
)
def test_scores_do_not_depend_on_the_test_batch(networks, score_type, device):
    params = {"networks": networks, "score_type": score_type, "device": device}
    detector = make(**params).fit(table(), labels=LABELS)
    rng = np.random.RandomState(0)
    X = np.concatenate([table(n_samples=600, seed=1), rng.uniform(3, 5, size=(600, 4))])
    by_label = detector.score_samples(X)
    assert np.std(by_label) > 0.1
    shuffle = rng.permutation(1200)
    assert_same_bits(detector.score_samples(X[shuffle]), by_label[shuffle])
    for row in (0, 599, 600, 1199):
        assert_same_bits(detector.score_samples(X[[row]]), by_label[[row]])
    for kind in ("inlier", "outlier"):
        whole = detector.reconstruct(X[::100], kind=kind)
        for i, row in enumerate(range(0, 1200, 100)):
            assert_same_bits(detector.reconstruct(X[[row]], kind=kind), whole[[i]])


def test_the_auto_threshold_is_the_discriminator_at_one_half(device):
    params = {"score_type": "discriminator", "contamination": "auto", "max_epochs": 20}
    detector = make(device=device, **params).fit(table())
    assert detector.offset_ == 0
    X = 2 * table(n_samples=200, seed=1).astype(np.float32).astype(float)
    p_normal = expit(expected_logit(scorer(detector), X))
    assert np.abs(p_normal - 0.5).min() > 1e-5
    predicted = detector.predict(X)
    assert_same_bits(predicted, np.where(p_normal < 0.5, -1, 1))
    assert set(predicted) == {-1, 1}


def test_the_auto_threshold_of_an_ensemble_is_one_half_in_the_units_of_the_members(device):
    params = {"score_type": "discriminator", "contamination": "auto", "n_members": 3}
    detector = make(device=device, max_epochs=20, **params).fit(table())
    X = 2 * table(n_samples=200, seed=1).astype(np.float32).astype(float)
    above, boundaries = [], []
    for member in member_games(detector):
        quartiles = np.percentile(-expected_logit(member, table().astype(np.float32)), [25, 50, 75])
        unit = quartiles[2] - quartiles[0]
        boundaries.append(-quartiles[1] / unit)
        above.append(-expected_logit(member, X) / unit)  # the logit of one half is 0
    assert detector.offset_ == pytest.approx(-np.mean(boundaries), rel=1e-3)
    mean = np.mean(above, axis=0)
    clear = np.abs(mean) > 1e-3
    assert clear.sum() > 190
    assert_same_bits(detector.predict(X)[clear], np.where(mean > 0, -1, 1)[clear])
    assert set(detector.predict(X)) == {-1, 1}


@pytest.mark.parametrize("score_type", ["reconstruction", "combined"])
def test_the_auto_threshold_is_a_percentile_for_scores_without_a_boundary(score_type, device):
    detector = make(score_type=score_type, contamination="auto", device=device).fit(table())
    assert detector.offset_ == pytest.approx(np.percentile(detector.train_scores_, 5))


# ------------------------------------------------------------------------- posterior collapse


def fit_and_collect_warnings(X, **params):
    """A detector, and the warnings of its training."""
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        detector = make(**{"max_epochs": 60, "batch_size": 24, **params}).fit(X)
    return detector, [w for w in record if issubclass(w.category, ConvergenceWarning)]


def test_a_collapse_raises_a_warning(device):
    detector, (warning,) = fit_and_collect_warnings(table(), kl_weight=1000.0, device=device)
    assert "collapsed" in str(warning.message)
    assert "kl_weight" in str(warning.message)
    assert warning.filename == __file__
    assert detector.kl_divergence_ < 0.1
    assert np.all(np.std(detector.reconstruct(table()), axis=0) < 0.2 * table().std(axis=0))
    assert np.isfinite(detector.score_samples(table())).all()


def test_informative_codes_raise_no_warning(device):
    detector, warned = fit_and_collect_warnings(table(), device=device)
    assert not warned
    assert detector.kl_divergence_ > 1
    assert np.mean(np.std(detector.reconstruct(table()), axis=0)) > 0.5


def test_free_bits_prevent_a_collapse(device):
    found = []
    for free_bits in (0.0, 2.0):
        params = {"kl_weight": 100.0, "free_bits": free_bits, "device": device}
        detector, warned = fit_and_collect_warnings(table(), **params)
        found.append((len(warned), detector.kl_divergence_))
    assert found[0] == (1, pytest.approx(0, abs=0.1))
    assert found[1] == (0, pytest.approx(1.5, abs=1.0))  # part of the free bits is used
    assert np.mean(np.std(detector.reconstruct(table()), axis=0)) > 0.5


def test_the_kl_divergence_is_measured_on_the_stored_rows(device):
    detector = make(device=device).fit(table(), labels=LABELS)
    kept = scorer(detector).reservoir.cpu().double().numpy()
    divergences = expected_divergence(*expected_posterior(scorer(detector), kept)).sum(axis=1)
    assert detector.kl_divergence_ == pytest.approx(divergences.mean(), rel=1e-4)
    assert np.ptp(divergences) > 0.1


# ----------------------------------------------------------------------------- generated rows


class IdentityEncoder(nn.Module):
    """Codes equal the rows, with the smallest variance. The parameter has no effect."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, x):
        return torch.cat([x, 0 * x - 100], dim=-1) + 0 * self.weight


class IdentityDecoder(IdentityEncoder):
    """Decoded rows equal the codes. The parameter has no effect."""

    def forward(self, x):
        return x + 0 * self.weight


class Shift(nn.Module):
    """Add a number to the rows."""

    def __init__(self, shift):
        super().__init__()
        self.shift = shift

    def forward(self, x):
        return x + self.shift


class IdentityNetworks(MLP):
    """Networks whose variants equal the rows up to about a hundredth."""

    def encoder(self, n_features, latent_dim):
        return IdentityEncoder()

    def decoder(self, latent_dim, n_features):
        return IdentityDecoder()


def make_identity(**params):
    return make(
        **{"networks": IdentityNetworks((8,)), "latent_dim": 4, "noise_scale": 0.0, **params}
    )


def nearest_rows(rows, X):
    """Position of the row of ``X`` that is nearest to each of the rows, and its distance."""
    distances = np.linalg.norm(rows[:, None] - X, axis=2)
    return distances.argmin(axis=1), distances.min(axis=1)


@pytest.mark.parametrize("labels", [None, LABELS], ids=["unlabeled", "labeled"])
@pytest.mark.parametrize("reservoir_size", [1, 10, 42, 100])
def test_samples_are_variants_of_rows_other_than_known_outliers(reservoir_size, labels, device):
    X = table()
    detector = make_identity(reservoir_size=reservoir_size, device=device).fit(X, labels=labels)
    rows = detector.sample(3000, random_state=0)
    origin, distance = nearest_rows(rows, X)
    assert distance.max() < 6 * np.exp(-5)  # six times the smallest standard deviation of a code
    kept = 48 if labels is None else 42
    assert len(set(origin)) == min(reservoir_size, kept)
    assert labels is None or np.all(labels[origin] != -1)
    reservoir = scorer(detector).reservoir.cpu().numpy()
    assert reservoir.shape == (reservoir_size, 4)
    assert set(map(tuple, reservoir)) <= set(map(tuple, X[:kept].astype(np.float32)))
    if reservoir_size > 1:
        assert {0, kept - 1} <= set(origin)  # from the first row to the last
        assert np.bincount(origin).max() < 2.5 * 3000 / min(reservoir_size, kept)


def test_rows_of_an_earlier_fit_are_forgotten(device):
    detector = make_identity(device=device).fit(table())
    detector.partial_fit(table() + 100)
    assert detector.sample(100, random_state=0).min() > 50


def test_a_reservoir_of_a_single_row_is_enough(device):
    detector = make_identity(reservoir_size=1, device=device).fit(table())
    assert np.isfinite([detector.kl_divergence_, detector.variant_distance_]).all()


@pytest.mark.parametrize("score_type", ["discriminator", "combined"])
def test_early_stopping_monitors_the_reconstruction_error(score_type, device):
    class Shifted(IdentityNetworks):
        def decoder(self, latent_dim, n_features):
            return nn.Sequential(IdentityDecoder(), Shift(2.0))

    params = {"networks": Shifted((8,)), "early_stopping": True, "score_type": score_type}
    detector = make_identity(device=device, **params).fit(table())
    assert detector.history_[:, "valid_loss"] == pytest.approx([4.0, 4.0], rel=1e-5)


def test_samples_have_the_noise_of_the_variants(device):
    X = table() * [1, 2, 3, 4]
    detector = make_identity(noise_scale=1.0, reservoir_size=1, device=device).fit(X)
    rows = detector.sample(20_000, random_state=0)
    np.testing.assert_allclose(rows.mean(axis=0), X[0], atol=0.02 * X.std(axis=0).max())
    np.testing.assert_allclose(rows.std(axis=0), X.std(axis=0) / 3**0.5, rtol=0.03)


def test_a_large_sample_begins_with_every_smaller_one(device):
    detector = make(n_members=2, categorical="gumbel", device=device).fit(mixed())
    large = detector.sample(1500, random_state=3)
    assert large.shape == (1500, 7)
    for n_samples in (1, 10, 1024, 1025):
        rows = detector.sample(n_samples, kind="outlier", random_state=3)
        assert_same_bits(rows, large[:n_samples])
    assert_one_hot(large)  # because each row comes from one member


def test_inliers_cannot_be_sampled(device):
    detector = make(device=device).fit(table())
    message = r"ARN cannot sample rows of kind='inlier', only .*'outlier'\. Detectors that can: .*"
    with pytest.raises(ValueError, match=message) as raised:
        detector.sample(kind="inlier")
    assert {"ALAD", "WALDO"} <= set(re.findall(r"\w+", str(raised.value)))
    assert "ARN" not in str(raised.value).split("Detectors that can")[1]


def expected_draws(made, X, groups=()):
    """The sixteen draws for each row; shape (16, n_samples, n_features)."""
    noise = [
        getattr(made, name).cpu().double().numpy()
        for name in ("code_noise", "category_noise", "number_noise", "moments")
    ]
    codes, choices, numbers, (mean, mean_square) = noise
    mu, sd = expected_posterior(made, X)
    logits = numpy_output(made.decoder, mu + sd * codes)
    unit, decoded = np.sqrt(np.maximum(mean_square - mean**2, 0)), logits.copy()
    for group in groups:
        winner = np.argmax((logits + choices)[..., group], axis=-1)
        decoded[..., group] = np.eye(len(group))[winner]
        unit[list(group)] = 0
    return decoded + np.linspace(0, made.noise_scale, 16)[:, None, None] * unit * numbers


@pytest.mark.parametrize("share", [0.7, 1.0], ids=["of some rows", "of all rows"])
@pytest.mark.parametrize("categorical", ["relaxed", "gumbel"])
def test_the_outlier_of_a_row_is_the_nearest_draw_that_is_called_an_outlier(
    categorical, share, device
):
    detector = make(
        categorical=categorical, score_type="discriminator", max_epochs=30, device=device
    ).fit(mixed())
    made = scorer(detector)
    X = mixed(n_samples=200, seed=1).astype(np.float32).astype(float)
    groups = [list(group) for group in detector.categorical_groups_]
    draws = expected_draws(made, X, groups)
    with torch.no_grad():  # move the boundary so that this share of the rows has outlying draws
        made.discriminator.head.bias -= np.quantile(expected_logit(made, draws).min(axis=0), share)
        made.discriminator.head.bias -= 0.1 * (share == 1)
    logits = expected_logit(made, draws)
    distances = np.linalg.norm(X - draws, axis=-1)
    expected = np.array(
        [
            min((j for j in range(16) if logits[j, i] < 0), key=lambda j: distances[j, i])
            if (logits[:, i] < 0).any()
            else logits[:, i].argmin()
            for i in range(200)
        ]
    )
    there_is_one = (logits < 0).any(axis=0)
    assert there_is_one.mean() == pytest.approx(share, abs=0.05)
    assert len(set(expected)) > (1 if share < 1 else 3)
    rows = detector.reconstruct(X, kind="outlier")
    np.testing.assert_allclose(rows, draws[expected, range(200)], rtol=1e-3, atol=1e-4)
    near_half = np.abs(logits[expected, range(200)]) < 1e-4
    assert near_half.sum() < 5
    called = detector.predict(rows) == -1
    assert_same_bits(called[~near_half], there_is_one[~near_half])


@pytest.mark.parametrize("n_members", [1, 2])
def test_the_variant_distance_is_in_units_of_the_spread(n_members, device):
    X = (table() + [0, 3, 0, 0]).astype(np.float32)
    detector = make(n_members=n_members, device=device, reservoir_size=48).fit(X)
    spread = np.linalg.norm(X - X.mean(axis=0), axis=1).mean()
    if n_members == 1:
        distances = [np.linalg.norm(X - detector.reconstruct(X, kind="outlier"), axis=1).mean()]
    else:
        x = torch.from_numpy(X).to(device)
        with torch.no_grad():
            distances = [
                (x - member.reconstruct_as_outlier(x)).norm(dim=1).mean().item()
                for member in member_games(detector)
            ]
    assert detector.variant_distance_ == pytest.approx(np.mean(distances) / spread, rel=1e-3)


# ---------------------------------------------------------------------------------- quality


def normal_rows(n_samples, seed):
    """Rows of a standard normal distribution."""
    return np.random.RandomState(seed).normal(size=(n_samples, 2))


def fit_to_normal_rows(X, labels=None, **params):
    networks = MLP((32, 16), discriminator_layer_sizes=(32, 16))
    base = {"networks": networks, "batch_size": 64, "lr": 3e-3, "max_epochs": 40}
    base = {**base, "score_type": "discriminator", "noise_scale": 2.0, "kl_weight": 0.01}
    return make(**{**base, "label_noise_decay": 0.99, **params}).fit(X, labels=labels)


def test_far_rows_are_outliers_and_variants_are_close_to_their_rows(device):
    detector = fit_to_normal_rows(normal_rows(400, seed=0), device=device)
    X, far = normal_rows(400, seed=1), 6 * np.eye(4, 2) - 6 * np.eye(4, 2, k=-2)
    assert np.mean(detector.predict(X) == 1) > 0.7
    assert set(detector.predict(far)) == {-1}
    variants = detector.reconstruct(X, kind="outlier")
    assert np.mean(detector.predict(variants) == -1) > 0.95
    assert 0 < detector.variant_distance_ < 3
    # Variants are closer to their rows than outliers drawn independently of them.
    drawn = detector.sample(2000, random_state=0)
    drawn = drawn[detector.predict(drawn) == -1][:400]
    distance = np.linalg.norm(X - variants, axis=1).mean()
    assert distance < 0.8 * np.linalg.norm(X[: len(drawn)] - drawn, axis=1).mean()


def test_a_few_known_outliers_lower_the_scores_of_similar_outliers(device):
    X, kind = normal_rows(400, seed=0), np.array([0.8, 0.8]) + 0.2 * normal_rows(104, seed=20)
    known, labels = np.concatenate([X, kind[:4]]), np.repeat([0, -1], [400, 4])  # 1 %

    def rank(detector):
        """Average share of normal rows that score below an outlier that was not known."""
        normal = np.sort(detector.score_samples(normal_rows(400, seed=10)))
        return np.searchsorted(normal, detector.score_samples(kind[4:])).mean() / 400

    unaware = rank(fit_to_normal_rows(X, device=device))
    assert unaware > 0.3
    for players, best in (("discriminator", 0.15), ("both", unaware - 0.05)):
        detector = fit_to_normal_rows(known, labels, supervised_players=players, device=device)
        assert rank(detector) < best
        for player in ("discriminator", "generator"):
            losses = detector.history_[:, f"{player}_loss"]
            assert np.isfinite(losses).all()
            assert max(losses) < 10


@pytest.mark.parametrize("players", ["discriminator", "both"])
def test_known_outliers_affect_only_the_supervised_players(players, device):
    made, x = game(device, supervised_players=players), table()
    elsewhere = x.copy()
    elsewhere[LABELS == -1] += 5
    slopes = {"discriminator": [], "generator": []}
    for rows in (x, elsewhere):
        for player, loss in losses_of_batch(made, rows, LABELS).items():
            parameters = list(made.player_parameters(player))
            slopes[player].append(torch.autograd.grad(loss, parameters, retain_graph=True))
        made.n_batches.zero_()
    same = {
        player: all(torch.equal(one, other) for one, other in zip(*both, strict=True))
        for player, both in slopes.items()
    }
    assert same == {"discriminator": False, "generator": players == "discriminator"}


def test_the_generator_opposes_the_class_of_each_row(device):
    """In equation 4, it makes variants of normal rows normal and those of outliers abnormal."""
    params = {"reconstruction_weight": 0.0, "kl_weight": 0.0, "noise_scale": 0.0}
    made, x = game(device, **params), table()
    shown = []

    def keep(module, inputs, output):
        inputs[0].retain_grad()
        shown.append((inputs[0], output))

    hook = made.discriminator.register_forward_hook(keep)
    losses_of_batch(made, x, LABELS)["generator"].backward()
    hook.remove()
    variant, logits = shown[-1]
    step = variant.detach() - 1e-3 * variant.grad / variant.grad.norm(dim=1, keepdim=True)
    change = (made.discriminator(step) - logits).detach().cpu().numpy()
    assert np.all(change[LABELS != -1] > 0)
    assert np.all(change[LABELS == -1] < 0)


# ------------------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    "params",
    [
        {"kl_weight": 0.0},
        {"objective": "elbo"},
        {"adversarial_weight": 0.0},
        {"reconstruction_weight": 0.0},
        {"noise_scale": 0.0, "label_noise": 0.0},
        {"kl_schedule": "annealed", "categorical": "gumbel"},
    ],
    ids=lambda params: "-".join(params),
)
def test_ablations_require_only_parameters(params, device):
    whole = make(device=device).fit(mixed(), labels=LABELS)
    detector = make(device=device, **params).fit(mixed(), labels=LABELS)
    scores = detector.score_samples(mixed(seed=1))
    assert np.isfinite(scores).all()
    assert not np.allclose(scores, whole.score_samples(mixed(seed=1)))


WRONG = {
    "latent_dim": 0,
    "networks": "mlp",
    "adversarial_weight": -0.1,
    "reconstruction_weight": -1,
    "kl_weight": -1.0,
    "kl_schedule": "linear",
    "free_bits": -0.5,
    "noise_scale": -1,
    "label_noise": 0.6,
    "label_noise_decay": 1.1,
    "categorical": "one-hot",
    "categorical_groups": "all",
    "annealing": 0.0,
    "output_activation": "tanh",
    "objective": "elbow",
    "reservoir_size": 0,
    "score_type": "error",
}


@pytest.mark.parametrize(("name", "value"), WRONG.items(), ids=WRONG)
def test_invalid_parameters_raise_an_error(name, value):
    with pytest.raises(InvalidParameterError, match=f"The '{name}' parameter of ARN must be"):
        make(**{name: value}).fit(table())


def test_a_collapse_of_several_members_is_reported_once():
    with pytest.warns(ConvergenceWarning, match="collapsed to the prior") as caught:
        make(n_members=3, kl_weight=1000.0, max_epochs=60, free_bits=0.0).fit(table())
    assert len(caught) == 1


def test_replaced_values_are_seen_by_the_encoder_and_not_restored_to():
    """The columns have different values, so that a replaced value tells its column."""
    x = torch.arange(200.0).reshape(50, 4).double()
    seen = []
    for replaced in (0.0, 0.5):
        made = game(replaced=replaced, adversarial_weight=0.0, kl_weight=0.0, noise_scale=0.0)
        made.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        made.draw_variants = lambda z: (x + 2, x + 2)
        with torch.random.fork_rng():
            assert dict(made.play(x))["generator"].item() == pytest.approx(4)
    as_it_is, replaced = seen
    assert torch.equal(as_it_is, x)
    assert ((replaced - x) % 4 == 0).all()
    assert 0.3 < (replaced != x).double().mean() < 0.7
