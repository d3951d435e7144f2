"""TabularDetector: decisions on tables, and generated tables, with any detector."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from common import assert_same_bits, tiny
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.ensemble import IsolationForest, RandomTreesEmbedding
from sklearn.exceptions import NotFittedError, UnsetMetadataPassedError
from sklearn.linear_model import SGDOneClassSVM
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM
from sklearn.utils.estimator_checks import parametrize_with_checks

from skgad import WAE, Autoencoder, TabularDetector
from skgad.preprocessing import TabularEncoder

FOREST = IsolationForest(n_estimators=10, random_state=0)
LOF = LocalOutlierFactor(n_neighbors=5, novelty=True)
SKLEARN_DETECTORS = [FOREST, LOF, OneClassSVM(), SGDOneClassSVM(random_state=0)]


def payments(n_rows=60, seed=0):
    """Payments whose amounts depend on the shop, with dates and missing values."""
    rng = np.random.default_rng(seed)
    shop = rng.choice(["bakery", "jeweller"], n_rows)
    days = rng.integers(0, 365, n_rows).astype("timedelta64[D]")
    X = pd.DataFrame(
        {
            "shop": shop,
            "amount": np.where(shop == "bakery", 8.0, 900.0) * rng.lognormal(0, 0.3, n_rows),
            "items": rng.poisson(3, n_rows).astype(np.int16),
            "day": np.datetime64("2024-01-01", "s") + days,
            "online": rng.random(n_rows) < 0.3,
        }
    )
    X.loc[::7, "amount"] = np.nan
    X.loc[::9, "shop"] = None
    return X


def as_polars(X):
    columns = {
        name: column.astype(object).where(column.notna(), None).tolist()
        for name, column in X.items()
    }
    return pl.DataFrame(columns, schema_overrides={"items": pl.Int16})


@parametrize_with_checks([TabularDetector(FOREST), TabularDetector(LOF)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


# With a seed of its own, the detector inside needs none.
@parametrize_with_checks(
    [TabularDetector(tiny("ALAD")), TabularDetector(tiny("Autoencoder", random_state=None))]
)
def test_scikit_learn_checks_of_a_generative_detector(estimator, check):
    check(estimator)


# ---------------------------------------------------------------------------------------- decisions


@pytest.mark.parametrize("inner", SKLEARN_DETECTORS, ids=lambda inner: type(inner).__name__)
def test_decisions_are_those_of_the_detector_on_encoded_rows(inner):
    X = payments()
    detector = TabularDetector(inner).fit(X)
    Z = TabularEncoder().fit_transform(X)
    expected = clone(inner).fit(Z)
    for method in ("predict", "decision_function", "score_samples"):
        np.testing.assert_allclose(getattr(detector, method)(X), getattr(expected, method)(Z))
    assert detector.score_samples(X).dtype == np.float64
    assert detector.offset_ == expected.offset_
    if hasattr(inner, "fit_predict"):
        np.testing.assert_array_equal(detector.fit_predict(X), detector.predict(X))


def test_unusual_combinations_are_detected():
    normal = payments(300, seed=1).dropna()
    outliers = normal.query("shop == 'bakery'").assign(amount=900.0)  # a jeweller's amount
    detector = TabularDetector(LOF).fit(payments(300))
    y = [1] * len(normal) + [0] * len(outliers)
    assert roc_auc_score(y, detector.score_samples(pd.concat([normal, outliers]))) > 0.8


@pytest.mark.filterwarnings("ignore:The columns .* have missing values, but had none")
def test_unseen_levels_and_new_missing_values_are_scored():
    detector = TabularDetector(FOREST).fit(payments())
    new = payments(5).assign(shop="florist", items=np.nan)
    assert np.isfinite(detector.score_samples(new)).all()


def test_fit_predict_works_for_detectors_without_other_methods():
    X = payments()
    detector = TabularDetector(LocalOutlierFactor(n_neighbors=5))
    labels = detector.fit_predict(X)
    Z = TabularEncoder().fit_transform(X)
    np.testing.assert_array_equal(labels, LocalOutlierFactor(n_neighbors=5).fit_predict(Z))
    assert not hasattr(detector, "predict")
    assert not hasattr(TabularDetector(LOF), "fit_predict")


# --------------------------------------------------------------------------------- generated tables


@pytest.mark.parametrize("way", ["sample", "reconstruct"])
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_generated_rows_are_frames_with_the_same_columns(library, way):
    X = payments() if library == "pandas" else as_polars(payments())
    detector = TabularDetector(tiny("ALAD")).fit(X)
    rows = detector.sample(60, random_state=0) if way == "sample" else detector.reconstruct(X)
    assert type(rows) is type(X)
    assert list(rows.columns) == list(X.columns)
    assert list(rows.dtypes) == list(X.dtypes)
    if library == "polars":
        rows, X = (pd.DataFrame(frame.to_dict(as_series=False)) for frame in (rows, X))
    assert set(rows["shop"].dropna()) <= {"bakery", "jeweller"}
    for name in ("amount", "items", "day"):
        assert rows[name].dropna().between(X[name].min(), X[name].max()).all()
    assert len(rows) == len(X)


def test_generated_rows_are_arrays_after_a_fit_on_an_array():
    X = np.random.default_rng(0).integers(0, 100, size=(50, 3))
    detector = TabularDetector(tiny("ALAD")).fit(X)
    for rows in (detector.sample(5), detector.reconstruct(X[:5])):
        assert isinstance(rows, np.ndarray)
        assert rows.shape == (5, 3)
        assert rows.dtype == X.dtype


def test_reconstructions_keep_the_index():
    X = payments().set_index(pd.Index(range(100, 160), name="number"))
    detector = TabularDetector(tiny("ALAD")).fit(X)
    assert detector.reconstruct(X.tail(3)).index.equals(X.tail(3).index)


def test_samples_are_reproducible_and_those_of_the_detector():
    detector = TabularDetector(tiny("ALAD")).fit(payments())
    rows = detector.sample(7, random_state=3)
    pd.testing.assert_frame_equal(rows, detector.sample(7, random_state=3))
    Z = detector.detector_.sample(7, random_state=3)
    pd.testing.assert_frame_equal(rows, detector.encoder_.inverse_transform(Z))


def test_the_detector_rejects_kinds_that_it_cannot_generate():
    detector = TabularDetector(tiny("ALAD")).fit(payments())
    with pytest.raises(ValueError, match="ALAD cannot sample rows of kind='outlier'"):
        detector.sample(kind="outlier")
    with pytest.raises(ValueError, match="ALAD cannot reconstruct rows of kind='outlier'"):
        detector.reconstruct(payments(), kind="outlier")


def test_codes_can_be_a_frame():
    X = payments()
    detector = TabularDetector(tiny("ALAD")).fit(X)
    codes = detector.transform(X)
    assert codes.shape == (60, 2)
    assert_same_bits(clone(detector).fit_transform(X), codes)
    with sklearn.config_context(transform_output="pandas"):
        frame = clone(detector).fit(X).transform(X)
    assert frame.columns.tolist() == ["alad0", "alad1"]
    assert detector.get_feature_names_out().tolist() == ["alad0", "alad1"]
    assert not hasattr(TabularDetector(FOREST), "get_feature_names_out")
    assert frame.index.equals(X.index)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_the_container_of_the_codes_can_be_chosen(library):
    X = payments().set_index(pd.Index(range(100, 160)))
    detector = TabularDetector(tiny("ALAD")).set_output(transform=library)
    for codes in (detector.fit(X).transform(X), clone(detector).fit_transform(X)):
        assert isinstance(codes, {"pandas": pd.DataFrame, "polars": pl.DataFrame}[library])
        assert list(codes.columns) == ["alad0", "alad1"]
        assert library == "polars" or codes.index.equals(X.index)
    assert make_pipeline(detector).set_output(transform="default").fit_transform(X).shape == (60, 2)
    assert not hasattr(TabularDetector(FOREST), "set_output")


# -------------------------------------------------------------------------------- available methods


def test_methods_are_available_if_the_detector_has_them():
    for fit in (False, True):
        forest, alad = TabularDetector(FOREST), TabularDetector(tiny("ALAD"))
        if fit:
            forest.fit(payments()), alad.fit(payments())
        for method in ("sample", "reconstruct", "transform", "fit_transform", "set_threshold"):
            assert not hasattr(forest, method)
            assert hasattr(alad, method)
    with pytest.raises(AttributeError, match="'TabularDetector' has no attribute 'sample'"):
        forest.sample()


def test_any_transformer_can_be_the_encoder():
    X = payments()[["amount", "items"]].dropna()
    detector = TabularDetector(tiny("ALAD"), encoder=StandardScaler()).fit(X)
    assert detector.sample(3).shape == (3, 2)
    one_way = make_pipeline(StandardScaler(), LocalOutlierFactor())[:1]
    assert hasattr(TabularDetector(tiny("ALAD"), encoder=one_way), "sample")

    class OneWay(BaseEstimator):
        def fit(self, X, y=None):
            return self

        def transform(self, X):
            return np.asarray(X)

        def fit_transform(self, X, y=None):
            return self.fit(X).transform(X)

    detector = TabularDetector(tiny("ALAD"), encoder=OneWay())
    assert not hasattr(detector, "sample")
    assert not hasattr(detector, "reconstruct")
    assert hasattr(detector, "score_samples")


def test_attributes_are_defined_by_fit():
    X = payments()
    detector = TabularDetector(FOREST)
    for name in ("offset_", "n_features_in_", "feature_names_in_"):
        assert not hasattr(detector, name)
    detector.fit(X)
    assert detector.offset_ == detector.detector_.offset_
    assert detector.n_features_in_ == 5
    assert detector.feature_names_in_.tolist() == X.columns.tolist()
    assert not hasattr(detector.fit(X[["items"]].to_numpy()), "feature_names_in_")


def test_methods_of_the_detector_raise_an_error_before_fit():
    detector = TabularDetector(tiny("ALAD"))
    for method in ("predict", "transform", "reconstruct", "score_samples", "decision_function"):
        with pytest.raises(NotFittedError):
            getattr(detector, method)(payments())
    with pytest.raises(NotFittedError):
        detector.sample()
    with pytest.raises(NotFittedError):
        detector.set_threshold(contamination=0.1)


def test_the_threshold_can_be_changed():
    X = payments()
    detector = TabularDetector(tiny("ALAD")).fit(X)
    assert detector.set_threshold(contamination=0.5) is detector
    assert detector.offset_ == pytest.approx(np.median(detector.score_samples(X)))
    assert (detector.predict(X) == -1).mean() == 0.5


def test_the_autoencoder_is_the_default_detector():
    assert isinstance(TabularDetector()._detector(), Autoencoder)
    assert hasattr(TabularDetector(), "sample")


def test_invalid_parts_are_rejected():
    for params in ({"detector": "ALAD"}, {"encoder": FOREST}):
        with pytest.raises(ValueError, match="parameter of TabularDetector must be"):
            TabularDetector(**params).fit(payments())


# ----------------------------------------------------------------- with other tools of scikit-learn


def test_parts_are_cloned_and_can_be_searched():
    X = payments()
    y = np.where(np.arange(60) % 10 == 0, -1, 1)
    detector = TabularDetector(tiny("ALAD"), encoder=TabularEncoder())
    search = GridSearchCV(
        detector,
        {"detector__latent_dim": [1, 3], "encoder__numeric": ["minmax", "quantile"]},
        scoring="roc_auc",
        cv=2,
    ).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert not hasattr(detector.detector, "net_")
    assert not hasattr(detector.encoder, "n_features_in_")
    best = search.best_estimator_
    assert best.transform(X).shape[1] == search.best_params_["detector__latent_dim"]


def test_parameters_of_the_default_parts_can_be_searched():
    search = GridSearchCV(
        TabularDetector(tiny("WAE")),
        {"encoder__numeric": ["standard", "quantile"]},
        scoring=lambda detector, X, y=None: detector.score_samples(X).mean(),
        cv=2,
    ).fit(payments())
    assert search.best_params_["encoder__numeric"] == search.best_estimator_.encoder.numeric

    detector = TabularDetector().set_params(
        detector__networks__hidden_layer_sizes=(4,), encoder__clip=False
    )
    assert detector.detector.networks.hidden_layer_sizes == (4,)
    assert detector.encoder.clip is False
    detector.set_params(encoder__clip=True, detector=FOREST)
    assert detector.encoder.clip is True
    assert detector.detector is FOREST
    with pytest.raises(ValueError, match="Invalid parameter 'depth' for estimator Autoencoder"):
        TabularDetector().set_params(detector__depth=3)


def test_a_seed_makes_every_part_reproducible():
    forest = IsolationForest(n_estimators=3)
    encoder = RandomTreesEmbedding(n_estimators=3, max_depth=2)
    X = np.random.default_rng(0).normal(size=(50, 3))
    detectors = [
        TabularDetector(forest, encoder=encoder, random_state=seed).fit(X) for seed in (0, 0, 1)
    ]
    one, same, other = (detector.score_samples(X) for detector in detectors)
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
    assert forest.random_state is None
    seeds = {detectors[0].detector_.random_state, detectors[0].encoder_.random_state}
    assert len(seeds) == 2
    chosen = TabularDetector(FOREST, random_state=1).fit(X)
    assert chosen.detector_.random_state == FOREST.random_state


def test_it_works_in_a_pipeline_and_in_cross_validation():
    X, y = as_polars(payments()), np.where(np.arange(60) % 10 == 0, -1, 1)
    scores = cross_val_score(
        make_pipeline("passthrough", TabularDetector(FOREST)), X, y, cv=2, scoring="roc_auc"
    )
    assert np.isfinite(scores).all()


def test_partial_fit_keeps_the_encoder_of_the_first_fit():
    X, more = payments(), payments(40, seed=1)
    encoder = TabularEncoder().fit(X)
    for first in ("fit", "partial_fit"):
        detector = getattr(TabularDetector(tiny("ALAD")), first)(X)
        assert detector.partial_fit(more) is detector
        expected = getattr(tiny("ALAD"), first)(encoder.transform(X))
        expected.partial_fit(encoder.transform(more))
        assert_same_bits(
            detector.score_samples(more), expected.score_samples(encoder.transform(more))
        )
    assert hasattr(TabularDetector(SGDOneClassSVM()), "partial_fit")
    assert not hasattr(TabularDetector(FOREST), "partial_fit")


def test_sample_passes_further_arguments_to_the_detector():
    X = payments()
    detector = TabularDetector(tiny("WALDO")).fit(X)
    rows = detector.sample(9, latent="prior", random_state=0)
    Z = detector.detector_.sample(9, latent="prior", random_state=0)
    pd.testing.assert_frame_equal(rows, detector.encoder_.inverse_transform(Z))
    with pytest.raises(TypeError, match="way"):
        TabularDetector(tiny("ALAD")).fit(X).sample(way="prior")


@pytest.mark.parametrize("convert", [lambda X: X, pl.from_pandas])
def test_conditions_fix_the_values_of_columns(convert):
    X = convert(payments())
    detector = TabularDetector(tiny("WAE")).fit(X)
    rows = detector.sample(40, conditions={"shop": "jeweller", "online": True}, random_state=0)
    assert rows.shape == (40, 5)
    assert list(rows.columns) == list(X.columns)
    assert set(rows["shop"]) == {"jeweller"}
    assert set(rows["online"]) == {True}
    assert len(set(rows["amount"])) > 5
    fewer = detector.sample(7, conditions={"shop": "jeweller", "online": True}, random_state=0)
    assert rows[:7].equals(fewer)
    missing = detector.sample(3, conditions={"shop": None}, random_state=0)
    assert pd.isna(list(missing["shop"])).all()
    items = detector.sample(3, conditions={"items": 3}, random_state=0)
    assert list(items["items"]) == [3] * 3


def chained(n_samples=600):
    """A table whose second column follows from the first, and a third column on its own."""
    rng = np.random.default_rng(0)
    first = rng.normal(size=n_samples)
    second = first + 0.02 * rng.normal(size=n_samples)
    return pd.DataFrame({"first": first, "second": second, "third": rng.normal(size=n_samples)})


@pytest.mark.parametrize("convert", [pd.DataFrame, pl.DataFrame, np.asarray])
def test_outliers_of_wanted_columns_are_odd_in_these_columns_only(convert):
    X = convert(chained())
    name = 1 if isinstance(X, np.ndarray) else "second"
    detector = TabularDetector(WAE(max_epochs=60, latent_dim=2, random_state=0)).fit(X)
    rows = detector.sample(50, kind="outlier", columns=[name], random_state=0)
    assert type(rows) is type(X)
    assert (detector.predict(rows) == -1).all()
    first, second, third = np.asarray(rows).T
    assert np.abs(first - second).min() > 0.1
    assert np.abs(np.asarray(rows)).max() < 5  # each value for itself is normal
    fewer = detector.sample(5, kind="outlier", columns=[name], random_state=0)
    np.testing.assert_array_equal(np.asarray(fewer), np.asarray(rows)[:5])


def test_outliers_of_wanted_columns_can_meet_conditions():
    X = chained().assign(group=np.repeat(["a", "b"], 300))
    detector = TabularDetector(WAE(max_epochs=40, random_state=0)).fit(X)
    rows = detector.sample(
        8, kind="outlier", columns=["second"], conditions={"group": "b"}, random_state=0
    )
    assert set(rows["group"]) == {"b"}
    assert (detector.predict(rows) == -1).all()


def test_columns_that_cannot_make_outliers_raise(monkeypatch):
    monkeypatch.setattr("skgad.tabular._detector.MIN_GENERATED", 5_000)
    detector = TabularDetector(WAE(max_epochs=1, random_state=0)).fit(chained())
    with pytest.raises(ValueError, match="names the columns .* but kind is 'inlier'"):
        detector.sample(columns=["first"])
    with pytest.raises(ValueError, match=r"columns names \['fourth'\], but the columns are"):
        detector.sample(kind="outlier", columns=["fourth"])
    with pytest.raises(ValueError, match=r"Only 0 of .* are outliers .* in .*name more columns"):
        detector.sample(kind="outlier", columns=[])


def test_conditions_that_cannot_be_met_raise(monkeypatch):
    monkeypatch.setattr("skgad.tabular._detector.MIN_GENERATED", 1000)
    detector = TabularDetector(tiny("WAE")).fit(payments())
    with pytest.raises(ValueError, match=r"conditions names \['store'\], but the columns are"):
        detector.sample(conditions={"store": "bakery"})
    message = r"Only 0 of 4096 generated rows have \{'shop': 'bank'\}, but 2 were requested"
    with pytest.raises(ValueError, match=message):
        detector.sample(2, conditions={"shop": "bank"})


def test_a_pickled_detector_gives_the_same_results():
    X = payments()
    detector = TabularDetector(tiny("ALAD")).fit(X)
    copy = pickle.loads(pickle.dumps(detector))
    assert_same_bits(copy.score_samples(X), detector.score_samples(X))
    pd.testing.assert_frame_equal(
        copy.sample(4, random_state=0), detector.sample(4, random_state=0)
    )


def test_a_failed_fit_keeps_the_earlier_one():
    X = payments()
    detector = TabularDetector(tiny("ALAD")).fit(X)
    before = detector.score_samples(X)
    for bad in (X.assign(amount=np.inf), X[:1]):  # rejected by the encoder, by the detector
        with pytest.raises(ValueError):
            detector.fit(bad)
        assert_same_bits(detector.score_samples(X), before)


class Labelled(OutlierMixin, BaseEstimator):
    """Store what it is fitted with."""

    def fit(self, X, y=None, labels=None):
        self.labels_, self.y_ = labels, y
        return self

    def predict(self, X):
        return np.ones(len(X), int)


def test_labels_are_passed_to_the_detector():
    X, labels = payments(), np.zeros(60)
    detector = TabularDetector(Labelled()).fit(X, labels=labels)
    assert detector.detector_.labels_ is labels
    assert detector.fit(X).detector_.labels_ is None
    detector.fit_predict(X, labels=labels)
    assert detector.detector_.labels_ is labels
    with pytest.raises(TypeError, match="sample_weight"):
        detector.fit(X, sample_weight=labels)


def test_labels_are_routed_to_the_detector():
    X, labels = payments(), np.arange(60)
    with sklearn.config_context(enable_metadata_routing=True):
        with pytest.raises(UnsetMetadataPassedError, match="labels"):
            TabularDetector(Labelled()).fit(X, labels=labels)
        detector = TabularDetector(Labelled().set_fit_request(labels=True))
        assert detector.fit(X, labels=labels).detector_.labels_ is labels
        assert detector.fit(X).detector_.labels_ is None
        detector.fit_predict(X, labels=labels)
        assert detector.detector_.labels_ is labels
        GridSearchCV(detector, {"encoder": [TabularEncoder()]}, scoring="accuracy", cv=3).fit(
            X, np.ones(60), labels=labels
        )


@pytest.mark.parametrize("method", ["fit", "fit_predict", "fit_transform", "partial_fit"])
def test_the_detector_learns_from_labels_with_every_training_method(method):
    X, labels = payments(), np.resize([1, 0, 0, -1], 60)
    Z = TabularEncoder().fit_transform(X)
    first = "partial_fit" if method == "partial_fit" else "fit"
    expected = getattr(tiny("WALDO"), first)(Z, labels=labels)
    without = getattr(tiny("WALDO"), first)(Z)
    assert not np.array_equal(without.score_samples(Z), expected.score_samples(Z))

    plain = TabularDetector(tiny("WALDO"))
    getattr(plain, method)(X, labels=labels)
    with sklearn.config_context(enable_metadata_routing=True):
        inner = tiny("WALDO").set_fit_request(labels=True).set_partial_fit_request(labels=True)
        routed = TabularDetector(inner)
        outer = routed if method == "partial_fit" else make_pipeline(routed)
        getattr(outer, method)(X, labels=labels)
    for detector in (plain, routed if method == "partial_fit" else outer[-1]):
        assert_same_bits(detector.score_samples(X), expected.score_samples(Z))


def test_the_score_can_be_changed_after_training():
    X = payments()
    trained = TabularDetector(tiny("ALAD", score_type="l1")).fit(X)
    changed = TabularDetector(tiny("ALAD", score_type="features")).fit(X)
    changed.set_score_type("l1", X)
    assert_same_bits(changed.score_samples(X), trained.score_samples(X))
    assert changed.offset_ == trained.offset_
    assert not hasattr(TabularDetector(IsolationForest()), "set_score_type")
