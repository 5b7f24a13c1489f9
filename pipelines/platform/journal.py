"""The stream as it was taken in: every event and report since the last rebuild, shared by all who serve.

A worker reads what the others wrote before it answers, and writes its own before its answer leaves: what one has
answered, the next one sees, whichever of them takes it. After a crash the states are the nightly rebuild and this.
`FileJournal` is for the workers of one machine, `pipelines.platform.journal_redis` for several.

A record is int64 numbers: `EVENT` or `REPORT` (`ERASED`: nothing), when it came in, the event's id, its time or the
report's (all in µs since 1970 UTC), the amount (cents; 0 in a report), and the event's entity keys in the schema's
order (0 in a report).
"""

from __future__ import annotations

import fcntl
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from features.kernel import NEVER, Events
from pipelines.platform.errors import StoreError

EVENT, REPORT, ERASED = 0, 1, 2
KIND, ARRIVED, ID, TIME, CENTS, KEYS = range(6)
"""Columns of a record; the keys go on from the last."""

SEGMENT_BYTES = 64 << 20
_SEGMENT = re.compile(r"(\d{12})\.journal")
RUNBOOK = "docs/runbooks/serving.md"


Chosen = Callable[[NDArray[np.int64]], NDArray[np.bool_]]
"""Which of some records (n, width)."""


class Journal(ABC):
    """Records of whole batches in one order, the same for all readers; each reader has a place of its own."""

    @abstractmethod
    def append(self, records: NDArray[np.int64]) -> None:
        """Write records (n, width) together; raises `StoreError` where they are not kept, and then none is."""

    @abstractmethod
    def news(self) -> NDArray[np.int64]:
        """What others wrote since the last call (this reader's own records are left out); all of it at first."""

    @abstractmethod
    def forget(self, before: int) -> None:
        """Let go what came in before that instant (µs), and is of an instant before it: a night's rebuild holds it."""

    @abstractmethod
    def erase(self, chosen: Chosen) -> int:
        """Make the records that `chosen` marks nothing, for all readers to come; returns how many there were."""

    @abstractmethod
    def close(self) -> None:
        """Let go of files or connections."""


def event_records(events: Events, entities: Sequence[str], arrived: int) -> NDArray[np.int64]:
    """Events as records; `entities` names their keys in the schema's order, `arrived` is in µs."""
    records = np.empty((len(events), KEYS + len(entities)), dtype=np.int64)
    records[:, KIND], records[:, ARRIVED] = EVENT, arrived
    records[:, ID], records[:, TIME], records[:, CENTS] = events.id, events.time, events.cents
    for place, name in enumerate(entities):
        records[:, KEYS + place] = events.keys[name]
    return records


def report_records(
    ids: NDArray[np.int64], reported_at: NDArray[np.int64], entities: Sequence[str], arrived: int
) -> NDArray[np.int64]:
    """Reports as records."""
    records = np.zeros((len(ids), KEYS + len(entities)), dtype=np.int64)
    records[:, KIND], records[:, ARRIVED] = REPORT, arrived
    records[:, ID], records[:, TIME] = ids, reported_at
    return records


def events_of(records: NDArray[np.int64], entities: Sequence[str]) -> Events:
    """The events among the records, in their order."""
    kept = records[records[:, KIND] == EVENT]
    return Events(
        id=kept[:, ID].copy(),
        time=kept[:, TIME].copy(),
        cents=kept[:, CENTS].copy(),
        reported=np.full(len(kept), NEVER),
        keys={name: kept[:, KEYS + place].copy() for place, name in enumerate(entities)},
    )


class FileJournal(Journal):
    """Segments of records in a folder, appended to under a lock. A write that was cut short is cut off by the next.

    What is written survives the death of any process; it is not forced to the disk, so a machine that loses its power
    loses the last seconds, which the next night brings back.
    """

    def __init__(self, folder: Path, width: int, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._folder = folder
        self._width = width
        self._size = 8 * width
        self._segment_bytes = segment_bytes
        self._own: list[tuple[int, int, int]] = []  # segment, first byte and past the last of what this one wrote
        with self._failing("the journal cannot be opened"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        self._reading = min(self._segments(), default=0)
        self._writing = self._reading
        self._offset = 0

    def append(self, records: NDArray[np.int64]) -> None:
        """Write records together; raises `StoreError` where the disk does not take them."""
        content = np.ascontiguousarray(records, dtype="<i8").tobytes()
        with self._failing("the journal does not take records"), self._locked():
            number = self._writable()
            file = os.open(self._path(number), os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                begin = os.fstat(file).st_size
                if begin % self._size:  # the end of a write that was cut short
                    begin -= begin % self._size
                    os.ftruncate(file, begin)
                if os.write(file, content) != len(content):
                    os.ftruncate(file, begin)
                    raise OSError("the disk took a part only")
            finally:
                os.close(file)
            self._own.append((number, begin, begin + len(content)))

    def news(self) -> NDArray[np.int64]:
        """What others wrote since the last call."""
        parts = []
        with self._failing("the journal cannot be read"), self._locked(fcntl.LOCK_SH):
            following = self._following()
            parts.append(self._rest())
            while following is not None:
                self._reading, self._offset = following, 0
                following = self._following()
                parts.append(self._rest())
        content = b"".join(parts)
        return np.frombuffer(content, dtype="<i8").astype(np.int64, copy=False).reshape(-1, self._width)

    def forget(self, before: int) -> None:
        """Remove segments, but for the newest, whose records all came in, and are of instants, before that one."""
        with self._failing("old segments of the journal cannot be removed"), self._locked():
            for number in sorted(self._segments())[:-1]:
                records = self._whole(number)
                if len(records) and records[:, (ARRIVED, TIME)].max() >= before:
                    break
                self._path(number).unlink()

    def erase(self, chosen: Chosen) -> int:
        """Overwrite records in their places: whoever reads further on is not disturbed."""
        count = 0
        with self._failing("records of the journal cannot be erased"), self._locked():
            for number in self._segments():
                records = self._whole(number)
                marked = np.flatnonzero(chosen(records))
                with self._path(number).open("r+b") as file:
                    for place in marked.tolist():
                        file.seek(place * self._size)
                        file.write(np.array([ERASED, *[0] * (self._width - 1)], dtype="<i8").tobytes())
                count += len(marked)
        return count

    def close(self) -> None:
        """Close the lock's file."""
        os.close(self._lock)

    def _following(self) -> int | None:
        """The segment after the one at hand, None where that is the newest."""
        if self._path(self._reading + 1).exists():
            return self._reading + 1
        if self._path(self._reading).exists():
            return None
        return min((number for number in self._segments() if number > self._reading), default=None)

    def _rest(self) -> bytes:
        """What is unread of the segment at hand, without this reader's own; whole records only."""
        try:
            with self._path(self._reading).open("rb") as file:
                file.seek(self._offset)
                content = file.read()
        except FileNotFoundError:
            return b""
        content = content[: len(content) - len(content) % self._size]
        first, past = self._offset, self._offset + len(content)
        self._offset = past
        kept, at = [], first
        for number, begin, end in self._own:
            if number == self._reading and first <= begin < past:
                kept.append(content[at - first : begin - first])
                at = end
        self._own = [own for own in self._own if own[0] > self._reading or own[1] >= past]
        kept.append(content[at - first :])
        return b"".join(kept)

    def _whole(self, number: int) -> NDArray[np.int64]:
        """The whole records of a segment."""
        records = np.fromfile(self._path(number), dtype="<i8")
        return records[: len(records) // self._width * self._width].reshape(-1, self._width)

    def _writable(self) -> int:
        """The segment to append to: the newest, or a new one where that is full."""
        if not self._path(self._writing).exists():
            self._writing = max(self._segments(), default=self._writing)
        while self._path(self._writing + 1).exists():
            self._writing += 1
        path = self._path(self._writing)
        if path.exists() and path.stat().st_size >= self._segment_bytes:
            self._writing += 1
        return self._writing

    def _segments(self) -> list[int]:
        found = (_SEGMENT.fullmatch(path.name) for path in self._folder.iterdir())
        return [int(match.group(1)) for match in found if match]

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:012d}.journal"

    @contextmanager
    def _locked(self, how: int = fcntl.LOCK_EX) -> Iterator[None]:
        fcntl.flock(self._lock, how)
        try:
            yield
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    @contextmanager
    def _failing(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(
                what,
                where=str(self._folder),
                expected="a folder with room that this user may write",
                found=str(error),
                next_step="make room; what was answered meanwhile is seen by the other workers after the next night",
                runbook=RUNBOOK,
            ) from error
