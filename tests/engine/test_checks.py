"""Checks of the tables that users pass."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from common import assert_same_bits, table, tiny
from image_common import image_detector, pixels
from scipy import sparse

from skgad.engine.checks import check_table


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int64, np.int8])
def test_arrays_of_numbers_are_not_copied(dtype):
    X = table().astype(dtype)
    checked = check_table(tiny("ALAD"), X, reset=True)
    assert checked.dtype == dtype
    assert np.shares_memory(checked, X)


@pytest.mark.parametrize("dtype", [bool, object])
def test_other_arrays_become_float32(dtype):
    X = table() > 0
    checked = check_table(tiny("ALAD"), X.astype(dtype), reset=True)
    assert_same_bits(checked, X.astype(np.float32))


def test_only_detectors_of_images_keep_pixels():
    X = pixels()
    assert check_table(tiny("ALAD"), X, reset=True).dtype == np.float32
    assert check_table(image_detector("ALAD", "cpu"), X, reset=True) is X


def test_tensors_and_sparse_tables_are_accepted():
    X = table()
    assert_same_bits(check_table(tiny("ALAD"), torch.from_numpy(X), reset=True), X)
    checked = check_table(tiny("ALAD"), sparse.coo_array(X), reset=True)
    assert checked.format == "csr"
    assert_same_bits(checked.toarray(), X.astype(np.float32))


def test_the_features_are_stored_or_compared():
    detector, X = tiny("ALAD"), pd.DataFrame(table(), columns=list("abcd"))
    check_table(detector, X, reset=True)
    assert detector.feature_names_in_.tolist() == list("abcd")
    assert check_table(detector, X[:1], reset=False).shape == (1, 4)
    with pytest.raises(ValueError, match="feature names should match"):
        check_table(detector, X[list("abdc")], reset=False)


@pytest.mark.parametrize("value", [1e39, -1e39])
@pytest.mark.parametrize("make", [np.asarray, pd.DataFrame])
def test_numbers_beyond_float32_raise_an_error(value, make):
    X = table()
    X[3, 1] = value
    with pytest.raises(ValueError, match="infinity or a value too large"):
        check_table(tiny("ALAD"), make(X), reset=True)


def test_missing_values_raise_an_error_with_two_remedies():
    X = table()
    X[3, 1] = np.nan
    message = "ALAD does not accept missing values.*SimpleImputer.*skgad.TabularDetector"
    with pytest.raises(ValueError, match=message):
        check_table(tiny("ALAD"), X, reset=True)


DATES = pd.date_range("2026-01-01", periods=48)
NUMBERS = pd.DataFrame(table(), columns=list("abcd"))


@pytest.mark.parametrize(
    "rows",
    [
        NUMBERS.assign(d=DATES),
        NUMBERS.assign(d=DATES.tz_localize("UTC")),
        NUMBERS.assign(d=DATES - DATES[0]),
        pd.DataFrame({"d": DATES.where(DATES != DATES[3])}),
        pl.from_pandas(NUMBERS).with_columns(d=pl.Series(DATES)),
        pl.DataFrame({"d": DATES.to_numpy() - DATES[0].to_numpy()}),
        DATES.to_numpy()[:, None],
    ],
    ids=[
        "dates",
        "dates with a time zone",
        "durations",
        "only dates, one of them missing",
        "dates of polars",
        "durations of polars",
        "array of dates",
    ],
)
def test_dates_raise_an_error_with_a_remedy(rows, device):
    message = "numeric table, but some columns contain dates or durations.*skgad.TabularDetector"
    with pytest.raises(TypeError, match=message):
        tiny("ALAD", device=device).fit(rows)
