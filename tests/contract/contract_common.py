"""Tables and splits of several files in this folder."""

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.model_selection import PredefinedSplit
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder


def mixed_frame(frame=pd.DataFrame, n_samples=60):
    """Table with one categorical and two numeric columns."""
    rng = np.random.RandomState(0)
    return frame(
        {
            "color": rng.choice(["red", "green", "blue"], n_samples).tolist(),
            "length": rng.normal(100, 10, n_samples),
            "count": rng.randint(0, 9, n_samples),
        }
    )


def preprocessing(sparse=True):
    """Encoder of the table that :func:`mixed_frame` returns."""
    return make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=sparse), ["color"]),
        (MinMaxScaler(), ["length", "count"]),
        sparse_threshold=float(sparse),
    )


def labelled_blobs(n_normal=60, n_abnormal=20):
    """Rows of two blobs, and 1 for each row of the first and -1 for each row of the second."""
    rng = np.random.RandomState(0)
    rows = np.concatenate([rng.normal(1, 0.3, (n_normal, 3)), rng.normal(-1, 0.3, (n_abnormal, 3))])
    return rows, np.repeat([1, -1], [n_normal, n_abnormal])


def one_split(n_normal=60, n_abnormal=20):
    """Split of two blobs: train on half of the first one, test on all other rows."""
    return PredefinedSplit(np.repeat([-1, 0], [n_normal // 2, n_normal // 2 + n_abnormal]))
