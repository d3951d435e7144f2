"""Layers that networks share, with their initial weights."""

from collections.abc import Sequence

from torch import Tensor, nn

from ._random import empty_like, fill

ACTIVATIONS = {
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "leaky_relu": lambda: nn.LeakyReLU(0.2),
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}


class Dropout(nn.Dropout):
    """Dropout that draws the mask of each member of an ensemble from its own generator.

    On the CPU, its masks are those of :class:`torch.nn.Dropout`.

    Parameters
    ----------
    p : float
        Probability of dropping a unit.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Drop units during training."""
        if not self.training or not self.p:
            return x
        kept = fill(empty_like(x), Tensor.bernoulli_, 1 - self.p)
        return x * (kept.div_(1 - self.p) if self.p < 1 else kept)


def glorot(layer):
    """Initialize a layer with Glorot-uniform weights and a bias of zero."""
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def linear(n_inputs: int, n_outputs: int) -> nn.Linear:
    """Build an affine layer with Glorot-uniform weights and a bias of zero.

    .. versionadded:: 0.1

    Parameters
    ----------
    n_inputs : int
        Width of the input.
    n_outputs : int
        Width of the output.

    Returns
    -------
    torch.nn.Linear
        The layer.
    """
    return glorot(nn.Linear(n_inputs, n_outputs))


def activation_layer(activation):
    """Build the activation layer of this name."""
    if activation not in ACTIVATIONS:
        raise ValueError(
            f"Unknown activation={activation!r}. Choose one of {', '.join(ACTIVATIONS)}."
        )
    return ACTIVATIONS[activation]()


def hidden_layers(
    sizes: Sequence[int], activation: str = "leaky_relu", dropout: float = 0.0
) -> nn.Sequential:
    """Stack affine layers, each followed by an activation.

    .. versionadded:: 0.1

    Parameters
    ----------
    sizes : sequence of int
        Widths of the layers, starting with that of the input.
    activation : {"elu", "gelu", "leaky_relu", "relu", "silu", "tanh"}, default="leaky_relu"
        Activation after each affine layer. The leaky ReLU has a slope of 0.2.
    dropout : float, default=0.0
        Probability of dropping a unit during training.

    Returns
    -------
    torch.nn.Sequential
        ``len(sizes) - 1`` affine layers with their activations.
    """
    layers = []
    for n_inputs, n_outputs in zip(sizes, sizes[1:], strict=False):
        layers += [linear(n_inputs, n_outputs), activation_layer(activation)]
        if dropout:
            layers.append(Dropout(dropout))
    return nn.Sequential(*layers)


def mlp(
    sizes: Sequence[int], activation: str = "leaky_relu", dropout: float = 0.0
) -> nn.Sequential:
    """Build a multi-layer perceptron: hidden layers, then an affine output layer.

    .. versionadded:: 0.1

    Parameters
    ----------
    sizes : sequence of int
        Widths of the layers, from the input to the output.
    activation : str, default="leaky_relu"
        Activation of the hidden layers. See :func:`hidden_layers`.
    dropout : float, default=0.0
        Probability of dropping a hidden unit during training.

    Returns
    -------
    torch.nn.Sequential
        The hidden layers and the output layer.
    """
    return nn.Sequential(
        *hidden_layers(sizes[:-1], activation, dropout), linear(sizes[-2], sizes[-1])
    )
