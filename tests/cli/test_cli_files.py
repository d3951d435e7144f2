"""Output files: checked first, written completely or not at all."""

import pandas as pd
import pytest
from cli_common import DETECT, FOREST, assert_rejected, detect, payments_folder

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
