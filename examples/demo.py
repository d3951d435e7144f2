"""From a raw table to explained decisions and new rows.

The table is simulated: claims at a car insurance company, with text, numbers,
booleans and missing values. The cost of a repair depends on the damage and on
the car. Every value of an anomaly is common on its own, but not together with
the others: half of the anomalies are repairs that are too expensive for their
damage, and the other half are windscreens that were broken in a theft at
night. ``make demo`` runs this script.

The claims of a damage and a car form a compact cluster, which suits the
mixture of Gaussians in ``DensityDetector``.
"""

import argparse
from time import perf_counter

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.ensemble import IsolationForest
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.svm import OneClassSVM
from tqdm import tqdm

from skgad import Autoencoder, TabularDetector
from skgad.calibration import ConformalDetector
from skgad.density import DensityDetector
from skgad.inspection import ExplanationDisplay, explain, nearest_normal
from skgad.neighbors import KNeighborsDetector

DETECTORS = {
    "Autoencoder": lambda seed: Autoencoder(random_state=seed),
    "DensityDetector": lambda seed: DensityDetector(random_state=seed),
    "k-NN": lambda seed: KNeighborsDetector(),
    "OneClassSVM": lambda seed: OneClassSVM(),
    "IsolationForest": lambda seed: IsolationForest(random_state=seed),
}
COST = pd.Series({"windscreen": 400, "scratch": 900, "collision": 4000})
FACTOR = pd.Series({"small": 0.7, "family": 1.0, "luxury": 2.5})


def make_claims(n_rows, rng):
    """Simulate normal claims."""
    damage = rng.choice(COST.index, n_rows, p=[0.4, 0.4, 0.2])
    car = rng.choice(FACTOR.index, n_rows, p=[0.4, 0.5, 0.1])
    cost = COST[damage].to_numpy() * FACTOR[car].to_numpy()
    table = pd.DataFrame(
        {
            "damage": damage,
            "car": car,
            "age": rng.integers(18, 80, n_rows).astype(float),
            "cost": (cost * rng.lognormal(0, 0.2, n_rows)).astype(int),
            "hour": (rng.normal(14, 3, n_rows) % 24).round(),
            "police": (damage == "collision") & (rng.random(n_rows) < 0.8),
        }
    )
    table.loc[rng.random(n_rows) < 0.1, "age"] = np.nan
    return table


def make_anomalies(n_rows, rng):
    """Simulate claims with common values in uncommon combinations."""
    table = make_claims(n_rows, rng)
    half = n_rows // 2
    table.loc[: half - 1, "damage"] = rng.choice(COST.index[:2], half)
    table.loc[: half - 1, "cost"] = rng.integers(3000, 6000, half)
    theft = {"damage": "windscreen", "hour": 3.0, "police": True}
    table.loc[half:, list(theft)] = list(theft.values())
    return table


def load(seed):
    """Return claims to train, calibrate and test with, and test labels."""
    rng = np.random.default_rng(seed)
    train, calibration, normal = (
        make_claims(n_rows, rng) for n_rows in (2000, 500, 1000)
    )
    anomalies = make_anomalies(50, rng)
    y = np.repeat([0, 1], [len(normal), len(anomalies)])
    return train, calibration, pd.concat([normal, anomalies]), y


def run(detector, train, test):
    """Return the fitted detector, its anomaly scores and times in seconds."""
    start = perf_counter()
    fitted = TabularDetector(detector).fit(train)
    end = perf_counter()
    scores = -fitted.score_samples(test)
    return fitted, scores, (end - start, perf_counter() - end)


def pick(fitted, calibration, test):
    """Return a mask of the rows picked at a false discovery rate of 0.1."""
    conformal = ConformalDetector(FrozenEstimator(fitted))
    return conformal.fit(calibration).select(test, fdr=0.1)


def measure(y, scores, picked, times):
    """Return the row of one run in the table of results."""
    return {
        "AUROC": roc_auc_score(y, scores),
        "AP": average_precision_score(y, scores),
        "anomalies picked": int(y[picked].sum()),
        "normal picked": int((1 - y[picked]).sum()),
        "fit (s)": times[0],
        "score (s)": times[1],
    }


def evaluate(name, seed):
    """Return the fitted detector and the results of one run."""
    train, calibration, test, y = load(seed)
    fitted, scores, times = run(DETECTORS[name](seed), train, test)
    picked = pick(fitted, calibration, test)
    return fitted, measure(y, scores, picked, times)


def draw_ranking(results, ax):
    """Plot the average precision: a bar for the mean, a dot for each seed."""
    for height, name in enumerate(DETECTORS):
        values = [r["AP"] for r in results if r["detector"] == name]
        color = "tab:purple" if name == "Autoencoder" else "0.75"
        ax.barh(height, np.mean(values), color=color, height=0.65)
        ax.plot(values, [height] * len(values), "o", color="black", ms=3)
        ax.text(1.03, height, f"{np.mean(values):.2f}", va="center")
    ax.set(title="Find anomalies", xlabel="average precision", xlim=(0, 1.18))
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1])
    ax.set_yticks(range(len(DETECTORS)), DETECTORS)
    ax.tick_params(axis="y", length=0)
    ax.invert_yaxis()
    ax.spines[["top", "right"]].set_visible(False)


def draw_rows(tables, ax):
    """Plot the cost by damage and car of several tables, side by side."""
    cells = [(damage, car) for damage in COST.index for car in FACTOR.index]
    rng = np.random.default_rng(0)
    for (label, table), shift, color in zip(
        tables.items(), [-0.2, 0.2], ["0.6", "tab:purple"], strict=True
    ):
        pairs = zip(table["damage"], table["car"], strict=True)
        x = np.array([cells.index(pair) for pair in pairs]) + shift
        x += rng.uniform(-0.15, 0.15, len(x))
        ax.scatter(x, table["cost"], s=3, color=color, label=label)
    ax.set(title="Generate rows", ylabel="cost", yscale="log")
    ax.set_xticks(range(len(cells)), map("\n".join, cells))
    ax.tick_params(axis="x", labelrotation=90, labelsize="small")
    ax.legend(fontsize="small", markerscale=3)
    ax.spines[["top", "right"]].set_visible(False)


def print_table(results):
    """Print the mean and the standard deviation of each metric."""
    groups = pd.DataFrame(results).groupby("detector", sort=False)
    means, sds = groups.mean(), groups.std()
    texts = means.map("{:.3g}".format)
    if (n_seeds := len(results) // len(means)) > 1:
        texts += " +- " + sds.map("{:.1g}".format)
    print(f"\nMean and sd over {n_seeds} seeds, each with claims of its own.")
    print("Picked: at a false discovery rate of 0.1.")
    print(texts.rename_axis(None).to_string())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--figure", default="demo.png")
    args = parser.parse_args()

    train, _, test, y = load(0)
    print(f"Training on {len(train)} simulated claims, such as")
    print(train.head(3).to_string(index=False))
    print(f"Testing on {sum(y == 0)} normal claims and {sum(y)} anomalies.")

    results, detectors = [], {}
    runs = [(seed, name) for seed in range(args.seeds) for name in DETECTORS]
    for seed, name in (progress := tqdm(runs)):
        progress.set_description(f"{name}, seed {seed}")
        fitted, figures = evaluate(name, seed)
        detectors.setdefault(name, fitted)
        results.append({"detector": name, **figures})
    print_table(results)

    detector = detectors["Autoencoder"]
    claim = test[y == 1].iloc[[1]]
    print("\nA claim for a repair that is too expensive:")
    print(claim.to_string(index=False))
    why = explain(detector, claim, background=train, random_state=0)
    print("Contribution of each column to its anomaly score:")
    print(why.contributions.round(1).to_string(index=False))
    normal = nearest_normal(detector, claim, background=train)
    print("The nearest claim that the detector takes for normal:")
    print(normal.rows.to_string(index=False))

    generated = detector.sample(len(train), random_state=0)
    print("\nClaims that the detector generates:")
    print(generated.head(5).to_string(index=False))

    figure, axes = plt.subplots(
        1, 3, figsize=(12, 3.8), width_ratios=[4, 4, 5], layout="constrained"
    )
    draw_ranking(results, axes[0])
    ExplanationDisplay.from_explanation(
        why, claim, name="Explain an anomaly", ax=axes[1]
    )
    draw_rows({"real claims": train, "generated": generated}, axes[2])
    figure.savefig(args.figure, dpi=100)
    print(f"\nThe figure is in {args.figure}.")


if __name__ == "__main__":
    matplotlib.use("agg")
    main()
