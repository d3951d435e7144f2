"""Speed and memory of ALAD, compared with a bare torch loop and with PyOD, and how they grow.

Members are compared with one member, and with the time of their matrix products.

All times are of one thread, the shortest of several rounds in turn.
"""

import resource
import subprocess
import sys
from functools import partial

import numpy as np
import torch
from sklearn.ensemble import IsolationForest
from torch.profiler import profile

import skgad
from benchmarks.alad import bare_loop
from benchmarks.common import ROOT, cli, results
from benchmarks.common.baselines import DenoisingAutoencoder, PyOD
from benchmarks.common.detectors import build
from benchmarks.common.timing import ROUNDS, shortest_times
from benchmarks.studies.ranking import DETECTORS
from skgad import MLP
from skgad.engine.data import Rows

SHAPE = (20_000, 121)
PRODUCTS = ("mm", "addmm", "bmm", "baddbmm")
GRID = {
    "rows": [(n, 50, 128) for n in (1_000, 3_000, 10_000, 30_000, 100_000)],
    "columns": [(10_000, d, 128) for d in (10, 30, 100, 300, 1000)],
    "batch": [(10_000, 50, b) for b in (32, 64, 128, 256, 512, 1024, 2048)],
}


def alad(device, **params):
    """ALAD with the parameters that are the same in all comparisons."""
    fixed = {"latent_dim": 32, "networks": MLP((64, 32)), "batch_size": 128}
    return build("ALAD", 0, **fixed | params, device=device)


def table(shape):
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def fit_overhead(device, n_epochs=5):
    """Time of `fit` and of the bare loop with the same networks, rows and number of steps."""
    X = table(SHAPE)
    detector = alad(device, max_epochs=n_epochs)
    make_game = detector.game_class.factory(detector.networks, X, detector.game_params())

    def bare():
        rows = torch.tensor(X, device=device)
        game = make_game().to(device)
        bare_loop.train(rows, game, n_epochs, detector.batch_size, detector.lr)

    ours, theirs = shortest_times(partial(detector.fit, X), bare)
    return {"skgad_seconds": ours, "bare_seconds": theirs, "ratio": ours / theirs}


def score_overhead(device):
    """Time of `score_samples` and of one pass of all rows through the same networks."""
    X = table(SHAPE)
    detector = alad(device, max_epochs=1).fit(X)
    game = detector.net_.module_.scorer

    def bare():
        bare_loop.score(torch.tensor(X, device=device), game).cpu()

    ours, theirs = shortest_times(partial(detector.score_samples, X), bare, rounds=4 * ROUNDS)
    return {"skgad_seconds": ours, "bare_seconds": theirs, "ratio": ours / theirs}


def against_pyod(device, n_epochs=2):
    """Rows per second of ALAD and PyOD's ALAD: equal layers, batches and steps, no dropout."""
    X = table(SHAPE)
    networks = MLP((64, 32), discriminator_layer_sizes=(64, 32))
    ours = alad(device, max_epochs=n_epochs, networks=networks)
    n_steps = n_epochs * -(-len(X) // ours.batch_size)
    layers = {f"{name}_layers": [64, 32] for name in ("enc", "disc_xx", "disc_zz", "disc_xz")}
    sizes = {**layers, "dec_layers": [32, 64], "latent_dim": ours.latent_dim, "dropout_rate": 0.0}
    pyod = PyOD("ALAD", {**sizes, "batch_size": ours.batch_size, "epochs": n_steps})
    fit = shortest_times(partial(ours.fit, X), partial(pyod.fit, X))
    score = shortest_times(partial(ours.score_samples, X), partial(pyod.score_samples, X))
    return [
        {
            "detector": name,
            "training_rows_per_second": n_epochs * len(X) / fit[i],
            "scored_rows_per_second": len(X) / score[i],
        }
        for i, name in enumerate(["ALAD", "PyOD ALAD"])
    ]


def peak_memory(device):
    """Memory that `fit` adds to a process that holds the data; the largest of several rounds."""
    code = f"from benchmarks.studies.speed import memory_of_fit; memory_of_fit({device!r})"
    call = [sys.executable, "-c", code]
    runs = [
        subprocess.run(call, cwd=ROOT, check=True, capture_output=True, text=True)
        for _ in range(ROUNDS)
    ]
    data, added = max(tuple(map(float, run.stdout.split())) for run in runs)
    return {"data_mb": data, "growth_mb": added, "ratio": added / data}


def memory_of_fit(device):
    torch.set_num_threads(1)
    detector = alad(device, max_epochs=1)
    detector.fit(table((5_000, 50)))  # so that torch has loaded its libraries
    X = table((1_000_000, 50))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    detector.fit(X)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(X.nbytes / 2**20, (after - before) / 2**10)


def growth(device, n_rows, n_columns, batch):
    """Seconds of one epoch and of scoring."""
    X = table((n_rows, n_columns))
    detector = alad(device, max_epochs=1, batch_size=batch)
    fit, score = shortest_times(
        partial(detector.fit, X), lambda: detector.score_samples(X), rounds=3
    )
    return {"fit_seconds": fit, "score_seconds": score}


def members(device):
    """Milliseconds of a training step of one and of several members of ALAD, as `build` makes it.

    The floor is the time that torch's profiler counts for the matrix products.
    """
    rows = Rows(table((5_000, 30)), device=device)
    cases = [(n, layers) for layers in ((256, 128), (128, 64)) for n in (1, 3, 8)]
    nets = []
    for n_members, layers in cases:
        params = {"n_members": n_members, "networks": MLP(layers), "max_epochs": 1}
        detector = build("ALAD", 0, **params, device=device)
        nets.append(detector.fit(rows.table).net_)
    n_steps = len(nets[0].get_iterator(rows, training=True))
    seconds = shortest_times(*(partial(net.train, rows) for net in nets))
    results = []
    for (n_members, layers), net, time in zip(cases, nets, seconds, strict=True):
        with profile() as profiled:
            net.train(rows)
        events = profiled.key_averages()
        spent = {event.key: event.self_cpu_time_total for event in events}
        share = sum(spent.get(f"aten::{name}", 0) for name in PRODUCTS) / sum(spent.values())
        results.append(
            {
                "members": n_members,
                "layers": "-".join(map(str, layers)),
                "ms_per_step": 1000 * time / n_steps,
                "ratio": time / seconds[0],
                "step_to_floor": 1 / share,
            }
        )
    return results


def defaults(device):
    """Seconds of `fit` and of scoring with default parameters, and of the denoising autoencoder."""
    X = table((10_000, 30))
    detectors = {
        "Denoising autoencoder": DenoisingAutoencoder(),
        "IsolationForest": IsolationForest(random_state=0),
        **{name: getattr(skgad, name)(device=device, random_state=0) for name in DETECTORS},
    }
    fit = shortest_times(*(partial(d.fit, X) for d in detectors.values()), rounds=2)
    score = shortest_times(*(partial(d.score_samples, X) for d in detectors.values()), rounds=2)
    return [
        {
            "detector": name,
            "fit_seconds": fit[i],
            "ratio": fit[i] / fit[0],
            "score_seconds": score[i],
        }
        for i, name in enumerate(detectors)
    ]


MEASURES = {
    "fit": fit_overhead,
    "score": score_overhead,
    "pyod": against_pyod,
    "memory": peak_memory,
    "members": members,
    "defaults": defaults,
}


def evaluate(measure, device, **shape):
    return MEASURES.get(measure, growth)(device, **shape)


def main(arguments=None):
    parser = cli.argument_parser(__doc__, jobs=False)
    parser.add_argument("--device", default="cpu")
    device = parser.parse_args(arguments).device
    keys = [{"measure": measure, "device": device} for measure in MEASURES]
    keys += [
        {"measure": what, "device": device, "n_rows": n, "n_columns": d, "batch": batch}
        for what, cases in GRID.items()
        for n, d, batch in cases
    ]
    results.run("speed", evaluate, keys)


if __name__ == "__main__":
    main()
