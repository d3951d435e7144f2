"""Families of networks: what a method is built from.

The ``networks`` parameter of a detector takes any object with the three methods of
:class:`MLP`: ``encoder(n_features, latent_dim)`` and ``decoder(latent_dim, n_features)``, which
return any module, and ``discriminator(*n_inputs)``, which returns a :class:`Discriminator`. A
method that is named after one network of the game, as ``d_xz``, builds that network instead.
"""

import torch
from sklearn.base import BaseEstimator
from torch import nn
from torch.func import functional_call
from torch.nn.functional import normalize

__all__ = ["MLP", "Discriminator", "hidden_layers", "mlp"]

ACTIVATIONS = {
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "leaky_relu": lambda: nn.LeakyReLU(0.2),
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}


def linear(n_inputs, n_outputs):
    """Affine layer that starts with Glorot-uniform weights and no bias."""
    layer = nn.Linear(n_inputs, n_outputs)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def hidden_layers(sizes, activation="leaky_relu", dropout=0.0):
    """Affine layers between the ``sizes``, each with its activation.

    Parameters
    ----------
    sizes : sequence of int
        Widths, the input's first.
    activation : {"elu", "gelu", "leaky_relu", "relu", "silu", "tanh"}, default="leaky_relu"
        What follows each affine layer. The leaky ReLU has a slope of 0.2.
    dropout : float, default=0.0
        Probability of dropping a unit in training.

    Returns
    -------
    torch.nn.Sequential
        As many layers as ``sizes`` has steps.
    """
    if activation not in ACTIVATIONS:
        raise ValueError(
            f"activation={activation!r} is not known. Choose one of {', '.join(ACTIVATIONS)}."
        )
    layers = []
    for n_inputs, n_outputs in zip(sizes, sizes[1:], strict=False):
        layers += [linear(n_inputs, n_outputs), ACTIVATIONS[activation]()]
        if dropout:
            layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers)


def mlp(sizes, activation="leaky_relu", dropout=0.0):
    """Multi-layer perceptron: hidden layers, then an affine one.

    Parameters
    ----------
    sizes : sequence of int
        Widths, from the input's to the output's.
    activation : str, default="leaky_relu"
        See :func:`hidden_layers`.
    dropout : float, default=0.0
        Probability of dropping a hidden unit in training.

    Returns
    -------
    torch.nn.Sequential
        The hidden layers and the affine one.
    """
    return nn.Sequential(
        *hidden_layers(sizes[:-1], activation, dropout), linear(sizes[-2], sizes[-1])
    )


class Discriminator(nn.Module):
    """One logit for each tuple of inputs.

    Parameters
    ----------
    body : torch.nn.Module
        Maps the inputs, side by side on the last dimension, to ``n_hidden`` features.
    n_hidden : int
        Width of the last hidden layer, whose activations are the features.
    branches : sequence of torch.nn.Module, default=()
        One network for each input to go through before they are put side by side. Without
        them the inputs are joined as they are.

    Attributes
    ----------
    looks_at_batch : bool
        Whether the logit of a row depends on the other rows in training. It is found out for
        torch's batch-norm; set it for other layers of the kind.
    """

    def __init__(self, body, n_hidden, branches=()):
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.body = body
        self.head = linear(n_hidden, 1)
        self.looks_at_batch = any(
            isinstance(module, nn.modules.batchnorm._BatchNorm) for module in self.modules()
        )

    def features(self, *inputs):
        """Activations of the last hidden layer; shape (batch_size, n_hidden)."""
        if self.branches:
            inputs = [branch(x) for branch, x in zip(self.branches, inputs, strict=True)]
        return self.body(torch.cat(inputs, dim=-1))

    def forward(self, *inputs):
        """Logit of the inputs being real; shape (batch_size,)."""
        return self.head(self.features(*inputs)).squeeze(-1)

    def judge(self, real, fake):
        """Logits of two tuples of inputs; one pass serves both if no layer looks at the batch."""
        if self.looks_at_batch:
            return self(*real), self(*fake)
        together = (torch.cat(pair, dim=-2) for pair in zip(real, fake, strict=True))
        return self(*together).chunk(2, dim=-1)


class MLP(BaseEstimator):
    """Multi-layer perceptrons, for rows of a table.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int, default=(256, 128)
        Widths of the hidden layers of the encoder; the decoder has them in reverse.
    discriminator_layer_sizes : tuple of int or None, default=None
        Widths of the hidden layers of the discriminators, at least one. None takes half of
        each of ``hidden_layer_sizes``.
    activation : {"elu", "gelu", "leaky_relu", "relu", "silu", "tanh"}, default="leaky_relu"
        Activation of the hidden layers.
    dropout : float, default=0.0
        Probability of dropping a hidden unit of the discriminators in training.

    Examples
    --------
    >>> from skgad import ALAD, MLP
    >>> detector = ALAD(networks=MLP(hidden_layer_sizes=(32, 16)))
    >>> detector.set_params(networks__activation="tanh").networks.activation
    'tanh'
    """

    def __init__(
        self,
        hidden_layer_sizes=(256, 128),
        discriminator_layer_sizes=None,
        activation="leaky_relu",
        dropout=0.0,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.discriminator_layer_sizes = discriminator_layer_sizes
        self.activation = activation
        self.dropout = dropout

    def encoder(self, n_features, latent_dim):
        """Network from rows to codes."""
        return mlp((n_features, *self.hidden_layer_sizes, latent_dim), self.activation)

    def decoder(self, latent_dim, n_features):
        """Network from codes to rows."""
        return mlp((latent_dim, *self.hidden_layer_sizes[::-1], n_features), self.activation)

    def discriminator(self, *n_inputs):
        """Network from inputs of these widths to a logit."""
        hidden = self.discriminator_layer_sizes
        if hidden is None:
            hidden = tuple(-(-size // 2) for size in self.hidden_layer_sizes)
        if not hidden:
            raise ValueError(
                "A discriminator needs a hidden layer, got no discriminator_layer_sizes."
            )
        body = hidden_layers((sum(n_inputs), *hidden), self.activation, self.dropout)
        return Discriminator(body, hidden[-1])


def build(networks, name, kind, *widths):
    """Build the network ``name`` of a game: its own method if it has one, else its kind's."""
    return getattr(networks, name, getattr(networks, kind))(*widths)


class SpectralNorm(nn.Module):
    """A layer whose weight is divided by its largest singular value [1]_.

    One power iteration in each training pass keeps up with the weight. (torch's own is a
    parametrization, and a parametrized module cannot be pickled.)

    Parameters
    ----------
    layer : torch.nn.Linear or convolution
        Its ``weight`` is seen as a matrix with a row for each output.

    References
    ----------
    .. [1] T. Miyato, T. Kataoka, M. Koyama and Y. Yoshida. "Spectral Normalization for
       Generative Adversarial Networks". ICLR 2018, algorithm 1.
    """

    def __init__(self, layer):
        super().__init__()
        self.layer = layer
        self.register_buffer("u", normalize(torch.randn(len(layer.weight)), dim=0))
        for _ in range(15):
            self.iterate()

    @torch.no_grad()
    def iterate(self):
        """Move the estimate of the first left singular vector closer."""
        matrix = self.layer.weight.flatten(1)
        self.u.copy_(normalize(matrix @ normalize(self.u @ matrix, dim=0), dim=0))

    @property
    def weight(self):
        """The weight divided by its norm."""
        matrix = self.layer.weight.flatten(1)
        u = self.u.clone()
        with torch.no_grad():
            v = normalize(u @ matrix, dim=0)
        return self.layer.weight / (u @ matrix @ v)

    def forward(self, x):
        if self.training:
            self.iterate()
        return functional_call(self.layer, {"weight": self.weight}, (x,))


def spectrally_normalized(network):
    """Return the network with a :class:`SpectralNorm` around each layer with a weight matrix."""
    if isinstance(network, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)):
        return SpectralNorm(network)
    for name, child in network.named_children():
        setattr(network, name, spectrally_normalized(child))
    return network
