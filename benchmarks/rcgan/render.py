"""Write the tables of RCGAN: ``python -m benchmarks.rcgan.render``."""

import pandas as pd

from benchmarks.common.render import (
    METRICS,
    OWN_SCORE,
    by_score,
    load,
    load_adbench,
    mean_and_sd,
    published,
    quoted,
    with_published,
    write,
)
from benchmarks.rcgan.tables import BASELINES

CASE = ["data", "train", "inputs"]
SCORES = {name: f"RCGAN, {name} score" for name in ("discriminator", "features", "combined")}
#: Methods of tables 3 and 4.
VARIANTS = {
    "3": ["RCGAN, without t", "RCGAN"],
    "4": ["RCGAN", "RCGAN, N(0, 2I)", "RCGAN, U(-1, 1)"],
}


def render():
    rows = load("rcgan_tables")
    for number in VARIANTS:
        table_of_variants(rows, number)
    variants = {method for methods in VARIANTS.values() for method in methods}
    compared = rows[~rows.method.isin(variants - {"RCGAN"})]
    table_1(compared)
    table_1_in_brief(compared)
    trivial_scores(rows)
    development_sets()


def table_of_variants(rows, number):
    """Table 3 or 4: F1 of variants of RCGAN, with the best method that trains no network."""
    paper, methods = published("rcgan"), VARIANTS[number]
    means = without_networks(rows).groupby([*CASE, "method"]).f1.mean()
    best = means.groupby(CASE).max()
    part = rows[rows.method.isin(methods) & (rows.score != "combined")]
    f1 = part.pivot_table(index=[*CASE, "score", "seed"], columns="method", values="f1")
    f1 = f1.reindex(columns=methods).dropna()  # keeps the datasets of this table
    if number == "3":
        f1["gain"] = f1["RCGAN"] - f1["RCGAN, without t"]
    ours = f1.groupby([*CASE, "score"]).agg(mean_and_sd).reset_index()
    ours["best baseline"] = [f"{best[tuple(key)]:.3f}" for key in ours[CASE].to_numpy()]
    theirs = paper[paper.table == number].pivot(index="data", columns="method", values="f1")
    theirs = theirs.reset_index().assign(train="published", inputs="", score="")
    table = pd.concat([ours, theirs]).sort_values("data", kind="stable").set_index("data")
    write(f"rcgan_{number}", table.rename(columns={"RCGAN": "RCGAN, N(0, I)"}))


def without_networks(rows):
    """Rows of the methods that train no network."""
    return rows[rows.method.isin([*BASELINES, "IsolationForest"])]


def with_scores(rows):
    """Rows whose method names the score."""
    endings = {score: name.removeprefix("RCGAN") for score, name in SCORES.items()}
    return rows.assign(method=rows.method + rows.score.map(endings).fillna(""))


def table_1(rows):
    """Table 1, all metrics, one table for each dataset."""
    paper = published("rcgan")
    for data, group in with_scores(rows).groupby("data"):
        theirs = paper[(paper.table == "1") & (paper.data == data)]
        write(f"rcgan_1_{data}", with_published(group, ["method", *CASE[1:]], theirs))


def table_1_in_brief(rows):
    """F1 in table 1: RCGAN, the best method that trains no network, and the paper."""
    rows, paper = with_scores(rows), published("rcgan")
    f1 = rows.pivot_table(index=CASE, columns="method", values="f1", aggfunc=mean_and_sd)
    brief = f1.reindex(columns=[*SCORES.values()])
    best = (
        without_networks(rows).pivot_table(index=CASE, columns="method", values="f1").idxmax(axis=1)
    )
    brief["best baseline"] = [f1.loc[key, name] for key, name in best.items()]
    brief["name of the best baseline"] = best
    theirs = paper[(paper.table == "1") & (paper.method == "RCGAN")].set_index("data")
    brief["RCGAN (published)"] = brief.index.get_level_values("data").map(
        theirs.apply(quoted, axis=1, metric="f1")
    )
    write("rcgan_1", brief.reset_index(CASE[1:]))


def trivial_scores(rows):
    """F1 of ALAD and RCGAN as published, and of scores that learn next to nothing."""
    names = ["count, negated", "PCA-2 residual", *(f"L{p} distance to the mean" for p in (1, 2))]
    f1 = rows[rows.method.isin(names)].pivot_table(index=CASE, columns="method", values="f1")[names]
    for paper, table, method in (("alad", "II", "ALAD"), ("rcgan", "1", "RCGAN")):
        theirs = published(paper)
        theirs = theirs[(theirs.table == table) & (theirs.method == method)].set_index("data").f1
        f1[f"{method} (published)"] = f1.index.get_level_values("data").map(theirs)
    write("published_trivial", f1.reset_index(CASE[1:]))


def development_sets():
    """RCGAN with and without its penalty on the development sets, compared with ALAD."""
    rows = load_adbench("one-class")
    penalty, none = "RCGAN", "RCGAN, penalty_weight=0"
    write("rcgan_scores", by_score(rows, penalty))
    rows = rows[rows.method.isin([penalty, none, "ALAD"]) & rows.score.isin(["", OWN_SCORE])]
    means = rows.groupby(["method", "seed"])[["auroc", "ap", "f1"]].mean().groupby("method")
    means = means.agg(mean_and_sd).rename(columns=METRICS)
    write("rcgan_adbench", means.loc[[penalty, none, "ALAD"]])

    wide = rows.pivot_table(index=["dataset", "seed"], columns="method", values=["auroc", "ap"])
    gain = wide.xs(penalty, axis=1, level=1) - wide.xs(none, axis=1, level=1)
    by_set = gain.groupby("dataset")
    counts = {
        "average gain": gain.groupby("seed").mean().agg(mean_and_sd),
        "datasets": by_set.ngroups,
        "higher on average": (by_set.mean() > 0).sum(),
        "lower on average": (by_set.mean() < 0).sum(),
        "higher with every seed": (by_set.min() > 0).sum(),
        "lower with every seed": (by_set.max() < 0).sum(),
    }
    table = pd.DataFrame(counts).loc[["auroc", "ap"]].rename(index=METRICS).rename_axis("metric")
    write("rcgan_penalty", table, precision=0)


if __name__ == "__main__":
    render()
