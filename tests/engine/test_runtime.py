"""How torch computes: isolation, seeds, devices, interrupts, warnings."""

import contextlib
import inspect
import signal
import threading
import warnings

import numpy as np
import pytest
import torch
from common import assert_same_bits, table, tiny
from torch import nn

from skgad.engine.gradients import input_gradient
from skgad.engine.runtime import (
    INTERNAL_PACKAGES,
    BatchInvariantLinear,
    choose_device,
    draw_seed,
    first_interrupt_calls,
    full_precision,
    generator_states,
    isolated_torch_state,
    thread_pools,
    warn,
)

CPU = torch.device("cpu")

# -------------------------------------------------------------------------------- isolation


def test_an_isolated_block_is_seeded_and_leaves_the_generator_alone(device):
    device = torch.device(device)
    before = torch.get_rng_state()
    drawn = []
    for _ in range(2):
        with isolated_torch_state(device, [3]):
            drawn.append((torch.rand(2).tolist(), torch.rand(2, device=device).tolist()))
    assert drawn[0] == drawn[1]
    assert torch.equal(torch.get_rng_state(), before)


def test_an_isolated_block_continues_from_a_state(device):
    device = torch.device(device)
    with isolated_torch_state(device, [3]):
        torch.rand(5, device=device)
        states = generator_states(device)
        expected = torch.rand(5, device=device).tolist()
    with isolated_torch_state(device, [3], states):
        assert torch.rand(5, device=device).tolist() == expected


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_an_isolated_block_has_its_own_defaults(mode):
    with mode(), restored_default_dtype():
        torch.set_default_dtype(torch.float64)
        with isolated_torch_state(CPU, [0]):
            x = torch.ones(1, requires_grad=True)
            assert x.dtype == torch.float32
            assert (2 * x).requires_grad
        assert torch.get_default_dtype() == torch.float64
        assert not torch.is_grad_enabled()


@contextlib.contextmanager
def restored_default_dtype():
    dtype = torch.get_default_dtype()
    try:
        yield
    finally:
        torch.set_default_dtype(dtype)


def test_an_isolated_block_is_left_on_an_error():
    before = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="inside"), isolated_torch_state(CPU, [0]):
        torch.rand(3)
        raise RuntimeError("inside")
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_default_dtype() == torch.float32


def test_threads_enter_an_isolated_block_one_after_the_other():
    entered = threading.Event()

    def enter():
        with isolated_torch_state(CPU, [0]):
            entered.set()

    thread = threading.Thread(target=enter)
    with isolated_torch_state(CPU, [0]):
        thread.start()
        assert not entered.wait(0.1)
    thread.join(timeout=10)
    assert entered.is_set()


# ------------------------------------------------------------------------ seeds and devices


def test_a_seed_is_drawn_from_any_random_state():
    assert draw_seed(3) == draw_seed(3) != draw_seed(4)
    generator = np.random.RandomState(3)
    assert draw_seed(generator) == draw_seed(3)
    assert draw_seed(generator) != draw_seed(3)
    before = np.random.get_state()[1].tolist()
    assert draw_seed(None) != draw_seed(None)
    assert np.random.get_state()[1].tolist() == before


def test_the_device_is_chosen_by_name():
    assert choose_device("cpu") == CPU
    assert choose_device(CPU) == CPU
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_a_continued_training_keeps_its_device():
    trained_on = torch.device("cuda", 1)
    assert choose_device("auto", trained_on) == trained_on
    assert choose_device("cpu", CPU) == CPU
    with pytest.raises(ValueError, match="device='cpu' differs from cuda:1.* Use device='auto'"):
        choose_device("cpu", trained_on)


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("gpu", "device='gpu' is not a device of torch. Use 'auto', 'cpu', 'cuda' or 'cuda:1'"),
        ("xpu", "device='xpu' is not available on this machine. Use 'auto' or 'cpu'"),
        ("meta", "device='meta' computes nothing. Use 'auto', 'cpu' or 'cuda'"),
    ],
)
def test_a_device_that_does_not_exist_raises_an_error(device, message):
    with pytest.raises(ValueError, match=message):
        choose_device(device)


# ------------------------------------------------------------------- batch-invariant layers


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("n_outputs", range(1, 17))
def test_the_output_for_a_row_does_not_depend_on_its_position(n_outputs, bias, device):
    rng = np.random.RandomState(n_outputs)
    for n_inputs in (1, 3, 8, 33, 64):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            layer = nn.Linear(n_inputs, n_outputs, bias=bias).to(device)
        x = torch.from_numpy(rng.normal(size=(1024, n_inputs)).astype(np.float32)).to(device)
        order = torch.from_numpy(rng.permutation(1024)).to(device)
        with torch.inference_mode(), BatchInvariantLinear():
            straight, permuted = layer(x).cpu().numpy(), layer(x[order]).cpu().numpy()
            rolled = layer(x.roll(5, 0)).cpu().numpy()
        assert_same_bits(permuted, straight[order.cpu().numpy()])
        assert_same_bits(rolled, np.roll(straight, 5, 0))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("n_inputs", range(1, 17))
def test_the_gradient_of_a_row_does_not_depend_on_its_position(n_inputs, bias, device):
    rng = np.random.RandomState(n_inputs)
    for n_outputs in (1, 3, 8, 33, 64):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            layer = nn.Linear(n_inputs, n_outputs, bias=bias).to(device)
        x = torch.from_numpy(rng.normal(size=(1024, n_inputs)).astype(np.float32)).to(device)
        order = torch.from_numpy(rng.permutation(1024)).to(device)

        def gradient(x, layer=layer):
            with torch.inference_mode(), BatchInvariantLinear():
                return input_gradient(lambda x: layer(x).square().sum(-1), x).cpu().numpy()

        straight = gradient(x)
        assert_same_bits(gradient(x[order]), straight[order.cpu().numpy()])
        assert_same_bits(gradient(x.roll(5, 0)), np.roll(straight, 5, 0))


@pytest.mark.parametrize("bias", [True, False])
def test_outputs_and_gradients_do_not_depend_on_the_number_of_threads(bias, several_threads):
    """In blocks of rows, as they are scored. One thread and two once gave different last bits."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1024, 33, generator=generator)
    sizes = (1, 4, 5, 6, 7, 9, 11, 12)
    for n_inputs, n_outputs in [*((n, 33) for n in sizes), *((33, n) for n in sizes)]:
        layer = nn.Linear(n_inputs, n_outputs, bias=bias)
        rows, results = x[:, :n_inputs], {}
        for n_threads in (1, 2):
            torch.set_num_threads(n_threads)
            with torch.inference_mode(), BatchInvariantLinear():
                gradient = input_gradient(lambda x, layer=layer: layer(x).square().sum(-1), rows)
                results[n_threads] = [layer(rows).numpy(), gradient.numpy()]
        for one, other in zip(results[1], results[2], strict=True):
            assert_same_bits(one, other)


@pytest.mark.parametrize("n_members", [1, 2])
@pytest.mark.parametrize("n_features", [5, 6])
def test_scores_do_not_depend_on_the_number_of_threads(n_features, n_members, several_threads):
    rows = table(200, n_features)
    params = {"score_type": "mahalanobis+neighbors+density", "n_members": n_members}
    detector = tiny("WAE", latent_dim=n_features, **params).fit(rows)
    torch.set_num_threads(2)
    assert_same_bits(detector.score_samples(rows), detector.train_scores_)


@pytest.fixture
def several_threads():
    """Restore the number of threads of torch after a test."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_batch_invariant_layers_change_only_the_last_bits(device):
    layer = nn.Linear(30, 5).to(device)
    x = torch.randn(64, 30, generator=torch.Generator().manual_seed(0)).to(device)
    weight, bias = layer.weight.detach(), layer.bias.detach()
    expected = x.double().cpu().numpy() @ weight.double().cpu().numpy().T + bias.cpu().numpy()
    linear = nn.functional.linear
    with torch.inference_mode(), BatchInvariantLinear():
        results = {
            "a layer": layer(x),
            "by position": linear(x, weight, bias),
            "by keyword": linear(x, weight, bias=bias),
            "all by keyword": linear(input=x, weight=weight, bias=bias),
            "without bias": linear(x, weight) + bias,
            "three dimensions": layer(x[None])[0],
            "one dimension": torch.stack([layer(row) for row in x]),
        }
    for name, result in results.items():
        np.testing.assert_allclose(result.cpu(), expected, rtol=1e-4, atol=1e-5, err_msg=name)


def test_the_thread_pools_of_the_process_are_found_once():
    assert thread_pools() is thread_pools()


# ------------------------------------------------------------------------------- interrupts


def test_the_first_interrupt_calls_a_function_and_the_next_one_raises():
    calls = []
    with first_interrupt_calls(lambda: calls.append("called")):
        signal.raise_signal(signal.SIGINT)
        assert calls == ["called"]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert calls == ["called"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_interrupts_are_handled_as_before_after_an_error():
    with pytest.raises(RuntimeError), first_interrupt_calls(print):
        raise RuntimeError
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_of_the_caller_is_not_replaced():
    def handler(*args):
        raise AssertionError("not called")

    before = signal.signal(signal.SIGINT, handler)
    try:
        with first_interrupt_calls(print):
            assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_interrupts_are_left_to_the_main_thread():
    handlers = []

    def enter():
        with first_interrupt_calls(print):
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert handlers == [signal.default_int_handler]


# --------------------------------------------------------------------------------- warnings


def function_in(package, depth):
    """A function that warns ``depth`` calls deep inside a package."""
    namespace = {"__name__": f"{package}.room", "warn": warn}
    exec("def call_0(): warn('careful', FutureWarning)", namespace)
    for i in range(depth):
        exec(f"def call_{i + 1}(): call_{i}()", namespace)
    return namespace[f"call_{depth}"]


@pytest.mark.parametrize("package", sorted(INTERNAL_PACKAGES))
@pytest.mark.parametrize("depth", [0, 1, 5])
def test_a_warning_points_at_the_line_that_called_the_package(package, depth):
    function = function_in(package, depth)
    with pytest.warns(FutureWarning, match="careful") as caught:
        line = inspect.currentframe().f_lineno + 1
        function()
    assert (caught[0].filename, caught[0].lineno) == (__file__, line)


def test_a_warning_points_at_the_last_line_outside_of_the_package():
    inner = function_in("skgad", 2)

    def callback():
        inner()

    outer = {"__name__": "skorch.room", "callback": callback}
    exec("def notify(): callback()", outer)
    with pytest.warns(FutureWarning) as caught:
        outer["notify"]()
    assert caught[0].lineno == callback.__code__.co_firstlineno + 1


def test_a_package_whose_name_only_starts_alike_is_not_internal():
    with pytest.warns(FutureWarning) as caught:
        function_in("skgad_extension", 1)()
    assert caught[0].filename == "<string>"


def test_warnings_are_those_of_users_by_default():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn("careful")
    assert [(w.category, str(w.message), w.filename) for w in caught] == [
        (UserWarning, "careful", __file__)
    ]


def test_a_device_without_float64_is_rejected(monkeypatch):
    def empty(*args, **kwargs):
        raise TypeError("Cannot convert a MPS Tensor to float64 dtype")

    monkeypatch.setattr(torch, "empty", empty)
    with pytest.raises(ValueError, match="device='mps' has no float64"):
        choose_device("mps")


def test_convolutions_on_a_gpu_have_full_precision_until_the_last_block_ends():
    conv = torch.backends.cudnn.conv
    before = conv.fp32_precision
    with full_precision(torch.device("cuda")):
        assert conv.fp32_precision == "ieee"
        with full_precision(torch.device("cuda")):
            assert conv.fp32_precision == "ieee"
        assert conv.fp32_precision == "ieee"
    assert conv.fp32_precision == before
    with full_precision(CPU):
        assert conv.fp32_precision == before
