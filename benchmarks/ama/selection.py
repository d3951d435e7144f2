"""AMA's negatives chosen without anomalies: which rule works, and what would labels choose?

For each dataset (one-class split of ``benchmarks.studies.adbench``, at most 2000 training rows), a
detector is fitted on four fifths of the training rows with each type and distance of negatives.
Each rule sees the fitted detector and the other fifth, whose rows are all normal, and prefers one
candidate. The AUROC on at most 5000 test rows tells how good the choice is. "separation" is the
AUROC of held-out rows against the detector's own atypical rows, and "hardness" is its opposite. The
other rules are those of `skgad.model_selection`.
"""

from functools import partial

from sklearn.metrics import roc_auc_score

from benchmarks.common import cli, results
from benchmarks.common.detectors import build
from benchmarks.common.splits import split_for_selection
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
#: Type and distance of the negatives, those of the paper first; the default of AMA has none.
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


def evaluate(dataset, candidate, seed, *, data_home):
    """AUROC of a candidate on the test rows, and the value that each rule gives it."""
    X, X_valid, X_test, y_test = split_for_selection(dataset, seed, data_home)
    detector = build("AMA", seed, **CANDIDATES[candidate]).fit(X)
    row = {name: rule(detector, X_valid) for name, rule in RULES.items()}
    return {"auroc": roc_auc_score(y_test, -detector.score_samples(X_test))} | row


def main(arguments=None):
    parser = cli.argument_parser(__doc__, folders="adbench/", seeds=1)
    cli.add_datasets(parser, DATASETS)
    args = parser.parse_args(arguments)
    keys = [
        {"dataset": dataset, "candidate": candidate, "seed": seed}
        for seed in range(args.seeds)
        for dataset in args.datasets
        for candidate in CANDIDATES
    ]
    results.run("ama_selection", partial(evaluate, data_home=args.data_home), keys, args.jobs)


if __name__ == "__main__":
    main()
