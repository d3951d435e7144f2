"""``skgad train``, and ``skgad score`` with the model."""

import numpy as np
import pandas as pd
import pytest
from cli_common import ALAD, assert_rejected, payments, payments_folder, run, saved, train

folder = pytest.fixture(payments_folder)


def test_train_and_score_give_the_results_of_detect(folder):
    options = ["--ignore", "fraud", *ALAD]
    detected = run("detect", "data.csv", "--out", "a.csv", "--explain", "--ignore", "key", *options)
    train(*options, model="m.skgad")
    scored = run("score", "data.csv", "--model", "m.skgad", "--out", "b.csv", "--explain")
    pd.testing.assert_frame_equal(scored, detected, check_exact=True)
    model = saved("m.skgad")
    in_python = -model["detector"].score_samples(payments().drop(columns=["key", "fraud"]))
    np.testing.assert_allclose(scored["anomaly_score"], in_python, rtol=1e-6)


def test_parameters_of_the_default_networks_can_be_set(folder):
    train(*ALAD, "--set", "networks__hidden_layer_sizes=(8,)")
    assert saved("model")["detector"].detector_.networks.hidden_layer_sizes == (8,)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["train", "data.csv", "--model", "data.csv", "--force"], "data.csv is the input"),
        (["train", "data.csv", "--model", "existing"], "existing already exists. Pass --force"),
    ],
)
def test_existing_files_are_not_overwritten_by_the_model(folder, capsys, argv, message):
    (folder / "existing").write_text("precious")
    assert_rejected(capsys, argv, message)
