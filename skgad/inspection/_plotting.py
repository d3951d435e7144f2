"""What the displays share."""

from sklearn.pipeline import Pipeline

INLIER, OUTLIER, NEUTRAL = "#3b76af", "#c8402f", "#6b6b6b"


def new_axes(ax, caller, figsize=None):
    """The axes to draw on; new ones if there are none."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{caller}.plot needs matplotlib: install it with 'pip install matplotlib'."
        ) from error
    return plt.subplots(figsize=figsize, layout="constrained")[1] if ax is None else ax


def last_step(estimator):
    """The detector in a pipeline, or in a TabularDetector."""
    if isinstance(estimator, Pipeline):
        return last_step(estimator[-1])
    return last_step(estimator.detector_) if hasattr(estimator, "detector_") else estimator


def name_of(estimator):
    """Name of a detector, without what is around it."""
    return type(last_step(estimator)).__name__


def by_label(outlier):
    """Name, colour and rows of each group; without labels, all rows are one."""
    if outlier is None:
        return [(None, NEUTRAL, slice(None))]
    groups = [("inliers", INLIER, ~outlier), ("outliers", OUTLIER, outlier)]
    return [(f"{rows.sum()} {name}", color, rows) for name, color, rows in groups if rows.any()]
