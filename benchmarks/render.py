"""Write the tables (``doc/tables``) and plots (``doc/images``) of the docs from the results."""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import results
from tabulate import tabulate

from skgad import ALAD

DEFAULT_SCORE = ALAD().score_type
DOC = Path(__file__).parents[1] / "doc"
METRICS = {"auroc": "AUROC", "ap": "AP", "precision": "precision", "recall": "recall", "f1": "F1"}


def load(table):
    return pd.DataFrame(results.load(table))


def published(paper):
    return pd.DataFrame(json.loads((results.FOLDER / "published.json").read_text())[paper]["rows"])


def write(name, frame, precision=3):
    """Write a frame as a table in reStructuredText; missing values are empty."""
    texts = frame.map(lambda v: v if isinstance(v, str) else f"{v:.{precision}f}")
    texts = texts.where(frame.notna(), "")
    texts = texts.reset_index()
    text = tabulate(texts, headers=[*texts], tablefmt="rst", disable_numparse=True, showindex=False)
    path = DOC / "tables" / f"{name}.rst"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")


def mean_and_sd(values):
    """``mean ± sd`` over the runs; the mean alone if there is but one."""
    sd = f" ± {values.std():.3f}" if len(values) > 1 else ""
    return f"{values.mean():.3f}{sd}"


def adbench():
    """Means over the data sets; the standard deviation is that of these means over the seeds."""
    rows = load("adbench")
    rows["score"] = rows.get("score", pd.Series(index=rows.index, dtype=str)).fillna("")
    rows["detector"] = rows.method + rows.score.map(
        lambda score: "" if score in ("", DEFAULT_SCORE) else f", {score} score"
    )
    for protocol, name in (("one-class", "adbench"), ("dte", "adbench_dte")):
        part = rows[rows.protocol == protocol]
        n_sets = part.groupby("detector").dataset.nunique()
        part = part[part.detector.map(n_sets) == n_sets.max()]  # what has run on all of them
        columns = ["auroc", "ap", "f1", "fit_seconds", "score_seconds"]
        by_seed = part.groupby(["detector", "seed"])[columns].mean().groupby("detector")
        means = by_seed[["auroc", "ap", "f1"]].agg(mean_and_sd).rename(columns=METRICS)
        times = by_seed[["fit_seconds", "score_seconds"]].mean()
        means["fit (s)"] = times.fit_seconds.map("{:.2f}".format)
        means["score (s)"] = times.score_seconds.map("{:.2f}".format)
        means = means.loc[by_seed.auroc.mean().sort_values(ascending=False).index]
        if protocol == "dte":
            means = pd.concat([means, published_means(part.dataset.unique())])
        write(name, means.rename_axis("detector"))
        for metric in ("auroc", "ap"):
            per_set = part[part.score.isin(["", DEFAULT_SCORE])].pivot_table(
                index="dataset", columns="method", values=metric
            )
            write(f"{name}_{metric}", per_set[per_set.mean().sort_values().index[::-1]])

    members = rows[(rows.protocol == "one-class") & (rows.score == DEFAULT_SCORE)]
    members = members[members.method.isin(["ALAD", "ALAD, 3 members", "ALAD, 10 members"])]
    members = members.pivot_table(
        index=["dataset", "seed"], columns="method", values=["auroc", "ap"]
    )
    members = members.dropna()  # what has run with every number of members
    if len(members.columns) == 6:
        means = members.groupby("dataset").mean()
        means.loc["mean"] = means.mean()
        means.columns = [f"{METRICS[metric]}, {method}" for metric, method in means.columns]
        write("members", means)


def published_means(datasets):
    rows = published("dte")
    means = rows[rows.dataset.isin(datasets)].groupby("method")[["auroc", "ap", "f1"]].mean()
    means = means.sort_values("auroc", ascending=False).rename(columns=METRICS)
    return means.map("{:.3f}".format).rename(index="{} (published)".format)


def alad():
    """Tables II, V and VII of ALAD, one of each for both data sets."""
    rows = load("alad_tables")
    rows["score"] = rows.get("score", pd.Series(index=rows.index, dtype=str)).fillna("")
    paper = published("alad")
    full = rows.method.isin(["ALAD, +DL", "ALAD, +SN +DL"])
    ablation = rows.method.str.startswith("ALAD")
    parts = {
        "II": (rows[~ablation | (full & (rows.score == "features"))], "method"),
        "V": (rows[ablation & (rows.score == "features")], "method"),
        "VII": (rows[rows.method == "ALAD, +DL"], "score"),
    }
    for number, (part, what) in parts.items():
        for data, group in part.groupby("data"):
            ours = group.groupby([what, "inputs"])[list(METRICS)].agg(mean_and_sd)
            ours = ours.rename(columns=METRICS).reset_index()
            order = group.groupby([what, "inputs"]).f1.mean().to_numpy().argsort()[::-1]
            theirs = paper[(paper.table == number) & (paper.data == data)]
            theirs = pd.DataFrame(
                {what: theirs.method + " (published)", "inputs": ""}
                | {METRICS[m]: theirs.apply(quoted, axis=1, metric=m) for m in METRICS}
            )
            table = pd.concat([ours.iloc[order], theirs]).set_index(what)
            write(f"alad_{number}_{data}", table)


def quoted(row, metric):
    """A published number with its standard deviation, as far as it is stated."""
    value, sd = row.get(metric), row.get(f"{metric}_sd")
    if pd.isna(value):
        return ""
    return f"{value:.3f}" + (f" ± {sd:.3f}" if pd.notna(sd) else "")


def threshold():
    """What each rule gives with each detector, in the mean over data sets and seeds."""
    rows = load("threshold")
    cases = pd.DataFrame(
        {"method": row.method, "rule": rule} | values
        for row in rows.itertuples()
        for rule, values in row.rules.items()
    )
    means = cases.groupby(["rule", "method"], sort=False).mean().unstack()
    for metric in means.columns.levels[0]:
        write(f"threshold_{metric}", means[metric])


def speed():
    """Ratios, and a plot of how time grows."""
    rows = load("speed")
    overhead = rows[rows.measure.isin(["fit", "score"])].set_index(["measure", "device"])
    write("speed", overhead[["skgad_seconds", "bare_seconds", "ratio"]].rename(columns=in_words))
    memory = rows[rows.measure == "memory"].set_index("device")
    write(
        "speed_memory",
        memory[["data_mb", "growth_mb", "ratio"]].rename(columns=in_words),
        precision=2,
    )
    pyod = rows[rows.measure == "pyod"].set_index("detector")
    columns = ["training_rows_per_second", "scored_rows_per_second"]
    write("speed_pyod", pyod[["device", *columns]].rename(columns=in_words), precision=0)

    plt.rcParams["svg.hashsalt"] = "skgad"  # the same file from the same results
    figure, axes = plt.subplots(1, 3, figsize=(10, 3), sharey=True, layout="constrained")
    columns = {"rows": "n_rows", "columns": "n_columns", "batch": "batch"}
    for ax, (what, column) in zip(axes, columns.items(), strict=True):
        for device, part in rows[rows.measure == what].groupby("device"):
            part = part.sort_values(column)
            ax.loglog(part[column], part.fit_seconds, "o-", label=f"one epoch of fit, {device}")
            ax.loglog(part[column], part.score_seconds, "s--", label=f"score_samples, {device}")
        ax.set_xlabel(in_words(column))
    axes[0].set_ylabel("seconds")
    axes[0].legend()
    (DOC / "images").mkdir(exist_ok=True)
    figure.savefig(DOC / "images" / "speed.svg", metadata={"Date": None})


def in_words(name):
    return name.replace("_mb", " (MB)").replace("_", " ")


if __name__ == "__main__":
    for table, render in {
        "adbench": adbench,
        "alad_tables": alad,
        "threshold": threshold,
        "speed": speed,
    }.items():
        if (results.FOLDER / f"{table}.json").exists():
            render()
