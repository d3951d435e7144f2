"""Known labels: validation, mini-batches, early stopping, resumed training and routing."""

import pickle
import re

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from common import DETECTORS, Spy, assert_same_bits, differs, fitted, state, table, tiny
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import skgad
from skgad import BaseDetector
from skgad.detectors._base import LabelledDetector
from skgad.engine.data import BatchLoader, Rows

LABELLED = [name for name in DETECTORS if issubclass(getattr(skgad, name), LabelledDetector)]
every_labelled_detector = pytest.mark.parametrize("name", LABELLED)

#: Known labels of the 48 rows of ``table()``.
LABELS = np.random.RandomState(0).permutation(np.repeat([1, 0, -1], [10, 30, 8]))


def test_which_detectors_accept_labels():
    assert {"WALDO", "WAE", "CoRA"} <= set(LABELLED)
    assert not {"ALAD", "RCGAN"} & set(LABELLED)


# ------------------------------------------------------------------------------ validation

CONTAINERS = {
    "list": lambda labels: labels.tolist(),
    "tuple": lambda labels: tuple(labels.tolist()),
    "int8": lambda labels: labels.astype(np.int8),
    "floats": lambda labels: labels.astype(float),
    "objects": lambda labels: labels.astype(object),
    "Series": lambda labels: pd.Series(labels, index=range(100, 148)),
    "shuffled index": lambda labels: pd.Series(labels, index=range(47, -1, -1)),
    "nullable": lambda labels: pd.Series(labels, dtype="Int64"),
    "categories": lambda labels: pd.Series(labels, dtype="category"),
    "column": lambda labels: labels[:, None],
    "tensor": torch.from_numpy,
    "read-only": lambda labels: np.frombuffer(labels.tobytes(), labels.dtype),
}


@pytest.mark.parametrize("make", CONTAINERS.values(), ids=CONTAINERS)
def test_labels_may_be_in_any_container(make, device):
    expected = tiny("WALDO", device=device, max_epochs=1).fit(table(), labels=LABELS)
    detector = tiny("WALDO", device=device, max_epochs=1).fit(table(), labels=make(LABELS))
    assert_same_bits(state(detector), state(expected))
    assert_same_bits(detector.labels_, expected.labels_)


@pytest.mark.parametrize("dtype", [bool, np.uint8])
def test_a_mask_marks_known_inliers(dtype, device):
    expected = tiny("WALDO", device=device).fit(table(), labels=np.maximum(LABELS, 0))
    detector = tiny("WALDO", device=device).fit(table(), labels=(LABELS == 1).astype(dtype))
    assert_same_bits(state(detector), state(expected))


BAD = {
    "another number": (np.where(LABELS == 1, 2, LABELS), r"labels must be .* they contain 2"),
    "many numbers": (np.arange(48), r"labels must be .* they contain 2, 3, 4\.$"),
    "a share": (0.5 * LABELS, r"labels must be .* they contain .*-0\.5"),
    "out of eight bits": (256 + LABELS, r"labels must be .* they contain .*257"),
    "NaN": (np.where(LABELS == 0, np.nan, LABELS), r"labels must be .* they contain nan"),
    "infinity": (np.where(LABELS == 0, np.inf, LABELS), r"labels must be .* they contain inf"),
    "digits": (LABELS.astype(str), r"labels must be .* they contain '0', '1', '-1'"),
    "words": (np.where(LABELS == 1, "in", "?"), r"labels must be .* they contain .*'in'"),
    "none": ([None if label == 0 else label for label in LABELS], "labels .*None"),
    "too few": (LABELS[:-1], r"each of the 48 rows, but their shape is \(47,\)"),
    "too many": ([*LABELS, 0], r"each of the 48 rows, but their shape is \(49,\)"),
    "empty": ([], r"each of the 48 rows, but their shape is \(0,\)"),
    "a number": (1, r"each of the 48 rows, but their shape is \(\)"),
    "a table": (np.zeros((48, 2)), r"each of the 48 rows, but their shape is \(48, 2\)"),
    "outliers only": (np.full(48, -1), "All labels are -1"),
}


@every_labelled_detector
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(("labels", "message"), BAD.values(), ids=BAD)
def test_invalid_labels_raise_an_error_and_keep_the_earlier_fit(
    name, method, labels, message, device
):
    detector = tiny(name, device=device, max_epochs=1, warm_start=True)
    with pytest.raises(ValueError, match=message):
        getattr(detector, method)(table(), labels=labels)
    assert not [key for key in vars(detector) if key.endswith("_")]
    detector.fit(table(), labels=LABELS)
    before, known = state(detector), detector.labels_
    with pytest.raises(ValueError, match=message):
        getattr(detector, method)(table(), labels=labels)
    assert_same_bits(state(detector), before)
    assert_same_bits(detector.labels_, known)


@every_labelled_detector
def test_labels_of_zeros_are_the_same_as_no_labels(name, device):
    expected = fitted(name, device)
    detector = tiny(name, device=device).fit(table(), labels=np.zeros(48))
    assert_same_bits(state(detector), state(expected))
    assert_same_bits(detector.score_samples(table()), expected.score_samples(table()))
    assert_same_bits(detector.labels_, expected.labels_)


@every_labelled_detector
def test_rows_that_are_all_known_inliers_are_treated_as_unlabeled_rows(name, device):
    expected = fitted(name, device)
    detector = tiny(name, device=device).fit(table(), labels=np.ones(48))
    # The moments of the codes differ, because the decision makes no row an outlier.
    names = [n for n in state(expected) if "code_moments" not in n]
    assert_same_bits(*({n: state(d)[n] for n in names} for d in (detector, expected)))
    assert (detector.labels_ == 1).all()


@every_labelled_detector
def test_without_unlabeled_rows_the_inliers_take_their_place(name, device):
    inliers = np.where(LABELS, LABELS, 1)
    unlabelled = np.where(inliers == 1, 0, inliers)
    detector = tiny(name, device=device).fit(table(), labels=inliers)
    expected = tiny(name, device=device).fit(table(), labels=unlabelled)
    names = [n for n in state(expected) if "code_moments" not in n]
    assert_same_bits(*({n: state(d)[n] for n in names} for d in (detector, expected)))
    assert_same_bits(detector.labels_, inliers)


@every_labelled_detector
def test_labels_affect_the_training(name, device):
    fits = [
        tiny(name, device=device).fit(table(), labels=labels)
        for labels in (None, np.maximum(LABELS, 0), np.minimum(LABELS, 0), LABELS)
    ]
    for i, one in enumerate(fits):
        assert all(differs(state(one), state(other)) for other in fits[:i])


@every_labelled_detector
def test_labels_are_neither_modified_nor_shared(name, device):
    labels = LABELS.copy()
    detector = tiny(name, device=device).fit(table(), labels=labels)
    assert_same_bits(labels, LABELS)
    known = detector.labels_.copy()
    labels[:] = 0
    assert_same_bits(detector.labels_, known)


# --------------------------------------------------------------------------------- batches


def positions(loader):
    """Positions of the rows of each batch of an epoch."""
    return [x[:, 0].numpy().astype(int) for x, _ in loader]


def rows_of(labels):
    X = np.arange(len(labels), dtype=np.float32)[:, None]
    return Rows(X, np.asarray(labels, np.int8))


counts = st.dictionaries(
    st.sampled_from([-1, 0, 1]), st.integers(1, 120), min_size=1, max_size=3
).filter(lambda counts: sum(counts.values()) > 1)


@given(counts=counts, batch_size=st.integers(1, 130), seed=st.integers(0, 9))
def test_every_batch_of_a_loader_has_rows_of_each_label(counts, batch_size, seed):
    labels = np.repeat(list(counts), list(counts.values()))
    labels = np.random.RandomState(seed).permutation(labels)
    loader = BatchLoader(rows_of(labels), batch_size, shuffle=True)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        batches = positions(loader)
        batches_again = positions(loader)
    assert len(batches) == len(loader) == len(batches_again)
    most = max(counts.values())
    assert len(loader) == max(1, most // batch_size + (most % batch_size > 1))
    largest = loader.largest_group
    assert len(largest) == most
    for label in counts:
        group = np.flatnonzero(labels == label)
        parts = [batch[labels[batch] == label] for batch in batches]
        seen = np.bincount(np.concatenate(parts), minlength=len(labels))[group]
        if np.array_equal(group, largest):
            assert (seen == 1).all()
            assert all(len(part) == batch_size for part in parts[:-1])
            assert 1 <= len(parts[-1]) <= batch_size + 1
        else:
            assert seen.max() - seen.min() <= 1
            assert all(1 <= len(part) <= batch_size for part in parts)
            assert all(len(np.unique(part)) == len(part) for part in parts)
        if len(group) <= batch_size:
            assert all(sorted(part) == group.tolist() for part in parts)


@given(n_samples=st.integers(1, 200), batch_size=st.integers(1, 210))
def test_unlabeled_rows_are_loaded_in_the_order_of_a_permutation(n_samples, batch_size):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        batches = positions(BatchLoader(rows_of(np.zeros(n_samples)), batch_size, shuffle=True))
        torch.manual_seed(0)
        order = torch.randperm(n_samples).numpy()
    assert_same_bits(np.concatenate(batches), order)
    assert all(len(batch) == batch_size for batch in batches[:-1])
    if batch_size > 1 and n_samples > 1:
        assert 1 < len(batches[-1]) <= batch_size + 1


def test_rows_of_each_label_are_shuffled_in_every_pass(device):
    labels = np.repeat([0, 1, -1], [60, 30, 20])
    loader = BatchLoader(rows_of(labels), 10, shuffle=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        first, second = positions(loader), positions(loader)
        torch.manual_seed(0)
        again = positions(loader)
    for one, other, same in zip(first, second, again, strict=True):
        assert_same_bits(one, same)
        for label in (0, 1, -1):
            assert set(one[labels[one] == label]) != set(other[labels[other] == label])
    # The second pass through the rows of a rare label has another order than the first pass.
    passes = [np.concatenate([b[labels[b] == -1] for b in first[i : i + 2]]) for i in (0, 2)]
    assert sorted(passes[0]) == sorted(passes[1])
    assert passes[0].tolist() != passes[1].tolist()


def test_without_shuffling_rows_keep_the_order_of_the_table():
    loader = BatchLoader(rows_of(LABELS), 10)
    assert np.concatenate(positions(loader)).tolist() == list(range(48))
    assert len(loader) == 5


@every_labelled_detector
def test_every_batch_of_a_training_has_rows_of_each_label(name, device):
    seen = []

    class Watch(Spy):
        def on_batch_begin(self, net, batch=None, training=False, **kwargs):
            x, labels = batch
            seen.append((x.cpu().numpy(), labels.cpu().numpy()))

    labels = np.zeros(200)
    labels[[5, 80]] = 1
    labels[[7, 90, 110]] = -1
    rows = table(n_samples=200)
    detector = tiny(name, device=device, max_epochs=1, callbacks=[Watch("", None)])
    detector.fit(rows, labels=labels)
    assert len(seen) == 13  # 195 unlabeled rows, 16 at a time
    known = {tuple(row): label for row, label in zip(rows.astype(np.float32), labels, strict=True)}
    for x, batch in seen:
        assert [np.sum(batch == label) for label in (1, -1)] == [2, 3]
        assert [known[tuple(row)] for row in x] == batch.tolist()
    assert [np.sum(batch == 0) for _, batch in seen] == [16] * 12 + [3]


def test_the_auto_number_of_epochs_depends_on_the_number_of_batches(device):
    labels = np.repeat([1, 0], [8, 40])
    params = {"max_epochs": "auto", "auto_steps": 12, "batch_size": 10}
    detector = tiny("WALDO", device=device, **params).fit(table(), labels=labels)
    assert detector.n_iter_ == 3  # with four batches each
    assert detector.history_[-1, "train_batch_count"] == 4


def test_the_learning_rate_decreases_until_the_end_of_the_training(device):
    rates = {0: [], 24: []}
    for n_known, seen in rates.items():

        def record(net, seen=seen):
            seen.append(net.optimizer_.param_groups[0]["lr"])

        params = {"lr_schedule": "linear", "callbacks": [Spy("on_batch_end", record)]}
        labels = np.repeat([1, 0], [n_known, 40])
        rows = table(n_samples=len(labels))
        tiny("WALDO", device=device, **params).fit(rows, labels=labels)
    assert rates[0] == rates[24]
    assert rates[0] == sorted(rates[0], reverse=True)
    assert rates[0][-1] < 0.2 * rates[0][0]


# --------------------------------------------------------------------------- early stopping


def held_out(name, device, rows, labels, **params):
    """A detector, and the rows with labels that it was trained on and that were held out."""
    seen = {True: [], False: []}

    class Watch(Spy):
        def on_batch_begin(self, net, batch=None, training=False, **kwargs):
            x, known = (part.cpu().numpy() for part in batch)
            seen[training] += [(*row, label) for row, label in zip(x, known, strict=True)]

    callbacks = [Watch("", None)]
    params = {"early_stopping": True, "max_epochs": 1, "callbacks": callbacks, **params}
    detector = tiny(name, device=device, **params).fit(rows, labels=labels)
    return detector, seen[True], seen[False]


@every_labelled_detector
def test_held_out_rows_have_each_label_except_that_of_known_outliers(name, device):
    rows, labels = table(n_samples=100), np.repeat([1, 0, -1], [20, 60, 20])
    detector, train, valid = held_out(name, device, rows, labels, validation_fraction=0.2)
    known = {(*row, label) for row, label in zip(rows.astype(np.float32), labels, strict=True)}
    assert {*train, *valid} <= known
    assert not {*train} & {*valid}
    counts = {label: sum(row[-1] == label for row in valid) for label in (1, 0, -1)}
    assert counts == {1: 4, 0: 12, -1: 0}
    assert {label: len({row for row in train if row[-1] == label}) for label in (1, 0)} == {
        1: 16,
        0: 48,
    }
    x = np.array([row[:-1] for row in valid])
    expected = np.mean((detector.reconstruct(x) - x) ** 2)
    assert detector.history_[-1, "valid_loss"] == pytest.approx(expected, rel=1e-3)
    assert (detector.labels_[labels != 0] == labels[labels != 0]).all()


@every_labelled_detector
@pytest.mark.parametrize("label", [1, 0])
def test_a_single_row_of_a_label_cannot_be_held_out(name, label, device):
    labels = np.full(48, 1 - abs(label))
    labels[11] = label
    with pytest.raises(ValueError, match=f"early_stopping.*only one row has the label {label}"):
        tiny(name, device=device, early_stopping=True).fit(table(), labels=labels)
    tiny(name, device=device).fit(table(), labels=labels)


@pytest.mark.parametrize(
    ("fraction", "counts"),
    [(0.02, (5, 40, 5)), (0.1, (2, 15, 2)), (0.1, (2, 2, 100)), (0.1, (0, 2, 100))],
)
def test_early_stopping_monitors_held_out_rows_or_explains_why_it_cannot(fraction, counts, device):
    labels = np.repeat([1, 0, -1], counts)
    rows = table(n_samples=len(labels))
    try:
        detector, _, valid = held_out("WALDO", device, rows, labels, validation_fraction=fraction)
    except ValueError as error:
        assert re.search("early_stopping|validation_fraction|number of classes", str(error))
    else:
        assert valid
        assert all(row[-1] != -1 for row in valid)
        assert np.isfinite(detector.history_[-1, "valid_loss"])


# -------------------------------------------------------------------------- resumed training


@every_labelled_detector
def test_a_resumed_training_with_labels_equals_a_single_one(name, device):
    once = tiny(name, device=device, max_epochs=4).fit(table(), labels=LABELS)
    again = tiny(name, device=device, max_epochs=2, warm_start=True).fit(table(), labels=LABELS)
    again.fit(table(), labels=LABELS)
    assert_same_bits(state(again), state(once))
    assert_same_bits(again.labels_, once.labels_)
    again = tiny(name, device=device, max_epochs=3).fit(table(), labels=LABELS)
    again.partial_fit(table(), labels=LABELS)
    assert_same_bits(state(again), state(once))
    assert_same_bits(again.labels_, once.labels_)


@every_labelled_detector
def test_partial_fit_accepts_other_labels_in_each_call(name, device):
    detector = tiny(name, device=device).partial_fit(table(), labels=LABELS)
    assert detector.n_iter_ == 1
    assert (detector.labels_[LABELS != 0] == LABELS[LABELS != 0]).all()
    rows = table(n_samples=30, seed=1)
    detector.partial_fit(rows, labels=LABELS[:30] * -1)
    assert (detector.labels_[LABELS[:30] != 0] == -LABELS[:30][LABELS[:30] != 0]).all()
    detector.partial_fit(rows)
    assert_same_bits(detector.labels_, detector.predict(rows))
    detector.partial_fit(rows[:1], labels=[1])
    assert detector.labels_.tolist() == [1]


@every_labelled_detector
def test_pickling_keeps_the_labels(name, device):
    detector = tiny(name, device=device, warm_start=True).fit(table(), labels=LABELS)
    loaded = pickle.loads(pickle.dumps(detector))
    assert_same_bits(loaded.labels_, detector.labels_)
    assert_same_bits(loaded.sample(3, random_state=0), detector.sample(3, random_state=0))
    for copy in (detector, loaded):
        copy.partial_fit(table(), labels=LABELS)
    assert_same_bits(state(loaded), state(detector))


@every_labelled_detector
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("make", [sparse.csr_array, sparse.csc_matrix])
def test_labels_of_sparse_rows_are_those_of_dense_rows(name, early_stopping, make, device):
    rows = table() * (np.arange(4) < np.arange(48)[:, None] % 5)
    dense, thin = (
        tiny(name, device=device, early_stopping=early_stopping).fit(X, labels=LABELS)
        for X in (rows, make(rows))
    )
    assert_same_bits(state(thin), state(dense))
    assert_same_bits(thin.labels_, dense.labels_)
    assert_same_bits(thin.sample(3, random_state=0), dense.sample(3, random_state=0))


# -------------------------------------------------------------------------- metadata routing


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.fixture
def fits(monkeypatch):
    """Rows and labels of each fit."""
    seen, fit = [], BaseDetector._fit

    def record(self, X, y=None, *, labels=None, **kwargs):
        seen.append((np.array(X), labels))
        return fit(self, X, y, labels=labels, **kwargs)

    monkeypatch.setattr(BaseDetector, "_fit", record)
    return seen


def marked():
    """Rows with their labels in the first column."""
    return np.column_stack([LABELS, table(n_features=3)])


def roc_auc():
    """A scorer that does not request the known labels."""
    return get_scorer("roc_auc").set_score_request(labels=False)


#: A step before the detector that marks the rows by their sign.
FLIP = FunctionTransformer(np.negative)


def assert_together(fits, n_fits, n_rows, sign=1):
    assert len(fits) == n_fits
    for X, labels in fits:
        assert len(X) in n_rows
        assert_same_bits(sign * X[:, 0], np.asarray(labels, float))


@every_labelled_detector
def test_labels_are_routed_through_a_pipeline(name, device, routing, fits):
    detector = tiny(name, device=device, max_epochs=1).set_fit_request(labels=True)
    pipeline = make_pipeline(FLIP, detector).fit(marked(), labels=LABELS)
    assert_together(fits, 1, [48], sign=-1)
    known = pipeline[-1].labels_[LABELS != 0]
    assert_same_bits(known, LABELS[LABELS != 0])


def test_labels_are_passed_through_a_pipeline_by_the_name_of_the_step(device, fits):
    pipeline = make_pipeline(FLIP, tiny("WALDO", device=device, max_epochs=1))
    pipeline.fit(marked(), waldo__labels=LABELS)
    assert_together(fits, 1, [48], sign=-1)


@every_labelled_detector
def test_labels_are_split_with_the_rows_in_a_search(name, device, routing, fits):
    detector = tiny(name, device=device, max_epochs=1).set_fit_request(labels=True)
    search = GridSearchCV(
        make_pipeline(FLIP, detector),
        {f"{name.lower()}__latent_dim": [1, 2]},
        scoring=roc_auc(),
        cv=3,
        error_score="raise",
    ).fit(marked(), np.arange(48) % 2, labels=LABELS)
    assert_together(fits, 7, [32, 48], sign=-1)
    assert len(search.best_estimator_[-1].labels_) == 48


@every_labelled_detector
def test_labels_are_split_with_the_rows_in_cross_validation(name, device, routing, fits):
    detector = tiny(name, device=device, max_epochs=1).set_fit_request(labels=True)
    results = cross_validate(
        make_pipeline(FLIP, detector),
        marked(),
        np.arange(48) % 2,
        scoring=roc_auc(),
        cv=3,
        params={"labels": pd.Series(LABELS, index=range(100, 148))},
        return_estimator=True,
        error_score="raise",
    )
    assert_together(fits, 3, [32], sign=-1)
    assert [len(estimator[-1].labels_) for estimator in results["estimator"]] == [32] * 3


@every_labelled_detector
def test_labels_that_are_not_requested_raise_an_error(name, device, routing):
    pipeline = make_pipeline(FLIP, tiny(name, device=device))
    with pytest.raises(UnsetMetadataPassedError, match=f"labels.*{name}.fit"):
        pipeline.fit(marked(), labels=LABELS)


@every_labelled_detector
def test_labels_can_be_requested_for_partial_fit(name, routing):
    detector = tiny(name).set_partial_fit_request(labels=True).set_fit_request(labels="known")
    request = detector.get_metadata_routing()
    assert request.partial_fit.requests == {"labels": True}
    assert clone(detector).get_metadata_routing().fit.requests == {"labels": "known"}


@pytest.mark.parametrize("name", sorted({*DETECTORS} - {*LABELLED}))
def test_other_detectors_do_not_accept_labels(name):
    with pytest.raises(TypeError, match="labels"):
        tiny(name).fit(table(), labels=LABELS)


@every_labelled_detector
@pytest.mark.parametrize("routed", [False, True])
def test_true_labels_do_not_leak_through_y(name, routed, device, fits):
    truth = LABELS == -1
    detector = tiny(name, device=device, max_epochs=1)
    with sklearn.config_context(enable_metadata_routing=routed):
        cross_val_score(detector, table(), truth, scoring="roc_auc", cv=3, error_score="raise")
    assert [labels for _, labels in fits] == [None] * 3
    without = state(clone(detector).fit(table()))
    for y in (LABELS, truth, 1 - 2 * truth):
        assert_same_bits(state(clone(detector).fit(table(), y)), without)
        assert_same_bits(state(clone(detector).partial_fit(table(), y)), without)


@every_labelled_detector
def test_fit_predict_and_fit_transform_accept_labels(name, device):
    expected = tiny(name, device=device).fit(table(), labels=LABELS)
    decided = tiny(name, device=device).fit_predict(table(), labels=LABELS)
    assert_same_bits(decided, expected.predict(table()))
    codes = tiny(name, device=device).fit_transform(table(), labels=LABELS)
    assert_same_bits(codes, expected.transform(table()))
