"""Metrics and scorers in which the outlier is the positive class.

Labels are those of scikit-learn's detectors, -1 for outliers and 1 for inliers, and scores are
those of ``score_samples`` or ``decision_function``: the higher, the more normal. Metrics of
``predict`` need no function of their own:
``sklearn.metrics.f1_score(y_true, detector.predict(X), pos_label=-1)``.
"""

from functools import partial
from numbers import Integral, Real
from types import MappingProxyType

import numpy as np
from sklearn import metrics as _metrics
from sklearn.utils import check_array, check_consistent_length, column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

from ._response import SCORE_METHODS

__all__ = [
    "SCORERS",
    "f1_at_rate_score",
    "false_positive_rate_at_recall_score",
    "get_scorer",
    "outlier_average_precision_score",
    "outlier_roc_auc_score",
    "outlier_trapezoid_auprc_score",
    "precision_at_n_score",
    "recall_at_n_score",
]


def outlier_roc_auc_score(y_true, y_score, *, pos_label=None):
    r"""Area under the ROC curve: how probably an outlier scores below an inlier.

    .. math:: P(s(\text{outlier}) < s(\text{inlier})) + \tfrac12 P(s(\text{outlier}) =
        s(\text{inlier}))

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        -1 for outliers and 1 for inliers, or any two labels with a `pos_label`.
    y_score : array-like of shape (n_samples,)
        Scores, the higher, the more normal.
    pos_label : int, str or None, default=None
        The label of outliers, if `y_true` is not made of -1 and 1.

    Returns
    -------
    score : float
        1 for a perfect ranking, 0.5 for chance.

    Raises
    ------
    ValueError
        If `y_true` has other labels than -1 and 1 and no `pos_label` is given, or if outliers or
        inliers are missing.

    See Also
    --------
    sklearn.metrics.roc_auc_score : The same with the other sign.

    Examples
    --------
    >>> from skgad.metrics import outlier_roc_auc_score
    >>> outlier_roc_auc_score([-1, -1, 1, 1, 1], [0.1, 0.6, 0.5, 0.8, 0.9])
    0.8333...
    """
    return float(_metrics.roc_auc_score(*_abnormality(y_true, y_score, pos_label)))


def outlier_average_precision_score(y_true, y_score, *, pos_label=None):
    r"""Average precision of the outliers.

    .. math:: \sum_k (R_k - R_{k-1}) P_k

    over the thresholds, :math:`P_k` and :math:`R_k` being the precision and the recall of the
    rows below threshold :math:`k`. This is what ADBench and DTE call AUCPR.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        -1 for outliers and 1 for inliers, or any two labels with a `pos_label`.
    y_score : array-like of shape (n_samples,)
        Scores, the higher, the more normal.
    pos_label : int, str or None, default=None
        The label of outliers, if `y_true` is not made of -1 and 1.

    Returns
    -------
    score : float
        1 for a perfect ranking; chance gives the share of outliers.

    Raises
    ------
    ValueError
        If `y_true` has other labels than -1 and 1 and no `pos_label` is given, or if outliers or
        inliers are missing.

    See Also
    --------
    sklearn.metrics.average_precision_score : The same with the other sign.
    outlier_trapezoid_auprc_score : Straight lines between the points of the curve.

    Examples
    --------
    >>> from skgad.metrics import outlier_average_precision_score
    >>> outlier_average_precision_score([-1, -1, 1, 1, 1], [0.1, 0.6, 0.5, 0.8, 0.9])
    0.8333...
    """
    return float(_metrics.average_precision_score(*_abnormality(y_true, y_score, pos_label)))


def outlier_trapezoid_auprc_score(y_true, y_score, *, pos_label=None):
    r"""Area under the precision-recall curve by the trapezoidal rule.

    .. math:: \sum_k (R_k - R_{k-1}) \frac{P_k + P_{k-1}}{2}

    Some papers report this area, WALDO among them. Straight lines are no possible detectors
    between two points of this curve, so that it tends to be too large (Davis and Goadrich, ICML
    2006, "The relationship between precision-recall and ROC curves"), most so with ties: a
    constant score gets half of one plus the share of outliers. It is here to compare with such
    papers; prefer :func:`outlier_average_precision_score`.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        -1 for outliers and 1 for inliers, or any two labels with a `pos_label`.
    y_score : array-like of shape (n_samples,)
        Scores, the higher, the more normal.
    pos_label : int, str or None, default=None
        The label of outliers, if `y_true` is not made of -1 and 1.

    Returns
    -------
    score : float
        1 for a perfect ranking.

    Raises
    ------
    ValueError
        If `y_true` has other labels than -1 and 1 and no `pos_label` is given, or if outliers or
        inliers are missing.

    Examples
    --------
    >>> from skgad.metrics import outlier_trapezoid_auprc_score
    >>> outlier_trapezoid_auprc_score([-1, -1, 1, 1, 1], [0.1, 0.6, 0.5, 0.8, 0.9])
    0.7916...
    """
    curve = _metrics.precision_recall_curve(*_abnormality(y_true, y_score, pos_label))
    precision, recall, _ = curve
    return float(_metrics.auc(recall, precision))


@validate_params(
    {
        "rate": [Interval(Real, 0, 1, closed="neither"), None],
        "ties": [StrOptions({"percentile", "mean"})],
    },
    prefer_skip_nested_validation=True,
)
def f1_at_rate_score(y_true, y_score, *, rate=None, ties="percentile", pos_label=None):
    r"""F1 of the threshold that flags a known rate of the scored rows.

    .. math:: F_1 = \frac{2 \cdot \text{flagged outliers}}{\text{flagged} + \text{outliers}}

    The threshold is set by the scores of the test rows and by a rate that no detector knows, so
    that this measures a ranking and not the decisions of ``predict``.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        -1 for outliers and 1 for inliers, or any two labels with a `pos_label`.
    y_score : array-like of shape (n_samples,)
        Scores, the higher, the more normal.
    rate : float or None, default=None
        Share of the rows to flag, in (0, 1). None is the share of outliers in `y_true`. The
        tables of DAGMM, ALAD and RCGAN have 0.2 for KDD99 and 0.15 for Arrhythmia.
    ties : {"percentile", "mean"}, default="percentile"
        Which rows are flagged.

        - "percentile": those whose score is at or below the percentile of all scores, linearly
          interpolated, as in DAGMM, ALAD and RCGAN. Of rows that tie there, all are flagged, and
          a constant score flags everything.
        - "mean": exactly ``rate * n_samples`` rows, rounded, as in ADBench and DTE, where the
          order of the rows decides between those that tie. Here it is the mean over all orders.

    pos_label : int, str or None, default=None
        The label of outliers, if `y_true` is not made of -1 and 1.

    Returns
    -------
    score : float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If `y_true` has other labels than -1 and 1 and no `pos_label` is given, if outliers or
        inliers are missing, or if `rate` is not in (0, 1).

    Examples
    --------
    >>> from skgad.metrics import f1_at_rate_score
    >>> f1_at_rate_score([-1, -1, 1, 1, 1], [0.1, 0.6, 0.5, 0.8, 0.9])
    0.5
    >>> f1_at_rate_score([-1, -1, 1, 1, 1], [0.1, 0.6, 0.5, 0.8, 0.9], rate=0.6)
    0.8
    """
    is_outlier, abnormality = _abnormality(y_true, y_score, pos_label)
    rate = is_outlier.mean() if rate is None else rate
    if ties == "percentile":
        flagged = abnormality >= np.percentile(abnormality, 100 * (1 - rate))
        return float(_metrics.f1_score(is_outlier, flagged))
    n_flagged = round(rate * len(is_outlier))
    hits = _mean_hits(is_outlier, abnormality, n_flagged)
    return float(2 * hits / (n_flagged + is_outlier.sum()))


@validate_params(
    {"n": [Interval(Integral, 1, None, closed="left"), None]}, prefer_skip_nested_validation=True
)
def precision_at_n_score(y_true, y_score, *, n=None, pos_label=None):
    """Share of outliers among the `n` rows with the lowest scores.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        -1 for outliers and 1 for inliers, or any two labels with a `pos_label`.
    y_score : array-like of shape (n_samples,)
        Scores, the higher, the more normal. Of rows that tie, any may come first: the result is
        the mean over all orders.
    n : int or None, default=None
        Number of rows, for example those that somebody has the time to look at. None is the
        number of outliers; precision, recall and F1 are then one and the same.
    pos_label : int, str or None, default=None
        The label of outliers, if `y_true` is not made of -1 and 1.

    Returns
    -------
    score : float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If `y_true` has other labels than -1 and 1 and no `pos_label` is given, if outliers or
        inliers are missing, or if `n` is not between 1 and the number of rows.

    Examples
    --------
    >>> from skgad.metrics import precision_at_n_score
    >>> precision_at_n_score([-1, -1, 1, 1, 1], [0.1, 0.6, 0.5, 0.8, 0.9], n=3)
    0.6666...
    """
    is_outlier, abnormality = _abnormality(y_true, y_score, pos_label)
    n = _check_n(n, is_outlier)
    return float(_mean_hits(is_outlier, abnormality, n) / n)


@validate_params(
    {"n": [Interval(Integral, 1, None, closed="left"), None]}, prefer_skip_nested_validation=True
)
def recall_at_n_score(y_true, y_score, *, n=None, pos_label=None):
    """Share of the outliers that are among the `n` rows with the lowest scores.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        -1 for outliers and 1 for inliers, or any two labels with a `pos_label`.
    y_score : array-like of shape (n_samples,)
        Scores, the higher, the more normal. Of rows that tie, any may come first: the result is
        the mean over all orders.
    n : int or None, default=None
        Number of rows. None is the number of outliers; precision, recall and F1 are then one and
        the same.
    pos_label : int, str or None, default=None
        The label of outliers, if `y_true` is not made of -1 and 1.

    Returns
    -------
    score : float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If `y_true` has other labels than -1 and 1 and no `pos_label` is given, if outliers or
        inliers are missing, or if `n` is not between 1 and the number of rows.

    Examples
    --------
    >>> from skgad.metrics import recall_at_n_score
    >>> recall_at_n_score([-1, -1, 1, 1, 1], [0.1, 0.6, 0.5, 0.8, 0.9], n=3)
    1.0
    """
    is_outlier, abnormality = _abnormality(y_true, y_score, pos_label)
    n = _check_n(n, is_outlier)
    return float(_mean_hits(is_outlier, abnormality, n) / is_outlier.sum())


@validate_params(
    {"recall": [Interval(Real, 0, 1, closed="right")]}, prefer_skip_nested_validation=True
)
def false_positive_rate_at_recall_score(y_true, y_score, *, recall=0.95, pos_label=None):
    """Share of the inliers that are flagged by the threshold that finds enough outliers.

    "FPR95" where the outlier is the positive class; some papers on images take the inlier.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        -1 for outliers and 1 for inliers, or any two labels with a `pos_label`.
    y_score : array-like of shape (n_samples,)
        Scores, the higher, the more normal.
    recall : float, default=0.95
        Share of the outliers to be found, in (0, 1].
    pos_label : int, str or None, default=None
        The label of outliers, if `y_true` is not made of -1 and 1.

    Returns
    -------
    rate : float
        The smallest share, between 0 and 1: the lower, the better.

    Raises
    ------
    ValueError
        If `y_true` has other labels than -1 and 1 and no `pos_label` is given, if outliers or
        inliers are missing, or if `recall` is not in (0, 1].

    Examples
    --------
    >>> from skgad.metrics import false_positive_rate_at_recall_score
    >>> false_positive_rate_at_recall_score([-1, -1, 1, 1, 1], [0.1, 0.6, 0.5, 0.8, 0.9])
    0.3333...
    """
    is_outlier, abnormality = _abnormality(y_true, y_score, pos_label)
    rates, recalls, _ = _metrics.roc_curve(is_outlier, abnormality, drop_intermediate=False)
    return float(rates[np.argmax(recalls >= recall)])


def get_scorer(name, **params):
    """Look up a scorer, and give its metric other parameters.

    Parameters
    ----------
    name : str
        Of scores: "outlier_roc_auc", "outlier_average_precision", "outlier_trapezoid_auprc",
        "f1_at_rate", "precision_at_n", "recall_at_n" and "neg_false_positive_rate_at_recall".
        Of decisions: "outlier_precision", "outlier_recall", "outlier_f1" and
        "outlier_balanced_accuracy". ``skgad.metrics.SCORERS`` has them all.
    **params : dict
        Parameters of the metric, such as `rate`, `n`, `recall`, or the `pos_label` of labels that
        are not -1 and 1.

    Returns
    -------
    scorer : callable
        ``scorer(detector, X, y)``, for the `scoring` of scikit-learn's searches and
        cross-validation. It needs a detector with ``score_samples`` or ``decision_function``, or
        with ``predict`` if the metric is one of decisions.

    Raises
    ------
    ValueError
        If there is no such name.

    Notes
    -----
    scikit-learn keeps no public register of scorers: the names that ``scoring`` may be given are
    fixed when ``sklearn.model_selection`` is imported. So the scorer itself is passed.
    Detectors must have scikit-learn's sign; PyOD's ``decision_function`` has the other, and the
    result would be mirrored.

    Examples
    --------
    >>> from sklearn.ensemble import IsolationForest
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skgad.metrics import get_scorer
    >>> from skgad.model_selection import OneClassKFold
    >>> search = GridSearchCV(
    ...     IsolationForest(random_state=0),
    ...     {"max_features": [0.5, 1.0]},
    ...     scoring=get_scorer("f1_at_rate", rate=0.1),
    ...     cv=OneClassKFold(random_state=0),
    ... )
    """
    if name not in _METRICS:
        raise ValueError(f"There is no scorer {name!r}. The names are {', '.join(_METRICS)}.")
    metric, response_method = _METRICS[name]
    return _metrics.make_scorer(
        metric,
        response_method=response_method,
        greater_is_better=not name.startswith("neg_"),
        **params,
    )


def _abnormality(y_true, y_score, pos_label):
    """Which rows are outliers, and scores that are the higher, the less normal they are."""
    is_outlier = _check_labels(y_true, pos_label)
    y_score = check_array(column_or_1d(y_score), ensure_2d=False, dtype=np.float64)
    check_consistent_length(is_outlier, y_score)
    for part, rows in (("outliers", is_outlier), ("inliers", ~is_outlier)):
        if not rows.any():
            raise ValueError(
                f"There are no {part} among the {len(rows)} labels, so that nothing can be ranked. "
                "Each test fold needs both: skgad.model_selection has splitters that see to it."
            )
    return is_outlier, -y_score


def _check_labels(y, pos_label=None):
    """Which of the labels are those of outliers."""
    y = column_or_1d(y)
    labels = np.unique(y)
    if pos_label is not None:
        if len(labels) > 2:
            raise ValueError(f"Expected two labels, got {labels.tolist()}.")
        if len(labels) == 2 and pos_label not in labels:
            raise ValueError(f"pos_label={pos_label!r} is none of the labels {labels.tolist()}.")
        return y == pos_label
    if not np.isin(labels, (-1, 1)).all():
        raise ValueError(
            f"Labels are -1 for outliers and 1 for inliers, got {labels[:5].tolist()}. Name the "
            "label of outliers by pos_label, or convert them: np.where(y == label, -1, 1)."
        )
    return y == -1


def _check_n(n, is_outlier):
    if n is None:
        return int(is_outlier.sum())
    if n > len(is_outlier):
        raise ValueError(f"n={n} is more than the {len(is_outlier)} rows that there are.")
    return n


def _mean_hits(is_outlier, abnormality, n):
    """Mean number of outliers among the `n` most abnormal rows, over all orders of ties."""
    threshold = np.partition(abnormality, -n)[-n]
    above, tied = abnormality > threshold, abnormality == threshold
    return is_outlier[above].sum() + is_outlier[tied].mean() * (n - above.sum())


def _of_decisions(metric):
    """Make a metric of ``predict``, whose labels are -1 and 1, take other true labels."""
    return partial(_decision_metric, metric=metric)


def _decision_metric(y_true, y_pred, *, metric, pos_label=None):
    return metric(np.where(_check_labels(y_true, pos_label), -1, 1), y_pred)


_OUTLIER = {"pos_label": -1, "zero_division": 0}

#: For each name: the metric, and what it takes of the detector.
_METRICS = {
    "outlier_roc_auc": (outlier_roc_auc_score, SCORE_METHODS),
    "outlier_average_precision": (outlier_average_precision_score, SCORE_METHODS),
    "outlier_trapezoid_auprc": (outlier_trapezoid_auprc_score, SCORE_METHODS),
    "f1_at_rate": (f1_at_rate_score, SCORE_METHODS),
    "precision_at_n": (precision_at_n_score, SCORE_METHODS),
    "recall_at_n": (recall_at_n_score, SCORE_METHODS),
    "neg_false_positive_rate_at_recall": (false_positive_rate_at_recall_score, SCORE_METHODS),
    "outlier_precision": (_of_decisions(partial(_metrics.precision_score, **_OUTLIER)), "predict"),
    "outlier_recall": (_of_decisions(partial(_metrics.recall_score, **_OUTLIER)), "predict"),
    "outlier_f1": (_of_decisions(partial(_metrics.f1_score, **_OUTLIER)), "predict"),
    "outlier_balanced_accuracy": (_of_decisions(_metrics.balanced_accuracy_score), "predict"),
}

#: Scorers by name, with the outlier as the positive class: ``scoring=SCORERS["outlier_f1"]``.
SCORERS = MappingProxyType({name: get_scorer(name) for name in _METRICS})
