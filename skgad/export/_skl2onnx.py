"""Converters of skl2onnx, so that it converts pipelines with a detector at the end."""

from collections.abc import Callable
from importlib import import_module
from inspect import isabstract
from typing import Any

from .. import detectors
from ..density import DensityDetector
from ..neighbors import KNeighborsDetector
from ._onnx import OPSET, onnx_model


def register_skl2onnx_converters(*classes: type) -> None:
    """Register the detectors of this package with skl2onnx.

    Then ``skl2onnx.to_onnx`` converts pipelines that end in a detector of this package. The outputs
    are those of the outlier detectors of scikit-learn: "label", the value of `predict`, and
    "scores", that of `decision_function`. With the option ``{"score_samples": True}``, there is a
    third output of this name. Scores are float64, of shape (n_samples,).

    Call it once in each process. More calls change nothing.

    .. versionadded:: 0.1

    Parameters
    ----------
    *classes : type
        Further classes to register, such as subclasses of :class:`~skgad.BaseDetector` of your own.

    Raises
    ------
    ImportError
        If skl2onnx is not installed.

    See Also
    --------
    to_onnx : Write a detector to an ONNX file, without skl2onnx.

    Notes
    -----
    The detector must be the last step and have a single input, a tensor of numbers. Choose a target
    opset of at least 18. A :class:`~skgad.TabularDetector` has no converter: :func:`to_onnx` writes
    it.

    Examples
    --------
    >>> import numpy as np
    >>> import skl2onnx  # doctest: +SKIP
    >>> from sklearn.datasets import make_blobs
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skgad import WAE
    >>> from skgad.export import register_skl2onnx_converters
    >>> X, _ = make_blobs(100, centers=1, random_state=0)
    >>> pipeline = make_pipeline(StandardScaler(), WAE(max_epochs=2, random_state=0)).fit(X)
    >>> register_skl2onnx_converters()  # doctest: +SKIP
    >>> model = skl2onnx.to_onnx(pipeline, X[:1].astype(np.float32))  # doctest: +SKIP
    """
    try:
        skl2onnx = import_module("skl2onnx")
        data_types = import_module("skl2onnx.common.data_types")
    except ImportError as error:
        raise ImportError(
            "The conversion of pipelines requires skl2onnx, which is not installed. Install it "
            "with pip install skl2onnx 'skgad[onnx]'."
        ) from error
    public = [getattr(detectors, name) for name in detectors.__all__]
    networks = [cls for cls in public if not isabstract(cls)]
    for cls in (*networks, KNeighborsDetector, DensityDetector, *classes):
        alias = f"Skgad{cls.__name__}"
        skl2onnx.update_registered_converter(
            cls,
            alias,
            set_output_types(data_types),
            convert,
            parser=parser(alias, data_types),
            options={"score_samples": [True, False]},
        )


def parser(alias: str, data_types: Any) -> Callable[..., Any]:
    """Make a function that declares the outputs of a detector."""

    def parse(scope, detector, inputs, custom_parsers=None):
        if len(inputs) != 1:
            raise ValueError(
                f"{type(detector).__name__} has {len(inputs)} inputs in this pipeline, but it "
                "needs a single one. Put a ColumnTransformer in front of it, or convert it with "
                "an array as input."
            )
        operator = scope.declare_local_operator(alias, detector)
        operator.inputs.extend(inputs)
        types = {"label": data_types.Int64TensorType, "scores": data_types.DoubleTensorType}
        if scope.get_options(detector, {"score_samples": False})["score_samples"]:
            types["score_samples"] = data_types.DoubleTensorType
        for name, tensor_type in types.items():
            operator.outputs.append(scope.declare_local_variable(name, tensor_type()))
        return operator.outputs

    return parse


def set_output_types(data_types: Any) -> Callable[[Any], None]:
    """Make a function that sets the shapes of the outputs of a detector."""

    def set_types(operator):
        n_samples = operator.inputs[0].get_first_dimension()
        label, *scores = operator.outputs
        label.type = data_types.Int64TensorType([n_samples])
        for output in scores:
            output.type = data_types.DoubleTensorType([n_samples])

    return set_types


def convert(scope, operator, container):
    """Add the graph of a detector to that of a pipeline."""
    onnx, compose = import_module("onnx"), import_module("onnx.compose")
    if container.target_opset_any_domain("") < OPSET:
        raise ValueError(
            f"{type(operator.raw_operator).__name__} requires target_opset={OPSET} or more, got "
            f"{container.target_opset}."
        )
    model = onnx_model(operator.raw_operator)
    graph = compose.add_prefix(model, scope.get_unique_variable_name("detector") + "/").graph
    (X,), (score, decision) = graph.input, graph.output
    dtype = X.type.tensor_type.elem_type
    container.add_node("Cast", operator.inputs[0].full_name, X.name, to=dtype, name=X.name)
    for tensor in graph.initializer:
        container.add_initializer(tensor.name, tensor.data_type, tensor.dims, tensor)
    for node in graph.node:
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        container.add_node(
            node.op_type,
            list(node.input),
            list(node.output),
            op_domain=node.domain,
            op_version=OPSET,
            name=node.name,
            **attributes,
        )

    def constant(name, dtype, value):
        unique = scope.get_unique_variable_name(name)
        container.add_initializer(unique, dtype, [], [value])
        return unique

    is_outlier = scope.get_unique_variable_name("is_outlier")
    zero = constant("zero", onnx.TensorProto.DOUBLE, 0.0)
    labels = [constant("label", onnx.TensorProto.INT64, value) for value in (-1, 1)]
    container.add_node("Less", [decision.name, zero], is_outlier, name=is_outlier)
    outputs = [output.full_name for output in operator.outputs]
    container.add_node("Where", [is_outlier, *labels], outputs[0], name=outputs[0])
    for value, output in zip((decision, score), outputs[1:], strict=False):
        container.add_node("Identity", value.name, output, name=output)
