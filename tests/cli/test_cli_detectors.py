"""Detectors of the command line, and their parameters."""

import numpy as np
import pytest
from cli_common import DETECT, assert_rejected, payments_folder, run
from common import DETECTORS as PUBLIC_DETECTORS

import skgad
from skgad.cli._detectors import DETECTORS

folder = pytest.fixture(payments_folder)


def test_all_detectors_of_the_package_can_be_chosen():
    ours = {name for name, module in DETECTORS.items() if module == "skgad"}
    assert ours == {*PUBLIC_DETECTORS}


@pytest.mark.parametrize("name", DETECTORS)
def test_every_detector_can_be_chosen(folder, name):
    settings = ["--set", "max_epochs=1"] if hasattr(skgad, name) else []
    results = run(*DETECT, "--ignore", "key", "--detector", name, *settings)
    assert np.isfinite(results["anomaly_score"]).all()
    assert {*results["decision"]} <= {"inlier", "outlier"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--set", "epochs=3"], "Invalid parameter 'epochs'.*max_epochs"),
        (["--set", "max_epochs__a=3"], "Invalid parameter 'max_epochs__a'. Check --set"),
        (["--set", "networks__hidden=3"], "Invalid parameter 'hidden' for estimator MLP"),
        (["--set", "max_epochs=many"], "'max_epochs' parameter of Autoencoder must be"),
        (["--set", "encoder__numeric=log"], "'numeric' parameter of TabularEncoder"),
        (["--contamination", "2"], "'contamination' parameter of Autoencoder must be"),
        (["--contamination", "0.1", "--detector", "OneClassSVM"], "Invalid parameter"),
    ],
)
def test_invalid_parameters_are_rejected(folder, capsys, options, message):
    assert_rejected(capsys, [*DETECT, *options], message)
