"""File formats of tables: CSV, its variants and Parquet."""

import gzip
import re
import sys
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest
from cli_common import (
    ALAD,
    DETECT,
    FOREST,
    assert_rejected,
    collect_warnings,
    detect,
    detect_lines,
    payments,
    payments_folder,
    run,
    saved,
    train,
)
from conftest import ROOT

from skgad.cli import _formats, main

folder = pytest.fixture(payments_folder)
needs_pyarrow = pytest.mark.skipif(not find_spec("pyarrow"), reason="pyarrow is not installed")


def test_separator_encoding_and_compression_can_be_chosen(folder):
    payments().replace("bakery", "boulangerie fran\xe7aise").to_csv(
        "other.csv.gz", index=False, sep=";", encoding="latin-1"
    )
    options = ["--sep", ";", "--encoding", "latin-1"]
    results = detect(*options, data="other.csv.gz", out="out.csv.gz")
    np.testing.assert_array_equal(results["anomaly_score"], detect()["anomaly_score"])


def test_decimal_comma_can_be_chosen(folder, capsys):
    payments().to_csv("comma.csv", index=False, sep=";", decimal=",")
    results = detect("--sep", ";", "--decimal", ",", data="comma.csv", out="other.csv")
    np.testing.assert_allclose(results["anomaly_score"], detect()["anomaly_score"])
    options = ["--sep", ";", "--decimal", ",", "--force"]
    payments().replace({"amount": {900.0: "0.5"}}).to_csv("comma.csv", sep=";", decimal=",")
    [line] = collect_warnings(capsys, detect, *options, data="comma.csv")
    assert "because of '0.5'" in line


def test_documented_missing_values_leave_a_column_numeric(folder):
    guide = (ROOT / "doc/user_guide/command_line.rst").read_text()
    documented = re.findall("``(.*?)``", re.search("Missing values are .*?\n\n", guide, re.S)[0])
    assert {*documented} == {*_formats.MISSING_VALUES} - {""}
    table = payments(100)
    table["amount"] = table["amount"].astype(object)
    table.loc[20 : 19 + len(documented), "amount"] = documented
    table.to_csv("missing.csv", index=False)
    train("--contamination", "0.05", data="missing.csv")
    assert saved("model")["background"]["amount"].dtype == float


def test_only_empty_cells_are_missing_in_labels_and_in_copied_columns(folder, capsys):
    table = payments().assign(attack=["ddos", "None", "scan", ""] * 15)
    table["country"] = ["NA", "null", "", "n/a", "007", "1.50"] * 10
    table.to_csv("attacks.csv", index=False)
    options = ["--label-column", "attack", "--anomaly-label", "ddos", "--ignore", "country"]
    detect(*options, data="attacks.csv")
    assert "rows with a label  45\nanomalies          15\n" in capsys.readouterr().out
    train("--ignore", "attack", "--ignore", "country", data="attacks.csv")
    run("score", "attacks.csv", "--model", "model", "--out", "scored.csv")
    for name in ("out.csv", "scored.csv"):
        results = pd.read_csv(name, dtype=str, keep_default_na=False)
        assert results["attack"].tolist() == table["attack"].tolist()
        assert results["country"].tolist() == table["country"].tolist()


def test_header_of_numbers_raises_a_warning(folder, capsys):
    (folder / "rows.csv").write_text("1,2.5\n3,4\n5,6\n")
    [line] = collect_warnings(capsys, detect_lines, "rows.csv")
    assert "rows.csv is used as column names, but it contains only numbers: '1', '2.5'" in line


def test_blank_lines_are_rows_of_missing_values_with_a_warning(folder, capsys):
    lines = [f"{i % 7},{i % 5}" for i in range(30)]
    lines[4] = lines[20] = ""
    (folder / "blank.csv").write_text("\n".join(["a,b", *lines]))
    [line] = collect_warnings(capsys, detect_lines, "blank.csv")
    assert "Blank lines of blank.csv are read as rows of missing values: line 6, 22." in line
    (folder / "column.csv").write_text("\n".join(["a", *[line[:1] for line in lines]]))
    assert collect_warnings(capsys, detect_lines, "column.csv") == []


@pytest.mark.parametrize("detector", [["Autoencoder", *ALAD], ["IsolationForest"]])
def test_a_row_of_extreme_numbers_does_not_keep_the_others_from_being_scored(folder, detector):
    payments().drop(columns=["key", "fraud"]).to_csv("normal.csv", index=False)
    argv = ["--detector", *detector]
    assert main(["train", "normal.csv", "--model", "model", *argv]) == 0
    expected = run("score", "normal.csv", "--model", "model", "--out", "out.csv")
    new = payments().drop(columns=["key", "fraud"]).astype({"items": float})
    new.loc[3, ["amount", "items"]] = 1e30
    new.to_csv("new.csv", index=False)
    results = run("score", "new.csv", "--model", "model", "--out", "new_out.csv")
    scores, others = results["anomaly_score"], results.index != 3
    assert scores[3] == scores.max()
    np.testing.assert_array_equal(scores[others], expected["anomaly_score"][others])


@needs_pyarrow
def test_parquet_is_read_and_written(folder):
    payments().to_parquet("data.parquet")
    assert main(["detect", "data.parquet", "--out", "out.parquet", "--ignore", "key", *FOREST]) == 0
    np.testing.assert_array_equal(
        pd.read_parquet("out.parquet")["anomaly_score"], detect()["anomaly_score"]
    )


@needs_pyarrow
def test_named_index_levels_of_parquet_become_columns(folder):
    table = payments().assign(none=0, key=lambda table: table["key"].astype(int))
    table = table.set_index(["key", "shop", "none"]).rename_axis(["key", "shop", None])
    table.to_parquet("levels.parquet")
    options = ["--ignore", "key", "--ignore", "fraud", *FOREST]
    assert main(["detect", "levels.parquet", "--out", "out.parquet", *options]) == 0
    results = pd.read_parquet("out.parquet")
    assert results["key"].tolist() == [*range(60)]
    from_csv = detect("--ignore", "fraud")
    np.testing.assert_allclose(results["anomaly_score"], from_csv["anomaly_score"], atol=0.1)


def test_parquet_gives_the_scores_of_csv(folder, monkeypatch):
    """Pickles stand in for Parquet, so that no library is needed."""
    monkeypatch.setattr(_formats, "find_spec", lambda name: True)
    monkeypatch.setattr(pd, "read_parquet", pd.read_pickle)
    monkeypatch.setattr(pd.DataFrame, "to_parquet", lambda X, path, index: X.to_pickle(path))
    table = payments().assign(code=np.arange(60) % 3).set_index("key")
    table.to_pickle("data.parquet")
    train("--categorical", "code", "--ignore", "fraud", data="data.parquet")
    assert main(["score", "data.parquet", "--model", "model", "--out", "out.parquet"]) == 0
    results = pd.read_pickle("out.parquet")
    assert [*results] == ["key", "fraud", "anomaly_score", "decision"]
    table.to_csv("data2.csv")
    from_csv = run("score", "data2.csv", "--model", "model", "--out", "out.csv")
    np.testing.assert_array_equal(results["anomaly_score"], from_csv["anomaly_score"])


def test_missing_libraries_are_named(folder, monkeypatch, capsys):
    (folder / "data.parquet").touch()
    monkeypatch.setattr(_formats, "find_spec", lambda name: None)
    assert_rejected(capsys, ["detect", "data.parquet", "--out", "out.csv"], "pip install pyarrow")
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert_rejected(capsys, DETECT, "pip install pandas")


INVALID_FILES = {
    "empty.csv": (b"", "empty.csv is empty"),
    "header.csv": (b"a,b\n", "header.csv has a header but no rows"),
    "ragged.csv": (b"a,b\n1,2\n3,4,5,6\n", "line 3, saw 4"),
    "short.csv": (b"a,b\n1,2\n3\n4,5\n6\n", "of short.csv have fewer cells .* has 2: line 3, 5"),
    "quoted.csv": (b'\n\na,b\n"1\n\n",2\n3\n', "of quoted.csv have fewer cells .*: line 7"),
    "nothing.csv": (b"a,b\n" + 40 * b",\n", "nothing.csv contains no values: .* lines 2 to 41"),
    "missing.csv": (b"a\n" + 40 * b'""\n', "missing.csv contains no values: .* lines 2 to 41"),
    "blank.csv": (b"a,b\n" + 40 * b"\n", "blank.csv has a header but no rows"),
    "lines.csv": (40 * b"\n", "lines.csv is empty"),
    "more.csv": (b"a,b\n1,2,3\n4,5,6\n", "Cannot read more.csv as a table separated by ','"),
    "twice.csv": (b"amount,amount\n1,2\n3,4\n", "must be unique, but twice.csv .*'amount'"),
    "bytes.csv": (b"a,b\n\xff\xfe,1\n", "Cannot decode bytes.csv as utf-8.*--encoding latin-1"),
    "cut.csv.gz": (gzip.compress(b"a,b\n1,2\n")[:-9], "Cannot read cut.csv.gz: .*ended before"),
    "no.csv.gz": (b"a,b\n1,2\n", "Cannot read no.csv.gz: Not a gzip"),
    "data.xlsx": (b"", r"format of data.xlsx from its name, .* end in .csv, .*\.parquet"),
}


@pytest.mark.parametrize("name", INVALID_FILES)
def test_invalid_files_are_rejected(folder, capsys, name):
    content, message = INVALID_FILES[name]
    (folder / name).write_bytes(content)
    assert_rejected(capsys, ["detect", name, "--out", "out.csv"], message)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["detect", "no.csv", "--out", "out.csv"], "File no.csv not found"),
        (["detect", ".", "--out", "out.csv"], r"File \. not found"),
        ([*DETECT, "--encoding", "klingon"], "Cannot decode data.csv as klingon"),
        (["detect", "data.csv", "--out", "out.txt"], "format of out.txt from its name, .* end in"),
    ],
)
def test_missing_files_and_unknown_formats_are_rejected(folder, capsys, argv, message):
    assert_rejected(capsys, argv, message)
