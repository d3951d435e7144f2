"""Helpers to deprecate what ``sklearn.utils.deprecated`` cannot: see CONTRIBUTING.md."""

import functools
import importlib
import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

T = TypeVar("T", bound=Callable[..., Any])


def renamed_parameter(old: str, new: str, *, since: str, removal: str) -> Callable[[T], T]:
    """Accept the old name of a renamed keyword parameter, with a warning.

    Parameters
    ----------
    old, new : str
        Names of the parameter.
    since, removal : str
        Versions that deprecate and remove the old name.

    Returns
    -------
    decorator : callable
        For a function, or for an estimator: then `set_params` accepts the old name, too, and
        nested parameters such as ``old__alpha``.
    """

    def decorate(thing):
        if inspect.isclass(thing):
            for name in ("__init__", "set_params"):
                setattr(thing, name, decorate(getattr(thing, name)))
            return thing

        @functools.wraps(thing)
        def accept_old_name(*args, **kwargs):
            for key in [key for key in kwargs if key == old or key.startswith(f"{old}__")]:
                new_key = new + key.removeprefix(old)
                if new_key in kwargs:
                    raise TypeError(f"{key!r} is the old name of {new_key!r}. Pass only one.")
                warnings.warn(
                    f"The parameter {key!r} was renamed to {new_key!r} in version {since}. "
                    f"The old name will be removed in version {removal}.",
                    FutureWarning,
                    stacklevel=2,
                )
                kwargs[new_key] = kwargs.pop(key)
            return thing(*args, **kwargs)

        return accept_old_name

    return decorate


def moved_names(
    module: str, names: Mapping[str, str], *, since: str, removal: str
) -> Callable[[str], Any]:
    """Make a ``__getattr__`` for a module that finds names which have moved, with a warning.

    Parameters
    ----------
    module : str
        Name of the module that had them: its ``__name__``.
    names : dict of str to str
        For each name, where it is now, such as ``"skgad.preprocessing.TabularEncoder"``.
    since, removal : str
        Versions that deprecate and remove the old import path.

    Returns
    -------
    getattr : callable
        The ``__getattr__`` of the module.
    """

    def __getattr__(name):
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}", name=name)
        warnings.warn(
            f"{module}.{name} was moved to {names[name]} in version {since}. "
            f"The old import path will be removed in version {removal}.",
            FutureWarning,
            stacklevel=2,
        )
        new_module, _, new_name = names[name].rpartition(".")
        return getattr(importlib.import_module(new_module), new_name)

    return __getattr__
