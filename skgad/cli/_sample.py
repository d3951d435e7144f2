"""``skgad sample``."""

from argparse import ArgumentParser, Namespace

from ._detectors import DETECTORS, detector_class
from ._files import check_output
from ._formats import check_format, write_table
from ._messages import CommandError, Progress
from ._parser import add_common_arguments, add_model_argument, add_sample_arguments


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_model_argument(parser)
    add_sample_arguments(parser)
    add_common_arguments(parser)


def run(args: Namespace, progress: Progress) -> None:
    """Sample new rows from a saved model."""
    check_output(args.out, overwrite=args.force, inputs=[args.model])
    check_format(args.out)

    from ._models import load_model

    detector = load_model(args.model)["detector"]
    if not hasattr(detector, "sample"):
        generative = [name for name in DETECTORS if hasattr(detector_class(name), "sample")]
        raise CommandError(
            f"{type(detector.detector_).__name__} cannot sample rows. Train one of "
            f"{', '.join(generative)}."
        )
    rows = detector.sample(args.n_rows, kind=args.kind, random_state=args.seed)
    write_table(rows, args.out)
    progress.finish(f"wrote {args.out}: {len(rows)} rows")
