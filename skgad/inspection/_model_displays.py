"""Pictures of a detector's networks: their training, their codes."""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted

from ..metrics import _check_labels
from ._explain import anomaly_score
from ._plotting import NEUTRAL, by_label, last_step, name_of, new_axes


class TrainingHistoryDisplay:
    """Losses of all players during the training of a detector.

    It is recommended to use :meth:`from_estimator`. All parameters are stored as attributes.

    Parameters
    ----------
    losses : dict of str to array-like
        Loss of each epoch, by the name of the player.

    valid_loss : array-like or None, default=None
        Validation loss of each epoch, which has an axis of its own on the right.

    name : str or None, default=None
        Title of the picture.

    Attributes
    ----------
    lines_ : dict of str to matplotlib Line2D
        The lines by their names.

    ax_ : matplotlib Axes
        Axes with the players' losses.

    valid_ax_ : matplotlib Axes or None
        Axes with the validation loss.

    figure_ : matplotlib Figure
        Figure of the axes.

    Notes
    -----
    In an adversarial training, a loss that falls is no sign of success: what one player wins, the
    other loses. Look for losses that run away, and at the validation loss.

    Examples
    --------
    >>> import numpy as np
    >>> from skgad import ALAD
    >>> from skgad.inspection import TrainingHistoryDisplay
    >>> X = np.random.default_rng(0).normal(size=(200, 4))
    >>> detector = ALAD(max_epochs=5, random_state=0).fit(X)
    >>> list(TrainingHistoryDisplay.from_estimator(detector).lines_)
    ['discriminator', 'generator']
    """

    def __init__(self, losses, *, valid_loss=None, name=None):
        self.losses = losses
        self.valid_loss = valid_loss
        self.name = name

    def plot(self, ax=None, **kwargs):
        """Draw the losses.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on. None makes new ones.

        **kwargs : dict
            Further parameters of matplotlib's `plot`, for all lines.

        Returns
        -------
        display : TrainingHistoryDisplay
            The display.
        """
        self.ax_ = new_axes(ax, type(self).__name__)
        self.figure_ = self.ax_.figure
        kwargs = {"linewidth": 1.3, **kwargs}
        self.lines_ = {}
        for name, losses in self.losses.items():
            epochs = np.arange(1, len(losses) + 1)
            (self.lines_[name],) = self.ax_.plot(epochs, losses, label=name, **kwargs)
        self.valid_ax_ = None
        if self.valid_loss is not None:
            self.valid_ax_ = self.ax_.twinx()
            epochs = np.arange(1, len(self.valid_loss) + 1)
            style = {"color": NEUTRAL, "linestyle": "--", "label": "validation (right)"}
            (line,) = self.valid_ax_.plot(epochs, self.valid_loss, **{**kwargs, **style})
            self.lines_["valid_loss"] = line
            self.valid_ax_.set_ylabel("validation loss", color=NEUTRAL)
            self.valid_ax_.tick_params(axis="y", colors=NEUTRAL)
            self.valid_ax_.spines["top"].set_visible(False)
        self.ax_.set(xlabel="epoch", ylabel="mean loss of the epoch")
        self.ax_.set_title(self.name or "", loc="left")
        self.ax_.spines["top"].set_visible(False)
        self.ax_.spines["right"].set_visible(self.valid_ax_ is not None)
        self.ax_.legend(  # above the axes: the lines may be anywhere in them
            handles=list(self.lines_.values()),
            loc="lower right",
            bbox_to_anchor=(1, 1),
            ncols=len(self.lines_),
            columnspacing=1.2,
            handlelength=1.5,
            frameon=False,
        )
        return self

    @classmethod
    def from_estimator(cls, estimator, *, name=None, ax=None, **kwargs):
        """Draw the training of a fitted detector.

        Parameters
        ----------
        estimator : estimator
            Fitted detector with a `history_`, as all of skgad have, or a pipeline or a
            :class:`~skgad.TabularDetector` around one.

        name : str or None, default=None
            Title. None takes the name of the detector.

        ax : matplotlib Axes or None, default=None
            Axes to draw on. None makes new ones.

        **kwargs : dict
            Further parameters of :meth:`plot`.

        Returns
        -------
        display : TrainingHistoryDisplay
            The display, drawn.
        """
        detector = last_step(estimator)
        check_is_fitted(detector)
        if not hasattr(detector, "history_"):
            raise ValueError(
                f"{type(detector).__name__} has no history_: only detectors that are trained in "
                "epochs have one, as those of skgad."
            )
        history = detector.history_
        names = sorted({key for row in history for key in row if key.endswith("_loss")})
        losses = {name: [row.get(name, np.nan) for row in history] for name in names}
        valid_loss, _ = losses.pop("valid_loss", None), losses.pop("train_loss", None)
        losses = {name.removesuffix("_loss"): values for name, values in losses.items()}
        name = name_of(detector) if name is None else name
        return cls(losses, valid_loss=valid_loss, name=name).plot(ax, **kwargs)


class LatentSpaceDisplay:
    """Latent codes of rows in two dimensions.

    It is recommended to use :meth:`from_estimator`. All parameters are stored as attributes.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_dimensions)
        Codes, with at least two dimensions. More than two are shown by their
        first two principal components.

    scores : ndarray of shape (n_samples,) or None, default=None
        Anomaly scores, shown by colours if there are no labels.

    outlier : ndarray of bool of shape (n_samples,) or None, default=None
        Which rows are known outliers.

    name : str or None, default=None
        Title of the picture.

    Attributes
    ----------
    points_ : list of matplotlib PathCollection
        The points; with labels, those of the inliers and those of the outliers.

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
    >>> detector = ALAD(latent_dim=2, max_epochs=5, random_state=0).fit(X)
    >>> LatentSpaceDisplay.from_estimator(detector, X).ax_.get_xlabel()
    'code 1'
    """

    def __init__(self, codes, *, scores=None, outlier=None, name=None):
        self.codes = codes
        self.scores = scores
        self.outlier = outlier
        self.name = name

    def plot(self, ax=None, **kwargs):
        """Draw the codes.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on. None makes new ones.

        **kwargs : dict
            Further parameters of matplotlib's `scatter`.

        Returns
        -------
        display : LatentSpaceDisplay
            The display.
        """
        self.ax_ = new_axes(ax, type(self).__name__)
        self.figure_ = self.ax_.figure
        codes, labels = self.codes, ("code 1", "code 2")
        if codes.shape[1] > 2:
            pca = PCA(n_components=2).fit(codes)
            codes, shares = pca.transform(codes), pca.explained_variance_ratio_
            labels = [f"component {i} ({share:.0%})" for i, share in enumerate(shares, 1)]
        style = {"s": 14, "alpha": 0.7, "linewidths": 0, **kwargs}
        if self.outlier is None and self.scores is not None:
            order = np.argsort(self.scores)  # the odd ones above the others
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
                for label, color, rows in by_label(self.outlier)
            ]
        if self.outlier is not None:
            self.ax_.legend()
        self.ax_.set(xlabel=labels[0], ylabel=labels[1], title=self.name or "")
        self.ax_.spines[["top", "right"]].set_visible(False)
        return self

    @classmethod
    def from_estimator(cls, estimator, X, y=None, *, pos_label=None, name=None, ax=None, **kwargs):
        """Draw the codes that a fitted detector gives to rows.

        Parameters
        ----------
        estimator : estimator
            Fitted detector whose `transform` gives latent codes, as those of skgad do, or a
            pipeline that ends with one.

        X : {array-like, dataframe} of shape (n_samples, n_features)
            Rows to encode.

        y : array-like of shape (n_samples,) or None, default=None
            Known labels, -1 for outliers and 1 for inliers. Without labels, the colours are the
            anomaly scores.

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
        display : LatentSpaceDisplay
            The display, drawn.
        """
        if not hasattr(estimator, "transform"):
            raise ValueError(
                f"{name_of(estimator)} has no `transform` that gives latent codes: the detectors "
                "of skgad have one."
            )
        codes = np.asarray(estimator.transform(X))
        if codes.shape[1] < 2:
            raise ValueError("The codes have one dimension; a picture of them needs two.")
        outlier = None if y is None else _check_labels(y, pos_label)
        check_consistent_length(codes, outlier)
        scores = anomaly_score(estimator)(X)
        name = name_of(estimator) if name is None else name
        return cls(codes, scores=scores, outlier=outlier, name=name).plot(ax, **kwargs)
