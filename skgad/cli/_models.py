"""Models: fitted detectors, with what is needed to score and explain other tables."""

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
import torch
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors

import skgad

from .._frames import read_columns, schema_of
from ..persistence import ModelFileError, load, save
from ..tables import ParquetTable
from ._detectors import make_detector
from ._messages import CommandError, Progress
from ._tables import check_text_features, excluded_columns, select_features

if TYPE_CHECKING:
    import pandas as pd

N_BACKGROUND = 100

#: Trees of scikit-learn's detectors. Their positions in memory are checked, or computed again.
TREES = [
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.tree._tree.Tree",
]


class Model(TypedDict):
    """Content of a model file."""

    #: The fitted detector.
    detector: skgad.TabularDetector
    #: Some training rows that are inliers, with the columns and types of the features.
    background: "pd.DataFrame"
    #: Columns of the training table that are not features.
    ignored: list[str]


def train_model(table: "pd.DataFrame | ParquetTable", args: Namespace, progress: Progress) -> Model:
    """Fit a detector to the features of a table, which is a ParquetTable if it is large."""
    use_one_thread()
    excluded = excluded_columns(args)
    X = table if isinstance(table, ParquetTable) else select_features(table, excluded)
    sample = X.sample() if isinstance(X, ParquetTable) else X
    misread = check_text_features(sample, args.categorical, args.decimal)
    detector = make_detector(
        args.detector,
        args.set,
        contamination=args.contamination,
        random_state=args.seed,
        progress=progress,
    )
    # Of these, the encoder need not warn.
    categorical = [name for name in sample if name in {*args.categorical, *misread}]
    detector.set_params(encoder__categorical_features=categorical)
    progress.update(f"training {args.detector} on {len(X)} rows")
    detector.fit(X)
    if getattr(getattr(detector.detector_, "net_", None), "interrupted_", False):
        raise KeyboardInterrupt  # Ctrl-C after the last epoch, which a detector survives
    inliers = sample[detector.predict(sample) == 1]
    background = inliers.sample(min(N_BACKGROUND, len(inliers)), random_state=args.seed)
    return Model(detector=detector, background=background, ignored=excluded)


def use_one_thread() -> None:
    """Compute with one thread: the networks are small, and more threads are slower."""
    torch.set_num_threads(1)


def save_model(model: Model, path: Path) -> None:
    """Save a model to a file, in which the background rows are arrays."""
    background = model["background"]
    columns = read_columns(background, list(background.columns))
    save({**model, "background": {"schema": schema_of(background), "columns": columns}}, path)


def load_model(path: Path) -> Model:
    """Load a model without running code that the file contains."""
    if not path.is_file():
        raise CommandError(f"Model {path} not found. Create it with 'skgad train'.")
    use_one_thread()
    content = load(path, trusted=TREES)
    try:
        rows = content["background"]
        model = Model(
            detector=content["detector"],
            background=rows["schema"].make_table(rows["columns"]),
            ignored=content["ignored"],
        )
        make_trees_safe(model["detector"].detector_)
        if len(model["background"]):  # a file that was made by hand may lack a part
            model["detector"].score_samples(model["background"][:1])
    except Exception as error:  # any other object can be in such a file
        raise CommandError(
            f"{path} does not contain a model of 'skgad train', with a detector for tables and "
            "the rows that explanations need. Create it with 'skgad train'."
        ) from error
    return model


def make_trees_safe(detector: object) -> None:
    """Check or rebuild the trees of a loaded detector.

    scikit-learn does not check the positions in a tree when it follows them, so those of a crafted
    file would read other memory of the process.
    """
    if isinstance(detector, LocalOutlierFactor):
        names = ("algorithm", "leaf_size", "metric", "p", "metric_params")
        index = NearestNeighbors(**{name: getattr(detector, name) for name in names})
        detector._tree = index.fit(detector._fit_X)._tree
    if isinstance(detector, IsolationForest):
        for estimator, features in zip(
            detector.estimators_, detector.estimators_features_, strict=True
        ):
            tree = estimator.tree_
            if not len(features) == tree.n_features <= detector.n_features_in_:
                raise ModelFileError("A tree has other features than its forest.")
            check_tree(tree)


def check_tree(tree: Any) -> None:
    """Check that all children come after their parents, and that all features exist."""
    nodes = tree.__getstate__()["nodes"]
    positions = np.arange(len(nodes))
    left, right = nodes["left_child"], nodes["right_child"]
    is_leaf = (left == -1) & (right == -1)
    is_inside = (np.minimum(left, right) > positions) & (np.maximum(left, right) < len(nodes))
    has_feature = (nodes["feature"] >= 0) & (nodes["feature"] < tree.n_features)
    if not (len(nodes) and (is_leaf | (is_inside & has_feature)).all()):
        raise ModelFileError("A tree has positions outside of it.")
