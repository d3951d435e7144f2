"""Write the tables of ALAD: ``python -m benchmarks.alad.render``."""

from benchmarks.common.render import load, published, with_published, write


def render():
    """Tables II, V and VII, one of each for both datasets."""
    rows = load("alad_tables")
    rows["score"] = rows.score.fillna("")
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
            write(f"alad_{number}_{data}", with_published(group, [what, "inputs"], theirs))


if __name__ == "__main__":
    render()
