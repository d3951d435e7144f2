"""``skgad score``."""

from argparse import ArgumentParser, Namespace

from ._files import check_output
from ._formats import check_format
from ._messages import Progress
from ._parser import (
    add_common_arguments,
    add_model_argument,
    add_results_arguments,
    add_table_arguments,
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_table_arguments(parser)
    add_results_arguments(parser)
    add_model_argument(parser)
    add_common_arguments(parser)


def run(args: Namespace, progress: Progress) -> None:
    """Score the rows of a table with a saved model."""
    check_output(args.out, overwrite=args.force, inputs=[args.data, args.model])
    check_format(args.out)

    from ._labels import read_labels
    from ._models import load_model
    from ._parts import is_large, score_in_parts
    from ._results import check_copied_columns, write_results
    from ._tables import read_scoring_table

    model = load_model(args.model)
    if not args.explain and is_large(args.data):
        score_in_parts(model, args, progress)
        return
    progress.update(f"reading {args.data}")
    table = read_scoring_table(args, model["background"], model["ignored"])
    check_copied_columns(table.columns.difference(model["background"].columns), args)
    is_anomaly = read_labels(table, args.label_column, args.anomaly_label)
    write_results(model, table, is_anomaly, args, progress)
