"""Contributions of the columns to anomaly scores."""

from numbers import Integral
from typing import TYPE_CHECKING, Literal

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import Bunch, check_random_state

from .._frames import Table, check_table, match_columns, table_like
from .._response import check_score_direction
from .._sklearn_compat import HasMethods, Interval, StrOptions, _safe_indexing, validate_params
from .._typing import FloatArray, MatrixLike, RandomStateLike
from ._residuals import residual_contributions
from ._scores import anomaly_scores, anomaly_threshold
from ._shapley import shapley_values

if TYPE_CHECKING:
    import shap


class Explanation(Bunch):
    """Result of :func:`explain`."""

    X: Table
    contributions: Table
    scores: FloatArray
    base: float
    threshold: float | None
    method: Literal["residual", "shapley"]
    additive: bool

    def to_shap(self) -> "shap.Explanation":
        """Convert to an explanation of the package shap, for its plots.

        .. versionadded:: 0.1

        Returns
        -------
        explanation : shap.Explanation
            The contributions are its `values`, the rows its `data`. Positive values make a row
            more abnormal.

        Raises
        ------
        ValueError
            If the contributions and `base` do not sum to the scores.
        """
        if not self.additive:
            raise ValueError(
                "These contributions do not sum to the anomaly scores, which shap's plots require. "
                "Explain the rows with method='shapley'."
            )
        import shap

        contributions = np.asarray(self.contributions)
        return shap.Explanation(
            contributions,
            base_values=np.full(len(contributions), self.base),
            data=np.asarray(self.X),
            feature_names=[str(name) for name in getattr(self.X, "columns", [])] or None,
        )


@validate_params(
    {
        "detector": [HasMethods("score_samples"), HasMethods("decision_function")],
        "method": [StrOptions({"auto", "residual", "shapley"})],
        "n_background": [Interval(Integral, 1, None, closed="left")],
        "n_permutations": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def explain(
    detector: BaseEstimator,
    X: MatrixLike,
    *,
    background: MatrixLike | None = None,
    method: Literal["auto", "residual", "shapley"] = "auto",
    n_background: int = 100,
    n_permutations: int = 2,
    random_state: RandomStateLike = None,
) -> Explanation:
    r"""Contribution of each column to the anomaly score of each row.

    The anomaly score :math:`A` is the opposite of `score_samples`. A positive contribution makes a
    row more abnormal. With ``method="shapley"``, which works for every detector, the contribution
    of column :math:`j` to the score of row :math:`x` is its Shapley value [1]_ [2]_,

    .. math::

        \phi_j(x) = \frac{1}{|B|} \sum_{b \in B} \operatorname{mean}_\pi \left[
        A(x_{\pi \le j}, b_{\pi > j}) - A(x_{\pi < j}, b_{\pi \ge j}) \right] .

    Starting from a normal row :math:`b` of the background :math:`B`, the values of :math:`b` are
    replaced by those of :math:`x`, column by column in a random order :math:`\pi`. The changes of
    the score are averaged over the background and over the orders. A categorical column counts as
    one column, and the columns of a frame keep their dtypes. For each row and any number of
    permutations,

    .. math:: \sum_j \phi_j(x) = A(x) - \frac{1}{|B|} \sum_{b \in B} A(b) .

    .. versionadded:: 0.1

    Parameters
    ----------
    detector : estimator
        Fitted outlier detector of scikit-learn or skgad, or a pipeline that ends with one. It
        needs `score_samples` or `decision_function`.

    X : {array-like, dataframe} of shape (n_samples, n_features)
        Rows to explain, in the form that the detector accepts.

    background : {array-like, dataframe} of shape (n_background_samples, n_features), default=None
        Normal rows to compare with, for example the training rows. The columns must be those of
        `X`. If None, the rows of `X` that the detector labels as inliers are used.

    method : {"auto", "residual", "shapley"}, default="auto"
        How to compute the contributions.

        - "residual": from the difference between each row and ``detector.reconstruct``. This is
          cheap and needs no background.
        - "shapley": Shapley values.
        - "auto": "residual" if the score of the detector is a sum of residuals over the columns
          (see Notes), otherwise "shapley".

    n_background : int, default=100
        Number of background rows to use. If there are more, they are drawn at random.

    n_permutations : int, default=2
        Number of random orders of the columns for each background row. Every second order is the
        reverse of the one before it, which reduces the variance. The detector scores about
        ``n_samples * n_background * n_permutations * n_features`` rows.

    random_state : int, RandomState instance or None, default=None
        Determines the random choice of background rows and orders, which are the same for all rows
        of `X`. Pass an int for reproducible results.

    Returns
    -------
    explanation : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        X : {ndarray, dataframe} of shape (n_samples, n_features)
            The rows.
        contributions : {ndarray, dataframe} of shape (n_samples, n_features)
            If `X` is a frame, a frame with the column names and the index of `X`.
        scores : ndarray of shape (n_samples,)
            Anomaly score of each row.
        base : float
            Mean anomaly score of the background. 0 for residuals.
        threshold : float or None
            Anomaly score above which the detector labels a row as an outlier. None if the detector
            has no `decision_function`.
        method : str
            "residual" or "shapley".
        additive : bool
            Whether ``contributions.sum(axis=1) + base`` equals `scores`.

        Its method ``to_shap()`` returns a ``shap.Explanation``, which the plots of the package
        shap accept. It requires contributions that are additive.

    Raises
    ------
    ValueError
        If there are no background rows, if the columns of `background` are not those of `X`, or
        if `method` is "residual" and the detector cannot reconstruct rows column by column.

    See Also
    --------
    nearest_normal : Find the changes that turn an outlier into an inlier.
    ExplanationDisplay : Plot the contributions to the score of one row.

    Notes
    -----
    The Shapley values are interventional: a column is replaced without regard to the values of the
    others, so the detector may score combinations of values that do not occur in the data. In
    return, a column that does not influence the score contributes 0. For a score that is a sum
    over the columns, :math:`\sum_j g_j(x_j)`, one or two permutations give the exact values
    :math:`g_j(x_j) - \operatorname{mean}_b g_j(b_j)`. For other scores, the error decreases as
    one over the square root of the number of permutations.

    In [1]_, each order is combined with a background row drawn at random. Here, all background rows
    are used equally often, so the contributions sum exactly to the score minus `base`.

    Residuals :math:`r = x - \hat x` are computed in the units that the detector sees, that is,
    after the encoder of a :class:`~skgad.TabularDetector` or the scalers of a pipeline. The
    residuals of all encoded columns of one original column are summed. The score is a sum of
    residuals if it equals :math:`\sum_j |r_j|`, :math:`\sum_j r_j^2`, the mean of either, or
    :math:`\|r\| = \sum_j r_j^2 / \|r\|`, as for ALAD with ``encoding=None`` and ``score_type="l1"``
    or ``"l2"``. This is determined by comparing the sums with the scores. If the detector encodes
    the columns itself, its score is not a sum of residuals in the units of its input. For any other
    score, ``method="residual"`` returns :math:`|r_j|`. This is the distance of the row from its
    reconstruction, not a decomposition of its score, and `additive` is False.

    References
    ----------
    .. [1] E. Strumbelj and I. Kononenko. "Explaining prediction models and individual predictions
       with feature contributions". Knowledge and Information Systems 41, 2014, algorithm 1.
    .. [2] S. M. Lundberg and S.-I. Lee. "A Unified Approach to Interpreting Model Predictions".
       NeurIPS 2017, equations 4 and 8.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.ensemble import IsolationForest
    >>> from skgad.inspection import explain
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> detector = IsolationForest(random_state=0).fit(X)
    >>> explanation = explain(detector, [[0, 5, 0]], background=X, random_state=0)
    >>> int(explanation.contributions.argmax())
    1

    Draw the explanation with the package shap:

    >>> import shap  # doctest: +SKIP
    >>> shap.plots.waterfall(explanation.to_shap()[0])  # doctest: +SKIP
    """
    X = check_table(X)
    check_score_direction(detector, X)
    scores = anomaly_scores(detector, X)
    contributions, additive = None, False
    if method != "shapley":
        contributions, additive = residual_contributions(detector, X, scores)
    if method == "residual" and contributions is None:
        raise ValueError(
            "method='residual' requires a detector with `reconstruct` whose columns can be traced "
            f"to those of X, which is not the case for {type(detector).__name__}. Use "
            "method='shapley'."
        )
    if additive or method == "residual":
        base, method = 0.0, "residual"
    else:
        rng = check_random_state(random_state)
        normal = normal_rows(detector, X, background)
        if len(normal) > n_background:
            chosen = rng.choice(len(normal), n_background, replace=False)
            normal = _safe_indexing(normal, np.sort(chosen))
        contributions, base = shapley_values(
            detector, X, scores, normal, n_permutations=n_permutations, rng=rng
        )
        additive, method = True, "shapley"
    return Explanation(
        X=X,
        contributions=table_like(X, contributions),
        scores=scores,
        base=base,
        threshold=anomaly_threshold(detector, X),
        method=method,
        additive=additive,
    )


def normal_rows(detector, X, background):
    """Return the background as a table like `X`. By default, it is the inliers of `X`."""
    if background is not None:
        return match_columns(check_table(background), X, name="background")
    inliers = np.flatnonzero(detector.predict(X) == 1)
    if len(inliers) == 0:
        raise ValueError(
            f"{type(detector).__name__} labels none of the {len(X)} rows of X as an inlier. Pass "
            "normal rows to compare with as `background`, for example the training rows."
        )
    return _safe_indexing(X, inliers)
