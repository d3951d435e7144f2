"""Run tasks, save each result at once to a JSON file, and resume where a run was interrupted."""

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
from benchmarks.common import ROOT

FOLDER = ROOT / "benchmarks" / "results"
PACKAGES = ("numpy", "scipy", "scikit-learn", "torch", "skorch", "pyod", "deepod")


def load(table):
    """Rows of a table: flat dicts with the key of the run and its results."""
    return read(table)["rows"]


def read(table):
    """Content of a table: its rows, and the runs that they refer to by number."""
    path = _path(table)
    return json.loads(path.read_text()) if path.exists() else {"runs": [], "rows": []}


def run(table, evaluate, keys, n_jobs=1):
    """Evaluate the keys that the table does not have yet, and save each result at once.

    Runs that fail are reported at the end, and are tried again the next time.

    Parameters
    ----------
    table : str
        Name of the JSON file in ``benchmarks/results``.
    evaluate : callable
        Takes a key as keyword arguments. Returns a dict of results, or a list of dicts, one for
        each row of the table.
    keys : list of dict
        What identifies each run.
    n_jobs : int, default=1
        Number of processes.
    """
    done = load(table)
    keys = [key for key in keys if not any(key.items() <= row.items() for row in done)]
    print(f"{table}: {len(keys)} runs to do", flush=True)
    failures = []
    for number, (key, rows, seconds, error) in enumerate(_outcomes(evaluate, keys, n_jobs), 1):
        name = " ".join(str(value) for value in key.values())
        print(f"{number}/{len(keys)} {name}: {seconds:.1f} s {error or ''}", flush=True)
        if error is None:
            _append(table, [{**key, **row, "seconds": round(seconds, 2)} for row in rows])
        else:
            failures.append(name)
    if failures:
        sys.exit("These runs failed: " + ", ".join(failures))


def write(path, content):
    """Write a table with one line for each entry. An interrupt leaves the old or the new file."""
    lines = [
        f'"{part}": [\n' + ",\n".join(json.dumps(entry) for entry in entries) + "\n]"
        for part, entries in content.items()
    ]
    replace_text(path, "{\n" + ",\n".join(lines) + "\n}\n")


def replace_text(path, text):
    """Write a file in one step."""
    draft = path.with_suffix(".tmp")
    draft.write_text(text)
    os.replace(draft, path)


def script_name():
    """Module that runs, as in ``python -m benchmarks.alad.tables``."""
    spec = sys.modules["__main__"].__spec__
    return spec.name if spec else Path(sys.argv[0]).stem


def _path(table):
    return FOLDER / f"{table}.json"


def _outcomes(evaluate, keys, n_jobs):
    """Outcomes of the runs, in the order in which they end."""
    if n_jobs == 1:
        yield from (_call(evaluate, key) for key in keys)
        return
    # Forked processes know the functions of the script; others would have to import them.
    with ProcessPoolExecutor(n_jobs, get_context("fork")) as pool:
        for future in as_completed([pool.submit(_call, evaluate, key) for key in keys]):
            yield future.result()


def _call(evaluate, key):
    start = time.perf_counter()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            rows, error = evaluate(**key), None
    except Exception as exception:  # the other runs continue
        rows, error = [], repr(exception)
    rows = rows if isinstance(rows, list) else [rows]
    return key, rows, time.perf_counter() - start, error


def _append(table, rows):
    """Add rows; the lock lets several commands write to one table."""
    path = _path(table)
    path.parent.mkdir(exist_ok=True)
    with open(path.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        content = read(table)
        this_run = provenance()
        if this_run not in content["runs"]:
            content["runs"].append(this_run)
        number = content["runs"].index(this_run)
        content["rows"] += [{**rounded(row), "run": number} for row in rows]
        write(path, content)


def rounded(row):
    return {k: round(float(v), 6) if isinstance(v, float) else v for k, v in row.items()}


def provenance():
    """What a result depends on apart from its key: the command, versions and the machine."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = None
    return {
        "command": shlex.join(["python", "-m", script_name(), *sys.argv[1:]]),
        "skgad": skgad.__version__,
        "commit": _commit(),
        **versions,
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def _commit():
    """The commit, with "-dirty" if the code differs from it. New results do not count."""

    def git(*call):
        call = ["git", "-C", str(ROOT), *call]
        return subprocess.run(call, capture_output=True, text=True).stdout.strip()

    changed = git("status", "--porcelain", "--", "skgad", "benchmarks", ":!benchmarks/results")
    return git("describe", "--always") + ("-dirty" if changed else "") or None


def _cpu():
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
