"""Convolutional networks, and images as pixels, as memory-mapped arrays and as Datasets."""

import pickle
import tracemalloc

import numpy as np
import pytest
import torch
from common import DETECTORS, assert_same_bits, kinds, state, tiny
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from torch import nn
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from benchmarks.alad.networks import ALADImageNetworks
from benchmarks.ama.networks import AMAImageNetworks
from benchmarks.waldo.networks import WALDOImageNetworks
from skgad import MLP, BaseDetector, ConvNet
from skgad.engine.checks import check_table
from skgad.engine.data import Items, Rows, blocks, to_floats
from skgad.engine.scores import BLOCK_IMAGES, BLOCK_ROWS
from skgad.networks import Discriminator, OnImages, SpectralNorm, spectrally_normalized

every_detector = pytest.mark.parametrize("name", DETECTORS)

# Two epochs on bright pixels are too few for some of the methods, and they say so.
pytestmark = [
    pytest.mark.filterwarnings("ignore:The features have a root mean square"),
    pytest.mark.filterwarnings("ignore:The codes collapsed to the prior"),
]

METHODS = ("score_samples", "predict", "transform", "reconstruct")


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def pixels(n_samples=40, shape=(1, 6, 6), seed=0):
    """Images with a bright corner, one in a row."""
    images = np.random.RandomState(seed).randint(0, 64, size=(n_samples, *shape))
    images[:, :, :3, :3] += 190
    return images.astype(np.uint8).reshape(n_samples, -1)


def convnet(**params):
    defaults = {"image_shape": (1, 6, 6), "channels": (3, 4), "discriminator_layer_sizes": (5,)}
    return ConvNet(**{**defaults, **params})


def detector_of_images(name, device, networks=None, **params):
    """A small detector of images, with three codes."""
    networks = networks or convnet(dropout=0.1)
    return tiny(name, device=device, **{"latent_dim": 3, "networks": networks, **params})


def n_parameters(network):
    return sum(p.numel() for p in network.parameters())


# --------------------------------------------------------------------------------- networks


@given(
    height=st.integers(1, 33),
    width=st.integers(1, 33),
    n_channels=st.integers(1, 3),
    channels=st.lists(st.integers(1, 4), max_size=4),
    kernel_size=st.integers(1, 6),
    batch_norm=st.booleans(),
)
def test_decoders_give_images_of_every_size_back(
    height, width, n_channels, channels, kernel_size, batch_norm
):
    shape = (n_channels, height, width)
    networks = ConvNet(shape, tuple(channels), kernel_size, batch_norm=batch_norm)
    n_pixels = height * width * n_channels
    assume(n_pixels != 5)
    try:
        encoder = networks.encoder(n_pixels, 5)
    except ValueError as error:
        assert "convolutions" in str(error) or "kernel_size must be" in str(error)
        assume(False)
    decoder, x = networks.decoder(5, n_pixels), torch.randn(3, n_pixels)
    z = encoder(x)
    assert z.shape == (3, 5)
    assert decoder(z).shape == x.shape
    for inputs in ((x,), (x, x), (x, z), (z,), (z, z)):
        discriminator = networks.discriminator(*(part.shape[1] for part in inputs))
        assert isinstance(discriminator, Discriminator)
        assert discriminator(*inputs).shape == (3,)
        assert discriminator.features(*inputs).shape == (3, 128)


def test_rows_are_images_channel_by_channel():
    image = torch.randn(2, 3, 5, 4)
    convolution = nn.Conv2d(3, 2, 3)
    expected = convolution(image).reshape(2, -1)
    assert_same_bits(
        OnImages((3, 5, 4), convolution)(image.reshape(2, -1)).detach().numpy(),
        expected.detach().numpy(),
    )


def test_an_encoder_is_convolutions_of_stride_two_and_an_affine_layer():
    encoder = convnet(kernel_size=4, activation="tanh").encoder(36, 2)
    (one, _, two, _), last = encoder[0], encoder[1]
    x = torch.randn(7, 1, 6, 6)
    maps = torch.tanh(nn.functional.conv2d(x, one.weight, one.bias, 2, 1))
    maps = torch.tanh(nn.functional.conv2d(maps, two.weight, two.bias, 2, 1))
    expected = maps.reshape(7, -1) @ last.weight.T + last.bias
    torch.testing.assert_close(encoder(x.reshape(7, 36)), expected)


def test_the_decoder_has_the_encoders_layers_in_reverse():
    networks = convnet(image_shape=(2, 7, 9), channels=(3, 4), kernel_size=4)
    encoder, decoder = networks.encoder(126, 5), networks.decoder(5, 126)
    kernels = [layer.weight.shape for layer in encoder[0] if isinstance(layer, nn.Conv2d)]
    mirrored = [layer for layer in decoder[1] if isinstance(layer, nn.ConvTranspose2d)]
    assert [layer.weight.shape for layer in mirrored] == kernels[::-1]
    assert encoder[1].weight.shape == decoder[0].weight.shape[::-1]
    assert n_parameters(networks.encoder(126, 5)) == (
        (2 * 16 + 1) * 3 + (3 * 16 + 1) * 4 + (4 * 1 * 2 + 1) * 5
    )


def test_weights_start_as_glorots_and_without_bias():
    layer = ConvNet(channels=(300,)).encoder(784, 3)[0][0]
    limit = np.sqrt(6 / (16 + 300 * 16))
    assert 0.99 * limit < layer.weight.abs().max() <= limit
    assert (layer.bias == 0).all()


def test_the_output_can_be_kept_in_bounds():
    z = 100 * torch.randn(50, 3)
    low, high = convnet(output_activation="sigmoid").decoder(3, 36)(z).aminmax()
    assert 0 <= low < 0.1 < 0.9 < high <= 1
    low, high = convnet(output_activation="tanh").decoder(3, 36)(z).aminmax()
    assert -1 <= low < -0.9 < 0.9 < high <= 1
    assert convnet().decoder(3, 36)(z).abs().max() > 1


def test_batch_norm_is_for_encoder_and_decoder():
    def norms(network):
        return [m.num_features for m in network.modules() if isinstance(m, nn.BatchNorm2d)]

    networks = convnet(batch_norm=True)
    assert norms(networks.encoder(36, 2)) == [3, 4]
    assert norms(networks.decoder(2, 36)) == [4, 3]
    assert norms(networks.discriminator(36, 36)) == []
    assert norms(convnet().encoder(36, 2)) == []


def test_only_discriminators_drop_units():
    def rates(network):
        return [m.p for m in network.modules() if isinstance(m, nn.Dropout)]

    networks = convnet(dropout=0.3)
    assert rates(networks.encoder(36, 2)) == rates(networks.decoder(2, 36)) == []
    assert rates(networks.discriminator(36)) == 3 * [0.3]


def test_discriminators_have_half_the_channels_unless_told():
    def channels(networks):
        network = networks.discriminator(36, 36)
        return [m.weight.shape[:2] for m in network.modules() if isinstance(m, nn.Conv2d)]

    assert channels(convnet(channels=(3, 8))) == [(2, 2), (4, 2)]  # pairs have two channels
    assert channels(convnet(discriminator_channels=(7,))) == [(7, 2)]


def test_a_pair_of_images_is_one_image_with_both_ones_channels():
    discriminator = convnet(image_shape=(2, 6, 6)).discriminator(72, 72)
    one, other = torch.randn(3, 2, 6, 6), torch.randn(3, 2, 6, 6)
    features = discriminator.features(one.flatten(1), other.flatten(1))
    first = discriminator.body[0][0]
    stacked = torch.cat([one, other], dim=1)
    assert first.weight.shape[1] == 4
    expected = discriminator.body(stacked.flatten(1))
    assert_same_bits(features.detach().numpy(), expected.detach().numpy())


def test_an_image_and_a_code_meet_behind_the_convolutions():
    discriminator = convnet().discriminator(36, 3)
    of_image, of_code = discriminator.branches
    assert [type(m) for m in of_code] == [nn.Linear, nn.LeakyReLU]
    assert any(isinstance(m, nn.Conv2d) for m in of_image.modules())
    x, z = torch.randn(4, 36), torch.randn(4, 3)
    expected = discriminator.body(torch.cat([of_image(x), of_code(z)], dim=1))
    torch.testing.assert_close(discriminator.features(x, z), expected)


def test_codes_alone_need_no_convolutions():
    for widths in ((3,), (3, 3), (7, 2)):
        discriminator = convnet().discriminator(*widths)
        assert not any(isinstance(m, nn.Conv2d) for m in discriminator.modules())
        assert discriminator.body[0].in_features == sum(widths)


def test_networks_work_on_the_last_dimension():
    networks, x = convnet(), torch.randn(2, 4, 36)
    z = networks.encoder(36, 3)(x)
    assert z.shape == (2, 4, 3)
    assert networks.decoder(3, 36)(z).shape == x.shape
    assert networks.discriminator(36, 3)(x, z).shape == (2, 4)
    encoder = networks.encoder(36, 3)
    torch.testing.assert_close(encoder(x)[1], encoder(x[1]))


def test_no_rows_give_no_rows():
    networks, x = convnet(), torch.zeros(0, 36)
    assert networks.encoder(36, 3)(x).shape == (0, 3)
    assert networks.decoder(3, 36)(x[:, :3]).shape == (0, 36)
    assert networks.discriminator(36, 36)(x, x).shape == (0,)


def test_both_halves_are_judged_as_each_would_be_alone():
    discriminator = convnet().discriminator(36, 36)
    real, fake = (torch.randn(8, 36), torch.randn(8, 36)), (torch.randn(8, 36),) * 2
    together = discriminator.judge(real, fake)
    torch.testing.assert_close(together, (discriminator(*real), discriminator(*fake)))


def test_every_layer_of_a_normalized_network_has_norm_one():
    networks = convnet()
    for plain in (networks.encoder(36, 3), networks.discriminator(36, 36)):
        network, x = spectrally_normalized(plain), torch.randn(2, 36)
        for _ in range(300):
            network(x) if not isinstance(network, Discriminator) else network(x, x)
        parts = [m for m in network.modules() if isinstance(m, SpectralNorm)]
        assert sum(isinstance(part.layer, nn.Conv2d) for part in parts) == 2
        for part in parts:
            norm = np.linalg.svd(part.weight.detach().flatten(1))[1][0]
            np.testing.assert_allclose(norm, 1, rtol=1e-3)


def test_convnet_is_an_estimator_to_search_over():
    networks = convnet(kernel_size=3, batch_norm=True)
    assert repr(clone(networks)) == repr(networks)
    assert networks.set_params(channels=(9,)).channels == (9,)
    assert set(networks.get_params()) == {
        "image_shape",
        "channels",
        "kernel_size",
        "discriminator_channels",
        "discriminator_layer_sizes",
        "activation",
        "output_activation",
        "dropout",
        "batch_norm",
    }


# -------------------------------------------------------------------------------- what is wrong


@every_detector
def test_images_of_another_size_are_refused(name, device):
    detector = detector_of_images(name, device, convnet(image_shape=(1, 7, 7)))
    message = r"image_shape=\(1, 7, 7\) have 49 pixels, but the rows have 36.*set image_shape"
    with pytest.raises(ValueError, match=message):
        detector.fit(pixels())


@every_detector
def test_as_many_codes_as_pixels_are_refused(name, device):
    with pytest.raises(ValueError, match="latent_dim=36 is the number of pixels"):
        detector_of_images(name, device, latent_dim=36).fit(pixels())


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"image_shape": (6, 6)}, r"must be three positive integers.*got \(6, 6\)"),
        ({"image_shape": (1, 0, 6)}, "must be three positive integers"),
        ({"image_shape": (1, 6.0, 6)}, "must be three positive integers"),
        ({"kernel_size": 7}, r"kernel_size must be.*for image_shape=\(1, 6, 6\) at most 6, got 7"),
        ({"kernel_size": 0}, "kernel_size must be a positive integer.*got 0"),
        ({"kernel_size": 2.0}, "kernel_size must be a positive integer.*got 2.0"),
        (
            {"channels": (2, 2, 2)},
            r"After 2 of 3 convolutions images of image_shape=\(1, 6, 6\) have a size of 1 x 1.*"
            r"kernel_size=4: use fewer channels, \(2, 2, 2\) are too many",
        ),
        ({"discriminator_channels": (2, 2, 2)}, "After 2 of 3 convolutions"),
        ({"discriminator_layer_sizes": ()}, "A discriminator needs a hidden layer"),
        ({"activation": "swish"}, "'swish' is not known.*leaky_relu"),
        ({"output_activation": "relu"}, "'relu' is not known. Choose one of None, sigmoid, tanh"),
    ],
)
def test_networks_that_cannot_be_built_say_why(params, message, device):
    with pytest.raises(ValueError, match=message):
        detector_of_images("ALAD", device, convnet(**params)).fit(pixels())


# ------------------------------------------------------------------------------- the detectors


@every_detector
@pytest.mark.parametrize("shape", [(1, 6, 6), (3, 7, 5)])
def test_every_detector_takes_images(name, shape, device):
    X = pixels(shape=shape)
    networks = convnet(image_shape=shape, kernel_size=3, batch_norm=True)
    detector = detector_of_images(name, device, networks).fit(X)
    assert detector.n_iter_ == 2
    assert np.isfinite(detector.score_samples(X)).all()
    assert detector.reconstruct(X).shape == X.shape
    samples = detector.sample(3, kind=kinds(detector, "sample")[0], random_state=0)
    assert samples.shape == (3, X.shape[1])
    layers = {type(m) for m in detector.net_.module_.modules()}
    assert {nn.Conv2d, nn.ConvTranspose2d} <= layers


@every_detector
@pytest.mark.parametrize(
    ("shape", "channels", "latent_dim"),
    [((1, 6, 6), (3, 4), 3), ((3, 8, 8), (5, 17, 2), 7), ((2, 9, 7), (16,), 2)],
)
def test_scores_do_not_depend_on_what_is_scored_with_them(
    name, shape, channels, latent_dim, device
):
    networks = convnet(image_shape=shape, channels=channels, kernel_size=3)
    detector = detector_of_images(name, device, networks, latent_dim=latent_dim, max_epochs=1)
    detector.fit(pixels(shape=shape))
    X = pixels(3 * BLOCK_IMAGES // 2, shape, seed=1)
    order = np.random.RandomState(0).permutation(len(X))
    for method in ("score_samples", "transform", "reconstruct"):
        function = getattr(detector, method)
        expected = function(X)
        assert_same_bits(function(X[order]), expected[order])
        assert_same_bits(function(X[order[:7]]), expected[order[:7]])
        assert_same_bits(function(X[5:6]), expected[5:6])


@pytest.mark.parametrize("kernel_size", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("n_channels", [1, 2, 3, 8, 17, 32])
def test_convolutions_treat_an_image_alike_wherever_it_stands(n_channels, kernel_size, device):
    """What the promise above rests on; if it fails, BatchInvariantLinear is where to fix it."""
    for size in (2, 5, 8, 14):
        for n_inputs in (1, 3, 16):
            layer = nn.Conv2d(n_inputs, n_channels, kernel_size, 2, (kernel_size - 1) // 2)
            mirrored = nn.ConvTranspose2d(n_inputs, n_channels, kernel_size, 2)
            x = torch.randn(BLOCK_IMAGES, n_inputs, size, size, device=device)
            order = torch.randperm(BLOCK_IMAGES, device=device)
            if size < kernel_size:
                continue
            with torch.inference_mode():
                for function in (layer.to(device), mirrored.to(device)):
                    assert torch.equal(function(x[order]), function(x)[order])


def test_images_are_scored_in_smaller_blocks_than_rows(device, monkeypatch):
    sizes = []
    convolve = OnImages.forward
    monkeypatch.setattr(
        OnImages, "forward", lambda self, x: sizes.append(len(x)) or convolve(self, x)
    )
    detector = detector_of_images("ALAD", device).fit(pixels())
    sizes.clear()
    detector.score_samples(pixels(2))
    assert set(sizes) == {BLOCK_IMAGES}
    assert BLOCK_IMAGES < BLOCK_ROWS


@every_detector
def test_a_clone_and_a_pickle_give_the_same_bits(name, device):
    X = pixels()
    detector = detector_of_images(name, device).fit(X)
    again, other = clone(detector).fit(X), pickle.loads(pickle.dumps(detector))
    assert_same_bits(state(again), state(detector))
    assert_same_bits(other.score_samples(X), detector.score_samples(X))


def test_images_go_through_pipelines_and_searches(device):
    X = pixels()
    pipeline = make_pipeline(MinMaxScaler(), detector_of_images("WAE", device))
    assert pipeline.fit(X).score_samples(X).shape == (40,)
    search = GridSearchCV(
        pipeline,
        {"wae__networks__channels": [(2,), (3, 2)], "wae__networks__kernel_size": [3]},
        scoring=lambda detector, X, y=None: detector.score_samples(X).mean(),
        cv=2,
    ).fit(X)
    assert search.best_params_["wae__networks__channels"] in [(2,), (3, 2)]
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_spectral_norm_reaches_convolutions(device):
    detector = detector_of_images("ALAD", device, spectral_norm=True).fit(pixels())
    game = detector.net_.module_.games[0]
    for network in (game.encoder, game.d_xz, game.d_xx):
        wrapped = [m.layer for m in network.modules() if isinstance(m, SpectralNorm)]
        assert any(isinstance(layer, nn.Conv2d) for layer in wrapped)
    assert_same_bits(
        pickle.loads(pickle.dumps(detector)).score_samples(pixels()),
        detector.score_samples(pixels()),
    )


@every_detector
def test_bright_corners_are_told_from_dark_ones(name, device):
    X, X_test = pixels(160), pixels(80, seed=1)
    X_test[:40] = X_test[:40].reshape(40, 6, 6)[:, ::-1, ::-1].reshape(40, 36)
    networks = convnet(channels=(8, 8))
    detector = detector_of_images(name, device, networks, max_epochs=20, lr=3e-3)
    scores = detector.fit(X).score_samples(X_test)
    assert (scores[:40, None] < scores[40:]).mean() > 0.9


# ------------------------------------------------------------------------------------- pixels


def test_all_256_values_are_divided_as_numpy_divides_them(device):
    values = np.arange(256, dtype=np.uint8)[None]
    (block,) = blocks(values, 1, device)
    for divided in (to_floats(values, device), block, Rows(values, None, device)[np.array([0])][0]):
        assert_same_bits(divided.cpu().numpy(), (values / 255).astype(np.float32))


@every_detector
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
def test_pixels_are_divided_by_255(name, early_stopping, make, device):
    X = pixels()
    detector = detector_of_images(name, device, early_stopping=early_stopping)
    expected = clone(detector).fit((X / 255).astype(np.float32))
    detector.fit(make(X))
    assert_same_bits(state(detector), state(expected))
    for method in METHODS:
        assert_same_bits(getattr(detector, method)(make(X)), getattr(expected, method)(X / 255))


@every_detector
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_other_numbers_are_taken_as_they_are(name, dtype, device):
    X = pixels() // 100
    detector = detector_of_images(name, device).fit(X.astype(dtype))
    expected = detector_of_images(name, device).fit(X.astype(np.float32))
    assert_same_bits(detector.score_samples(X.astype(dtype)), expected.score_samples(X * 1.0))
    assert not np.array_equal(detector.score_samples(X), detector.score_samples(X * 1.0))


@every_detector
def test_tables_of_small_integers_are_no_pixels(name, device):
    X = pixels() // 100
    detector = detector_of_images(name, device, MLP((8,))).fit(X)
    assert_same_bits(detector.score_samples(X), detector.score_samples(X.astype(float)))


# --------------------------------------------------------------------- more images than memory


@every_detector
@pytest.mark.parametrize(
    ("dtype", "early_stopping"), [(np.uint8, False), (np.uint8, True), (np.float32, True)]
)
def test_memory_mapped_images_are_never_copied(name, dtype, early_stopping, device, tmp_path):
    shape = (1, 64, 64)
    X = pixels(2000, shape)
    X = X if dtype == np.uint8 else (X / 255).astype(np.float32)
    X.tofile(tmp_path / "images")
    mapped = np.memmap(tmp_path / "images", dtype, "r", shape=X.shape)
    networks = ConvNet(shape, channels=(1,), discriminator_layer_sizes=(2,), kernel_size=2)
    detector = detector_of_images(
        name, device, networks, max_epochs=1, batch_size=256, early_stopping=early_stopping
    )
    clone(detector).fit(mapped[:50])  # imports what torch imports late
    tracemalloc.start()
    detector.fit(mapped)
    scores = detector.score_samples(mapped)
    _, peak = tracemalloc.get_traced_memory()  # what numpy has; tensors are made of its batches
    tracemalloc.stop()
    assert peak < X.nbytes / 2
    assert_same_bits(scores, detector.score_samples(X))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_the_rows_of_a_net_are_those_of_the_memory_map(dtype, device, tmp_path):
    pixels().astype(dtype).tofile(tmp_path / "images")
    mapped = np.memmap(tmp_path / "images", dtype, "r", shape=(40, 36))
    X = check_table(detector_of_images("WAE", device), mapped, reset=True)
    assert np.shares_memory(X, mapped)
    rows = Rows(X, None, "cpu")
    part = rows.take(np.array([3, 5, 8]))
    assert np.shares_memory(part.table, mapped)
    expected, _ = rows[np.array([5, 8])]
    assert_same_bits(part[np.array([1, 2])][0].numpy(), expected.numpy())


def test_parts_of_rows_know_their_labels(device):
    labels = np.array([0, 1, 0, -1, 0, 1], np.int8)
    X = np.arange(12, dtype=np.float32).reshape(6, 2)
    part = Rows(X, labels, device).part(np.array([5, 0, 2, 3]))
    assert [group.tolist() for group in part.groups] == [[3], [0], [1, 2]]
    rows, known = part[np.array([0, 3])]
    assert rows.tolist() == [[10, 11], [6, 7]]
    assert known.tolist() == [1, -1]
    assert len(part) == 4
    assert len(part.part(np.array([1]))) == 1


class Images(Dataset):
    """A Dataset that keeps a record of what is read."""

    def __init__(self, rows, make=lambda row: row):
        self.rows = rows
        self.make = make
        self.n_read = 0

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        assert isinstance(index, int)
        self.n_read += 1
        return self.make(self.rows[index])


ITEMS = {
    "rows": lambda row: row,
    "images": lambda row: row.reshape(1, 6, 6),
    "images without channels": lambda row: row.reshape(6, 6),
    "tensors": lambda row: torch.tensor(row).reshape(1, 6, 6),
    "pairs": lambda row: (torch.tensor(row).reshape(1, 6, 6), 7),
    "lists": lambda row: [row, "name"],
    "floats": lambda row: (row / 255).astype(np.float32),
    "float64": lambda row: torch.tensor(row / 255).reshape(1, 6, 6),
}


@every_detector
@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_dataset_is_trained_on_and_scored_as_its_array(name, early_stopping, device):
    X = pixels()
    detector = detector_of_images(name, device, early_stopping=early_stopping)
    expected = clone(detector).fit(X)
    dataset = Images(X, ITEMS["pairs"])
    detector.fit(dataset)
    assert_same_bits(state(detector), state(expected))
    assert_same_bits(detector.train_scores_, expected.train_scores_)
    for method in (*METHODS, "decision_function"):
        assert_same_bits(getattr(detector, method)(dataset), getattr(expected, method)(X))
    assert_same_bits(state(detector.partial_fit(dataset)), state(expected.partial_fit(X)))


@pytest.mark.parametrize("make", ITEMS.values(), ids=list(ITEMS))
def test_items_may_be_arrays_tensors_and_tuples_of_any_of_the_shapes(make, device):
    X = pixels()
    detector = detector_of_images("WAE", device).fit(X)
    assert_same_bits(detector.score_samples(Images(X, make)), detector.score_samples(X))


def test_a_dataset_of_torch_and_known_labels_go_together(device):
    X, labels = pixels(), np.repeat([1, 0, -1], [10, 25, 5])
    dataset = TensorDataset(torch.tensor(X).reshape(-1, 1, 6, 6), torch.zeros(40))
    detector = detector_of_images("WALDO", device).fit(dataset, labels=labels)
    expected = detector_of_images("WALDO", device).fit(X, labels=labels)
    assert_same_bits(state(detector), state(expected))


def test_a_dataset_of_rows_of_a_table(device):
    X = pixels()
    detector = detector_of_images("ALAD", device, MLP((8,))).fit(Images(X, ITEMS["tensors"]))
    assert_same_bits(state(detector), state(detector_of_images("ALAD", device, MLP((8,))).fit(X)))


def test_items_are_read_batch_by_batch(device):
    dataset = Images(pixels(300))
    items, seen = Items(dataset, (1, 6, 6)), []
    for block in blocks(items, 100, device):
        seen.append((dataset.n_read, tuple(block.shape)))
    assert seen == [
        (101, (100, 36)),
        (201, (100, 36)),
        (301, (100, 36)),
    ]  # the first tells the size
    assert Rows(items, None, device)[np.array([7, 2])][0].shape == (2, 36)
    assert dataset.n_read == 303


class Stream(IterableDataset):
    def __iter__(self):
        return iter(pixels())


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (Stream(), "Stream cannot be indexed: a detector takes Datasets with __len__"),
        (Images([]), "Images has 0 items: give at least one"),
        (Images(pixels(1)), "WAE needs at least 2 items"),
        (
            Images(pixels(shape=(3, 2, 6)), lambda row: row.reshape(2, 6, 3)),
            r"have the shape \(2, 6, 3\), but image_shape=\(1, 6, 6\), which is",
        ),
        (Images(pixels(shape=(1, 5, 5))), "have 36 pixels, but the rows have 25"),
        (
            Images([*pixels(3), pixels(1, (1, 5, 5))[0]]),
            r"Item 3 of Images has the shape \(25,\) and the type uint8, the first item \(36,\)",
        ),
        (
            Images([*pixels(3), pixels(1)[0] / 255]),
            r"Item 3 of Images has the shape \(36,\) and the type float64, the first.*uint8",
        ),
    ],
)
def test_a_dataset_that_is_no_table_is_refused(dataset, message, device):
    with pytest.raises(ValueError, match=message):
        detector_of_images("WAE", device).fit(dataset)


def test_channels_at_the_end_are_refused(device):
    networks = convnet(image_shape=(3, 6, 6))
    dataset = Images(pixels(shape=(3, 6, 6)), lambda row: row.reshape(6, 6, 3))
    with pytest.raises(ValueError, match=r"have the shape \(6, 6, 3\).*channels, height, width"):
        detector_of_images("WAE", device, networks).fit(dataset)


@every_detector
@pytest.mark.parametrize("method", ["fit", *METHODS])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_item_that_is_not_finite_is_refused(name, method, value, device):
    X = (pixels() / 255).astype(np.float32)
    detector = detector_of_images(name, device).fit(X)
    scores = detector.score_samples(X)
    bad = X.copy()
    bad[11, 3] = value
    with pytest.raises(ValueError, match="Item 11 of Images contains NaN, infinity"):
        getattr(detector, method)(Images(bad))
    assert_same_bits(detector.score_samples(X), scores)


def test_a_dataset_with_another_number_of_pixels_is_refused(device):
    detector = detector_of_images("WAE", device).fit(pixels())
    with pytest.raises(ValueError, match="X has 25 features, but WAE is expecting 36"):
        detector.score_samples(Images(pixels(shape=(1, 5, 5))))


def test_scores_that_overflow_name_the_items_values(device):
    detector = detector_of_images("WAE", device).fit(pixels())
    bad = np.ones((3, 36), np.float32)
    bad[1] = 1e38
    with pytest.raises(ValueError, match=r"rows are not finite. Their values, up to 1e\+38"):
        detector.score_samples(Images(bad))


# ------------------------------------------------------------------------ networks of the papers


def test_the_networks_of_waldos_table_6():
    networks = WALDOImageNetworks()
    encoder, decoder = networks.encoder(784, 32), networks.decoder(32, 784)
    convolutions = 640 + 51_200 + 204_800 + 819_200
    assert n_parameters(encoder) == convolutions + 160 + 320 + 640 + 10_272
    assert n_parameters(decoder) == 517_440 + 819_360 + 320 + 204_880 + 160 + 1_281
    assert n_parameters(networks.discriminator(32)) == 5_280 + 3 * 25_760 + 161
    assert shapes_of_maps(encoder[0], torch.zeros(2, 1, 28, 28)) == [
        (40, 14, 14),
        (80, 7, 7),
        (160, 3, 3),
        (320, 1, 1),
    ]
    maps = shapes_of_maps(decoder[2], torch.zeros(2, 320, 7, 7))
    assert maps == [(160, 10, 10), (80, 13, 13), (1, 28, 28)]


def test_the_networks_of_waldos_table_5():
    networks = WALDOImageNetworks((3, 32, 32), 32)
    encoder, decoder = networks.encoder(3072, 32), networks.decoder(32, 3072)
    convolutions = 1_536 + 32_768 + 131_072 + 524_288
    assert n_parameters(encoder) == convolutions + 128 + 256 + 512 + 32_800
    assert n_parameters(decoder) == 684_288 + 524_416 + 256 + 131_136 + 128 + 3_075
    assert n_parameters(networks.discriminator(32)) == 4_224 + 3 * 16_512 + 129
    maps = shapes_of_maps(decoder[2], torch.zeros(2, 256, 9, 9))
    assert maps == [(128, 12, 12), (64, 15, 15), (3, 32, 32)]


def shapes_of_maps(layers, x):
    """Shapes after each convolution."""
    shapes = []
    for layer in layers:
        x = layer(x)
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            shapes.append(tuple(x.shape[1:]))
    return shapes


def test_the_networks_of_alads_table_9():
    networks = ALADImageNetworks()
    encoder, decoder = networks.encoder(3072, 100), networks.decoder(100, 3072)
    norms = 2 * 128, 2 * 256, 2 * 512
    assert n_parameters(encoder) == 6_272 + 524_544 + 2_097_664 + sum(norms) + 819_300
    assert n_parameters(decoder) == 819_712 + 2_097_408 + 524_416 + sum(norms) + 6_147
    assert n_parameters(networks.d_xz(3072, 100)) == sum(
        [6_272, 524_544 + norms[1], 2_097_664 + norms[2]],  # of x
        51_712 + 262_656 + 8_913_920 + 1_025,  # of z, joint, logit
    )
    assert n_parameters(networks.d_xx(3072, 3072)) == 9_664 + 204_928 + 8_193
    assert n_parameters(networks.d_zz(100, 100)) == 12_864 + 2_080 + 33
    x = torch.zeros(2, 3, 32, 32)
    assert shapes_of_maps(encoder, x) == [(128, 16, 16), (256, 8, 8), (512, 4, 4), (100, 1, 1)]
    x, z = torch.randn(2, 3072), torch.randn(2, 100)
    assert decoder(encoder(x)).shape == (2, 3072)
    assert networks.d_xz(3072, 100)(x, z).shape == (2,)
    assert networks.d_xx(3072, 3072).features(x, x).shape == (2, 8_192)
    assert 0.009 < encoder[0].weight.std() < 0.011


def test_the_networks_of_ama():
    networks = AMAImageNetworks()
    encoder, decoder = networks.encoder(3072, 128), networks.decoder(128, 3072)
    critic = networks.discriminator(3072, 3072)
    assert n_parameters(encoder) == 3_072 + 128 + 131_072 + 256 + 524_288 + 512 + 524_288
    block = 2 * 512 + 2 * 590_080 + 65_792
    assert n_parameters(decoder) == 528_384 + 3 * block + 512 + 6_915
    first, second = 7_040 + 147_584 + 896, 2 * 147_584 + 16_512
    assert n_parameters(critic) == first + second + 2 * 295_168 + 128
    x = torch.randn(2, 3072)
    assert encoder(x).shape == (2, 128)
    assert decoder(encoder(x)).shape == (2, 3072)
    assert critic.features(x, x).shape == (2, 128)
    assert spectrally_normalized(critic)(x, x).shape == (2,)


@pytest.mark.parametrize(
    ("name", "networks", "shape"),
    [
        ("WALDO", WALDOImageNetworks((1, 16, 16), 2), (1, 16, 16)),
        ("ALAD", ALADImageNetworks(), (3, 32, 32)),
    ],
)
def test_the_networks_of_the_papers_are_trained(name, networks, shape, device):
    X = pixels(4, shape)
    detector = detector_of_images(name, device, networks, max_epochs=1).fit(X)
    assert isinstance(detector, BaseDetector)
    assert detector.reconstruct(X).shape == X.shape
