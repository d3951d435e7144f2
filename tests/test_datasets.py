"""The loaders, and the splits of ALAD, on the real data and on small files of the tests."""

import gzip

import joblib
import numpy as np
import pandas as pd
import pytest

from benchmarks.alad.splits import split_arrhythmia, split_kdd99
from skgad.datasets import (
    KDD99_COLUMNS,
    KDD99_NUMERIC,
    list_adbench,
    list_oddbench,
    load_adbench,
    load_arrhythmia,
    load_bank,
    load_covertype,
    load_creditcard,
    load_doh,
    load_kdd99,
    load_nsl_kdd,
    load_oddbench,
)


@pytest.fixture
def folder(tmp_path):
    """A data_home with one small file: small integers in Fortran order."""
    (tmp_path / "adbench").mkdir()
    X = np.asfortranarray(np.arange(200, dtype=np.uint8).reshape(100, 2))
    np.savez(tmp_path / "adbench" / "toy.npz", X=X, y=np.arange(100, dtype=np.uint8)[:, None] >= 90)
    return tmp_path


def test_files_are_loaded_as_float_rows_and_integer_labels(folder):
    toy = load_adbench("toy", folder)
    assert list_adbench(folder) == ["toy"]
    assert toy.data.dtype == np.float32
    assert toy.data.flags.c_contiguous
    assert (toy.data[3] - toy.data[4] < 0).all()  # small integers would have overflowed
    assert toy.target.tolist() == [0] * 90 + [1] * 10
    assert toy.feature_names == ["x0", "x1"]


@pytest.mark.parametrize(
    "load",
    [
        load_kdd99,
        load_nsl_kdd,
        load_arrhythmia,
        load_bank,
        load_covertype,
        load_creditcard,
        load_doh,
        lambda home: load_adbench("a", home),
        lambda home: load_oddbench("a", home),
        list_adbench,
        list_oddbench,
    ],
)
def test_a_missing_file_raises_an_error_with_its_source(load, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"does not exist. Get it from https.*SKGAD_DATA"):
        load(tmp_path)


def test_data_home_defaults_to_the_environment_variable(folder, monkeypatch):
    monkeypatch.setenv("SKGAD_DATA", str(folder))
    assert load_adbench("toy").data.shape == (100, 2)


def test_arrhythmia_is_that_of_the_papers(data_home):
    bunch = load_arrhythmia(data_home)
    assert bunch.data.shape == (452, 274)
    assert bunch.target.sum() == 66
    split = split_arrhythmia(bunch.data, bunch.target)
    assert len(split.X_train) == len(split.X_test) == 226
    assert split.y_test.sum() == 32  # the other 34 anomalies are training rows


def test_kdd99_has_the_sizes_of_the_papers(data_home):
    bunch = load_kdd99(data_home)
    assert bunch.data.shape == (494_021, 121)
    assert bunch.target.sum() == 97_278
    split = split_kdd99(bunch.data, bunch.target)
    assert len(split.X_train) == 198_361
    assert split.y_test.sum() == 48_629
    assert (split.y_test == 0).sum() == 198_382


CONNECTION = dict.fromkeys(KDD99_COLUMNS, "0") | {"protocol_type": "tcp", "src_bytes": "181"}
CONNECTION |= {"service": "http", "flag": "SF", "logged_in": "1", "rerror_rate": "0.25"}


def write_connections(path, rows):
    """Write a file in the format of KDD Cup 1999: connections and further columns."""
    path.parent.mkdir(exist_ok=True)
    lines = [",".join([*(CONNECTION | changes).values(), *more]) for changes, *more in rows]
    with gzip.open(path, "wt") as file:
        file.write("\n".join(lines))


@pytest.fixture
def nsl_folder(tmp_path):
    """A data_home with two rows in NSL-KDD's Train+ and one in Test+."""
    train = [({}, "normal", "21"), ({"protocol_type": "udp"}, "neptune", "19")]
    write_connections(tmp_path / "kdd" / "NSL_KDDTrain+.txt.gz", train)
    test = [({"protocol_type": "icmp"}, "mscan", "3")]
    write_connections(tmp_path / "kdd" / "NSL_KDDTest+.txt.gz", test)
    return tmp_path


def test_kdd99_as_a_frame_is_not_encoded(tmp_path):
    rows = [({}, "normal."), ({}, "smurf.")]
    write_connections(tmp_path / "kdd" / "kddcup.data_10_percent.gz", rows)
    bunch = load_kdd99(tmp_path, as_frame=True)
    assert bunch.attack.tolist() == ["normal", "smurf"]
    assert bunch.feature_names == [*bunch.data] == [*KDD99_COLUMNS]
    assert bunch.target.tolist() == [1, 0]
    first = bunch.data.iloc[0]
    assert first[["protocol_type", "service", "flag"]].tolist() == ["tcp", "http", "SF"]
    assert first[["src_bytes", "rerror_rate"]].tolist() == [181, 0.25]
    booleans = bunch.data.select_dtypes("bool")
    assert [*booleans] == ["land", "logged_in", "is_host_login", "is_guest_login"]
    assert booleans.iloc[0].tolist() == [False, True, False, False]


@pytest.mark.parametrize(
    ("subset", "attacks"),
    [
        ("all", ["normal", "neptune", "mscan"]),
        ("train", ["normal", "neptune"]),
        ("test", ["mscan"]),
    ],
)
def test_nsl_kdd_has_the_same_columns_in_all_subsets(subset, attacks, nsl_folder):
    bunch = load_nsl_kdd(nsl_folder, subset=subset)
    assert bunch.attack.tolist() == attacks
    assert bunch.target.tolist() == [int(attack != "normal") for attack in attacks]
    protocols_seen = [name for name in bunch.feature_names if name.startswith("protocol_type")]
    assert protocols_seen == [f"protocol_type_{name}" for name in ("icmp", "tcp", "udp")]
    assert bunch.data.shape == (len(attacks), len(bunch.feature_names))
    assert bunch.feature_names[: len(KDD99_NUMERIC)] == KDD99_NUMERIC
    assert not any("difficulty" in name for name in bunch.feature_names)


def test_nsl_kdd_as_a_frame_is_not_encoded(nsl_folder):
    bunch = load_nsl_kdd(nsl_folder, subset="test", as_frame=True)
    assert [*bunch.data] == bunch.feature_names == KDD99_COLUMNS
    assert bunch.data["protocol_type"].tolist() == ["icmp"]
    assert bunch.file.tolist() == [1]


def test_nsl_kdd_raises_an_error_for_an_unknown_subset(nsl_folder):
    with pytest.raises(ValueError, match="subset must be 'all', 'train' or 'test', got 'half'"):
        load_nsl_kdd(nsl_folder, subset="half")


def test_nsl_kdd_has_the_sizes_of_the_papers(data_home):
    bunch = load_nsl_kdd(data_home)
    assert bunch.data.shape == (77_054 + 71_463, 126)
    assert bunch.target.sum() == 71_463
    assert np.bincount(bunch.file).tolist() == [125_973, 22_544]


def test_rare_cover_types_are_anomalies(tmp_path):
    (tmp_path / "covertype").mkdir()
    samples = np.arange(7 * 54.0).reshape(7, 54)
    for name, values in {"samples": samples, "targets": np.arange(1, 8)}.items():
        joblib.dump(values, tmp_path / "covertype" / f"{name}_py3")
    bunch = load_covertype(tmp_path)
    np.testing.assert_array_equal(bunch.data, samples)
    assert bunch.data.dtype == np.float32
    assert bunch.target.tolist() == [0, 0, 0, 1, 1, 1, 1]
    assert bunch.feature_names[10:15:4] == ["Wilderness_Area_0", "Soil_Type_0"]


def test_missing_cover_types_are_not_downloaded(tmp_path):
    (tmp_path / "covertype").mkdir()
    with pytest.raises(FileNotFoundError, match="fetch_covtype"):
        load_covertype(tmp_path)
    assert not [*(tmp_path / "covertype").iterdir()]


def test_frauds_are_anomalies(tmp_path):
    (tmp_path / "creditcard").mkdir()
    (tmp_path / "creditcard" / "creditcard.csv").write_text(
        '"Time","V1","Amount","Class"\n0,-1.5,149.62,"0"\n406,-2.3,0,"1"\n'
    )
    bunch = load_creditcard(tmp_path)
    assert bunch.feature_names == ["Time", "V1", "Amount"]
    assert bunch.data.tolist() == [[0, -1.5, np.float32(149.62)], [406, np.float32(-2.3), 0]]
    assert bunch.target.tolist() == [0, 1]


@pytest.mark.parametrize("ports", [False, True])
def test_doh_has_no_columns_that_identify_the_machine(ports, tmp_path):
    (tmp_path / "doh").mkdir()
    columns = "SourceIP DestinationIP SourcePort DestinationPort TimeStamp Duration "
    columns += "ResponseTimeTimeMean ResponseTimeTimeMedian ResponseTimeTimeSkewFromMedian Label"
    for label in ("Benign", "Malicious"):
        row = ["192.168.20.1", "1.1.1.1", 50232, 443, "2020-01-01 10:00:00", 95.5, 0.02, "", ""]
        frame = pd.DataFrame([[*row, label]], columns=columns.split())
        frame.to_csv(tmp_path / "doh" / f"l2-{label.lower()}.csv", index=False)
    bunch = load_doh(tmp_path, ports=ports)
    kept = ["SourcePort", "DestinationPort"] if ports else []
    assert bunch.feature_names == [*kept, "Duration", "ResponseTimeTimeMean"]
    assert bunch.target.tolist() == [0, 1]
    assert np.isfinite(bunch.data).all()


def test_bank_is_that_of_the_papers(data_home):
    bunch = load_bank(data_home)
    assert bunch.data.shape == (41_188, 10)
    assert bunch.target.sum() == 4640
    assert "y" not in bunch.feature_names
    assert not bunch.data.isna().any(axis=None)
    assert bunch.data.nunique().sum() == 53


def test_adbench_has_the_sizes_of_its_table(data_home):
    assert len(list_adbench(data_home)) >= 21
    bunch = load_adbench("25_musk", data_home)
    assert bunch.data.shape == (3062, 166)
    assert bunch.target.sum() == 97


@pytest.fixture
def oddbench(tmp_path):
    """Members of a small file: integer codes above 2**24, in Fortran order."""
    (tmp_path / "oddbench").mkdir()
    members = {
        "train": np.asfortranarray([[2**40, 1], [2**40 + 1, 2], [2**40 + 2, 1]]),
        "test": np.array([[2**40 + 1, 1], [2**40 + 3, 7]], dtype=np.float64),
        "test_labels": np.array([0, 1], dtype=np.int8),
    }
    np.savez(tmp_path / "oddbench" / "Toy.npz", **members)
    return members


def test_oddbench_is_loaded_with_its_split(oddbench, tmp_path):
    assert list_oddbench(tmp_path) == ["Toy"]
    toy = load_oddbench("Toy", tmp_path)
    np.testing.assert_array_equal(toy.data_train, oddbench["train"])
    np.testing.assert_array_equal(toy.data_test, oddbench["test"])
    assert toy.target_test.tolist() == [0, 1]
    assert toy.target_test.dtype == int
    assert toy.feature_names == ["x0", "x1"]
    assert "Toy" in toy.DESCR


def test_oddbench_keeps_codes_that_single_precision_would_merge(oddbench, tmp_path):
    toy = load_oddbench("Toy", tmp_path)
    for rows in (toy.data_train, toy.data_test):
        assert rows.dtype == np.float64
        assert rows.flags.c_contiguous
    assert len(np.unique(toy.data_train[:, 0])) == 3


def test_oddbench_has_normal_training_rows_and_labelled_test_rows(data_home):
    if not (data_home / "oddbench").is_dir():
        pytest.skip(f"{data_home} has no folder oddbench: see skgad.datasets.load_oddbench")
    names = list_oddbench(data_home)
    assert len(names) >= 60
    for name in names:
        bunch = load_oddbench(name, data_home)
        assert bunch.data_train.shape[1] == bunch.data_test.shape[1] == len(bunch.feature_names)
        assert len(bunch.target_test) == len(bunch.data_test)
        assert np.unique(bunch.target_test).tolist() == [0, 1]
        assert np.isfinite(bunch.data_train).all()
        assert np.isfinite(bunch.data_test).all()
    assert load_oddbench("AcademicPerformance", data_home).data_train.shape == (449, 4)
