"""A failed fit changes nothing."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from common import DETECTORS, Spy, assert_same_bits, samples, state, table, tiny
from sklearn.exceptions import NotFittedError

every_detector = pytest.mark.parametrize("name", DETECTORS)


def with_missing_value(rows):
    """Copy of the rows with a missing value."""
    rows = rows.copy()
    rows[0, 0] = np.nan
    return rows


def fail_in_the_second_epoch(net):
    if len(net.history) == 2:
        raise RuntimeError("raised by a callback")


@every_detector
@pytest.mark.parametrize(
    ("method", "rows", "changes", "message"),
    [
        ("fit", with_missing_value(table(seed=5)), {}, "contains NaN"),
        ("partial_fit", with_missing_value(table(seed=5)), {}, "contains NaN"),
        ("fit", np.array([["red"] * 3] * 5), {}, "requires a numeric table"),
        ("partial_fit", np.array([["red"] * 4] * 5), {}, "requires a numeric table"),
        ("partial_fit", table(n_features=3), {}, "is expecting 4 features"),
        ("fit", table(n_features=3), {"lr": -1.0}, "The 'lr' parameter"),
        ("fit", table(n_features=3), {"device": "nonsense"}, "is not a device of torch"),
        ("fit", table(n_features=3), {"lr": 1e30, "max_epochs": 20}, "diverged|not finite"),
        ("partial_fit", table(n_samples=500), {"lr": 1e30}, "diverged|not finite"),
        (
            "fit",
            table(n_features=3),
            {"callbacks": [Spy("on_epoch_end", fail_in_the_second_epoch)]},
            "raised by a callback",
        ),
    ],
)
def test_a_failed_refit_leaves_the_detector_unchanged(name, method, rows, changes, message, device):
    def fitted_attributes():
        return {k: pickle.dumps(v) for k, v in vars(detector).items() if k.endswith("_")}

    frame = pd.DataFrame(table(), columns=list("abcd"))
    detector = tiny(name, device=device).fit(frame)
    before, parameters = fitted_attributes(), detector.get_params(deep=False)
    scores, new_rows = detector.score_samples(frame), samples(detector, 3)
    codes = detector.set_output(transform="pandas").transform(frame)
    with warnings.catch_warnings(), pytest.raises((ValueError, RuntimeError), match=message):
        warnings.filterwarnings("ignore", "X does not have valid feature names")
        getattr(detector.set_params(**changes), method)(rows)
    assert fitted_attributes() == before
    assert_same_bits(detector.score_samples(frame), scores)
    assert_same_bits(samples(detector, 3), new_rows)
    pd.testing.assert_frame_equal(detector.transform(frame), codes)
    detector.set_params(**{key: parameters[key] for key in changes})
    expected = tiny(name, device=device).fit(frame).partial_fit(frame)
    assert_same_bits(state(detector.partial_fit(frame)), state(expected))


@every_detector
def test_a_failed_first_fit_leaves_the_detector_unfitted(name, device):
    detector = tiny(name, device=device)
    for rows, lr in ((with_missing_value(table()), 1e-3), (table(n_samples=500), 1e30)):
        with pytest.raises(ValueError):
            detector.set_params(lr=lr).fit(rows)
        assert not [key for key in vars(detector) if key.endswith("_")]
        with pytest.raises(NotFittedError):
            detector.score_samples(table())
