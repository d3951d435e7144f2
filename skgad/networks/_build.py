"""Interface of the ``networks`` parameter, and how games build their networks."""

from typing import Any, Protocol

from torch import nn

from ._discriminator import Discriminator


class Networks(Protocol):
    """Interface of the objects that the ``networks`` parameter of a detector accepts.

    A further method with the name of one network of a game, such as ``d_xz``, builds that network
    in place of the general method. Some methods also need ``unet(n_features, latent_dim)``, which
    builds a network that maps rows to rows. An attribute ``image_shape`` says that rows are images.
    """

    def encoder(self, n_features: int, latent_dim: int) -> nn.Module:
        """Build a network that maps rows to codes."""

    def decoder(self, latent_dim: int, n_features: int) -> nn.Module:
        """Build a network that maps codes to rows."""

    def discriminator(self, *n_inputs: int) -> Discriminator:
        """Build a network that maps inputs of these widths to a logit."""


def build(networks: Networks, name: str, kind: str, *widths: int) -> Any:
    """Build one network of a game.

    .. versionadded:: 0.1

    Parameters
    ----------
    networks : object
        Value of a detector's ``networks`` parameter, such as an :class:`~skgad.MLP`.
    name : str
        Name of the network in the game, such as "d_xz". If `networks` has a method of this name,
        it builds the network.
    kind : {"encoder", "decoder", "discriminator", "unet"}
        Method that builds the network otherwise.
    *widths : int
        Arguments of the method: the widths of inputs and outputs.

    Returns
    -------
    torch.nn.Module
        The new network.

    Raises
    ------
    ValueError
        If `networks` has neither of the two methods.
    """
    method = getattr(networks, name, None) or getattr(networks, kind, None)
    if method is None:
        raise ValueError(
            f"This detector needs networks with a method {kind!r}, which "
            f"{type(networks).__name__} does not have. Add a method {kind!r} or {name!r} to the "
            "class, or use MLP or ConvNet."
        )
    return method(*map(int, widths))  # True is 1 to the checks of parameters


def image_shape(networks: Networks | None) -> tuple[int, int, int] | None:
    """Channels, height and width of the images that rows are, or None for other rows."""
    return getattr(networks, "image_shape", None)
