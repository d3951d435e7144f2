"""Terms of losses that several methods share."""

from torch import Tensor
from torch.nn.functional import softplus


def call_real(logits: Tensor) -> Tensor:
    r"""Cross-entropy of calling samples real, the mean of :math:`-\log \sigma(logits)`.

    .. versionadded:: 0.1

    Parameters
    ----------
    logits : Tensor of shape (..., n_samples)
        Logits of the samples being real.

    Returns
    -------
    loss : Tensor of shape (...)
    """
    return softplus(-logits).mean(-1)


def call_fake(logits: Tensor) -> Tensor:
    r"""Cross-entropy of calling samples fake, the mean of :math:`-\log(1 - \sigma(logits))`.

    .. versionadded:: 0.1

    Parameters
    ----------
    logits : Tensor of shape (..., n_samples)
        Logits of the samples being real.

    Returns
    -------
    loss : Tensor of shape (...)
    """
    return softplus(logits).mean(-1)
