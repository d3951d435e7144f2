"""Output files: checked before any work starts, and written completely or not at all."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

from ._messages import CommandError


def check_output(path: Path, *, overwrite: bool, inputs: Sequence[Path]) -> None:
    """Raise an error if a file cannot or must not be written."""
    if path.is_dir():
        raise CommandError(f"{path} is a directory. Pass the name of a file.")
    if path.exists() and any(file.exists() and path.samefile(file) for file in inputs):
        raise CommandError(f"{path} is the input and would be lost. Pass another output file.")
    if path.exists() and not overwrite:
        raise CommandError(f"{path} already exists. Pass --force to overwrite it.")
    try:
        TemporaryFile(dir=path.resolve().parent).close()
    except OSError as error:
        raise CommandError(f"Cannot write {path} to its directory: {error.strerror}.") from error


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Provide a temporary file to write to, which replaces `path` once it is complete."""
    path = path.resolve()
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
