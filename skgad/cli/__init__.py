"""The command line: ``skgad --help`` or ``python -m skgad --help``.

Each command is a module: `_detect`, `_train`, `_score` and `_sample`. They read a table
(`_tables`, `_formats`) and its labels (`_labels`), train or load a model (`_models`,
`_detectors`), and write results (`_results`, `_reasons`, `_files`).

A command imports what it needs when it runs, and checks its files first. So help and errors in the
arguments need neither torch nor scikit-learn, which take seconds to import.

The evaluation goes to stdout and all messages to stderr. The exit code is 0, 2 after an error or
130 after Ctrl-C.
"""

import sys
import traceback
from collections.abc import Sequence

from . import _detect, _sample, _score, _train
from ._messages import CommandError, Progress, one_line_warnings, print_message
from ._parser import make_parser

COMMANDS = {"detect": _detect, "train": _train, "score": _score, "sample": _sample}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    argv : sequence of str or None, default=None
        Command line arguments. None is the arguments of the process.

    Returns
    -------
    exit_code : int
        0 after success, 2 after an error of the user or 130 after Ctrl-C.
    """
    progress = Progress(enabled=sys.stderr.isatty())
    verbose = False
    try:
        with one_line_warnings():
            args = make_parser(COMMANDS).parse_args(argv)
            verbose = args.verbose
            progress.enabled |= verbose
            args.run(args, progress)
        return 0
    except KeyboardInterrupt:
        message, exit_code = "interrupted", 130
    except (CommandError, ValueError, TypeError, OSError) as error:
        if verbose and not isinstance(error, CommandError):
            traceback.print_exc()
        message, exit_code = f"error: {error}", 2
    if progress.enabled:
        print(file=sys.stderr)  # the message starts below the progress
    print_message(message)
    return exit_code
