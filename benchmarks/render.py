"""Write the tables (``doc/tables``) and plots (``doc/images``) of the docs from the results."""

import json
import re
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import results
from arn_tables import DATA, METHODS, PAPER, RUN_HERE, SCORES
from tabulate import tabulate
from tried import DATASETS
from waldo_tables import BASELINES, DETECTORS

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
    """``mean ± sd`` over the runs; the mean alone if there is but one, NaN if there is none."""
    if values.isna().all():
        return np.nan
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
        part = complete(rows[rows.protocol == protocol], ["detector", "seed"])
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
        if protocol == "one-class":
            set_by_set(part[part.method.isin(SET_BY_SET) & part.score.isin(["", DEFAULT_SCORE])])

    rcgan_adbench(rows[rows.protocol == "one-class"])
    ama = complete(rows[(rows.protocol == "one-class") & (rows.method == "AMA")], ["seed"])
    write("ama_scores", by_score(ama, "AMA"))


def members():
    """Means over the parts of one size, set by set; of the means over the sets the spread, too."""
    rows = load("members")
    names = {1: "1 member", 3: "3", 10: "10"}
    table = rows.pivot_table(index="dataset", columns="members", values=["auroc", "ap"])
    texts = table.map("{:.3f}".format)
    parts = rows.groupby(["members", "seed", "first"])[["auroc", "ap"]].mean()
    texts.loc["mean"] = parts.groupby("members").agg(mean_and_sd).unstack()
    texts.columns = [f"{METRICS[metric]}, {names[number]}" for metric, number in texts.columns]
    write("members", texts)


#: Detectors with their defaults, and what they are compared with.
SET_BY_SET = (
    *("ALAD", "RCGAN", "WALDO", "WAE", "CoRA", "ARN", "AMA", "Denoising autoencoder", "k-NN"),
    *("LocalOutlierFactor", "IsolationForest", "OneClassSVM", "PCA-2 residual", "L2 norm"),
)


def set_by_set(rows):
    """AUROC and average precision for each data set, the detectors in one order."""
    wide = rows.pivot_table(index="dataset", columns="method", values=["auroc", "ap"])
    order = wide.auroc.mean().sort_values().index[::-1]
    for metric in ("auroc", "ap"):
        table = wide[metric][order]
        table.loc["mean"] = table.mean()
        write(f"adbench_{metric}", table)


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
    ablation = rows.method.str.startswith("ALAD")
    untrained, with_dl = rows.method == "ALAD, untrained", rows.method == "ALAD, +DL"
    full = with_dl | untrained | (rows.method == "ALAD, +SN +DL")
    epochs = rows.epochs.map(lambda n: f", {n:.0f} epochs" if n in (15, 100) else "")  # of KDD99
    rows["method"] += epochs
    rows["score"] += epochs
    features = rows.score.str.startswith("features")
    parts = {
        "II": (rows[~ablation | (full & features)], "method"),
        "V": (rows[ablation & features & ~untrained], "method"),
        "VII": (rows[with_dl], "score"),
    }
    for number, (part, what) in parts.items():
        for data, group in part.groupby("data"):
            theirs = paper[(paper.table == number) & (paper.data == data)]
            table = beside_published(group, [what, "inputs"], theirs)
            write(f"alad_{number}_{data}", table)


def beside_published(rows, by, theirs, metrics=METRICS, best="f1", precision=3):
    """Our runs, the best first, and under them the published figures."""
    ours = rows.groupby(by)[list(metrics)].agg(mean_and_sd).rename(columns=metrics).reset_index()
    order = rows.groupby(by)[best].mean().to_numpy().argsort()[::-1]
    theirs = pd.DataFrame(
        {by[0]: theirs.method + " (published)"}
        | dict.fromkeys(by[1:], "")
        | {metrics[m]: theirs.apply(quoted, axis=1, args=(m, precision)) for m in metrics}
    )
    return pd.concat([ours.iloc[order], theirs]).set_index(by[0])


def quoted(row, metric, precision=3):
    """A published number with its standard deviation, as far as it is stated."""
    value, sd = row.get(metric), row.get(f"{metric}_sd")
    if pd.isna(value):
        return ""
    return f"{value:.{precision}f}" + (f" ± {sd:.{precision}f}" if pd.notna(sd) else "")


def rcgan():
    """Tables 1, 3 and 4 of RCGAN, and table 1 in brief: the best that learns nothing beside it."""
    rows = load("rcgan_tables")
    paper = published("rcgan")
    case = ["data", "train", "inputs"]
    tables = {
        "3": ["RCGAN, without t", "RCGAN"],
        "4": ["RCGAN", "RCGAN, N(0, 2I)", "RCGAN, U(-1, 1)"],
    }
    means = rows[~rows.method.str.startswith("RCGAN")].groupby([*case, "method"]).f1.mean()
    best = means.groupby(case).max()
    for number, methods in tables.items():
        part = rows[rows.method.isin(methods) & (rows.score != "combined")]
        f1 = part.pivot_table(index=[*case, "score", "seed"], columns="method", values="f1")
        f1 = f1.reindex(columns=methods).dropna()  # the data of this table
        if number == "3":
            f1["gain"] = f1["RCGAN"] - f1["RCGAN, without t"]
        ours = f1.groupby([*case, "score"]).agg(mean_and_sd).reset_index()
        ours["best baseline"] = [f"{best[tuple(key)]:.3f}" for key in ours[case].to_numpy()]
        theirs = paper[paper.table == number].pivot(index="data", columns="method", values="f1")
        theirs = theirs.reset_index().assign(train="published", inputs="", score="")
        table = pd.concat([ours, theirs]).sort_values("data", kind="stable").set_index("data")
        write(f"rcgan_{number}", table.rename(columns={"RCGAN": "RCGAN, N(0, I)"}))

    rows = rows[~rows.method.isin({*tables["3"], *tables["4"]} - {"RCGAN"})]
    learns = rows.method.str.startswith("RCGAN")
    names = {name: f", {name} score" for name in ("discriminator", "features", "combined")}
    rows["method"] += rows.score.map(names).fillna("")
    for data, group in rows.groupby("data"):
        theirs = paper[(paper.table == "1") & (paper.data == data)]
        write(f"rcgan_1_{data}", beside_published(group, ["method", *case[1:]], theirs))

    f1 = rows.pivot_table(index=case, columns="method", values="f1", aggfunc=mean_and_sd)
    brief = f1.reindex(columns=["RCGAN" + name for name in names.values()])
    trivial = rows[~learns].pivot_table(index=case, columns="method", values="f1").idxmax(axis=1)
    brief["best baseline"] = [f1.loc[key, name] for key, name in trivial.items()]
    brief["which"] = trivial
    theirs = paper[(paper.table == "1") & (paper.method == "RCGAN")].set_index("data")
    brief["RCGAN, published"] = brief.index.get_level_values("data").map(
        theirs.apply(quoted, axis=1, metric="f1")
    )
    write("rcgan_1", brief.reset_index(case[1:]))


def by_score(rows, method):
    """What each score of a method is worth on the development sets."""
    scores = rows[rows.method == method].groupby(["score", "seed"])[["auroc", "ap", "f1"]].mean()
    return scores.groupby("score").agg(mean_and_sd).rename(columns=METRICS)


def rcgan_adbench(rows):
    """RCGAN with and without its penalty on the development sets, beside ALAD."""
    penalty, none = "RCGAN", "RCGAN, penalty_weight=0"
    write("rcgan_scores", by_score(rows, penalty))
    rows = rows[rows.method.isin([penalty, none, "ALAD"]) & rows.score.isin(["", DEFAULT_SCORE])]
    means = rows.groupby(["method", "seed"])[["auroc", "ap", "f1"]].mean().groupby("method")
    means = means.agg(mean_and_sd).rename(columns=METRICS)
    write("rcgan_adbench", means.loc[[penalty, none, "ALAD"]])

    wide = rows.pivot_table(index=["dataset", "seed"], columns="method", values=["auroc", "ap"])
    gain = wide.xs(penalty, axis=1, level=1) - wide.xs(none, axis=1, level=1)
    by_set = gain.groupby("dataset")
    counts = {
        "mean gain": gain.groupby("seed").mean().agg(mean_and_sd),
        "sets": by_set.ngroups,
        "higher in the mean": (by_set.mean() > 0).sum(),
        "lower in the mean": (by_set.mean() < 0).sum(),
        "higher with each seed": (by_set.min() > 0).sum(),
        "lower with each seed": (by_set.max() < 0).sum(),
    }
    table = pd.DataFrame(counts).loc[["auroc", "ap"]].rename(index=METRICS).rename_axis("metric")
    write("rcgan_penalty", table, precision=0)


def boundary(table):
    """What D = 1/2 flags on the development sets: means over the sets, and the extremes."""
    rows = load(table)
    cases = pd.DataFrame(
        {"rule": rule} | values for row in rows.itertuples() for rule, values in row.rules.items()
    )
    cells = cases.groupby("rule", sort=False).agg(
        lambda v: f"{v.mean():.2f} ({v.min():.2f} to {v.max():.2f})"
    )
    write(table, cells.rename(columns=in_words).rename(columns=METRICS))


def waldo():
    """Tables 1 and 2 of WALDO on KDD99: ranking, and the decision without a threshold."""
    rows, paper = load("waldo_tables"), published("waldo")
    rows = rows[~((rows.method == "WAE") & (rows.score == "difference"))]  # it has one decoder
    rows["order"] = rows.method.map([*DETECTORS, *BASELINES].index)
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
                table = with_quoted(table, paper[paper.table == "1"], metric)
            write(f"waldo_1_{place}_{metric}", table)
    for metric in ("auroc", "auprc"):
        table = by_rate(rows[rows.contamination > 0], f"mixture_{metric}", ["contamination"])
        table = with_quoted(table, paper[paper.table == "2"], metric, ["contamination"])
        table = table.reset_index("contamination").sort_values("contamination", kind="stable")
        table["contamination"] = table.contamination.map("{:.0%}".format)
        write(f"waldo_2_{metric}", table)


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


def with_quoted(table, theirs, metric, also_by=()):
    """A table of `by_rate`, and under it the published figures, WALDO's first."""
    theirs = theirs.iloc[::-1].assign(cell=theirs.apply(quoted, axis=1, metric=metric))
    cells = theirs.groupby([*also_by, "method", "nu"], sort=False).cell.first().unstack("nu")
    cells = cells.rename(columns="ν = {}".format)
    cells = cells.rename(index=lambda name: f"{name} (published)", level="method")
    return pd.concat([table, cells])[[*sorted(cells.columns), "seeds"]]


def waldo_images():
    """MNIST in table 1 of WALDO."""
    rows, paper = load("waldo_images"), published("waldo")
    names = [f"{name}{kind}" for name in ("WALDO", "CoRA", "WAE") for kind in ("", ", ConvNet")]
    rows["order"] = rows.method.map({name: i for i, name in enumerate(names)}).fillna(len(names))
    decisions = rows[rows.score == "difference"]
    write("waldo_mnist_decision_f1", by_rate(decisions, "mixture_decision_f1"))
    rows["method"] += (rows.score == "difference").map({True: ", difference", False: ""})
    paper = paper[paper.data == "mnist"]
    for metric in ("auroc", "auprc"):
        table = by_rate(rows, f"mixture_{metric}")
        write(f"waldo_mnist_{metric}", with_quoted(table, paper, metric))
    write("waldo_mnist_held_out_auroc", by_rate(rows, "held_out_auroc"))


def waldo_adbench():
    """WALDO and its parts on the development sets: what is left in each setting that has run."""
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


def complete(rows, run):
    """The rows of runs that have been through all data sets."""
    return rows[rows.groupby(run).dataset.transform("nunique") == rows.dataset.nunique()]


def waldo_figures():
    """Figures 2 and 4 of WALDO on KDD99, and the numbers of figure 2a and of section 6.4."""
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
    """Figure 2: distances of codes from the prior's mean; F1 with and without the advantage."""
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


def save(figure, name):
    plt.rcParams["svg.hashsalt"] = "skgad"  # the same file from the same results
    (DOC / "images").mkdir(exist_ok=True)
    figure.savefig(DOC / "images" / f"{name}.svg", metadata={"Date": None})


ARN_METRICS = {"auroc": "AUROC", "ap": "AP", "auprc": "AUPRC"}


def arn():
    """Tables II to V and figure 7 of ARN."""
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


def arn_noise():
    """ARN's scores with and without noise in its variants: means over the sets, and extremes."""
    rows = load("arn_noise")
    rows = rows[rows.groupby("dataset").noise_scale.transform("nunique") == 3]
    rows["noise_scale"] = rows.noise_scale.map("{:g}".format)
    by_score = rows.groupby(["noise_scale", "score"], sort=False).auroc
    cells = by_score.agg(lambda v: f"{v.mean():.2f} ({v.min():.2f} to {v.max():.2f})")
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


def arn_labels():
    """Known outliers: means over the sets that have every run."""
    rows = load("arn_labels")
    n_runs = rows.groupby(["dataset", "seed"]).auroc.transform("size")
    rows = rows[n_runs == n_runs.max()]
    rows["detector"] = rows.method + ", " + rows.score + " score"
    table = rows.pivot_table(index="detector", columns="known", values="auroc", sort=False)
    write("arn_labels", table.rename(columns="{:.0%}".format))


def tried(table):
    """Variants of a method: means over eight sets, one seed."""
    rows = load(table)
    rows = rows[rows.dataset.isin(DATASETS) & (rows.seed == 0)]
    n_sets = rows.groupby("variant").dataset.transform("nunique")
    rows = rows[n_sets == n_sets.max()]
    means = rows.pivot_table(index="variant", columns="score", values="auroc", sort=False)
    write(table, means)


def alad_tried():
    """Variants of ALAD; those that have run on all sets with the seeds of ADBench, beside k-NN."""
    tried("alad_tried")
    others = load("adbench").query("protocol == 'one-class' and method in ('ALAD', 'k-NN')")
    others = others.assign(variant=others.method.replace("ALAD", "default"))
    rows = pd.concat([others, load("alad_tried")])
    rows = rows[rows.score.fillna(DEFAULT_SCORE).eq(DEFAULT_SCORE) & rows.seed.isin(others.seed)]
    rows = rows.drop_duplicates(["variant", "dataset", "seed"])
    n_runs = rows.groupby("variant").auroc.transform("size")
    rows = rows[n_runs == n_runs.max()]

    by_seed = rows.groupby(["variant", "seed"])[["auroc", "ap"]].mean().groupby("variant")
    means = by_seed.agg(mean_and_sd).rename(columns=METRICS)
    sets = rows.pivot_table(index="variant", columns="dataset", values="auroc")
    for name in ("default", "k-NN"):
        above = sets.gt(sets.loc[name]).sum(axis=1).astype(str)
        means[f"sets above {name}"] = above.where(above.index != name, "")
    order = by_seed.auroc.mean().sort_values(ascending=False)
    write("alad_tried_everywhere", means.loc[order.index])


ABLATED = ", (without KL|ELBO)$"
ABLATION = [name for name in METHODS if re.search(ABLATED, name)]


def over(what, rows, theirs, metric, also_by=()):
    """Means of a metric, one column for each value of `what`, and the published ones under them."""
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
    """The columns of a frame, as far as it has them, in a given order."""
    return [name for name in names if name in frame]


def cifar_brightness():
    """CIFAR-10 in tables 1 and 2 of WALDO, and the same numbers without a model."""
    rows, paper = load("cifar_brightness"), published("waldo")
    paper = paper[(paper.data == "cifar10") & paper.method.isin(["WALDO", "CoRA", "WAE"])]
    paper["contamination"] = paper.contamination.map(" (published, {:.0%})".format)
    for metric in ("auroc", "auprc"):
        ours = rows.assign(value=rows[f"mixture_{metric}"], method="no model: " + rows.method)
        theirs = paper.assign(value=paper[metric], method=paper.method + paper.contamination)
        both = pd.concat([ours, theirs])
        table = both.groupby(["method", "nu"], sort=False).value.first().unstack("nu")
        write(f"waldo_cifar10_{metric}", table.rename(columns="ν = {}".format), precision=4)


def published_trivial():
    """F1 of ALAD and RCGAN as published, and of scores that learn next to nothing."""
    names = ["count, negated", "PCA-2 residual", *(f"L{p} distance to the mean" for p in (1, 2))]
    rows, case = load("rcgan_tables"), ["data", "train", "inputs"]
    f1 = rows[rows.method.isin(names)].pivot_table(index=case, columns="method", values="f1")[names]
    for paper, table, method in (("alad", "II", "ALAD"), ("rcgan", "1", "RCGAN")):
        theirs = published(paper)
        theirs = theirs[(theirs.table == table) & (theirs.method == method)].set_index("data").f1
        f1[f"{method} (published)"] = f1.index.get_level_values("data").map(theirs)
    write("published_trivial", f1.reset_index(["train", "inputs"]))


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
    auto = cases[cases.rule == "percentile 95"].groupby("method", sort=False).false_positives
    write("threshold_auto", auto.agg(["mean", "median", "min", "max"]), precision=2)


def front_door():
    """Quality with default and with searched parameters; reasons, changes, what is picked."""
    rows = load("front_door")
    case = ["data", "method"]
    groups = rows.groupby(case)
    columns = {
        "share of outliers": "outliers",
        "AUROC, defaults": "default_auroc",
        "AUROC, searched": "auroc",
        "AP, defaults": "default_ap",
        "AP, searched": "ap",
        "F1 of the decisions": "decision_f1",
    }
    quality = groups[[*columns.values()]].agg(mean_and_sd)
    quality["outliers"] = groups.outliers.mean().map("{:.3f}".format)
    quality.columns = [*columns]
    quality["chosen"] = groups.chosen.agg(in_order)
    write("front_door", quality.reset_index("method"))

    shares = pd.DataFrame(
        [
            {name: v / row.excess for name, v in row.contributions.items()}
            for row in rows.itertuples()
        ]
    )
    means = shares.groupby([rows[name] for name in case]).mean()
    largest = {
        key: ", ".join(f"{name} {share:.0%}" for name, share in part.nlargest(4).items())
        for key, part in means.iterrows()
    }
    reasons = pd.DataFrame(
        {
            "columns, with their share of the score": pd.Series(largest).rename_axis(case),
            "changed columns": groups.changed_columns.mean().map("{:.1f}".format),
            "made normal": groups.made_normal.mean().map("{:.0%}".format),
            "picked": groups.picked.agg(listed),
            "false among them": groups.false_discoveries.agg(listed, text="{:.0%}"),
            "outliers found": groups.found.agg(listed, text="{:.0%}"),
        }
    )
    write("front_door_reasons", reasons.reset_index("method"))


def in_order(chosen):
    """The chosen parameters, seed by seed."""
    names = sorted({name for params in chosen for name in params})
    return "; ".join(
        f"{name.split('__')[1]}: {listed([params[name] for params in chosen])}" for name in names
    )


def listed(values, text="{}"):
    """One value per seed."""
    return ", ".join(map(text.format, values))


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


def selection():
    """How much of the gap between the default and the best candidate each criterion closes."""
    rows = load("selection")
    shallow = rows[rows.method != "ALAD"]
    parts = {"all four": pooled(shallow)} | dict(iter(rows.groupby("method", sort=False)))
    for metric in ("auroc", "ap"):
        columns = {
            f"{method} ({part.dataset.nunique()} sets)": gaps_closed(part, metric)
            for method, part in parts.items()
        }
        table = pd.DataFrame(columns).reindex(gaps_closed(shallow, metric).index)
        write("selection" if metric == "auroc" else "selection_ap", table)


def pooled(rows):
    """The candidates of several methods as those of one."""

    def concatenate(part):
        criteria = part.criteria.tolist()
        shared = [name for name in criteria[0] if name != "consensus"]  # is of one method's scores
        return pd.Series(
            {metric: part[metric].sum() for metric in ("auroc", "ap")}
            | {"criteria": {name: sum((c[name] for c in criteria), []) for name in shared}}
        )

    return rows.groupby(["dataset", "seed"]).apply(concatenate).reset_index()


def gaps_closed(rows, metric):
    """Ratio of mean gains over the data sets, with a 95 % bootstrap interval over them."""
    gains = pd.DataFrame(
        {"best": max(values) - values[0], "random choice": np.mean(values) - values[0]}
        | {name: values[np.nanargmax(c)] - values[0] for name, c in row.criteria.items()}
        | {"dataset": row.dataset, "level": values[0]}
        for row in rows.itertuples()
        for values in [getattr(row, metric)]
    )
    means = gains.groupby("dataset").mean()
    draws = np.random.default_rng(0).integers(len(means), size=(2000, len(means)))
    best = means.pop("best")
    level = means.pop("level").mean()
    cells = {
        f"{METRICS[metric]} of the default": f"{level:.3f}",
        f"{METRICS[metric]} of the best": f"{level + best.mean():.3f}",
    }
    for name, gain in means.items():
        ratios = gain.to_numpy()[draws].mean(axis=1) / best.to_numpy()[draws].mean(axis=1)
        low, high = np.quantile(ratios, [0.025, 0.975])
        cells[name] = f"{gain.mean() / best.mean():.2f} ({low:.2f} to {high:.2f})"
    return pd.Series(cells).rename_axis("chosen by")


def ama_selection():
    """What AMA's negatives are worth, and what rules without labels make of the choice."""
    rows = load("ama_selection").rename(columns={"auroc": "labels"})
    case = ["dataset", "seed"]
    rows = rows[rows.groupby(case).candidate.transform("size") == rows.candidate.nunique()]
    per_candidate = rows.pivot_table("labels", "candidate", "dataset", sort=False)
    per_candidate["mean"] = per_candidate.mean(axis=1)
    write("ama_negatives", per_candidate.rename_axis("negatives"))
    rules = {
        rule: rows.loc[rows.groupby(case)[rule].idxmax()]
        for rule in ("labels", "separation", "hardness", "pseudo-outliers", "mass-volume")
    }
    cells = {
        rule: {"AUROC": f"{chosen.labels.mean():.3f}", "choices": counts(chosen.candidate)}
        for rule, chosen in rules.items()
    }
    write("ama_selection", pd.DataFrame(cells).T.rename_axis("chosen by"))


CIFAR10 = "airplane automobile bird cat deer dog frog horse ship truck".split()
CLASSES = {
    "mnist": {},
    "fashion": {"all": "AUROC"},
    "cifar10": {str(i): name for i, name in enumerate(CIFAR10)},
}
AMA_SCORES = {"combined": "", "features": ", R-score", "likelihood": ", A-score"}


def ama_images():
    """Tables 1 and 2 of AMA, and both ways to train for table 2."""
    rows, paper = load("ama_images"), published("ama")
    rows["method"] += rows.score.map(AMA_SCORES).fillna("")
    is_known = rows.method.str.contains("known")
    for data, part in rows[~is_known].groupby("data"):
        table = by_class(part, paper[paper.data == data])
        write(f"ama_{data}", table.rename(columns=CLASSES[data]))
    is_ama = (rows.data == "mnist") & rows.method.str.startswith("AMA")
    part = rows[is_ama & rows.normal.isin(rows.normal[is_known])]
    if len(part):
        theirs = paper[(paper.data == "mnist") & (paper.method == "AMA")]
        write("ama_known", by_class(part, theirs))


def by_class(rows, theirs):
    """AUROC, one column for each normal class, and under it the published ones."""
    by = ["method", "images", "epochs"]
    rows = rows.assign(
        images=rows.n_images.map(str),
        epochs=rows.epochs.map(lambda n: "" if pd.isna(n) else f"{n:.0f}"),
    )
    theirs = theirs.assign(method=theirs.method + " (published)", images="", epochs="")
    ours = rows.pivot_table("auroc", by, "normal")
    theirs = theirs.pivot(index=by, columns="normal", values="auroc")[ours.columns]
    tables = [ours, theirs]
    if len(ours.columns) > 1:
        tables = [table.assign(mean=table.mean(axis=1, skipna=False)) for table in tables]
    best_first = [table.sort_values(table.columns[-1], ascending=False) for table in tables]
    return pd.concat(best_first).reset_index(by[1:])


def ama_speed():
    """An epoch and the scores of AMA on MNIST, beside a loop of plain torch."""
    rows = load("ama_speed").set_index("measure")
    names = {"epoch": "training", "score": "scores"}
    columns = {
        "skgad_seconds": "skgad (s)",
        "bare_seconds": "bare torch (s)",
        "ratio": "ratio",
        "images_per_second": "images per second",
    }
    table = rows.rename(index=names, columns=columns)[[*columns.values()]]
    table["images per second"] = table["images per second"].map("{:,.0f}".format)
    write("ama_speed", table.rename_axis("what"))


def counts(names):
    """How often each name occurs, in words."""
    return "; ".join(f"{name}: {n}" for name, n in names.value_counts().items())


def in_words(name):
    return name.replace("_mb", " (MB)").replace("_", " ")


def commands():
    """All commands whose results are in the tables, with the versions and the machines."""
    parts = []
    for path in sorted(results.FOLDER.glob("*.json")):
        content = json.loads(path.read_text())
        if "runs" not in content:
            continue
        used = {row["run"] for row in content["rows"]}
        runs = [run for number, run in enumerate(content["runs"]) if number in used]
        of = {name: ", ".join(sorted({str(run[name]) for run in runs})) for name in runs[0]}
        lines = [path.stem, "-" * len(path.stem), "", ".. code-block:: console", ""]
        lines += [f"   $ {command}" for command in sorted({run["command"] for run in runs})]
        lines += ["", f"Python {of['python']}, torch {of['torch']}, scikit-learn"]
        lines += [f"{of['scikit-learn']}, skorch {of['skorch']}; {of['cpu']}, {of['cores']} cores."]
        parts.append("\n".join(lines))
    (DOC / "tables" / "commands.rst").write_text("\n\n".join(parts) + "\n")


if __name__ == "__main__":
    for table, render in {
        "adbench": adbench,
        "members": members,
        "alad_tables": alad,
        "rcgan_tables": rcgan,
        "rcgan_boundary": partial(boundary, "rcgan_boundary"),
        "waldo_tables": waldo,
        "waldo_adbench": waldo_adbench,
        "waldo_figures": waldo_figures,
        "waldo_images": waldo_images,
        "arn_tables": arn,
        "arn_noise": arn_noise,
        "arn_labels": arn_labels,
        "arn_boundary": partial(boundary, "arn_boundary"),
        "arn_tried": partial(tried, "arn_tried"),
        "alad_tried": alad_tried,
        "cifar_brightness": cifar_brightness,
        "published": published_trivial,
        "threshold": threshold,
        "selection": selection,
        "ama_selection": ama_selection,
        "ama_images": ama_images,
        "ama_speed": ama_speed,
        "front_door": front_door,
        "speed": speed,
    }.items():
        if (results.FOLDER / f"{table}.json").exists():
            render()
    commands()
