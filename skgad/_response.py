"""Scores of any detector that follows scikit-learn's contract for outlier detection."""

#: Methods that score rows, the preferred one first.
SCORE_METHODS = ("score_samples", "decision_function")


def normality_scores(detector, X):
    """Score each row with ``score_samples`` or, failing that, ``decision_function``.

    Parameters
    ----------
    detector : object
        Fitted detector whose scores are higher for more normal rows.
    X : frame or array-like of shape (n_samples, n_features)
        Rows to score.

    Returns
    -------
    scores : array of shape (n_samples,)
        What the detector returned.

    Raises
    ------
    AttributeError
        If the detector has neither method.
    """
    for name in SCORE_METHODS:
        if hasattr(detector, name):
            return getattr(detector, name)(X)
    raise AttributeError(
        f"{type(detector).__name__} has neither score_samples nor decision_function. Detectors "
        "such as LocalOutlierFactor have them with novelty=True."
    )
