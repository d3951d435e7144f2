"""What the documentation promises: docstrings, references, the README's example."""

import doctest
import importlib
import inspect
import pkgutil
import re
import tomllib

import numpy
import pytest
from conftest import ROOT
from numpydoc.docscrape import NumpyDocString
from numpydoc.validate import validate

import skgad

# What numpydoc finds in a docstring. Its rules on style are left to ruff.
SUMMARY = {"GL01", "GL06", "GL07", "GL08", "SS01", "SS03"}
PARAMETERS = {"PR01", "PR02", "PR03", "PR04", "PR05", "PR07", "PR10", "YD01"}


def public_objects():
    """Public classes and functions, each with its shortest name."""
    modules = [skgad] + [
        importlib.import_module(f"skgad.{module.name}")
        for module in pkgutil.iter_modules(skgad.__path__)
        if not module.name.startswith("_")
    ]
    things = {}
    for module in modules:
        for name in getattr(module, "__all__", ()):
            thing = getattr(module, name)
            if inspect.isclass(thing) or inspect.isfunction(thing):
                things.setdefault(thing, f"{module.__name__}.{name}")
    return {name: thing for thing, name in things.items()}


OBJECTS = public_objects()
METHODS = [
    (f"{name}.{method}", issubclass(thing, skgad.BaseDetector))
    for name, thing in OBJECTS.items()
    if inspect.isclass(thing)
    for method, function in inspect.getmembers(thing, inspect.isfunction)
    if not method.startswith("_") and function.__module__.startswith("skgad")
]
CLASSES_AND_FUNCTIONS = [(name, not inspect.isabstract(thing)) for name, thing in OBJECTS.items()]


@pytest.mark.parametrize(("name", "has_parameters"), CLASSES_AND_FUNCTIONS + METHODS)
def test_docstring_is_complete(name, has_parameters):
    """Parameters are described wherever a user sets them."""
    wanted = SUMMARY | PARAMETERS if has_parameters else SUMMARY
    errors = [f"{code}: {text}" for code, text in validate(name)["errors"] if code in wanted]
    assert not errors, "\n".join(errors)


def test_every_public_object_is_in_the_reference():
    listed = set(re.findall(r"^ +([\w.]+)$", (ROOT / "doc" / "api.rst").read_text(), re.M))
    missing = {name.removeprefix("skgad.") for name in OBJECTS} - listed
    assert not missing


def test_example_of_the_readme_is_true():
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


def documented_defaults(thing):
    """Defaults of the docstring, as text."""
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
    for key, text in documented.items():
        assert eval(text, {"numpy": numpy} | vars(skgad)) == actual[key], key
