"""Contributions of the columns to the scores."""

from numbers import Integral

import numpy as np
from scipy import sparse
from sklearn.base import OneToOneFeatureMixin
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions, validate_params

from .._response import normality_scores
from ._tables import BLOCK_CELLS, check_table, mix, same_columns, stack, table_like, take


def anomaly_score(detector):
    """Function that gives the anomaly score of each row: higher is more abnormal."""
    return lambda X: -np.asarray(normality_scores(detector, X), dtype=np.float64)


def anomaly_threshold(detector, X):
    """Anomaly score above which the detector takes a row for an outlier, or None."""
    if not hasattr(detector, "decision_function"):
        return None
    row = take(X, slice(1))
    return float((anomaly_score(detector)(row) + detector.decision_function(row))[0])


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
    detector,
    X,
    *,
    background=None,
    method="auto",
    n_background=100,
    n_permutations=2,
    random_state=None,
):
    r"""Contribution of each column to the anomaly score of each row.

    The anomaly score :math:`A` is the opposite of `score_samples`, so that a positive
    contribution makes a row more abnormal. With the method "shapley", which works for every
    detector, the contribution of column :math:`j` to the score of row :math:`x` is its Shapley
    value [1]_ [2]_,

    .. math::

        \phi_j(x) = \frac{1}{|B|} \sum_{b \in B} \operatorname{mean}_\pi \left[
        A(x_{\pi \le j}, b_{\pi > j}) - A(x_{\pi < j}, b_{\pi \ge j}) \right] :

    starting from a normal row :math:`b` of the background :math:`B`, the columns get the values of
    :math:`x` one by one, in random orders :math:`\pi`, and the changes of the score are averaged.
    A column of categories is replaced whole, and in a frame it keeps its type. For each row,
    whatever the number of permutations,

    .. math:: \sum_j \phi_j(x) = A(x) - \frac{1}{|B|} \sum_{b \in B} A(b) .

    Parameters
    ----------
    detector : estimator
        Fitted outlier detector, of scikit-learn or of skgad, or a pipeline with such a detector
        as its last step: anything with `score_samples` or `decision_function`.

    X : {array-like, dataframe} of shape (n_samples, n_features)
        Rows to explain, as the detector takes them.

    background : {array-like, dataframe} of shape (n_background_samples, n_features), default=None
        Normal rows to compare with, for example the training rows. Its columns are those of `X`.
        None takes the rows of `X` that the detector takes for inliers.

    method : {"auto", "residual", "shapley"}, default="auto"
        "residual" compares each row with ``detector.reconstruct``, which costs next to nothing and
        needs no background. "auto" takes it where the detector's score *is* a sum of
        residuals over the columns (see Notes), else "shapley".

    n_background : int, default=100
        Number of background rows to use; drawn at random, if there are more.

    n_permutations : int, default=2
        Number of random orders of the columns for each background row. The second of two is the
        first one reversed, which lowers the variance. The detector scores about ``n_samples *
        n_background * n_permutations * n_features`` rows.

    random_state : int, RandomState instance or None, default=None
        Draws background rows and orders. They are the same for all rows of `X`.

    Returns
    -------
    explanation : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        contributions : {ndarray, dataframe} of shape (n_samples, n_features)
            A frame, with the names and the index of `X`, where `X` is a frame.
        scores : ndarray of shape (n_samples,)
            Anomaly score of each row.
        base : float
            Mean anomaly score of the background; 0 for residuals.
        threshold : float or None
            Anomaly score above which a row is an outlier.
        method : str
            "residual" or "shapley".
        additive : bool
            Whether ``contributions.sum(axis=1) + base`` is equal to `scores`.

    Raises
    ------
    ValueError
        If there is no background row, if the columns of `background` are not those of `X`, or
        if `method` is "residual" and the detector cannot reconstruct rows column by column.

    See Also
    --------
    nearest_normal : What to change in a row to make it normal.
    ExplanationDisplay : The contributions to one row's score as a picture.

    Notes
    -----
    The Shapley values are interventional: a column is replaced whatever the others are, so that
    the detector may be asked to score rows that do not occur. In return, a column on which the
    score does not depend contributes 0. For a score that is a sum over the columns,
    :math:`\sum_j g_j(x_j)`, two permutations or one give the exact values,
    :math:`g_j(x_j) - \operatorname{mean}_b g_j(b_j)`; otherwise the error falls as one over the
    square root of the number of permutations.

    In [1]_ each order comes with one background row drawn at random. Here each background row comes
    equally often, so that the contributions sum exactly to the score less `base`.

    Residuals :math:`r = x - \hat x` are taken in the units that the detector sees, behind the
    encoder of a :class:`~skgad.TabularDetector` or the scalers of a pipeline; those of the
    encoded columns of one original column are added up. The score is a sum of them if it is
    :math:`\sum_j |r_j|`, :math:`\sum_j r_j^2`, the mean of either, or
    :math:`\|r\| = \sum_j r_j^2 / \|r\|`, as for ALAD with ``score_type="l1"`` and ``"l2"``.
    This is found out by comparing the sums with the scores.
    If the score is something else, ``method="residual"`` gives :math:`|r_j|`: how far the
    row is from its reconstruction, not what its score is made of, and `additive` is False.

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
    """
    X = check_table(X)
    score = anomaly_score(detector)
    scores = score(X)
    found = residuals(detector, X, scores) if method != "shapley" else None
    if method == "residual" and found is None:
        raise ValueError(
            f"method='residual' needs a detector with `reconstruct` whose columns are those of X "
            f"or can be traced to them, and {type(detector).__name__} is none. Use 'shapley'."
        )
    if found is not None and (found.additive or method == "residual"):
        contributions, additive, base, method = found.contributions, found.additive, 0.0, "residual"
    else:
        rng = check_random_state(random_state)
        background = normal_rows(detector, X, background)
        if len(background) > n_background:
            chosen = rng.choice(len(background), n_background, replace=False)
            background = take(background, np.sort(chosen))
        contributions, base = shapley_values(
            score, X, scores, background, n_permutations=n_permutations, rng=rng
        )
        additive, method = True, "shapley"
    return Bunch(
        contributions=table_like(X, contributions),
        scores=scores,
        base=base,
        threshold=anomaly_threshold(detector, X),
        method=method,
        additive=additive,
    )


def normal_rows(detector, X, background):
    """The background as a table like ``X``; without one, the inliers among the rows of ``X``."""
    if background is not None:
        return same_columns(X, check_table(background))
    inliers = np.flatnonzero(detector.predict(X) == 1)
    if len(inliers) == 0:
        raise ValueError(
            f"{type(detector).__name__} takes none of the {len(X)} rows of X for an inlier: give "
            "normal rows to compare with as `background`, for example the training rows."
        )
    return take(X, inliers)


def shapley_values(score, X, scores, background, *, n_permutations, rng):
    """Shapley values of the scores of the rows of ``X``, and the mean score of the background.

    A walk leads from a background row to a row of ``X``: its columns change one by one, in the
    order of a permutation.
    """
    (n_rows, n_columns), n_background = X.shape, len(background)
    order = rng.rand((n_permutations + 1) // 2, n_background, n_columns).argsort(axis=-1)
    order = np.stack([order, order[..., ::-1]], axis=1).reshape(-1, n_columns)
    order = order[: n_permutations * n_background]  # permutation by permutation, then reversed
    rank = order.argsort(axis=1)
    background_scores = score(background)
    pool = stack(X, background)
    steps = np.arange(1, n_columns)[:, None]

    contributions = np.zeros((n_rows, n_columns))
    walks = np.arange(n_rows * len(order))
    for block in np.array_split(walks, 1 + len(walks) * n_columns**2 // BLOCK_CELLS):
        row, walk = np.divmod(block, len(order))
        start = walk % n_background
        changed = rank[walk, None, :] < steps
        index = np.where(changed, row[:, None, None], n_rows + start[:, None, None])
        path = np.empty((len(block), n_columns + 1))
        path[:, 0], path[:, -1] = background_scores[start], scores[row]
        if n_columns > 1:
            path[:, 1:-1] = score(mix(pool, index.reshape(-1, n_columns))).reshape(len(block), -1)
        np.add.at(contributions, (row[:, None], order[walk]), np.diff(path))
    return contributions / len(order), float(background_scores.mean())


def residuals(detector, X, scores):
    """What is left of each column by the reconstruction, and whether the scores are its sum.

    None if the detector does not reconstruct, or if its columns cannot be traced to those of X.
    """
    inner, Z, groups = behind_encoder(detector, X)
    if not hasattr(inner, "reconstruct"):
        return None
    r = np.asarray(Z, dtype=np.float64) - np.asarray(inner.reconstruct(Z), dtype=np.float64)
    norm = np.linalg.norm(r, axis=1, keepdims=True)
    parts = [
        np.abs(r),
        r**2,
        np.abs(r) / r.shape[1],
        r**2 / r.shape[1],
        r**2 / (norm + (norm == 0)),
    ]
    sums = [np.allclose(part.sum(axis=1), scores, rtol=1e-4) for part in parts]
    part = parts[sums.index(True)] if any(sums) else parts[0]
    contributions = np.stack([part[:, group].sum(axis=1) for group in groups], axis=1)
    return Bunch(contributions=contributions, additive=any(sums))


def behind_encoder(detector, X):
    """The last step of a detector, its input, and which columns of that belong to each of X.

    Followed are encoders that tell their `feature_groups_`, as a TabularEncoder does, and steps
    that give one column for each column, as scalers do. None instead of a step behind others.
    """
    steps, last = [], detector
    if hasattr(detector, "detector_") and hasattr(detector, "encoder_"):
        steps, last = [detector.encoder_], detector.detector_
    elif isinstance(detector, Pipeline):
        *steps, last = [step for _, step in detector.steps if step not in (None, "passthrough")]

    groups = [[j] for j in range(X.shape[1])]
    for step in steps:
        if hasattr(step, "feature_groups_"):
            parts = list(step.feature_groups_.values())
            groups = [np.concatenate([parts[j] for j in group]) for group in groups]
        elif not isinstance(step, OneToOneFeatureMixin):
            return None, None, None
        X = step.transform(X)
    return last, X.toarray() if sparse.issparse(X) else X, groups
