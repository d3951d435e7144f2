"""Loaders for the data of the papers and benchmarks; they read local files and download nothing."""

import os
from pathlib import Path

import numpy as np
from scipy.io import loadmat
from sklearn.preprocessing import OneHotEncoder
from sklearn.utils import Bunch
from sklearn.utils._optional_dependencies import check_pandas_support

__all__ = ["list_adbench", "load_adbench", "load_arrhythmia", "load_bank", "load_kdd99"]

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

SOURCES = {
    "kdd": "https://archive.ics.uci.edu/dataset/130 (kddcup.data_10_percent.gz)",
    "arrhythmia.mat": "https://odds.cs.stonybrook.edu/arrhythmia-dataset (arrhythmia.mat)",
    "bank_additional_full_nominal.csv.gz": "https://github.com/arnwg/arn "
    "(Dataset/bank-additional-ful-nominal.arff, as CSV with a header)",
    "adbench": "https://github.com/Minqi824/ADBench (adbench/datasets/Classical)",
}


def load_kdd99(data_home=None, *, as_frame=False):
    """Load the 10 % file of KDD Cup 1999, one-hot encoded as in the ALAD paper, or as it is.

    The 34 numeric columns come first, in the order of the file, then the indicator columns of the
    7 categorical ones: 121 in all. The label ``normal.``, a fifth of the rows, is the *anomaly*,
    as in DAGMM, ALAD and RCGAN.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder that holds ``kdd/kddcup.data_10_percent.gz``. None reads the environment variable
        ``SKGAD_DATA`` and falls back to ``~/skgad_data``.
    as_frame : bool, default=False
        Whether `data` is the table as it is: a pandas frame of 41 columns in the order of the
        file, three of them text, four of them booleans.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        ``data`` (494021, 121) float32 or a frame (494021, 41), ``target`` (1 = anomaly),
        ``feature_names``, ``DESCR``.
    """
    path = _find(data_home, "kdd", "kddcup.data_10_percent.gz")
    if as_frame:
        table = check_pandas_support("load_kdd99").read_csv(path, names=[*KDD99_COLUMNS, "label"])
        is_anomaly = table.pop("label") == "normal."
        return _frame_bunch(table.astype(dict.fromkeys(KDD99_BOOLEAN, bool)), is_anomaly, KDD99)
    types = dict.fromkeys([*KDD99_CATEGORICAL, "label"], "U16")
    dtype = [(name, types.get(name, np.float32)) for name in [*KDD99_COLUMNS, "label"]]
    table = np.loadtxt(path, dtype=dtype, delimiter=",")

    numeric = np.column_stack([table[name] for name in KDD99_NUMERIC])
    categories = np.column_stack([table[name] for name in KDD99_CATEGORICAL])
    encoder = OneHotEncoder(sparse_output=False, dtype=np.float32).fit(categories)
    return Bunch(
        data=np.hstack([numeric, encoder.transform(categories)]),
        target=(table["label"] == "normal.").astype(int),
        feature_names=[*KDD99_NUMERIC, *encoder.get_feature_names_out(KDD99_CATEGORICAL)],
        DESCR=KDD99,
    )


def load_bank(data_home=None):
    """Load the bank marketing data, of which only the ten categorical columns are left.

    A bank called clients; those who took its offer (``y`` is "yes", 11 % of the rows) are the
    anomalies. "unknown" is a level and no missing value. Many rows are alike: as some occur with
    both labels, no detector can be perfect.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder that holds ``uci/bank_additional_full_nominal.csv.gz``. None reads the environment
        variable ``SKGAD_DATA`` and falls back to ``~/skgad_data``.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        ``data``, a pandas frame (41188, 10) of text, ``target`` (1 = anomaly), ``feature_names``,
        ``DESCR``.
    """
    pandas = check_pandas_support("load_bank")
    path = _find(data_home, "uci", "bank_additional_full_nominal.csv.gz")
    table = pandas.read_csv(path, keep_default_na=False)
    description = "Bank marketing, categorical columns; anomaly = y 'yes' (Moro et al., UCI, 2014)."
    return _frame_bunch(table, table.pop("y") == "yes", description)


def load_arrhythmia(data_home=None):
    """Load the Arrhythmia data in the version of ODDS.

    The smallest classes (3, 4, 5, 7, 8, 9, 14, 15) are the anomalies: 66 of 452 rows.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder that holds ``uci/arrhythmia.mat``. None reads the environment variable
        ``SKGAD_DATA`` and falls back to ``~/skgad_data``.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        ``data`` (452, 274) float32, ``target`` (1 = anomaly), ``feature_names``, ``DESCR``.
    """
    table = loadmat(_find(data_home, "uci", "arrhythmia.mat"))
    return _bunch(table["X"], table["y"], "Arrhythmia, ODDS version (Guvenir et al., UCI, 1997).")


def load_adbench(name, data_home=None):
    """Load one data set of ADBench, or any npz file with members ``X`` and ``y``.

    Parameters
    ----------
    name : str
        Name of the file without ``.npz``; see :func:`list_adbench`.
    data_home : str or path-like, default=None
        Folder that holds ``adbench/<name>.npz``. None reads the environment variable
        ``SKGAD_DATA`` and falls back to ``~/skgad_data``.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        ``data`` float32, ``target`` (1 = anomaly), ``feature_names``, ``DESCR``.
    """
    with np.load(_find(data_home, "adbench", f"{name}.npz")) as table:
        return _bunch(table["X"], table["y"], f"{name}, from ADBench (Han et al., NeurIPS 2022).")


def list_adbench(data_home=None):
    """Names that :func:`load_adbench` can load.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder that holds ``adbench/``. None reads the environment variable ``SKGAD_DATA`` and
        falls back to ``~/skgad_data``.

    Returns
    -------
    names : list of str
        Sorted names.
    """
    return sorted(path.stem for path in _find(data_home, "adbench").glob("*.npz"))


def _find(data_home, *parts):
    home = Path(data_home or os.environ.get("SKGAD_DATA", "~/skgad_data")).expanduser()
    path = home.joinpath(*parts)
    if not path.exists():
        source = next(SOURCES[part] for part in parts if part in SOURCES)
        raise FileNotFoundError(
            f"{path} does not exist. Get it from {source}, and say where it is with "
            "data_home or the environment variable SKGAD_DATA."
        )
    return path


def _bunch(X, y, description):
    # Some files are stored column by column or as small integers, which would overflow.
    return Bunch(
        data=np.ascontiguousarray(X, dtype=np.float32),
        target=np.ravel(y).astype(int),
        feature_names=[f"x{i}" for i in range(X.shape[1])],
        DESCR=description,
    )


def _frame_bunch(table, is_anomaly, description):
    return Bunch(
        data=table,
        target=is_anomaly.to_numpy(dtype=int),
        feature_names=[*table],
        DESCR=description,
    )
