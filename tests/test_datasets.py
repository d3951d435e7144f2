"""The loaders, and the splits of the benchmarks, on the real data and on files made up here."""

import gzip
import sys

import numpy as np
import pytest
from conftest import ROOT

from skgad.datasets import (
    KDD99_COLUMNS,
    list_adbench,
    load_adbench,
    load_arrhythmia,
    load_bank,
    load_kdd99,
)

sys.path.insert(0, str(ROOT / "benchmarks"))
import protocols  # noqa: E402


@pytest.fixture
def folder(tmp_path):
    """A data_home with one small file, stored column by column as small integers."""
    (tmp_path / "adbench").mkdir()
    X = np.asfortranarray(np.arange(200, dtype=np.uint8).reshape(100, 2))
    np.savez(tmp_path / "adbench" / "toy.npz", X=X, y=np.arange(100, dtype=np.uint8)[:, None] >= 90)
    return tmp_path


def test_a_file_is_loaded_as_float_rows_and_integer_labels(folder):
    toy = load_adbench("toy", folder)
    assert list_adbench(folder) == ["toy"]
    assert toy.data.dtype == np.float32
    assert toy.data.flags.c_contiguous
    assert (toy.data[3] - toy.data[4] < 0).all()  # small integers would have overflowed
    assert toy.target.tolist() == [0] * 90 + [1] * 10
    assert toy.feature_names == ["x0", "x1"]


@pytest.mark.parametrize(
    "load", [load_kdd99, load_arrhythmia, load_bank, lambda home: load_adbench("a", home)]
)
def test_a_missing_file_is_named_with_its_source_and_the_remedy(load, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"does not exist. Get it from https.*SKGAD_DATA"):
        load(tmp_path)


def test_the_folder_can_come_from_the_environment(folder, monkeypatch):
    monkeypatch.setenv("SKGAD_DATA", str(folder))
    assert load_adbench("toy").data.shape == (100, 2)


def test_one_class_trains_on_half_of_the_normal_rows_and_tests_on_all_others(folder):
    toy = load_adbench("toy", folder)
    split = protocols.split_one_class(toy.data, toy.target, seed=0)
    assert len(split.X_train) == 45
    assert (split.y_test == 0).sum() == 45
    assert (split.y_test == 1).sum() == 10
    np.testing.assert_allclose(split.X_train.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(split.X_train.std(axis=0), 1, rtol=1e-4)
    other = protocols.split_one_class(toy.data, toy.target, seed=1)
    assert not np.array_equal(split.X_train, other.X_train)
    assert len(protocols.split_one_class(toy.data, toy.target, 0, max_train=20).X_train) == 20


def test_dte_takes_the_first_half_of_the_normal_rows_and_resamples_small_tables():
    X = np.arange(2400.0)[:, None]
    y = (X[:, 0] >= 2000).astype(int)
    split = protocols.split_dte(X, y, seed=0)
    assert len(split.X_train) == 1000
    assert (split.y_test == 0).sum() == 1000
    assert split.X_train.max() < split.X_test.min()  # in the order of the file
    small = protocols.split_dte(X[::4], y[::4], seed=0)
    assert len(small.X_train) + len(small.X_test) == 1000  # drawn with replacement


def test_the_known_rate_flags_that_many_and_metrics_know_perfect_and_reversed_scores():
    y = np.repeat([0, 1], [90, 10])
    perfect = protocols.metrics(y, y + np.linspace(0, 0.1, 100))
    assert [perfect[name] for name in ("auroc", "ap", "f1")] == pytest.approx([1, 1, 1])
    assert protocols.metrics(y, -np.arange(100.0))["auroc"] == 0
    assert protocols.flag_top(np.arange(100.0), 7).sum() == 7
    assert protocols.flag_percentile(np.arange(100.0), 0.2).sum() == 20


def test_arrhythmia_is_that_of_the_papers(data_home):
    bunch = load_arrhythmia(data_home)
    assert bunch.data.shape == (452, 274)
    assert bunch.target.sum() == 66
    split = protocols.split_arrhythmia(bunch.data, bunch.target)
    assert len(split.X_train) == len(split.X_test) == 226
    assert split.y_test.sum() == 32  # so that 34 anomalies are among the training rows


def test_kdd99_is_that_of_the_papers(data_home):
    bunch = load_kdd99(data_home)
    assert bunch.data.shape == (494_021, 121)
    assert bunch.target.sum() == 97_278
    split = protocols.split_kdd99(bunch.data, bunch.target)
    assert len(split.X_train) == 198_361
    assert split.y_test.sum() == 48_629
    assert (split.y_test == 0).sum() == 198_382


def test_kdd99_as_a_frame_is_the_table_as_it_is(tmp_path):
    row = dict.fromkeys(KDD99_COLUMNS, "0") | {"protocol_type": "tcp", "src_bytes": "181"}
    row |= {"service": "http", "flag": "SF", "logged_in": "1", "rerror_rate": "0.25"}
    lines = [",".join([*row.values(), label]) for label in ("normal.", "smurf.")]
    (tmp_path / "kdd").mkdir()
    with gzip.open(tmp_path / "kdd" / "kddcup.data_10_percent.gz", "wt") as file:
        file.write("\n".join(lines))
    bunch = load_kdd99(tmp_path, as_frame=True)
    assert bunch.feature_names == [*bunch.data] == [*KDD99_COLUMNS]
    assert bunch.target.tolist() == [1, 0]
    first = bunch.data.iloc[0]
    assert first[["protocol_type", "service", "flag"]].tolist() == ["tcp", "http", "SF"]
    assert first[["src_bytes", "rerror_rate"]].tolist() == [181, 0.25]
    booleans = bunch.data.select_dtypes("bool")
    assert [*booleans] == ["land", "logged_in", "is_host_login", "is_guest_login"]
    assert booleans.iloc[0].tolist() == [False, True, False, False]


def test_bank_is_that_of_the_papers(data_home):
    bunch = load_bank(data_home)
    assert bunch.data.shape == (41_188, 10)
    assert bunch.target.sum() == 4640
    assert "y" not in bunch.feature_names
    assert not bunch.data.isna().any(axis=None)
    assert bunch.data.nunique().sum() == 53


def test_adbench_holds_what_its_table_says(data_home):
    assert len(list_adbench(data_home)) >= 21
    bunch = load_adbench("25_musk", data_home)
    assert bunch.data.shape == (3062, 166)
    assert bunch.target.sum() == 97
