"""A failed fit changes nothing."""

import pickle
import warnings
from copy import deepcopy
from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from common import DETECTORS, Spy, assert_same_bits, can, outputs, state, table, tiny
from sklearn.exceptions import NotFittedError

every_detector = pytest.mark.parametrize("name", DETECTORS)


FRAME = pd.DataFrame(table(), columns=list("abcd"))


@cache
def fitted_to_frame(name, device):
    """Detector that is fitted to `FRAME`: do not change it."""
    return tiny(name, device=device).fit(FRAME)


@cache
def state_of_another_epoch(name, device):
    """State after one more epoch, if nothing has failed before."""
    return state(deepcopy(fitted_to_frame(name, device)).partial_fit(FRAME))


def with_missing_value(rows):
    """Copy of the rows with a missing value."""
    rows = rows.copy()
    rows[0, 0] = np.nan
    return rows


def fail_in_the_second_epoch(net):
    if len(net.history) == 2:
        raise RuntimeError("raised by a callback")


@every_detector
def test_a_lack_of_memory_names_the_remedies_and_keeps_the_earlier_fit(name, device):
    def fail(net):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9.00 GiB.")

    detector = tiny(name, device=device).fit(table())
    before = state(detector)
    detector.set_params(callbacks=[Spy("on_epoch_begin", fail)])
    message = (
        f"{name} has used up the memory of {device}.* with batch_size=16, n_members=1. Decrease "
        "'batch_size' or 'n_members', or set device='cpu'."
    )
    with pytest.raises(MemoryError, match=message) as caught:
        detector.fit(table(n_features=3))
    assert caught.value.__cause__.__traceback__ is None
    assert_same_bits(state(detector), before)
    assert detector.n_features_in_ == 4


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

    detector = deepcopy(fitted_to_frame(name, device))
    before, parameters = fitted_attributes(), detector.get_params(deep=False)
    if can(name, "transform"):
        detector.set_output(transform="pandas")
    results = outputs(detector, FRAME)
    with warnings.catch_warnings(), pytest.raises((ValueError, RuntimeError), match=message):
        warnings.filterwarnings("ignore", "X does not have valid feature names")
        getattr(detector.set_params(**changes), method)(rows)
    assert fitted_attributes() == before
    after = outputs(detector, FRAME)
    pd.testing.assert_frame_equal(after.pop("transform", FRAME), results.pop("transform", FRAME))
    assert_same_bits(after, results)
    detector.set_params(**{key: parameters[key] for key in changes})
    assert_same_bits(state(detector.partial_fit(FRAME)), state_of_another_epoch(name, device))


@every_detector
def test_a_failed_first_fit_leaves_the_detector_unfitted(name, device):
    detector = tiny(name, device=device)
    for rows, lr in ((with_missing_value(table()), 1e-3), (table(n_samples=500), 1e30)):
        with pytest.raises(ValueError):
            detector.set_params(lr=lr).fit(rows)
        assert not [key for key in vars(detector) if key.endswith("_")]
        with pytest.raises(NotFittedError):
            detector.score_samples(table())
