"""Any table is encoded to finite numbers and decoded again, or rejected with a reason."""

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from common import assert_same_bits
from fuzz_common import REJECTED, attempt, fuzz
from fuzz_tables import Table, row, table_pairs
from hypothesis import example, given
from hypothesis import strategies as st

from skgad.preprocessing import TabularEncoder

parameters = st.fixed_dictionaries(
    {},
    optional={
        "numeric": st.sampled_from(
            ["standard", "minmax", "quantile", "piecewise", "piecewise+frequency"]
        ),
        "categorical_features": st.sampled_from([[0], ["a"], [False, True], [7], ["nothing"], []]),
        "min_frequency": st.sampled_from([1, 2, 0.5, 100]),
        "max_categories": st.sampled_from([1, 2, 3, None]),
        "high_cardinality": st.sampled_from(["infrequent", "hash"]),
        "date_cycles": st.sampled_from([None, ["day"], ["year", "week"], ["century"]]),
        "clip": st.booleans(),
        "dtype": st.sampled_from([np.float32, np.float64]),
    },
)


def one_column(library, values, dtype, new=None):
    """A table of one column and one of new rows."""
    train = Table(library, [("a", values, dtype)])
    return train, Table(library, [("a", values if new is None else new, dtype)])


DATE, LATER = dt.datetime(2000, 1, 1), dt.datetime(2001, 1, 1, 0, 0, 1)
EARLIER = pd.DataFrame({"a": [1.0, 2.5, np.nan], "b": ["x", "y", "x"]})


@fuzz(share=0.4)
@given(tables=table_pairs(), params=parameters)
@example(one_column("polars", [0.0], pl.Float64), {"categorical_features": [False, True]})
@example(one_column("pandas", [None], "float16"), {"clip": False})
@example(one_column("pyarrow", [None], pa.decimal128(10, 2)), {"clip": False})
@example(one_column("polars", [None], pl.Decimal(20, 5)), {"clip": False})
@example(
    (
        Table("array", [("a", [0, 1, 2], "float64"), ("b", [DATE, LATER, None], "object")], 3),
        Table("array", [("a", [0, 1], "float64"), ("b", [None, None], "object")]),
    ),
    {"date_cycles": ["day"]},
)
@example(
    one_column("list", ["a", "\ud800", "b"], "object"),
    {"high_cardinality": "hash", "max_categories": 1},
)
@example(one_column("list", [1, 10**400], "object"), {})
@example(one_column("list", [0, 0, False], "object"), {})
def test_any_table_is_encoded_and_decoded_or_rejected(tables, params):
    train, new = (table.build() for table in tables)
    if train is None:
        return
    encoder = TabularEncoder().fit(EARLIER)
    before = encoder.transform(EARLIER)
    encoder.set_params(**params)
    if attempt(encoder.fit, train) is REJECTED:
        encoder.set_params(dtype=np.float32)
        assert_same_bits(encoder.transform(EARLIER), before)
        return
    for table in (train, new):
        if table is None:
            continue
        codes = attempt(encoder.transform, table)
        assert table is new or codes is not REJECTED
        if codes is REJECTED:
            continue
        assert np.isfinite(codes).all()
        assert len(codes) == (len(table) if isinstance(table, list) else table.shape[0])
        for i in range(min(len(codes), 6)):
            alone = attempt(encoder.transform, row(table, i))
            if alone is REJECTED:  # numpy infers the type of lists from all rows
                assert isinstance(table, list)
            else:
                assert_same_bits(alone[0], codes[i])
        decoded = attempt(encoder.inverse_transform, codes)
        assert decoded.shape == (len(codes), encoder.n_features_in_)
        assert isinstance(decoded, (type(table), np.ndarray))
    n_codes = len(attempt(encoder.get_feature_names_out))
    generated = np.random.default_rng(0).normal(size=(5, n_codes))
    generated *= np.array([0.1, 1, 10, 1e6, 1e30])[:, None]
    assert attempt(encoder.inverse_transform, generated) is not REJECTED
