"""The command line: what it writes, what it says, and that nothing is half written."""

import gzip
import re
import signal
import subprocess
import sys
import textwrap
import tomllib
import warnings
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score
from skorch.callbacks import PrintLog

import skgad
from skgad import cli as _cli
from skgad.cli import DETECTORS, main
from skgad.inspection import explain

FOREST = ["--detector", "IsolationForest", "--set", "n_estimators=20"]
ALAD = ["--set", "max_epochs=2", "--set", "latent_dim=2"]


def payments(n_rows=60, seed=0):
    """Payments whose amount goes with the shop, some holes, and five that are odd."""
    rng = np.random.default_rng(seed)
    shop = rng.choice(["bakery", "jeweller"], n_rows)
    odd = np.arange(n_rows) < 5
    table = pd.DataFrame(
        {
            "key": [f"{i:03d}" for i in range(n_rows)],
            "shop": shop,
            "amount": np.where(shop == "bakery", 8.0, 90.0) * rng.lognormal(0, 0.2, n_rows),
            "items": rng.poisson(3, n_rows),
            "odd": odd.astype(int),
        }
    )
    table.loc[odd, "amount"] = 900.0 + np.arange(5)
    table.loc[10::7, "amount"] = np.nan
    table.loc[11::9, "shop"] = None
    return table


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to work in, with the payments in data.csv."""
    monkeypatch.chdir(tmp_path)
    payments().to_csv("data.csv", index=False)
    return tmp_path


@pytest.fixture
def ctrl_c(monkeypatch):
    """Python's own answer to Ctrl-C, which a shell may have switched off."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def run(*argv):
    """Run a command that must succeed, and read what it has written."""
    assert main([str(arg) for arg in argv]) == 0
    out = argv[argv.index("--out") + 1]
    return pd.read_csv(out, dtype={"key": str})


def detect(*argv, data="data.csv", out="out.csv"):
    return run("detect", data, "--out", out, "--ignore", "key", *FOREST, *argv)


def detect_lines(data, *argv):
    """Lines that are written for a table without the key of the payments."""
    run("detect", data, "--out", "out.csv", "--force", *FOREST, *argv)
    return Path("out.csv").read_text().splitlines()


def warned(capsys, command, *argv, **kwargs):
    """Lines on stderr of a command that warns."""
    with warnings.catch_warnings(action="always"):
        command(*argv, **kwargs)
    lines = capsys.readouterr().err.splitlines()
    assert all(line.startswith("skgad: warning: ") for line in lines)
    return lines


# ----------------------------------------------------------------------------------------- results


def test_each_row_gets_a_score_and_a_decision_in_the_order_of_the_table(folder, capsys):
    judged = detect("--ignore", "odd", "--contamination", 0.15)
    assert [*judged] == ["key", "odd", "anomaly_score", "decision"]
    assert judged["key"].tolist() == payments()["key"].tolist()  # with their zeros
    is_outlier = judged["decision"] == "outlier"
    assert is_outlier.sum() == 9
    scores = judged["anomaly_score"]
    assert scores[is_outlier].min() > scores[~is_outlier].max()
    assert is_outlier[:5].all()
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_the_label_column_is_used_for_the_evaluation_alone(folder, capsys):
    judged = detect("--label-column", "odd", "--contamination", 0.1)
    lines = capsys.readouterr().out.splitlines()
    printed = {line[:19].strip(): float(line[19:]) for line in lines}
    scores, flagged = judged["anomaly_score"], judged["decision"] == "outlier"
    assert printed == {
        "rows with a label": 60,
        "anomalies": 5,
        "flagged": 6,
        "AUROC": pytest.approx(roc_auc_score(judged["odd"], scores), abs=1e-4),
        "average precision": pytest.approx(
            average_precision_score(judged["odd"], scores), abs=1e-4
        ),
        "F1": pytest.approx(f1_score(judged["odd"], flagged), abs=1e-4),
    }

    without = payments().drop(columns="odd")
    without.to_csv("without.csv", index=False)
    pd.testing.assert_series_equal(
        detect("--contamination", 0.1, data="without.csv", out="other.csv")["anomaly_score"],
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
def test_labels_have_documented_meanings_and_rows_without_any_are_left_out(
    folder, capsys, values, options
):
    table = payments()
    table["odd"] = np.where(table["odd"] == 1, *values).astype(object)
    table.loc[4, "odd"] = table.loc[50, "odd"] = None
    table.to_csv("labelled.csv", index=False)
    judged = detect("--label-column", "odd", *options, data="labelled.csv")
    known = ~np.isin(np.arange(60), (4, 50))
    expected = roc_auc_score(payments()["odd"][known], judged["anomaly_score"][known])
    printed = capsys.readouterr().out
    assert "rows with a label  58\nanomalies          4\n" in printed
    assert f"AUROC              {expected:.4f}" in printed


def test_only_an_empty_cell_is_a_hole_in_labels_and_in_what_is_copied(folder, capsys):
    table = payments().assign(attack=["ddos", "None", "scan", ""] * 15)
    table["country"] = ["NA", "null", "", "n/a", "007", "1.50"] * 10
    table.to_csv("attacks.csv", index=False)
    options = ["--label-column", "attack", "--anomaly-label", "ddos", "--ignore", "country"]
    detect(*options, data="attacks.csv")
    assert "rows with a label  45\nanomalies          15\n" in capsys.readouterr().out
    ignored = ["--ignore", "key", "--ignore", "attack", "--ignore", "country"]
    assert main(["train", "attacks.csv", "--model", "m", *ignored, *FOREST]) == 0
    run("score", "attacks.csv", "--model", "m", "--out", "scored.csv")
    for name in ("out.csv", "scored.csv"):
        written = pd.read_csv(name, dtype=str, keep_default_na=False)
        assert written["attack"].tolist() == table["attack"].tolist()
        assert written["country"].tolist() == table["country"].tolist()


def test_one_line_comes_out_for_each_line(folder):
    (folder / "gaps.csv").write_text("\n\nkey,amount\nNA,1\n\n,3\n007,\n,\n\n\n")
    written = [line.split(",")[0] for line in detect_lines("gaps.csv", "--ignore", "key")]
    assert written == ["key", "NA", "", "", "007", ""]
    (folder / "one.csv").write_bytes(b"amount\r\n1\r\n\r\n3\r\n\r\n")
    assert len(detect_lines("one.csv")) == 1 + 3


def test_train_and_score_give_what_detect_gives(folder):
    options = ["--ignore", "key", "--ignore", "odd"]
    detected = run("detect", "data.csv", "--out", "a.csv", "--explain", *options, *ALAD)
    assert main(["train", "data.csv", "--model", "m.joblib", *options, *ALAD]) == 0
    scored = run("score", "data.csv", "--model", "m.joblib", "--out", "b.csv", "--explain")
    pd.testing.assert_frame_equal(scored, detected, check_exact=True)
    model = joblib.load("m.joblib")
    by_hand = -model["detector"].score_samples(payments().drop(columns=["key", "odd"]))
    np.testing.assert_allclose(scored["anomaly_score"], by_hand, rtol=1e-6)


def test_outliers_get_the_columns_that_contribute_most(folder):
    judged = detect("--ignore", "odd", "--contamination", 0.15, "--explain")
    is_outlier = judged["decision"] == "outlier"
    names = [f"{what}_{i}" for i in (1, 2, 3) for what in ("reason", "contribution")]
    assert [*judged][-6:] == names
    assert (judged["reason_1"][:5] == "amount").all()
    assert judged.loc[~is_outlier, names].isna().all(axis=None)
    contributions = judged.loc[is_outlier, names[1::2]].fillna(0).to_numpy()
    assert (contributions >= 0).all()
    assert (np.diff(contributions) <= 0).all()

    options = ["--ignore", "key", "--ignore", "odd", "--contamination", "0.15"]
    assert main(["train", "data.csv", "--model", "m", *options, *FOREST]) == 0
    model = joblib.load("m")
    X = payments()[[*model["background"]]]
    explanation = explain(model["detector"], X[:1], background=model["background"], random_state=0)
    expected = explanation.contributions.iloc[0].max()
    assert judged["contribution_1"][0] == pytest.approx(expected)


def test_no_more_outliers_are_explained_than_asked_for(folder, capsys):
    with warnings.catch_warnings(action="always"):
        judged = detect(
            "--ignore", "odd", "--contamination", 0.1, "--explain", "--max-explained", 2
        )
    explained = judged["reason_1"].notna()
    assert explained.sum() == 2
    assert judged["anomaly_score"][explained].min() > judged["anomaly_score"][~explained].max()
    assert capsys.readouterr().err.startswith("skgad: warning: Reasons are given for the 2 oddest")


@pytest.mark.parametrize("name", DETECTORS)
def test_every_detector_can_be_asked_for(folder, name):
    settings = ["--set", "max_epochs=1"] if hasattr(skgad, name) else []
    judged = run(
        *["detect", "data.csv", "--out", "out.csv", "--ignore", "key", "--detector", name],
        *settings,
    )
    assert np.isfinite(judged["anomaly_score"]).all()
    assert {*judged["decision"]} <= {"inlier", "outlier"}


def test_the_same_seed_gives_the_same_scores_and_another_one_others(folder):
    first, second, third = (
        detect("--seed", seed, out=f"{i}.csv")["anomaly_score"] for i, seed in enumerate((3, 3, 4))
    )
    pd.testing.assert_series_equal(first, second, check_exact=True)
    assert not np.array_equal(first, third)


def test_parameters_of_the_default_networks_can_be_set(folder):
    options = ["--ignore", "key", *ALAD, "--set", "networks__hidden_layer_sizes=(8,)"]
    assert main(["train", "data.csv", "--model", "m", *options]) == 0
    assert joblib.load("m")["detector"].detector_.networks.hidden_layer_sizes == (8,)


def test_sampled_rows_are_of_the_table(folder):
    options = ["--ignore", "key", "--ignore", "odd", "--detector", "WALDO"]
    assert main(["train", "data.csv", "--model", "m", *options, *ALAD]) == 0
    for kind in ("inlier", "outlier"):
        rows = run("sample", "--model", "m", "-n", "20", "--kind", kind, "--out", f"{kind}.csv")
        assert [*rows] == ["shop", "amount", "items"]
        assert len(rows) == 20
        assert {*rows["shop"].dropna()} <= {"bakery", "jeweller"}
        assert rows["items"].dtype == np.int64


# ------------------------------------------------------------------------------------------- types


def test_a_model_reads_a_table_by_its_own_types_and_names(folder):
    table = payments().assign(code=np.arange(60) % 3, zip=["012", "A1"] * 30)
    table["day"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(60) % 30, unit="D")
    table.to_csv("types.csv", index=False)
    options = ["--ignore", "key", "--label-column", "odd", "--categorical", "code", "--date", "day"]
    assert main(["train", "types.csv", "--model", "m", *options, *FOREST]) == 0
    like = joblib.load("m")["background"]
    assert like["day"].dtype.kind == "M"
    encoder = joblib.load("m")["detector"].encoder_
    assert [len(encoder.feature_groups_[name]) for name in ("code", "zip")] == [3, 2]

    full = run("score", "types.csv", "--model", "m", "--out", "full.csv")
    part = table[::2][["day", "code", "zip", "amount", "items", "shop"]]  # zip: numbers alone
    part.to_csv("part.csv", index=False)
    judged = run("score", "part.csv", "--model", "m", "--out", "part_out.csv")
    assert [*judged] == ["anomaly_score", "decision"]
    np.testing.assert_array_equal(judged["anomaly_score"], full["anomaly_score"][::2])


def test_separators_encodings_and_compression(folder):
    payments().replace("bakery", "boulangerie fran\xe7aise").to_csv(
        "other.csv.gz", index=False, sep=";", encoding="latin-1"
    )
    options = ["--sep", ";", "--encoding", "latin-1"]
    judged = detect(*options, data="other.csv.gz", out="out.csv.gz")
    np.testing.assert_array_equal(judged["anomaly_score"], detect()["anomaly_score"])


def test_parquet_is_read_and_written(folder):
    if not find_spec("pyarrow"):
        pytest.skip("pyarrow is not installed")
    payments().to_parquet("data.parquet")
    assert main(["detect", "data.parquet", "--out", "out.parquet", "--ignore", "key", *FOREST]) == 0
    np.testing.assert_array_equal(
        pd.read_parquet("out.parquet")["anomaly_score"], detect()["anomaly_score"]
    )


def test_parquet_gives_the_named_levels_of_its_index_as_columns(folder):
    if not find_spec("pyarrow"):
        pytest.skip("pyarrow is not installed")
    table = payments().assign(none=0, key=lambda table: table["key"].astype(int))
    table = table.set_index(["key", "shop", "none"]).rename_axis(["key", "shop", None])
    table.to_parquet("levels.parquet")
    options = ["--ignore", "key", "--ignore", "odd", *FOREST]
    assert main(["detect", "levels.parquet", "--out", "out.parquet", *options]) == 0
    judged = pd.read_parquet("out.parquet")
    assert judged["key"].tolist() == [*range(60)]
    by_csv = detect("--ignore", "odd")
    np.testing.assert_allclose(judged["anomaly_score"], by_csv["anomaly_score"], atol=0.1)


def test_parquet_needs_nothing_of_csv(folder, monkeypatch):
    """With pickles for Parquet, so that no library is needed."""
    monkeypatch.setattr(_cli, "find_spec", lambda name: True)
    monkeypatch.setattr(pd, "read_parquet", pd.read_pickle)
    monkeypatch.setattr(pd.DataFrame, "to_parquet", lambda X, path, index: X.to_pickle(path))
    table = payments().assign(code=np.arange(60) % 3).set_index("key")
    table.to_pickle("data.parquet")
    options = ["--ignore", "key", "--categorical", "code", "--ignore", "odd"]
    assert main(["train", "data.parquet", "--model", "m", *options, *FOREST]) == 0
    assert main(["score", "data.parquet", "--model", "m", "--out", "out.parquet"]) == 0
    judged = pd.read_pickle("out.parquet")
    assert [*judged] == ["key", "odd", "anomaly_score", "decision"]
    table.to_csv("data2.csv")
    by_csv = run("score", "data2.csv", "--model", "m", "--out", "out.csv")
    np.testing.assert_array_equal(judged["anomaly_score"], by_csv["anomaly_score"])


def test_numbers_with_holes_are_numbers_however_a_hole_is_written(folder):
    guide = (ROOT / "doc/user_guide/command_line.rst").read_text()
    holes = re.findall("``(.*?)``", re.search("Holes are .*?\n\n", guide, re.S)[0])
    assert {"NA", "n/a", "null", "None", "nan"} <= {*holes}
    table = payments(100)
    table["amount"] = table["amount"].astype(object)
    table.loc[20 : 19 + len(holes), "amount"] = holes
    table.to_csv("holes.csv", index=False)
    options = ["--ignore", "key", "--contamination", "0.05", *FOREST]
    assert main(["train", "holes.csv", "--model", "m", *options]) == 0
    assert joblib.load("m")["background"]["amount"].dtype == float


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("n.a.?", lambda amount: "n.a.?" if amount == 900 else amount),
        ("900,00", lambda amount: f"{amount:.2f}".replace(".", ",")),
        ("1,200", lambda amount: "1,200" if amount == 901 else amount),
        ("1,800.00", lambda amount: f"{2 * amount:,.2f}" if amount == 900 else f"{amount:.2f}"),
    ],
)
def test_numbers_taken_for_text_are_warned_of(folder, capsys, cell, written):
    table = payments()
    table["amount"] = table["amount"].map(written, na_action="ignore")
    table.to_csv("texts.csv", index=False, sep=";")
    [line] = warned(capsys, detect, "--sep", ";", data="texts.csv")
    assert f"Column 'amount' is taken for text because of {cell!r}" in line
    assert '--decimal ","' in line
    detect("--force", "--sep", ";", "--ignore", "amount", data="texts.csv")


def test_a_decimal_comma_can_be_asked_for(folder, capsys):
    payments().to_csv("comma.csv", index=False, sep=";", decimal=",")
    judged = detect("--sep", ";", "--decimal", ",", data="comma.csv", out="other.csv")
    np.testing.assert_allclose(judged["anomaly_score"], detect()["anomaly_score"])
    options = ["--sep", ";", "--decimal", ",", "--force"]
    payments().replace({"amount": {900.0: "0.5"}}).to_csv("comma.csv", sep=";", decimal=",")
    [line] = warned(capsys, detect, *options, data="comma.csv")
    assert "because of '0.5'" in line


def test_codes_are_not_taken_for_broken_numbers(folder):
    payments().assign(zip=["012", "034", "A1"] * 20).to_csv("codes.csv", index=False)
    detect("--categorical", "zip", data="codes.csv")


@pytest.mark.parametrize("n_others", [0, 4])
def test_a_key_among_other_columns_is_warned_of(folder, capsys, n_others):
    names = [f"n{i}" if i >= n_others else "n59" for i in range(60)]
    table = payments().assign(name=names)
    table.loc[20:40, "name"] = None
    table.to_csv("keys.csv", index=False)
    lines = warned(capsys, detect, data="keys.csv")
    share = table["name"].nunique() / table["name"].count()
    assert len(lines) == (share > 0.9)
    assert all("Nearly each row has another text in column 'name'" in line for line in lines)


def test_a_first_line_of_numbers_is_warned_of(folder, capsys):
    (folder / "rows.csv").write_text("1,2.5\n3,4\n5,6\n")
    [line] = warned(capsys, detect_lines, "rows.csv")
    assert "rows.csv is taken for names, but holds numbers: '1', '2.5'" in line


def test_dates_with_time_zones_are_read_as_utc(folder):
    days = pd.Series(pd.date_range("2024-01-01", periods=60, freq="7h"))
    zoned = days.dt.tz_localize("UTC").dt.tz_convert("Europe/Paris")
    mixed = zoned.astype(str).where(days.index % 2 == 0, days.astype(str) + "Z")
    scores = []
    for name, day in (("utc", days), ("zoned", zoned), ("mixed", mixed)):
        payments().assign(day=day).to_csv(f"{name}.csv", index=False)
        scores += [detect("--date", "day", data=f"{name}.csv", out=f"{name}_out.csv")]
    for other in scores[1:]:
        pd.testing.assert_frame_equal(other, scores[0], check_exact=True)


def test_python_judges_tables_with_dates_as_the_guide_says(folder):
    table = payments().assign(day=pd.date_range("2024-01-01", periods=60).astype(str))
    table.to_csv("february.csv", index=False)
    options = ["--model", "january.joblib", "--ignore", "key", "--date", "day", *FOREST]
    assert main(["train", "february.csv", *options]) == 0
    guide = (ROOT / "doc/user_guide/command_line.rst").read_text()
    code = textwrap.dedent(guide.rpartition("::\n\n")[2])
    names = {"joblib": joblib, "pd": pd}
    exec(code.replace("detector.predict", "decisions = detector.predict"), names)
    judged = run("score", "february.csv", "--model", "january.joblib", "--out", "out.csv")
    np.testing.assert_array_equal(
        judged["decision"], np.where(names["decisions"] == 1, "inlier", "outlier")
    )


# ------------------------------------------------------------------------------------------ errors

BAD = {
    "bytes.csv": b"a,b\n\xff\xfe,1\n",
    "empty.csv": b"",
    "header.csv": b"a,b\n",
    "keys.csv": b"a\nx\ny\nz\n",
    "semicolons.csv": b"a;b\nx;1\ny;2\n",
    "ragged.csv": b"a,b\n1,2\n3,4,5,6\n",
    "more.csv": b"a,b\n1,2,3\n4,5,6\n",
    "twice.csv": b"amount,amount\n1,2\n3,4\n",
    "days.csv": b"a,day\n1,2024-12-31 13:00\n2,31.12.2024\n",
    "commas.csv": b"a;b\n0,1;0,5\n0,2;0,7\n",
    "infinite.csv": b"a,b\n1,inf\n2,3\n",
    "one.csv": b"a,b\n1,2\n",
    "cut.csv.gz": gzip.compress(b"a,b\n1,2\n")[:-9],
    "no.csv.gz": b"a,b\n1,2\n",
    "data.xlsx": b"",
    "notes.joblib": b"notes",
    "there.csv": b"precious",
}
DETECT = ["detect", "data.csv", "--out", "out.csv"]
SCORE = ["score", "data.csv", "--out", "out.csv", "--model"]
ERRORS = [
    ([], "required: command"),
    (["guess"], "invalid choice: 'guess'"),
    (["detect", "no.csv", "--out", "out.csv"], "There is no file no.csv"),
    (["detect", ".", "--out", "out.csv"], r"There is no file \."),
    (["detect", "empty.csv", "--out", "out.csv"], "empty.csv is empty"),
    (["detect", "header.csv", "--out", "out.csv"], "has a header, but no rows"),
    (["detect", "keys.csv", "--out", "out.csv"], "nothing to learn from 'a': each row"),
    (["detect", "semicolons.csv", "--out", "out.csv"], r"separated by something else \(--sep\)"),
    (["detect", "ragged.csv", "--out", "out.csv"], "line 3, saw 4"),
    (["detect", "more.csv", "--out", "out.csv"], "more.csv is no table separated by ','"),
    (["detect", "twice.csv", "--out", "out.csv"], "different names: twice.csv has .*'amount'"),
    (["detect", "commas.csv", "--out", "out.csv", "--sep", ";"], r"decimal comma \(--decimal\)"),
    (
        ["detect", "days.csv", "--out", "out.csv", "--date", "day"],
        r"'day' .* dates: '31\.12\.2024'\. Dates are read as in .*13:00 \(ISO 8601\)\.$",
    ),
    (["detect", "bytes.csv", "--out", "out.csv"], "cannot be read as utf-8.*--encoding latin-1"),
    ([*DETECT, "--encoding", "klingon"], "cannot be read as klingon"),
    (["detect", "cut.csv.gz", "--out", "out.csv"], "cut.csv.gz cannot be read: .*ended before"),
    (["detect", "no.csv.gz", "--out", "out.csv"], "no.csv.gz cannot be read: Not a gzip"),
    (["detect", "infinite.csv", "--out", "out.csv"], r"infinity in \['b'\]"),
    (["detect", "one.csv", "--out", "out.csv"], "minimum of 2 is required"),
    (["detect", "data.xlsx", "--out", "out.csv"], r"data.xlsx must end in .csv, .*\.parquet"),
    (["detect", "data.csv", "--out", "out.txt"], "out.txt must end in"),
    (["detect", "data.csv", "--out", "no/out.csv"], "no/out.csv cannot be written to its folder"),
    (["detect", "data.csv", "--out", "/proc/o.csv"], "/proc/o.csv cannot be written to its folder"),
    (["detect", "data.csv", "--out", "."], "is a folder"),
    (["detect", "data.csv", "--out", "data.csv", "--force"], "data.csv is the input"),
    (["detect", "data.csv", "--out", "there.csv"], "there already: --force"),
    ([*DETECT, "--detector", "HAL"], r"invalid choice: 'HAL' \(choose from '?ALAD"),
    ([*DETECT, "--set", "epochs=3"], "Invalid parameter 'epochs'.*max_epochs"),
    ([*DETECT, "--set", "max_epochs__a=3"], "no parameter 'max_epochs__a'"),
    ([*DETECT, "--set", "networks__hidden=3"], "Invalid parameter 'hidden' for estimator MLP"),
    ([*DETECT, "--set", "max_epochs"], "'max_epochs' is not NAME=VALUE"),
    ([*DETECT, "--set", "max_epochs=many"], "'max_epochs' parameter of ALAD must be"),
    ([*DETECT, "--set", "encoder__numeric=log"], "'numeric' parameter of TabularEncoder"),
    ([*DETECT, "--contamination", "2"], "'contamination' parameter of ALAD must be"),
    ([*DETECT, "--contamination", "0.1", "--detector", "OneClassSVM"], "Invalid parameter"),
    ([*DETECT, "--ignore", "colour"], "no column 'colour': there are 'key', 'shop'"),
    ([*DETECT, "--label-column", "colour"], "no column 'colour'"),
    ([*DETECT, "--label-column", "shop"], "'shop' holds .*bakery.*--anomaly-label"),
    ([*DETECT, "--label-column", "odd", "--anomaly-label", "7"], "no '7' in column 'odd', but '1'"),
    ([*DETECT, "--anomaly-label", "1"], "needs a --label-column"),
    ([*DETECT, "--date", "shop"], "'shop' holds something else than dates"),
    ([*DETECT, "--sep", "ab"], "--sep: 'ab' is no single .* character"),
    ([*DETECT, "--decimal", ""], "--decimal: '' is no single .* character"),
    ([*DETECT, "--max-explained", "0"], "'0' is no positive integer"),
    ([*SCORE, "no.joblib"], "There is no model no.joblib"),
    ([*SCORE, "notes.joblib"], "notes.joblib is no model that 'skgad train'"),
    (["sample", "--model", "forest", "--out", "out.csv"], "IsolationForest cannot make rows.*ALAD"),
    ([*SCORE[:1], "one.csv", *SCORE[2:], "forest"], "'shop', 'amount', 'items', 'odd' missing"),
    ([*SCORE[:1], "extra.csv", *SCORE[2:], "forest"], "does not know the columns 'extra'"),
    ([*SCORE[:1], "text.csv", *SCORE[2:], "forest"], "Column 'items' contained numbers during fit"),
    ([*SCORE, "forest", "--label-column", "odd"], "trained with 'odd' among its features"),
    (["train", "data.csv", "--model", "data.csv", "--force"], "data.csv is the input"),
    (["train", "data.csv", "--model", "there.csv"], "there already: --force"),
]


@pytest.fixture(scope="module")
def bad(tmp_path_factory):
    """A folder with the payments, files that are of no use, and a model."""
    path = tmp_path_factory.mktemp("bad")
    for name, content in BAD.items():
        (path / name).write_bytes(content)
    payments().to_csv(path / "data.csv", index=False)
    payments().assign(extra=1).to_csv(path / "extra.csv", index=False)
    payments().assign(items="few").to_csv(path / "text.csv", index=False)
    options = ["--ignore", "key", *FOREST, "--model", str(path / "forest")]
    assert main(["train", str(path / "data.csv"), *options]) == 0
    return path


@pytest.mark.parametrize(("argv", "message"), ERRORS, ids=[" ".join(argv) for argv, _ in ERRORS])
def test_errors_are_one_line_and_nothing_is_written(bad, monkeypatch, capsys, argv, message):
    monkeypatch.chdir(bad)
    before = {path.name: path.stat().st_mtime_ns for path in bad.iterdir()}
    with warnings.catch_warnings(action="ignore"):
        assert main(argv) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("skgad: error: ")
    assert captured.err.count("\n") == 1
    assert re.search(message, captured.err), captured.err
    assert {path.name: path.stat().st_mtime_ns for path in bad.iterdir()} == before


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    st.one_of(
        st.binary(max_size=40),
        st.text("ab01.-,;\n\"' ", max_size=60).map(str.encode),
        st.lists(
            st.lists(st.sampled_from(["1", "2.5", "", "x", "True", "1e400", "nan"]), min_size=2),
            max_size=6,
        ).map(lambda rows: "\n".join(["a,b", *map(",".join, rows)]).encode()),
    )
)
@example(b"a,b\n1,x\n2,y\n")
@example(b"a,b\n,\n,\n")
@example(b"a,a\n1,2\n3,4\n")
def test_whatever_is_in_a_file_there_is_a_result_or_one_line(tmp_path, capsys, content):
    data, out = tmp_path / "any.csv", tmp_path / "out.csv"
    data.write_bytes(content)
    out.unlink(missing_ok=True)
    with warnings.catch_warnings(action="always"):
        code = main(["detect", str(data), "--out", str(out), *FOREST[:3], "n_estimators=2"])
    captured = capsys.readouterr()
    errors = [line for line in captured.err.splitlines() if "warning:" not in line]
    assert (code, len(errors), out.exists()) in [(0, 0, True), (2, 1, False)]
    assert captured.out == ""
    assert {path.name for path in tmp_path.iterdir()} <= {"any.csv", "out.csv"}


def test_an_existing_output_is_overwritten_only_when_asked_and_only_as_a_whole(
    folder, capsys, monkeypatch
):
    (folder / "out.csv").write_text("precious")

    def half(table, path, **kwargs):
        path.write_text("anomaly_sc")
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(pd.DataFrame, "to_csv", half)
        assert main([*DETECT, "--force", *FOREST]) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert (folder / "out.csv").read_text() == "precious"
    assert {path.name for path in folder.iterdir()} == {"data.csv", "out.csv"}
    assert len(detect("--force")) == 60


CLASHES = [
    (["--ignore", "decision"], "'decision'"),
    (["--label-column", "decision"], "'decision'"),
    (["--ignore", "anomaly_score", "--ignore", "reason_1"], "'anomaly_score'"),
    (["--explain", "--ignore", "reason_1"], "'reason_1'"),
    (["--explain", "--ignore", "contribution_3"], "'contribution_3'"),
]


@pytest.mark.parametrize(("options", "named"), CLASHES)
def test_columns_of_the_table_are_never_overwritten(folder, monkeypatch, capsys, options, named):
    columns = ["anomaly_score", "decision", "reason_1", "contribution_3"]
    payments().assign(**dict.fromkeys(columns, [0, 1] * 30)).to_csv("judged.csv", index=False)
    ignored = [text for name in ["key", *columns] for text in ("--ignore", name)]
    assert main(["train", "judged.csv", "--model", "m", *ignored, *FOREST]) == 0
    monkeypatch.setattr(_cli, "train_model", None)
    monkeypatch.setattr(_cli, "write_judged", None)
    for command in (["detect"], ["score", "--model", "m"]):
        assert main([*command, "judged.csv", "--out", "out.csv", *options]) == 2
        err = capsys.readouterr().err
        assert re.search(f"would overwrite .*{named}.* of judged.csv: rename", err), err


def test_columns_named_as_reasons_are_copied_where_no_reasons_are_given(folder):
    payments().assign(reason_1="mine").to_csv("mine.csv", index=False)
    judged = detect("--ignore", "reason_1", data="mine.csv")
    assert {*judged["reason_1"]} == {"mine"}


def test_an_output_that_cannot_be_written_is_found_out_before_any_work(folder, monkeypatch, capsys):
    monkeypatch.setattr(_cli, "read_table", None)
    assert main(["detect", "data.csv", "--out", "/proc/o.csv"]) == 2
    assert main(["train", "data.csv", "--model", "no/m"]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert "/proc/o.csv cannot be written" in first
    assert "no/m cannot be written" in second


def test_a_missing_library_is_named(folder, monkeypatch, capsys):
    (folder / "data.parquet").touch()
    monkeypatch.setattr(_cli, "find_spec", lambda name: None)
    assert main(["detect", "data.parquet", "--out", "out.csv"]) == 2
    assert "pip install pyarrow" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert main(DETECT) == 2
    assert "pip install pandas" in capsys.readouterr().err


def test_a_model_of_another_version_is_refused(bad, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(bad)
    monkeypatch.setattr(skgad, "__version__", "99.0")
    assert main(["sample", "--model", "forest", "--out", str(tmp_path / "out.csv")]) == 2
    assert f"skgad {joblib.load('forest')['skgad']}, and this is 99.0" in capsys.readouterr().err


# ----------------------------------------------------------------------------- progress and Ctrl-C


def test_progress_is_told_on_stderr_and_not_by_a_saved_model(folder, capsys):
    assert main(["train", "data.csv", "--model", "m", "--ignore", "key", "-v", *ALAD]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "training: epoch 1 of 2" in captured.err
    assert "training: epoch 2 of 2" in captured.err
    detector = joblib.load("m")["detector"].detector_
    detector.partial_fit(np.zeros((20, detector.n_features_in_), np.float32))
    assert capsys.readouterr().err == ""


def test_errors_come_on_a_line_of_their_own_after_progress(folder, capsys):
    assert main([*DETECT, "--verbose", "--set", "epochs=3"]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("skgad: error: Invalid parameter")


def test_ctrl_c_while_writing_leaves_nothing(folder, ctrl_c, monkeypatch, capsys):
    def interrupted(table, path, **kwargs):
        path.write_text("anomaly_sc")
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(pd.DataFrame, "to_csv", interrupted)
    assert main([*DETECT, *FOREST]) == 130
    assert capsys.readouterr().err == "skgad: interrupted\n"
    assert [path.name for path in folder.iterdir()] == ["data.csv"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_between_two_epochs_is_not_taken_for_the_end_of_training(
    folder, ctrl_c, monkeypatch
):
    def interrupted(self, net, **kwargs):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(_cli.Progress, "on_epoch_end", interrupted)
    assert main([*DETECT, "--verbose", *ALAD]) == 130
    assert [path.name for path in folder.iterdir()] == ["data.csv"]


@pytest.mark.parametrize("options", [[], ["--verbose"]])
def test_ctrl_c_is_not_lost_where_a_library_swallows_every_exception(
    folder, ctrl_c, monkeypatch, options
):
    def as_tabulate_does(self, net, **kwargs):  # it converts each cell in a bare except
        with suppress(BaseException):
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(PrintLog, "on_epoch_end", as_tabulate_does)
    assert main([*DETECT, *options, *ALAD]) == 130
    assert [path.name for path in folder.iterdir()] == ["data.csv"]


# -------------------------------------------------------------------------------------- the shell


def shell(*argv, **kwargs):
    return subprocess.Popen(
        [sys.executable, "-m", "skgad", *argv],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **kwargs,
    )


def test_shell_detects(folder):
    process = shell(*DETECT, "--ignore", "key", "--label-column", "odd", "--explain", *ALAD)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    assert out.startswith("rows with a label  60\n")
    assert len(pd.read_csv("out.csv")) == 60


def test_shell_gets_exit_code_2_after_an_error(folder):
    process = shell("detect", "no.csv", "--out", "out.csv")
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (2, "")
    assert err == "skgad: error: There is no file no.csv.\n"


def test_shell_gets_exit_code_130_after_ctrl_c_in_training(folder):
    process = shell(
        *[*DETECT, "--verbose", "--set", "max_epochs=100000"],
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    said = ""
    while "epoch 2 of" not in said:
        said += process.stderr.read(1)
        assert process.poll() is None, said
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.endswith("\nskgad: interrupted\n")
    assert [path.name for path in folder.iterdir()] == ["data.csv"]


def test_the_installed_script_is_the_same_command():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    module, name = scripts["skgad"].split(":")
    assert (module, getattr(sys.modules[module], name)) == ("skgad.cli", main)
