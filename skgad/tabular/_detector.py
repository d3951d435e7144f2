"""A detector for tables of mixed columns."""

import os
from numbers import Integral
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import get_config
from sklearn.base import BaseEstimator, MetaEstimatorMixin, OutlierMixin, clone
from sklearn.utils import check_random_state, check_scalar, get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import check_is_fitted

from .._frames import (
    Table,
    collect,
    column_names,
    concat_rows,
    copy_index,
    is_missing,
    read_columns,
    take_cells,
)
from .._random_state import set_random_states
from .._response import check_score_direction
from .._save import SaveMixin
from .._set_output import OptionalTransformMixin
from .._sklearn_compat import HasMethods, _fit_context, _safe_indexing, available_if
from .._typing import FloatArray, IntArray, RandomStateLike
from ..detectors import Autoencoder
from ..detectors._base import BaseDetector, TableLike
from ..tables import ParquetTable
from ._encoder import TabularEncoder

#: Number of rows that are generated at once if only some of them are kept.
BATCH_ROWS = 4096

#: Rows are generated until less than this share is kept, but at least so many.
MIN_SHARE = 1e-3
MIN_GENERATED = 100_000


def positions_of(names, table, argument):
    """Positions of the columns that an argument names."""
    known = column_names(table)
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"{argument} names {unknown}, but the columns are {known}.")
    return [known.index(name) for name in names]


def meet_conditions(table, conditions):
    """Mask of the rows that have given values in some columns."""
    positions = positions_of(conditions, table, "conditions")
    columns = read_columns(table, column_names(table))
    masks = [
        is_missing(columns[position]) if value is None else columns[position] == value
        for position, value in zip(positions, conditions.values(), strict=True)
    ]
    return np.all(masks, axis=0)


def exchange_cells(table, columns, rng):
    """Take the cells of some columns from other rows, those of each column from a row of its own.

    The columns keep their distributions, but their relations to each other and to the other columns
    are lost.
    """
    rows = np.tile(np.arange(len(table))[:, None], table.shape[1])
    for position in positions_of(columns, table, "columns"):
        rows[:, position] = rng.permutation(len(table))
    return take_cells(table, rows)


def _detector_has(method, *, encoder_has=None):
    """Check for ``available_if``: whether detector and encoder, fitted or not, have a method."""

    def check(self):
        # Each getattr raises an AttributeError that names the object and the method.
        getattr(getattr(self, "detector_", self._detector()), method)
        if encoder_has is not None:
            getattr(getattr(self, "encoder_", self._encoder()), encoder_has)
        return True

    return check


class TabularDetector(
    SaveMixin, OptionalTransformMixin, MetaEstimatorMixin, OutlierMixin, BaseEstimator
):
    """Outlier detector for tables of numbers, categories and dates with missing values.

    The table is encoded, the detector works on the encoded rows, and the rows that it generates
    are decoded to a table with the same columns. Any outlier detector with the API of scikit-learn
    can be used. Methods are available if the detector has them.

    Read more in the :ref:`user guide <tabular>`.

    .. versionadded:: 0.1

    Parameters
    ----------
    detector : object or None, default=None
        The outlier detector. It is cloned before it is fitted. None means ``Autoencoder()``.

    encoder : object or None, default=None
        Transformer that encodes a table as numbers. It is cloned before it is fitted. It needs
        `inverse_transform` for :meth:`sample` and :meth:`reconstruct`. None means
        :class:`~skgad.preprocessing.TabularEncoder` with default parameters.

    random_state : int, RandomState instance or None, default=None
        Seed of every parameter `random_state` of the encoder and of the detector that is None. Pass
        an int for reproducible results.

    Attributes
    ----------
    detector_ : object
        The fitted detector.

    encoder_ : object
        The fitted encoder.

    offset_ : float
        Threshold of the detector, such that ``decision_function = score_samples - offset_``.
        Defined only if the detector has one.

    n_features_in_ : int
        Number of columns seen in `fit`.

    feature_names_in_ : ndarray of str of shape (`n_features_in_`,)
        Names of the columns seen in `fit`. Defined only if all of them are strings.

    See Also
    --------
    skgad.preprocessing.TabularEncoder : The encoder on its own.
    sklearn.pipeline.Pipeline : Chain any steps, without decoding.

    Notes
    -----
    *A note on design.* This is not a pipeline. A pipeline has neither `sample` nor `reconstruct`,
    and its `inverse_transform` requires one of every step. The parameters of `detector` and
    `encoder` can be searched as ``detector__latent_dim`` and ``encoder__numeric``, also if they are
    None. A search needs a metric, see :func:`skgad.metrics.get_scorer`.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.ensemble import IsolationForest
    >>> from skgad import TabularDetector
    >>> X = pd.DataFrame({"job": ["nurse"] * 50 + ["smith"] * 50, "age": [*range(20, 70)] * 2})
    >>> detector = TabularDetector(IsolationForest(random_state=0)).fit(X)
    >>> detector.predict(pd.DataFrame({"job": ["nurse", "king"], "age": [33, 200]}))
    array([ 1, -1])

    Rows sampled from a generative detector have the columns of the table:

    >>> from skgad import ALAD
    >>> rows = TabularDetector(ALAD(max_epochs=2, random_state=0)).fit(X).sample(5)
    >>> rows["age"].dtype, set(rows["job"]) <= {"nurse", "smith"}
    (dtype('int64'), True)
    """

    _parameter_constraints: dict = {
        "detector": [HasMethods(["fit"]), None],
        "encoder": [HasMethods(["fit", "transform"]), None],
        "random_state": ["random_state"],
    }

    detector_: Any
    encoder_: Any

    def __init__(
        self,
        detector: Any = None,
        *,
        encoder: Any = None,
        random_state: RandomStateLike = None,
    ):
        self.detector = detector
        self.encoder = encoder
        self.random_state = random_state

    def set_params(self, **params: Any) -> Self:
        """Set parameters of this object, of the detector and of the encoder.

        Parameters
        ----------
        **params : dict
            Values by name. ``detector__latent_dim`` is a parameter of `detector`, and
            ``encoder__numeric`` one of `encoder`. If one of them is None, it becomes its default,
            so that its parameters can be searched.

        Returns
        -------
        self : object
            The detector.

        Raises
        ------
        ValueError
            If there is no parameter of a name.
        """
        defaults = {"detector": self._detector(), "encoder": self._encoder()}
        for part, default in defaults.items():
            if any(name.startswith(f"{part}__") for name in params):
                params = {part: default, **params}
        return super().set_params(**params)

    def _detector(self):
        return Autoencoder() if self.detector is None else self.detector

    def _encoder(self):
        return TabularEncoder() if self.encoder is None else self.encoder

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: TableLike, y: ArrayLike | None = None, **fit_params: Any) -> Self:
        """Fit the encoder, then the detector.

        Parameters
        ----------
        X : {array-like, dataframe, ParquetTable} of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,) or None, default=None
            Passed to the detector, which by convention ignores it.
        **fit_params : dict
            Passed to the `fit` of the detector. With metadata routing enabled, only what the
            detector requests is passed, for example known labels after
            ``set_fit_request(labels=True)``.

        Returns
        -------
        self : object
            The fitted detector. If `fit` raises an error, the results of an earlier `fit` are kept.
        """
        self._fit_parts("fit", X, y, self._routed_params("fit", fit_params))
        return self

    @available_if(_detector_has("partial_fit"))
    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X: TableLike, y: ArrayLike | None = None, **fit_params: Any) -> Self:
        """Continue the training of the detector.

        If there was no `fit`, the first call also fits the encoder. Later calls do not change its
        scales and levels.

        Parameters
        ----------
        X : {array-like, dataframe, ParquetTable} of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,) or None, default=None
            Passed to the detector, which by convention ignores it.
        **fit_params : dict
            Passed to the `partial_fit` of the detector, as in :meth:`fit`.

        Returns
        -------
        self : object
            The fitted detector.
        """
        params = self._routed_params("partial_fit", fit_params)
        if hasattr(self, "detector_"):
            encoded = self._encoded(self.encoder_, X, self.detector_)
            self.detector_.partial_fit(encoded, y, **params)
        else:
            self._fit_parts("partial_fit", X, y, params)
        return self

    @available_if(_detector_has("fit_predict"))
    @_fit_context(prefer_skip_nested_validation=False)
    def fit_predict(self, X: TableLike, y: ArrayLike | None = None, **fit_params: Any) -> IntArray:
        """Fit the detector and label the training rows as inliers or outliers.

        Parameters
        ----------
        X : {array-like, dataframe, ParquetTable} of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,) or None, default=None
            Passed to the detector, which by convention ignores it.
        **fit_params : dict
            As in :meth:`fit`.

        Returns
        -------
        labels : ndarray of shape (n_samples,), int
            -1 for outliers and +1 for inliers.
        """
        if isinstance(X, ParquetTable):
            return self.fit(X, y, **fit_params).predict(X)
        return self._fit_parts("fit_predict", X, y, self._routed_params("fit", fit_params))

    def _routed_params(self, method, fit_params):
        """Parameters to pass to a method of the detector."""
        if not get_config()["enable_metadata_routing"]:
            return fit_params
        return process_routing(self, method, **fit_params).detector[method]

    def _fit_parts(self, method, X, y, params):
        """Fit clones of the encoder and, with one of its methods, of the detector."""
        encoder, detector = clone(self._encoder()), clone(self._detector())
        if self.random_state is not None:
            rng = check_random_state(self.random_state)
            set_random_states(encoder, rng)
            set_random_states(detector, rng)
        if isinstance(X, ParquetTable):
            codes = self._encoded(encoder.fit(X.sample()), X, detector)
        else:
            codes = encoder.fit_transform(collect(X))
        result = getattr(detector, method)(codes, y, **params)
        check_score_direction(detector, codes)
        self.encoder_, self.detector_ = encoder, detector
        return result

    @staticmethod
    def _encoded(encoder, X, detector):
        """Encoded rows to train on: of a table in files, a sample unless the detector reads it."""
        if not isinstance(X, ParquetTable):
            return encoder.transform(collect(X))
        is_reader = isinstance(detector, BaseDetector)
        return X.map(encoder.transform) if is_reader else encoder.transform(X.sample())

    def _call(self, method, X, **params):
        """Call a method of the fitted detector on encoded rows."""
        check_is_fitted(self)
        if isinstance(X, ParquetTable):
            return np.concatenate([self._call(method, rows, **params) for rows in X.batches()])
        return getattr(self.detector_, method)(self.encoder_.transform(collect(X)), **params)

    @available_if(_detector_has("score_samples"))
    def score_samples(self, X: TableLike) -> FloatArray:
        """Opposite of the anomaly score.

        Parameters
        ----------
        X : {array-like, dataframe, ParquetTable} of shape (n_samples, n_features)
            Rows to score.

        Returns
        -------
        scores : ndarray of shape (n_samples,), float64
            The higher, the more normal.
        """
        return self._call("score_samples", X).astype(np.float64, copy=False)

    @available_if(_detector_has("decision_function"))
    def decision_function(self, X: TableLike) -> FloatArray:
        """Score minus threshold.

        Parameters
        ----------
        X : {array-like, dataframe, ParquetTable} of shape (n_samples, n_features)
            Rows to score.

        Returns
        -------
        scores : ndarray of shape (n_samples,), float64
            Negative for outliers.
        """
        return self._call("decision_function", X).astype(np.float64, copy=False)

    @available_if(_detector_has("predict"))
    def predict(self, X: TableLike) -> IntArray:
        """Label rows as inliers or outliers.

        Parameters
        ----------
        X : {array-like, dataframe, ParquetTable} of shape (n_samples, n_features)
            Rows to label.

        Returns
        -------
        labels : ndarray of shape (n_samples,), int
            -1 for outliers and +1 for inliers.
        """
        return self._call("predict", X)

    @available_if(_detector_has("transform"))
    def transform(self, X: TableLike) -> NDArray[Any]:
        """Latent code of each row.

        Parameters
        ----------
        X : {array-like, dataframe, ParquetTable} of shape (n_samples, n_features)
            Rows to encode.

        Returns
        -------
        codes : ndarray of shape (n_samples, n_codes)
            Output of the detector's `transform` for the encoded rows. A frame if `set_output`
            requests one.
        """
        return self._in_container(self._call("transform", X), X)

    @available_if(_detector_has("transform"))
    def fit_transform(
        self, X: TableLike, y: ArrayLike | None = None, **fit_params: Any
    ) -> NDArray[Any]:
        """Fit the detector and return the latent codes of the training rows.

        Parameters
        ----------
        X : {array-like, dataframe, ParquetTable} of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,) or None, default=None
            Passed to the detector, which by convention ignores it.
        **fit_params : dict
            As in :meth:`fit`.

        Returns
        -------
        codes : ndarray of shape (n_samples, n_codes)
            Output of the detector's `transform` for the encoded rows.
        """
        return self.fit(X, y, **fit_params).transform(X)

    @available_if(_detector_has("get_feature_names_out"))
    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[Any]:
        """Names of the latent codes.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Ignored. The names are those of the detector's codes.

        Returns
        -------
        feature_names_out : ndarray of str
            Names such as "alad0".
        """
        check_is_fitted(self)
        return self.detector_.get_feature_names_out()

    @available_if(_detector_has("sample", encoder_has="inverse_transform"))
    def sample(
        self,
        n_samples: int = 1,
        *,
        kind: Literal["inlier", "outlier"] = "inlier",
        conditions: dict[Any, Any] | None = None,
        columns: list[Any] | None = None,
        random_state: RandomStateLike = None,
        **params: Any,
    ) -> Table:
        """Generate new rows.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.
        kind : {"inlier", "outlier"}, default="inlier"
            What to generate. Not every detector can generate outliers. The values of outliers
            are also clipped to the range seen in each column, unless the encoder has
            ``clip=False``.
        conditions : dict or None, default=None
            Values that columns must have, by name, such as ``{"country": "DE"}``; None stands for
            a missing value. Rows are generated until enough of them meet the conditions, so a value
            that one row in a hundred has takes a hundred times as long.
        columns : list or None, default=None
            With ``kind="outlier"``, names of the columns that make the rows outliers. Inliers are
            generated, and each of these columns gets the value of another generated row. Rows that
            are then predicted to be outliers are kept. Each value is thus one that the column has,
            but it does not fit the others. Works for every detector that can generate inliers.
        random_state : int, RandomState instance or None, default=None
            Seed of the generator. Pass an int for reproducible rows.
        **params : dict
            Further arguments of the detector's `sample`, such as `latent` of
            :meth:`WALDO.sample <skgad.WALDO.sample>`.

        Returns
        -------
        rows : {ndarray, dataframe} of shape (n_samples, n_features)
            Table of the type seen in `fit`.

        Raises
        ------
        ValueError
            If `conditions` or `columns` names a column that the table does not have, or if less
            than one generated row in a thousand meets the conditions or is an outlier.
        """
        check_is_fitted(self)
        if columns is not None and kind != "outlier":
            raise ValueError(
                f"columns={columns} names the columns that make rows outliers, but kind is "
                f"{kind!r}. Pass kind='outlier', too."
            )
        params = {"kind": kind if columns is None else "inlier", **params}
        if conditions or columns is not None:
            return self._sample_until(n_samples, conditions or {}, columns, random_state, params)
        rows = self.detector_.sample(n_samples, random_state=random_state, **params)
        return self.encoder_.inverse_transform(rows)

    def _sample_until(self, n_samples, conditions, columns, random_state, params):
        """Generate rows batch by batch, and keep those that are asked for."""
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        rng = check_random_state(random_state)
        kept, n_kept, n_generated = [], 0, 0
        while n_kept < n_samples:
            if n_generated > max(MIN_GENERATED, n_samples / MIN_SHARE):
                self._raise_too_few(n_kept, n_generated, n_samples, conditions, columns)
            rows = self.detector_.sample(BATCH_ROWS, random_state=rng.randint(2**31), **params)
            table = self.encoder_.inverse_transform(rows)
            is_kept = np.full(len(rows), True)
            if columns is not None:
                is_kept &= self.predict(table) == 1  # so that the other columns are normal
                table = exchange_cells(table, columns, rng)
                is_kept &= self.predict(table) == -1
            if conditions:
                is_kept &= meet_conditions(table, conditions)
            n_generated += BATCH_ROWS
            if len(positions := np.flatnonzero(is_kept)):
                n_kept += len(positions)
                kept.append(_safe_indexing(table, positions))
        return _safe_indexing(concat_rows(kept), np.arange(n_samples))

    @staticmethod
    def _raise_too_few(n_kept, n_generated, n_samples, conditions, columns):
        have = [f"have {conditions}"] if conditions else []
        are = [] if columns is None else [f"are outliers with values of other rows in {columns}"]
        cures = ["use more frequent values or fewer conditions"] if conditions else []
        cures += ["name more columns, in particular those that depend on others"] if are else []
        raise ValueError(
            f"Only {n_kept} of {n_generated} generated rows {' and '.join(have + are)}, but "
            f"{n_samples} were requested. To get more, {', or '.join(cures)}."
        )

    @available_if(_detector_has("reconstruct", encoder_has="inverse_transform"))
    def reconstruct(self, X: TableLike, *, kind: Literal["inlier", "outlier"] = "inlier") -> Table:
        """Normal version of each row.

        Parameters
        ----------
        X : {array-like, dataframe, ParquetTable} of shape (n_samples, n_features)
            Rows to reconstruct.
        kind : {"inlier", "outlier"}, default="inlier"
            What to reconstruct the rows as. Not every detector can reconstruct outliers.

        Returns
        -------
        rows : {ndarray, dataframe} of shape (n_samples, n_features)
            Table of the type seen in `fit`. A pandas frame has the index of `X`.
        """
        X = collect(X)
        rows = self._call("reconstruct", X, kind=kind)
        return copy_index(self.encoder_.inverse_transform(rows), X)

    @available_if(_detector_has("set_threshold"))
    def set_threshold(self, *, contamination: float | Literal["auto"]) -> Self:
        """Change the threshold of the fitted detector without training it again.

        Parameters
        ----------
        contamination : "auto" or float
            Fraction of the training rows with scores below the threshold; see the detector. The
            parameters of `detector` do not change: the next `fit` uses them.

        Returns
        -------
        self : object
            The detector with the new `offset_`.
        """
        check_is_fitted(self)
        self.detector_.set_threshold(contamination=contamination)
        return self

    @available_if(_detector_has("set_score_type"))
    def set_score_type(self, score_type: str, X: TableLike) -> Self:
        """Change the anomaly score of the fitted detector without training it again.

        Parameters
        ----------
        score_type : str
            Score of the detector. The parameters of `detector` do not change: the next `fit` uses
            them.
        X : frame or array-like of shape (n_samples, n_features)
            The training rows, in the order of the last `fit` or `partial_fit`.

        Returns
        -------
        self : object
            The detector with its new scores and `offset_`.
        """
        check_is_fitted(self)
        self.detector_.set_score_type(score_type, self._encoded(self.encoder_, X, self.detector_))
        return self

    @property
    def offset_(self) -> float:
        """Threshold of the detector."""
        return self.detector_.offset_

    @property
    def n_features_in_(self) -> int:
        """Number of columns seen in `fit`."""
        return self.encoder_.n_features_in_

    @property
    def feature_names_in_(self) -> NDArray[Any]:
        """Names of the columns seen in `fit`."""
        return self.encoder_.feature_names_in_

    def to_onnx(self, path: str | os.PathLike) -> None:
        """Write the fitted detector to an ONNX file.

        See :func:`skgad.export.to_onnx` for the inputs and the outputs of the file.

        .. versionadded:: 0.1

        Parameters
        ----------
        path : str or path-like
            File to write.
        """
        from ..export import to_onnx  # which imports this module

        to_onnx(self, path)

    def get_metadata_routing(self) -> MetadataRouter:
        """Routing of metadata: all of it is passed to the methods that train the detector.

        Returns
        -------
        routing : MetadataRouter
            See scikit-learn's user guide on metadata routing.
        """
        mapping = MethodMapping().add(caller="partial_fit", callee="partial_fit")
        for caller in ("fit", "fit_predict", "fit_transform"):
            mapping.add(caller=caller, callee="fit")
        return MetadataRouter(owner=self).add(detector=self._detector(), method_mapping=mapping)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self._encoder()).input_tags
        tags.transformer_tags = get_tags(self._detector()).transformer_tags
        return tags
