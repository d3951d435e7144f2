"""What a checkpoint belongs to: the parameters, the rows and the versions of a training."""

import numpy as np
import pytest
import torch
from common import assert_same_bits, table, tiny
from skorch.callbacks import Callback, GradientNormClipping

from skgad import MLP
from skgad.engine import checkpoint as module
from skgad.engine.checkpoint import describe

LABELS = np.repeat([-1, 1, 0], [6, 12, 30])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "training.ckpt"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lr": 0.5}, "lr was 0.01 and is 0.5"),
        ({"max_epochs": 9}, "max_epochs was 4 and is 9"),
        ({"random_state": 1}, "random_state, by the seeds that it gives, was"),
        ({"networks": MLP((9,))}, "networks__dropout was 0.1 and is 0.0"),
        ({"net_params": {"optimizer": torch.optim.SGD}}, "net_params was None and is {'optimizer'"),
    ],
)
def test_other_parameters_raise_an_error(changes, message, device, path):
    params = {"max_epochs": 4, "checkpoint": path}
    tiny("ALAD", device=device, **params).fit(table())
    content = path.read_bytes()
    with pytest.raises(ValueError, match=f"belongs to another training: {message}.*Delete the"):
        tiny("ALAD", device=device, **{**params, **changes}).fit(table())
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("X", "labels", "message"),
    [
        (table(47), None, r"the shape of X was \(48, 4\) and is \(47, 4\)"),
        (table(seed=1), None, "the values of X differ"),
        (table()[::-1], None, "the values of X differ"),
        (table().astype(np.float32), None, "the type of X was float64 and is float32"),
        (table(), LABELS, "the labels differ"),
    ],
)
def test_other_rows_raise_an_error(X, labels, message, device, path):
    tiny("WALDO", device=device, checkpoint=path).fit(table())
    with pytest.raises(ValueError, match=message):
        tiny("WALDO", device=device, checkpoint=path).fit(X, labels=labels)


def test_another_detector_or_version_raises_an_error(device, path, monkeypatch):
    tiny("WAE", device=device, checkpoint=path).fit(table())
    with pytest.raises(ValueError, match="the class of the detector was WAE and is ALAD"):
        tiny("ALAD", device=device, checkpoint=path).fit(table())
    monkeypatch.setattr(module, "version_of_skgad", lambda: "9.0")
    with pytest.raises(ValueError, match="the version of skgad was .* and is 9.0"):
        tiny("WAE", device=device, checkpoint=path).fit(table())


def test_other_networks_with_the_same_parameters_raise_an_error(device, path):
    class Family(MLP):
        width = 8

        def encoder(self, n_features, latent_dim):
            return torch.nn.Sequential(
                torch.nn.Linear(n_features, self.width), torch.nn.Linear(self.width, latent_dim)
            )

    detector = tiny("WAE", device=device, networks=Family((8,)), checkpoint=path).fit(table())
    scores = detector.score_samples(table())
    Family.width = 9
    with pytest.raises(ValueError, match="other networks: the shape of game.encoder.0.bias was"):
        detector.fit(table())
    assert_same_bits(detector.score_samples(table()), scores)


@pytest.mark.parametrize("changed", ["class", "value"])
def test_other_callbacks_raise_an_error(changed, device, path):
    params = {"device": device, "checkpoint": path}
    tiny("ALAD", callbacks=[GradientNormClipping(1.0)], **params).fit(table())
    other = [GradientNormClipping(2.0)] if changed == "value" else None
    with pytest.raises(ValueError, match="callbacks differ"):
        tiny("ALAD", callbacks=other, **params).fit(table())
    tiny("ALAD", callbacks=[GradientNormClipping(1.0)], verbose=0, **params).fit(table())


def test_parameters_are_described_without_addresses():
    assert describe(torch.optim.RMSprop) == "torch.optim.rmsprop.RMSprop"
    assert describe([1, (0.5, None)]) == "[1, [0.5, None]]"
    assert describe(np.int64(3)) == describe(3) == "3"
    assert describe(MLP((8,))) == "skgad.networks._mlp.MLP"
    assert describe({"dtype": torch.bfloat16}) == "{'dtype': torch.bfloat16}"
    assert describe(np.arange(3)) != describe(np.arange(4))
    assert "0x" not in describe([GradientNormClipping(1.0), Callback(), print])
