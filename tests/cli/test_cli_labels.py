"""Labels of known anomalies, and the evaluation."""

import numpy as np
import pandas as pd
import pytest
from cli_common import DETECT, assert_rejected, detect, payments, payments_folder
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

folder = pytest.fixture(payments_folder)


def test_labels_are_used_only_for_the_evaluation(folder, capsys):
    results = detect("--label-column", "fraud", "--contamination", 0.1)
    lines = capsys.readouterr().out.splitlines()
    printed = {line[:19].strip(): float(line[19:]) for line in lines}
    y_true, scores = results["fraud"], results["anomaly_score"]
    y_pred = results["decision"] == "outlier"
    assert printed == {
        "rows with a label": 60,
        "anomalies": 5,
        "flagged": 6,
        "AUROC": pytest.approx(roc_auc_score(y_true, scores), abs=1e-4),
        "average precision": pytest.approx(average_precision_score(y_true, scores), abs=1e-4),
        "F1": pytest.approx(f1_score(y_true, y_pred), abs=1e-4),
    }

    payments().drop(columns="fraud").to_csv("unlabelled.csv", index=False)
    pd.testing.assert_series_equal(
        detect("--contamination", 0.1, data="unlabelled.csv", out="other.csv")["anomaly_score"],
        scores,
        check_exact=True,
    )


@pytest.mark.parametrize(
    ("values", "options"),
    [
        ([1, 0], []),
        ([-1, 1], []),
        ([True, False], []),
        ([True, False], ["--anomaly-label", "true"]),
        (["true", "false"], []),
        (["true", "false"], ["--anomaly-label", "true"]),
        (["fraud", "fine"], ["--anomaly-label", "fraud"]),
        (["None", "nan"], ["--anomaly-label", "None"]),
        (["nan", "null"], ["--anomaly-label", "nan"]),
        ([0, 1], ["--anomaly-label", "0"]),
        ([2, 1], ["--anomaly-label", "2"]),
    ],
)
def test_labels_of_anomalies_are_recognized_and_rows_without_labels_are_left_out(
    folder, capsys, values, options
):
    table = payments()
    table["fraud"] = np.where(table["fraud"] == 1, *values).astype(object)
    table.loc[4, "fraud"] = table.loc[50, "fraud"] = None
    table.to_csv("labelled.csv", index=False)
    results = detect("--label-column", "fraud", *options, data="labelled.csv")
    known = ~np.isin(np.arange(60), (4, 50))
    expected = roc_auc_score(payments()["fraud"][known], results["anomaly_score"][known])
    printed = capsys.readouterr().out
    assert "rows with a label  58\nanomalies          4\n" in printed
    assert f"AUROC              {expected:.4f}" in printed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--label-column", "shop"], "column 'shop' are .*bakery.*--anomaly-label"),
        (
            ["--label-column", "fraud", "--anomaly-label", "7"],
            "'7' not found in column 'fraud'. Its labels are '1', '0'",
        ),
        (["--anomaly-label", "1"], "--anomaly-label requires --label-column"),
        (["--label-column", "same"], "needs both .* labels in column 'same' are '1'"),
        (["--label-column", "none"], "needs both .* labels in column 'none' are all missing"),
    ],
)
def test_labels_that_cannot_be_evaluated_are_rejected(folder, capsys, options, message):
    payments().assign(same=1, none=None).to_csv("data.csv", index=False)
    assert_rejected(capsys, [*DETECT, *options], message)
