"""Criteria that compare detectors without labels, by means of pseudo-outliers.

A pseudo-outlier is a row in which the values of some columns are replaced at random.
"""

from numbers import Real
from typing import Any, Literal

import numpy as np
from scipy.integrate import trapezoid
from sklearn.base import BaseEstimator
from sklearn.utils import check_array, check_random_state

from .._frames import fill_masked
from .._response import check_score_direction, normality_scores
from .._sklearn_compat import Interval, StrOptions, _safe_indexing, validate_params
from .._typing import MatrixLike, RandomStateLike
from ..metrics import outlier_roc_auc_score

_PSEUDO_OUTLIER_CONSTRAINTS = {
    "reference": [StrOptions({"uniform", "shuffle"})],
    "share": [Interval(Real, 0, 1, closed="right")],
    "random_state": ["random_state"],
}


@validate_params(_PSEUDO_OUTLIER_CONSTRAINTS, prefer_skip_nested_validation=True)
def pseudo_outlier_score(
    detector: BaseEstimator,
    X: MatrixLike,
    y: Any = None,
    *,
    reference: Literal["uniform", "shuffle"] = "uniform",
    share: float = 0.25,
    random_state: RandomStateLike = 0,
) -> float:
    r"""Area under the ROC curve of rows against pseudo-outliers, for searches without labels.

    .. math:: P(s(\tilde x) < s(x)) + \tfrac12 P(s(\tilde x) = s(x))

    for a row :math:`x` of `X` and a pseudo-outlier :math:`\tilde x`, a row in which the values of
    some columns are replaced.

    Steinwart, Hush and Scovel (JMLR 2005, "A classification framework for anomaly detection")
    treat anomaly detection as the classification of the data against a reference measure, for
    which they use the uniform distribution. With many columns, every detector classifies such rows
    perfectly. By default, only some columns are therefore replaced, which is our choice.

    .. versionadded:: 0.1

    Parameters
    ----------
    detector : estimator
        Fitted detector with ``score_samples`` or ``decision_function``.
    X : array-like or data frame of shape (n_samples, n_features)
        Rows that the detector was not fitted to. All or nearly all of them should be normal.
    y : Ignored
        Present so that the function can be used as a scorer.
    reference : {"uniform", "shuffle"}, default="uniform"
        How a value is replaced.

        - "uniform": by a value drawn uniformly between the minimum and the maximum of the column
          or, if it is not numeric, from its distinct values.
        - "shuffle": by the value of another row in the same column. Pseudo-outliers then differ
          from the rows only in the dependence between columns, as in the unsupervised random
          forest of Shi and Horvath (2006).

    share : float, default=0.25
        Probability that a column is replaced, in (0, 1]. At least one column of each row is
        replaced. With 1, pseudo-outliers are those of the papers.
    random_state : int, RandomState instance or None, default=0
        Determines the pseudo-outliers. With an int, they are the same for all candidates of a
        search.

    Returns
    -------
    score : float
        Between 0 and 1. The higher, the better.

    See Also
    --------
    mass_volume_score : Considers strict thresholds only.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import GridSearchCV, KFold
    >>> from sklearn.svm import OneClassSVM
    >>> from skgad.model_selection import pseudo_outlier_score
    >>> search = GridSearchCV(
    ...     OneClassSVM(),
    ...     {"gamma": [0.001, 0.1, 10]},
    ...     scoring=pseudo_outlier_score,
    ...     cv=KFold(shuffle=True, random_state=0),
    ... )
    >>> search.fit(load_iris().data[:50]).best_params_
    {'gamma': 10}
    """
    check_score_direction(detector, X)
    pseudo_outliers = _draw_pseudo_outliers(X, reference, share, random_state)
    scores = normality_scores(detector, X)
    pseudo_scores = normality_scores(detector, pseudo_outliers)
    labels = np.repeat([1, -1], [len(scores), len(pseudo_scores)])
    return outlier_roc_auc_score(labels, np.concatenate([scores, pseudo_scores]))


@validate_params(
    {"min_mass": [Interval(Real, 0, 1, closed="neither")], **_PSEUDO_OUTLIER_CONSTRAINTS},
    prefer_skip_nested_validation=True,
)
def mass_volume_score(
    detector: BaseEstimator,
    X: MatrixLike,
    y: Any = None,
    *,
    min_mass: float = 0.9,
    reference: Literal["uniform", "shuffle"] = "uniform",
    share: float = 0.25,
    random_state: RandomStateLike = 0,
) -> float:
    r"""Negative area under the mass-volume curve, for searches without labels.

    .. math:: -\frac{1}{1 - \alpha_0} \int_{\alpha_0}^1 \mu(s \ge t_\alpha)\, d\alpha, \qquad
        P(s(x) \ge t_\alpha) = \alpha

    The mass-volume curve (Clémençon and Jakubowicz, AISTATS 2013) tells how much of a reference
    measure :math:`\mu` passes the threshold :math:`t_\alpha` that a share :math:`\alpha` of the
    rows passes. Goix (2016, "How to evaluate the quality of unsupervised anomaly detection
    algorithms?") uses the area under it as a criterion. The score is high if a detector leaves
    little room around the rows. It is estimated with pseudo-outliers, rows in which the values of
    some columns are replaced.

    In the papers, :math:`\mu` is the volume, which corresponds to ``share=1``. It is not
    informative with many columns, for which Goix refits detectors to a few columns at a time. By
    default, only some columns of a row are replaced, which is our choice and needs no refitting.
    With an integral from 0, the score would be :func:`pseudo_outlier_score` minus 1.

    .. versionadded:: 0.1

    Parameters
    ----------
    detector : estimator
        Fitted detector with ``score_samples`` or ``decision_function``.
    X : array-like or data frame of shape (n_samples, n_features)
        Rows that the detector was not fitted to. All or nearly all of them should be normal.
    y : Ignored
        Present so that the function can be used as a scorer.
    min_mass : float, default=0.9
        The smallest share :math:`\alpha_0`, in (0, 1).
    reference : {"uniform", "shuffle"}, default="uniform"
        How a value is replaced.

        - "uniform": by a value drawn uniformly between the minimum and the maximum of the column
          or, if it is not numeric, from its distinct values.
        - "shuffle": by the value of another row in the same column.

    share : float, default=0.25
        Probability that a column is replaced, in (0, 1]. At least one column of each row is
        replaced.
    random_state : int, RandomState instance or None, default=0
        Determines the pseudo-outliers. With an int, they are the same for all candidates of a
        search.

    Returns
    -------
    score : float
        Between -1 and 0. The higher, the better.

    See Also
    --------
    pseudo_outlier_score : Considers all thresholds.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.svm import OneClassSVM
    >>> from skgad.model_selection import mass_volume_score
    >>> X = load_iris().data[:50]
    >>> for gamma in (0.001, 0.1, 10):
    ...     print(gamma, round(mass_volume_score(OneClassSVM(gamma=gamma).fit(X[::2]), X[1::2]), 2))
    0.001 -0.93
    0.1 -0.92
    10 -0.78
    """
    check_score_direction(detector, X)
    pseudo_outliers = _draw_pseudo_outliers(X, reference, share, random_state)
    scores = normality_scores(detector, X)
    pseudo_scores = normality_scores(detector, pseudo_outliers)
    masses = np.linspace(min_mass, 1, 101)
    thresholds = np.quantile(scores, 1 - masses)
    n_below = np.searchsorted(np.sort(pseudo_scores), thresholds)
    volumes = 1 - n_below / len(pseudo_scores)
    return float(-trapezoid(volumes, masses) / (1 - min_mass))


def _draw_pseudo_outliers(X, reference, share, random_state):
    """Replace values of some columns in each row, or in repeated rows if there are few.

    Returns at least 1000 rows, as an array or as a frame with the column types of `X`.
    """
    random = check_random_state(random_state)
    replace = {"uniform": _replace_by_uniform, "shuffle": _replace_by_other_rows}[reference]
    is_frame = hasattr(X, "columns")
    X = X if is_frame else check_array(fill_masked(X), dtype=None, ensure_all_finite="allow-nan")
    n_rows, n_columns = X.shape
    rows = np.resize(np.arange(n_rows), max(n_rows, 1000))
    is_replaced = random.uniform(size=(len(rows), n_columns)) < share
    is_replaced[np.arange(len(rows)), random.randint(n_columns, size=len(rows))] = True
    if not is_frame:
        columns = [replace(X[:, j], rows, is_replaced[:, j], random) for j in range(n_columns)]
        return np.column_stack(columns)
    columns = {
        name: replace(X[name], rows, is_replaced[:, j], random) for j, name in enumerate(X.columns)
    }
    # Without its index, a column of pandas is not aligned with the other columns.
    return type(X)({name: getattr(column, "array", column) for name, column in columns.items()})


def _replace_by_other_rows(column, rows, is_replaced, random):
    other_rows = random.randint(len(column), size=len(rows))
    return _safe_indexing(column, np.where(is_replaced, other_rows, rows))


def _replace_by_uniform(column, rows, is_replaced, random):
    values = np.asarray(column)
    if values.dtype.kind == "f":
        draws = random.uniform(np.nanmin(values), np.nanmax(values), len(rows))
    elif values.dtype.kind in "iu":
        draws = random.randint(values.min(), values.max() + 1, len(rows))
    else:
        _, levels = np.unique(values.astype(str), return_index=True)
        drawn_rows = random.choice(levels, len(rows))
        return _safe_indexing(column, np.where(is_replaced, drawn_rows, rows))
    return np.where(is_replaced, draws, values[rows]).astype(values.dtype)
