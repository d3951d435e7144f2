"""WALDO, WAE and CoRA: losses, advantage, decision and generated rows."""

import inspect
import pickle

import numpy as np
import pytest
import torch
from common import (
    SHARED,
    assert_same_bits,
    build_game,
    kinds,
    member_games,
    moves_of,
    state,
    table,
    tiny,
)
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError
from sklearn.metrics import f1_score
from torch import nn

import skgad
from skgad import MLP, WAE, WALDO, CoRA
from skgad.detectors._waldo import WALDOGame

NETWORKS = MLP(hidden_layer_sizes=(8,), discriminator_layer_sizes=(7,))

#: Parameters of the detectors and games, unless a test sets others.
WALDO_PARAMS = {
    "latent_dim": 2,
    "networks": NETWORKS,
    "prior_weight": 0.1,
    "prior_scale": 1.0,
    "prior_on": "positive",
    "outlier_decoder": True,
    "advantage": True,
    "advantage_quantile": 0.0,
    "advantage_decay": 0.0,
    "score_type": "difference",
}

#: Known inliers, unlabeled rows and known outliers of ``table()``.
LABELS = np.repeat([1, 0, -1], [12, 30, 6])


def make(cls, **params):
    accepted = inspect.signature(cls).parameters
    base = {name: value for name, value in WALDO_PARAMS.items() if name in accepted}
    if cls is WAE:  # has no decoders to compare
        base["score_type"] = "inlier"
    return cls(**{**SHARED, "contamination": "auto", **base, **params})


def game(device="cpu", n_features=4, **params):
    """A game in double precision, with noise added to all parameters."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = WALDOGame(n_features=n_features, **{**WALDO_PARAMS, **params})
        for p in made.parameters():
            p.data += 0.3 * torch.randn(p.shape)
    return made.double().to(device)


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


def expected_errors(game, x):
    """Errors of both decoders for each row. A single decoder takes both places."""
    codes = numpy_output(game.encoder, x)
    decoders = [game.decoder, game.outlier_decoder or game.decoder]
    return [((numpy_output(G, codes) - x) ** 2).sum(axis=1) / x.shape[1] for G in decoders]


def positions_by_label(labels):
    """Positions of the rows of P and of U. If one is empty, the other takes its place."""
    positive = [j for j, label in enumerate(labels) if label == 1]
    unlabeled = [j for j, label in enumerate(labels) if label == 0]
    return positive or unlabeled, unlabeled or positive


def expected_advantage(e_i, e_o, labels, quantile):
    """Line 8 of the algorithm: lowest outlier error on U minus lowest inlier error on P."""
    positive, unlabeled = positions_by_label(labels)
    return np.quantile(e_o[unlabeled], quantile, method="lower") - np.quantile(
        e_i[positive], quantile, method="lower"
    )


def expected_losses(game, x, labels, advantage, z, params):
    """Losses of the two players, and the assignment y, of algorithm 1."""
    positive, unlabeled = positions_by_label(labels)
    codes = numpy_output(game.encoder, x)
    seen = positive if params["prior_on"] == "positive" else sorted({*positive, *unlabeled})
    losses = {}
    if params["prior_weight"]:
        D_prior = 1 / (1 + np.exp(-numpy_output(game.discriminator, params["prior_scale"] * z)))
        D_codes = 1 / (1 + np.exp(-numpy_output(game.discriminator, codes[seen])))
        losses["discriminator"] = -np.mean(np.log(D_prior)) - np.mean(np.log(1 - D_codes))

    e_i, e_o = expected_errors(game, x)
    y = [int(params["outlier_decoder"] and not e_i[j] + advantage <= e_o[j]) for j in unlabeled]
    loss = np.mean([e_o[j] if y_j else e_i[j] for j, y_j in zip(unlabeled, y, strict=True)])
    loss += np.mean([e_i[j] for j in positive])
    if params["outlier_decoder"] and -1 in labels:
        loss += np.mean([e_o[j] for j, label in enumerate(labels) if label == -1])
    if params["prior_weight"]:
        loss -= params["prior_weight"] * np.mean(np.log(D_codes))
    losses["autoencoder"] = loss
    return losses, y


def losses_of_batch(game, x, labels):
    """Losses of one mini-batch, without any update."""
    device = next(game.parameters()).device
    labels = None if labels is None else torch.tensor(labels, dtype=torch.int8, device=device)
    return dict(game.play(torch.from_numpy(x).to(device), labels))


batches = {
    "no labels": st.none(),
    "inliers": st.lists(st.sampled_from([0, 1]), min_size=2, max_size=25),
    "outliers": st.lists(st.sampled_from([0, -1]), min_size=2, max_size=25).filter(any),
    "all": st.lists(st.sampled_from([0, 1, -1]), min_size=3, max_size=25),
    "no unlabeled": st.lists(st.sampled_from([1, -1]), min_size=2, max_size=25),
}


@pytest.mark.parametrize("known", batches)
@settings(max_examples=25)
@given(data=st.data())
def test_losses_match_the_algorithm(known, data, device):
    labels = data.draw(batches[known].filter(lambda labels: labels is None or max(labels) >= 0))
    params = {
        "prior_weight": data.draw(st.sampled_from([0.0, 0.1, 2.0])),
        "prior_scale": data.draw(st.sampled_from([1.0, 0.5])),
        "prior_on": data.draw(st.sampled_from(["positive", "all"])),
        "outlier_decoder": data.draw(st.booleans()),
        "advantage": data.draw(st.booleans()),
        "advantage_quantile": data.draw(st.sampled_from([0.0, 0.3, 1.0])),
        "score_type": "inlier",
    }
    made = game(device, **params)
    x = table(n_samples=20 if labels is None else len(labels), seed=data.draw(st.integers(0, 9)))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        losses = losses_of_batch(made, x, labels)
        torch.manual_seed(0)
        labels = [0] * len(x) if labels is None else labels
        positive, unlabeled = positions_by_label(labels)
        n_seen = len(positive if params["prior_on"] == "positive" else {*positive, *unlabeled})
        z = torch.randn(n_seen, 2, dtype=torch.float64).numpy()
    e_i, e_o = expected_errors(made, x)
    advantage = expected_advantage(e_i, e_o, labels, params["advantage_quantile"])
    advantage = advantage if params["advantage"] else 0
    # If one row has the lowest error of both decoders, they tie on it, and rounding decides.
    assume(np.abs(e_i + advantage - e_o)[unlabeled].min() > 1e-12)
    expected, _ = expected_losses(made, x, labels, advantage, z, params)
    assert list(losses) == list(expected)
    for player in expected:
        assert losses[player].shape == ()
        assert losses[player].item() == pytest.approx(expected[player], rel=1e-9)


def test_no_gradient_goes_through_the_assignment_and_the_advantage(device):
    made = game(device)
    x = table(n_samples=48)
    loss = losses_of_batch(made, x, LABELS)["autoencoder"]
    parameters = list(made.player_parameters("autoencoder"))
    gradients = torch.autograd.grad(loss, parameters)

    e_i, e_o = expected_errors(made, x)
    advantage = expected_advantage(e_i, e_o, LABELS, 0)
    _, y = expected_losses(made, x, LABELS, advantage, np.zeros((12, 2)), WALDO_PARAMS)
    assert 3 <= sum(y) <= 27  # of 30 rows
    y = torch.tensor(y, device=device)
    x = torch.from_numpy(x).to(device)
    codes = made.encoder(x)
    inlier = ((made.decoder(codes) - x) ** 2).mean(1)
    outlier = ((made.outlier_decoder(codes) - x) ** 2).mean(1)
    loss = (y * outlier[12:42] + (1 - y) * inlier[12:42]).mean()
    loss = loss + inlier[:12].mean() + outlier[42:].mean()
    loss = loss - 0.1 * torch.log(torch.sigmoid(made.discriminator(codes[:12]))).mean()
    for ours, theirs in zip(gradients, torch.autograd.grad(loss, parameters), strict=True):
        np.testing.assert_allclose(ours.cpu(), theirs.cpu(), rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("decay", [0.0, 0.9])
def test_the_training_advantage_is_a_moving_average(decay, device):
    made = game(device, advantage_decay=decay)
    advantage = 0
    for seed in range(5):
        x = table(seed=seed)
        loss = losses_of_batch(made, x, LABELS)["autoencoder"].item()
        e_i, e_o = expected_errors(made, x)
        advantage = decay * advantage + (1 - decay) * expected_advantage(e_i, e_o, LABELS, 0)
        params = {**WALDO_PARAMS, "prior_weight": 0}
        expected, y = expected_losses(made, x, LABELS, advantage, None, params)
        prior = torch.log(
            torch.sigmoid(made.discriminator(made.encoder(as_tensor(device, x[:12]))))
        )
        assert loss == pytest.approx(expected["autoencoder"] - 0.1 * prior.mean().item(), rel=1e-9)
        assert made.training_advantage.item() == pytest.approx(advantage, rel=1e-9)
        assert 0 < sum(y) < len(y)


def as_tensor(device, x):
    return torch.from_numpy(x).to(device)


def test_losses_are_finite_if_probabilities_are_zero_or_one(device):
    x = table()
    for bias in (-1000.0, 1000.0):
        made = game(device)
        with torch.no_grad():
            made.discriminator.head.bias += bias
        losses = losses_of_batch(made, x, LABELS)
        reconstruction = expected_loss_without_prior(made, x)
        penalty = 1000 * (bias < 0)  # for codes that the discriminator calls fake
        assert losses["discriminator"].item() == pytest.approx(1000, rel=0.05)
        prior = losses["autoencoder"].item() - reconstruction
        assert prior == pytest.approx(0.1 * penalty, rel=0.05, abs=1e-12)
        slope = torch.autograd.grad(losses["autoencoder"], made.encoder[-1].bias)[0]
        assert torch.isfinite(slope).all()


def expected_loss_without_prior(made, x):
    e_i, e_o = expected_errors(made, x)
    advantage = expected_advantage(e_i, e_o, LABELS, 0)
    params = {**WALDO_PARAMS, "prior_weight": 0}
    return expected_losses(made, x, LABELS, advantage, None, params)[0]["autoencoder"]


def test_the_encoder_has_a_gradient_if_the_discriminator_is_certain(device):
    made = game(device, prior_weight=1e6)
    with torch.no_grad():
        made.discriminator.head.bias -= 1000
    slope = torch.autograd.grad(
        losses_of_batch(made, table(), LABELS)["autoencoder"], made.encoder[-1].bias
    )
    assert slope[0].abs().max() > 1e3


@pytest.mark.parametrize("prior_on", ["positive", "all"])
def test_prior_on_determines_which_codes_the_discriminator_sees(prior_on, device):
    made, x = game(device, prior_on=prior_on), as_tensor(device, table())
    seen = []
    made.discriminator.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    losses_of_batch(made, table(), LABELS)
    expected = np.flatnonzero(LABELS == 1 if prior_on == "positive" else LABELS != -1)
    codes = made.encoder(x)[expected]
    assert len(seen) == 2
    assert len(seen[0]) == 2 * len(codes)  # and as many draws from the prior
    torch.testing.assert_close(seen[0][len(codes) :], codes)
    torch.testing.assert_close(seen[1], codes)


def test_prior_scale_is_the_standard_deviation_of_the_prior(device):
    made = game(device, prior_scale=0.2)
    seen = []
    made.discriminator.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        losses_of_batch(made, table(n_samples=5000), np.ones(5000))
    assert seen[0][:5000].std().item() == pytest.approx(0.2, rel=0.05)
    assert seen[0][:5000].mean().item() == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("discriminator", [True, False])
def test_the_outlier_decoder_starts_as_a_copy_and_ties_go_to_the_inlier_decoder(
    discriminator, device
):
    torch.manual_seed(0)
    made = WALDOGame(n_features=4, **{**WALDO_PARAMS, "prior_weight": 0.1 * discriminator})
    made.to(device)
    one, other = made.decoder.state_dict(), made.outlier_decoder.state_dict()
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert all(one[name].data_ptr() != other[name].data_ptr() for name in one)
    loss = losses_of_batch(made, table().astype(np.float32), None)["autoencoder"]
    loss.backward()
    assert all(not p.grad.any() for p in made.outlier_decoder.parameters())
    assert all(p.grad.any() for p in made.decoder.parameters())


@pytest.mark.parametrize(
    ("cls", "expected"),
    [
        (WALDO, [{"discriminator"}, {"encoder", "decoder", "outlier_decoder"}]),
        (WAE, [{"discriminator"}, {"encoder", "decoder"}]),
        (CoRA, [{"encoder", "decoder", "outlier_decoder"}]),
    ],
)
def test_a_move_changes_only_the_parameters_of_its_player(cls, expected, device):
    # All rows are in one batch, so the decoders do not differ before the second epoch.
    detector = make(cls, device=device, batch_size=48)
    assert moves_of(detector, table(), labels=LABELS) == [expected] * 2


def test_known_outliers_do_not_affect_the_inlier_decoder_and_the_discriminator():
    made, x = game(), table()
    elsewhere = x.copy()
    elsewhere[LABELS == -1] += 5
    parts = [*made.decoder.parameters(), *made.discriminator.parameters()]
    with torch.random.fork_rng():
        for player in ("discriminator", "autoencoder"):
            gradients = []
            for rows in (x, elsewhere):
                torch.manual_seed(0)
                loss = losses_of_batch(made, rows, LABELS)[player]
                gradients.append(torch.autograd.grad(loss, parts, allow_unused=True))
            for one, other in zip(*gradients, strict=True):
                assert (one is None and other is None) or torch.equal(one, other)


# --------------------------------------------------------------------- scores and decision


def errors_of(detector, X):
    """Errors of the decoders, computed from the reconstructions."""
    X = np.asarray(X, np.float32)
    return [
        np.mean((detector.reconstruct(X, kind=kind).astype(float) - X) ** 2, axis=1)
        for kind in kinds(detector, "reconstruct")
    ]


@pytest.mark.parametrize("cls", [WALDO, CoRA])
@pytest.mark.parametrize("score_type", ["difference", "inlier"])
def test_scores_are_the_errors_of_the_decoders(cls, score_type, device):
    X = table(n_samples=30, seed=1)
    detector = make(cls, device=device, score_type=score_type).fit(table(), labels=LABELS)
    e_i, e_o = errors_of(detector, X)
    expected = e_i - e_o if score_type == "difference" else e_i
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(-detector.score_samples(X), expected, rtol=1e-3, atol=1e-5)


def test_the_score_of_wae_is_its_reconstruction_error(device):
    X = table(n_samples=30, seed=1)
    detector = make(WAE, device=device).fit(table(), labels=LABELS)
    (e_i,) = errors_of(detector, X)
    np.testing.assert_allclose(-detector.score_samples(X), e_i, rtol=1e-3, atol=1e-5)


LABELLINGS = {
    "none": None,
    "inliers": np.maximum(LABELS, 0),
    "outliers": np.minimum(LABELS, 0),
    "both": LABELS,
    "no unlabeled": np.where(LABELS, LABELS, 1),
}


def make_competition(device, **params):
    """WALDO, trained until its decoders share the rows of ``table()``."""
    return make(WALDO, device=device, **{"max_epochs": 30, **params})


@pytest.mark.parametrize("cls", [WALDO, CoRA])
@pytest.mark.parametrize("quantile", [0.0, 0.25])
@pytest.mark.parametrize("labels", LABELLINGS.values(), ids=LABELLINGS)
def test_the_decision_uses_the_advantage_on_all_training_rows(cls, quantile, labels, device):
    detector = make(cls, device=device, max_epochs=30, advantage_quantile=quantile)
    detector.fit(table(), labels=labels)
    e_i, e_o = errors_of(detector, table())
    labels = np.zeros(48) if labels is None else labels
    advantage = expected_advantage(e_i, e_o, labels, quantile)
    assert detector.offset_ == pytest.approx(advantage, rel=1e-3, abs=1e-6)

    X = np.concatenate([table(), table(n_samples=300, seed=1)])
    e_i, e_o = errors_of(detector, X)
    clear = np.abs(e_o - e_i - detector.offset_) > 1e-6
    expected = np.where(e_o < e_i + detector.offset_, -1, 1)
    assert clear.mean() > 0.9
    assert set(expected[clear]) == {-1, 1}
    assert_same_bits(detector.predict(X)[clear], expected[clear])


def test_without_the_advantage_the_smaller_error_decides(device):
    detector = make_competition(device, advantage=False).fit(table(), labels=LABELS)
    assert detector.offset_ == 0
    e_i, e_o = errors_of(detector, table())
    assert_same_bits(detector.predict(table()), np.where(e_o < e_i, -1, 1))


def test_the_decision_on_a_row_does_not_depend_on_the_other_rows(device):
    detector = make_competition(device).fit(table(), labels=LABELS)
    X = table(n_samples=200, seed=1)
    together = detector.predict(X)
    assert set(together) == {-1, 1}
    order = np.random.RandomState(0).permutation(200)
    assert_same_bits(detector.predict(X[order]), together[order])
    assert_same_bits(np.concatenate([detector.predict(row[None]) for row in X[:40]]), together[:40])


@pytest.mark.parametrize("score_type", ["difference", "inlier"])
@pytest.mark.parametrize("contamination", [0.1, 0.25])
def test_contamination_is_the_proportion_of_flagged_training_rows(
    score_type, contamination, device
):
    detector = make_competition(device, score_type=score_type, contamination=contamination)
    detector.fit(table(), labels=LABELS)
    assert np.mean(detector.predict(table()) == -1) == pytest.approx(contamination, abs=1 / 48)
    assert detector.offset_ == np.percentile(detector.train_scores_, 100 * contamination)


@pytest.mark.parametrize("cls", [WALDO, WAE, CoRA])
def test_the_inlier_error_has_no_boundary(cls, device):
    params = {} if cls is WAE else {"score_type": "inlier"}
    detector = make(cls, device=device, **params).fit(table(), labels=LABELS)
    assert detector.offset_ == np.percentile(detector.train_scores_, 5)


def test_the_boundary_of_an_ensemble_is_an_average_in_the_units_of_the_members(device):
    detector = make_competition(device, n_members=3).fit(table(), labels=LABELS)
    scores, boundaries = [], []
    for member in member_games(detector):
        e_i, e_o = expected_errors(member, table().astype(np.float32).astype(float))
        low, median, high = np.percentile(e_i - e_o, [25, 50, 75])
        scores.append((e_i - e_o - median) / (high - low))
        boundaries.append((-expected_advantage(e_i, e_o, LABELS, 0) - median) / (high - low))
    assert np.std(boundaries) > 0.01
    assert detector.offset_ == pytest.approx(-np.mean(boundaries), rel=1e-3)
    np.testing.assert_allclose(-detector.train_scores_, np.mean(scores, axis=0), atol=1e-3)
    outlying = np.mean(scores, axis=0) > np.mean(boundaries)
    assert_same_bits(detector.predict(table()), np.where(outlying, -1, 1))
    assert set(detector.predict(table())) == {-1, 1}


# ---------------------------------------------------------------------------------- labels_


@pytest.mark.parametrize("cls", [WALDO, WAE, CoRA])
def test_labels_are_known_labels_and_the_decision_on_unlabeled_rows(cls, device):
    detector = make(cls, device=device, max_epochs=30).fit(table(), labels=LABELS)
    decided, unknown = detector.predict(table()), LABELS == 0
    assert_same_bits(detector.labels_[unknown], decided[unknown])
    assert (detector.labels_[~unknown] == LABELS[~unknown]).all()
    assert (decided[~unknown] != LABELS[~unknown]).any()  # otherwise the test proves nothing
    assert detector.labels_.dtype == decided.dtype
    assert_same_bits(pickle.loads(pickle.dumps(detector)).labels_, detector.labels_)


def test_without_known_labels_the_labels_are_the_decision(device):
    detector = make_competition(device).fit(table())
    assert set(detector.labels_) == {-1, 1}
    assert_same_bits(detector.labels_, detector.predict(table()))


def test_labels_follow_the_threshold(device):
    detector = make_competition(device).fit(table(), labels=LABELS)
    offset, auto = detector.offset_, detector.labels_
    detector.set_threshold(contamination=0.2)
    moved = detector.labels_
    assert (moved != auto).any()
    assert_same_bits(moved, np.where(LABELS, LABELS, detector.predict(table())))
    detector.set_threshold(contamination="auto")
    assert detector.offset_ == offset
    assert_same_bits(detector.labels_, auto)


def test_labels_require_a_fitted_detector():
    with pytest.raises(NotFittedError):
        make(WALDO).labels_  # noqa: B018


# ----------------------------------------------------------------------------- WAE and CoRA

#: Parameters that have no effect without an outlier decoder. WAE does not have them.
OUTLIER_DECODER_PARAMS = {
    "advantage": True,
    "advantage_quantile": 0.3,
    "advantage_decay": 0.5,
    "score_type": "inlier",
}


@pytest.mark.parametrize("labels", LABELLINGS.values(), ids=LABELLINGS)
def test_waldo_without_the_outlier_decoder_is_wae(labels, device):
    params = {"prior_weight": 0.3, "prior_scale": 0.7, "prior_on": "all"}
    wae = make(WAE, device=device, **params).fit(table(), labels=labels)
    waldo = make(WALDO, device=device, outlier_decoder=False, **OUTLIER_DECODER_PARAMS, **params)
    assert_same_detectors(waldo.fit(table(), labels=labels), wae)


@pytest.mark.parametrize("labels", LABELLINGS.values(), ids=LABELLINGS)
def test_waldo_without_the_prior_is_cora(labels, device):
    params = {**OUTLIER_DECODER_PARAMS, "score_type": "difference"}
    cora = make(CoRA, device=device, **params).fit(table(), labels=labels)
    waldo = make(WALDO, device=device, prior_weight=0.0, prior_scale=3.0, prior_on="all", **params)
    assert_same_detectors(waldo.fit(table(), labels=labels), cora)
    assert "discriminator_loss" not in waldo.history_[-1]


def assert_same_detectors(one, other):
    X = table(n_samples=20, seed=1)
    assert_same_bits(state(one), state(other))
    for method in ("score_samples", "predict", "transform", "reconstruct"):
        assert_same_bits(getattr(one, method)(X), getattr(other, method)(X))
    assert_same_bits(one.labels_, other.labels_)
    assert one.offset_ == other.offset_
    samples = (detector.sample(9, random_state=0) for detector in (one, other))
    assert_same_bits(*samples)


def test_wae_and_cora_have_only_parameters_of_waldo():
    names = {cls: set(inspect.signature(cls).parameters) for cls in (WALDO, WAE, CoRA)}
    prior = {"prior_weight", "prior_scale", "prior_on"}
    competition = set(OUTLIER_DECODER_PARAMS) - {"score_type"}
    assert names[WALDO] - names[WAE] == competition | {"outlier_decoder"}
    assert names[WALDO] - names[CoRA] == prior | {"outlier_decoder"}
    assert names[WAE] | names[CoRA] <= names[WALDO]


# ----------------------------------------------------------------------------- generated rows


class Identity(nn.Module):
    """Identity with a parameter that has no effect."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, x):
        return x + 0 * self.weight


class IdentityNetworks(MLP):
    """Networks whose codes equal the rows."""

    def encoder(self, n_features, latent_dim):
        return Identity()

    def decoder(self, latent_dim, n_features):
        return Identity()


def make_identity(cls, device, **params):
    return make(cls, device=device, networks=IdentityNetworks((8,)), latent_dim=4, **params)


def assert_moments(rows, mean, sd):
    n_samples = len(rows)
    np.testing.assert_allclose(rows.mean(0), mean, atol=5 * np.max(sd) / n_samples**0.5)
    np.testing.assert_allclose(rows.std(0), sd, rtol=5 / n_samples**0.5)


def test_samples_have_the_moments_of_the_codes_of_their_kind(device):
    X = table() * [1, 2, 3, 4] + [0, 5, 0, -5]
    detector = make_identity(WALDO, device).fit(X, labels=LABELS)
    normal = detector.sample(10_000, latent="fitted", random_state=0)
    abnormal = detector.sample(10_000, kind="outlier", random_state=1)
    assert_moments(normal, X[LABELS != -1].mean(0), X[LABELS != -1].std(0))
    assert_moments(abnormal, X[LABELS == -1].mean(0), X[LABELS == -1].std(0))
    assert np.abs(np.corrcoef(X.T) - np.eye(4)).max() > 0.5
    assert np.abs(np.corrcoef(normal.T) - np.eye(4)).max() < 0.05  # only variances are fitted


def test_wae_samples_from_the_codes_of_all_rows_except_known_outliers(device):
    detector = make_identity(WAE, device).fit(table(), labels=LABELS)
    X = table()[LABELS != -1]
    assert_moments(detector.sample(10_000, latent="own", random_state=0), X.mean(0), X.std(0))


@pytest.mark.filterwarnings("ignore:The generated rows have collapsed")
@pytest.mark.parametrize("kind", ["inlier", "outlier"])
def test_samples_from_the_prior_have_its_scale(kind, device):
    detector = make_identity(WALDO, device, prior_scale=0.3).fit(table())
    rows = detector.sample(10_000, kind=kind, latent="prior", random_state=0)
    assert_moments(rows, np.zeros(4), np.full(4, 0.3))


def codes_of_sample(detector, network, **options):
    """Codes that a decoder receives while sampling."""
    seen = []
    hook = getattr(detector.net_.module_.scorer, network).register_forward_hook(
        lambda module, inputs, output: seen.append(inputs[0].cpu().numpy())
    )
    rows = detector.sample(10_000, latent="fitted", random_state=0, **options)
    hook.remove()
    codes = np.concatenate(seen)[:10_000]
    made = getattr(detector.net_.module_.scorer, network)
    np.testing.assert_allclose(rows, numpy_output(made, codes), rtol=1e-3, atol=1e-4)
    return codes


@pytest.mark.filterwarnings("ignore:The generated rows have collapsed")
@pytest.mark.parametrize("cls", [WALDO, CoRA])
def test_the_rows_of_a_kind_are_those_assigned_to_its_decoder(cls, device):
    detector = make(cls, device=device, max_epochs=30).fit(table(), labels=LABELS)
    e_i, e_o = errors_of(detector, table())
    margin = e_i + detector.offset_ - e_o
    assert np.abs(margin[LABELS == 0]).min() > 1e-6
    outlying = np.where(LABELS == 0, margin > 0, LABELS == -1)
    assert 0 < outlying[LABELS == 0].sum() < 30
    codes = detector.transform(table())
    for kind, network in (("inlier", "decoder"), ("outlier", "outlier_decoder")):
        own = codes[outlying == (kind == "outlier")]
        assert_moments(codes_of_sample(detector, network, kind=kind), own.mean(0), own.std(0))


def test_codes_are_taken_from_all_parts_of_a_large_table(device, monkeypatch):
    monkeypatch.setattr("skgad.detectors._waldo.N_CODES", 40)
    X = np.linspace(0, 1, 1000)[:, None] * np.ones(4)
    detector = make_identity(WALDO, device, batch_size=500).fit(X)
    rows = detector.sample(10_000, latent="fitted", random_state=0)
    np.testing.assert_allclose(rows.mean(0), 0.5, atol=0.03)
    np.testing.assert_allclose(rows.std(0), 12**-0.5, rtol=0.1)


@pytest.mark.parametrize("cls", [WALDO, CoRA])
def test_both_decoders_reconstruct(cls, device):
    detector = make(cls, device=device).fit(table(), labels=LABELS)
    made, x = detector.net_.module_.scorer, table(seed=1).astype(np.float32)
    for kind, network in (("inlier", made.decoder), ("outlier", made.outlier_decoder)):
        expected = numpy_output(network, numpy_output(made.encoder, x))
        rows = detector.reconstruct(x, kind=kind)
        np.testing.assert_allclose(rows, expected, rtol=1e-3, atol=1e-4)
    assert np.abs(detector.reconstruct(x) - rows).max() > 0.01


@pytest.mark.filterwarnings("ignore:The generated rows have collapsed")
@pytest.mark.parametrize("kind", ["inlier", "outlier"])
@pytest.mark.parametrize("latent", ["fitted", "prior"])
def test_a_large_sample_begins_with_every_smaller_one(kind, latent, device):
    detector = make_competition(device, n_members=2, max_epochs=2).fit(table(), labels=LABELS)
    options = {"kind": kind, "latent": latent, "random_state": 3}
    large = detector.sample(1500, **options)
    assert large.shape == (1500, 4)
    for n_samples in (1, 10, 1024, 1025):
        assert_same_bits(detector.sample(n_samples, **options), large[:n_samples])


def test_a_kind_without_training_rows_cannot_be_sampled_with_fitted_codes(device):
    detector = make_identity(WALDO, device).fit(table())  # both decoders have no errors
    with pytest.raises(ValueError, match="No training row was an outlier"):
        detector.sample(kind="outlier")
    assert detector.sample(3, kind="outlier", latent="prior").shape == (3, 4)
    assert detector.sample(3, kind="inlier").shape == (3, 4)


def test_codes_of_an_earlier_fit_are_forgotten(device):
    detector = make_identity(WALDO, device).fit(table(), labels=LABELS)
    detector.sample(kind="outlier")
    detector.partial_fit(table())
    with pytest.raises(ValueError, match="No training row was an outlier"):
        detector.sample(kind="outlier")


@pytest.mark.parametrize(("verb", "argument"), [("sample", 3), ("reconstruct", table())])
def test_outliers_require_an_outlier_decoder(verb, argument, device):
    without = make(WALDO, device=device, outlier_decoder=False, score_type="inlier").fit(table())
    message = f"WALDO cannot {verb} rows of kind='outlier', because .* outlier_decoder=False"
    with pytest.raises(ValueError, match=message):
        getattr(without, verb)(argument, kind="outlier")
    with pytest.raises(ValueError, match=f"WAE cannot {verb} rows of kind='outlier', only"):
        getattr(make(WAE, device=device).fit(table()), verb)(argument, kind="outlier")


@pytest.mark.parametrize(("cls", "params"), [(WALDO, {"prior_weight": 0.0}), (CoRA, {})])
def test_without_a_prior_codes_cannot_be_drawn_from_it(cls, params, device):
    detector = make(cls, device=device, **params).fit(table())
    with pytest.raises(ValueError, match=f"{cls.__name__} was fitted without a prior"):
        detector.sample(latent="prior")


@pytest.mark.parametrize("cls", [WALDO, WAE, CoRA])
@pytest.mark.parametrize("wrong", ["codes", None, 1])
def test_an_invalid_value_of_latent_raises_an_error(cls, wrong, device):
    detector = make(cls, device=device).fit(table())
    with pytest.raises(
        ValueError, match=f"latent must be one of .*'fitted', 'prior'.*got {wrong!r}"
    ):
        detector.sample(latent=wrong)


# ---------------------------------------------------------------------------------- quality


def blobs(seed, n_inliers=780, n_outliers=120):
    """Rows near two planes, and which plane they are near. Every second row is for training."""
    rng = np.random.RandomState(seed)

    def plane(n_samples, directions, sd, center):
        rows = sd * rng.normal(size=(n_samples, 2)) @ directions
        return center + rows + 0.1 * rng.normal(size=rows.shape)

    inner, outer = rng.normal(size=(2, 2, 4))
    rows = [plane(n_inliers, inner, 0.5, -1), plane(n_outliers, outer, 0.3, 1.5)]
    X, truth = np.concatenate(rows), np.repeat([1, -1], [n_inliers, n_outliers])
    return X[::2], truth[::2], X[1::2], truth[1::2]


def fit_to_blobs(cls, device, X, labels, max_epochs):
    params = {"networks": MLP((16,)), "batch_size": 50, "lr": 3e-3, "max_epochs": max_epochs}
    return make(cls, device=device, **params).fit(X, labels=labels)


@pytest.mark.parametrize("cls", [WALDO, CoRA])
def test_a_mixture_is_separated_without_a_threshold(cls, device):
    X, truth, X_new, truth_new = blobs(seed=2)
    known = np.arange(len(X)) < 150  # a third of the rows, all of them inliers
    detector = fit_to_blobs(cls, device, X, known.astype(int), max_epochs=80)
    assert f1_score(truth[~known], detector.labels_[~known], pos_label=-1) > 0.8
    assert f1_score(truth_new, detector.predict(X_new), pos_label=-1) > 0.8
    centers = {"inlier": X[truth == 1].mean(0), "outlier": X[truth == -1].mean(0)}
    for kind, other in (("inlier", "outlier"), ("outlier", "inlier")):
        rows = detector.sample(300, kind=kind, random_state=0)
        own = np.linalg.norm(rows - centers[kind], axis=1)
        assert np.mean(own < np.linalg.norm(rows - centers[other], axis=1)) > 0.9
    e_i, e_o = errors_of(detector, X_new[truth_new == -1])
    assert np.median(e_o) < np.median(e_i) / 3


@pytest.mark.parametrize("cls", [WALDO, CoRA])
def test_known_outliers_improve_the_decision(cls, device):
    X, truth, X_new, truth_new = blobs(seed=2)
    known = np.zeros(len(X), int)
    known[np.flatnonzero(truth == -1)[::2]] = -1  # half of the outliers
    f1 = []
    for labels in (None, known):
        detector = fit_to_blobs(cls, device, X, labels, max_epochs=40)
        f1.append(f1_score(truth_new, detector.predict(X_new), pos_label=-1))
    assert f1[1] > 0.6 > f1[0] + 0.3


def test_the_classes_are_public():
    assert {"WALDO", "WAE", "CoRA"} <= set(skgad.__all__)


def test_the_difference_score_requires_two_decoders(device):
    params = {"device": device, "outlier_decoder": False}
    with pytest.raises(ValueError, match="outlier_decoder=False leaves only one"):
        tiny("WALDO", score_type="difference", **params).fit(table())
    detector = tiny("WALDO", **params).fit(table())
    scores = detector.train_scores_
    with pytest.raises(ValueError, match="outlier_decoder=False leaves only one"):
        detector.set_score_type("difference", table())
    assert detector.score_type == "inlier"
    assert_same_bits(detector.score_samples(table()), scores)


@pytest.mark.parametrize("cls", [WALDO, WAE, CoRA])
def test_the_players_move_all_networks_of_the_game(cls):
    networks = [name for group in cls.game_class.players.values() for name in group]
    assert sorted(networks) == sorted(dict(build_game(make(cls)).named_children()))
