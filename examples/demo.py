"""Compare an autoencoder with scikit-learn on the breast cancer data.

Benign tumors are normal, and malignant ones are the anomalies. The detectors
train on half of the benign tumors only. They are tested on the other half and
on all malignant tumors. ``make demo`` runs this script.
"""

import argparse
from time import perf_counter

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import IsolationForest
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import (
    average_precision_score,
    f1_score,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM
from tqdm import tqdm

from skgad import Autoencoder
from skgad.calibration import ConformalDetector
from skgad.inspection import explain, nearest_normal

DETECTORS = {
    "Autoencoder": lambda seed: Autoencoder(random_state=seed),
    "IsolationForest": lambda seed: IsolationForest(random_state=seed),
    # OneClassSVM is deterministic: its standard deviation is zero.
    "OneClassSVM": lambda seed: OneClassSVM(),
}


def load():
    """Return the training rows, the test rows and the labels of the latter."""
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    benign, malignant = X[y == 1], X[y == 0]
    train, rest = train_test_split(benign, test_size=0.5, random_state=0)
    y_test = np.repeat([0, 1], [len(rest), len(malignant)])
    return train, pd.concat([rest, malignant]), y_test


def run(detector, X_train, X_test):
    """Return the fitted pipeline, its anomaly scores and times in seconds."""
    pipeline = make_pipeline(StandardScaler(), detector)
    start = perf_counter()
    pipeline.fit(X_train)
    fitted = perf_counter()
    scores = -pipeline.score_samples(X_test)
    return pipeline, scores, (fitted - start, perf_counter() - fitted)


def measure(y, scores, times):
    """Return the metrics of one run, with F1 at the true rate of anomalies."""
    flagged = scores >= np.sort(scores)[-y.sum()]
    return {
        "AUROC": roc_auc_score(y, scores),
        "AP": average_precision_score(y, scores),
        "F1": f1_score(y, flagged),
        "fit (s)": times[0],
        "score (s)": times[1],
    }


def draw(y, scores, path):
    """Plot score histograms, ROC and precision-recall curves of one seed."""
    colors = dict(
        zip(scores, ["tab:purple", "tab:orange", "tab:green"], strict=True)
    )
    figure, axes = plt.subplot_mosaic(
        [
            [name for name in scores for _ in range(2)],
            ["roc"] * 3 + ["pr"] * 3,
        ],
        figsize=(9, 6),
        height_ratios=[2, 3],
        layout="constrained",
    )
    for name, s in scores.items():
        shown = np.clip(s, None, np.quantile(s, 0.95))
        bins = np.linspace(shown.min(), shown.max(), 30)
        for value, label, color in [
            (0, "benign", "tab:blue"),
            (1, "malignant", "tab:red"),
        ]:
            axes[name].hist(
                shown[y == value], bins, alpha=0.6, color=color, label=label
            )
        axes[name].set(title=name, xlabel="anomaly score", yticks=[])

        fpr, tpr, _ = roc_curve(y, s)
        precision, recall, _ = precision_recall_curve(y, s)
        auroc, ap = roc_auc_score(y, s), average_precision_score(y, s)
        axes["roc"].plot(
            fpr, tpr, color=colors[name], label=f"{name}, area {auroc:.3f}"
        )
        axes["pr"].plot(
            recall,
            precision,
            color=colors[name],
            label=f"{name}, mean {ap:.3f}",
        )
    axes["Autoencoder"].legend()
    axes["roc"].set(
        xlabel="false positive rate", ylabel="true positive rate", title="ROC"
    )
    axes["pr"].set(
        xlabel="recall", ylabel="precision", title="Precision and recall"
    )
    for curves in ("roc", "pr"):
        axes[curves].set(xlim=(-0.02, 1.02), ylim=(0.4, 1.02))
        axes[curves].legend(
            loc="lower right" if curves == "roc" else "lower left"
        )
        axes[curves].grid(alpha=0.3)
    figure.savefig(path, dpi=100)


def print_table(results):
    """Print the mean and the standard deviation of each metric."""
    groups = pd.DataFrame(results).groupby("detector", sort=False)
    means, sds = groups.mean(), groups.std()
    texts = means.map("{:.3f}".format) + " +- " + sds.map("{:.3f}".format)
    print(f"\nMean and sd over {len(results) // len(texts)} seeds, one split:")
    print(texts.rename_axis(None).to_string())


def print_generated(scaler, autoencoder, names):
    """Print rows that the detector generates."""
    rows = scaler.inverse_transform(autoencoder.sample(5, random_state=0))
    print("\nFive benign tumors generated (first six features):")
    print(pd.DataFrame(rows, columns=names).iloc[:, :6].to_string(index=False))


def print_explained(detector, X_train, row):
    """Print what makes a row abnormal and which changes make it normal."""
    scaler, autoencoder = detector
    Z_hat = autoencoder.reconstruct(scaler.transform(row))
    why = explain(detector, row, background=X_train, random_state=0)
    normal = nearest_normal(detector, row, background=X_train)
    changed = normal.changed.iloc[0]
    columns = {
        "tumor": row.iloc[0],
        "reconstruction": scaler.inverse_transform(Z_hat)[0],
        "contribution": why.contributions.iloc[0],
        "changed to": normal.rows.iloc[0].where(changed),
    }
    table = pd.DataFrame(columns).sort_values("contribution", ascending=False)
    print(
        f"\nWhy a malignant tumor is abnormal: its score is "
        f"{why.scores[0]:.3g}, that of benign ones {why.base:.3g} on average,"
        f"\nand the threshold is {why.threshold:.3g}. With {changed.sum()} "
        "changes it would be normal:"
    )
    print(table.head(6).to_string(na_rep=""))


def print_picked(pipelines, X_test, y):
    """Print how many tumors are picked at a given false discovery rate."""
    benign, malignant = np.flatnonzero(y == 0), np.flatnonzero(y)
    X_calibration = X_test.iloc[benign[::2]]
    rest = np.concatenate([benign[1::2], malignant])
    print(
        f"\nHow sure: p-values from {len(X_calibration)} of the benign test "
        f"tumors. Of the other {len(rest)} test tumors,\neach detector "
        "picks as many as it can at a false discovery rate of 0.1:"
    )
    for name, pipeline in pipelines.items():
        conformal = ConformalDetector(FrozenEstimator(pipeline))
        picked = conformal.fit(X_calibration).select(
            X_test.iloc[rest], fdr=0.1
        )
        n_correct = y[rest[picked]].sum()
        print(
            f"{name:16} {picked.sum():4} picked: {n_correct} of the "
            f"{len(malignant)} malignant and {picked.sum() - n_correct} benign"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--figure", default="demo.png")
    args = parser.parse_args()

    X_train, X_test, y = load()
    print(f"Training on {len(X_train)} benign tumors with 30 features.")
    print(f"Testing on {sum(y == 0)} benign and {sum(y)} malignant tumors.")

    results, first = [], {}
    runs = [(name, seed) for seed in range(args.seeds) for name in DETECTORS]
    for name, seed in (progress := tqdm(runs)):
        progress.set_description(f"{name}, seed {seed}")
        pipeline, scores, times = run(DETECTORS[name](seed), X_train, X_test)
        first.setdefault(name, (pipeline, scores))
        results.append({"detector": name, **measure(y, scores, times)})
    print_table(results)

    pd.options.display.float_format = "{:.3g}".format
    (scaler, autoencoder), scores = first["Autoencoder"]
    print_generated(scaler, autoencoder, X_test.columns)
    malignant = np.flatnonzero(y)
    typical = malignant[scores[malignant].argsort()[len(malignant) // 2]]
    print_explained(first["Autoencoder"][0], X_train, X_test.iloc[[typical]])

    print_picked({name: p for name, (p, _) in first.items()}, X_test, y)

    draw(y, {name: scores for name, (_, scores) in first.items()}, args.figure)
    print(f"\nThe figure is in {args.figure}.")


if __name__ == "__main__":
    matplotlib.use("agg")
    main()
