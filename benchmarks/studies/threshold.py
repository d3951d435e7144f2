"""Rules that set a threshold from the training scores, when the contamination is not known.

Each rule is applied to the scores of the training rows (one-class split of
``benchmarks.studies.adbench``), or of a tenth of them on which the detector is not fitted. It is
judged on the test rows. "known rate" is the threshold for a known number of anomalies.
"""

from functools import partial

import numpy as np
from scipy.stats import median_abs_deviation
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score
from sklearn.model_selection import train_test_split

from benchmarks.common import cli, results
from benchmarks.common.data import load_development_set
from benchmarks.common.detectors import METHODS
from benchmarks.common.metrics import flag_top
from benchmarks.common.splits import split_one_class


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


def evaluate(dataset, method, seed, *, data_home):
    """For each rule: F1, balanced accuracy and the share of normal test rows that are flagged."""
    split = split_one_class(*load_development_set(dataset, data_home), seed)
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
    known = flag_top(test, split.y_test.sum())
    auroc = roc_auc_score(split.y_test, test)
    return {"auroc": auroc, "rules": {"known rate": judge(known)} | rules}


def main(arguments=None):
    default = ["IsolationForest", "k-NN", "Denoising autoencoder", "ALAD"]
    default += [name + HELD_OUT for name in default[2:]]
    methods = [*METHODS, *(name + HELD_OUT for name in METHODS)]
    parser = cli.argument_parser(__doc__, folders="adbench/", seeds=3)
    parser.add_argument("--methods", nargs="+", choices=methods, default=default)
    cli.add_datasets(parser)
    args = parser.parse_args(arguments)
    keys = [
        {"dataset": dataset, "method": method, "seed": seed}
        for dataset in cli.chosen_datasets(args)
        for seed in range(args.seeds)
        for method in args.methods
    ]
    results.run("threshold", partial(evaluate, data_home=args.data_home), keys, args.jobs)


if __name__ == "__main__":
    main()
