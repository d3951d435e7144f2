"""Training steps that can be captured on a GPU: they never wait for it, nor copy anything to it.

torch's device "meta" stands for the GPU. Its tensors have no values, so reading one raises.
"""

import numpy as np
import pytest
import torch
from common import DETECTORS, LABELLED, build_game, tiny
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from skgad.engine.ensemble import stack_games

VARIANTS = {
    **{name: (name, {}) for name in DETECTORS},
    "AMA, box": ("AMA", {"negatives": "box"}),
    "AMA, replaced": ("AMA", {"negatives": "replaced"}),
    "AMA, no negatives": ("AMA", {"negatives": None}),
    "ARN, both": ("ARN", {"supervised_players": "both", "replaced": 0.1}),
    "ARN, gumbel": ("ARN", {"categorical": "gumbel", "categorical_groups": [(0, 1), (2, 3)]}),
    "RCGAN, uniform": ("RCGAN", {"penalty": "uniform"}),
    "RCGAN, replaced": ("RCGAN", {"penalty": "replaced"}),
    "RCGAN, drawn once": ("RCGAN", {"penalty_size": 20}),
    "WALDO, all": ("WALDO", {"prior_on": "all", "advantage_decay": 0.5}),
}


class WatchDevices(TorchDispatchMode):
    """Record operations that combine or move tensors of several devices."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        tensors = [t for t in tree_leaves((args, kwargs, result)) if torch.is_tensor(t)]
        if len({t.device.type for t in tensors if t.dim()}) > 1:
            self.seen.append(str(func))
        return result


@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize("labels", ["unlabeled", "labeled"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_training_step_neither_waits_for_the_device_nor_copies_to_it(variant, labels, n_members):
    name, params = VARIANTS[variant]
    detector = tiny(name, **params)
    detector.n_features_in_ = 4
    game = stack_games([build_game(detector) for _ in range(n_members)]).to("meta")
    x = torch.empty(*game.leading_shape, 18, 4, device="meta")
    known = np.zeros(18) if labels == "unlabeled" or name not in LABELLED else [-1] * 4 + [1] * 14
    n_moves = 0
    with WatchDevices() as watch:
        for player, loss in game.play(x, torch.as_tensor(known, dtype=torch.int8)):
            loss.sum().backward(
                inputs=[p for p in game.player_parameters(player) if p.requires_grad]
            )
            n_moves += 1
    assert n_moves > 0
    assert not watch.seen
