"""Detectors of PyOD here, and our detectors in PyOD, PyThresh, SUOD and nonconform."""

import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from common import tiny
from sklearn.base import clone
from sklearn.ensemble import IsolationForest
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skgad import TabularDetector
from skgad._response import check_score_direction
from skgad.calibration import CalibratedDetector, ConformalDetector
from skgad.ensemble import DetectorEnsemble
from skgad.inspection import explain
from skgad.interop import from_pyod, to_pyod
from skgad.metrics import get_scorer, outlier_roc_auc_score
from skgad.model_selection import OneClassKFold, cross_val_scores
from skgad.neighbors import KNeighborsDetector

pytest.importorskip("pyod", reason="PyOD is not installed: pip install skgad[pyod]")

from pyod.models.base import BaseDetector
from pyod.models.ecod import ECOD
from pyod.models.iforest import IForest
from pyod.models.knn import KNN
from pyod.models.pca import PCA


def rows_with_outliers(n_inliers=90, n_outliers=10, seed=0):
    """Inliers around the origin and outliers far away, and their labels."""
    rng = np.random.RandomState(seed)
    X = np.concatenate([rng.normal(size=(n_inliers, 3)), rng.normal(6, 1, (n_outliers, 3))])
    return X, np.repeat([1, -1], [n_inliers, n_outliers])


X, Y = rows_with_outliers()
NEW, NEW_Y = rows_with_outliers(seed=1)


def iforest(**params):
    return IForest(n_estimators=20, random_state=0, **params)


# Not ECOD: it scores all rows of a call together with the training rows, so its scores depend on
# the other rows, which scikit-learn does not allow.
@parametrize_with_checks([from_pyod(iforest()), from_pyod(PCA()), from_pyod(KNN())])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("detector", [iforest(), PCA(), KNN(), ECOD()], ids=repr)
def test_scores_and_labels_are_those_of_pyod_with_the_conventions_of_scikit_learn(detector):
    ours = from_pyod(detector).fit(X)
    theirs = clone(detector).fit(X)
    np.testing.assert_array_equal(ours.score_samples(NEW), -theirs.decision_function(NEW))
    np.testing.assert_array_equal(ours.predict(NEW) == -1, theirs.predict(NEW) == 1)
    np.testing.assert_array_equal(ours.train_scores_, -theirs.decision_scores_)
    assert ours.offset_ == -theirs.threshold_
    auc = roc_auc_score(NEW_Y == -1, theirs.decision_function(NEW))
    assert outlier_roc_auc_score(NEW_Y, ours.score_samples(NEW)) == pytest.approx(auc)
    assert auc > 0.9


def test_parameters_of_the_pyod_detector_are_set_by_name():
    detector = from_pyod(iforest()).set_params(detector__contamination=0.3)
    assert clone(detector).get_params()["detector__contamination"] == 0.3
    assert (detector.fit_predict(X) == -1).mean() == pytest.approx(0.3, abs=0.02)
    assert not hasattr(detector.detector, "decision_scores_")


def test_two_fits_with_one_seed_give_the_same_scores():
    detector = from_pyod(iforest())
    scores = detector.fit(X).score_samples(NEW)
    np.testing.assert_array_equal(detector.fit(X).score_samples(NEW), scores)
    copy = pickle.loads(pickle.dumps(detector))
    np.testing.assert_array_equal(copy.score_samples(NEW), scores)


def test_a_fitted_pyod_detector_can_be_frozen():
    fitted = iforest().fit(X)
    detector = from_pyod(FrozenEstimator(fitted)).fit(NEW)
    np.testing.assert_array_equal(detector.score_samples(NEW), -fitted.decision_function(NEW))
    np.testing.assert_array_equal(detector.train_scores_, detector.score_samples(NEW))
    assert detector.offset_ == -fitted.threshold_


@pytest.mark.parametrize(
    "detector", [IsolationForest(), make_pipeline(StandardScaler(), iforest())], ids=repr
)
def test_the_adapter_rejects_what_is_not_a_detector_of_pyod(detector):
    with pytest.raises(TypeError, match=r"not a detector of PyOD.*wrap the last step"):
        from_pyod(detector).fit(X)


def test_pyod_detectors_work_in_every_tool_with_the_adapter():
    detector = from_pyod(iforest())
    labels = np.where(np.arange(len(Y)) % 2, Y, 0)
    for wrapped in (
        TabularDetector(detector).fit(X),
        make_pipeline(StandardScaler(), detector).fit(X),
        ConformalDetector(detector, random_state=0, alpha=0.1).fit(X[Y == 1]),
        CalibratedDetector(detector, random_state=0).fit(X, labels=labels),
        DetectorEnsemble([detector, KNeighborsDetector()], contamination=0.1).fit(X),
    ):
        check_score_direction(wrapped, X)
        assert set(wrapped.predict(NEW)) == {-1, 1}
        assert outlier_roc_auc_score(NEW_Y, wrapped.score_samples(NEW)) > 0.95
        assert (wrapped.predict(NEW)[NEW_Y == -1] == -1).mean() > 0.8


def test_columns_that_make_a_row_abnormal_contribute_positively():
    detector = from_pyod(iforest()).fit(X[Y == 1])
    explanation = explain(detector, [[0, 6, 0]], background=X[Y == 1], random_state=0)
    assert explanation.contributions.argmax() == 1
    assert explanation.contributions.max() > 0


def test_searches_rank_pyod_detectors_in_the_right_direction():
    search = GridSearchCV(
        from_pyod(KNN()),
        {"detector__n_neighbors": [3, 5]},
        scoring=get_scorer("outlier_roc_auc"),
        cv=OneClassKFold(2, random_state=0),
    )
    assert search.fit(X, Y).best_score_ > 0.95


@pytest.mark.parametrize(
    "detector",
    [iforest(), make_pipeline(StandardScaler(), iforest()), GridSearchCV(iforest(), {})],
    ids=["detector", "pipeline", "search"],
)
def test_pyod_detectors_without_the_adapter_raise_an_error(detector):
    with pytest.raises(ValueError, match=r"of PyOD.*from_pyod"):
        cross_val_scores(detector, X, Y)
    if not isinstance(detector, GridSearchCV):
        with pytest.raises(ValueError, match=r"of PyOD.*from_pyod"):
            # All rows are outliers: nothing but the class shows the direction.
            explain(detector.fit(X), X[Y == -1], background=X[Y == 1])
        for make in (TabularDetector, ConformalDetector, lambda det: DetectorEnsemble([det])):
            with pytest.raises(ValueError, match=r"of PyOD.*from_pyod"):
                make(detector).fit(X)


@pytest.mark.parametrize(
    "detector",
    [
        tiny("ALAD"),
        KNeighborsDetector(),
        IsolationForest(random_state=0),
        make_pipeline(StandardScaler(), KNeighborsDetector()),
    ],
    ids=lambda detector: type(detector).__name__,
)
def test_our_detectors_in_pyod_have_higher_scores_for_more_abnormal_rows(detector):
    view = to_pyod(detector, contamination=0.2).fit(X)
    ours = clone(detector).fit(X)
    assert isinstance(view, BaseDetector)
    np.testing.assert_array_equal(view.decision_function(NEW), -ours.score_samples(NEW))
    np.testing.assert_array_equal(view.decision_scores_, view.decision_function(X))
    assert set(view.labels_) == {0, 1}
    assert view.labels_.mean() == pytest.approx(0.2, abs=0.02)
    np.testing.assert_array_equal(view.labels_, view.predict(X))
    np.testing.assert_array_equal(view.labels_ == 1, view.decision_scores_ > view.threshold_)
    probabilities = view.predict_proba(NEW)
    assert probabilities.shape == (len(NEW), 2)
    assert (np.diff(probabilities[np.argsort(view.decision_function(NEW)), 1]) >= 0).all()


def test_pyod_views_can_be_cloned_pickled_and_set_by_name():
    view = to_pyod(IsolationForest(random_state=0)).set_params(detector__n_estimators=7)
    assert clone(view).get_params()["detector__n_estimators"] == 7
    scores = view.fit(X).decision_function(NEW)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(view)).decision_function(NEW), scores)


def test_a_fitted_detector_keeps_its_scores_in_a_pyod_view():
    fitted = IsolationForest(random_state=0).fit(X)
    view = to_pyod(FrozenEstimator(fitted)).fit(NEW)
    np.testing.assert_array_equal(view.decision_function(X), -fitted.score_samples(X))


def test_there_and_back_gives_the_same_scores():
    there = from_pyod(to_pyod(IsolationForest(random_state=0))).fit(X)
    ours = IsolationForest(random_state=0).fit(X)
    np.testing.assert_array_equal(there.score_samples(NEW), ours.score_samples(NEW))


def test_a_detector_of_pyod_needs_no_pyod_view():
    with pytest.raises(ValueError, match="of PyOD"):
        to_pyod(iforest())


@pytest.fixture
def thresholder():
    """A thresholder of PyThresh that flags what is far from the other scores."""
    reason = "PyThresh is not installed: pip install pythresh"
    return pytest.importorskip("pythresh.thresholds.iqr", reason=reason).IQR()


def test_pythresh_flags_the_outliers_of_our_detectors(thresholder):
    view = to_pyod(KNeighborsDetector()).fit(X)
    is_flagged = thresholder.eval(view.decision_scores_) == 1
    assert is_flagged[Y == -1].sum() > 3
    assert not is_flagged[Y == 1].any()


def test_thresholders_of_pythresh_can_be_the_contamination(thresholder):
    view = to_pyod(KNeighborsDetector(), contamination=thresholder).fit(X)
    assert view.labels_[Y == -1].sum() > 3
    assert not view.labels_[Y == 1].any()
    assert view.predict(NEW)[NEW_Y == -1].sum() > 3

    detector = from_pyod(KNN(contamination=thresholder)).fit(X)
    np.testing.assert_array_equal(
        detector.train_scores_ < detector.offset_, detector.detector_.labels_ == 1
    )
    assert (detector.predict(NEW)[NEW_Y == -1] == -1).any()
    assert (detector.predict(NEW)[NEW_Y == 1] == 1).all()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_suod_trains_our_detectors():
    pytest.importorskip("suod", reason="SUOD is not installed: pip install suod")
    from pyod.models.suod import SUOD

    ours = [to_pyod(KNeighborsDetector(n_neighbors=k)) for k in (3, 5)]
    suod = SUOD([*ours, iforest()], n_jobs=1, rp_flag_global=False, approx_flag_global=False)
    suod.fit(X)
    assert roc_auc_score(NEW_Y == -1, suod.decision_function(NEW)) > 0.95


def test_nonconform_calibrates_our_detectors():
    reason = "nonconform is not installed; it requires Python 3.12: pip install nonconform"
    nonconform = pytest.importorskip("nonconform", reason=reason)
    detector = nonconform.ConformalDetector(
        detector=to_pyod(KNeighborsDetector()),
        strategy=nonconform.Split(n_calib=0.3),
        score_polarity="higher_is_anomalous",
        seed=0,
    )
    detector.fit(X[Y == 1])
    p = np.asarray(detector.compute_p_values(NEW))
    assert p[NEW_Y == -1].max() < np.median(p[NEW_Y == 1])


def test_sktime_accepts_our_detectors_in_the_right_direction():
    adapters = pytest.importorskip(
        "sktime.detection.adapters", reason="sktime is not installed: pip install sktime"
    )
    detector = adapters.PyODDetector(to_pyod(KNeighborsDetector())).fit(pd.DataFrame(X))
    scores = detector.estimator_.decision_function(NEW)
    assert roc_auc_score(NEW_Y == -1, scores) > 0.95


def test_pyod_is_imported_only_if_it_is_used():
    code = (
        "import sys, skgad.interop, skgad.calibration\n"
        "from sklearn.ensemble import IsolationForest\n"
        "skgad.calibration.ConformalDetector(IsolationForest()).fit([[i] for i in range(200)])\n"
        "assert not {'pyod', 'shap', 'imblearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
