"""Output files: checked before any work starts."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile

from .._files import is_replaceable
from ._messages import CommandError


def check_output(path: Path, *, overwrite: bool, inputs: Sequence[Path]) -> None:
    """Raise an error if a file cannot or must not be written."""
    if path.is_dir():
        raise CommandError(f"{path} is a directory. Pass the name of a file.")
    if not is_replaceable(path):
        raise CommandError(f"{path} is not a regular file. Pass the name of a file.")
    if path.exists() and any(file.exists() and path.samefile(file) for file in inputs):
        raise CommandError(f"{path} is the input and would be lost. Pass another output file.")
    if path.exists() and not overwrite:
        raise CommandError(f"{path} already exists. Pass --force to overwrite it.")
    try:
        TemporaryFile(dir=path.resolve().parent).close()
    except OSError as error:
        raise CommandError(f"Cannot write {path} to its directory: {error.strerror}.") from error
