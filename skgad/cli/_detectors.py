"""The detectors of the command line, and how their parameters are set."""

import inspect
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from sklearn.base import OutlierMixin
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor
from sklearn.svm import OneClassSVM

import skgad

from ..density import DensityDetector
from ..neighbors import KNeighborsDetector
from ..preprocessing import TabularEncoder
from ._messages import CommandError, Progress


def _skgad_detectors():
    """Public detectors of skgad, by name."""
    public = {name: getattr(skgad, name) for name in skgad.__all__}
    return {
        name: cls
        for name, cls in public.items()
        if inspect.isclass(cls)
        and issubclass(cls, skgad.BaseDetector)
        and not inspect.isabstract(cls)
    }


#: Functions that make a detector with default parameters, by name.
DETECTORS: dict[str, Callable[[], OutlierMixin]] = {
    **_skgad_detectors(),
    "DensityDetector": DensityDetector,
    "KNeighborsDetector": KNeighborsDetector,
    "IsolationForest": IsolationForest,
    "LocalOutlierFactor": partial(LocalOutlierFactor, novelty=True),
    "OneClassSVM": OneClassSVM,
}


def make_detector(
    name: str,
    parameters: Iterable[tuple[str, Any]],
    *,
    contamination: float | None,
    random_state: int,
    progress: Progress,
) -> skgad.TabularDetector:
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
    detector = skgad.TabularDetector(DETECTORS[name](), encoder=TabularEncoder())
    valid, params = detector.detector.get_params(), dict(parameters)
    if contamination is not None:
        params["contamination"] = contamination
    if "random_state" in valid:
        params.setdefault("random_state", random_state)
    if "callbacks" in valid:
        params.setdefault("callbacks", [progress])
    for param, value in params.items():
        prefix = "" if param.startswith("encoder__") else "detector__"
        try:
            detector.set_params(**{prefix + param: value})
        except AttributeError as error:
            raise CommandError(f"Invalid parameter {param!r}. Check --set {param}.") from error
    return detector
