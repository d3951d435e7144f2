"""A martingale that grows if a stream of rows drifts."""

from bisect import bisect_left, bisect_right, insort
from numbers import Real

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_array, check_random_state

from .._sklearn_compat import Interval, validate_params
from .._typing import FloatArray, RandomStateLike


@validate_params(
    {
        "scores": ["array-like"],
        "calibration_scores": ["array-like"],
        "jump": [Interval(Real, 0, 1, closed="both")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def log_martingale(
    scores: ArrayLike,
    calibration_scores: ArrayLike,
    *,
    jump: float = 0.01,
    random_state: RandomStateLike = None,
) -> FloatArray:
    r"""Logarithm of a conformal martingale, as evidence of drift in a stream of rows.

    The martingale is the capital of a player who starts with 1 and bets against the assumption that
    the rows of the stream and the held-out rows come from the same distribution, in any order. If
    they do, the capital ever reaches :math:`c` with a probability of at most :math:`1 / c`, however
    long the stream is. For example, an alarm at :math:`\log 100` is false with a probability of
    at most 0.01.

    .. versionadded:: 0.1

    Parameters
    ----------
    scores : array-like of shape (n_samples,)
        Scores of the rows of the stream, in the order of their arrival.
    calibration_scores : array-like of shape (n_calibration,)
        Scores of normal rows that the detector was not fitted to, such as the
        `calibration_scores_` of a :class:`ConformalDetector` without `cv`.
    jump : float, default=0.01
        How fast the player changes the bets, in [0, 1]. Larger values react faster to a change in
        a long stream and lose more without a change.
    random_state : int, RandomState instance or None, default=None
        Determines how ties between scores are broken. Pass an int for reproducible results.

    Returns
    -------
    log_martingale : ndarray of shape (n_samples,)
        Natural logarithm of the capital after each row.

    See Also
    --------
    ConformalDetector : Its ``calibration_scores_`` are the scores of held-out rows.

    Notes
    -----
    The p-value of a row is its rank among the held-out rows and all earlier rows of the stream,
    with random ties. Without drift, these p-values are independent and uniform. The simple jumper
    of Vovk et al. [1]_ bets on them with the functions :math:`1 + \epsilon (p - 1/2)`,
    :math:`\epsilon \in \{-1, 0, 1\}`. Before each row, it distributes the share `jump` of its
    capital equally. It wins if p-values become smaller, so that rows are less normal, and also if
    they become larger.

    Without drift, the capital shrinks slowly. In a long stream, it takes longer to win it back
    after a change. ``log_m - np.minimum.accumulate(log_m)`` reacts faster. A bound on this
    statistic has no guarantee for the whole stream.

    Single outliers hardly change the martingale: each row multiplies it by 0.5 to 1.5.

    References
    ----------
    .. [1] V. Vovk, I. Petej, I. Nouretdinov, E. Ahlberg, L. Carlsson and A. Gammerman. "Retrain or
       not retrain: conformal test martingales for change-point detection". COPA 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from skgad.calibration import log_martingale
    >>> rng = np.random.default_rng(0)
    >>> held_out, stream = rng.normal(size=500), rng.normal(size=500)
    >>> bool(log_martingale(stream, held_out, random_state=0).max() < np.log(100))
    True
    >>> stream[250:] -= 1  # the second half is less normal
    >>> alarms = log_martingale(stream, held_out, random_state=0) > np.log(100)
    >>> bool(250 < alarms.argmax() < 350)
    True
    """
    stream = check_array(scores, ensure_2d=False, dtype=np.float64)
    seen = sorted(check_array(calibration_scores, ensure_2d=False, dtype=np.float64).tolist())
    uniform = check_random_state(random_state).uniform(size=len(stream))
    bets = np.array([-1.0, 0.0, 1.0])
    shares = np.full(len(bets), 1 / len(bets))
    growth = np.empty(len(stream))
    for i, score in enumerate(stream.tolist()):
        lower, not_higher = bisect_left(seen, score), bisect_right(seen, score)
        p = (lower + uniform[i] * (not_higher - lower + 1)) / (len(seen) + 1)
        insort(seen, score)
        shares = (1 - jump) * shares + jump / len(bets)
        shares *= 1 + bets * (p - 0.5)
        growth[i] = shares.sum()
        shares /= growth[i]
    return np.cumsum(np.log(growth))
