"""How games build networks, also from networks that a user has written."""

import numpy as np
import pytest
import torch
from common import assert_same_bits, state, table, tiny
from sklearn.base import BaseEstimator, clone
from torch import nn

from skgad import MLP, ConvNet
from skgad.base import build
from skgad.networks import Discriminator
from skgad.networks._build import image_shape

pytestmark = pytest.mark.usefixtures("seeded")


def test_a_method_with_the_name_of_a_network_builds_it():
    class Own(MLP):
        def d_xx(self, *widths):
            return "own", widths

    assert build(Own(), "d_xx", "discriminator", 3, 4) == ("own", (3, 4))
    assert isinstance(build(Own((8,)), "d_xz", "discriminator", 3, 4), Discriminator)


def test_only_convolutional_networks_have_an_image_shape():
    assert image_shape(None) is None
    assert image_shape(MLP()) is None
    assert image_shape(ConvNet((3, 8, 6))) == (3, 8, 6)


class Plain:
    """Networks of a user: only the three methods, without BaseEstimator."""

    def encoder(self, n_features, latent_dim):
        return nn.Linear(n_features, latent_dim)

    def decoder(self, latent_dim, n_features):
        return nn.Linear(latent_dim, n_features, bias=False)

    def discriminator(self, *n_inputs):
        return Discriminator(Product(*n_inputs), 7)


class Product(nn.Module):
    """Body of a discriminator, with a layer without bias and a functional call."""

    def __init__(self, *n_inputs):
        super().__init__()
        self.layer = nn.Linear(sum(n_inputs), 7, bias=False)
        self.gate = nn.Linear(sum(n_inputs), 7)

    def forward(self, x):
        return torch.tanh(self.layer(x)) * nn.functional.linear(x, weight=self.gate.weight)


def test_scores_of_networks_of_a_user_do_not_depend_on_the_order_of_rows(device):
    rows, order = table(n_features=33), np.random.RandomState(0).permutation(48)
    detector = tiny("ALAD", device=device, networks=Plain()).fit(rows)
    scores = detector.score_samples(rows)
    assert_same_bits(detector.score_samples(rows[order]), scores[order])
    assert clone(detector).fit(rows).n_iter_ == 2
    assert {a.shape for k, a in state(detector).items() if "encoder" in k} == {(2, 33), (2,)}


@pytest.mark.parametrize("missing", ["encoder", "decoder", "discriminator"])
def test_networks_without_a_method_raise_an_error(missing, device):
    methods = {"encoder", "decoder", "discriminator"} - {missing}
    networks = type("Incomplete", (BaseEstimator,), dict.fromkeys(methods, print))()
    with pytest.raises(ValueError, match="The 'networks' parameter of ALAD must be"):
        tiny("ALAD", device=device, networks=networks).fit(table())
