"""Data, splits, detectors, results and tables that the scripts share."""

from pathlib import Path

#: The root of the repository.
ROOT = Path(__file__).parents[2]
