"""TabularEncoder: dates with times, dates that are text, and dates of the standard library."""

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mixed_tables import NUMERIC, every_numeric
from polars.testing import assert_frame_equal as assert_polars_equal
from sklearn.metrics import roc_auc_score

from skgad import Autoencoder, TabularDetector
from skgad.preprocessing import TabularEncoder


def timestamps(n_rows=200, n_days=800, unit="s", seed=0):
    """Times at any second of some years."""
    seconds = np.random.default_rng(seed).integers(0, n_days * 86_400, n_rows)
    return (np.datetime64("2023-01-01", "s") + seconds).astype(f"datetime64[{unit}]")


def payments(n_rows, seed, at_night=False):
    """Payments during the day, or at night."""
    rng = np.random.default_rng(seed)
    days = rng.integers(0, 90, n_rows).astype("timedelta64[D]")
    hours = rng.uniform(0, 5, n_rows) if at_night else rng.normal(14, 3, n_rows).clip(7, 22)
    seconds = (3600 * hours).astype("timedelta64[s]")
    return pd.DataFrame(
        {
            "when": np.datetime64("2024-01-01", "s") + days + seconds,
            "amount": rng.lognormal(3, 0.5, n_rows),
            "shop": rng.choice(list("abcd"), n_rows),
        }
    )


# ------------------------------------------------------------------------------------------- cycles


def test_payments_at_night_are_detected():
    X = pd.concat([payments(300, seed=1), payments(60, seed=2, at_night=True)])
    is_outlier = np.arange(360) >= 300

    def auroc(date_cycles):
        encoder = TabularEncoder(date_cycles=date_cycles)
        detector = TabularDetector(
            Autoencoder(n_members=1, auto_steps=150), encoder=encoder, random_state=0
        )
        detector.fit(payments(600, seed=0))
        return roc_auc_score(is_outlier, -detector.score_samples(X))

    assert auroc(None) < 0.65
    assert auroc("auto") > 0.9


def test_cycles_are_sine_and_cosine_of_the_phase():
    monday = pd.to_datetime(["2024-01-01 00:00", "2024-01-01 06:00", "2024-01-01 12:00"])
    X = pd.DataFrame({"when": monday.append(monday + pd.Timedelta(days=3.5))})
    encoder = TabularEncoder(numeric="minmax", date_cycles=["week", "day"]).fit(X)
    assert encoder.get_feature_names_out().tolist() == [
        *("when", "when_week_sin", "when_week_cos", "when_day_sin", "when_day_cos")
    ]
    codes = 2 * encoder.transform(X)[:, 3:] - 1
    np.testing.assert_allclose(codes[:3], [[0, 1], [1, 0], [0, -1]], atol=1e-6)
    np.testing.assert_allclose(codes[3:], [[0, -1], [-1, 0], [0, 1]], atol=1e-6)
    week = encoder.transform(X)[[0, 3], 2]
    assert week.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("dates", "cycles"),
    [
        (timestamps(n_days=800), ["year", "week", "day"]),
        (timestamps(n_days=60), ["week", "day"]),
        (timestamps(n_days=3), ["day"]),
        (timestamps(n_days=1), []),
        (timestamps(unit="D"), []),
        (timestamps().astype("datetime64[D]") + np.timedelta64(12, "h"), []),
    ],
    ids=["years", "weeks", "days", "hours", "without times", "at noon"],
)
def test_cycles_are_those_that_the_dates_cover(dates, cycles):
    encoder = TabularEncoder().fit(pd.DataFrame({"t": dates}))
    expected = [f"t_{cycle}_{code}" for cycle in cycles for code in ("sin", "cos")]
    assert encoder.get_feature_names_out().tolist() == ["t", *expected]
    assert encoder.feature_groups_["t"].tolist() == list(range(1 + len(expected)))


def test_midnights_of_a_time_zone_with_daylight_saving_time_are_dates():
    days = pd.date_range("2024-01-01", periods=400, tz="Europe/Paris")
    encoder = TabularEncoder().fit(pd.DataFrame({"day": days}))
    assert encoder.get_feature_names_out().tolist() == ["day"]


def test_listed_cycles_are_encoded_for_all_columns_of_dates():
    X = pd.DataFrame({"day": timestamps(unit="D"), "t": timestamps(), "n": 1.0})
    encoder = TabularEncoder(date_cycles=["week"]).fit(X)
    week = [f"{name}_week_{code}" for name in ("day", "t") for code in ("sin", "cos")]
    assert encoder.get_feature_names_out().tolist() == ["day", "t", "n", *week]
    encoder.set_params(date_cycles=None).fit(X)
    assert encoder.get_feature_names_out().tolist() == ["day", "t", "n"]
    with pytest.raises(ValueError, match=r"date_cycles contains \['month'\]. The cycles are"):
        encoder.set_params(date_cycles=["month"]).fit(X)


@every_numeric
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_timestamps_are_restored_to_the_second(numeric, unit):
    X = pd.DataFrame({"t": timestamps(unit=unit)})
    encoder = TabularEncoder(numeric=numeric).fit(X)
    back = encoder.inverse_transform(encoder.transform(X))
    assert back.dtypes.equals(X.dtypes)
    assert abs(back - X).max(axis=None) < pd.Timedelta(seconds=1)
    if unit == "s":
        pd.testing.assert_frame_equal(back, X)


def test_fine_timestamps_are_restored_in_double_precision():
    X = pd.DataFrame({"t": timestamps(unit="us") + np.arange(200)})
    encoder = TabularEncoder(dtype=np.float64).fit(X)
    back = encoder.inverse_transform(encoder.transform(X))
    assert abs(back - X).max(axis=None) <= pd.Timedelta(microseconds=1)


@given(
    seed=st.integers(0, 100),
    noise=st.floats(0, 0.1),
    numeric=st.sampled_from(NUMERIC),
    clip=st.booleans(),
)
def test_decoded_dates_have_the_phase_of_their_cycles(seed, noise, numeric, clip):
    """A position in time that is inexact is corrected by the cycles."""
    X = pd.DataFrame({"t": timestamps(seed=seed)})
    encoder = TabularEncoder(numeric="standard", date_cycles=["day"], clip=clip).fit(X)
    Z = encoder.transform(X)
    Z[:, 0] += noise * np.random.default_rng(seed).normal(size=len(Z))
    back = encoder.inverse_transform(Z)
    assert back["t"].between(X["t"].min(), X["t"].max()).all() or not clip
    inside = back["t"].between(X["t"].min(), X["t"].max(), inclusive="neither")
    off = (back["t"] - X["t"])[inside] % pd.Timedelta(days=1)
    assert np.minimum(off, pd.Timedelta(days=1) - off).max() < pd.Timedelta(seconds=1)


def test_missing_dates_have_one_indicator_and_are_restored():
    X = pd.DataFrame({"t": timestamps()})
    X.loc[::5, "t"] = None
    encoder = TabularEncoder().fit(X)
    names = encoder.get_feature_names_out().tolist()
    assert names[-1] == "missingindicator_t"
    assert len(names) == 8
    pd.testing.assert_frame_equal(encoder.inverse_transform(encoder.transform(X)), X)


# --------------------------------------------------------------------------------------------- text


@pytest.mark.parametrize(
    "texts",
    [
        ["2024-12-31", "2023-01-01", None],
        ["2024-12-31T23:59:00", "2023-01-01T00:00:01", None],
        ["2024-12-31 23:59:00Z", "2023-01-01 00:00:01Z", None],
        ["2024-12-31 23:59:00+01:00", "2023-01-01 00:00:01+01:00", None],
        ["2024-12-31 23:59:00.125", "2023-01-01 00:00:01.500", None],
        ["2024-12-31 23:59:00.000125", "2023-01-01 00:00:01.500000", None],
    ],
    ids=lambda texts: texts[0],
)
@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_text_that_contains_dates_is_encoded_as_dates_and_restored(make, texts):
    X = make({"t": texts})
    encoder = TabularEncoder(dtype=np.float64).fit(X)
    assert encoder.get_feature_names_out().tolist()[0] == "t"
    assert encoder.categorical_groups_ == []
    back = encoder.inverse_transform(encoder.transform(X))
    (assert_polars_equal if make is pl.DataFrame else pd.testing.assert_frame_equal)(back, X)


def test_text_is_encoded_like_the_dates_that_it_contains():
    X = pd.DataFrame({"t": timestamps()})
    text = X.astype(str)
    encoder = TabularEncoder().fit(X)
    np.testing.assert_array_equal(TabularEncoder().fit_transform(text), encoder.transform(X))
    np.testing.assert_array_equal(TabularEncoder().fit(text).transform(X), encoder.transform(X))
    array = text.to_numpy(dtype=object)
    np.testing.assert_array_equal(TabularEncoder().fit_transform(array), encoder.transform(X))


def test_text_with_several_time_zones_is_converted_to_utc():
    X = pd.DataFrame(
        {"t": ["2024-01-01T12:00+01:00", "2024-01-02T00:30-0230", "2024-01-01T00:00Z"]}
    )
    encoder = TabularEncoder(dtype=np.float64).fit(X)
    assert encoder.inverse_transform(encoder.transform(X))["t"].tolist() == [
        *("2024-01-01T11:00:00Z", "2024-01-02T03:00:00Z", "2024-01-01T00:00:00Z")
    ]


@pytest.mark.parametrize(
    "texts",
    [
        ["2024-12-31", "soon"],
        ["2023-02-29", "2023-02-28"],
        ["2023", "2024"],
        ["20230101", "20240101"],
        ["31.12.2024", "01.01.2024"],
        ["2024-01", "2024-02"],
        ["2024-01-01x", "2024-01-02x"],
    ],
    ids=lambda texts: texts[0],
)
def test_other_text_stays_text(texts):
    assert TabularEncoder().fit(pd.DataFrame({"t": texts})).categorical_groups_ == [(0, 1)]


def test_dates_can_be_categories():
    days = ["2024-12-31", "2023-01-01"]
    for X, listed in (
        (pd.DataFrame({"t": pd.Categorical(days)}), "from_dtype"),
        (pl.DataFrame({"t": pl.Series(days, dtype=pl.Categorical)}), "from_dtype"),
        (pd.DataFrame({"t": days}), ["t"]),
    ):
        encoder = TabularEncoder(categorical_features=listed).fit(X)
        assert encoder.categorical_groups_ == [(0, 1)]
        assert list(encoder.inverse_transform(encoder.transform(X))["t"]) == days


def test_text_that_is_no_date_after_fit_is_rejected():
    encoder = TabularEncoder().fit(pd.DataFrame({"t": ["2024-12-31", "2023-01-01"]}))
    with pytest.raises(
        ValueError, match=r"'t' contained text with dates .* now 'soon' is not a date.*list it in"
    ):
        encoder.transform(pd.DataFrame({"t": ["2024-12-31", "soon"]}))


# ------------------------------------------------------------------ objects of the standard library


@pytest.mark.parametrize(
    "values",
    [
        [dt.date(2024, 1, 1), None, dt.date(2024, 5, 1)],
        [dt.datetime(2024, 1, 1, 12), None, dt.datetime(2024, 5, 1, 3)],
        [dt.timedelta(1), None, dt.timedelta(5, 10)],
    ],
    ids=["dates", "datetimes", "durations"],
)
def test_dates_and_durations_in_columns_of_objects_are_restored(values):
    column = np.array(values, dtype=object)
    X = pd.DataFrame({"t": pd.Series(column, dtype=object)})
    encoder = TabularEncoder(dtype=np.float64).fit(X)
    assert encoder.inverse_transform(encoder.transform(X))["t"].tolist() == values
    array = column[:, None]
    encoder = TabularEncoder(dtype=np.float64).fit(array)
    assert encoder.inverse_transform(encoder.transform(array))[:, 0].tolist() == values


@every_numeric
@pytest.mark.parametrize("frequency", ["Y", "Q", "M", "W", "D", "h"])
def test_periods_are_restored(numeric, frequency):
    periods = pd.period_range("2020-01-01", periods=50, freq=frequency)
    X = pd.DataFrame({"period": periods})
    X.loc[::7, "period"] = pd.NaT
    encoder = TabularEncoder(numeric=numeric).fit(X)
    pd.testing.assert_frame_equal(encoder.inverse_transform(encoder.transform(X)), X)
    hourly = "period_day_sin" in encoder.get_feature_names_out()
    assert hourly == (frequency == "h")
