"""Losses of the players during training."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from .._typing import FloatArray
from ._plotting import NEUTRAL, detector_name, final_detector, get_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.lines import Line2D


class TrainingHistoryDisplay:
    """Losses of all players during the training of a detector.

    Use :meth:`from_estimator` to create a display. All parameters are stored as attributes.

    .. versionadded:: 0.1

    Parameters
    ----------
    losses : dict of str to array-like
        Loss of each epoch, by the name of the player.

    valid_loss : array-like or None, default=None
        Validation loss of each epoch, drawn on a second y-axis on the right.

    name : str or None, default=None
        Title of the plot.

    Attributes
    ----------
    lines_ : dict of str to matplotlib Line2D
        The lines by name.

    ax_ : matplotlib Axes
        Axes with the players' losses.

    valid_ax_ : matplotlib Axes or None
        Axes with the validation loss. None if there is no validation loss.

    figure_ : matplotlib Figure
        Figure of the axes.

    Notes
    -----
    In adversarial training, a decreasing loss is not a sign of success: one player gains what the
    other loses. Check for losses that diverge, and check the validation loss.

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

    lines_: "dict[str, Line2D]"
    ax_: "Axes"
    valid_ax_: "Axes | None"
    figure_: "Figure | SubFigure"

    def __init__(
        self,
        losses: Mapping[str, Sequence[float] | FloatArray],
        *,
        valid_loss: Sequence[float] | FloatArray | None = None,
        name: str | None = None,
    ):
        self.losses = losses
        self.valid_loss = valid_loss
        self.name = name

    def plot(self, ax: "Axes | None" = None, **kwargs: Any) -> Self:
        """Draw the losses.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on. If None, a new figure is created.

        **kwargs : dict
            Further parameters of matplotlib's `plot` for all lines.

        Returns
        -------
        display : TrainingHistoryDisplay
            The display.
        """
        self.ax_ = get_axes(ax, type(self).__name__)
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
        self.ax_.legend(  # above the axes, where it cannot cover a line
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
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        *,
        name: str | None = None,
        ax: "Axes | None" = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the training history of a fitted detector.

        Parameters
        ----------
        estimator : estimator
            Fitted detector with a `history_`, such as the detectors of skgad, or a pipeline or
            :class:`~skgad.TabularDetector` that contains one.

        name : str or None, default=None
            Title of the plot. If None, the name of the detector is used.

        ax : matplotlib Axes or None, default=None
            Axes to draw on. If None, a new figure is created.

        **kwargs : dict
            Further parameters of :meth:`plot`.

        Returns
        -------
        display : TrainingHistoryDisplay
            The display.
        """
        detector = final_detector(estimator)
        check_is_fitted(detector)
        if not hasattr(detector, "history_"):
            raise ValueError(
                f"{type(detector).__name__} has no history_. Only detectors that are trained in "
                "epochs have one, such as those of skgad."
            )
        history = detector.history_
        names = sorted({key for row in history for key in row if key.endswith("_loss")})
        losses = {name: [row.get(name, np.nan) for row in history] for name in names}
        valid_loss, _ = losses.pop("valid_loss", None), losses.pop("train_loss", None)
        losses = {name.removesuffix("_loss"): values for name, values in losses.items()}
        name = detector_name(detector) if name is None else name
        return cls(losses, valid_loss=valid_loss, name=name).plot(ax, **kwargs)
