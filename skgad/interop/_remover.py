"""A sampler that removes outliers, for the pipelines of imbalanced-learn."""

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.utils import get_tags, indexable

from .._response import check_score_direction
from .._sklearn_compat import HasMethods, _fit_context, _safe_indexing
from .._typing import IntArray, MatrixLike


class OutlierRemover(MetaEstimatorMixin, BaseEstimator):
    """Remove outliers from the training rows of a pipeline of imbalanced-learn.

    A step of ``imblearn.pipeline.Pipeline`` with a method `fit_resample` changes the rows that the
    following steps are fitted to. It does nothing when the pipeline predicts, so all new rows get
    a prediction.

    .. versionadded:: 0.1

    Parameters
    ----------
    detector : estimator
        Outlier detector with the interface of scikit-learn. It is cloned before it is fitted,
        without the target `y`. Its `contamination`, or another parameter that sets its threshold,
        determines how many rows are removed. Wrap a detector that is already fitted in
        :class:`~sklearn.frozen.FrozenEstimator`.

    Attributes
    ----------
    detector_ : estimator
        The fitted detector.

    sample_indices_ : ndarray of shape (n_kept,)
        Positions of the rows that were kept.

    Notes
    -----
    The detector labels the rows with ``fit_predict``, if it has this method, and otherwise with
    ``fit`` and ``predict``. So a :class:`~sklearn.neighbors.LocalOutlierFactor` with
    ``novelty=False`` can be used as well.

    imbalanced-learn is not required to use this class alone.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.ensemble import IsolationForest
    >>> from skgad.interop import OutlierRemover
    >>> X, y = np.vstack([np.eye(20), np.full((1, 20), 9.0)]), np.arange(21)
    >>> remover = OutlierRemover(IsolationForest(contamination=0.04, random_state=0))
    >>> X_kept, y_kept = remover.fit_resample(X, y)
    >>> y_kept.tolist() == list(range(20))
    True

    In a pipeline of imbalanced-learn:

    >>> from imblearn.pipeline import make_pipeline  # doctest: +SKIP
    >>> from sklearn.linear_model import Ridge
    >>> make_pipeline(remover, Ridge()).fit(X, y).predict(X)  # doctest: +SKIP
    """

    _parameter_constraints: dict = {
        "detector": [HasMethods(["fit_predict"]), HasMethods(["fit", "predict"])]
    }

    detector_: Any
    sample_indices_: IntArray

    def __init__(self, detector: BaseEstimator) -> None:
        self.detector = detector

    def fit(self, X: MatrixLike, y: Any = None) -> Self:
        """Fit the detector. Use :meth:`fit_resample` to remove rows.

        Parameters
        ----------
        X : {array-like, dataframe, sparse matrix} of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs) or None, default=None
            Target of the following steps. The detector does not see it.

        Returns
        -------
        self : object
            The fitted sampler.
        """
        self.fit_resample(X, y)
        return self

    @_fit_context(prefer_skip_nested_validation=False)
    def fit_resample(self, X: MatrixLike, y: Any = None) -> tuple[Any, Any]:
        """Fit the detector and return the rows that it labels as inliers.

        Parameters
        ----------
        X : {array-like, dataframe, sparse matrix} of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs) or None, default=None
            Target of the following steps. It may be of any type: the detector does not see it.

        Returns
        -------
        X_resampled : {array, dataframe, sparse matrix} of shape (n_kept, n_features)
            The inliers, in their order. A frame remains a frame.
        y_resampled : array-like of shape (n_kept,) or (n_kept, n_outputs) or None
            Their target.

        Raises
        ------
        ValueError
            If the detector does not have the labels and scores of scikit-learn, or if it labels
            all rows as outliers.
        """
        X, y = indexable(X, y)
        detector = clone(self.detector)
        if hasattr(detector, "fit_predict"):
            labels = detector.fit_predict(X)
        else:
            labels = detector.fit(X, None).predict(X)
        check_score_direction(detector, X)
        kept = np.flatnonzero(np.asarray(labels) == 1)
        if len(kept) == 0:
            raise ValueError(
                f"{type(detector).__name__} labels all {len(labels)} rows as outliers. Change the "
                "parameter that sets its threshold, such as contamination."
            )
        self.detector_ = detector
        self.sample_indices_ = kept
        return _safe_indexing(X, kept), None if y is None else _safe_indexing(y, kept)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.detector).input_tags
        return tags
