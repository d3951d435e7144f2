"""What a few lines make a detector of one's own."""

import numpy as np
import pytest
from autoencoder import Autoencoder
from common import table
from sklearn.metrics import roc_auc_score
from sklearn.utils.estimator_checks import parametrize_with_checks


@parametrize_with_checks([Autoencoder(max_epochs=5, random_state=0)])
def test_it_passes_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


def test_it_detects_reconstructs_and_encodes(device):
    rows = table(200)
    detector = Autoencoder(device=device, max_epochs=60, n_members=2, random_state=0).fit(rows)
    odd = np.concatenate([rows, 4 * np.random.default_rng(0).normal(size=(50, 4))])
    is_normal = np.arange(250) < 200
    assert roc_auc_score(is_normal, detector.score_samples(odd)) > 0.9
    assert np.square(rows - detector.reconstruct(rows)).mean() < 0.3 * rows.var()
    assert detector.transform(rows).shape == (200, 4)


def test_it_says_what_it_cannot_do(device):
    detector = Autoencoder(device=device, max_epochs=1, random_state=0).fit(table())
    with pytest.raises(ValueError, match=r"Autoencoder cannot sample kind='inlier'\. Det.*ALAD"):
        detector.sample(3)
