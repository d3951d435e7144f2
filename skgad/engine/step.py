"""The training step on one mini-batch, captured as a CUDA graph where this is possible."""

import logging
from collections import Counter
from contextlib import contextmanager

import torch
from skorch.callbacks import Callback, GradientNormClipping

from ..callbacks import WeightAveraging
from ..networks._random import current_generators, default_generator

logger = logging.getLogger(__name__)

#: How often a step is played before it is captured. torch prescribes a few rounds, in which
#: libraries are initialized and the optimizer gets its state.
N_WARM_UP = 3

#: Largest number of graphs of one training. Each of them keeps the memory of its step.
MAX_GRAPHS = 4

#: Methods of callbacks that are called for each mini-batch.
BATCH_METHODS = ("on_batch_begin", "on_batch_end", "on_grad_computed")

#: Types of plain values, which a captured step takes as given.
PLAIN = (bool, int, float, complex, str, tuple, type(None))


class Step:
    """Play mini-batches, and capture and replay what recurs.

    Mini-batches have the same layout if their rows have the same shape, their labels are the same
    and the game is in the same phase. A layout is played a few times, then captured, and replayed
    from then on. Others, such as that of an incomplete last mini-batch in a training of few epochs,
    are played. Captured or not, the step computes the same bits.

    Parameters
    ----------
    net : AdversarialNet
        The net that is trained. Its method `_play` plays a mini-batch.
    recorder : object or None
        Captures functions, such as a :class:`CUDARecorder`. None if steps are only played.

    Attributes
    ----------
    obstacle : str or None
        Why steps are not captured. None if they are.
    has_averaged : bool
        Whether the last step included the averages of the weights.
    """

    def __init__(self, net, recorder):
        self.net = net
        self.recorder = recorder
        self.obstacle = None
        self.has_averaged = False
        self.graphs, self.n_played, self.players_of = {}, Counter(), {}
        self.averaging = [c for _, c in net.callbacks_ if isinstance(c, WeightAveraging)]
        optimizer, device = net.optimizer_, net.module_.device
        is_known = type(optimizer).__module__.startswith("torch.optim")
        # On a GPU even if nothing is captured: a float32 rate gives other bits than a number.
        self.has_tensor_rates = is_known and (device.type == "cuda" or recorder is not None)
        dtype = torch.float64 if device.type == "cpu" else torch.float32  # what Adam takes
        self.rates = [torch.empty((), dtype=dtype, device=device) for _ in optimizer.param_groups]
        if recorder is None:
            self.obstacle = "steps are captured on CUDA devices only, and if capture=True"
        elif not is_known:
            self._give_up(f"the optimizer {type(optimizer).__name__} is not one of torch.optim")
        for _, callback in net.callbacks_:
            if (method := method_for_each_batch(callback)) is not None:
                name = f"{type(callback).__name__}.{method}"
                self._give_up(f"the callback {name} is called for each mini-batch")

    def __call__(self, x, labels):
        """Train on a mini-batch.

        Parameters
        ----------
        x : Tensor
            Rows.
        labels : Tensor or None
            Known labels of the rows.

        Returns
        -------
        losses : dict of str to Tensor
            Loss of each player, averaged over its moves; shape (...).
        """
        self.has_averaged = self.obstacle is None
        labels = None if labels is None else labels.cpu()
        if self.has_tensor_rates:
            for rate, group in zip(self.rates, self.net.optimizer_.param_groups, strict=True):
                rate.fill_(group["lr"])
        if self.obstacle is not None:
            return average_by_player(self._play(x, labels))
        known = None if labels is None else labels.numpy().tobytes()
        layout = (tuple(x.shape), known, self.net.module_.game.phase)
        if layout not in self.graphs and not self._is_ready(layout):
            return self._warm_up(layout, x, labels)
        if layout not in self.graphs:
            try:
                self.graphs[layout] = Graph(self, x, labels)
            except RuntimeError as error:
                for parameter in self.net.module_.parameters():
                    parameter.grad = None
                game, reason = type(self.net.module_.game).__name__, str(error).partition("\n")[0]
                losses = average_by_player(self._play(x, labels))
                self._give_up(f"{game} or its networks cannot be captured ({reason})")
                return losses
        return self.graphs[layout].replay(x)

    def begin_epoch(self):
        """Forget graphs that take something as given that has changed since."""
        if self.graphs:
            given = what_is_given(self.net)
            self.graphs = {key: g for key, g in self.graphs.items() if g.given == given}

    def _is_ready(self, layout):
        return self.n_played[layout] >= N_WARM_UP and len(self.graphs) < MAX_GRAPHS

    def _warm_up(self, layout, x, labels):
        """Play, and check that the step is always the same one."""
        before = what_is_given(self.net)
        moves = self.recorder.warm_up(lambda: self._play(x, labels))
        self.n_played[layout] += 1
        players = [player for player, _ in moves]
        game = type(self.net.module_.game).__name__
        if players != self.players_of.setdefault(layout, players):
            self._give_up(
                f"{game} plays other moves on a mini-batch than on an earlier one. If the number "
                "of mini-batches decides, tell it by the attribute 'phase'"
            )
        elif self.n_played[layout] == N_WARM_UP and before != what_is_given(self.net):
            self._give_up(
                f"{game} changes attributes that are not tensors, or replaces tensors, in play. "
                "Keep state in buffers, and change them in place"
            )
        return average_by_player(moves)

    def _play(self, x, labels):
        """Play a mini-batch, with the averages of the weights unless callbacks update them."""
        with self._tensors_as_rates():
            moves = self.net._play(x, labels)
        if self.has_averaged:
            for callback in self.averaging:
                callback.update()
        return moves

    @contextmanager
    def _tensors_as_rates(self):
        """Let the optimizer read its rates from tensors inside the block, callbacks see numbers."""
        if not self.has_tensor_rates:
            yield
            return
        optimizer = self.net.optimizer_
        # Else Adam would warn that a step is not captured.
        optimizer._warned_capturable_if_run_uncaptured = True
        on_gpu = self.net.module_.device.type == "cuda"
        before = [
            {name: group[name] for name in ("lr", "capturable") if name in group}
            for group in optimizer.param_groups
        ]
        try:
            for group, rate in zip(optimizer.param_groups, self.rates, strict=True):
                group["lr"] = rate
                if on_gpu and "capturable" in group:
                    group["capturable"] = True
            yield
        finally:
            for group, values in zip(optimizer.param_groups, before, strict=True):
                group.update(values)

    def _give_up(self, obstacle):
        """Play all steps from now on, and say why."""
        if self.obstacle is None and self.net.verbose:
            logger.warning("The training step is not captured as a CUDA graph: %s.", obstacle)
        self.obstacle = self.obstacle or obstacle
        self.graphs.clear()


class Graph:
    """A captured step, the rows that it reads and the losses that it writes.

    Parameters
    ----------
    step : Step
        Step to capture.
    x, labels
        A mini-batch of the layout.
    """

    def __init__(self, step, x, labels):
        self.x = torch.empty_like(x, memory_format=torch.contiguous_format)
        self.run, self.losses = step.recorder.capture(
            lambda: average_by_player(step._play(self.x, labels))
        )
        self.given = what_is_given(step.net)

    def replay(self, x):
        """Train on a mini-batch of the same layout."""
        self.x.copy_(x, non_blocking=True)
        self.run()
        return {player: loss.clone() for player, loss in self.losses.items()}


class CUDARecorder:
    """Capture functions as CUDA graphs, on a side stream as torch prescribes.

    Parameters
    ----------
    device : torch.device
        Device of the networks.
    """

    def __init__(self, device):
        self.device = device
        self.stream = torch.cuda.Stream(device)

    def warm_up(self, function):
        """Call a function on the side stream, and return its result."""
        current = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            result = function()
        current.wait_stream(self.stream)
        return result

    def capture(self, function):
        """Capture a function, which is not executed.

        Returns
        -------
        replay : callable
            Executes what was captured. It reads and writes the same memory each time.
        result : object
            Result of the function, with the tensors that `replay` writes.
        """
        graph = torch.cuda.CUDAGraph()
        own = [generators[self.device.type] for generators in current_generators()]
        for generator in own:
            graph.register_generator_state(generator)
        generators = [default_generator(self.device), *own]
        states = [generator.clone_state() for generator in generators]
        current = torch.cuda.current_stream(self.device)
        try:
            with torch.cuda.device(self.device), torch.cuda.graph(graph, stream=self.stream):
                result = function()
        except BaseException:
            # torch leaves the side stream current, and the generators as during a capture.
            torch.cuda.set_stream(current)
            for generator, state in zip(generators, states, strict=True):
                generator.graphsafe_set_state(state)
            raise
        return graph.replay, result


def recorder_for(net):
    """The recorder for a net, or None if its steps are only played."""
    device = net.module_.device
    return CUDARecorder(device) if net.capture and device.type == "cuda" else None


def average_by_player(moves):
    """Loss of each player, averaged over its moves."""
    losses = {}
    for player, loss in moves:
        losses.setdefault(player, []).append(loss)
    return {
        player: own[0] if len(own) == 1 else torch.stack(own).mean(0)
        for player, own in losses.items()
    }


def method_for_each_batch(callback):
    """Name of a method that has to be called for each mini-batch, or None.

    Callbacks whose class has a true attribute `capturable` may have such methods. They are called
    as always, but with `on_grad_computed` only the operations on tensors are replayed.
    """
    if getattr(callback, "capturable", False) or type(callback) is GradientNormClipping:
        return None
    for name in BATCH_METHODS:
        if getattr(type(callback), name) is not getattr(Callback, name):
            return name
    return None


def what_is_given(net):
    """What a captured step takes as given: the memory of all tensors, and all plain values."""
    module, optimizer = net.module_, net.optimizer_
    tensors = [*module.parameters(), *module.buffers()]
    tensors += [t for state in optimizer.state.values() for t in state.values()]
    memory = [(t.data_ptr(), t.requires_grad) for t in tensors if torch.is_tensor(t)]
    dicts = [vars(m) for m in module.modules()] + optimizer.param_groups
    values = [
        (name, value)
        for values in dicts
        for name, value in values.items()
        if isinstance(value, PLAIN) and name not in ("lr", "initial_lr")
    ]
    return memory, values
