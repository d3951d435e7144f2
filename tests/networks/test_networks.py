"""Families of networks, and what users may plug in."""

import numpy as np
import pytest
import torch
from common import assert_same_bits, state, table, tiny
from scipy.special import ndtr
from sklearn.base import BaseEstimator, clone
from torch import nn

from skgad import MLP
from skgad.networks import (
    Discriminator,
    SpectralNorm,
    build,
    hidden_layers,
    mlp,
    spectrally_normalized,
)


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def layers(network, kind=nn.Linear):
    return [module for module in network.modules() if isinstance(module, kind)]


def widths(network):
    return [(layer.in_features, layer.out_features) for layer in layers(network)]


def test_the_decoder_mirrors_the_encoder():
    networks = MLP(hidden_layer_sizes=(16, 8))
    assert widths(networks.encoder(5, 2)) == [(5, 16), (16, 8), (8, 2)]
    assert widths(networks.decoder(2, 5)) == [(2, 8), (8, 16), (16, 5)]


def test_discriminators_have_half_the_encoders_hidden_layers_unless_told():
    assert widths(MLP((16, 7)).discriminator(5, 2)) == [(7, 8), (8, 4), (4, 1)]
    networks = MLP((16, 8), discriminator_layer_sizes=(4,))
    assert widths(networks.discriminator(5, 5)) == [(10, 4), (4, 1)]
    assert widths(networks.encoder(5, 2)) == [(5, 16), (16, 8), (8, 2)]


def test_outputs_are_affine_and_hidden_layers_are_not():
    for network in (MLP((16, 8)).encoder(5, 2), mlp((5, 16, 8, 2))):
        assert len(layers(network, nn.LeakyReLU)) == 2
        assert isinstance(list(network.modules())[-1], nn.Linear)
    assert isinstance(list(hidden_layers((5, 16, 8)).modules())[-1], nn.LeakyReLU)


def test_without_hidden_layers_an_encoder_is_affine():
    networks = MLP(hidden_layer_sizes=(), discriminator_layer_sizes=(4,))
    assert widths(networks.encoder(5, 2)) == [(5, 2)]
    assert widths(networks.decoder(2, 5)) == [(2, 5)]


def test_a_discriminator_without_hidden_layers_is_refused():
    for networks in (MLP(()), MLP((8,), discriminator_layer_sizes=())):
        with pytest.raises(ValueError, match="discriminator needs a hidden layer"):
            networks.discriminator(3, 3)


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        ("relu", lambda x: np.maximum(x, 0)),
        ("leaky_relu", lambda x: np.where(x > 0, x, 0.2 * x)),
        ("tanh", np.tanh),
        ("silu", lambda x: x / (1 + np.exp(-x))),
        ("gelu", lambda x: x * ndtr(x)),
        ("elu", lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0)))),
    ],
)
def test_activations_are_what_they_are_called(activation, expected):
    layer = hidden_layers((3, 4), activation)
    x = torch.linspace(-3, 3, 30).reshape(10, 3)
    affine = x.numpy() @ layer[0].weight.detach().numpy().T
    np.testing.assert_allclose(layer(x).detach(), expected(affine), rtol=1e-4, atol=1e-6)


def test_an_unknown_activation_is_refused_with_the_known_ones(device):
    with pytest.raises(ValueError, match="'swish' is not known.*leaky_relu.*tanh"):
        tiny("ALAD", device=device, networks=MLP((8,), activation="swish")).fit(table())


def test_only_discriminators_drop_units_and_only_in_training():
    networks = MLP((16, 8), dropout=0.5)
    assert not layers(networks.encoder(5, 2), nn.Dropout)
    assert not layers(networks.decoder(2, 5), nn.Dropout)
    discriminator = networks.discriminator(5, 2)
    assert [layer.p for layer in layers(discriminator, nn.Dropout)] == [0.5, 0.5]
    assert not layers(MLP((16, 8)).discriminator(5, 2), nn.Dropout)
    x, z = torch.ones(50, 5), torch.ones(50, 2)
    with torch.no_grad():
        dropped, kept = discriminator(x, z), discriminator.eval()(x, z)
    assert dropped.max() - dropped.min() > 1e-2
    assert kept.max() - kept.min() < 1e-5


def test_weights_start_as_glorots_and_without_bias():
    layer = layers(MLP((200,)).encoder(100, 7))[0]
    weight, limit = layer.weight.detach().numpy(), np.sqrt(6 / 300)
    assert abs(weight).max() <= limit
    np.testing.assert_allclose(weight.std(), limit / np.sqrt(3), rtol=0.02)
    assert (layer.bias == 0).all()


def test_features_are_the_activations_that_the_logit_is_made_of():
    discriminator = MLP((16, 8)).discriminator(5, 2).eval()
    x, z = torch.randn(6, 5), torch.randn(6, 2)
    first, second, head = layers(discriminator)

    def leaky(x):
        return np.where(x > 0, x, 0.2 * x)

    joined = np.concatenate([x.numpy(), z.numpy()], axis=1)
    hidden = leaky(joined @ first.weight.detach().numpy().T)
    features = leaky(hidden @ second.weight.detach().numpy().T)
    np.testing.assert_allclose(
        discriminator.features(x, z).detach(), features, rtol=1e-4, atol=1e-6
    )
    logits = (features @ head.weight.detach().numpy().T)[:, 0]
    assert discriminator(x, z).shape == (6,)
    np.testing.assert_allclose(discriminator(x, z).detach(), logits, rtol=1e-4, atol=1e-6)


def test_branches_go_before_the_joint_layers():
    branches = [nn.Linear(5, 3), nn.Linear(2, 4)]
    discriminator = Discriminator(hidden_layers((7, 6)), 6, branches)
    x, z = torch.randn(8, 5), torch.randn(8, 2)
    plain = Discriminator(discriminator.body, 6)
    expected = plain.features(branches[0](x), branches[1](z))
    assert_same_bits(discriminator.features(x, z).detach().numpy(), expected.detach().numpy())
    assert {id(p) for b in branches for p in b.parameters()} < {
        id(p) for p in discriminator.parameters()
    }
    with pytest.raises(ValueError, match="shorter|longer"):
        discriminator.features(x)


def test_networks_work_on_the_last_dimension():
    networks = MLP((16, 8))
    x, z = torch.randn(3, 4, 5), torch.randn(3, 4, 2)
    assert networks.encoder(5, 2)(x).shape == (3, 4, 2)
    discriminator = networks.discriminator(5, 2)
    assert discriminator(x, z).shape == (3, 4)
    assert discriminator.features(x, z).shape == (3, 4, 4)


def test_a_method_named_after_a_network_comes_before_its_kind():
    class Own(MLP):
        def d_xx(self, *widths):
            return "own", widths

    assert build(Own(), "d_xx", "discriminator", 3, 4) == ("own", (3, 4))
    assert isinstance(build(Own((8,)), "d_xz", "discriminator", 3, 4), Discriminator)


def test_every_layer_of_a_normalized_network_has_norm_one():
    plain = nn.Sequential(nn.Linear(9, 7), nn.Sequential(nn.ReLU(), nn.Linear(7, 5)))
    weights = [layer.weight.detach().numpy().copy() for layer in layers(plain)]
    network = spectrally_normalized(plain)
    for _ in range(200):  # each pass in training mode is a step of power iteration
        network(torch.zeros(1, 9))
    parts = layers(network.eval(), SpectralNorm)
    assert len(parts) == 2
    for part, weight in zip(parts, weights, strict=True):
        eye = torch.eye(weight.shape[1])
        matrix = (part(eye) - part(0 * eye)).detach().numpy().T  # what the layer does
        np.testing.assert_allclose(matrix, weight / np.linalg.svd(weight)[1][0], atol=1e-4)


def test_the_norm_is_part_of_the_gradient():
    """The norm of the weight does not matter, so the gradient has no part along the weight."""
    part = SpectralNorm(nn.Linear(4, 3)).eval()
    part(torch.randn(20, 4)).square().sum().backward()
    weight, gradient = part.layer.weight, part.layer.weight.grad
    assert gradient.norm() > 0.1
    assert abs((weight * gradient).sum()) < 1e-4 * weight.norm() * gradient.norm()


@pytest.mark.parametrize("batch_norm", [False, True])
def test_both_halves_are_judged_as_each_would_be_alone(batch_norm):
    norm = nn.BatchNorm1d(6) if batch_norm else nn.Identity()
    body = nn.Sequential(nn.Linear(7, 6), norm, nn.Tanh())
    discriminator = Discriminator(body, 6)
    real = torch.randn(8, 5) + 3, torch.randn(8, 2)
    fake = torch.randn(8, 5), torch.randn(8, 2) - 3
    expected = [discriminator(*real), discriminator(*fake)]
    for ours, theirs in zip(discriminator.judge(real, fake), expected, strict=True):
        assert ours.shape == (8,)
        np.testing.assert_allclose(ours.detach(), theirs.detach(), rtol=1e-4, atol=1e-6)


def test_mlp_is_an_estimator_to_search_over():
    networks = MLP((4,), (3,), "tanh", 0.2)
    assert networks.get_params() == {
        "hidden_layer_sizes": (4,),
        "discriminator_layer_sizes": (3,),
        "activation": "tanh",
        "dropout": 0.2,
    }
    assert repr(clone(networks)) == repr(networks)


class Plain:
    """A user's networks: no estimator, three methods and no more."""

    def encoder(self, n_features, latent_dim):
        return nn.Linear(n_features, latent_dim)

    def decoder(self, latent_dim, n_features):
        return nn.Linear(latent_dim, n_features, bias=False)

    def discriminator(self, *n_inputs):
        return Discriminator(Product(*n_inputs), 7)


class Product(nn.Module):
    """A body of a user's own, with a layer that has no bias."""

    def __init__(self, *n_inputs):
        super().__init__()
        self.layer = nn.Linear(sum(n_inputs), 7, bias=False)
        self.gate = nn.Linear(sum(n_inputs), 7)

    def forward(self, x):
        return torch.tanh(self.layer(x)) * nn.functional.linear(x, weight=self.gate.weight)


def test_networks_of_a_user_are_trained_and_score_bit_by_bit(device):
    rows, order = table(n_features=33), np.random.RandomState(0).permutation(48)
    detector = tiny("ALAD", device=device, networks=Plain()).fit(rows)
    scores = detector.score_samples(rows)
    assert_same_bits(detector.score_samples(rows[order]), scores[order])
    assert clone(detector).fit(rows).n_iter_ == 2
    assert {a.shape for k, a in state(detector).items() if "encoder" in k} == {(2, 33), (2,)}


@pytest.mark.parametrize("missing", ["encoder", "decoder", "discriminator"])
def test_networks_without_a_method_are_refused(missing, device):
    methods = {"encoder", "decoder", "discriminator"} - {missing}
    networks = type("Lacking", (BaseEstimator,), dict.fromkeys(methods, print))()
    with pytest.raises(ValueError, match="The 'networks' parameter of ALAD must be"):
        tiny("ALAD", device=device, networks=networks).fit(table())


@pytest.mark.parametrize("sizes", [100, (8.0,), (-1,), (0,), "16", None])
def test_widths_that_are_none_are_refused(sizes, device):
    message = "hidden_layer_sizes must be a tuple of positive integers"
    with pytest.raises(ValueError, match=message):
        tiny("ALAD", device=device, networks=MLP(hidden_layer_sizes=sizes)).fit(table())


def test_a_class_of_networks_is_refused(device):
    with pytest.raises(ValueError, match=r"networks=MLP is a class: give an instance of it, MLP\("):
        tiny("ALAD", device=device, networks=MLP).fit(table())


def test_all_networks_have_the_activation_that_was_asked_for():
    networks = MLP((16, 8), activation="tanh")
    for network in (networks.encoder(5, 2), networks.decoder(2, 5), networks.discriminator(5, 2)):
        assert len(layers(network, nn.Tanh)) == 2
        assert not layers(network, nn.LeakyReLU)


def test_mlp_drops_hidden_units_only():
    network = mlp((5, 16, 8, 2), dropout=0.5)
    assert [layer.p for layer in layers(network, nn.Dropout)] == [0.5, 0.5]
    assert isinstance(list(network.modules())[-1], nn.Linear)


def test_a_layer_is_normalised_from_the_start():
    part = SpectralNorm(nn.Linear(9, 7)).eval()
    assert np.linalg.svd(part.weight.detach())[1][0] == pytest.approx(1, rel=0.02)
