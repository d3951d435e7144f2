import sys
from functools import cache

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
from skgad.export._modules import exportable
from skgad.export._program import count_below
from skgad.neighbors import KNeighborsDetector
from skgad.preprocessing import TabularEncoder

NEEDS_ONNX = "the packages of the extra 'onnx' are not installed"


@pytest.fixture(scope="module", autouse=True)
def one_registry():
    """Build the registry of operators once, in half a second. torch builds it for each file."""
    try:
        from torch.onnx._internal.exporter._registration import ONNXRegistry
    except ImportError:
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        from_torchlib = staticmethod(cache(ONNXRegistry.from_torchlib))
        patch.setattr(ONNXRegistry, "from_torchlib", from_torchlib)
        yield


@pytest.fixture
def session(tmp_path):
    """Function that exports a detector and opens the file."""
    onnxruntime = pytest.importorskip("onnxruntime", reason=NEEDS_ONNX)
    pytest.importorskip("onnxscript", reason=NEEDS_ONNX)

    def session(detector, **params):
        to_onnx(detector, tmp_path / "detector.onnx", **params)
        return onnxruntime.InferenceSession(tmp_path / "detector.onnx")

    return session


def run(session, feed):
    """Outputs of a file by name."""
    names = [value.name for value in session.get_outputs()]
    return dict(zip(names, session.run(None, feed), strict=True))


def rows(n_samples, seed=1):
    """Rows as networks see them."""
    return table(n_samples, seed=seed).astype(np.float32)


def rounded_rows(n_samples, seed=1):
    """Rows with a column of few values and one whose values repeat."""
    X = rows(n_samples, seed)
    X[:, 0], X[:, 1] = np.round(X[:, 0]), np.round(X[:, 1], 1)
    return X


def shifted_rows(n_samples, seed=1):
    """Rows whose differences vanish in float32."""
    return rounded_rows(n_samples, seed).astype(np.float64) + 1e9


def assert_close(actual, expected):
    """Compare up to 1e-5 of each value, or of the largest one: differences cancel digits."""
    scale = np.abs(expected).max()
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5 * scale)


def assert_agrees(session, detector, make_rows=rows, n_rows=(1, 7, 2000)):
    """Compare the scores and decisions of a file with those of the detector."""
    for X in [make_rows(n) for n in n_rows]:
        outputs = run(session, {"X": X})
        assert outputs["score"].dtype == np.float64
        assert_close(outputs["score"], detector.score_samples(X))
        assert_close(outputs["decision"], detector.decision_function(X))
    X[-1] = 1e30
    score = run(session, {"X": X})["score"]
    assert_close(score[:-1], detector.score_samples(X[:-1]))
    np.testing.assert_allclose(score[-1:], detector.score_samples(X[-1:]), rtol=1e-4)


@pytest.mark.parametrize("name", DETECTORS)
def test_the_file_of_a_detector_with_default_settings_has_its_scores(session, name):
    cheap = {key: TINY[name][key] for key in ("latent_dim", "networks")}
    search = {"n_search_steps": 2} if name == "AnoGAN" else {}
    detector = getattr(skgad, name)(max_epochs=2, n_members=1, random_state=0, **cheap, **search)
    detector.fit(rows(100, seed=0))
    assert_agrees(session(detector), detector)


# The defaults of EGBAD, GANomaly and other detectors with one member are their own score types.
@pytest.mark.parametrize(
    "name, score_type",
    [
        ("WAE", "inlier"),
        ("WAE", "mahalanobis"),
        ("WAE", "neighbors"),
        ("WAE", "density"),
        ("AMA", "likelihood"),
        ("ARN", "combined"),
        ("RCGAN", "combined"),
        ("WALDO", "difference"),
    ],
)
def test_every_score_type_is_exported(session, name, score_type):
    detector = tiny(name, score_type=score_type).fit(rows(100, seed=0))
    assert_agrees(session(detector), detector, n_rows=[50])


@pytest.mark.parametrize(
    "name, params",
    [
        ("ALAD", {"score_type": "features"}),
        ("Autoencoder", {"score_type": "neighbors+density", "encoding": "piecewise+frequency"}),
    ],
)
def test_all_members_are_exported_with_their_encoding(session, name, params):
    detector = tiny(name, n_members=3, **params).fit(rounded_rows(100, seed=0))
    assert_agrees(session(detector), detector, make_rows=rounded_rows)


def test_networks_that_are_computed_one_by_one_are_exported(session):
    networks = ConvNet(image_shape=(1, 4, 4), channels=(2,), batch_norm=True)
    X = table(60, 16).astype(np.float32)
    detector = tiny("DeepSVDD", networks=networks, n_members=2, pretraining=0).fit(X)
    assert_close(run(session(detector), {"X": X[:9]})["score"], detector.score_samples(X[:9]))


def test_reconstructions_are_a_third_output(session):
    detector = tiny("DSEBM", encoding="piecewise", score_type="reconstruction")
    detector.fit(rounded_rows(100, seed=0))
    before = detector.score_samples(rounded_rows(9))
    outputs = run(session(detector, reconstruction=True), {"X": rounded_rows(9)})
    assert list(outputs) == ["score", "decision", "reconstruction"]
    assert_close(outputs["reconstruction"], detector.reconstruct(rounded_rows(9)))
    assert_close(outputs["score"], before)
    np.testing.assert_array_equal(detector.score_samples(rounded_rows(9)), before)


def test_columns_far_from_zero_are_float64_and_lose_no_digits(session):
    detector = tiny("WAE", encoding="piecewise").fit(shifted_rows(100, seed=0))
    file = session(detector, reconstruction=True)
    assert [value.type for value in file.get_inputs()] == ["tensor(double)"]
    assert_agrees(file, detector, make_rows=shifted_rows)
    X = shifted_rows(50)
    reconstructed = run(file, {"X": X})["reconstruction"]
    np.testing.assert_allclose(reconstructed, detector.reconstruct(X), rtol=1e-7)


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
def test_detectors_without_networks_are_exported(session, detector):
    X = rounded_rows(100, seed=0).astype(np.float64)
    detector.fit(X)
    file = session(detector)
    # Training rows are no neighbors of themselves.
    assert_close(run(file, {"X": X})["score"], detector.score_samples(X))
    assert_agrees(file, detector, make_rows=lambda n: rounded_rows(n).astype(np.float64))
    X[0] = 1e200
    np.testing.assert_allclose(run(file, {"X": X})["score"][0], detector.score_samples(X)[0])


def mixed_table(n_samples, seed):
    """Table of all types of columns."""
    rng = np.random.RandomState(seed)
    seconds = pd.to_timedelta(rng.randint(0, 10**8, n_samples), unit="s")
    dates = pd.Timestamp("2024-01-01") + seconds
    return pd.DataFrame(
        {
            "age": rng.randint(20, 60, n_samples).astype(float),
            "skgad/add": 1e9 + rng.normal(size=n_samples),
            "job": rng.choice(["nurse"] * 5 + ["smith"] * 3 + ["king", "duke"], n_samples),
            "city": rng.choice(["Rome", "Oslo"], n_samples),
            "hired": dates,
            "left": dates.strftime("%Y-%m-%d %H:%M:%S+01:00"),
            "born": [date.date() for date in dates],
            "month": dates.to_period("M"),
            "break": seconds,
            "union": (rng.uniform(size=n_samples) < 0.3).astype(object),
            "grade": pd.Categorical(rng.choice([0.1, 0.2, 0.3], n_samples)),
        }
    )


def with_missing(X, names):
    """Copy of a table with missing values in some columns."""
    X = X.copy()
    for start, name in enumerate(names):
        X.loc[start :: len(X.columns), name] = None
    return X


def feed_of(X, units):
    """Inputs of a file for a table of mixed columns, given the units of dates and durations."""

    def values(name):
        column = X[name]
        if name in ("job", "city"):
            return column.fillna("").to_numpy(dtype=object)
        if name not in units:
            return column.astype(float).to_numpy()
        if name == "month":
            column = column.dt.start_time + (column.dt.end_time - column.dt.start_time) / 2
        if name == "left":
            column = column.str.removesuffix("+01:00")
        if name != "break":
            column = pd.to_datetime(column)
        return column.to_numpy().astype(units[name]).view(np.int64)

    return {name: values(name)[:, None] for name in X}


@pytest.mark.parametrize(
    "params",
    [
        {"dtype": np.float64},
        {"numeric": "piecewise", "max_categories": 3, "date_cycles": ["day"]},
    ],
)
@pytest.mark.filterwarnings("ignore:The columns .* have missing values, but had none during fit")
def test_a_table_of_mixed_columns_is_encoded_by_the_file(session, params):
    with_some = ["age", "job", "hired", "grade"]
    X, new = with_missing(mixed_table(150, seed=0), with_some), mixed_table(60, seed=1)
    new = with_missing(new, X.columns)
    new.loc[30, "job"], new.loc[31, "age"] = "pope", 1e30
    detector = TabularDetector(tiny("FenceGAN"), encoder=TabularEncoder(**params)).fit(X)
    file = session(detector)
    units = file.get_modelmeta().custom_metadata_map
    assert sorted(units) == ["born", "break", "hired", "left", "month"]
    assert (units["born"], units["left"]) == ("datetime64[D]", "datetime64[s]")
    outputs = run(file, feed_of(new, units))
    expected = detector.score_samples(new)
    np.testing.assert_allclose(outputs["score"], expected, rtol=1e-5)
    np.testing.assert_allclose(outputs["decision"], expected - detector.offset_, rtol=1e-4)


def test_columns_of_an_array_of_dates_are_numbered(session):
    rng = np.random.RandomState(0)
    X = np.datetime64("2020-01-01T00") + rng.randint(0, 10**5, (60, 2)).astype("timedelta64[h]")
    encoder = TabularEncoder(numeric="minmax", date_cycles=["year"])
    detector = TabularDetector(tiny("FenceGAN"), encoder=encoder).fit(X)
    file = session(detector)
    assert file.get_modelmeta().custom_metadata_map == dict.fromkeys(["x0", "x1"], "datetime64[h]")
    feed = {f"x{j}": X[:, [j]].view(np.int64) for j in range(2)}
    assert_close(run(file, feed)["score"], detector.score_samples(X))


def test_columns_of_a_pyarrow_table_are_encoded():
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    X = mixed_table(40, seed=0).drop(columns=["month", "union", "job", "city", "grade", "left"])
    detector = TabularDetector(tiny("FenceGAN")).fit(pyarrow.Table.from_pandas(X))
    module, inputs = exportable(detector)
    feed = feed_of(X, {one.name: one.unit for one in inputs if one.unit is not None})
    score, _ = module(*(torch.tensor(feed[one.name]) for one in inputs))
    assert_close(score.detach().numpy(), detector.score_samples(pyarrow.Table.from_pandas(X)))


def test_a_column_with_the_name_of_an_output_is_rejected(tmp_path):
    pytest.importorskip("onnxscript", reason=NEEDS_ONNX)
    X = pd.DataFrame(table(50, 2), columns=["score", "age"])
    with pytest.raises(ValueError, match=r"columns \['score'\] have names of outputs"):
        TabularDetector(tiny("FenceGAN")).fit(X).to_onnx(tmp_path / "detector.onnx")


@pytest.mark.parametrize(
    "X, params, message",
    [
        (
            [["a"], ["b"], ["c"], ["d"]],
            {"high_cardinality": "hash", "max_categories": 2},
            "Column 'x0' .* hashed, .* Use high_cardinality='infrequent'",
        ),
        (
            np.array([["2020-01-01"], ["2021-01-01"]], dtype="datetime64[D]"),
            {"categorical_features": [0]},
            "Column 'x0' .* neither all text nor all numbers. Convert them to text",
        ),
    ],
)
def test_an_error_names_a_column_that_cannot_be_exported(X, params, message):
    detector = TabularDetector(tiny("FenceGAN"), encoder=TabularEncoder(**params)).fit(X)
    with pytest.raises(ValueError, match=message):
        to_exported_program(detector)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_binary_search_counts_as_searchsorted_does(dtype):
    bounds = torch.tensor([[0.0, 1.0, 2.0, 2.5, 7.0], [1.0, 2.0, *[torch.inf] * 3]], dtype=dtype)
    values = torch.tensor([[-1, 0, 0.5, 1, 2.25, 7, 8, torch.inf]] * 2, dtype=dtype)
    assert torch.equal(count_below(bounds, values), torch.searchsorted(bounds, values))
    nothing = count_below(bounds[:0, :0], values[:0])
    assert nothing.shape == (0, 8)


def test_a_program_of_torch_has_the_scores_and_can_be_saved(tmp_path):
    detector = tiny("WAE", score_type="neighbors").fit(rows(100, seed=0))
    torch.export.save(to_exported_program(detector), tmp_path / "detector.pt2")
    program = torch.export.load(tmp_path / "detector.pt2").module()
    for n in (1, 50):
        score, decision = program(torch.from_numpy(rows(n)))
        assert_close(score.numpy(), detector.score_samples(rows(n)))
        assert_close(decision.numpy(), detector.decision_function(rows(n)))


@pytest.mark.parametrize(
    "detector, has_score_samples", [(tiny("FenceGAN"), True), (KNeighborsDetector(), False)]
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
