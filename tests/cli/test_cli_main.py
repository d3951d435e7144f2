"""The entry point: exit codes, errors in one line, Ctrl-C, and the command in a shell."""

import signal
import subprocess
import sys
import tomllib
import warnings
from pathlib import Path

import pandas as pd
import pytest
from cli_common import ALAD, DETECT, FOREST, assert_rejected, payments_folder, python_ctrl_c
from conftest import ROOT
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from skgad.cli import _detect, main

folder = pytest.fixture(payments_folder)
ctrl_c = pytest.fixture(python_ctrl_c)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    st.one_of(
        st.binary(max_size=40),
        st.text("ab01.-,;\n\"' ", max_size=60).map(str.encode),
        st.lists(
            st.lists(st.sampled_from(["1", "2.5", "", "x", "True", "1e400", "nan"]), min_size=2),
            max_size=6,
        ).map(lambda rows: "\n".join(["a,b", *map(",".join, rows)]).encode()),
    )
)
@example(b"a,b\n1,x\n2,y\n")
@example(b"a,b\n,\n,\n")
@example(b"a,a\n1,2\n3,4\n")
def test_any_file_gives_results_or_one_line_of_error(tmp_path, capsys, content):
    data, out = tmp_path / "any.csv", tmp_path / "out.csv"
    data.write_bytes(content)
    out.unlink(missing_ok=True)
    with warnings.catch_warnings(action="always"):
        code = main(["detect", str(data), "--out", str(out), *FOREST[:3], "n_estimators=2"])
    captured = capsys.readouterr()
    errors = [line for line in captured.err.splitlines() if "warning:" not in line]
    assert (code, len(errors), out.exists()) in [(0, 0, True), (2, 1, False)]
    assert captured.out == ""
    assert {path.name for path in tmp_path.iterdir()} <= {"any.csv", "out.csv"}


def test_errors_start_on_a_new_line_below_the_progress(folder, capsys):
    assert main([*DETECT, "--verbose", "--set", "epochs=3"]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("skgad: error: Invalid parameter")


def test_ctrl_c_while_writing_leaves_no_file(folder, ctrl_c, monkeypatch, capsys):
    def write_half_and_interrupt(table, path, **kwargs):
        path.write_text("anomaly_sc")
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(pd.DataFrame, "to_csv", write_half_and_interrupt)
    assert main([*DETECT, *FOREST]) == 130
    assert capsys.readouterr().err == "skgad: interrupted\n"
    assert [path.name for path in folder.iterdir()] == ["data.csv"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def start_in_shell(*argv, **kwargs):
    return subprocess.Popen(
        [sys.executable, "-m", "skgad", *argv],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **kwargs,
    )


def test_shell_command_writes_results_and_prints_the_evaluation(folder):
    process = start_in_shell(
        *DETECT, "--ignore", "key", "--label-column", "fraud", "--explain", *ALAD
    )
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    assert out.startswith("rows with a label  60\n")
    assert len(pd.read_csv("out.csv")) == 60


def test_shell_command_exits_with_2_after_an_error(folder):
    process = start_in_shell("detect", "no.csv", "--out", "out.csv")
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (2, "")
    assert err == "skgad: error: File no.csv not found.\n"


def test_shell_command_exits_with_130_after_ctrl_c_in_training(folder):
    process = start_in_shell(
        *[*DETECT, "--verbose", "--set", "max_epochs=100000"],
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    err = ""
    while "epoch 2 of" not in err:
        err += process.stderr.read(1)
        assert process.poll() is None, err
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.endswith("\nskgad: interrupted\n")
    assert [path.name for path in folder.iterdir()] == ["data.csv"]


def test_sigterm_in_training_removes_the_draft_and_exits_with_143(folder):
    process = start_in_shell(
        *["train", "data.csv", "--model", "model", "--verbose", "--set", "max_epochs=100000"]
    )
    err = ""
    while "epoch 2 of" not in err:
        err += process.stderr.read(1)
        assert process.poll() is None, err
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143
    assert err.endswith("\nskgad: terminated\n")
    assert [path.name for path in folder.iterdir()] == ["data.csv"]


def test_sigterm_while_a_model_is_written_keeps_the_old_one(folder, monkeypatch, capsys):
    (folder / "model").write_text("precious")

    def write_half_and_terminate(path, data):
        path.write_text(data[:100].decode("latin"))
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(Path, "write_bytes", write_half_and_terminate)
    assert main(["train", "data.csv", "--model", "model", "--force", *FOREST]) == 143
    assert capsys.readouterr().err == "skgad: terminated\n"
    assert {path.name for path in folder.iterdir()} == {"data.csv", "model"}
    assert (folder / "model").read_text() == "precious"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("latent_dim=1000000000000", "not enough memory for this table and these settings"),
        ("networks__hidden_layer_sizes=(1000000000000,)", "not enough memory"),
        ("n_members=1000000000000", r"'n_members' parameter of .* in the range \[1, 10000\]"),
        ("max_epochs=1000000000000", r"'max_epochs' parameter of .* in the range"),
        ("device=meta", "device='meta' computes nothing. Use 'auto'"),
        ("device=cuda:99", "device='cuda:99'"),
        ("device=7", "device"),
        ("lr=1e400", "lr"),
        ("net_params={'optimizer': 3}", "TypeError|'int' object is not callable"),
        ("callbacks=[3]", "callbacks contains 3"),
        ("random_state=-1", "random_state"),
        ("latent_dim=" + "(" * 500, "error: "),
    ],
)
def test_settings_that_do_not_work_give_one_line_of_error(folder, capsys, setting, message):
    argv = ["train", "data.csv", "--model", "model", "--set", "max_epochs=1", "--set", setting]
    assert_rejected(capsys, argv, message)


def test_unexpected_errors_give_one_line_and_a_traceback_with_verbose(folder, monkeypatch, capsys):
    def fail(args, progress):
        raise ZeroDivisionError("division\nby zero")

    monkeypatch.setattr(_detect, "run", fail)
    message = "ZeroDivisionError: division by zero. Run the command with --verbose for the trace"
    assert_rejected(capsys, DETECT, message)
    assert main([*DETECT, "--verbose"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_installed_script_is_the_same_command():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    module, name = scripts["skgad"].split(":")
    assert (module, getattr(sys.modules[module], name)) == ("skgad.cli", main)
