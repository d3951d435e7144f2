"""TabularEncoder: columns of categories, text and booleans."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mixed_tables import PARIS, people, text

from skgad.preprocessing import TabularEncoder


def test_unseen_levels_are_encoded_as_zeros_or_as_infrequent():
    X = pd.DataFrame({"job": ["a"] * 4 + ["b"] * 4 + ["c", "d", "d"]})
    new = pd.DataFrame({"job": ["q"]})
    encoder = TabularEncoder().fit(X)
    assert encoder.transform(new).tolist() == [[0, 0, 0, 0]]
    assert encoder.inverse_transform(encoder.transform(new))["job"].tolist() == ["a"]

    encoder = TabularEncoder(min_frequency=4).fit(X)
    assert encoder.get_feature_names_out()[-1] == "job_infrequent_sklearn"
    assert encoder.transform(new).tolist() == [[0, 0, 1]]
    assert encoder.inverse_transform(encoder.transform(new))["job"].tolist() == ["d"]


@pytest.mark.filterwarnings("ignore:The columns .* have missing values, but had none")
@given(seen=st.lists(text, min_size=1), new=st.lists(text | st.none(), min_size=1))
def test_any_level_is_decoded_as_one_seen_in_fit(seen, new):
    encoder = TabularEncoder(max_categories=3).fit(pd.DataFrame({"x": seen}, dtype=str))
    Z = encoder.transform(pd.DataFrame({"x": new}, dtype=str))
    assert set(encoder.inverse_transform(Z)["x"]) <= set(seen)
    assert Z.shape[1] == min(3, len(set(seen)))
    assert np.isin(Z[np.not_equal(new, None)].sum(axis=1), [0, 1]).all()


@pytest.mark.filterwarnings("ignore:Column 'key' has 1000 different texts")
def test_the_number_of_levels_of_a_column_is_limited():
    X = pd.DataFrame({"key": [f"k{i}" for i in range(1000)]})
    assert TabularEncoder().fit_transform(X).shape == (1000, 255)
    assert TabularEncoder(max_categories=None).fit_transform(X).shape == (1000, 1000)


@pytest.mark.parametrize("listed", [["code"], [1], [False, True, False], np.array([1])])
def test_columns_of_numbers_can_be_listed_as_categorical(listed):
    X = pd.DataFrame({"age": [20, 30, 40], "code": [7, 9, 7], "job": ["a", "b", "a"]})
    encoder = TabularEncoder(categorical_features=listed).fit(X)
    assert encoder.get_feature_names_out().tolist() == ["age", "code_7", "code_9", "job_a", "job_b"]
    pd.testing.assert_frame_equal(encoder.inverse_transform(encoder.transform(X)), X)


def test_lists_of_text_and_numbers_are_encoded_like_arrays_of_objects():
    rows = [["a", 1.5, True], ["b", 2.5, False], ["a", 9.0, True]]
    encoder = TabularEncoder().fit(rows)
    assert encoder.get_feature_names_out().tolist()[:1] == ["x1"]
    encoded = encoder.transform(rows)
    array = np.array(rows, dtype=object)
    np.testing.assert_array_equal(encoded, encoder.transform(array))
    np.testing.assert_array_equal(encoded, TabularEncoder().fit_transform(array))
    back = encoder.inverse_transform(encoded).tolist()
    assert back == [[text, pytest.approx(number), flag] for text, number, flag in rows]


def test_columns_of_every_dtype_are_restored_if_listed_as_categorical():
    X = people()
    X["since"] = X["since"].dt.tz_localize("UTC").dt.tz_convert(PARIS).dt.as_unit("ns")
    encoder = TabularEncoder(categorical_features=X.columns.tolist()).fit(X)
    assert len(encoder.categorical_groups_) == X.shape[1]
    pd.testing.assert_frame_equal(encoder.inverse_transform(encoder.transform(X)), X)


def test_arrays_of_numbers_have_no_categorical_groups():
    encoder = TabularEncoder().fit([[0, 1], [1, 1]])
    assert encoder.categorical_groups_ == []
    assert encoder.get_feature_names_out().tolist() == ["x0", "x1"]
