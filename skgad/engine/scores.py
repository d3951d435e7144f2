"""Scores after the training: block by block, finalized on all training rows."""

import logging
import time
from contextlib import nullcontext
from itertools import chain
from weakref import WeakKeyDictionary

import numpy as np
import torch

from .._threshold import LOWEST_SCORE
from ..tables import ParquetTable
from .data import blocks, to_host
from .finished import FINISHED_SCORES, evenly
from .runtime import BatchInvariantLinear, full_precision, thread_pools

logger = logging.getLogger(__name__)

#: After so many seconds, the number of rows that are done is logged.
LOG_SECONDS = 10

#: Number of rows that are scored at once. A matrix product of another size may round differently,
#: so every block has this size and the last one is padded. The score of a row is then the same to
#: the last bit whatever else is scored with it.
BLOCK_ROWS = 1024

#: The same for images, whose networks need more memory and time per row.
BLOCK_IMAGES = 128

#: Sizes of the block for a few rows. One is used only if the process has seen that it gives the
#: same bits as a full block; see :func:`smallest_block`. torch sums 32 columns at once with AVX2,
#: and 64 with AVX-512, in another order than the rest.
SMALL_BLOCKS = (32, 64, 128)

#: Whether a small block has the bits of a full one, by ensemble and size. Neither pickled nor
#: copied, because it depends on the machine.
_has_same_bits: WeakKeyDictionary = WeakKeyDictionary()

#: Smallest number of known inliers for scores to be learned from them alone.
MIN_KNOWN_INLIERS = 50

#: Into so many parts the training rows are divided, each of which is scored as if it were new.
N_FOLDS = 5

#: Largest number of training rows that are scored as if they were new, unless all folds are.
MAX_HELD_OUT = 2_000


def map_rows(ensemble, table, function, positions=None, dim=0, block_rows=None):
    """Apply a function of blocks of rows to a table.

    Parameters
    ----------
    ensemble : Ensemble
        Its device and its `block_rows` are used.
    table : ndarray, CSR matrix, Items or ParquetTable of shape (n_samples, n_features)
        Validated rows.
    function : callable
        Takes a tensor of shape (block_rows, n_features) and returns one with as many rows.
    positions : ndarray of int or None, default=None
        Positions of the rows to use. None uses all rows.
    dim : int, default=0
        Dimension of the rows in the results.
    block_rows : int or None, default=None
        Number of rows of a block. None is that of the ensemble.

    Returns
    -------
    results : ndarray of shape (n_rows, ...), or with the rows in another dimension
    """
    if isinstance(table, ParquetTable):
        parts = (map_rows(ensemble, batch, function, dim=dim) for batch in table.batches())
        return np.concatenate([*parts], axis=dim)
    n_rows = table.shape[0] if positions is None else len(positions)
    n = block_rows or ensemble.block_rows
    # With three threads or more, the position of a row in its block can matter.
    one_thread = thread_pools().limit(limits=1, user_api="openmp")
    with (
        torch.inference_mode(),
        BatchInvariantLinear(),
        one_thread,
        full_precision(ensemble.device),
    ):
        device = ensemble.device
        parts = to_host(map(function, blocks(table, n, device, positions)), device)
        first = next(parts)
        # Collecting many small results would fragment the memory.
        shape = (*first.shape[:dim], n_rows, *first.shape[dim + 1 :])
        results = first.new_empty(shape)
        logged = time.monotonic()
        for start, part in zip(range(0, n_rows, n), chain([first], parts), strict=True):
            n_taken = min(n, n_rows - start)
            results.narrow(dim, start, n_taken).copy_(part.narrow(dim, 0, n_taken))
            if time.monotonic() - logged > LOG_SECONDS:
                logger.info("%d of %d rows are done", start + n_taken, n_rows)
                logged = time.monotonic()
    return results.numpy()


def applying(ensemble, table):
    """Return `apply` of the hooks of a game, for functions of codes, which it sees as rows."""

    def apply(function, positions=None):
        dim = len(ensemble.game.leading_shape)
        return map_rows(ensemble, table, lambda x: function(ensemble.to_codes(x)), positions, dim)

    return apply


def prepare(ensemble, rows):
    """Prepare the game with the training rows before the first mini-batch."""
    ensemble.eval()  # training starts with a call of `train`
    ensemble.prepare(applying(ensemble, rows.table), rows.known_labels)


def finalize(ensemble, rows):
    """Finalize the game with the training rows, and score these rows.

    Returns
    -------
    train_scores : ndarray of shape (n_samples,), float64
    """
    ensemble.eval()
    ensemble.finalize(applying(ensemble, rows.table), rows.known_labels)
    return score_training_rows(ensemble, rows.table, rows.known_labels)


def rows_to_learn_from(labels):
    """Positions of the rows that a score is learned from.

    These are the known inliers, if there are enough of them, because unlabeled outliers that
    resemble each other would be each other's neighbors. Otherwise they are all rows that are not
    known outliers.
    """
    known_inliers = np.flatnonzero(labels == 1)
    enough = len(known_inliers) >= MIN_KNOWN_INLIERS
    return known_inliers if enough else np.flatnonzero(labels != -1)


def score_training_rows(ensemble, table, labels):
    """Finish the scores, set the units of the members, and return the training scores."""
    _has_same_bits.pop(ensemble, None)
    apply, positions = applying(ensemble, table), rows_to_learn_from(labels)
    game = ensemble.scorer
    game.finished = None
    if game.score_type in FINISHED_SCORES:
        game.finished = FINISHED_SCORES[game.score_type](game, apply, positions)
    member_scores = map_rows(ensemble, table, lambda x: ensemble.member_scores(x).T)
    if not np.isfinite(member_scores).all():
        raise ValueError(
            "The anomaly scores of some training rows are not finite. Scale the features, unless "
            "they are encoded, as with encoding='standard', or lower the learning rate 'lr'."
        )
    if ensemble.n_members > 1:
        ensemble.calibrate(member_scores)
    return -ensemble.combine(torch.from_numpy(member_scores.T)).numpy()


def scores_as_new(ensemble, table, labels):
    """Scores of training rows as if they were new; None if these are the training scores.

    A score that is learned from the training rows is lower for new rows than for those rows, the
    more so the fewer they are. So it is learned again without a fifth of the rows, which it then
    scores. If there are many rows, this is done for one fifth, or a part of it, else for all
    fifths. The networks are not trained again.
    """
    game, encoding = ensemble.scorer, ensemble.encoding
    fitted, positions = game.finished, rows_to_learn_from(labels)
    counts_itself = encoding is not None and len(encoding.frequency_codes) > 0
    is_learned = fitted is not None
    if not (counts_itself or is_learned) or len(positions) < 2 * N_FOLDS:
        return None
    folds = [positions[k::N_FOLDS] for k in range(N_FOLDS)]
    if len(positions) > MAX_HELD_OUT:
        folds = [evenly(folds[0], MAX_HELD_OUT)]
    scores = []
    try:
        for held_out in folds:
            if is_learned:
                kept = np.setdiff1d(positions, held_out)
                build = FINISHED_SCORES[game.score_type]
                game.finished = build(game, applying(ensemble, table), kept)
            with encoding.leave_one_out() if counts_itself else nullcontext():
                scores.append(-map_rows(ensemble, table, ensemble.score, held_out))
    finally:
        game.finished = fitted
    return lowest_if_overflown(np.concatenate(scores))


def score_rows(ensemble, table):
    """Scores of new rows, higher for more normal rows; shape (n_samples,), float64.

    A row that is so far from the training rows that its score overflows has the lowest score.
    """
    if isinstance(table, ParquetTable):
        return np.concatenate([score_rows(ensemble, batch) for batch in table.batches()])
    n_rows = smallest_block(ensemble, table)
    return lowest_if_overflown(-map_rows(ensemble, table, ensemble.score, block_rows=n_rows))


def lowest_if_overflown(scores, xp=np):
    """Replace scores that overflow float32, on the way or at the end, by the lowest score.

    `xp` is torch for tensors.
    """
    return xp.where(xp.isfinite(scores), xp.clip(scores, LOWEST_SCORE, None), LOWEST_SCORE)


def smallest_block(ensemble, table):
    """Size of the smallest block that holds all rows and gives them the bits of a full block.

    A library for matrix products chooses its instructions by the size of the matrices, so a smaller
    block may round differently. Which sizes agree depends on the library and the CPU. The first
    time that few rows are scored, a full block of other rows is therefore scored at once, and its
    first and last rows in small blocks. The order of a sum depends on the sizes, not on the
    numbers, and another order changes the last bit of many of so many scores. If one bit differs,
    a larger block is tried, and in the end the full one.
    """
    full = ensemble.block_rows
    if ensemble.device.type != "cpu":  # on a GPU, small blocks are no faster
        return full
    seen = _has_same_bits.setdefault(ensemble, {})
    for small in SMALL_BLOCKS:
        if not table.shape[0] <= small < full:
            continue
        if small not in seen:
            given = next(blocks(table, table.shape[0], ensemble.device)).numpy()
            rows = rows_around(given, full)
            ends = np.r_[: 2 * small, full - 2 * small : full] if 4 * small < full else slice(None)
            at_once = map_rows(ensemble, rows, ensemble.score)[ends]
            in_parts = map_rows(ensemble, rows[ends], ensemble.score, block_rows=small)
            seen[small] = np.array_equal(at_once, in_parts, equal_nan=True)
        if seen[small]:
            return small
    return full


def rows_around(rows, n_rows):
    """Random rows with values of the same size as those of other rows."""
    rng = np.random.default_rng(0)
    rows = rows[np.arange(n_rows) % len(rows)].astype(np.float64)
    rows = rows * rng.normal(1.0, 0.5, rows.shape) + rng.normal(0.0, 0.1, rows.shape)
    largest = np.finfo(np.float32).max
    return rows.clip(-largest, largest).astype(np.float32)
