"""Promises of the documentation: docstrings, the reference, the example of the README."""

import doctest
import importlib
import inspect
import re
import tomllib

import numpy
import pytest
from conftest import ROOT
from numpydoc.docscrape import NumpyDocString
from numpydoc.validate import validate

import skgad

#: Modules that users import from. All other modules can change without notice.
PUBLIC_MODULES = [
    "skgad",
    "skgad.base",
    "skgad.calibration",
    "skgad.callbacks",
    "skgad.datasets",
    "skgad.density",
    "skgad.ensemble",
    "skgad.export",
    "skgad.inspection",
    "skgad.interop",
    "skgad.metrics",
    "skgad.model_selection",
    "skgad.neighbors",
    "skgad.networks",
    "skgad.persistence",
    "skgad.preprocessing",
    "skgad.tables",
]

# Checks of numpydoc. Its rules of style are left to ruff.
SUMMARY = {"GL01", "GL06", "GL07", "GL08", "SS01", "SS03"}
PARAMETERS = {"PR01", "PR02", "PR03", "PR04", "PR05", "PR07", "PR10", "RT01", "YD01"}


def public_objects():
    """Public classes and functions by their shortest names."""
    names = {}
    for module in map(importlib.import_module, PUBLIC_MODULES):
        for name in module.__all__:
            thing = getattr(module, name)
            if inspect.isclass(thing) or inspect.isfunction(thing):
                names.setdefault(thing, f"{module.__name__}.{name}")
    return {name: thing for thing, name in names.items()}


def public_methods(cls):
    """Names of the public methods of a class that are defined in this package."""
    for name, method in inspect.getmembers(cls, inspect.isroutine):
        module = getattr(method, "__module__", None) or ""
        inherits_docstring = not method.__doc__ and inspect.getdoc(method)
        if module.startswith("skgad.") and not name.startswith("_") and not inherits_docstring:
            yield name


def is_documented_elsewhere(cls, method):
    """Whether a method overrides one of skorch or torch, whose parameters are documented there."""
    bases = [base for base in cls.__mro__ if base.__module__.startswith(("skorch.", "torch."))]
    return any(hasattr(base, method) for base in bases)


OBJECTS = public_objects()
CLASSES = {name: thing for name, thing in OBJECTS.items() if inspect.isclass(thing)}

#: Names of all objects with a docstring, and whether it must describe parameters: the constructor
#: of an abstract class is that of its subclasses.
DOCUMENTED = {name: not inspect.isabstract(thing) for name, thing in OBJECTS.items()} | {
    f"{name}.{method}": not is_documented_elsewhere(cls, method)
    for name, cls in CLASSES.items()
    for method in public_methods(cls)
}


@pytest.mark.parametrize(("name", "has_parameters"), DOCUMENTED.items())
def test_docstring_is_complete(name, has_parameters):
    expected = SUMMARY | PARAMETERS if has_parameters else SUMMARY
    errors = [f"{code}: {text}" for code, text in validate(name)["errors"] if code in expected]
    assert errors == []


@pytest.mark.parametrize("name", OBJECTS)
def test_docstring_says_since_when(name):
    assert re.search(r"^\.\. versionadded:: \d", inspect.getdoc(OBJECTS[name]), re.M)


def names_in_the_reference():
    """Names in the lists of doc/api.rst, without the name of the package."""
    return set(re.findall(r"^ +([\w.]+)$", (ROOT / "doc" / "api.rst").read_text(), re.M))


def test_every_public_object_is_in_the_reference():
    missing = {name.removeprefix("skgad.") for name in OBJECTS} - names_in_the_reference()
    assert not missing


def test_every_name_in_the_reference_is_that_of_a_public_object():
    unknown = names_in_the_reference() - {name.removeprefix("skgad.") for name in OBJECTS}
    assert not unknown


def test_the_example_of_the_readme_gives_the_output_shown():
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    results = doctest.testfile(str(ROOT / "README.md"), module_relative=False, optionflags=flags)
    assert results.attempted > 0
    assert results.failed == 0


def test_links_of_the_readme_work_outside_of_the_repository():
    """They are absolute, as package indexes need them, and lead to files that exist."""
    text = (ROOT / "README.md").read_text()
    links = re.findall(r"\]\(([^)]+)\)", text) + re.findall(r"^\[.+\]: (\S+)$", text, re.M)
    assert [link for link in links if not link.startswith("https://")] == []

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    source, pages = project["urls"]["Source"], project["urls"]["Documentation"]
    raw = source.replace("github.com", "raw.githubusercontent.com")
    files = [
        link.removeprefix(prefix)
        for link in links
        for prefix in (f"{source}/blob/main/", f"{raw}/main/")
        if link.startswith(prefix)
    ]
    files += [
        link.replace(f"{pages}/en/latest/", "doc/").replace(".html", ".rst")
        for link in links
        if link.startswith(f"{pages}/en/latest/")
    ]
    ours = [link for link in links if link.startswith((f"{source}/", f"{raw}/", f"{pages}/"))]
    assert len(files) == len(ours) > 5
    assert [name for name in files if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("name", PUBLIC_MODULES)
def test_public_modules_list_their_public_names_only(name):
    module = importlib.import_module(name)
    submodules = {m.split(".")[1] for m in PUBLIC_MODULES if m.startswith(f"{name}.")}
    version = {"__version__"} if name == "skgad" else set()
    assert dir(module) == sorted({*module.__all__, *submodules, *version})
    assert all(hasattr(module, listed) for listed in dir(module))


def documented_defaults(thing):
    """Names of parameters with their defaults, as the docstring writes them."""
    for parameter in NumpyDocString(inspect.getdoc(thing))["Parameters"]:
        if found := re.search(r"default=(.+)$", parameter.type):
            yield from ((name, found[1]) for name in parameter.name.split(", "))


@pytest.mark.parametrize("name", [n for n in OBJECTS if not inspect.isabstract(OBJECTS[n])])
def test_documented_defaults_are_those_of_the_signature(name):
    parameters = inspect.signature(OBJECTS[name]).parameters
    documented = dict(documented_defaults(OBJECTS[name]))
    actual = {
        key: parameter.default
        for key, parameter in parameters.items()
        if parameter.default is not inspect.Parameter.empty and key != "y"
    }
    assert documented.keys() == actual.keys()
    module = inspect.getmodule(OBJECTS[name])
    names = {"numpy": numpy} | vars(skgad) | vars(module)
    for key, text in documented.items():
        assert eval(text, names) == actual[key], key
