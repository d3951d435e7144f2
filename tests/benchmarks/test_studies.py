"""The studies run on small files of the tests."""

import shutil

import numpy as np
import pytest

from benchmarks.common import render, results
from benchmarks.studies import baselines, oddbench, render_rankings
from benchmarks.studies import render as render_studies


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


def test_tables_of_the_baselines_are_written_only_with_results(folder, monkeypatch):
    rng = np.random.default_rng(0)
    (folder / "adbench").mkdir()
    for name in ("1_toy", "2_toy"):
        X = np.concatenate([rng.normal(size=(60, 3)), rng.normal(8, 1, size=(5, 3))])
        np.savez(folder / "adbench" / f"{name}.npz", X=X, y=np.repeat([0, 1], [60, 5]))
    monkeypatch.setattr(render, "DOC", folder / "doc")
    render_studies.baselines()
    tables = {path.stem: path for path in (folder / "doc" / "tables").iterdir()}
    assert {*tables} == {"baselines", *(f"baselines_{name}" for name in ("peers", "auroc", "ap"))}
    assert all("not been measured" in path.read_text() for path in tables.values())

    options = ["--data-home", str(folder), "--seeds", "2"]
    for _ in range(2):
        baselines.main(
            [*options, "--methods", "references", "KNeighborsDetector", "DensityDetector"]
        )
    for name in ("PyOD KNN", "PyOD GMM"):  # PyOD is optional
        monkeypatch.setitem(baselines.METHODS, name, baselines.METHODS["L2 norm"])
    baselines.main([*options, "--methods", "PyOD KNN", "PyOD GMM"])
    rows = results.load("baselines")
    assert len(rows) == 2 * 2 * 8
    render_studies.baselines()
    text = tables["baselines"].read_text()
    assert all(row["method"] in text for row in rows)
    peers = tables["baselines_peers"].read_text()
    assert "AUROC, PyOD" in peers
    assert "DensityDetector" in peers
    assert "DeepOD" not in peers


def test_unknown_detectors_fail_without_stopping_the_other_runs(folder, monkeypatch):
    rng = np.random.default_rng(0)
    (folder / "adbench").mkdir()
    X = rng.normal(size=(60, 3))
    np.savez(folder / "adbench" / "1_toy.npz", X=X, y=np.repeat([0, 1], [50, 10]))
    monkeypatch.setitem(baselines.METHODS, "DeepSVDD", lambda seed: baselines.ours("NoSuch", seed))
    options = ["--data-home", str(folder), "--seeds", "1", "--methods", "DeepSVDD", "k-NN"]
    with pytest.raises(SystemExit, match="1_toy DeepSVDD 0"):
        baselines.main(options)
    assert [row["method"] for row in results.load("baselines")] == ["k-NN"]
