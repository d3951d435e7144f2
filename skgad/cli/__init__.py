"""Command line, for tables without Python: ``python -m skgad --help``.

Results go to the file that is asked for, the evaluation to stdout, all else to stderr. A file is
there whole or not at all. The exit code is 0, or 2 after an error, or 130 after Ctrl-C.
"""

import argparse
import ast
import inspect
import io
import os
import sys
import traceback
import warnings
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryFile

import joblib
import numpy as np
import torch
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score
from sklearn.neighbors import LocalOutlierFactor
from sklearn.svm import OneClassSVM
from skorch.callbacks import Callback

import skgad

from ..inspection import explain
from ..tabular import TabularEncoder

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
OPENERS = {".csv": "io", ".gz": "gzip", ".bz2": "bz2", ".xz": "lzma"}
N_REASONS = 3
N_BACKGROUND = 100
KEY_SHARE, KEY_MIN_CELLS = 0.9, 10
#: Texts that are holes in a column that is learned from.
HOLES = [
    *("", "NA", "N/A", "n/a", "<NA>", "#NA", "#N/A", "#N/A N/A", "NaN", "nan", "-NaN", "-nan"),
    *("NULL", "null", "None", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"),
]


class CommandError(Exception):
    """What the user can put right; shown as one line."""


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

    def on_train_end(self, net, **kwargs):
        """Pass Ctrl-C on, after which the detector would keep what it has learned."""
        if net.interrupted_:
            raise KeyboardInterrupt

    def __getstate__(self):
        """Be silent in a saved model."""
        return {"shown": False}


# ---------------------------------------------------------------------------------------- commands


def detect(args, progress):
    """Train on a table and judge its rows."""
    check_output(args.out, args.force, args.data)
    check_format(args.out)
    table = read_table(args, progress)
    check_copied(not_features(args), args)
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
    check_copied(table.columns.difference(model["background"].columns), args)
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
    check_texts(X, args)
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
    if "callbacks" in known:
        params.setdefault("callbacks", [progress])
    for name, value in params.items():
        prefix = "" if name.startswith("encoder__") else "detector__"
        try:
            detector.set_params(**{prefix + name: value})
        except AttributeError as error:
            raise CommandError(f"There is no parameter {name!r}.") from error
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
    copied = {*not_features(args), *ignored}
    if path.suffix.lower() == ".parquet":
        table = read_parquet(path)
    else:
        table = read_csv(path, args, {*texts, *dates} - copied, copied)
    if len(table) == 0:
        raise CommandError(f"{path} has a header, but no rows.")
    if like is None:
        check_named(table, [*texts, *dates, *not_features(args)])
    else:
        check_named(table, not_features(args))
        table = matching(table, like, ignored, not_features(args))
    for name in {*texts} - copied:
        table[name] = table[name].astype("string")
    for name in sorted({*dates} - copied):
        table[name] = to_dates(table[name], None if like is None else like[name].dt.tz)
    return table


def read_csv(path, args, texts, copied):
    """Read a CSV file; in what is ``copied`` only an empty cell is a hole."""
    pd = import_pandas()
    opener = import_module(OPENERS[path.suffix.lower()])
    try:
        with opener.open(path, "rt", encoding=args.encoding, newline="") as file:
            # Blank lines are rows, but for those before and after the table.
            content = file.read().strip("\r\n").encode()
        with warnings.catch_warnings(action="error", category=pd.errors.ParserWarning):
            # index_col=False: else pandas hides a column for which there is no name.
            options = {"sep": args.sep, "index_col": False, "skip_blank_lines": False}
            read = partial(pd.read_csv, low_memory=False, **options)
            header = read(io.BytesIO(content), header=None, nrows=1, dtype=str, na_filter=False)
            names = read(io.BytesIO(content), nrows=0).columns
            table = read(
                io.BytesIO(content),
                decimal=args.decimal,
                dtype=dict.fromkeys(texts | copied, "string"),
                keep_default_na=False,
                na_values={name: [""] if name in copied else HOLES for name in names},
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
    names = header.loc[0]
    twice = names[names.duplicated() & (names != "")].unique()
    if len(twice):
        raise CommandError(
            f"Columns must have different names: {path} has several {listed(twice)}."
        )
    if pd.to_numeric(names, errors="coerce").notna().all():
        warnings.warn(
            f"The first line of {path} is taken for names, but holds numbers: {listed(names)}. "
            "If it is a row, put a line of names before it.",
            stacklevel=2,
        )
    return table


def read_parquet(path):
    """Read a Parquet file, with what is in its index as columns."""
    pd = import_pandas()
    try:
        table = pd.read_parquet(path)
    except Exception as error:  # of whichever library reads it
        raise CommandError(f"{path} cannot be read as Parquet: {error}") from error
    named = [name for name in table.index.names if name is not None]
    return table.reset_index(named).reset_index(drop=True)


def to_dates(column, tz):
    """Column of dates in a time zone, or in UTC and without one."""
    if column.dtype.kind != "M":
        column = column.astype("string")
    dates = import_pandas().to_datetime(column, format="ISO8601", utc=True, errors="coerce")
    unread = column[dates.isna() & column.notna()]
    if len(unread):
        raise CommandError(
            f"Column {column.name!r} holds something else than dates: {unread.iloc[0]!r}. Dates "
            "are read as in 2024-12-31 or 2024-12-31 13:00 (ISO 8601)."
        )
    return dates.dt.tz_convert(tz)


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


def check_texts(X, args):
    """Refuse a table of nothing but keys; warn of keys and of numbers that are taken for text."""
    texts = [name for name in X if is_text(X[name])]
    if len(texts) == X.shape[1] and len(X) > 1 and all(X[name].is_unique for name in texts):
        raise CommandError(
            f"There is nothing to learn from {listed(texts)}: each row has another text. Are there "
            "more columns, separated by something else (--sep), numbers with a decimal comma "
            "(--decimal), or dates (--date)?"
        )
    to_numeric = partial(import_pandas().to_numeric, errors="coerce")
    for name in texts:
        cells = X[name].dropna()
        points = cells.str.translate(str.maketrans({".": "?", args.decimal: "."}))
        cell = next(iter(cells[to_numeric(points).isna()]), next(iter(cells), None))
        mostly_numbers = to_numeric(cells.str.replace(",", "")).notna().mean() > 0.5
        if mostly_numbers and name not in args.categorical:
            warnings.warn(
                f"Column {name!r} is taken for text because of {cell!r}, but most texts in it are "
                "numbers. Leave missing cells empty, take out thousands separators, or use "
                f'--decimal ","; if they are codes, use --categorical {name}.',
                stacklevel=2,
            )
        elif cells.nunique() > KEY_SHARE * max(len(cells), KEY_MIN_CELLS):
            warnings.warn(
                f"Nearly each row has another text in column {name!r}, from which little can be "
                f"learned. If it is a key, use --ignore {name}; if it is a date, --date {name}; "
                f"if it is a number, see why {cell!r} is none.",
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
    known = labels.dropna().astype(object)
    meanings = {label: meaning(label) for label in known.unique()}
    is_anomaly = (known.map(meanings) == anomaly_meaning(meanings, args)).astype(float)
    if is_anomaly.nunique() < 2:
        raise CommandError(
            f"The labels in column {args.label_column!r} are {listed(meanings)}: both anomalies "
            "and others are needed to evaluate. Use --ignore instead of --label-column."
        )
    return is_anomaly.reindex(labels.index)


def meaning(label):
    """Number that a label stands for, as true for 1, or else its text."""
    text = {"true": "1", "false": "0"}.get(str(label).lower(), str(label))
    number = import_pandas().to_numeric(text, errors="coerce")
    return text if np.isnan(number) else number


def anomaly_meaning(meanings, args):
    """Which of the meanings of the labels is that of an anomaly."""
    known = {*meanings.values()}
    if args.anomaly_label is not None:
        if meaning(args.anomaly_label) in known:
            return meaning(args.anomaly_label)
        raise CommandError(
            f"There is no {args.anomaly_label!r} in column {args.label_column!r}, but "
            f"{listed(meanings)}."
        )
    if known <= {-1, 1}:
        return -1
    if known <= {0, 1}:
        return 1
    raise CommandError(
        f"Column {args.label_column!r} holds {listed(meanings)}: say which one is the anomaly with "
        "--anomaly-label."
    )


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


def check_copied(names, args):
    """Refuse to copy columns of the table that have the names of results."""
    numbers = range(1, N_REASONS + 1) if args.explain else ()
    results = {f"{what}_{i}" for what in ("reason", "contribution") for i in numbers}
    clash = sorted({"anomaly_score", "decision", *results}.intersection(names))
    if clash:
        raise CommandError(
            f"The results would overwrite {listed(clash)} of {args.data}: rename such columns, or "
            "judge a table without them."
        )


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
    if path.exists() and any(other.exists() and path.samefile(other) for other in inputs):
        raise CommandError(f"{path} is the input, and would be lost: name another output.")
    if path.exists() and not force:
        raise CommandError(f"{path} is there already: --force overwrites it.")
    try:
        TemporaryFile(dir=path.resolve().parent).close()
    except OSError as error:
        raise CommandError(f"{path} cannot be written to its folder: {error.strerror}.") from error


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


def character(text):
    r"""Parse one character, or \t for a tab."""
    text = text.replace(r"\t", "\t")
    if len(text) != 1 or not text.isascii():
        raise argparse.ArgumentTypeError(rf"{text!r} is no single (ASCII) character")
    return text


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
    reading.add_argument("--sep", type=character, default=",", help=r"CSV separator, or \t (,)")
    reading.add_argument("--decimal", type=character, default=".", help="CSV decimal mark (.)")
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
        with one_line_warnings():
            args = make_parser().parse_args(argv)
            verbose = args.verbose
            progress.shown |= verbose
            torch.set_num_threads(1)  # small networks are slower with more
            args.run(args, progress)
        return 0
    except KeyboardInterrupt:
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
