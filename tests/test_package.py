"""The package itself: what importing it does, its version, its metadata."""

import json
import re
import subprocess
import sys
import tomllib
from importlib import metadata, resources
from itertools import chain

import pytest
from conftest import ROOT
from packaging.requirements import Requirement
from packaging.version import Version

import skgad

#: Packages that take long to import.
HEAVY = {"joblib", "matplotlib", "numpy", "pandas", "polars", "scipy", "sklearn", "skorch", "torch"}

#: Imports the package in a new interpreter, and prints what that has changed.
IMPORT = """
import json, random, sys
import numpy as np, skorch, sklearn.model_selection, torch
heavy = {'matplotlib', 'pandas', 'polars', 'pyod', 'rich', 'sphinx'}
def generators():
    numpy = np.random.get_state()[1].tolist()
    return random.getstate(), numpy, torch.get_rng_state().tolist()
def state():
    return generators(), torch.get_num_threads(), torch.get_default_dtype()
before, modules = state(), heavy & set(sys.modules)
import skgad
for name in skgad.__all__:
    getattr(skgad, name)
print(json.dumps({
    'state is the same': state() == before, 'modules': [*(heavy & set(sys.modules) - modules)]
}))
"""


def requirements(*extras):
    """Lower bound of each dependency, those of the extras included; None if it has none."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    chosen = [project["optional-dependencies"][extra] for extra in extras]
    return {
        requirement.name: next((Version(bound.version) for bound in requirement.specifier), None)
        for requirement in map(Requirement, chain(project["dependencies"], *chosen))
        if requirement.name != "skgad"  # other extras
    }


def constraints(name):
    """Version of each package that a constraints file pins."""
    pins = re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / name).read_text(), re.M)
    return {package: Version(version) for package, version in pins}


@pytest.fixture(scope="module")
def imported():
    """What `IMPORT` prints."""
    done = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_version_is_that_of_the_distribution():
    assert skgad.__version__ == metadata.version("skgad")


def test_all_public_names_exist():
    assert sorted(set(skgad.__all__)) == sorted(skgad.__all__)
    for name in skgad.__all__:
        assert hasattr(skgad, name), name


def test_package_is_typed():
    assert resources.files("skgad").joinpath("py.typed").is_file()


def test_import_prints_nothing_and_leaves_the_generators_alone(imported):
    (line,) = imported.splitlines()
    assert json.loads(line)["state is the same"]


def test_import_loads_nothing_that_the_dependencies_do_not(imported):
    assert json.loads(imported.splitlines()[-1])["modules"] == []


def modules_after(code):
    """Heavy packages that a new interpreter has imported after some code."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return HEAVY & set(done.stdout.splitlines()[-1].split())


def test_import_loads_nothing_until_a_name_is_used():
    assert modules_after("import skgad; skgad.__version__; dir(skgad)") == set()
    used = modules_after("import skgad; skgad.metrics.get_scorer('outlier_roc_auc')")
    assert "sklearn" in used
    assert not {"matplotlib", "skorch", "torch"} & used
    assert "torch" in modules_after("from skgad import ALAD")


def test_names_and_public_modules_are_attributes_of_the_package():
    code = "import skgad; from skgad import *; ALAD, skgad.Game, skgad.ensemble.DetectorEnsemble"
    assert "torch" in modules_after(code)
    with pytest.raises(AttributeError, match="module 'skgad' has no attribute 'alad'"):
        skgad.alad  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'Alad'"):
        from skgad import Alad  # noqa: F401


@pytest.mark.parametrize(
    "argv", [["--help"], ["--version"], ["detect", "--help"], ["detect"], ["guess"]], ids=str
)
def test_help_and_wrong_arguments_of_the_command_line_load_nothing(argv):
    code = f"""
from contextlib import redirect_stdout, suppress
from skgad.cli import main
with redirect_stdout(None), suppress(SystemExit):
    main({argv})
"""
    assert modules_after(code) == set()


def test_every_dependency_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].keys() - {"mlflow"}  # it requires pandas < 3
    needed = requirements(*extras).keys() - {"skgad"}  # extras that consist of other extras
    assert needed <= constraints("constraints.txt").keys()


def test_oldest_constraints_are_the_lower_bounds():
    bounds = {name: bound for name, bound in requirements("test").items() if bound}
    assert constraints("constraints-oldest.txt") == bounds


def test_private_names_of_scikit_learn_are_imported_in_one_place():
    private = re.compile(
        r"from sklearn[\w.]*\._\w+ import|from sklearn[\w.]* import (\([^)]*\b_\w|.*\b_\w)"
    )
    files = [path for path in (ROOT / "skgad").rglob("*.py") if path.name != "_sklearn_compat.py"]
    assert files
    assert not [str(path) for path in files if private.search(path.read_text())]
