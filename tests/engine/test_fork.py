"""Processes that are forked while another thread trains."""

import contextlib
import os
import signal
import threading
import time

import pytest
import torch
from common import Spy, assert_same_bits, table, tiny

from skgad.engine import runtime
from skgad.engine.runtime import forget_other_threads, full_precision, isolated_torch_state

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork.*:DeprecationWarning"),
]

CPU = torch.device("cpu")


def run_in_a_fork(function, seconds=60):
    """Whether a function returns, without an error, in a forked process."""
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            function()
            os._exit(0)
        os._exit(1)
    for _ in range(20 * seconds):
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return status == 0
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return False


@contextlib.contextmanager
def another_thread_in(block):
    """Let another thread be inside of a context manager."""
    entered, leave = threading.Event(), threading.Event()

    def stay():
        with block:
            entered.set()
            leave.wait(60)

    thread = threading.Thread(target=stay)
    thread.start()
    assert entered.wait(60)
    try:
        yield
    finally:
        leave.set()
        thread.join()


def test_a_forked_process_trains_while_a_thread_of_its_parent_does():
    expected = tiny("ALAD").fit(table()).score_samples(table())
    entered, leave = threading.Event(), threading.Event()

    def wait(net):
        entered.set()
        leave.wait(60)

    training = tiny("ALAD", n_members=2, callbacks=[Spy("on_epoch_begin", wait)])
    thread = threading.Thread(target=training.fit, args=(table(),))
    thread.start()
    assert entered.wait(60)
    try:
        assert run_in_a_fork(
            lambda: assert_same_bits(tiny("ALAD").fit(table()).score_samples(table()), expected)
        )
    finally:
        leave.set()
        thread.join()
    assert_same_bits(training.score_samples(table()), training.train_scores_)


def test_a_forked_process_has_the_state_of_torch_from_before_the_training():
    states = torch.get_rng_state()

    def check():
        assert torch.equal(torch.get_rng_state(), states)
        assert torch.get_default_dtype() == torch.float64
        assert not runtime._undo

    torch.set_default_dtype(torch.float64)
    try:
        with another_thread_in(isolated_torch_state(CPU, [3])):
            assert not torch.equal(torch.get_rng_state(), states)
            assert run_in_a_fork(check)
            assert torch.get_default_dtype() == torch.float32  # in the parent
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(torch.get_rng_state(), states)


def test_a_process_that_the_training_thread_forks_keeps_the_state_of_the_training():
    with isolated_torch_state(CPU, [3]):
        states = torch.get_rng_state()
        assert run_in_a_fork(lambda: torch.testing.assert_close(torch.get_rng_state(), states))
        with isolated_torch_state(CPU, [4]):
            pass
    assert runtime._holder is None
    assert not runtime._undo


def test_a_forked_process_has_the_precision_from_before_the_training():
    conv = torch.backends.cudnn.conv
    before = conv.fp32_precision

    def check():
        assert conv.fp32_precision == before
        with full_precision(torch.device("cuda")):
            assert conv.fp32_precision == "ieee"
        assert conv.fp32_precision == before

    with another_thread_in(full_precision(torch.device("cuda"))):
        assert run_in_a_fork(check)
        with full_precision(torch.device("cuda")):
            assert run_in_a_fork(lambda: forget_other_threads() or conv.fp32_precision == "ieee")
    assert conv.fp32_precision == before
