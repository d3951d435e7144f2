"""A detector for tables of mixed columns."""

import numpy as np
from sklearn import get_config
from sklearn.base import BaseEstimator, MetaEstimatorMixin, OutlierMixin, _fit_context, clone
from sklearn.utils import get_tags
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ..detectors import ALAD
from ._encoder import TabularEncoder


def _detector_has(*methods, encoder_has=()):
    """Check for ``available_if``: what detector and encoder, fitted or not, can do."""

    def check(self):
        detector = getattr(self, "detector_", self._detector())
        encoder = getattr(self, "encoder_", self._encoder())
        for method in methods:
            getattr(detector, method)  # the AttributeError says who lacks what
        for method in encoder_has:
            getattr(encoder, method)
        return True

    return check


class TabularDetector(MetaEstimatorMixin, OutlierMixin, BaseEstimator):
    """Outlier detector for tables of numbers, categories, dates and holes.

    The table is encoded, the detector works on the encoded rows, and rows that
    it makes are decoded: what goes in and what comes out is a table with the same columns.
    Any outlier detector with the interface of scikit-learn can be used; a method is there if the
    detector has it. See the :ref:`user guide <tabular>`.

    Parameters
    ----------
    detector : object or None, default=None
        The outlier detector, which is cloned. None is ``ALAD()``.

    encoder : object or None, default=None
        Transformer that makes numbers of a table, which is cloned. It needs
        `inverse_transform` for :meth:`sample` and :meth:`reconstruct`. None is
        :class:`~skgad.preprocessing.TabularEncoder` with its defaults.

    Attributes
    ----------
    detector_ : object
        The fitted detector.

    encoder_ : object
        The fitted encoder.

    offset_ : float
        Threshold of the detector, if it has one:
        ``decision_function = score_samples - offset_``.

    n_features_in_ : int
        Number of columns seen in `fit`.

    feature_names_in_ : ndarray of str of shape (`n_features_in_`,)
        Names of the columns, if they all are strings.

    See Also
    --------
    skgad.preprocessing.TabularEncoder : The encoder on its own.
    sklearn.pipeline.Pipeline : Chains any steps, one way.

    Notes
    -----
    *A note on design.* This is not a pipeline, which has neither `sample` nor `reconstruct` and
    whose `inverse_transform` asks every step for one. Parameters of the two parts are
    searched as ``detector__latent_dim`` and ``encoder__numeric``, if the parts are given.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.ensemble import IsolationForest
    >>> from skgad import TabularDetector
    >>> X = pd.DataFrame({"job": ["nurse"] * 50 + ["smith"] * 50, "age": [*range(20, 70)] * 2})
    >>> detector = TabularDetector(IsolationForest(random_state=0)).fit(X)
    >>> detector.predict(pd.DataFrame({"job": ["nurse", "king"], "age": [33, 200]}))
    array([ 1, -1])

    A detector that can make rows makes them in the table's own terms:

    >>> from skgad import ALAD
    >>> rows = TabularDetector(ALAD(max_epochs=2, random_state=0)).fit(X).sample(5)
    >>> rows["age"].dtype, set(rows["job"]) <= {"nurse", "smith"}
    (dtype('int64'), True)
    """

    _parameter_constraints: dict = {
        "detector": [HasMethods(["fit"]), None],
        "encoder": [HasMethods(["fit", "transform"]), None],
    }

    def __init__(self, detector=None, *, encoder=None):
        self.detector = detector
        self.encoder = encoder

    def _detector(self):
        return ALAD() if self.detector is None else self.detector

    def _encoder(self):
        return TabularEncoder() if self.encoder is None else self.encoder

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, **fit_params):
        """Fit the encoder, then the detector.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,) or None, default=None
            Handed to the detector, which by convention ignores it.
        **fit_params : dict
            Handed to the `fit` of the detector. With metadata routing enabled, what it
            requests, as labels that are known with ``set_fit_request(labels=True)``.

        Returns
        -------
        self : object
            The fitted detector. If `fit` fails, an earlier fit is kept.
        """
        encoder, detector = clone(self._encoder()), clone(self._detector())
        rows = encoder.fit_transform(X)
        detector.fit(rows, y, **self._routed(fit_params))
        self.encoder_, self.detector_ = encoder, detector
        return self

    @available_if(_detector_has("partial_fit"))
    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X, y=None, **fit_params):
        """Go on with the training of the detector.

        The first call, if there was no `fit`, fits the encoder as well. Scales and levels stay as
        they were then.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,) or None, default=None
            Handed to the detector, which by convention ignores it.
        **fit_params : dict
            Handed to the `partial_fit` of the detector, as in :meth:`fit`.

        Returns
        -------
        self : object
            The fitted detector.
        """
        fit_params = self._routed(fit_params, "partial_fit")
        if hasattr(self, "detector_"):
            self.detector_.partial_fit(self.encoder_.transform(X), y, **fit_params)
            return self
        encoder, detector = clone(self._encoder()), clone(self._detector())
        detector.partial_fit(encoder.fit_transform(X), y, **fit_params)
        self.encoder_, self.detector_ = encoder, detector
        return self

    @available_if(_detector_has("fit_predict"))
    @_fit_context(prefer_skip_nested_validation=False)
    def fit_predict(self, X, y=None, **fit_params):
        """Fit, and tell outliers from inliers among the training rows.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,) or None, default=None
            Handed to the detector, which by convention ignores it.
        **fit_params : dict
            As in :meth:`fit`.

        Returns
        -------
        labels : ndarray of shape (n_samples,), int
            -1 for outliers and +1 for inliers.
        """
        encoder, detector = clone(self._encoder()), clone(self._detector())
        rows = encoder.fit_transform(X)
        labels = detector.fit_predict(rows, y, **self._routed(fit_params))
        self.encoder_, self.detector_ = encoder, detector
        return labels

    def _routed(self, fit_params, method="fit"):
        """Parameters for a method of the detector."""
        if not get_config()["enable_metadata_routing"]:
            return fit_params
        return process_routing(self, method, **fit_params).detector[method]

    def _call(self, method, X, **params):
        """Call a method of the detector with the encoded rows."""
        check_is_fitted(self)
        return getattr(self.detector_, method)(self.encoder_.transform(X), **params)

    @available_if(_detector_has("score_samples"))
    def score_samples(self, X):
        """Opposite of the anomaly score.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            Rows to score.

        Returns
        -------
        scores : ndarray of shape (n_samples,), float64
            The higher, the more normal.
        """
        return self._call("score_samples", X).astype(np.float64, copy=False)

    @available_if(_detector_has("decision_function"))
    def decision_function(self, X):
        """Score above the threshold.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            Rows to score.

        Returns
        -------
        scores : ndarray of shape (n_samples,), float64
            Negative for outliers.
        """
        return self._call("decision_function", X).astype(np.float64, copy=False)

    @available_if(_detector_has("predict"))
    def predict(self, X):
        """Tell outliers from inliers.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            Rows to judge.

        Returns
        -------
        labels : ndarray of shape (n_samples,), int
            -1 for outliers and +1 for inliers.
        """
        return self._call("predict", X)

    @available_if(_detector_has("transform"))
    def transform(self, X):
        """Latent code of each row.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            Rows to encode.

        Returns
        -------
        codes : ndarray of shape (n_samples, n_codes)
            What the detector makes of the encoded rows.
        """
        return self._call("transform", X)

    @available_if(_detector_has("transform"))
    def fit_transform(self, X, y=None, **fit_params):
        """Fit, and give the latent codes of the training rows.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,) or None, default=None
            Handed to the detector, which by convention ignores it.
        **fit_params : dict
            As in :meth:`fit`.

        Returns
        -------
        codes : ndarray of shape (n_samples, n_codes)
            What the detector makes of the encoded rows.
        """
        return self.fit(X, y, **fit_params).transform(X)

    @available_if(_detector_has("get_feature_names_out"))
    def get_feature_names_out(self, input_features=None):
        """Names of the latent codes.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Ignored, as the names are those of the detector's codes.

        Returns
        -------
        feature_names_out : ndarray of str
            Names such as "alad0".
        """
        check_is_fitted(self)
        return self.detector_.get_feature_names_out()

    @available_if(_detector_has("sample", encoder_has=["inverse_transform"]))
    def sample(self, n_samples=1, *, kind="inlier", random_state=None, **params):
        """Generate new rows.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.
        kind : {"inlier", "outlier"}, default="inlier"
            What to generate. Not every detector can make outliers. Outliers, too, are
            confined to the range seen in each column, unless the encoder has ``clip=False``.
        random_state : int, RandomState instance or None, default=None
            Determines the rows.
        **params : dict
            Further arguments of the detector's `sample`, such as `latent` of
            :meth:`WALDO.sample <skgad.WALDO.sample>`.

        Returns
        -------
        rows : frame or ndarray of shape (n_samples, n_features)
            A table of the kind that `fit` has seen.
        """
        check_is_fitted(self)
        rows = self.detector_.sample(n_samples, kind=kind, random_state=random_state, **params)
        return self.encoder_.inverse_transform(rows)

    @available_if(_detector_has("reconstruct", encoder_has=["inverse_transform"]))
    def reconstruct(self, X, *, kind="inlier"):
        """What each row would be if it were normal.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            Rows to reconstruct.
        kind : {"inlier", "outlier"}, default="inlier"
            What to make of the rows. Not every detector can make outliers.

        Returns
        -------
        rows : frame or ndarray of shape (n_samples, n_features)
            A table of the kind that `fit` has seen. A pandas frame has the index of `X`.
        """
        rows = self._call("reconstruct", X, kind=kind)
        table = self.encoder_.inverse_transform(rows)
        if hasattr(table, "set_axis") and hasattr(X, "index"):
            return table.set_axis(X.index, axis=0)
        return table

    @available_if(_detector_has("set_threshold"))
    def set_threshold(self, *, contamination):
        """Move the threshold of the fitted detector without training again.

        Parameters
        ----------
        contamination : "auto" or float
            Fraction of the training rows below the threshold; see the detector. The next
            `fit` starts with the parameters of `detector`, which do not change.

        Returns
        -------
        self : object
            The detector with its new `offset_`.
        """
        check_is_fitted(self)
        self.detector_.set_threshold(contamination=contamination)
        return self

    @property
    def offset_(self):
        """Threshold of the detector."""
        return self.detector_.offset_

    @property
    def n_features_in_(self):
        """Number of columns seen in `fit`."""
        return self.encoder_.n_features_in_

    @property
    def feature_names_in_(self):
        """Names of the columns."""
        return self.encoder_.feature_names_in_

    def get_metadata_routing(self):
        """What metadata goes where: all of it to the detector, for its training.

        Returns
        -------
        routing : MetadataRouter
            See scikit-learn's guide to metadata routing.
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
