"""Checks of the tables that users pass to a detector."""

import re
from functools import partial

import numpy as np
import torch
from sklearn.utils.validation import validate_data
from torch.utils.data import Dataset

from .._frames import has_dates
from ..networks._build import image_shape
from ..tables import ParquetTable
from .data import Items


def check_table(estimator, X, *, reset):
    """Validate a table against the contract of scikit-learn.

    Parameters
    ----------
    estimator : BaseDetector
        Detector that the table is passed to. If its networks are convolutional, uint8 is kept.
    X : array-like, sparse matrix, tensor, Dataset, ParquetTable or Items
        Table to check, of shape (n_samples, n_features). The batches of a ParquetTable are checked
        when they are read.
    reset : bool
        Whether the number and the names of the features are stored in the estimator, or
        compared with those stored.

    Returns
    -------
    table : ndarray, CSR matrix, Items or ParquetTable of shape (n_samples, n_features)
        Table of finite numbers. Floats and integers keep their dtype: they become float32 one
        mini-batch at a time.

    Raises
    ------
    TypeError, ValueError
        If the table does not contain finite numbers only, if it does not have the features seen
        during `fit`, or if there are too few rows.
    """
    name, shape = type(estimator).__name__, image_shape(estimator.networks)
    if isinstance(X, ParquetTable):
        check_table(estimator, next(X.batches(2)), reset=reset)
        return X.map(partial(check_table, estimator, reset=False))
    if isinstance(X, (Dataset, Items)):
        items = X if isinstance(X, Items) else Items(X, shape)
        if reset and items.shape[0] < 2:
            raise ValueError(f"{name} requires at least 2 items, but the Dataset has 1.")
        return validate_data(estimator, items, reset=reset, skip_check_array=True)
    X = X.numpy(force=True) if torch.is_tensor(X) else X
    not_numeric = (
        f"{name} requires a numeric table, but {{}}. Encode other columns first, for example with "
        "a ColumnTransformer and a OneHotEncoder, or wrap the detector in a "
        "skgad.TabularDetector, which encodes them."
    )
    if has_dates(X):
        raise TypeError(not_numeric.format("some columns contain dates or durations"))
    dtypes = [np.float32] if shape is None else [np.float32, np.uint8]
    if isinstance(X, np.ndarray) and X.dtype.kind in "fiu" and X.dtype != np.uint8:
        dtypes.append(X.dtype)
    try:
        X = validate_data(
            estimator,
            X,
            reset=reset,
            accept_sparse="csr",
            dtype=dtypes,
            ensure_min_samples=2 if reset else 1,
        )
    except (TypeError, ValueError) as error:
        problem = str(error)
        if "contains NaN" in problem:
            raise ValueError(
                f"Input X contains NaN, but {name} does not accept missing values. Impute them "
                "first, for example with a SimpleImputer, or wrap the detector in a "
                "skgad.TabularDetector, which encodes missing values."
            ) from error
        if not re.search("could not convert|argument must be a string", problem):
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(not_numeric.format(problem)) from error
    is_wide = X.dtype.kind == "f" and X.dtype.itemsize > 4
    if is_wide and max(X.max(), -X.min()) > np.finfo(np.float32).max:
        raise ValueError("Input X contains infinity or a value too large for dtype('float32').")
    return X
