"""Contributions of the columns to a score that is made of reconstruction residuals."""

import numpy as np
from scipy import sparse
from sklearn.base import OneToOneFeatureMixin
from sklearn.pipeline import Pipeline


def residual_contributions(detector, X, scores):
    """Sum the reconstruction residuals of each column.

    Parameters
    ----------
    detector : estimator
        Fitted outlier detector.
    X : ndarray or frame of shape (n_samples, n_features)
        Rows to explain.
    scores : ndarray of shape (n_samples,)
        Their anomaly scores.

    Returns
    -------
    contributions : ndarray of shape (n_samples, n_features) or None
        The residuals, or a function of them if its sum over the columns is the score. None if the
        detector does not reconstruct rows, or if the columns that it reconstructs cannot be
        traced to those of `X`.
    additive : bool
        Whether the contributions sum to the scores.
    """
    final, Z, groups = apply_preprocessing(detector, X)
    if not hasattr(final, "reconstruct"):
        return None, False
    residuals = np.asarray(Z, dtype=np.float64) - np.asarray(final.reconstruct(Z), dtype=np.float64)
    n_features = residuals.shape[1]
    norms = np.linalg.norm(residuals, axis=1, keepdims=True)
    # Summed over the columns: L1 norm, squared L2 norm, the mean of either, and L2 norm.
    candidates = [
        np.abs(residuals),
        residuals**2,
        np.abs(residuals) / n_features,
        residuals**2 / n_features,
        residuals**2 / (norms + (norms == 0)),
    ]
    is_score = [np.allclose(parts.sum(axis=1), scores, rtol=1e-4) for parts in candidates]
    additive = any(is_score)
    parts = candidates[is_score.index(True)] if additive else candidates[0]
    return np.stack([parts[:, group].sum(axis=1) for group in groups], axis=1), additive


def apply_preprocessing(detector, X):
    """Apply the steps before the final detector, and trace their columns.

    Columns can be traced through encoders with `feature_groups_`, such as TabularEncoder, and
    through steps with one output column for each input column, such as scalers.

    Parameters
    ----------
    detector : estimator
        Fitted outlier detector. If it is a pipeline or a TabularDetector, it has steps before the
        final detector.
    X : ndarray or frame of shape (n_samples, n_features)
        Rows.

    Returns
    -------
    final : estimator or None
        The final detector. None, like the other results, if columns cannot be traced.
    Z : ndarray or frame of shape (n_samples, n_features_out) or None
        Its input.
    groups : list of sequence of int or None
        The columns of `Z` for each column of `X`.
    """
    steps, final = [], detector
    if hasattr(detector, "detector_") and hasattr(detector, "encoder_"):
        steps, final = [detector.encoder_], detector.detector_
    elif isinstance(detector, Pipeline):
        *steps, final = [step for _, step in detector.steps if step not in (None, "passthrough")]

    groups = [[j] for j in range(X.shape[1])]
    for step in steps:
        if hasattr(step, "feature_groups_"):
            step_groups = list(step.feature_groups_.values())
            groups = [np.concatenate([step_groups[j] for j in group]) for group in groups]
        elif not isinstance(step, OneToOneFeatureMixin):
            return None, None, None
        X = step.transform(X)
    return final, X.toarray() if sparse.issparse(X) else X, groups
