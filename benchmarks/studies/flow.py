"""A small normalizing flow for tables: is its likelihood worth a detector of its own?

A RealNVP (Dinh et al., 2017) whose anomaly score is the negative log-likelihood of a row, on the
development sets of ADBench, one-class, on standardized columns.
"""

import math
from functools import partial

import torch
from torch import nn

from benchmarks.common import cli, results
from benchmarks.common.splits import split_of_family
from benchmarks.studies.ranking import measures
from skgad.base import BaseDetector, Game, randn_like

N_LAYERS = 6
N_HIDDEN = 64


class FlowGame(Game):
    """Coupling layers that turn rows into standard normal noise."""

    players = {"flow": ("couplings",)}

    def __init__(self, networks, n_features, **params):
        super().__init__(**params)
        halves = torch.stack([torch.randperm(n_features) % 2 for _ in range(N_LAYERS // 2)]).float()
        self.register_buffer("masks", torch.stack([halves, 1 - halves], 1).flatten(0, 1))
        self.couplings = nn.ModuleList(
            nn.Sequential(
                nn.Linear(n_features, N_HIDDEN),
                nn.ReLU(),
                nn.Linear(N_HIDDEN, N_HIDDEN),
                nn.ReLU(),
                nn.Linear(N_HIDDEN, 2 * n_features),
            )
            for _ in range(N_LAYERS)
        )
        for coupling in self.couplings:  # start at the identity
            nn.init.zeros_(coupling[-1].weight)
            nn.init.zeros_(coupling[-1].bias)

    def play(self, x, labels=None):
        yield "flow", self.score(x + self.noise * randn_like(x)).mean(-1) / x.shape[-1]

    def score(self, x):
        log_determinant = 0
        for mask, coupling in zip(self.masks, self.couplings, strict=True):
            log_scale, shift = coupling(x * mask).chunk(2, dim=-1)
            log_scale = (1 - mask) * 2 * torch.tanh(log_scale / 2)
            x = x * log_scale.exp() + (1 - mask) * shift
            log_determinant = log_determinant + log_scale.sum(-1)
        return (x.square() + math.log(2 * math.pi)).sum(-1) / 2 - log_determinant


class Flow(BaseDetector):
    """RealNVP, trained by maximum likelihood on rows with a little noise."""

    game_class = FlowGame

    noise: float = 0.1


METHODS = {
    "RealNVP": lambda seed: Flow(encoding="standard", random_state=seed),
    "RealNVP on the default codes": lambda seed: Flow(random_state=seed),
}


def evaluate(dataset, method, seed, *, data_home):
    """Measures of one fit, with the split of the study of the baselines."""
    return measures(METHODS[method](seed), split_of_family("adbench", dataset, seed, data_home))


def main(arguments=None):
    parser = cli.argument_parser(__doc__, folders="adbench/", seeds=1)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    cli.add_datasets(parser)
    args = parser.parse_args(arguments)
    keys = [
        {"dataset": dataset, "method": method, "seed": seed}
        for seed in range(args.seeds)
        for method in args.methods
        for dataset in cli.chosen_datasets(args)
    ]
    results.run("flow", partial(evaluate, data_home=args.data_home), keys, args.jobs)


if __name__ == "__main__":
    main()
