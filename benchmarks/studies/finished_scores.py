"""Scores learned after training, and encoded columns, on the development sets of both families.

The detectors of this package are on the columns as they are, or "encoded" with
``encoding="piecewise"``. The score "default" is the method's own score.
"""

import time
from functools import partial

from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.pipeline import make_pipeline

from benchmarks.common import cli, results
from benchmarks.common.detectors import BASELINES, build
from benchmarks.common.splits import split_of_family
from skgad.ensemble import DetectorEnsemble
from skgad.neighbors import KNeighborsDetector
from skgad.preprocessing import PiecewiseLinearEncoder

#: Runs that were recorded before a score existed have no rows for it.
FINISHED = (
    *("mahalanobis", "neighbors", "density"),
    *("mahalanobis+neighbors", "neighbors+density", "mahalanobis+neighbors+density"),
)
DETECTORS = ("CoRA", "ALAD", "WAE", "RCGAN", "AMA", "WALDO", "ARN")


def encoded_neighbors(seed):
    return make_pipeline(PiecewiseLinearEncoder(), KNeighborsDetector())


def with_neighbors(seed):
    """CoRA on encoded columns, together with the neighbors of the encoded rows."""
    cora = build("CoRA", seed, encoding="piecewise", score_type="mahalanobis+neighbors")
    return DetectorEnsemble([("cora", cora), ("neighbors", encoded_neighbors(seed))])


METHODS = {
    **{name: BASELINES[name] for name in ("IsolationForest", "k-NN", "Denoising autoencoder")},
    "k-NN, encoded": encoded_neighbors,
    **{name: partial(build, name) for name in DETECTORS},
    **{f"{name}, encoded": partial(build, name, encoding="piecewise") for name in DETECTORS},
    "CoRA, encoded, and k-NN": with_neighbors,
}


def evaluate(family, dataset, method, seed, *, data_home):
    """AUROC and average precision; for detectors of this package, of each score of one fit."""
    split = split_of_family(family, dataset, seed, data_home)
    detector = METHODS[method](seed)
    start = time.perf_counter()
    detector.fit(split.X_train)
    seconds = time.perf_counter() - start

    def row():
        scores = -detector.score_samples(split.X_test)
        values = {"auroc": roc_auc_score(split.y_test, scores)}
        values["ap"] = average_precision_score(split.y_test, scores)
        return values | {"fit_seconds": seconds}

    rows = [{"score": "default"} | row()]
    if method.split(",")[0] in DETECTORS and hasattr(detector, "set_score_type"):
        for score in FINISHED:
            detector.set_score_type(score, split.X_train)
            rows.append({"score": score} | row())
    return rows


def main(arguments=None):
    parser = cli.argument_parser(__doc__, folders="adbench/ and oddbench/", seeds=3)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=[*METHODS])
    cli.add_families(parser)
    args = parser.parse_args(arguments)
    keys = cli.keys_of_families(args)
    evaluate_here = partial(evaluate, data_home=args.data_home)
    results.run("finished_scores", evaluate_here, keys, args.jobs)


if __name__ == "__main__":
    main()
