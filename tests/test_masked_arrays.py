"""Masked arrays: the numbers under a mask are never used."""

import numpy as np
import pytest
from common import table
from sklearn.ensemble import IsolationForest

from skgad import TabularDetector
from skgad.calibration import CalibratedDetector, ConformalDetector
from skgad.density import DensityDetector
from skgad.ensemble import DetectorEnsemble
from skgad.inspection import explain
from skgad.metrics import outlier_roc_auc_score
from skgad.neighbors import KNeighborsDetector
from skgad.preprocessing import PiecewiseLinearEncoder

LABELS = np.r_[np.ones(40), -np.ones(8)].astype(int)


def masked_table(hidden):
    """A table with one masked number, under which is another one."""
    rows = np.ma.array(table(), mask=np.zeros((48, 4), bool))
    rows[3, 2] = hidden
    rows[3, 2] = np.ma.masked
    return rows


@pytest.mark.parametrize("estimator", [KNeighborsDetector(), DensityDetector()])
def test_detectors_reject_masked_values(estimator):
    with pytest.raises(ValueError, match="NaN"):
        estimator.fit(masked_table(1e9))
    with pytest.raises(ValueError, match="NaN"):
        estimator.fit(table()).score_samples(masked_table(1e9))


def test_encoders_of_numbers_reject_masked_values():
    with pytest.raises(ValueError, match="does not accept missing values"):
        PiecewiseLinearEncoder().fit(masked_table(1e9))


@pytest.mark.parametrize(
    "wrap", [ConformalDetector, lambda inner: DetectorEnsemble([inner, inner])]
)
def test_wrappers_reject_masked_values_unless_the_detector_accepts_missing_values(wrap):
    with pytest.raises(ValueError, match="NaN"):
        wrap(KNeighborsDetector()).fit(masked_table(1e9))
    inner = TabularDetector(IsolationForest(n_estimators=5, random_state=0))
    if wrap is ConformalDetector:
        inner = ConformalDetector(inner, calibration_size=0.4, random_state=0)
        one, other = (inner.fit(masked_table(hidden)) for hidden in (1e9, -5.0))
        np.testing.assert_array_equal(
            one.score_samples(masked_table(3.0)), other.score_samples(masked_table(7e7))
        )


@pytest.mark.filterwarnings("ignore:The columns .* have missing values, but had none")
def test_scores_do_not_depend_on_the_numbers_under_the_mask():
    detector = TabularDetector(IsolationForest(n_estimators=5, random_state=0))
    one, other = (
        detector.fit(masked_table(hidden)).score_samples(masked_table(hidden))
        for hidden in (1e9, -5.0)
    )
    np.testing.assert_array_equal(one, other)
    contributions = [
        explain(detector, masked_table(hidden), background=table(), random_state=0).contributions
        for hidden in (1e9, -5.0)
    ]
    np.testing.assert_array_equal(*contributions)


def test_labels_and_scores_must_not_be_masked():
    scores = np.arange(48.0)[::-1]
    masked_labels = np.ma.array(LABELS, mask=np.arange(48) == 5)
    masked_scores = np.ma.array(scores, mask=np.arange(48) < 2)
    with pytest.raises(
        ValueError, match="y_true contains 1 masked values, but none can be missing"
    ):
        outlier_roc_auc_score(masked_labels, scores)
    with pytest.raises(ValueError, match="y_score contains 2 masked values"):
        outlier_roc_auc_score(LABELS, masked_scores)
    with pytest.raises(ValueError, match="labels contains 1 masked values"):
        CalibratedDetector(IsolationForest()).fit(table(), labels=masked_labels)
    unmasked = np.ma.array(LABELS, mask=False)
    assert outlier_roc_auc_score(unmasked, scores) == outlier_roc_auc_score(LABELS, scores)
