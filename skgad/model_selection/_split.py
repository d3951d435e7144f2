"""Splitters that keep outliers out of the training folds."""

from collections.abc import Iterator
from numbers import Integral
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from sklearn.model_selection import BaseCrossValidator, KFold, ShuffleSplit
from sklearn.utils import check_consistent_length

from .._labels import outlier_mask
from .._typing import IntArray, MatrixLike, RandomStateLike


class _OneClassSplitter(BaseCrossValidator):
    """Base class of splitters that split the inliers and add outliers to the test folds only.

    ``_make_splitters`` returns scikit-learn's splitters for the inliers and for the outliers.
    """

    n_splits: int
    outliers: Literal["all", "split"]
    pos_label: int | str | None

    def split(
        self, X: MatrixLike, y: ArrayLike | None = None, groups: Any = None
    ) -> Iterator[tuple[IntArray, IntArray]]:
        """Generate the indices of training and test rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to split.
        y : array-like of shape (n_samples,)
            -1 for outliers and 1 for inliers, or any two labels if `pos_label` is given.
        groups : None
            Always ignored, exists for compatibility.

        Yields
        ------
        train : ndarray
            Indices of inliers.
        test : ndarray
            Indices of other inliers and of outliers.

        Raises
        ------
        ValueError
            If `y` is missing or contains other labels, or if there are too few inliers or outliers.
        """
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to keep outliers out of training. If no row is "
                "known to be an outlier, use KFold or ShuffleSplit."
            )
        check_consistent_length(X, y)
        is_outlier = outlier_mask(y, self.pos_label)
        inliers, outliers = np.flatnonzero(~is_outlier), np.flatnonzero(is_outlier)
        if self.outliers not in ("all", "split"):
            raise ValueError(f"outliers must be 'all' or 'split', got {self.outliers!r}.")
        if len(outliers) == 0:
            raise ValueError(f"y contains no outliers among its {len(is_outlier)} labels.")
        inlier_splitter, outlier_splitter = self._make_splitters(len(inliers), len(outliers))
        if self.outliers == "all":
            outlier_tests = [outliers] * self.n_splits
        else:
            outlier_tests = [outliers[test] for _, test in outlier_splitter.split(outliers)]
        folds = zip(inlier_splitter.split(inliers), outlier_tests, strict=True)
        for (train, inlier_test), outlier_test in folds:
            yield inliers[train], np.sort(np.concatenate([inliers[inlier_test], outlier_test]))

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of splits.

        Parameters
        ----------
        X : None
            Always ignored, exists for compatibility.
        y : None
            Always ignored, exists for compatibility.
        groups : None
            Always ignored, exists for compatibility.

        Returns
        -------
        n_splits : int
            The parameter `n_splits`.
        """
        return self.n_splits


class OneClassKFold(_OneClassSplitter):
    """K-fold splitter that trains on inliers only.

    The inliers are divided into `n_splits` folds, so that each inlier is in one test fold. Outliers
    are in test folds only. All training labels are the same, so that no label can leak into `fit`,
    whatever a detector does with its `y`.

    .. versionadded:: 0.1

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds. At least 2.
    shuffle : bool, default=True
        Whether to shuffle the rows before they are divided.
    random_state : int, RandomState instance or None, default=None
        Determines the order if `shuffle` is True. Pass an int for the same folds in each call.
    outliers : {"all", "split"}, default="all"
        Which outliers are in a test fold.

        - "all": all outliers. The ratio of outliers to inliers in a test fold is then `n_splits`
          times that of the table, and the results of the folds share the outliers.
        - "split": the outliers are divided like the inliers, so that each outlier is in one test
          fold. The share of outliers in a test fold is then that of the table.

    pos_label : int, str or None, default=None
        The label of outliers, if `y` contains other labels than -1 and 1.

    See Also
    --------
    OneClassShuffleSplit : Random splits of the inliers.
    sklearn.model_selection.StratifiedKFold : Folds with outliers in training, as in unlabeled data.

    Notes
    -----
    After a search, scikit-learn refits the best candidate to all rows, including the outliers. Set
    ``refit=False`` and fit the best candidate to the inliers instead. A successive halving search
    also scores the training rows, which contain no outliers: set ``return_train_score=False``.

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

    Find the best number of neighbors and fit a detector with it to the inliers:

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
        self,
        n_splits: int = 5,
        *,
        shuffle: bool = True,
        random_state: RandomStateLike = None,
        outliers: Literal["all", "split"] = "all",
        pos_label: int | str | None = None,
    ) -> None:
        self.n_splits = n_splits
        self.shuffle = shuffle
        self.random_state = random_state
        self.outliers = outliers
        self.pos_label = pos_label

    def _make_splitters(self, n_inliers, n_outliers):
        divided = {"inliers": n_inliers}
        if self.outliers == "split":
            divided["outliers"] = n_outliers
        for name, n_rows in divided.items():
            if n_rows < self.n_splits:
                raise ValueError(
                    f"n_splits={self.n_splits} is greater than the number of {name}, {n_rows}."
                )
        random_state = self.random_state if self.shuffle else None
        splitter = KFold(self.n_splits, shuffle=self.shuffle, random_state=random_state)
        return splitter, splitter


class OneClassShuffleSplit(_OneClassSplitter):
    """Random splitter that trains on inliers only.

    The inliers are split at random. Outliers are in test folds only. The defaults are the
    one-class protocol of many papers, for example DTE (Livernoche et al., ICLR 2024): train on
    half of the inliers, test on the other half and on all outliers.

    .. versionadded:: 0.1

    Parameters
    ----------
    n_splits : int, default=10
        Number of splits.
    test_size : float or int, default=0.5
        Share or number of the inliers in a test fold.
    train_size : float, int or None, default=None
        Share or number of the inliers to train on. None means all that are not in the test fold.
    random_state : int, RandomState instance or None, default=None
        Determines the splits. Pass an int for the same splits in each call.
    outliers : {"all", "split"}, default="all"
        Which outliers are in a test fold.

        - "all": all outliers.
        - "split": a random part of the outliers, as large a share of them as of the inliers. The
          share of outliers in a test fold is then that of the table. The other outliers are left
          out.

    pos_label : int, str or None, default=None
        The label of outliers, if `y` contains other labels than -1 and 1.

    See Also
    --------
    OneClassKFold : Folds in which each inlier is tested once.

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
        n_splits: int = 10,
        *,
        test_size: float | int = 0.5,
        train_size: float | int | None = None,
        random_state: RandomStateLike = None,
        outliers: Literal["all", "split"] = "all",
        pos_label: int | str | None = None,
    ) -> None:
        self.n_splits = n_splits
        self.test_size = test_size
        self.train_size = train_size
        self.random_state = random_state
        self.outliers = outliers
        self.pos_label = pos_label

    def _make_splitters(self, n_inliers, n_outliers):
        shared = {"n_splits": self.n_splits, "random_state": self.random_state}
        is_count = isinstance(self.test_size, Integral)
        test_share = self.test_size / n_inliers if is_count else self.test_size
        return (
            ShuffleSplit(test_size=self.test_size, train_size=self.train_size, **shared),
            ShuffleSplit(test_size=test_share, **shared),
        )
