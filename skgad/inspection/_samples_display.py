"""Generated rows next to real ones, column by column."""

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_2samp
from sklearn.base import BaseEstimator

from .._frames import check_table, is_missing, match_columns, read_columns
from .._typing import MatrixLike, RandomStateLike
from ._plotting import NEUTRAL, OUTLIER, detector_name, get_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DAY = np.timedelta64(1, "D")

#: Number of columns of plots.
N_ACROSS = 4


class SamplesDisplay:
    """Distributions of the columns of real and of generated rows.

    Use :meth:`from_estimator` or :meth:`from_rows` to create a display. The columns that differ
    most come first. All parameters are stored as attributes.

    Read more in the :ref:`user guide <sampling>`.

    .. versionadded:: 0.1

    Parameters
    ----------
    real, generated : list of ndarray
        Values of each column of real rows and of generated rows: numbers, dates, or objects for
        categories.

    names : list of str
        Names of the columns.

    name : str or None, default=None
        Title of the figure.

    Attributes
    ----------
    similarities_ : ndarray of shape (n_features,)
        Similarity of the columns in the order of the table, from 0 to 1: 1 minus the
        Kolmogorov-Smirnov statistic of numbers and dates, 1 minus the total variation of
        categories. Missing values are a category, and are not compared in other columns.

    axes_ : ndarray of matplotlib Axes
        Axes of the columns that are drawn.

    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    LatentSpaceDisplay : Plot the codes of rows.

    Notes
    -----
    The display compares one column at a time. Rows can differ in how columns go together even if
    each column agrees.

    Examples
    --------
    >>> import numpy as np
    >>> from skgad import WAE
    >>> from skgad.inspection import SamplesDisplay
    >>> X = np.random.default_rng(0).normal(size=(300, 3))
    >>> detector = WAE(max_epochs=5, random_state=0).fit(X)
    >>> display = SamplesDisplay.from_estimator(detector, X, random_state=0)
    >>> bool(display.similarities_.min() > 0.8)
    True
    """

    similarities_: NDArray[np.float64]
    axes_: NDArray[np.object_]
    figure_: "Figure"

    def __init__(
        self,
        real: list[NDArray[Any]],
        generated: list[NDArray[Any]],
        *,
        names: list[str],
        name: str | None = None,
    ):
        self.real = real
        self.generated = generated
        self.names = names
        self.name = name

    def plot(self, *, max_features: int = 12, bins: int = 30, max_levels: int = 8) -> Self:
        """Draw the columns.

        Parameters
        ----------
        max_features : int, default=12
            Largest number of columns that are drawn: those that differ most.

        bins : int, default=30
            Number of bins of numbers.

        max_levels : int, default=8
            Largest number of levels of a category that are drawn: the most frequent ones.

        Returns
        -------
        display : SamplesDisplay
            The display.
        """
        pairs = list(zip(self.real, self.generated, strict=True))
        self.similarities_ = np.array([similarity(*pair) for pair in pairs])
        drawn = np.argsort(self.similarities_, kind="stable")[:max_features]
        n_across = min(N_ACROSS, len(drawn))
        n_down = -(-len(drawn) // n_across)
        first = get_axes(None, type(self).__name__, figsize=(3 * n_across, 2.4 * n_down))
        self.figure_ = first.figure
        self.figure_.clear()
        grid = self.figure_.subplots(n_down, n_across, squeeze=False).ravel()
        for ax in grid[len(drawn) :]:
            ax.remove()
        self.axes_ = grid[: len(drawn)]
        for ax, j in zip(self.axes_, drawn, strict=True):
            real, generated = pairs[j]
            if real.dtype == object:
                draw_levels(ax, real, generated, max_levels)
            else:
                draw_numbers(ax, real, generated, bins)
            ax.set_title(f"{self.names[j]}: {self.similarities_[j]:.2f}", fontsize=9)
            ax.tick_params(labelsize=7)
            ax.spines[["top", "right"]].set_visible(False)
        self.axes_[0].legend(frameon=False, fontsize=8)
        if self.name:
            self.figure_.suptitle(self.name)
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: MatrixLike,
        *,
        n_samples: int | None = None,
        random_state: RandomStateLike = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> Self:
        """Compare rows that a fitted detector generates with real rows.

        Parameters
        ----------
        estimator : estimator
            Fitted detector with a method `sample`, such as a :class:`~skgad.TabularDetector`.

        X : {array-like, dataframe} of shape (n_samples, n_features)
            Real rows, best those that the detector was not trained on.

        n_samples : int or None, default=None
            Number of rows to generate. If None, as many as `X` has.

        random_state : int, RandomState instance or None, default=None
            Determines the rows.

        name : str or None, default=None
            Title of the figure. If None, the name of the detector is used.

        **kwargs : dict
            Further parameters of :meth:`plot`.

        Returns
        -------
        display : SamplesDisplay
            The display.
        """
        if not hasattr(estimator, "sample"):
            raise TypeError(
                f"{type(estimator).__name__} has no method 'sample'. Pass a detector that "
                "generates rows, or use SamplesDisplay.from_rows."
            )
        X = check_table(X)
        n_rows = X.shape[0] if n_samples is None else n_samples
        generated = estimator.sample(n_rows, random_state=random_state)
        name = detector_name(estimator) if name is None else name
        return cls.from_rows(X, generated, name=name, **kwargs)

    @classmethod
    def from_rows(
        cls,
        X: MatrixLike,
        X_generated: MatrixLike,
        *,
        name: str | None = None,
        **kwargs: Any,
    ) -> Self:
        """Compare given rows.

        Parameters
        ----------
        X : {array-like, dataframe} of shape (n_samples, n_features)
            Real rows.

        X_generated : {array-like, dataframe} of shape (n_generated, n_features)
            Generated rows with the same columns.

        name : str or None, default=None
            Title of the figure.

        **kwargs : dict
            Further parameters of :meth:`plot`.

        Returns
        -------
        display : SamplesDisplay
            The display.
        """
        X = check_table(X)
        X_generated = match_columns(check_table(X_generated), X, name="X_generated")
        names = [str(n) for n in getattr(X, "columns", [f"x{j}" for j in range(X.shape[1])])]
        real, generated = (read_columns(table, names) for table in (X, X_generated))
        return cls(real, generated, names=names, name=name).plot(**kwargs)


def similarity(real, generated):
    """Similarity of two columns, from 0 to 1."""
    if real.dtype == object:
        levels, shares = shares_of_levels(real, generated)
        return 1 - np.abs(shares[0] - shares[1]).sum() / 2
    real, generated = numbers_of(real), numbers_of(generated)
    if not len(real) or not len(generated):
        return float(len(real) == len(generated))
    return 1 - ks_2samp(real, generated).statistic


def numbers_of(column):
    """Numbers, or dates and durations in days, without missing values."""
    column = column[~is_missing(column)]
    if column.dtype.kind == "M":
        column = column - np.datetime64("1970-01-01")  # matplotlib's first day
    return column / DAY if column.dtype.kind == "m" else column.astype(np.float64)


def shares_of_levels(real, generated):
    """Levels, the most frequent one of the real rows first, and their frequencies."""
    columns = [
        np.where(is_missing(column), "missing", column.astype(str)) for column in (real, generated)
    ]
    levels = np.unique(np.concatenate(columns))
    shares = np.array([[np.mean(column == level) for level in levels] for column in columns])
    order = np.argsort(-shares[0], kind="stable")
    return levels[order], shares[:, order]


def draw_numbers(ax, real, generated, bins):
    """Draw the histograms of a column of numbers or dates."""
    if real.dtype.kind == "M":
        ax.xaxis_date()
    real, generated = (numbers_of(column) for column in (real, generated))
    # A few extreme values would leave one bar only.
    low, high = np.quantile(real, [0.01, 0.99]) if len(real) else (0, 1)
    edges = np.histogram_bin_edges([low, high], bins)
    for column, color, label in ((real, NEUTRAL, "real"), (generated, OUTLIER, "generated")):
        shown = np.clip(column, edges[0], edges[-1])
        weights = np.full(len(shown), 1 / max(1, len(shown)))
        ax.hist(shown, edges, histtype="step", color=color, label=label, weights=weights)


def draw_levels(ax, real, generated, max_levels):
    """Draw the frequencies of the levels of a category."""
    levels, shares = shares_of_levels(real, generated)
    positions = np.arange(len(levels[:max_levels]))
    for share, color, label, shift in zip(
        shares, (NEUTRAL, OUTLIER), ("real", "generated"), (-0.2, 0.2), strict=True
    ):
        ax.bar(positions + shift, share[:max_levels], 0.4, color=color, label=label, alpha=0.7)
    ax.set_xticks(positions, [level[:12] for level in levels[:max_levels]], rotation=45)
