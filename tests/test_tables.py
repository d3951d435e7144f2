"""Tables in Parquet files: read, trained on and scored a few rows at a time."""

import os
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from common import DETECTORS, assert_same_bits, fitted, state, table, tiny
from sklearn.ensemble import IsolationForest

import skgad.tables
from skgad import TabularDetector
from skgad.calibration import ConformalDetector
from skgad.density import DensityDetector
from skgad.engine.data import BatchLoader, Rows, StreamedRows
from skgad.neighbors import KNeighborsDetector
from skgad.tables import ParquetTable, score_batches

pytest.importorskip("pyarrow", reason="reads Parquet files")

NAMES = list("abcd")


def streamed(table):
    return StreamedRows(table, Rows(table.sample()))


def numbers(n_rows=1000):
    return pd.DataFrame(table(n_samples=n_rows, seed=1), columns=NAMES)


def people(n_rows=300, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "job": rng.choice(["nurse", "smith"], n_rows),
            "age": rng.normal(40, 10, n_rows),
            "since": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 99, n_rows), "D"),
        }
    )
    frame.loc[::7, "age"] = np.nan
    frame.loc[::9, "job"] = None
    return frame


@pytest.fixture
def written(tmp_path):
    """Function that writes a frame to a file, with row groups of 100 rows."""

    def write(frame, name="rows.parquet"):
        options = {"row_group_size": 100, "write_page_checksum": True}
        frame.to_parquet(tmp_path / name, index=False, **options)
        return tmp_path / name

    return write


# ---------------------------------------------------------------------------------- reading


@pytest.mark.parametrize("n_rows", [1, 99, 100, 250, 5000])
def test_batches_have_one_size_and_the_order_of_the_file(written, n_rows):
    frame = numbers(1050)
    batches = list(ParquetTable(written(frame)).batches(n_rows))
    assert [len(batch) for batch in batches[:-1]] == [n_rows] * (len(batches) - 1)
    pd.testing.assert_frame_equal(pd.concat(batches, ignore_index=True), frame)


def test_reading_starts_at_any_row(written):
    frame = numbers(350)
    rows = ParquetTable(written(frame))
    for start in (0, 99, 100, 101, 349):
        first = next(rows.batches(7, start=start))
        np.testing.assert_array_equal(first, frame[start : start + 7])
    assert list(rows.batches(start=350)) == []


def test_several_files_and_a_directory_are_one_table(written, tmp_path):
    parts = [numbers(350)[:120], numbers(350)[120:]]
    files = [written(part, f"part-{k}.parquet") for k, part in enumerate(parts)]
    for path in (files, tmp_path, str(tmp_path)):
        rows = ParquetTable(path)
        assert (rows.shape, rows.columns) == ((350, 4), NAMES)
        np.testing.assert_array_equal(next(rows.batches(350)), numbers(350))


def test_columns_are_chosen_and_batches_are_mapped(written):
    frame = numbers(120)
    rows = ParquetTable(written(frame), columns=["c", "a"])
    np.testing.assert_array_equal(next(rows.batches(120)), frame[["c", "a"]])
    doubled = rows.map(lambda batch: 2 * batch).map(np.asarray)
    assert_same_bits(np.vstack([*doubled.batches(50)]), 2 * frame[["c", "a"]].to_numpy())


def test_a_sample_has_each_row_at_most_once_in_their_order(written):
    frame = pd.DataFrame({"row": np.arange(1000.0)})
    rows = ParquetTable(written(frame))
    sample = rows.sample(200)["row"].to_numpy()
    assert len(sample) == 200
    assert (np.diff(sample) > 0).all()
    assert 300 < sample.mean() < 700
    np.testing.assert_array_equal(sample, rows.sample(200)["row"])
    assert (rows.sample(200, random_state=1)["row"].to_numpy() != sample).any()
    np.testing.assert_array_equal(rows.sample(5000), frame)


def test_a_table_without_files_rows_or_the_columns_is_rejected(written, tmp_path):
    with pytest.raises(ValueError, match="contains no file with the suffix .parquet"):
        ParquetTable(tmp_path)
    with pytest.raises(FileNotFoundError):
        ParquetTable(tmp_path / "absent.parquet")
    path = written(numbers())
    with pytest.raises(ValueError, match=r"columns names \['z'\], but the columns are \['a', 'b'"):
        ParquetTable(path, columns=["a", "z"])
    with pytest.raises(ValueError, match="has 0 rows"):
        ParquetTable(written(numbers()[:0], "empty.parquet"))
    other = written(numbers().rename(columns={"a": "z"}), "other.parquet")
    with pytest.raises(ValueError, match="All files must have the same columns"):
        ParquetTable([path, other])
    (tmp_path / "text.parquet").write_text("a,b\n1,2\n")
    with pytest.raises(OSError, match="Cannot read .*text.parquet as Parquet"):
        ParquetTable(tmp_path / "text.parquet")


def test_a_corrupt_row_group_is_named_after_the_rows_before_it(written):
    path = written(numbers())
    rows = ParquetTable(path)
    content = bytearray(path.read_bytes())
    start = len(content) // 2
    content[start : start + 600] = bytes(600)
    status = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # the disk did it, not a writer
    batches = []
    with pytest.raises(OSError, match=r"Cannot read rows \d00 to \d99 of the table, in row group"):
        batches.extend(rows.batches(100))
    assert 0 < len(batches) < 10
    np.testing.assert_array_equal(pd.concat(batches), numbers()[: 100 * len(batches)])


def test_a_file_that_changes_while_it_is_read_is_noticed(written):
    path = written(numbers())
    rows = ParquetTable(path)
    batches = rows.batches(100)
    next(batches)
    written(numbers(500))
    with pytest.raises(ValueError, match="rows.parquet has changed since the table was opened"):
        list(batches)


# --------------------------------------------------------------------------------- training


def floats(path, window=131_072):
    return ParquetTable(path, window=window).map(partial(np.asarray, dtype=np.float32))


@pytest.mark.parametrize("batch_size", [1, 16, 100, 128, 333, 2000])
@pytest.mark.parametrize("n_rows", [2, 257, 1000])
def test_an_epoch_of_windows_has_each_row_once(written, n_rows, batch_size):
    path = written(pd.DataFrame({"row": np.arange(float(n_rows))}))
    loader = BatchLoader(streamed(floats(path, window=250)), batch_size, shuffle=True)
    with torch.random.fork_rng():
        batches = [rows[:, 0] for rows, _ in loader]
    assert len(batches) == len(loader)
    assert sorted(torch.cat(batches).tolist()) == list(range(n_rows))
    assert {len(batch) for batch in batches[:-1]} <= {batch_size}
    expected = BatchLoader(torch.zeros(n_rows), batch_size)
    assert len(loader) == len(expected)


def test_row_groups_and_rows_have_a_new_order_in_each_epoch(written):
    path = written(pd.DataFrame({"row": np.arange(1000.0)}))
    loader = BatchLoader(streamed(floats(path, window=200)), 50, shuffle=True)
    with torch.random.fork_rng():
        first, second = (torch.cat([rows for rows, _ in loader])[:, 0] for _ in range(2))
    assert (first != second).float().mean() > 0.9
    assert len(set((first[:150] // 100).tolist())) == 2  # those of the first window


def test_training_on_a_table_in_a_file_is_reproducible_and_needs_few_rows_in_memory(
    written, monkeypatch
):
    monkeypatch.setattr(skgad.tables, "BATCH_ROWS", 100)
    path = written(numbers())
    rows = ParquetTable(path, window=200)
    largest = []
    apply = ParquetTable._apply
    monkeypatch.setattr(
        ParquetTable, "_apply", lambda self, x: largest.append(len(x)) or apply(self, x)
    )
    monkeypatch.setattr(ParquetTable.sample, "__defaults__", (150, 0))
    one, other = (tiny("Autoencoder", n_members=2).fit(rows) for _ in range(2))
    assert_same_bits(state(one), state(other))
    assert max(largest) <= 200
    assert len(one.train_scores_) == 150
    assert one.n_features_in_ == 4
    assert one.feature_names_in_.tolist() == NAMES
    one.partial_fit(rows)
    assert one.n_iter_ == 3
    with pytest.raises(ValueError, match="feature names should match"):
        one.score_samples(ParquetTable(path, columns=NAMES[::-1]))


def test_the_scores_of_a_sample_set_the_threshold(written, monkeypatch):
    monkeypatch.setattr(ParquetTable.sample, "__defaults__", (400, 0))
    rows = ParquetTable(written(numbers()))
    detector = tiny("Autoencoder", contamination=0.1).fit(rows)
    assert len(detector.train_scores_) == 400
    scores = detector.score_samples(rows)
    assert abs((scores < detector.offset_).mean() - 0.1) < 4 * np.sqrt(0.1 * 0.9 / 400)
    detector.set_score_type("mahalanobis", rows)
    assert len(detector.train_scores_) == 400


@pytest.mark.parametrize(
    ("params", "fit_params", "message"),
    [
        ({"early_stopping": True}, {}, "without early_stopping. Set early_stopping to False"),
        ({}, {"labels": np.zeros(1000)}, "without labels. Set labels to None"),
    ],
)
def test_labels_and_early_stopping_need_a_table_in_memory(written, params, fit_params, message):
    name = "ARN" if fit_params else "Autoencoder"
    with pytest.raises(ValueError, match=message):
        tiny(name, **params).fit(ParquetTable(written(numbers())), **fit_params)


def test_missing_values_in_a_later_row_group_are_reported(written):
    frame = numbers()
    frame.loc[700, "b"] = np.nan
    with pytest.raises(ValueError, match="does not accept missing values"):
        tiny("Autoencoder").fit(ParquetTable(written(frame)))


# ---------------------------------------------------------------------------------- scoring


@pytest.mark.parametrize("method", ["score_samples", "decision_function", "predict", "transform"])
def test_a_table_in_a_file_gets_the_same_results_as_in_memory(written, method):
    frame = numbers()
    detector = fitted("Autoencoder", "cpu")
    rows = ParquetTable(written(frame)).map(np.asarray)
    assert_same_bits(getattr(detector, method)(rows), getattr(detector, method)(frame.to_numpy()))


def test_scores_come_batch_by_batch_from_any_detector_and_row(written):
    frame = numbers()
    rows = ParquetTable(written(frame))
    detector = IsolationForest(random_state=0).fit(frame)
    scores = list(score_batches(detector, rows, 300, start=150))
    assert [len(part) for part in scores] == [300, 300, 250]
    np.testing.assert_array_equal(np.concatenate(scores), detector.score_samples(frame)[150:])


@pytest.mark.parametrize("name", ["Autoencoder", "forest"])
def test_mixed_columns_are_encoded_as_learned_from_a_sample(written, name, monkeypatch):
    frame = people()
    rows = ParquetTable(written(frame), window=100)
    own = IsolationForest(random_state=0) if name == "forest" else tiny(name)
    detector = TabularDetector(own).fit(rows)
    assert_same_bits(detector.score_samples(rows), detector.score_samples(frame))
    assert_same_bits(detector.predict(rows), detector.predict(frame))
    in_memory = TabularDetector(own).fit(frame)
    sample = rows.sample()
    assert_same_bits(in_memory.encoder_.transform(sample), detector.encoder_.transform(sample))
    labels = TabularDetector(own).fit_predict(rows)
    assert_same_bits(labels, detector.predict(frame))
    if name == "Autoencoder":
        assert detector.partial_fit(rows).detector_.n_iter_ == 3
        assert detector.reconstruct(rows).shape == frame.shape


@pytest.mark.parametrize("name", DETECTORS)
def test_every_detector_trains_on_a_table_in_a_file(name, written):
    X = numbers(100)
    table = ParquetTable(written(X))
    detector = tiny(name).fit(table)
    scores = detector.score_samples(table)
    assert np.isfinite(scores).all()
    np.testing.assert_array_equal(scores, detector.score_samples(X))


@pytest.mark.parametrize(
    "estimator",
    [
        KNeighborsDetector(),
        DensityDetector(),
        ConformalDetector(IsolationForest(), alpha=0.2),
        IsolationForest(),
    ],
)
def test_estimators_that_need_the_whole_table_say_what_to_pass(estimator, written):
    table = ParquetTable(written(numbers(50)))
    with pytest.raises(TypeError, match=r"not in memory.*Pass some of its rows, table.sample\(\)"):
        estimator.fit(table)
    estimator.fit(table.sample())
