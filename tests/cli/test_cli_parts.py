"""Large Parquet files are trained on and scored in parts."""

import errno
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cli_common import FOREST, payments

import skgad.cli._parts
from skgad.cli import main
from skgad.tables import ParquetTable

pq = pytest.importorskip("pyarrow.parquet", reason="reads Parquet files")

SCORE = ["score", "big.parquet", "--model", "model"]


def big():
    """Payments with a missing integer key and dates, in 350 rows."""
    table = pd.concat([payments(50, seed) for seed in range(7)], ignore_index=True)
    table["day"] = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(np.arange(350), "D")
    table["number"] = np.arange(350.0)
    table.loc[120, "number"] = np.nan
    return table.astype({"number": "Int64"})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory, with a large file, and a model that was trained on it."""
    monkeypatch.chdir(tmp_path)
    write(big())
    ignored = ["--ignore", "key", "--ignore", "number"]
    assert main(["train", "big.parquet", "--model", "model", *ignored, *FOREST]) == 0
    monkeypatch.setattr(skgad.cli._parts, "PART_ROWS", 100)
    return tmp_path


def write(table):
    options = {"row_group_size": 60, "write_page_checksum": True}
    table.to_parquet("big.parquet", index=False, **options)


def fail(capsys, argv):
    """Message of a command that fails."""
    capsys.readouterr()
    assert main([*argv]) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("out", ["out.csv", "out.csv.gz", "out.parquet"])
@pytest.mark.parametrize("labels", [[], ["--label-column", "fraud"]])
def test_parts_give_the_same_file_as_the_whole_table(folder, monkeypatch, capsys, out, labels):
    if labels:
        with monkeypatch.context() as context:
            context.setattr(skgad.cli._parts, "PART_ROWS", 10**6)
            ignored = ["--ignore", "key", "--ignore", "number", *labels]
            main(["train", "big.parquet", "--model", "model", "--force", *ignored, *FOREST])
    in_parts = f"parts_{out}"
    capsys.readouterr()
    assert main([*SCORE, "--out", in_parts, *labels]) == 0
    evaluation = capsys.readouterr().out
    monkeypatch.setattr(skgad.cli._parts, "PART_ROWS", 10**6)
    assert main([*SCORE, "--out", out, *labels]) == 0
    assert capsys.readouterr().out == evaluation
    assert bool(evaluation) == bool(labels)
    read = pd.read_parquet if out.endswith("parquet") else pd.read_csv
    expected = read(out)
    assert [*expected][:2] == ["key", *(labels[1:] or ["number"])]
    pd.testing.assert_frame_equal(read(in_parts), expected, check_dtype=False)
    assert not Path(f"{in_parts}.parts").exists()


def test_a_large_file_is_neither_loaded_for_scoring_nor_for_training(folder, monkeypatch):
    def load(*args, **kwargs):
        raise AssertionError("the whole table is loaded")

    monkeypatch.setattr(pd, "read_parquet", load)
    sizes = []
    apply = ParquetTable._apply
    monkeypatch.setattr(
        ParquetTable, "_apply", lambda self, x: sizes.append(len(x)) or apply(self, x)
    )
    assert main([*SCORE, "--out", "out.parquet"]) == 0
    assert max(sizes) == 100
    monkeypatch.setattr(ParquetTable.sample, "__defaults__", (150, 0))
    options = ["--ignore", "key", "--date", "day", "--categorical", "items"]
    networks = ["--set", "max_epochs=1", "--set", "n_members=1"]
    argv = ["train", "big.parquet", "--model", "other", *options, *networks]
    assert main(argv) == 0
    assert max(sizes) == 350  # a window
    assert main(["score", "big.parquet", "--model", "other", "--out", "other.csv"]) == 0
    assert len(pd.read_csv("other.csv")) == 350


def test_a_full_disk_keeps_the_parts_and_the_same_command_goes_on(folder, monkeypatch, capsys):
    write_table, written = skgad.cli._parts.write_table, []

    def full_disk(table, path):
        if len(written) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(path)
        write_table(table, path)

    monkeypatch.setattr(skgad.cli._parts, "write_table", full_disk)
    message = fail(capsys, [*SCORE, "--out", "out.csv"])
    assert "No space left on device" in message
    assert "results of 200 of 350 rows are kept in out.csv.parts. Run the same command" in message
    assert not Path("out.csv").exists()
    assert [len(pd.read_parquet(path)) for path in written] == [100, 100]
    monkeypatch.setattr(
        skgad.cli._parts,
        "write_table",
        lambda t, path: written.append(path) or write_table(t, path),
    )
    assert main([*SCORE, "--out", "out.csv"]) == 0
    assert [path.name for path in written] == [f"00000{k}.parquet" for k in range(4)]
    results = pd.read_csv("out.csv", dtype={"key": str})
    assert results["key"].tolist() == big()["key"].tolist()
    monkeypatch.setattr(skgad.cli._parts, "write_table", write_table)
    assert main([*SCORE, "--out", "all.csv"]) == 0
    assert Path("all.csv").read_bytes() == Path("out.csv").read_bytes()


def test_parts_of_another_table_or_model_are_not_joined(folder, monkeypatch, capsys):
    with monkeypatch.context() as context:
        context.setattr(skgad.cli._parts, "_join", lambda *a, **k: 1 / 0)
        assert "division by zero" in fail(capsys, [*SCORE, "--out", "out.csv"])
    changed = big()
    changed["amount"] *= 2
    write(changed)
    message = fail(capsys, [*SCORE, "--out", "out.csv"])
    assert "out.csv.parts contains results of another table, model or command" in message
    assert main([*SCORE, "--out", "out.csv", "--force"]) == 0
    assert main([*SCORE, "--out", "all.csv"]) == 0
    assert Path("all.csv").read_bytes() == Path("out.csv").read_bytes()


def test_another_folder_in_the_way_is_not_removed(folder, capsys):
    Path("out.csv.parts").mkdir()
    Path("out.csv.parts/mine").write_text("mine")
    message = fail(capsys, [*SCORE, "--out", "out.csv", "--force"])
    assert "out.csv.parts is in the way of the results" in message
    assert Path("out.csv.parts/mine").read_text() == "mine"


def test_a_damaged_file_is_scored_up_to_the_damage(folder, capsys):
    amounts = pq.read_metadata("big.parquet").row_group(4).column(2)
    end = amounts.data_page_offset + amounts.total_compressed_size
    content = bytearray(Path("big.parquet").read_bytes())
    content[end - 9 : end] = bytes(9)
    Path("big.parquet").write_bytes(content)
    message = fail(capsys, [*SCORE, "--out", "out.csv"])
    assert "Cannot read rows 240 to 299 of the table, in row group 4 of big.parquet" in message
    assert "The results of 200 of 350 rows are kept in out.csv.parts" in message


def test_columns_are_checked_before_anything_is_scored(folder, capsys):
    write(big().drop(columns="shop"))
    assert "Columns 'shop' not found" in fail(capsys, [*SCORE, "--out", "out.csv"])
    write(big().assign(extra=1))
    assert "not trained with 'extra'" in fail(capsys, [*SCORE, "--out", "out.csv"])
    Path("big.parquet").write_text("no table")
    assert "Cannot read big.parquet" in fail(capsys, [*SCORE, "--out", "out.csv"])
    assert not Path("out.csv.parts").exists()
