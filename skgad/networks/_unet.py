"""Networks with skip connections between the layers of an encoder and those of a decoder."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class SkipConnection(nn.Sequential):
    """Layers whose output is appended to their input, along the last dimension.

    Feature maps are rows for it, as for :class:`~skgad.networks.OnImages`: appended to each other,
    they are stacked along their channels.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Input and output of the layers, side by side."""
        return torch.cat([x, super().forward(x)], dim=-1)


def unet(down: Sequence[nn.Module], up: Sequence[nn.Module]) -> nn.Sequential:
    """Connect an encoder and a decoder by skip connections.

    Parameters
    ----------
    down : sequence of torch.nn.Module
        Parts of the encoder, of which the last one computes the codes.
    up : sequence of torch.nn.Module
        As many parts of the decoder, of which the first one decodes the codes. Each of the others
        takes the output of the part of the encoder that is as far from the codes, followed by that
        of the decoder so far.

    Returns
    -------
    torch.nn.Sequential
        The network, which maps rows to rows.
    """
    layers = [down[-1], up[0]]
    for encode, decode in zip(down[-2::-1], up[1:], strict=True):
        layers = [encode, SkipConnection(*layers), decode]
    return nn.Sequential(*layers)
