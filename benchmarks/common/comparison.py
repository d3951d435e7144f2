"""Comparison of detectors over datasets: ranks, wins, and tests of both.

Scores are frames with one row for each dataset and one column for each detector.
"""

import numpy as np
import pandas as pd
from scipy.stats import studentized_range, wilcoxon


def mean_ranks(scores):
    """Mean rank of each detector over the datasets; 1 is the best, and ties share their ranks."""
    return scores.rank(axis=1, ascending=False).mean()


def critical_difference(n_detectors, n_datasets, alpha=0.05):
    """Difference of two mean ranks that is significant in Nemenyi's test (Demšar, JMLR 2006)."""
    quantile = studentized_range.ppf(1 - alpha, n_detectors, np.inf) / np.sqrt(2)
    return quantile * np.sqrt(n_detectors * (n_detectors + 1) / (6 * n_datasets))


def compare_with(reference, scores):
    """Number of datasets on which each detector is better than a reference, as good, and worse.

    The p-value is that of Wilcoxon's signed ranks, two-sided. It is missing for a detector that is
    as good as the reference on all datasets, such as the reference itself.
    """
    gains = scores.sub(scores[reference], axis=0)
    return pd.DataFrame(
        {
            "won": (gains > 0).sum(),
            "tied": (gains == 0).sum(),
            "lost": (gains < 0).sum(),
            "p": {
                name: wilcoxon(gain).pvalue if gain.any() else np.nan
                for name, gain in gains.items()
            },
        }
    )
