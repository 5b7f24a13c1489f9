"""A digest of a training frame: the same rows and columns give the same one, in whatever order they
were read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


def frame_digest(frame: pd.DataFrame, key: Sequence[str]) -> str:
    """SHA-256 (hex) over the rows in order of the columns `key` and the columns in order of their
    names.

    Numbers and times count by their bits (times as microseconds, UTC), other values by their text.
    """
    import pandas as pd

    ordered = frame.sort_values(list(key), kind="stable")
    digest = hashlib.sha256(f"{len(ordered)} rows".encode())
    for name in sorted(ordered.columns):
        column = ordered[name]
        if pd.api.types.is_datetime64_any_dtype(column):
            values = column.to_numpy(dtype="datetime64[us]").view(np.int64)
        elif pd.api.types.is_numeric_dtype(column):
            values = np.ascontiguousarray(column.to_numpy())
        else:
            values = np.frombuffer("\x1f".join(map(str, column)).encode(), dtype=np.uint8)
        digest.update(f"|{name}:{values.dtype}:".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()
