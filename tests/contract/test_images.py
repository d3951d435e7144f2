"""Images: every detector accepts them as pixels and as Datasets, in memory or on disk."""

import pickle
import tracemalloc
from copy import deepcopy
from functools import cache

import numpy as np
import pytest
import torch
from common import DETECTORS, assert_same_bits, can, kinds, methods, row_methods, state
from image_common import ITEMS, Images, convnet, image_detector, pixels
from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from torch import nn
from torch.utils.data import IterableDataset, TensorDataset

from skgad import MLP, ConvNet
from skgad._threshold import LOWEST_SCORE
from skgad.detectors import _base
from skgad.engine.scores import BLOCK_IMAGES
from skgad.networks import SpectralNorm

every_detector = pytest.mark.parametrize("name", DETECTORS)

# Two epochs on bright pixels are too few for some methods, which then warn.
pytestmark = [
    pytest.mark.usefixtures("seeded"),
    pytest.mark.filterwarnings("ignore:The root mean square of the features"),
    pytest.mark.filterwarnings("ignore:The codes collapsed to the prior"),
    pytest.mark.filterwarnings("ignore:The mixture is singular"),
]

#: Detectors whose networks have no decoder.
NO_DECODER = {"DSEBM"}


@cache
def fitted_to_fractions(name, device, **params):
    """Detector that is fitted to pixels that are already divided by 255: do not change it."""
    return image_detector(name, device, **params).fit((pixels() / 255).astype(np.float32))


@every_detector
@pytest.mark.parametrize("shape", [(1, 6, 6), (3, 7, 5)])
def test_images_are_trained_on_scored_reconstructed_and_sampled(name, shape, device):
    X = pixels(shape=shape)
    networks = convnet(image_shape=shape, kernel_size=3, batch_norm=True)
    detector = image_detector(name, device, networks).fit(X)
    assert detector.n_iter_ == 2
    assert np.isfinite(detector.score_samples(X)).all()
    if can(name, "reconstruct"):
        assert detector.reconstruct(X).shape == X.shape
    if can(name, "sample"):
        samples = detector.sample(3, kind=kinds(detector, "sample")[0], random_state=0)
        assert samples.shape == (3, X.shape[1])
    layers = {type(m) for m in detector.net_.module_.modules()}
    assert nn.Conv2d in layers
    assert (nn.ConvTranspose2d in layers) == (name not in NO_DECODER)


@every_detector
def test_bright_corners_are_distinguished_from_dark_ones(name, device):
    X, X_test = pixels(160), pixels(80, seed=1)
    X_test[:40] = X_test[:40].reshape(40, 6, 6)[:, ::-1, ::-1].reshape(40, 36)
    networks = convnet(channels=(8, 8))
    detector = image_detector(name, device, networks, max_epochs=20, lr=3e-3)
    scores = detector.fit(X).score_samples(X_test)
    assert (scores[:40, None] < scores[40:]).mean() > 0.9


@every_detector
@pytest.mark.parametrize(
    ("shape", "channels", "latent_dim"),
    [((1, 6, 6), (3, 4), 3), ((3, 8, 8), (5, 17, 2), 7), ((2, 9, 7), (16,), 2)],
)
def test_scores_of_images_do_not_depend_on_the_other_images(
    name, shape, channels, latent_dim, device
):
    networks = convnet(image_shape=shape, channels=channels, kernel_size=3)
    detector = image_detector(name, device, networks, latent_dim=latent_dim, max_epochs=1)
    detector.fit(pixels(shape=shape))
    X = pixels(3 * BLOCK_IMAGES // 2, shape, seed=1)
    order = np.random.RandomState(0).permutation(len(X))
    for method in row_methods(name):
        function = getattr(detector, method)
        expected = function(X)
        assert_same_bits(function(X[order]), expected[order])
        assert_same_bits(function(X[order[:7]]), expected[order[:7]])
        assert_same_bits(function(X[5:6]), expected[5:6])


@every_detector
def test_a_clone_and_a_pickle_give_the_same_bits(name, device):
    X = pixels()
    detector = image_detector(name, device).fit(X)
    refitted, loaded = clone(detector).fit(X), pickle.loads(pickle.dumps(detector))
    assert_same_bits(state(refitted), state(detector))
    assert_same_bits(loaded.score_samples(X), detector.score_samples(X))


def test_images_can_be_used_in_pipelines_and_searches(device):
    X = pixels()
    pipeline = make_pipeline(MinMaxScaler(), image_detector("WAE", device))
    assert pipeline.fit(X).score_samples(X).shape == (40,)
    search = GridSearchCV(
        pipeline,
        {"wae__networks__channels": [(2,), (3, 2)], "wae__networks__kernel_size": [3]},
        scoring=lambda detector, X, y=None: detector.score_samples(X).mean(),
        cv=2,
    ).fit(X)
    assert search.best_params_["wae__networks__channels"] in [(2,), (3, 2)]
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_spectral_normalization_includes_convolutions(device):
    detector = image_detector("ALAD", device, spectral_norm=True).fit(pixels())
    game = detector.net_.module_.game
    for network in (game.encoder, game.d_xz, game.d_xx):
        wrapped = [m.layer for m in network.modules() if isinstance(m, SpectralNorm)]
        assert any(isinstance(layer, nn.Conv2d) for layer in wrapped)
    assert_same_bits(
        pickle.loads(pickle.dumps(detector)).score_samples(pixels()),
        detector.score_samples(pixels()),
    )


@every_detector
def test_images_of_another_size_raise_an_error(name, device):
    detector = image_detector(name, device, convnet(image_shape=(1, 7, 7)))
    message = r"image_shape=\(1, 7, 7\) have 49 pixels, but X has 36 features.*Set image_shape"
    with pytest.raises(ValueError, match=message):
        detector.fit(pixels())


@pytest.mark.parametrize("name", [name for name in DETECTORS if name not in NO_DECODER])
def test_as_many_latent_dimensions_as_pixels_raise_an_error(name, device):
    with pytest.raises(ValueError, match="latent_dim=36 is also the number of pixels"):
        image_detector(name, device, latent_dim=36).fit(pixels())


# ----------------------------------------------------------------------------------- pixels


@every_detector
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
def test_pixels_are_divided_by_255(name, early_stopping, make, device):
    X = pixels()
    detector = image_detector(name, device, early_stopping=early_stopping).fit(make(X))
    expected = fitted_to_fractions(name, device, early_stopping=early_stopping)
    assert_same_bits(state(detector), state(expected))
    for method in row_methods(name):
        assert_same_bits(getattr(detector, method)(make(X)), getattr(expected, method)(X / 255))


@every_detector
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_other_numbers_are_used_as_they_are(name, dtype, device):
    X = pixels() // 100
    detector = image_detector(name, device).fit(X.astype(dtype))
    expected = image_detector(name, device).fit(X.astype(np.float32))
    assert_same_bits(detector.score_samples(X.astype(dtype)), expected.score_samples(X * 1.0))
    assert not np.array_equal(detector.score_samples(X), detector.score_samples(X * 1.0))


@every_detector
def test_small_integers_in_a_table_are_not_pixels(name, device):
    X = pixels() // 100
    detector = image_detector(name, device, MLP((8,))).fit(X)
    assert_same_bits(detector.score_samples(X), detector.score_samples(X.astype(float)))


@every_detector
@pytest.mark.parametrize(
    ("dtype", "early_stopping"), [(np.uint8, False), (np.uint8, True), (np.float32, True)]
)
def test_memory_mapped_images_are_never_copied(
    name, dtype, early_stopping, device, tmp_path, monkeypatch
):
    monkeypatch.setattr(_base, "BLOCK_IMAGES", 32)  # so that blocks are small compared with X
    shape = (1, 64, 64)
    X = pixels(2000 if dtype == np.uint8 else 500, shape)  # 8 MB
    X = X if dtype == np.uint8 else (X / 255).astype(np.float32)
    X.tofile(tmp_path / "images")
    mapped = np.memmap(tmp_path / "images", dtype, "r", shape=X.shape)
    networks = ConvNet(shape, channels=(1,), discriminator_layer_sizes=(2,), kernel_size=2)
    detector = image_detector(
        name, device, networks, max_epochs=1, batch_size=64, early_stopping=early_stopping
    )
    clone(detector).fit(mapped[:50])  # torch imports some modules late
    tracemalloc.start()
    detector.fit(mapped)
    scores = detector.score_samples(mapped)
    _, peak = tracemalloc.get_traced_memory()  # memory of numpy; tensors hold single batches
    tracemalloc.stop()
    assert peak < X.nbytes / 2
    assert_same_bits(scores, detector.score_samples(X))


# --------------------------------------------------------------------------------- Datasets


@every_detector
@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_dataset_trains_and_scores_like_its_array(name, early_stopping, device):
    X = pixels()
    detector = image_detector(name, device, early_stopping=early_stopping)
    expected = clone(detector).fit(X)
    dataset = Images(X, ITEMS["pairs"])
    detector.fit(dataset)
    assert_same_bits(state(detector), state(expected))
    assert_same_bits(detector.train_scores_, expected.train_scores_)
    for method in (*row_methods(name), "decision_function"):
        assert_same_bits(getattr(detector, method)(dataset), getattr(expected, method)(X))
    assert_same_bits(state(detector.partial_fit(dataset)), state(expected.partial_fit(X)))


@pytest.mark.parametrize("make", ITEMS.values(), ids=list(ITEMS))
def test_items_can_be_arrays_tensors_or_tuples_of_several_shapes(make, device):
    X = pixels()
    detector = image_detector("WAE", device).fit(X)
    assert_same_bits(detector.score_samples(Images(X, make)), detector.score_samples(X))


def test_a_dataset_can_be_combined_with_known_labels(device):
    X, labels = pixels(), np.repeat([1, 0, -1], [10, 25, 5])
    dataset = TensorDataset(torch.tensor(X).reshape(-1, 1, 6, 6), torch.zeros(40))
    detector = image_detector("WALDO", device).fit(dataset, labels=labels)
    expected = image_detector("WALDO", device).fit(X, labels=labels)
    assert_same_bits(state(detector), state(expected))


def test_a_dataset_can_contain_rows_of_a_table(device):
    X = pixels()
    detector = image_detector("ALAD", device, MLP((8,))).fit(Images(X, ITEMS["tensors"]))
    assert_same_bits(state(detector), state(image_detector("ALAD", device, MLP((8,))).fit(X)))


class Stream(IterableDataset):
    def __iter__(self):
        return iter(pixels())


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (Stream(), "Stream cannot be indexed.*pass a Dataset with __len__ and __getitem__"),
        (Images([]), "Images has 0 items: at least one is required"),
        (Images(pixels(1)), "WAE requires at least 2 items, but the Dataset has 1"),
        (
            Images(pixels(shape=(3, 2, 6)), lambda row: row.reshape(2, 6, 3)),
            r"have the shape \(2, 6, 3\), which is not image_shape=\(1, 6, 6\)",
        ),
        (Images(pixels(shape=(1, 5, 5))), "have 36 pixels, but X has 25 features"),
        (
            Images([*pixels(3), pixels(1, (1, 5, 5))[0]]),
            r"Item 3 of Images has shape \(25,\) and dtype uint8, but the first.*shape \(36,\)",
        ),
        (
            Images([*pixels(3), pixels(1)[0] / 255]),
            r"Item 3 of Images has shape \(36,\) and dtype float64, but the first.*dtype uint8",
        ),
    ],
)
def test_an_invalid_dataset_raises_an_error(dataset, message, device):
    with pytest.raises(ValueError, match=message):
        image_detector("WAE", device).fit(dataset)


def test_channels_in_the_last_dimension_raise_an_error(device):
    networks = convnet(image_shape=(3, 6, 6))
    dataset = Images(pixels(shape=(3, 6, 6)), lambda row: row.reshape(6, 6, 3))
    with pytest.raises(ValueError, match=r"have the shape \(6, 6, 3\).*channels, height, width"):
        image_detector("WAE", device, networks).fit(dataset)


@pytest.mark.parametrize(
    ("name", "method"), methods("fit", "score_samples", "predict", "transform", "reconstruct")
)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_item_that_is_not_finite_raises_an_error(name, method, value, device):
    X = (pixels() / 255).astype(np.float32)
    detector = deepcopy(fitted_to_fractions(name, device))
    scores = detector.score_samples(X)
    bad = X.copy()
    bad[11, 3] = value
    with pytest.raises(ValueError, match="Item 11 of Images contains NaN, infinity"):
        getattr(detector, method)(Images(bad))
    assert_same_bits(detector.score_samples(X), scores)


def test_a_dataset_with_another_number_of_pixels_raises_an_error(device):
    detector = image_detector("WAE", device).fit(pixels())
    with pytest.raises(ValueError, match="X has 25 features, but WAE is expecting 36"):
        detector.score_samples(Images(pixels(shape=(1, 5, 5))))


def test_an_image_whose_score_overflows_has_the_lowest_score(device):
    detector = image_detector("WAE", device).fit(pixels())
    images = np.ones((3, 36), np.float32)
    expected = detector.score_samples(Images(images))
    images[1] = 1e38
    expected[1] = LOWEST_SCORE
    assert_same_bits(detector.score_samples(Images(images)), expected)
