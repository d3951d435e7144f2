"""Families of networks: what a method is built from.

The ``networks`` parameter of a detector takes any object with the three methods of
:class:`MLP`: ``encoder(n_features, latent_dim)`` and ``decoder(latent_dim, n_features)``, which
return any module, and ``discriminator(*n_inputs)``, which returns a :class:`Discriminator`. A
method that is named after one network of the game, as ``d_xz``, builds that network instead.
"""

from math import prod
from numbers import Integral

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import nn
from torch.func import functional_call
from torch.linalg import vector_norm
from torch.nn.functional import normalize

__all__ = ["MLP", "ConvNet", "Discriminator", "OnImages", "hidden_layers", "mlp"]

ACTIVATIONS = {
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "leaky_relu": lambda: nn.LeakyReLU(0.2),
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}


OUTPUTS = {None: nn.Identity, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh}


def glorot(layer):
    """The layer, which now starts with Glorot-uniform weights and no bias."""
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def linear(n_inputs, n_outputs):
    """Affine layer that starts with Glorot-uniform weights and no bias."""
    return glorot(nn.Linear(n_inputs, n_outputs))


def activation_layer(activation):
    """The layer of this name."""
    if activation not in ACTIVATIONS:
        raise ValueError(
            f"activation={activation!r} is not known. Choose one of {', '.join(ACTIVATIONS)}."
        )
    return ACTIVATIONS[activation]()


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
    layers = []
    for n_inputs, n_outputs in zip(sizes, sizes[1:], strict=False):
        layers += [linear(n_inputs, n_outputs), activation_layer(activation)]
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
        return mlp((n_features, *self._widths("hidden_layer_sizes"), latent_dim), self.activation)

    def decoder(self, latent_dim, n_features):
        """Network from codes to rows."""
        hidden = self._widths("hidden_layer_sizes")[::-1]
        return mlp((latent_dim, *hidden, n_features), self.activation)

    def discriminator(self, *n_inputs):
        """Network from inputs of these widths to a logit."""
        if self.discriminator_layer_sizes is None:
            hidden = tuple(-(-size // 2) for size in self._widths("hidden_layer_sizes"))
        else:
            hidden = self._widths("discriminator_layer_sizes")
        if not hidden:
            raise ValueError(
                "A discriminator needs a hidden layer, got no discriminator_layer_sizes."
            )
        body = hidden_layers((sum(n_inputs), *hidden), self.activation, self.dropout)
        return Discriminator(body, hidden[-1])

    def _widths(self, name):
        sizes = getattr(self, name)
        if not np.iterable(sizes) or any(not isinstance(n, Integral) or n < 1 for n in sizes):
            raise ValueError(
                f"{name} must be a tuple of positive integers, as (256, 128), got {sizes!r}."
            )
        return tuple(sizes)


class OnImages(nn.Sequential):
    """Layers for images that take rows and give rows.

    Parameters
    ----------
    shape : tuple of int
        Channels, height and width of the images that the rows are, pixel by pixel. Two images
        side by side in a row are one with twice the channels.
    *layers : torch.nn.Module
        Layers for a batch of images.

    Examples
    --------
    >>> import torch
    >>> from skgad.networks import OnImages
    >>> OnImages((1, 6, 4), torch.nn.AvgPool2d(2))(torch.ones(5, 24)).shape
    torch.Size([5, 6])
    """

    def __init__(self, shape, *layers):
        super().__init__(*layers)
        self.shape = tuple(shape)

    def forward(self, rows):
        """The layers' output for each row; shape (..., n_outputs)."""
        maps = super().forward(rows.reshape(-1, *self.shape))
        return maps.flatten(1).unflatten(0, rows.shape[:-1])


class ConvNet(BaseEstimator):
    """Convolutional networks, for rows that are flattened images.

    The encoder halves height and width with each convolution and ends with an affine layer; the
    decoder is its mirror image and gives images of exactly the same size. A discriminator takes
    an input for an image if it is as wide as an image has pixels, and for a code otherwise. It
    stacks the channels of several images; beside a code, images go through convolutions
    before they meet the code in affine layers. Codes alone go through affine layers only.

    With these networks a detector takes pixels of type uint8 and divides them by 255, one batch at
    a time. Other numbers are taken as they are. See the :ref:`user guide <images>`.

    Parameters
    ----------
    image_shape : tuple of int, default=(1, 28, 28)
        Channels, height and width of the images: row ``image.reshape(-1)`` is an image of this
        shape.
    channels : tuple of int, default=(32, 64)
        Channels after each convolution of the encoder; the decoder has them in reverse.
    kernel_size : int, default=4
        Height and width of the kernels. The stride is 2. With even sizes an image of odd
        height is halved rounding down, with odd ones rounding up.
    discriminator_channels : tuple of int or None, default=None
        Channels after each convolution of the discriminators. None takes half of each of
        ``channels``.
    discriminator_layer_sizes : tuple of int, default=(128,)
        Widths of the affine hidden layers of the discriminators, at least one. The last gives
        their features.
    activation : {"elu", "gelu", "leaky_relu", "relu", "silu", "tanh"}, default="leaky_relu"
        Activation of the hidden layers.
    output_activation : {"sigmoid", "tanh"} or None, default=None
        What ends the decoder: "sigmoid" keeps pixels in [0, 1], "tanh" in [-1, 1].
    dropout : float, default=0.0
        Probability of dropping a hidden unit of the discriminators in training.
    batch_norm : bool, default=False
        Whether encoder and decoder normalise the maps between two convolutions. Discriminators do
        not: their losses are those of single rows.

    Raises
    ------
    ValueError
        When a detector is fitted, if the rows have another width than the images, if the
        codes have the same width, or if too many convolutions leave nothing of an image.

    See Also
    --------
    MLP : The networks for tables.
    skgad.networks.OnImages : For convolutional networks of your own.

    Examples
    --------
    Zeros are normal, all other digits are not:

    >>> from sklearn.datasets import load_digits
    >>> from sklearn.metrics import roc_auc_score
    >>> from skgad import WAE, ConvNet
    >>> X, y = load_digits(return_X_y=True)
    >>> networks = ConvNet(image_shape=(1, 8, 8), channels=(16, 32))
    >>> detector = WAE(latent_dim=8, networks=networks, max_epochs=50, random_state=0)
    >>> detector = detector.fit(X[:1000][y[:1000] == 0] / 16)
    >>> bool(roc_auc_score(y[1000:] == 0, detector.score_samples(X[1000:] / 16)) > 0.95)
    True
    """

    def __init__(
        self,
        image_shape=(1, 28, 28),
        channels=(32, 64),
        kernel_size=4,
        discriminator_channels=None,
        discriminator_layer_sizes=(128,),
        activation="leaky_relu",
        output_activation=None,
        dropout=0.0,
        batch_norm=False,
    ):
        self.image_shape = image_shape
        self.channels = channels
        self.kernel_size = kernel_size
        self.discriminator_channels = discriminator_channels
        self.discriminator_layer_sizes = discriminator_layer_sizes
        self.activation = activation
        self.output_activation = output_activation
        self.dropout = dropout
        self.batch_norm = batch_norm

    def encoder(self, n_features, latent_dim):
        """Network from rows to codes."""
        shapes = self._shapes(self.channels, n_features)
        layers = self._convolutions(shapes, batch_norm=self.batch_norm)
        return nn.Sequential(OnImages(shapes[0], *layers), linear(prod(shapes[-1]), latent_dim))

    def decoder(self, latent_dim, n_features):
        """Network from codes to rows."""
        shapes = self._shapes(self.channels, n_features)[::-1]
        if latent_dim == n_features:
            raise ValueError(
                f"latent_dim={latent_dim} is the number of pixels of an image, so that a "
                "discriminator could not tell codes from images: choose another one."
            )
        if self.output_activation not in OUTPUTS:
            raise ValueError(
                f"output_activation={self.output_activation!r} is not known. Choose one of "
                f"{', '.join(map(str, OUTPUTS))}."
            )
        return nn.Sequential(
            linear(latent_dim, prod(shapes[0])),
            OnImages(shapes[0], *self._transposed_convolutions(shapes)),
            OUTPUTS[self.output_activation](),
        )

    def discriminator(self, *n_inputs):
        """Network from inputs of these widths to a logit."""
        sizes = tuple(self.discriminator_layer_sizes)
        if not sizes:
            raise ValueError(
                "A discriminator needs a hidden layer, got no discriminator_layer_sizes."
            )
        is_image = [width == prod(self.image_shape) for width in n_inputs]
        if not any(is_image):
            return Discriminator(self._affine(sum(n_inputs), *sizes), sizes[-1])
        if all(is_image):
            return Discriminator(self._image_branch(len(n_inputs), *sizes), sizes[-1])
        branches = [
            self._image_branch(1, sizes[0]) if image else self._affine(width, sizes[0])
            for image, width in zip(is_image, n_inputs, strict=True)
        ]
        body = self._affine(len(n_inputs) * sizes[0], *sizes)
        return Discriminator(body, sizes[-1], branches)

    def _image_branch(self, n_images, *sizes):
        """Hidden layers of a discriminator for images that are stacked."""
        channels = self.discriminator_channels
        if channels is None:
            channels = tuple(-(-n // 2) for n in self.channels)
        (n_channels, *size), *maps = self._shapes(channels)
        shapes = [(n_images * n_channels, *size), *maps]
        layers = self._convolutions(shapes, dropout=self.dropout)
        return nn.Sequential(OnImages(shapes[0], *layers), self._affine(prod(shapes[-1]), *sizes))

    def _affine(self, *sizes):
        """Affine hidden layers of a discriminator."""
        return hidden_layers(sizes, self.activation, self.dropout)

    def _convolutions(self, shapes, batch_norm=False, dropout=0.0):
        """Layers from maps of the first of the ``shapes`` to maps of the last."""
        k, layers = self.kernel_size, []
        for (n_inputs, *_), (n_outputs, *_) in zip(shapes, shapes[1:], strict=False):
            convolution = nn.Conv2d(n_inputs, n_outputs, k, stride=2, padding=(k - 1) // 2)
            layers += [glorot(convolution)]
            layers += [nn.BatchNorm2d(n_outputs)] if batch_norm else []
            layers += [activation_layer(self.activation)]
            layers += [nn.Dropout(dropout)] if dropout else []
        return layers

    def _transposed_convolutions(self, shapes):
        """Layers from maps of the first of the ``shapes``, the smallest, to images."""
        k, layers = self.kernel_size, []
        padding = (k - 1) // 2
        for (n_inputs, *small), (n_outputs, *large) in zip(shapes, shapes[1:], strict=False):
            rest = [m - 2 * (n - 1) - k + 2 * padding for n, m in zip(small, large, strict=True)]
            layers += [nn.BatchNorm2d(n_inputs)] if self.batch_norm else []
            layers += [activation_layer(self.activation)]
            layers += [glorot(nn.ConvTranspose2d(n_inputs, n_outputs, k, 2, padding, rest))]
        return layers

    def _shapes(self, channels, n_features=None):
        """Shapes of the image and of what is left of it after each convolution."""
        shape, k = self.image_shape, self.kernel_size
        if len(shape) != 3 or any(not isinstance(n, Integral) or n < 1 for n in shape):
            raise ValueError(
                "image_shape must be three positive integers, the channels, the height and the "
                f"width of the images, got {shape!r}."
            )
        if n_features not in (None, prod(shape)):
            raise ValueError(
                f"Images of image_shape={shape} have {prod(shape)} pixels, but the rows have "
                f"{n_features} features: set image_shape to (channels, height, width) of the "
                "images, and flatten them without changing that order."
            )
        if not isinstance(k, Integral) or not 1 <= k <= max(shape[1:]):
            raise ValueError(
                f"kernel_size must be a positive integer, for image_shape={shape} at most "
                f"{max(shape[1:])}, got {k!r}."
            )
        shapes = [tuple(shape)]
        for n_channels in channels:
            size = [(n + 2 * ((k - 1) // 2) - k) // 2 + 1 for n in shapes[-1][1:]]
            if min(size) < 1:
                raise ValueError(
                    f"After {len(shapes) - 1} of {len(channels)} convolutions images of "
                    f"image_shape={shape} have a size of {shapes[-1][1]} x {shapes[-1][2]}, too "
                    f"small for another one with kernel_size={k}: use fewer channels, {channels} "
                    "are too many, or another kernel_size."
                )
            shapes.append((n_channels, *size))
        return shapes


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
        u = matrix @ (self.u @ matrix)
        self.u.copy_(u / vector_norm(u))

    @property
    def weight(self):
        """The weight divided by its norm, which is that of ``u @ weight``."""
        weight = self.layer.weight
        return weight / vector_norm(self.u.clone() @ weight.flatten(1))

    def forward(self, x):
        if self.training:
            self.iterate()
        if isinstance(self.layer, nn.Linear):  # functional_call takes longer than a small layer
            return nn.functional.linear(x, self.weight, self.layer.bias)
        return functional_call(self.layer, {"weight": self.weight}, (x,))


def spectrally_normalized(network):
    """Return the network with a :class:`SpectralNorm` around each layer with a weight matrix."""
    if isinstance(network, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)):
        return SpectralNorm(network)
    for name, child in network.named_children():
        setattr(network, name, spectrally_normalized(child))
    return network
