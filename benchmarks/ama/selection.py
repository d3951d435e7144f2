"""AMA's negatives chosen without anomalies: which rule, and what would labels have chosen?

For each data set (one-class protocol of `adbench.py`, at most 2000 training rows), a detector is
fitted on four fifths of the training rows with each kind and distance of negatives. Each rule sees
the fit and the other fifth, all of them normal, and prefers one; the AUROC on at most 5000 test
rows tells what the choice is worth. "separation" is the AUROC of held-out rows against the
detector's own atypical rows; "hardness" is its opposite; the others are those of
`skgad.model_selection`.
"""

import argparse
from functools import partial

import protocols
import results
from adbench import load
from files import add_data_home
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

from skgad import AMA
from skgad.metrics import outlier_roc_auc_score
from skgad.model_selection import mass_volume_score, pseudo_outlier_score

DATASETS = (
    "40_vowels",
    "20_letter",
    "14_glass",
    "18_Ionosphere",
    "6_cardio",
    "38_thyroid",
    "12_fault",
)
#: The kind and distance of the paper first; the default makes none.
CANDIDATES = {
    "outward, 0.5": {"negatives": "outward", "delta": 0.5},
    "outward, 0.1": {"negatives": "outward", "delta": 0.1},
    "outward, 2": {"negatives": "outward", "delta": 2.0},
    "inward, 0.5": {"negatives": "inward", "delta": 0.5},
    "inward, 1": {"negatives": "inward", "delta": 1.0},
    "box": {"negatives": "box", "delta": 0.5},
    "none": {"negatives": None},
}


def separation(detector, X):
    """AUROC of the detector's scores of normal rows against those of its own atypical rows."""
    scores = [
        detector.score_samples(rows)
        for rows in (X, detector.sample(1000, kind="outlier", random_state=0))
    ]
    labels = [1] * len(scores[0]) + [-1] * len(scores[1])
    return outlier_roc_auc_score(labels, [*scores[0], *scores[1]])


RULES = {
    "separation": separation,
    "hardness": lambda detector, X: -separation(detector, X),
    "pseudo-outliers": pseudo_outlier_score,
    "mass-volume": mass_volume_score,
}


def evaluate(dataset, candidate, seed, data_home):
    """What a candidate is worth on the test rows, and what each rule says of it."""
    split = protocols.split_one_class(*load(dataset, data_home), seed, max_train=2000)
    X_test, y_test = split.X_test, split.y_test
    if len(y_test) > 5000:
        X_test, _, y_test, _ = train_test_split(
            X_test, y_test, train_size=5000, stratify=y_test, random_state=seed
        )
    X, X_valid = train_test_split(split.X_train, test_size=0.2, random_state=seed)
    detector = AMA(random_state=seed, **CANDIDATES[candidate]).fit(X)
    row = {name: rule(detector, X_valid) for name, rule in RULES.items()}
    return {"auroc": roc_auc_score(y_test, -detector.score_samples(X_test))} | row


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datasets", nargs="+", default=DATASETS)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    add_data_home(parser, "adbench/")
    args = parser.parse_args()
    tasks = [
        (
            {"dataset": dataset, "candidate": candidate, "seed": seed},
            partial(evaluate, dataset, candidate, seed, args.data_home),
        )
        for seed in range(args.seeds)
        for dataset in args.datasets
        for candidate in CANDIDATES
    ]
    results.run("ama_selection", tasks, args.jobs)


if __name__ == "__main__":
    main()
