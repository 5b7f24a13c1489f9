"""Values of features on their way from one pass of a batch to the next: those of a row as one value
of bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from features.feature import Feature

if TYPE_CHECKING:
    import pyarrow as pa

WIDTH = 8
"""Bytes of a value: all are int64 or float64."""


def packed(columns: Sequence[NDArray[Any]]) -> pa.Array:
    """Columns of one length as an Arrow BINARY array: the i-th holds the bits of the i-th value of
    each, in order.
    """
    import pyarrow as pa

    cells = np.stack([np.ascontiguousarray(column).view(np.int64) for column in columns], axis=1)
    ends = np.arange(len(cells) + 1, dtype=np.int32) * (WIDTH * len(columns))
    return pa.Array.from_buffers(
        pa.binary(), len(cells), [None, pa.py_buffer(ends), pa.py_buffer(cells)]
    )


def unpacked(
    column: pa.ChunkedArray, rows: NDArray[np.intp], features: Sequence[Feature]
) -> dict[str, NDArray[Any]]:
    """The values of `features` that `packed` put into those rows of a column, by name; other rows
    may be null.
    """
    there = np.flatnonzero(column.is_valid().to_numpy())
    bits = np.concatenate(
        [np.empty(0, dtype=np.uint8), *(_bytes(chunk) for chunk in column.chunks)]
    )
    cells = bits.view(np.int64).reshape(len(there), len(features))
    places = np.searchsorted(there, rows)
    return {
        feature.name: cells[places, index].view(np.dtype(feature.dtype))
        for index, feature in enumerate(features)
    }


def _bytes(chunk: pa.Array) -> NDArray[np.uint8]:
    """The bytes of all values of a BINARY array, one after the other."""
    _, ends, values = chunk.buffers()
    bounds = np.frombuffer(ends, dtype=np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
    if values is None:
        return np.empty(0, dtype=np.uint8)
    return np.frombuffer(values, dtype=np.uint8)[bounds[0] : bounds[-1]]
