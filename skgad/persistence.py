"""Model files: fitted estimators as data that can be loaded without running code.

A model file is a skops file, a zip archive of a JSON schema and numpy arrays. It has one more
member, ``skgad.json``, with the version of the format and of the packages, and the SHA-256 of all
its bytes in the comment of the archive. See :ref:`saving_models`.
"""

import json
import os
import platform
import sys
from collections.abc import Sequence
from hashlib import sha256
from importlib import import_module
from io import BytesIO
from pathlib import Path
from pickle import PicklingError
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import sklearn
import torch
from skorch.callbacks import Callback
from torch import nn

from ._files import atomic_write
from ._save import SaveMixin

__all__ = ["TRUSTED_TYPES", "ModelFileError", "SaveMixin", "load", "save"]


def __dir__() -> list[str]:
    return __all__


#: Version of the format. It is raised if older versions of skgad cannot load new files.
FORMAT = 1

#: Member of the archive with the versions.
HEADER = "skgad.json"

#: Start of the comment of the archive, which the checksum follows.
COMMENT = b"skgad sha256:"
COMMENT_LENGTH = len(COMMENT) + 64

#: Errors of objects that cannot be saved as data.
UNSAVEABLE = (AttributeError, ImportError, PicklingError, RuntimeError, TypeError, ValueError)

#: Modules of torch with layers that only compute.
LAYER_MODULES = {
    f"torch.nn.modules.{name}"
    for name in (
        *("activation", "batchnorm", "channelshuffle", "container", "conv", "distance", "dropout"),
        *("flatten", "fold", "instancenorm", "linear", "normalization", "padding"),
        *("pixelshuffle", "pooling", "upsampling"),
    )
}

#: Classes of skgad that model files consist of, by module.
SKGAD_TYPES = {
    "_encoding": "Encoding FrequencyCode",
    "_frames._array": "Schema",
    "_frames._pandas": "Schema",
    "_frames._polars": "Schema",
    "_frames._pyarrow": "Schema",
    "calibration._calibrated": "CalibratedDetector",
    "calibration._conformal": "ConformalDetector",
    "callbacks": "Checkpoint WeightAveraging",
    "cli._training_progress": "TrainingProgress",
    "density": "DensityDetector",
    "detectors._alad": "ALAD ALADGame",
    "detectors._ama": "AMA AMAGame",
    "detectors._anogan": "AnoGAN AnoGANGame",
    "detectors._arn": "ARN ARNGame",
    "detectors._autoencoder": "Autoencoder AutoencoderGame",
    "detectors._cora": "CoRA CoRAGame",
    "detectors._dagmm": "DAGMM DAGMMGame",
    "detectors._deep_svdd": "DeepSVDD DeepSVDDGame",
    "detectors._dsebm": "DSEBM DSEBMGame",
    "detectors._egbad": "EGBAD EGBADGame",
    "detectors._fence_gan": "FenceGAN FenceGANGame",
    "detectors._ganomaly": "GANomaly GANomalyGame",
    "detectors._rcgan": "RCGAN RCGANGame",
    "detectors._skip_ganomaly": "SkipGANomaly SkipGANomalyGame",
    "detectors._wae": "WAE WAEGame",
    "detectors._waldo": "WALDO WALDOGame",
    "engine.data": "BatchLoader",
    "engine.encoding": "ColumnEncoding",
    "engine.ensemble": "Ensemble",
    "engine.finished": "CombinedScore DensityScore MahalanobisScore NeighborScore",
    "engine.net": "AdversarialNet",
    "engine.sampling": "CodeMixture Column OneHotGroup RowSampler",
    "ensemble._detector_ensemble": "DetectorEnsemble",
    "ensemble._units": "Combination InterquartileUnits LogInterquartileUnits TailUnits",
    "interop._pyod": "PyODDetector",
    "interop._remover": "OutlierRemover",
    "neighbors._k_neighbors": "KNeighborsDetector",
    "networks._convnet": "ConvNet OnImages",
    "networks._discriminator": "Discriminator",
    "networks._layers": "Dropout",
    "networks._mlp": "MLP",
    "networks._spectral_norm": "SpectralNorm",
    "networks._stack": "StackedLayerNorm StackedLinear StackedModule StackedSpectralNorm",
    "networks._unet": "SkipConnection",
    "tabular._dates": "Cycle TextDates",
    "tabular._detector": "TabularDetector",
    "tabular._encoder": "TabularEncoder",
    "tabular._levels": "Buckets LevelEncoder",
    "tabular._numbers": "NumberEncoder",
    "tabular._piecewise": "PiecewiseLinearEncoder",
}


def _name(cls):
    return f"{cls.__module__}.{cls.__qualname__}"


def _names(namespace):
    """Names of the classes in a namespace."""
    return {_name(cls) for cls in namespace.values() if isinstance(cls, type)}


#: Names of the types that :func:`load` accepts by default, besides those that skops trusts: the
#: classes of skgad and those of torch that they consist of. None of them runs code of a file.
TRUSTED_TYPES: tuple[str, ...] = tuple(
    sorted(
        {
            *(f"skgad.{file}.{name}" for file in SKGAD_TYPES for name in SKGAD_TYPES[file].split()),
            *(name for name in _names(vars(nn)) if name.rpartition(".")[0] in LAYER_MODULES),
            *(name for name in _names(vars(torch.optim)) if name.startswith("torch.optim.")),
            *("functools.partial", "numpy.dtype", "sklearn.utils._bunch.Bunch"),
            *("skorch.dataset.Dataset", "torch.device"),
            # Levels of categorical columns. The module of Interval depends on the version.
            *("datetime.date", "datetime.datetime", "datetime.timedelta", "datetime.timezone"),
            *("decimal.Decimal", "pandas.Interval", "pandas._libs.interval.Interval"),
        }
    )
)


class ModelFileError(ValueError):
    """A model file is damaged, foreign, newer, or contains types that are not trusted.

    .. versionadded:: 0.1

    Parameters
    ----------
    message : str
        What is wrong, and what to do.
    """

    def __init__(self, message: str):
        super().__init__(message)


def save(estimator: Any, path: str | os.PathLike) -> None:
    """Save an estimator to a model file, which can be loaded without running code.

    The file is written completely or not at all.

    .. versionadded:: 0.1

    Parameters
    ----------
    estimator : object
        An estimator of skgad or of scikit-learn, such as a Pipeline that ends with a detector. Also
        a dict or a list of estimators and arrays.
    path : str or path-like
        The file, which is replaced if it exists. By convention, it ends with ``.skgad``.

    Raises
    ------
    ModelFileError
        If a part of the estimator cannot be stored as data, such as a function or a class that was
        defined inside a function.
    OSError
        If the file cannot be written.

    See Also
    --------
    load : Load a model file.

    Examples
    --------
    >>> import os, tempfile
    >>> import skgad
    >>> from sklearn.datasets import make_blobs
    >>> X, _ = make_blobs(100, centers=1, random_state=0)
    >>> detector = skgad.ALAD(max_epochs=2, random_state=0).fit(X)
    >>> path = os.path.join(tempfile.mkdtemp(), "model.skgad")
    >>> skgad.save(detector, path)
    >>> loaded = skgad.load(path)
    >>> bool((loaded.score_samples(X) == detector.score_samples(X)).all())
    True
    """
    try:
        content = _as_data(estimator)
    except UNSAVEABLE as error:
        raise ModelFileError(
            f"{type(estimator).__name__} cannot be saved as data: {_one_line(error)} "
            f"{_cure(estimator)}"
        ) from error
    header = {"format": FORMAT, "class": _name(type(estimator)), "versions": _versions()}
    buffer = BytesIO(content)
    with ZipFile(buffer, "a", compression=ZIP_DEFLATED) as archive:
        archive.writestr(HEADER, json.dumps(header, indent=1))
        archive.comment = COMMENT + b"0" * 64
    data = buffer.getvalue()[:-COMMENT_LENGTH]
    with atomic_write(path) as temporary:
        temporary.write_bytes(data + COMMENT + sha256(data).hexdigest().encode())


def _as_data(value):
    """Bytes of a skops file, of which all parts can be restored."""
    from skops import io  # imports all of scikit-learn

    content = io.dumps(value, compression=ZIP_DEFLATED)
    unknown = set(io.get_untrusted_types(data=content)).difference(TRUSTED_TYPES)
    for name in sorted(unknown):
        _check_importable(name)
    if unknown:
        with ZipFile(BytesIO(content)) as archive:
            schema = json.loads(archive.read("schema.json"))
        for name in sorted(unknown.intersection(_types_with_state(schema))):
            _check_state(name)
    return content


def _types_with_state(schema):
    """Names of the types in a schema of skops whose objects are stored by their state."""
    if isinstance(schema, dict):
        if schema.get("__loader__") == "ObjectNode":
            yield f"{schema['__module__']}.{schema['__class__']}"
        schema = schema.values()
    elif not isinstance(schema, list):
        return
    for part in schema:
        yield from _types_with_state(part)


def _cure(value):
    """Say which part of a value cannot be saved, and what to do."""
    names, callback, seen = "", None, set()
    while id(value) not in seen:  # from the whole to its smallest part that cannot be saved
        seen.add(id(value))
        if isinstance(value, Callback):
            callback = type(value).__name__
        name, value = next(
            ((name, part) for name, part in _parts(value) if not _is_saveable(part)), ("", value)
        )
        names += name
    where = f"The cause is {names.removeprefix('.')}, a {type(value).__name__}. " if names else ""
    if callback is not None:
        return (
            f"{where}Define __getstate__ of the callback {callback}, so that it leaves this out or "
            "stores it as numbers and arrays, or save the model with pickle or joblib."
        )
    return f"{where}Save it with pickle or joblib instead, or leave this part out."


def _parts(value):
    """Names and values of what an object consists of."""
    if isinstance(value, dict):
        return [(f"[{key!r}]", part) for key, part in value.items()]
    if isinstance(value, (list, tuple)) or (
        isinstance(value, np.ndarray) and value.dtype == object
    ):
        return [(f"[{i}]", part) for i, part in enumerate(value)]
    try:
        state = value.__getstate__()
    except Exception:  # the object itself cannot be saved
        return []
    return [(f".{name}", part) for name, part in state.items()] if isinstance(state, dict) else []


def _is_saveable(value):
    try:
        _as_data(value)
    except UNSAVEABLE:
        return False
    return True


def load(path: str | os.PathLike, *, trusted: Sequence[str | type] = ()) -> Any:
    """Load an estimator from a model file.

    No code of the file runs: the file contains arrays, plain values and the names of types. Types
    that are neither in `trusted` nor in ``skgad.persistence.TRUSTED_TYPES`` nor trusted by skops
    are rejected before anything is imported.

    .. versionadded:: 0.1

    Parameters
    ----------
    path : str or path-like
        File written by :func:`save`.
    trusted : sequence of str or type, default=()
        Further types to accept, such as ``["my_module.MyNetworks"]``. Their modules are imported,
        and objects of these types are made from what the file contains.

    Returns
    -------
    estimator : object
        The estimator, with the same scores to the last bit on the same machine.

    Raises
    ------
    ModelFileError
        If the file is damaged, not a model file, of a newer format, or contains types that are not
        trusted.
    OSError
        If the file cannot be read.

    See Also
    --------
    save : Save an estimator to a model file.
    """
    from skops import io  # imports all of scikit-learn

    path = Path(path)
    data = path.read_bytes()
    header = _read_header(data, path)
    if header["format"] > FORMAT:
        raise ModelFileError(
            f"{path} was saved by skgad {header['versions']['skgad']} in format "
            f"{header['format']}, but skgad {_versions()['skgad']} only loads files up to format "
            f"{FORMAT}. Update skgad."
        )
    trusted = [cls if isinstance(cls, str) else _name(cls) for cls in trusted]
    try:
        unknown = set(io.get_untrusted_types(data=data)).difference(TRUSTED_TYPES, trusted)
    except Exception as error:  # the content of a crafted file can raise anything
        raise ModelFileError(f"{path} is not a valid model: {_one_line(error)}") from error
    if unknown:
        names = sorted(unknown)
        raise ModelFileError(
            f"{path} contains types that are not trusted by default: {', '.join(names)}. If you "
            f"trust them, load the file with trusted={names}."
        )
    try:
        return io.loads(data, trusted=[*TRUSTED_TYPES, *trusted])
    except Exception as error:
        saved = ", ".join(f"{name} {version}" for name, version in header["versions"].items())
        raise ModelFileError(
            f"{path} cannot be loaded ({type(error).__name__}: {_one_line(error)}) It was saved "
            f"with {saved}."
        ) from error


def _read_header(data, path):
    """Check that all bytes of a file are those that were written, and return its header."""
    content, comment = data[:-COMMENT_LENGTH], data[-COMMENT_LENGTH:]
    if not data:
        raise ModelFileError(f"{path} is empty, not a model saved by skgad.")
    if data[:2] != b"PK" and not comment.startswith(COMMENT):
        raise ModelFileError(
            f"{path} is not a model saved by 'skgad train' or skgad.save. Files of pickle or "
            "joblib are loaded with pickle or joblib."
        )
    if comment != COMMENT + sha256(content).hexdigest().encode():
        raise ModelFileError(
            f"{path} is damaged, incomplete, or not a model saved by skgad: its checksum is wrong."
        )
    try:
        with ZipFile(BytesIO(data)) as archive:
            header = json.loads(archive.read(HEADER))
        if isinstance(header["format"], int) and isinstance(header["versions"]["skgad"], str):
            return header
    except Exception as error:
        raise ModelFileError(f"{path} has no valid header: {_one_line(error)}") from error
    raise ModelFileError(f"{path} has no valid header.")


def _check_importable(name):
    """Raise an AttributeError unless a type can be found by its name."""
    module, _, attribute = name.rpartition(".")
    if not hasattr(sys.modules.get(module) or import_module(module), attribute):
        raise AttributeError(f"{name} cannot be imported.")


def _check_state(name):
    """Raise a TypeError if the state of a type is not all that its objects consist of."""
    module, _, attribute = name.rpartition(".")
    cls = getattr(sys.modules[module], attribute)
    has_own_reduce = (
        cls.__reduce__ is not object.__reduce__ or cls.__reduce_ex__ is not object.__reduce_ex__
    )
    if has_own_reduce and cls.__getstate__ is object.__getstate__:
        raise TypeError(f"{name} has no state that is data.")


def _versions():
    """Versions of the packages that a model depends on."""
    return {
        "skgad": import_module("skgad").__version__,
        "scikit-learn": sklearn.__version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def _one_line(error):
    """Text of an error in one line that ends with a full stop."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if text.endswith(".") else f"{text}."
