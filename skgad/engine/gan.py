"""Games whose decoder learns from a discriminator alone."""

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning

from .finished import evenly
from .game import EncoderDecoderGame
from .runtime import warn

#: Generated rows have collapsed if their standard deviation is below this share of that of the
#: training rows. Untrained networks stay above it if the columns have a scale of about 1.
MIN_SPREAD = 0.01

#: Number of training rows, and of generated rows, that are compared.
N_COMPARED = 1000


class GANGame(EncoderDecoderGame):
    """Base class of games whose decoder learns from a discriminator alone."""

    def __init__(self, **params):
        super().__init__(**params)
        self.register_buffer("relative_spread", torch.ones(()))

    def validation_loss(self, x):
        return (x - self.reconstruct(x)).abs().mean()

    @torch.no_grad()
    def finalize(self, apply, labels):
        """Store the spread of generated rows, relative to that of the training rows."""
        rows = torch.from_numpy(apply(lambda x: x, evenly(np.arange(len(labels)), N_COMPARED)))
        generator = torch.Generator().manual_seed(0)  # the member's own is for the training
        z = torch.randn(N_COMPARED, self.latent_dim, generator=generator)
        z = z.to(self.relative_spread.device).expand(*self.leading_shape, -1, -1)
        tables = rows, self.decoder(z).cpu()
        spread, generated = (x.std(-2, correction=0).mean(-1) for x in tables)
        # Without encoding, columns can have any scale, which networks take long to learn.
        self.relative_spread.copy_(generated / spread.clamp(1e-12, 1.0))

    def check_training(self):
        """Warn if a member generates nearly the same row from every code."""
        spread = self.relative_spread.min().item()
        if spread < MIN_SPREAD:
            warn(
                "The generator collapsed: the standard deviation of the generated rows is "
                f"{spread:.2g} times that of the training rows. Decrease lr, or train for longer "
                "with auto_steps.",
                ConvergenceWarning,
            )
