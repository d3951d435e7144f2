"""Detectors on the development sets of OddBench, which have fixed splits.

The training rows are normal. The seed draws at most 10,000 of them, and seeds the detector.
"""

from functools import partial

from benchmarks.common import cli, results
from benchmarks.common.detectors import DEFAULT_GROUPS, GROUPS, METHODS
from benchmarks.common.ranking import rank
from benchmarks.common.splits import split_as_given
from skgad.datasets import load_oddbench


def evaluate(dataset, method, seed, *, data_home):
    """Metrics and times of one fit; for some methods one row for each score."""
    bunch = load_oddbench(dataset, data_home)
    split = split_as_given(bunch.data_train, bunch.data_test, bunch.target_test, seed)
    return rank(method, split, seed)


def main(arguments=None):
    parser = cli.argument_parser(__doc__, folders="oddbench/", seeds=3)
    parser.add_argument("--methods", nargs="+", choices=[*GROUPS, *METHODS], default=DEFAULT_GROUPS)
    cli.add_datasets(parser, family="oddbench")
    args = parser.parse_args(arguments)
    keys = [
        {"dataset": dataset, "method": method, "seed": seed}
        for dataset in cli.chosen_datasets(args)
        for seed in range(args.seeds)
        for method in cli.expand(args.methods, GROUPS)
    ]
    results.run("oddbench", partial(evaluate, data_home=args.data_home), keys, args.jobs)


if __name__ == "__main__":
    main()
