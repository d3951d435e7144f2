"""Rows that the detector at the end of a pipeline generates, in the units of its input."""

import numpy as np
import pandas as pd
import pytest
from common import table, tiny
from sklearn.ensemble import IsolationForest
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, OneHotEncoder, StandardScaler

from skgad.density import DensityDetector
from skgad.interop import OutlierRemover, pipeline_reconstruct, pipeline_sample

X = 100 + 10 * table()


def test_samples_have_the_units_of_the_input():
    pipeline = make_pipeline(StandardScaler(), MinMaxScaler(), DensityDetector()).fit(X)
    rows = pipeline_sample(pipeline, 400, random_state=0)
    expected = pipeline[-1].sample(400, random_state=0)
    for step in (pipeline[1], pipeline[0]):
        expected = step.inverse_transform(expected)
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_allclose(rows.mean(axis=0), X.mean(axis=0), atol=3 * X.std() / np.sqrt(48))


def test_reconstructions_have_the_units_of_the_input():
    pipeline = make_pipeline(StandardScaler(), tiny("Autoencoder")).fit(X)
    rows = pipeline_reconstruct(pipeline, X[:5])
    scaler, detector = pipeline
    expected = scaler.inverse_transform(detector.reconstruct(scaler.transform(X[:5])))
    np.testing.assert_array_equal(rows, expected)


def test_reconstructions_of_a_frame_have_its_columns_and_its_index():
    frame = pd.DataFrame(X, columns=list("abcd"), index=range(7, 55))
    pipeline = make_pipeline(StandardScaler(), tiny("Autoencoder")).fit(frame)
    rows = pipeline_reconstruct(pipeline, frame)
    assert list(rows.columns) == list("abcd")
    assert list(rows.index) == list(frame.index)
    np.testing.assert_array_equal(rows, pipeline_reconstruct(pipeline, frame))


def test_a_detector_alone_and_steps_that_do_nothing_are_pipelines_too():
    detector = DensityDetector().fit(X)
    expected = detector.sample(3, random_state=0)
    for pipeline in (Pipeline([("d", detector)]), make_pipeline("passthrough", detector)):
        np.testing.assert_array_equal(pipeline_sample(pipeline, 3, random_state=0), expected)


def test_arguments_are_passed_to_the_detector():
    pipeline = make_pipeline(StandardScaler(), tiny("WALDO")).fit(X)
    outliers = pipeline_sample(pipeline, 4, kind="outlier", random_state=0)
    inliers = pipeline_sample(pipeline, 4, random_state=0)
    assert (outliers != inliers).any()
    assert pipeline_reconstruct(pipeline, X, kind="outlier").shape == X.shape


def test_samplers_of_imbalanced_learn_are_skipped():
    reason = "imbalanced-learn is not installed: pip install imbalanced-learn"
    pytest.importorskip("imblearn", reason=reason)
    from imblearn.pipeline import make_pipeline

    remover = OutlierRemover(IsolationForest(n_estimators=5, random_state=0))
    pipeline = make_pipeline(StandardScaler(), remover, tiny("Autoencoder")).fit(X)
    assert pipeline_sample(pipeline, 3, random_state=0).mean() > 50
    assert pipeline_reconstruct(pipeline, X).mean() > 50


def test_steps_that_cannot_generate_or_convert_rows_raise_an_error():
    with pytest.raises(TypeError, match="'isolationforest' .IsolationForest., has no method sam"):
        pipeline_sample(make_pipeline(StandardScaler(), IsolationForest()).fit(X))

    class OneWay(FunctionTransformer):
        inverse_transform = property()

    pipeline = make_pipeline(OneWay(), DensityDetector()).fit(X)
    with pytest.raises(TypeError, match=r"Step 'oneway' .* no inverse_transform.*TabularDetector"):
        pipeline_sample(pipeline)


def test_columns_that_an_inverse_transform_adds_keep_their_types():
    frame = pd.DataFrame({"a": list("xyz") * 16, "b": list("uv") * 24})
    encoder = OneHotEncoder(sparse_output=False)
    pipeline = make_pipeline(encoder, tiny("Autoencoder", encoding=None)).fit(frame)
    rows = pipeline_sample(pipeline, 5, random_state=0)
    assert set(rows[:, 0]) <= set("xyz")
