"""The detectors of the scripts have the settings of the recorded results."""

import ast

import pytest
from common import DETECTORS
from conftest import ROOT

import skgad
from benchmarks.common.detectors import METHODS, build

SCRIPTS = sorted((ROOT / "benchmarks").rglob("*.py"))


@pytest.mark.parametrize("name", DETECTORS)
def test_detectors_use_the_columns_as_they_are_and_their_own_score(name):
    detector = build(name, 3)
    assert type(detector) is getattr(skgad, name)
    assert detector.encoding is None
    assert getattr(detector, "score_type", None) == getattr(detector, "own_score", None)
    assert detector.random_state == 3


def test_settings_can_be_replaced():
    detector = build("CoRA", 0, encoding="piecewise", score_type="neighbors")
    assert (detector.encoding, detector.score_type) == ("piecewise", "neighbors")


def test_compared_detectors_have_no_default_encoding_or_score():
    detectors = [make(0) for make in METHODS.values()]
    ours = [detector for detector in detectors if isinstance(detector, skgad.BaseDetector)]
    assert {type(detector).__name__ for detector in ours} == set(DETECTORS)
    for detector in ours:
        assert detector.encoding is None
        assert getattr(detector, "score_type", None) == getattr(detector, "own_score", None)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_scripts_do_not_import_the_classes_of_detectors(path):
    tree = ast.parse(path.read_text())
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("skgad")
        for alias in node.names
    }
    assert not imported & set(DETECTORS), "Use benchmarks.common.detectors.build."
