"""Encoding of tables as numbers, and decoding."""

from .tabular import PiecewiseLinearEncoder, TabularEncoder

__all__ = ["PiecewiseLinearEncoder", "TabularEncoder"]


def __dir__() -> list[str]:
    return __all__
