"""Arguments of the commands. Each function adds one group, which several commands can share."""

import argparse
import ast
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn, Protocol

import skgad

from ._detectors import DETECTORS
from ._messages import CommandError, Progress

#: Number of columns that are given as reasons for an outlier.
N_REASONS = 3


class Command(Protocol):
    """A command, which is a module with these two functions."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of the command."""

    def run(self, args: argparse.Namespace, progress: Progress) -> None:
        """Run the command. The first line of the docstring is its help."""


class Parser(argparse.ArgumentParser):
    """Parser that reports errors in one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        """Raise a `CommandError`."""
        raise CommandError(f"{message} (see {self.prog} --help)")


def make_parser(commands: Mapping[str, Command]) -> Parser:
    """Make the parser of all commands, given by name."""
    parser = Parser(
        prog="skgad",
        description="Find outliers in tables: scores, decisions and reasons.",
        epilog="Outliers are rows that differ from the training rows. 'detect' trains on the "
        "table that it scores. 'train' needs a table with few outliers or none.",
    )
    parser.add_argument("--version", action="version", version=f"skgad {skgad.__version__}")
    subparsers = parser.add_subparsers(required=True, metavar="command", title="commands")
    for name, command in commands.items():
        summary = inspect.getdoc(command.run)
        subparser = subparsers.add_parser(
            name, help=summary, description=summary, allow_abbrev=False
        )
        command.add_arguments(subparser)
        subparser.set_defaults(run=command.run)
    return parser


def add_table_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the table to read, its format and the columns that are not features."""
    group = parser.add_argument_group("table")
    group.add_argument("data", type=Path, help="CSV file with a header, or Parquet file")
    group.add_argument(
        "--sep",
        type=_character,
        default=",",
        metavar="CHAR",
        help=r"separator of CSV columns, \t for a tab (default: %(default)s)",
    )
    group.add_argument(
        "--decimal",
        type=_character,
        default=".",
        metavar="CHAR",
        help="decimal mark of CSV numbers (default: %(default)s)",
    )
    group.add_argument(
        "--encoding", default="utf-8", help="encoding of a CSV file (default: %(default)s)"
    )
    group.add_argument(
        "--ignore",
        action="append",
        default=[],
        metavar="COLUMN",
        help="column that is not a feature, such as a key; copied to the results (repeatable)",
    )
    group.add_argument(
        "--label-column",
        metavar="COLUMN",
        help="column with labels of known anomalies; used for the evaluation, never as a feature",
    )


def add_training_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the detector to train, its parameters and the types of the training columns."""
    group = parser.add_argument_group("training")
    group.add_argument(
        "--detector",
        default="Autoencoder",
        choices=DETECTORS,
        metavar="NAME",
        help=f"{', '.join(DETECTORS)} (default: %(default)s)",
    )
    group.add_argument(
        "--contamination",
        type=float,
        metavar="SHARE",
        help="share of outliers among the training rows, which sets the threshold (default: the "
        "rule of the detector)",
    )
    group.add_argument(
        "--set",
        type=_parameter,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="parameter of the detector, or encoder__NAME=VALUE for the encoder (repeatable)",
    )
    group.add_argument(
        "--categorical",
        action="append",
        default=[],
        metavar="COLUMN",
        help="column of numbers that are codes (repeatable)",
    )
    group.add_argument(
        "--date",
        action="append",
        default=[],
        metavar="COLUMN",
        help="column of dates such as 2024-12-31 or 2024-12-31T23:59 (repeatable)",
    )


def add_model_argument(parser: argparse.ArgumentParser) -> None:
    """Add the model file."""
    parser.add_argument(
        "--model",
        type=Path,
        required=True,
        metavar="FILE",
        help="model file, which is data: loading it runs no code",
    )


def add_checkpoint_argument(parser: argparse.ArgumentParser) -> None:
    """Add the file that saves the training."""
    parser.add_argument(
        "--checkpoint",
        type=Path,
        metavar="FILE",
        help="file that saves the training once a minute; the same command goes on from it after "
        "the process was killed",
    )


def add_results_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the results to write and the labels to evaluate them against."""
    group = parser.add_argument_group("results")
    group.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help="CSV or Parquet file to write scores and decisions to",
    )
    group.add_argument(
        "--anomaly-label",
        metavar="VALUE",
        help="label of anomalies (default: -1 for labels 1 and -1, 1 for labels 0 and 1)",
    )
    group.add_argument(
        "--explain",
        action="store_true",
        help=f"add the {N_REASONS} columns that contribute most to the score of each outlier",
    )
    group.add_argument(
        "--max-explained",
        type=_positive_integer,
        default=100,
        metavar="N",
        help="explain at most N outliers, those with the highest scores (default: %(default)s)",
    )


def add_sample_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the rows to sample."""
    parser.add_argument(
        "-n",
        "--n-rows",
        type=_positive_integer,
        default=1,
        metavar="N",
        help="number of rows (default: %(default)s)",
    )
    parser.add_argument(
        "--kind",
        default="inlier",
        choices=["inlier", "outlier"],
        help="sample inliers or outliers (default: %(default)s)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help="CSV or Parquet file to write the rows to",
    )


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of all commands."""
    parser.add_argument(
        "--force", action="store_true", help="overwrite the output file if it exists"
    )
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")
    parser.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help="show progress even if stderr is not a terminal, and tracebacks",
    )


def _parameter(text):
    """Parse NAME=VALUE, where the value is a Python literal or a text."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text!r}")
    try:
        return name, ast.literal_eval(value)
    except (SyntaxError, ValueError):
        return name, value


def _character(text):
    r"""Parse one character, where \t is a tab."""
    text = text.replace(r"\t", "\t")
    if len(text) != 1 or not text.isascii():
        raise argparse.ArgumentTypeError(f"expected a single ASCII character, got {text!r}")
    return text


def _positive_integer(text):
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a positive integer, got {text!r}")
    return int(text)
