"""The command line: ``skgad --help`` or ``python -m skgad --help``.

Each command is a module: `_detect`, `_train`, `_score` and `_sample`. They read a table
(`_tables`, `_formats`) and its labels (`_labels`), train or load a model (`_models`,
`_detectors`), and write results (`_results`, `_reasons`, `_files`).

A command imports what it needs when it runs, and checks its files first. So help and errors in the
arguments need neither torch nor scikit-learn, which take seconds to import.

The evaluation goes to stdout and all messages to stderr. The exit code is 0, 2 after an error, 130
after Ctrl-C or 143 after SIGTERM.
"""

import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from . import _detect, _sample, _score, _train
from ._messages import CommandError, Progress, describe_error, one_line_warnings, print_message
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
        0 after success, 2 after an error, 130 after Ctrl-C or 143 after SIGTERM.
    """
    progress = Progress(enabled=sys.stderr.isatty(), occasional=True)
    verbose = False
    try:
        with one_line_warnings(), orderly_termination():
            args = make_parser(COMMANDS).parse_args(argv)
            verbose = args.verbose
            progress.enabled |= verbose
            args.run(args, progress)
        return 0
    except KeyboardInterrupt:
        message, exit_code = "interrupted", 130
    except Terminated:
        message, exit_code = "terminated", 143
    except Exception as error:
        if verbose and not isinstance(error, CommandError):
            traceback.print_exc()
        message, exit_code = f"error: {describe_error(error)}", 2
    if progress.enabled:
        print(file=sys.stderr)  # the message starts below the progress
    print_message(message)
    return exit_code


class Terminated(BaseException):
    """The process was asked to terminate. It is not an Exception, which a library may catch."""


@contextmanager
def orderly_termination() -> Iterator[None]:
    """Let SIGTERM end the block like Ctrl-C, so that unfinished files are removed."""
    before = signal.getsignal(signal.SIGTERM)
    if (
        threading.current_thread() is not threading.main_thread() or before is not signal.SIG_DFL
    ):  # the caller has a handler of their own
        yield
        return

    def terminate(*_):
        raise Terminated

    signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
