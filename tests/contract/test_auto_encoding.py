"""Frequency codes inside a detector, and the encoding that is chosen for a table."""

import pickle

import numpy as np
import pytest
import torch
from common import DETECTORS, assert_same_bits, samples, table, tiny
from scipy import sparse
from scipy.stats import spearmanr
from torch.utils.data import TensorDataset

from skgad import ALAD, ARN, ConvNet
from skgad.preprocessing import PiecewiseLinearEncoder

every_detector = pytest.mark.parametrize("name", DETECTORS)
frequency = "piecewise+frequency"


def mixed(n_samples=60, seed=0):
    """Continuous, repeating, one-hot and constant columns."""
    rng = np.random.default_rng(seed)
    return np.column_stack(
        [
            table(n_samples, 2, seed),
            rng.permutation(np.repeat(np.arange(n_samples // 3), 3)) / 4,
            np.eye(3)[np.arange(n_samples) % 3],
            np.full(n_samples, 7),
        ]
    )


def has_frequency_codes(detector):
    """Whether a column of the table of a fitted detector has a frequency code."""
    encoding = detector.net_.module_.encoding
    return encoding is not None and len(encoding.frequency_codes) > 0


@every_detector
def test_scores_are_the_same_bits_for_any_batch_and_after_pickling(name, device):
    detector = tiny(name, encoding="auto", n_members=2, device=device).fit(mixed())
    assert has_frequency_codes(detector)
    rows = np.concatenate([mixed(30, seed=1), 2 * mixed(30)])
    scores = detector.score_samples(rows)
    assert_same_bits(detector.score_samples(rows[::-1])[::-1], scores)
    assert_same_bits(detector.score_samples(rows[4:6]), scores[4:6])
    assert_same_bits(pickle.loads(pickle.dumps(detector)).score_samples(rows), scores)
    assert_same_bits(detector.score_samples(mixed()), detector.train_scores_)


@every_detector
def test_codes_inside_are_those_of_the_encoder(name, device):
    X = mixed()
    inside = tiny(name, encoding=frequency, device=device).fit(X)
    codes = PiecewiseLinearEncoder(frequencies=True).fit_transform(X)
    before = tiny(name, device=device).fit(codes)
    np.testing.assert_allclose(inside.train_scores_, before.train_scores_, rtol=0.02, atol=1e-3)


@pytest.mark.parametrize("factor", [1e-6, 1e6])
@every_detector
def test_the_unit_of_the_columns_does_not_matter(name, factor, device):
    scores = [
        tiny(name, encoding=frequency, device=device).fit(unit * mixed()).train_scores_
        for unit in (1, factor)
    ]
    assert spearmanr(*scores).statistic > 0.99


@every_detector
def test_generated_rows_have_the_columns_of_the_table(name, device):
    X = mixed()
    detector = tiny(name, encoding="auto", device=device, max_epochs=5).fit(X)
    rows = samples(detector, 20)
    assert all(made.shape == (20, X.shape[1]) for made in rows.values())
    assert detector.reconstruct(X).shape == X.shape
    for made in (*rows.values(), detector.reconstruct(X)):
        assert (made[:, -1] == 7).all()


@every_detector
def test_the_encoding_of_a_table_is_chosen(name, device):
    X = mixed()
    chosen = tiny(name, encoding="auto", device=device).fit(X)
    expected = tiny(name, encoding=frequency, device=device).fit(X)
    assert_same_bits(chosen.train_scores_, expected.train_scores_)


@every_detector
def test_columns_of_zeros_and_ones_keep_their_values(name, device):
    X = mixed()
    detector = tiny(name, encoding="auto", device=device).fit(X)
    encoding = detector.net_.module_.encoding
    codes = encoding(torch.tensor(X, dtype=torch.float32, device=encoding.column.device))
    is_one_hot = np.isin(encoding.column.cpu(), [3, 4, 5])
    np.testing.assert_array_equal(codes.cpu()[:, is_one_hot], X[:, 3:6])


@every_detector
def test_tables_with_one_column_are_encoded(name, device):
    X = np.repeat(np.arange(20.0), 3)[:, None]
    detector = tiny(name, encoding="auto", device=device).fit(X)
    assert has_frequency_codes(detector)
    assert np.isfinite(detector.score_samples([[7.0], [8.0], [7.5], [-1e3]])).all()


@every_detector
@pytest.mark.filterwarnings("ignore:The root mean square of the features")
def test_constant_tables_are_encoded(name, device):
    X = np.full((40, 1), 7.0)
    detector = tiny(name, encoding="auto", device=device).fit(X)
    assert np.isfinite(detector.score_samples([[7.0], [8.0]])).all()
    assert (detector.reconstruct(X) == 7).all()


@every_detector
def test_sparse_tables_are_used_as_they_are(name, device):
    X = mixed().astype(np.float32)
    detector = tiny(name, encoding="auto", device=device).fit(sparse.csr_matrix(X))
    assert detector.net_.module_.encoding is None
    expected = tiny(name, encoding=None, device=device).fit(sparse.csr_matrix(X))
    assert_same_bits(detector.train_scores_, expected.train_scores_)


def test_items_of_a_dataset_are_encoded(device):
    X = mixed().astype(np.float32)
    detector = tiny("WAE", encoding="auto", device=device).fit(TensorDataset(torch.from_numpy(X)))
    assert has_frequency_codes(detector)
    expected = tiny("WAE", encoding="auto", device=device).fit(X)
    np.testing.assert_allclose(detector.train_scores_, expected.train_scores_, rtol=1e-5)


def test_images_are_used_as_they_are(device):
    networks = ConvNet(image_shape=(1, 4, 4), channels=(2,), kernel_size=2)
    params = {"networks": networks, "max_epochs": 1, "device": device}
    detector = ALAD(encoding="auto", **params).fit(table(20, 16))
    assert detector.net_.module_.encoding is None
    with pytest.raises(ValueError, match=r"encoding='piecewise\+frequency' is for tables"):
        ALAD(encoding=frequency, **params).fit(table(20, 16))


def test_columns_are_used_as_they_are_if_the_outputs_are_bounded(device):
    X = mixed()[:, 3:6] * 0.5
    detector = tiny("ARN", encoding="auto", output_activation="sigmoid", device=device).fit(X)
    assert detector.net_.module_.encoding is None
    assert ((detector.reconstruct(X) >= 0) & (detector.reconstruct(X) <= 1)).all()


@pytest.mark.parametrize("groups", ["infer", [(3, 4, 5)]])
def test_categories_are_drawn_from_the_columns_of_the_table(groups, device):
    params = {"categorical": "gumbel", "categorical_groups": groups, "device": device}
    X = mixed()
    detector = tiny("ARN", encoding="auto", **params).fit(X)
    assert detector.categorical_groups_ == [(3, 4, 5)]
    assert_same_bits(np.sort(detector.reconstruct(X)[:, 3:6]), np.float32([[0, 0, 1]] * 60))
    with pytest.raises(ValueError, match="categorical='gumbel' requires encoding=None"):
        ARN(encoding=frequency, **params).fit(X)


def test_training_continues_with_the_frequencies_of_the_first_fit(device):
    detector = tiny("ALAD", encoding="auto", warm_start=True, device=device).fit(mixed())
    before = {k: v.clone() for k, v in detector.net_.module_.encoding.state_dict().items()}
    detector.partial_fit(10 * mixed()).fit(20 * mixed())
    after = detector.net_.module_.encoding.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_an_unusual_value_among_common_ones_has_a_higher_score(device):
    rng = np.random.default_rng(0)
    X = np.column_stack([5 * rng.integers(0, 40, 1000), rng.normal(size=1000)])
    detector = ALAD(encoding="auto", max_epochs=20, random_state=0, device=device).fit(X)
    normal, unusual = np.array([[100.0, 0.0]]), np.array([[101.0, 0.0]])
    assert detector.score_samples(unusual) < detector.score_samples(normal)
