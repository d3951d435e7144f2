"""Load the datasets of the papers and benchmarks from local files. Nothing is downloaded."""

import os
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from scipy.io import loadmat
from sklearn.datasets import fetch_covtype
from sklearn.preprocessing import OneHotEncoder
from sklearn.utils import Bunch

from ._sklearn_compat import check_pandas_support

__all__ = [
    "list_adbench",
    "list_oddbench",
    "load_adbench",
    "load_arrhythmia",
    "load_bank",
    "load_covertype",
    "load_creditcard",
    "load_doh",
    "load_kdd99",
    "load_nsl_kdd",
    "load_oddbench",
]


def __dir__() -> list[str]:
    return __all__


PathLike: TypeAlias = str | os.PathLike[str]

KDD99_COLUMNS = (
    "duration protocol_type service flag src_bytes dst_bytes land wrong_fragment urgent hot "
    "num_failed_logins logged_in num_compromised root_shell su_attempted num_root "
    "num_file_creations num_shells num_access_files num_outbound_cmds is_host_login "
    "is_guest_login count srv_count serror_rate srv_serror_rate rerror_rate srv_rerror_rate "
    "same_srv_rate diff_srv_rate srv_diff_host_rate dst_host_count dst_host_srv_count "
    "dst_host_same_srv_rate dst_host_diff_srv_rate dst_host_same_src_port_rate "
    "dst_host_srv_diff_host_rate dst_host_serror_rate dst_host_srv_serror_rate "
    "dst_host_rerror_rate dst_host_srv_rerror_rate"
).split()
KDD99_CATEGORICAL = (
    "protocol_type service flag land logged_in is_host_login is_guest_login"
).split()
KDD99_BOOLEAN = KDD99_CATEGORICAL[3:]
KDD99_NUMERIC = [name for name in KDD99_COLUMNS if name not in KDD99_CATEGORICAL]
KDD99 = "KDD Cup 1999, 10 % file; anomaly = label 'normal.' (Hettich and Bay, UCI KDD)."
NSL_KDD = "NSL-KDD, Train+ and Test+; anomaly = attack (Tavallaee et al., CISDA, 2009)."

#: Columns of the DoH data that identify the owner of a flow, or that contain missing values.
DOH_DROPPED = [
    *("SourceIP", "DestinationIP", "SourcePort", "DestinationPort", "TimeStamp"),
    *("ResponseTimeTimeMedian", "ResponseTimeTimeSkewFromMedian"),
]

#: For each file or folder, where to get it.
SOURCES = {
    "kddcup.data_10_percent.gz": "https://archive.ics.uci.edu/dataset/130",
    "NSL_KDDTrain+.txt.gz": "https://www.unb.ca/cic/datasets/nsl.html (KDDTrain+.txt, gzipped)",
    "NSL_KDDTest+.txt.gz": "https://www.unb.ca/cic/datasets/nsl.html (KDDTest+.txt, gzipped)",
    "arrhythmia.mat": "https://odds.cs.stonybrook.edu/arrhythmia-dataset (arrhythmia.mat)",
    "bank_additional_full_nominal.csv.gz": "https://github.com/arnwg/arn "
    "(Dataset/bank-additional-ful-nominal.arff, as CSV with a header)",
    "covertype": "https://archive.ics.uci.edu/dataset/31, by "
    "sklearn.datasets.fetch_covtype(data_home=...)",
    "creditcard.csv": "https://www.kaggle.com/datasets/mlg-ulb/creditcardfraud",
    "doh": "https://www.unb.ca/cic/datasets/dohbrw-2020.html (Total_CSVs.zip)",
    "adbench": "https://github.com/Minqi824/ADBench (adbench/datasets/Classical)",
    "oddbench": "https://github.com/psorus/Outformer (benchmarks/oddbench)",
}


def load_kdd99(data_home: PathLike | None = None, *, as_frame: bool = False) -> Bunch:
    """Load the 10 % file of KDD Cup 1999.

    By default, the data are one-hot encoded as in the ALAD paper: 121 columns, first the 34 numeric
    columns in the order of the file, then the indicators of the 7 categorical columns. Rows with
    the label ``normal.``, a fifth of all rows, are the *anomalies*, as in DAGMM, ALAD and RCGAN.

    .. versionadded:: 0.1

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder that contains ``kdd/kddcup.data_10_percent.gz``. None means the environment variable
        ``SKGAD_DATA`` or, if it is not set, ``~/skgad_data``.
    as_frame : bool, default=False
        Whether to return `data` without encoding: a pandas frame of 41 columns in the order of
        the file, of which three are text and four are booleans.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        ``data`` (494021, 121) float32 or a frame (494021, 41), ``target`` (1 = anomaly),
        ``attack`` ("normal" or the name of the attack), ``feature_names``, ``DESCR``.
    """
    paths = [_data_path(data_home, "kdd", "kddcup.data_10_percent.gz")]
    bunch = _load_connections(paths, [*KDD99_COLUMNS, "attack"], as_frame, "load_kdd99", KDD99)
    del bunch["file"]
    bunch.target = (bunch.attack == "normal").astype(int)
    return bunch


def load_nsl_kdd(
    data_home: PathLike | None = None,
    *,
    subset: Literal["all", "train", "test"] = "all",
    as_frame: bool = False,
) -> Bunch:
    """Load NSL-KDD, a version of KDD Cup 1999 without duplicate rows.

    By default, the data are one-hot encoded as in :func:`load_kdd99`, with the levels of both
    files: 34 numeric columns and 92 indicators. Attacks, about half of the rows, are the
    *anomalies*. The column with the difficulty of each row is left out.

    .. versionadded:: 0.1

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder that contains ``kdd/NSL_KDDTrain+.txt.gz`` and ``kdd/NSL_KDDTest+.txt.gz``. None
        means the environment variable ``SKGAD_DATA`` or, if it is not set, ``~/skgad_data``.
    subset : {"all", "train", "test"}, default="all"
        Train+ (125,973 rows), Test+ (22,544 rows, with attacks that are not in Train+), or both,
        one after the other, as in the ARN paper.
    as_frame : bool, default=False
        Whether to return `data` without encoding: a pandas frame of 41 columns in the order of
        the file, of which three are text and four are booleans.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        ``data`` (n_rows, 126) float32 or a frame (n_rows, 41), ``target`` (1 = anomaly),
        ``attack`` ("normal" or the name of the attack), ``file`` (0 for Train+, 1 for Test+),
        ``feature_names``, ``DESCR``.

    Raises
    ------
    ValueError
        If `subset` is not one of these values.
    """
    if subset not in ("all", "train", "test"):
        raise ValueError(f"subset must be 'all', 'train' or 'test', got {subset!r}.")
    paths = [_data_path(data_home, "kdd", f"NSL_KDD{part}+.txt.gz") for part in ("Train", "Test")]
    columns = [*KDD99_COLUMNS, "attack", "difficulty"]
    bunch = _load_connections(paths, columns, as_frame, "load_nsl_kdd", NSL_KDD)
    bunch.target = (bunch.attack != "normal").astype(int)
    if subset != "all":
        rows = bunch.file == ("train", "test").index(subset)
        bunch.update({name: bunch[name][rows] for name in ("data", "target", "attack", "file")})
    return bunch


def load_bank(data_home: PathLike | None = None) -> Bunch:
    """Load the ten categorical columns of the bank marketing data.

    The rows are clients that a bank called. Clients who accepted the offer (``y`` is "yes", 11 % of
    the rows) are the anomalies. "unknown" is a level, not a missing value. Many rows are
    duplicates. Some of them occur with both labels, so that no detector can be perfect.

    .. versionadded:: 0.1

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder that contains ``uci/bank_additional_full_nominal.csv.gz``. None means the environment
        variable ``SKGAD_DATA`` or, if it is not set, ``~/skgad_data``.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        ``data``, a pandas frame (41188, 10) of text, ``target`` (1 = anomaly), ``feature_names``,
        ``DESCR``.
    """
    pandas = check_pandas_support("load_bank")
    path = _data_path(data_home, "uci", "bank_additional_full_nominal.csv.gz")
    table = pandas.read_csv(path, keep_default_na=False)
    description = "Bank marketing, categorical columns; anomaly = y 'yes' (Moro et al., UCI, 2014)."
    return _frame_bunch(table, table.pop("y") == "yes", description)


def load_covertype(data_home: PathLike | None = None) -> Bunch:
    """Load the forest cover types, with the rarer types as anomalies as in the ARN paper.

    Types 1 to 3 are normal. Types 4 to 7, 9 % of the rows, are the anomalies. Download the data
    with scikit-learn: ``sklearn.datasets.fetch_covtype(data_home=data_home)``.

    .. versionadded:: 0.1

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder that contains ``covertype/``, as written by scikit-learn. None means the
        environment variable ``SKGAD_DATA`` or, if it is not set, ``~/skgad_data``.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        ``data`` (581012, 54) float32: 10 numeric columns and the indicators of 4 areas and of 40
        soil types; ``target`` (1 = anomaly), ``feature_names``, ``DESCR``.
    """
    folder = _data_path(data_home, "covertype")
    try:
        table = fetch_covtype(data_home=folder.parent, download_if_missing=False)
    except OSError as error:
        raise FileNotFoundError(
            f"{folder} does not contain the files that scikit-learn writes. Get them from "
            f"{SOURCES['covertype']}."
        ) from error
    description = "Cover types; anomaly = type 4, 5, 6 or 7 (Blackard and Dean, UCI, 1999)."
    return _array_bunch(table.data, table.target > 3, description, table.feature_names)


def load_creditcard(data_home: PathLike | None = None) -> Bunch:
    """Load the credit card payments of two days. 492 of them, 0.17 %, are known frauds.

    .. versionadded:: 0.1

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder that contains ``creditcard/creditcard.csv``. None means the environment variable
        ``SKGAD_DATA`` or, if it is not set, ``~/skgad_data``.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        ``data`` (284807, 30) float32: the time, 28 principal components and the amount;
        ``target`` (1 = anomaly), ``feature_names``, ``DESCR``.
    """
    path = _data_path(data_home, "creditcard", "creditcard.csv")
    table = check_pandas_support("load_creditcard").read_csv(path)
    is_fraud = table.pop("Class") == 1
    description = "Credit card payments; anomaly = fraud (Dal Pozzolo et al., ULB, 2015)."
    return _array_bunch(table.to_numpy(), is_fraud.to_numpy(), description, [*table])


def load_doh(data_home: PathLike | None = None, *, ports: bool = False) -> Bunch:
    """Load CIRA-CIC-DoHBrw-2020: benign and malicious flows of DNS over HTTPS.

    Malicious flows (tunnels), 93 % of the rows, are the anomalies. Some columns are left out: the
    IP addresses, which alone identify the few machines of the recording; the time stamp; and the
    median of the response time and the skewness from the median, which have missing values.

    .. versionadded:: 0.1

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder that contains ``doh/l2-benign.csv`` and ``doh/l2-malicious.csv``. None means the
        environment variable ``SKGAD_DATA`` or, if it is not set, ``~/skgad_data``.
    ports : bool, default=False
        Whether to keep the two port numbers, as in the ARN paper.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        ``data`` (269643, 27) float32: the duration, numbers and rates of bytes, and statistics of
        packet lengths, packet times and response times; ``target`` (1 = anomaly),
        ``feature_names``, ``DESCR``.
    """
    read_csv = check_pandas_support("load_doh").read_csv
    parts = [read_csv(_data_path(data_home, "doh", f"l2-{n}.csv")) for n in ("benign", "malicious")]
    dropped = [name for name in DOH_DROPPED if not (ports and name.endswith("Port"))]
    names = [name for name in parts[0] if name not in (*dropped, "Label")]
    return _array_bunch(
        np.concatenate([part[names].to_numpy() for part in parts]),
        np.repeat([0, 1], [len(part) for part in parts]),
        "DNS over HTTPS; anomaly = malicious (MontazeriShatoori et al., CIC, 2020).",
        names,
    )


def load_arrhythmia(data_home: PathLike | None = None) -> Bunch:
    """Load the ODDS version of the Arrhythmia data.

    The smallest classes (3, 4, 5, 7, 8, 9, 14, 15) are the anomalies: 66 of 452 rows.

    .. versionadded:: 0.1

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder that contains ``uci/arrhythmia.mat``. None means the environment variable
        ``SKGAD_DATA`` or, if it is not set, ``~/skgad_data``.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        ``data`` (452, 274) float32, ``target`` (1 = anomaly), ``feature_names``, ``DESCR``.
    """
    table = loadmat(_data_path(data_home, "uci", "arrhythmia.mat"))
    return _array_bunch(
        table["X"], table["y"], "Arrhythmia, ODDS version (Guvenir et al., UCI, 1997)."
    )


def load_adbench(name: str, data_home: PathLike | None = None) -> Bunch:
    """Load a dataset of ADBench, or any npz file with members ``X`` and ``y``.

    .. versionadded:: 0.1

    Parameters
    ----------
    name : str
        Name of the file without ``.npz``. See :func:`list_adbench`.
    data_home : str or path-like, default=None
        Folder that contains ``adbench/<name>.npz``. None means the environment variable
        ``SKGAD_DATA`` or, if it is not set, ``~/skgad_data``.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        ``data`` float32, ``target`` (1 = anomaly), ``feature_names``, ``DESCR``.
    """
    with np.load(_data_path(data_home, "adbench", f"{name}.npz")) as table:
        return _array_bunch(
            table["X"], table["y"], f"{name}, from ADBench (Han et al., NeurIPS 2022)."
        )


def list_adbench(data_home: PathLike | None = None) -> list[str]:
    """List the datasets that :func:`load_adbench` can load.

    .. versionadded:: 0.1

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder that contains ``adbench/``. None means the environment variable ``SKGAD_DATA`` or, if
        it is not set, ``~/skgad_data``.

    Returns
    -------
    names : list of str
        Sorted names.
    """
    return sorted(path.stem for path in _data_path(data_home, "adbench").glob("*.npz"))


def load_oddbench(name: str, data_home: PathLike | None = None) -> Bunch:
    """Load a dataset of OddBench, which has a fixed split into training and test rows.

    The training rows are normal. The test rows are normal rows and anomalies. All columns are
    numeric. Categories are integer codes, so many columns have few values. The values are not
    scaled. Identifiers and timestamps may be too large for single precision, so all values are
    float64.

    .. versionadded:: 0.1

    Parameters
    ----------
    name : str
        Name of the file without ``.npz``. See :func:`list_oddbench`.
    data_home : str or path-like, default=None
        Folder that contains ``oddbench/<name>.npz``, a file with members ``train``, ``test`` and
        ``test_labels``. None means the environment variable ``SKGAD_DATA`` or, if it is not set,
        ``~/skgad_data``.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        ``data_train`` (n_train, n_features) float64, ``data_test`` (n_test, n_features) float64,
        ``target_test`` (n_test,) (1 = anomaly), ``feature_names``, ``DESCR``.
    """
    with np.load(_data_path(data_home, "oddbench", f"{name}.npz")) as table:
        X_train, X_test, y_test = (table[part] for part in ("train", "test", "test_labels"))
    return Bunch(
        data_train=np.ascontiguousarray(X_train, dtype=np.float64),
        data_test=np.ascontiguousarray(X_test, dtype=np.float64),
        target_test=np.ravel(y_test).astype(int),
        feature_names=[f"x{i}" for i in range(X_train.shape[1])],
        DESCR=f"{name}, from OddBench (Ding et al., macrOData, KDD 2026).",
    )


def list_oddbench(data_home: PathLike | None = None) -> list[str]:
    """List the datasets that :func:`load_oddbench` can load.

    .. versionadded:: 0.1

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder that contains ``oddbench/``. None means the environment variable ``SKGAD_DATA`` or,
        if it is not set, ``~/skgad_data``.

    Returns
    -------
    names : list of str
        Sorted names.
    """
    return sorted(path.stem for path in _data_path(data_home, "oddbench").glob("*.npz"))


def _data_path(data_home, *parts):
    home = Path(data_home or os.environ.get("SKGAD_DATA", "~/skgad_data")).expanduser()
    path = home.joinpath(*parts)
    if not path.exists():
        source = next(SOURCES[part] for part in parts if part in SOURCES)
        raise FileNotFoundError(
            f"{path} does not exist. Get it from {source}, and set data_home or the environment "
            "variable SKGAD_DATA to the folder with the data."
        )
    return path


def _load_connections(paths, columns, as_frame, caller, description):
    """Load files in the format of KDD Cup 1999. The caller adds the target."""
    if as_frame:
        pandas = check_pandas_support(caller)
        parts = [pandas.read_csv(path, names=columns) for path in paths]
        table = pandas.concat(parts, ignore_index=True)
        X = table[KDD99_COLUMNS].astype(dict.fromkeys(KDD99_BOOLEAN, bool))
        names = KDD99_COLUMNS
    else:
        types = dict.fromkeys([*KDD99_CATEGORICAL, "attack"], "U16")
        dtype = [(name, types.get(name, np.float32)) for name in columns]
        parts = [np.loadtxt(path, dtype=dtype, delimiter=",", ndmin=1) for path in paths]
        table = np.concatenate(parts)
        numeric = np.column_stack([table[name] for name in KDD99_NUMERIC])
        categories = np.column_stack([table[name] for name in KDD99_CATEGORICAL])
        encoder = OneHotEncoder(sparse_output=False, dtype=np.float32).fit(categories)
        X = np.hstack([numeric, encoder.transform(categories)])
        names = [*KDD99_NUMERIC, *encoder.get_feature_names_out(KDD99_CATEGORICAL)]
    return Bunch(
        data=X,
        attack=np.char.rstrip(np.asarray(table["attack"], dtype="U16"), "."),
        file=np.repeat(np.arange(len(parts)), [len(part) for part in parts]),
        feature_names=[*names],
        DESCR=description,
    )


def _array_bunch(X, y, description, names=None):
    # Some files are stored in Fortran order, or as small integers, which would overflow.
    return Bunch(
        data=np.ascontiguousarray(X, dtype=np.float32),
        target=np.ravel(y).astype(int),
        feature_names=[*names] if names else [f"x{i}" for i in range(X.shape[1])],
        DESCR=description,
    )


def _frame_bunch(table, is_anomaly, description):
    return Bunch(
        data=table,
        target=is_anomaly.to_numpy(dtype=int),
        feature_names=[*table],
        DESCR=description,
    )
