"""Progress of the training."""

from skorch.callbacks import Callback

from ._messages import Progress


class TrainingProgress(Progress, Callback):
    """Show the epochs of the training, and pass on Ctrl-C.

    Parameters
    ----------
    enabled, occasional : bool, default=False
        See :class:`Progress`.
    """

    def __init__(self, enabled: bool = False, occasional: bool = False):
        super().__init__(enabled, occasional)

    def on_epoch_end(self, net, **kwargs):
        """Show the number of the epoch."""
        self.update(f"training: epoch {len(net.history)} of {net.max_epochs}")

    def on_train_end(self, net, **kwargs):
        """Pass on Ctrl-C, after which the detector would otherwise use what it has learned."""
        if net.interrupted_:
            raise KeyboardInterrupt
