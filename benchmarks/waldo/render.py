"""Write the tables and figures of WALDO: ``python -m benchmarks.waldo.render``."""

import matplotlib.pyplot as plt
import pandas as pd

from benchmarks.common.render import (
    METRICS,
    complete,
    in_words,
    load,
    mean_and_sd,
    published,
    quoted,
    save,
    write,
)
from benchmarks.waldo.tables import BASELINES, DETECTORS, OTHERS


def render():
    tables()
    images()
    development_sets()
    figures()
    cifar_brightness()


def tables():
    """Tables 1 and 2 on KDD99: the ranking, and the decision without a threshold."""
    rows, paper = load("waldo_tables"), published("waldo")
    # WAE has one decoder, so there is no difference of errors.
    rows = rows[~((rows.method == "WAE") & (rows.score == "difference"))]
    rows["order"] = rows.method.map([*DETECTORS, *OTHERS, *BASELINES].index)
    is_difference = rows.score == "difference"
    decisions = rows[is_difference & (rows.contamination == 0)]
    for name in ("mixture_decision_f1", "mixture_decision_flagged", "held_out_decision_f1"):
        write(f"waldo_{name}", by_rate(decisions, name))

    rows["method"] += is_difference.map({True: ", difference", False: ""})
    paper = paper[paper.data == "kdd99"]
    for metric in ("auroc", "auprc", "ap"):
        for place in ("mixture", "held_out"):
            if (metric, place) == ("auprc", "held_out"):
                continue
            table = by_rate(rows[rows.contamination == 0], f"{place}_{metric}")
            if place == "mixture" and metric in paper:
                table = with_published(table, paper[paper.table == "1"], metric)
            write(f"waldo_1_{place}_{metric}", table)
    for metric in ("auroc", "auprc"):
        table = by_rate(rows[rows.contamination > 0], f"mixture_{metric}", ["contamination"])
        table = with_published(table, paper[paper.table == "2"], metric, ["contamination"])
        table = table.reset_index("contamination").sort_values("contamination", kind="stable")
        table["contamination"] = table.contamination.map("{:.0%}".format)
        write(f"waldo_2_{metric}", table)


def images():
    """MNIST in table 1."""
    rows, paper = load("waldo_images"), published("waldo")
    names = [f"{name}{kind}" for name in ("WALDO", "CoRA", "WAE") for kind in ("", ", ConvNet")]
    rows["order"] = rows.method.map({name: i for i, name in enumerate(names)}).fillna(len(names))
    decisions = rows[rows.score == "difference"]
    write("waldo_mnist_decision_f1", by_rate(decisions, "mixture_decision_f1"))
    rows["method"] += (rows.score == "difference").map({True: ", difference", False: ""})
    paper = paper[paper.data == "mnist"]
    for metric in ("auroc", "auprc"):
        table = by_rate(rows, f"mixture_{metric}")
        write(f"waldo_mnist_{metric}", with_published(table, paper, metric))
    write("waldo_mnist_held_out_auroc", by_rate(rows, "held_out_auroc"))


def by_rate(rows, column, also_by=()):
    """Means of a column, one column for each share of outliers, and the number of seeds."""
    groups = rows.sort_values("order", kind="stable").groupby(
        [*also_by, "method", "nu"], sort=False
    )[column]
    table, n_runs = (groups.agg(how).unstack("nu") for how in (mean_and_sd, "count"))
    table = table.sort_index(axis=1).rename(columns="ν = {}".format)
    few, many = n_runs.min(axis=1).astype(int), n_runs.max(axis=1).astype(int)
    table["seeds"] = [str(b) if a == b else f"{a} to {b}" for a, b in zip(few, many, strict=True)]
    return table


def with_published(table, theirs, metric, also_by=()):
    """A table of `by_rate`, followed by the published figures, those of WALDO first."""
    theirs = theirs.iloc[::-1].assign(cell=theirs.apply(quoted, axis=1, metric=metric))
    cells = theirs.groupby([*also_by, "method", "nu"], sort=False).cell.first().unstack("nu")
    cells = cells.rename(columns="ν = {}".format)
    cells = cells.rename(index=lambda name: f"{name} (published)", level="method")
    return pd.concat([table, cells])[[*sorted(cells.columns), "seeds"]]


def development_sets():
    """WALDO and its parts on the development sets, in each setting that is complete."""
    rows = load("waldo_adbench")
    rows = rows.rename(columns={"tie_decision_f1": "F1", "tie_decision_flagged": "flagged"})
    rows = rows.rename(columns={"tie_balanced_accuracy": "balanced accuracy"})
    rows = complete(rows, ["setting", "method", "score", "seed"])
    means = rows.groupby(["setting", "method", "score", "seed"], sort=False)[
        ["auroc", "ap", "F1", "balanced accuracy", "flagged"]
    ].mean()
    cells = means.groupby(["setting", "method", "score"], sort=False).agg(mean_and_sd)
    cells = cells.where(cells != "nan").rename(columns=METRICS).reset_index(["method", "score"])
    write("waldo_adbench", cells.sort_index(kind="stable"))


def figures():
    """Figures 2 and 4 on KDD99, and the numbers of figure 2a and of section 6.4."""
    rows = load("waldo_figures")
    case = ["codes", "prior_on"]
    codes = rows[rows.part == "codes"].rename(columns={"auroc": "AUROC of the distance"})
    columns = ["inlier_mean", "outlier_mean", "AUROC of the distance"]
    codes["ν"] = codes.nu.map(str)
    numbers = codes.groupby(["ν", *case], sort=False)[columns].agg(mean_and_sd).reset_index(case)
    names = {f"{kind}_mean": f"mean distance, {kind}s" for kind in ("inlier", "outlier")}
    write("waldo_codes", numbers.rename(columns=names).rename(columns=in_words))

    distances = pd.DataFrame(
        {"ν": str(row.nu), "codes": row.codes, "rows": source}
        | {f"to real {kind}s": value for kind, value in to.items()}
        for row in rows[rows.part == "distances"].itertuples()
        for source, to in row.distances.items()
    )
    distances = distances.groupby(["ν", "codes", "rows"], sort=False).agg(mean_and_sd)
    write("waldo_distances", distances.reset_index(["codes", "rows"]))

    first = rows[rows.seed == 0].drop_duplicates([*case, "part"])  # one picture of each
    plot_codes(first[first.part == "codes"])
    plot_embedding(first[first.part == "t-SNE"])


def plot_codes(rows):
    """Figure 2: distances of codes to the prior's mean; F1 with and without the advantage."""
    figure, axes = plt.subplots(1, 3, figsize=(10, 3.2), layout="constrained")
    for ax, (codes, part) in zip(axes, rows.groupby("codes", sort=False), strict=False):
        boxes = [
            {"label": f"{kind}s,\n{row.prior_on}"} | row.boxes[kind]
            for row in part.itertuples()
            for kind in ("inlier", "outlier")
        ]
        ax.bxp(boxes, showfliers=False)
        ax.set(title=f"{codes}, ν = {part.nu.iloc[0]}", ylabel="distance from the prior's mean")
        ax.tick_params(axis="x", labelsize=7)
    tables = load("waldo_tables")
    tables = tables[(tables.score == "difference") & (tables.contamination == 0)]
    for kind, style in {"": "-", ", linear codes": "--"}.items():
        for without, color in {"": "C0", ", without advantage": "C1"}.items():
            name = f"WALDO{kind}{without}"
            f1 = tables[tables.method == name].groupby("nu").mixture_decision_f1
            if not len(f1):
                continue
            axes[2].errorbar(
                f1.mean().index, f1.mean(), f1.std(), label=name, ls=style, color=color, marker="."
            )
    axes[2].set(xlabel="ν", ylabel="F1 of the decision", ylim=(0, 1.02))
    axes[2].legend(fontsize=6)
    save(figure, "waldo_codes")


def plot_embedding(rows):
    """Figure 4: t-SNE of real and generated rows."""
    figure, axes = plt.subplots(1, 2, figsize=(10, 4.5), layout="constrained")
    for ax, row in zip(axes, rows.itertuples(), strict=False):
        for (name, points), color in zip(row.points.items(), ("C0", "C3") * 2, strict=True):
            marker = "x" if name.startswith("generated") else "o"
            ax.scatter(
                *zip(*points, strict=True),
                s=12,
                c=color,
                marker=marker,
                label=name,
                lw=0.8,
                rasterized=True,
            )
        ax.set(title=f"{row.codes}, ν = {row.nu}", xticks=[], yticks=[])
    axes[0].legend(fontsize=7)
    save(figure, "waldo_tsne")


def cifar_brightness():
    """CIFAR-10 in tables 1 and 2, and the same figures without a model."""
    rows, paper = load("cifar_brightness"), published("waldo")
    paper = paper[(paper.data == "cifar10") & paper.method.isin(["WALDO", "CoRA", "WAE"])]
    paper["contamination"] = paper.contamination.map(" (published, {:.0%})".format)
    for metric in ("auroc", "auprc"):
        ours = rows.assign(value=rows[f"mixture_{metric}"], method="no model: " + rows.method)
        theirs = paper.assign(value=paper[metric], method=paper.method + paper.contamination)
        both = pd.concat([ours, theirs])
        table = both.groupby(["method", "nu"], sort=False).value.first().unstack("nu")
        write(f"waldo_cifar10_{metric}", table.rename(columns="ν = {}".format), precision=4)


if __name__ == "__main__":
    render()
