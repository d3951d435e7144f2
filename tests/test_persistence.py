"""Model files: the same bits, no code, and an error in one line for any other file."""

import datetime as dt
import importlib.util
import io
import json
import os
import pickle
import stat
import subprocess
import sys
from copy import copy, deepcopy
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from zipfile import ZipFile

import cloudpickle
import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import skops.io
import torch
from common import DETECTORS, assert_same_bits, fitted, outputs, table, tiny
from models import FOLDER, MODELS, mixed_table
from sklearn.base import BaseEstimator
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from skorch.callbacks import Callback, PrintLog
from skorch.exceptions import DeviceWarning
from torch import nn

import skgad
from skgad import MLP, TabularDetector, persistence
from skgad._frames import schema_of
from skgad.calibration import CalibratedDetector, ConformalDetector
from skgad.callbacks import Checkpoint
from skgad.density import DensityDetector
from skgad.ensemble import DetectorEnsemble
from skgad.interop import OutlierRemover, from_pyod
from skgad.neighbors import KNeighborsDetector
from skgad.persistence import SKGAD_TYPES, TRUSTED_TYPES, ModelFileError, load, save
from skgad.preprocessing import TabularEncoder
from skgad.tables import ParquetTable

every_detector = pytest.mark.parametrize("name", DETECTORS)


def saved_and_loaded(estimator, folder, **params):
    save(estimator, folder / "model.skgad")
    return load(folder / "model.skgad", **params)


def loaded_in_every_way(estimator, folder, **params):
    """The estimator from a model file, and from the files of other libraries."""
    content = skops.io.dumps(estimator)
    joblib.dump(estimator, folder / "model.joblib")
    return {
        "save": saved_and_loaded(estimator, folder, **params),
        "skops": skops.io.loads(content, trusted=skops.io.get_untrusted_types(data=content)),
        "pickle": pickle.loads(pickle.dumps(estimator)),
        "cloudpickle": cloudpickle.loads(cloudpickle.dumps(estimator)),
        "joblib": joblib.load(folder / "model.joblib"),
    }


# ---------------------------------------------------------------------------- the same bits


@every_detector
@pytest.mark.parametrize("n_members", [1, 2])
def test_a_loaded_detector_gives_the_same_bits(name, n_members, device, tmp_path):
    detector = fitted(name, device, n_members=n_members)
    detector.save(tmp_path / "model.skgad")
    loaded = load(tmp_path / "model.skgad")
    expected = outputs(detector, table())
    assert_same_bits(outputs(loaded, table()), expected)
    assert loaded.history_ is loaded.net_.history
    assert loaded.history_[:, "epoch"] == detector.history_[:, "epoch"]
    assert repr(loaded) == repr(detector)
    by_skops = skops.io.load(
        tmp_path / "model.skgad",
        trusted=skops.io.get_untrusted_types(file=tmp_path / "model.skgad"),
    )
    assert_same_bits(outputs(by_skops, table()), expected)


@every_detector
def test_a_loaded_detector_continues_its_training_with_warm_start(name, device, tmp_path):
    detector = tiny(name, device=device, warm_start=True, ema_decay=0.9).fit(table())
    loaded = saved_and_loaded(detector, tmp_path)
    assert_same_bits(
        loaded.partial_fit(table()).score_samples(table()),
        detector.partial_fit(table()).score_samples(table()),
    )


OTHERS = {
    "score of codes": (tiny("WAE", score_type="mahalanobis+neighbors+density"), table()),
    "encoded columns": (tiny("WAE", encoding="piecewise+frequency"), table()),
    "random state": (tiny("ALAD", random_state=np.random.RandomState(0)), table()),
    "optimizer": (tiny("ALAD", net_params={"optimizer": torch.optim.SGD}), table()),
    "autocast": (tiny("WAE", net_params={"autocast": torch.bfloat16}), table()),
    "stacked layers": (tiny("AMA", n_members=2, networks=MLP((8,), dropout=0.1)), table()),
    "labels": (tiny("WALDO"), table()),
    "pandas": (TabularDetector(tiny("Autoencoder")), mixed_table(60)),
    "polars": (TabularDetector(tiny("Autoencoder")), pl.from_pandas(mixed_table(60))),
    "arrays": (TabularDetector(tiny("Autoencoder")), table()),
    "ensemble": (
        DetectorEnsemble([("a", tiny("ALAD")), ("k", KNeighborsDetector())], random_state=0),
        table(),
    ),
    "far from zero": (tiny("DSEBM", encoding="standard"), table() + 1e9),
    "neighbors": (KNeighborsDetector(), table()),
    "density": (DensityDetector(random_state=0), table()),
    "calibrated": (CalibratedDetector(tiny("ALAD"), random_state=0), table()),
    "conformal": (ConformalDetector(tiny("ALAD"), alpha=0.2, random_state=0), table()),
    "cross-conformal": (ConformalDetector(tiny("DSEBM"), cv=3, random_state=0), table()),
    "pipeline": (make_pipeline(StandardScaler(), tiny("ALAD")), table()),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_loaded_estimators_give_the_same_bits(name, tmp_path):
    detector, X = OTHERS[name]
    detector.fit(X)
    for loaded in loaded_in_every_way(detector, tmp_path).values():
        assert_same_bits(loaded.score_samples(X), detector.score_samples(X))
        if hasattr(detector, "p_values"):
            assert_same_bits(loaded.p_values(X), detector.p_values(X))
        assert_same_bits(loaded.predict(X), detector.predict(X))
        if isinstance(detector, TabularDetector):
            sampled = [each.sample(5, random_state=0) for each in (loaded, detector)]
            assert type(sampled[0]) is type(sampled[1])
            same = np.array_equal if isinstance(X, np.ndarray) else type(X).equals
            assert same(*sampled)


def dates_of_pandas():
    """Frame with dates in all forms that pandas has, and levels that are not text."""
    days = pd.date_range("2024-01-01 03:00", periods=40, freq="37h")
    return pd.DataFrame(
        {
            "when": days,
            "text": days.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "date": [day.date() for day in days],
            "object": pd.Series([day.to_pydatetime() for day in days], dtype=object),
            "duration": pd.Series([dt.timedelta(hours=i) for i in range(40)], dtype=object),
            "offset": days.tz_localize(dt.timezone(dt.timedelta(hours=2))),
            "month": days.to_period("M"),
            "fortnight": days.to_period("2W"),
            "decimal": [Decimal(i) for i in range(40)],
            "bin": pd.cut(np.arange(40) % 7, 3),
            "holiday": pd.Categorical(np.resize([dt.date(2024, 1, 1), dt.date(2024, 5, 1)], 40)),
        }
    )


def arrow_table():
    """Table with all kinds of types that PyArrow has."""
    pa = pytest.importorskip("pyarrow", reason="PyArrow is not installed")
    days = pd.date_range("2024-01-01 03:00", periods=40, freq="37h")
    text = [*np.resize(["x", "y", None], 40)]
    return pa.table(
        {
            "int16": pa.array(range(40), pa.int16()),
            "float": pa.array(np.linspace(0, 1, 40), pa.float32()),
            "decimal": pa.array([Decimal(i) / 4 for i in range(40)], pa.decimal128(10, 2)),
            "zoned": pa.array(days.to_pydatetime(), pa.timestamp("us", "Europe/Berlin")),
            "naive": pa.array(days.to_pydatetime(), pa.timestamp("ms")),
            "date": pa.array([day.date() for day in days], pa.date32()),
            "dictionary": pa.array(text).dictionary_encode(),
            "dates": pa.array([*np.resize(days.date[:3], 40)]).dictionary_encode(),
            "text": pa.array(text, pa.large_string()),
            "boolean": pa.array([*np.resize([True, None], 40)]),
        }
    )


def relation():
    """The table of PyArrow as a relation of DuckDB."""
    duckdb = pytest.importorskip("duckdb", reason="DuckDB is not installed")
    return duckdb.from_arrow(arrow_table().drop_columns(["dates"]))


TABLES = {
    "dates of pandas": dates_of_pandas,
    "PyArrow": arrow_table,
    "ArrowDtype": lambda: arrow_table().to_pandas(types_mapper=pd.ArrowDtype),
    "LazyFrame": lambda: pl.from_arrow(arrow_table()).lazy(),
    "DuckDB": relation,
    "masked array": lambda: np.ma.masked_greater(table(40), 1),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_loaded_detector_of_any_table_samples_the_same_rows(name, tmp_path):
    X = TABLES[name]()
    encoder = TabularEncoder(high_cardinality="hash", max_categories=2)
    detector = TabularDetector(tiny("Autoencoder", max_epochs=1), encoder=encoder).fit(X)
    expected, scores = detector.sample(7, random_state=0), detector.score_samples(X)
    for loaded in loaded_in_every_way(detector, tmp_path).values():
        assert_same_bits(loaded.score_samples(X), scores)
        rows = loaded.sample(7, random_state=0)
        assert type(rows) is type(expected)
        if isinstance(rows, np.ndarray):
            assert_same_bits(rows, expected)
            continue
        assert rows.equals(expected)
        if hasattr(rows, "dtypes"):
            assert [*rows.dtypes] == [*expected.dtypes]
        else:
            assert rows.schema == expected.schema


def test_a_time_zone_without_a_name_is_rejected_when_it_is_saved(tmp_path):
    X = pd.DataFrame({"when": pd.date_range("2024", periods=9, tz="dateutil/Europe/Berlin")})
    encoder = TabularEncoder().fit(X)
    with pytest.raises(ModelFileError, match="time zone.*zoneinfo.*_schema, a Schema"):
        save(encoder, tmp_path / "model")


def test_a_detector_of_a_parquet_table_is_loaded(tmp_path):
    pytest.importorskip("pyarrow", reason="PyArrow is not installed")
    rows = pd.DataFrame(table(), columns=[*"abcd"][: table().shape[1]])
    rows.to_parquet(tmp_path / "rows.parquet")
    X = ParquetTable(tmp_path / "rows.parquet")
    for detector in (tiny("DSEBM"), TabularDetector(tiny("DSEBM"))):
        detector.fit(X)
        for loaded in loaded_in_every_way(detector, tmp_path).values():
            assert_same_bits(loaded.score_samples(X), detector.score_samples(X))


@pytest.mark.parametrize("name", ["AMA", "DeepSVDD", "FenceGAN"])
def test_a_loaded_detector_continues_its_phase(name, tmp_path):
    phase = {"AMA": "warm_up", "DeepSVDD": "pretraining", "FenceGAN": "pretraining"}[name]
    params = {"n_members": 2, "max_epochs": 1, "warm_start": True, phase: 100}
    detector = tiny(name, **params).fit(table())
    for loaded in loaded_in_every_way(detector, tmp_path).values():
        ensemble, expected = loaded.net_.module_, detector.net_.module_
        assert ensemble.phase_names == expected.phase_names
        assert ensemble.phases_left.tolist() == expected.phases_left.tolist()
        assert ensemble.phases_left.sum() > 0
        continued = deepcopy(detector).partial_fit(table())
        assert_same_bits(
            loaded.partial_fit(table()).score_samples(table()), continued.score_samples(table())
        )


@pytest.mark.parametrize("made", [str, Path, Checkpoint, lambda path: Checkpoint(Path(path), 3)])
def test_a_loaded_detector_has_its_checkpoint(made, tmp_path):
    checkpoint = made(f"{tmp_path}/training")
    detector = tiny("DSEBM", checkpoint=checkpoint).fit(table())
    for loaded in loaded_in_every_way(detector, tmp_path).values():
        assert_same_bits(loaded.score_samples(table()), detector.score_samples(table()))
        if isinstance(checkpoint, Checkpoint):
            assert loaded.checkpoint == Checkpoint(
                os.fspath(checkpoint.path), checkpoint.every_n_epochs
            )
        else:  # as text, which any system can load
            assert loaded.checkpoint == os.fspath(checkpoint)
        assert_same_bits(
            loaded.fit(table()).score_samples(table()), detector.score_samples(table())
        )


def test_a_loaded_remover_has_the_same_rows_and_detector(tmp_path):
    remover = OutlierRemover(tiny("DSEBM", contamination=0.1)).fit(table())
    for loaded in loaded_in_every_way(remover, tmp_path).values():
        assert_same_bits(loaded.sample_indices_, remover.sample_indices_)
        assert_same_bits(
            loaded.detector_.score_samples(table()), remover.detector_.score_samples(table())
        )


def test_detectors_of_pyod_are_loaded_only_if_they_are_trusted(tmp_path):
    pytest.importorskip("pyod", reason="PyOD is not installed: pip install skgad[pyod]")
    from pyod.models.ecod import ECOD
    from pyod.models.iforest import IForest

    for foreign, names in [
        (ECOD(), ["pyod.models.ecod.ECOD"]),
        (IForest(5, random_state=0), ["pyod.models.iforest.IForest", "sklearn.tree._tree.Tree"]),
    ]:
        detector = from_pyod(foreign).fit(table())
        with pytest.raises(ModelFileError, match="not trusted by default") as caught:
            saved_and_loaded(detector, tmp_path)
        assert f"trusted={names}" in str(caught.value)
        for loaded in loaded_in_every_way(detector, tmp_path, trusted=names).values():
            assert_same_bits(loaded.score_samples(table()), detector.score_samples(table()))


@pytest.mark.parametrize("copied", [copy, deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_copies_score_and_train_like_the_original(copied):
    detector = tiny("ALAD", warm_start=True, n_members=2).fit(table())
    other = copied(detector)
    assert_same_bits(outputs(other, table()), outputs(detector, table()))
    other.partial_fit(table())
    assert_same_bits(
        other.score_samples(table()), detector.partial_fit(table()).score_samples(table())
    )


def test_frozen_and_shared_parameters_stay_so(tmp_path):
    detector = tiny("ALAD").fit(table())
    game = detector.net_.module_.game
    game.encoder[0].weight.requires_grad_(False)
    game.encoder.append(nn.Identity())
    game.encoder[-1].shared = game.encoder[0]
    loaded = saved_and_loaded(detector, tmp_path).net_.module_.game
    assert not loaded.encoder[0].weight.requires_grad
    assert loaded.encoder[0].bias.requires_grad
    assert loaded.encoder[-1].shared is loaded.encoder[0]


def test_callbacks_are_kept(tmp_path):
    lines = []
    params = {"callbacks__print_log": PrintLog(sink=lines.append), "callbacks__epoch_timer": None}
    detector = tiny("ALAD", net_params=params, verbose=1, callbacks=[("mine", Callback())])
    detector.fit(table())
    n_lines, names = len(lines), [name for name, _ in detector.net_.callbacks_]
    assert n_lines
    loaded = pickle.loads(pickle.dumps(detector.set_params(net_params=None)))
    assert [name for name, _ in loaded.net_.callbacks_] == names
    loaded.partial_fit(table())
    assert dict(loaded.net_.callbacks_)["print_log"].sink.__self__ is not lines


def frame_of_all_dtypes():
    days = pd.date_range("2024-01-01", periods=12, unit="us")
    frame = pd.DataFrame(
        {
            "int8": np.arange(12, dtype=np.int8),
            "Int64": pd.array([1, None, *range(10)], dtype="Int64"),
            "float32": np.linspace(0, 1, 12, dtype=np.float32),
            "zoned": days.tz_localize("UTC").tz_convert("Europe/Berlin"),
            "duration": days - days[0],
            "boolean": pd.array([True, None, *[False] * 10], dtype="boolean"),
            "string": pd.array(["a", None, *"bcabcabcab"], dtype="string"),
            "category": pd.Categorical([*"xyxyxyxyxyxy"], ["y", "x", "z"], ordered=True),
        }
    )
    return frame.rename_axis(columns="names")


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_loaded_encoder_makes_columns_of_the_same_types(library, tmp_path):
    X = frame_of_all_dtypes()
    if library == "polars":
        pytest.importorskip("pyarrow", reason="polars reads frames of pandas by pyarrow")
        X = pl.from_pandas(X.rename_axis(columns=None))
        levels = pl.Enum(["x", "y"])
        X = X.with_columns(pl.col("int8").cast(pl.Decimal(5, 2)), pl.col("category").cast(levels))
    encoder = TabularEncoder().fit(X)
    loaded = saved_and_loaded(encoder, tmp_path)
    codes = encoder.transform(X)
    assert_same_bits(loaded.transform(X), codes)
    expected, table = encoder.inverse_transform(codes), loaded.inverse_transform(codes)
    assert [*table.dtypes] == [*expected.dtypes]
    assert table.equals(expected)
    assert [*table.columns] == [*expected.columns]


# ---------------------------------------------------------------------------- what is trusted


class MyNetworks(MLP):
    """Networks of a user's own, which build a module of their own."""

    def encoder(self, n_features, latent_dim):
        return MyEncoder(n_features, latent_dim)


class MyEncoder(nn.Linear):
    """Network of a user's own."""


def test_networks_of_a_users_own_are_loaded_only_if_they_are_trusted(tmp_path):
    detector = tiny("ALAD", networks=MyNetworks((8,))).fit(table())
    with pytest.raises(
        ModelFileError, match="not trusted by default: .*test_persistence.MyEnc"
    ) as e:
        saved_and_loaded(detector, tmp_path)
    names = ["test_persistence.MyEncoder", "test_persistence.MyNetworks"]
    assert f"trusted={names}" in str(e.value)
    for trusted in (names, [MyEncoder, MyNetworks]):
        loaded = saved_and_loaded(detector, tmp_path, trusted=trusted)
        assert_same_bits(outputs(loaded, table()), outputs(detector, table()))


def test_untrusted_modules_are_not_imported(tmp_path):
    schema = {"__class__": "Thing", "__module__": "antigravity", "__loader__": "ObjectNode"}
    write_file(tmp_path / "model", schema)
    with pytest.raises(ModelFileError, match="antigravity.Thing"):
        load(tmp_path / "model")
    assert "antigravity" not in sys.modules


def write_file(path, schema, header=None):
    """Write any content with a valid checksum."""
    buffer = io.BytesIO()
    with ZipFile(buffer, "w") as archive:
        archive.writestr("schema.json", json.dumps({"protocol": 2, **schema}))
        header = header or {"format": 1, "versions": {"skgad": "0.1"}}
        archive.writestr(persistence.HEADER, json.dumps(header))
        archive.comment = persistence.COMMENT + b"0" * 64
    data = buffer.getvalue()[:-64]
    data = data[: -len(persistence.COMMENT)]
    path.write_bytes(data + persistence.COMMENT + sha256(data).hexdigest().encode())


def constructor(module, name, *args):
    """Content that calls something with arguments."""
    content = skops.io.dumps(tuple(args))
    with ZipFile(io.BytesIO(content)) as archive:
        arguments = json.loads(archive.read("schema.json"))
    loader = "ConstructorFromReduceNode"
    return {"__class__": name, "__module__": module, "__loader__": loader, "content": arguments}


@pytest.mark.parametrize(
    ("module", "name", "argument"),
    [
        ("os", "system", "touch intruder"),
        ("builtins", "eval", "open('intruder', 'w')"),
        ("skgad._frames._tables", "import_module", "antigravity"),
        ("skgad.engine.net", "deepcopy", "x"),
    ],
)
def test_functions_are_not_called(module, name, argument, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_file(tmp_path / "model", constructor(module, name, argument))
    with pytest.raises(ModelFileError, match=f"not trusted by default: {module}.{name}"):
        load(tmp_path / "model")
    assert not (tmp_path / "intruder").exists()


def test_trusted_types_do_nothing_to_files_whatever_they_are_called_with(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", Path(__file__).parent / "call_trusted_types.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    n_called, events = json.loads(done.stdout)
    assert n_called > 300
    assert events == []
    assert not [*tmp_path.iterdir()]


def test_a_dtype_that_names_a_file_is_rejected(tmp_path):
    schema = schema_of(pd.DataFrame({"when": pd.date_range("2024", periods=3, tz="UTC")}))
    (tmp_path / "zone").write_text("a time zone")
    state = schema.__getstate__()
    state["dtypes"] = [{"name": f"datetime64[ns, dateutil/{tmp_path}/zone]"}]
    with pytest.raises(ValueError, match="names a file"):
        type(schema).__new__(type(schema)).__setstate__(state)


def test_the_state_of_a_net_is_not_unpickled(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net = fitted("ALAD", "cpu").net_
    state = net.__getstate__()
    state["__cuda_dependent_attributes__"] = pickle.dumps(Intruder())  # skorch unpickles it
    loaded = type(net).__new__(type(net))
    loaded.__setstate__(state)
    assert not (tmp_path / "intruder").exists()


class Intruder:
    """Makes a file when it is unpickled."""

    def __reduce__(self):
        return open, ("intruder", "w")


def test_all_types_of_skgad_that_make_up_detectors_are_trusted_and_nothing_else():
    listed = {
        f"skgad.{file}.{name}" for file, names in SKGAD_TYPES.items() for name in names.split()
    }
    assert listed <= set(TRUSTED_TYPES)
    for name in TRUSTED_TYPES:
        module, _, attribute = name.rpartition(".")
        cls = getattr(importlib.import_module(module), attribute)
        assert isinstance(cls, type)
    found = set()
    # Programs of an export, and views for PyOD, are not saved.
    left_out = ("skgad.export.", "skgad.interop._pyod_view")
    for module in [
        module
        for name, module in sys.modules.items()
        if name.startswith("skgad.") and not name.startswith(left_out)
    ]:
        for cls in vars(module).values():
            if not isinstance(cls, type) or cls.__module__ != module.__name__:
                continue
            if issubclass(cls, (BaseEstimator, nn.Module, Callback)):
                found.add(f"{cls.__module__}.{cls.__qualname__}")
    bases = {
        *("BaseDetector", "BaseThresholdDetector", "EncoderDecoderGame", "GANGame", "Game"),
        *("LabelledDetector", "WALDOFamily", "_Method", "AdversarialNet"),
        # Of one training.
        *("EpochTasks", "LearningRateSchedule", "Phases", "SaveTraining", "StopEarly"),
    }
    assert {name for name in found - listed if name.rpartition(".")[2] not in bases} == set()


def test_what_cannot_be_stored_as_data_is_rejected_when_it_is_saved(tmp_path):
    class Local(MLP):
        pass

    for detector, message in [
        (tiny("ALAD", networks=Local((8,))), "Local cannot be imported"),
        (make_pipeline(FunctionTransformer(lambda x: x), tiny("ALAD")), "<lambda> cannot be"),
        (tiny("ALAD", callbacks=[WithFrame()]), "cannot be saved as data"),
    ]:
        with pytest.raises(ModelFileError, match=message) as caught:
            save(detector, tmp_path / "model")
        assert "\n" not in str(caught.value)
        assert "pickle or joblib" in str(caught.value)
    assert not [*tmp_path.iterdir()]


class Holder(Callback):
    """Callback of a user's own that holds something."""

    def __init__(self, held):
        self.held = held


class HolderOfTensor(Holder):
    """The same, as the error recommends it."""

    def __getstate__(self):
        return {"held": self.held.numpy()}

    def __setstate__(self, state):
        self.held = torch.from_numpy(state["held"])


@pytest.mark.parametrize(
    ("held", "kind"),
    [
        (torch.ones(3), "Tensor"),
        (nn.Parameter(torch.ones(3)), "Parameter"),
        (lambda: 3, "function"),
        ([].append, "builtin_function_or_method"),
        (torch.Generator(), "Generator"),
        ({"inner": [1, io.StringIO()]}, "StringIO"),
    ],
)
def test_the_error_names_the_callback_that_cannot_be_saved(held, kind, tmp_path):
    detector = make_pipeline(tiny("DSEBM", callbacks=[("mine", Holder(held))]).fit(table()))
    with pytest.raises(ModelFileError) as caught:
        save(detector, tmp_path / "model")
    message = str(caught.value)
    assert "\n" not in message
    assert "The cause is steps[0][1].callbacks[0][1].held" in message
    assert f", a {kind}. Define __getstate__ of the callback Holder, so that it" in message
    assert not [*tmp_path.iterdir()]


def test_callbacks_that_store_their_tensors_as_arrays_are_loaded(tmp_path):
    detector = tiny("DSEBM", callbacks=[HolderOfTensor(torch.ones(3))]).fit(table())
    loaded = saved_and_loaded(detector, tmp_path, trusted=[HolderOfTensor])
    assert loaded.callbacks[0].held.tolist() == [1, 1, 1]


class WithFrame(Callback):
    """Callback with something that is not data."""

    def __init__(self):
        self.frame = pd.DataFrame({"a": [1]})


def test_types_of_scikit_learn_that_are_not_safe_have_to_be_trusted(tmp_path):
    density = DensityDetector(KernelDensity()).fit(table())
    with pytest.raises(ModelFileError, match="KDTree"):
        saved_and_loaded(density, tmp_path)
    forest = IsolationForest(n_estimators=5, random_state=0).fit(table())
    with pytest.raises(ModelFileError, match="sklearn.tree._tree.Tree"):
        saved_and_loaded(forest, tmp_path)
    loaded = saved_and_loaded(forest, tmp_path, trusted=["sklearn.tree._tree.Tree"])
    assert_same_bits(loaded.score_samples(table()), forest.score_samples(table()))


# --------------------------------------------------------------------- damaged and other files


CONTENTS = {
    "detector": lambda: fitted("DSEBM", "cpu"),
    "dates": lambda: TabularEncoder().fit(dates_of_pandas()),
    "PyArrow": lambda: TabularEncoder().fit(arrow_table()),
    "cross-conformal": lambda: ConformalDetector(KNeighborsDetector(), cv=3).fit(table()),
    "adapter": lambda: from_pyod(KNeighborsDetector()),
}


@pytest.fixture(scope="module", params=CONTENTS)
def content(request, tmp_path_factory):
    """Bytes of a model file."""
    path = tmp_path_factory.mktemp("models") / "model.skgad"
    save(CONTENTS[request.param](), path)
    return path.read_bytes()


def assert_refused(path, content, message):
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=message) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_any_flipped_bytes_are_refused(content, tmp_path):
    rng = np.random.RandomState(0)
    ends = [[i] for i in [*range(40), *range(-160, 0)]]
    for positions in [*ends, *rng.randint(len(content), size=(300, 3)).tolist()]:
        damaged = bytearray(content)
        for position in positions:
            damaged[position] ^= rng.randint(1, 256)
        assert_refused(tmp_path / "model", damaged, "checksum is wrong|is not a model saved by")


def test_truncated_and_extended_files_are_refused(content, tmp_path):
    for length in [1, 2, 3, 100, len(content) // 2, len(content) - 1]:
        assert_refused(tmp_path / "model", content[:length], "checksum is wrong|not a model saved")
    assert_refused(tmp_path / "model", content + b"\n", "checksum is wrong")


def test_files_of_other_kinds_are_refused(tmp_path):
    path = tmp_path / "model"
    assert_refused(path, b"", "is empty")
    assert_refused(path, b"notes", "not a model saved by 'skgad train' or skgad.save")
    assert_refused(path, pickle.dumps(fitted("DSEBM", "cpu")), "are loaded with pickle or joblib")
    joblib.dump({"a": 1}, path)
    assert_refused(path, path.read_bytes(), "are loaded with pickle or joblib")
    with ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", "notes")
    assert_refused(path, path.read_bytes(), "not a model saved by skgad")
    assert_refused(path, skops.io.dumps([1]), "not a model saved by skgad")
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none")


def test_files_of_a_newer_format_are_refused(tmp_path):
    path = tmp_path / "model"
    write_file(path, {}, {"format": persistence.FORMAT + 1, "versions": {"skgad": "7.0"}})
    assert_refused(path, path.read_bytes(), "saved by skgad 7.0 in format 2, .* Update skgad")


@pytest.mark.parametrize("header", [[], {}, {"format": "1"}, {"format": 1, "versions": []}])
def test_files_with_another_header_are_refused(header, tmp_path):
    path = tmp_path / "model"
    write_file(path, {}, header or [1])
    assert_refused(path, path.read_bytes(), "has no valid header")


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"__class__": "list", "__module__": "builtins", "__loader__": "ListNode", "content": 3},
        {"__class__": "MLP", "__module__": "skgad.networks._mlp", "__loader__": "NoNode"},
        constructor("torch.nn.modules.linear", "Linear", "x"),
        constructor("torch.nn.modules.linear", "Linear", 10**12, 10**12),
        {
            "__class__": "AdversarialNet",
            "__module__": "skgad.engine.net",
            "__loader__": "ObjectNode",
            "content": {
                "__class__": "str",
                "__module__": "builtins",
                "__loader__": "JsonNode",
                "content": "3",
                "is_json": True,
            },
        },
    ],
)
def test_invalid_content_is_refused(schema, tmp_path):
    path = tmp_path / "model"
    write_file(path, schema)
    assert_refused(path, path.read_bytes(), "not a valid model|cannot be loaded")


def test_the_error_of_a_file_that_cannot_be_loaded_names_the_versions(tmp_path, monkeypatch):
    save(fitted("DSEBM", "cpu"), tmp_path / "model")

    def fail(self, state):
        raise KeyError("renamed")

    monkeypatch.setattr(skgad.DSEBM, "__setstate__", fail)
    message = f"KeyError: 'renamed'.* saved with skgad {skgad.__version__}, scikit-learn .*torch"
    with pytest.raises(ModelFileError, match=message.replace("+", "[+]")):
        load(tmp_path / "model")


# --------------------------------------------------------------------------------- the file


def test_a_file_is_replaced_completely_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "model"
    save(fitted("DSEBM", "cpu"), path)
    path.chmod(0o640)
    before = path.read_bytes()

    def fail(path, data):
        open(path, "wb").close()
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", fail)
        with pytest.raises(OSError, match="No space"):
            save(fitted("ALAD", "cpu"), path)
    assert path.read_bytes() == before
    save(fitted("ALAD", "cpu"), path)
    assert isinstance(load(path), skgad.ALAD)
    assert [each.name for each in tmp_path.iterdir()] == ["model"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_pickle_is_as_large_as_the_networks():
    detector = tiny("ALAD", networks=MLP((256, 256))).fit(table())
    size = sum(array.numel() * 4 for array in detector.net_.module_.state_dict().values())
    assert len(pickle.dumps(detector)) < size + 40_000
    assert len(pickle.dumps(detector.set_params(warm_start=True))) > 1.9 * size


def test_states_contain_no_tensors(tmp_path):
    detector = tiny("ALAD", n_members=2, warm_start=True, ema_decay=0.9).fit(table())
    assert b"torch._utils" not in pickle.dumps(detector)
    assert b"torch.storage" not in pickle.dumps(detector)


def test_a_detector_of_a_device_that_is_missing_is_loaded_on_the_cpu(monkeypatch):
    if torch.cuda.is_available():
        pytest.skip("CUDA is there")
    detector = tiny("ALAD", n_members=2).fit(table())
    with monkeypatch.context() as patch:
        patch.setattr(detector.net_, "device", torch.device("cuda", 0))
        state = pickle.dumps(detector)
    with pytest.warns(DeviceWarning, match="trained on cuda:0, .* loaded on the CPU"):
        loaded = pickle.loads(state)
    assert loaded.net_.module_.device == torch.device("cpu")
    assert torch.device(loaded.net_.device) == torch.device("cpu")
    assert_same_bits(outputs(loaded, table()), outputs(detector, table()))
    loaded.partial_fit(table())


# ------------------------------------------------------------------------- files of releases


@pytest.mark.parametrize("name", MODELS)
def test_files_of_this_format_are_loaded(name):
    loaded = load(FOLDER / f"{name}.skgad")
    expected = json.loads((FOLDER / "expected.json").read_text())[name]
    scores = loaded.score_samples(MODELS[name][1])
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)


# ----------------------------------------------------------------------------------- MLflow


MLFLOW = """
import sys, mlflow.sklearn, numpy as np, skops.io
import skgad
from sklearn.datasets import make_blobs
X, _ = make_blobs(50, centers=1, random_state=0)
detector = skgad.ALAD(max_epochs=1, n_members=1, random_state=0).fit(X)
trusted = skops.io.get_untrusted_types(data=skops.io.dumps(detector))
assert set(trusted) <= set(skgad.persistence.TRUSTED_TYPES)
mlflow.sklearn.save_model(detector, sys.argv[1], skops_trusted_types=trusted, pip_requirements=[])
loaded = mlflow.sklearn.load_model(sys.argv[1])
np.testing.assert_array_equal(loaded.score_samples(X), detector.score_samples(X))
by_pyfunc = mlflow.pyfunc.load_model(sys.argv[1]).predict(X)
np.testing.assert_array_equal(by_pyfunc, detector.predict(X))
print(mlflow.models.Model.load(sys.argv[1]).flavors["sklearn"]["serialization_format"])
"""


def test_mlflow_saves_a_detector_in_its_default_format(tmp_path):
    if importlib.util.find_spec("mlflow") is None:
        pytest.skip("MLflow is not installed")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", MLFLOW, str(tmp_path / "model")],
        env={**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == "skops"
