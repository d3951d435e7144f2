"""The check of a detector's conventions, and the tools that reject detectors without them."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from common import table
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.covariance import EllipticEnvelope
from sklearn.ensemble import IsolationForest
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import SGDOneClassSVM
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity, LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from skgad import TabularDetector
from skgad._response import check_score_direction
from skgad.calibration import CalibratedDetector, ConformalDetector
from skgad.ensemble import DetectorEnsemble
from skgad.inspection import (
    ExplanationDisplay,
    LatentSpaceDisplay,
    PrecisionRecallDisplay,
    RocCurveDisplay,
    ScoreHistogramDisplay,
    explain,
    nearest_normal,
)
from skgad.interop import OutlierRemover
from skgad.model_selection import mass_volume_score, pseudo_outlier_score

matplotlib.use("Agg")
X = table()
LABELS = np.repeat([1, -1], [40, 8])


class Centered(OutlierMixin, BaseEstimator):
    """Distance from the origin, with scores and labels in either direction."""

    def __init__(self, sign=-1, inlier=1, outlier=-1, flagged=0.2):
        self.sign = sign
        self.inlier = inlier
        self.outlier = outlier
        self.flagged = flagged

    def fit(self, X, y=None):
        self.limit_ = np.quantile(np.linalg.norm(X, axis=1), 1 - self.flagged)
        return self

    def decision_function(self, X):
        return self.sign * (np.linalg.norm(X, axis=1) - self.limit_)

    def predict(self, X):
        is_outlier = np.linalg.norm(X, axis=1) > self.limit_
        return np.where(is_outlier, self.outlier, self.inlier)

    def transform(self, X):
        return X


class OppositeScores(Centered):
    """Decisions of scikit-learn, but scores in the opposite direction."""

    def score_samples(self, X):
        return np.linalg.norm(X, axis=1)


class Constant(Centered):
    """The same decision for every row."""

    def decision_function(self, X):
        return np.zeros(len(X))

    def predict(self, X):
        return np.ones(len(X), dtype=int)


PYOD_LIKE = Centered(sign=1, inlier=0, outlier=1)
REVERSED = Centered(sign=1)
SEARCH = GridSearchCV(
    IsolationForest(n_estimators=5), {"max_features": [0.5, 1.0]}, scoring=lambda e, X, y=None: 0.0
)


@pytest.mark.parametrize(
    "detector",
    [
        LocalOutlierFactor(novelty=True),
        LocalOutlierFactor(),
        OneClassSVM(nu=0.3),
        SGDOneClassSVM(nu=0.5),
        IsolationForest(n_estimators=5),
        IsolationForest(n_estimators=5, contamination=0.3),
        EllipticEnvelope(random_state=0),
        GaussianMixture(),
        KernelDensity(),
        make_pipeline(StandardScaler(), OneClassSVM()),
        make_pipeline(StandardScaler(), TabularDetector(LocalOutlierFactor(novelty=True))),
        FrozenEstimator(IsolationForest(n_estimators=5).fit(X)),
        SEARCH,
        Centered(),
        Centered(flagged=0.0),
        Constant(),
    ],
    ids=lambda detector: repr(detector)[:60],
)
def test_detectors_of_scikit_learn_pass(detector):
    check_score_direction(detector)
    check_score_direction(detector.fit(X, None), X)
    check_score_direction(detector, X[:1])


def test_rows_on_the_threshold_may_have_either_label():
    class OnThreshold(Constant):
        def decision_function(self, X):
            return np.where(np.arange(len(X)) < 9, -1e-12, 1.0)

    check_score_direction(OnThreshold().fit(X), X)


def test_infinite_scores_pass():
    class Infinite(Constant):
        def score_samples(self, X):
            return np.where(np.arange(len(X)) < 9, -np.inf, 1.0)

        decision_function = score_samples

        def predict(self, X):
            return np.where(self.score_samples(X) < 0, -1, 1)

    check_score_direction(Infinite().fit(X), X)


@pytest.mark.parametrize(
    ("detector", "message"),
    [
        (PYOD_LIKE, r"predict returned the labels \[0, 1\].*from_pyod"),
        (REVERSED, "predict and Centered.decision_function disagree on 48 of 48 rows.*from_pyod"),
        (Centered(inlier=-1, outlier=1), "disagree on"),
        (OppositeScores(), "score_samples decreases when OppositeScores.decision_function"),
    ],
)
def test_other_conventions_raise_an_error_that_names_the_adapter(detector, message):
    with pytest.raises(ValueError, match=message):
        check_score_direction(detector.fit(X), X)


TOOLS = {
    "TabularDetector": lambda detector: TabularDetector(detector).fit(X),
    "ConformalDetector": lambda detector: ConformalDetector(detector, alpha=0.2).fit(X),
    "CalibratedDetector": lambda detector: CalibratedDetector(detector).fit(X, labels=LABELS),
    "CalibratedDetector without labels": lambda detector: CalibratedDetector(detector).fit(X),
    "frozen": lambda detector: ConformalDetector(FrozenEstimator(detector.fit(X))).fit(X),
    "DetectorEnsemble": lambda detector: DetectorEnsemble([detector]).fit(X),
    "explain": lambda detector: explain(detector.fit(X), X[:9], background=X),
    "nearest_normal": lambda detector: nearest_normal(detector.fit(X), X),
    "pseudo_outlier_score": lambda detector: pseudo_outlier_score(detector.fit(X), X),
    "mass_volume_score": lambda detector: mass_volume_score(detector.fit(X), X),
    "OutlierRemover": lambda detector: OutlierRemover(detector).fit_resample(X),
    "RocCurveDisplay": lambda det: RocCurveDisplay.from_estimator(det.fit(X), X, LABELS),
    "PrecisionRecallDisplay": (
        lambda det: PrecisionRecallDisplay.from_estimator(det.fit(X), X, LABELS)
    ),
    "ScoreHistogramDisplay": lambda det: ScoreHistogramDisplay.from_estimator(det.fit(X), X),
    "LatentSpaceDisplay": lambda det: LatentSpaceDisplay.from_estimator(det.fit(X), X),
    "ExplanationDisplay": (
        lambda det: ExplanationDisplay.from_estimator(det.fit(X), X, background=X)
    ),
}


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("detector", [PYOD_LIKE, REVERSED], ids=["PyOD-like", "reversed"])
def test_every_tool_rejects_scores_in_the_opposite_direction(tool, detector):
    with pytest.raises(ValueError, match="from_pyod"):
        TOOLS[tool](detector)


@pytest.mark.filterwarnings("ignore:With .* held-out rows:UserWarning")
@pytest.mark.parametrize("tool", TOOLS)
def test_every_tool_accepts_the_scores_of_scikit_learn(tool):
    TOOLS[tool](Centered())
    plt.close("all")
