"""The detectors on a GPU: quality, tests, speed of training and scoring, memory. See `make gpu`.

The most important parts come first. Each of them runs in a process of its own with a time limit,
and the results are written after each: with CUDA to ``benchmarks/results/gpu.json`` and
``gpu.md``. ``--device cpu`` shows that the script works, with smaller sizes, and writes to
``build/gpu_script_on_cpu.json`` and ``.md``: it measures nothing about a GPU.
"""

import inspect
import os
import resource
import signal
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from copy import deepcopy
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

import skgad
from benchmarks.common import ROOT, cli, results
from benchmarks.common.parts import run_part, write_row
from benchmarks.common.timing import shortest_times
from skgad.engine.data import Rows

#: Seconds for all parts together. An installation from local files fits into the rest of 8 minutes.
TOTAL_LIMIT = 400
#: Seconds that are too few to start a part.
TOO_FEW_SECONDS = 5

#: Parameters that a detector has in each mode of its training step. On a CPU both are the same.
MODES = {"eager": {"net_params": {"capture": False}}, "captured": {}}

#: Largest difference of two AUROCs. The noise of a GPU differs from that of a CPU, so the training
#: is another one. On a CPU, with these ensembles of three, the standard deviation over seeds,
#: which also change the initial weights and the order of the rows, was at most 0.013 (AMA), so
#: that of a difference is at most 0.019.
AUROC_TOLERANCE = 0.05
#: Largest difference of scores by the same weights, in interquartile ranges of the scores: far
#: above the rounding errors of float32, and far below what TF32 or a wrong formula would change.
SCORE_TOLERANCE = 1e-3

N_FEATURES = 30
DETECTORS = [
    name
    for name, value in ((name, getattr(skgad, name)) for name in skgad.__all__)
    if inspect.isclass(value)
    and issubclass(value, skgad.BaseDetector)
    and not inspect.isabstract(value)
]


def quality(device, *, epochs, n_members):
    """Do detectors rank as well as on the CPU, with the same seed, on the breast cancer data?"""
    X, y = load_breast_cancer(return_X_y=True)
    benign = np.flatnonzero(y == 1)
    train = benign[::2]
    test = np.setdiff1d(np.arange(len(X)), train)
    X = StandardScaler().fit(X[train]).transform(X)
    wrong = []
    for name in DETECTORS:
        detector = getattr(skgad, name)(max_epochs=epochs, n_members=n_members, random_state=0)
        on_cpu, on_device = (
            deepcopy(detector).set_params(device=d).fit(X[train]) for d in ("cpu", device)
        )
        cpu_scores, scores = (d.score_samples(X[test]) for d in (on_cpu, on_device))
        cpu_auroc, auroc = (roc_auc_score(y[test], s) for s in (cpu_scores, scores))
        on_cpu.net_.module_.to(device)
        moved_by = np.abs(on_cpu.score_samples(X[test]) - cpu_scores).max()
        low, high = np.percentile(cpu_scores, [25, 75])
        row = {
            "method": name,
            "auroc_on_cpu": cpu_auroc,
            "auroc": auroc,
            "difference": auroc - cpu_auroc,
            "tolerance": AUROC_TOLERANCE,
            "score_difference": moved_by / (high - low),
            "score_tolerance": SCORE_TOLERANCE,
        }
        row["within_tolerance"] = bool(
            abs(row["difference"]) <= AUROC_TOLERANCE and row["score_difference"] <= SCORE_TOLERANCE
        )
        if not row["within_tolerance"]:
            wrong.append(name)
        yield row
    if wrong:
        sys.exit("Not within the tolerances: " + ", ".join(wrong))


class DeviceTests:
    """Plugin of pytest: select a part of the tests that use the device, and stop in time."""

    def __init__(self, seconds, part, n_parts):
        self.deadline = time.monotonic() + seconds
        self.part, self.n_parts = part, n_parts
        self.n_selected = 0
        self.outcomes = {"passed": [], "failed": [], "skipped": []}

    def pytest_collection_modifyitems(self, items):
        chosen = [item for item in items if "device" in getattr(item, "fixturenames", ())]
        items[:] = chosen[self.part :: self.n_parts]
        self.n_selected = len(items)

    def pytest_runtest_logreport(self, report):
        if report.when == "call" or report.outcome != "passed":
            self.outcomes[report.outcome].append(report.nodeid)

    def pytest_runtest_protocol(self, item):
        if time.monotonic() > self.deadline:
            item.session.shouldstop = "no time is left"


def run_tests(device, tests, seconds, n_parts, part):
    """Run one of several parts of the tests."""
    import pytest  # the other parts do without

    plugin = DeviceTests(seconds, part, n_parts)
    options = ["--device", device, "-v", "--tb=short", "-p", "no:cacheprovider"]
    code = pytest.main([*options, *tests], plugins=[plugin])
    return int(code), plugin.n_selected, plugin.outcomes


def suite(device, *, tests, seconds, max_processes):
    """The tests of the package that use a device, with `--device`, in several processes."""
    n = max(1, min(max_processes, (os.cpu_count() or 1) // 2))
    with ProcessPoolExecutor(n, get_context("spawn")) as pool:
        outcomes = list(pool.map(partial(run_tests, device, tests, seconds, n), range(n)))
    names = {
        outcome: [name for *_, names in outcomes for name in names[outcome]]
        for outcome in ("passed", "failed", "skipped")
    }
    n_tests = sum(n_selected for _, n_selected, _ in outcomes)
    counts = {outcome: len(found) for outcome, found in names.items()}
    not_run = max(0, n_tests - sum(counts.values()))
    yield {"tests": n_tests, **counts, "not_run": not_run, "processes": n}
    if not_run or any(code for code, *_ in outcomes):
        summary = f"{counts['failed']} tests failed, {not_run} were not run."
        sys.exit("\n".join([*names["failed"], summary]))


def steps(device, *, methods, members, places, n_rows, rounds):
    """Training steps per second, with batches of 128 of 30 columns and the default networks.

    Rows are "resident" if the table is on the device, and "streamed" if each mini-batch is copied
    to it from the memory of the host. On a CPU both are the same. "eager" steps are played by
    Python, "captured" ones are replayed as a CUDA graph, unless "not_captured" has a reason. The
    first epoch, in which steps are captured, does not count, and the fastest of the others does.
    Peaks of the memory are those of the tensors on the device during these steps, and of the whole
    process until then.
    """
    X = table(n_rows)
    for mode, params in MODES.items():
        for name in methods:
            ms_of_one = {}
            for n_members in members:
                detector = getattr(skgad, name)(
                    n_members=n_members, max_epochs=1, random_state=0, device=device, **params
                )
                net = detector.fit(X).net_
                for place in places:
                    rows = Rows(X, device=device)
                    if place == "streamed":
                        rows.store, rows.labels = rows.table, rows.known_labels
                    reset_peak_memory(device)
                    n_steps = len(net.get_iterator(rows, training=True))
                    net.set_params(max_epochs=1 + rounds)
                    net.train(rows)
                    seconds = min(row["dur"] for row in net.history[-rounds:]) / n_steps
                    ms_of_one.setdefault(place, seconds)
                    yield {
                        "method": name,
                        "mode": mode,
                        "not_captured": net.eager_reason_ if mode == "captured" else None,
                        "members": n_members,
                        "rows": place,
                        "ms_per_step": 1000 * seconds,
                        "steps_per_second": 1 / seconds,
                        "ratio_to_one_member": seconds / ms_of_one[place],
                        **peak_memory(device),
                    }


def scores(device, *, members, n_rows, rounds):
    """Rows that ALAD scores per second, from an array in the memory of the host."""
    X = table(n_rows)
    for n_members in members:
        reset_peak_memory(device)
        detector = trained(device, n_members=n_members)
        seconds = shortest_times(partial(detector.score_samples, X), rounds=rounds)[0]
        yield {
            "method": "ALAD",
            "members": n_members,
            "n_rows": n_rows,
            "rows_per_second": n_rows / seconds,
            **peak_memory(device),
        }


def large(device, *, n_rows):
    """A table of many rows, scored once by one member of ALAD."""
    X = table(n_rows)
    reset_peak_memory(device)
    detector = trained(device)
    start = time.perf_counter()
    detector.score_samples(X)
    seconds = time.perf_counter() - start
    yield {
        "method": "ALAD",
        "n_rows": n_rows,
        "table_mb": X.nbytes / 2**20,
        "seconds": seconds,
        "rows_per_second": n_rows / seconds,
        **peak_memory(device),
    }


def table(n_rows):
    return np.random.default_rng(0).standard_normal((n_rows, N_FEATURES), dtype=np.float32)


def trained(device, n_members=1):
    detector = skgad.ALAD(n_members=n_members, max_epochs=1, random_state=0, device=device)
    return detector.fit(table(1_000))


def reset_peak_memory(device):
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def peak_memory(device):
    """Peak of the tensors on the GPU since the last reset, and of the process on the host."""
    on_device = torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else None
    on_host = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    return {"peak_device_mb": on_device, "peak_host_mb": on_host}


#: The parts, most important first, and their time limits in seconds.
PARTS = {
    "quality": (quality, 90),
    "suite": (suite, 130),
    "steps": (steps, 90),
    "methods": (steps, 60),
    "scores": (scores, 40),
    "large": (large, 60),
}
OTHERS = [name for name in DETECTORS if name != "ALAD"]
BOTH = ("resident", "streamed")
SIZES = {
    "cuda": {
        "quality": {"epochs": 100, "n_members": 3},
        "suite": {"tests": ["tests"], "seconds": 110, "max_processes": 8},
        "steps": {
            "methods": ["ALAD"],
            "members": (1, 8, 64, 256),
            "places": BOTH,
            "n_rows": 5_000,
            "rounds": 3,
        },
        "methods": {
            "methods": OTHERS,
            "members": (1, 64),
            "places": BOTH[:1],
            "n_rows": 2_500,
            "rounds": 3,
        },
        "scores": {"members": (1, 8, 64), "n_rows": 1_000_000, "rounds": 2},
        "large": {"n_rows": 10_000_000},
    },
    "cpu": {
        "quality": {"epochs": 2, "n_members": 2},
        "suite": {
            "tests": ["tests/contract/test_members.py"],
            "seconds": 60,
            "max_processes": 1,
        },
        "steps": {
            "methods": ["ALAD"],
            "members": (1, 8),
            "places": BOTH,
            "n_rows": 1_000,
            "rounds": 1,
        },
        "methods": {
            "methods": OTHERS,
            "members": (1, 2),
            "places": BOTH[:1],
            "n_rows": 256,
            "rounds": 1,
        },
        "scores": {"members": (1, 8), "n_rows": 20_000, "rounds": 1},
        "large": {"n_rows": 200_000},
    },
}


def command(part, device):
    """The command that runs a part by itself. The file of its rows is its last argument."""
    module = ["-m", "benchmarks.studies.gpu", "--device", device, "--parts", part]
    return [sys.executable, *module, "--rows"]


def run_here(part, device, path):
    """Run a part in this process and append its rows to a file."""
    function, _ = PARTS[part]
    torch.set_num_threads(1)
    with threadpool_limits(1):
        for row in function(device, **SIZES[device][part]):
            write_row(path, results.rounded(row))


def run_parts(names, device, path, logs):
    """Run parts one after the other, and write the results after each.

    Parameters
    ----------
    names : list of str
        Parts to run.
    device : {"cuda", "cpu"}
        Device of the detectors.
    path : Path
        JSON file of the results. The page is next to it.
    logs : Path
        Folder of what the parts print.

    Returns
    -------
    unfinished : list of str
        The parts that failed or were not run.
    """
    for folder in (path.parent, logs):
        folder.mkdir(parents=True, exist_ok=True)
    run = this_run(device)
    unfinished = list(names)
    deadline = time.monotonic() + TOTAL_LIMIT
    for name in names:
        remaining = deadline - time.monotonic()
        if remaining < TOO_FEW_SECONDS:
            print(f"{name}: not run, because the limit of {TOTAL_LIMIT} s is used up", flush=True)
            continue
        limit = min(PARTS[name][1], remaining)
        outcome = run_part(command(name, device), limit, logs / f"{path.stem}_{name}.log")
        add(path, name, device, run, outcome)
        print(f"{name}: {verdict(vars(outcome))}", flush=True)
        if outcome.status == "interrupted":
            raise KeyboardInterrupt
        if outcome.status == "done":
            unfinished.remove(name)
    return unfinished


def this_run(device):
    """What the results depend on: versions, the machine and its GPU."""
    on_gpu = device == "cuda"
    run = {**results.provenance(), "device": device, "cuda": torch.version.cuda}
    return {
        **run,
        "gpu": run["gpu"] if on_gpu else None,
        "gpu_memory_mb": torch.cuda.mem_get_info()[1] // 2**20 if on_gpu else None,
        "started": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    }


def add(path, name, device, run, outcome):
    """Replace what the files have about a part."""
    content = results.read(path.with_suffix(""))  # an absolute name need not be in the folder
    runs, own = content["runs"], {"part": name, "device": device}
    number = len(runs)
    if run in runs:
        number = runs.index(run)
    else:
        runs.append(run)
    parts = [part for part in content.get("parts", []) if part["part"] != name]
    parts.append(
        {
            **own,
            "status": outcome.status,
            "reason": outcome.reason,
            "seconds": round(outcome.seconds, 1),
            "last_lines": outcome.last_lines,
            "run": number,
        }
    )
    rows = [row for row in content["rows"] if row["part"] != name]
    rows += [{**own, **row, "run": number} for row in outcome.rows]
    used = sorted({part["run"] for part in parts})
    for entry in [*parts, *rows]:
        entry["run"] = used.index(entry["run"])
    order = list(PARTS)
    parts.sort(key=lambda part: order.index(part["part"]))
    rows.sort(key=lambda row: order.index(row["part"]))
    content = {"runs": [runs[i] for i in used], "parts": parts, "rows": rows}
    results.write(path, content)
    results.replace_text(path.with_suffix(".md"), page(content, device))


def page(content, device):
    """The results as a page of Markdown."""
    if device == "cuda":
        title = "# The detectors on a GPU"
        about = "`make gpu` has written this page. Times depend on the GPU and on its host."
    else:
        title = "# Not a GPU result: the script of `make gpu` on a CPU"
        about = (
            "`make gpu DEVICE=cpu` has written this page. It shows that the script works. All "
            "figures are of the CPU, with small sizes, and say nothing about a GPU."
        )
    parts = {part["part"]: part for part in content["parts"]}
    blocks = [title, about]
    for name, (function, _) in PARTS.items():
        blocks += [f"## {name}", inspect.getdoc(function)]
        if name not in parts:
            blocks.append("**Not run.**")
            continue
        part = parts[name]
        run = content["runs"][part["run"]]
        machine = f"{run['gpu']} ({device})" if device == "cuda" else f"{run['cpu']} (cpu)"
        versions = f"torch {run['torch']}, commit {run['commit']}, {run['started']}"
        blocks.append(f"{verdict(part)} On {machine}, {versions}.")
        if part["last_lines"]:
            blocks.append("\n".join(["```text", *part["last_lines"], "```"]))
        rows = [row for row in content["rows"] if row["part"] == name]
        if rows:
            blocks.append(markdown_table(rows))
    return "\n\n".join(blocks) + "\n"


def verdict(part):
    """The outcome of a part in words."""
    if part["status"] == "done":
        return f"Done in {part['seconds']:.0f} s."
    return f"**{part['status'].capitalize()}** after {part['seconds']:.0f} s: {part['reason']}."


def markdown_table(rows):
    columns = [name for name in rows[0] if name not in ("part", "device", "run")]
    lines = [columns, ["---"] * len(columns)]
    lines += [[cell(row[column]) for column in columns] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(value):
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@contextmanager
def signals_interrupt():
    """Let SIGTERM and the end of a remote session interrupt as Ctrl-C does."""

    def interrupt(number, frame):
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(arguments=None):
    parser = cli.argument_parser(__doc__, jobs=False)
    parser.add_argument("--device", choices=list(SIZES), default="cuda")
    parser.add_argument(
        "--parts", nargs="+", choices=list(PARTS), default=list(PARTS), help="default: all"
    )
    parser.add_argument("--output", type=Path, help="folder of the results and the logs")
    parser.add_argument("--rows", type=Path, help="run one part here, and append its rows to this")
    args = parser.parse_args(arguments)
    if args.device == "cuda" and not torch.cuda.is_available():
        sys.exit(
            f"torch {torch.__version__} finds no CUDA device. Nothing was run. `make gpu "
            "DEVICE=cpu` tries the script on the CPU."
        )
    if args.rows:
        run_here(args.parts[0], args.device, args.rows)
        return
    build = ROOT / "build"
    folder, name = {
        "cuda": (results.FOLDER, "gpu.json"),
        "cpu": (build, "gpu_script_on_cpu.json"),
    }[args.device]
    path = (args.output or folder).absolute() / name
    logs = (args.output or build).absolute()
    print(f"Results: {path} and {path.with_suffix('.md').name}; logs: {logs}", flush=True)
    with signals_interrupt():
        try:
            unfinished = run_parts(args.parts, args.device, path, logs)
        except KeyboardInterrupt:
            print("Interrupted. The results until now are in the files.", flush=True)
            sys.exit(130)
    if unfinished:
        sys.exit("These parts failed or were not run: " + ", ".join(unfinished))


if __name__ == "__main__":
    main()
