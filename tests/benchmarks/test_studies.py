"""The studies run on small files of the tests."""

import shutil

import numpy as np
import pytest

from benchmarks.common import render, results
from benchmarks.studies import oddbench, render_rankings


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A data home with one small table of OddBench. Results are written to the same folder."""
    (tmp_path / "oddbench").mkdir()
    rng = np.random.default_rng(0)
    test = np.concatenate([rng.normal(size=(20, 3)), rng.normal(8, 1, size=(5, 3))])
    np.savez(
        tmp_path / "oddbench" / "Toy.npz",
        train=rng.normal(size=(50, 3)),
        test=test,
        test_labels=np.repeat([0, 1], [20, 5]).astype(np.int8),
    )
    monkeypatch.setattr(results, "FOLDER", tmp_path / "results")
    return tmp_path


def test_oddbench_records_metrics_and_times_of_each_run_once(folder):
    options = ["--data-home", str(folder), "--methods", "k-NN", "IsolationForest", "--seeds", "2"]
    oddbench.main(options)
    oddbench.main(options)
    rows = results.load("oddbench")
    assert [(row["dataset"], row["method"], row["seed"]) for row in rows] == [
        ("Toy", method, seed) for seed in (0, 1) for method in ("k-NN", "IsolationForest")
    ]
    for row in rows:
        assert row["auroc"] == row["ap"] == 1
        assert row["fit_seconds"] > 0
        assert row["score_seconds"] > 0


def test_tables_of_oddbench_are_written_only_if_there_are_results(folder, monkeypatch):
    recorded = render.ROOT / "benchmarks" / "results"
    results.FOLDER.mkdir()
    monkeypatch.setattr(render, "DOC", folder / "doc")
    for name in ("adbench.json", "published.json"):
        shutil.copy(recorded / name, results.FOLDER)
    render_rankings.render()
    tables = folder / "doc" / "tables"
    assert (tables / "adbench_ranks_auroc.rst").exists()
    assert not [*tables.glob("oddbench*")]

    shutil.copy(recorded / "oddbench.json", results.FOLDER)
    render_rankings.render()
    assert {path.stem for path in tables.glob("oddbench*")} == {
        "oddbench",
        *(f"oddbench{kind}_{metric}" for kind in ("", "_ranks") for metric in ("auroc", "ap")),
    }
