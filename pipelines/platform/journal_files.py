"""The journal in files: segments of records in a folder, for the workers of one machine.

A batch of answers costs one lock, one look at what is new and one write: the files stay open between batches.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.platform.errors import StoreError
from pipelines.platform.journal import ARRIVED, ERASED, RUNBOOK, TIME, Chosen, Journal

SEGMENT_BYTES = 64 << 20
_SEGMENT = re.compile(r"(\d{12})\.journal")


@dataclass(slots=True)
class _Opened:
    """A segment that is open: its number and descriptor (-1: none is)."""

    number: int
    file: int = -1

    def close(self) -> None:
        if self.file >= 0:
            os.close(self.file)
            self.file = -1


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
        self._own: deque[tuple[int, int, int]] = deque()  # segment, first byte and past the last of an own write
        with self._failing("the journal cannot be opened"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            first = min(self._segments(), default=0)
        self._reading, self._writing = _Opened(first), _Opened(first)
        self._offset = 0

    def append(self, records: NDArray[np.int64]) -> None:
        """Write records together; raises `StoreError` where the disk does not take them."""
        content = np.ascontiguousarray(records, dtype="<i8").tobytes()
        with self._failing("the journal does not take records"), self._locked():
            begin = self._writable()
            file = self._writing.file
            if begin % self._size:  # the end of a write that was cut short
                begin -= begin % self._size
                os.ftruncate(file, begin)
            if os.write(file, content) != len(content):
                os.ftruncate(file, begin)
                raise OSError("the disk took a part only")
            self._own.append((self._writing.number, begin, begin + len(content)))

    def news(self) -> NDArray[np.int64]:
        """What others wrote since the last call."""
        parts = []
        with self._failing("the journal cannot be read"), self._locked(fcntl.LOCK_SH):
            parts.append(self._rest())
            while (following := self._following()) is not None:
                self._reading.close()
                self._reading.number, self._offset = following, 0
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
                Path(self._path(number)).unlink()

    def erase(self, chosen: Chosen) -> int:
        """Overwrite records in their places: whoever reads further on is not disturbed."""
        count = 0
        with self._failing("records of the journal cannot be erased"), self._locked():
            for number in self._segments():
                records = self._whole(number)
                marked = np.flatnonzero(chosen(records))
                with Path(self._path(number)).open("r+b") as file:
                    for place in marked.tolist():
                        file.seek(place * self._size)
                        file.write(np.array([ERASED, *[0] * (self._width - 1)], dtype="<i8").tobytes())
                count += len(marked)
        return count

    def close(self) -> None:
        """Close the files."""
        for opened in (self._reading, self._writing):
            opened.close()
        os.close(self._lock)

    def _rest(self) -> bytes:
        """What is unread of the segment at hand, without this reader's own; whole records only."""
        if self._reading.file < 0:
            try:
                self._reading.file = os.open(self._path(self._reading.number), os.O_RDONLY)
            except FileNotFoundError:
                return b""
        size = os.fstat(self._reading.file).st_size
        past = size - size % self._size
        kept = []
        while self._own and self._own[0][:2] < (self._reading.number, past):
            number, begin, end = self._own.popleft()
            if number == self._reading.number:
                kept.append(self._read(self._offset, begin))
                self._offset = end
        kept.append(self._read(self._offset, past))
        self._offset = max(self._offset, past)
        return b"".join(kept)

    def _read(self, first: int, past: int) -> bytes:
        return os.pread(self._reading.file, past - first, first) if first < past else b""

    def _following(self) -> int | None:
        """The segment after the one at hand, None where that is the newest."""
        number = self._reading.number
        if os.access(self._path(number + 1), os.F_OK):
            return number + 1
        if self._reading.file >= 0 and os.fstat(self._reading.file).st_nlink:
            return None
        return min((each for each in self._segments() if each > number), default=None)

    def _writable(self) -> int:
        """Open the segment to append to: the newest, or a new one where that is full; how many bytes it has."""
        opened = self._writing
        if opened.file >= 0 and not os.fstat(opened.file).st_nlink:
            opened.close()
        if opened.file < 0:
            opened.number = max(self._segments(), default=opened.number)
        newest = opened.number
        while os.access(self._path(newest + 1), os.F_OK):
            newest += 1
        self._open_for_writing(newest)
        size = os.fstat(opened.file).st_size
        if size < self._segment_bytes:
            return size
        self._open_for_writing(newest + 1)
        return os.fstat(opened.file).st_size

    def _open_for_writing(self, number: int) -> None:
        if self._writing.file >= 0 and self._writing.number == number:
            return
        self._writing.close()
        self._writing.number = number
        self._writing.file = os.open(self._path(number), os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)

    def _whole(self, number: int) -> NDArray[np.int64]:
        """The whole records of a segment."""
        records = np.fromfile(self._path(number), dtype="<i8")
        return records[: len(records) // self._width * self._width].reshape(-1, self._width)

    def _segments(self) -> list[int]:
        found = (_SEGMENT.fullmatch(path.name) for path in self._folder.iterdir())
        return [int(match.group(1)) for match in found if match]

    def _path(self, number: int) -> str:
        return f"{self._folder}/{number:012d}.journal"

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
