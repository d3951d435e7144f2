"""Model files."""

import textwrap

import joblib
import numpy as np
import pandas as pd
import pytest
from cli_common import SCORE, assert_rejected, payments, payments_folder, run, train
from conftest import ROOT

import skgad

folder = pytest.fixture(payments_folder)


def test_missing_models_are_rejected(folder, capsys):
    assert_rejected(capsys, SCORE, "Model model not found. Create it with 'skgad train'")


def test_files_that_are_not_models_are_rejected(folder, capsys):
    (folder / "model").write_text("notes")
    assert_rejected(capsys, SCORE, "model is not a model saved by 'skgad train'")


def test_models_of_other_versions_are_rejected(folder, monkeypatch, capsys):
    train()
    version = joblib.load("model")["skgad"]
    monkeypatch.setattr(skgad, "__version__", "99.0")
    argv = ["sample", "--model", "model", "--out", "out.csv"]
    assert_rejected(capsys, argv, f"saved by skgad {version}, but this is skgad 99.0")


def test_models_can_be_used_in_python_as_documented(folder):
    table = payments().assign(day=pd.date_range("2024-01-01", periods=60).astype(str))
    table.to_csv("february.csv", index=False)
    train("--date", "day", data="february.csv", model="january.joblib")
    guide = (ROOT / "doc/user_guide/command_line.rst").read_text()
    block = guide.split(".. code-block:: python\n\n")[1].split("\n\n")[0]
    names = {"joblib": joblib, "pd": pd}
    exec(textwrap.dedent(block).replace("detector.predict", "y_pred = detector.predict"), names)
    results = run("score", "february.csv", "--model", "january.joblib", "--out", "out.csv")
    np.testing.assert_array_equal(
        results["decision"], np.where(names["y_pred"] == 1, "inlier", "outlier")
    )
