"""Random numbers: results are reproducible, and global generators are left alone."""

import random

import numpy as np
import pytest
import torch
from common import DETECTORS, Spy, assert_same_bits, differs, samples, state, table, tiny

every_detector = pytest.mark.parametrize("name", DETECTORS)


def generators():
    """States of all global generators."""
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
def test_no_global_generator_is_changed(name, random_state, device):
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
    samples(detector, 5, random_state=None)
    samples(detector, 5, random_state)
    assert generators() == before


@every_detector
def test_a_failed_fit_restores_the_global_generators(name, device):
    before = generators()

    def fail(net):
        raise RuntimeError

    with pytest.raises(RuntimeError):
        tiny(name, device=device, callbacks=[Spy("on_batch_end", fail)]).fit(table())
    assert generators() == before


@every_detector
def test_the_same_random_state_gives_the_same_bits(name, device):
    one = tiny(name, device=device, random_state=3).fit(table())
    torch.rand(5), np.random.uniform(size=5)  # the state of global generators does not matter
    other = tiny(name, device=device, random_state=3).fit(table())
    assert_same_bits(state(one), state(other))
    assert_same_bits(one.score_samples(table()), other.score_samples(table()))
    assert one.offset_ == other.offset_
    assert differs(state(one), state(tiny(name, device=device, random_state=4).fit(table())))


@every_detector
def test_fits_without_a_random_state_differ(name, device):
    fits = []
    for _ in range(2):
        np.random.seed(0)
        torch.manual_seed(0)
        fits.append(state(tiny(name, device=device, random_state=None).fit(table())))
    assert differs(*fits)


@every_detector
def test_a_generator_as_random_state_advances_with_each_fit(name, device):
    rng = np.random.RandomState(0)
    first = tiny(name, device=device).set_params(random_state=rng).fit(table())
    second = tiny(name, device=device).set_params(random_state=rng).fit(table())
    assert differs(state(first), state(second))
    restarted = tiny(name, device=device, random_state=np.random.RandomState(0)).fit(table())
    assert_same_bits(state(first), state(restarted))
