"""Write the tables and figures of the studies: ``python -m benchmarks.studies.render``."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from benchmarks.common import results
from benchmarks.common.render import (
    METRICS,
    OWN_SCORE,
    in_words,
    load,
    load_adbench,
    mean_and_range,
    mean_and_sd,
    published,
    quoted,
    save,
    write,
    write_text,
)
from benchmarks.studies import finished_scores as finished
from benchmarks.studies import render_rankings
from benchmarks.studies.baselines import PEERS
from benchmarks.studies.published_splits import SPLITS
from benchmarks.studies.ranking import METHODS as METHODS_OF_RANKING
from benchmarks.studies.samples import METHODS as METHODS_OF_SAMPLES
from benchmarks.studies.samples import MIXED, NUMERIC
from benchmarks.studies.sizes import DATASETS as DATASETS_OF_SIZES
from benchmarks.studies.sizes import SIZES
from benchmarks.studies.tried import DATASETS


def render():
    render_rankings.render()
    published_splits()
    members()
    for table in ("alad_tried", "arn_tried"):
        tried(table)
    alad_tried_everywhere()
    for table in ("rcgan_boundary", "arn_boundary"):
        boundary(table)
    threshold()
    selection()
    front_door()
    speed()
    latency()
    scale()
    finished_scores()
    ranking()
    baselines()
    flow()
    samples()
    sizes()
    properties()


def published_splits():
    """k-NN under both splits, among the published figures."""
    rows = load("published_splits")
    theirs = pd.concat([published("dte").query("method == 'kNN'"), published("ulead")])
    theirs = theirs[theirs.dataset.isin(rows.dataset)].replace({"method": {"kNN": "k-NN of DTE"}})
    for metric in ("auroc", "ap"):
        ours = rows.groupby(["dataset", "split"])[metric].agg(mean_and_sd).unstack()[[*SPLITS]]
        cells = theirs.assign(cell=theirs.apply(quoted, axis=1, metric=metric))
        cells = cells.set_index(["dataset", "method"]).cell.unstack()
        cells = cells[["k-NN of DTE", "uLEAD-TabPFN", "CAIT"]]
        columns = [ours.add_prefix("k-NN, "), cells.add_suffix(" (published)")]
        write(f"published_splits_{metric}", pd.concat(columns, axis=1))


def members():
    """Means over parts of one size for each dataset; for all datasets their spread, too."""
    rows = load("members")
    names = {1: "1 member", 3: "3", 10: "10"}
    table = rows.pivot_table(index="dataset", columns="members", values=["auroc", "ap"])
    texts = table.map("{:.3f}".format)
    parts = rows.groupby(["members", "seed", "first"])[["auroc", "ap"]].mean()
    texts.loc["mean"] = parts.groupby("members").agg(mean_and_sd).unstack()
    texts.columns = [f"{METRICS[metric]}, {names[number]}" for metric, number in texts.columns]
    write("members", texts)


def tried(table):
    """Variants of a method: means over eight datasets, one seed."""
    rows = load(table)
    rows = rows[rows.dataset.isin(DATASETS) & (rows.seed == 0)]
    n_sets = rows.groupby("variant").dataset.transform("nunique")
    rows = rows[n_sets == n_sets.max()]
    write(table, rows.pivot_table(index="variant", columns="score", values="auroc", sort=False))


def alad_tried_everywhere():
    """Variants of ALAD that have run on all development sets with three seeds, and k-NN."""
    others = load_adbench("one-class").query("method in ('ALAD', 'k-NN')")
    others = others.assign(variant=others.method.replace("ALAD", "default"))
    rows = pd.concat([others, load("alad_tried")])
    rows = rows[rows.score.isin(["", OWN_SCORE]) & rows.seed.isin(others.seed)]
    rows = rows.drop_duplicates(["variant", "dataset", "seed"])
    n_runs = rows.groupby("variant").auroc.transform("size")
    rows = rows[n_runs == n_runs.max()]

    by_seed = rows.groupby(["variant", "seed"])[["auroc", "ap"]].mean().groupby("variant")
    means = by_seed.agg(mean_and_sd).rename(columns=METRICS)
    sets = rows.pivot_table(index="variant", columns="dataset", values="auroc")
    for name in ("default", "k-NN"):
        above = sets.gt(sets.loc[name]).sum(axis=1).astype(str)
        means[f"datasets above {name}"] = above.where(above.index != name, "")
    order = by_seed.auroc.mean().sort_values(ascending=False)
    write("alad_tried_everywhere", means.loc[order.index])


def boundary(table):
    """Rows that D = 1/2 flags: means over the development sets, and extremes."""
    cases = by_rule(load(table), [])
    cells = cases.groupby("rule", sort=False).agg(mean_and_range)
    write(table, cells.rename(columns=in_words).rename(columns=METRICS))


def threshold():
    """Results of each rule with each detector: means over datasets and seeds."""
    cases = by_rule(load("threshold"), ["method"])
    means = cases.groupby(["rule", "method"], sort=False).mean().unstack()
    for metric in means.columns.levels[0]:
        write(f"threshold_{metric}", means[metric])
    auto = cases[cases.rule == "percentile 95"].groupby("method", sort=False).false_positives
    write("threshold_auto", auto.agg(["mean", "median", "min", "max"]), precision=2)


def by_rule(rows, columns):
    """One row for each rule of each run, with some columns of the run."""
    return pd.DataFrame(
        {name: run[name] for name in columns} | {"rule": rule} | values
        for run in rows.to_dict("records")
        for rule, values in run["rules"].items()
    )


def selection():
    """Share of the gap between the default and the best candidate that each criterion closes."""
    rows = load("selection")
    shallow = rows[rows.method != "ALAD"]
    parts = {"all four": pooled(shallow)} | dict(iter(rows.groupby("method", sort=False)))
    for metric in ("auroc", "ap"):
        columns = {
            f"{method} ({part.dataset.nunique()} datasets)": gaps_closed(part, metric)
            for method, part in parts.items()
        }
        table = pd.DataFrame(columns).reindex(gaps_closed(shallow, metric).index)
        write("selection" if metric == "auroc" else "selection_ap", table)


def pooled(rows):
    """Results in which the candidates of several methods are those of one."""

    def concatenate(part):
        criteria = part.criteria.tolist()
        # The consensus is one among the scores of a single method.
        shared = [name for name in criteria[0] if name != "consensus"]
        return pd.Series(
            {metric: part[metric].sum() for metric in ("auroc", "ap")}
            | {"criteria": {name: sum((c[name] for c in criteria), []) for name in shared}}
        )

    return rows.groupby(["dataset", "seed"]).apply(concatenate).reset_index()


def gaps_closed(rows, metric):
    """Ratio of average gains over the datasets, with a 95 % bootstrap interval over them."""
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


def front_door():
    """Metrics with default and with searched parameters; explanations and selected rows."""
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
    quality["chosen parameters"] = groups.chosen.agg(seed_by_seed)
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
            "columns with the largest shares of the score": pd.Series(largest).rename_axis(case),
            "changed columns": groups.changed_columns.mean().map("{:.1f}".format),
            "made normal": groups.made_normal.mean().map("{:.0%}".format),
            "selected": groups.picked.agg(listed),
            "false discoveries": groups.false_discoveries.agg(listed, text="{:.0%}"),
            "outliers found": groups.found.agg(listed, text="{:.0%}"),
        }
    )
    write("front_door_reasons", reasons.reset_index("method"))


def seed_by_seed(chosen):
    """The chosen parameters, each with one value per seed."""
    names = sorted({name for params in chosen for name in params})
    return "; ".join(
        f"{name.split('__')[1]}: {listed([params[name] for params in chosen])}" for name in names
    )


def listed(values, text="{}"):
    """One value per seed."""
    return ", ".join(map(text.format, values))


def speed():
    """Ratios, and a plot of how the time grows."""
    rows = load("speed")
    overhead = rows[rows.measure.isin(["fit", "score"])].set_index(["measure", "device"])
    names = {"skgad_seconds": "skgad (s)", "bare_seconds": "bare torch (s)"}
    write("speed", overhead[[*names, "ratio"]].rename(columns=names))
    memory = rows[rows.measure == "memory"].set_index("device")
    write(
        "speed_memory",
        memory[["data_mb", "growth_mb", "ratio"]].rename(columns=in_words),
        precision=2,
    )
    pyod = rows[rows.measure == "pyod"].set_index("detector")
    columns = ["training_rows_per_second", "scored_rows_per_second"]
    write("speed_pyod", pyod[["device", *columns]].rename(columns=in_words), precision=0)

    members = rows[rows.measure == "members"].astype({"members": int})
    members = members.set_index(["layers", "members"])
    columns = ["ms_per_step", "ratio", "step_to_floor"]
    write("speed_members", members[columns].rename(columns=in_words), precision=2)

    defaults = rows[rows.measure == "defaults"].set_index("detector")
    columns = ["fit_seconds", "ratio", "score_seconds"]
    write("speed_defaults", defaults[columns].rename(columns=in_words), precision=2)

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
    save(figure, "speed")


def latency():
    """Percentiles of the time of a call, in ms of processor time."""
    rows = load("latency")
    rows["call"] = rows.rows.map({1: "1 row", 100: "100 rows"})
    columns = {"ms_p10": "10 %", "ms_p50": "median", "ms_p99": "99 %"}
    parts = {call: part.set_index("detector")[[*columns]] for call, part in rows.groupby("call")}
    parts = [parts[c].rename(columns=columns).add_prefix(f"{c}, ") for c in ("1 row", "100 rows")]
    write("latency", pd.concat(parts, axis=1), precision=2)


def scale():
    """Seconds, rows per second and memory by the number of rows."""
    rows = load("scale").sort_values("n_rows")
    columns = ["file_mb", "fit_seconds", "rows_per_second", "score_growth_mb", "peak_mb"]
    for name in ("n_rows", *columns):
        digits = 0 if name in ("n_rows", "rows_per_second", "peak_mb") else 1
        rows[name] = rows[name].map(f"{{:,.{digits}f}}".format)
    rows = rows.set_index(rows.n_rows.rename("rows"))[columns]
    write("scale", rows.rename(columns=in_words))


def finished_scores():
    """Mean over the development sets of each family that every method has been run on."""
    rows = load("finished_scores")
    parts = []
    for family, name in (("oddbench", "OddBench"), ("adbench", "ADBench")):
        runs = rows[rows.family == family]
        n_datasets = runs.dataset.nunique()
        means = runs.groupby(["method", "score", "seed"])[["auroc", "ap"]].agg(["mean", "size"])
        means = means[means[("auroc", "size")] == n_datasets]
        means = means.xs("mean", axis=1, level=1).groupby(["method", "score"]).mean()
        cells = means.map("{:.3f}".format)
        cells = (cells.auroc + " / " + cells.ap).unstack().add_prefix(f"{name}, ")
        parts.append(cells)
    order = [
        method for method in finished.METHODS if method in parts[0].index.union(parts[1].index)
    ]
    scores = ("default", *finished.FINISHED)
    columns = [f"{name}, {score}" for name in ("OddBench", "ADBench") for score in scores]
    table = pd.concat(parts, axis=1).reindex(index=order, columns=columns)
    write("finished_scores", table.dropna(axis=1, how="all").fillna(""))


def ranking():
    """Detectors with their defaults, and variants of them."""
    rows = load("ranking")
    write("ranking_variants", variants(rows))
    rows = rows[~rows.method.map(is_variant)]
    families = {
        name: on_all_datasets(rows[rows.family == name.lower()]) for name in ("OddBench", "ADBench")
    }
    parts = [summary(runs).add_prefix(f"{name}, ") for name, runs in families.items()]
    table = pd.concat(parts, axis=1)
    detectors = [method for method in METHODS_OF_RANKING if method in table.index]
    write("ranking", table.loc[detectors].fillna(""))
    for name, runs in families.items():
        render_rankings.ranks(f"ranking_{name.lower()}", runs)
    render_rankings.quality_and_seconds("ranking_quality_seconds", families, detectors)


def baselines():
    """The baselines of the papers: means, other implementations, and figures for each dataset."""
    if not results.load("baselines"):
        for name in ("baselines", "baselines_peers", "baselines_auroc", "baselines_ap"):
            write_text(f"tables/{name}.rst", "This table has not been measured yet.\n")
        return
    rows = on_all_datasets(load("baselines"))
    order = rows.groupby("method").auroc.mean().sort_values(ascending=False).index
    means = summary(rows).rename(columns={"seconds": "fit (s)"}).loc[order]
    means["score (s)"] = rows.groupby("method").score_seconds.median().map("{:.2f}".format)
    write("baselines", means)

    ours = means.loc[
        means.index.isin({name for names in PEERS.values() for name in names}),
        ["AUROC", "AP", "fit (s)"],
    ]
    parts = [ours] + [
        means[[*ours]]
        .reindex(ours.index.map(names.get))
        .set_axis(ours.index)
        .add_suffix(f", {peer}")
        for peer, names in PEERS.items()
    ]
    write("baselines_peers", pd.concat(parts, axis=1).dropna(axis=1, how="all"))
    for metric in ("auroc", "ap"):
        table = rows.pivot_table(index="dataset", columns="method", values=metric)[order]
        table.loc["mean"] = table.mean()
        write(f"baselines_{metric}", table)


def flow():
    """The normalizing flow next to baselines of the same seeds."""
    rows = load("flow")
    others = load("baselines").query("method in ['k-NN', 'DensityDetector', 'DSEBM-e']")
    rows = pd.concat([rows, others[others.seed.isin(rows.seed)]])
    means = summary(on_all_datasets(rows)).rename(columns={"seconds": "fit (s)"})
    write("flow", means.sort_values("AUROC", ascending=False))


def variants(rows):
    """Variants of detectors, each after its default, on every third dataset."""
    rows = rows[rows.dataset.isin(DATASETS_OF_SIZES)]
    parts = []
    for family, name in (("oddbench", "OddBench"), ("adbench", "ADBench")):
        runs = on_all_datasets(rows[rows.family == family])
        means = runs.groupby("method")[["auroc", "ap"]].mean().map("{:.3f}".format)
        parts.append(means.rename(columns=METRICS).add_prefix(f"{name}, "))
    table = pd.concat(parts, axis=1).fillna("")
    varied = sorted({method.split(", ")[0] for method in table.index if is_variant(method)})
    return table.loc[
        [
            method
            for name in varied
            for method in METHODS_OF_RANKING
            if method in table.index and method.split(", ")[0] == name
        ]
    ]


def on_all_datasets(runs):
    """Runs of the methods that have been run on all datasets."""
    n_datasets = runs.groupby("method").dataset.transform("nunique")
    return runs[n_datasets == runs.dataset.nunique()]


def is_variant(method):
    """Whether a method of the ranking has other parameters than the defaults."""
    return ", " in method


def summary(runs):
    """Means over the datasets, false alarms and seconds, with one row for each method."""
    per_seed = runs.groupby(["method", "seed"])[["auroc", "ap"]].mean()
    part = per_seed.groupby("method").agg(mean_and_sd).rename(columns=METRICS)
    of_sets = runs.groupby(["method", "dataset"]).false_alarms.mean()
    part["false alarms"] = of_sets.groupby("method").median().map(in_percent)
    part["seconds"] = runs.groupby("method").fit_seconds.median().map("{:.1f}".format)
    return part


def samples():
    """Similarity of generated rows to real ones, for tables of numbers and those with text."""
    rows = load("samples")
    columns = {
        "marginals": "marginals",
        "pairs": "pairs",
        "two_sample_auroc": "two-sample AUROC",
        "median_std": "std",
        "lowest_std": "lowest std",
        "levels_found": "levels",
        "nearer": "nearer",
    }
    for name, datasets in (("numeric", NUMERIC), ("mixed", MIXED)):
        runs = on_all_datasets(rows[rows.dataset.isin(datasets)])
        means = runs.groupby("method")[[*columns]].mean().rename(columns=columns)
        means = means.loc[[method for method in METHODS_OF_SAMPLES if method in means.index]]
        table = means.dropna(axis=1, how="all").map("{:.2f}".format)
        write(f"samples_{name}", table)


def sizes():
    """Quality and seconds of sizes that have been run on every third dataset of a family."""
    rows = load("sizes")
    rows["size"] = pd.Categorical(rows["size"], SIZES)
    parts = []
    for family, name in (("oddbench", "OddBench"), ("adbench", "ADBench")):
        runs = rows[rows.family == family].groupby(["method", "size"], observed=True)
        means = runs[["auroc", "ap", "fit_seconds"]].mean()
        means = means[runs.dataset.nunique() == rows[rows.family == family].dataset.nunique()]
        part = means[["auroc", "ap"]].map("{:.3f}".format).rename(columns=METRICS)
        part["seconds"] = means.fit_seconds.map("{:.1f}".format)
        parts.append(part.add_prefix(f"{name}, "))
    table = pd.concat(parts, axis=1).sort_index().fillna("")
    write("sizes", table.reset_index("size"))


def in_percent(share):
    """A share as a percentage, empty if there is none."""
    return "" if np.isnan(share) else f"{100 * share:.0f} %"


def properties():
    """Distance, changes that should not matter, and contamination, with their defaults."""
    rows = load("properties")
    changes = rows[rows.check == "change"].pivot_table(
        index="method", columns="case", values="spearman", aggfunc="min", sort=False
    )
    changes = changes.map("{:.3f}".format, na_action="ignore")
    far = rows[rows.check == "distance"].groupby("method")[["falls", "far_inliers"]]
    far = far.agg({"falls": "min", "far_inliers": "max"}).map(in_percent)
    far.columns = ["score grows with distance", "inliers at 5 or more"]
    write("properties", pd.concat([far, changes], axis=1).fillna(""))
    added = rows[rows.check == "contamination"].groupby("method")[["clean", "scattered", "clump"]]
    write("contamination", added.mean().map("{:.3f}".format))


if __name__ == "__main__":
    render()
