"""The search for groups of one-hot columns."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.preprocessing import OneHotEncoder

from skgad.engine.one_hot_groups import find_groups


@st.composite
def tables(draw):
    """Tables of one-hot attributes, numbers and flags in any order, and the expected groups."""
    rng = np.random.RandomState(draw(st.integers(0, 2**32 - 1)))
    n_samples = draw(st.integers(40, 60))
    kinds = st.sampled_from(["numbers", "attribute", "attribute", "flag"])
    columns, groups, end = [], [], 0
    for kind in draw(st.lists(kinds, min_size=1, max_size=6)):
        if kind == "numbers":
            block = rng.normal(size=(n_samples, draw(st.integers(1, 3))))
        elif kind == "flag":
            block = rng.permutation(np.arange(n_samples) % draw(st.integers(2, 5)) == 0)[:, None]
        else:
            n_levels = draw(st.integers(2, 6))
            level = rng.permutation(np.arange(n_samples) ** 2 % (n_samples - 1) % n_levels)
            level[:n_levels] = np.arange(n_levels)  # so that all levels occur
            block = OneHotEncoder(sparse_output=False).fit_transform(level[:, None].astype(str))
            groups.append(tuple(range(end, end + n_levels)))
        columns.append(block)
        end += block.shape[1]
    return np.hstack(columns).astype(np.float32), groups


@given(tables())
def test_the_groups_of_a_one_hot_encoder_are_found(made):
    X, groups = made
    assert find_groups(X) == groups
    assert find_groups(sparse.csr_matrix(X)) == groups
    assert find_groups(sparse.csr_array(X)) == groups


def test_groups_are_found_in_tables_of_several_batches():
    rows = np.arange(2500)
    X = np.column_stack([rows, np.eye(3)[rows % 3], np.eye(2)[rows % 2], -rows])
    assert find_groups(X) == find_groups(sparse.csr_array(X)) == [(1, 2, 3), (4, 5)]
    X[2400, 1:4] = [1, 1, 0]
    assert find_groups(X) == [(4, 5)]
    X[2400, 1:4] = 0.5
    assert find_groups(X) == [(4, 5)]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([[1, 1, 0], [0, 1, 1], [1, 0, 1]], []),  # two ones in a row
        ([[1, 1, 0], [0, 0, 1], [0, 0, 0]], []),  # three ones in three rows, but not one in each
        ([[1, 0, 0.5], [0, 1, 0.5]], [(0, 1)]),
        ([[1, 0], [0, 1], [0, 0]], []),  # a dropped first level, or an unknown level
        ([[1], [1]], []),  # a constant
        ([[1, 0], [1, 0]], []),
        ([[2, -1], [-1, 2]], []),
        ([[0.5, 0.5], [0.5, 0.5]], []),
        ([[1, 3, 0], [0, 3, 1]], []),  # not adjacent
    ],
)
def test_other_columns_are_not_groups(rows, expected):
    assert find_groups(np.array(rows, np.float32)) == expected


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        # Two flags of which exactly one is set are a group.
        ([[0.1, 1, 0], [0.2, 0, 1], [0.3, 1, 0]], [(1, 2)]),
        # Columns of zeros belong to a group if they are within it, but not at its ends.
        ([[0, 1, 0, 0, 0], [0, 0, 0, 1, 0]], [(1, 2, 3)]),
        # A flag on the left that equals the last category is taken for that category.
        ([[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0]], [(0, 1, 2)]),
        # Columns are read from the left, and no column is in two groups.
        ([[1, 0, 1, 0], [0, 1, 0, 1]], [(0, 1), (2, 3)]),
        ([[1, 0, 1], [0, 1, 0]], [(0, 1)]),
    ],
)
def test_ambiguous_columns_are_read_from_the_left(rows, expected):
    assert find_groups(np.array(rows, np.float32)) == expected
