"""The journal in files: segments of records in a folder, for the workers of one machine.

A batch of answers costs one lock, one look at what is new and one write: the files stay open
between batches. The file that is locked says which stream the folder holds and how far it has come,
so that a segment that was cut off, removed or exchanged is seen by whoever comes next.
"""

from __future__ import annotations

import fcntl
import os
import re
import struct
import uuid
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.base.errors import StoreError
from pipelines.journal.journal import ARRIVED, ERASED, RUNBOOK, TIME, Chosen, Journal, lost_stream

SEGMENT_BYTES = 64 << 20
_SEGMENT = re.compile(r"(\d{12})\.journal")


_EXTENT = struct.Struct("<16s16sqqq")


@dataclass(frozen=True, slots=True)
class _Extent:
    """What the locked file says: the stream and the one before it, the newest segment and its
    bytes, and the newest that was forgotten (-1: none).
    """

    stream: bytes
    previous: bytes
    newest: int
    size: int
    forgotten: int

    def packed(self) -> bytes:
        return _EXTENT.pack(self.stream, self.previous, self.newest, self.size, self.forgotten)


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
    """Segments of records in a folder, appended to under a lock.

    A write that was cut short is cut off by the next.

    What is written survives the death of any process; it is not forced to the disk, so a machine
    that loses its power loses the last seconds, which the next night brings back.
    """

    def __init__(self, folder: Path, width: int, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._folder = folder
        self._width = width
        self._size = 8 * width
        self._segment_bytes = segment_bytes
        self._own: deque[tuple[int, int, int]] = (
            deque()
        )  # segment, first byte and past the last of an own write
        with self._failing("the journal cannot be opened"):
            self._lock = self._open_lock()
            with self._locked():
                extent = self._extent()
                first = min(self._segments(), default=0)
                self._reading, self._writing, self._offset = _Opened(first), _Opened(first), 0
                if extent is None:
                    self._begin(previous=b"")
                else:
                    self._join(extent)
                    if why := self._gap(extent):
                        self._begin_anew(why)

    def append(self, records: NDArray[np.int64]) -> None:
        """Write records together; raises `StoreError` where the disk does not take them."""
        content = np.ascontiguousarray(records, dtype="<i8").tobytes()
        with self._failing("the journal does not take records"), self._locked():
            if why := self._wrong():
                raise lost_stream(str(self._folder), why)
            begin = self._writable()
            file = self._writing.file
            if begin % self._size:  # the end of a write that was cut short
                begin -= begin % self._size
                os.ftruncate(file, begin)
            if os.write(file, content) != len(content):
                os.ftruncate(file, begin)
                raise OSError("the disk took a part only")
            self._own.append((self._writing.number, begin, begin + len(content)))
            self._note(newest=self._writing.number, size=begin + len(content))

    def news(self) -> NDArray[np.int64]:
        """What others wrote since the last call."""
        parts = []
        with self._failing("the journal cannot be read"), self._locked():
            if why := self._wrong():
                self._begin_anew(why)
            parts.append(self._rest())
            while (following := self._following()) is not None:
                self._reading.close()
                self._reading.number, self._offset = following, 0
                parts.append(self._rest())
        content = b"".join(parts)
        return (
            np.frombuffer(content, dtype="<i8")
            .astype(np.int64, copy=False)
            .reshape(-1, self._width)
        )

    def forget(self, before: int) -> None:
        """Remove segments, but for the newest, whose records all came in, and are of instants,
        before that one.
        """
        with self._failing("old segments of the journal cannot be removed"), self._locked():
            for number in sorted(self._segments())[:-1]:
                records = self._whole(number)
                if len(records) and records[:, (ARRIVED, TIME)].max() >= before:
                    break
                self._note(forgotten=number)
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
                        file.write(
                            np.array([ERASED, *[0] * (self._width - 1)], dtype="<i8").tobytes()
                        )
                count += len(marked)
        return count

    def close(self) -> None:
        """Close the files."""
        for opened in (self._reading, self._writing):
            opened.close()
        os.close(self._lock)

    def _open_lock(self) -> int:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)

    def _extent(self) -> _Extent | None:
        """What the locked file says; None where it says nothing (a new folder, one of before, an
        emptied file).
        """
        content = os.pread(self._lock, _EXTENT.size, 0)
        return _Extent(*_EXTENT.unpack(content)) if len(content) == _EXTENT.size else None

    def _write_extent(self, extent: _Extent) -> None:
        os.pwrite(self._lock, extent.packed(), 0)

    def _note(
        self, *, newest: int | None = None, size: int | None = None, forgotten: int | None = None
    ) -> None:
        """Say how far the stream has come; what is left out stays."""
        extent = self._extent()
        if extent is None:
            return
        changed = replace(
            extent,
            newest=extent.newest if newest is None else newest,
            size=extent.size if size is None else size,
            forgotten=extent.forgotten if forgotten is None else forgotten,
        )
        self._write_extent(changed)

    def _join(self, extent: _Extent) -> None:
        self.stream, self.previous = extent.stream.hex(), extent.previous.strip(b"\0").hex()

    def _begin(self, previous: bytes) -> None:
        """Begin a stream of the segments that are there."""
        numbers = self._segments()
        newest = max(numbers, default=0)
        size = Path(self._path(newest)).stat().st_size if numbers else 0
        extent = _Extent(
            stream=uuid.uuid4().bytes,
            previous=previous.ljust(16, b"\0"),
            newest=newest,
            size=size - size % self._size,
            forgotten=min(numbers, default=0) - 1,
        )
        self._write_extent(extent)
        self._join(extent)

    def _begin_anew(self, why: str) -> None:
        """After a loss: join the stream that another has begun meanwhile, or begin one; read it
        from its start.
        """
        before = bytes.fromhex(self.stream)
        if not self._lock_is_in_place():
            opened = self._open_lock()
            fcntl.flock(opened, fcntl.LOCK_EX)
            os.close(self._lock)
            self._lock = opened
        extent = self._extent()
        if extent is not None and extent.stream != before:
            self._join(extent)
        else:
            self._begin(previous=before)
        for opened_segment in (self._reading, self._writing):
            opened_segment.close()
        first = min(self._segments(), default=0)
        self._reading.number = self._writing.number = first
        self._offset = 0
        self._own.clear()
        self.losses += 1
        self.why = why

    def _wrong(self) -> str:
        """What is not as this reader left it and as the locked file says, or nothing."""
        if not self._lock_is_in_place():
            return "its folder was removed or exchanged"
        extent = self._extent()
        if extent is None or extent.stream.hex() != self.stream:
            return (
                "another process found it lost" if extent else "the file that is locked was emptied"
            )
        newest = self._status(extent.newest)
        if extent.size and (newest is None or newest.st_size < extent.size):
            return (
                f"segment {extent.newest} was removed"
                if newest is None
                else f"segment {extent.newest} was cut off"
            )
        if self._reading.file >= 0:
            held = os.fstat(self._reading.file)
            if not held.st_nlink and self._reading.number > extent.forgotten:
                return f"segment {self._reading.number} was removed"
            if held.st_nlink and held.st_size < self._offset:
                return f"segment {self._reading.number} was cut off"
            if (
                newest is not None
                and self._reading.number == extent.newest
                and held.st_ino != newest.st_ino
            ):
                return f"segment {extent.newest} was exchanged"
        return ""

    def _gap(self, extent: _Extent) -> str:
        """Which segments a newcomer misses, or nothing."""
        there = set(self._segments())
        wanted = range(extent.forgotten + 1, extent.newest + 1) if extent.size else range(0)
        missing = [number for number in wanted if number not in there]
        return (
            f"segments are missing: {', '.join(map(str, missing[:5]))}"
            if missing
            else self._wrong()
        )

    def _lock_is_in_place(self) -> bool:
        held = os.fstat(self._lock)
        try:
            in_place = (self._folder / "lock").stat()
        except FileNotFoundError:
            return False
        return (held.st_dev, held.st_ino) == (in_place.st_dev, in_place.st_ino)

    def _status(self, number: int) -> os.stat_result | None:
        try:
            return Path(self._path(number)).stat()
        except FileNotFoundError:
            return None

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
        """Open the segment to append to: the newest, or a new one where that is full; how many
        bytes it has.
        """
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
        self._writing.file = os.open(
            self._path(number), os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600
        )

    def _whole(self, number: int) -> NDArray[np.int64]:
        """The whole records of a segment."""
        records = np.fromfile(self._path(number), dtype="<i8")
        return records[: len(records) // self._width * self._width].reshape(-1, self._width)

    def _segments(self) -> list[int]:
        matches = (_SEGMENT.fullmatch(path.name) for path in self._folder.iterdir())
        return [int(match.group(1)) for match in matches if match]

    def _path(self, number: int) -> str:
        return f"{self._folder}/{number:012d}.journal"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.flock(self._lock, fcntl.LOCK_EX)
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
                next_step=(
                    "make room; what was answered meanwhile is seen by the other workers after the"
                    " next night"
                ),
                runbook=RUNBOOK,
            ) from error
