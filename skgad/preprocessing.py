"""Encoding of mixed tables as numbers, and the way back."""

from .tabular import TabularEncoder

__all__ = ["TabularEncoder"]
