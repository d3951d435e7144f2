"""Comparisons of detectors and questions that belong to no single paper."""
