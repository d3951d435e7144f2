"""What every detector keeps: scikit-learn's rules, and the promises of the base class."""

import json
import os
import pickle
import random
import subprocess
import sys
import warnings

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from common import (
    DETECTORS,
    Spy,
    assert_same_bits,
    differs,
    fitted,
    state,
    table,
    tiny,
)
from conftest import ROOT
from golden import PATH, golden_scores
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from skgad import MLP
from skgad.callbacks import WeightAveraging

every_detector = pytest.mark.parametrize("name", DETECTORS)

# scikit-learn's checks and some of ours fit rows that nobody has scaled.
pytestmark = pytest.mark.filterwarnings("ignore:The features have a root mean square")

# ------------------------------------------------------------------ scikit-learn's own checks


@parametrize_with_checks([tiny(name) for name in DETECTORS])
def test_scikit_learns_checks(estimator, check, device):
    check(estimator.set_params(device=device))


def test_scikit_learns_checks_with_array_api_dispatch(device):
    code = f"""
import sys
sys.path.insert(0, {str(ROOT / "tests")!r})
import torch
from common import DETECTORS, tiny
from sklearn import config_context
from sklearn.utils.estimator_checks import check_estimator
torch.set_num_threads(1)
for name in DETECTORS:
    results = check_estimator(tiny(name, device={device!r}), on_skip=None, on_fail="raise")
    print(name, *{{result["status"] for result in results}}, len(results))
    with config_context(array_api_dispatch=True):
        tiny(name, device={device!r}).fit(torch.rand(48, 4)).predict(torch.rand(3, 4))
"""
    environment = {**os.environ, "SCIPY_ARRAY_API": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    results = [line.split() for line in done.stdout.splitlines()]
    assert {name for name, *_ in results} == set(DETECTORS)
    assert all(what == ["passed"] and int(n) > 40 for _, *what, n in results), results


# ------------------------------------------------------------------------- what is computed


@every_detector
def test_scores_are_the_golden_ones(name, device):
    if device != "cpu":
        pytest.skip("the golden scores are those of the CPU: a GPU draws other noise")
    golden = json.loads(PATH.read_text())
    np.testing.assert_allclose(golden_scores(name), golden[name], rtol=2e-3)


@every_detector
def test_two_blobs_are_told_apart(name, device):
    rng = np.random.RandomState(0)
    normal = rng.normal(1, 0.3, size=(160, 4))
    abnormal = rng.normal(-1, 0.3, size=(40, 4))
    detector = tiny(name, device=device, max_epochs=100, lr=3e-3).fit(normal[:80])
    scores = detector.score_samples(np.concatenate([normal[80:], abnormal]))
    assert roc_auc_score(np.repeat([1, 0], [80, 40]), scores) > 0.9


# ----------------------------------------------------- rows, batches, types and containers


@every_detector
@given(positions=st.lists(st.integers(0, 1099), min_size=1, max_size=60))
def test_scores_do_not_depend_on_what_is_scored_with_them(name, device, positions):
    detector, rows = fitted(name, device), table(n_samples=1100, seed=1)  # more than one block
    alone = detector.score_samples(rows[positions])
    assert_same_bits(alone, detector.score_samples(rows)[positions])


@every_detector
@pytest.mark.parametrize("width", [2, 3, 5, 7, 11])
def test_scores_do_not_depend_on_the_order_with_layers_of_odd_widths(name, width, device):
    """With 2 to 11 outputs, matrix products of equal rows have unequal last bits."""
    rows, order = table(n_samples=1000, n_features=33), np.random.RandomState(0).permutation(1000)
    detector = tiny(
        name,
        device=device,
        max_epochs=1,
        latent_dim=width,
        networks=MLP(hidden_layer_sizes=(64, width)),
    ).fit(rows[:50])
    for method in (detector.score_samples, detector.transform, detector.reconstruct):
        assert_same_bits(method(rows[order]), method(rows)[order])


@every_detector
def test_a_single_row_scores_as_among_others(name, device):
    detector, rows = fitted(name, device), table()
    one_by_one = [detector.score_samples(row[None])[0] for row in rows]
    assert_same_bits(np.array(one_by_one), detector.score_samples(rows))


@every_detector
@pytest.mark.parametrize("method", ["transform", "reconstruct"])
def test_codes_and_reconstructions_do_not_depend_on_the_other_rows(name, method, device):
    rows, order = table(), np.random.RandomState(0).permutation(48)
    function = getattr(fitted(name, device), method)
    assert_same_bits(function(rows[order[:7]]), function(rows)[order[:7]])


def containers(rows):
    """The same numbers in everything that is accepted."""
    wide = np.zeros((len(rows), 2 * rows.shape[1]), rows.dtype)
    wide[:, ::2] = rows
    return {
        "list": rows.tolist(),
        "Fortran order": np.asfortranarray(rows),
        "strided": wide[:, ::2],
        "CSR matrix": sparse.csr_matrix(rows),
        "CSR array": sparse.csr_array(rows),
        "CSC array": sparse.csc_array(rows),
        "coordinates": sparse.coo_array(rows),
    }


@every_detector
@given(
    seed=st.integers(0, 2**16),
    dtype=st.sampled_from([np.float64, np.float32, np.int64, np.int8, np.uint8]),
)
def test_scores_depend_on_the_numbers_and_not_on_their_container(name, device, seed, dtype):
    rows = np.random.RandomState(seed).randint(0, 3, size=(20, 4))  # a third of them is zero
    detector = fitted(name, device)
    expected = detector.score_samples(rows.astype(np.float64))
    for container, same in containers(rows.astype(dtype)).items():
        np.testing.assert_array_equal(detector.score_samples(same), expected, err_msg=container)


@every_detector
@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_training_does_not_depend_on_the_type_of_the_numbers(name, dtype, device):
    rows = np.random.RandomState(0).randint(0, 5, size=(48, 4))
    one = tiny(name, device=device).fit(rows.astype(np.float64))
    other = tiny(name, device=device).fit(rows.astype(dtype))
    assert_same_bits(state(one), state(other))
    assert_same_bits(one.train_scores_, other.train_scores_)


@every_detector
@pytest.mark.parametrize(
    "to_sparse", [sparse.csr_matrix, sparse.csr_array, sparse.csc_matrix, sparse.csc_array]
)
def test_sparse_rows_train_and_score_as_dense_ones(name, to_sparse, device):
    rows = table() * (np.random.RandomState(0).uniform(size=(48, 4)) > 0.6)
    dense = tiny(name, device=device, early_stopping=True).fit(rows)
    thin = tiny(name, device=device, early_stopping=True).fit(to_sparse(rows))
    assert_same_bits(state(dense), state(thin))
    assert dense.offset_ == thin.offset_
    for method in ("score_samples", "transform", "reconstruct", "predict"):
        assert_same_bits(getattr(dense, method)(rows), getattr(thin, method)(to_sparse(rows)))


@every_detector
@pytest.mark.parametrize("early_stopping", [False, True])
def test_sparse_rows_become_dense_batch_by_batch(name, early_stopping, device, monkeypatch):
    dense_rows = []

    def spied(method):
        def spy(self, *args, **kwargs):
            dense_rows.append(self.shape[0])
            return method(self, *args, **kwargs)

        return spy

    for cls in (sparse.csr_array, sparse.csr_matrix, sparse.csc_array):
        for name_of_method in ("toarray", "todense"):
            monkeypatch.setattr(cls, name_of_method, spied(getattr(cls, name_of_method)))
    rows = sparse.random_array((3000, 6), density=0.2, format="csr", random_state=0)
    detector = tiny(name, device=device, batch_size=64, max_epochs=1, early_stopping=early_stopping)
    detector.fit(rows)
    assert len(dense_rows) >= 3000 / 64
    while_training = dense_rows[: 2700 // 64]
    assert max(while_training) <= 65  # a last single row joins its batch
    assert max(dense_rows) <= 1024
    detector.score_samples(rows)
    assert max(dense_rows) <= 1024


@every_detector
def test_rows_may_be_read_only(name, device):
    rows = table()
    expected = tiny(name, device=device).fit(rows)
    for dtype in (np.float64, np.float32):
        frozen = rows.astype(dtype)
        frozen.flags.writeable = False
        detector = tiny(name, device=device).fit(frozen)
        assert_same_bits(detector.score_samples(frozen), expected.score_samples(rows))


@every_detector
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_may_be_memory_mapped(name, dtype, device, tmp_path):
    rows = table().astype(dtype)
    joblib.dump(rows, tmp_path / "rows.joblib")
    mapped = joblib.load(tmp_path / "rows.joblib", mmap_mode="r")
    assert isinstance(mapped, np.memmap)
    expected = tiny(name, device=device).fit(rows)
    detector = tiny(name, device=device).fit(mapped)
    assert_same_bits(detector.score_samples(mapped), expected.score_samples(rows))


@every_detector
@pytest.mark.parametrize("n_constant", [1, 4])
def test_constant_columns_do_no_harm(name, n_constant, device):
    rows = table()
    rows[:, :n_constant] = 7.0
    detector = tiny(name, device=device).fit(rows)
    assert np.isfinite(detector.score_samples(rows)).all()
    assert np.isfinite(detector.offset_)
    assert detector.decision_function(rows).shape == (48,)


# ------------------------------------------------------------------------ names of features


@every_detector
@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_names_of_features_are_kept_and_checked(name, frame, device):
    rows = table()
    columns = {f"column {i}": rows[:, i] for i in range(4)}
    detector = tiny(name, device=device).fit(frame(columns))
    assert detector.feature_names_in_.tolist() == list(columns)
    assert detector.n_features_in_ == 4
    plain = tiny(name, device=device).fit(rows)
    assert_same_bits(detector.score_samples(frame(columns)), plain.score_samples(rows))
    for method in ("score_samples", "predict", "transform", "reconstruct"):
        with pytest.raises(ValueError, match="feature names should match"):
            getattr(detector, method)(frame({k.upper(): v for k, v in columns.items()}))
    with pytest.raises(ValueError, match="in the same order"):
        detector.score_samples(frame(dict(reversed(columns.items()))))


@every_detector
def test_names_are_compared_when_training_goes_on(name, device):
    rows = pd.DataFrame(table(), columns=list("abcd"))
    detector = tiny(name, device=device).fit(rows)
    with pytest.raises(ValueError, match="feature names should match"):
        detector.partial_fit(rows.rename(columns={"a": "z"}))
    assert detector.partial_fit(rows).feature_names_in_.tolist() == list("abcd")


# ------------------------------------------------------------------------------- bad input


@every_detector
@pytest.mark.parametrize("method", ["fit", "score_samples", "transform", "reconstruct"])
@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.nan, "contains NaN"),
        (np.inf, "contains infinity or a value too large"),
        (1e300, "contains infinity or a value too large"),
    ],
)
def test_a_number_that_is_not_finite_is_refused(name, method, make, value, message, device):
    rows = table()
    rows[3, 2] = value
    detector = tiny(name, device=device) if method == "fit" else fitted(name, device)
    # float64 numbers above the largest float32 overflow where they are converted
    with pytest.raises(ValueError, match=message), np.errstate(over="ignore"):
        getattr(detector, method)(make(rows))


@every_detector
def test_text_is_refused_with_a_way_out(name, device):
    rows = pd.DataFrame(table(), columns=list("abcd"))
    rows["d"] = "red"
    message = f"{name} takes a table of numbers.*ColumnTransformer and a OneHotEncoder"
    with pytest.raises(ValueError, match=message):
        tiny(name, device=device).fit(rows)
    with pytest.raises(ValueError, match=message):
        fitted(name, device).score_samples([["red", "1", "2", "3"]])


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
        "nothing but dates, and a hole",
        "dates of polars",
        "durations of polars",
        "array of dates",
    ],
)
def test_dates_are_refused_with_a_way_out(rows, device):
    message = "table of numbers, but some of its columns are dates.*skgad.TabularDetector"
    with pytest.raises(TypeError, match=message):
        tiny("ALAD", device=device).fit(rows)


@every_detector
@pytest.mark.parametrize("method", ["score_samples", "predict", "transform", "reconstruct"])
def test_a_table_of_another_width_is_refused(name, method, device):
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
def test_a_table_too_small_or_of_another_shape_is_refused(name, rows, message, device):
    with pytest.raises(ValueError, match=message):
        tiny(name, device=device).fit(rows)


@every_detector
def test_two_rows_are_enough(name, device):
    detector = tiny(name, device=device).fit(table(n_samples=2))
    assert np.isfinite(detector.score_samples(table())).all()


@every_detector
@pytest.mark.parametrize("verb", ["sample", "reconstruct"])
def test_a_kind_that_is_no_kind_is_refused(name, verb, device):
    detector = fitted(name, device)
    argument = 3 if verb == "sample" else table()
    with pytest.raises(ValueError, match="kind must be 'inlier' or 'outlier', got 'nonsense'"):
        getattr(detector, verb)(argument, kind="nonsense")


@every_detector
@pytest.mark.parametrize(
    ("n_samples", "error"), [(0, ValueError), (-1, ValueError), (2.5, TypeError)]
)
def test_a_number_of_samples_that_is_none_is_refused(name, n_samples, error, device):
    with pytest.raises(error, match="n_samples"):
        fitted(name, device).sample(n_samples)


@every_detector
@pytest.mark.parametrize("wrong", ["gpu", "cudaa", "cpu:x"])
def test_a_device_that_is_no_device_is_refused(name, wrong):
    with pytest.raises(ValueError, match=f"device='{wrong}' is no device.*'auto', 'cpu', 'cuda'"):
        tiny(name, device=wrong).fit(table())


@every_detector
def test_cuda_is_refused_where_there_is_none(name, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for asked in ("cuda", "cuda:0", torch.device("cuda")):
        with pytest.raises(ValueError, match="no CUDA device here: use 'auto' or 'cpu'"):
            tiny(name, device=asked).fit(table())
    detector = tiny(name, device="auto").fit(table())
    assert next(detector.net_.module_.parameters()).device.type == "cpu"


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
def test_a_wrong_parameter_is_named(name, parameter, value, device):
    detector = tiny(name, **{"device": device, parameter: value})  # not before fit
    with pytest.raises(ValueError, match=f"The '{parameter}' parameter of {name} must be"):
        detector.fit(table())


@every_detector
@pytest.mark.parametrize("method", ["score_samples", "predict", "transform", "reconstruct"])
def test_a_detector_that_was_not_fitted_says_so(name, method, device):
    with pytest.raises(NotFittedError, match=f"This {name} instance is not fitted yet"):
        getattr(tiny(name, device=device), method)(table())


@every_detector
def test_sampling_and_moving_the_threshold_need_a_fit(name, device):
    with pytest.raises(NotFittedError):
        tiny(name, device=device).sample(3)
    with pytest.raises(NotFittedError):
        tiny(name, device=device).set_threshold(contamination=0.1)


# ---------------------------------------------------------------------------- nothing lost


def spoilt(rows):
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
        ("fit", spoilt(table(seed=5)), {}, "contains NaN"),
        ("partial_fit", spoilt(table(seed=5)), {}, "contains NaN"),
        ("fit", np.array([["red"] * 3] * 5), {}, "takes a table of numbers"),
        ("partial_fit", np.array([["red"] * 4] * 5), {}, "takes a table of numbers"),
        ("partial_fit", table(n_features=3), {}, "is expecting 4 features"),
        ("fit", table(n_features=3), {"lr": -1.0}, "The 'lr' parameter"),
        ("fit", table(n_features=3), {"device": "nonsense"}, "is no device"),
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
def test_a_failing_refit_leaves_the_detector_as_it_was(
    name, method, rows, changes, message, device
):
    def fitted_attributes():
        return {k: pickle.dumps(v) for k, v in vars(detector).items() if k.endswith("_")}

    frame = pd.DataFrame(table(), columns=list("abcd"))
    detector = tiny(name, device=device).fit(frame)
    before, parameters = fitted_attributes(), detector.get_params(deep=False)
    scores, samples = detector.score_samples(frame), detector.sample(3, random_state=0)
    codes = detector.set_output(transform="pandas").transform(frame)
    with warnings.catch_warnings(), pytest.raises((ValueError, RuntimeError), match=message):
        warnings.filterwarnings("ignore", "X does not have valid feature names")
        getattr(detector.set_params(**changes), method)(rows)
    assert fitted_attributes() == before
    assert_same_bits(detector.score_samples(frame), scores)
    assert_same_bits(detector.sample(3, random_state=0), samples)
    pd.testing.assert_frame_equal(detector.transform(frame), codes)
    detector.set_params(**{key: parameters[key] for key in changes})
    expected = tiny(name, device=device).fit(frame).partial_fit(frame)
    assert_same_bits(state(detector.partial_fit(frame)), state(expected))


@every_detector
def test_a_failing_first_fit_leaves_the_detector_unfitted(name, device):
    detector = tiny(name, device=device)
    for rows, lr in ((spoilt(table()), 1e-3), (table(n_samples=500), 1e30)):
        with pytest.raises(ValueError):
            detector.set_params(lr=lr).fit(rows)
        assert not [key for key in vars(detector) if key.endswith("_")]
        with pytest.raises(NotFittedError):
            detector.score_samples(table())


# --------------------------------------------------------- randomness and the outside world


def generators():
    """States of the global generators."""
    states = [
        repr(random.getstate()),
        repr([np.asarray(part).tolist() for part in np.random.get_state()]),
        torch.get_rng_state().tolist(),
    ]
    if torch.cuda.is_available():
        states += [s.tolist() for s in torch.cuda.get_rng_state_all()]
    return states


@every_detector
@pytest.mark.parametrize("random_state", [None, 0, "instance"])
def test_no_global_generator_is_touched(name, random_state, device):
    if random_state == "instance":
        random_state = np.random.RandomState(0)
    before = generators()
    detector = tiny(name, device=device, random_state=random_state, early_stopping=True)
    assert generators() == before
    detector.fit(table())
    assert generators() == before
    detector.partial_fit(table())
    assert generators() == before
    detector.predict(table())
    detector.transform(table())
    detector.reconstruct(table())
    assert generators() == before
    detector.sample(5)
    detector.sample(5, random_state=random_state)
    assert generators() == before


@every_detector
def test_a_failing_fit_gives_the_global_generators_back(name, device):
    before = generators()

    def fail(net):
        raise RuntimeError

    with pytest.raises(RuntimeError):
        tiny(name, device=device, callbacks=[Spy("on_batch_end", fail)]).fit(table())
    assert generators() == before


@every_detector
def test_the_same_random_state_gives_the_same_bits(name, device):
    one = tiny(name, device=device, random_state=3).fit(table())
    torch.rand(5), np.random.uniform(size=5)  # the globals are of no importance
    other = tiny(name, device=device, random_state=3).fit(table())
    assert_same_bits(state(one), state(other))
    assert_same_bits(one.score_samples(table()), other.score_samples(table()))
    assert one.offset_ == other.offset_
    assert differs(state(one), state(tiny(name, device=device, random_state=4).fit(table())))


@every_detector
def test_without_random_state_every_fit_is_another(name, device):
    fits = []
    for _ in range(2):
        np.random.seed(0)
        torch.manual_seed(0)
        fits.append(state(tiny(name, device=device, random_state=None).fit(table())))
    assert differs(*fits)


@every_detector
def test_a_generator_as_random_state_is_used_up(name, device):
    rng = np.random.RandomState(0)
    first = tiny(name, device=device).set_params(random_state=rng).fit(table())
    second = tiny(name, device=device).set_params(random_state=rng).fit(table())
    assert differs(state(first), state(second))
    again = tiny(name, device=device, random_state=np.random.RandomState(0)).fit(table())
    assert_same_bits(state(first), state(again))


@every_detector
def test_inference_never_changes_the_detector(name, device):
    rows = table()
    detector = tiny(name, device=device).fit(rows)
    before = pickle.dumps(detector)
    detector.score_samples(rows)
    detector.decision_function(rows)
    detector.predict(rows)
    detector.transform(rows)
    detector.reconstruct(rows)
    detector.sample(5)
    assert pickle.dumps(detector) == before
    assert not detector.net_.module_.training


@every_detector
def test_what_is_returned_is_no_view_of_the_detector(name, device):
    rows = table()
    detector = tiny(name, device=device).fit(rows)
    before = pickle.dumps(detector)
    for result in (
        detector.score_samples(rows),
        detector.transform(rows),
        detector.reconstruct(rows),
        detector.sample(5, random_state=0),
    ):
        result[...] = 0  # is writable
    assert pickle.dumps(detector) == before


@every_detector
def test_fit_changes_neither_its_input_nor_the_parameters(name, device):
    rows, epochs = table(), []
    callback = Spy("on_epoch_end", lambda net: epochs.append(len(net.history)))
    stateful = WeightAveraging(0.5)
    attributes = dict(vars(callback)), dict(vars(stateful))
    net_params = {"optimizer__betas": (0.5, 0.9)}
    detector = tiny(name, device=device, net_params=net_params)
    detector.set_params(callbacks=[callback, ("second", stateful)], early_stopping=True)
    if hasattr(detector, "ema_decay"):
        detector.set_params(ema_decay=None)  # one average is enough
    parameters = detector.get_params(deep=False)
    described, copy = repr(detector), rows.copy()
    detector.fit(rows).partial_fit(rows)
    assert epochs == [1, 2, 3]  # a clone of the callback was called
    assert_same_bits(rows, copy)
    assert (vars(callback), vars(stateful)) == attributes
    assert net_params == {"optimizer__betas": (0.5, 0.9)}
    after = detector.get_params(deep=False)
    assert all(after[key] is parameters[key] for key in parameters)
    assert repr(detector) == described


@every_detector
def test_a_pickle_gives_the_same_bits(name, device, tmp_path):
    rows = table()
    detector = tiny(name, device=device, max_epochs=1).fit(rows)
    joblib.dump(detector, tmp_path / "detector.joblib")
    loaded = [pickle.loads(pickle.dumps(detector)), joblib.load(tmp_path / "detector.joblib")]
    for other in loaded:
        for method in ("score_samples", "predict", "transform", "reconstruct"):
            assert_same_bits(getattr(detector, method)(rows), getattr(other, method)(rows))
        assert_same_bits(detector.sample(5, random_state=0), other.sample(5, random_state=0))
    detector.partial_fit(rows)
    for other in loaded:  # momentum and noise travel too
        assert_same_bits(state(other.partial_fit(rows)), state(detector))


@every_detector
def test_a_pickle_is_not_much_larger_than_the_networks(name, device):
    rows = table(n_samples=5000)
    detector = tiny(name, device=device, batch_size=500, max_epochs=2, early_stopping=True)
    detector.fit(rows)
    rows_bytes = rows.astype(np.float32).nbytes
    scores_bytes = detector.train_scores_.nbytes
    assert len(pickle.dumps(detector)) - scores_bytes < rows_bytes


@every_detector
def test_a_clone_is_unfitted_and_has_the_same_parameters(name, device):
    detector = fitted(name, device, callbacks=None)
    copy = clone(detector)
    assert repr(copy) == repr(detector)
    assert not [key for key in vars(copy) if key.endswith("_")]
    assert_same_bits(state(copy.fit(table())), state(detector))


@every_detector
def test_parameters_of_the_networks_can_be_set(name, device):
    detector = tiny(name, device=device)
    detector.set_params(networks__hidden_layer_sizes=(3,), lr=0.5)
    assert detector.get_params()["networks__hidden_layer_sizes"] == (3,)
    assert detector.lr == 0.5
    numbers = state(detector.set_params(lr=1e-3).fit(table()))
    widths = {array.shape[0] for array in numbers.values() if array.ndim == 2}
    assert 3 in widths
    assert 8 not in widths
    with pytest.raises(ValueError, match="Invalid parameter 'hidden'"):
        detector.set_params(hidden=3)


@every_detector
def test_parameters_of_default_networks_can_be_set(name, device):
    detector = tiny(name, device=device, networks=None)
    assert detector.set_params(lr=0.5).networks is None
    detector.set_params(networks__hidden_layer_sizes=(3,))
    assert detector.networks.get_params() == MLP((3,)).get_params()
