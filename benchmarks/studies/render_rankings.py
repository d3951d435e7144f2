"""Write the tables of ADBench and OddBench: ``python -m benchmarks.studies.render_rankings``."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from benchmarks.common import results
from benchmarks.common.comparison import compare_with, critical_difference, mean_ranks
from benchmarks.common.detectors import GROUPS
from benchmarks.common.render import (
    METRICS,
    OWN_SCORE,
    complete,
    load_adbench,
    load_oddbench,
    mean_and_sd,
    published,
    save,
    write,
)

#: Detectors of this package with their own scores, and detectors to compare with.
COMPARED = (
    *("ALAD", "RCGAN", "WALDO", "WAE", "CoRA", "ARN", "AMA", "Denoising autoencoder", "k-NN"),
    *("LocalOutlierFactor", "IsolationForest", "OneClassSVM", "PCA-2 residual", "L2 norm"),
)
#: Detectors of other packages; PyOD's k-NN ranks as ours.
PEERS = tuple(name for name in (*GROUPS["pyod"], *GROUPS["deepod"]) if name != "PyOD KNN")
REFERENCES = ("k-NN", "IsolationForest")


def render():
    families = {"ADBench": load_adbench("one-class")}
    if results.load("oddbench"):
        families["OddBench"] = load_oddbench()
    for family, rows in families.items():
        name = family.lower()
        table = means_over_datasets(rows)
        write(name, table)
        if family == "ADBench":
            summary = table.loc[table.index.isin(COMPARED)]
            write("adbench_summary", summary[["AUROC", "AP", "fit (s)", "score (s)"]])
        by_dataset(name, rows)
        ranks(name, with_own_score(rows, COMPARED + PEERS))
    dte()
    # PyOD's ALAD is far below the others, which would be hard to tell apart.
    names = [name for name in COMPARED + PEERS if name != "PyOD ALAD"]
    compared = {family: with_own_score(rows, names) for family, rows in families.items()}
    quality_and_seconds("quality_seconds", compared, names)


def means_over_datasets(rows):
    """Means over the datasets; the standard deviation is that of these means over the seeds."""
    names = rows.score.map(lambda name: "" if name in ("", OWN_SCORE) else f", {name} score")
    rows = complete(rows.assign(detector=rows.method + names), ["detector", "seed"])
    columns = ["auroc", "ap", "f1", "fit_seconds", "score_seconds"]
    by_seed = rows.groupby(["detector", "seed"])[columns].mean().groupby("detector")
    means = by_seed[["auroc", "ap", "f1"]].agg(mean_and_sd).rename(columns=METRICS)
    times = by_seed[["fit_seconds", "score_seconds"]].mean()
    means["fit (s)"] = times.fit_seconds.map("{:.2f}".format)
    means["score (s)"] = times.score_seconds.map("{:.2f}".format)
    return means.loc[by_seed.auroc.mean().sort_values(ascending=False).index]


def dte():
    """Means over the datasets in the protocol of DTE, followed by the published ones."""
    rows = load_adbench("dte")
    table = pd.concat([means_over_datasets(rows), published_means(rows.dataset.unique())])
    write("adbench_dte", table.rename_axis("detector"))


def published_means(datasets):
    """Means of the published figures over the same datasets."""
    rows = published("dte")
    means = rows[rows.dataset.isin(datasets)].groupby("method")[["auroc", "ap", "f1"]].mean()
    means = means.sort_values("auroc", ascending=False).rename(columns=METRICS)
    return means.map("{:.3f}".format).rename(index="{} (published)".format)


def with_own_score(rows, methods):
    """Runs of some methods that cover all datasets, with each method's own score."""
    rows = complete(rows, ["method", "score", "seed"])
    return rows[rows.method.isin(methods) & rows.score.isin(["", OWN_SCORE])]


def by_dataset(name, rows):
    """AUROC and average precision for each dataset, with the detectors in one order."""
    rows = with_own_score(rows, COMPARED)
    wide = rows.pivot_table(index="dataset", columns="method", values=["auroc", "ap"])
    order = wide.auroc.mean().sort_values().index[::-1]
    for metric in ("auroc", "ap"):
        table = wide[metric][order]
        table.loc["mean"] = table.mean()
        write(f"{name}_{metric}", table)


def ranks(name, rows):
    """Mean ranks, and the datasets on which each detector is above the references."""
    for metric in ("auroc", "ap"):
        scores = rows.pivot_table(index="dataset", columns="method", values=metric)
        rank = mean_ranks(scores).sort_values()
        table = pd.DataFrame({"mean rank": rank.map("{:.2f}".format)}).rename_axis("detector")
        for reference in REFERENCES:
            counts = compare_with(reference, scores).drop(index=reference)
            texts = {row.Index: f"{row.won}, {row.tied}, {row.lost}" for row in counts.itertuples()}
            table[f"against {reference}"] = pd.Series(texts)
            table[f"p, {reference}"] = counts.p.map(p_value)
        table.loc["critical difference", "mean rank"] = (
            f"{critical_difference(*scores.shape[::-1]):.2f}"
        )
        write(f"{name}_ranks_{metric}", table)


def p_value(p):
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def quality_and_seconds(file, families, names):
    """AUROC and average precision against the seconds of fit and scoring, one plot for each."""
    figure, axes = plt.subplots(
        2, len(families), figsize=(10, 7), sharex=True, squeeze=False, layout="constrained"
    )
    colors = dict(zip(names, plt.cm.tab20(np.arange(len(names)) % 20), strict=True))
    for column, (family, rows) in enumerate(families.items()):
        means = rows.groupby("method")[["auroc", "ap", "fit_seconds", "score_seconds"]].mean()
        seconds = means.fit_seconds + means.score_seconds
        for ax, metric in zip(axes[:, column], ("auroc", "ap"), strict=True):
            for name in (name for name in names if name in means.index):
                style = {"marker": "s" if name in PEERS else "o", "color": colors[name]}
                ax.semilogx(seconds[name], means[metric][name], ls="", label=name, **style)
            ax.set(ylabel=METRICS[metric], title=family)
        axes[-1, column].set_xlabel("seconds")
    entries = {}
    for ax in axes.flat:
        handles, labels = ax.get_legend_handles_labels()
        entries |= dict(zip(labels, handles, strict=True))
    figure.legend(entries.values(), entries, loc="outside right center", fontsize=8)
    save(figure, file)


if __name__ == "__main__":
    render()
