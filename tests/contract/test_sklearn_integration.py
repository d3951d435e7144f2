"""Detectors in pipelines, searches, displays and metadata routing of scikit-learn."""

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from common import DETECTORS, assert_same_bits, can, fitted, state, table, tiny
from contract_common import labelled_blobs, mixed_frame, one_split, preprocessing
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import DecisionBoundaryDisplay, permutation_importance
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, HalvingRandomSearchCV, cross_val_score
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from skgad import MLP

every_detector = pytest.mark.parametrize("name", DETECTORS)
every_encoder = pytest.mark.parametrize("name", [n for n in DETECTORS if can(n, "transform")])

# -------------------------------------------------------------------------------- pipelines


@every_detector
@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_a_pipeline_encodes_a_mixed_frame_and_detects(name, frame, device):
    rows = mixed_frame(frame)
    pipeline = make_pipeline(preprocessing(), tiny(name, device=device)).fit(rows)
    assert set(pipeline.predict(rows)) <= {-1, 1}
    scores = pipeline.score_samples(rows)
    assert scores.shape == (60,)
    assert_same_bits(pipeline.score_samples(rows[10:15]), scores[10:15])
    assert_same_bits(pipeline.decision_function(rows), scores - pipeline[-1].offset_)
    if can(name, "transform"):
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


@every_encoder
def test_codes_are_the_input_of_the_next_step(name, device):
    rows, _ = labelled_blobs()
    detector = tiny(name, device=device)
    pipeline = make_pipeline(detector, LocalOutlierFactor(5, novelty=True)).fit(rows[:60])
    codes = clone(detector).fit(rows[:60]).transform(rows)
    expected = LocalOutlierFactor(5, novelty=True).fit(codes[:60]).score_samples(codes)
    np.testing.assert_array_equal(pipeline.score_samples(rows), expected)


@every_encoder
def test_feature_names_pass_through_a_pipeline(name, device):
    rows = mixed_frame()
    pipeline = make_pipeline(preprocessing(sparse=False), tiny(name, device=device))
    pipeline.set_output(transform="pandas").fit(rows)
    names = ["color_blue", "color_green", "color_red", "length", "count"]
    assert [n.split("__")[1] for n in pipeline[-1].feature_names_in_] == names
    codes = pipeline.transform(rows)
    assert list(codes.columns) == [f"{name.lower()}{i}" for i in range(2)]
    assert list(pipeline.get_feature_names_out()) == list(codes.columns)


@every_detector
def test_a_pipeline_can_be_dumped_and_loaded(name, device, tmp_path):
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


@every_detector
def test_detectors_can_share_networks(name, device):
    networks = MLP(hidden_layer_sizes=(6,))
    one = tiny(name, device=device, networks=networks)
    other = tiny(name, device=device, networks=networks)
    clone(one).set_params(networks__hidden_layer_sizes=(3,))
    assert networks.hidden_layer_sizes == (6,)
    assert_same_bits(state(one.fit(table())), state(other.fit(table())))


# --------------------------------------------------------------------------------- searches


@every_detector
def test_a_grid_search_passes_true_labels_to_the_scorer_only(name, device):
    rows, labels = labelled_blobs()
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
    refitted = tiny(name, device=device, max_epochs=3).set_params(**best).fit(rows[:30])
    assert roc_auc_score(labels[30:], refitted.score_samples(rows[30:])) == search.best_score_


@every_detector
def test_two_processes_find_the_same_as_one(name, device):
    if device != "cpu":
        pytest.skip("two processes would share one GPU")
    rows, labels = labelled_blobs()
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
def test_halving_can_use_the_number_of_epochs_as_its_resource(name, device):
    rows, labels = labelled_blobs()
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
def test_fit_ignores_true_labels_in_cross_validation(name, device):
    rows, labels = labelled_blobs()
    detector = tiny(name, device=device)
    scores = cross_val_score(detector, rows, labels, scoring="roc_auc", cv=one_split())
    same = detector.fit(rows[:30]).score_samples(rows[30:])
    assert scores.tolist() == [roc_auc_score(labels[30:], same)]
    assert_same_bits(state(detector), state(clone(detector).fit(rows[:30], labels[:30] * 0 - 1)))


# ------------------------------------------------------------------ displays and inspection


@every_detector
@pytest.mark.parametrize("response", ["decision_function", "predict", "auto"])
def test_the_decision_boundary_can_be_drawn(name, response, device):
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
def test_permutation_importance_can_be_computed(name, device):
    rows, labels = labelled_blobs()
    rows = np.column_stack([rows, np.zeros(len(rows))])  # a constant feature has no importance
    detector = tiny(name, device=device, max_epochs=30, lr=3e-3).fit(rows[:30])
    result = permutation_importance(
        detector, rows[30:], labels[30:], scoring="roc_auc", n_repeats=2, random_state=0
    )
    assert result.importances.shape == (4, 2)
    assert (result.importances[3] == 0).all()
    assert (result.importances[:3] != 0).any()


@every_detector
def test_a_detector_has_an_html_representation(name, device):
    html = fitted(name, device)._repr_html_()
    assert name in html
    assert "hidden_layer_sizes" in html


# --------------------------------------------------------------------------------- metadata


@every_detector
def test_metadata_routing_can_be_enabled(name, device):
    rows, labels = labelled_blobs()
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
