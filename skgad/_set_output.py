"""`set_output` of detectors whose `transform` depends on the detectors inside them."""

from ._sklearn_compat import _SetOutputMixin, _wrap_data_with_container


class OptionalTransformMixin:
    """Add `set_output` if there are names of the output columns.

    The mixin of scikit-learn replaces `transform`, which would then be available for all detectors.
    This one leaves it, and `transform` calls :meth:`_in_container` itself.
    """

    _sklearn_auto_wrap_output_keys = {"transform"}

    set_output = vars(_SetOutputMixin)["set_output"]

    def _in_container(self, codes, X):
        """Convert codes of the rows `X` to the container that `set_output` requests."""
        return _wrap_data_with_container("transform", codes, X, self)
