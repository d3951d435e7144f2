"""Methods that the papers' tables compare with are run here, too."""

import json

import pytest
from sklearn.ensemble import IsolationForest

from benchmarks.alad import tables as alad
from benchmarks.ama import images as ama
from benchmarks.arn import tables as arn
from benchmarks.common import results
from benchmarks.common.detectors import PAPER_BASELINES, QUOTED
from benchmarks.rcgan import tables as rcgan
from benchmarks.studies import baselines
from benchmarks.waldo import images as waldo_images
from benchmarks.waldo import tables as waldo

#: Names of the papers for methods of QUOTED.
NAMES = {"ADGAN": "AnoGAN", "DSVDD": "DeepSVDD", "FGAN": "FenceGAN"}
RUN = {
    "alad": {"II": [*alad.OTHERS, "ALAD"]},
    "rcgan": {"1": rcgan.TABLES["1"]["kdd99"]},
    "waldo": {"1": waldo.OTHERS, "2": waldo.OTHERS},
    "arn": {"2": arn.TABLES["2"], "3": arn.TABLES["3"]},
    "ama": {"1": ama.RUNS["ood"][2], "2": ama.RUNS["mnist"][2]},
}
CASES = [(paper, table) for paper, tables in RUN.items() for table in tables]


@pytest.fixture
def stubs(monkeypatch):
    """Replace the methods by isolation forests."""

    def forest(seed, **params):
        return IsolationForest(n_estimators=5, random_state=seed)

    for name in QUOTED:
        monkeypatch.setitem(QUOTED, name, forest)


@pytest.mark.parametrize(("paper", "table"), CASES)
def test_every_quoted_method_is_run(paper, table):
    rows = json.loads((results.FOLDER / "published.json").read_text())[paper]["rows"]
    quoted = {NAMES.get(row["method"], row["method"]) for row in rows if row["table"] == table}
    assert quoted & QUOTED.keys() <= {*RUN[paper][table]}


@pytest.mark.parametrize(
    ("module", "key"),
    [
        (alad, {"data": "arrhythmia", "inputs": "scaled", "method": "DAGMM"}),
        (
            rcgan,
            {"data": "thyroid", "train": "normal", "inputs": "standardised", "method": "DSEBM-e"},
        ),
        (waldo_images, {"data": "mnist", "nu": 0.05, "method": "DeepSVDD"}),
        (waldo_images, {"data": "mnist", "nu": 0.05, "method": "DeepSVDD, ConvNet"}),
        (
            ama,
            {
                "data": "mnist",
                "normal": "0",
                "n_images": 50,
                "method": "Skip-GANomaly",
                "epochs": 1,
            },
        ),
        (
            arn,
            {
                "data": "Bank",
                "inputs": "min-max",
                "method": "GANomaly",
                "contamination": 0.0,
                "known": 0.0,
            },
        ),
    ],
)
def test_quoted_methods_are_measured(module, key, stubs, data_home):
    rows = module.evaluate(**key, seed=0, data_home=str(data_home))
    for row in rows if isinstance(rows, list) else [rows]:
        assert 0 <= row.get("auroc", row.get("mixture_auroc")) <= 1


@pytest.mark.parametrize("module", [alad, rcgan])
def test_quoted_methods_are_not_run_on_raw_values(module, monkeypatch):
    selected = []
    monkeypatch.setattr(results, "run", lambda table, evaluate, keys, n_jobs: selected.extend(keys))
    module.main([])
    inputs = {key["inputs"] for key in selected if key["method"] in module.OTHERS}
    assert "raw" not in inputs
    assert "scaled" in inputs


def test_the_study_has_all_baselines():
    names = {make.args[0] for make in baselines.OURS.values() if hasattr(make, "args")}
    assert names == {*PAPER_BASELINES, "Autoencoder"}
    assert {*baselines.PEERS["PyOD"]} <= {*baselines.OURS}
    assert {*baselines.PEERS["PyOD"].values()} <= {*baselines.METHODS}
