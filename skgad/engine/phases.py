"""Phases of a training, such as a warm-up, whose mini-batches are counted in one place."""

from functools import partial

from skorch.callbacks import Callback, EarlyStopping

from .callbacks import count_batches
from .scores import prepare


class Phases(Callback):
    """Tell a game its phase, and count the mini-batches of each phase.

    The game plans its phases at the beginning of its first training, see
    :meth:`skgad.Game.plan_phases`. The count is a buffer of the ensemble, so that a training that
    is continued continues it.
    """

    capturable = True

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        """Plan the phases of a first training."""
        self.rows_ = X
        ensemble = net.module_
        if not net.history:
            planned = ensemble.game.plan_phases(partial(count_batches, net=net, rows=X))
            ensemble.phases_left.copy_(ensemble.phases_left.new_tensor([*planned.values()]))

    def on_epoch_begin(self, net, **kwargs):
        """Tell the game its phase. Early stopping ignores the epochs before a fresh start."""
        ensemble = net.module_
        self._read(ensemble)
        if ensemble.game.phase == ensemble.game.fresh_start_after:
            for _, callback in net.callbacks_:
                if isinstance(callback, EarlyStopping):
                    callback.on_train_begin(net)

    def on_batch_end(self, net, batch=None, training=False, **kwargs):
        """Count the mini-batch, and begin the next phase after the last one of a phase."""
        ensemble = net.module_
        game, current = ensemble.game, self._current()
        if not training or current is None or not game.counts_in_phase(batch[1]):
            return
        self.left_[current] -= 1
        ensemble.phases_left[current] -= 1
        if self.left_[current]:
            return
        if game.phase == game.fresh_start_after:
            prepare(ensemble, self.rows_)
            ensemble.train()
            net.optimizer_.state.clear()
        self._tell(ensemble)

    def on_train_end(self, net, **kwargs):
        """Release the rows. A training that a checkpoint completes has no epoch before this."""
        del self.rows_
        self._read(net.module_)

    def _read(self, ensemble):
        """Read the count, once per epoch, because this waits for the device."""
        self.left_ = ensemble.phases_left.tolist()
        self._tell(ensemble)

    def _current(self):
        """Position of the first phase that is not over, or None."""
        return next((k for k, n_left in enumerate(self.left_) if n_left), None)

    def _tell(self, ensemble):
        """Set the phase of the next mini-batch."""
        current = self._current()
        for game in ensemble.games:
            game.phase = "training" if current is None else ensemble.phase_names[current]
