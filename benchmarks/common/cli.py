"""Command-line options that the scripts share."""

import argparse

from benchmarks.common.data import DATA_HOME
from benchmarks.common.results import script_name
from skgad.datasets import list_adbench, list_oddbench


def argument_parser(doc, *, folders=None, seeds=None, jobs=True):
    """Return a parser with the options that several scripts have.

    Parameters
    ----------
    doc : str
        The docstring of the script. Its first line is the description.
    folders : str, optional
        Folders of the data home that the script reads. Adds ``--data-home``.
    seeds : int, optional
        Default number of seeds. Adds ``--seeds``.
    jobs : bool, default=True
        Whether runs may share the machine. Adds ``--jobs``.
    """
    parser = argparse.ArgumentParser(f"python -m {script_name()}", description=doc.splitlines()[0])
    if folders:
        parser.add_argument(
            "--data-home", default=DATA_HOME, help=f"folder that has {folders} (%(default)s)"
        )
    if seeds:
        parser.add_argument(
            "--seeds", type=int, default=seeds, help="number of seeds (%(default)s)"
        )
    if jobs:
        parser.add_argument(
            "--jobs", type=int, default=1, help="processes, with one thread each (%(default)s)"
        )
    return parser


def add_datasets(parser, default=None, family="adbench"):
    """Add the option ``--datasets``; None stands for all files in the folder of the family."""
    named = " ".join(default) if default else f"all in {family}/"
    parser.add_argument("--datasets", nargs="+", default=default, help=f"default: {named}")
    parser.set_defaults(family=family)


def chosen_datasets(args, family=None):
    """Names of the development sets that ``--datasets`` selects, by default of `args.family`."""
    list_family = {"adbench": list_adbench, "oddbench": list_oddbench}[family or args.family]
    return args.datasets or list_family(args.data_home)


def add_families(parser):
    """Add the options that choose development sets of both families."""
    families = ["oddbench", "adbench"]
    parser.add_argument("--families", nargs="+", choices=families, default=families)
    add_datasets(parser)


def keys_of_families(args):
    """Keys of the runs of ``--methods`` on the datasets of each of ``--families``."""
    datasets = {family: chosen_datasets(args, family) for family in args.families}
    return [
        {"family": family, "dataset": dataset, "method": method, "seed": seed}
        for seed in range(args.seeds)
        for method in args.methods
        for family in args.families
        for dataset in datasets[family]
    ]


def expand(names, groups):
    """Replace each name of a group by the members of the group."""
    return [member for name in names for member in groups.get(name, [name])]
