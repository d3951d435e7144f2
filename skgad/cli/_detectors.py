"""The detectors of the command line, and how their parameters are set."""

from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any

import skgad

from ._messages import CommandError, Progress

if TYPE_CHECKING:
    from sklearn.base import OutlierMixin

#: Names of the package that are no detectors.
OTHERS = {"BaseDetector", "ConvNet", "Game", "MLP", "TabularDetector", "load", "save"}

#: Module of each detector, by the name of its class. They are imported by `detector_class`.
DETECTORS = {
    **dict.fromkeys([name for name in skgad.__all__ if name not in OTHERS], "skgad"),
    "DensityDetector": "skgad.density",
    "KNeighborsDetector": "skgad.neighbors",
    "IsolationForest": "sklearn.ensemble",
    "LocalOutlierFactor": "sklearn.neighbors",
    "OneClassSVM": "sklearn.svm",
}


def detector_class(name: str) -> "type[OutlierMixin]":
    """Import the class of a detector, whose name is a key of `DETECTORS`."""
    return getattr(import_module(DETECTORS[name]), name)


def make_detector(
    name: str,
    parameters: Iterable[tuple[str, Any]],
    *,
    contamination: float | None,
    random_state: int,
    progress: Progress,
) -> "skgad.TabularDetector":
    """Make a detector for tables.

    Parameters
    ----------
    name : str
        Name of the detector, a key of `DETECTORS`.

    parameters : iterable of (str, object)
        Parameters of the detector, and those of the encoder with the prefix ``encoder__``.

    contamination : float or None
        Share of outliers among the training rows. None is the default of the detector.

    random_state : int
        Seed of the detector, unless `parameters` has one.

    progress : Progress
        Shows the epochs of the training, unless `parameters` has callbacks.

    Returns
    -------
    detector : TabularDetector
        The detector, not fitted.
    """
    from ._training_progress import TrainingProgress

    defaults = {"novelty": True} if name == "LocalOutlierFactor" else {}
    detector = skgad.TabularDetector(detector_class(name)(**defaults))
    valid, params = detector.detector.get_params(), dict(parameters)
    if contamination is not None:
        params["contamination"] = contamination
    if "random_state" in valid:
        params.setdefault("random_state", random_state)
    if "callbacks" in valid:
        params.setdefault("callbacks", [TrainingProgress(progress.enabled, progress.occasional)])
    for param, value in params.items():
        prefix = "" if param.startswith("encoder__") else "detector__"
        try:
            detector.set_params(**{prefix + param: value})
        except AttributeError as error:
            raise CommandError(f"Invalid parameter {param!r}. Check --set {param}.") from error
    return detector
