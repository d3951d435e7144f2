"""Losses, stages, center, radius, scores and warnings of Deep SVDD."""

import numpy as np
import pytest
import torch
from common import Spy, assert_same_bits, build_game, recorder, state, table, tiny
from sklearn.exceptions import ConvergenceWarning
from torch import nn

from skgad import MLP, DeepSVDD

ROWS = table(n_samples=21).astype(np.float32)
STAGES = {"pretraining": 2, "warm_up": 2, "max_epochs": 6}


def make_game(device="cpu", **params):
    """A game in the last stage of the training, with a center other than the initial one."""
    params = {"latent_dim": 3, "networks": MLP((8,)), **params}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        game = build_game(DeepSVDD(**params), ROWS)
        game.center.copy_(torch.randn(1, 3))
    return game.to(device)


def encode(game, x):
    """Codes of rows by an encoder of two layers without biases, in float64 numpy."""
    first, _, last = game.encoder
    first, last = (layer.weight.detach().cpu().double().numpy() for layer in (first, last))
    hidden = x @ first.T
    return np.where(hidden > 0, hidden, 0.2 * hidden) @ last.T


def squared_distances(game, x):
    return ((encode(game, x) - game.center.cpu().double().numpy()) ** 2).sum(axis=1)


# ----------------------------------------------------------------------------------- losses


def test_one_class_minimizes_the_mean_squared_distance_to_the_center(device):
    game = make_game(device)
    ((player, loss),) = game.play(torch.from_numpy(ROWS).to(device))
    assert player == "encoder"
    assert loss.shape == ()
    assert loss.item() == pytest.approx(squared_distances(game, ROWS).mean(), rel=1e-5)


@pytest.mark.parametrize("nu", [0.05, 0.3])
@pytest.mark.parametrize("phase", ["training", "warm-up"])
def test_soft_boundary_minimizes_the_radius_and_what_lies_outside(nu, phase, device):
    game = make_game(device, objective="soft_boundary", nu=nu)
    game.phase = phase
    game.radius.fill_(7)
    ((player, loss),) = game.play(torch.from_numpy(ROWS).to(device))
    distances = squared_distances(game, ROWS)
    squared_radius = 0 if phase == "warm-up" else np.quantile(distances, 1 - nu)
    excess = np.maximum(0, distances - squared_radius)
    assert player == "encoder"
    assert loss.item() == pytest.approx(squared_radius + excess.mean() / nu, rel=1e-5)
    assert game.radius.item() == pytest.approx(np.sqrt(squared_radius), rel=1e-5)


def test_the_autoencoder_minimizes_the_mean_squared_error(device):
    game = make_game(device)
    game.phase = "pretraining"
    x = torch.from_numpy(ROWS).to(device)
    ((player, loss),) = game.play(x)
    x_hat = game.decoder(game.encoder(x)).detach().cpu().numpy()
    assert player == "autoencoder"
    assert loss.item() == pytest.approx(((ROWS - x_hat) ** 2).mean(), rel=1e-5)


# ----------------------------------------------------------------------------------- stages


@pytest.mark.parametrize("objective", ["one_class", "soft_boundary"])
def test_the_stages_follow_each_other(objective, device):
    radii, spy = recorder("on_epoch_end", lambda net: net.module_.game.radius.item())
    detector = tiny("DeepSVDD", device=device, objective=objective, callbacks=[spy], **STAGES)
    detector.fit(table())
    losses = [sorted(key for key in row if key.endswith("r_loss")) for row in detector.history_]
    assert losses == [["autoencoder_loss"]] * 2 + [["encoder_loss"]] * 4
    moving = [radius > 0 for radius in radii]
    assert moving == [False] * 4 + [objective == "soft_boundary"] * 2


def test_stages_can_be_proportions_of_the_mini_batches(device):
    stages = {"pretraining": 0.5, "warm_up": 0.25, "max_epochs": 4}  # of 3 mini-batches each

    def left(net):
        return tuple(net.module_.phases_left.tolist())

    counts, spy = recorder("on_batch_begin", left)
    tiny("DeepSVDD", device=device, callbacks=[spy], **stages).fit(table())
    assert counts == [(n, 3) for n in range(6, 0, -1)] + [(0, 3), (0, 2), (0, 1)] + [(0, 0)] * 3


def test_each_stage_moves_its_networks_only(device):
    weights, spy = recorder("on_epoch_end", lambda net: numbers_of(net.module_.game))
    tiny("DeepSVDD", device=device, callbacks=[spy], **STAGES).fit(table())
    for before, after, moved in ((0, 1, {"encoder", "decoder"}), (1, 2, {"encoder"})):
        old, new = weights[before], weights[after]
        changed = [name for name in old if not np.array_equal(old[name], new[name])]
        assert {name.partition(".")[0] for name in changed} == moved


def numbers_of(game):
    return {name: p.detach().cpu().numpy().copy() for name, p in game.named_parameters()}


def test_the_optimizer_starts_anew_after_the_pretraining(device):
    steps = []

    def record(net):
        weight = net.module_.game.encoder[0].weight
        steps.append(int(net.optimizer_.state[weight].get("step", 0)))

    spy = Spy("on_epoch_end", record)
    tiny("DeepSVDD", device=device, callbacks=[spy], **STAGES).fit(table())
    assert steps == [3, 0, 3, 6, 9, 12]


def test_a_continued_training_does_not_start_with_the_pretraining_again(device):
    detector = tiny("DeepSVDD", device=device).fit(table())
    center = detector.net_.module_.game.center.clone()
    detector.partial_fit(table())
    assert "encoder_loss" in detector.history_[-1]
    assert "autoencoder_loss" not in detector.history_[-1]
    assert torch.equal(detector.net_.module_.game.center, center)


@pytest.mark.parametrize("n_members", [1, 2])
def test_a_pretraining_can_be_continued(n_members, device):
    """Scores of a detector that is still in the pre-training use the center of its own codes."""
    params = {"pretraining": 2, "max_epochs": 3, "n_members": n_members, "device": device}
    expected = tiny("DeepSVDD", **params).fit(table())
    detector = tiny("DeepSVDD", **params).partial_fit(table())
    scorer, codes = detector.net_.module_.scorer, detector.transform(table())
    center = codes.astype(float).mean(axis=0).reshape(scorer.center.shape)
    center = np.where(np.abs(center) < 0.1, np.copysign(0.1, center), center)
    np.testing.assert_allclose(scorer.center.cpu(), center, rtol=1e-5)
    assert np.isfinite(detector.score_samples(table())).all()
    assert_same_bits(state(detector.partial_fit(table()).partial_fit(table())), state(expected))


def test_early_stopping_ignores_the_pretraining(device):
    """The initial center is far from the codes, or close to them, whatever the encoder learns."""
    stages = {"pretraining": 6, "warm_up": 0, "max_epochs": 12, "n_iter_no_change": 2}
    detector = tiny("DeepSVDD", device=device, early_stopping=True, **stages).fit(table())
    assert detector.n_iter_ > 6
    best = 6 + np.argmin(detector.history_[6:, "valid_loss"])
    centers, spy = recorder("on_epoch_end", lambda net: numbers_of(net.module_.game))
    tiny("DeepSVDD", device=device, early_stopping=True, callbacks=[spy], **stages).fit(table())
    assert_same_bits(numbers_of(detector.net_.module_.game), centers[best])


# ------------------------------------------------------------------------ center and radius


@pytest.mark.parametrize("pretraining", [0, 1])
def test_the_center_is_the_mean_code_before_the_encoder_moves_alone(pretraining, device):
    codes = []

    def record(net):
        with torch.no_grad():
            codes.append(net.module_.game.encoder(torch.from_numpy(rows).to(device)).cpu().numpy())

    rows = table().astype(np.float32)
    detector = tiny("DeepSVDD", device=device, pretraining=pretraining, latent_dim=8)
    detector.set_params(callbacks=[Spy("on_epoch_begin", record)], networks=MLP((8,)))
    detector.fit(rows)
    center = codes[pretraining].mean(axis=0, keepdims=True)
    is_small = np.abs(center) < 0.1
    assert is_small.any()
    expected = np.where(is_small, np.where(center < 0, -0.1, 0.1), center)
    np.testing.assert_allclose(detector.net_.module_.game.center.cpu(), expected, rtol=1e-4)


def test_entries_of_the_center_are_never_zero(device):
    game = make_game(device)
    codes = np.float32([[0, -0.01, 3], [0, 0.05, 5]])
    game.prepare(lambda function: codes, np.zeros(2))
    np.testing.assert_allclose(game.center.cpu(), [[0.1, 0.1, 4]])


@pytest.mark.parametrize("nu", [0.1, 0.4])
def test_soft_boundary_decides_at_the_radius_of_all_training_rows(nu, device):
    X = table(400)
    detector = tiny("DeepSVDD", device=device, nu=nu).fit(X)
    game = detector.net_.module_.game
    distances = squared_distances(game, X.astype(np.float32))
    expected = np.quantile(distances, 1 - nu)
    assert game.radius.item() ** 2 == pytest.approx(expected, rel=1e-4)
    np.testing.assert_allclose(-detector.train_scores_, distances - expected, rtol=1e-3, atol=1e-3)
    assert detector.offset_ == 0
    assert (detector.predict(X) == -1).mean() == pytest.approx(nu, abs=0.01)
    other = tiny("DeepSVDD", device=device, nu=nu, objective="one_class").fit(X)
    assert (other.predict(X) == -1).mean() == pytest.approx(0.05, abs=0.01)
    learned = tiny("DeepSVDD", device=device, nu=nu, score_type="neighbors").fit(X)
    assert learned.offset_ < 0


def test_the_score_is_the_squared_distance_to_the_center(device):
    detector = tiny("DeepSVDD", device=device, objective="one_class").fit(table())
    X = table(30, seed=3).astype(np.float32)
    expected = squared_distances(detector.net_.module_.game, X)
    np.testing.assert_allclose(-detector.score_samples(X), expected, rtol=1e-3)


# ------------------------------------------------------------------------------- collapses


def test_biases_of_the_encoder_are_zero(device):
    class Shifted(MLP):
        """Networks whose layers have biases other than zero."""

        def encoder(self, n_features, latent_dim):
            network = super().encoder(n_features, latent_dim).append(nn.LayerNorm(latent_dim))
            for name, parameter in network.named_parameters():
                nn.init.ones_(parameter) if "bias" in name else None
            return network

    params = {"networks": Shifted((8,)), "n_members": 2, "device": device}
    detector = tiny("DeepSVDD", **params).fit(table())
    encoder = dict(detector.net_.module_.game.encoder.named_parameters())
    biases = [parameter for name, parameter in encoder.items() if "bias" in name]
    assert len(biases) == 3
    assert not any(bias.any() for bias in biases)
    assert detector.net_.module_.game.decoder[0].bias.any()


@pytest.mark.parametrize("activation", [nn.Tanh(), nn.Sigmoid(), nn.ReLU6()])
def test_bounded_activations_raise_an_error(activation, device):
    class Bounded(MLP):
        def encoder(self, n_features, latent_dim):
            return nn.Sequential(nn.Linear(n_features, latent_dim), activation)

    with pytest.raises(ValueError, match=f"has a {type(activation).__name__}, which is bounded"):
        tiny("DeepSVDD", device=device, networks=Bounded()).fit(table())


@pytest.mark.parametrize("n_members", [1, 2])
def test_a_collapse_is_noticed(n_members, device):
    class Constant(nn.Linear):
        """A bias that is not named like one."""

        def forward(self, x):
            return self.weight.mean(-1) + 0 * x[..., : len(self.weight)]

    class Collapsing(MLP):
        def encoder(self, n_features, latent_dim):
            return Constant(n_features, latent_dim, bias=False)

    params = {"networks": Collapsing((8,)), "n_members": n_members, "device": device}
    with pytest.warns(ConvergenceWarning, match="The encoder collapsed"):
        tiny("DeepSVDD", **params).fit(table())


# ------------------------------------------------------------------------------ parameters


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("objective", "soft"),
        ("nu", 0),
        ("nu", 1.0),
        ("pretraining", 1.0),
        ("warm_up", -1),
        ("latent_dim", 0),
        ("score_type", "mahalanobis"),
    ],
)
def test_an_invalid_parameter_is_named(parameter, value, device):
    with pytest.raises(ValueError, match=f"The '{parameter}' parameter of DeepSVDD must be"):
        tiny("DeepSVDD", **{"device": device, parameter: value}).fit(table())


def test_rows_can_be_neither_reconstructed_nor_sampled(device):
    detector = tiny("DeepSVDD", device=device).fit(table())
    with pytest.raises(ValueError, match="DeepSVDD cannot reconstruct rows.*Autoencoder"):
        detector.reconstruct(table())
    with pytest.raises(ValueError, match="DeepSVDD cannot sample rows"):
        detector.sample()


def test_weights_decay_as_in_the_paper(device):
    detector = tiny("DeepSVDD", device=device).fit(table())
    (group,) = detector.net_.optimizer_.param_groups
    assert group["weight_decay"] == 1e-6
