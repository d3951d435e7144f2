"""Progress of the training."""

from skorch.callbacks import Callback

from ._messages import Progress


class TrainingProgress(Callback):
    """Show the epochs of the training, and pass on Ctrl-C.

    Parameters
    ----------
    progress : Progress
        What shows the epochs.
    """

    def __init__(self, progress: Progress):
        self.progress = progress

    def on_epoch_end(self, net, **kwargs):
        """Show the number of the epoch."""
        self.progress.update(f"training: epoch {len(net.history)} of {net.max_epochs}")

    def on_train_end(self, net, **kwargs):
        """Pass on Ctrl-C, after which the detector would otherwise use what it has learned."""
        if net.interrupted_:
            raise KeyboardInterrupt
