"""Options and fixtures of the tests."""

import os
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]


def pytest_addoption(parser):
    parser.addoption(
        "--device", default="cpu", choices=["cpu", "cuda"], help="Where the detectors train."
    )


def pytest_configure(config):
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def device(request):
    """The device given by ``--device``."""
    name = request.config.getoption("--device")
    if name == "cuda" and not torch.cuda.is_available():
        pytest.skip("--device cuda: there is no CUDA device")
    return name


@pytest.fixture(scope="session")
def data_home():
    """Folder of the data sets that the repository does not carry."""
    folder = Path(os.environ.get("SKGAD_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there: set SKGAD_DATA to the folder of the data sets")
    return folder
