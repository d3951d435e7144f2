"""The script of `make gpu`: its parts on a CPU, and what failures and interrupts leave."""

import inspect
import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import torch
from conftest import ROOT

from benchmarks.common import results
from benchmarks.common.parts import run_part
from benchmarks.studies import gpu

WRITE = """
import json, sys
def write(**row):
    with open(sys.argv[-1], "a") as file:
        file.write(json.dumps(row) + "\\n")
"""


def python(code):
    """A command that can write rows."""
    return [sys.executable, "-c", WRITE + code]


def has_ended(pid):
    """Whether a process has ended, or will within a few seconds."""
    for _ in range(50):
        try:
            os.kill(pid, 0)
            with open(f"/proc/{pid}/stat") as file:
                if file.read().rpartition(")")[2].split()[0] == "Z":
                    return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.1)
    return False


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log"


def test_a_part_that_succeeds_gives_its_rows(log):
    outcome = run_part(python("write(a=1); write(a=2); print('hello')"), 60, log)
    assert (outcome.status, outcome.reason, outcome.last_lines) == ("done", None, [])
    assert outcome.rows == [{"a": 1}, {"a": 2}]
    assert outcome.seconds > 0
    assert log.read_text() == "hello\n"


def test_a_part_that_raises_an_error_keeps_its_rows_and_last_lines(log):
    outcome = run_part(python("write(a=1); raise MemoryError('64 members')"), 60, log)
    assert (outcome.status, outcome.reason) == ("failed", "it ended with exit status 1")
    assert outcome.rows == [{"a": 1}]
    assert outcome.last_lines[-1] == "MemoryError: 64 members"


def test_a_part_that_is_killed_keeps_its_rows_without_an_incomplete_one(log):
    code = "write(a=1); open(sys.argv[-1], 'a').write('{\"a\": '); import os; os.abort()"
    outcome = run_part(python(code), 60, log)
    assert (outcome.status, outcome.reason) == ("failed", "it was ended by SIGABRT")
    assert outcome.rows == [{"a": 1}]


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_part_that_hangs_is_ended_with_its_children(stubborn, log, monkeypatch):
    monkeypatch.setattr("benchmarks.common.parts.GRACE", 0.5)
    code = "import signal, subprocess, time\n"
    if stubborn:
        code += "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    code += "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    code += "write(pid=child.pid); print('before', flush=True); time.sleep(600)"
    outcome = run_part(python(code), 3, log)
    assert (outcome.status, outcome.reason) == ("failed", "it exceeded its limit of 3 s")
    assert outcome.last_lines[0] == "before"
    assert has_ended(outcome.rows[0]["pid"])


@pytest.fixture
def scripted(tmp_path, monkeypatch):
    """Run parts that are a line of Python each, and return the content of the JSON file."""

    def run(device="cpu", **codes):
        limits = {name: 1 if name == "hangs" else 60 for name in codes}
        monkeypatch.setattr(gpu, "PARTS", {name: (gpu.quality, limits[name]) for name in codes})
        monkeypatch.setattr(gpu, "command", lambda part, device: python(codes[part]))
        path = tmp_path / "results" / "table.json"
        unfinished = gpu.run_parts(list(codes), device, path, tmp_path / "logs")
        return unfinished, json.loads(path.read_text()), path.with_suffix(".md").read_text()

    return run


def test_a_failure_of_one_part_leaves_the_results_of_the_others(scripted):
    unfinished, content, page = scripted(
        first="write(x=0.123456789)",
        fails="write(x=1); sys.exit('out of memory')",
        hangs="import time; time.sleep(600)",
        last="write(x=2)",
    )
    assert unfinished == ["fails", "hangs"]
    assert [part["status"] for part in content["parts"]] == ["done", "failed", "failed", "done"]
    assert [(row["part"], row["device"], row["run"]) for row in content["rows"]] == [
        (name, "cpu", 0) for name in ("first", "fails", "last")
    ]
    assert "**Failed** after 0 s: it ended with exit status 1." in page
    assert "```text\nout of memory\n```" in page
    assert "it exceeded its limit of 1 s." in page
    assert "| x |\n| --- |\n| 0.1235 |" in page


def test_a_part_that_runs_again_replaces_its_results_only(scripted, monkeypatch):
    monkeypatch.setattr(results, "provenance", lambda: dict(RUN, commit="old"))
    scripted(a="write(x=1)", b="write(x=2)")
    monkeypatch.setattr(results, "provenance", lambda: dict(RUN, commit="new"))
    original = gpu.run_parts
    monkeypatch.setattr(gpu, "run_parts", lambda names, *args: original(["b"], *args))
    _, content, page = scripted(a="", b="write(x=3)")
    assert [(row["part"], row["x"], row["run"]) for row in content["rows"]] == [
        ("a", 1, 0),
        ("b", 3, 1),
    ]
    assert [run["commit"] for run in content["runs"]] == ["old", "new"]
    assert page.index("commit old") < page.index("commit new")


RUN = {"gpu": "NVIDIA H200", "cpu": "EPYC", "torch": "2", "commit": "abc", "started": "today"}


def test_parts_without_time_are_not_run(scripted, monkeypatch, capsys):
    monkeypatch.setattr(gpu, "TOTAL_LIMIT", gpu.TOO_FEW_SECONDS + 2)
    unfinished, content, page = scripted(a="import time; time.sleep(2.5)", b="write(x=1)")
    assert unfinished == ["b"]
    assert [part["part"] for part in content["parts"]] == ["a"]
    assert "## b" in page
    assert "**Not run.**" in page
    assert "b: not run" in capsys.readouterr().out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_the_results_until_then(number, tmp_path):
    started = tmp_path / "started"
    codes = {
        "quality": "write(x=1)",
        "suite": "import os, time; write(pid=os.getpid())\n"
        f"open({str(started)!r}, 'w').close(); time.sleep(600)",
    }
    script = (
        "from benchmarks.studies import gpu\n"
        f"codes = { {name: WRITE + code for name, code in codes.items()}!r}\n"
        "gpu.command = lambda part, device: [gpu.sys.executable, '-c', codes[part]]\n"
        f"gpu.main(['--device', 'cpu', '--output', {str(tmp_path)!r}])\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        while not started.exists():
            assert process.poll() is None
            time.sleep(0.1)
        process.send_signal(number)
        assert "suite: **Interrupted** after" in process.stdout.read()
        assert process.wait(30) == 130
    content = json.loads((tmp_path / "gpu_script_on_cpu.json").read_text())
    assert [part["status"] for part in content["parts"]] == ["done", "interrupted"]
    assert content["rows"][0]["x"] == 1
    assert has_ended(content["rows"][1]["pid"])
    assert (tmp_path / "gpu_script_on_cpu.md").read_text().startswith("# Not a GPU result")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_cuda_nothing_is_run(tmp_path):
    with pytest.raises(SystemExit, match="finds no CUDA device. Nothing was run"):
        gpu.main(["--output", str(tmp_path)])
    assert not [*tmp_path.iterdir()]


def test_only_runs_on_a_gpu_are_presented_as_such(tmp_path):
    content = {
        "runs": [RUN],
        "parts": [{"part": "large", "status": "done", "seconds": 1, "last_lines": [], "run": 0}],
        "rows": [{"part": "large", "device": "cuda", "rows_per_second": 1e6, "run": 0}],
    }
    page = gpu.page(content, "cuda")
    assert page.startswith("# The detectors on a GPU\n")
    assert "On NVIDIA H200 (cuda), torch 2, commit abc, today." in page
    page = gpu.page(content, "cpu")
    assert page.startswith("# Not a GPU result")
    assert "On EPYC (cpu)" in page
    assert "NVIDIA" not in page


def test_the_gpu_of_the_machine_is_not_recorded_for_a_cpu(monkeypatch):
    monkeypatch.setattr(results, "provenance", lambda: dict(RUN))
    run = gpu.this_run("cpu")
    assert run["device"] == "cpu"
    assert run["gpu"] is run["gpu_memory_mb"] is None


@pytest.mark.parametrize("device", gpu.SIZES)
def test_every_part_has_sizes_that_it_accepts(device):
    sizes = gpu.SIZES[device]
    assert sizes.keys() == gpu.PARTS.keys()
    for name, (function, _) in gpu.PARTS.items():
        inspect.signature(function).bind(device, **sizes[name])
    for name in ("steps", "methods"):
        assert sizes[name]["members"][0] == 1
    for tests in sizes["suite"]["tests"]:
        assert (ROOT / tests).exists()


def test_the_limits_leave_time_for_the_installation():
    assert gpu.TOTAL_LIMIT <= 7 * 60
    assert gpu.SIZES["cuda"]["suite"]["seconds"] < gpu.PARTS["suite"][1]


def test_every_detector_is_compared_with_the_cpu():
    rows = list(gpu.quality("cpu", epochs=1, n_members=2))
    assert [row["method"] for row in rows] == gpu.DETECTORS
    for row in rows:
        assert row["difference"] == row["score_difference"] == 0
        assert row["within_tolerance"] is True
        assert row["auroc"] > 0.8


def test_a_detector_that_ranks_worse_is_reported(monkeypatch):
    monkeypatch.setattr(gpu, "DETECTORS", ["WAE"])
    aurocs = iter([0.9, 0.8])
    monkeypatch.setattr(gpu, "roc_auc_score", lambda *args: next(aurocs))
    parts = gpu.quality("cpu", epochs=1, n_members=1)
    assert next(parts)["within_tolerance"] is False
    with pytest.raises(SystemExit, match="Not within the tolerances: WAE"):
        next(parts)


def test_steps_are_measured_for_modes_members_and_places():
    rows = list(
        gpu.steps("cpu", methods=["WAE"], members=(1, 2), places=gpu.BOTH, n_rows=256, rounds=1)
    )
    assert [(row["mode"], row["members"], row["rows"]) for row in rows] == [
        (mode, members, place)
        for mode in ("eager", "captured")
        for members in (1, 2)
        for place in gpu.BOTH
    ]
    for row in rows:
        assert ("CUDA devices only" in (row["not_captured"] or "")) == (row["mode"] == "captured")
        assert row["steps_per_second"] == pytest.approx(1000 / row["ms_per_step"])
        assert row["peak_device_mb"] is None
        assert row["peak_host_mb"] > 0
    assert rows[0]["ratio_to_one_member"] == 1


def test_scoring_is_measured():
    rows = list(gpu.scores("cpu", members=(1, 2), n_rows=2_000, rounds=1))
    assert [row["members"] for row in rows] == [1, 2]
    (large,) = gpu.large("cpu", n_rows=2_000)
    for row in [*rows, large]:
        assert row["n_rows"] == 2_000
        assert row["rows_per_second"] > 0


def test_the_suite_runs_the_tests_that_use_the_device_and_names_failures(tmp_path):
    outcome = run_suite(tmp_path)
    assert outcome.status == "failed"
    assert outcome.rows == [
        {"tests": 5, "passed": 2, "failed": 2, "skipped": 1, "not_run": 0, "processes": 1}
    ]
    *_, first, second, summary = outcome.last_lines
    assert first.endswith("test_some.py::test_device[1-a]")
    assert second.endswith("test_some.py::test_device[1-b]")
    assert summary == "2 tests failed, 0 were not run."


def test_the_suite_stops_when_its_time_is_over():
    item = SimpleNamespace(session=SimpleNamespace(shouldstop=False))
    gpu.DeviceTests(60, 0, 1).pytest_runtest_protocol(item)
    assert item.session.shouldstop is False
    gpu.DeviceTests(-1, 0, 1).pytest_runtest_protocol(item)
    assert item.session.shouldstop


def run_suite(folder):
    """Run the part with the tests on a file of six tests, of which five use the device."""
    tests = folder / "test_some.py"
    tests.write_text(
        "import pytest\n"
        "@pytest.fixture\n"
        "def device(request): return request.config.getoption('--device')\n"
        "def test_other(): assert False\n"
        "@pytest.mark.parametrize('letter', 'ab')\n"
        "@pytest.mark.parametrize('value', [None, 1])\n"
        "def test_device(device, value, letter): assert device == 'cpu' and value is None\n"
        "def test_skipped(device): pytest.skip('no reason')\n"
    )
    (folder / "conftest.py").write_text(
        "def pytest_addoption(parser): parser.addoption('--device')\n"
    )
    (folder / "pytest.ini").write_text("[pytest]\n")
    code = (
        "import sys\n"
        "from benchmarks.studies import gpu\n"
        "if __name__ == '__main__':\n"
        f"    sizes = {{'tests': [{str(folder)!r}], 'seconds': 60, 'max_processes': 1}}\n"
        "    gpu.SIZES['cpu']['suite'] = sizes\n"
        "    gpu.main(['--device', 'cpu', '--parts', 'suite', '--rows', sys.argv[-1]])\n"
    )
    return run_part([sys.executable, "-c", code], 120, folder / "log")
