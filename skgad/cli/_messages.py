"""Messages to the user, all on stderr: errors, warnings and progress."""

import sys
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class CommandError(Exception):
    """An error that the user can fix, reported in one line without a traceback."""


#: Seconds between two lines of progress if stderr is not a terminal.
SECONDS_BETWEEN_LINES = 60.0


class Progress:
    """A line on stderr that shows the current step and is overwritten by the next one.

    Parameters
    ----------
    enabled : bool, default=False
        Whether each step is shown.
    occasional : bool, default=False
        Whether the current step is shown as a line of its own once a minute, if `enabled` is False.
        For files and services, in which lines cannot be overwritten.
    """

    def __init__(self, enabled: bool = False, occasional: bool = False):
        self.enabled = enabled
        self.occasional = occasional
        self.last_line_ = time.monotonic()

    def update(self, text: str) -> None:
        """Replace the line."""
        self._write(text, end="")

    def finish(self, text: str) -> None:
        """Replace the line and start a new one."""
        self._write(text, end="\n")

    def _write(self, text, end):
        if self.enabled:
            print(f"\r{text:<72}", end=end, file=sys.stderr, flush=True)
        elif self.occasional and time.monotonic() - self.last_line_ >= SECONDS_BETWEEN_LINES:
            print_message(text)
            self.last_line_ = time.monotonic()

    def __getstate__(self):
        """Disable progress in saved models."""
        return {"enabled": False, "occasional": False}


def print_message(text: str) -> None:
    """Print a message as one line."""
    print(f"skgad: {' '.join(text.split())}", file=sys.stderr)


def describe_error(error: Exception) -> str:
    """Describe an error: its message, with the type of errors that do not explain themselves."""
    if isinstance(error, (CommandError, ValueError, TypeError, OSError)):
        return str(error)
    name = type(error).__name__
    text = " ".join(str(error).split()).rstrip(".")
    if isinstance(error, MemoryError) or "alloc" in text or "out of memory" in text:
        return f"not enough memory for this table and these settings ({text or name})."
    return f"{name}: {text}. Run the command with --verbose for the traceback."


@contextmanager
def one_line_warnings() -> Iterator[None]:
    """Print warnings as one line, like errors."""

    def show(message, category, filename, lineno, file=None, line=None):
        print_message(f"warning: {message}")

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def quote_names(names: Iterable[object], max_names: int = 8) -> str:
    """Quote names for a message, such as "'a', 'b', 3 more"."""
    quoted = [repr(name) for name in names]
    if len(quoted) > max_names:
        quoted[max_names:] = [f"{len(quoted) - max_names} more"]
    return ", ".join(quoted)
