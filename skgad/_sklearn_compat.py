"""Everything that skgad uses of scikit-learn and that is not public in all supported versions.

No other module imports a private name of scikit-learn or asks for its version. When a release of
scikit-learn moves or changes such a name, this is the file to edit. Names are those of
scikit-learn. The decorators are wrapped to annotate them: scikit-learn has no annotations, and an
unannotated decorator hides the signature of a method from type checkers.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from sklearn import base
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import _name_estimators
from sklearn.utils import _param_validation, _safe_indexing, metaestimators
from sklearn.utils._optional_dependencies import check_pandas_support
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    Options,
    RealNotInt,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils._repr_html.estimator import _VisualBlock
from sklearn.utils._set_output import _SetOutputMixin, _wrap_data_with_container
from sklearn.utils.metaestimators import _BaseComposition
from sklearn.utils.validation import _check_feature_names_in, _check_method_params, _num_samples

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # scikit-learn < 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Empty stand-in for the mixin that scikit-learn 1.9 introduced."""


__all__ = [
    "BaseSearchCV",
    "CallbackSupportMixin",
    "HasMethods",
    "Interval",
    "Options",
    "RealNotInt",
    "StrOptions",
    "_BaseComposition",
    "_SetOutputMixin",
    "_VisualBlock",
    "_check_feature_names_in",
    "_check_method_params",
    "_fit_context",
    "_name_estimators",
    "_num_samples",
    "_safe_indexing",
    "_wrap_data_with_container",
    "available_if",
    "check_pandas_support",
    "validate_parameter_constraints",
    "validate_params",
]

Function = TypeVar("Function", bound=Callable[..., Any])


def _fit_context(*, prefer_skip_nested_validation: bool) -> Callable[[Function], Function]:
    return base._fit_context(prefer_skip_nested_validation=prefer_skip_nested_validation)


def validate_params(
    parameter_constraints: dict, *, prefer_skip_nested_validation: bool
) -> Callable[[Function], Function]:
    """Validate the arguments of a function when it is called."""
    return _param_validation.validate_params(
        parameter_constraints, prefer_skip_nested_validation=prefer_skip_nested_validation
    )


def available_if(check: Callable[[Any], bool]) -> Callable[[Function], Function]:
    """Make a method available only if a check of its object passes."""
    return metaestimators.available_if(check)
