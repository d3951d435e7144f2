"""Discriminators of tuples of inputs."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ._layers import linear


class Discriminator(nn.Module):
    """Network that computes one logit for each tuple of inputs.

    .. versionadded:: 0.1

    Parameters
    ----------
    body : torch.nn.Module
        Maps the inputs, concatenated along the last dimension, to ``n_hidden`` features.
    n_hidden : int
        Width of the last hidden layer, whose activations are the features.
    branches : sequence of torch.nn.Module, default=()
        One network per input, applied before the concatenation. By default, the inputs are
        concatenated as they are.

    Attributes
    ----------
    batch_dependent : bool
        Whether the logit of a row depends on the other rows of the batch during training. It is
        set if there is a batch-norm layer of torch. Set it yourself for other layers with this
        property.
    """

    def __init__(self, body: nn.Module, n_hidden: int, branches: Sequence[nn.Module] = ()):
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.body = body
        self.head = linear(n_hidden, 1)
        self.batch_dependent = any(
            isinstance(module, nn.modules.batchnorm._BatchNorm) for module in self.modules()
        )

    def features(self, *inputs: Tensor) -> Tensor:
        """Compute the activations of the last hidden layer.

        Parameters
        ----------
        *inputs : Tensor of shape (batch_size, n_inputs)
            Inputs of the discriminator.

        Returns
        -------
        features : Tensor of shape (batch_size, n_hidden)
        """
        if self.branches:
            inputs = tuple(branch(x) for branch, x in zip(self.branches, inputs, strict=True))
        return self.body(torch.cat(inputs, dim=-1))

    def forward(self, *inputs: Tensor) -> Tensor:
        """Logit of the inputs being real; shape (batch_size,)."""
        return self.head(self.features(*inputs)).squeeze(-1)

    def judge(self, real: tuple[Tensor, ...], fake: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Compute the logits of two tuples of inputs, in one pass if this changes nothing.

        Parameters
        ----------
        real, fake : tuple of Tensor
            Inputs of the discriminator.

        Returns
        -------
        logits_real, logits_fake : Tensor of shape (batch_size,)
        """
        if self.batch_dependent:
            return self(*real), self(*fake)
        together = (torch.cat(pair, dim=-2) for pair in zip(real, fake, strict=True))
        logits_real, logits_fake = self(*together).chunk(2, dim=-1)
        return logits_real, logits_fake
