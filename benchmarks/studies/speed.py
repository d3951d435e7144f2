"""Speed and memory of ALAD: over a bare torch loop, against PyOD, and how they grow.

All times are of one thread and the least of several rounds; what is compared runs in turn.
"""

import argparse
import resource
import subprocess
import sys
import time
from functools import partial

import bare_alad
import numpy as np
import results
import torch
from baselines import PyOD

from skgad import ALAD, MLP

SHAPE = (20_000, 121)
ROUNDS = 5
# On the CPU, processor time, to which other processes on the machine add nothing.
clock = time.perf_counter if torch.cuda.is_available() else time.process_time
GRID = {
    "rows": [(n, 50, 128) for n in (1_000, 3_000, 10_000, 30_000, 100_000)],
    "columns": [(10_000, d, 128) for d in (10, 30, 100, 300, 1000)],
    "batch": [(10_000, 50, b) for b in (32, 64, 128, 256, 512, 1024, 2048)],
}


def alad(device, **params):
    """ALAD with all that the comparisons hold fixed."""
    fixed = {"latent_dim": 32, "networks": MLP((64, 32)), "random_state": 0}
    return ALAD(**{"batch_size": 128, **fixed, **params}, device=device)


def table(shape):
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def least_seconds(*functions, rounds=ROUNDS):
    """The least time that each function takes in rounds of all of them."""
    times = np.empty((rounds, len(functions)))
    for one_round in times:
        for i, function in enumerate(functions):
            start = clock()
            function()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            one_round[i] = clock() - start
    return times.min(axis=0)


def fit_overhead(device, n_epochs=5):
    """`fit` over the bare loop on the same networks, rows and number of steps."""
    X = table(SHAPE)
    detector = alad(device, max_epochs=n_epochs)
    make_game = detector._make_game(X.shape[1])

    def bare():
        rows = torch.tensor(X, device=device)
        game = make_game().to(device)
        bare_alad.train(rows, game, n_epochs, detector.batch_size, detector.lr)

    ours, theirs = least_seconds(partial(detector.fit, X), bare)
    return {"skgad_seconds": ours, "bare_seconds": theirs, "ratio": ours / theirs}


def score_overhead(device):
    """`score_samples` over one pass of all rows through the same networks."""
    X = table(SHAPE)
    detector = alad(device, max_epochs=1).fit(X)
    game = detector.net_.module_.scorers[0]

    def bare():
        bare_alad.score(torch.tensor(X, device=device), game).cpu()

    ours, theirs = least_seconds(partial(detector.score_samples, X), bare, rounds=4 * ROUNDS)
    return {"skgad_seconds": ours, "bare_seconds": theirs, "ratio": ours / theirs}


def against_pyod(device, n_epochs=2):
    """Rows per second, at equal layers, batches and number of steps, without dropout."""
    X = table(SHAPE)
    networks = MLP((64, 32), discriminator_layer_sizes=(64, 32))
    ours = alad(device, max_epochs=n_epochs, networks=networks)
    n_steps = n_epochs * -(-len(X) // ours.batch_size)
    layers = {f"{name}_layers": [64, 32] for name in ("enc", "disc_xx", "disc_zz", "disc_xz")}
    sizes = {**layers, "dec_layers": [32, 64], "latent_dim": ours.latent_dim, "dropout_rate": 0.0}
    pyod = PyOD("ALAD", {**sizes, "batch_size": ours.batch_size, "epochs": n_steps})
    fit = least_seconds(partial(ours.fit, X), partial(pyod.fit, X))
    score = least_seconds(partial(ours.score_samples, X), partial(pyod.score_samples, X))
    return [
        {
            "detector": name,
            "training_rows_per_second": n_epochs * len(X) / fit[i],
            "scored_rows_per_second": len(X) / score[i],
        }
        for i, name in enumerate(["ALAD", "PyOD ALAD"])
    ]


def peak_memory(device):
    """What `fit` needs beyond what the process had with the data at hand; the most of rounds."""
    code = f"from speed import memory_of_fit; memory_of_fit({device!r})"
    call = [sys.executable, "-c", code]
    runs = [
        subprocess.run(call, cwd=results.FOLDER.parent, check=True, capture_output=True, text=True)
        for _ in range(ROUNDS)
    ]
    data, growth = max(tuple(map(float, run.stdout.split())) for run in runs)
    return {"data_mb": data, "growth_mb": growth, "ratio": growth / data}


def memory_of_fit(device):
    torch.set_num_threads(1)
    detector = alad(device, max_epochs=1)
    detector.fit(table((5_000, 50)))  # what torch loads at the first step is no matter of the data
    X = table((1_000_000, 50))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    detector.fit(X)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(X.nbytes / 2**20, (after - before) / 2**10)


def growth(device, n_rows, n_columns, batch_size):
    """Seconds of one epoch and of scoring."""
    X = table((n_rows, n_columns))
    detector = alad(device, max_epochs=1, batch_size=batch_size)
    fit, score = least_seconds(
        partial(detector.fit, X), lambda: detector.score_samples(X), rounds=3
    )
    return {"fit_seconds": fit, "score_seconds": score}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    device = parser.parse_args().device
    measures = {
        "fit": fit_overhead,
        "score": score_overhead,
        "pyod": against_pyod,
        "memory": peak_memory,
    }
    tasks = [
        ({"measure": name, "device": device}, partial(measure, device))
        for name, measure in measures.items()
    ]
    for what, cases in GRID.items():
        for n, d, batch in cases:
            key = {"measure": what, "device": device, "n_rows": n, "n_columns": d, "batch": batch}
            tasks.append((key, partial(growth, device, n, d, batch)))
    results.run("speed", tasks)


if __name__ == "__main__":
    main()
