"""Families of networks that detectors are built from.

The ``networks`` parameter of a detector accepts any object with the three methods of
:class:`MLP`: ``encoder(n_features, latent_dim)`` and ``decoder(latent_dim, n_features)``, which
return any module, and ``discriminator(*n_inputs)``, which returns a :class:`Discriminator`.
:class:`~skgad.SkipGANomaly` needs ``unet(n_features, latent_dim)`` instead of encoder and decoder.
A further method with the name of one network of the method, such as ``d_xz``, builds that network
instead.

With several members, the networks of all members are computed together. :func:`stacking` tells how.
"""

from ._build import build
from ._convnet import ConvNet, OnImages
from ._discriminator import Discriminator
from ._layers import hidden_layers, linear, mlp
from ._mlp import MLP
from ._spectral_norm import SpectralNorm, spectrally_normalized
from ._stack import stacking

__all__ = [
    "MLP",
    "ConvNet",
    "Discriminator",
    "OnImages",
    "SpectralNorm",
    "build",
    "hidden_layers",
    "linear",
    "mlp",
    "spectrally_normalized",
    "stacking",
]


def __dir__() -> list[str]:
    return __all__
