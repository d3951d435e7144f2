"""Loaders for the data of the papers and benchmarks; they read local files and download nothing."""

import os
from pathlib import Path

import numpy as np
from scipy.io import loadmat
from sklearn.preprocessing import OneHotEncoder
from sklearn.utils import Bunch

__all__ = ["list_adbench", "load_adbench", "load_arrhythmia", "load_kdd99"]

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
KDD99_NUMERIC = [name for name in KDD99_COLUMNS if name not in KDD99_CATEGORICAL]

SOURCES = {
    "kdd": "https://archive.ics.uci.edu/dataset/130 (kddcup.data_10_percent.gz)",
    "uci": "https://odds.cs.stonybrook.edu/arrhythmia-dataset (arrhythmia.mat)",
    "adbench": "https://github.com/Minqi824/ADBench (adbench/datasets/Classical)",
}


def load_kdd99(data_home=None):
    """Load the 10 % file of KDD Cup 1999, one-hot encoded as in the ALAD paper.

    The 34 numeric columns come first, in the order of the file, then the indicator columns of the
    7 categorical ones: 121 in all. The label ``normal.``, a fifth of the rows, is the *anomaly*,
    as in DAGMM, ALAD and RCGAN.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder that holds ``kdd/kddcup.data_10_percent.gz``. None reads the environment variable
        ``SKGAD_DATA`` and falls back to ``~/skgad_data``.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        ``data`` (494021, 121) float32, ``target`` (1 = anomaly), ``feature_names``, ``DESCR``.
    """
    path = _find(data_home, "kdd", "kddcup.data_10_percent.gz")
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
        DESCR="KDD Cup 1999, 10 % file; anomaly = label 'normal.' (Hettich and Bay, UCI KDD).",
    )


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
        raise FileNotFoundError(
            f"{path} does not exist. Get it from {SOURCES[parts[0]]}, and say where it is with "
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
