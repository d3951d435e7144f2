"""Large Parquet files: trained on and scored in parts, without loading the whole table."""

import json
import shutil
from argparse import Namespace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from .._files import atomic_write
from ..tables import ParquetTable, concat
from ._formats import import_pandas, is_parquet, write_table
from ._labels import print_evaluation, read_labels
from ._messages import CommandError, Progress
from ._models import Model
from ._results import check_copied_columns
from ._tables import ignore_keys, prepare_scoring_table, prepare_training_table

#: Larger Parquet files are read in parts of so many rows.
PART_ROWS = 262_144


def is_large(path: Path) -> bool:
    """Tell whether a file is read in parts."""
    if not (path.is_file() and is_parquet(path) and find_spec("pyarrow")):
        return False
    try:
        return len(ParquetTable(path)) > PART_ROWS
    except (OSError, ValueError):  # reported when it is read
        return False


def open_training_table(args: Namespace) -> ParquetTable:
    """Table to train on, with the features only, and the column types given by the arguments."""
    import_pandas()
    table = ParquetTable(args.data)
    head = prepare_training_table(next(table.batches(1)), args)
    ignore_keys(prepare_training_table(table.sample(), args), args)
    excluded = {*args.ignore, args.label_column}
    features = [name for name in head if name not in excluded]
    if not features:
        raise CommandError(f"No feature is left: all columns of {args.data} are ignored.")
    prepare = partial(prepare_training_table, args=args, check=False)
    return ParquetTable(args.data, features).map(prepare)


def score_in_parts(model: Model, args: Namespace, progress: Progress) -> None:
    """Score a table in parts, join their results, and print the evaluation.

    The parts are kept in a directory next to the output until they are joined, so that a run that
    fails can go on.
    """
    import_pandas()
    table = ParquetTable(args.data)
    prepare = partial(
        prepare_scoring_table, args=args, features=model["background"], ignored=model["ignored"]
    )
    head = prepare(next(table.batches(1)))
    check_copied_columns(head.columns.difference(model["background"].columns), args)
    is_anomaly = None
    if args.label_column is not None:
        labels = concat([*ParquetTable(args.data, [args.label_column]).batches()])
        is_anomaly = read_labels(labels, args.label_column, args.anomaly_label)
    folder = args.out.with_name(args.out.name + ".parts")
    n_rows, n_parts = len(table), -(-len(table) // PART_ROWS)
    n_done = _start_or_go_on(folder, args)
    rows = ParquetTable(args.data, [*head]).map(prepare)
    try:
        for part in rows.batches(PART_ROWS, start=n_done * PART_ROWS):
            progress.update(f"scoring row {n_done * PART_ROWS} of {n_rows}")
            write_table(_results(model, part), _part(folder, n_done))
            n_done += 1
        progress.update(f"joining {n_parts} parts")
        scores, is_outlier = _join(folder, n_parts, args.out, keep_scores=is_anomaly is not None)
    except (CommandError, ValueError, TypeError, OSError) as error:
        raise CommandError(
            f"{error} The results of {min(n_done * PART_ROWS, n_rows)} of {n_rows} rows are kept "
            f"in {folder}. Run the same command again to go on from there."
        ) from error
    shutil.rmtree(folder)
    progress.finish(f"wrote {args.out}: {n_rows} rows, {is_outlier.sum()} outliers")
    if is_anomaly is not None:
        print_evaluation(is_anomaly, scores, is_outlier)


def _part(folder, number):
    return folder / f"{number:06d}.parquet"


def _start_or_go_on(folder, args):
    """Number of the parts that an earlier run of the same command has written."""
    now = {"part_rows": PART_ROWS, "ignored": args.ignore, "label_column": args.label_column}
    for file in (args.data, args.model):
        status = file.stat()
        now[str(file)] = [status.st_size, status.st_mtime_ns]
    description = folder / "run.json"
    if folder.exists() and (before := _read_json(description)) != now:
        if before is None:
            raise CommandError(f"{folder} is in the way of the results. Remove or rename it.")
        if not args.force:
            raise CommandError(
                f"{folder} contains results of another table, model or command, or the files have "
                "changed. Remove it, or pass --force to start again."
            )
        shutil.rmtree(folder)
    folder.mkdir(exist_ok=True)
    if not description.exists():
        with atomic_write(description) as temporary:
            temporary.write_text(json.dumps(now))
    n_done = 0
    while _part(folder, n_done).exists():
        n_done += 1
    return n_done


def _read_json(path):
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def _results(model, part):
    """Scores and decisions of some rows, next to the columns copied from the table."""
    features, detector = [*model["background"]], model["detector"]
    scores = detector.score_samples(part[features])
    results = part.drop(columns=features)
    results["anomaly_score"] = -scores
    results["decision"] = np.where(scores < detector.offset_, "outlier", "inlier")
    return results


def _join(folder, n_parts, path, *, keep_scores):
    """Write the results of all parts to one file; return the scores if they are to be kept."""
    import pyarrow as pa
    from pyarrow import parquet

    files = [_part(folder, k) for k in range(n_parts)]
    # A column of integers has floats in parts with missing values.
    schema = pa.unify_schemas(
        [parquet.read_schema(file).remove_metadata() for file in files],
        promote_options="permissive",
    )
    scores, is_outlier = [], []
    with atomic_write(path) as temporary:
        if is_parquet(path):
            writer = parquet.ParquetWriter(temporary, schema, write_page_checksum=True)
        else:
            writer = None
        try:
            for k, file in enumerate(files):
                part = parquet.read_table(file).cast(schema)
                if writer is not None:
                    writer.write_table(part)
                else:
                    part.to_pandas().to_csv(temporary, mode="a", header=k == 0, index=False)
                is_outlier.append(np.asarray(part["decision"]) == "outlier")
                if keep_scores:
                    scores.append(np.asarray(part["anomaly_score"]))
        finally:
            if writer is not None:
                writer.close()
    return np.concatenate(scores) if keep_scores else None, np.concatenate(is_outlier)
