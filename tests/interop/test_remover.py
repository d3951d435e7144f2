"""Removal of outliers, alone and in the pipelines of imbalanced-learn."""

import numpy as np
import pandas as pd
import pytest
from common import table, tiny
from scipy import sparse
from sklearn.base import clone
from sklearn.ensemble import IsolationForest
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import LocalOutlierFactor
from sklearn.preprocessing import StandardScaler

from skgad.interop import OutlierRemover

X = np.concatenate([table(), np.full((2, 4), 50.0)])
Y = np.arange(50)
FOREST = IsolationForest(n_estimators=20, contamination=0.04, random_state=0)


@pytest.mark.parametrize(
    "detector",
    [
        FOREST,
        LocalOutlierFactor(contamination=0.04),
        tiny("Autoencoder", contamination=0.04, random_state=0),
        FrozenEstimator(clone(FOREST).fit(X)),
    ],
    ids=lambda detector: type(detector).__name__,
)
def test_outliers_are_removed_with_their_targets(detector):
    remover = OutlierRemover(detector)
    X_kept, y_kept = remover.fit_resample(X, Y)
    np.testing.assert_array_equal(remover.sample_indices_, np.arange(48))
    np.testing.assert_array_equal(X_kept, X[:48])
    np.testing.assert_array_equal(y_kept, np.arange(48))


@pytest.mark.parametrize(
    "y",
    [
        None,
        list("ab" * 25),
        pd.Series(np.linspace(0, 1, 50), index=range(100, 150)),
        np.ones((50, 3)),
        pd.DataFrame({"u": range(50), "v": range(50)}),
    ],
    ids=["none", "text", "series", "several", "frame"],
)
def test_the_target_may_be_of_any_type(y):
    _, y_kept = OutlierRemover(FOREST).fit_resample(X, y)
    assert type(y_kept) is type(y)
    if y is not None:
        np.testing.assert_array_equal(np.asarray(y_kept), np.asarray(y)[:48])


def test_frames_and_sparse_matrices_keep_their_type():
    frame = pd.DataFrame(X, columns=list("abcd"), index=range(7, 57))
    X_kept, _ = OutlierRemover(FOREST).fit_resample(frame, Y)
    pd.testing.assert_frame_equal(X_kept, frame.iloc[:48])
    X_kept, _ = OutlierRemover(FOREST).fit_resample(sparse.csr_matrix(X), Y)
    assert sparse.issparse(X_kept)
    assert X_kept.shape == (48, 4)


def test_fit_keeps_the_positions_of_the_inliers():
    remover = OutlierRemover(FOREST).fit(X, Y)
    np.testing.assert_array_equal(remover.sample_indices_, np.arange(48))


def test_removing_all_rows_raises_an_error():
    class All(IsolationForest):
        def fit_predict(self, X, y=None):
            return -np.ones_like(super().fit_predict(X))

    with pytest.raises(ValueError, match="labels all 50 rows as outliers"):
        OutlierRemover(All()).fit_resample(X, Y)


@pytest.fixture
def imblearn_pipeline():
    reason = "imbalanced-learn is not installed: pip install imbalanced-learn"
    return pytest.importorskip("imblearn.pipeline", reason=reason)


def test_a_pipeline_removes_outliers_when_it_is_fitted_and_predicts_all_rows(imblearn_pipeline):
    pipeline = imblearn_pipeline.make_pipeline(StandardScaler(), OutlierRemover(FOREST), Ridge())
    pipeline.fit(X, Y.astype(float))
    assert pipeline.predict(X).shape == (50,)
    scaled = StandardScaler().fit_transform(X)
    expected = Ridge().fit(scaled[:48], Y[:48]).predict(scaled)
    np.testing.assert_allclose(pipeline.predict(X), expected)


def test_a_search_chooses_how_many_rows_a_pipeline_removes(imblearn_pipeline):
    pipeline = imblearn_pipeline.Pipeline(
        [("remove", OutlierRemover(FOREST)), ("classify", LogisticRegression())]
    )
    labels = np.where(X[:, 0] > np.median(X[:, 0]), "high", "low")
    search = GridSearchCV(pipeline, {"remove__detector__contamination": [0.04, 0.1]}, cv=2)
    search.fit(X, labels)
    assert set(search.predict(X)) == {"high", "low"}
