"""Encoding of mixed tables as numbers, and decoding."""

from .tabular import TabularEncoder

__all__ = ["TabularEncoder"]
