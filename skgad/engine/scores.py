"""Scores after the training: block by block, finalized on all training rows."""

from contextlib import nullcontext
from itertools import chain

import numpy as np
import torch

from .._threshold import LOWEST_SCORE
from .data import blocks, to_host
from .finished import FINISHED_SCORES, evenly
from .runtime import BatchInvariantLinear, full_precision, thread_pools

#: Number of rows that are scored at once. A matrix product of another size may round differently,
#: so every block has this size and the last one is padded. The score of a row is then the same to
#: the last bit whatever else is scored with it.
BLOCK_ROWS = 1024

#: The same for images, whose networks need more memory and time per row.
BLOCK_IMAGES = 128

#: Smallest number of known inliers for scores to be learned from them alone.
MIN_KNOWN_INLIERS = 50

#: Into so many parts the training rows are divided, each of which is scored as if it were new.
N_FOLDS = 5

#: Largest number of training rows that are scored as if they were new, unless all folds are.
MAX_HELD_OUT = 2_000


def map_rows(ensemble, table, function, positions=None, dim=0):
    """Apply a function of blocks of rows to a table.

    Parameters
    ----------
    ensemble : Ensemble
        Its device and its `block_rows` are used.
    table : ndarray, CSR matrix or Items of shape (n_samples, n_features)
        Validated rows.
    function : callable
        Takes a tensor of shape (block_rows, n_features) and returns one with as many rows.
    positions : ndarray of int or None, default=None
        Positions of the rows to use. None uses all rows.
    dim : int, default=0
        Dimension of the rows in the results.

    Returns
    -------
    results : ndarray of shape (n_rows, ...), or with the rows in another dimension
    """
    n_rows = table.shape[0] if positions is None else len(positions)
    n = ensemble.block_rows
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
        for start, part in zip(range(0, n_rows, n), chain([first], parts), strict=True):
            n_taken = min(n, n_rows - start)
            results.narrow(dim, start, n_taken).copy_(part.narrow(dim, 0, n_taken))
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
    return lowest_if_overflown(-map_rows(ensemble, table, ensemble.score))


def lowest_if_overflown(scores):
    """Replace scores that overflow float32, on the way or at the end, by the lowest score."""
    return np.where(np.isfinite(scores), np.maximum(scores, LOWEST_SCORE), LOWEST_SCORE)
