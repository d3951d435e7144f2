"""Rows of a mini-batch by their label, known without waiting for a device."""

import numpy as np
import pytest
import torch

from skgad.base import rows_with
from skgad.engine.data import BatchLoader, Rows


@pytest.mark.parametrize(
    ("labels", "values", "expected"),
    [
        ([0, 0, 0], (0,), slice(0, 3)),
        ([1, 1, 0, 0], (0,), slice(2, 4)),
        ([1, 1, 0, 0], (0, 1), slice(0, 4)),
        ([-1, 0, 1], (-1,), slice(0, 1)),
        ([0, 0], (-1,), None),
    ],
)
def test_adjacent_rows_are_a_slice(labels, values, expected, device):
    assert rows_with(torch.tensor(labels, device=device), *values) == expected


def test_other_rows_are_positions():
    assert rows_with(torch.tensor([0, -1, 1, 0]), 0, 1).tolist() == [0, 2, 3]


def test_mini_batches_have_labels_on_the_cpu_and_adjacent_rows_of_a_label(device):
    labels = np.tile(np.array([0, 1, -1, 0, 0], np.int8), 20)
    X = np.arange(100, dtype=np.float32)[:, None]
    for x, known in BatchLoader(Rows(X, labels, device), 16, shuffle=True):
        assert (x.device.type, known.device.type) == (device, "cpu")
        assert known.tolist() == labels[x[:, 0].cpu().numpy().astype(int)].tolist()
        assert all(isinstance(rows_with(known, value), slice) for value in (-1, 0, 1))
