"""Any table and any parameter give finite scores, or an error with a reason."""

from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest
from common import DETECTORS, assert_same_bits, tiny
from fuzz_common import REJECTED, attempt, fuzz, temporary_folder
from fuzz_tables import Table, row, table_pairs
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import sparse

from skgad import BaseDetector, TabularDetector
from skgad.calibration import CalibratedDetector, ConformalDetector
from skgad.density import DensityDetector
from skgad.ensemble import DetectorEnsemble
from skgad.neighbors import KNeighborsDetector

folder = pytest.fixture(temporary_folder, scope="module", autouse=True)

BASELINES = {
    "KNeighborsDetector": lambda: KNeighborsDetector(2),
    "DensityDetector": lambda: DensityDetector(random_state=0),
    "DetectorEnsemble": lambda: DetectorEnsemble([KNeighborsDetector(2), DensityDetector()]),
    "ConformalDetector": lambda: ConformalDetector(KNeighborsDetector(2), random_state=0),
    "ensemble of networks": lambda: DetectorEnsemble(
        [tiny("Autoencoder", max_epochs=1), KNeighborsDetector(1)]
    ),
}


def make_detector(name, params):
    if name in BASELINES:
        return BASELINES[name]().set_params(**params)
    return tiny(name, **{"max_epochs": 1, **params})


# -------------------------------------------------------------------------- tables of numbers


@dataclass
class Numbers:
    """Rows of a normal distribution, some of which are then spoiled.

    Parameters
    ----------
    shape : tuple of int
        Number of rows and columns.
    scale, offset : float
        Scale and mean.
    cells : list of (row, column, value)
        Cells to replace. Positions are counted modulo the shape.
    container : str
        What contains the numbers: a key of `CONTAINERS` or the name of a dtype.
    """

    shape: tuple[int, int]
    scale: float = 1.0
    offset: float = 0.0
    cells: tuple = ()
    container: str = "float64"

    def build(self):
        with np.errstate(all="ignore"):
            X = self.offset + self.scale * np.random.RandomState(0).normal(size=self.shape)
            for i, j, value in self.cells if X.size else ():
                X[i % self.shape[0], j % self.shape[1]] = value
            return CONTAINERS.get(self.container, lambda X: X.astype(self.container))(X)


CONTAINERS = {
    "sparse": sparse.csr_array,
    "list": np.ndarray.tolist,
    "masked": lambda X: np.ma.masked_invalid(X),
    "strings": lambda X: X.astype(str),
    "row": np.ravel,
    "cube": lambda X: X[None],
}
odd_numbers = st.sampled_from(
    [0.0, 5e-324, 1e-40, 1e10, 1e19, 1e30, -3e38, 3.5e38, 1e200, np.nan, np.inf, -np.inf]
) | st.floats(-100, 100)
tables = st.builds(
    Numbers,
    shape=st.tuples(st.integers(3, 20), st.integers(1, 4)) | st.tuples(*2 * [st.integers(0, 2)]),
    scale=st.sampled_from([1.0, 1.0, 1.0, 0.0, 1e-30, 1e-6, 1e6, 1e30]),
    offset=st.sampled_from([0.0, 0.0, 0.0, 1e9, -1e30]),
    cells=st.lists(st.tuples(st.integers(0, 19), st.integers(0, 3), odd_numbers), max_size=3),
    container=st.sampled_from(
        ["float64", "float64", "float32", "float16", "int8", "bool", "object", "complex64"]
    )
    | st.sampled_from(list(CONTAINERS)),
)
#: Nothing here makes a valid training long.
odd_values = st.sampled_from(
    [None, -1, 0, 1, 0.5, 1.0, np.nan, np.inf, -1e30, 1e30, True, "", "auto", "nonsense"]
    + [[], {}, (), object(), np.float64(0.5), np.array([1, 2]), "none"]
)
PARAMETERS = {
    name: sorted(make_detector(name, {}).get_params(deep=False))
    for name in [*DETECTORS, *BASELINES]
}


@st.composite
def detectors(draw):
    """Name of a detector, and up to two parameters that are perhaps odd."""
    name = draw(st.sampled_from([*PARAMETERS]))
    names = st.sampled_from(PARAMETERS[name]).filter(
        lambda name: name not in ("verbose", "checkpoint")
    )
    params = draw(st.dictionaries(names, odd_values, max_size=draw(st.integers(0, 2))))
    if name in DETECTORS:
        params = {"encoding": draw(st.sampled_from(["auto", None])), **params}
    return name, params


def check_scores(detector, X, n_rows):
    """Check the scores of all rows, and of each row alone."""
    scores = attempt(detector.score_samples, X)
    if scores is REJECTED:
        return
    assert scores.dtype == np.float64
    assert scores.shape == (n_rows,)
    assert np.isfinite(scores).all()
    # The threshold of a ConformalDetector with few rows is -inf.
    assert not np.isnan(attempt(detector.decision_function, X)).any()
    assert set(attempt(detector.predict, X)) <= {-1, 1}
    if sparse.issparse(X) and not isinstance(detector, BaseDetector):
        return  # neighbors of sparse rows are found by matrix products
    for i in range(min(n_rows, 4)):
        assert_same_bits(attempt(detector.score_samples, row(X, i))[0], scores[i])


def length(X):
    return len(X) if isinstance(X, list) else X.shape[0]


@fuzz(share=0.15)
@given(detector=detectors(), train=tables, new=tables)
@example(("ALAD", {}), Numbers((17, 1), 1e6, -1e30, (), "sparse"), Numbers((4, 1)))
@example(("ALAD", {"latent_dim": True}), Numbers((17, 2)), Numbers((4, 2)))
@example(("ConformalDetector", {}), Numbers((6, 2), 1e30, container="float32"), Numbers((4, 2)))
@example(("ConformalDetector", {"cv": []}), Numbers((6, 2)), Numbers((4, 2)))
@example(("DensityDetector", {}), Numbers((15, 3)), Numbers((7, 3)))
def test_any_numbers_and_parameters_give_finite_scores_or_a_reason(detector, train, new):
    detector, X_train, X = make_detector(*detector), train.build(), new.build()
    if attempt(detector.fit, X_train) is REJECTED:
        return
    check_scores(detector, X_train, length(X_train))
    check_scores(detector, X, length(X))
    for method in ("transform", "reconstruct"):
        if hasattr(detector, method):
            rows = attempt(getattr(detector, method), X)
            assert rows is REJECTED or np.isfinite(rows).all()
    if hasattr(detector, "sample"):
        rows = attempt(detector.sample, 3, random_state=0)
        assert rows is REJECTED or np.isfinite(rows).all()


GOOD = Numbers((12, 3)).build()


@fuzz(share=0.05)
@given(detector=detectors(), train=tables)
@example(("ALAD", {"lr": -1}), Numbers((9, 2)))
def test_a_fit_that_fails_leaves_the_earlier_one(detector, train):
    name, params = detector
    detector = make_detector(name, {})
    attempt(detector.fit, GOOD)
    before = detector.score_samples(GOOD)
    detector.set_params(**params)
    if attempt(detector.fit, train.build()) is REJECTED:
        detector.set_params(**make_detector(name, {}).get_params(deep=False))
        assert_same_bits(detector.score_samples(GOOD), before)


# ---------------------------------------------------------------------------- mixed tables

TABULAR = {
    "Autoencoder": lambda: tiny("Autoencoder", max_epochs=1),
    "ALAD": lambda: tiny("ALAD", max_epochs=1, encoding="auto"),
    "neighbors": lambda: KNeighborsDetector(1),
    "density": DensityDetector,
    "conformal": lambda: ConformalDetector(KNeighborsDetector(1), random_state=0),
    "ensemble": lambda: DetectorEnsemble([KNeighborsDetector(1), DensityDetector()]),
}


@fuzz(share=0.1)
@given(name=st.sampled_from([*TABULAR]), tables=table_pairs())
@example("density", 2 * (Table("polars", [("a", [1, 2**40, 3], pl.Int64)], 3),))
def test_any_mixed_table_gives_finite_scores_or_a_reason(name, tables):
    train, new = (table.build() for table in tables)
    if train is None:
        return
    detector = TabularDetector(TABULAR[name]())
    if attempt(detector.fit, train) is REJECTED:
        return
    check_scores(detector, train, length(train))
    if new is not None:
        check_scores(detector, new, length(new))
    if hasattr(detector, "reconstruct"):
        assert attempt(detector.reconstruct, train).shape == (
            length(train),
            detector.n_features_in_,
        )
    if hasattr(detector, "sample"):
        assert attempt(detector.sample, 4, random_state=0).shape == (4, detector.n_features_in_)


# ----------------------------------------------------------------------------- calibration


@fuzz(share=0.05)
@given(
    train=tables,
    labels=st.lists(st.sampled_from([-1, 0, 1]) | odd_values, min_size=20, max_size=20),
    alpha=st.sampled_from([0.1, 0.5]) | odd_values,
    method=st.sampled_from(["sigmoid", "isotonic"]) | odd_values,
)
@example(Numbers((14, 1)), [0, [], *12 * [1]], 0.5, "sigmoid")
def test_any_labels_give_probabilities_or_a_reason(train, labels, alpha, method):
    X = train.build()
    labels = labels[: length(X)]
    detector = CalibratedDetector(KNeighborsDetector(1), method=method)
    if attempt(detector.fit, X, labels=labels) is not REJECTED:
        probabilities = attempt(detector.predict_proba, X)
        assert np.isfinite(probabilities).all()
        np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    detector = ConformalDetector(KNeighborsDetector(1), alpha=alpha, random_state=0)
    if attempt(detector.fit, X) is not REJECTED:
        p_values = attempt(detector.p_values, X)
        assert ((0 < p_values) & (p_values <= 1)).all()
