"""Helpers that the displays share."""

from sklearn.pipeline import Pipeline

INLIER, OUTLIER, NEUTRAL = "#3b76af", "#c8402f", "#6b6b6b"


def get_axes(ax, caller, figsize=None):
    """Return the axes to draw on; create them if `ax` is None."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{caller}.plot requires matplotlib. Install it with 'pip install matplotlib'."
        ) from error
    return plt.subplots(figsize=figsize, layout="constrained")[1] if ax is None else ax


def final_detector(estimator):
    """Return the detector at the end of a pipeline or inside a TabularDetector."""
    if isinstance(estimator, Pipeline):
        return final_detector(estimator[-1])
    return final_detector(estimator.detector_) if hasattr(estimator, "detector_") else estimator


def detector_name(estimator):
    """Return the class name of the final detector."""
    return type(final_detector(estimator)).__name__


def split_by_label(outlier):
    """List name, color and row mask of each group; all rows are one group without labels."""
    if outlier is None:
        return [(None, NEUTRAL, slice(None))]
    groups = [("inliers", INLIER, ~outlier), ("outliers", OUTLIER, outlier)]
    return [(f"{rows.sum()} {name}", color, rows) for name, color, rows in groups if rows.any()]
