"""``skgad detect``."""

import numpy as np
import pandas as pd
import pytest
from cli_common import collect_warnings, detect, detect_lines, payments, payments_folder

folder = pytest.fixture(payments_folder)


def test_every_row_gets_a_score_and_a_decision_in_the_order_of_the_table(folder, capsys):
    results = detect("--ignore", "fraud", "--contamination", 0.15)
    assert [*results] == ["key", "fraud", "anomaly_score", "decision"]
    assert results["key"].tolist() == payments()["key"].tolist()  # with leading zeros
    is_outlier = results["decision"] == "outlier"
    assert is_outlier.sum() == 9
    scores = results["anomaly_score"]
    assert scores[is_outlier].min() > scores[~is_outlier].max()
    assert is_outlier[:5].all()
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_every_line_of_the_table_gives_one_line_of_results(folder, capsys):
    (folder / "gaps.csv").write_text("\n\nkey,amount\nNA,1\n\n,3\n007,\n,\n\n\n")
    [line] = collect_warnings(capsys, detect_lines, "gaps.csv", "--ignore", "key")
    assert "Blank lines of gaps.csv are read as rows of missing values: line 5." in line
    keys = [line.split(",")[0] for line in (folder / "out.csv").read_text().splitlines()]
    assert keys == ["key", "NA", "", "", "007", ""]
    (folder / "one.csv").write_bytes(b"amount\r\n1\r\n\r\n3\r\n\r\n")
    assert len(detect_lines("one.csv")) == 1 + 3


def test_same_seed_gives_same_scores_and_another_seed_gives_others(folder):
    first, second, third = (
        detect("--seed", seed, out=f"{i}.csv")["anomaly_score"] for i, seed in enumerate((3, 3, 4))
    )
    pd.testing.assert_series_equal(first, second, check_exact=True)
    assert not np.array_equal(first, third)
