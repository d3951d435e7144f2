"""Write the tables of AMA: ``python -m benchmarks.ama.render``."""

import pandas as pd

from benchmarks.common.render import by_score, complete, load, load_adbench, published, write

CIFAR10 = "airplane automobile bird cat deer dog frog horse ship truck".split()
CLASSES = {
    "mnist": {},
    "fashion": {"all": "AUROC"},
    "cifar10": {str(i): name for i, name in enumerate(CIFAR10)},
}
#: Names of the scores in the paper.
SCORES = {"combined": "", "features": ", R-score", "likelihood": ", A-score"}


def render():
    images()
    selection()
    speed()
    development_sets()


def images():
    """Tables 1 and 2, and both ways to train for table 2."""
    rows, paper = load("ama_images"), published("ama")
    rows["method"] += rows.score.map(SCORES).fillna("")
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
    """AUROC, one column for each normal class, followed by the published figures."""
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


def selection():
    """AUROC with each type of negatives, and what rules without labels choose."""
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


def counts(names):
    """How often each name occurs, in words."""
    return "; ".join(f"{name}: {n}" for name, n in names.value_counts().items())


def speed():
    """An epoch and the scores on MNIST, compared with a loop of plain torch."""
    rows = load("ama_speed").set_index("measure")
    names = {"epoch": "training", "score": "scoring"}
    columns = {
        "skgad_seconds": "skgad (s)",
        "bare_seconds": "bare torch (s)",
        "ratio": "ratio",
        "images_per_second": "images per second",
    }
    table = rows.rename(index=names, columns=columns)[[*columns.values()]]
    table["images per second"] = table["images per second"].map("{:,.0f}".format)
    write("ama_speed", table)


def development_sets():
    """The scores of AMA on the development sets."""
    rows = load_adbench("one-class")
    write("ama_scores", by_score(complete(rows[rows.method == "AMA"], ["seed"]), "AMA"))


if __name__ == "__main__":
    render()
