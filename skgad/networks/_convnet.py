"""Convolutional networks, for rows that are flattened images."""

from itertools import pairwise
from math import prod
from numbers import Integral

from sklearn.base import BaseEstimator
from torch import Tensor, nn

from ._discriminator import Discriminator
from ._layers import Dropout, activation_layer, glorot, hidden_layers, linear
from ._unet import unet

OUTPUT_ACTIVATIONS = {None: nn.Identity, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh}


class OnImages(nn.Sequential):
    """Layers for images that take rows and return rows.

    .. versionadded:: 0.1

    Parameters
    ----------
    shape : tuple of int
        Channels, height and width of the images that the rows hold, pixel by pixel. Two images
        that are concatenated in a row form one image with twice the channels.
    *layers : torch.nn.Module
        Layers for a batch of images.

    Examples
    --------
    >>> import torch
    >>> from skgad.networks import OnImages
    >>> OnImages((1, 6, 4), torch.nn.AvgPool2d(2))(torch.ones(5, 24)).shape
    torch.Size([5, 6])
    """

    def __init__(self, shape: tuple[int, int, int], *layers: nn.Module):
        super().__init__(*layers)
        self.shape = tuple(shape)

    def forward(self, rows: Tensor) -> Tensor:
        """Output of the layers for each row; shape (..., n_outputs)."""
        maps = super().forward(rows.reshape(-1, *self.shape))
        return maps.flatten(1).unflatten(0, rows.shape[:-1])


class ConvNet(BaseEstimator):
    """Family of convolutional networks, for rows that are flattened images.

    Each convolution of the encoder halves height and width, and an affine layer follows the last
    one. The decoder is the mirror image of the encoder and restores the exact size of the images.

    A discriminator treats an input as an image if it is as wide as an image has pixels, and as a
    code otherwise. It stacks several images along their channels. If it also receives a code, the
    images pass through convolutions before affine layers combine them with the code. Codes alone
    pass through affine layers only.

    With these networks, a detector accepts pixels of type uint8 and divides them by 255, one
    mini-batch at a time. Other numbers are used as they are. See the :ref:`user guide <images>`.

    .. versionadded:: 0.1

    Parameters
    ----------
    image_shape : tuple of int, default=(1, 28, 28)
        Channels, height and width of the images: a row is ``image.reshape(-1)`` for an image of
        this shape.
    channels : tuple of int, default=(32, 64)
        Channels after each convolution of the encoder. The decoder has them in reverse order.
    kernel_size : int, default=4
        Height and width of the kernels. The stride is 2. For images of odd height, halving rounds
        down if the kernel size is even, and up if it is odd.
    discriminator_channels : tuple of int or None, default=None
        Channels after each convolution of the discriminators. By default, they are half of
        ``channels``.
    discriminator_layer_sizes : tuple of int, default=(128,)
        Widths of the affine hidden layers of the discriminators, at least one. The activations of
        the last one are the features of the discriminator.
    activation : {"elu", "gelu", "leaky_relu", "relu", "silu", "tanh"}, default="leaky_relu"
        Activation of the hidden layers.
    output_activation : {"sigmoid", "tanh"} or None, default=None
        Activation of the decoder's output: "sigmoid" keeps pixels in [0, 1] and "tanh" in [-1, 1].
    dropout : float, default=0.0
        Probability of dropping a hidden unit of the discriminators during training.
    batch_norm : bool, default=False
        Whether encoder and decoder use batch normalization between convolutions. Discriminators
        never do, because their losses are defined for single rows.

    Raises
    ------
    ValueError
        When a detector is fitted, if the rows do not have the width of the images, if the codes
        have the same width as the images, or if there are too many convolutions for their size.

    See Also
    --------
    MLP : Multi-layer perceptrons, for tables.
    skgad.networks.OnImages : For convolutional networks of your own.

    Examples
    --------
    Train on zeros and treat all other digits as anomalies:

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
        image_shape: tuple[int, int, int] = (1, 28, 28),
        channels: tuple[int, ...] = (32, 64),
        kernel_size: int = 4,
        discriminator_channels: tuple[int, ...] | None = None,
        discriminator_layer_sizes: tuple[int, ...] = (128,),
        activation: str = "leaky_relu",
        output_activation: str | None = None,
        dropout: float = 0.0,
        batch_norm: bool = False,
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
        shapes = self._shapes(self.channels, n_features)
        layers = self._convolutions(shapes, batch_norm=self.batch_norm)
        return nn.Sequential(OnImages(shapes[0], *layers), linear(prod(shapes[-1]), latent_dim))

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
        shapes = self._shapes(self.channels, n_features, latent_dim)[::-1]
        return nn.Sequential(
            linear(latent_dim, prod(shapes[0])),
            OnImages(shapes[0], *self._transposed_convolutions(shapes)),
            self._output_layer(),
        )

    def unet(self, n_features: int, latent_dim: int) -> nn.Module:
        """Build an encoder and a decoder with skip connections, which maps rows to rows.

        Each transposed convolution of the decoder also receives the feature maps of the encoder
        that have the same size.

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
        shapes = self._shapes(self.channels, n_features, latent_dim)
        down: list[nn.Module] = []
        up: list[nn.Module] = [linear(latent_dim, prod(shapes[-1]))]
        for large, small in pairwise(shapes):
            down.append(OnImages(large, *self._convolutions([large, small], self.batch_norm)))
        for small, large in pairwise(shapes[::-1]):
            joined = (2 * small[0], *small[1:])
            up.append(OnImages(joined, *self._transposed_convolutions([joined, large])))
        network = unet([*down, linear(prod(shapes[-1]), latent_dim)], up)
        return nn.Sequential(network, self._output_layer())

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
        sizes = tuple(self.discriminator_layer_sizes)
        if not sizes:
            raise ValueError(
                "discriminator_layer_sizes is empty, but a discriminator needs at least one "
                "hidden layer."
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
        """Hidden layers of a discriminator for stacked images."""
        channels = self.discriminator_channels
        if channels is None:
            channels = tuple(-(-n // 2) for n in self.channels)
        (n_channels, *size), *maps = self._shapes(channels)
        shapes = [(n_images * n_channels, *size), *maps]
        layers = self._convolutions(shapes, dropout=self.dropout)
        return nn.Sequential(OnImages(shapes[0], *layers), self._affine(prod(shapes[-1]), *sizes))

    def _output_layer(self):
        """Activation of the output of a decoder."""
        if self.output_activation not in OUTPUT_ACTIVATIONS:
            raise ValueError(
                f"Unknown output_activation={self.output_activation!r}. Choose one of "
                f"{', '.join(map(str, OUTPUT_ACTIVATIONS))}."
            )
        return OUTPUT_ACTIVATIONS[self.output_activation]()

    def _affine(self, *sizes):
        """Affine hidden layers of a discriminator."""
        return hidden_layers(sizes, self.activation, self.dropout)

    def _convolutions(self, shapes, batch_norm=False, dropout=0.0):
        """Layers that map feature maps of the first shape to those of the last one."""
        k, layers = self.kernel_size, []
        for (n_inputs, *_), (n_outputs, *_) in zip(shapes, shapes[1:], strict=False):
            convolution = nn.Conv2d(n_inputs, n_outputs, k, stride=2, padding=(k - 1) // 2)
            layers += [glorot(convolution)]
            layers += [nn.BatchNorm2d(n_outputs)] if batch_norm else []
            layers += [activation_layer(self.activation)]
            layers += [Dropout(dropout)] if dropout else []
        return layers

    def _transposed_convolutions(self, shapes):
        """Layers that map feature maps of the first shape, the smallest one, to images."""
        k, layers = self.kernel_size, []
        padding = (k - 1) // 2
        for (n_inputs, *small), (n_outputs, *large) in zip(shapes, shapes[1:], strict=False):
            rest = [m - 2 * (n - 1) - k + 2 * padding for n, m in zip(small, large, strict=True)]
            layers += [nn.BatchNorm2d(n_inputs)] if self.batch_norm else []
            layers += [activation_layer(self.activation)]
            layers += [glorot(nn.ConvTranspose2d(n_inputs, n_outputs, k, 2, padding, rest))]
        return layers

    def _shapes(self, channels, n_features=None, latent_dim=None):
        """Shapes of the image and of the feature maps after each convolution."""
        shape, k = self.image_shape, self.kernel_size
        if len(shape) != 3 or any(not isinstance(n, Integral) or n < 1 for n in shape):
            raise ValueError(
                "image_shape must be three positive integers, the channels, height and width of "
                f"the images, got {shape!r}."
            )
        if n_features not in (None, prod(shape)):
            raise ValueError(
                f"Images of image_shape={shape} have {prod(shape)} pixels, but X has "
                f"{n_features} features. Set image_shape to (channels, height, width) of the "
                "images, and flatten them in this order."
            )
        if latent_dim == prod(shape):
            raise ValueError(
                f"latent_dim={latent_dim} is also the number of pixels of an image, so a "
                "discriminator cannot tell codes from images: choose another latent_dim."
            )
        if not isinstance(k, Integral) or not 1 <= k <= max(shape[1:]):
            raise ValueError(
                f"kernel_size must be a positive integer, and at most {max(shape[1:])} for "
                f"image_shape={shape}, got {k!r}."
            )
        shapes = [tuple(shape)]
        for n_channels in channels:
            size = [(n + 2 * ((k - 1) // 2) - k) // 2 + 1 for n in shapes[-1][1:]]
            if min(size) < 1:
                raise ValueError(
                    f"After {len(shapes) - 1} of {len(channels)} convolutions, images of "
                    f"image_shape={shape} have a size of {shapes[-1][1]} x {shapes[-1][2]}, which "
                    f"is too small for kernel_size={k}. Use fewer than the {len(channels)} "
                    f"convolutions of channels={channels}, or another kernel_size."
                )
            shapes.append((n_channels, *size))
        return shapes
