"""Latency of `score_samples` for one row and for 100 rows, and the cost of each step.

The times are processor time of one thread, so that other processes on the machine add little. The
wall time of the same calls is recorded, too. IsolationForest and the nearest neighbors are measured
in turn with the detectors of skgad, in the same run.
"""

import time

import numpy as np
import torch
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import NearestNeighbors

import skgad
from benchmarks.common import cli, results
from skgad.neighbors import KNeighborsDetector

N_TRAIN, N_COLUMNS = 10_000, 30
N_CALLS = 300
#: Calls in a row of one detector, before it is the turn of the next one.
N_IN_TURN = 10
DETECTORS = ("Autoencoder", "ALAD", "WALDO", "DeepSVDD")


class Neighbors:
    """Distance to the fifth neighbor by scikit-learn alone, the least that a score can cost."""

    def fit(self, X):
        self.index = NearestNeighbors(n_neighbors=5).fit(X)
        return self

    def score_samples(self, X):
        return -self.index.kneighbors(X)[0][:, -1]


def make_detectors():
    """Detectors by name, and those of skgad with a single member, too."""
    detectors = {
        "IsolationForest": IsolationForest(random_state=0),
        "NearestNeighbors": Neighbors(),
        "KNeighborsDetector": KNeighborsDetector(),
    }
    for name in DETECTORS:
        params = {"random_state": 0, "auto_steps": 100, "device": "cpu"}
        detectors[name] = getattr(skgad, name)(**params)
        detectors[f"{name}, 1 member"] = getattr(skgad, name)(n_members=1, **params)
    return detectors


def table(n_rows=N_TRAIN, seed=0):
    """Rows of numbers, some of which repeat."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_rows, N_COLUMNS))
    X[:, :5] = rng.integers(0, 4, (n_rows, 5))
    return X


def evaluate(measure):
    """Percentiles of the times of calls, and whether their scores have the bits of one call."""
    torch.set_num_threads(1)
    X, rows = table(), table(N_CALLS * 100, seed=1)
    detectors = {name: detector.fit(X) for name, detector in make_detectors().items()}
    return [
        {"detector": name, "rows": n_rows, **figures}
        for n_rows in (1, 100)
        for name, figures in measure_all(detectors, rows, n_rows).items()
    ]


def measure_all(detectors, rows, n_rows):
    """Figures of each detector, of which a few calls at a time are measured in turn."""
    parts = [rows[k * n_rows : (k + 1) * n_rows] for k in range(N_CALLS)]
    times = {name: ([], []) for name in detectors}
    scores = {name: [] for name in detectors}
    for detector in detectors.values():
        detector.score_samples(parts[0])
    for start in range(0, N_CALLS, N_IN_TURN):
        for name, detector in detectors.items():
            for part in parts[start : start + N_IN_TURN]:
                cpu, wall = time.thread_time(), time.perf_counter()
                scores[name].append(detector.score_samples(part))
                times[name][0].append(1000 * (time.thread_time() - cpu))
                times[name][1].append(1000 * (time.perf_counter() - wall))
    figures = {}
    for name, detector in detectors.items():
        at_once = detector.score_samples(np.concatenate(parts))
        cpu, wall = times[name]
        figures[name] = {
            **{f"ms_p{p}": round(float(np.percentile(cpu, p)), 4) for p in (10, 50, 90, 99)},
            **{f"wall_ms_p{p}": round(float(np.percentile(wall, p)), 4) for p in (10, 50, 99)},
            "same_bits": bool(np.array_equal(np.concatenate(scores[name]), at_once)),
        }
    return figures


def main(arguments=None):
    cli.argument_parser(__doc__, jobs=False).parse_args(arguments)
    results.run("latency", evaluate, [{"measure": "latency"}])


if __name__ == "__main__":
    main()
