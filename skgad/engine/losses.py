"""Pieces of losses that two or more methods share."""

from torch.nn.functional import softplus


def call_real(logits):
    """Cross-entropy of calling the samples real, ``-log sigmoid(logits)``."""
    return softplus(-logits).mean(-1)


def call_fake(logits):
    """Cross-entropy of calling the samples fake, ``-log(1 - sigmoid(logits))``."""
    return softplus(logits).mean(-1)
