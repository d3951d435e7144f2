"""Tables in files that may be larger than the memory."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ._typing import FloatArray

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ParquetTable", "score_batches"]


def __dir__() -> list[str]:
    return __all__


#: Number of rows of a batch that is read or scored at once.
BATCH_ROWS = 65_536

#: Names under which pandas stores the levels of an index without names.
UNNAMED_INDEX = re.compile(r"__index_level_\d+__")

#: Number of rows that are drawn to fit encoders, finished scores and the threshold.
SAMPLE_ROWS = 100_000


class ParquetTable:
    """Table in Parquet files, of which a few rows at a time are in memory.

    Detectors of skgad and :class:`TabularDetector` train on it and score it. Read more in the
    :ref:`user guide <scale>`.

    .. versionadded:: 0.1

    Parameters
    ----------
    path : str, path-like or sequence of them
        A file, a directory of files with the suffix ``.parquet`` in the order of their names, or
        several files. All of them have the same columns.
    columns : sequence of str or None, default=None
        Columns to read, in this order. None reads all columns.
    window : int, default=131072
        Number of training rows that are shuffled together. In each epoch, the row groups are read
        in a new, random order, and the rows within a window are shuffled. The more row groups a
        window contains, the better the shuffle.

    Attributes
    ----------
    files : list of Path
        The files, in the order of their rows.
    columns : list of str
        Names of the columns.
    shape : tuple of (int, int)
        Number of rows and of columns.

    Raises
    ------
    OSError
        If a file cannot be read. The message names the rows.
    ValueError
        If there is no file, if the files have different columns, or if a file has changed since
        the table was opened.

    Notes
    -----
    Requires pandas and pyarrow. Rows are in the order of the files, and so are their scores. An
    index without a name, which pandas may have stored, is no column. Damaged rows are noticed for
    certain only in files with checksums, such as those of
    ``DataFrame.to_parquet(..., write_page_checksum=True)``.

    Examples
    --------
    >>> import os, tempfile
    >>> import pandas as pd
    >>> from skgad.tables import ParquetTable
    >>> path = os.path.join(tempfile.mkdtemp(), "people.parquet")
    >>> pd.DataFrame({"age": [20.0, 30.0, 40.0], "id": [1, 2, 3]}).to_parquet(path)
    >>> table = ParquetTable(path, columns=["age"])
    >>> table.shape
    (3, 1)
    >>> [len(batch) for batch in table.batches(2)]
    [2, 1]
    """

    def __init__(
        self,
        path: str | os.PathLike | Sequence[str | os.PathLike],
        columns: Sequence[str] | None = None,
        window: int = 131_072,
    ):
        self.files = list_files(path)
        self.window = window
        self._stamps = [stamp(file) for file in self.files]
        schemas, self._groups = [], []  # (file, row group, number of rows)
        for f, file in enumerate(self.files):
            with opened(file) as parquet:
                schemas.append(parquet.schema_arrow)
                metadata = parquet.metadata
                self._groups += [
                    (f, g, metadata.row_group(g).num_rows) for g in range(metadata.num_row_groups)
                ]
        available = [name for name in schemas[0].names if not UNNAMED_INDEX.fullmatch(name)]
        for file, schema in zip(self.files, schemas, strict=True):
            if not schema.equals(schemas[0]):
                raise ValueError(
                    f"All files must have the same columns, but those of {file} differ from those "
                    f"of {self.files[0]}."
                )
        self.columns = list(available if columns is None else columns)
        if unknown := [name for name in self.columns if name not in available]:
            raise ValueError(f"columns names {unknown}, but the columns are {available}.")
        self.shape = (sum(n for *_, n in self._groups), len(self.columns))
        if 0 in self.shape:
            raise ValueError(
                f"{self.files[0]} has {self.shape[0]} rows and {self.shape[1]} columns."
            )
        self._functions: tuple[Callable[[Any], Any], ...] = ()

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.shape[0]

    def __array__(self, *args, **kwargs):
        """Raise an error that says what to pass to an estimator that needs the whole table."""
        raise TypeError(
            "A ParquetTable is not in memory. Only TabularDetector and the detectors of skgad with "
            "networks read it in parts. Pass some of its rows, table.sample(), instead."
        )

    def map(self, function: Callable[[Any], Any]) -> Self:
        """Apply a function to each batch when it is read.

        Parameters
        ----------
        function : callable
            Takes a batch and returns a table with as many rows.

        Returns
        -------
        table : ParquetTable
            A table whose batches are the results. The files are not read yet.
        """
        mapped = copy(self)
        mapped._functions = (*self._functions, function)
        return mapped

    def batches(self, n_rows: int = BATCH_ROWS, *, start: int = 0) -> Iterator["pd.DataFrame"]:
        """Read the table in order.

        Parameters
        ----------
        n_rows : int, default=65536
            Number of rows of each batch but the last one.
        start : int, default=0
            Number of rows to skip. Row groups that are skipped are not read.

        Yields
        ------
        batch : DataFrame of shape (n_rows, n_columns)
            Or the result of the functions of :meth:`map`.
        """
        yield from map(self._apply, rebatched(self._read(range(len(self._groups)), start), n_rows))

    def sample(self, n_rows: int = SAMPLE_ROWS, random_state: int = 0) -> "pd.DataFrame":
        """Draw rows without replacement, in the order of the table.

        Parameters
        ----------
        n_rows : int, default=100000
            Number of rows. A smaller table is returned as a whole.
        random_state : int, default=0
            Seed of the draw.

        Returns
        -------
        rows : DataFrame of shape (n_rows, n_columns)
            Or the result of the functions of :meth:`map`.
        """
        chosen = np.arange(len(self))
        if n_rows < len(self):
            rng = np.random.default_rng(random_state)
            chosen = np.sort(rng.choice(len(self), n_rows, replace=False, shuffle=False))
        parts, start = [], 0
        for batch in self._read(range(len(self._groups))):
            first, last = np.searchsorted(chosen, [start, start + len(batch)])
            parts.append(batch.iloc[chosen[first:last] - start])
            start += len(batch)
        return self._apply(concat(parts))

    def shuffled(self, orders: Callable[[int], Any]) -> Iterator[Any]:
        """Read the row groups in a random order, in windows.

        Parameters
        ----------
        orders : callable
            Takes the number of row groups and returns a permutation of them.

        Yields
        ------
        window : DataFrame of shape (n_rows, n_columns)
            Or the result of the functions of :meth:`map`.
        """
        yield from map(self._apply, rebatched(self._read(orders(len(self._groups))), self.window))

    def check_unchanged(self) -> None:
        """Raise a ValueError if a file has changed since the table was opened."""
        for file, before in zip(self.files, self._stamps, strict=True):
            if stamp(file) != before:
                raise ValueError(
                    f"{file} has changed since the table was opened. Open it again, once nothing "
                    "writes to it."
                )

    def _apply(self, batch):
        for function in self._functions:
            batch = function(batch)
        return batch

    def _read(self, order, start=0):
        """Frames of some row groups, each of at most BATCH_ROWS rows."""
        first_rows = np.cumsum([0, *(n for *_, n in self._groups)])
        for k in order:
            f, g, n = self._groups[k]
            first = first_rows[k]
            if first + n <= start:
                continue
            self.check_unchanged()
            n_read = 0
            try:
                with opened(self.files[f]) as parquet:
                    for part in parquet.iter_batches(BATCH_ROWS, [g], self.columns):
                        frame = part.to_pandas(ignore_metadata=True)
                        n_skipped = max(0, start - first - n_read)
                        n_read += len(frame)
                        if n_skipped < len(frame):
                            yield frame.iloc[n_skipped:]
            except (OSError, *arrow_errors()) as error:
                self.check_unchanged()
                raise OSError(
                    f"Cannot read rows {first + n_read} to {first + n - 1} of the table, in row "
                    f"group {g} of {self.files[f]}: {error}"
                ) from error
        self.check_unchanged()


def score_batches(
    detector: Any, table: ParquetTable, n_rows: int = BATCH_ROWS, *, start: int = 0
) -> Iterator[FloatArray]:
    """Score a table batch by batch, in its order and at constant memory.

    .. versionadded:: 0.1

    Parameters
    ----------
    detector : object
        Fitted detector with the method `score_samples`.
    table : ParquetTable
        Rows to score.
    n_rows : int, default=65536
        Number of rows of each batch but the last one.
    start : int, default=0
        Number of rows to skip, to go on where an earlier run stopped.

    Yields
    ------
    scores : ndarray of shape (n_rows,), float64
        Scores of a batch; higher for more normal rows.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> import pandas as pd
    >>> from sklearn.ensemble import IsolationForest
    >>> from skgad.tables import ParquetTable, score_batches
    >>> path = os.path.join(tempfile.mkdtemp(), "rows.parquet")
    >>> X = pd.DataFrame({"a": np.arange(50.0), "b": 0.0})
    >>> X.to_parquet(path)
    >>> detector = IsolationForest(random_state=0).fit(X)
    >>> scores = np.concatenate([*score_batches(detector, ParquetTable(path), n_rows=20)])
    >>> bool((scores == detector.score_samples(X)).all())
    True
    """
    for batch in table.batches(n_rows, start=start):
        yield detector.score_samples(batch)


def rebatched(frames, n_rows):
    """Yield frames of `n_rows` rows, and the rest, from frames of any number of rows."""
    waiting, n_waiting = [], 0
    for frame in frames:
        waiting.append(frame)
        n_waiting += len(frame)
        while n_waiting >= n_rows:
            joined = concat(waiting)
            yield joined.iloc[:n_rows].reset_index(drop=True)
            waiting, n_waiting = [joined.iloc[n_rows:]], n_waiting - n_rows
    if n_waiting:
        yield concat(waiting)


def concat(frames):
    """Concatenate frames and renumber their rows."""
    import pandas as pd

    return pd.concat(frames, ignore_index=True)


def list_files(path):
    """Files of a path, in order."""
    if not isinstance(path, (str, os.PathLike)):
        files = [file for one in path for file in list_files(one)]
    elif Path(path).is_dir():
        files = sorted(Path(path).glob("*.parquet"))
    else:
        files = [Path(path)]
    if not files:
        raise ValueError(f"{path} contains no file with the suffix .parquet.")
    return files


def stamp(file):
    """Size and time of the last change of a file, by which changes are noticed."""
    status = os.stat(file)
    return status.st_size, status.st_mtime_ns


def opened(file):
    """Open a Parquet file."""
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise ImportError("Parquet files require pyarrow: pip install pyarrow.") from error
    try:
        return parquet.ParquetFile(file, page_checksum_verification=True)
    except FileNotFoundError:
        raise
    except (OSError, *arrow_errors()) as error:
        raise OSError(f"Cannot read {file} as Parquet: {error}") from error


def arrow_errors():
    """Classes of the errors of pyarrow."""
    from pyarrow import ArrowException

    return (ArrowException,)
