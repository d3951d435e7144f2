"""Explanations as those of the package shap, and its plots."""

import warnings

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from common import table, tiny
from sklearn.ensemble import IsolationForest

from skgad import TabularDetector
from skgad.inspection import explain

matplotlib.use("Agg")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of shap, when it is imported
    shap = pytest.importorskip("shap", reason="shap is not installed: pip install shap")

FRAME = pd.DataFrame(table(), columns=list("abcd"))


@pytest.fixture(scope="module")
def explanation():
    detector = IsolationForest(n_estimators=5, random_state=0).fit(FRAME)
    return explain(detector, FRAME[:6], background=FRAME[6:], n_background=5, random_state=0)


def test_values_sum_to_the_anomaly_scores(explanation):
    converted = explanation.to_shap()
    assert isinstance(converted, shap.Explanation)
    np.testing.assert_array_equal(converted.values, explanation.contributions)
    np.testing.assert_array_equal(converted.data, FRAME[:6])
    assert converted.feature_names == list("abcd")
    sums = converted.values.sum(axis=1) + converted.base_values
    np.testing.assert_allclose(sums, explanation.scores)


def test_rows_without_column_names_can_be_converted():
    X = FRAME.to_numpy()
    detector = IsolationForest(n_estimators=5, random_state=0).fit(X)
    converted = explain(detector, X[:2], background=X, n_background=3, random_state=0).to_shap()
    assert converted[0].values.shape == (4,)


@pytest.mark.filterwarnings("ignore")  # of shap and matplotlib
def test_tables_with_categories_can_be_plotted():
    table = FRAME.assign(job=["nurse", "smith"] * 24)
    detector = TabularDetector(IsolationForest(n_estimators=5, random_state=0)).fit(table)
    explanation = explain(detector, table[:2], background=table, n_background=3, random_state=0)
    shap.plots.waterfall(explanation.to_shap()[0], show=False)
    labels = [text.get_text() for text in plt.gcf().axes[0].get_yticklabels()]
    assert any("nurse" in label for label in labels)
    plt.close("all")


@pytest.mark.filterwarnings("ignore")  # of shap and matplotlib
@pytest.mark.parametrize("plot", ["waterfall", "bar", "beeswarm", "force"])
def test_plots_of_shap_accept_explanations(plot, explanation):
    converted = explanation.to_shap()
    if plot in ("waterfall", "force"):
        converted = converted[0]
    options = {"matplotlib": True} if plot == "force" else {}
    getattr(shap.plots, plot)(converted, show=False, **options)
    assert plt.gcf().axes
    plt.close("all")


def test_contributions_that_are_not_additive_raise_an_error():
    detector = tiny("ALAD").fit(FRAME)
    explanation = explain(detector, FRAME[:2], method="residual")
    assert not explanation.additive
    with pytest.raises(ValueError, match="do not sum to the anomaly scores"):
        explanation.to_shap()
