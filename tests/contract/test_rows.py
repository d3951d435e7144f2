"""Scores do not depend on the other rows, their containers or their types."""

from functools import cache

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from common import DETECTORS, Spy, assert_same_bits, fitted, row_methods, state, table, tiny
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from skgad import MLP

every_detector = pytest.mark.parametrize("name", DETECTORS)

# Some tests fit rows that are not scaled.
pytestmark = pytest.mark.filterwarnings("ignore:The root mean square of the features")

# ------------------------------------------------------------------------------- other rows


ROWS = table(n_samples=1100, seed=1)  # more than one block


@cache
def scores_among_others(name, device):
    """Scores of all `ROWS` at once."""
    return fitted(name, device).score_samples(ROWS)


@every_detector
@given(positions=st.lists(st.integers(0, 1099), min_size=1, max_size=60))
def test_scores_do_not_depend_on_the_other_rows(name, device, positions):
    alone = fitted(name, device).score_samples(ROWS[positions])
    assert_same_bits(alone, scores_among_others(name, device)[positions])


@every_detector
@pytest.mark.parametrize("width", [2, 3, 5, 7, 11])
def test_scores_do_not_depend_on_the_order_with_narrow_layers(name, width, device):
    """A plain matrix product with 2 to 11 outputs gives equal rows different last bits."""
    rows, order = table(n_samples=1000, n_features=33), np.random.RandomState(0).permutation(1000)
    detector = tiny(
        name,
        device=device,
        max_epochs=1,
        latent_dim=width,
        networks=MLP(hidden_layer_sizes=(64, width)),
    ).fit(rows[:50])
    for method in row_methods(name):
        function = getattr(detector, method)
        assert_same_bits(function(rows[order]), function(rows)[order])


@every_detector
def test_a_single_row_has_the_same_score_as_among_others(name, device):
    detector, rows = fitted(name, device), table()
    one_by_one = [detector.score_samples(row[None])[0] for row in rows]
    assert_same_bits(np.array(one_by_one), detector.score_samples(rows))


@every_detector
def test_codes_and_reconstructions_do_not_depend_on_the_other_rows(name, device):
    rows, order = table(), np.random.RandomState(0).permutation(48)
    for method in row_methods(name):
        function = getattr(fitted(name, device), method)
        assert_same_bits(function(rows[order[:7]]), function(rows)[order[:7]])


# --------------------------------------------------------------------- containers and types


def containers(rows):
    """The same numbers in each container that is accepted."""
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
def test_scores_do_not_depend_on_the_container_of_the_numbers(name, device, seed, dtype):
    rows = np.random.RandomState(seed).randint(0, 3, size=(20, 4))  # a third are zeros
    detector = fitted(name, device)
    expected = detector.score_samples(rows.astype(np.float64))
    for container, same in containers(rows.astype(dtype)).items():
        np.testing.assert_array_equal(detector.score_samples(same), expected, err_msg=container)


@every_detector
@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_training_does_not_depend_on_the_dtype(name, dtype, device):
    rows = np.random.RandomState(0).randint(0, 5, size=(48, 4))
    one = tiny(name, device=device).fit(rows.astype(np.float64))
    other = tiny(name, device=device).fit(rows.astype(dtype))
    assert_same_bits(state(one), state(other))
    assert_same_bits(one.train_scores_, other.train_scores_)


@every_detector
@pytest.mark.parametrize(
    "to_sparse", [sparse.csr_matrix, sparse.csr_array, sparse.csc_matrix, sparse.csc_array]
)
def test_sparse_rows_train_and_score_like_dense_rows(name, to_sparse, device):
    rows = table() * (np.random.RandomState(0).uniform(size=(48, 4)) > 0.6)
    dense_fit = tiny(name, device=device, early_stopping=True).fit(rows)
    sparse_fit = tiny(name, device=device, early_stopping=True).fit(to_sparse(rows))
    assert_same_bits(state(dense_fit), state(sparse_fit))
    assert dense_fit.offset_ == sparse_fit.offset_
    for method in row_methods(name):
        assert_same_bits(
            getattr(dense_fit, method)(rows), getattr(sparse_fit, method)(to_sparse(rows))
        )


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
    begin = Spy("on_train_begin", lambda net: dense_rows.clear())  # `prepare` reads larger blocks
    detector = tiny(name, device=device, batch_size=64, max_epochs=1, early_stopping=early_stopping)
    detector.set_params(callbacks=[begin]).fit(rows)
    assert len(dense_rows) >= 3000 / 64
    while_training = dense_rows[: 2700 // 64]
    assert max(while_training) <= 65  # a last single row is merged with its batch
    assert max(dense_rows) <= 1024
    detector.score_samples(rows)
    assert max(dense_rows) <= 1024


@every_detector
def test_rows_can_be_read_only(name, device):
    rows = table()
    expected = tiny(name, device=device).fit(rows)
    for dtype in (np.float64, np.float32):
        frozen = rows.astype(dtype)
        frozen.flags.writeable = False
        detector = tiny(name, device=device).fit(frozen)
        assert_same_bits(detector.score_samples(frozen), expected.score_samples(rows))


@every_detector
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_can_be_memory_mapped(name, dtype, device, tmp_path):
    rows = table().astype(dtype)
    joblib.dump(rows, tmp_path / "rows.joblib")
    mapped = joblib.load(tmp_path / "rows.joblib", mmap_mode="r")
    assert isinstance(mapped, np.memmap)
    expected = tiny(name, device=device).fit(rows)
    detector = tiny(name, device=device).fit(mapped)
    assert_same_bits(detector.score_samples(mapped), expected.score_samples(rows))


@every_detector
@pytest.mark.parametrize("n_constant", [1, 4])
@pytest.mark.filterwarnings("ignore:The encoder collapsed", "ignore:The mixture is singular")
def test_constant_columns_give_finite_scores(name, n_constant, device):
    rows = table()
    rows[:, :n_constant] = 7.0
    detector = tiny(name, device=device).fit(rows)
    assert np.isfinite(detector.score_samples(rows)).all()
    assert np.isfinite(detector.offset_)
    assert detector.decision_function(rows).shape == (48,)


# ------------------------------------------------------------------------ names of features


@every_detector
@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_feature_names_are_stored_and_compared(name, frame, device):
    rows = table()
    columns = {f"column {i}": rows[:, i] for i in range(4)}
    detector = tiny(name, device=device).fit(frame(columns))
    assert detector.feature_names_in_.tolist() == list(columns)
    assert detector.n_features_in_ == 4
    plain = tiny(name, device=device).fit(rows)
    assert_same_bits(detector.score_samples(frame(columns)), plain.score_samples(rows))
    for method in row_methods(name):
        with pytest.raises(ValueError, match="feature names should match"):
            getattr(detector, method)(frame({k.upper(): v for k, v in columns.items()}))
    with pytest.raises(ValueError, match="in the same order"):
        detector.score_samples(frame(dict(reversed(columns.items()))))


@every_detector
def test_feature_names_are_compared_when_a_training_continues(name, device):
    rows = pd.DataFrame(table(), columns=list("abcd"))
    detector = tiny(name, device=device).fit(rows)
    with pytest.raises(ValueError, match="feature names should match"):
        detector.partial_fit(rows.rename(columns={"a": "z"}))
    assert detector.partial_fit(rows).feature_names_in_.tolist() == list("abcd")
