"""What every detector computes: the golden scores, and that it detects anomalies."""

import json

import numpy as np
import pytest
from common import DETECTORS, tiny
from golden import PATH, golden_scores
from sklearn.metrics import roc_auc_score

every_detector = pytest.mark.parametrize("name", DETECTORS)


@every_detector
def test_scores_equal_the_golden_scores(name, device):
    if device != "cpu":
        pytest.skip("the golden scores were computed on a CPU, and a GPU draws other noise")
    golden = json.loads(PATH.read_text())
    np.testing.assert_allclose(golden_scores(name), golden[name], rtol=2e-3)


@every_detector
def test_two_blobs_are_distinguished(name, device):
    rng = np.random.RandomState(0)
    normal = rng.normal(1, 0.3, size=(160, 4))
    abnormal = rng.normal(-1, 0.3, size=(40, 4))
    detector = tiny(name, device=device, max_epochs=100, lr=3e-3).fit(normal[:80])
    scores = detector.score_samples(np.concatenate([normal[80:], abnormal]))
    assert roc_auc_score(np.repeat([1, 0], [80, 40]), scores) > 0.9
