"""Read results, and write them as tables and figures of the documentation."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from tabulate import tabulate

from benchmarks.common import ROOT, results
from benchmarks.common.detectors import own_settings

DOC = ROOT / "doc"
#: Score of rows without a score in their name. It is the same for all detectors with several.
OWN_SCORE = own_settings("ALAD")["score_type"]
METRICS = {"auroc": "AUROC", "ap": "AP", "precision": "precision", "recall": "recall", "f1": "F1"}
#: American spelling of words in the keys of the results.
SPELLING = {"standardised": "standardized", "centred": "centered"}


def load(table):
    """Results of a table as a frame."""
    rows = results.load(table)
    if not rows:
        raise FileNotFoundError(
            f"{results.FOLDER} has no results for {table!r}. Run the command that "
            "benchmarks/README.md names for them first."
        )
    return pd.DataFrame(rows)


def load_adbench(protocol):
    """Results on the development sets under a protocol; methods with one score have score ""."""
    rows = load("adbench")
    return _with_scores(rows[rows.protocol == protocol])


def load_oddbench():
    """Results on OddBench; methods with one score have score ""."""
    return _with_scores(load("oddbench"))


def _with_scores(rows):
    return rows.assign(score=rows.score.fillna("") if "score" in rows else "")


def published(paper):
    """Published figures of a paper."""
    return pd.DataFrame(json.loads((results.FOLDER / "published.json").read_text())[paper]["rows"])


def write(name, frame, precision=3):
    """Write a frame as a table in reStructuredText; missing values are empty."""
    texts = frame.map(lambda v: v if isinstance(v, str) else f"{v:.{precision}f}")
    texts = texts.where(frame.notna(), "").reset_index().replace(SPELLING, regex=True)
    text = tabulate(texts, headers=[*texts], tablefmt="rst", disable_numparse=True, showindex=False)
    write_text(f"tables/{name}.rst", text + "\n")


def write_text(name, text):
    """Write a text file in the folder of the documentation."""
    path = DOC / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def save(figure, name):
    """Save a figure as SVG; the same results give the same file."""
    path = DOC / "images" / f"{name}.svg"
    path.parent.mkdir(parents=True, exist_ok=True)
    with plt.rc_context({"svg.hashsalt": "skgad"}):
        figure.savefig(path, metadata={"Date": None})


def mean_and_sd(values):
    """``mean ± sd`` over the runs; only the mean if there is one run, NaN if there is none."""
    if values.isna().all():
        return np.nan
    sd = f" ± {values.std():.3f}" if len(values) > 1 else ""
    return f"{values.mean():.3f}{sd}"


def mean_and_range(values):
    """``mean (min to max)`` over the datasets."""
    return f"{values.mean():.2f} ({values.min():.2f} to {values.max():.2f})"


def quoted(row, metric, precision=3):
    """A published figure, with its standard deviation if the paper gives one."""
    value, sd = row.get(metric), row.get(f"{metric}_sd")
    if pd.isna(value):
        return ""
    return f"{value:.{precision}f}" + (f" ± {sd:.{precision}f}" if pd.notna(sd) else "")


def with_published(rows, by, theirs, metrics=METRICS, best="f1", precision=3):
    """Our runs, the best first, followed by the published figures."""
    ours = rows.groupby(by)[list(metrics)].agg(mean_and_sd).rename(columns=metrics).reset_index()
    order = rows.groupby(by)[best].mean().to_numpy().argsort()[::-1]
    theirs = pd.DataFrame(
        {by[0]: theirs.method + " (published)"}
        | dict.fromkeys(by[1:], "")
        | {metrics[m]: theirs.apply(quoted, axis=1, args=(m, precision)) for m in metrics}
    )
    return pd.concat([ours.iloc[order], theirs]).set_index(by[0])


def by_score(rows, method):
    """Metrics of each score of a method on the development sets."""
    scores = rows[rows.method == method].groupby(["score", "seed"])[["auroc", "ap", "f1"]].mean()
    return scores.groupby("score").agg(mean_and_sd).rename(columns=METRICS)


def complete(rows, run):
    """Rows of the runs that cover all datasets."""
    return rows[rows.groupby(run).dataset.transform("nunique") == rows.dataset.nunique()]


def in_words(name):
    """A column name as a heading."""
    return name.replace("_mb", " (MB)").replace("_", " ")
