"""Which units a canary decides for: a stable hash of unit and release, the same on every machine
and in every run.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray


def in_canary(units: NDArray[Any], release_id: str, share: float) -> NDArray[np.bool_]:
    """Whether each unit (int64) is one that the release decides for; about `share` of all units
    are.

    The unit's key, salted with the first eight bytes of the release id's SHA-256, goes through
    splitmix64 (Steele, Lea and Flood, 2014); its result over 2^64 is below `share`. Each release
    gets other units, always the same ones.
    """
    salt = np.uint64(int.from_bytes(hashlib.sha256(release_id.encode()).digest()[:8], "big"))
    mixed = _splitmix64(np.asarray(units, dtype=np.int64).astype(np.uint64) ^ salt)
    return np.asarray(mixed.astype(np.float64) / 2.0**64 < share)


def _splitmix64(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
