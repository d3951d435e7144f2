"""Thresholds and metrics of the papers, each with its source."""

import numpy as np
from sklearn.metrics import (
    auc,
    average_precision_score,
    precision_recall_curve,
    precision_recall_fscore_support,
    roc_auc_score,
)


def score_metrics(y, scores, rate=None):
    """Metrics of anomaly scores, for which higher means more anomalous.

    Precision, recall and F1 belong to the threshold of `flag_percentile` at `rate`. Without a
    rate, `flag_top` flags as many rows as there are anomalies.
    """
    flags = flag_top(scores, y.sum()) if rate is None else flag_percentile(scores, rate)
    precision, recall, f1, _ = precision_recall_fscore_support(
        y, flags, average="binary", zero_division=0
    )
    return {
        "auroc": roc_auc_score(y, scores),
        "ap": average_precision_score(y, scores),
        "precision": precision,
        "recall": recall,
        "f1": f1,
    }


def flag_top(scores, n_flagged):
    """Flag the `n_flagged` largest scores, as if the number of anomalies were known."""
    flags = np.zeros(len(scores), dtype=int)
    flags[np.argsort(scores, kind="stable")[len(scores) - n_flagged :]] = 1
    return flags


def flag_percentile(scores, rate):
    """Flag a share of the test scores, as in the tables of DAGMM, ALAD and RCGAN (20 %, 15 %)."""
    return (scores >= np.percentile(scores, 100 * (1 - rate))).astype(int)


def trapezoid_auprc(y, scores):
    """Area under the precision-recall points by the trapezoid rule, as in WALDO and ARN."""
    precision, recall, _ = precision_recall_curve(y, scores)
    return auc(recall, precision)


def decision_metrics(y, flags, name):
    """Precision, recall and F1 of a decision, and the share of rows that it flags."""
    precision, recall, f1, _ = precision_recall_fscore_support(
        y, flags, average="binary", zero_division=0
    )
    values = {"precision": precision, "recall": recall, "f1": f1, "flagged": np.mean(flags)}
    return {f"{name}_decision_{metric}": value for metric, value in values.items()}
