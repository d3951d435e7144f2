"""Rules that set a threshold from the training scores alone, where no contamination is known.

Each rule is applied to the scores of the training rows (one-class protocol of `adbench.py`), or of
a tenth of them that the detector is not fitted on, and judged on the test rows, next to the F1 of
who knows the number of anomalies.
"""

import argparse
from functools import partial

import numpy as np
import protocols
import results
from adbench import METHODS, load
from files import add_data_home
from scipy.stats import median_abs_deviation
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score
from sklearn.model_selection import train_test_split

from skgad.datasets import list_adbench


def robust_limit(scores, k):
    return np.median(scores) + k * median_abs_deviation(scores, scale="normal")


def robust_log_limit(scores, k):
    logs = np.log(np.maximum(scores, np.finfo(np.float32).tiny))
    return np.exp(robust_limit(logs, k))


def boxplot_limit(scores):
    low, high = np.percentile(scores, [25, 75])
    return high + 1.5 * (high - low)


HELD_OUT = ", tenth held out"
RULES = (
    {f"percentile {q}": partial(np.percentile, q=q) for q in (90, 95, 97.5, 99, 99.5)}
    | {f"median + {k} MAD": partial(robust_limit, k=k) for k in (3, 5)}
    | {f"median + {k} MAD of logs": partial(robust_log_limit, k=k) for k in (2, 3, 5)}
    | {"Q3 + 1.5 IQR": boxplot_limit}
)


def evaluate(dataset, method, seed, data_home):
    """For each rule: F1, balanced accuracy and the share of normal test rows that are flagged."""
    split = protocols.split_one_class(*load(dataset, data_home), seed)
    X_train = X_rule = split.X_train
    if method.endswith(HELD_OUT):
        X_train, X_rule = train_test_split(split.X_train, test_size=0.1, random_state=seed)
    detector = METHODS[method.removesuffix(HELD_OUT)](seed).fit(X_train)
    train, test = (-detector.score_samples(X) for X in (X_rule, split.X_test))

    def judge(flags):
        return {
            "f1": round(f1_score(split.y_test, flags), 4),
            "balanced_accuracy": round(balanced_accuracy_score(split.y_test, flags), 4),
            "false_positives": round(flags[split.y_test == 0].mean(), 4),
        }

    rules = {name: judge((test > rule(train)).astype(int)) for name, rule in RULES.items()}
    known = protocols.flag_top(test, split.y_test.sum())
    auroc = roc_auc_score(split.y_test, test)
    return {"auroc": auroc, "rules": {"known rate": judge(known)} | rules}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = ["IsolationForest", "k-NN", "Denoising autoencoder", "ALAD"]
    methods = [*METHODS, *(name + HELD_OUT for name in METHODS)]
    default += [name + HELD_OUT for name in default[2:]]
    parser.add_argument("--methods", nargs="+", choices=methods, default=default)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1)
    add_data_home(parser, "adbench/")
    args = parser.parse_args()
    tasks = [
        (
            {"dataset": dataset, "method": method, "seed": seed},
            partial(evaluate, dataset, method, seed, args.data_home),
        )
        for dataset in list_adbench(args.data_home)
        for seed in range(args.seeds)
        for method in args.methods
    ]
    results.run("threshold", tasks, args.jobs)


if __name__ == "__main__":
    main()
