"""The scripts can be called, and find the results that their commands have given."""

import importlib
import json
import pkgutil
import re
import shlex
import sys

import pytest
from conftest import ROOT

import benchmarks
from benchmarks.common import cli, commands, results

MODULES = [module.name for module in pkgutil.walk_packages(benchmarks.__path__, "benchmarks.")]
# Published figures have no command, and `make gpu` measures everything again.
TABLES = sorted(
    path.stem for path in results.FOLDER.glob("*.json") if path.stem not in ("published", "gpu")
)


@pytest.mark.parametrize("name", MODULES)
def test_module_can_be_imported_and_explains_its_options(name, capsys):
    module = importlib.import_module(name)
    assert module.__doc__
    if hasattr(module, "main"):
        with pytest.raises(SystemExit, match="0"):
            module.main(["--help"])
        assert "--help" in capsys.readouterr().out


@pytest.mark.parametrize("table", TABLES)
def test_recorded_results_are_found_by_the_commands_of_today(table, monkeypatch):
    selected = {}
    monkeypatch.setattr(
        results, "run", lambda table, evaluate, keys, n_jobs=1: selected.update({table: keys})
    )
    names = {row["dataset"] for row in results.load(table) if "dataset" in row}
    for list_family in ("list_adbench", "list_oddbench"):
        monkeypatch.setattr(cli, list_family, lambda data_home: names)
    for run, rows in commands.recorded(table):
        command = commands.current(run["command"], rows)
        _, _, module, *options = shlex.split(command)
        importlib.import_module(module).main(options)
        keys = {frozenset(key.items()) for key in selected.pop(table)}
        parts = {tuple(name for name, _ in key) for key in keys}
        missing = [
            row
            for row in rows
            if not any(frozenset((name, row.get(name)) for name in part) in keys for part in parts)
        ]
        assert not missing, command


def test_only_missing_results_are_measured(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    measured = []

    def evaluate(method, seed):
        measured.append((method, seed))
        if method == "fails":
            raise ValueError("no result")
        return [{"score": name, "auroc": 0.5 + seed} for name in ("a", "b")]

    results.run("table", evaluate, [{"method": "m", "seed": 0}])
    with pytest.raises(SystemExit, match="fails 0"):
        results.run(
            "table", evaluate, [{"method": m, "seed": s} for m in ("m", "fails") for s in (0, 1)]
        )
    assert measured == [("m", 0), ("m", 1), ("fails", 0), ("fails", 1)]
    content = json.loads((tmp_path / "table.json").read_text())
    assert [(row["score"], row["auroc"], row["run"]) for row in content["rows"]] == [
        *(("a", 0.5, 0), ("b", 0.5, 0), ("a", 1.5, 0), ("b", 1.5, 0))
    ]
    assert len(content["runs"]) == 1


def test_the_recorded_command_can_be_typed_again(monkeypatch):
    main = type(sys)("__main__")
    main.__spec__ = importlib.machinery.ModuleSpec("benchmarks.alad.tables", None)
    monkeypatch.setitem(sys.modules, "__main__", main)
    monkeypatch.setattr(sys, "argv", ["/a/tables.py", "--methods", "ALAD, +DL"])
    command = "python -m benchmarks.alad.tables --methods 'ALAD, +DL'"
    assert results.provenance()["command"] == command


@pytest.mark.parametrize(
    ("recorded", "method", "command"),
    [
        ("benchmarks/tried.py ARN", None, "benchmarks.studies.tried ARN"),
        ("benchmarks/arn_tried.py", None, "benchmarks.studies.tried ARN"),
        ("benchmarks/adbench.py --methods AMA", "AMA", "benchmarks.studies.adbench --methods AMA"),
        (
            "benchmarks/adbench.py --methods AMA",
            "AMA, outward",
            "benchmarks.studies.adbench --methods 'AMA, outward'",
        ),
        (
            "benchmarks/adbench.py --methods 'AMA, no negatives'",
            "AMA",
            "benchmarks.studies.adbench --methods AMA",
        ),
        ("-m benchmarks.alad.tables --seeds 1", None, "benchmarks.alad.tables --seeds 1"),
    ],
)
def test_recorded_commands_are_translated(recorded, method, command):
    assert commands.current(f"python {recorded}", [{"method": method}]) == f"python -m {command}"


def test_commands_in_the_documentation_exist():
    pages = [*ROOT.glob("*.md"), *ROOT.glob("benchmarks/*.md"), *ROOT.glob("doc/**/*.rst")]
    pages += [*ROOT.glob("skgad/**/*.py"), *ROOT.glob("examples/**/*.py"), ROOT / "Makefile"]
    missing = []
    for page in pages:
        if {"_build", "gallery", "api"} & {*page.relative_to(ROOT).parts}:
            continue
        text = page.read_text()
        modules = re.findall(r"python\s+-m\s+(benchmarks(?:\.\w+)+)", text)
        files = re.findall(r"\bbenchmarks/[\w/]+\.py\b", text)
        files += [f"{module.replace('.', '/')}.py" for module in modules]
        missing += [f"{page.name}: {file}" for file in files if not (ROOT / file).exists()]
    assert not missing
