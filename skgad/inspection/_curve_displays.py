"""ROC curve and precision-recall curve of outlier detectors."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Self

from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_curve

from .._labels import check_ranking
from .._response import check_score_direction
from .._typing import MatrixLike
from ._plotting import NEUTRAL, detector_name, get_axes
from ._scores import anomaly_scores

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.lines import Line2D


class _CurveDisplay(ABC):
    """Base class of the displays that draw one curve from labels and scores."""

    line_: "Line2D"
    chance_level_: "Line2D | None"
    ax_: "Axes"
    figure_: "Figure | SubFigure"

    def _draw(self, x, y, area, chance, ax, name, plot_chance_level, **kwargs):
        self.ax_ = get_axes(ax, type(self).__name__, figsize=(4.8, 4.8))
        self.figure_ = self.ax_.figure
        name = self.name if name is None else name
        label = ", ".join(part for part in (name, area) if part) or None
        (self.line_,) = self.ax_.plot(x, y, **{"label": label, **kwargs})
        self.chance_level_ = None
        if plot_chance_level:
            style = {"color": NEUTRAL, "linestyle": "--", "linewidth": 1, "label": "chance"}
            (self.chance_level_,) = self.ax_.plot([0, 1], chance, **style)
        self.ax_.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal", **self._axis_labels)
        if self.ax_.get_legend_handles_labels()[0]:
            self.ax_.legend(loc=self._legend_loc)
        self.ax_.spines[["top", "right"]].set_visible(False)
        return self

    @classmethod
    @abstractmethod
    def _from_ranking(cls, outlier, scores, name):
        """Compute the curve of anomaly scores."""

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: MatrixLike,
        y: ArrayLike,
        *,
        pos_label: int | str | None = None,
        name: str | None = None,
        ax: "Axes | None" = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the curve of a fitted detector.

        Parameters
        ----------
        estimator : estimator
            Fitted outlier detector, or a pipeline that ends with one.

        X : {array-like, dataframe} of shape (n_samples, n_features)
            Rows to score.

        y : array-like of shape (n_samples,)
            True labels: -1 for outliers and 1 for inliers.

        pos_label : int, str or None, default=None
            The label of outliers in `y`, if the labels are not -1 and 1.

        name : str or None, default=None
            Name in the legend. If None, the name of the detector is used.

        ax : matplotlib Axes or None, default=None
            Axes to draw on, for example those with the curve of another detector. If None, a new
            figure is created.

        **kwargs : dict
            Further parameters of `plot`.

        Returns
        -------
        display : object
            The display.
        """
        check_score_direction(estimator, X)
        scores = -anomaly_scores(estimator, X)
        name = detector_name(estimator) if name is None else name
        return cls.from_predictions(y, scores, pos_label=pos_label, name=name, ax=ax, **kwargs)

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_score: ArrayLike,
        *,
        pos_label: int | str | None = None,
        name: str | None = None,
        ax: "Axes | None" = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the curve of given scores.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels: -1 for outliers and 1 for inliers.

        y_score : array-like of shape (n_samples,)
            Scores returned by `score_samples` or `decision_function`. The higher, the more normal.

        pos_label : int, str or None, default=None
            The label of outliers in `y_true`, if the labels are not -1 and 1.

        name : str or None, default=None
            Name in the legend.

        ax : matplotlib Axes or None, default=None
            Axes to draw on, for example those with the curve of another detector. If None, a new
            figure is created.

        **kwargs : dict
            Further parameters of `plot`.

        Returns
        -------
        display : object
            The display.
        """
        outlier, scores = check_ranking(y_true, y_score, pos_label)
        return cls._from_ranking(outlier, scores, name).plot(ax, **kwargs)


class RocCurveDisplay(_CurveDisplay):
    """Receiver operating characteristic of an outlier detector.

    This display is :class:`sklearn.metrics.RocCurveDisplay` for outlier detectors, which the
    display of scikit-learn does not accept. Outliers are the positive class. Use `from_estimator`
    or `from_predictions` to create a display. All parameters are stored as attributes.

    .. versionadded:: 0.1

    Parameters
    ----------
    fpr : ndarray
        Share of the inliers that are flagged at each threshold.

    tpr : ndarray
        Share of the outliers that are flagged at each threshold.

    roc_auc : float or None, default=None
        Area under the curve.

    name : str or None, default=None
        Name in the legend.

    Attributes
    ----------
    line_ : matplotlib Line2D
        The curve.

    chance_level_ : matplotlib Line2D or None
        The diagonal. None if it is not drawn.

    ax_ : matplotlib Axes
        Axes with the curve.

    figure_ : matplotlib Figure
        Figure of the axes.

    See Also
    --------
    PrecisionRecallDisplay : Plot precision and recall, which tell more when outliers are rare.

    Examples
    --------
    >>> from skgad.inspection import RocCurveDisplay
    >>> display = RocCurveDisplay.from_predictions([1, 1, 1, -1], [0.9, 0.8, 0.1, 0.2])
    >>> round(float(display.roc_auc), 3)
    0.667
    """

    _axis_labels = {"xlabel": "share of inliers flagged", "ylabel": "share of outliers flagged"}
    _legend_loc = "lower right"

    def __init__(
        self,
        fpr: NDArray[Any],
        tpr: NDArray[Any],
        *,
        roc_auc: float | None = None,
        name: str | None = None,
    ):
        self.fpr = fpr
        self.tpr = tpr
        self.roc_auc = roc_auc
        self.name = name

    @classmethod
    def _from_ranking(cls, outlier, scores, name):
        fpr, tpr, _ = roc_curve(outlier, scores)
        return cls(fpr, tpr, roc_auc=auc(fpr, tpr), name=name)

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        name: str | None = None,
        plot_chance_level: bool = False,
        **kwargs: Any,
    ) -> Self:
        """Draw the curve.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on. If None, a new figure is created.

        name : str or None, default=None
            Name in the legend. If None, the name of the display is used.

        plot_chance_level : bool, default=False
            Whether to draw the diagonal.

        **kwargs : dict
            Further parameters of matplotlib's `plot`.

        Returns
        -------
        display : RocCurveDisplay
            The display.
        """
        area = None if self.roc_auc is None else f"AUC {self.roc_auc:.3f}"
        return self._draw(self.fpr, self.tpr, area, [0, 1], ax, name, plot_chance_level, **kwargs)


class PrecisionRecallDisplay(_CurveDisplay):
    """Precision and recall of an outlier detector.

    This display is :class:`sklearn.metrics.PrecisionRecallDisplay` for outlier detectors, which the
    display of scikit-learn does not accept. Outliers are the positive class. Use `from_estimator`
    or `from_predictions` to create a display. All parameters are stored as attributes.

    .. versionadded:: 0.1

    Parameters
    ----------
    precision : ndarray
        Share of outliers among the rows that are flagged at each threshold.

    recall : ndarray
        Share of the outliers that are flagged at each threshold.

    average_precision : float or None, default=None
        Average precision, without interpolation.

    prevalence : float or None, default=None
        Share of outliers among all rows, which is the precision of random scores.

    name : str or None, default=None
        Name in the legend.

    Attributes
    ----------
    line_ : matplotlib Line2D
        The curve. It is drawn as steps because average precision does not interpolate.

    chance_level_ : matplotlib Line2D or None
        The prevalence. None if it is not drawn.

    ax_ : matplotlib Axes
        Axes with the curve.

    figure_ : matplotlib Figure
        Figure of the axes.

    See Also
    --------
    RocCurveDisplay : Plot a curve that does not depend on the share of outliers.

    Examples
    --------
    >>> from skgad.inspection import PrecisionRecallDisplay
    >>> display = PrecisionRecallDisplay.from_predictions([1, 1, 1, -1], [0.9, 0.8, 0.1, 0.2])
    >>> float(display.average_precision)
    0.5
    """

    _axis_labels = {
        "xlabel": "recall: share of outliers flagged",
        "ylabel": "precision: share of flagged that are outliers",
    }
    _legend_loc = "lower left"

    def __init__(
        self,
        precision: NDArray[Any],
        recall: NDArray[Any],
        *,
        average_precision: float | None = None,
        prevalence: float | None = None,
        name: str | None = None,
    ):
        self.precision = precision
        self.recall = recall
        self.average_precision = average_precision
        self.prevalence = prevalence
        self.name = name

    @classmethod
    def _from_ranking(cls, outlier, scores, name):
        precision, recall, _ = precision_recall_curve(outlier, scores)
        average = average_precision_score(outlier, scores)
        prevalence = float(outlier.mean())
        return cls(precision, recall, average_precision=average, prevalence=prevalence, name=name)

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        name: str | None = None,
        plot_chance_level: bool = False,
        **kwargs: Any,
    ) -> Self:
        """Draw the curve.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on. If None, a new figure is created.

        name : str or None, default=None
            Name in the legend. If None, the name of the display is used.

        plot_chance_level : bool, default=False
            Whether to draw the prevalence, if it is known.

        **kwargs : dict
            Further parameters of matplotlib's `plot`.

        Returns
        -------
        display : PrecisionRecallDisplay
            The display.
        """
        area = None if self.average_precision is None else f"AP {self.average_precision:.3f}"
        chance = [self.prevalence] * 2
        plot_chance_level = plot_chance_level and self.prevalence is not None
        kwargs = {"drawstyle": "steps-post", **kwargs}
        return self._draw(
            self.recall, self.precision, area, chance, ax, name, plot_chance_level, **kwargs
        )
