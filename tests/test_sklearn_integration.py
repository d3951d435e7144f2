"""Where users of scikit-learn put a detector: pipelines, searches, displays, callbacks."""

import pickle
import warnings
from importlib.util import find_spec

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from common import DETECTORS, assert_same_bits, state, table, tiny
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import DecisionBoundaryDisplay, permutation_importance
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import (
    GridSearchCV,
    HalvingRandomSearchCV,
    PredefinedSplit,
    cross_val_score,
)
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler
from test_labels import LABELLED

from skgad import MLP

every_detector = pytest.mark.parametrize("name", DETECTORS)


def mixed_frame(frame=pd.DataFrame, n_samples=60):
    """A table with a column of categories and two of numbers."""
    rng = np.random.RandomState(0)
    return frame(
        {
            "colour": rng.choice(["red", "green", "blue"], n_samples).tolist(),
            "length": rng.normal(100, 10, n_samples),
            "count": rng.randint(0, 9, n_samples),
        }
    )


def preprocessing(sparse=True):
    return make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=sparse), ["colour"]),
        (MinMaxScaler(), ["length", "count"]),
        sparse_threshold=float(sparse),
    )


def labelled(n_normal=60, n_abnormal=20):
    """Rows of one blob and of another, and 1 or -1 for each row."""
    rng = np.random.RandomState(0)
    rows = np.concatenate([rng.normal(1, 0.3, (n_normal, 3)), rng.normal(-1, 0.3, (n_abnormal, 3))])
    return rows, np.repeat([1, -1], [n_normal, n_abnormal])


def one_split(n_normal=60, n_abnormal=20):
    """Train on half of the normal rows, test on all others."""
    return PredefinedSplit(np.repeat([-1, 0], [n_normal // 2, n_normal // 2 + n_abnormal]))


# ---------------------------------------------------------------------------------- pipelines


@every_detector
@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_a_mixed_frame_goes_through_a_pipeline(name, frame, device):
    rows = mixed_frame(frame)
    pipeline = make_pipeline(preprocessing(), tiny(name, device=device)).fit(rows)
    assert set(pipeline.predict(rows)) <= {-1, 1}
    scores = pipeline.score_samples(rows)
    assert scores.shape == (60,)
    assert_same_bits(pipeline.score_samples(rows[10:15]), scores[10:15])
    assert_same_bits(pipeline.decision_function(rows), scores - pipeline[-1].offset_)
    assert pipeline.transform(rows).shape == (60, 2)
    assert_same_bits(clone(pipeline).fit(rows).score_samples(rows), scores)


@every_detector
def test_a_sparse_pipeline_scores_as_a_dense_one(name, device):
    rows = mixed_frame()
    sparse = make_pipeline(preprocessing(sparse=True), tiny(name, device=device)).fit(rows)
    dense = make_pipeline(preprocessing(sparse=False), tiny(name, device=device)).fit(rows)
    assert hasattr(sparse[:-1].transform(rows), "tocsr")
    assert isinstance(dense[:-1].transform(rows), np.ndarray)
    assert_same_bits(sparse.score_samples(rows), dense.score_samples(rows))


@every_detector
def test_a_detector_feeds_another_step(name, device):
    rows, _ = labelled()
    detector = tiny(name, device=device)
    pipeline = make_pipeline(detector, LocalOutlierFactor(5, novelty=True)).fit(rows[:60])
    codes = clone(detector).fit(rows[:60]).transform(rows)
    expected = LocalOutlierFactor(5, novelty=True).fit(codes[:60]).score_samples(codes)
    np.testing.assert_array_equal(pipeline.score_samples(rows), expected)


@every_detector
def test_names_of_features_go_through_a_pipeline(name, device):
    rows = mixed_frame()
    pipeline = make_pipeline(preprocessing(sparse=False), tiny(name, device=device))
    pipeline.set_output(transform="pandas").fit(rows)
    names = ["colour_blue", "colour_green", "colour_red", "length", "count"]
    assert [n.split("__")[1] for n in pipeline[-1].feature_names_in_] == names
    codes = pipeline.transform(rows)
    assert list(codes.columns) == [f"{name.lower()}{i}" for i in range(2)]
    assert list(pipeline.get_feature_names_out()) == list(codes.columns)


@every_detector
def test_a_pipeline_is_dumped_and_loaded(name, device, tmp_path):
    rows = mixed_frame()
    pipeline = make_pipeline(preprocessing(), tiny(name, device=device)).fit(rows)
    joblib.dump(pipeline, tmp_path / "pipeline.joblib", compress=3)
    loaded = joblib.load(tmp_path / "pipeline.joblib")
    assert_same_bits(loaded.score_samples(rows), pipeline.score_samples(rows))
    assert_same_bits(loaded.predict(rows), pipeline.predict(rows))


@every_detector
def test_parameters_are_set_through_a_pipeline(name, device):
    pipeline = Pipeline([("scale", StandardScaler()), ("detect", tiny(name, device=device))])
    pipeline.set_params(detect__networks__hidden_layer_sizes=(3,), detect__lr=0.5)
    assert pipeline["detect"].networks.hidden_layer_sizes == (3,)
    assert pipeline.get_params()["detect__lr"] == 0.5


# ----------------------------------------------------------------------------------- searches


@every_detector
def test_a_grid_is_searched_with_labels_in_the_scorer_only(name, device):
    rows, labels = labelled()
    grid = {
        "latent_dim": [1, 2],
        "lr": [1e-3, 3e-3],
        "networks__hidden_layer_sizes": [(4,), (8, 4)],
    }
    search = GridSearchCV(
        tiny(name, device=device, max_epochs=3),
        grid,
        scoring="roc_auc",
        cv=one_split(),
        refit=False,
        error_score="raise",
    ).fit(rows, labels)
    scores = search.cv_results_["mean_test_score"]
    assert len(scores) == 8
    assert np.isfinite(scores).all()
    best = search.best_params_
    again = tiny(name, device=device, max_epochs=3).set_params(**best).fit(rows[:30])
    assert roc_auc_score(labels[30:], again.score_samples(rows[30:])) == search.best_score_


@every_detector
def test_two_processes_search_as_one(name, device):
    if device != "cpu":
        pytest.skip("two processes would share one GPU")
    rows, labels = labelled()
    searches = [
        GridSearchCV(
            tiny(name, device=device),
            {"latent_dim": [1, 2], "lr": [1e-3, 1e-2], "networks__hidden_layer_sizes": [(4,)]},
            scoring="roc_auc",
            cv=one_split(),
            n_jobs=n_jobs,
        ).fit(rows, labels)
        for n_jobs in (1, 2)
    ]
    one, two = (search.cv_results_["mean_test_score"] for search in searches)
    assert_same_bits(one, two)
    assert_same_bits(state(searches[0].best_estimator_), state(searches[1].best_estimator_))


@every_detector
def test_halving_search_over_the_number_of_epochs(name, device):
    rows, labels = labelled()
    search = HalvingRandomSearchCV(
        make_pipeline(MinMaxScaler(), tiny(name, device=device)),
        {
            f"{name.lower()}__latent_dim": [1, 2, 3],
            f"{name.lower()}__lr": [1e-3, 1e-2],
            f"{name.lower()}__networks__hidden_layer_sizes": [(4,), (8,)],
        },
        resource=f"{name.lower()}__max_epochs",
        min_resources=1,
        max_resources=4,
        factor=2,
        n_candidates=4,
        scoring="average_precision",
        cv=one_split(),
        n_jobs=2 if device == "cpu" else None,
        random_state=0,
        error_score="raise",
    ).fit(rows, labels)
    assert search.n_resources_ == [1, 2, 4]
    assert search.best_estimator_[-1].n_iter_ == 4
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@every_detector
def test_labels_are_not_handed_to_fit_by_cross_validation(name, device):
    rows, labels = labelled()
    detector = tiny(name, device=device)
    scores = cross_val_score(detector, rows, labels, scoring="roc_auc", cv=one_split())
    same = detector.fit(rows[:30]).score_samples(rows[30:])
    assert scores.tolist() == [roc_auc_score(labels[30:], same)]
    assert_same_bits(state(detector), state(clone(detector).fit(rows[:30], labels[:30] * 0 - 1)))


# ------------------------------------------------------------------------------------ displays


@every_detector
@pytest.mark.parametrize("response", ["decision_function", "predict", "auto"])
def test_a_boundary_is_drawn(name, response, device):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed").use("agg")
    from matplotlib import pyplot

    rows = table(n_features=2)
    detector = tiny(name, device=device).fit(rows)
    display = DecisionBoundaryDisplay.from_estimator(
        detector, rows, response_method=response, grid_resolution=10
    )
    assert display.response.shape == (10, 10)
    if response != "predict":
        grid = np.column_stack([display.xx0.ravel(), display.xx1.ravel()])
        expected = detector.decision_function(grid).reshape(10, 10)
        np.testing.assert_array_equal(display.response, expected)
    pyplot.close("all")


@every_detector
def test_importance_by_permutation(name, device):
    rows, labels = labelled()
    rows = np.column_stack([rows, np.zeros(len(rows))])  # a feature without importance
    detector = tiny(name, device=device, max_epochs=30, lr=3e-3).fit(rows[:30])
    result = permutation_importance(
        detector, rows[30:], labels[30:], scoring="roc_auc", n_repeats=2, random_state=0
    )
    assert result.importances.shape == (4, 2)
    assert (result.importances[3] == 0).all()
    assert (result.importances[:3] != 0).any()


@every_detector
def test_a_detector_is_shown_as_html(name, device):
    html = tiny(name, device=device).fit(table())._repr_html_()
    assert name in html
    assert "hidden_layer_sizes" in html


# ----------------------------------------------------------------------------------- metadata


@every_detector
def test_metadata_routing_may_be_on(name, device):
    rows, labels = labelled()
    plain = make_pipeline(MinMaxScaler(), tiny(name, device=device)).fit(rows[:30])
    with sklearn.config_context(enable_metadata_routing=True):
        routed = make_pipeline(MinMaxScaler(), tiny(name, device=device)).fit(rows[:30])
        assert_same_bits(routed.score_samples(rows), plain.score_samples(rows))
        search = GridSearchCV(
            clone(routed),
            {f"{name.lower()}__latent_dim": [1, 2]},
            scoring="roc_auc",
            cv=one_split(),
            error_score="raise",
        ).fit(rows, labels)
        assert np.isfinite(search.best_score_)
        stopping = tiny(name, device=device, early_stopping=True).fit(rows)
        assert stopping.partial_fit(rows).n_iter_ == 3


# ------------------------------------------------------------------ scikit-learn's callbacks

needs_callbacks = pytest.mark.skipif(
    find_spec("sklearn.callback") is None,
    reason="scikit-learn has callbacks from version 1.9 on",
)


@pytest.fixture
def progress_bar():
    pytest.importorskip("rich", reason="rich, which draws progress bars, is not installed")
    from sklearn.callback import ProgressBar

    return ProgressBar()


class Log:
    """A callback of scikit-learn that writes down what it is told of."""

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


@needs_callbacks
@every_detector
def test_callbacks_are_told_of_the_fit_and_its_epochs(name, device):
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
    assert_same_bits(state(detector), state(tiny(name, device=device).fit(table())))


@needs_callbacks
@every_detector
def test_callbacks_are_told_of_partial_fit_too(name, device):
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


@needs_callbacks
@every_detector
def test_callbacks_are_torn_down_when_fit_fails(name, device):
    log, rows = Log(), table()
    rows[0] = np.nan
    detector = tiny(name, device=device).set_callbacks(log)
    with pytest.raises(ValueError, match="NaN"):
        detector.fit(rows)
    with pytest.raises(ValueError, match="lower the learning rate"):
        detector.set_params(lr=1e30, max_epochs=5).fit(table())
    assert log.events.count("setup") == log.events.count("teardown") == 1


@needs_callbacks
@every_detector
def test_a_callback_stops_the_training(name, device):
    log = Log(stop_after=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        detector = tiny(name, device=device, max_epochs=9).set_callbacks(log).fit(table())
    assert detector.n_iter_ == 2
    assert len(detector.history_) == 2
    assert log.events[-2:] == [("end", "fit", 0), "teardown"]
    assert_same_bits(state(detector), state(tiny(name, device=device, max_epochs=2).fit(table())))


@needs_callbacks
@every_detector
@pytest.mark.parametrize("n_members", [1, 2])
def test_a_callback_is_given_the_detector_as_it_is(name, n_members, device):
    params = {"device": device, "max_epochs": 3, "n_members": n_members}
    log = Log(wants_estimator=True)
    detector = tiny(name, **params).set_callbacks(log).fit(table())
    plain = tiny(name, **params).fit(table())
    assert_same_bits(state(detector), state(plain))  # looking does not disturb
    assert len(log.fitted) == 3
    for epoch, (estimator, scores) in enumerate(log.fitted):
        expected = tiny(name, **{**params, "max_epochs": epoch + 1}).fit(table())
        assert estimator is not detector
        assert estimator.n_iter_ == epoch + 1
        assert_same_bits(scores, expected.score_samples(table()))
        assert_same_bits(estimator.score_samples(table()), scores)  # it is a copy


@needs_callbacks
@every_detector
def test_a_progress_bar_shows_the_epochs(name, device, progress_bar, capsys):
    tiny(name, device=device).set_callbacks(progress_bar).fit(table())
    shown = capsys.readouterr().out
    assert name in shown
    assert "fit" in shown
    assert "100%" in shown


@needs_callbacks
@pytest.mark.filterwarnings("ignore:The estimator ColumnTransformer does not support callbacks")
@every_detector
def test_a_progress_bar_shows_a_pipeline(name, device, progress_bar, capsys):
    pipeline = make_pipeline(preprocessing(), tiny(name, device=device))
    pipeline.set_callbacks(progress_bar).fit(mixed_frame())
    shown = capsys.readouterr().out
    assert "Pipeline" in shown
    assert name in shown


@needs_callbacks
@every_detector
def test_a_progress_bar_shows_a_search(name, device, progress_bar, capsys):
    rows, labels = labelled()
    search = GridSearchCV(
        tiny(name, device=device),
        {"latent_dim": [1, 2]},
        scoring="roc_auc",
        cv=one_split(),
        error_score="raise",
    )
    search.set_callbacks(progress_bar).fit(rows, labels)
    shown = capsys.readouterr().out
    assert "GridSearchCV" in shown
    assert name in shown
    assert search.best_estimator_.n_iter_ == 2


@needs_callbacks
@every_detector
def test_callbacks_nest_under_a_search(name, device):
    rows, labels = labelled()
    log = Log()
    search = GridSearchCV(
        tiny(name, device=device),
        {"latent_dim": [1, 2]},
        scoring="roc_auc",
        cv=one_split(),
        error_score="raise",
    )
    search.set_callbacks(log).fit(rows, labels)
    epochs = [event for event in log.events if event[:2] == ("end", "epoch")]
    assert len(epochs) == 3 * 2  # two candidates and the final fit
    assert (log.events.count("setup"), log.events.count("teardown")) == (1, 1)


@needs_callbacks
@every_detector
def test_a_detector_with_callbacks_is_pickled(name, device, progress_bar, tmp_path):
    detector = tiny(name, device=device).set_callbacks(progress_bar).fit(table())
    joblib.dump(detector, tmp_path / "detector.joblib")
    loaded = joblib.load(tmp_path / "detector.joblib")
    assert_same_bits(loaded.score_samples(table()), detector.score_samples(table()))
    assert not [k for k in vars(detector) if "callback_fit_ctx" in k or "teardown" in k]


@every_detector
def test_networks_may_be_shared_between_detectors(name, device):
    networks = MLP(hidden_layer_sizes=(6,))
    one = tiny(name, device=device, networks=networks)
    other = tiny(name, device=device, networks=networks)
    clone(one).set_params(networks__hidden_layer_sizes=(3,))
    assert networks.hidden_layer_sizes == (6,)
    assert_same_bits(state(one.fit(table())), state(other.fit(table())))


@needs_callbacks
@every_detector
def test_what_a_callback_is_given_has_no_part_of_the_training(name, device):
    log = Log(wants_estimator=True)
    detector = tiny(name, device=device).set_callbacks(log).fit(table())
    for estimator, _ in log.fitted:
        theirs, ours = ([c for c, _ in d.net_.callbacks_] for d in (estimator, detector))
        assert theirs == ours


@needs_callbacks
@pytest.mark.parametrize("name", LABELLED)
def test_what_a_callback_is_given_knows_the_labels(name, device):
    log, labels = Log(wants_estimator=True), np.tile([1, 0, -1, 0], 12)
    tiny(name, device=device).set_callbacks(log).fit(table(), labels=labels)
    for estimator, _ in log.fitted:
        np.testing.assert_array_equal(estimator.labels_[labels != 0], labels[labels != 0])


@needs_callbacks
@every_detector
def test_scoring_monitor_scores_every_epoch_as_the_detector_of_then_would(name, device):
    from sklearn.callback import ScoringMonitor

    rows, labels = labelled()
    monitor = ScoringMonitor(scoring="roc_auc")
    frame = pd.DataFrame(rows).add_prefix("x")  # whose names no score warns of
    tiny(name, device=device, max_epochs=3).set_callbacks(monitor).fit(frame, labels)
    scores = [row["roc_auc"] for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    expected = [
        roc_auc_score(labels, tiny(name, device=device, max_epochs=n).fit(rows).score_samples(rows))
        for n in (1, 2, 3)
    ]
    assert scores == expected


@needs_callbacks
@every_detector
def test_what_a_callback_is_given_keeps_neither_rows_nor_schedule(name, device):
    log = Log(wants_estimator=True)
    params = {"early_stopping": True, "lr_schedule": "linear"}
    detector = tiny(name, device=device, **params).set_callbacks(log).fit(table(100))
    kept = getattr(detector, "reservoir_size", 0) if name == "ARN" else 0
    rows, pickled = table(100).astype(np.float32), pickle.dumps(log.fitted[0][0])
    assert sum(row.tobytes() in pickled for row in rows) <= kept
    theirs, ours = ([c for c, _ in d.net_.callbacks_] for d in (log.fitted[0][0], detector))
    assert theirs == ours


@needs_callbacks
@every_detector
def test_what_a_callback_is_given_can_go_on(name, device):
    log = Log(wants_estimator=True)
    tiny(name, device=device).set_callbacks(log).fit(table())
    assert log.fitted[0][0].partial_fit(table()).n_iter_ == 2
