"""Metrics of WALDO: ranking and decisions on the mixture and on held-out rows."""

from benchmarks.common.metrics import decision_metrics, score_metrics, trapezoid_auprc


def ranking(detector, split):
    """Ranking metrics on the mixture and on held-out rows."""
    row = {}
    for part in ("mixture", "held_out"):
        y, X = getattr(split, f"y_{part}"), getattr(split, part)
        scores = -detector.score_samples(X)
        values = score_metrics(y, scores) | {"auprc": trapezoid_auprc(y, scores)}
        row |= {f"{part}_{metric}": values[metric] for metric in ("auroc", "ap", "auprc", "f1")}
    return row


def decisions(detector, split):
    """Metrics of `predict` on the mixture and on held-out rows."""
    row = {}
    for part in ("mixture", "held_out"):
        flags = detector.predict(getattr(split, part)) == -1
        row |= decision_metrics(getattr(split, f"y_{part}"), flags, part)
    return row
