"""Types that users can rely on. mypy checks them (`make lint`), and the tests that they are true.

mypy reports an `assert_type` whose first argument has another type than the second one says.
"""

from typing import assert_type

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest

from skgad import ALAD, ARN, TabularDetector
from skgad.calibration import ConformalDetector
from skgad.metrics import outlier_roc_auc_score
from skgad.preprocessing import TabularEncoder


@pytest.fixture(scope="module")
def X() -> NDArray[np.float64]:
    return np.random.default_rng(0).normal(size=(64, 3))


def is_array(array: object, dtype: type[np.generic], ndim: int) -> bool:
    return isinstance(array, np.ndarray) and array.dtype == dtype and array.ndim == ndim


def test_scores_and_decisions_of_a_detector(X: NDArray[np.float64]) -> None:
    detector = assert_type(ALAD(latent_dim=2, max_epochs=1, random_state=0).fit(X), ALAD)
    assert is_array(assert_type(detector.score_samples(X), NDArray[np.float64]), np.float64, 1)
    assert is_array(assert_type(detector.decision_function(X), NDArray[np.float64]), np.float64, 1)
    assert is_array(assert_type(detector.predict(X), NDArray[np.int_]), np.int_, 1)
    assert is_array(assert_type(detector.train_scores_, NDArray[np.float64]), np.float64, 1)
    assert isinstance(assert_type(detector.offset_, float), float)
    assert isinstance(assert_type(detector.n_iter_, int), int)


def test_rows_and_codes_of_a_detector(X: NDArray[np.float64]) -> None:
    detector = ALAD(latent_dim=2, max_epochs=1, random_state=0).fit(X)
    assert is_array(assert_type(detector.transform(X), NDArray[np.float32]), np.float32, 2)
    assert is_array(assert_type(detector.reconstruct(X), NDArray[np.float32]), np.float32, 2)
    assert is_array(assert_type(detector.sample(5), NDArray[np.float32]), np.float32, 2)


def test_methods_that_return_the_detector(X: NDArray[np.float64]) -> None:
    detector = ARN(latent_dim=2, max_epochs=1, random_state=0)
    assert assert_type(detector.fit(X, labels=np.zeros(64)), ARN) is detector
    assert assert_type(detector.partial_fit(X), ARN) is detector
    assert assert_type(detector.set_threshold(contamination=0.1), ARN) is detector


def test_tools_for_any_detector(X: NDArray[np.float64]) -> None:
    y = np.repeat([1, -1], 32)
    assert isinstance(assert_type(outlier_roc_auc_score(y, X[:, 0]), float), float)
    detector = assert_type(TabularDetector(IsolationForest()).fit(X), TabularDetector)
    assert is_array(assert_type(detector.score_samples(X), NDArray[np.float64]), np.float64, 1)
    conformal = ConformalDetector(IsolationForest(), alpha=0.2)
    assert assert_type(conformal.fit(X), ConformalDetector) is conformal
    assert is_array(assert_type(conformal.p_values(X), NDArray[np.float64]), np.float64, 1)
    encoder = TabularEncoder()
    assert assert_type(encoder.fit(X), TabularEncoder) is encoder
