"""Command line, for tables without Python: ``python -m skgad --help``.

Results go to the file that is asked for, the evaluation to stdout, all else to stderr. A file is
there whole or not at all. The exit code is 0, or 2 after an error, or 130 after Ctrl-C.
"""

import argparse
import ast
import inspect
import os
import signal
import sys
import traceback
import warnings
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import joblib
import numpy as np
import torch
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score
from sklearn.neighbors import LocalOutlierFactor
from sklearn.svm import OneClassSVM
from skorch.callbacks import Callback

import skgad

from .inspection import explain
from .preprocessing import TabularEncoder

OURS = {
    name: thing
    for name, thing in ((name, getattr(skgad, name)) for name in skgad.__all__)
    if inspect.isclass(thing) and issubclass(thing, skgad.BaseDetector)
}
DETECTORS = {name: thing for name, thing in OURS.items() if not inspect.isabstract(thing)} | {
    "IsolationForest": IsolationForest,
    "LocalOutlierFactor": partial(LocalOutlierFactor, novelty=True),
    "OneClassSVM": OneClassSVM,
}
CSV_ENDINGS = (".csv", ".csv.gz", ".csv.bz2", ".csv.xz")
N_REASONS = 3
N_BACKGROUND = 100


class CommandError(Exception):
    """What the user can put right; shown as one line."""


class Interrupted(BaseException):
    """Ctrl-C. No KeyboardInterrupt, after which the detectors would keep what they have learned."""


class Progress(Callback):
    """One line on stderr that says what is being done.

    Parameters
    ----------
    shown : bool, default=False
        Whether anybody looks.
    """

    def __init__(self, shown=False):
        self.shown = shown

    def say(self, text, end=""):
        """Write over what was said before."""
        if self.shown:
            print(f"\r{text:<72}", end=end, file=sys.stderr, flush=True)

    def on_epoch_end(self, net, **kwargs):
        """Say how far the training is."""
        self.say(f"training: epoch {len(net.history)} of {net.max_epochs}")

    def __getstate__(self):
        """Be silent in a saved model."""
        return {"shown": False}


# ---------------------------------------------------------------------------------------- commands


def detect(args, progress):
    """Train on a table and judge its rows."""
    check_output(args.out, args.force, args.data)
    check_format(args.out)
    table = read_table(args, progress)
    is_anomaly = read_labels(table, args)
    model = train_model(table, args, progress)
    write_judged(model, table, is_anomaly, args, progress)


def train(args, progress):
    """Train on a table and save the model."""
    check_output(args.model, args.force, args.data)
    model = train_model(read_table(args, progress), args, progress)
    with replacing(args.model) as draft:
        joblib.dump(model, draft)
    progress.say(f"wrote {args.model}", end="\n")


def score(args, progress):
    """Judge the rows of a table with a saved model."""
    check_output(args.out, args.force, args.data, args.model)
    check_format(args.out)
    model = load_model(args.model)
    table = read_table(args, progress, like=model["background"], ignored=model["ignored"])
    is_anomaly = read_labels(table, args)
    write_judged(model, table, is_anomaly, args, progress)


def sample(args, progress):
    """Make rows with a saved model."""
    check_output(args.out, args.force, args.model)
    check_format(args.out)
    detector = load_model(args.model)["detector"]
    if not hasattr(detector, "sample"):
        able = [name for name, thing in DETECTORS.items() if hasattr(thing, "sample")]
        raise CommandError(
            f"{type(detector.detector_).__name__} cannot make rows. Detectors that can: "
            f"{', '.join(able)}."
        )
    rows = detector.sample(args.n_rows, kind=args.kind, random_state=args.seed)
    write_table(rows, args.out)
    progress.say(f"wrote {args.out}: {len(rows)} rows", end="\n")


# ------------------------------------------------------------------------------------------ models
# A model is a dict: the version of skgad, the fitted detector, some of its inliers, whose columns
# and types are those of the features, and the names of columns that are no features.


def train_model(table, args, progress):
    """Fit a detector to the features of a table."""
    ignored = not_features(args)
    X = features(table, ignored)
    check_keys(X)
    detector = make_detector(args, progress)
    progress.say(f"training {args.detector} on {len(X)} rows")
    detector.fit(X)
    inliers = X[detector.predict(X) == 1]
    return {
        "skgad": skgad.__version__,
        "detector": detector,
        "background": inliers.sample(min(N_BACKGROUND, len(inliers)), random_state=args.seed),
        "ignored": ignored,
    }


def make_detector(args, progress):
    """Detector with the parameters of the command line."""
    detector = skgad.TabularDetector(DETECTORS[args.detector](), encoder=TabularEncoder())
    known, params = detector.detector.get_params(), dict(args.set)
    if args.contamination is not None:
        params["contamination"] = args.contamination
    if "random_state" in known:
        params.setdefault("random_state", args.seed)
    if "callbacks" in known and progress.shown:
        params.setdefault("callbacks", [progress])
    for name, value in params.items():
        prefix = "" if name.startswith("encoder__") else "detector__"
        detector.set_params(**{prefix + name: value})
    return detector


def load_model(path):
    """Read a model that ``train`` has written."""
    if not path.is_file():
        raise CommandError(f"There is no model {path}: make one with 'skgad train'.")
    try:
        model = joblib.load(path)
        version = model["skgad"]
    except Exception as error:  # whatever a file that is no model makes of unpickling
        raise CommandError(
            f"{path} is no model that 'skgad train' of this version has written "
            f"({type(error).__name__}: {error})."
        ) from error
    if version != skgad.__version__:
        raise CommandError(
            f"{path} was written by skgad {version}, and this is {skgad.__version__}: train the "
            "model again, or install that version."
        )
    return model


# ------------------------------------------------------------------------------------------ tables


def import_pandas():
    """Import pandas, or say what to install."""
    try:
        import pandas as pd
    except ImportError as error:
        raise CommandError("The command line needs pandas: pip install pandas.") from error
    return pd


def check_format(path):
    """Refuse a file that is neither CSV nor Parquet, or Parquet without what reads it."""
    if path.name.lower().endswith(CSV_ENDINGS):
        return
    if path.suffix.lower() != ".parquet":
        raise CommandError(
            f"The name of {path} must end in {', '.join(CSV_ENDINGS)} or .parquet: it says what "
            "the file is."
        )
    if not (find_spec("pyarrow") or find_spec("fastparquet")):
        raise CommandError(f"{path} needs pyarrow, to read or write it: pip install pyarrow.")


def read_table(args, progress, like=None, ignored=()):
    """Read the table of the command line.

    With ``like``, the features of a model, the columns are those of the model and of its types.
    """
    pd = import_pandas()
    path = args.data
    if not path.is_file():
        raise CommandError(f"There is no file {path}.")
    check_format(path)
    progress.say(f"reading {path}")
    if like is None:
        texts, dates = args.categorical, args.date
    else:
        texts = [name for name in like if is_text(like[name])]
        dates = [name for name in like if like[name].dtype.kind == "M"]
    # What is no feature is copied as it is written: the key 007 is no 7.
    as_text = {*texts, *args.ignore, *ignored} - {args.label_column}
    if path.suffix.lower() == ".parquet":
        table = read_parquet(path)
    else:
        table = read_csv(path, args, dict.fromkeys(as_text, "string"))
    if len(table) == 0:
        raise CommandError(f"{path} has a header, but no rows.")
    if like is None:
        check_named(table, [*texts, *dates, *not_features(args)])
    else:
        check_named(table, not_features(args))
        table = matching(table, like, ignored, not_features(args))
    for name in as_text & {*table}:
        table[name] = table[name].astype("string")
    for name in {*dates} & {*table}:
        try:
            table[name] = pd.to_datetime(table[name], format="ISO8601")
        except ValueError as error:
            raise CommandError(
                f"Column {name!r} holds something else than dates such as 2024-12-31: {error}."
            ) from error
    return table


def read_csv(path, args, dtypes):
    """Read a CSV file."""
    pd = import_pandas()
    try:
        with warnings.catch_warnings(action="error", category=pd.errors.ParserWarning):
            # index_col=False: else pandas hides a column for which there is no name.
            return pd.read_csv(
                path,
                sep=args.sep.replace(r"\t", "\t"),
                encoding=args.encoding,
                dtype=dtypes,
                index_col=False,
                low_memory=False,
            )
    except pd.errors.EmptyDataError as error:
        raise CommandError(f"{path} is empty.") from error
    except (UnicodeError, LookupError) as error:
        raise CommandError(
            f"{path} cannot be read as {args.encoding}: name its encoding, for example "
            f"--encoding latin-1 ({error})."
        ) from error
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise CommandError(
            f"{path} is no table separated by {args.sep!r}, see --sep: {error}"
        ) from error
    except Exception as error:  # of whichever library uncompresses it
        raise CommandError(f"{path} cannot be read: {error}") from error


def read_parquet(path):
    """Read a Parquet file, with what is in its index as columns."""
    try:
        table = import_pandas().read_parquet(path)
    except Exception as error:  # of whichever library reads it
        raise CommandError(f"{path} cannot be read as Parquet: {error}") from error
    return table if table.index.name is None else table.reset_index()


def is_text(column):
    """Whether a column holds texts, and maybe holes."""
    return import_pandas().api.types.infer_dtype(column, skipna=True) == "string"


def not_features(args):
    """Columns that the command line takes out of the features."""
    return args.ignore + [args.label_column] * (args.label_column is not None)


def check_named(table, names):
    """Refuse names of columns that are not there."""
    missing = [name for name in names if name not in table]
    if missing:
        raise CommandError(f"There is no column {missing[0]!r}: there are {listed(table)}.")


def features(table, ignored):
    """Table without the columns that are no features."""
    X = table.drop(columns=ignored)
    if X.shape[1] == 0:
        raise CommandError(f"Nothing is left to learn from: all of {listed(table)} are ignored.")
    return X


def check_keys(X):
    """Refuse a table of nothing but keys; warn of a key among other columns."""
    keys = [name for name in X if is_text(X[name]) and X[name].is_unique and len(X) > 1]
    if len(keys) == X.shape[1]:
        raise CommandError(
            f"There is nothing to learn from {listed(keys)}: each row has another text. Are there "
            "more columns, separated by something else (--sep), or are they dates (--date)?"
        )
    for name in keys:
        warnings.warn(
            f"Each row has another text in column {name!r}, from which nothing can be learned. "
            f"If it is a key, use --ignore {name}; if it is a date, --date {name}.",
            stacklevel=2,
        )


def matching(table, like, ignored, left_out):
    """Check the columns of a table against those of a model; put them in the model's order.

    ``ignored`` may be in the table, ``left_out`` are, and neither must be features.
    """
    clash = [name for name in left_out if name in like]
    if clash:
        raise CommandError(f"The model was trained with {listed(clash)} among its features.")
    missing = [name for name in like if name not in table]
    if missing:
        raise CommandError(
            f"The columns are not those of the model: {listed(missing)} missing in {listed(table)}."
        )
    others = [name for name in table if name not in like]
    unknown = [name for name in others if name not in {*ignored, *left_out}]
    if unknown:
        raise CommandError(
            f"The model does not know the columns {listed(unknown)}: leave them out with --ignore."
        )
    return table[[*like, *others]]


def listed(names, n_shown=8):
    """Names of columns, not too many."""
    names = [repr(name) for name in names]
    more = [f"{len(names) - n_shown} more"] if len(names) > n_shown else []
    return ", ".join(names[:n_shown] + more)


# ------------------------------------------------------------------------------------------ labels


def read_labels(table, args):
    """Which rows are anomalies, NaN where nothing is known; None without a column of labels."""
    if args.label_column is None:
        if args.anomaly_label is not None:
            raise CommandError("--anomaly-label needs a --label-column.")
        return None
    labels = table[args.label_column]
    known = labels.dropna()
    values = known.unique().tolist()
    is_anomaly = (known == anomaly_label(values, args)).astype(float)
    if is_anomaly.nunique() < 2:
        raise CommandError(
            f"The labels in column {args.label_column!r} are {listed(values)}: both anomalies and "
            "others are needed to evaluate. Use --ignore instead of --label-column."
        )
    return is_anomaly.reindex(labels.index)


def anomaly_label(values, args):
    """Which of the values of the labels stands for an anomaly."""
    if args.anomaly_label is not None:
        for value in values:
            if is_same(value, args.anomaly_label):
                return value
        raise CommandError(
            f"There is no {args.anomaly_label!r} in column {args.label_column!r}, but "
            f"{listed(values)}."
        )
    if {*values} <= {-1, 1}:
        return -1
    if {*values} <= {0, 1}:
        return 1
    raise CommandError(
        f"Column {args.label_column!r} holds {listed(values)}: say which one is the anomaly with "
        "--anomaly-label."
    )


def is_same(value, text):
    """Whether a value is what a text of the command line means."""
    try:
        return float(value) == float(text)
    except (TypeError, ValueError):
        return str(value) == text


def evaluate(is_anomaly, judged):
    """Print how far scores and decisions agree with the labels."""
    known = is_anomaly.notna().to_numpy()
    truth = is_anomaly[known].astype(int)
    scores = judged["anomaly_score"][known]
    flagged = (judged["decision"] == "outlier")[known]
    print(f"rows with a label  {len(truth)}")
    print(f"anomalies          {truth.sum()}")
    print(f"flagged            {flagged.sum()}")
    print(f"AUROC              {roc_auc_score(truth, scores):.4f}")
    print(f"average precision  {average_precision_score(truth, scores):.4f}")
    print(f"F1                 {f1_score(truth, flagged, zero_division=0):.4f}")


# ----------------------------------------------------------------------------------------- results


def write_judged(model, table, is_anomaly, args, progress):
    """Score the rows of a table, explain those that are asked for, write all and evaluate."""
    X = table[[*model["background"]]]
    progress.say(f"scoring {len(X)} rows")
    scores = -model["detector"].score_samples(X)
    is_outlier = model["detector"].predict(X) == -1
    judged = table.drop(columns=[*X])
    judged["anomaly_score"] = scores
    judged["decision"] = np.where(is_outlier, "outlier", "inlier")
    if args.explain:
        add_reasons(judged, model, X, is_outlier, args, progress)
    write_table(judged, args.out)
    progress.say(f"wrote {args.out}: {len(X)} rows, {is_outlier.sum()} outliers", end="\n")
    if is_anomaly is not None:
        evaluate(is_anomaly, judged)


def add_reasons(judged, model, X, is_outlier, args, progress):
    """Add the columns that contribute most to the scores of the outliers."""
    if len(model["background"]) == 0:
        raise CommandError("The model takes no training row for an inlier to compare with.")
    order = np.argsort(-judged["anomaly_score"].to_numpy(), kind="stable")
    odd = order[is_outlier[order]]
    if len(odd) > args.max_explained:
        warnings.warn(
            f"Reasons are given for the {args.max_explained} oddest of {len(odd)} outliers: see "
            "--max-explained.",
            stacklevel=2,
        )
        odd = odd[: args.max_explained]
    contributions = np.zeros(X.shape)
    for start in range(0, len(odd), 10):  # small enough that progress is seen
        progress.say(f"explaining outlier {start} of {len(odd)}")
        rows = odd[start : start + 10]
        explanation = explain(
            model["detector"], X.iloc[rows], background=model["background"], random_state=args.seed
        )
        contributions[rows] = explanation.contributions
    names = np.array([*X], dtype=object)
    ranks = np.argsort(-contributions, axis=1, kind="stable")[:, :N_REASONS]
    for number, columns in enumerate(ranks.T, 1):
        values = np.take_along_axis(contributions, columns[:, None], axis=1)[:, 0]
        judged[f"reason_{number}"] = np.where(values > 0, names[columns], None)
        judged[f"contribution_{number}"] = np.where(values > 0, values, np.nan)


def check_output(path, force, *inputs):
    """Refuse an output that cannot or should not be written, before any work."""
    if path.is_dir():
        raise CommandError(f"{path} is a folder: name a file.")
    if not path.parent.is_dir():
        raise CommandError(f"There is no folder {path.parent}: make it first.")
    if not os.access(path.parent, os.W_OK):
        raise CommandError(f"Nothing can be written to the folder {path.parent}.")
    if path.exists() and any(other.exists() and path.samefile(other) for other in inputs):
        raise CommandError(f"{path} is the input, and would be lost: name another output.")
    if path.exists() and not force:
        raise CommandError(f"{path} is there already: --force overwrites it.")


def write_table(table, path):
    """Write a table as CSV or Parquet."""
    with replacing(path) as draft:
        if path.suffix.lower() == ".parquet":
            table.to_parquet(draft, index=False)
        else:
            table.to_csv(draft, index=False)


@contextmanager
def replacing(path):
    """Give a draft to write, which takes the place of the file when it is complete."""
    path = path.resolve()
    draft = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        yield draft
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


# --------------------------------------------------------------------------------------- arguments


class Parser(argparse.ArgumentParser):
    """Parser whose errors are one line."""

    def error(self, message):
        """Raise what is shown as one line."""
        raise CommandError(f"{message} (see {self.prog} --help)")


def setting(text):
    """Parse NAME=VALUE, where the value is a number, a Python literal or else a text."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    try:
        return name, ast.literal_eval(value)
    except (SyntaxError, ValueError):
        return name, value


def positive(text):
    """Parse a number of rows."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no positive integer")
    return int(text)


def make_parser():
    """Make the parser of all commands."""
    common = Parser(add_help=False)
    common.add_argument("--force", action="store_true", help="overwrite the output")
    common.add_argument("--seed", type=int, default=0, help="determines all that is random (0)")
    common.add_argument("-v", "--verbose", action="store_true", help="show progress in any case")

    reading = Parser(add_help=False)
    reading.add_argument("data", type=Path, help="table: CSV with a header, or Parquet")
    reading.add_argument("--sep", default=",", help=r"separator of CSV, \t for tabs (comma)")
    reading.add_argument("--encoding", default="utf-8", help="encoding of CSV (utf-8)")
    reading.add_argument(
        "--ignore",
        action="append",
        default=[],
        metavar="COLUMN",
        help="column that is no feature, such as a key; copied to the output (repeatable)",
    )
    reading.add_argument(
        "--label-column",
        metavar="COLUMN",
        help="column with the truth: never a feature; used for the evaluation alone",
    )

    training = Parser(add_help=False)
    training.add_argument(
        "--detector", default="ALAD", choices=DETECTORS, metavar="NAME", help=", ".join(DETECTORS)
    )
    training.add_argument(
        "--contamination",
        type=float,
        metavar="SHARE",
        help="share of outliers among the training rows, which sets the threshold (the "
        "detector's own rule)",
    )
    training.add_argument(
        "--set",
        type=setting,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="parameter of the detector, or encoder__NAME=VALUE of the encoder (repeatable)",
    )
    training.add_argument(
        "--categorical",
        action="append",
        default=[],
        metavar="COLUMN",
        help="column of numbers that are codes (repeatable)",
    )
    training.add_argument(
        "--date",
        action="append",
        default=[],
        metavar="COLUMN",
        help="column of dates such as 2024-12-31 or 2024-12-31T23:59 (repeatable)",
    )

    judging = Parser(add_help=False)
    judging.add_argument("--out", type=Path, required=True, help="scores: .csv or .parquet")
    judging.add_argument(
        "--anomaly-label",
        metavar="VALUE",
        help="label of anomalies; not needed for labels 1 and -1 (anomaly) or 0 and 1 (anomaly)",
    )
    judging.add_argument(
        "--explain",
        action="store_true",
        help=f"give the {N_REASONS} columns that contribute most to the score of each outlier",
    )
    judging.add_argument(
        "--max-explained",
        type=positive,
        default=100,
        metavar="N",
        help="explain the N oddest outliers at most (100)",
    )

    saved = Parser(add_help=False)
    saved.add_argument(
        "--model",
        type=Path,
        required=True,
        help="model file. Loading one runs code in it: load only what you trust",
    )

    making = Parser(add_help=False)
    making.add_argument("-n", "--n-rows", type=positive, default=1, help="number of rows (1)")
    making.add_argument("--kind", default="inlier", choices=["inlier", "outlier"])
    making.add_argument("--out", type=Path, required=True, help="rows: .csv or .parquet")

    parser = Parser(
        prog="skgad",
        description="Find the odd rows of a table: decisions, scores and reasons.",
        epilog="Rows are judged by what is usual among the training rows. 'detect' trains on the "
        "table that it judges; 'train' on one that should have few odd rows, or none.",
    )
    parser.add_argument("--version", action="version", version=f"skgad {skgad.__version__}")
    commands = parser.add_subparsers(required=True, metavar="command", title="commands")
    for run, parents in (
        (detect, [reading, judging, training, common]),
        (train, [reading, saved, training, common]),
        (score, [reading, saved, judging, common]),
        (sample, [saved, making, common]),
    ):
        summary = inspect.getdoc(run)
        command = commands.add_parser(
            run.__name__, parents=parents, help=summary, description=summary, allow_abbrev=False
        )
        command.set_defaults(run=run)
    return parser


# -------------------------------------------------------------------------------------------- main


def main(argv=None):
    """Run a command.

    Parameters
    ----------
    argv : list of str or None, default=None
        Arguments; None takes those of the process.

    Returns
    -------
    exit_code : int
        0, 2 after an error of the user, or 130 after Ctrl-C.
    """
    progress = Progress(shown=sys.stderr.isatty())
    verbose = False
    try:
        with one_line_warnings(), stopped_by_ctrl_c():
            args = make_parser().parse_args(argv)
            verbose = args.verbose
            progress.shown |= verbose
            torch.set_num_threads(1)  # small networks are slower with more
            args.run(args, progress)
        return 0
    except Interrupted:
        return complain("interrupted", progress, 130)
    except (CommandError, ValueError, TypeError, OSError) as error:
        if verbose and not isinstance(error, CommandError):
            traceback.print_exc()
        return complain(f"error: {error}", progress, 2)


def complain(text, progress, exit_code):
    """Write one line to stderr."""
    start = "\n" if progress.shown else ""
    print(f"{start}skgad: {' '.join(text.split())}", file=sys.stderr)
    return exit_code


@contextmanager
def one_line_warnings():
    """Show warnings as the errors are shown."""

    def show(message, category, filename, lineno, file=None, line=None):
        print(f"skgad: warning: {' '.join(str(message).split())}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


@contextmanager
def stopped_by_ctrl_c():
    """Raise Interrupted at Ctrl-C, unless the process has been told to ignore it."""

    def stop(number, frame):
        raise Interrupted

    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
