"""Rows, mini-batches, blocks and items of a Dataset, as tensors."""

import math

import numpy as np
import pytest
import torch
from common import assert_same_bits
from hypothesis import given
from hypothesis import strategies as st
from image_common import Images, image_detector, pixels
from scipy import sparse

import skgad.engine.data
from skgad.engine.checks import check_table
from skgad.engine.data import (
    BatchLoader,
    Items,
    Rows,
    blocks,
    sample_as_float,
    to_floats,
    to_host,
)

# ----------------------------------------------------------------------------- mini-batches


class Positions:
    """Dataset whose items are their positions."""

    def __init__(self, n_samples):
        self.n_samples = n_samples

    def __len__(self):
        return self.n_samples

    def __getitem__(self, index):
        return index


@given(st.integers(1, 300), st.integers(1, 310), st.booleans())
def test_an_epoch_has_each_row_once_and_no_batch_of_a_single_row(n_samples, batch_size, shuffle):
    loader = BatchLoader(Positions(n_samples), batch_size, shuffle)
    with torch.random.fork_rng():
        batches = list(loader)
    assert len(batches) == len(loader)
    assert sorted(np.concatenate(batches)) == list(range(n_samples))
    sizes = [len(batch) for batch in batches]
    assert all(size == batch_size for size in sizes[:-1])
    if batch_size > 1 and n_samples > 1:
        assert 1 < sizes[-1] <= batch_size + 1
        assert (sizes[-1] == batch_size + 1) == (
            n_samples > batch_size and n_samples % batch_size == 1
        )
    if not shuffle:
        assert np.concatenate(batches).tolist() == list(range(n_samples))


def test_each_epoch_has_a_new_order():
    loader = BatchLoader(Positions(200), 50, shuffle=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        first, second = np.concatenate(list(loader)), np.concatenate(list(loader))
        torch.manual_seed(0)
        again = np.concatenate(list(loader))
    assert first.tolist() == again.tolist()
    assert (first != second).sum() > 150
    assert (first != np.arange(200)).sum() > 150


def test_a_batch_size_of_minus_one_means_all_rows():
    assert [len(batch) for batch in BatchLoader(Positions(7), batch_size=-1)] == [7]


# ------------------------------------------------------------------------------------- rows


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array, sparse.csr_matrix])
def test_rows_are_indexed_by_position_with_their_labels(make, device):
    X = np.arange(12, dtype=np.float32).reshape(6, 2)
    labels = np.array([0, 1, -1, 0, 1, -1], np.int8)
    x, known = Rows(make(X), labels, device)[np.array([4, 1, 2])]
    assert (x.dtype, x.device.type, known.device.type) == (torch.float32, device, device)
    assert x.cpu().tolist() == [[8, 9], [2, 3], [4, 5]]
    assert known.cpu().tolist() == [1, 1, -1]
    _, unknown = Rows(make(X), None, device)[np.array([0, 5])]
    assert unknown.cpu().tolist() == [0, 0]


def test_a_subset_of_a_subset_has_the_rows_and_labels_of_the_table(device):
    labels = np.array([0, 1, -1, 0, 1, 0], np.int8)
    rows = Rows(np.arange(6, dtype=np.float32)[:, None], labels, device)
    subset = rows.take(np.array([5, 4, 2, 0])).take(np.array([0, 1, 3]))
    assert len(subset) == 3
    x, known = subset[np.arange(3)]
    assert x[:, 0].tolist() == [5, 4, 0]
    assert known.tolist() == [0, 1, 0]
    assert [group.tolist() for group in subset.groups] == [[1], [0, 2]]


def test_a_subset_groups_its_rows_by_label(device):
    labels = np.array([0, 1, 0, -1, 0, 1], np.int8)
    X = np.arange(12, dtype=np.float32).reshape(6, 2)
    subset = Rows(X, labels, device).take(np.array([5, 0, 2, 3]))
    assert [group.tolist() for group in subset.groups] == [[3], [0], [1, 2]]
    rows, known = subset[np.array([0, 3])]
    assert rows.tolist() == [[10, 11], [6, 7]]
    assert known.tolist() == [1, -1]
    assert len(subset) == 4
    assert len(subset.take(np.array([1]))) == 1


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_rows_and_subsets_share_memory_with_a_memory_map(dtype, device, tmp_path):
    pixels().astype(dtype).tofile(tmp_path / "images")
    mapped = np.memmap(tmp_path / "images", dtype, "r", shape=(40, 36))
    X = check_table(image_detector("WAE", device), mapped, reset=True)
    assert np.shares_memory(X, mapped)
    rows = Rows(X, None, "cpu")
    subset = rows.take(np.array([3, 5, 8]))
    assert np.shares_memory(subset.table, mapped)
    expected, _ = rows[np.array([5, 8])]
    assert_same_bits(subset[np.array([1, 2])][0].numpy(), expected.numpy())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_table_that_does_not_fit_on_the_gpu_stays_on_the_host(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (100, 100))
    rows = Rows(np.ones((100, 3), np.float32), device="cuda")
    assert isinstance(rows.store, np.ndarray)
    assert rows[np.array([5])][0].device.type == "cuda"


@pytest.mark.parametrize("fraction", [0.1, 0.3])
def test_a_split_holds_out_a_fraction_of_each_label_but_no_outlier(fraction):
    labels = np.repeat(np.array([1, 0, -1], np.int8), [20, 70, 10])
    rows = Rows(np.arange(100, dtype=np.float32)[:, None], labels)
    train, held_out = rows.split(fraction, seed=0)
    parts = [part[np.arange(len(part))] for part in (train, held_out)]
    assert sorted(torch.cat([x[:, 0] for x, _ in parts]).tolist()) == list(range(100))
    known = parts[1][1].tolist()
    assert len(held_out) == round(90 * fraction)
    assert known.count(1) == round(20 * fraction)
    assert known.count(-1) == 0
    again, _ = rows.split(fraction, seed=0)
    assert again.positions.tolist() == train.positions.tolist()


def test_a_split_that_is_impossible_raises_an_error():
    X = np.ones((5, 2), np.float32)
    with pytest.raises(ValueError, match="only one row has the label 1. Label more rows"):
        Rows(X, np.array([0, 0, 1, 0, 0], np.int8)).split(0.5, seed=0)
    with pytest.raises(ValueError, match="of the 1 rows, which leaves none to train on"):
        Rows(X[:1]).split(0.5, seed=0)


# ----------------------------------------------------------------------------------- floats


def test_pixels_are_divided_as_numpy_divides_them(device):
    values = np.arange(256, dtype=np.uint8)[None]
    (block,) = blocks(values, 1, device)
    for divided in (to_floats(values, device), block, Rows(values, None, device)[np.array([0])][0]):
        assert_same_bits(divided.cpu().numpy(), (values / 255).astype(np.float32))


def test_a_sample_as_float_is_the_table_itself_unless_it_is_stored_in_another_way():
    X = np.arange(6.0).reshape(3, 2)
    assert sample_as_float(X) is X
    images = pixels(2500)
    sample = sample_as_float(images)
    assert_same_bits(sample, (images[::3] / 255).astype(np.float32))
    assert_same_bits(sample_as_float(Items(Images(images), (1, 6, 6))), sample)


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("n_rows", [1, 4, 5, 10, 11])
def test_blocks_have_one_size_and_all_rows_in_order(make, n_rows, device):
    X = np.arange(1, 21, dtype=np.float32).reshape(10, 2)
    parts = [block.cpu().numpy() for block in blocks(make(X), n_rows, device)]
    assert {part.shape for part in parts} == {(n_rows, 2)}
    assert len(parts) == math.ceil(10 / n_rows)
    assert_same_bits(np.concatenate(parts)[:10], X)
    assert (np.concatenate(parts)[10:] == 0).all()


def test_blocks_can_be_read_at_positions(device):
    X = np.arange(20, dtype=np.float32).reshape(10, 2)
    for table in (X, sparse.csr_array(X)):
        first, second = blocks(table, 2, device, positions=np.array([7, 0, 3]))
        assert first.tolist() == X[[7, 0]].tolist()
        assert second.tolist() == [X[3].tolist(), [0, 0]]


@pytest.mark.parametrize("n_parts", [0, 1, 2, 5])
def test_results_are_copied_to_the_host_while_the_next_ones_are_computed(n_parts, monkeypatch):
    log = []

    def parts():
        for i in range(n_parts):
            log.append(f"compute {i}")
            yield i

    def finish(i):
        log.append(f"wait for {i}")
        return i

    monkeypatch.setattr(skgad.engine.data, "start_copy", lambda i: (i,))
    monkeypatch.setattr(skgad.engine.data, "finish_copy", finish)
    assert list(to_host(parts(), torch.device("cuda"))) == list(range(n_parts))
    for i in range(n_parts - 1):
        assert log.index(f"wait for {i}") == log.index(f"compute {i + 1}") + 1
    assert len(log) == 2 * n_parts


def test_results_on_the_host_are_not_copied(device):
    x = torch.ones(3, device=device)
    (result,) = to_host([x], torch.device(device))
    assert result.device.type == "cpu"
    assert (result is x) == (device == "cpu")


# ------------------------------------------------------------------------------------ items


def test_items_are_read_batch_by_batch(device):
    dataset = Images(pixels(300))
    items, seen = Items(dataset, (1, 6, 6)), []
    for block in blocks(items, 100, device):
        seen.append((dataset.n_read, tuple(block.shape)))
    # The first item is read once more, for its shape.
    assert seen == [(101, (100, 36)), (201, (100, 36)), (301, (100, 36))]
    assert Rows(items, None, device)[np.array([7, 2])][0].shape == (2, 36)
    assert dataset.n_read == 303
