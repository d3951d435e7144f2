"""Progress on stderr, which also passes on Ctrl-C in the training."""

import itertools
import signal
from contextlib import suppress

import numpy as np
import pytest
from cli_common import ALAD, DETECT, payments_folder, python_ctrl_c, saved, train
from skorch.callbacks import PrintLog

from skgad.cli import _messages, main
from skgad.cli._training_progress import TrainingProgress

folder = pytest.fixture(payments_folder)
ctrl_c = pytest.fixture(python_ctrl_c)


def test_progress_is_shown_on_stderr_but_not_by_a_saved_model(folder, capsys):
    train("--verbose", *ALAD)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "training: epoch 1 of 2" in captured.err
    assert "training: epoch 2 of 2" in captured.err
    detector = saved("model")["detector"].detector_
    detector.partial_fit(np.zeros((20, detector.n_features_in_), np.float32))
    assert capsys.readouterr().err == ""


def test_progress_is_a_line_a_minute_without_a_terminal(folder, capsys, monkeypatch):
    seconds = itertools.count(0, 25)
    monkeypatch.setattr(_messages.time, "monotonic", lambda: next(seconds))
    train(*ALAD, "--set", "max_epochs=9")
    lines = capsys.readouterr().err.splitlines()
    assert 2 <= len(lines) <= 9
    assert all(line.startswith("skgad: training") for line in lines[:-1])


def test_ctrl_c_between_epochs_does_not_finish_the_training(folder, ctrl_c, monkeypatch):
    def interrupt(self, net, **kwargs):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(TrainingProgress, "on_epoch_end", interrupt)
    assert main([*DETECT, "--verbose", *ALAD]) == 130
    assert [path.name for path in folder.iterdir()] == ["data.csv"]


@pytest.mark.parametrize("options", [[], ["--verbose"]])
def test_ctrl_c_is_not_lost_in_libraries_that_catch_all_exceptions(
    folder, ctrl_c, monkeypatch, options
):
    def interrupt_like_tabulate(self, net, **kwargs):  # tabulate has a bare except for each cell
        with suppress(BaseException):
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(PrintLog, "on_epoch_end", interrupt_like_tabulate)
    assert main([*DETECT, *options, *ALAD]) == 130
    assert [path.name for path in folder.iterdir()] == ["data.csv"]
