"""What the tests of the command line share: a table, and ways to run commands."""

import re
import signal
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from skgad.cli import main
from skgad.cli._models import load_model

FOREST = ["--detector", "IsolationForest", "--set", "n_estimators=20"]
ALAD = ["--set", "max_epochs=2", "--set", "latent_dim=2"]
DETECT = ["detect", "data.csv", "--out", "out.csv"]
SCORE = ["score", "data.csv", "--out", "out.csv", "--model", "model"]


def payments(n_rows=60, seed=0):
    """Payments whose amount depends on the shop, with missing values and five frauds."""
    rng = np.random.default_rng(seed)
    shop = rng.choice(["bakery", "jeweller"], n_rows)
    is_fraud = np.arange(n_rows) < 5
    table = pd.DataFrame(
        {
            "key": [f"{i:03d}" for i in range(n_rows)],
            "shop": shop,
            "amount": np.where(shop == "bakery", 8.0, 90.0) * rng.lognormal(0, 0.2, n_rows),
            "items": rng.poisson(3, n_rows),
            "fraud": is_fraud.astype(int),
        }
    )
    table.loc[is_fraud, "amount"] = 900.0 + np.arange(5)
    table.loc[10::7, "amount"] = np.nan
    table.loc[11::9, "shop"] = None
    return table


# Test files make fixtures of these two. A conftest.py here would hide that of tests/.


def payments_folder(tmp_path, monkeypatch):
    """The working directory, with payments in data.csv."""
    monkeypatch.chdir(tmp_path)
    payments().to_csv("data.csv", index=False)
    return tmp_path


def python_ctrl_c():
    """Python's handler of Ctrl-C, which a shell may have disabled."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def run(*argv):
    """Run a command that succeeds, and read its output file."""
    assert main([str(arg) for arg in argv]) == 0
    out = argv[argv.index("--out") + 1]
    # pandas 2 loses the last bit of a number unless Python converts it.
    return pd.read_csv(out, dtype={"key": str}, converters={"anomaly_score": float})


def detect(*argv, data="data.csv", out="out.csv"):
    """Results of an isolation forest for payments."""
    return run("detect", data, "--out", out, "--ignore", "key", *FOREST, *argv)


def detect_lines(data, *argv):
    """Lines of the results of an isolation forest for any table."""
    run("detect", data, "--out", "out.csv", "--force", *FOREST, *argv)
    return Path("out.csv").read_text().splitlines()


def train(*argv, data="data.csv", model="model"):
    """Train a detector, an isolation forest by default, and save it."""
    detector = [] if {"--detector", "--set"}.intersection(argv) else FOREST
    assert main(["train", data, "--model", model, "--ignore", "key", *detector, *argv]) == 0


def saved(path):
    """The content of a model file."""
    return load_model(Path(path))


def collect_warnings(capsys, command, *argv, **kwargs):
    """Lines on stderr of a command that succeeds, all of which are warnings."""
    with warnings.catch_warnings(action="always"):
        command(*argv, **kwargs)
    lines = capsys.readouterr().err.splitlines()
    assert all(line.startswith("skgad: warning: ") for line in lines)
    return lines


def assert_rejected(capsys, argv, message):
    """Check that a command fails with one line on stderr, and changes no file."""
    before = {path.name: path.stat().st_mtime_ns for path in Path().iterdir()}
    capsys.readouterr()
    with warnings.catch_warnings(action="ignore"):
        assert main(argv) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("skgad: error: ")
    assert captured.err.count("\n") == 1
    assert re.search(message, captured.err), captured.err
    assert {path.name: path.stat().st_mtime_ns for path in Path().iterdir()} == before
