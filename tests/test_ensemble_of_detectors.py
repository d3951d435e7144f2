"""DetectorEnsemble: different detectors in common units."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from common import assert_same_bits, table, tiny
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import NotFittedError, UnsetMetadataPassedError
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM
from sklearn.utils.estimator_checks import parametrize_with_checks

from skgad import TabularDetector
from skgad.calibration import ConformalDetector
from skgad.ensemble import DetectorEnsemble
from skgad.ensemble._units import UNITS, InterquartileUnits, LogInterquartileUnits, TailUnits
from skgad.inspection import explain, nearest_normal
from skgad.neighbors import KNeighborsDetector

FOREST = IsolationForest(n_estimators=10, random_state=0)
LOF = LocalOutlierFactor(n_neighbors=5, novelty=True)
NEIGHBORS = KNeighborsDetector()
SCALINGS = [*UNITS]

every_scaling = pytest.mark.parametrize("scaling", SCALINGS)


class Column(OutlierMixin, BaseEstimator):
    """The anomaly score is a function of the first column."""

    def __init__(self, function=np.asarray):
        self.function = function

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def score_samples(self, X):
        return -self.function(np.asarray(X)[:, 0])


class Recorder(Column):
    """Store the arguments of `fit`, and return tables that it is told to."""

    def fit(self, X, y=None, labels=None):
        self.X_, self.y_, self.labels_ = X, y, labels
        return self

    def score_samples(self, X):
        self.scored_ = X
        return np.arange(len(X), dtype=float)


# -------------------------------------------------------------------------------- common contract


@parametrize_with_checks(
    [
        DetectorEnsemble([FOREST, make_pipeline(StandardScaler(), NEIGHBORS)]),
        DetectorEnsemble([FOREST, OneClassSVM()], scaling="log_iqr", combination="max"),
        DetectorEnsemble([("gan", tiny("ALAD")), ("forest", FOREST)], scaling="iqr"),
        DetectorEnsemble([TabularDetector(tiny("ALAD")), TabularDetector(tiny("WAE"))]),
        DetectorEnsemble([IsolationForest(n_estimators=5), IsolationForest(n_estimators=3)]),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@every_scaling
@pytest.mark.parametrize("combination", ["mean", "max"])
def test_outliers_score_below_inliers_for_all_kinds_of_members(scaling, combination):
    rng = np.random.default_rng(0)
    X, outliers = rng.normal(size=(150, 3)), rng.normal(5, 1, size=(20, 3))
    members = [
        FOREST,
        LOF,
        NEIGHBORS,
        OneClassSVM(),
        GaussianMixture(random_state=0),  # no decision_function
        make_pipeline(StandardScaler(), tiny("WALDO", max_epochs=10)),
        TabularDetector(FOREST),
        DetectorEnsemble([FOREST, NEIGHBORS]),
        ConformalDetector(FOREST, random_state=0),
    ]
    ensemble = DetectorEnsemble(members, scaling=scaling, combination=combination).fit(X)
    scores = ensemble.score_samples(np.concatenate([rng.normal(size=(50, 3)), outliers]))
    assert roc_auc_score(np.repeat([1, 0], [50, 20]), scores) > 0.95
    assert (ensemble.predict(outliers) == -1).mean() > 0.8


def test_the_threshold_flags_the_share_of_the_training_rows():
    X = table(200)
    ensemble = DetectorEnsemble([FOREST, NEIGHBORS], contamination=0.1).fit(X)
    assert (ensemble.train_scores_ < ensemble.offset_).sum() == 20
    assert_same_bits(ensemble.decision_function(X), ensemble.score_samples(X) - ensemble.offset_)
    np.testing.assert_allclose(ensemble.score_samples(X), ensemble.train_scores_)
    ensemble.set_threshold(contamination=0.5)
    assert ensemble.offset_ == np.median(ensemble.train_scores_)


def test_scores_do_not_depend_on_the_other_rows():
    X, order = table(300), np.random.default_rng(0).permutation(300)
    ensemble = DetectorEnsemble([tiny("ALAD"), NEIGHBORS, FOREST], weights=[3, 2, 1]).fit(X)
    scores = ensemble.score_samples(X)
    assert_same_bits(ensemble.score_samples(X[order[:37]]), scores[order[:37]])
    assert_same_bits(pickle.loads(pickle.dumps(ensemble)).score_samples(X), scores)
    assert_same_bits(clone(ensemble).fit(X).score_samples(X), scores)


def test_members_are_fitted_in_parallel():
    X = table()
    ensemble = DetectorEnsemble([FOREST, tiny("ALAD"), NEIGHBORS]).fit(X)
    parallel = clone(ensemble).set_params(n_jobs=2).fit(X)
    assert_same_bits(parallel.score_samples(X), ensemble.score_samples(X))


def test_parameters_take_effect_in_the_next_fit():
    X = table()
    ensemble = DetectorEnsemble([FOREST, NEIGHBORS]).fit(X)
    before = ensemble.score_samples(X)
    ensemble.set_params(combination="max", scaling="iqr")
    assert_same_bits(ensemble.score_samples(X), before)
    assert not np.array_equal(ensemble.fit(X).score_samples(X), before)


def test_methods_raise_an_error_before_fit():
    ensemble = DetectorEnsemble([tiny("ALAD"), FOREST])
    for method in ("predict", "transform", "reconstruct", "score_samples", "decision_function"):
        with pytest.raises(NotFittedError):
            getattr(ensemble, method)(table())
    for method in (ensemble.sample, ensemble.get_feature_names_out):
        with pytest.raises(NotFittedError):
            method()
    for name in ("n_features_in_", "feature_names_in_", "offset_"):
        assert not hasattr(ensemble, name)


# --------------------------------------------------------------------------------------- the units


def test_tail_units_follow_the_formula():
    unit = TailUnits(np.array([0.0, 1.0, 1.0, 2.0, 6.0]))
    # 5, 4, 2 and 1 of 5 rows have at least these scores
    expected = -np.log(np.array([5, 4, 2, 1]) / 6)
    np.testing.assert_allclose(unit(np.array([0.0, 1.0, 2.0, 6.0])), expected)
    np.testing.assert_allclose(unit(np.array([4.0])), expected[2:].mean())
    scale = 4.0  # 6 minus the mean 2: the only row above the mean
    above, below = np.array([7.0, 1e6]), np.array([-1.0, -1e6])
    np.testing.assert_allclose(unit(above), expected[3] + np.log(1 + (above - 6) / scale))
    np.testing.assert_allclose(unit(below), expected[0] / (1 - below / scale))


def test_interquartile_units_follow_the_formula():
    scores = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
    new = np.array([32.0, 0.5, 0.25, -1.0])
    np.testing.assert_allclose(InterquartileUnits(scores)(new), (new - 4) / 6)
    logarithms = np.log([32.0, 0.5, 0.5, 0.5])  # never below half the smallest training score
    expected = (logarithms - np.log(4)) / np.log(4)
    np.testing.assert_allclose(LogInterquartileUnits(scores)(new), expected)


def test_negative_scores_are_not_replaced_by_logarithms():
    scores = np.array([-1.0, 2.0, 4.0, 8.0, 16.0])
    assert_same_bits(LogInterquartileUnits(scores)(scores), InterquartileUnits(scores)(scores))


def test_the_standard_deviation_replaces_an_interquartile_range_of_zero():
    scores = np.array([0.0] * 9 + [10.0])
    np.testing.assert_allclose(InterquartileUnits(scores)(np.array([3.0])), 1.0)
    assert np.isfinite(LogInterquartileUnits(scores)(scores)).all()


finite = st.floats(-1e9, 1e9, allow_nan=False).map(lambda number: round(number, 3))


@every_scaling
@given(
    train=arrays(float, st.integers(2, 20), elements=finite).filter(lambda a: np.ptp(a) > 0),
    new=arrays(float, st.integers(1, 20), elements=finite),
)
def test_units_keep_the_order(scaling, train, new):
    scores = np.unique(np.concatenate([train, new]))
    units = UNITS[scaling](train)(scores)
    assert np.isfinite(units).all()
    assert (np.diff(units) >= -1e-9 * np.abs(units[1:])).all()
    if scaling != "log_iqr":
        far_apart = np.diff(scores) > 1e-6 * np.ptp(scores)
        assert (np.diff(units)[far_apart] > 0).all()


@given(
    train=arrays(float, st.integers(2, 20), elements=finite).filter(lambda a: np.ptp(a) > 1),
    new=arrays(float, 5, elements=finite),
    factor=st.sampled_from([1e-6, 0.3, 1e6]),
    shift=st.sampled_from([0.0, 1e3]),
)
def test_tail_units_do_not_depend_on_the_unit_of_the_scores(train, new, factor, shift):
    expected = TailUnits(train)(new)
    other = TailUnits(factor * train + factor * shift)(factor * new + factor * shift)
    np.testing.assert_allclose(other, expected, rtol=1e-3, atol=1e-6)


@every_scaling
def test_a_single_member_keeps_its_ranking(scaling):
    X, X_new = table(100), 3 * table(100, seed=1)
    ensemble = DetectorEnsemble([NEIGHBORS], scaling=scaling).fit(X)
    expected = ensemble.detectors_[0].score_samples(X_new)
    np.testing.assert_array_equal(np.argsort(ensemble.score_samples(X_new)), np.argsort(expected))


def test_far_rows_still_rank():
    X = np.random.default_rng(0).normal(size=(100, 1))
    ensemble = DetectorEnsemble([Column(np.abs), Column(np.square)]).fit(X)
    scores = ensemble.score_samples(10.0 ** np.arange(1, 50)[:, np.newaxis])
    assert (np.diff(scores) < 0).all()


# -------------------------------------------------------------------------------------- combination


def test_weights_average_the_members_in_common_units():
    X, X_new = table(), table(seed=1)
    members = [FOREST, NEIGHBORS, LOF]
    one, two, three = (DetectorEnsemble([member]).fit(X).score_samples(X_new) for member in members)

    def scores(**params):
        return DetectorEnsemble(members, **params).fit(X).score_samples(X_new)

    np.testing.assert_allclose(scores(), (one + two + three) / 3)
    np.testing.assert_allclose(scores(weights=[1, 3, 0]), (one + 3 * two) / 4)
    np.testing.assert_allclose(scores(combination="max"), np.min([one, two, three], axis=0))
    weighted = scores(combination="max", weights=[1, 3, 0])
    np.testing.assert_allclose(weighted, np.min([one, two], axis=0))


def test_stored_scores_of_the_training_rows_are_used():
    X = table()
    for member in (NEIGHBORS, make_pipeline(StandardScaler(), NEIGHBORS), TabularDetector(LOF)):
        ensemble = DetectorEnsemble([member], scaling="iqr").fit(X)
        inner = ensemble.detectors_[0]
        if hasattr(inner, "detector_"):
            stored = inner.detector_.negative_outlier_factor_
            assert not np.allclose(inner.score_samples(X), stored)
        else:
            stored = getattr(inner, "train_scores_", None)
            stored = inner[-1].train_scores_ if stored is None else stored
        scores = -stored.astype(float)
        np.testing.assert_allclose(ensemble.train_scores_, -InterquartileUnits(scores)(scores))


def test_fitted_members_are_frozen_and_score_the_rows_of_fit():
    X, other = table(), table(30, seed=1)
    frozen = FrozenEstimator(KNeighborsDetector().fit(other))
    ensemble = DetectorEnsemble([frozen, FOREST]).fit(X)
    assert ensemble.detectors_[0].estimator is frozen.estimator
    np.testing.assert_allclose(ensemble.score_samples(X), ensemble.train_scores_)


# -------------------------------------------------------------------------------- names, parameters


def test_members_have_names():
    ensemble = DetectorEnsemble([FOREST, ("near", NEIGHBORS), FOREST]).fit(table())
    names = ["isolationforest-1", "near", "isolationforest-2"]
    assert list(ensemble.named_detectors_) == names
    assert ensemble.named_detectors_.near is ensemble.detectors_[1]
    assert not hasattr(FOREST, "estimators_")
    assert "near" in ensemble._repr_html_()


def test_parameters_of_members_are_set_and_searched():
    bare = DetectorEnsemble([clone(FOREST), KNeighborsDetector()])
    assert bare.get_params()["isolationforest__n_estimators"] == 10
    assert "isolationforest" not in bare.get_params(deep=False)
    bare.set_params(kneighborsdetector__n_neighbors=2, isolationforest=LOF)
    assert [name for name, _ in bare.detectors] == ["isolationforest", "kneighborsdetector"]
    assert bare.detectors[0][1] is LOF
    assert bare.detectors[1][1].n_neighbors == 2
    bare.set_params(detectors=[("a", KNeighborsDetector())], a__n_neighbors=3)
    assert bare.get_params()["a__n_neighbors"] == 3
    with pytest.raises(ValueError, match="Invalid parameter 'b'"):
        bare.set_params(b__n_neighbors=3)

    X, y = table(), np.where(np.arange(48) % 8 == 0, -1, 1)
    grid = {"near__n_neighbors": [1, 3], "forest": [FOREST, "drop"], "scaling": SCALINGS}
    ensemble = DetectorEnsemble([("forest", FOREST), ("near", NEIGHBORS)])
    search = GridSearchCV(ensemble, grid, scoring="roc_auc", cv=2, error_score="raise").fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_dropped_members_are_left_out_with_their_weights():
    X = table()
    ensemble = DetectorEnsemble([("forest", FOREST), ("near", NEIGHBORS)], weights=[1, 3])
    ensemble.set_params(forest="drop").fit(X)
    assert list(ensemble.named_detectors_) == ["near"]
    assert ensemble.weights_.tolist() == [1]
    alone = DetectorEnsemble([NEIGHBORS]).fit(X)
    assert_same_bits(ensemble.score_samples(X), alone.score_samples(X))


# ------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"detectors": []}, ValueError, "non-empty list of outlier detectors"),
        ({"detectors": FOREST}, ValueError, "'detectors' parameter of DetectorEnsemble must be"),
        ({"detectors": [("a", FOREST), ("a", LOF)]}, ValueError, "not unique: .'a', 'a'."),
        ({"detectors": [("n_jobs", FOREST)]}, ValueError, "conflict with constructor arguments"),
        ({"detectors": [("a", "drop")]}, ValueError, "All detectors are 'drop'"),
        (
            {"detectors": [LocalOutlierFactor()]},
            TypeError,
            r"'localoutlierfactor' \(LocalOutlierFactor\) has neither score_samples nor",
        ),
        ({"weights": [1]}, ValueError, r"weights has shape \(1,\), but there are 2 detectors"),
        ({"weights": [0, 0]}, ValueError, "not negative and not all 0"),
        ({"weights": [2, -1]}, ValueError, "not negative and not all 0"),
        ({"weights": [2, np.nan]}, ValueError, "not negative and not all 0"),
        ({"scaling": "rank"}, ValueError, "'scaling' parameter of DetectorEnsemble must be"),
        ({"contamination": 0.7}, ValueError, "'contamination' parameter of DetectorEnsemble"),
        (
            {"detectors": [("flat", Column(np.zeros_like))]},
            ValueError,
            r"'flat' \(Column\) gives the same score to all training rows \(n_samples=48\)",
        ),
        (
            {"detectors": [("gap", Column(lambda x: np.where(x > 0, np.nan, x)))]},
            ValueError,
            r"'gap' \(Column\) returned NaN or infinite scores for \d+ of 48 rows",
        ),
    ],
)
def test_invalid_parameters_and_members_are_rejected_and_an_earlier_fit_is_kept(
    params, error, message
):
    X = table()
    ensemble = DetectorEnsemble([FOREST, NEIGHBORS]).fit(X)
    before = ensemble.score_samples(X)
    with pytest.raises(error, match=message):
        ensemble.set_params(**params).fit(X)
    assert_same_bits(ensemble.score_samples(X), before)


def test_malformed_tuples_are_rejected():
    for detectors in ([("a", FOREST, 1)], [("a",)], [(FOREST, "a")]):
        with pytest.raises(ValueError, match="non-empty list of outlier detectors"):
            DetectorEnsemble(detectors).fit(table())


def test_new_rows_without_a_finite_score_are_rejected():
    X = table()
    ensemble = DetectorEnsemble([Column(lambda x: np.where(x > 1e6, np.inf, x)), FOREST]).fit(X)
    with pytest.raises(ValueError, match=r"'column' \(Column\) returned NaN or infinite scores"):
        ensemble.score_samples(np.full((1, 4), 1e7))


# ------------------------------------------------------------------------------------------- tables


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_frames_reach_the_members_as_they_are(frame):
    rng = np.random.default_rng(0)
    X = frame(
        {"color": rng.choice(["red", "blue"], 60).tolist(), "size": rng.normal(size=60).tolist()}
    )
    members = [Recorder(), TabularDetector(FOREST), TabularDetector(tiny("ALAD"))]
    ensemble = DetectorEnsemble(members).fit(X)
    assert ensemble.detectors_[0].X_ is X
    ensemble.score_samples(X)
    assert ensemble.detectors_[0].scored_ is X
    assert ensemble.n_features_in_ == 2
    assert ensemble.feature_names_in_.tolist() == ["color", "size"]
    rows = ensemble.sample(7, random_state=0)
    assert type(rows) is type(X)
    assert list(rows.dtypes) == list(X.dtypes)
    assert not hasattr(ensemble, "reconstruct")

    explanation = explain(ensemble, X[:3], background=X, n_background=5, random_state=0)
    assert list(explanation.contributions.columns) == ["color", "size"]
    total = np.asarray(explanation.contributions).sum(axis=1) + explanation.base
    np.testing.assert_allclose(total, explanation.scores)


def test_an_ensemble_works_inside_a_tabular_detector():
    X = pd.DataFrame({"color": ["red", "blue", "red"] * 20, "size": np.arange(60)})
    ensemble = DetectorEnsemble([tiny("ALAD"), tiny("WALDO"), NEIGHBORS])
    detector = TabularDetector(ensemble).fit(X)
    for rows in (detector.sample(60, random_state=0), detector.reconstruct(X)):
        assert rows.dtypes.equals(X.dtypes)
        assert set(rows["color"]) <= {"red", "blue"}
    assert detector.set_threshold(contamination=0.5).predict(X).mean() == 0
    assert nearest_normal(detector, X, background=X).rows.shape == (60, 2)


# ---------------------------------------------------------------------------------- generated rows


class Constant(Column):
    """Generate and reconstruct rows of one value, and count from it in the second column."""

    def __init__(self, value=0.0):
        super().__init__()
        self.value = value

    def sample(self, n_samples=1, *, kind="inlier", random_state=None):
        return np.column_stack([np.full(n_samples, self.value), np.arange(n_samples)])

    def reconstruct(self, X, *, kind="inlier"):
        return np.full(np.shape(X), self.value)

    def transform(self, X):
        return np.full((len(X), 1), self.value)

    def get_feature_names_out(self):
        return ["value"]


def test_members_generate_rows_in_proportion_to_their_weights():
    members = [("a", Constant(1)), ("b", Constant(2)), ("c", FOREST), ("d", Constant(3))]
    ensemble = DetectorEnsemble(members, weights=[3, 1, 5, 0]).fit(table(n_features=2))
    rows = ensemble.sample(2000, random_state=0)
    values, counts = np.unique(rows[:, 0], return_counts=True)
    assert values.tolist() == [1, 2]
    assert 0.72 < counts[0] / 2000 < 0.78
    for value, count in zip(values, counts, strict=True):  # each member's rows, in their order
        np.testing.assert_array_equal(rows[rows[:, 0] == value, 1], np.arange(count))
    np.testing.assert_allclose(ensemble.reconstruct(table(5)), 1.25)


def test_samples_are_reproducible_and_smaller_ones_are_the_beginning_of_larger_ones():
    ensemble = DetectorEnsemble([tiny("ALAD"), tiny("ARN"), FOREST]).fit(table())
    rows = ensemble.sample(40, random_state=1)
    assert rows.shape == (40, 4)
    assert_same_bits(ensemble.sample(40, random_state=1), rows)
    assert_same_bits(ensemble.sample(9, random_state=1), rows[:9])
    assert not np.array_equal(ensemble.sample(40, random_state=2), rows)
    before = np.random.get_state()[1].tolist()
    ensemble.sample(3)
    assert np.random.get_state()[1].tolist() == before
    with pytest.raises(ValueError, match="n_samples == 0, must be >= 1"):
        ensemble.sample(0)


def test_members_that_cannot_make_a_kind_of_rows_are_left_out():
    X = table()
    waldo = tiny("WALDO")
    ensemble = DetectorEnsemble([tiny("ALAD"), waldo, DetectorEnsemble([FOREST, waldo])]).fit(X)
    assert len(ensemble._generators("sample", "inlier")[0]) == 3
    assert len(ensemble._generators("sample", "outlier")[0]) == 2
    assert ensemble.sample(5, kind="outlier", random_state=0).shape == (5, 4)
    expected = np.mean(
        [member.reconstruct(X, kind="outlier") for member in ensemble.detectors_[1:]], axis=0
    )
    np.testing.assert_allclose(ensemble.reconstruct(X, kind="outlier"), expected)
    for method in (ensemble.sample, lambda kind: ensemble.reconstruct(X, kind=kind)):
        with pytest.raises(ValueError, match="kind must be 'inlier' or 'outlier', got 'both'"):
            method(kind="both")
    only_alad = DetectorEnsemble([FrozenEstimator(tiny("ALAD").fit(X)), FOREST]).fit(X)
    with pytest.raises(ValueError, match="can sample rows of kind='outlier'"):
        only_alad.sample(kind="outlier")


def test_methods_are_available_if_a_member_has_them():
    methods = ("sample", "reconstruct", "transform", "fit_transform", "get_feature_names_out")
    # The sample of a GaussianMixture has other parameters and returns two arrays.
    without = DetectorEnsemble([FOREST, GaussianMixture()])
    with_all = DetectorEnsemble([FOREST, tiny("ALAD")])
    for _ in range(2):
        for method in methods:
            assert not hasattr(without, method)
            assert hasattr(with_all, method)
        without.fit(table()), with_all.fit(table())
    with pytest.raises(AttributeError, match="'DetectorEnsemble' has no attribute 'sample'"):
        without.sample()


def test_codes_are_side_by_side():
    X = table()
    members = [("gan", tiny("ALAD")), FOREST, ("constant", Constant(7))]
    ensemble = DetectorEnsemble(members)
    codes = ensemble.fit_transform(X)
    expected = np.column_stack([ensemble.detectors_[0].transform(X), np.full(48, 7)])
    np.testing.assert_array_equal(codes, expected)
    names = ["gan__alad0", "gan__alad1", "constant__value"]
    assert ensemble.get_feature_names_out().tolist() == names


def test_scores_are_explained():
    X = table(100)
    ensemble = DetectorEnsemble([FOREST, NEIGHBORS, tiny("ALAD")]).fit(X)
    outlier = X[:1] + [[0, 30, 0, 0]]
    explanation = explain(ensemble, outlier, background=X, n_background=10, random_state=0)
    assert explanation.method == "shapley"
    assert explanation.contributions.argmax() == 1
    assert explanation.threshold == pytest.approx(-ensemble.offset_)
    assert explain(ensemble, outlier, method="residual").contributions.shape == (1, 4)
    assert nearest_normal(ensemble, outlier, background=X).success.all()


# ----------------------------------------------------------------------------------------- metadata


def test_labels_are_passed_to_the_members_that_take_them():
    X, y, labels = table(), np.ones(48), np.zeros(48)
    ensemble = DetectorEnsemble([FOREST, ("a", Recorder()), ("b", Recorder())])
    ensemble.fit(X, y, labels=labels)
    for name in "ab":
        assert ensemble.named_detectors_[name].labels_ is labels
        assert ensemble.named_detectors_[name].y_ is y
    assert ensemble.fit(X).named_detectors_.a.labels_ is None
    with pytest.raises(TypeError, match="has a fit parameter 'groups'"):
        ensemble.fit(X, groups=labels)


def test_labels_are_routed_to_the_members_that_request_them():
    X, labels = table(), np.zeros(48)
    with sklearn.config_context(enable_metadata_routing=True):
        asks, declines = (Recorder().set_fit_request(labels=wanted) for wanted in (True, False))
        ensemble = DetectorEnsemble([("a", asks), ("b", declines), FOREST])
        ensemble.fit(X, labels=labels)
        assert ensemble.named_detectors_.a.labels_ is labels
        assert ensemble.named_detectors_.b.labels_ is None
        ensemble.fit(X)
        assert ensemble.named_detectors_.a.labels_ is None
        pipeline = make_pipeline(StandardScaler(), ensemble)
        pipeline.fit_predict(X, labels=labels)
        assert pipeline[-1].named_detectors_.a.labels_ is labels
        with pytest.raises(UnsetMetadataPassedError, match="labels"):
            DetectorEnsemble([("a", Recorder())]).fit(X, labels=labels)
        with pytest.raises(TypeError, match="unexpected argument"):
            DetectorEnsemble([FOREST]).fit(X, labels=labels)


def test_members_learn_from_labels():
    X, labels = table(), np.resize([1, 0, 0, -1], 48)
    expected = tiny("WALDO").fit(X, labels=labels).score_samples(X)
    plain = DetectorEnsemble([FOREST, tiny("WALDO")]).fit(X, labels=labels)
    with sklearn.config_context(enable_metadata_routing=True):
        waldo = make_pipeline(tiny("WALDO").set_fit_request(labels=True))
        routed = DetectorEnsemble([FOREST, waldo]).fit(X, labels=labels)
    for ensemble in (plain, routed):
        assert_same_bits(ensemble.detectors_[1].score_samples(X), expected)


def test_a_seed_makes_the_members_reproducible_and_different():
    X = np.random.default_rng(0).normal(size=(50, 3))
    forests = [IsolationForest(n_estimators=3), IsolationForest(n_estimators=3)]
    ensembles = [DetectorEnsemble(forests, random_state=seed).fit(X) for seed in (0, 0, 1)]
    one, same, other = (ensemble.train_scores_ for ensemble in ensembles)
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
    first, second = ensembles[0].detectors_
    assert first.random_state != second.random_state
    assert forests[0].random_state is None
    seeded = [IsolationForest(n_estimators=3, random_state=7)]
    assert DetectorEnsemble(seeded, random_state=0).fit(X).detectors_[0].random_state == 7


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_the_container_of_the_codes_can_be_chosen(library):
    X = np.random.default_rng(0).normal(size=(50, 3))
    ensemble = DetectorEnsemble([tiny("ALAD"), ("forest", FOREST)]).fit(X)
    codes = ensemble.transform(X)
    framed = ensemble.set_output(transform=library).transform(X)
    assert type(framed).__module__.startswith(library)
    assert list(framed.columns) == ensemble.get_feature_names_out().tolist()
    np.testing.assert_array_equal(framed, codes)
    assert not hasattr(DetectorEnsemble([FOREST]), "set_output")
