"""The state of a detector: pickles, clones, parameters, and what no method changes."""

import copy
import pickle

import joblib
import numpy as np
import pytest
from common import DETECTORS, Spy, assert_same_bits, fitted, outputs, state, table, tiny
from sklearn.base import clone

from skgad.callbacks import WeightAveraging

every_detector = pytest.mark.parametrize("name", DETECTORS)


@every_detector
def test_inference_never_changes_the_detector(name, device):
    rows = table()
    detector = tiny(name, device=device).fit(rows)
    before = pickle.dumps(detector)
    detector.decision_function(rows)
    outputs(detector, rows)
    assert pickle.dumps(detector) == before
    assert not detector.net_.module_.training


@every_detector
def test_results_are_writable_and_not_views_of_the_detector(name, device):
    rows = table()
    detector = tiny(name, device=device).fit(rows)
    before = pickle.dumps(detector)
    for result in outputs(detector, rows).values():
        result[...] = 0
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
        detector.set_params(ema_decay=None)  # the callback above averages already
    parameters = detector.get_params(deep=False)
    description, original = repr(detector), rows.copy()
    detector.fit(rows).partial_fit(rows)
    assert epochs == [1, 2, 3]  # a clone of the callback was called
    assert_same_bits(rows, original)
    assert (vars(callback), vars(stateful)) == attributes
    assert net_params == {"optimizer__betas": (0.5, 0.9)}
    after = detector.get_params(deep=False)
    assert all(after[key] is parameters[key] for key in parameters)
    assert repr(detector) == description


@every_detector
def test_a_pickle_gives_the_same_bits(name, device, tmp_path):
    rows = table()
    detector = tiny(name, device=device, max_epochs=1, warm_start=True).fit(rows)
    joblib.dump(detector, tmp_path / "detector.joblib")
    loaded = [pickle.loads(pickle.dumps(detector)), joblib.load(tmp_path / "detector.joblib")]
    for other in loaded:
        assert_same_bits(outputs(detector, rows), outputs(other, rows))
    detector.partial_fit(rows)
    for other in loaded:  # the optimizer and the generators are pickled, too
        assert_same_bits(state(other.partial_fit(rows)), state(detector))


@every_detector
def test_a_pickle_contains_the_optimizer_state_only_with_warm_start(name, device):
    detector = tiny(name, device=device).fit(table())
    loaded = pickle.loads(pickle.dumps(detector))
    assert detector.net_.optimizer_.state
    assert not loaded.net_.optimizer_.state
    assert copy.deepcopy(detector).net_.optimizer_.state
    copied = copy.copy(copy.deepcopy(detector)).set_params(warm_start=True)
    assert pickle.loads(pickle.dumps(copied)).net_.optimizer_.state
    loaded.partial_fit(table())
    assert loaded.n_iter_ == 3
    assert np.isfinite(loaded.score_samples(table())).all()
    with_state = pickle.dumps(detector.set_params(warm_start=True))
    assert pickle.loads(with_state).net_.optimizer_.state
    assert len(pickle.dumps(detector.set_params(warm_start=False))) < len(with_state)


@every_detector
def test_a_pickle_is_smaller_than_the_training_rows(name, device):
    rows = table(n_samples=5000)
    detector = tiny(name, device=device, batch_size=500, max_epochs=2, early_stopping=True)
    detector.fit(rows)
    rows_bytes = rows.astype(np.float32).nbytes
    scores_bytes = detector.train_scores_.nbytes
    assert len(pickle.dumps(detector)) - scores_bytes < rows_bytes


@every_detector
def test_a_clone_is_unfitted_and_has_the_same_parameters(name, device):
    detector = fitted(name, device, callbacks=None)
    cloned = clone(detector)
    assert repr(cloned) == repr(detector)
    assert not [key for key in vars(cloned) if key.endswith("_")]
    assert_same_bits(state(cloned.fit(table())), state(detector))


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
    expected = detector.default_networks.get_params() | {"hidden_layer_sizes": (3,)}
    assert detector.networks.get_params() == expected
