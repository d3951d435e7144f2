"""Waterfall plot of the explanation of one row."""

from collections.abc import Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils import Bunch, check_consistent_length

from .._frames import check_table, is_frame
from .._sklearn_compat import _safe_indexing
from .._typing import MatrixLike
from ._explain import explain
from ._plotting import INLIER, NEUTRAL, OUTLIER, detector_name, get_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import BarContainer
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.lines import Line2D


class ExplanationDisplay:
    """Waterfall plot of the contributions to the anomaly score of one row.

    The bars lead from the mean score of the background to the score of the row. Columns with red
    bars make the row more abnormal, those with blue bars less abnormal. Use :meth:`from_estimator`
    or :meth:`from_explanation` to create a display. All parameters are stored as attributes.

    .. versionadded:: 0.1

    Parameters
    ----------
    contributions : array-like of shape (n_features,)
        Contribution of each column.

    labels : sequence of str
        Name of each column, with or without the value of the row.

    base : float, default=0.0
        Start of the first bar.

    threshold : float or None, default=None
        Anomaly score above which a row is labeled as an outlier.

    additive : bool, default=True
        Whether the contributions and `base` sum to the score of the row. If False, all bars start
        at zero, and the threshold is not drawn.

    name : str or None, default=None
        Title of the plot.

    Attributes
    ----------
    bars_ : matplotlib BarContainer
        The bars, from the largest to the smallest contribution.

    threshold_ : matplotlib Line2D or None
        Line of the threshold. None if it is not drawn.

    ax_ : matplotlib Axes
        Axes with the bars.

    figure_ : matplotlib Figure
        Figure of the axes.

    See Also
    --------
    explain : Compute the contributions.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.ensemble import IsolationForest
    >>> from skgad.inspection import ExplanationDisplay
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> detector = IsolationForest(random_state=0).fit(X)
    >>> display = ExplanationDisplay.from_estimator(
    ...     detector, [[0, 5, 0]], background=X, random_state=0
    ... )
    >>> display.ax_.get_yticklabels()[0].get_text()
    'column 1 = 5'
    """

    bars_: "BarContainer"
    threshold_: "Line2D | None"
    ax_: "Axes"
    figure_: "Figure | SubFigure"

    def __init__(
        self,
        contributions: ArrayLike,
        labels: Sequence[str],
        *,
        base: float = 0.0,
        threshold: float | None = None,
        additive: bool = True,
        name: str | None = None,
    ):
        self.contributions = contributions
        self.labels = labels
        self.base = base
        self.threshold = threshold
        self.additive = additive
        self.name = name

    def plot(self, ax: "Axes | None" = None, *, max_columns: int = 10) -> Self:
        """Draw the bars.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on. If None, a new figure is created.

        max_columns : int, default=10
            Maximum number of bars. The columns with the smallest contributions share the last one.

        Returns
        -------
        display : ExplanationDisplay
            The display.
        """
        lengths, labels = self._sorted_contributions(max_columns)
        figsize = (7, 1.4 + 0.36 * len(lengths))
        self.ax_ = get_axes(ax, type(self).__name__, figsize=figsize)
        self.figure_ = self.ax_.figure
        ends = self.base + np.cumsum(lengths)
        starts = ends - lengths
        if not self.additive:
            starts, ends = np.zeros_like(lengths), lengths
        height = np.arange(len(lengths))
        colors = np.where(lengths > 0, OUTLIER, INLIER)
        self.bars_ = self.ax_.barh(height, lengths, left=starts, color=colors, height=0.65)
        if self.additive:
            self.ax_.vlines(ends[:-1], height[:-1], height[1:], color=NEUTRAL, linewidth=0.8)

        self.threshold_ = None
        if self.additive:
            self.ax_.axvline(self.base, color=NEUTRAL, linewidth=0.8, zorder=0)
        if self.additive and self.threshold is not None:
            self.threshold_ = self.ax_.axvline(
                self.threshold, color="black", linestyle="--", linewidth=1.2, zorder=0
            )
            self.ax_.annotate(
                "threshold",
                (self.threshold, 1),
                xycoords=("data", "axes fraction"),
                xytext=(0, 2),
                textcoords="offset points",
                ha="center",
                fontsize="small",
            )
        self._write_numbers(lengths, starts, ends)
        self.ax_.set_yticks(height, labels)
        self.ax_.invert_yaxis()
        self.ax_.tick_params(axis="y", length=0)
        score_label = f"anomaly score, from {self.base:.3g} to {ends[-1]:.3g}"
        self.ax_.set_xlabel(score_label if self.additive else "distance from the reconstruction")
        self.ax_.set_title(self.name or "", pad=18)
        self.ax_.spines[["top", "right", "left"]].set_visible(False)
        return self

    def _sorted_contributions(self, max_columns):
        """Contributions and labels from the largest to the smallest; the last one may be a sum."""
        values = np.asarray(self.contributions, dtype=np.float64)
        order = np.argsort(-np.abs(values), kind="stable")
        if len(values) <= max_columns:
            return values[order], [self.labels[j] for j in order]
        shown, rest = np.split(order, [max_columns - 1])
        lengths = np.append(values[shown], values[rest].sum())
        return lengths, [*(self.labels[j] for j in shown), f"{len(rest)} other columns"]

    def _write_numbers(self, lengths, starts, ends):
        """Write each contribution next to the end of its bar, or on the side with more room.

        Room ends at the threshold, whose line would cross the number.
        """
        self.ax_.use_sticky_edges = False
        self.ax_.margins(x=0.15)
        edges = [left, right] = self.ax_.get_xlim()
        if self.threshold_ is not None:
            edges = [left, self.threshold, right]
        for i, (length, *bar) in enumerate(zip(lengths, starts, ends, strict=True)):
            room_left = min(min(bar) - edge for edge in edges if edge <= min(bar))
            room_right = min(edge - max(bar) for edge in edges if edge >= max(bar))
            enough = (right - left) / 4
            if length >= 0:
                is_right = room_right > min(enough, room_left)
            else:
                is_right = room_left < min(enough, room_right)
            self.ax_.annotate(
                f"{length:+.2g}".replace("-", "\N{MINUS SIGN}"),
                (max(bar) if is_right else min(bar), i),
                xytext=(4 if is_right else -4, 0),
                textcoords="offset points",
                ha="left" if is_right else "right",
                va="center",
                fontsize="small",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
            )

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: MatrixLike,
        *,
        row: int = 0,
        background: MatrixLike | None = None,
        name: str | None = None,
        ax: "Axes | None" = None,
        max_columns: int = 10,
        **kwargs: Any,
    ) -> Self:
        """Explain one row of a table and draw the explanation.

        Parameters
        ----------
        estimator : estimator
            Fitted outlier detector, or a pipeline that ends with one.

        X : {array-like, dataframe} of shape (n_samples, n_features)
            Rows.

        row : int, default=0
            Position of the row to explain.

        background : {array-like, dataframe} or None, default=None
            Normal rows to compare with. If None, the rows of `X` that the detector labels as
            inliers are used.

        name : str or None, default=None
            Title of the plot. If None, the name of the detector is used.

        ax : matplotlib Axes or None, default=None
            Axes to draw on. If None, a new figure is created.

        max_columns : int, default=10
            Maximum number of bars.

        **kwargs : dict
            Further parameters of :func:`~skgad.inspection.explain`.

        Returns
        -------
        display : ExplanationDisplay
            The display.
        """
        X = check_table(X)
        if background is None:
            inliers = np.flatnonzero(estimator.predict(X) == 1)
            background = _safe_indexing(X, inliers) if len(inliers) else None
        X = _safe_indexing(X, [row])
        explanation = explain(estimator, X, background=background, **kwargs)
        name = detector_name(estimator) if name is None else name
        return cls.from_explanation(explanation, X, name=name, ax=ax, max_columns=max_columns)

    @classmethod
    def from_explanation(
        cls,
        explanation: Bunch,
        X: MatrixLike | None = None,
        *,
        row: int = 0,
        name: str | None = None,
        ax: "Axes | None" = None,
        max_columns: int = 10,
    ) -> Self:
        """Draw the result of :func:`~skgad.inspection.explain` for one row.

        Parameters
        ----------
        explanation : :class:`~sklearn.utils.Bunch`
            Result of :func:`~skgad.inspection.explain`.

        X : {array-like, dataframe} of shape (n_samples, n_features) or None, default=None
            The rows that were explained. If given, the labels contain the values of the row.

        row : int, default=0
            Position of the row to draw.

        name : str or None, default=None
            Title of the plot.

        ax : matplotlib Axes or None, default=None
            Axes to draw on. If None, a new figure is created.

        max_columns : int, default=10
            Maximum number of bars.

        Returns
        -------
        display : ExplanationDisplay
            The display.
        """
        table = explanation.contributions
        names = table.columns if is_frame(table) else [f"column {j}" for j in range(table.shape[1])]
        labels = [str(name) for name in names]
        if X is not None:
            X = check_table(X)
            check_consistent_length(table, X)
            values = np.asarray(_safe_indexing(X, [row]), dtype=object)[0]
            labels = [f"{name} = {format_value(v)}" for name, v in zip(labels, values, strict=True)]
        display = cls(
            np.asarray(_safe_indexing(table, [row]))[0],
            labels,
            base=explanation.base,
            threshold=explanation.threshold,
            additive=explanation.additive,
            name=name,
        )
        return display.plot(ax, max_columns=max_columns)


def format_value(value):
    """Format the value of a cell for a label."""
    return f"{value:.4g}" if isinstance(value, Real) and not isinstance(value, bool) else str(value)
