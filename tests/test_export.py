import sys

import numpy as np
import pandas as pd
import pytest
import torch
from common import DETECTORS, TINY, table, tiny
from sklearn.exceptions import NotFittedError
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skgad
from skgad import ConvNet, TabularDetector
from skgad.density import DensityDetector
from skgad.ensemble import DetectorEnsemble
from skgad.export import register_skl2onnx_converters, to_exported_program, to_onnx
from skgad.export._program import count_below
from skgad.neighbors import KNeighborsDetector
from skgad.preprocessing import TabularEncoder

#: Each part of a combined score, and one combination. All of them are the default of others.
SCORE_TYPES = ["inlier", "mahalanobis", "neighbors", "density", "neighbors+density"]

NEEDS_ONNX = "the packages of the extra 'onnx' are not installed"


@pytest.fixture
def run(tmp_path):
    """Function that exports a detector and runs the file."""
    onnxruntime = pytest.importorskip("onnxruntime", reason=NEEDS_ONNX)
    pytest.importorskip("onnxscript", reason=NEEDS_ONNX)

    def run(detector, *feeds, **params):
        path = tmp_path / "detector.onnx"
        to_onnx(detector, path, **params)
        session = onnxruntime.InferenceSession(path)
        names = [value.name for value in session.get_outputs()]
        return [dict(zip(names, session.run(None, feed), strict=True)) for feed in feeds]

    return run


def rows(n_samples, seed=1):
    """Rows as networks see them."""
    return table(n_samples, seed=seed).astype(np.float32)


def rounded_rows(n_samples, seed=1):
    """Rows with a column of few values and one whose values repeat."""
    X = rows(n_samples, seed)
    X[:, 0], X[:, 1] = np.round(X[:, 0]), np.round(X[:, 1], 1)
    return X


def assert_close(actual, expected):
    """Compare up to 1e-5 of each value, or of the largest one: differences cancel digits."""
    scale = np.abs(expected).max()
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5 * scale)


def assert_agrees(run, detector, n_rows=(1, 7, 2000), make_rows=rows):
    """Compare the outputs of a file with the detector."""
    batches = [make_rows(n) for n in n_rows]
    for X, outputs in zip(batches, run(detector, *({"X": X} for X in batches)), strict=True):
        assert outputs["score"].dtype == np.float64
        assert_close(outputs["score"], detector.score_samples(X))
        assert_close(outputs["decision"], detector.decision_function(X))


@pytest.mark.parametrize("name", DETECTORS)
def test_the_file_of_a_detector_with_default_settings_has_its_scores(run, name):
    cheap = {key: TINY[name][key] for key in ("latent_dim", "networks")}
    search = {"n_search_steps": 2} if name == "AnoGAN" else {}
    detector = getattr(skgad, name)(max_epochs=2, n_members=1, random_state=0, **cheap, **search)
    assert_agrees(run, detector.fit(rows(100, seed=0)))


@pytest.mark.parametrize("score_type", SCORE_TYPES)
def test_every_score_type_is_exported(run, score_type):
    detector = tiny("WAE", score_type=score_type).fit(rows(100, seed=0))
    assert_agrees(run, detector, n_rows=[50])


@pytest.mark.parametrize("name, score_type", [("DSEBM", "reconstruction"), ("AMA", "likelihood")])
def test_score_types_of_a_method_are_exported(run, name, score_type):
    assert_agrees(run, tiny(name, score_type=score_type).fit(rows(100, seed=0)), n_rows=[50])


def test_all_members_are_exported_with_their_encoding(run):
    params = {"n_members": 3, "encoding": "piecewise+frequency", "score_type": "auto"}
    detector = tiny("Autoencoder", **params).fit(rounded_rows(100, seed=0))
    assert_agrees(run, detector, make_rows=rounded_rows)


def test_networks_that_are_computed_one_by_one_are_exported(run):
    networks = ConvNet(image_shape=(1, 4, 4), channels=(2,), batch_norm=True)
    detector = tiny("WAE", networks=networks, n_members=2)
    X = table(60, 16).astype(np.float32)
    (outputs,) = run(detector.fit(X), {"X": X[:9]})
    assert_close(outputs["score"], detector.score_samples(X[:9]))


def test_reconstructions_are_a_third_output(run):
    detector = tiny("DSEBM", encoding="piecewise").fit(rounded_rows(100, seed=0))
    (outputs,) = run(detector, {"X": rounded_rows(9)}, reconstruction=True)
    assert list(outputs) == ["score", "decision", "reconstruction"]
    assert_close(outputs["reconstruction"], detector.reconstruct(rounded_rows(9)))


def test_the_file_has_opset_18_and_any_number_of_rows(tmp_path):
    onnx = pytest.importorskip("onnx", reason=NEEDS_ONNX)
    pytest.importorskip("onnxscript", reason=NEEDS_ONNX)
    tiny("FenceGAN").fit(table()).to_onnx(tmp_path / "detector.onnx")
    model = onnx.load(tmp_path / "detector.onnx")
    assert [(one.domain, one.version) for one in model.opset_import] == [("", 18)]
    shapes = [value.type.tensor_type.shape.dim for value in model.graph.input]
    assert [shape[0].dim_param for shape in shapes] == ["n_samples"]


@pytest.mark.parametrize(
    "detector",
    [
        KNeighborsDetector(),
        DensityDetector(encoding="piecewise+frequency", random_state=0),
    ],
)
def test_detectors_without_networks_are_exported(run, detector):
    X = rounded_rows(100, seed=0).astype(np.float64)
    new = np.concatenate([X[:10], rounded_rows(50)])
    (outputs,) = run(detector.fit(X), {"X": new})
    assert_close(outputs["score"], detector.score_samples(new))
    assert_close(outputs["decision"], detector.decision_function(new))


def mixed_table(n_samples, seed):
    """Table with missing values of all kinds of columns."""
    rng = np.random.RandomState(seed)
    seconds = pd.to_timedelta(rng.randint(0, 10**8, n_samples), unit="s")
    X = pd.DataFrame(
        {
            "age": rng.randint(20, 60, n_samples).astype(float),
            "skgad/add": 1e9 + rng.normal(size=n_samples),
            "job": rng.choice(["nurse"] * 5 + ["smith"] * 3 + ["king", "duke"], n_samples),
            "hired": pd.Timestamp("2024-01-01") + seconds,
            "union": rng.uniform(size=n_samples) < 0.3,
            "grade": pd.Categorical(rng.choice([0.1, 0.2, 0.3], n_samples)),
        }
    )
    for start, name in enumerate(["age", "job", "hired", "grade"]):
        X.loc[start::7, name] = None
    return X


def feed_of(X, dates):
    """Inputs of a file for a table of mixed columns."""

    def values(name):
        if name == "job":
            return X[name].fillna("").to_numpy(dtype=object)
        if name == "hired":
            return X[name].to_numpy().astype(dates).view(np.int64)
        return X[name].astype(float).to_numpy()

    return {name: values(name)[:, None] for name in X}


@pytest.mark.parametrize(
    "params",
    [{}, {"numeric": "minmax", "max_categories": 3}, {"numeric": "piecewise+frequency"}],
)
def test_a_table_of_mixed_columns_is_encoded_by_the_file(run, params):
    X, new = mixed_table(150, seed=0), mixed_table(40, seed=1)
    new.loc[5, "job"] = "pope"
    detector = TabularDetector(tiny("FenceGAN"), encoder=TabularEncoder(**params)).fit(X)
    (outputs,) = run(detector, feed_of(new, dates=X["hired"].dtype))
    assert_close(outputs["score"], detector.score_samples(new))
    assert_close(outputs["decision"], detector.decision_function(new))


def test_columns_without_names_are_numbered(tmp_path):
    onnx = pytest.importorskip("onnx", reason=NEEDS_ONNX)
    pytest.importorskip("onnxscript", reason=NEEDS_ONNX)
    TabularDetector(tiny("FenceGAN")).fit(table(50, 2)).to_onnx(tmp_path / "detector.onnx")
    graph = onnx.load(tmp_path / "detector.onnx").graph
    assert [value.name for value in graph.input] == ["x0", "x1"]


def test_a_column_with_the_name_of_an_output_is_rejected(tmp_path):
    pytest.importorskip("onnxscript", reason=NEEDS_ONNX)
    X = pd.DataFrame(table(50, 2), columns=["score", "age"])
    with pytest.raises(ValueError, match=r"columns \['score'\] have names of outputs"):
        TabularDetector(tiny("FenceGAN")).fit(X).to_onnx(tmp_path / "detector.onnx")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_binary_search_counts_as_searchsorted_does(dtype):
    bounds = torch.tensor([[0.0, 1.0, 2.0, 2.5, 7.0], [1.0, 2.0, *[torch.inf] * 3]], dtype=dtype)
    values = torch.tensor([[-1, 0, 0.5, 1, 2.25, 7, 8, torch.inf]] * 2, dtype=dtype)
    assert torch.equal(count_below(bounds, values), torch.searchsorted(bounds, values))
    nothing = count_below(bounds[:0, :0], values[:0])
    assert nothing.shape == (0, 8)


def test_a_program_of_torch_has_the_scores_and_can_be_saved(tmp_path):
    detector = tiny("WAE", score_type="auto").fit(rows(100, seed=0))
    torch.export.save(to_exported_program(detector), tmp_path / "detector.pt2")
    program = torch.export.load(tmp_path / "detector.pt2").module()
    for n in (1, 50):
        score, decision = program(torch.from_numpy(rows(n)))
        assert_close(score.numpy(), detector.score_samples(rows(n)))
        assert_close(decision.numpy(), detector.decision_function(rows(n)))


@pytest.mark.parametrize(
    "detector, has_score_samples", [(tiny("WAE"), True), (KNeighborsDetector(), False)]
)
def test_skl2onnx_converts_a_pipeline(detector, has_score_samples):
    skl2onnx = pytest.importorskip("skl2onnx", reason="skl2onnx is not installed")
    onnxruntime = pytest.importorskip("onnxruntime", reason=NEEDS_ONNX)
    pytest.importorskip("onnxscript", reason=NEEDS_ONNX)
    register_skl2onnx_converters()
    X = 5 * rows(100, seed=0) + 3
    pipeline = make_pipeline(StandardScaler(), detector).fit(X)
    options = {id(detector): {"score_samples": has_score_samples}}
    model = skl2onnx.to_onnx(pipeline, X[:1], options=options)
    label, *scores = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"X": X})
    np.testing.assert_array_equal(label, pipeline.predict(X))
    expected = [pipeline.decision_function(X), pipeline.score_samples(X)]
    for actual, values in zip(scores, expected[: 1 + has_score_samples], strict=True):
        assert_close(actual, values)


def test_an_old_target_opset_is_rejected():
    skl2onnx = pytest.importorskip("skl2onnx", reason="skl2onnx is not installed")
    register_skl2onnx_converters()
    X = rows(50)
    pipeline = make_pipeline(StandardScaler(), tiny("FenceGAN")).fit(X)
    with pytest.raises(ValueError, match="FenceGAN requires target_opset=18 or more, got 15"):
        skl2onnx.to_onnx(pipeline, X[:1], target_opset=15)


def test_a_detector_with_several_inputs_is_rejected():
    skl2onnx = pytest.importorskip("skl2onnx", reason="skl2onnx is not installed")
    register_skl2onnx_converters()
    types = [(name, skl2onnx.common.data_types.FloatTensorType([None, 2])) for name in "ab"]
    with pytest.raises(ValueError, match="FenceGAN has 2 inputs in this pipeline"):
        skl2onnx.convert_sklearn(tiny("FenceGAN").fit(table()), initial_types=types)


X_SMALL = table(50)


@pytest.mark.parametrize(
    "detector, message",
    [
        (KNeighborsDetector(metric="manhattan"), "only metric='euclidean' can"),
        (DetectorEnsemble([KNeighborsDetector()]), "DetectorEnsemble cannot be exported"),
        (
            TabularDetector(tiny("FenceGAN"), encoder=StandardScaler()),
            r"TabularDetector\(encoder=StandardScaler\(\)\) cannot be exported",
        ),
        (
            TabularDetector(tiny("FenceGAN"), encoder=TabularEncoder(numeric="quantile")),
            "QuantileTransformer cannot be exported",
        ),
    ],
)
def test_an_error_says_what_cannot_be_exported(detector, message):
    with pytest.raises(ValueError, match=message):
        to_exported_program(detector.fit(X_SMALL))


def test_other_densities_than_a_mixture_of_full_covariances_are_rejected():
    detector = DensityDetector(GaussianMixture(covariance_type="diag")).fit(X_SMALL)
    with pytest.raises(ValueError, match="covariance_type='full' can"):
        to_exported_program(detector)


@pytest.mark.parametrize(
    "detector, message",
    [
        (tiny("FenceGAN"), "FenceGAN cannot reconstruct rows"),
        (KNeighborsDetector(), "KNeighborsDetector cannot reconstruct rows"),
        (TabularDetector(tiny("WAE")), "The reconstructions of a TabularDetector are tables"),
    ],
)
def test_an_error_says_that_rows_cannot_be_reconstructed(detector, message):
    with pytest.raises(ValueError, match=message):
        to_exported_program(detector.fit(X_SMALL), reconstruction=True)


def test_a_network_that_branches_on_values_is_rejected():
    class Branching(torch.nn.Linear):
        def forward(self, x):
            return super().forward(x) if x.sum() > 0 else x.new_zeros(len(x), self.out_features)

    class Family(skgad.MLP):
        def encoder(self, n_features, latent_dim):
            return Branching(n_features, latent_dim)

    detector = tiny("WAE", networks=Family((8,))).fit(X_SMALL)
    with pytest.raises(ValueError, match="WAE cannot be exported, because torch cannot trace"):
        to_exported_program(detector)


def test_a_detector_must_be_fitted_and_its_score_type_unchanged():
    with pytest.raises(NotFittedError):
        to_exported_program(tiny("WAE"))
    detector = tiny("WAE").fit(X_SMALL).set_params(score_type="density")
    with pytest.raises(ValueError, match="was set after this WAE had been fitted"):
        to_exported_program(detector)


def test_an_export_does_not_change_the_detector():
    detector = tiny("DSEBM", score_type="reconstruction").fit(X_SMALL)
    before = detector.score_samples(X_SMALL)
    to_exported_program(detector)
    np.testing.assert_array_equal(detector.score_samples(X_SMALL), before)


@pytest.mark.parametrize("name", ["onnx", "onnxscript"])
def test_an_error_names_the_extra_of_a_missing_package(monkeypatch, tmp_path, name):
    pytest.importorskip("onnx", reason=NEEDS_ONNX)
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=rf"requires {name}, .* pip install 'skgad\[onnx\]'"):
        to_onnx(tiny("FenceGAN").fit(X_SMALL), tmp_path / "detector.onnx")


def test_an_error_says_that_skl2onnx_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(ImportError, match="requires skl2onnx, which is not installed"):
        register_skl2onnx_converters()
