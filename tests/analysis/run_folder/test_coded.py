"""Text columns as numbers: what goes in comes out, wherever it came from."""

import numpy as np
import pandas as pd
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.run_folder.coded import Coded, from_arrow, from_texts, places_in, to_texts

TEXTS = st.lists(st.one_of(st.none(), st.text(max_size=3)), max_size=30)


def series(texts):
    return pd.Series(texts, dtype="str")


@settings(deadline=None, max_examples=60)
@given(TEXTS, TEXTS)
def test_texts_come_out_as_they_went_in(first, second):
    kind = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    chunks = pyarrow.chunked_array([pyarrow.array(texts, pyarrow.string()).cast(kind) for texts in (first, second)])
    columns = pyarrow.table({"a": chunks}).unify_dictionaries().combine_chunks()
    wanted = series(first + second)
    for coded in (from_arrow(columns.column("a")), from_texts(wanted)):
        assert len(coded.names) <= len(set(first + second))
        pd.testing.assert_series_equal(pd.Series(to_texts(coded)), wanted)


def test_rows_and_places_by_hand():
    column = from_texts(series(["b", "a", None, "b"]))
    assert column.codes.tolist() == [0, 1, -1, 0]
    assert to_texts(column.rows(np.array([3, 1]))).tolist() == ["b", "a"]
    known = series(["a", "x", "b"])
    assert places_in(known, Coded(np.array([1, 0, 1]), pd.Index(["a", "b"], dtype="str"))).tolist() == [2, 0, 2]


@pytest.mark.parametrize("rows", [0, 3])
def test_a_column_without_any_text(rows):
    column = from_texts(series([None] * rows))
    assert list(column.names) == []
    assert pd.isna(to_texts(column)).all()
    assert to_texts(column).dtype == "str"
