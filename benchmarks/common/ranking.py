"""How well a detector ranks the test rows of a split, and how long it takes."""

import time

import numpy as np

from benchmarks.common.detectors import METHODS, SCORES_OF
from benchmarks.common.metrics import score_metrics


def rank(method, split, seed, replace_nan=False):
    """Metrics and times of one fit; for some methods one row for each score.

    Parameters
    ----------
    method : str
        Name of a detector in `METHODS`.
    split : Split
        Training and test rows.
    seed : int
        Seed of the detector.
    replace_nan : bool, default=False
        Whether scores that are NaN are replaced by 0. Otherwise they raise an error.
    """
    detector = METHODS[method](seed)
    start = time.perf_counter()
    detector.fit(split.X_train)
    fit_seconds = time.perf_counter() - start

    def row(detector):
        start = time.perf_counter()
        scores = -detector.score_samples(split.X_test)
        seconds = time.perf_counter() - start
        if replace_nan:
            scores = np.where(np.isnan(scores), 0, scores)
        values = score_metrics(split.y_test, scores)
        times = {"fit_seconds": fit_seconds, "score_seconds": seconds}
        return {name: values[name] for name in ("auroc", "ap", "f1")} | times

    scores = SCORES_OF.get(method.split(",")[0])
    if scores is None:
        return row(detector)
    return [
        {"score": score} | row(detector.set_score_type(score, split.X_train)) for score in scores
    ]
