"""Run the parts of a script in processes of their own, so that one failure leaves the others."""

import json
import os
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common import ROOT

#: Seconds that an interrupted process has to end by itself.
GRACE = 5
#: Number of lines that are kept of the output of a part that failed.
N_LAST_LINES = 40


@dataclass
class Outcome:
    """How a part ended, and the rows that it has written until then."""

    status: str  # "done", "failed" or "interrupted"
    reason: str | None
    seconds: float
    rows: list[dict]
    last_lines: list[str]


def run_part(command, limit, log):
    """Run a command, and end it and all that it has started after a time limit.

    Parameters
    ----------
    command : list of str
        Command that appends its results to a file with :func:`write_row`. The path of the file is
        added as its last argument.
    limit : float
        Seconds after which the process is ended.
    log : Path
        File of what it prints.

    Returns
    -------
    outcome : Outcome
        Its status is "interrupted" if this process was, with the rows until then.
    """
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder, "rows")
        start = time.monotonic()
        with open(log, "wb") as output:
            process = subprocess.Popen(
                [*command, str(rows)],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                status, reason = _verdict(process.wait(limit))
            except subprocess.TimeoutExpired:
                status, reason = "failed", f"it exceeded its limit of {limit:.0f} s"
            except KeyboardInterrupt:
                status, reason = "interrupted", "the run was interrupted"
            finally:
                _end(process)
        seconds = time.monotonic() - start
        lines = log.read_text(errors="replace").splitlines()[-N_LAST_LINES:]
        return Outcome(status, reason, seconds, read_rows(rows), [] if status == "done" else lines)


def write_row(path, row):
    """Append a row at once, so that it outlives its process."""
    with open(path, "a") as file:
        file.write(json.dumps(row) + "\n")


def read_rows(path):
    """Rows of a file, apart from a last one that is incomplete."""
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def _verdict(code):
    if code == 0:
        return "done", None
    if code > 0:
        return "failed", f"it ended with exit status {code}"
    return "failed", f"it was ended by {signal.Signals(-code).name}"


def _end(process):
    """End a process and those that it has started: they are one process group."""
    try:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(GRACE)
    except subprocess.TimeoutExpired:
        pass
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
