"""Processor time of TabularEncoder with more and more levels, and with more and more columns."""

import time

import numpy as np
import pandas as pd

from benchmarks.common import cli, results
from skgad.preprocessing import TabularEncoder

#: Number of levels of one column of 100,000 rows.
LEVELS = (10, 1_000, 100_000)
LEVEL_ROWS = 100_000

#: Number of columns of 200 rows.
COLUMNS = (10, 1_000, 15_000)
COLUMN_ROWS = 200


def table_of(kind, size):
    """Frame of a size, and the parameters of its encoder."""
    rng = np.random.default_rng(0)
    if kind in ("levels", "hashed levels"):
        levels = rng.permutation(np.resize(np.arange(size), LEVEL_ROWS))
        texts = [f"level {level}" for level in levels]
        params = {"high_cardinality": "hash"} if kind == "hashed levels" else {}
        return pd.DataFrame({"text": texts}), params
    names = [f"column {j}" for j in range(size)]
    if kind == "columns of text":
        return pd.DataFrame(rng.choice(["a", "b", "c"], (COLUMN_ROWS, size)), columns=names), {}
    numeric = "piecewise+frequency" if kind == "columns by pieces" else "standard"
    return pd.DataFrame(rng.normal(size=(COLUMN_ROWS, size)), columns=names), {"numeric": numeric}


def evaluate(kind, size):
    """Seconds of the methods of the encoder, in processor time."""
    X, params = table_of(kind, size)
    encoder = TabularEncoder(**params)
    fit, _ = timed(encoder.fit, X)
    transform, Z = timed(encoder.transform, X)
    inverse_transform, _ = timed(encoder.inverse_transform, Z)
    get_feature_names_out, names = timed(encoder.get_feature_names_out)
    return {
        "fit": fit,
        "transform": transform,
        "inverse_transform": inverse_transform,
        "get_feature_names_out": get_feature_names_out,
        "n_outputs": len(names),
    }


def timed(function, *args):
    """Processor time of a call, and its result."""
    start = time.process_time()
    result = function(*args)
    return round(time.process_time() - start, 3), result


def main(arguments=None):
    cli.argument_parser(__doc__, jobs=False).parse_args(arguments)
    kinds = {
        "levels": LEVELS,
        "hashed levels": LEVELS,
        "columns": COLUMNS,
        "columns by pieces": COLUMNS,
        "columns of text": COLUMNS,
    }
    keys = [{"kind": kind, "size": size} for kind, sizes in kinds.items() for size in sizes]
    results.run("encoder_speed", evaluate, keys)


if __name__ == "__main__":
    main()
