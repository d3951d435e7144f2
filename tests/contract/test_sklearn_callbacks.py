"""Callbacks of scikit-learn: the fit and each epoch are tasks."""

import pickle
import warnings
from importlib.util import find_spec

import joblib
import numpy as np
import pandas as pd
import pytest
from common import DETECTORS, LABELLED, assert_same_bits, fitted, state, table, tiny
from contract_common import labelled_blobs, mixed_frame, one_split, preprocessing
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

pytestmark = pytest.mark.skipif(
    find_spec("sklearn.callback") is None,
    reason="scikit-learn has callbacks from version 1.9 on",
)

every_detector = pytest.mark.parametrize("name", DETECTORS)


@pytest.fixture
def progress_bar():
    pytest.importorskip("rich", reason="rich, which draws progress bars, is not installed")
    from sklearn.callback import ProgressBar

    return ProgressBar()


class Log:
    """Callback of scikit-learn that records its calls, and the fitted estimators it receives."""

    max_propagation_depth = None

    def __init__(self, stop_after=None, wants_estimator=False):
        self.stop_after = stop_after
        self.events = []
        self.fitted = []
        if wants_estimator:
            self.on_fit_task_end = self._end_with_estimator

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.events.append(("begin", context.task_name, context.task_id, context.max_subtasks))

    def on_fit_task_end(self, estimator, context):
        self.events.append(("end", context.task_name, context.task_id))
        return context.task_name == "epoch" and context.task_id + 1 == self.stop_after

    def _end_with_estimator(self, estimator, context, *, X=None, fitted_estimator=None):
        if context.task_name == "epoch":
            self.fitted.append((fitted_estimator, fitted_estimator.score_samples(X)))


def small_search(name, device):
    """Search for one of two values of a parameter."""
    return GridSearchCV(
        tiny(name, device=device),
        {"latent_dim": [1, 2]},
        scoring="roc_auc",
        cv=one_split(),
        error_score="raise",
    )


def permanent_callbacks(detector):
    """Names of the callbacks of skorch that a detector keeps."""
    return [name for name, _ in detector.net_.callbacks_]


# ------------------------------------------------------------------------------------ tasks


@every_detector
def test_the_fit_and_its_epochs_are_tasks(name, device):
    log = Log()
    detector = tiny(name, device=device).set_callbacks(log).fit(table())
    assert log.events == [
        "setup",
        ("begin", "fit", 0, 2),
        ("begin", "epoch", 0, 0),
        ("end", "epoch", 0),
        ("begin", "epoch", 1, 0),
        ("end", "epoch", 1),
        ("end", "fit", 0),
        "teardown",
    ]
    assert detector.n_iter_ == 2
    assert_same_bits(state(detector), state(fitted(name, device)))


@every_detector
def test_partial_fit_is_a_task_with_one_epoch(name, device):
    log = Log()
    detector = tiny(name, device=device).set_callbacks(log).fit(table()).partial_fit(table())
    assert [event for event in log.events if event[0] == "begin"] == [
        ("begin", "fit", 0, 2),
        ("begin", "epoch", 0, 0),
        ("begin", "epoch", 1, 0),
        ("begin", "fit", 0, 1),
        ("begin", "epoch", 0, 0),
    ]
    assert (log.events.count("setup"), log.events.count("teardown")) == (2, 2)
    assert detector.n_iter_ == 3


@every_detector
def test_callbacks_are_torn_down_if_fit_fails(name, device):
    log, rows = Log(), table()
    rows[0] = np.nan
    detector = tiny(name, device=device).set_callbacks(log)
    with pytest.raises(ValueError, match="NaN"):
        detector.fit(rows)
    with pytest.raises(ValueError, match="lower the learning rate"):
        detector.set_params(lr=1e30, max_epochs=5).fit(table())
    assert log.events.count("setup") == log.events.count("teardown") == 1


@every_detector
def test_a_callback_can_stop_the_training(name, device):
    log = Log(stop_after=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        detector = tiny(name, device=device, max_epochs=9).set_callbacks(log).fit(table())
    assert detector.n_iter_ == 2
    assert len(detector.history_) == 2
    assert log.events[-2:] == [("end", "fit", 0), "teardown"]
    assert_same_bits(state(detector), state(fitted(name, device)))


@every_detector
def test_epochs_are_subtasks_of_a_search(name, device):
    rows, labels = labelled_blobs()
    log = Log()
    search = small_search(name, device)
    search.set_callbacks(log).fit(rows, labels)
    epochs = [event for event in log.events if event[:2] == ("end", "epoch")]
    assert len(epochs) == 3 * 2  # two candidates and the final fit
    assert (log.events.count("setup"), log.events.count("teardown")) == (1, 1)


# ------------------------------------------------------------------------ fitted estimators


@every_detector
@pytest.mark.parametrize("n_members", [1, 2])
def test_a_callback_receives_the_detector_of_each_epoch(name, n_members, device):
    params = {"device": device, "max_epochs": 3, "n_members": n_members}
    log = Log(wants_estimator=True)
    detector = tiny(name, **params).set_callbacks(log).fit(table())
    plain = [fitted(name, **{**params, "max_epochs": n}) for n in (1, 2, 3)]
    assert_same_bits(state(detector), state(plain[-1]))  # the callback does not change the training
    assert len(log.fitted) == 3
    for epoch, (estimator, scores) in enumerate(log.fitted):
        expected = plain[epoch]
        assert estimator is not detector
        assert estimator.n_iter_ == epoch + 1
        assert_same_bits(scores, expected.score_samples(table()))
        assert_same_bits(estimator.score_samples(table()), scores)  # it is a copy


@every_detector
def test_the_detector_of_an_epoch_has_the_permanent_callbacks(name, device):
    log = Log(wants_estimator=True)
    detector = tiny(name, device=device).set_callbacks(log).fit(table())
    for estimator, _ in log.fitted:
        assert permanent_callbacks(estimator) == permanent_callbacks(detector)


@every_detector
def test_the_detector_of_an_epoch_keeps_neither_rows_nor_schedule(name, device):
    log = Log(wants_estimator=True)
    params = {"early_stopping": True, "lr_schedule": "linear"}
    detector = tiny(name, device=device, **params).set_callbacks(log).fit(table(100))
    kept = getattr(detector, "reservoir_size", 0) if name == "ARN" else 0
    rows, pickled = table(100).astype(np.float32), pickle.dumps(log.fitted[0][0])
    assert sum(row.tobytes() in pickled for row in rows) <= kept
    assert permanent_callbacks(log.fitted[0][0]) == permanent_callbacks(detector)


@pytest.mark.parametrize("name", LABELLED)
def test_the_detector_of_an_epoch_has_the_known_labels(name, device):
    log, labels = Log(wants_estimator=True), np.tile([1, 0, -1, 0], 12)
    tiny(name, device=device).set_callbacks(log).fit(table(), labels=labels)
    for estimator, _ in log.fitted:
        np.testing.assert_array_equal(estimator.labels_[labels != 0], labels[labels != 0])


@every_detector
def test_the_training_of_the_detector_of_an_epoch_can_be_continued(name, device):
    log = Log(wants_estimator=True)
    tiny(name, device=device).set_callbacks(log).fit(table())
    assert log.fitted[0][0].partial_fit(table()).n_iter_ == 2


@every_detector
def test_a_scoring_monitor_scores_each_epoch(name, device):
    from sklearn.callback import ScoringMonitor

    rows, labels = labelled_blobs()
    monitor = ScoringMonitor(scoring="roc_auc")
    frame = pd.DataFrame(rows).add_prefix("x")  # with names, so that scoring does not warn
    tiny(name, device=device, max_epochs=3).set_callbacks(monitor).fit(frame, labels)
    scores = [row["roc_auc"] for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    expected = [
        roc_auc_score(labels, tiny(name, device=device, max_epochs=n).fit(rows).score_samples(rows))
        for n in (1, 2, 3)
    ]
    assert scores == expected


@every_detector
def test_a_detector_with_callbacks_can_be_pickled(name, device, progress_bar, tmp_path):
    detector = tiny(name, device=device).set_callbacks(progress_bar).fit(table())
    joblib.dump(detector, tmp_path / "detector.joblib")
    loaded = joblib.load(tmp_path / "detector.joblib")
    assert_same_bits(loaded.score_samples(table()), detector.score_samples(table()))
    assert not [k for k in vars(detector) if "callback_fit_ctx" in k or "teardown" in k]


# ---------------------------------------------------------------------------- progress bars


@every_detector
def test_a_progress_bar_shows_the_epochs(name, device, progress_bar, capsys):
    tiny(name, device=device).set_callbacks(progress_bar).fit(table())
    shown = capsys.readouterr().out
    assert name in shown
    assert "fit" in shown
    assert "100%" in shown


@pytest.mark.filterwarnings("ignore:The estimator ColumnTransformer does not support callbacks")
@every_detector
def test_a_progress_bar_shows_a_pipeline(name, device, progress_bar, capsys):
    pipeline = make_pipeline(preprocessing(), tiny(name, device=device))
    pipeline.set_callbacks(progress_bar).fit(mixed_frame())
    shown = capsys.readouterr().out
    assert "Pipeline" in shown
    assert name in shown


@every_detector
def test_a_progress_bar_shows_a_search(name, device, progress_bar, capsys):
    rows, labels = labelled_blobs()
    search = small_search(name, device)
    search.set_callbacks(progress_bar).fit(rows, labels)
    shown = capsys.readouterr().out
    assert "GridSearchCV" in shown
    assert name in shown
    assert search.best_estimator_.n_iter_ == 2
