"""Contributions that are residuals of the reconstruction."""

import numpy as np
import pytest
from common import table, tiny
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from toy_detectors import Reconstructor, mixed_table, total

from skgad import TabularDetector
from skgad.inspection import (
    explain,
)
from skgad.preprocessing import TabularEncoder


@pytest.mark.parametrize(
    ("function", "contributions_of"),
    [
        (lambda r: np.abs(r).sum(axis=1), np.abs),
        (lambda r: (r**2).sum(axis=1), np.square),
        (lambda r: np.abs(r).mean(axis=1), lambda r: np.abs(r) / 3),
        (lambda r: (r**2).mean(axis=1), lambda r: r**2 / 3),
        (
            lambda r: np.linalg.norm(r, axis=1),
            lambda r: r**2 / np.linalg.norm(r, axis=1, keepdims=True),
        ),
    ],
    ids=["l1", "squares", "mae", "mse", "l2"],
)
def test_contributions_are_residuals_if_the_score_is_their_sum(function, contributions_of):
    X = table(n_features=3)
    found = explain(Reconstructor(function), X)
    assert (found.method, found.additive, found.base) == ("residual", True, 0)
    np.testing.assert_allclose(found.contributions, contributions_of(X - Reconstructor.center))
    np.testing.assert_allclose(total(found), found.scores)


def test_residuals_that_do_not_sum_to_the_score_are_used_only_on_request():
    X = table(n_features=3)
    detector = Reconstructor(lambda r: np.exp(-r[:, 0] * r[:, 1]), threshold=2.0)
    found = explain(detector, X, random_state=0)
    assert (found.method, found.additive) == ("shapley", True)
    np.testing.assert_allclose(total(found), found.scores)
    found = explain(detector, X, method="residual")
    assert (found.method, found.additive) == ("residual", False)
    np.testing.assert_allclose(found.contributions, np.abs(X - Reconstructor.center))


def test_shapley_values_can_be_requested_if_the_score_is_a_sum_of_residuals():
    X = table(n_features=3)
    detector = Reconstructor(lambda r: np.abs(r).sum(axis=1))
    found = explain(detector, X, background=X, method="shapley")
    distance = np.abs(X - Reconstructor.center)
    np.testing.assert_allclose(found.contributions, distance - distance.mean(axis=0), atol=1e-12)


@pytest.mark.parametrize("score_type", ["l1", "l2"])
@pytest.mark.parametrize("scaled", [False, True])
def test_residuals_of_alad_sum_to_its_score(score_type, scaled, device):
    X = table()
    detector = tiny("ALAD", score_type=score_type, device=device)
    detector = make_pipeline(StandardScaler(), detector) if scaled else detector
    found = explain(detector.fit(X), X)
    assert (found.method, found.additive) == ("residual", True)
    np.testing.assert_allclose(total(found), -detector.score_samples(X), rtol=1e-4)


def test_scores_from_discriminator_features_have_no_residuals(device):
    detector = tiny("ALAD", device=device).fit(table())
    assert explain(detector, table(), random_state=0).method == "shapley"


@pytest.mark.parametrize("as_pipeline", [False, True])
def test_residuals_of_the_levels_of_a_column_are_summed(as_pipeline, device):
    X = mixed_table()
    alad = tiny("ALAD", score_type="l1", device=device)
    detector = make_pipeline(TabularEncoder(), alad) if as_pipeline else TabularDetector(alad)
    detector.fit(X)
    found = explain(detector, X)
    assert found.method == "residual"
    encoder, alad = detector if as_pipeline else (detector.encoder_, detector.detector_)
    Z = encoder.transform(X)
    r = np.abs(Z - alad.reconstruct(Z))
    names = encoder.get_feature_names_out()
    assert [name.split("_")[0] for name in names].count("color") == 3
    for column in X.columns:
        mine = [name.split("_")[0] == column for name in names]
        np.testing.assert_allclose(found.contributions[column], r[:, mine].sum(axis=1), rtol=1e-5)
    np.testing.assert_allclose(total(found), found.scores, rtol=1e-4)


def test_columns_that_cannot_be_traced_have_no_residuals(device):
    X = table()
    detector = make_pipeline(PCA(2), tiny("ALAD", score_type="l1", device=device)).fit(X)
    assert explain(detector, X, random_state=0).method == "shapley"
    with pytest.raises(ValueError, match="Use method='shapley'"):
        explain(detector, X, method="residual")
