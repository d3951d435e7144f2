"""Any file and any argument give results, or one line that says what is wrong; files stay whole."""

import gzip
import shlex
import warnings
from functools import cache
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from cli_common import payments
from fuzz_common import (
    UNDAMAGED,
    damaged,
    damages,
    fuzz,
    is_sentence,
    temporary_folder,
    time_limit,
)
from fuzz_tables import Table, table_pairs
from hypothesis import example, given
from hypothesis import strategies as st

from skgad.cli import main

FOREST = "--detector IsolationForest --set n_estimators=2"
NEIGHBORS = "--detector KNeighborsDetector"
NETWORK = "--set max_epochs=1 --set n_members=1 --set latent_dim=2 --set auto_steps=2"

folder = pytest.fixture(temporary_folder, scope="module", autouse=True)

# ------------------------------------------------------------------------- what must hold


def run(command, files, capsys):
    """Run a command in a folder with some files, and check all that must hold.

    The command is given as one text. Its output file exists already. Returns the content of this
    file after success.
    """
    argv = shlex.split(command) if isinstance(command, str) else [*command]
    out = argv[argv.index("--model" if argv[0] == "train" else "--out") + 1]
    files = {out: b"precious", **files}
    with TemporaryDirectory() as folder:
        for name, content in files.items():
            Path(folder, name).write_bytes(content)
        argv = [str(Path(folder, arg)) if arg in files else arg for arg in argv]
        capsys.readouterr()
        with time_limit(), warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("always", UserWarning)
            code = main([*argv, "--force"])
        captured = capsys.readouterr()
        after = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    lines = captured.err.splitlines()
    errors = [line for line in lines if not line.startswith("skgad: warning: ")]
    if code == 0:
        assert not errors
        assert after[out] != b"precious"
    else:
        assert code == 2
        assert len(errors) == 1
        assert errors[0].startswith("skgad: error: ")
        assert is_sentence(errors[0].removeprefix("skgad: error: "))
        assert "--verbose for the traceback" not in errors[0], errors
        assert after[out] == b"precious"
    assert {**after, out: b""} == {**files, out: b""}
    return after[out] if code == 0 else None


def check_results(content, n_rows=None):
    """Check the results of a table."""
    if content is not None:
        results = pd.read_csv(BytesIO(content), usecols=["anomaly_score", "decision"])
        assert np.isfinite(results["anomaly_score"]).all()
        assert set(results["decision"]) <= {"inlier", "outlier"}
        assert n_rows is None or len(results) == n_rows


# ------------------------------------------------------------------------------- CSV files

cells = st.one_of(
    st.integers(-3, 3).map(str),
    st.floats().map(str),
    st.sampled_from(["", "NA", "nan", "inf", "1e400", "1e30", "5e-324", "1,5", "1 000", "0x1"]),
    st.sampled_from(
        ["a", "b", "true", "False", '"', '""', '"a', "'", "\\", "#", "é", "\x00", "\ud800"]
    ),
    st.sampled_from(["2024-01-01", "2024-01-01T10:00Z", "2024-02-30"]),
    st.text(max_size=3),
)
separators = st.sampled_from([",", ",", ",", ";", "\t", "|", " "])
headers = st.lists(
    st.sampled_from(["a", "b", "c", "a b", "", "1", "é", "anomaly_score", "decision", '"q"', "a.1"])
    | st.text(max_size=2),
    min_size=1,
    max_size=4,
)
encodings = st.sampled_from(["utf-8", "utf-8", "utf-8", "latin-1", "utf-16", "cp1252", "utf-8-sig"])


@st.composite
def csv_files(draw, headers=headers):
    """Bytes of a file that is nearly a table, and the arguments that describe it."""
    names, separator, encoding = draw(headers), draw(separators), draw(encodings)
    if draw(st.integers(0, 3)) > 0:
        names = [*dict.fromkeys(names)]
    usual = st.integers(0, 9).map(str), st.sampled_from(["a", "b"]), st.dates().map(str)
    columns = [draw(st.sampled_from([cells, *usual])) for _ in names]
    n_rows = draw(st.sampled_from([0, 2, 4, 4]))
    rows = draw(st.lists(st.tuples(*columns), min_size=n_rows, max_size=8)) * draw(
        st.sampled_from([1, 3, 9])
    )
    lines = [separator.join(row) for row in [names, *rows]]
    for position in draw(st.lists(st.integers(0, 8), max_size=draw(st.sampled_from([0, 0, 1])))):
        odd = draw(st.sampled_from(["", " ", separator, "1", separator * 9, '"', "\x00", "\ufeff"]))
        lines.insert(position, odd)
    end = draw(st.sampled_from(["\n", "\n", "\r\n", "\r"]))
    content = end.join([*lines, ""]).encode(encoding, "replace")
    if draw(st.integers(0, 5)) == 0:
        content = damaged(content, draw(damages))
    arguments = []
    if draw(st.integers(0, 9)) > 0:
        arguments = ["--sep", separator, "--encoding", encoding]
    return content, arguments


columns = st.sampled_from(["a", "b", "c", "", "é", "nothing", "anomaly_score", "shop", "amount"])
#: Options, and the values that are drawn for them.
OPTIONS = {
    **dict.fromkeys(["--ignore", "--categorical", "--date", "--label-column"], columns),
    "--decimal": st.sampled_from([",", ".", "1", "é", "\\t", '"', "-"]),
    "--sep": st.sampled_from([",", "\\t", "", "ab", '"', "\n", "\x00", "1", "."]),
    "--encoding": st.sampled_from(["ascii", "utf-7", "nonsense", "", "hex", "\x00"]),
    "--contamination": st.sampled_from(["0.1", "0", "0.5", "nan", "-1", "2", "x"]),
    "--seed": st.sampled_from(["0", "-1", "99999999999999", "x"]),
    "--max-explained": st.sampled_from(["1", "0", "-1", "²", "x"]),
}
options = st.one_of(
    *(st.tuples(st.just(name), values).map(list) for name, values in OPTIONS.items()),
    st.sampled_from([[], ["--explain"]]),
)
detectors = st.sampled_from([FOREST, FOREST, NEIGHBORS, NETWORK])


@fuzz(share=0.15)
@given(file=csv_files(), options=options, detector=detectors)
@example((b"\n", []), [], FOREST)
@example((b"a,b\n" + 9 * b"1,x\n2,y\n", []), ["--explain"], NETWORK)
@example((b"a,b\n1,1e308\n2,-1e308\n3,1\n", []), [], FOREST)
@example(
    (b"a,b,c\n" + 3 * b"0,0,0\n0,0,1\n1,0,0\na,0,0\n", []),
    ["--explain"],
    "--detector IsolationForest --set n_estimators=2",
)
def test_any_csv_file_gives_results_or_one_line(capsys, file, options, detector):
    content, arguments = file
    command = ["detect", "data.csv", "--out", "out.csv", *detector.split(), *arguments, *options]
    check_results(run(command, {"data.csv": content}, capsys))


@fuzz(share=0.02)
@given(file=csv_files(), damage=damages, suffix=st.sampled_from([".gz", ".bz2", ".xz", ".parquet"]))
@example((b"a,b\n1,x\n2,y\n", []), ([], 500_000), ".gz")
def test_any_compressed_file_gives_results_or_one_line(capsys, file, damage, suffix):
    content = damaged(gzip.compress(file[0], mtime=0), damage)
    command = ["detect", f"data.csv{suffix}", "--out", "out.csv", *FOREST.split(), *file[1]]
    check_results(run(command, {f"data.csv{suffix}": content}, capsys))


# ------------------------------------------------------------------------- scoring and models


@cache
def model(detector):
    """Bytes of a model file for payments."""
    with TemporaryDirectory() as folder:
        data, path = Path(folder, "data.csv"), Path(folder, "model")
        payments().to_csv(data, index=False)
        argv = ["train", str(data), "--model", str(path), "--ignore", "key", *detector.split()]
        assert main(argv) == 0
        return path.read_bytes()


payment_headers = st.permutations(["shop", "amount", "items", "fraud"]) | st.lists(
    st.sampled_from(["shop", "amount", "items", "fraud", "key", "other", ""]), min_size=1
)


@fuzz(share=0.06)
@given(file=csv_files(payment_headers), options=options, detector=detectors)
@example((b"", ["--sep", "\t"]), ["--decimal", '"'], FOREST)
@example((payments().to_csv(index=False).encode(), []), [], NETWORK)
def test_any_table_is_scored_with_a_model_or_rejected(capsys, file, options, detector):
    content, arguments = file
    command = ["score", "data.csv", "--model", "model", "--out", "out.csv", *arguments, *options]
    check_results(run(command, {"data.csv": content, "model": model(detector)}, capsys))


# ------------------------------------------------------------------------------ Parquet files


@fuzz(share=0.05)
@given(
    tables=table_pairs(["pandas", "polars", "pyarrow"]),
    damage=st.just(UNDAMAGED) | damages,
    options=options,
)
@example(2 * (Table("pandas", [("a", [1.5, None], "Float64")], 9),), UNDAMAGED, [])
def test_any_parquet_file_gives_results_or_one_line(capsys, tables, damage, options):
    table, buffer = tables[0].build(), BytesIO()
    try:
        if hasattr(table, "to_parquet"):
            table.to_parquet(buffer)
        elif hasattr(table, "write_parquet"):
            table.write_parquet(buffer)
        else:
            pq.write_table(table, buffer)
    except Exception:  # these libraries cannot write any table
        return
    content = damaged(buffer.getvalue(), damage)
    command = ["detect", "data.parquet", "--out", "out.csv", *FOREST.split(), *options]
    check_results(run(command, {"data.parquet": content}, capsys))


# ---------------------------------------------------------------------------------- settings

DATA = payments(30).to_csv(index=False).encode()
settings_names = st.sampled_from(
    ["latent_dim", "lr", "batch_size", "networks", "networks__hidden_layer_sizes", "device", "loss"]
    + [
        "encoding",
        "score_type",
        "contamination",
        "random_state",
        "callbacks",
        "net_params",
        "noise",
    ]
    + ["checkpoint", "early_stopping", "lr_schedule", "n_members", "encoder__numeric", "labels"]
    + ["encoder__categorical_features", "encoder__max_categories", "encoder__dtype", "ema_decay"]
    + ["encoder__date_cycles", "networks__activation", "networks__dropout", "prior_weight", ""]
) | st.text(max_size=3)
settings_values = st.one_of(
    st.sampled_from(["None", "-1", "0", "1", "0.5", "1e30", "1e400", "True", "[]", "{}", "x"]),
    st.sampled_from(["(8,)", "(0,)", "[1, 'a']", "'", "(" * 300, "\x00", "\ud800", "1" * 5000]),
    st.sampled_from(["1000000000000", "...", "b'a'", "1j", "meta", "cuda:7", "/", ".", "no/where"]),
    st.sampled_from(["standard", "minmax", "quantile", "piecewise", "neighbors", "relu", "auto"]),
    st.text(max_size=5),
)
HEAVY = {"n_members=1000000000000", "n_members=1e30"}


@fuzz(share=0.05)
@given(
    settings=st.lists(
        st.tuples(settings_names, settings_values).map("=".join), min_size=1, max_size=2
    ),
    detector=st.sampled_from([FOREST, NEIGHBORS, NETWORK, NETWORK, f"{NETWORK} --detector ALAD"]),
)
@example(["latent_dim=True"], NETWORK)
@example(["latent_dim=" + "(" * 300], NETWORK)
def test_any_setting_trains_a_model_or_gives_one_line(capsys, settings, detector):
    if HEAVY.intersection(settings):
        return
    sets = [part for setting in settings for part in ("--set", setting)]
    command = ["train", "data.csv", "--model", "model", "--ignore", "key", *detector.split(), *sets]
    run(command, {"data.csv": DATA}, capsys)
