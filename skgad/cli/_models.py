"""Models: fitted detectors, with what is needed to score and explain other tables."""

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import joblib

import skgad

from .._files import atomic_write
from ..tables import ParquetTable
from ._detectors import make_detector
from ._messages import CommandError, Progress
from ._tables import check_text_features, excluded_columns, select_features

if TYPE_CHECKING:
    import pandas as pd

N_BACKGROUND = 100


class Model(TypedDict):
    """Content of a model file."""

    #: Version of skgad that saved the model.
    skgad: str
    #: The fitted detector.
    detector: skgad.TabularDetector
    #: Some training rows that are inliers, with the columns and types of the features.
    background: "pd.DataFrame"
    #: Columns of the training table that are not features.
    ignored: list[str]


def train_model(table: "pd.DataFrame | ParquetTable", args: Namespace, progress: Progress) -> Model:
    """Fit a detector to the features of a table, which is a ParquetTable if it is large."""
    excluded = excluded_columns(args)
    X = table if isinstance(table, ParquetTable) else select_features(table, excluded)
    sample = X.sample() if isinstance(X, ParquetTable) else X
    check_text_features(sample, args.categorical, args.decimal)
    detector = make_detector(
        args.detector,
        args.set,
        contamination=args.contamination,
        random_state=args.seed,
        progress=progress,
    )
    progress.update(f"training {args.detector} on {len(X)} rows")
    detector.fit(X)
    inliers = sample[detector.predict(sample) == 1]
    background = inliers.sample(min(N_BACKGROUND, len(inliers)), random_state=args.seed)
    return Model(
        skgad=skgad.__version__, detector=detector, background=background, ignored=excluded
    )


def save_model(model: Model, path: Path) -> None:
    """Save a model to a file."""
    with atomic_write(path) as temporary:
        joblib.dump(model, temporary)


def load_model(path: Path) -> Model:
    """Load a model saved by this version of skgad."""
    if not path.is_file():
        raise CommandError(f"Model {path} not found. Create it with 'skgad train'.")
    try:
        model = joblib.load(path)
        version = model["skgad"]
    except Exception as error:  # unpickling any other file can raise anything
        raise CommandError(
            f"{path} is not a model saved by 'skgad train' of this version "
            f"({type(error).__name__}: {error})."
        ) from error
    if version != skgad.__version__:
        raise CommandError(
            f"{path} was saved by skgad {version}, but this is skgad {skgad.__version__}. Train "
            f"the model again, or install skgad {version}."
        )
    return model
