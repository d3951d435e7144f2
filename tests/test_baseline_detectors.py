"""KNeighborsDetector and DensityDetector inside the other tools of the package."""

import numpy as np
import pandas as pd
import pytest
from common import assert_same_bits, table
from sklearn.base import clone
from sklearn.neighbors import KernelDensity

from skgad import TabularDetector
from skgad.calibration import CalibratedDetector, ConformalDetector
from skgad.density import DensityDetector
from skgad.ensemble import DetectorEnsemble
from skgad.inspection import explain, nearest_normal
from skgad.neighbors import KNeighborsDetector

BASELINES = {
    "neighbors": KNeighborsDetector(),
    "mixture": DensityDetector(random_state=0),
    "kernel": DensityDetector(KernelDensity()),
}

every_baseline = pytest.mark.parametrize("baseline", BASELINES.values(), ids=BASELINES)


def payments(n_rows=120):
    rng = np.random.default_rng(0)
    shop = rng.choice(["bakery", "jeweller"], n_rows)
    amount = np.where(shop == "bakery", 8.0, 90.0) * rng.lognormal(0, 0.2, n_rows)
    amount[::11] = np.nan
    return pd.DataFrame({"shop": shop, "amount": amount, "items": rng.poisson(3, n_rows)})


@every_baseline
def test_tables_with_text_and_missing_values_are_scored(baseline):
    X = payments()
    detector = TabularDetector(clone(baseline)).fit(X)
    outlier = X.head(1).assign(amount=1e4)
    assert np.isfinite(detector.score_samples(X)).all()
    assert detector.predict(outlier) == [-1]
    explanation = explain(detector, outlier, background=X, random_state=0)
    assert explanation.contributions.iloc[0].idxmax() == "amount"


def test_a_density_samples_tables():
    X = payments()
    rows = TabularDetector(DensityDetector(random_state=0)).fit(X).sample(20, random_state=0)
    assert rows.dtypes.equals(X.dtypes)
    assert {*rows["shop"]} <= {"bakery", "jeweller"}
    assert not hasattr(TabularDetector(KNeighborsDetector()), "sample")


@every_baseline
def test_the_nearest_normal_row_is_an_inlier(baseline):
    X = table(100)
    detector = clone(baseline).fit(X)
    outlier = X[:1] + [20, 0, 0, 0]
    nearest = nearest_normal(detector, outlier, background=X)
    assert detector.predict(outlier) == [-1]
    assert detector.predict(nearest.rows) == [1]


@every_baseline
def test_scores_can_be_calibrated(baseline):
    X = table(300)
    X_new = np.vstack([X[:20], X[:3] + 30])
    conformal = ConformalDetector(clone(baseline)).fit(X)
    p_values = conformal.p_values(X_new)
    assert (p_values[-3:] < 0.05).all()
    assert p_values[:20].mean() > 0.2

    X_mixed = np.vstack([X, X[:20] + 30])
    labels = np.repeat([1, 0, -1], [100, 200, 20])
    calibrated = CalibratedDetector(clone(baseline), random_state=0).fit(X_mixed, labels=labels)
    probabilities = calibrated.predict_proba(X_new)[:, 0]
    assert probabilities[-3:].min() > 0.5 > probabilities[:20].mean()


@every_baseline
def test_baselines_are_members_of_ensembles(baseline):
    X = table(200)
    ensemble = DetectorEnsemble([clone(baseline), KNeighborsDetector(2)]).fit(X)
    assert ensemble.predict(X[:1] + 30) == [-1]
    assert_same_bits(ensemble.detectors_[0].train_scores_, clone(baseline).fit(X).train_scores_)


def test_an_ensemble_samples_inliers_from_its_density():
    X = table(200)
    members = [DensityDetector(random_state=0), KNeighborsDetector()]
    ensemble = DetectorEnsemble(members).fit(X)
    rows = ensemble.sample(300, random_state=0)
    assert_same_bits(rows[:20], ensemble.sample(20, random_state=0))
    assert (ensemble.predict(rows) == 1).mean() > 0.8
    with pytest.raises(ValueError, match="kind='outlier'"):
        ensemble.sample(kind="outlier")
    assert not hasattr(DetectorEnsemble([KNeighborsDetector()]).fit(X), "sample")
