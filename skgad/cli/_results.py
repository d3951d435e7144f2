"""Results of a table: scores, decisions and reasons, written next to the columns copied from it."""

from argparse import Namespace
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from .._typing import FloatArray
from ._formats import write_table
from ._labels import print_evaluation
from ._messages import CommandError, Progress, quote_names
from ._models import Model
from ._reasons import REASON_COLUMNS, check_explainable, find_reasons

if TYPE_CHECKING:
    import pandas as pd


def check_copied_columns(names: Iterable[str], args: Namespace) -> None:
    """Raise an error if results would overwrite columns copied from the table."""
    results = {"anomaly_score", "decision", *(REASON_COLUMNS if args.explain else ())}
    overwritten = sorted(results.intersection(names))
    if overwritten:
        raise CommandError(
            f"The results would overwrite {quote_names(overwritten)} of {args.data}. Rename or "
            "remove these columns."
        )


def write_results(
    model: Model,
    table: "pd.DataFrame",
    is_anomaly: FloatArray | None,
    args: Namespace,
    progress: Progress,
) -> None:
    """Score the rows of a table, write the results and print the evaluation.

    The reasons, which can take minutes, are added to results that have been written before.
    """
    if args.explain:
        check_explainable(model)
    X = table[[*model["background"]]]
    progress.update(f"scoring {len(X)} rows")
    scores = -model["detector"].score_samples(X)
    is_outlier = model["detector"].predict(X) == -1
    results = table.drop(columns=[*X])
    results["anomaly_score"] = scores
    results["decision"] = np.where(is_outlier, "outlier", "inlier")
    if args.explain:
        write_table(results, args.out)  # so that it is there if the reasons are interrupted
        reasons = find_reasons(
            model,
            X,
            scores,
            is_outlier,
            max_explained=args.max_explained,
            random_state=args.seed,
            progress=progress,
        )
        results = results.assign(**reasons)
    write_table(results, args.out)
    progress.finish(f"wrote {args.out}: {len(X)} rows, {is_outlier.sum()} outliers")
    if is_anomaly is not None:
        print_evaluation(is_anomaly, scores, is_outlier)
