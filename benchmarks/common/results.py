"""Run tasks, keep every result at once in a JSON file, and continue where a run was interrupted."""

import fcntl
import json
import os
import platform
import shlex
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits

import skgad

FOLDER = Path(__file__).parent / "results"
PACKAGES = ("numpy", "scipy", "scikit-learn", "torch", "skorch", "pyod")


def load(table):
    """The rows of a table, each a flat dict: what identifies the run, and its results."""
    return _read(FOLDER / f"{table}.json")["rows"]


def run(table, tasks, n_jobs=1):
    """Run the tasks that the table does not hold yet; each result is on disk before the next.

    A task is a pair: a dict that identifies the run, and a function that returns a dict of results
    (or a list of them, one per row). Tasks that fail are reported at the end and tried again the
    next time.
    """
    path = FOLDER / f"{table}.json"
    done = load(table)
    todo = [(k, f) for k, f in tasks if not any(k.items() <= row.items() for row in done)]
    print(f"{table}: {len(todo)} runs to do", flush=True)
    failures = []
    for number, (key, rows, seconds, error) in enumerate(_outcomes(todo, n_jobs), 1):
        name = " ".join(str(value) for value in key.values())
        print(f"{number}/{len(todo)} {name}: {seconds:.1f} s {error or ''}", flush=True)
        if error is None:
            _append(path, [{**key, **row, "seconds": round(seconds, 2)} for row in rows])
        else:
            failures.append(name)
    if failures:
        sys.exit("These runs failed: " + ", ".join(failures))


def _outcomes(tasks, n_jobs):
    """What the tasks give, as they end."""
    if n_jobs == 1:
        yield from (_call(*task) for task in tasks)
        return
    # Forks know the functions of a script; other processes would have to import them.
    with ProcessPoolExecutor(n_jobs, get_context("fork")) as pool:
        for future in as_completed([pool.submit(_call, *task) for task in tasks]):
            yield future.result()


def _call(key, function):
    start = time.perf_counter()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            rows, error = function(), None
    except Exception as exception:  # the other runs go on
        rows, error = [], repr(exception)
    rows = rows if isinstance(rows, list) else [rows]
    return key, rows, time.perf_counter() - start, error


def _append(path, rows):
    """Add rows; the lock lets several commands write to one table."""
    path.parent.mkdir(exist_ok=True)
    with open(path.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        content = _read(path)
        how = _provenance()
        if how not in content["runs"]:
            content["runs"].append(how)
        number = content["runs"].index(how)
        content["rows"] += [{**_rounded(row), "run": number} for row in rows]
        lines = [
            f'"{part}": [\n' + ",\n".join(json.dumps(entry) for entry in entries) + "\n]"
            for part, entries in content.items()
        ]
        draft = path.with_suffix(".tmp")
        draft.write_text("{\n" + ",\n".join(lines) + "\n}\n")
        os.replace(draft, path)


def _read(path):
    return json.loads(path.read_text()) if path.exists() else {"runs": [], "rows": []}


def _rounded(row):
    return {k: round(float(v), 6) if isinstance(v, float) else v for k, v in row.items()}


def _provenance():
    """What a result depends on beside its key: command, versions, machine."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = None
    return {
        "command": shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]]),
        "skgad": skgad.__version__,
        "commit": _commit(),
        **versions,
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def _commit():
    """The commit, "-dirty" if code differs from it: results that were added do not count."""

    def git(*call):
        call = ["git", "-C", str(FOLDER.parents[1]), *call]
        return subprocess.run(call, capture_output=True, text=True).stdout.strip()

    changed = git("status", "--porcelain", "--", "skgad", "benchmarks", ":!benchmarks/results")
    return git("describe", "--always") + ("-dirty" if changed else "") or None


def _cpu():
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
