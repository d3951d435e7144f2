"""Measurements behind the documentation; see README.md for the commands."""
