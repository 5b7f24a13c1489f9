"""Values that one pass of a batch hands on to the next come out bit by bit."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.fraud import EXTENDED
from features.packing import packed, unpacked

FEATURES = EXTENDED.features[:6]


@given(st.integers(1, 40), st.integers(0, 2**31), st.integers(1, 5))
def test_values_survive_among_rows_that_have_none_in_any_chunks(
    rows: int, seed: int, chunks: int
) -> None:
    rng = np.random.default_rng(seed)
    bits = rng.integers(-(2**63), 2**63 - 1, (len(FEATURES), rows))
    columns = [each.view(feature.dtype) for feature, each in zip(FEATURES, bits, strict=True)]
    places = np.sort(rng.choice(3 * rows, rows, replace=False))
    values: list[bytes | None] = [None] * (3 * rows)
    for place, value in zip(places.tolist(), packed(columns).to_pylist(), strict=True):
        values[place] = value
    whole, cuts = pa.array(values, pa.binary()), np.linspace(0, 3 * rows, chunks + 1).astype(int)
    column = pa.chunked_array([whole[a:b] for a, b in pairwise(cuts)], pa.binary())
    order = rng.permutation(rows)
    values_again = unpacked(column, places[order], FEATURES)
    for feature, each in zip(FEATURES, columns, strict=True):
        assert values_again[feature.name].dtype == feature.dtype
        assert (values_again[feature.name].view(np.int64) == each[order].view(np.int64)).all()


@pytest.mark.parametrize(
    "chunks", [[], [pa.array([None, None], pa.binary())]], ids=["no chunk", "only nulls"]
)
def test_no_rows_have_no_values(chunks: list[pa.Array]) -> None:
    values = unpacked(pa.chunked_array(chunks, pa.binary()), np.empty(0, dtype=np.intp), FEATURES)
    assert {name: len(column) for name, column in values.items()} == dict.fromkeys(
        (f.name for f in FEATURES), 0
    )
