"""Invalid tables, parameters and arguments raise errors that say what to do."""

import re

import numpy as np
import pandas as pd
import pytest
import torch
from common import DETECTORS, can, fitted, kinds, methods, table, tiny
from scipy import sparse
from sklearn.exceptions import NotFittedError

every_detector = pytest.mark.parametrize("name", DETECTORS)

# ----------------------------------------------------------------------------------- tables


@pytest.mark.parametrize(
    ("name", "method"), methods("fit", "score_samples", "transform", "reconstruct")
)
@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.nan, "contains NaN"),
        (np.inf, "contains infinity or a value too large"),
        (1e300, "contains infinity or a value too large"),
    ],
)
def test_numbers_that_are_not_finite_raise_an_error(name, method, make, value, message, device):
    rows = table()
    rows[3, 2] = value
    detector = tiny(name, device=device) if method == "fit" else fitted(name, device)
    with pytest.raises(ValueError, match=message):
        getattr(detector, method)(make(rows))


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array, pd.DataFrame, list])
@pytest.mark.parametrize("value", [1e300, -1e300, np.inf])
def test_a_number_beyond_float32_is_named(make, value, device):
    rows = table().astype(float)
    rows[3, 2] = value
    message = re.escape(f"{value:.3g} in row 3 of column 2, counted from 0")
    with pytest.raises(ValueError, match=message):
        fitted("ALAD", device).score_samples(make(rows))


@every_detector
def test_a_training_row_of_extreme_numbers_is_named(name, device):
    rows = pd.DataFrame(table().astype(float), columns=list("abcd"))
    rows.loc[3, "c"] = 1e30
    message = r"Column 'c' contains 1e\+30 in row 3, counted from 0, but half of its values are"
    with pytest.raises(ValueError, match=message):
        tiny(name, device=device).fit(rows)


@every_detector
def test_masked_values_raise_an_error_and_arrays_without_a_mask_are_accepted(name, device):
    rows = table()
    masked = np.ma.array(rows, mask=np.zeros(rows.shape, bool))
    detector = fitted(name, device)
    expected = detector.score_samples(rows)
    np.testing.assert_array_equal(detector.score_samples(masked), expected)
    masked[3, 2] = np.ma.masked
    for call in (detector.score_samples, tiny(name, device=device).fit):
        with pytest.raises(ValueError, match=f"NaN, but {name} does not accept missing values"):
            call(masked)


@every_detector
def test_text_raises_an_error_with_a_remedy(name, device):
    rows = pd.DataFrame(table(), columns=list("abcd"))
    rows["d"] = "red"
    message = f"{name} requires a numeric table.*ColumnTransformer and a OneHotEncoder"
    with pytest.raises(ValueError, match=message):
        tiny(name, device=device).fit(rows)
    with pytest.raises(ValueError, match=message):
        fitted(name, device).score_samples([["red", "1", "2", "3"]])


@pytest.mark.parametrize(
    ("name", "method"), methods("score_samples", "predict", "transform", "reconstruct")
)
def test_another_number_of_features_raises_an_error(name, method, device):
    message = f"X has 3 features, but {name} is expecting 4 features"
    with pytest.raises(ValueError, match=message):
        getattr(fitted(name, device), method)(table(n_features=3))


@every_detector
@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.ones((1, 4)), "minimum of 2 is required"),
        (np.ones((0, 4)), "0 sample"),
        (np.ones((5, 0)), r"0 feature\(s\)"),
        (np.ones(5), "Expected 2D array"),
        (np.ones((5, 2, 2)), "dim 3"),
    ],
)
def test_a_table_that_is_too_small_or_not_two_dimensional_raises_an_error(
    name, rows, message, device
):
    with pytest.raises(ValueError, match=message):
        tiny(name, device=device).fit(rows)


@every_detector
@pytest.mark.filterwarnings("ignore:The mixture is singular")
def test_two_rows_are_enough(name, device):
    detector = tiny(name, device=device).fit(table(n_samples=2))
    assert np.isfinite(detector.score_samples(table())).all()


# ----------------------------------------------------------------- parameters and arguments


@every_detector
@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("n_members", 0),
        ("contamination", 0),
        ("contamination", 0.6),
        ("contamination", "automatic"),
        ("max_epochs", 0),
        ("max_epochs", 2.5),
        ("batch_size", 0),
        ("lr", 0.0),
        ("lr", -1.0),
        ("early_stopping", "yes"),
        ("validation_fraction", 0.0),
        ("validation_fraction", 1.0),
        ("n_iter_no_change", 0),
        ("callbacks", "progress"),
        ("net_params", [1]),
        ("device", 0),
        ("random_state", "seed"),
        ("networks", "large"),
    ],
)
def test_an_error_about_a_parameter_names_it(name, parameter, value, device):
    detector = tiny(name, **{"device": device, parameter: value})  # parameters are validated in fit
    with pytest.raises(ValueError, match=f"The '{parameter}' parameter of {name} must be"):
        detector.fit(table())


@every_detector
@pytest.mark.parametrize("verb", ["sample", "reconstruct"])
def test_an_unknown_kind_of_rows_raises_an_error(name, verb, device):
    detector = fitted(name, device)
    argument = 3 if verb == "sample" else table()
    with pytest.raises(ValueError, match="kind must be 'inlier' or 'outlier', got 'nonsense'"):
        getattr(detector, verb)(argument, kind="nonsense")


@pytest.mark.parametrize(
    ("name", "kind"), [(n, kind) for n in DETECTORS for kind in kinds(tiny(n), "sample")]
)
@pytest.mark.parametrize(
    ("n_samples", "error"), [(0, ValueError), (-1, ValueError), (2.5, TypeError)]
)
def test_an_invalid_number_of_samples_raises_an_error(name, kind, n_samples, error, device):
    with pytest.raises(error, match="n_samples"):
        fitted(name, device).sample(n_samples, kind=kind)


@pytest.mark.parametrize("name", [name for name in DETECTORS if not can(name, "sample")])
def test_a_detector_that_cannot_sample_says_so(name, device):
    message = rf"{name} cannot sample rows of kind='inlier'\. Detectors that can: .*WAE"
    with pytest.raises(ValueError, match=message):
        fitted(name, device).sample(3)


@every_detector
@pytest.mark.parametrize("wrong", ["gpu", "cudaa", "cpu:x"])
def test_an_unknown_device_raises_an_error(name, wrong):
    with pytest.raises(
        ValueError, match=f"device='{wrong}' is not a device of torch. Use 'auto', 'cpu', 'cuda'"
    ):
        tiny(name, device=wrong).fit(table())


@every_detector
def test_cuda_raises_an_error_if_there_is_no_cuda_device(name, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for cuda in ("cuda", "cuda:0", torch.device("cuda")):
        with pytest.raises(ValueError, match="torch finds no CUDA device. Use 'auto' or 'cpu'"):
            tiny(name, device=cuda).fit(table())
    detector = tiny(name, device="auto").fit(table())
    assert next(detector.net_.module_.parameters()).device.type == "cpu"


# ----------------------------------------------------------------------------- before `fit`


@pytest.mark.parametrize(
    ("name", "method"), methods("score_samples", "predict", "transform", "reconstruct")
)
def test_methods_of_an_unfitted_detector_raise_an_error(name, method, device):
    with pytest.raises(NotFittedError, match=f"This {name} instance is not fitted yet"):
        getattr(tiny(name, device=device), method)(table())


@every_detector
def test_an_unfitted_detector_cannot_sample_or_set_its_threshold(name, device):
    with pytest.raises(NotFittedError):
        tiny(name, device=device).sample(3)
    with pytest.raises(NotFittedError):
        tiny(name, device=device).set_threshold(contamination=0.1)
