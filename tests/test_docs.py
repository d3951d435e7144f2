"""Promises of the documentation: docstrings, the reference, the example of the README."""

import doctest
import importlib.util
import inspect
import json
import re
import tomllib

import numpy
import pytest
from conftest import ROOT
from numpydoc.docscrape import NumpyDocString
from numpydoc.validate import validate

import skgad
from skgad.base import BaseDetector, LabelledDetector

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


def from_doc(name):
    """A script of the folder of the documentation, as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "doc" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_figures_of_the_demo_in_the_readme_are_the_committed_results():
    text = (ROOT / "README.md").read_text()
    table = text.split("<!-- demo -->")[1].split("<!-- end of demo -->")[0].replace("*", "")
    shown = {
        name: cells
        for name, *cells in re.findall(r"^\| `?([\w-]+)`? \| (.+) \| (.+) \|", table, re.M)
    }
    rows = json.loads((ROOT / "benchmarks" / "results" / "demo.json").read_text())["rows"]

    def mean_and_sd(detector, metric):
        values = [row[metric] for row in rows if row["detector"] == detector]
        assert len(values) == 3
        return f"{numpy.mean(values):.3f} ± {numpy.std(values, ddof=1):.3f}"

    detectors = {row["detector"] for row in rows}
    assert shown == {name: [mean_and_sd(name, m) for m in ("AUROC", "AP")] for name in detectors}


def abilities(cls):
    """What the first page says that a detector can do."""
    can = cls.game_class.can
    return [
        can("sample"),
        can("sample_outliers"),
        can("reconstruct"),
        can("encode"),
        issubclass(cls, LabelledDetector),
    ]


DETECTORS = {
    name: cls
    for name, cls in CLASSES.items()
    if issubclass(cls, BaseDetector) and not inspect.isabstract(cls)
}


def test_abilities_in_the_readme_are_those_of_the_detectors():
    text = (ROOT / "README.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| \[.+?\]\(.+?\) \|(.+)\|$", text, re.M)
    shown = {f"skgad.{name}": ["✓" in cell for cell in cells.split("|")] for name, cells in rows}
    assert shown == {name: abilities(cls) for name, cls in DETECTORS.items()}


def test_abilities_in_the_guide_are_those_of_the_detectors():
    text = (ROOT / "doc" / "user_guide" / "choosing.rst").read_text()
    table = text.split("start-of-abilities")[1].split("end-of-abilities")[0]
    rows = re.findall(r"\* - :class:`~(.+)`\n +- .+\n((?: +- ?✓?\n)+)", table)
    shown = {name: ["✓" in cell for cell in cells.splitlines()] for name, cells in rows}
    assert shown == {name: abilities(cls) for name, cls in DETECTORS.items()}


def test_every_page_of_the_guide_has_a_line_in_its_index():
    text = (ROOT / "doc" / "user_guide" / "index.rst").read_text()
    groups = text.split(".. toctree::")[1:]
    listed = [name for group in groups for name in re.findall(r"^   (\w+)$", group, re.M)]
    assert re.findall(r"^- :doc:`(\w+)`: ", text, re.M) == listed
    pages = {path.stem for path in (ROOT / "doc" / "user_guide").glob("*.rst")}
    assert sorted(listed) == sorted(pages - {"index"})


@pytest.mark.parametrize("name", [*DETECTORS, "skgad.neighbors.KNeighborsDetector"])
def test_paper_of_every_detector_is_cited(name):
    text = (ROOT / "doc" / "user_guide" / "citing.rst").read_text()
    entry = re.search(rf"^:class:`~{name}`\n((?:    .+\n)+)", text, re.M)[1]
    reference = " ".join(NumpyDocString(inspect.getdoc(CLASSES[name]))["References"])
    title = re.search(r'"(.+?)"', " ".join(reference.split()))[0]
    assert title in " ".join(entry.split())


def test_notebook_is_the_executed_example():
    script = (ROOT / "examples" / "plot_first_hour.py").read_text()
    cells = json.loads((ROOT / "examples" / "first_hour.ipynb").read_text())["cells"]
    texts = [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
    assert texts == from_doc("make_notebook").cells_of(script)
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == [*range(1, len(code) + 1)]
    kinds = {output["output_type"] for cell in code for output in cell["outputs"]}
    assert kinds == {"stream", "execute_result", "display_data"}


def test_every_example_has_a_place_in_the_gallery():
    examples = {path.name for path in (ROOT / "examples").glob("plot_*.py")}
    assert set(from_doc("gallery_order").ORDER) == examples


def test_checker_of_the_site_finds_what_it_looks_for(tmp_path):
    checker = from_doc("check_site")
    browser = checker.find_browser()
    if browser is None:
        pytest.skip("Chromium or Chrome is needed")
    (tmp_path / "good.html").write_text("<!doctype html><p>text</p>")
    (tmp_path / "bad.html").write_text(
        "<!doctype html><img src=none.png>[Raceb53b6dc7b-1]<p style='width: 800px'>text</p>"
        f"<div class=highlight><pre style='width: 99px; overflow: auto'>{'x' * 70}</pre></div>"
    )
    found, n_pages = checker.check(browser, tmp_path, timeout=60)
    assert n_pages == 2
    assert [re.search(r"^/bad.html at (\d+) px: (\w+)", line).groups() for line in found] == [
        *(("1280", "broken"), ("1280", "raw"), ("1280", "code")),
        *(("390", "wider"), ("390", "broken"), ("390", "raw")),
    ]
