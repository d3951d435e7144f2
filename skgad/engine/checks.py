"""Checks of the tables that users pass to a detector."""

import re
from functools import partial

import numpy as np
import torch
from scipy import sparse
from sklearn.utils.validation import validate_data
from torch.utils.data import Dataset

from .._frames import collect, fill_masked, has_dates
from ..networks._build import image_shape
from ..tables import ParquetTable
from .data import Items

#: Largest number that float32 can represent.
MAX_FLOAT = float(np.finfo(np.float32).max)


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
    X = collect(X)
    X = fill_masked(X.numpy(force=True) if torch.is_tensor(X) else X)
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
        with np.errstate(over="ignore"):  # reported below, with the position
            table = validate_data(
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
        if "infinity or a value too large" in problem:
            raise too_large(X) from error
        if not re.search("could not convert|argument must be a string", problem):
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(not_numeric.format(problem)) from error
    is_wide = table.dtype.kind == "f" and table.dtype.itemsize > 4
    if is_wide and max(table.max(), -table.min()) > MAX_FLOAT:
        raise too_large(X)
    return table


def too_large(X):
    """Return the error for the first number of a table that float32 cannot represent."""
    names = getattr(X, "columns", None)
    if sparse.issparse(X):
        cells = X.tocoo()
        first = np.flatnonzero(~(np.abs(cells.data) <= MAX_FLOAT))[0]
        row, column, value = cells.row[first], cells.col[first], cells.data[first]
    else:
        values = np.asarray(X, dtype=np.float64)
        row, column = np.argwhere(~(np.abs(values) <= MAX_FLOAT))[0]
        value = values[row, column]
    name = column if names is None else repr(names[column])
    return ValueError(
        f"Input X contains infinity or a value too large for float32: {value:.3g} in row {row} of "
        f"column {name}, counted from 0. Correct the value or drop the row."
    )


def feature_names(estimator):
    """Names of the columns that an estimator has seen during fit, or their positions."""
    names = getattr(estimator, "feature_names_in_", range(estimator.n_features_in_))
    return list(names)
