"""Columns of text with nearly as many values as rows, and their encoding by hashing."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import IsolationForest

from skgad import TabularDetector
from skgad.preprocessing import TabularEncoder


@pytest.mark.parametrize(
    ("n_rows", "n_levels", "is_key"),
    [
        (1000, 1000, True),
        (1000, 950, True),
        (1000, 200, False),
        (2000, 500, True),
        (20_000, 500, False),
        (20, 20, True),
        (9, 9, False),
    ],
)
def test_text_with_too_many_values_raises_a_warning_with_a_cure(n_rows, n_levels, is_key, recwarn):
    texts = [f"t{i % n_levels}" for i in range(n_rows)]
    X = pd.DataFrame({"x": np.arange(n_rows) % 50, "note": texts})
    TabularDetector(IsolationForest(n_estimators=2)).fit(X)
    messages = [str(warning.message) for warning in recwarn]
    assert len(messages) == is_key
    for message in messages:
        assert f"Column 'note' has {n_levels} different texts in {n_rows} rows" in message
        assert "drop it" in message
        assert "high_cardinality='hash'" in message


def test_missing_texts_do_not_count_as_values(recwarn):
    TabularEncoder().fit(pd.DataFrame({"note": ["a", "b"] + [None] * 50}))
    assert not recwarn.list


@pytest.mark.parametrize("n_levels", [1000, 5000])
def test_hashing_has_a_fixed_width(n_levels, recwarn):
    X = pd.DataFrame({"note": [f"t{i % n_levels}" for i in range(6000)], "job": ["a", "b"] * 3000})
    X.loc[::100, "note"] = None
    encoder = TabularEncoder(max_categories=64, high_cardinality="hash").fit(X)
    assert not recwarn.list
    Z = encoder.transform(X)
    assert len(encoder.feature_groups_["note"]) == 64
    assert encoder.get_feature_names_out()[-2:].tolist() == ["job_a", "job_b"]
    note = Z[:, encoder.feature_groups_["note"]]
    assert (note.sum(axis=1) == 1).all()
    assert note.sum(axis=0).max() < 10 * note.sum(axis=0).mean()
    assert encoder.inverse_transform(Z)["note"].isna().equals(X["note"].isna())
    unseen = encoder.transform(X[:1].assign(note="never seen"))
    assert unseen[:, encoder.feature_groups_["note"]].sum() == 1


def test_hashing_does_not_depend_on_the_order_of_the_rows():
    X = pd.DataFrame({"note": [f"t{i}" for i in range(300)]})
    encoder = TabularEncoder(max_categories=8, high_cardinality="hash")
    forwards = encoder.fit(X).transform(X)
    backwards = encoder.fit(X[::-1]).transform(X)
    np.testing.assert_array_equal(forwards, backwards)


def test_a_bucket_is_decoded_as_its_most_frequent_level():
    X = pd.DataFrame({"note": ["often"] * 50 + [f"t{i}" for i in range(300)]})
    encoder = TabularEncoder(max_categories=4, high_cardinality="hash").fit(X)
    assert encoder.inverse_transform(encoder.transform(X[:1]))["note"].tolist() == ["often"]


def test_columns_with_few_levels_are_not_hashed():
    X = pd.DataFrame({"job": ["a", "b", "c"] * 5})
    for limit in (4, None):
        encoder = TabularEncoder(max_categories=limit, high_cardinality="hash").fit(X)
        np.testing.assert_array_equal(encoder.transform(X), TabularEncoder().fit_transform(X))


def test_numbers_hash_alike_whatever_their_dtype():
    X = pd.DataFrame({"code": np.arange(100)})
    encoder = TabularEncoder(
        categorical_features=["code"], max_categories=8, high_cardinality="hash"
    ).fit(X)
    np.testing.assert_array_equal(encoder.transform(X), encoder.transform(X.astype(float)))
