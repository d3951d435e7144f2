"""Output files: checked first, written completely or not at all."""

import os
import socket
import stat

import pandas as pd
import pytest
from cli_common import DETECT, FOREST, assert_rejected, detect, payments_folder, train

from skgad.cli import _tables, main

folder = pytest.fixture(payments_folder)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--out", "no/out.csv"], "Cannot write no/out.csv to its directory"),
        (["--out", "/proc/o.csv"], "Cannot write /proc/o.csv to its directory"),
        (["--out", "."], r"\. is a directory"),
        (["--out", "data.csv", "--force"], "data.csv is the input"),
        (["--out", "existing.csv"], "existing.csv already exists. Pass --force"),
    ],
)
def test_invalid_outputs_are_rejected(folder, capsys, options, message):
    (folder / "existing.csv").write_text("precious")
    assert_rejected(capsys, ["detect", "data.csv", *options], message)


@pytest.mark.parametrize("kind", ["device", "pipe", "socket", "link to a device"])
def test_what_is_not_a_regular_file_is_not_replaced(folder, capsys, kind):
    if kind == "pipe":
        os.mkfifo("out")
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("out")
    elif kind == "link to a device":
        os.symlink("/dev/null", "out")
    path = "/dev/null" if kind == "device" else "out"
    mode = os.stat(path).st_mode
    for argv in (["train", "data.csv", "--model"], DETECT[:-1]):
        assert_rejected(capsys, [*argv, path, "--force"], f"{path} is not a regular file")
    assert os.stat(path).st_mode == mode


def test_a_model_that_is_replaced_keeps_its_permissions(folder):
    (folder / "model").touch(mode=0o640)
    (folder / "model").chmod(0o640)
    train("--force")
    assert stat.S_IMODE(os.stat("model").st_mode) == 0o640


def test_outputs_are_checked_before_any_work(folder, monkeypatch, capsys):
    monkeypatch.setattr(_tables, "read_training_table", None)
    assert_rejected(capsys, ["detect", "data.csv", "--out", "/proc/o.csv"], "Cannot write /proc/o")
    assert_rejected(capsys, ["train", "data.csv", "--model", "no/m"], "Cannot write no/m")


def test_existing_files_are_replaced_only_with_force_and_only_by_complete_files(
    folder, capsys, monkeypatch
):
    (folder / "out.csv").write_text("precious")

    def write_half_and_fail(table, path, **kwargs):
        path.write_text("anomaly_sc")
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(pd.DataFrame, "to_csv", write_half_and_fail)
        assert main([*DETECT, "--force", *FOREST]) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert (folder / "out.csv").read_text() == "precious"
    assert {path.name for path in folder.iterdir()} == {"data.csv", "out.csv"}
    assert len(detect("--force")) == 60
