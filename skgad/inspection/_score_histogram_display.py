"""Histogram of anomaly scores."""

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_consistent_length, column_or_1d

from .._labels import outlier_mask, reject_masked
from .._response import check_score_direction
from .._typing import FloatArray, MatrixLike
from ._plotting import detector_name, get_axes, split_by_label
from ._scores import anomaly_scores, anomaly_threshold

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.lines import Line2D


class ScoreHistogramDisplay:
    """Histogram of anomaly scores with the threshold.

    Use :meth:`from_estimator` or :meth:`from_predictions` to create a display. All parameters are
    stored as attributes.

    .. versionadded:: 0.1

    Parameters
    ----------
    scores : ndarray of shape (n_samples,)
        Anomaly scores, the opposite of `score_samples`. The higher, the more abnormal.

    outlier : ndarray of bool of shape (n_samples,) or None, default=None
        Mask of the known outliers.

    threshold : float or None, default=None
        Anomaly score above which a row is labeled as an outlier.

    name : str or None, default=None
        Title of the plot.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the histogram.

    figure_ : matplotlib Figure
        Figure of the axes.

    threshold_ : matplotlib Line2D or None
        Line of the threshold.

    See Also
    --------
    RocCurveDisplay : Plot the results of all thresholds.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.ensemble import IsolationForest
    >>> from skgad.inspection import ScoreHistogramDisplay
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> detector = IsolationForest(random_state=0).fit(X)
    >>> ScoreHistogramDisplay.from_estimator(detector, X).ax_.get_xlabel()
    'anomaly score'
    """

    ax_: "Axes"
    figure_: "Figure | SubFigure"
    threshold_: "Line2D | None"

    def __init__(
        self,
        scores: FloatArray,
        *,
        outlier: NDArray[np.bool_] | None = None,
        threshold: float | None = None,
        name: str | None = None,
    ):
        self.scores = scores
        self.outlier = outlier
        self.threshold = threshold
        self.name = name

    def plot(self, ax: "Axes | None" = None, *, bins: int = 40, clip: float = 0.98) -> Self:
        """Draw the histogram.

        With labels, the bars of each group are normalized to sum to 1, so that a few outliers
        remain visible next to many inliers.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on. If None, a new figure is created.

        bins : int, default=40
            Number of bars.

        clip : float, default=0.98
            Quantile in (0, 1]. If the scores above this quantile of every group would take more
            than a third of the width, they are drawn in the last bar.

        Returns
        -------
        display : ScoreHistogramDisplay
            The display.
        """
        self.ax_ = get_axes(ax, type(self).__name__)
        self.figure_ = self.ax_.figure
        groups = split_by_label(self.outlier)
        low, high = self.scores.min(), self.scores.max()
        top = max(np.quantile(self.scores[rows], clip) for _, _, rows in groups)
        if self.threshold is not None:
            top = max(top, self.threshold)
        if high - top <= (top - low) / 2:
            top = high
        shown = np.minimum(self.scores, top)
        edges = np.histogram_bin_edges(shown, bins).tolist()
        for label, color, rows in groups:
            values = shown[rows]
            weights = None if self.outlier is None else np.full(len(values), 1 / len(values))
            style = {"color": color, "label": label, "weights": weights}
            self.ax_.hist(values, edges, alpha=0.5, **style)
            self.ax_.hist(values, edges, histtype="step", color=color, weights=weights)
        self.threshold_ = None
        if self.threshold is not None:
            self.threshold_ = self.ax_.axvline(
                self.threshold, color="black", linestyle="--", linewidth=1.2, label="threshold"
            )
        rest = "" if top >= high else " (last bar: and all above)"
        self.ax_.set(
            xlabel=f"anomaly score{rest}",
            ylabel="rows" if self.outlier is None else "share of the group",
            title=self.name or "",
        )
        if self.outlier is not None or self.threshold is not None:
            self.ax_.legend(frameon=False)
        self.ax_.spines[["top", "right"]].set_visible(False)
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: MatrixLike,
        y: ArrayLike | None = None,
        *,
        pos_label: int | str | None = None,
        name: str | None = None,
        ax: "Axes | None" = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the scores that a fitted detector assigns to rows.

        Parameters
        ----------
        estimator : estimator
            Fitted outlier detector, or a pipeline that ends with one.

        X : {array-like, dataframe} of shape (n_samples, n_features)
            Rows to score.

        y : array-like of shape (n_samples,) or None, default=None
            True labels: -1 for outliers and 1 for inliers.

        pos_label : int, str or None, default=None
            The label of outliers in `y`, if the labels are not -1 and 1.

        name : str or None, default=None
            Title of the plot. If None, the name of the detector is used.

        ax : matplotlib Axes or None, default=None
            Axes to draw on. If None, a new figure is created.

        **kwargs : dict
            Further parameters of :meth:`plot`.

        Returns
        -------
        display : ScoreHistogramDisplay
            The display.
        """
        check_score_direction(estimator, X)
        threshold = anomaly_threshold(estimator, X)
        scores = -anomaly_scores(estimator, X)
        return cls.from_predictions(
            scores,
            y,
            threshold=None if threshold is None else -threshold,
            pos_label=pos_label,
            name=detector_name(estimator) if name is None else name,
            ax=ax,
            **kwargs,
        )

    @classmethod
    def from_predictions(
        cls,
        y_score: ArrayLike,
        y: ArrayLike | None = None,
        *,
        threshold: float | None = None,
        pos_label: int | str | None = None,
        name: str | None = None,
        ax: "Axes | None" = None,
        **kwargs: Any,
    ) -> Self:
        """Draw given scores.

        Parameters
        ----------
        y_score : array-like of shape (n_samples,)
            Scores returned by `score_samples` or `decision_function`. The higher, the more normal.

        y : array-like of shape (n_samples,) or None, default=None
            True labels: -1 for outliers and 1 for inliers.

        threshold : float or None, default=None
            Score below which a row is labeled as an outlier: `offset_` for `score_samples`, 0 for
            `decision_function`.

        pos_label : int, str or None, default=None
            The label of outliers in `y`, if the labels are not -1 and 1.

        name : str or None, default=None
            Title of the plot.

        ax : matplotlib Axes or None, default=None
            Axes to draw on. If None, a new figure is created.

        **kwargs : dict
            Further parameters of :meth:`plot`.

        Returns
        -------
        display : ScoreHistogramDisplay
            The display.
        """
        reject_masked(y_score, "y_score")
        scores = -column_or_1d(y_score).astype(np.float64)
        check_consistent_length(scores, y)
        outlier = None if y is None else outlier_mask(y, pos_label)
        threshold = None if threshold is None else -threshold
        return cls(scores, outlier=outlier, threshold=threshold, name=name).plot(ax, **kwargs)
