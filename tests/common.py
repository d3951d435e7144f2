"""Small instances of all detectors, and helpers of several test files."""

import inspect
from copy import deepcopy
from functools import cache

import numpy as np
from skorch.callbacks import Callback
from torch import nn

import skgad
from skgad import MLP, BaseDetector
from skgad.base import LabelledDetector
from skgad.engine.ensemble import RECONSTRUCTORS, SAMPLERS

#: Parameters of every small instance. No parameter that changes a score is left to its default.
SHARED = {
    "encoding": None,
    "n_members": 1,
    "max_epochs": 2,
    "batch_size": 16,
    "lr": 1e-2,
    "lr_schedule": "constant",
    "random_state": 0,
}

AUTOENCODER = {
    "latent_dim": 2,
    "networks": MLP(hidden_layer_sizes=(8,), activation="leaky_relu", dropout=0.1),
}

#: Further parameters of the small instance of each detector. A new detector is added here.
TINY = {
    "ALAD": {
        "latent_dim": 2,
        "networks": MLP(hidden_layer_sizes=(8,), activation="leaky_relu", dropout=0.1),
        "latent_discriminator": True,
        "spectral_norm": False,
        "score_type": "features",
        "ema_decay": 0.9,
    },
    "RCGAN": {
        "latent_dim": 2,
        "networks": MLP(hidden_layer_sizes=(8,), activation="leaky_relu", dropout=0.1),
        "penalty": "normal",
        "penalty_scale": 1.0,
        "penalty_weight": 1.0,
        "score_type": "features",
        "ema_decay": 0.9,
    },
    "WALDO": {
        **AUTOENCODER,
        "prior_weight": 0.1,
        "prior_scale": 1.0,
        "prior_on": "positive",
        "outlier_decoder": True,
        "advantage": True,
        "advantage_quantile": 0.0,
        "advantage_decay": 0.0,
        "score_type": "inlier",
    },
    "WAE": {
        **AUTOENCODER,
        "prior_weight": 0.1,
        "prior_scale": 1.0,
        "prior_on": "positive",
        "score_type": "inlier",
    },
    "Autoencoder": {**AUTOENCODER, "noise": 0.3, "replaced": 0.1, "score_type": "inlier"},
    "AMA": {
        **AUTOENCODER,
        "n_critic": 2,
        "spectral_norm": True,
        "gradient_penalty": "flattened",
        "gradient_penalty_weight": 10.0,
        "n_interpolated": 3,
        "interpolation_weight": 0.5,
        "negatives": "outward",
        "delta": 0.5,
        "negative_weight": 0.1,
        "warm_up": 1,
        "regularization_weight": 0.1,
        "score_type": "features",
        "ema_decay": 0.9,
    },
    "ARN": {
        **AUTOENCODER,
        "adversarial_weight": 0.01,
        "reconstruction_weight": 1.0,
        "kl_weight": 0.01,
        "kl_schedule": "annealed",
        "free_bits": 0.01,
        "noise_scale": 2.0,
        "label_noise": 0.3,
        "label_noise_decay": 0.99,
        "annealing": 0.99,
        "replaced": 0.0,
        "reservoir_size": 20,
        "score_type": "combined",
    },
    "DSEBM": {
        "latent_dim": 2,
        "networks": MLP(hidden_layer_sizes=(8,), activation="tanh", dropout=0.1),
        "noise": 0.3,
        "score_type": "energy",
    },
    "FenceGAN": {
        "latent_dim": 2,
        "networks": MLP(hidden_layer_sizes=(8,), activation="leaky_relu", dropout=0.1),
        "fence_level": 0.4,
        "fake_weight": 0.5,
        "dispersion_weight": 3.0,
        "pretraining": 2,
    },
    "EGBAD": {
        "latent_dim": 2,
        # A discriminator of 4 units, half of 8, does not keep up with an encoder and a decoder.
        "networks": MLP((8,), discriminator_layer_sizes=(16,), dropout=0.1),
        "alpha": 0.9,
        "score_type": "features",
        "ema_decay": 0.9,
    },
    "AnoGAN": {
        **AUTOENCODER,
        "discrimination_weight": 0.1,
        # With a few steps of Adam, many rows have the same code, and neighbors at distance zero.
        "n_search_steps": 10,
        "search_lr": 0.1,
        "score_type": "features",
        "ema_decay": 0.9,
    },
    "CoRA": {
        **AUTOENCODER,
        "advantage": True,
        "advantage_quantile": 0.0,
        "advantage_decay": 0.0,
        "score_type": "inlier",
    },
    "DAGMM": {
        **AUTOENCODER,
        "n_components": 2,
        "energy_weight": 0.1,
        "covariance_weight": 0.005,
        "score_type": "energy",
    },
    "DeepSVDD": {
        **AUTOENCODER,
        "objective": "soft_boundary",
        "nu": 0.25,
        "pretraining": 1,
        "warm_up": 0,
        "score_type": "distance",
    },
    "GANomaly": {
        **AUTOENCODER,
        "adversarial_weight": 1.0,
        "contextual_weight": 50.0,
        "encoder_weight": 1.0,
        "score_type": "l1",
    },
    "SkipGANomaly": {
        **AUTOENCODER,
        # Its codes are features of the discriminator: two, as the other detectors have here.
        "networks": MLP((8,), discriminator_layer_sizes=(2,), dropout=0.1),
        "adversarial_weight": 1.0,
        "contextual_weight": 40.0,
        "latent_weight": 1.0,
        "score_weight": 0.9,
        "score_type": "combined",
    },
}

#: The names of the public detectors.
DETECTORS = [
    name
    for name in skgad.__all__
    if inspect.isclass(getattr(skgad, name))
    and issubclass(getattr(skgad, name), BaseDetector)
    and not inspect.isabstract(getattr(skgad, name))
]

#: The names of those that accept known labels.
LABELLED = [name for name in DETECTORS if issubclass(getattr(skgad, name), LabelledDetector)]


def tiny(name, **params):
    """Small instance of a detector, which is fitted in less than a tenth of a second."""
    if name not in TINY:
        raise LookupError(f"{name} has no small instance: add it to TINY in tests/common.py")
    return getattr(skgad, name)(**{**SHARED, **deepcopy(TINY[name]), **params})


def table(n_samples=48, n_features=4, seed=0):
    """Rows of a correlated normal distribution."""
    rng = np.random.RandomState(seed)
    codes = rng.normal(size=(n_samples, 2))
    return codes @ rng.normal(size=(2, n_features)) + 0.3 * rng.normal(size=(n_samples, n_features))


def build_game(detector, X=None):
    """Build a game with the parameters of a detector for a table."""
    X = table() if X is None else X
    return detector.game_class.factory(detector.networks, X, detector.game_params())()


def member_games(detector):
    """The game of each member of a fitted detector, as one without a leading dimension."""
    scorer = detector.net_.module_.scorer
    for k in range(detector.n_members):
        game = build_game(detector)
        game.load_state_dict({name: tensor[k] for name, tensor in scorer.state_dict().items()})
        yield game.to(detector.net_.module_.device).eval()


def kinds(detector, verb):
    """Kinds of rows that a detector can generate ("sample") or "reconstruct"."""
    methods = {"sample": SAMPLERS, "reconstruct": RECONSTRUCTORS}[verb]
    return [kind for kind, method in methods.items() if detector.game_class.can(method)]


def can(name, verb):
    """Whether a detector can "transform" rows, or can generate ("sample") or "reconstruct" some."""
    cls = getattr(skgad, name)
    return cls.game_class.can("encode") if verb == "transform" else bool(kinds(cls, verb))


def row_methods(name):
    """Names of the methods of a detector that return something for each row."""
    optional = [verb for verb in ("transform", "reconstruct") if can(name, verb)]
    return ["score_samples", "predict", *optional]


def methods(*names):
    """Pairs of a detector and one of these methods that it has, for ``parametrize``."""
    return [
        (name, method)
        for name in DETECTORS
        for method in names
        if method not in ("transform", "reconstruct") or can(name, method)
    ]


def outputs(detector, X):
    """What the methods of a fitted detector return for rows, and a sample if it has one."""
    results = {m: getattr(detector, m)(X) for m in row_methods(type(detector).__name__)}
    for kind in kinds(detector, "sample")[:1]:
        results["sample"] = detector.sample(5, kind=kind, random_state=0)
    return results


def made_rows(detector, X):
    """Reconstructions of some rows and sampled rows, as far as a fitted detector makes them."""
    made = [detector.reconstruct(X, kind=kind) for kind in kinds(detector, "reconstruct")]
    for kind in kinds(detector, "sample"):
        made.append(detector.sample(20, kind=kind, random_state=0))
    return made


@cache
def fitted(name, device, **params):
    """Fitted detector that tests share: do not change it."""
    return tiny(name, device=device, **params).fit(table())


def numbers(module):
    """Copies of all parameters and buffers of a module, by name, on the CPU."""
    tensors = module.state_dict()
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in tensors.items()}


def state(detector):
    """All numbers in the networks of a fitted detector."""
    return numbers(detector.net_.module_)


def assert_same_bits(one, other):
    """Compare two arrays, or two dicts of arrays, to the last bit."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for name in one:
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)
    else:
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


def differs(one, other):
    """Whether two dicts of arrays differ anywhere."""
    return any(not np.array_equal(one[name], other[name]) for name in one)


class WatchRows(Callback):
    """Call ``function(training, rows)`` for every mini-batch."""

    def __init__(self, function):
        self.function = function

    def on_batch_begin(self, net, batch=None, training=False, **kwargs):
        self.function(training, batch[0].cpu().numpy())


class Spy(Callback):
    """Call ``function(net)`` at ``event``. Clones of the callback share the function."""

    def __init__(self, event, function):
        self.event = event
        self.function = function

    def _call(self, event, net):
        if event == self.event:
            self.function(net)

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        self._call("on_train_begin", net)

    def on_train_end(self, net, X=None, y=None, **kwargs):
        self._call("on_train_end", net)

    def on_epoch_begin(self, net, **kwargs):
        self._call("on_epoch_begin", net)

    def on_epoch_end(self, net, **kwargs):
        self._call("on_epoch_end", net)

    def on_batch_begin(self, net, **kwargs):
        self._call("on_batch_begin", net)

    def on_batch_end(self, net, **kwargs):
        self._call("on_batch_end", net)

    def on_grad_computed(self, net, named_parameters=(), **kwargs):
        self._call("on_grad_computed", net)


def recorder(event, function):
    """An empty list, and a callback that appends ``function(net)`` to it at ``event``."""
    records = []
    return records, Spy(event, lambda net: records.append(function(net)))


def moves_of(detector, X, **fit_params):
    """Names of the networks that each move of each mini-batch changes, while a detector is fitted.

    Returns a list of mini-batches, each a list of sets.
    """
    batches, before = [], {}

    def state_of(net):
        return {
            name: values.detach().clone() for name, values in net.module_.game.named_parameters()
        }

    def begin(net):
        batches.append([])
        before.clear()

    def compare(net):
        after = state_of(net)
        if before:
            changed = {name for name in after if not np.array_equal(before[name], after[name])}
            batches[-1].append({name.split(".")[0] for name in changed})
        before.update(after)

    events = {"on_batch_begin": begin, "on_grad_computed": compare, "on_batch_end": compare}
    detector.set_params(callbacks=[Spy(event, function) for event, function in events.items()])
    detector.fit(X, **fit_params)
    return batches


def affine_layers(network):
    """Weights and biases of the affine layers of a network, in float64 numpy."""
    return [
        (layer.weight.numpy(force=True).astype(float), layer.bias.numpy(force=True).astype(float))
        for layer in network.modules()
        if isinstance(layer, nn.Linear)
    ]


def learning_rate(net):
    """Learning rate of the first group of parameters."""
    return net.optimizer_.param_groups[0]["lr"]
