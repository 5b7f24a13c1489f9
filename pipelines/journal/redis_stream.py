"""The journal in a Redis stream, for several machines: one command to write a batch, one to read
the news.

The first entry of a stream says its identity, and each further one bears it. A reader asks from the
entry on that it has read last: where that is gone and nobody has let it go (`forget`, `erase` leave
a mark), Redis was emptied, started again without what it held, or somebody trimmed or deleted the
stream.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.base.errors import StoreError
from pipelines.base.masking import mask_passwords
from pipelines.journal.journal import RUNBOOK, TIME, Chosen, Journal, lost_stream

AT_ONCE = 10_000
"""Entries (batches) of one answer while a newcomer catches up."""

COUNT_EVERY = 5.0
"""Seconds between two looks at how many entries were removed: by whom, a reader of the newest ones
does not see.
"""

_RECORDS, _STREAM = b"r", b"s"
_BEGUN, _BEFORE = b"b", b"p"
_FORGOTTEN, _ERASED = b"f", b"e"
_START = b"-"

Entry = tuple[bytes, dict[bytes, bytes]]


class RedisJournal(Journal):
    """Entries of the stream `key` are batches of records, in the order in which Redis took them."""

    def __init__(self, client: Any, key: str, width: int, *, where: str) -> None:
        self._client, self._key, self._width, self._where = (
            client,
            key,
            width,
            mask_passwords(where),
        )
        self._identity = b""
        self._read = _START
        self._own: set[bytes] = set()
        self._horizon = 0
        self._counted_at = -COUNT_EVERY
        self._too_many = 0

    def append(self, records: NDArray[np.int64]) -> None:
        """Write records together; raises `StoreError` where Redis does not take them, or has lost
        the stream.
        """
        content = np.ascontiguousarray(records, dtype="<i8").tobytes()
        with self._failing("the journal does not take records"):
            self._join_if_new()
            fields = {_RECORDS: content, _STREAM: self._identity}
            name = self._client.xadd(self._key, fields, nomkstream=True)
            if name is None:
                raise lost_stream(self._where, "no stream of that name")
            self._own.add(name)

    def news(self) -> NDArray[np.int64]:
        """What others wrote since the last call."""
        with self._failing("the journal cannot be read"):
            self._join_if_new()
            entries = self._entries(self._read)
            if why := self._wrong(entries) or self._trimmed():
                self._begin_anew(why)
                entries = self._entries(_START)
        parts = [
            fields[_RECORDS]
            for name, fields in entries
            if _RECORDS in fields and name not in self._own and name != self._read
        ]
        marks = [int(fields[_FORGOTTEN]) for _, fields in entries if _FORGOTTEN in fields]
        self._horizon = max([self._horizon, *marks])
        if entries:
            self._read = entries[-1][0]
        self._own.clear()
        content = b"".join(parts)
        return (
            np.frombuffer(content, dtype="<i8")
            .astype(np.int64, copy=False)
            .reshape(-1, self._width)
        )

    def forget(self, before: int) -> None:
        """Trim entries that Redis took before that instant (µs), up to the first that holds an
        instant after it.
        """
        with self._failing("old entries of the journal cannot be trimmed"):
            self._join_if_new()
            last = f"{before // 1000}-0".encode()
            for name, fields in self._client.xrange(self._key, max=b"(" + last):
                records = self._records(fields)
                if len(records) and records[:, TIME].max() >= before:
                    last = name
                    break
            mark = {_FORGOTTEN: last.partition(b"-")[0], _STREAM: self._identity}
            marked = self._client.xadd(self._key, mark, nomkstream=True)
            if marked is not None:  # the mark itself stays, whatever Redis's clock says
                self._client.xtrim(
                    self._key, minid=min(last, marked, key=_place), approximate=False
                )
                self._note_removed()

    def erase(self, chosen: Chosen) -> int:
        """Put entries anew, at the end, without the chosen records: what a reader has read twice
        counts once.
        """
        count = 0
        with self._failing("records of the journal cannot be erased"):
            self._join_if_new()
            for name, fields in self._client.xrange(self._key):
                records = self._records(fields)
                marked = chosen(records)
                if marked.any():
                    self.append(records[~marked])
                    mark = {_ERASED: name, _STREAM: self._identity}
                    with self._client.pipeline() as together:
                        together.xadd(self._key, mark, nomkstream=True)
                        together.xdel(self._key, name)
                        together.execute()
                    count += int(marked.sum())
            if count:
                self._note_removed()
        return count

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _join_if_new(self) -> None:
        if not self._identity:
            self._join(before=b"")

    def _join(self, before: bytes) -> None:
        """Take the identity of the stream that is there, or begin one: of several who do, the first
        has begun it.
        """
        first = self._client.xrange(self._key, count=1)
        if not first:
            self._client.xadd(self._key, {_BEGUN: uuid.uuid4().bytes, _BEFORE: before})
            first = self._client.xrange(self._key, count=1)
        fields = first[0][1]
        self._identity = fields.get(_BEGUN) or fields.get(_STREAM) or b""
        self.stream, self.previous = self._identity.hex(), fields.get(_BEFORE, b"").hex()

    def _entries(self, first: bytes) -> list[Entry]:
        """All entries from one on, that one included."""
        entries: list[Entry] = self._client.xrange(self._key, min=first, count=AT_ONCE)
        part = entries
        while len(part) == AT_ONCE:
            part = self._client.xrange(self._key, min=b"(" + part[-1][0], count=AT_ONCE)
            entries += part
        return entries

    def _wrong(self, entries: list[Entry]) -> str:
        """What says that the stream is not the one that was read before, or nothing."""
        if self._read == _START or (entries and entries[0][0] == self._read):
            return ""
        ours = [fields for _, fields in entries if fields.get(_STREAM) == self._identity]
        horizon = max(
            [self._horizon, *(int(fields[_FORGOTTEN]) for fields in ours if _FORGOTTEN in fields)]
        )
        if ours and int(self._read.partition(b"-")[0]) < horizon:
            return ""
        if any(fields.get(_ERASED) == self._read for fields in ours):
            return ""
        return "the entry that was read last is gone" if entries else "it is empty"

    def _trimmed(self) -> str:
        """Whether more entries were removed than we have let go; looked at now and then, told when
        seen twice.
        """
        now = time.monotonic()
        if now - self._counted_at < COUNT_EVERY:
            return ""
        self._counted_at = now
        removed, counted = self._removed(), self._client.get(self._removed_key)
        if removed is None or counted is None:
            self._note_removed()
            return ""
        self._too_many = self._too_many + 1 if removed > int(counted) else 0
        if self._too_many < 2:
            return ""
        self._note_removed()
        return f"{removed - int(counted)} entries were removed by somebody else"

    def _removed(self) -> int | None:
        """How many entries were ever removed; None where this Redis (before 7.0) does not count
        them.
        """
        import redis

        try:
            stream = self._client.xinfo_stream(self._key)
        except redis.ResponseError:
            return None
        added = stream.get("entries-added")
        return None if added is None else int(added) - int(stream["length"])

    def _note_removed(self) -> None:
        """Say that all that was removed until now was ours to remove."""
        removed = self._removed()
        self._too_many = 0
        if removed is not None:
            self._client.set(self._removed_key, removed)

    @property
    def _removed_key(self) -> str:
        return f"{self._key}:removed"

    def _begin_anew(self, why: str) -> None:
        before, self._identity = self._identity, b""
        self._read, self._horizon = _START, 0
        self._own.clear()
        self._join(before)
        self.losses += 1
        self.why = why

    def _records(self, fields: dict[bytes, bytes]) -> NDArray[np.int64]:
        content = fields.get(_RECORDS, b"")
        return (
            np.frombuffer(content, dtype="<i8")
            .astype(np.int64, copy=False)
            .reshape(-1, self._width)
        )

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
                next_step=(
                    "look at it; answers go out meanwhile, and other workers see them once it is"
                    " back"
                ),
                runbook=RUNBOOK,
            ) from error


def _place(name: bytes) -> tuple[int, int]:
    """Where an entry of that name stands in its stream: milliseconds of Redis's clock, and a number
    within them.
    """
    milliseconds, _, number = name.partition(b"-")
    return int(milliseconds), int(number or b"0")
