"""``skgad train``, and ``skgad score`` with the model."""

import itertools
import signal

import numpy as np
import pandas as pd
import pytest
from cli_common import (
    ALAD,
    FOREST,
    assert_rejected,
    payments,
    payments_folder,
    python_ctrl_c,
    run,
    saved,
    train,
)

from skgad.cli import main
from skgad.cli._training_progress import TrainingProgress
from skgad.detectors import _base
from skgad.engine import checkpoint
from skgad.engine.scores import finalize

folder = pytest.fixture(payments_folder)
ctrl_c = pytest.fixture(python_ctrl_c, autouse=True)


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


def test_a_killed_training_goes_on_from_its_checkpoint(folder, monkeypatch):
    options = [*ALAD, "--set", "max_epochs=4", "--checkpoint", "training.ckpt"]
    train(*options[:-2], model="whole")

    class Kill(BaseException):
        """Nothing catches it."""

    def kill(progress, net, **kwargs):
        if len(net.history) == 3:
            raise Kill

    monkeypatch.setattr(checkpoint.time, "monotonic", itertools.count(0, 60).__next__)
    with monkeypatch.context() as patch, pytest.raises(Kill):
        patch.setattr(TrainingProgress, "on_epoch_end", kill)
        train(*options, model="killed")
    assert (folder / "training.ckpt").exists()
    train(*options, model="resumed")
    score = ["score", "data.csv", "--out", "out.csv", "--force", "--model"]
    pd.testing.assert_frame_equal(run(*score, "resumed"), run(*score, "whole"), check_exact=True)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--checkpoint", "data.csv", *ALAD], "data.csv is not a checkpoint"),
        (["--checkpoint", "m", *ALAD], "--checkpoint and --model are the same file"),
        (["--checkpoint", "no/a", *ALAD], "cannot be written .No such file or directory"),
        (["--checkpoint", "a", *FOREST], "Invalid parameter 'checkpoint'"),
    ],
)
def test_a_wrong_checkpoint_is_rejected(folder, capsys, argv, message):
    assert_rejected(capsys, ["train", "data.csv", "--model", "m", *argv], message)


@pytest.mark.filterwarnings("default:Training was interrupted")
def test_ctrl_c_while_the_training_rows_are_scored_ends_the_command(folder, capsys, monkeypatch):
    def press(ensemble, rows):
        signal.raise_signal(signal.SIGINT)
        return finalize(ensemble, rows)

    monkeypatch.setattr(_base, "finalize", press)
    assert main(["train", "data.csv", "--model", "m", *ALAD]) == 130
    assert "skgad: interrupted" in capsys.readouterr().err
    assert not (folder / "m").exists()


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
