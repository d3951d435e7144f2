"""Losses, scores, ablations and parameters of ALAD, and the networks of its paper."""

import pickle

import numpy as np
import pytest
import torch
from common import Spy, affine_layers, assert_same_bits, build_game, moves_of, state, table, tiny
from torch import nn

from skgad import ALAD, MLP
from skgad.networks import Discriminator, SpectralNorm, hidden_layers, mlp

ROWS = table(n_samples=20).astype(np.float32)
NETWORKS = MLP(hidden_layer_sizes=(8,), discriminator_layer_sizes=(7, 6))


def make_game(device="cpu", **params):
    """A game with biases other than zero."""
    params = {"latent_dim": 2, "latent_weight": 1.0, "score_type": "features", **params}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        game = build_game(ALAD(**{"networks": NETWORKS, **params}), ROWS)
        for p in game.parameters():
            p.data += 0.1 * torch.randn(p.shape)
    return game.to(device)


def hidden(network, x):
    """Activations of the last hidden layer, in float64 numpy."""
    for weight, bias in affine_layers(network)[:-1]:
        x = x @ weight.T + bias
        x = np.where(x > 0, x, 0.2 * x)
    return x


def output(network, x):
    """Output of a network, in float64 numpy."""
    weight, bias = affine_layers(network)[-1]
    return hidden(network, x) @ weight.T + bias


def logit(network, *inputs):
    return output(network, np.concatenate(inputs, axis=1))[:, 0]


def log_sigmoid(t):
    return -np.log(1 + np.exp(-t))


# ----------------------------------------------------------------------------------- losses


def play(game, x, seed=0):
    """Moves of one mini-batch, and the codes drawn for it."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        moves = [(player, loss) for player, loss in game.play(x)]
        torch.manual_seed(seed)
        return moves, game.sample_latent(x).cpu().double().numpy()


def pairs_by_hand(game, x, z):
    """The real and the fake pair of each discriminator, computed in numpy."""
    encoded, decoded = output(game.encoder, x), output(game.decoder, z)
    yield game.d_xz, (x, encoded), (decoded, z)
    yield game.d_xx, (x, x), (x, output(game.decoder, encoded))
    if game.d_zz is not None:
        yield game.d_zz, (z, z), (z, output(game.encoder, decoded))


@pytest.mark.parametrize("latent_discriminator", [True, False])
def test_discriminators_minimize_the_cross_entropy_of_their_pairs(latent_discriminator, device):
    game = make_game(device, latent_discriminator=latent_discriminator)
    moves, z = play(game, torch.from_numpy(ROWS).to(device))
    assert [player for player, _ in moves] == ["discriminator", "generator"]
    expected = 0
    for D, real, fake in pairs_by_hand(game, ROWS.astype(float), z):
        called_real, called_fake = log_sigmoid(logit(D, *real)), log_sigmoid(-logit(D, *fake))
        expected -= called_real.mean() + called_fake.mean()
    assert moves[0][1].shape == ()
    assert moves[0][1].item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("latent_weight", [1.0, 0.1, 0.0])
@pytest.mark.parametrize("latent_discriminator", [True, False])
def test_encoder_and_decoder_minimize_the_loss_with_exchanged_labels(
    latent_discriminator, latent_weight, device
):
    game = make_game(device, latent_discriminator=latent_discriminator, latent_weight=latent_weight)
    moves, z = play(game, torch.from_numpy(ROWS).to(device))
    (D, real, fake), *cycles = pairs_by_hand(game, ROWS.astype(float), z)
    expected = -(log_sigmoid(-logit(D, *real)).mean() + log_sigmoid(logit(D, *fake)).mean())
    for (D, _, fake), weight in zip(cycles, (1, latent_weight), strict=False):
        expected -= weight * log_sigmoid(logit(D, *fake)).mean()
    assert moves[1][1].item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_gradients_agree_with_the_formula(player, device):
    """Compare with losses that are written as logarithms, in double precision."""
    game = make_game(device).double()
    x = torch.from_numpy(ROWS).double().to(device)
    moves, _ = play(game, x)
    parameters = list(game.player_parameters(player))
    gradients = torch.autograd.grad(dict(moves)[player], parameters)

    E, G = game.encoder, game.decoder
    with torch.random.fork_rng():
        torch.manual_seed(0)
        z = game.sample_latent(x)
    real = [game.d_xz(x, E(x)), game.d_xx(x, x), game.d_zz(z, z)]
    fake = [game.d_xz(G(z), z), game.d_xx(x, G(E(x))), game.d_zz(z, E(G(z)))]
    if player == "generator":
        real, fake = fake, real
    loss = -sum(torch.log(torch.sigmoid(r)).mean() for r in real)
    loss = loss - sum(torch.log(1 - torch.sigmoid(f)).mean() for f in fake)
    expected = torch.autograd.grad(loss, parameters)
    assert len(expected) == {"discriminator": 18, "generator": 8}[player]
    for ours, theirs in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(ours.cpu(), theirs.cpu(), rtol=1e-8, atol=1e-12)


def test_losses_are_finite_if_probabilities_are_zero_or_one(device):
    game = make_game(device)
    with torch.no_grad():
        for D in (game.d_xz, game.d_xx, game.d_zz):
            D.head.bias += 1000
    for _, loss in play(game, torch.from_numpy(ROWS).to(device))[0]:
        assert 0 <= loss.item() < 1e4


def test_encoder_and_decoder_move_after_the_discriminators(device):
    batches = moves_of(tiny("ALAD", device=device, max_epochs=1), table())
    assert batches == [[{"d_xz", "d_xx", "d_zz"}, {"encoder", "decoder"}]] * 3


def test_the_discriminator_of_codes_is_optional(device):
    detector = tiny("ALAD", device=device, latent_discriminator=False).fit(table())
    assert detector.net_.module_.game.d_zz is None
    assert not [name for name in state(detector) if "d_zz" in name]
    with_it = tiny("ALAD", device=device).fit(table())
    assert [name for name in state(with_it) if "d_zz" in name]
    ratio = detector.history_[0, "discriminator_loss"] / with_it.history_[0, "discriminator_loss"]
    assert ratio == pytest.approx(2 / 3, rel=0.2)


# ----------------------------------------------------------------------------------- scores


@pytest.mark.parametrize("score_type", ["features", "l1", "l2", "logits", "combined"])
def test_scores_agree_with_their_formulas(score_type, device):
    game = make_game(device, score_type=score_type).eval()
    x = ROWS.astype(float)
    x_hat = output(game.decoder, output(game.encoder, x))
    f, f_hat = (hidden(game.d_xx, np.hstack([x, other])) for other in (x, x_hat))
    expected = {
        "features": np.abs(f - f_hat).sum(1),
        "l1": np.abs(x - x_hat).sum(1),
        "l2": np.sqrt(((x - x_hat) ** 2).sum(1)),
        "logits": -logit(game.d_xx, x, x_hat),
    }
    expected["combined"] = np.exp((np.log(expected["features"]) + np.log(expected["l2"])) / 2)
    expected = expected[score_type]
    with torch.no_grad():
        scores = game.score(torch.from_numpy(ROWS).to(device)).cpu().numpy()
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("score_type", ["features", "l1", "l2", "logits", "combined"])
def test_detector_uses_its_score_type(score_type, device):
    detector = tiny("ALAD", device=device, score_type=score_type).fit(table())
    scorer = detector.net_.module_.scorer
    assert scorer.score_type == score_type
    with torch.no_grad():
        scores = scorer.score(torch.from_numpy(table().astype(np.float32)).to(device))
    np.testing.assert_allclose(
        detector.score_samples(table()), -scores.cpu().numpy(), rtol=1e-4, atol=1e-6
    )


def test_the_score_type_does_not_change_the_training(device):
    one = tiny("ALAD", device=device, score_type="features").fit(table())
    other = tiny("ALAD", device=device, score_type="l1").fit(table())
    assert_same_bits(state(one), state(other))
    assert (one.score_samples(table()) != other.score_samples(table())).all()


def test_codes_and_reconstructions_are_outputs_of_the_networks(device):
    detector = tiny("ALAD", device=device).fit(table())
    game = detector.net_.module_.scorer
    codes = output(game.encoder, table())
    np.testing.assert_allclose(detector.transform(table()), codes, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(
        detector.reconstruct(table()), output(game.decoder, codes), rtol=1e-3, atol=1e-5
    )


class IdentityDecoder(MLP):
    """Networks whose decoder returns the codes, so that samples are codes."""

    def decoder(self, latent_dim, n_features):
        return nn.Identity()


@pytest.mark.filterwarnings("ignore:The generated rows have collapsed")
def test_samples_are_decoded_from_the_prior(device):
    networks = IdentityDecoder(hidden_layer_sizes=(8,))
    detector = tiny("ALAD", device=device, latent_dim=4, networks=networks).fit(table())
    codes = detector.sample(20_000, latent="own", random_state=0)
    np.testing.assert_allclose(codes.mean(0), np.zeros(4), atol=0.03)
    np.testing.assert_allclose(np.cov(codes.T), np.eye(4), atol=0.05)


def test_dropout_is_active_only_during_training(device):
    networks = MLP(hidden_layer_sizes=(8,), dropout=0.5)
    detector = tiny("ALAD", device=device, networks=networks).fit(table())
    assert_same_bits(detector.score_samples(table()), detector.score_samples(table()))
    scorer = detector.net_.module_.scorer
    x = table()[:5]
    x_hat = output(scorer.decoder, output(scorer.encoder, x))
    expected = np.abs(
        hidden(scorer.d_xx, np.hstack([x, x])) - hidden(scorer.d_xx, np.hstack([x, x_hat]))
    ).sum(1)
    np.testing.assert_allclose(-detector.score_samples(x), expected, rtol=1e-3, atol=1e-5)
    modes = []
    tiny(
        "ALAD",
        device=device,
        networks=networks,
        early_stopping=True,
        callbacks=[Spy("on_grad_computed", lambda net: modes.append(net.module_.training))],
    ).fit(table())
    assert len(modes) == 2 * 2 * 3
    assert all(modes)  # also after the validation at the end of the first epoch


# ---------------------------------------------------------------------- spectral normalization


def affine_parts(network):
    """Affine layers, with their spectral normalization if they have one."""
    if isinstance(network, (nn.Linear, SpectralNorm)):
        yield network
    else:
        for part in network.children():
            yield from affine_parts(part)


def largest_singular_values(network):
    """Largest singular value of each affine layer, measured by the outputs of the layer."""
    network.eval()
    values = []
    for part in affine_parts(network):
        n_inputs = getattr(part, "layer", part).in_features
        eye = torch.eye(n_inputs, device=next(part.parameters()).device)
        with torch.no_grad():
            matrix = part(eye) - part(torch.zeros_like(eye))
        values.append(np.linalg.svd(matrix.cpu().numpy())[1][0])
    return values


def test_spectral_norm_normalizes_encoder_and_discriminators(device):
    params = {"device": device, "max_epochs": 20, "lr": 1e-2, "ema_decay": None}
    normal = tiny("ALAD", spectral_norm=True, **params).fit(table())
    game = normal.net_.module_.game
    for name in ("encoder", "d_xz", "d_xx", "d_zz"):
        values = largest_singular_values(getattr(game, name))
        assert len(values) == 2
        np.testing.assert_allclose(values, 1, rtol=0.05, err_msg=name)
    assert max(abs(np.subtract(largest_singular_values(game.decoder), 1))) > 0.1
    plain = tiny("ALAD", spectral_norm=False, **params).fit(table())
    game = plain.net_.module_.game
    for name in ("encoder", "d_xz", "d_xx", "d_zz"):
        assert max(abs(np.subtract(largest_singular_values(getattr(game, name)), 1))) > 0.1


def test_ablations_can_be_combined(device):
    detector = tiny("ALAD", device=device, spectral_norm=True, latent_discriminator=False)
    game = detector.fit(table()).net_.module_.game
    assert game.d_zz is None
    np.testing.assert_allclose(largest_singular_values(game.d_xx), 1, rtol=0.1)


class Affine(MLP):
    """Networks whose encoder is a single layer rather than a sequence."""

    def encoder(self, n_features, latent_dim):
        return nn.Linear(n_features, latent_dim)


def test_a_network_of_a_single_layer_is_normalized(device):
    detector = tiny("ALAD", device=device, spectral_norm=True, networks=Affine((8,)))
    game = detector.set_params(max_epochs=10).fit(table()).net_.module_.game
    np.testing.assert_allclose(largest_singular_values(game.encoder), 1, rtol=0.1)


def test_averaged_weights_are_normalized(device):
    detector = tiny(
        "ALAD", device=device, spectral_norm=True, ema_decay=0.9, max_epochs=20, lr=1e-3
    ).fit(table())
    game = detector.net_.module_.averaged_game
    for name in ("encoder", "d_xz", "d_xx", "d_zz"):
        np.testing.assert_allclose(largest_singular_values(getattr(game, name)), 1, rtol=0.05)


def test_scoring_and_pickling_keep_the_state_of_spectral_normalization(device):
    detector = tiny("ALAD", device=device, spectral_norm=True, warm_start=True).fit(table())
    before, scores = state(detector), detector.score_samples(table())
    detector.sample(3), detector.reconstruct(table())
    assert_same_bits(state(detector), before)
    loaded = pickle.loads(pickle.dumps(detector))
    assert_same_bits(loaded.score_samples(table()), scores)
    assert_same_bits(state(loaded.partial_fit(table())), state(detector.partial_fit(table())))


# ------------------------------------------------------------------ networks of the paper


class PaperNetworks:
    """Small versions of the networks of the paper for KDD99, built for `networks=`."""

    def encoder(self, n_features, latent_dim):
        return mlp((n_features, 6, latent_dim))

    def decoder(self, latent_dim, n_features):
        return mlp((latent_dim, 6, 12, n_features), "relu")

    def d_xz(self, n_features, latent_dim):
        branch_x = nn.Sequential(
            nn.Linear(n_features, 12),
            nn.BatchNorm1d(12, eps=1e-3, momentum=0.01),
            nn.LeakyReLU(0.2),
        )
        branch_z = hidden_layers((latent_dim, 12), dropout=0.5)
        return Discriminator(hidden_layers((24, 12), dropout=0.5), 12, [branch_x, branch_z])

    def d_xx(self, *n_inputs):
        return Discriminator(hidden_layers((sum(n_inputs), 12), dropout=0.2), 12)

    def d_zz(self, *n_inputs):
        return Discriminator(hidden_layers((sum(n_inputs), 3), dropout=0.2), 3)

    def discriminator(self, *n_inputs):
        raise NotImplementedError("each discriminator has its own method")


@pytest.mark.parametrize("n_samples", [48, 49])
def test_networks_of_the_paper_can_be_trained(n_samples, device):
    """Batch-norm fails on a single row, which 49 rows in mini-batches of 16 would leave."""
    rows = table(n_samples)
    detector = tiny("ALAD", device=device, networks=PaperNetworks(), ema_decay=0.9).fit(rows)
    game = detector.net_.module_.game
    assert isinstance(game.d_xz.branches[0][1], nn.BatchNorm1d)
    statistics = game.d_xz.branches[0][1]
    # Real and fake pairs, two moves, three mini-batches and two epochs.
    assert statistics.num_batches_tracked.item() == 2 * 2 * 3 * 2
    order = np.random.RandomState(0).permutation(n_samples)
    scores = detector.score_samples(rows)
    assert_same_bits(detector.score_samples(rows[order]), scores[order])
    codes = output(detector.net_.module_.scorer.encoder, rows)
    np.testing.assert_allclose(detector.transform(rows), codes, rtol=1e-3, atol=1e-5)


def test_each_branch_receives_its_own_input(device):
    game = make_game(device, networks=PaperNetworks()).eval()
    x = torch.from_numpy(ROWS).to(device)
    z = x[:, :2]
    d = game.d_xz
    joined = torch.cat([d.branches[0](x), d.branches[1](z)], dim=-1)
    expected = d.head(d.body(joined))[:, 0]
    np.testing.assert_allclose(d(x, z).detach().cpu(), expected.detach().cpu(), rtol=1e-6)


# ----------------------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("latent_dim", 0),
        ("latent_dim", 1.5),
        ("latent_weight", -0.1),
        ("networks", 3),
        ("score_type", "feature"),
        ("latent_discriminator", "yes"),
        ("spectral_norm", 3),
        ("ema_decay", 1.0),
        ("ema_decay", "slow"),
    ],
)
def test_an_invalid_parameter_is_named(parameter, value, device):
    with pytest.raises(ValueError, match=f"The '{parameter}' parameter of ALAD must be"):
        tiny("ALAD", **{"device": device, parameter: value}).fit(table())


def test_the_latent_dimension_may_exceed_the_number_of_features(device):
    detector = tiny("ALAD", device=device, latent_dim=9).fit(table())
    assert detector.transform(table()).shape == (48, 9)


def test_the_default_networks_are_mlps(device):
    detector = ALAD(max_epochs=1, random_state=0, device=device).fit(table())
    other = ALAD(networks=MLP(), max_epochs=1, random_state=0, device=device).fit(table())
    assert_same_bits(state(detector), state(other))


def test_early_stopping_monitors_the_mean_absolute_error(device):
    game = make_game(device)
    x = ROWS.astype(float)
    expected = np.abs(x - output(game.decoder, output(game.encoder, x))).mean()
    loss = game.validation_loss(torch.from_numpy(ROWS).to(device))
    assert loss.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("betas", [None, (0.9, 0.99)])
def test_adam_has_the_betas_of_the_paper_by_default(betas, device):
    net_params = None if betas is None else {"optimizer__betas": betas}
    detector = tiny("ALAD", device=device, net_params=net_params).fit(table())
    assert type(detector.net_.optimizer_) is torch.optim.Adam
    (group,) = detector.net_.optimizer_.param_groups
    assert group["betas"] == (betas or (0.5, 0.999))


def test_the_latent_weight_reaches_the_averaged_game(device):
    detector = tiny("ALAD", device=device, latent_weight=0.25, n_members=2).fit(table())
    module = detector.net_.module_
    assert {game.latent_weight for game in module.games} == {0.25}
