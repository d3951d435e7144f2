"""Results that share names with columns of the table."""

import re

import pytest
from cli_common import detect, payments, payments_folder, train

from skgad.cli import _models, _results, main

folder = pytest.fixture(payments_folder)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (["--ignore", "decision"], "'decision'"),
        (["--label-column", "decision"], "'decision'"),
        (["--ignore", "anomaly_score", "--ignore", "reason_1"], "'anomaly_score'"),
        (["--explain", "--ignore", "reason_1"], "'reason_1'"),
        (["--explain", "--ignore", "contribution_3"], "'contribution_3'"),
    ],
)
def test_results_never_overwrite_columns_of_the_table(folder, monkeypatch, capsys, options, name):
    columns = ["anomaly_score", "decision", "reason_1", "contribution_3"]
    payments().assign(**dict.fromkeys(columns, [0, 1] * 30)).to_csv("scored.csv", index=False)
    train(*(arg for column in columns for arg in ("--ignore", column)), data="scored.csv")
    monkeypatch.setattr(_models, "train_model", None)
    monkeypatch.setattr(_results, "write_results", None)
    for command in (["detect"], ["score", "--model", "model"]):
        assert main([*command, "scored.csv", "--out", "out.csv", *options]) == 2
        err = capsys.readouterr().err
        assert re.search(f"would overwrite .*{name}.* of scored.csv. Rename", err), err


def test_columns_with_names_of_reasons_are_copied_without_explain(folder):
    payments().assign(reason_1="mine").to_csv("mine.csv", index=False)
    results = detect("--ignore", "reason_1", data="mine.csv")
    assert {*results["reason_1"]} == {"mine"}
