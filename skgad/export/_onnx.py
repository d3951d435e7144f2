"""ONNX files."""

import os
from importlib import import_module
from typing import Any

import torch

from .._files import atomic_write
from ._modules import exportable
from ._program import export_program

#: Version of the operators, so that older runtimes can read the files.
OPSET = 18

#: Version of the operators that look up text.
ML_OPSET = 3


def to_onnx(detector: Any, path: str | os.PathLike, *, reconstruction: bool = False) -> None:
    """Write a fitted detector to an ONNX file.

    The file can be run by any ONNX runtime, without Python, torch or scikit-learn. It uses opset
    18, and opset 3 of "ai.onnx.ml" if there are columns of text. The number of rows is dynamic.

    Read more in the :ref:`user guide <serving>`.

    .. versionadded:: 0.1

    Parameters
    ----------
    detector : object
        Fitted detector of this package: any detector with networks, a
        :class:`~skgad.neighbors.KNeighborsDetector` with Euclidean distances, a
        :class:`~skgad.density.DensityDetector` with a Gaussian mixture of full covariances, or a
        :class:`~skgad.TabularDetector` with one of them and a
        :class:`~skgad.preprocessing.TabularEncoder`.
    path : str or path-like
        File to write. An existing file is replaced once the new one is complete.
    reconstruction : bool, default=False
        Whether the reconstruction of each row is a third output.

    Raises
    ------
    ImportError
        If the packages of the extra `onnx` are not installed.
    ValueError
        If the detector cannot be exported, or cannot reconstruct rows.
    NotFittedError
        If the detector has not been fitted.

    See Also
    --------
    to_exported_program : A program for torch.
    register_skl2onnx_converters : Convert pipelines.

    Notes
    -----
    The input "X" has shape (n_samples, n_features). It is float32, or float64 for a
    KNeighborsDetector, a DensityDetector, and a detector with networks if a column is so far from
    zero that float32 would lose its digits. A TabularDetector has one input of shape (n_samples, 1)
    for each column, with the name of the column, or "x0", "x1", ... if it has none:

    - float64 for numbers and booleans, with NaN for missing values;
    - int64 for dates and durations, also for text that contains dates, since 1970 for dates. The
      metadata of the file contain the unit as a dtype of numpy, such as "datetime64[s]", by the
      name of the column. The lowest int64 is a missing value, as in numpy;
    - string for text and categories, with an empty string for missing values.

    The outputs "score" and "decision", of shape (n_samples,) and float64, are the values of
    `score_samples` and `decision_function`. The output "reconstruction" has shape
    (n_samples, n_features) and is float32. Pixels of type uint8 have to be divided by 255 first.

    Scores agree with `score_samples` up to the rounding of float32. Unlike those of
    `score_samples`, their last bits can depend on the other rows.

    A row whose score overflows has the lowest score, -3.4e38, as in `score_samples`. Nothing else
    is checked: the score of a row that `score_samples` rejects has no meaning.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from skgad import WAE
    >>> from skgad.export import to_onnx
    >>> X, _ = make_blobs(100, centers=1, random_state=0)
    >>> detector = WAE(max_epochs=2, random_state=0).fit(X)
    >>> to_onnx(detector, "detector.onnx")  # doctest: +SKIP
    """
    model = onnx_model(detector, reconstruction)
    with atomic_write(path) as temporary:
        temporary.write_bytes(model.SerializeToString())


def onnx_model(detector, reconstruction=False):
    """ONNX model of a fitted detector, as a protobuf message."""
    onnx, compose = import_extra("onnx"), import_extra("onnx.compose")
    import_extra("onnxscript")
    module, inputs = exportable(detector, reconstruction)
    outputs = module.output_names
    if clashing := sorted({one.name for one in inputs} & set(outputs)):
        raise ValueError(
            f"The columns {clashing} have names of outputs of the ONNX model, {outputs}. Rename "
            "the columns and fit again."
        )
    names = [f"input_{position}" for position in range(len(inputs))]
    program = export_program(detector, module, inputs)
    try:
        model = torch.onnx.export(
            program,
            input_names=names,
            output_names=outputs,
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        ).model_proto
    except torch.onnx.errors.OnnxExporterError as error:
        raise ValueError(
            f"{type(detector).__name__} cannot be exported, because torch cannot convert its "
            f"networks to ONNX. to_exported_program does not need ONNX. torch says: {error}"
        ) from error
    # No column has the name of an intermediate value.
    model = compose.add_prefix(model, "skgad/", rename_inputs=False, rename_outputs=False)
    new_names = dict(zip(names, (one.name for one in inputs), strict=True))
    look_ups = []
    for value, one in zip(model.graph.input, inputs, strict=True):
        if one.positions is not None:
            position = new_names[value.name] = f"skgad/{value.name}"
            value.type.tensor_type.elem_type = onnx.TensorProto.STRING
            look_ups.append(look_up(onnx.helper, one, position))
        value.name = one.name
    for node in model.graph.node:
        node.input[:] = [new_names.get(name, name) for name in node.input]
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "n_samples"
    for one in inputs:
        if one.unit is not None:
            model.metadata_props.add(key=one.name, value=str(one.unit))
    if look_ups:
        nodes = [*look_ups, *model.graph.node]
        del model.graph.node[:]
        model.graph.node.extend(nodes)
        model.opset_import.append(onnx.helper.make_opsetid("ai.onnx.ml", ML_OPSET))
    onnx.checker.check_model(model)
    return model


def look_up(helper, text, output):
    """Node that looks up the positions of the levels of a column of text."""
    return helper.make_node(
        "LabelEncoder",
        [text.name],
        [output],
        domain="ai.onnx.ml",
        keys_strings=list(text.positions),
        values_int64s=list(text.positions.values()),
        default_int64=text.unknown,
    )


def import_extra(name):
    """Import a package of the extra `onnx`."""
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(
            f"The export to ONNX requires {name}, which is not installed. Install it with "
            "pip install 'skgad[onnx]'."
        ) from error
