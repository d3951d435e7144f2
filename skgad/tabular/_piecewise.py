"""Piecewise-linear encoding of numeric columns."""

from numbers import Integral
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_array, gen_batches
from sklearn.utils.validation import check_is_fitted, validate_data

from .._encoding import fit_encoding
from .._frames import fill_masked
from .._sklearn_compat import (
    Interval,
    Options,
    StrOptions,
    _check_feature_names_in,
    _fit_context,
)
from .._typing import MatrixLike

__all__ = ["PiecewiseLinearEncoder"]

#: Number of rows that are encoded at once: their codes fit into the cache of a processor.
BLOCK_ROWS = 256


class PiecewiseLinearEncoder(TransformerMixin, BaseEstimator):
    r"""Encode numeric columns as piecewise-linear codes, and decode such codes.

    The range of a column is divided into pieces by edges :math:`b_0 < \ldots < b_T`, and each
    piece has a code that grows from 0 to 1 within it [1]_:

    .. math:: \mathrm{code}_t(x) = \frac{x - b_{t-1}}{b_t - b_{t-1}}, \quad t = 1, \ldots, T,

    clipped to [0, 1]. The first code is not clipped from below and the last one is not clipped
    from above, so a value far outside the range seen in `fit` remains far outside. Neighboring
    edges are one unit apart in the codes, however close or distant they are in the column. The
    codes are decoded as

    .. math:: x = b_0 + \sum_{t=1}^T \mathrm{code}_t \, (b_t - b_{t-1}).

    By default, only columns with few distinct values are divided into pieces: all their values
    are edges. The other columns are standardized.

    Read more in the :ref:`user guide <piecewise>`.

    .. versionadded:: 0.1

    Parameters
    ----------
    n_bins : int, default=16
        Maximum number of pieces of a column. A column has few values if it has at most
        ``n_bins + 1`` distinct values, each of which occurs twice on average or more often.

    columns : {"auto", "all", "both"}, default="auto"
        Columns that are divided into pieces.

        - "auto": columns with few values. All others are standardized to zero mean and unit
          variance.
        - "all": every column. The edges of a column with more than few values are quantiles, with
          about the same number of training rows between them. Equal edges are merged.
        - "both": columns with few values, as with "auto", but all columns are standardized: the
          standardized value of a column follows its codes.

    max_width : int or None, default=1024
        Maximum number of output columns. If the output would be wider, all columns are divided
        into fewer pieces: only some values of a column with few values remain edges. At least one
        piece per column remains, so the output of a table with many columns can still be wider.
        None means no limit.

    frequencies : bool, default=False
        Whether columns of numbers that repeat also get a frequency code: how rare a value is among
        the training rows. An anomaly often has a value that is unusual only because few rows have
        it, or none, while its neighbors on the number line are common, such as an unusual amount,
        port or zip code. Frequency codes follow the other codes of their column, count for
        `max_width`, and are ignored in decoding.

    dtype : {numpy.float32, numpy.float64}, default=numpy.float32
        Dtype of the output. Codes are always computed in float64.

    Attributes
    ----------
    bin_edges_ : dict of str to ndarray of shape (n_edges,)
        Edges of the columns that are divided into pieces. Keys are the names of the columns, or
        "x0", "x1", ... if they have none.

    feature_groups_ : dict of str to ndarray of int
        Output columns of each input column, in the order of the input columns.

    n_bins_ : int
        Maximum number of pieces of a column, given `max_width`.

    n_features_in_ : int
        Number of columns seen in `fit`.

    feature_names_in_ : ndarray of str of shape (`n_features_in_`,)
        Names of the columns seen in `fit`. Defined only if all of them are strings.

    See Also
    --------
    TabularEncoder : Encode tables that also contain categories, dates and missing values. Its
        ``numeric="piecewise"`` encodes numbers with this encoder.
    sklearn.preprocessing.KBinsDiscretizer : Replace values by bins.
    sklearn.preprocessing.SplineTransformer : Smooth functions of a column, without decoding.

    Notes
    -----
    - The unit of a column does not matter: the codes of ``1e6 * X`` are those of ``X`` up to
      rounding. This includes constant columns other than zero.
    - A constant column has one code: the difference from the constant in units of its absolute
      value, or of 1 if it is zero. A value that has changed is visible in it.
    - Values that differ only by rounding, by less than about 2e-15 of the largest absolute value
      of their column, count as one value.
    - Decoding inverts encoding up to rounding, within the range seen in `fit` and outside it.
      Codes that are not those of a value, such as the output of a generator, are clipped in the
      same way before they are decoded. They may yield numbers between the values of a column with
      few values; nothing is rounded. With ``columns="both"``, a column that has codes is decoded
      from them, and its standardized value is ignored.

    - With ``frequencies=True``, a column has a frequency code if it has more than few values and at
      least half of the training rows have a value that another training row has, too. Let
      :math:`c(x)` be the number of the :math:`n` training rows with the value :math:`x`, which is
      zero for a value that was not seen. The code is

      .. math:: \frac{r(x) - \mu}{2 \max(\sigma, 1)}, \qquad
          r(x) = -\log \frac{c(x) + 1/4}{n},

      with the mean :math:`\mu` and the standard deviation :math:`\sigma` of :math:`r` over the
      training rows. Columns with few values need no such code, because their pieces tell the
      values apart.

    The paper encodes all columns with quantiles, which is ``columns="all"``. Here, edges are
    always values of the column, quantiles are not interpolated, and all values of a column are
    edges if they are few.

    References
    ----------
    .. [1] Y. Gorishniy, I. Rubachev and A. Babenko. "On Embeddings for Numerical Features in
       Tabular Deep Learning". NeurIPS 2022, section 3.2.

    Examples
    --------
    >>> from skgad.preprocessing import PiecewiseLinearEncoder
    >>> X = [[0], [1], [1], [1], [4], [4]]
    >>> encoder = PiecewiseLinearEncoder().fit(X)
    >>> encoder.bin_edges_
    {'x0': array([0., 1., 4.])}
    >>> encoder.transform([[0], [1], [2.5], [4], [10]])
    array([[0. , 0. ],
           [1. , 0. ],
           [1. , 0.5],
           [1. , 1. ],
           [1. , 3. ]], dtype=float32)
    >>> encoder.inverse_transform([[1, 3], [0.5, 0]])
    array([[10. ],
           [ 0.5]])
    """

    _parameter_constraints: dict = {
        "n_bins": [Interval(Integral, 1, None, closed="left")],
        "columns": [StrOptions({"auto", "all", "both"})],
        "max_width": [Interval(Integral, 1, None, closed="left"), None],
        "frequencies": ["boolean"],
        "dtype": [Options(type, {np.float32, np.float64})],
    }

    bin_edges_: dict[str, NDArray[np.float64]]
    feature_groups_: dict[str, NDArray[np.intp]]
    n_bins_: int
    n_features_in_: int
    feature_names_in_: NDArray[Any]

    def __init__(
        self,
        n_bins: int = 16,
        *,
        columns: Literal["auto", "all", "both"] = "auto",
        max_width: int | None = 1024,
        frequencies: bool = False,
        dtype: type[np.float32] | type[np.float64] = np.float32,
    ):
        self.n_bins = n_bins
        self.columns = columns
        self.max_width = max_width
        self.frequencies = frequencies
        self.dtype = dtype

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: MatrixLike, y: Any = None) -> Self:
        """Learn the edges of each column, or its mean and variance.

        Parameters
        ----------
        X : {array-like, dataframe} of shape (n_samples, n_features)
            Finite numbers.
        y : Ignored
            Present for API consistency by convention.

        Returns
        -------
        self : object
            The fitted encoder.

        Raises
        ------
        ValueError
            If `X` contains missing or infinite values.
        """
        X = self._check_table(X, reset=True)
        names = _check_feature_names_in(self)
        self._encoding = fit_encoding(
            X,
            n_bins=self.n_bins,
            columns=self.columns,
            max_width=self.max_width,
            frequencies=self.frequencies,
        )
        self.n_bins_ = self._encoding.n_bins
        self.feature_groups_ = dict(zip(names, self._encoding.groups, strict=True))
        self.bin_edges_ = {
            name: edges
            for name, edges in zip(names, self._encoding.edges, strict=True)
            if edges is not None
        }
        return self

    def transform(self, X: MatrixLike) -> NDArray[Any]:
        """Encode rows.

        Parameters
        ----------
        X : {array-like, dataframe} of shape (n_samples, n_features)
            Finite numbers.

        Returns
        -------
        X_encoded : ndarray of shape (n_samples, n_features_out)
            Finite numbers. A frame if :meth:`set_output` requests one.

        Raises
        ------
        ValueError
            If `X` contains missing or infinite values, or if a code overflows `dtype`.
        """
        check_is_fitted(self)
        X = self._check_table(X, reset=False)
        codes = np.empty((len(X), len(self._encoding.column)), self.dtype)
        with np.errstate(over="ignore"):  # reported below, with the names of the columns
            for rows in gen_batches(len(X), BLOCK_ROWS):
                codes[rows] = self._encoding.encode(X[rows])
        check_overflow(codes, self.feature_groups_)
        return codes

    def inverse_transform(self, X: MatrixLike) -> NDArray[np.float64]:
        """Decode rows, encoded by :meth:`transform` or produced by a generator.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features_out)
            Finite numbers.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features), float64
            Rows with the columns seen in `fit`.

        Raises
        ------
        ValueError
            If `X` has another number of columns than the output of :meth:`transform`, or values
            that are not finite.
        """
        check_is_fitted(self)
        X = check_array(X, dtype=np.float64, input_name="X")
        n_codes = len(self._encoding.column)
        if X.shape[1] != n_codes:
            raise ValueError(
                f"X has {X.shape[1]} columns, but {type(self).__name__} encodes tables to "
                f"{n_codes} columns. See get_feature_names_out()."
            )
        return self._encoding.decode(X)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[Any]:
        """Names of the output columns.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the input columns, if `fit` has not seen any.

        Returns
        -------
        feature_names_out : ndarray of str
            The names of codes are, for example, "age_piece0", "age_piece1" and "age_frequency". A
            standardized or constant column keeps its name.
        """
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        names_out = []
        for name, edges, group in zip(
            names, self._encoding.edges, self._encoding.groups, strict=True
        ):
            n_pieces = 0 if edges is None else len(edges) - 1
            names_out += [f"{name}_piece{t}" for t in range(n_pieces)]
            for position in group[n_pieces:]:
                is_frequency = position in self._encoding.frequencies
                names_out.append(f"{name}_frequency" if is_frequency else name)
        return np.array(names_out, dtype=object)

    def _check_table(self, X, reset):
        X = fill_masked(X)
        X = validate_data(self, X, reset=reset, dtype=np.float64, ensure_all_finite="allow-nan")
        if np.isnan(X).any():
            raise ValueError(
                f"Input X contains NaN, but {type(self).__name__} does not accept missing values. "
                "Impute them first, for example with a SimpleImputer, or use "
                'TabularEncoder(numeric="piecewise"), which imputes and marks them.'
            )
        return X

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = [np.dtype(self.dtype).name]
        return tags


def check_overflow(encoded, feature_groups):
    """Reject values that are too far from those seen in fit to be encoded."""
    is_finite = np.isfinite(encoded).all(axis=0)
    overflowing = [name for name, group in feature_groups.items() if not is_finite[group].all()]
    if overflowing:
        raise ValueError(
            f"Columns {overflowing} contain values that are too far from those seen in fit to "
            f"be encoded as {encoded.dtype}. Check these values, or treat them as missing."
        )
