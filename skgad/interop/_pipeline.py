"""Generated rows in the units of the input of a pipeline."""

from typing import Any

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from .._frames import Table, check_table, copy_index, is_frame, table_like
from .._typing import MatrixLike


def pipeline_sample(pipeline: Pipeline, n_samples: int = 1, **params: Any) -> Table:
    """Generate rows with the detector at the end of a pipeline.

    The detector generates rows in its own units. The inverse transforms of the other steps convert
    them to the units of the pipeline's input.

    .. versionadded:: 0.1

    Parameters
    ----------
    pipeline : Pipeline
        Fitted pipeline. Its last step has a method `sample`, and all others have
        `inverse_transform`.
    n_samples : int, default=1
        Number of rows.
    **params : dict
        Further arguments of the detector's `sample`, such as `random_state` and `kind`.

    Returns
    -------
    rows : {ndarray, dataframe} of shape (n_samples, n_features)
        The rows, as the inverse transform of the first step returns them.

    Raises
    ------
    TypeError
        If the last step has no `sample`, or another one has no `inverse_transform`.

    See Also
    --------
    pipeline_reconstruct : Reconstruct given rows.
    skgad.TabularDetector : Encodes and decodes tables of mixed columns.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skgad.density import DensityDetector
    >>> from skgad.interop import pipeline_sample
    >>> X = np.random.default_rng(0).normal([100, 0.1], [10, 0.01], size=(200, 2))
    >>> pipeline = make_pipeline(StandardScaler(), DensityDetector()).fit(X)
    >>> rows = pipeline_sample(pipeline, 500, random_state=0)
    >>> bool(90 < rows[:, 0].mean() < 110)
    True
    """
    encoders = _encoders(pipeline, "sample")
    return _inverse_transform(encoders, pipeline[-1].sample(n_samples, **params))


def pipeline_reconstruct(pipeline: Pipeline, X: MatrixLike, **params: Any) -> Table:
    """Reconstruct rows with the detector at the end of a pipeline.

    .. versionadded:: 0.1

    Parameters
    ----------
    pipeline : Pipeline
        Fitted pipeline. Its last step has a method `reconstruct`, and all others have
        `inverse_transform`.
    X : {array-like, dataframe} of shape (n_samples, n_features)
        Rows to reconstruct.
    **params : dict
        Further arguments of the detector's `reconstruct`, such as `kind`.

    Returns
    -------
    rows : {ndarray, dataframe} of shape (n_samples, n_features)
        Reconstructions in the units of `X`. If `X` is a frame, a frame with its columns and its
        index.

    Raises
    ------
    TypeError
        If the last step has no `reconstruct`, or another one has no `inverse_transform`.

    See Also
    --------
    pipeline_sample : Generate new rows.
    """
    encoders = _encoders(pipeline, "reconstruct")
    codes = X
    for encoder in encoders:
        codes = encoder.transform(codes)
    rows = _inverse_transform(encoders, pipeline[-1].reconstruct(codes, **params))
    X = check_table(X)
    return copy_index(rows, X) if is_frame(rows) else table_like(X, rows)


def _encoders(pipeline, method):
    """Steps before the detector, after a check that all steps have the methods they need."""
    check_is_fitted(pipeline)
    name, detector = pipeline.steps[-1]
    if not hasattr(detector, method):
        raise TypeError(
            f"The last step of the pipeline, {name!r} ({type(detector).__name__}), has no method "
            f"{method}. Use a generative detector, such as skgad.Autoencoder."
        )
    # Samplers of imbalanced-learn do nothing after the fit.
    encoders = [
        (name, step)
        for name, step in pipeline.steps[:-1]
        if step not in (None, "passthrough") and not hasattr(step, "fit_resample")
    ]
    for name, step in encoders:
        if not hasattr(step, "inverse_transform"):
            raise TypeError(
                f"Step {name!r} ({type(step).__name__}) has no inverse_transform, so rows cannot "
                "be converted back. For mixed columns, use skgad.TabularDetector."
            )
    return [step for _, step in encoders]


def _inverse_transform(encoders, rows):
    for encoder in reversed(encoders):
        rows = encoder.inverse_transform(rows)
    return rows
