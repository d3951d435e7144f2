"""Reasons for outliers: the columns that contribute most to their scores."""

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._typing import FloatArray
from ..inspection import explain
from ._messages import CommandError, Progress
from ._models import Model
from ._parser import N_REASONS

if TYPE_CHECKING:
    import pandas as pd

REASON_COLUMNS = [
    f"{name}_{rank}" for rank in range(1, N_REASONS + 1) for name in ("reason", "contribution")
]


def check_explainable(model: Model) -> None:
    """Raise an error if there is nothing to compare outliers with."""
    if len(model["background"]) == 0:
        raise CommandError(
            "Outliers are explained in comparison with training rows that are inliers, but the "
            "detector found none. Train with a lower --contamination, or do not pass --explain."
        )


def find_reasons(
    model: Model,
    X: "pd.DataFrame",
    scores: FloatArray,
    is_outlier: NDArray[np.bool_],
    *,
    max_explained: int,
    random_state: int,
    progress: Progress,
) -> dict[str, NDArray[Any]]:
    """Find the columns that contribute most to the score of each outlier.

    Parameters
    ----------
    model : Model
        The model that has scored the rows.

    X : DataFrame of shape (n_rows, n_features)
        Features of the rows.

    scores : ndarray of shape (n_rows,)
        Anomaly scores of the rows.

    is_outlier : ndarray of shape (n_rows,)
        Decisions for the rows.

    max_explained : int
        Number of outliers to explain at most, starting with the highest score.

    random_state : int
        Seed of the explanations.

    progress : Progress
        Shows how many outliers are explained.

    Returns
    -------
    reasons : dict of str to ndarray of shape (n_rows,)
        Values of each of `REASON_COLUMNS`: names of columns, or None, and their contributions, or
        NaN.
    """
    by_score = np.argsort(-scores, kind="stable")
    outliers = by_score[is_outlier[by_score]]
    if len(outliers) > max_explained:
        warnings.warn(
            f"Only the {max_explained} outliers with the highest scores are explained, out of "
            f"{len(outliers)}. Pass --max-explained to explain more.",
            stacklevel=2,
        )
        outliers = outliers[:max_explained]
    contributions = np.zeros(X.shape)
    for start in range(0, len(outliers), 10):  # a few at a time, to show progress
        progress.update(f"explaining outlier {start} of {len(outliers)}")
        rows = outliers[start : start + 10]
        explanation = explain(
            model["detector"],
            X.iloc[rows],
            background=model["background"],
            random_state=random_state,
        )
        contributions[rows] = explanation.contributions
    names = np.array([*X], dtype=object)
    ranked = np.argsort(-contributions, axis=1, kind="stable")[:, :N_REASONS]
    reasons: dict[str, NDArray[Any]] = {}
    for rank, columns in enumerate(ranked.T, 1):
        reason = names[columns]
        contribution = np.take_along_axis(contributions, columns[:, None], axis=1)[:, 0]
        has_no_reason = ~(contribution > 0)
        reason[has_no_reason] = None
        contribution[has_no_reason] = np.nan
        reasons |= {f"reason_{rank}": reason, f"contribution_{rank}": contribution}
    return reasons
