"""The recipes of the page about engines, against the engines themselves."""

import contextlib
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from joblib.externals.loky.process_executor import TerminatedWorkerError

pytestmark = pytest.mark.filterwarnings("ignore")  # those of the engines

PAGE = (ROOT / "doc" / "user_guide" / "engines.rst").read_text()

#: A `score` that ends the process of the worker the first time that it is called.
DEADLY_SCORE = """
import os
score_of_page = score
marker = os.path.abspath("a worker has died")


def score(part, detector):
    if len(part) and not os.path.exists(marker):
        open(marker, "w").close()
        os._exit(1)
    return score_of_page(part, detector)
"""


def blocks(title, language="python"):
    """Code of one section of the page."""
    section = re.split(rf"^{title}\n[-=]+\n", PAGE, flags=re.M)[1]
    section = re.split(r"^.+\n[-=]{3,}\n", section, flags=re.M)[0]
    pattern = rf"^\.\. code-block:: {language}\n\n((?:   .*\n|\n)+)"
    return [textwrap.dedent(block) for block in re.findall(pattern, section, re.M)]


def installed(name):
    return pytest.importorskip(name, reason=f"{name} is not installed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the rows of the page."""
    folder = tmp_path_factory.mktemp("engines")
    rng = np.random.default_rng(0)
    days = pd.to_timedelta(rng.integers(0, 300, 400), unit="D")
    table = pd.DataFrame(
        {
            "id": np.arange(400),
            "amount": np.where(rng.random(400) < 0.05, np.nan, rng.lognormal(3, 1, 400)),
            "items": rng.integers(1, 9, 400),
            "country": rng.choice(["Austria", "Belgium", None], 400),
            "day": pd.Timestamp("2026-01-01") + days,
        }
    )
    (folder / "rows").mkdir()
    for i in range(4):
        rows = table[100 * i : 100 * (i + 1)]
        rows.to_parquet(folder / "rows" / f"{i}.parquet", index=False)
    return folder


@pytest.fixture(scope="module")
def first_names(folder):
    """Variables of the page after its first section."""
    names = {"__name__": "__main__"}  # what is defined there is pickled by value
    with contextlib.chdir(folder):
        for code in blocks("Dask, Ray, Spark, Optuna and MLflow"):
            exec(code, names)
    return names


@pytest.fixture
def names(folder, first_names, monkeypatch):
    """Variables of a test, which runs in the folder."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *sys.path]))
    Path("a worker has died").unlink(missing_ok=True)
    return dict(first_names)


def run(title, names):
    """Run the code of a section, and check its scores if it has some."""
    for code in blocks(title):
        exec(code, names)
    check(names)


def check(names):
    """Check that scores are those of one process, to the bit."""
    table, scores = names["table"], names["scores"]
    expected = names["detector"].score_samples(table.drop(columns="id"))
    assert len(scores) == len(table)
    scores = scores.set_index("id").loc[table["id"], "score"]
    np.testing.assert_array_equal(scores, expected)


def test_joblib_gives_the_bits_of_one_process(names):
    from joblib import parallel_config

    run("joblib", names)
    (code,) = blocks("joblib")
    with parallel_config(backend="threading"):
        exec(code, names)
    check(names)


def test_joblib_raises_an_error_if_a_process_dies_and_starts_new_ones(names):
    exec(DEADLY_SCORE, names)
    with pytest.raises(TerminatedWorkerError):
        run("joblib", names)
    run("joblib", names)


def test_dask_gives_the_bits_of_one_process(names):
    installed("dask.dataframe")
    run("Dask", names)


def test_dask_repeats_the_tasks_of_a_worker_that_dies(names):
    distributed = installed("distributed")
    installed("dask.dataframe")
    exec(DEADLY_SCORE, names)
    cluster = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.Client(**cluster):
        run("Dask", names)
    assert os.path.exists(names["marker"])


def test_ray_repeats_the_batches_of_a_worker_that_dies(names):
    ray = installed("ray")
    exec(DEADLY_SCORE, names)
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False)
    try:
        run("Ray", names)
    finally:
        ray.shutdown()
    assert os.path.exists(names["marker"])


def test_spark_repeats_the_tasks_of_a_worker_that_dies(names, monkeypatch):
    sql = installed("pyspark.sql")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java: apt-get install default-jre-headless")
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    exec(DEADLY_SCORE, names)
    builder = sql.SparkSession.builder.master("local[2, 4]")
    spark = builder.config("spark.ui.enabled", "false").getOrCreate()
    try:
        run("Spark", names)
    finally:
        spark.stop()
    assert os.path.exists(names["marker"])


def test_optuna_stops_trials_by_a_criterion_without_labels(names):
    optuna = installed("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    (code,) = blocks("Optuna")
    exec(code, names)
    states = [trial.state.name for trial in names["study"].trials]
    assert set(states) == {"COMPLETE", "PRUNED"}
    stopped = names["study"].trials[states.index("PRUNED")]
    assert len(stopped.intermediate_values) < 5
    assert names["study"].best_value > 0.5


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def request(url, data=None):
    """Answer of a server that may still be starting."""
    for _ in range(240):
        try:
            with urlopen(Request(url, data, {"Content-Type": "application/json"})) as answer:
                return answer.read()
        except URLError as error:
            if not isinstance(error.reason, ConnectionRefusedError):
                raise
            time.sleep(0.5)
    raise TimeoutError(url)


def test_mlflow_registers_loads_and_serves_a_detector(names, folder):
    mlflow = installed("mlflow")
    for code in blocks("MLflow"):
        exec(code, names)
    X = names["X"]
    expected = names["detector"].score_samples(X)
    np.testing.assert_array_equal(names["loaded"].score_samples(X), expected)
    scorer = mlflow.pyfunc.load_model("models:/scorer/1")
    np.testing.assert_array_equal(scorer.predict(X), expected)

    port = free_port()
    (code,) = blocks("MLflow", "bash")
    command = shlex.split(code.strip().splitlines()[-1].replace("5001", str(port)))
    uri = {"MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"}
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(
            [*command, "--workers", "1"],
            env={**os.environ, **uri, "PATH": path},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            request(f"http://127.0.0.1:{port}/ping")
            rows = X.assign(day=X["day"].astype(str)).astype(object).where(X.notna(), None)
            body = json.dumps({"dataframe_split": rows.to_dict(orient="split")}).encode()
            answer = json.loads(request(f"http://127.0.0.1:{port}/invocations", body))
        finally:
            os.killpg(server.pid, 15)
            server.wait()
    np.testing.assert_array_equal(answer["predictions"], expected)


def test_importing_skgad_imports_no_engine():
    code = "import sys; from skgad import *; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"dask", "ray", "pyspark", "optuna", "mlflow"} & set(done.stdout.split())
