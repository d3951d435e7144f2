"""Values that the training rows had none of: missing, masked, far too large."""

import re
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from mixed_tables import every_numeric
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor

from skgad import ALAD, Autoencoder, TabularDetector
from skgad.inspection import explain
from skgad.preprocessing import TabularEncoder

NEWLY_MISSING = r"The columns \['.*'\] have missing values, but had none during fit"


def people(n_rows=200, seed=0):
    """People without missing values."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": rng.normal(40, 10, n_rows),
            "children": rng.integers(0, 4, n_rows),
            "job": rng.choice(["nurse", "smith", "baker"], n_rows),
            "since": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 99, n_rows), "D"),
        }
    )


DETECTORS = [
    IsolationForest(random_state=0),
    LocalOutlierFactor(novelty=True),
    Autoencoder(auto_steps=100, n_members=1, random_state=0),
    Autoencoder(auto_steps=100, n_members=1, encoding=None, random_state=0),
    ALAD(auto_steps=100, n_members=1, random_state=0),
]


# ----------------------------------------------------------------------------------- missing values


@pytest.mark.parametrize("inner", DETECTORS, ids=lambda one: type(one).__name__)
def test_rows_of_nothing_but_missing_values_are_the_most_abnormal(inner):
    X = people()
    detector = TabularDetector(inner).fit(X)
    nothing = pd.concat([X[:1], X[:1].map(lambda value: None).astype(object)])[1:]
    nothing = nothing.astype({"age": float, "since": X["since"].dtype})
    message = r"\['age', 'children', 'since', 'job'\] have missing values, but had none during fit"
    with pytest.warns(UserWarning, match=message):
        scores = detector.score_samples(nothing)
    assert (scores <= detector.score_samples(X).min()).all()


@every_numeric
@pytest.mark.filterwarnings(f"ignore:{NEWLY_MISSING}")
@pytest.mark.parametrize("name", ["age", "since", "job"])
def test_the_column_with_the_missing_value_explains_the_score(numeric, name):
    X = people()
    detector = TabularDetector(
        Autoencoder(auto_steps=100, n_members=1, random_state=0),
        encoder=TabularEncoder(numeric=numeric),
    ).fit(X)
    row = X[:1].copy()
    row[name] = None if name == "job" else np.nan
    explanation = explain(detector, row, background=X, n_background=20, random_state=0)
    assert explanation.contributions.iloc[0].idxmax() == name


def test_missing_values_that_training_had_raise_no_warning():
    X = people()
    X.loc[::5, ["age", "job", "since"]] = None
    encoder = TabularEncoder().fit(X)
    with warnings.catch_warnings(action="error"):
        encoder.transform(X[:6])


@every_numeric
def test_a_missing_value_in_a_constant_column_is_far_outside(numeric):
    X = pd.DataFrame(
        {"one": [1.0] * 20, "tiny": [1e-9] * 20, "zero": [0.0] * 20, "x": np.arange(20)}
    )
    encoder = TabularEncoder(numeric=numeric).fit(X)
    with pytest.warns(UserWarning, match=NEWLY_MISSING):
        new = encoder.transform(X[:1].assign(one=np.nan, tiny=np.nan, zero=np.nan))
    assert (new[0, :3] >= 1).all() if numeric != "quantile" else np.isfinite(new).all()


# -------------------------------------------------------------------------------------------- masks


@pytest.mark.parametrize(
    ("dtype", "fill"), [(float, 1e9), (int, 999_999), ("datetime64[s]", 0), (object, "secret")]
)
def test_masked_values_are_missing_values(dtype, fill):
    values = np.array([[1, 2], [3, 4], [5, 6], [7, 8]]).astype(dtype)
    if dtype is object:
        values = values.astype(str).astype(object)
    hidden = values.copy()
    hidden[1, 0] = hidden[3, 1] = fill if dtype is object else np.array(fill).astype(dtype)
    mask = [[False, False], [True, False], [False, False], [False, True]]
    encoder = TabularEncoder().fit(np.ma.array(hidden, mask=mask))
    Z = encoder.transform(np.ma.array(hidden, mask=mask))
    np.testing.assert_array_equal(Z, encoder.transform(np.ma.array(values, mask=mask)))
    decoded = pd.DataFrame(encoder.inverse_transform(Z))
    assert decoded.isna().to_numpy().tolist() == mask


def test_masked_arrays_without_a_mask_are_arrays():
    X = np.array([[1, 2], [3, 4]])
    encoder = TabularEncoder().fit(np.ma.array(X, mask=False))
    assert encoder.inverse_transform(encoder.transform(X)).dtype == X.dtype


# ---------------------------------------------------------------------------------- extreme numbers


@pytest.mark.parametrize("inner", DETECTORS, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("value", [1e30, -1e30, 3e38])
def test_a_row_of_extreme_numbers_is_scored_like_an_outlier_and_leaves_the_others_alone(
    inner, value
):
    X = people()
    detector = TabularDetector(inner).fit(X)
    new = X[:5].copy()
    expected, lowest = detector.score_samples(new), detector.score_samples(X).min()
    new.loc[2, "age"] = value
    scores = detector.score_samples(new)
    assert np.isfinite(scores).all()
    assert (
        scores[2] < lowest or isinstance(inner, IsolationForest) and scores[2] < np.median(expected)
    )
    np.testing.assert_array_equal(np.delete(scores, 2), np.delete(expected, 2))
    assert detector.predict(new)[2] == -1 or isinstance(inner, IsolationForest)


@pytest.mark.parametrize("numeric", ["standard", "minmax", "piecewise"])
def test_codes_can_be_squared_without_overflow(numeric):
    X = pd.DataFrame({"a": np.arange(50) * 1e-9})
    Z = TabularEncoder(numeric=numeric).fit(X).transform(pd.DataFrame({"a": [1e35, -1e35]}))
    assert Z[0, 0] == -Z[1, 0] == pytest.approx(1.8e16, rel=0.1)


@pytest.mark.parametrize("value", [1e30, -1e30, 1e200, 1e300])
@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
def test_training_rows_with_extreme_numbers_raise_an_error_that_names_the_cell(value, make):
    X = {"age": np.arange(50.0), "job": ["a", "b"] * 25, "pay": np.arange(50.0)}
    X["pay"][7] = value
    message = re.escape(f"Column 'pay' contains {value:.3g} in row 7, counted from 0")
    with pytest.raises(ValueError, match=message):
        TabularDetector().fit(make(X))


def test_a_number_that_dwarfs_the_others_raises_a_warning():
    X = pd.DataFrame({"age": np.arange(50.0), "pay": np.arange(50.0)})
    X.loc[7, "pay"] = 1e10
    message = r"In the columns \['pay'\], the largest value is more than 1e\+07 times farther"
    with pytest.warns(UserWarning, match=message):
        TabularEncoder().fit(X)
    TabularEncoder(numeric="quantile").fit(X)
