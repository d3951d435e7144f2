"""Spectral normalization of the layers of a network."""

from typing import Any

import torch
from torch import nn
from torch.func import functional_call
from torch.linalg import vector_norm
from torch.nn.functional import normalize


class SpectralNorm(nn.Module):
    """Layer whose weight is divided by its largest singular value [1]_.

    Each training pass makes one step of the power iteration, which keeps up with the changes of
    the weight. torch's own implementation is a parametrization, and parametrized modules
    cannot be pickled.

    .. versionadded:: 0.1

    Parameters
    ----------
    layer : torch.nn.Linear or convolution
        Layer whose ``weight`` is treated as a matrix with one row per output.

    References
    ----------
    .. [1] T. Miyato, T. Kataoka, M. Koyama and Y. Yoshida. "Spectral Normalization for
       Generative Adversarial Networks". ICLR 2018, algorithm 1.
    """

    layer: Any
    u: torch.Tensor

    def __init__(self, layer: nn.Module):
        super().__init__()
        self.layer = layer
        self.register_buffer("u", normalize(torch.randn(len(self.layer.weight)), dim=0))
        for _ in range(15):
            self.iterate()

    @torch.no_grad()
    def iterate(self) -> None:
        """Make one step of the power iteration for the first left singular vector."""
        matrix = self.layer.weight.flatten(1)
        u = matrix @ (self.u @ matrix)
        self.u.copy_(u / vector_norm(u))

    @property
    def weight(self) -> torch.Tensor:
        """Weight divided by its spectral norm, which is the norm of ``u @ weight``."""
        weight = self.layer.weight
        return weight / vector_norm(self.u.clone() @ weight.flatten(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Output of the layer with the normalized weight."""
        if self.training:
            self.iterate()
        if isinstance(self.layer, nn.Linear):  # functional_call takes longer than a small layer
            return nn.functional.linear(x, self.weight, self.layer.bias)
        return functional_call(self.layer, {"weight": self.weight}, (x,))


def spectrally_normalized(network: nn.Module) -> nn.Module:
    """Wrap each layer of a network that has a weight matrix in a :class:`SpectralNorm`.

    .. versionadded:: 0.1

    Parameters
    ----------
    network : torch.nn.Module
        Network, changed in place.

    Returns
    -------
    torch.nn.Module
        The network, or its wrapper if it is a single layer.
    """
    if isinstance(network, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)):
        return SpectralNorm(network)
    for name, child in network.named_children():
        setattr(network, name, spectrally_normalized(child))
    return network
