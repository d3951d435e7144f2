"""Conformal p-values with weights, for rows that come from another distribution."""

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_consistent_length, column_or_1d

from .._typing import FloatArray


def weighted_p_values(
    scores: ArrayLike,
    calibration_scores: ArrayLike,
    *,
    weights: ArrayLike,
    calibration_weights: ArrayLike,
) -> FloatArray:
    r"""Compute conformal p-values under covariate shift.

    If new normal rows come from another distribution than the held-out rows, the p-values of
    :class:`ConformalDetector` are not valid. They become valid if each row has a weight
    :math:`w(x)` that is proportional to the ratio of the two densities (Tibshirani, Barber, Candès
    and Ramdas, "Conformal prediction under covariate shift", NeurIPS 2019):

    .. math::

        p(x) = \frac{w(x) + \sum_i w(x_i)\, 1\{s(x_i) \le s(x)\}}{w(x) + \sum_i w(x_i)}

    .. versionadded:: 0.1

    Parameters
    ----------
    scores : array-like of shape (n_samples,)
        Scores of the rows to test. The higher, the more normal.
    calibration_scores : array-like of shape (n_calibration,)
        Scores of normal rows that the detector was not fitted to.
    weights : array-like of shape (n_samples,)
        Density of new normal rows divided by the density of the held-out rows, at each row to test.
        A constant factor does not matter.
    calibration_weights : array-like of shape (n_calibration,)
        The same ratio at each held-out row.

    Returns
    -------
    p : ndarray of shape (n_samples,)
        P-values, in (0, 1]. The lower, the less normal. With equal weights, those of
        :meth:`ConformalDetector.p_values`.

    Raises
    ------
    ValueError
        If weights are not positive and finite, or their number is not that of the scores.

    See Also
    --------
    ConformalDetector : P-values without shift.

    Notes
    -----
    The ratio is rarely known. The probabilities of a classifier that tells new rows from held-out
    rows estimate it, up to a factor: ``p / (1 - p)``. The p-values are then approximate. New rows
    that include outliers distort the estimate.

    If few held-out rows have most of the weight, no p-value is small. There is no proof that the
    procedure of Benjamini and Hochberg keeps its rate with these p-values.

    Examples
    --------
    >>> from skgad.calibration import weighted_p_values
    >>> weighted_p_values([1.5], [1, 2, 3, 4], weights=[1], calibration_weights=[1, 1, 1, 1])
    array([0.4])
    >>> weighted_p_values([1.5], [1, 2, 3, 4], weights=[1], calibration_weights=[6, 1, 1, 1])
    array([0.7])
    """
    new, held_out = column_or_1d(scores), column_or_1d(calibration_scores)
    w_new = _check_weights("weights", weights, new)
    w_held_out = _check_weights("calibration_weights", calibration_weights, held_out)
    order = np.argsort(held_out)
    cumulated = np.concatenate([[0.0], np.cumsum(w_held_out[order])])
    n_lower = np.searchsorted(held_out[order], new, side="right")
    return (w_new + cumulated[n_lower]) / (w_new + cumulated[-1])


def _check_weights(name, weights, scores):
    weights = column_or_1d(weights, dtype=np.float64)
    check_consistent_length(scores, weights)
    if not (np.isfinite(weights).all() and (weights > 0).all()):
        raise ValueError(f"{name} must be positive and finite.")
    return weights
