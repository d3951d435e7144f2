"""Differences between the supported versions of scikit-learn."""

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # scikit-learn < 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stand-in for the mixin of scikit-learn 1.9."""


__all__ = ["CallbackSupportMixin"]
