"""Fitted detectors as files and programs that run without scikit-learn."""

from ._onnx import to_onnx
from ._program import to_exported_program
from ._skl2onnx import register_skl2onnx_converters

__all__ = ["register_skl2onnx_converters", "to_exported_program", "to_onnx"]


def __dir__() -> list[str]:
    return __all__
