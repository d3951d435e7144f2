"""Latent codes in two dimensions."""

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.utils import check_consistent_length

from .._labels import outlier_mask
from .._response import check_score_direction
from .._typing import FloatArray, MatrixLike
from ._plotting import detector_name, get_axes, split_by_label
from ._scores import anomaly_scores

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.figure import Figure, SubFigure


class LatentSpaceDisplay:
    """Latent codes of rows in two dimensions.

    Use :meth:`from_estimator` to create a display. All parameters are stored as attributes.

    .. versionadded:: 0.1

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_dimensions)
        Codes with at least two dimensions. If there are more, the first two principal components
        are drawn.

    scores : ndarray of shape (n_samples,) or None, default=None
        Anomaly scores. They determine the colors if there are no labels.

    outlier : ndarray of bool of shape (n_samples,) or None, default=None
        Mask of the known outliers.

    name : str or None, default=None
        Title of the plot.

    Attributes
    ----------
    points_ : list of matplotlib PathCollection
        The points. With labels, those of the inliers and those of the outliers.

    ax_ : matplotlib Axes
        Axes with the points.

    figure_ : matplotlib Figure
        Figure of the axes.

    Examples
    --------
    >>> import numpy as np
    >>> from skgad import ALAD
    >>> from skgad.inspection import LatentSpaceDisplay
    >>> X = np.random.default_rng(0).normal(size=(200, 4))
    >>> detector = ALAD(latent_dim=2, n_members=1, max_epochs=5, random_state=0).fit(X)
    >>> LatentSpaceDisplay.from_estimator(detector, X).ax_.get_xlabel()
    'code 1'
    """

    points_: "list[PathCollection]"
    ax_: "Axes"
    figure_: "Figure | SubFigure"

    def __init__(
        self,
        codes: NDArray[Any],
        *,
        scores: FloatArray | None = None,
        outlier: NDArray[np.bool_] | None = None,
        name: str | None = None,
    ):
        self.codes = codes
        self.scores = scores
        self.outlier = outlier
        self.name = name

    def plot(self, ax: "Axes | None" = None, **kwargs: Any) -> Self:
        """Draw the codes.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on. If None, a new figure is created.

        **kwargs : dict
            Further parameters of matplotlib's `scatter`.

        Returns
        -------
        display : LatentSpaceDisplay
            The display.
        """
        self.ax_ = get_axes(ax, type(self).__name__)
        self.figure_ = self.ax_.figure
        codes, labels = self.codes, ["code 1", "code 2"]
        if codes.shape[1] > 2:
            pca = PCA(n_components=2).fit(codes)
            codes, shares = pca.transform(codes), pca.explained_variance_ratio_
            labels = [f"component {i} ({share:.0%})" for i, share in enumerate(shares, 1)]
        style = {"s": 14, "alpha": 0.7, "linewidths": 0, **kwargs}
        if self.outlier is None and self.scores is not None:
            order = np.argsort(self.scores)  # outliers are drawn on top
            limit = np.quantile(self.scores, 0.98)
            style = {"c": self.scores[order], "cmap": "viridis", "vmax": limit, **style}
            self.points_ = [self.ax_.scatter(*codes[order].T, **style)]
            extend = "max" if limit < self.scores.max() else "neither"
            self.figure_.colorbar(
                self.points_[0], ax=self.ax_, label="anomaly score", extend=extend
            )
        else:
            self.points_ = [
                self.ax_.scatter(*codes[rows].T, **{"color": color, "label": label, **style})
                for label, color, rows in split_by_label(self.outlier)
            ]
        if self.outlier is not None:
            self.ax_.legend()
        self.ax_.set(xlabel=labels[0], ylabel=labels[1], title=self.name or "")
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
        """Draw the latent codes of rows.

        Parameters
        ----------
        estimator : estimator
            Fitted detector whose `transform` returns latent codes, such as the detectors of
            skgad, or a pipeline that ends with one.

        X : {array-like, dataframe} of shape (n_samples, n_features)
            Rows to encode.

        y : array-like of shape (n_samples,) or None, default=None
            True labels: -1 for outliers and 1 for inliers. Without labels, the colors show the
            anomaly scores.

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
        display : LatentSpaceDisplay
            The display.
        """
        if not hasattr(estimator, "transform"):
            raise ValueError(
                f"{detector_name(estimator)} has no `transform` that returns latent codes. Use a "
                "detector that has one, such as those of skgad."
            )
        codes = np.asarray(estimator.transform(X))
        if codes.shape[1] < 2:
            raise ValueError(
                "The latent codes have one dimension, but at least two are required. Fit the "
                "detector with a larger latent_dim."
            )
        check_score_direction(estimator, X)
        outlier = None if y is None else outlier_mask(y, pos_label)
        check_consistent_length(codes, outlier)
        scores = anomaly_scores(estimator, X)
        name = detector_name(estimator) if name is None else name
        return cls(codes, scores=scores, outlier=outlier, name=name).plot(ax, **kwargs)
