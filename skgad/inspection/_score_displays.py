"""Pictures of scores: histogram, ROC, precision and recall."""

import numpy as np
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_curve
from sklearn.utils import check_consistent_length, column_or_1d

from ..metrics import _abnormality, _check_labels
from ._explain import anomaly_score, anomaly_threshold
from ._plotting import NEUTRAL, by_label, name_of, new_axes


class ScoreHistogramDisplay:
    """Histogram of anomaly scores, with the threshold.

    It is recommended to use :meth:`from_estimator` or :meth:`from_predictions`. All parameters
    are stored as attributes.

    Parameters
    ----------
    scores : ndarray of shape (n_samples,)
        Anomaly scores: the opposite of `score_samples`, higher is more abnormal.

    outlier : ndarray of bool of shape (n_samples,) or None, default=None
        Which rows are known outliers.

    threshold : float or None, default=None
        Anomaly score above which a row is taken for an outlier.

    name : str or None, default=None
        Title of the picture.

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
    RocCurveDisplay : All thresholds at once.

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

    def __init__(self, scores, *, outlier=None, threshold=None, name=None):
        self.scores = scores
        self.outlier = outlier
        self.threshold = threshold
        self.name = name

    def plot(self, ax=None, *, bins=40, clip=0.98):
        """Draw the histogram.

        With labels, each bar is the share of its own group, so that a few outliers
        are seen beside many inliers.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on. None makes new ones.

        bins : int, default=40
            Number of bars.

        clip : float, default=0.98
            Quantile of the scores of each group, in (0, 1]. If the scores beyond the larger one
            would take more than a third of the width, they are drawn in the last bar.

        Returns
        -------
        display : ScoreHistogramDisplay
            The display.
        """
        self.ax_ = new_axes(ax, type(self).__name__)
        self.figure_ = self.ax_.figure
        groups = by_label(self.outlier)
        low, high = self.scores.min(), self.scores.max()
        top = max(np.quantile(self.scores[rows], clip) for _, _, rows in groups)
        if self.threshold is not None:
            top = max(top, self.threshold)
        if high - top <= (top - low) / 2:
            top = high
        shown = np.minimum(self.scores, top)
        edges = np.histogram_bin_edges(shown, bins)
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
    def from_estimator(cls, estimator, X, y=None, *, pos_label=None, name=None, ax=None, **kwargs):
        """Draw the scores that a fitted detector gives to rows.

        Parameters
        ----------
        estimator : estimator
            Fitted outlier detector, or a pipeline that ends with one.

        X : {array-like, dataframe} of shape (n_samples, n_features)
            Rows to score.

        y : array-like of shape (n_samples,) or None, default=None
            Known labels, -1 for outliers and 1 for inliers.

        pos_label : int, str or None, default=None
            The label of outliers in `y`, if they are not -1 and 1.

        name : str or None, default=None
            Title. None takes the name of the detector.

        ax : matplotlib Axes or None, default=None
            Axes to draw on. None makes new ones.

        **kwargs : dict
            Further parameters of :meth:`plot`.

        Returns
        -------
        display : ScoreHistogramDisplay
            The display, drawn.
        """
        threshold = anomaly_threshold(estimator, X)
        scores = -anomaly_score(estimator)(X)
        return cls.from_predictions(
            scores,
            y,
            threshold=None if threshold is None else -threshold,
            pos_label=pos_label,
            name=name_of(estimator) if name is None else name,
            ax=ax,
            **kwargs,
        )

    @classmethod
    def from_predictions(
        cls, y_score, y=None, *, threshold=None, pos_label=None, name=None, ax=None, **kwargs
    ):
        """Draw given scores.

        Parameters
        ----------
        y_score : array-like of shape (n_samples,)
            Scores as `score_samples` or `decision_function` give them: higher is more normal.

        y : array-like of shape (n_samples,) or None, default=None
            Known labels, -1 for outliers and 1 for inliers.

        threshold : float or None, default=None
            Score below which a row is taken for an outlier: `offset_` for `score_samples`, 0 for
            `decision_function`.

        pos_label : int, str or None, default=None
            The label of outliers in `y`, if they are not -1 and 1.

        name : str or None, default=None
            Title.

        ax : matplotlib Axes or None, default=None
            Axes to draw on. None makes new ones.

        **kwargs : dict
            Further parameters of :meth:`plot`.

        Returns
        -------
        display : ScoreHistogramDisplay
            The display, drawn.
        """
        scores = -column_or_1d(y_score).astype(np.float64)
        check_consistent_length(scores, y)
        outlier = None if y is None else _check_labels(y, pos_label)
        threshold = None if threshold is None else -threshold
        return cls(scores, outlier=outlier, threshold=threshold, name=name).plot(ax, **kwargs)


class _CurveDisplay:
    """What the two curves share: labels and scores of outlier detectors, one line."""

    def _draw(self, x, y, area, chance, ax, name, plot_chance_level, **kwargs):
        self.ax_ = new_axes(ax, type(self).__name__, figsize=(4.8, 4.8))
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
    def from_estimator(cls, estimator, X, y, *, pos_label=None, name=None, ax=None, **kwargs):
        """Draw the curve of a fitted detector.

        Parameters
        ----------
        estimator : estimator
            Fitted outlier detector, or a pipeline that ends with one.

        X : {array-like, dataframe} of shape (n_samples, n_features)
            Rows to score.

        y : array-like of shape (n_samples,)
            True labels, -1 for outliers and 1 for inliers.

        pos_label : int, str or None, default=None
            The label of outliers in `y`, if they are not -1 and 1.

        name : str or None, default=None
            Name in the legend. None takes the name of the detector.

        ax : matplotlib Axes or None, default=None
            Axes to draw on, for example those of another detector's curve. None makes new ones.

        **kwargs : dict
            Further parameters of `plot`.

        Returns
        -------
        display : object
            The display, drawn.
        """
        scores = -anomaly_score(estimator)(X)
        name = name_of(estimator) if name is None else name
        return cls.from_predictions(y, scores, pos_label=pos_label, name=name, ax=ax, **kwargs)

    @classmethod
    def from_predictions(cls, y_true, y_score, *, pos_label=None, name=None, ax=None, **kwargs):
        """Draw the curve of given scores.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels, -1 for outliers and 1 for inliers.

        y_score : array-like of shape (n_samples,)
            Scores as `score_samples` or `decision_function` give them: higher is more normal.

        pos_label : int, str or None, default=None
            The label of outliers in `y_true`, if they are not -1 and 1.

        name : str or None, default=None
            Name in the legend.

        ax : matplotlib Axes or None, default=None
            Axes to draw on, for example those of another detector's curve. None makes new ones.

        **kwargs : dict
            Further parameters of `plot`.

        Returns
        -------
        display : object
            The display, drawn.
        """
        outlier, scores = _abnormality(y_true, y_score, pos_label)
        return cls._of(outlier, scores, name).plot(ax, **kwargs)


class RocCurveDisplay(_CurveDisplay):
    """Receiver operating characteristic of an outlier detector.

    :class:`sklearn.metrics.RocCurveDisplay` for outlier detectors, which that one does not take.
    Outliers are the positive class. It is recommended to use `from_estimator` or
    `from_predictions`. All parameters are stored as attributes.

    Parameters
    ----------
    fpr : ndarray
        Share of the inliers that are flagged, for each threshold.

    tpr : ndarray
        Share of the outliers that are flagged, for each threshold.

    roc_auc : float or None, default=None
        Area under the curve.

    name : str or None, default=None
        Name in the legend.

    Attributes
    ----------
    line_ : matplotlib Line2D
        The curve.

    chance_level_ : matplotlib Line2D or None
        The diagonal, if it is drawn.

    ax_ : matplotlib Axes
        Axes with the curve.

    figure_ : matplotlib Figure
        Figure of the axes.

    See Also
    --------
    PrecisionRecallDisplay : To look at when outliers are rare.

    Examples
    --------
    >>> from skgad.inspection import RocCurveDisplay
    >>> display = RocCurveDisplay.from_predictions([1, 1, 1, -1], [0.9, 0.8, 0.1, 0.2])
    >>> round(float(display.roc_auc), 3)
    0.667
    """

    _axis_labels = {"xlabel": "share of inliers flagged", "ylabel": "share of outliers flagged"}
    _legend_loc = "lower right"

    def __init__(self, fpr, tpr, *, roc_auc=None, name=None):
        self.fpr = fpr
        self.tpr = tpr
        self.roc_auc = roc_auc
        self.name = name

    @classmethod
    def _of(cls, outlier, scores, name):
        fpr, tpr, _ = roc_curve(outlier, scores)
        return cls(fpr, tpr, roc_auc=auc(fpr, tpr), name=name)

    def plot(self, ax=None, *, name=None, plot_chance_level=False, **kwargs):
        """Draw the curve.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on. None makes new ones.

        name : str or None, default=None
            Name in the legend. None takes that of the display.

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

    :class:`sklearn.metrics.PrecisionRecallDisplay` for outlier detectors, which that one does not
    take. Outliers are the positive class. It is recommended to use `from_estimator` or
    `from_predictions`. All parameters are stored as attributes.

    Parameters
    ----------
    precision : ndarray
        Share of outliers among the flagged rows, for each threshold.

    recall : ndarray
        Share of the outliers that are flagged, for each threshold.

    average_precision : float or None, default=None
        Average precision, without interpolation.

    prevalence : float or None, default=None
        Share of outliers among all rows: the precision of chance.

    name : str or None, default=None
        Name in the legend.

    Attributes
    ----------
    line_ : matplotlib Line2D
        The curve, as steps: like the average precision, it does not interpolate.

    chance_level_ : matplotlib Line2D or None
        The prevalence, if it is drawn.

    ax_ : matplotlib Axes
        Axes with the curve.

    figure_ : matplotlib Figure
        Figure of the axes.

    See Also
    --------
    RocCurveDisplay : Does not depend on the share of outliers.

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

    def __init__(self, precision, recall, *, average_precision=None, prevalence=None, name=None):
        self.precision = precision
        self.recall = recall
        self.average_precision = average_precision
        self.prevalence = prevalence
        self.name = name

    @classmethod
    def _of(cls, outlier, scores, name):
        precision, recall, _ = precision_recall_curve(outlier, scores)
        average = average_precision_score(outlier, scores)
        prevalence = float(outlier.mean())
        return cls(precision, recall, average_precision=average, prevalence=prevalence, name=name)

    def plot(self, ax=None, *, name=None, plot_chance_level=False, **kwargs):
        """Draw the curve.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on. None makes new ones.

        name : str or None, default=None
            Name in the legend. None takes that of the display.

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
