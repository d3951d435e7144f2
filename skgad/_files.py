"""Files that are written completely or not at all."""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def is_replaceable(path: Path) -> bool:
    """Tell whether a path is free, or a regular file (not a device, a pipe or a directory)."""
    return not path.exists() or path.is_file()


@contextmanager
def atomic_write(path: str | os.PathLike, previous: Path | None = None) -> Iterator[Path]:
    """Provide a temporary file to write to, which replaces `path` once it is complete.

    The content is on the disk before it gets its name, so that `path` is always a complete file,
    even after the machine was switched off. A file that is replaced keeps its permissions.

    Parameters
    ----------
    path : str or path-like
        The file. A symbolic link is followed.
    previous : Path or None, default=None
        Name in the same directory under which a file that is replaced is kept.

    Yields
    ------
    temporary : Path
        File in the same directory. It is removed if the block raises.

    Raises
    ------
    OSError
        If `path` is there and not a regular file, or cannot be written.
    """
    path = Path(path).resolve()
    if not is_replaceable(path):
        raise OSError(f"{path} is not a regular file, so it cannot be replaced.")
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        if path.exists():
            temporary.chmod(stat.S_IMODE(path.stat().st_mode))
            if previous is not None:
                _keep(path, previous)
        os.replace(temporary, path)
        _sync_directory(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _keep(path, previous):
    """Give a file a second name. At any time, both names are those of complete files."""
    link = previous.with_name(f".{os.getpid()}-{previous.name}")
    try:
        try:
            os.link(path, link)
        except OSError:  # a file system without links
            shutil.copyfile(path, link)
        os.replace(link, previous)
    finally:
        link.unlink(missing_ok=True)  # still there if both names were of one file


def _sync_directory(directory):
    """Wait until the names of the files of a directory are on the disk."""
    if os.name != "posix":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
