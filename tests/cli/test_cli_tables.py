"""Columns of tables: features, their types, and columns that are excluded."""

import pandas as pd
import pytest
from cli_common import (
    DETECT,
    FOREST,
    assert_rejected,
    collect_warnings,
    detect,
    payments,
    payments_folder,
    run,
)

from skgad.cli import main

folder = pytest.fixture(payments_folder)


@pytest.mark.parametrize(
    ("example", "as_text"),
    [
        ("n.a.?", lambda amount: "n.a.?" if amount == 900 else amount),
        ("900,00", lambda amount: f"{amount:.2f}".replace(".", ",")),
        ("1,200", lambda amount: "1,200" if amount == 901 else amount),
        ("1,800.00", lambda amount: f"{2 * amount:,.2f}" if amount == 900 else f"{amount:.2f}"),
    ],
)
def test_numbers_used_as_text_raise_a_warning(folder, capsys, example, as_text):
    table = payments()
    table["amount"] = table["amount"].map(as_text, na_action="ignore")
    table.to_csv("texts.csv", index=False, sep=";")
    [line] = collect_warnings(capsys, detect, "--sep", ";", data="texts.csv")
    assert f"Column 'amount' is used as text because of {example!r}" in line
    assert '--decimal ","' in line
    detect("--force", "--sep", ";", "--ignore", "amount", data="texts.csv")


def test_categorical_codes_raise_no_warning(folder):
    payments().assign(zip=["012", "034", "A1"] * 20).to_csv("codes.csv", index=False)
    detect("--categorical", "zip", data="codes.csv")


@pytest.mark.parametrize("n_repeated", [0, 4])
def test_keys_are_ignored_with_a_warning(folder, capsys, n_repeated):
    names = [f"n{i}" if i >= n_repeated else "n59" for i in range(60)]
    table = payments().assign(name=names)
    table.loc[20:40, "name"] = None
    table.to_csv("keys.csv", index=False)
    lines = collect_warnings(capsys, detect, data="keys.csv")
    unique_share = table["name"].nunique() / table["name"].count()
    is_key = unique_share > 0.9
    assert len(lines) == is_key
    assert all("Ignored 'name': nearly every row has a different text" in line for line in lines)
    assert ("name" in pd.read_csv("out.csv")) == is_key


def test_ignored_keys_are_copied_as_they_are_and_accepted_when_scoring(folder, capsys):
    names = [f"n{i}" for i in range(58)] + ["NA", ""]
    payments().drop(columns="key").assign(name=names).to_csv("keys.csv", index=False)
    argv = ["keys.csv", "--ignore", "fraud", *FOREST]
    [line] = collect_warnings(capsys, main, ["detect", *argv, "--out", "out.csv"])
    assert "--categorical" in line
    results = pd.read_csv("out.csv", dtype=str, keep_default_na=False)
    assert results["name"].tolist() == names
    collect_warnings(capsys, main, ["train", *argv, "--model", "model"])
    run("score", "keys.csv", "--model", "model", "--out", "scored.csv")
    scored = pd.read_csv("scored.csv", dtype=str, keep_default_na=False)
    assert scored["name"].tolist() == names
    assert scored["anomaly_score"].tolist() == results["anomaly_score"].tolist()


def test_text_of_many_values_is_ignored_unless_it_is_named(folder, capsys):
    notes = [f"note {i % 300}" for i in range(1200)]
    payments(1200).assign(note=notes).to_csv("notes.csv", index=False)
    [line] = collect_warnings(capsys, detect, data="notes.csv")
    assert "Ignored 'note'" in line
    detect("--categorical", "note", "--force", data="notes.csv")
    assert "note" not in pd.read_csv("out.csv")


def test_a_key_with_the_name_of_a_result_raises_an_error(folder, capsys):
    payments().rename(columns={"key": "decision"}).assign(
        decision=[f"n{i}" for i in range(60)]
    ).to_csv("data.csv", index=False)
    assert_rejected(capsys, DETECT, "The results would overwrite 'decision'")


def test_dates_with_time_zones_are_read_as_utc(folder):
    days = pd.Series(pd.date_range("2024-01-01", periods=60, freq="7h"))
    zoned = days.dt.tz_localize("UTC").dt.tz_convert("Europe/Paris")
    mixed = zoned.astype(str).where(days.index % 2 == 0, days.astype(str) + "Z")
    results = []
    for name, day in (("utc", days), ("zoned", zoned), ("mixed", mixed)):
        payments().assign(day=day).to_csv(f"{name}.csv", index=False)
        results += [detect("--date", "day", data=f"{name}.csv", out=f"{name}_out.csv")]
    for other in results[1:]:
        pd.testing.assert_frame_equal(other, results[0], check_exact=True)


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("a\nx\ny\nz\n", [], "Cannot learn from 'a': every row"),
        ("a;b\nx;1\ny;2\n", [], r"Check the separator \(--sep\)"),
        ("a;b\n0,1;0,5\n0,2;0,7\n", ["--sep", ";"], r"the decimal mark \(--decimal\)"),
        (
            "a,day\n1,2024-12-31 13:00\n2,31.12.2024\n",
            ["--date", "day"],
            r"'day' contains '31\.12\.2024', which is not a date\. .*13:00 \(ISO 8601\)\.$",
        ),
        ("a,b\n1,inf\n2,3\n", [], r"infinity in \['b'\]"),
        ("a,b\n1,2\n", [], "minimum of 2 is required"),
        ("a,b\n1,2\n", ["--ignore", "a", "--ignore", "b"], r"No feature is left: .*\('a', 'b'\)"),
    ],
)
def test_tables_that_cannot_be_learned_from_are_rejected(folder, capsys, content, options, message):
    (folder / "data.csv").write_text(content)
    assert_rejected(capsys, [*DETECT, *options], message)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--ignore", "color"], "'color' not found. The columns are 'key', 'shop'"),
        (["--label-column", "color"], "Column 'color' not found"),
        (["--date", "shop"], "'shop' contains '.*', which is not a date"),
    ],
)
def test_invalid_columns_are_rejected(folder, capsys, options, message):
    assert_rejected(capsys, [*DETECT, *options], message)
