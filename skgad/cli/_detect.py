"""``skgad detect``."""

from argparse import ArgumentParser, Namespace

from ._files import check_output
from ._formats import check_format
from ._messages import Progress
from ._parser import (
    add_common_arguments,
    add_results_arguments,
    add_table_arguments,
    add_training_arguments,
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_table_arguments(parser)
    add_results_arguments(parser)
    add_training_arguments(parser)
    add_common_arguments(parser)


def run(args: Namespace, progress: Progress) -> None:
    """Train on a table and score its rows."""
    check_output(args.out, overwrite=args.force, inputs=[args.data])
    check_format(args.out)

    from ._labels import read_labels
    from ._models import train_model
    from ._results import check_copied_columns, write_results
    from ._tables import excluded_columns, read_training_table

    progress.update(f"reading {args.data}")
    table = read_training_table(args)
    check_copied_columns(excluded_columns(args), args)  # with those that look like keys
    is_anomaly = read_labels(table, args.label_column, args.anomaly_label)
    model = train_model(table, args, progress)
    write_results(model, table, is_anomaly, args, progress)
