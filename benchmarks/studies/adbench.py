"""Detectors on the development sets of ADBench, trained on normal rows.

Protocols: "one-class" (`split_one_class`) and "dte" (`split_dte`), for which there are published
results.
"""

from functools import partial

from benchmarks.common import cli, results
from benchmarks.common.data import load_development_set
from benchmarks.common.detectors import DEFAULT_GROUPS, GROUPS, METHODS
from benchmarks.common.ranking import rank
from benchmarks.common.splits import split_dte, split_one_class

SPLITS = {"one-class": split_one_class, "dte": split_dte}


def evaluate(protocol, dataset, method, seed, *, data_home):
    """Metrics and times of one fit; for some methods one row for each score."""
    split = SPLITS[protocol](*load_development_set(dataset, data_home), seed)
    # The authors of DTE replace scores that are NaN.
    return rank(method, split, seed, replace_nan=protocol == "dte")


def main(arguments=None):
    parser = cli.argument_parser(__doc__, folders="adbench/", seeds=3)
    parser.add_argument("--protocol", choices=SPLITS, default="one-class")
    parser.add_argument("--methods", nargs="+", choices=[*GROUPS, *METHODS], default=DEFAULT_GROUPS)
    cli.add_datasets(parser)
    args = parser.parse_args(arguments)
    keys = [
        {"protocol": args.protocol, "dataset": dataset, "method": method, "seed": seed}
        for dataset in cli.chosen_datasets(args)
        for seed in range(args.seeds)
        for method in cli.expand(args.methods, GROUPS)
    ]
    results.run("adbench", partial(evaluate, data_home=args.data_home), keys, args.jobs)


if __name__ == "__main__":
    main()
