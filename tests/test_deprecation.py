"""Deprecated names keep working and warn."""

import pickle
import sys
from types import ModuleType

import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import make_pipeline
from sklearn.utils import deprecated

import skgad.preprocessing
from skgad._deprecation import moved_names, renamed_parameter

VERSIONS = {"since": "0.3", "removal": "0.5"}


@renamed_parameter("size", "latent_dim", **VERSIONS)
class Detector(BaseEstimator):
    """An estimator with a renamed parameter."""

    def __init__(self, *, latent_dim=2, networks=None):
        self.latent_dim = latent_dim
        self.networks = networks

    def fit(self, X, y=None):
        return self


@renamed_parameter("n", "n_samples", **VERSIONS)
def sample(n_samples=1, *, scale=1.0):
    """Repeat the scale."""
    return [scale] * n_samples


@pytest.fixture
def old_module(monkeypatch):
    """A module whose encoder has moved."""
    module = ModuleType("old_module")
    names = {"Encoder": "skgad.preprocessing.TabularEncoder"}
    module.__getattr__ = moved_names("old_module", names, **VERSIONS)
    monkeypatch.setitem(sys.modules, "old_module", module)
    return module


def test_function_accepts_the_old_name_of_a_parameter_and_warns():
    message = "'n' was renamed to 'n_samples' in version 0.3.* removed in version 0.5"
    with pytest.warns(FutureWarning, match=message) as caught:
        assert sample(n=3, scale=2.0) == [2.0] * 3
    assert caught[0].filename == __file__


def test_current_names_do_not_warn():
    assert sample(2) == sample(n_samples=2) == [1.0, 1.0]
    assert clone(Detector(latent_dim=3)).set_params(latent_dim=4).latent_dim == 4


def test_constructor_accepts_the_old_name_and_stores_the_new_one():
    with pytest.warns(FutureWarning, match="'size' was renamed to 'latent_dim'") as caught:
        detector = Detector(size=5)
    assert caught[0].filename == __file__
    assert detector.get_params() == {"latent_dim": 5, "networks": None}
    assert clone(detector).latent_dim == 5
    assert pickle.loads(pickle.dumps(detector)).latent_dim == 5


def test_set_params_accepts_the_old_name_through_a_pipeline():
    pipeline = make_pipeline(Detector())
    with pytest.warns(FutureWarning, match="'size' was renamed to 'latent_dim'"):
        pipeline.set_params(detector__size=7)
    assert pipeline["detector"].latent_dim == 7


def test_nested_parameters_of_the_old_name_are_set():
    @renamed_parameter("builder", "networks", **VERSIONS)
    class Renamed(Detector):
        pass

    detector = Renamed(networks=Detector())
    with pytest.warns(FutureWarning, match="'builder__latent_dim' .* 'networks__latent_dim'"):
        detector.set_params(builder__latent_dim=9)
    assert detector.networks.latent_dim == 9


def test_both_names_at_once_are_an_error():
    with pytest.raises(TypeError, match="'size' is the old name of 'latent_dim'"):
        Detector(size=1, latent_dim=2)


def test_other_unknown_parameters_are_still_errors():
    with pytest.raises(TypeError, match="unexpected keyword argument 'sizes'"):
        Detector(sizes=1)
    with pytest.raises(ValueError, match="Invalid parameter 'sizes'"):
        Detector().set_params(sizes=1)


def test_moved_name_is_found_with_a_warning(old_module):
    message = "old_module.Encoder was moved to skgad.preprocessing.TabularEncoder in version 0.3"
    with pytest.warns(FutureWarning, match=message) as caught:
        from old_module import Encoder
    assert Encoder is skgad.preprocessing.TabularEncoder
    assert caught[0].filename == __file__


def test_other_missing_names_are_still_errors(old_module):
    with pytest.raises(AttributeError, match="'old_module' has no attribute 'Decoder'"):
        old_module.Decoder  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'Decoder'"):
        from old_module import Decoder  # noqa: F401


def test_scikit_learns_decorator_works_on_a_detector():
    """CONTRIBUTING.md recommends it."""

    @deprecated("Use `ALAD` instead. It will be removed in 0.5.")
    class OldALAD(skgad.ALAD):
        pass

    with pytest.warns(FutureWarning, match="Use `ALAD` instead"):
        detector = OldALAD(latent_dim=3)
    assert detector.get_params()["latent_dim"] == 3
