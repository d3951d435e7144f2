"""Gradients with respect to rows."""

import pytest
import torch

from skgad.base import input_gradient


def cubes(x):
    return x.pow(3).sum(-1)


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_it_is_the_gradient_of_each_row_in_any_mode(mode):
    with mode():
        x = torch.arange(6.0).reshape(2, 3)
        gradient = input_gradient(cubes, x)
        torch.testing.assert_close(gradient, 3 * x**2)
    assert not x.requires_grad


def test_it_can_be_differentiated_in_training_only():
    weight = torch.tensor(2.0, requires_grad=True)
    x = torch.ones(4, 2)
    penalty = input_gradient(lambda x: weight * cubes(x), x).square().sum()
    penalty.backward()
    assert weight.grad.item() == 2 * 2.0 * 9 * 8
    with torch.no_grad():
        assert not input_gradient(lambda x: weight * cubes(x), x).requires_grad


def test_it_passes_gradients_on_to_the_network_that_made_the_rows():
    scale = torch.tensor(1.5, requires_grad=True)
    input_gradient(cubes, scale * torch.ones(1, 1)).sum().backward()
    assert scale.grad.item() == 6 * 1.5
