"""Options and fixtures of all tests."""

import os
from pathlib import Path

import pytest
import torch
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]


settings.register_profile("skgad", deadline=None, derandomize=True, database=None, max_examples=20)
settings.load_profile("skgad")


def pytest_addoption(parser):
    parser.addoption(
        "--device", default="cpu", choices=["cpu", "cuda"], help="Device of the detectors."
    )


def pytest_configure(config):
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def device(request):
    """Device given by ``--device``."""
    name = request.config.getoption("--device")
    if name == "cuda" and not torch.cuda.is_available():
        pytest.skip("--device cuda was given, but there is no CUDA device")
    return name


@pytest.fixture
def seeded():
    """Seed the generator of torch for one test, and restore its state afterwards."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.fixture(scope="session")
def data_home():
    """Folder of the datasets that the repository does not contain."""
    folder = Path(os.environ.get("SKGAD_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"{folder} does not exist: set SKGAD_DATA to the folder of the datasets")
    return folder
