"""The method `save` of estimators, without what it needs."""

import os


class SaveMixin:
    """Mixin for estimators that can be saved to a model file.

    .. versionadded:: 0.1
    """

    def save(self, path: str | os.PathLike) -> None:
        """Save the estimator to a file, for :func:`skgad.load`.

        Parameters
        ----------
        path : str or path-like
            The file, which is replaced if it exists. See :func:`skgad.save`.
        """
        from .persistence import save  # which needs torch

        save(self, path)
