"""Reasons for outliers."""

import warnings

import numpy as np
import pandas as pd
import pytest
from cli_common import FOREST, detect, payments, payments_folder, saved, train

import skgad.cli._results
from skgad.cli import main
from skgad.inspection import explain

folder = pytest.fixture(payments_folder)


def test_outliers_get_the_columns_that_contribute_most(folder):
    options = ["--ignore", "fraud", "--contamination", "0.15"]
    results = detect(*options, "--explain")
    is_outlier = results["decision"] == "outlier"
    names = [f"{name}_{rank}" for rank in (1, 2, 3) for name in ("reason", "contribution")]
    assert [*results][-6:] == names
    assert (results["reason_1"][:5] == "amount").all()
    assert results.loc[~is_outlier, names].isna().all(axis=None)
    contributions = results.loc[is_outlier, names[1::2]].fillna(0).to_numpy()
    assert (contributions >= 0).all()
    assert (np.diff(contributions) <= 0).all()

    train(*options)
    model = saved("model")
    X = payments()[[*model["background"]]]
    explanation = explain(model["detector"], X[:1], background=model["background"], random_state=0)
    expected = explanation.contributions.iloc[0].max()
    assert results["contribution_1"][0] == pytest.approx(expected)


def test_at_most_max_explained_outliers_are_explained(folder, capsys):
    options = ["--ignore", "fraud", "--contamination", 0.1, "--explain", "--max-explained", 2]
    with warnings.catch_warnings(action="always"):
        results = detect(*options)
    is_explained = results["reason_1"].notna()
    assert is_explained.sum() == 2
    scores = results["anomaly_score"]
    assert scores[is_explained].min() > scores[~is_explained].max()
    assert capsys.readouterr().err.startswith(
        "skgad: warning: Only the 2 outliers with the highest scores are explained, out of 6"
    )


def test_scores_are_kept_if_the_reasons_are_interrupted(folder, monkeypatch):
    expected = detect("--ignore", "fraud", out="scores.csv")

    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(skgad.cli._results, "find_reasons", interrupt)
    argv = ["detect", "data.csv", "--out", "out.csv", "--ignore", "key", "--ignore", "fraud"]
    assert main([*argv, *FOREST, "--explain"]) == 130
    results = pd.read_csv("out.csv", dtype={"key": str})
    pd.testing.assert_frame_equal(results, expected, check_dtype=False)
