"""Rows per second and memory of training and scoring, from a thousand to 100 million rows.

The table has 30 columns, is written in parts to a Parquet file, and never is in memory as a whole:
a detector trains on the first million of its rows or fewer, and the file is scored in batches whose
scores are written to another file. Each size runs in a process of its own, whose peak memory is
compared with that before the first row was read.

With its default, sizes up to a million rows are run. ``--sizes 100000000`` takes about an hour, and
24 GB of disk.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.common import ROOT, cli, results

N_COLUMNS = 30
ROW_GROUP = 65_536
MAX_TRAIN_ROWS = 1_000_000
SIZES = (1_000, 10_000, 100_000, 1_000_000)


def write_rows(path, n_rows):
    """Write rows of numbers, some of which repeat, one row group at a time."""
    import pyarrow as pa
    from pyarrow import parquet

    writer = None
    rng = np.random.default_rng(0)
    for start in range(0, n_rows, ROW_GROUP):
        n = min(ROW_GROUP, n_rows - start)
        columns = rng.standard_normal((N_COLUMNS, n), dtype=np.float32)
        columns[:5] = rng.integers(0, 4, (5, n))
        part = pa.table({f"x{j}": column for j, column in enumerate(columns)})
        writer = writer or parquet.ParquetWriter(path, part.schema, write_page_checksum=True)
        writer.write_table(part)
    writer.close()


def memory_mb(name):
    """Memory of this process in MB: "VmRSS", or its peak "VmHWM" since :func:`reset_peak`."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024


def reset_peak():
    """Start to record the peak of the memory of this process anew."""
    Path("/proc/self/clear_refs").write_text("5")


class Measured:
    """Processor time of a block, and by how much it raised the memory at its peak."""

    def __enter__(self):
        reset_peak()
        self.start, self.before = time.process_time(), memory_mb("VmRSS")
        return self

    def __exit__(self, *_):
        self.seconds = time.process_time() - self.start
        self.growth_mb = memory_mb("VmHWM") - self.before


def measure(n_rows):
    """Figures of a table of some size."""
    import pyarrow as pa
    import torch
    from pyarrow import parquet

    import skgad
    from skgad.tables import ParquetTable, score_batches

    torch.set_num_threads(1)
    n_train = min(n_rows, MAX_TRAIN_ROWS)
    with tempfile.TemporaryDirectory(dir=results.FOLDER.parent) as folder:
        path, train_path = (Path(folder) / name for name in ("rows.parquet", "train.parquet"))
        write_rows(path, n_rows)
        write_rows(train_path, n_train)
        with Measured() as fit:
            detector = skgad.Autoencoder(n_members=1, device="cpu", random_state=0)
            detector.fit(ParquetTable(train_path))
        n_flagged, schema = 0, pa.schema({"score": pa.float64()})
        writer = parquet.ParquetWriter(Path(folder) / "scores.parquet", schema)
        with Measured() as score, writer:
            for scores in score_batches(detector, ParquetTable(path)):
                writer.write_table(pa.table({"score": scores}, schema))
                n_flagged += int((scores < detector.offset_).sum())
        return {
            "file_mb": path.stat().st_size / 2**20,
            "train_rows": n_train,
            "epochs": detector.n_iter_,
            "fit_seconds": fit.seconds,
            "fit_growth_mb": fit.growth_mb,
            "score_seconds": score.seconds,
            "rows_per_second": n_rows / score.seconds,
            "score_growth_mb": score.growth_mb,
            "peak_mb": memory_mb("VmHWM"),
            "flagged": n_flagged / n_rows,
        }


def evaluate(n_rows):
    """Figures of one size, measured in a new process."""
    code = "import json; from benchmarks.studies.scale import measure; "
    code += f"print(json.dumps(measure({n_rows})))"
    command = [sys.executable, "-c", code]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)


def main(arguments=None):
    parser = cli.argument_parser(__doc__, jobs=False)
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=SIZES, help="numbers of rows (%(default)s)"
    )
    args = parser.parse_args(arguments)
    results.run("scale", evaluate, [{"n_rows": n_rows} for n_rows in args.sizes])


if __name__ == "__main__":
    main()
