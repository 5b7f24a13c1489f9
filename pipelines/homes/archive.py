"""A backup as one file: a tar of plain files, its manifest last, and after it one line with the
SHA-256 of all of it.

The manifest holds size, SHA-256, mode and time of every file; what tar itself says of them is not
believed. Nothing but plain files with plain relative names is taken out again.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pipelines.base.errors import PermanentError, TransientError
from pipelines.base.home import RUNBOOK

FORMAT = 1
MANIFEST = "MANIFEST.json"
_TRAILER = b"tollgate backup sha256 %s\n"
_TRAILER_BYTES = len(_TRAILER % (b"0" * 64))
_BLOCK = 1 << 20
_PLAIN = re.compile(r"(?!\.{1,2}(/|$))[^/\\\x00]+(/(?!\.{1,2}(/|$))[^/\\\x00]+)*")
"""A relative path with no part that is empty, `.` or `..`."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A file of a backup: `name` within it, bytes, SHA-256 (hex), permissions, and time of change
    (ns since 1970).
    """

    name: str
    size: int
    sha256: str
    mode: int
    changed: int


class ArchiveWriter:
    """Writes files one after the other; `finish` writes the manifest and the last line."""

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._file = os.fdopen(descriptor, "wb")
        self._hashing = _Hashing(self._file)
        self._tar = tarfile.TarFile(fileobj=self._hashing, mode="w", format=tarfile.PAX_FORMAT)  # type: ignore[arg-type]
        self.kept: list[Kept] = []

    def add(self, name: str, source: Path) -> None:
        """Add a file as it is now: the bytes that it has when it is opened, also where more are
        appended meanwhile.

        Raises `FileNotFoundError` where it is not there (any more), `TransientError` where it
        shrinks meanwhile.
        """
        with source.open("rb") as file:
            status = os.fstat(file.fileno())
            self._add(
                name,
                file,
                size=status.st_size,
                mode=status.st_mode & 0o777,
                changed=status.st_mtime_ns,
            )

    def add_bytes(self, name: str, content: bytes, *, mode: int, changed: int) -> None:
        """Add a file whose content is at hand."""
        self._add(name, io.BytesIO(content), size=len(content), mode=mode, changed=changed)

    def finish(self, document: dict[str, Any]) -> None:
        """Write the manifest, the document in it, and the digest of all; force it to the disk."""
        whole = {**document, "format": FORMAT, "files": [vars(file) for file in self.kept]}
        content = json.dumps(whole, indent=1).encode()
        self._tar.addfile(_header(MANIFEST, len(content), 0o600, 0), io.BytesIO(content))
        self._tar.close()
        self._file.write(_TRAILER % self._hashing.digest().encode())
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def close(self) -> None:
        """Leave off; what was written is no backup."""
        self._file.close()

    def _add(self, name: str, file: IO[bytes], *, size: int, mode: int, changed: int) -> None:
        reading = _Counting(file, size)
        try:
            self._tar.addfile(_header(name, size, mode, changed), reading)
        except OSError as error:
            if reading.left:
                raise _changed(name) from error
            raise
        if reading.left:
            raise _changed(name)
        self.kept.append(
            Kept(name=name, size=size, sha256=reading.digest(), mode=mode, changed=changed)
        )


@contextmanager
def opened(path: Path) -> Iterator[tuple[dict[str, Any], tarfile.TarFile, dict[str, Kept]]]:
    """A whole backup: its document, its tar, and its files by name.

    Raises `PermanentError` where a byte differs from what was written, or a name or kind of file is
    none that a backup has; nothing was taken out of it then.
    """
    try:
        with path.open("rb") as file:
            _require_whole(path, file)
            file.seek(0)
            with tarfile.open(fileobj=file, mode="r:") as tar:
                document, kept = _manifest(path, tar)
                yield document, tar, kept
    except (OSError, tarfile.TarError, ValueError, KeyError, TypeError, EOFError) as error:
        raise unusable(path, f"{type(error).__name__}: {error}") from error


def take_out(
    path: Path, tar: tarfile.TarFile, kept: dict[str, Kept], target: Callable[[str], Path]
) -> None:
    """Write every file to where `target(name)` says, with its mode and time; raises
    `PermanentError` as `opened`.
    """
    for member in tar:
        if member.name == MANIFEST:
            continue
        entry = kept[member.name]
        to = target(entry.name)
        to.parent.mkdir(parents=True, exist_ok=True)
        source = tar.extractfile(member)
        assert source is not None
        descriptor = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        digest = hashlib.sha256()
        with os.fdopen(descriptor, "wb") as file:
            while block := source.read(_BLOCK):
                digest.update(block)
                file.write(block)
        if digest.hexdigest() != entry.sha256:
            raise unusable(path, f"{entry.name} has other bytes than were backed up")
        to.chmod(entry.mode & 0o777)
        os.utime(to, ns=(entry.changed, entry.changed))


def unusable(path: Path, problem: str) -> PermanentError:
    """The error for a file that is no whole backup."""
    return PermanentError(
        "this is no whole backup of a home; nothing was restored",
        where=str(path),
        expected=(
            f"a file that `tollgate backup` wrote, format {FORMAT}, every byte as it was written"
        ),
        found=problem,
        next_step="take another copy of the backup, or an older one",
        runbook=RUNBOOK,
    )


class _Hashing:
    """A file that is only written to, and what SHA-256 says of it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = hashlib.sha256()

    def tell(self) -> int:
        return self._file.tell()

    def write(self, content: bytes) -> int:
        self._digest.update(content)
        return self._file.write(content)

    def digest(self) -> str:
        return self._digest.hexdigest()


class _Counting:
    """The first `left` bytes of a file, counted and hashed as they are read."""

    def __init__(self, file: IO[bytes], left: int) -> None:
        self._file = file
        self.left = left
        self._digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(self.left if size < 0 else min(size, self.left))
        self._digest.update(content)
        self.left -= len(content)
        return content

    def digest(self) -> str:
        return self._digest.hexdigest()


def _header(name: str, size: int, mode: int, changed: int) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.size, header.mode, header.mtime = size, mode, changed // 10**9
    return header


def _require_whole(path: Path, file: IO[bytes]) -> None:
    """The last line is the digest of everything before it."""
    size = os.fstat(file.fileno()).st_size - _TRAILER_BYTES
    if size <= 0:
        raise unusable(path, "a file that is too short to be one")
    digest, left = hashlib.sha256(), size
    while left:
        block = file.read(min(_BLOCK, left))
        if not block:
            raise unusable(path, "it was cut off while it was read")
        digest.update(block)
        left -= len(block)
    if file.read() != _TRAILER % digest.hexdigest().encode():
        raise unusable(
            path,
            "its last line is not the SHA-256 of what stands before it: it was cut off or changed",
        )


def _manifest(path: Path, tar: tarfile.TarFile) -> tuple[dict[str, Any], dict[str, Kept]]:
    members = tar.getmembers()
    if not members or members[-1].name != MANIFEST:
        raise unusable(path, "no manifest at its end")
    content = tar.extractfile(members[-1])
    assert content is not None
    document = json.loads(content.read())
    if document["format"] != FORMAT:
        raise unusable(path, f"format {document['format']}")
    kept = {entry["name"]: Kept(**entry) for entry in document.pop("files")}
    names = [member.name for member in members[:-1]]
    odd = [
        member.name
        for member in members
        if member.type != tarfile.REGTYPE or not _PLAIN.fullmatch(member.name)
    ]
    if odd:
        raise unusable(path, f"{odd[0]!r} is no plain file with a plain name")
    if len(set(names)) != len(names) or set(names) != set(kept):
        raise unusable(path, "its files are not those of its manifest")
    return document, kept


def _changed(name: str) -> TransientError:
    return TransientError(
        "a file changed while it was backed up; there is no backup",
        where=name,
        next_step="run the same command again",
        runbook=RUNBOOK,
    )
