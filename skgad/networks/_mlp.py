"""Multi-layer perceptrons, for rows of a table."""

from itertools import pairwise
from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator
from torch import nn

from ._discriminator import Discriminator
from ._layers import hidden_layers, linear, mlp
from ._unet import unet


class MLP(BaseEstimator):
    """Family of multi-layer perceptrons, for rows of a table.

    .. versionadded:: 0.1

    Parameters
    ----------
    hidden_layer_sizes : tuple of int, default=(128, 64)
        Widths of the hidden layers of the encoder. The decoder has them in reverse order.
    discriminator_layer_sizes : tuple of int or None, default=None
        Widths of the hidden layers of the discriminators, at least one. By default, they are half
        of ``hidden_layer_sizes``.
    activation : {"elu", "gelu", "leaky_relu", "relu", "silu", "tanh"}, default="leaky_relu"
        Activation of the hidden layers.
    dropout : float, default=0.0
        Probability of dropping a hidden unit of the discriminators during training.

    See Also
    --------
    ConvNet : Convolutional networks, for images.

    Examples
    --------
    >>> from skgad import ALAD, MLP
    >>> detector = ALAD(networks=MLP(hidden_layer_sizes=(32, 16)))
    >>> detector.set_params(networks__activation="tanh").networks.activation
    'tanh'
    """

    def __init__(
        self,
        hidden_layer_sizes: tuple[int, ...] = (128, 64),
        discriminator_layer_sizes: tuple[int, ...] | None = None,
        activation: str = "leaky_relu",
        dropout: float = 0.0,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.discriminator_layer_sizes = discriminator_layer_sizes
        self.activation = activation
        self.dropout = dropout

    def encoder(self, n_features: int, latent_dim: int) -> nn.Module:
        """Build a network that maps rows to codes.

        Parameters
        ----------
        n_features : int
            Width of the rows.
        latent_dim : int
            Width of the codes.

        Returns
        -------
        encoder : torch.nn.Module
        """
        return mlp((n_features, *self._widths("hidden_layer_sizes"), latent_dim), self.activation)

    def decoder(self, latent_dim: int, n_features: int) -> nn.Module:
        """Build a network that maps codes to rows.

        Parameters
        ----------
        latent_dim : int
            Width of the codes.
        n_features : int
            Width of the rows.

        Returns
        -------
        decoder : torch.nn.Module
        """
        hidden = self._widths("hidden_layer_sizes")[::-1]
        return mlp((latent_dim, *hidden, n_features), self.activation)

    def discriminator(self, *n_inputs: int) -> Discriminator:
        """Build a network that maps a tuple of inputs to a logit.

        Parameters
        ----------
        *n_inputs : int
            Width of each input.

        Returns
        -------
        discriminator : Discriminator
        """
        if self.discriminator_layer_sizes is None:
            hidden = tuple(-(-size // 2) for size in self._widths("hidden_layer_sizes"))
        else:
            hidden = self._widths("discriminator_layer_sizes")
        if not hidden:
            raise ValueError(
                "discriminator_layer_sizes is empty, but a discriminator needs at least one "
                "hidden layer."
            )
        body = hidden_layers((sum(n_inputs), *hidden), self.activation, self.dropout)
        return Discriminator(body, hidden[-1])

    def unet(self, n_features: int, latent_dim: int) -> nn.Module:
        """Build an encoder and a decoder with skip connections, which maps rows to rows.

        Each hidden layer of the decoder, and its output layer, also receives the activations of the
        hidden layer of the encoder that has the same width.

        Parameters
        ----------
        n_features : int
            Width of the rows.
        latent_dim : int
            Width of the codes, which are between the encoder and the decoder.

        Returns
        -------
        network : torch.nn.Module
        """
        hidden = self._widths("hidden_layer_sizes")
        sizes = (n_features, *hidden)
        down = [hidden_layers(pair, self.activation) for pair in pairwise(sizes)]
        n_inputs = (latent_dim, *(2 * size for size in reversed(hidden)))
        *inner, last = zip(n_inputs, reversed(sizes), strict=True)
        up = [hidden_layers(pair, self.activation) for pair in inner]
        return unet([*down, linear(sizes[-1], latent_dim)], [*up, linear(*last)])

    def _widths(self, name):
        sizes = getattr(self, name)
        if not np.iterable(sizes) or any(not isinstance(n, Integral) or n < 1 for n in sizes):
            raise ValueError(
                f"{name} must be a tuple of positive integers such as (128, 64), got {sizes!r}."
            )
        return tuple(sizes)
