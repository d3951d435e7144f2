"""A model file or a checkpoint that has changed anywhere is rejected, or was made to be valid."""

import json
import zipfile
from functools import cache
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from cli_common import payments
from common import assert_same_bits, table, tiny
from fuzz_common import REJECTED, attempt, damaged, damages, fuzz
from hypothesis import example, given
from hypothesis import strategies as st
from test_fuzz_command_line import FOREST, NEIGHBORS, NETWORK, check_results, model, run

import skgad
from skgad.callbacks import Checkpoint
from skgad.persistence import COMMENT, COMMENT_LENGTH

foreign_files = st.one_of(
    st.binary(max_size=40),
    st.just(b"PK\x05\x06" + 18 * b"\0"),  # an empty archive
    st.binary(max_size=40).map(lambda content: COMMENT + content),
    st.sampled_from([b"\x80\x04N.", b"skgad checkpoint 1\n", b"PK\x03\x04", b"a,b\n1,2\n"]),
)
models = st.sampled_from([FOREST, NEIGHBORS, NETWORK])


def signed(content):
    """A file with the checksum that belongs to its content."""
    content = content[:-COMMENT_LENGTH]
    return content + COMMENT + sha256(content).hexdigest().encode()


def load(content):
    """Load a model file with this content."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "model.skgad")
        path.write_bytes(content)
        return attempt(skgad.load, path)


@fuzz(share=0.05)
@given(detector=models, damage=damages)
@example(FOREST, ([(500_000, 1)], 1_000_000))
def test_a_damaged_model_file_is_rejected(detector, damage):
    content = model(detector)
    changed = damaged(content, damage)
    assert changed == content or load(changed) is REJECTED


@fuzz(share=0.01)
@given(content=foreign_files)
@example(b"")
def test_a_foreign_file_is_rejected(content):
    assert load(content) is REJECTED
    assert load(signed(content + COMMENT_LENGTH * b"\0")) is REJECTED


# ---------------------------------------------------------- files that were made by hand

PAYMENTS = payments(30).to_csv(index=False).encode()
odd_values = st.sampled_from(
    [None, -1, 0, 1, 10**9, 0.5, True, "", "a", [], {}, "builtins", "dict", "content", "numpy"]
)


def leaves(node, path=()):
    """Paths of all values in a tree of JSON."""
    children = (
        node.items()
        if isinstance(node, dict)
        else enumerate(node)
        if isinstance(node, list)
        else ()
    )
    yield path
    for key, child in children:
        yield from leaves(child, (*path, key))


@cache
def members(detector):
    """Names and contents of the members of a model file, and the paths in its schema."""
    with zipfile.ZipFile(BytesIO(model(detector))) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    return contents, list(leaves(json.loads(contents["schema.json"])))[1:]


def edited(detector, edits):
    """A model file with some values of its schema replaced, and a valid checksum."""
    contents, paths = members(detector)
    schema = json.loads(contents["schema.json"])
    for position, value in edits:
        *parents, last = paths[position % len(paths)]
        node = schema
        try:
            for key in parents:
                node = node[key]
            node[last] = value
        except (KeyError, IndexError, TypeError):  # an earlier edit has removed the place
            pass
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in {**contents, "schema.json": json.dumps(schema)}.items():
            archive.writestr(name, content)
        archive.comment = COMMENT + b"0" * 64
    return signed(buffer.getvalue())


edits = st.lists(st.tuples(st.integers(0, 10**6), odd_values), min_size=1, max_size=3)


@fuzz(share=0.04)
@given(detector=models, edits=edits)
@example(FOREST, [])
@example(NETWORK, [])
@example("--detector KNeighborsDetector", [(1702, "")])
def test_a_model_file_made_by_hand_gives_results_or_one_line(capsys, detector, edits):
    files = {"data.csv": PAYMENTS, "model": edited(detector, edits)}
    results = run("score data.csv --model model --out out.csv", files, capsys)
    if not edits:
        assert results is not None
        check_results(results)


@fuzz(share=0.02)
@given(detector=models, damage=damages)
@example(FOREST, ([], 500_000))
def test_a_damaged_model_with_a_valid_checksum_gives_results_or_one_line(capsys, detector, damage):
    files = {"data.csv": PAYMENTS, "model": signed(damaged(model(detector), damage))}
    run("score data.csv --model model --out out.csv", files, capsys)


# ---------------------------------------------------------------------------- checkpoints

DETECTORS = st.sampled_from(["Autoencoder", "ALAD"])


@cache
def training(name):
    """The bytes of the checkpoint of a training, and the scores of the training rows."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "training")
        detector = tiny(name, checkpoint=Checkpoint(path, every_n_epochs=1)).fit(table())
        return path.read_bytes(), detector.train_scores_


def resume(name, content):
    """Training scores of a fit that finds this checkpoint."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "training")
        path.write_bytes(content)
        detector = tiny(name, checkpoint=Checkpoint(path, every_n_epochs=1))
        if attempt(detector.fit, table()) is not REJECTED:
            return detector.train_scores_
        assert path.read_bytes() == content
        return REJECTED


@fuzz(share=0.03)
@given(name=DETECTORS, damage=damages)
@example("ALAD", ([], 1_000_000))
@example("ALAD", ([], 0))
def test_a_damaged_checkpoint_is_rejected_or_gives_the_same_bits(name, damage):
    content, expected = training(name)
    changed = damaged(content, damage)
    scores = resume(name, changed)
    if changed == content:
        assert_same_bits(scores, expected)
    else:
        assert scores is REJECTED


@fuzz(share=0.01)
@given(name=DETECTORS, damage=damages)
@example("ALAD", ([(500_000, 1)], 1_000_000))
@example("ALAD", ([(17655, 88)], 1_000_000))
def test_a_damaged_checkpoint_with_a_valid_checksum_is_read_or_rejected(name, damage):
    content, _ = training(name)
    start, _, rest = content.partition(b"\n")
    payload = damaged(rest.partition(b"\n")[2], damage)
    content = b"\n".join([start, sha256(payload).hexdigest().encode(), payload])
    scores = resume(name, content)
    assert scores is REJECTED or np.isfinite(scores).all()


@fuzz(share=0.01)
@given(name=DETECTORS, content=foreign_files)
@example("ALAD", b"a,b\n1,2\n")
def test_a_foreign_checkpoint_is_rejected(name, content):
    assert resume(name, content) is REJECTED
