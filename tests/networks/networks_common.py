"""Helpers of several files in this folder."""

from torch import nn


def layers(network, kind=nn.Linear):
    """Modules of a kind in a network."""
    return [module for module in network.modules() if isinstance(module, kind)]


def widths(network):
    """Widths of inputs and outputs of the affine layers."""
    return [(layer.in_features, layer.out_features) for layer in layers(network)]
