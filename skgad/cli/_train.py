"""``skgad train``."""

from argparse import ArgumentParser, Namespace

from ._files import check_output
from ._messages import CommandError, Progress
from ._parser import (
    add_checkpoint_argument,
    add_common_arguments,
    add_model_argument,
    add_table_arguments,
    add_training_arguments,
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_table_arguments(parser)
    add_training_arguments(parser)
    add_model_argument(parser)
    add_checkpoint_argument(parser)
    add_common_arguments(parser)


def run(args: Namespace, progress: Progress) -> None:
    """Train on a table and save the model."""
    check_output(args.model, overwrite=args.force, inputs=[args.data])
    if args.checkpoint is not None:
        if args.checkpoint.resolve() == args.model.resolve():
            raise CommandError("--checkpoint and --model are the same file. Pass two files.")
        args.set.append(("checkpoint", str(args.checkpoint)))

    from ._models import save_model, train_model
    from ._parts import is_large, open_training_table
    from ._tables import read_training_table

    progress.update(f"reading {args.data}")
    is_streamed = is_large(args.data)
    table = open_training_table(args) if is_streamed else read_training_table(args)
    model = train_model(table, args, progress)
    save_model(model, args.model)
    progress.finish(f"wrote {args.model}")
