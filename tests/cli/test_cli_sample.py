"""``skgad sample``."""

import numpy as np
import pytest
from cli_common import ALAD, assert_rejected, payments_folder, run, train

folder = pytest.fixture(payments_folder)


def test_sampled_rows_look_like_rows_of_the_table(folder):
    train("--ignore", "fraud", "--detector", "WALDO", *ALAD)
    for kind in ("inlier", "outlier"):
        rows = run("sample", "--model", "model", "-n", "20", "--kind", kind, "--out", f"{kind}.csv")
        assert [*rows] == ["shop", "amount", "items"]
        assert len(rows) == 20
        assert {*rows["shop"].dropna()} <= {"bakery", "jeweller"}
        assert rows["items"].dtype == np.int64


def test_detectors_that_cannot_sample_are_rejected(folder, capsys):
    train()
    message = "IsolationForest cannot sample rows.*ALAD"
    assert_rejected(capsys, ["sample", "--model", "model", "--out", "out.csv"], message)


def test_rows_are_sampled_from_a_density(folder):
    train("--ignore", "fraud", "--detector", "DensityDetector")
    rows = run("sample", "--model", "model", "-n", "20", "--out", "rows.csv")
    assert [*rows] == ["shop", "amount", "items"]
    assert len(rows) == 20


def test_outliers_of_a_density_are_rejected(folder, capsys):
    train("--ignore", "fraud", "--detector", "DensityDetector")
    argv = ["sample", "--model", "model", "--kind", "outlier", "--out", "rows.csv"]
    assert_rejected(capsys, argv, "only samples kind='inlier'")
