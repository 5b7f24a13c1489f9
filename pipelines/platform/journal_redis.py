"""The journal in a Redis stream, for several machines: one command to write a batch, one to read the news."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.platform.errors import StoreError
from pipelines.platform.journal import RUNBOOK, TIME, Chosen, Journal
from pipelines.platform.masking import mask_passwords

AT_ONCE = 10_000
"""Entries (batches) of one answer while a newcomer catches up."""

_FIELD = b"r"


class RedisJournal(Journal):
    """Entries of the stream `key` are batches of records, in the order in which Redis took them."""

    def __init__(self, client: Any, key: str, width: int, *, where: str) -> None:
        self._client, self._key, self._width, self._where = client, key, width, mask_passwords(where)
        self._read = b"0-0"
        self._own: set[bytes] = set()

    def append(self, records: NDArray[np.int64]) -> None:
        """Write records together; raises `StoreError` where Redis does not take them."""
        content = np.ascontiguousarray(records, dtype="<i8").tobytes()
        with self._failing("the journal does not take records"):
            self._own.add(self._client.xadd(self._key, {_FIELD: content}))

    def news(self) -> NDArray[np.int64]:
        """What others wrote since the last call."""
        parts: list[bytes] = []
        with self._failing("the journal cannot be read"):
            while entries := self._client.xrange(self._key, min=b"(" + self._read, max=b"+", count=AT_ONCE):
                for name, fields in entries:
                    if name not in self._own:
                        parts.append(fields[_FIELD])
                self._read = entries[-1][0]
                if len(entries) < AT_ONCE:
                    self._own.clear()
                    break
        content = b"".join(parts)
        return np.frombuffer(content, dtype="<i8").astype(np.int64, copy=False).reshape(-1, self._width)

    def forget(self, before: int) -> None:
        """Trim entries that Redis took before that instant (µs), up to the first that holds an instant after it."""
        with self._failing("old entries of the journal cannot be trimmed"):
            last = f"{before // 1000}-0".encode()
            for name, fields in self._client.xrange(self._key, max=b"(" + last):
                records = self._records(fields)
                if len(records) and records[:, TIME].max() >= before:
                    last = name
                    break
            self._client.xtrim(self._key, minid=last, approximate=False)

    def erase(self, chosen: Chosen) -> int:
        """Put entries anew, at the end, without the chosen records: what a reader has read twice counts once."""
        count = 0
        with self._failing("records of the journal cannot be erased"):
            for name, fields in self._client.xrange(self._key):
                records = self._records(fields)
                marked = chosen(records)
                if marked.any():
                    self.append(records[~marked])
                    self._client.xdel(self._key, name)
                    count += int(marked.sum())
        return count

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _records(self, fields: dict[bytes, bytes]) -> NDArray[np.int64]:
        return np.frombuffer(fields[_FIELD], dtype="<i8").astype(np.int64, copy=False).reshape(-1, self._width)

    @contextmanager
    def _failing(self, what: str) -> Iterator[None]:
        import redis

        try:
            yield
        except redis.RedisError as error:
            raise StoreError(
                what,
                where=self._where,
                expected="a Redis that answers and has room",
                found=mask_passwords(f"{type(error).__name__}: {error}"),
                next_step="look at it; answers go out meanwhile, and other workers see them once it is back",
                runbook=RUNBOOK,
            ) from error
