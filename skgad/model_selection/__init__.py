"""Splitters that train on inliers alone, cross-validation, and selection without labels."""

from collections.abc import Mapping
from numbers import Integral, Real

import numpy as np
from scipy.integrate import trapezoid
from sklearn.model_selection import (
    BaseCrossValidator,
    KFold,
    ShuffleSplit,
    cross_validate,
)
from sklearn.utils import _safe_indexing, check_array, check_consistent_length, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

from .._response import normality_scores
from ..metrics import _check_labels, get_scorer, outlier_roc_auc_score

__all__ = [
    "OneClassKFold",
    "OneClassShuffleSplit",
    "cross_val_scores",
    "mass_volume_score",
    "pseudo_outlier_score",
]

_REFERENCE_CONSTRAINTS = {
    "reference": [StrOptions({"uniform", "shuffle"})],
    "share": [Interval(Real, 0, 1, closed="right")],
    "random_state": ["random_state"],
}


class _OneClassSplitter(BaseCrossValidator):
    """Split the inliers, and put outliers into the test folds only.

    ``_splitters`` gives the splitters of scikit-learn for the inliers and for the outliers.
    """

    def split(self, X, y=None, groups=None):
        """Generate indices of training and of test rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.
        y : array-like of shape (n_samples,)
            Their labels: -1 for outliers and 1 for inliers, or as `pos_label` says.
        groups : None
            Ignored, exists for compatibility.

        Yields
        ------
        train : ndarray
            Indices of inliers.
        test : ndarray
            Indices of other inliers and of outliers.

        Raises
        ------
        ValueError
            If there is no `y`, if it has other labels, or if there are too few inliers or
            outliers.
        """
        if y is None:
            raise ValueError(
                f"{type(self).__name__} needs labels: without y it cannot keep outliers out of "
                "training. Where no row is known to be an outlier, use KFold or ShuffleSplit."
            )
        check_consistent_length(X, y)
        is_outlier = _check_labels(y, self.pos_label)
        inliers, outliers = np.flatnonzero(~is_outlier), np.flatnonzero(is_outlier)
        if self.outliers not in ("all", "split"):
            raise ValueError(f"outliers is 'all' or 'split', got {self.outliers!r}.")
        if len(outliers) == 0:
            raise ValueError(f"There is no outlier among the {len(is_outlier)} labels.")
        inlier_splitter, outlier_splitter = self._splitters(len(inliers), len(outliers))
        tests = self._outliers_of_folds(outliers, outlier_splitter)
        for (train, test), outlier_test in zip(inlier_splitter.split(inliers), tests, strict=True):
            yield inliers[train], np.sort(np.concatenate([inliers[test], outlier_test]))

    def _outliers_of_folds(self, outliers, splitter):
        if self.outliers == "all":
            return [outliers] * self.get_n_splits()
        return [outliers[test] for _, test in splitter.split(outliers)]

    def get_n_splits(self, X=None, y=None, groups=None):
        """Return the number of splits.

        Parameters
        ----------
        X : None
            Ignored, exists for compatibility.
        y : None
            Ignored, exists for compatibility.
        groups : None
            Ignored, exists for compatibility.

        Returns
        -------
        n_splits : int
            The parameter `n_splits`.
        """
        return self.n_splits


class OneClassKFold(_OneClassSplitter):
    """K folds of the inliers; outliers are never trained on and in every test fold.

    Each inlier is in one test fold. Detectors are trained on inliers alone, whose labels are all
    the same: no label can leak into `fit`, whatever it does with its `y`.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2.
    shuffle : bool, default=True
        Whether to shuffle the rows before they are divided.
    random_state : int, RandomState instance or None, default=None
        Determines the order of a shuffle. Pass an int for the same folds at every call.
    outliers : {"all", "split"}, default="all"
        What a test fold has of the outliers.

        - "all": all of them. The share of outliers is `n_splits` times that of the table, and
          the results of the folds have the outliers in common.
        - "split": they are divided as the inliers are, so that each is in one test fold and its
          share there is that of the table.

    pos_label : int, str or None, default=None
        The label of outliers, if `y` is not made of -1 and 1.

    See Also
    --------
    OneClassShuffleSplit : Draws anew for every split.
    sklearn.model_selection.StratifiedKFold : With outliers in training, as unlabelled data has.

    Notes
    -----
    After a search, scikit-learn fits the best candidate to all rows, the outliers among them. So
    give ``refit=False``, and fit it to the inliers. A search by halves scores the training rows
    as well, which have no outlier: give it ``return_train_score=False``.

    Examples
    --------
    >>> import numpy as np
    >>> from skgad.model_selection import OneClassKFold
    >>> X = np.arange(6)[:, None]
    >>> y = np.array([1, 1, 1, 1, -1, -1])
    >>> for train, test in OneClassKFold(2, shuffle=False).split(X, y):
    ...     print(train, test)
    [2 3] [0 1 4 5]
    [0 1] [2 3 4 5]

    The best number of neighbours, and a detector that is fitted to the inliers:

    >>> from sklearn.base import clone
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.neighbors import LocalOutlierFactor
    >>> from skgad.metrics import SCORERS
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> y = np.where(y == 1, 1, -1)
    >>> search = GridSearchCV(
    ...     LocalOutlierFactor(novelty=True),
    ...     {"n_neighbors": [5, 20, 80]},
    ...     scoring=SCORERS["outlier_roc_auc"],
    ...     cv=OneClassKFold(random_state=0),
    ...     refit=False,
    ... ).fit(X, y)
    >>> detector = clone(search.estimator).set_params(**search.best_params_).fit(X[y == 1])
    """

    def __init__(
        self, n_splits=5, *, shuffle=True, random_state=None, outliers="all", pos_label=None
    ):
        self.n_splits = n_splits
        self.shuffle = shuffle
        self.random_state = random_state
        self.outliers = outliers
        self.pos_label = pos_label

    def _splitters(self, n_inliers, n_outliers):
        for name, n_rows in (("inliers", n_inliers), ("outliers", n_outliers)):
            if n_rows < self.n_splits and (name, self.outliers) != ("outliers", "all"):
                raise ValueError(f"n_splits={self.n_splits} is more than the {n_rows} {name}.")
        random_state = self.random_state if self.shuffle else None
        splitter = KFold(self.n_splits, shuffle=self.shuffle, random_state=random_state)
        return splitter, splitter


class OneClassShuffleSplit(_OneClassSplitter):
    """Random halves of the inliers; outliers are never trained on and in every test fold.

    The defaults are the one-class protocol of many papers, for example DTE (Livernoche et al.,
    ICLR 2024): train on half of the inliers, test on the other half and on all outliers.

    Parameters
    ----------
    n_splits : int, default=10
        Number of splits.
    test_size : float or int, default=0.5
        Share or number of the inliers in a test fold.
    train_size : float, int or None, default=None
        Share or number of the inliers to train on. None is all that are not in the test fold.
    random_state : int, RandomState instance or None, default=None
        Determines the draws. Pass an int for the same splits at every call.
    outliers : {"all", "split"}, default="all"
        What a test fold has of the outliers.

        - "all": all of them.
        - "split": a share of `test_size` is drawn, so that their share is that of the table. The
          other outliers are left out.

    pos_label : int, str or None, default=None
        The label of outliers, if `y` is not made of -1 and 1.

    See Also
    --------
    OneClassKFold : Each inlier is in one test fold.

    Examples
    --------
    >>> import numpy as np
    >>> from skgad.model_selection import OneClassShuffleSplit
    >>> X = np.arange(6)[:, None]
    >>> y = np.array([1, 1, 1, 1, -1, -1])
    >>> for train, test in OneClassShuffleSplit(2, random_state=0).split(X, y):
    ...     print(train, test)
    [1 0] [2 3 4 5]
    [1 3] [0 2 4 5]
    """

    def __init__(
        self,
        n_splits=10,
        *,
        test_size=0.5,
        train_size=None,
        random_state=None,
        outliers="all",
        pos_label=None,
    ):
        self.n_splits = n_splits
        self.test_size = test_size
        self.train_size = train_size
        self.random_state = random_state
        self.outliers = outliers
        self.pos_label = pos_label

    def _splitters(self, n_inliers, n_outliers):
        random = {"n_splits": self.n_splits, "random_state": self.random_state}
        is_number = isinstance(self.test_size, Integral)
        share = self.test_size / n_inliers if is_number else self.test_size
        return (
            ShuffleSplit(test_size=self.test_size, train_size=self.train_size, **random),
            ShuffleSplit(test_size=share, **random),
        )


def cross_val_scores(detector, X, y, *, cv=5, metrics="outlier_roc_auc", params=None, n_jobs=None):
    """Train on inliers and score inliers and outliers, with several metrics at once.

    Parameters
    ----------
    detector : estimator
        Detector with scikit-learn's interface and sign, or a pipeline that ends in one.
    X : array-like of shape (n_samples, n_features)
        The rows.
    y : array-like of shape (n_samples,)
        Their labels, -1 for outliers and 1 for inliers.
    cv : int, splitter or iterable, default=5
        A number means :class:`OneClassKFold`, shuffled at random. Pass a splitter with a
        `random_state` for the same folds at every call.
    metrics : str, list of str or dict, default="outlier_roc_auc"
        Names that :func:`skgad.metrics.get_scorer` knows, or scorers by names of your own.
    params : dict or None, default=None
        Handed to the `fit` of the detector, as known `labels`: of a value for each row, those of
        the training fold. With metadata routing enabled, handed to what requests them.
    n_jobs : int or None, default=None
        Number of processes, as in :func:`sklearn.model_selection.cross_validate`.

    Returns
    -------
    scores : dict of str to ndarray of shape (n_splits,)
        The scores of the test folds, by the name of the metric.

    Raises
    ------
    ValueError
        If there is no such metric, or whatever the detector raises: no fold is left out.

    See Also
    --------
    sklearn.model_selection.cross_validate : With times, training scores and fitted detectors.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.ensemble import IsolationForest
    >>> from skgad.model_selection import OneClassKFold, cross_val_scores
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> scores = cross_val_scores(
    ...     IsolationForest(random_state=0),
    ...     X,
    ...     np.where(y == 1, 1, -1),
    ...     cv=OneClassKFold(3, random_state=0),
    ...     metrics=["outlier_roc_auc", "outlier_average_precision", "outlier_f1"],
    ... )
    >>> for name, values in scores.items():
    ...     print(name, values.round(2))
    outlier_roc_auc [0.97 0.96 0.95]
    outlier_average_precision [0.98 0.97 0.97]
    outlier_f1 [0.92 0.91 0.9 ]
    """
    if not isinstance(metrics, Mapping):
        names = [metrics] if isinstance(metrics, str) else metrics
        metrics = {name: get_scorer(name) for name in names}
    cv = OneClassKFold(cv) if isinstance(cv, Integral) else cv
    results = cross_validate(
        detector,
        X,
        y,
        cv=cv,
        scoring=dict(metrics),
        params=params,
        n_jobs=n_jobs,
        error_score="raise",
    )
    return {name: results[f"test_{name}"] for name in metrics}


@validate_params(_REFERENCE_CONSTRAINTS, prefer_skip_nested_validation=True)
def pseudo_outlier_score(detector, X, y=None, *, reference="uniform", share=0.25, random_state=0):
    r"""How well a detector tells rows from made-up outliers; for searches without labels.

    .. math:: P(s(\tilde x) < s(x)) + \tfrac12 P(s(\tilde x) = s(x))

    for a row :math:`x` of `X` and a row :math:`\tilde x` in which some columns were replaced. That
    to detect anomalies is to tell the data from a reference measure is due to Steinwart, Hush and
    Scovel (JMLR 2005, "A classification framework for anomaly detection"), who take the uniform
    one. Where there are many columns, every detector does that perfectly. So by default only some
    columns are replaced, which is our choice.

    Parameters
    ----------
    detector : estimator
        Fitted detector with ``score_samples`` or ``decision_function``.
    X : array-like or data frame of shape (n_samples, n_features)
        Rows that it was not fitted on, all or nearly all of them normal.
    y : Ignored
        Present so that this is a scorer.
    reference : {"uniform", "shuffle"}, default="uniform"
        Where a replaced value comes from.

        - "uniform": from between the smallest and the largest value of its column, all being
          equally likely; for columns that are not numbers, from its distinct values.
        - "shuffle": from the same column of another row, so that outliers differ in what columns
          have to do with each other alone, as in the unsupervised random forest of Shi and
          Horvath (2006).

    share : float, default=0.25
        Probability that a column is replaced, in (0, 1]; at least one in each row is. With 1, the
        rows are those of the papers.
    random_state : int, RandomState instance or None, default=0
        Determines the rows. With an int, all candidates of a search meet the same ones.

    Returns
    -------
    score : float
        Between 0 and 1: the higher, the better.

    See Also
    --------
    mass_volume_score : Counts those that pass a strict threshold.

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
    normal, made_up = _scores_of_both(detector, X, reference, share, random_state)
    labels = np.repeat([1, -1], [len(normal), len(made_up)])
    return outlier_roc_auc_score(labels, np.concatenate([normal, made_up]))


@validate_params(
    {"min_mass": [Interval(Real, 0, 1, closed="neither")], **_REFERENCE_CONSTRAINTS},
    prefer_skip_nested_validation=True,
)
def mass_volume_score(
    detector, X, y=None, *, min_mass=0.9, reference="uniform", share=0.25, random_state=0
):
    r"""How little room a detector leaves around the rows; for searches without labels.

    .. math:: -\frac{1}{1 - \alpha_0} \int_{\alpha_0}^1 \mu(s \ge t_\alpha)\, d\alpha, \qquad
        P(s(x) \ge t_\alpha) = \alpha

    This is the opposite of the area under the mass-volume curve (Clémençon and Jakubowicz, AISTATS
    2013; as a criterion, Goix, 2016, "How to evaluate the quality of unsupervised anomaly
    detection algorithms?"): how much of a reference measure :math:`\mu` passes the threshold that
    a share :math:`\alpha` of the rows passes. It is estimated by made-up rows. In the papers
    :math:`\mu` is the volume, here ``share=1``, which is blind where there are many columns; Goix
    then refits to a few columns at a time. By default only some columns of a row are replaced,
    which is our choice and needs no refitting. The integral from 0 would be one less
    :func:`pseudo_outlier_score`.

    Parameters
    ----------
    detector : estimator
        Fitted detector with ``score_samples`` or ``decision_function``.
    X : array-like or data frame of shape (n_samples, n_features)
        Rows that it was not fitted on, all or nearly all of them normal.
    y : Ignored
        Present so that this is a scorer.
    min_mass : float, default=0.9
        The smallest share :math:`\alpha_0`, in (0, 1).
    reference : {"uniform", "shuffle"}, default="uniform"
        Where a replaced value comes from.

        - "uniform": from between the smallest and the largest value of its column, all being
          equally likely; for columns that are not numbers, from its distinct values.
        - "shuffle": from the same column of another row.

    share : float, default=0.25
        Probability that a column is replaced, in (0, 1]; at least one in each row is.
    random_state : int, RandomState instance or None, default=0
        Determines the rows. With an int, all candidates of a search meet the same ones.

    Returns
    -------
    score : float
        Between -1 and 0: the higher, the better.

    See Also
    --------
    pseudo_outlier_score : Counts all pairs.

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
    normal, made_up = _scores_of_both(detector, X, reference, share, random_state)
    masses = np.linspace(min_mass, 1, 101)
    thresholds = np.quantile(normal, 1 - masses)
    passing = 1 - np.searchsorted(np.sort(made_up), thresholds) / len(made_up)
    return float(-trapezoid(passing, masses) / (1 - min_mass))


def _scores_of_both(detector, X, reference, share, random_state):
    """Scores of the rows and of as many made-up rows, or of more, if there are few."""
    random = check_random_state(random_state)
    made_up = _made_up_rows(X, reference, share, random)
    return normality_scores(detector, X), normality_scores(detector, made_up)


def _made_up_rows(X, reference, share, random):
    """Rows in which some columns were replaced, of the same kind of table as X."""
    draw = {"uniform": _draw_uniform, "shuffle": _draw_shuffled}[reference]
    is_frame = hasattr(X, "columns")
    X = X if is_frame else check_array(X, dtype=None, ensure_all_finite="allow-nan")
    n_rows, n_columns = X.shape
    rows = np.resize(np.arange(n_rows), max(n_rows, 1000))
    replaced = random.uniform(size=(len(rows), n_columns)) < share
    replaced[np.arange(len(rows)), random.randint(n_columns, size=len(rows))] = True
    if is_frame:
        columns = {
            name: draw(X[name], rows, replaced[:, j], random) for j, name in enumerate(X.columns)
        }
        return type(X)({name: getattr(column, "array", column) for name, column in columns.items()})
    return np.column_stack([draw(X[:, j], rows, replaced[:, j], random) for j in range(n_columns)])


def _draw_shuffled(column, rows, replaced, random):
    others = random.randint(len(column), size=len(rows))
    return _safe_indexing(column, np.where(replaced, others, rows))


def _draw_uniform(column, rows, replaced, random):
    values = np.asarray(column)
    if values.dtype.kind == "f":
        draws = random.uniform(np.nanmin(values), np.nanmax(values), len(rows))
    elif values.dtype.kind in "iu":
        draws = random.randint(values.min(), values.max() + 1, len(rows))
    else:
        _, levels = np.unique(values.astype(str), return_index=True)
        return _safe_indexing(column, np.where(replaced, random.choice(levels, len(rows)), rows))
    return np.where(replaced, draws, values[rows]).astype(values.dtype)
