"""Write the tables of ARN: ``python -m benchmarks.arn.render``."""

import re

import numpy as np
import pandas as pd

from benchmarks.arn.tables import DATA, METHODS, PAPER, RUN_HERE, SCORES
from benchmarks.common.render import load, mean_and_range, mean_and_sd, published, quoted, write

ABLATED = ", (without KL|ELBO)$"
ABLATION = [name for name in METHODS if re.search(ABLATED, name)]


def render():
    tables()
    noise()
    labels()


def tables():
    """Tables II to V and figure 7."""
    rows, paper = load("arn_tables"), published("arn")
    rows["score"] = rows.score.fillna("")
    is_paper = rows.method.isin(PAPER)
    usual = np.where(rows.method.str.startswith("ARN"), SCORES["ARN"][0], SCORES["WALDO"][0])
    usual = np.where(is_paper, "discriminator", usual)
    is_usual = rows.score.isin([""]) | (rows.score == usual)
    rows["detector"] = rows.method + np.where(is_usual, "", ", " + rows.score)
    if is_paper.any():
        rows["detector"] += rows.epochs.map(", {:.0f} epochs".format).where(is_paper, "")
    is_plain = (rows.contamination == 0) & (rows.known == 0)
    is_ablation, is_leak = rows.method.isin(ABLATION), rows.method == "ARN-N, leak"

    compared = is_plain & ~is_ablation & ~is_leak
    others = rows[compared & ~is_usual & rows.method.str.startswith("ARN")]
    write("arn_2_scores", over("data", others, paper[:0], "auroc"))
    for metric in ("auroc", "auprc"):
        theirs = paper[paper.table == "2"]
        write(f"arn_2_{metric}", over("data", rows[compared & is_usual], theirs, metric))
        if is_leak.any():
            theirs = theirs[theirs.method == "ARN-N"]
            table = over("data", rows[is_leak], theirs, metric)
            write(f"arn_leak_{metric}", table.droplevel("inputs"))
    for number, what, other in (("3", "contamination", "known"), ("4", "known", "contamination")):
        case = ["data", "detector", "inputs"]
        varied = rows.groupby(case)[what].transform("max") > 0
        theirs = paper[(paper.table == number) & paper.data.isin(RUN_HERE)]
        part = rows[varied & is_usual & (rows[other] == 0) & rows.data.isin(theirs.data)]
        if len(part):
            table = over(what, part, theirs, "auroc", ["data"])
            write(f"arn_{number}", table.sort_index(level="data", kind="stable"))
    if is_ablation.any():
        whole = rows.method.isin(rows.method[is_ablation].str.replace(ABLATED, "", regex=True))
        part = rows[is_plain & is_usual & (is_ablation | whole)]
        write("arn_5", over("data", part, paper[paper.table == "5"], "auroc"))
    rows["both"] = rows.fit_seconds + rows.score_seconds
    times = rows[compared & is_usual].pivot_table(
        index=["detector", "inputs"], columns="data", values="both"
    )
    write("arn_7", times[in_order_of(DATA, times)].reset_index("inputs"), precision=1)


def over(what, rows, theirs, metric, also_by=()):
    """Means of a metric, one column for each value of `what`, followed by the published ones."""
    by = [*also_by, "detector", "inputs"]
    ours = rows.pivot_table(index=by, columns=what, values=metric, aggfunc=mean_and_sd)
    if not also_by:  # the best first, those that have not run everywhere last
        order = rows.groupby(by)[metric].mean().to_frame().assign(gaps=ours.isna().sum(axis=1))
        ours = ours.loc[order.sort_values(["gaps", metric], ascending=[True, False]).index]
    theirs = theirs.assign(
        detector=theirs.method + " (published)",
        inputs="",
        cell=theirs.apply(quoted, axis=1, args=(metric, 2)),
    )
    theirs = theirs.pivot(index=by, columns=what, values="cell")
    columns = in_order_of(DATA, ours) if what == "data" else [*ours]
    table = pd.concat([ours, theirs])[columns].dropna(how="all")
    return table if what == "data" else table.rename(columns="{:.0%}".format)


def in_order_of(names, frame):
    """Those of the names that are columns of a frame."""
    return [name for name in names if name in frame]


def noise():
    """Scores with and without noise in the variants: means over the datasets, and extremes."""
    rows = load("arn_noise")
    rows = rows[rows.groupby("dataset").noise_scale.transform("nunique") == 3]
    rows["noise_scale"] = rows.noise_scale.map("{:g}".format)
    cells = rows.groupby(["noise_scale", "score"], sort=False).auroc.agg(mean_and_range)
    table = cells.unstack("score", sort=False)
    of_d = rows[rows.score == "discriminator"].groupby("noise_scale", sort=False)
    table["discriminator below 0.5"] = of_d.auroc.agg(lambda v: f"{(v < 0.5).sum()} of {len(v)}")
    table["its correlation with the norm"] = of_d.size_correlation.mean().map("{:.2f}".format)
    table["slope"] = of_d.slope.mean()
    write("arn_noise", table)
    by_set = rows[rows.score == "discriminator"].pivot_table(
        index="dataset", columns="noise_scale", values="auroc"
    )
    by_set = by_set.rename(columns="noise_scale={}".format)
    without = rows[(rows.score == "discriminator") & (rows.noise_scale == "0")]
    by_set["slope, noise_scale=0"] = without.groupby("dataset").slope.mean()
    write("arn_noise_sets", by_set)


def labels():
    """Known outliers: means over the datasets that have every run."""
    rows = load("arn_labels")
    n_runs = rows.groupby(["dataset", "seed"]).auroc.transform("size")
    rows = rows[n_runs == n_runs.max()]
    rows["detector"] = rows.method + ", " + rows.score + " score"
    table = rows.pivot_table(index="detector", columns="known", values="auroc", sort=False)
    write("arn_labels", table.rename(columns="{:.0%}".format))


if __name__ == "__main__":
    render()
