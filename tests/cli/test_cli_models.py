"""Model files."""

import pickle
import re
import textwrap

import joblib
import numpy as np
import pandas as pd
import pytest
from cli_common import ALAD, SCORE, assert_rejected, payments, payments_folder, run, saved, train
from conftest import ROOT
from sklearn.ensemble import IsolationForest

import skgad
from skgad import persistence
from skgad.cli._models import save_model

folder = pytest.fixture(payments_folder)


def test_missing_models_are_rejected(folder, capsys):
    assert_rejected(capsys, SCORE, "Model model not found. Create it with 'skgad train'")


def test_files_that_are_not_models_are_rejected(folder, capsys):
    (folder / "model").write_text("notes")
    assert_rejected(capsys, SCORE, "model is not a model saved by 'skgad train'")


def test_models_of_a_newer_format_are_rejected(folder, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr(persistence, "FORMAT", 99)
        train()
    argv = ["sample", "--model", "model", "--out", "out.csv"]
    message = f"saved by skgad {re.escape(skgad.__version__)} in format 99, .* Update skgad"
    assert_rejected(capsys, argv, message)


def test_models_of_other_versions_with_the_same_format_are_loaded(folder, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(skgad, "__version__", "0.0.1")
        train()
    assert len(run(*SCORE)) == 60


def test_saved_estimators_that_are_not_models_of_the_command_line_are_rejected(folder, capsys):
    skgad.save(IsolationForest(), "model")
    assert_rejected(capsys, SCORE, "types that are not|does not contain a model of 'skgad train'")
    skgad.save({"detector": 1, "background": None, "ignored": []}, "model")
    assert_rejected(capsys, SCORE, "does not contain a model of 'skgad train'")


def test_pickles_are_rejected_without_running_their_code(folder, capsys):
    for dump in (joblib.dump, lambda value, path: (folder / path).write_bytes(pickle.dumps(value))):
        dump(Intruder(), "model")
        assert_rejected(capsys, SCORE, "model is not a model saved by 'skgad train'")
        (folder / "model").unlink()
    assert not (folder / "intruder").exists()


class Intruder:
    """Makes a file when it is unpickled."""

    def __reduce__(self):
        return open, ("intruder", "w")


def test_models_with_other_types_are_rejected(folder, capsys):
    skgad.save({"detector": Intruder, "background": None, "ignored": []}, "model")
    assert_rejected(capsys, SCORE, r"not trusted by default: test_cli_models\.Intruder")


@pytest.mark.parametrize(
    "detector", ["IsolationForest", "LocalOutlierFactor", "OneClassSVM", "KNeighborsDetector"]
)
def test_models_of_other_detectors_give_the_results_of_detect(folder, detector):
    argv = ["--detector", detector, "--ignore", "key"]
    detected = run("detect", "data.csv", "--out", "a.csv", *argv)
    train("--detector", detector)
    scored = run("score", "data.csv", "--out", "out.csv", "--model", "model")
    pd.testing.assert_frame_equal(scored, detected, check_exact=True)


@pytest.mark.parametrize(
    ("field", "value"), [("left_child", 10**6), ("right_child", 0), ("feature", -7)]
)
def test_trees_with_positions_outside_of_them_are_rejected(folder, capsys, field, value):
    train()
    model = saved("model")
    tree = model["detector"].detector_.estimators_[0].tree_
    content = tree.__getstate__()
    content["nodes"][field][0] = value
    tree.__setstate__(content)
    save_model(model, folder / "model")
    assert_rejected(capsys, SCORE, "does not contain a model of 'skgad train'")


def test_models_can_be_used_in_python_as_documented(folder):
    table = payments().assign(day=pd.date_range("2024-01-01", periods=60).astype(str))
    table.to_csv("february.csv", index=False)
    train("--date", "day", *ALAD, data="february.csv", model="january.skgad")
    guide = (ROOT / "doc/user_guide/command_line.rst").read_text()
    block = guide.split(".. code-block:: python\n\n")[1].split("\n\n")[0]
    names = {"skgad": skgad, "pd": pd}
    exec(textwrap.dedent(block).replace("detector.predict", "y_pred = detector.predict"), names)
    results = run("score", "february.csv", "--model", "january.skgad", "--out", "out.csv")
    np.testing.assert_array_equal(
        results["decision"], np.where(names["y_pred"] == 1, "inlier", "outlier")
    )
