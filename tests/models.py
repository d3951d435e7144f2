"""Write the model files of tests/models: ``python tests/models.py``.

They are saved by one version of skgad and loaded by all later ones, so write them again only if the
format changes. ``expected.json`` has the scores of a few rows.
"""

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from common import table, tiny

import skgad
from skgad.calibration import ConformalDetector
from skgad.ensemble import DetectorEnsemble
from skgad.neighbors import KNeighborsDetector

FOLDER = Path(__file__).parent / "models"


def mixed_table(n_rows=40):
    """Table of numbers, text, categories and dates with missing values."""
    frame = pd.DataFrame(table(n_rows, 2), columns=["height", "width"])
    frame["shop"] = np.resize(["bakery", "jeweller", "florist"], n_rows)
    frame["open"] = np.resize([True, False], n_rows)
    frame["day"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(n_rows), unit="D")
    frame.loc[3, "height"] = np.nan
    return frame


def small(name, **params):
    """Tiny detector with a score that stores no training codes."""
    return tiny(name, device="cpu", max_epochs=1, networks=skgad.MLP((3,)), **params)


#: Detectors and the rows that they are fitted to and score.
MODELS = {
    "alad": (small("ALAD", n_members=2), table(40, 2)),
    "tabular": (skgad.TabularDetector(small("DSEBM", score_type="reconstruction")), mixed_table()),
    "conformal": (ConformalDetector(small("DSEBM"), alpha=0.2, random_state=0), table(40)),
    "ensemble": (
        DetectorEnsemble([("dsebm", small("DSEBM")), ("neighbors", KNeighborsDetector())]),
        table(40),
    ),
}


def write_models():
    """Fit and save the detectors, and write their scores."""
    FOLDER.mkdir(exist_ok=True)
    expected = {}
    for name, (detector, X) in MODELS.items():
        with warnings.catch_warnings(action="ignore"):
            detector.fit(X)
        skgad.save(detector, FOLDER / f"{name}.skgad")
        expected[name] = detector.score_samples(X).tolist()
    (FOLDER / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    write_models()
