"""``skgad score``: tables with the columns and types of a model."""

import numpy as np
import pandas as pd
import pytest
from cli_common import SCORE, assert_rejected, payments, payments_folder, run, saved, train

folder = pytest.fixture(payments_folder)


def test_columns_are_found_by_name_and_read_with_the_types_of_the_model(folder):
    table = payments().assign(code=np.arange(60) % 3, zip=["012", "A1"] * 30)
    table["day"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(60) % 30, unit="D")
    table.to_csv("types.csv", index=False)
    train("--label-column", "fraud", "--categorical", "code", "--date", "day", data="types.csv")
    assert saved("model")["background"]["day"].dtype.kind == "M"
    encoder = saved("model")["detector"].encoder_
    assert [len(encoder.feature_groups_[name]) for name in ("code", "zip")] == [3, 2]

    all_results = run("score", "types.csv", "--model", "model", "--out", "all.csv")
    # Every zip of this table looks like a number.
    part = table[::2][["day", "code", "zip", "amount", "items", "shop"]]
    part.to_csv("part.csv", index=False)
    results = run("score", "part.csv", "--model", "model", "--out", "part_out.csv")
    assert [*results] == ["anomaly_score", "decision"]
    np.testing.assert_array_equal(results["anomaly_score"], all_results["anomaly_score"][::2])


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        (
            pd.DataFrame({"a": [1], "b": [2]}),
            [],
            "Columns 'shop', 'amount', 'items', 'fraud' not found",
        ),
        (payments().assign(extra=1), [], "not trained with 'extra'. .*--ignore"),
        (payments().assign(items="few"), [], "Column 'items' contained numbers during fit"),
        (payments(), ["--label-column", "fraud"], "trained with 'fraud' as features"),
    ],
    ids=["missing columns", "unknown column", "other type", "label among the features"],
)
def test_tables_that_do_not_match_the_model_are_rejected(folder, capsys, table, options, message):
    train()
    table.to_csv("data.csv", index=False)
    assert_rejected(capsys, [*SCORE, *options], message)


@pytest.mark.parametrize("name", ["KNeighborsDetector", "DensityDetector"])
def test_models_of_baselines_score_and_explain(folder, name):
    train("--ignore", "fraud", "--detector", name, "--contamination", "0.1")
    results = run(*SCORE, "--ignore", "key", "--ignore", "fraud", "--explain")
    assert (results["decision"][:5] == "outlier").all()
    assert (results["reason_1"][:5] == "amount").all()
