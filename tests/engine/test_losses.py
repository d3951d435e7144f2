"""Losses that several methods share."""

import numpy as np
import pytest
import torch
from scipy.special import expit

from skgad.base import call_fake, call_real


@pytest.mark.parametrize("shape", [(7,), (3, 7)])
def test_cross_entropies_are_averaged_over_the_samples(shape):
    logits = np.random.RandomState(0).normal(0, 3, shape)
    real, fake = (call(torch.from_numpy(logits)).numpy() for call in (call_real, call_fake))
    np.testing.assert_allclose(real, -np.log(expit(logits)).mean(-1), rtol=1e-10)
    np.testing.assert_allclose(fake, -np.log(1 - expit(logits)).mean(-1), rtol=1e-10)


def test_cross_entropies_of_extreme_logits_are_finite():
    logits = torch.tensor([-1e4, 1e4])
    assert call_real(logits) == call_fake(logits) == 5e3
