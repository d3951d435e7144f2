"""Columns that are encoded inside a detector."""

import pickle

import numpy as np
import pytest
import torch
from common import DETECTORS, assert_same_bits, samples, table, tiny
from scipy import sparse
from scipy.stats import spearmanr
from torch.utils.data import TensorDataset

from skgad import ALAD, ARN, ConvNet
from skgad._encoding import fit_encoding
from skgad.preprocessing import PiecewiseLinearEncoder

every_detector = pytest.mark.parametrize("name", DETECTORS)
every_encoding = pytest.mark.parametrize("encoding", ["standard", "piecewise"])


def mixed(n_samples=60, seed=0):
    """Two continuous columns, one with few values and a constant one."""
    X = table(n_samples, 4, seed)
    X[:, 2] = X[:, 2].round()
    X[:, 3] = 7
    return X


@every_encoding
@every_detector
def test_scores_are_the_same_bits_for_any_batch_and_after_pickling(name, encoding, device):
    detector = tiny(name, encoding=encoding, n_members=2, device=device).fit(mixed())
    rows = 2 * mixed(30, seed=1)
    scores = detector.score_samples(rows)
    assert_same_bits(detector.score_samples(rows[::-1])[::-1], scores)
    assert_same_bits(detector.score_samples(rows[4:6]), scores[4:6])
    assert_same_bits(pickle.loads(pickle.dumps(detector)).score_samples(rows), scores)
    assert_same_bits(detector.score_samples(mixed()), detector.train_scores_)


@every_detector
def test_standardizing_inside_is_standardizing_before(name, device):
    X = table(60)
    inside = tiny(name, encoding="standard", device=device).fit(X)
    scaled = (X - X.mean(axis=0)) / X.std(axis=0)
    before = tiny(name, device=device).fit(scaled)
    np.testing.assert_allclose(inside.train_scores_, before.train_scores_, rtol=0.02, atol=1e-3)
    rows = inside.reconstruct(X)
    expected = before.reconstruct(scaled) * X.std(axis=0) + X.mean(axis=0)
    np.testing.assert_allclose(rows, expected, rtol=0.02, atol=0.01)


@every_detector
def test_piecewise_codes_inside_are_those_of_the_encoder(name, device):
    X = mixed()
    inside = tiny(name, encoding="piecewise", device=device).fit(X)
    codes = PiecewiseLinearEncoder().fit_transform(X)
    before = tiny(name, device=device).fit(codes)
    np.testing.assert_allclose(inside.train_scores_, before.train_scores_, rtol=0.02, atol=1e-3)


@pytest.mark.parametrize("factor", [1e-6, 1e6])
@every_encoding
@every_detector
def test_the_unit_of_the_columns_does_not_matter(name, encoding, factor, device):
    scores = [
        tiny(name, encoding=encoding, device=device).fit(unit * mixed()).train_scores_
        for unit in (1, factor)
    ]
    assert spearmanr(*scores).statistic > 0.99


@every_encoding
@every_detector
def test_generated_rows_are_in_the_units_of_the_table(name, encoding, device):
    X = 1000 + 100 * mixed()
    detector = tiny(name, encoding=encoding, device=device, max_epochs=5).fit(X)
    assert detector.reconstruct(X).shape == X.shape
    rows = samples(detector, 20)
    assert all(made.shape == (20, 4) for made in rows.values())
    for made in (*rows.values(), detector.reconstruct(X)):
        assert (np.abs(made - X.mean(axis=0)) < 3000).all()
        assert (made[:, 3] == X[0, 3]).all()


@every_encoding
def test_tables_of_every_format_are_encoded(encoding, device):
    X = mixed().astype(np.float32)
    expected = tiny("WAE", encoding=encoding, device=device).fit(X).score_samples(X)
    for given in (sparse.csr_matrix(X), TensorDataset(torch.from_numpy(X)), X.astype(np.float64)):
        detector = tiny("WAE", encoding=encoding, device=device).fit(given)
        np.testing.assert_allclose(detector.score_samples(given), expected, rtol=1e-5)


@every_encoding
def test_training_continues_with_the_codes_of_the_first_fit(encoding, device):
    detector = tiny("ALAD", encoding=encoding, warm_start=True, device=device).fit(mixed())
    before = {k: v.clone() for k, v in detector.net_.module_.encoding.state_dict().items()}
    detector.partial_fit(10 * mixed()).fit(20 * mixed())
    after = detector.net_.module_.encoding.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_sample_of_a_large_table_determines_the_codes(device, monkeypatch):
    monkeypatch.setattr("skgad.engine.encoding.MAX_ROWS", 20)
    X = table(60)
    detector = tiny("ALAD", encoding="standard", device=device).fit(X)
    expected = fit_encoding(np.float64(np.float32(X[::3])), n_bins=0)
    start = detector.net_.module_.encoding.start.cpu().numpy()
    np.testing.assert_allclose(start, expected.start, rtol=1e-6)


def test_images_are_not_encoded(device):
    networks = ConvNet(image_shape=(1, 4, 4), channels=(2,), kernel_size=2)
    with pytest.raises(ValueError, match="encoding='standard' is for tables.*image_shape"):
        ALAD(encoding="standard", networks=networks, device=device).fit(table(20, 16))


def test_categories_are_drawn_from_columns_as_they_are(device):
    detector = ARN(encoding="piecewise", categorical="gumbel", device=device)
    with pytest.raises(ValueError, match="categorical='gumbel' requires encoding=None"):
        detector.fit(table())
