"""How the choice of the normal training rows changes the figures of k-NN on four datasets.

DTE trains on the first half of the normal rows, in the order of the file. ``studies.adbench``
trains on a random half. The four files have more than 1000 rows, fewer than 10,000 of them normal,
so neither split resamples them or leaves rows out.
"""

from functools import partial

from benchmarks.common import cli, results
from benchmarks.common.data import load_development_set
from benchmarks.common.ranking import rank
from benchmarks.common.splits import split_dte, split_one_class

DATASETS = ("20_letter", "40_vowels", "12_fault", "27_PageBlocks")
SPLITS = {"first half": split_dte, "random half": split_one_class}


def evaluate(split, dataset, seed, *, data_home):
    """Metrics and times of k-NN."""
    return rank("k-NN", SPLITS[split](*load_development_set(dataset, data_home), seed), seed)


def main(arguments=None):
    parser = cli.argument_parser(__doc__, folders="adbench/", seeds=5)
    cli.add_datasets(parser, DATASETS)
    args = parser.parse_args(arguments)
    keys = [
        {"split": split, "dataset": dataset, "seed": seed}
        for split in SPLITS
        for dataset in cli.chosen_datasets(args)
        for seed in range(args.seeds if split == "random half" else 1)
    ]
    results.run("published_splits", partial(evaluate, data_home=args.data_home), keys, args.jobs)


if __name__ == "__main__":
    main()
