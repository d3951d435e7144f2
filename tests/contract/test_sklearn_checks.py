"""The estimator checks of scikit-learn."""

import os
import subprocess
import sys

import pytest
from common import DETECTORS, tiny
from conftest import ROOT
from sklearn.utils.estimator_checks import parametrize_with_checks

# The checks fit rows that are not scaled.
pytestmark = pytest.mark.filterwarnings("ignore:The root mean square of the features")


@parametrize_with_checks([tiny(name) for name in DETECTORS])
def test_the_checks_of_scikit_learn_pass(estimator, check, device):
    check(estimator.set_params(device=device))


def test_the_checks_of_scikit_learn_pass_with_array_api_dispatch(device):
    code = f"""
import sys
sys.path.insert(0, {str(ROOT / "tests")!r})
import torch
from common import DETECTORS, tiny
from sklearn import config_context
from sklearn.utils.estimator_checks import check_estimator
torch.set_num_threads(1)
for name in DETECTORS:
    # Dispatch does not depend on the length of the training, which the test above covers.
    detector = tiny(name, device={device!r}, max_epochs=1, batch_size=64)
    results = check_estimator(detector, on_skip=None, on_fail="raise")
    print(name, *{{result["status"] for result in results}}, len(results))
    with config_context(array_api_dispatch=True):
        tiny(name, device={device!r}).fit(torch.rand(48, 4)).predict(torch.rand(3, 4))
"""
    environment = {**os.environ, "SCIPY_ARRAY_API": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    results = [line.split() for line in done.stdout.splitlines()]
    assert {name for name, *_ in results} == set(DETECTORS)
    assert all(statuses == ["passed"] and int(n) > 40 for _, *statuses, n in results), results
