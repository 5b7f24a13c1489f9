"""The landing zone of a use case: `<landing>/<use case>/<feed>/<YYYY-MM-DD>/` with part files and,
written last, the manifest.

A local folder and an `s3://` prefix are the same code. A day without a manifest has not arrived, so
a writer that dies leaves a day that nobody reads; writing a day again first takes its manifest
away.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from pipelines.base.days import parse_day
from pipelines.base.errors import ContractError, NotArrivedError, TollgateError, UsageError
from pipelines.base.settings import Settings
from pipelines.landing.manifest import MANIFEST_NAME, LandedFile, Manifest
from pipelines.landing.part_files import FileFormat, LandedPart, count_rows, encode
from pipelines.object_store.storage import Storage, open_storage

ArrivalState = Literal["no folder", "no manifest", "in the former place", "arrived"]
_NEXT_STEPS = {
    "in the former place": "tollgate home migrate moves it; have the sender use the new place"
}
_FEED = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True)
class Arrival:
    """How far a day of a feed has come: no folder, a folder without its manifest, or arrived.

    `in the former place`: a sender has put it below `<landing>/<feed>`, as earlier versions had it.
    """

    feed: str
    day: date
    where: str
    state: ArrivalState
    manifest: Manifest | None = None

    @property
    def arrived(self) -> bool:
        """Whether the day is there to be read."""
        return self.manifest is not None

    def required(self) -> Manifest:
        """The manifest; raises `NotArrivedError` where there is none."""
        if self.manifest is None:
            raise NotArrivedError.of_feed(
                self.feed,
                f"{self.feed} of {self.day} have not arrived",
                where=self.where,
                day=str(self.day),
                expected=f"a folder with its files and {MANIFEST_NAME}",
                found=self.state,
                next_step=_NEXT_STEPS.get(
                    self.state, "wait for the sender or ask them, then run the same command again"
                ),
            )
        return self.manifest


class Landing:
    """Reads and writes days of feeds.

    Feed names are lower-case words, days are dates: neither can leave the root.
    """

    def __init__(self, storage: Storage, former: Storage | None = None) -> None:
        self.storage = storage
        self._former = former
        """Where earlier versions had the feeds of all use cases."""

    @classmethod
    def of(cls, settings: Settings, use_case: str) -> Landing:
        """The use case's landing zone as the settings place it (folder or `s3://`)."""
        return cls(
            open_storage(settings, settings.landing_of(use_case)),
            open_storage(settings, settings.landing),
        )

    @property
    def address(self) -> str:
        """The root, as a person would write it."""
        return self.storage.address

    def days(self, feed: str) -> list[date]:
        """Days of the feed that have arrived, in order; folders that are not named after a day are
        passed over.
        """
        folder = _checked(feed)
        manifests = (
            path.split("/")
            for path in self.storage.files(folder)
            if path.endswith(f"/{MANIFEST_NAME}")
        )
        return _days_of(manifests)

    def folders(self, feed: str) -> list[date]:
        """Days of the feed that have a file, whether they have arrived or not, in order."""
        paths = (path.split("/") for path in self.storage.files(_checked(feed)))
        return _days_of(paths)

    def arrival(self, feed: str, day: date) -> Arrival:
        """How far the day has come; raises `ContractError` where there is a manifest that cannot be
        understood.
        """
        folder = _folder(feed, day)
        where = f"{self.address}/{folder}"
        content = self.storage.read(f"{folder}/{MANIFEST_NAME}")
        if content is not None:
            manifest = Manifest.parse(content, where=f"{where}/{MANIFEST_NAME}")
            return Arrival(feed, day, where, "arrived", manifest)
        if self.storage.exists(folder):
            return Arrival(feed, day, where, "no manifest")
        if self._former is not None and self._former.exists(folder):
            return Arrival(feed, day, where, "in the former place")
        return Arrival(feed, day, where, "no folder")

    def fetch(self, feed: str, day: date, scratch: Path) -> list[Path]:
        """Local paths of the day's files in the manifest's order, each verified (digest and rows).

        A folder's files are read in place, an object store's are downloaded below `scratch`. Raises
        `NotArrivedError`, and `ContractError` that names the file, what the manifest promised and
        what was found.
        """
        manifest = self.arrival(feed, day).required()
        folder = _folder(feed, day)
        return [
            self._verified(f"{folder}/{file.name}", file, day, scratch) for file in manifest.files
        ]

    def write_day(
        self, feed: str, day: date, parts: Sequence[Any], file_format: FileFormat = "parquet"
    ) -> Manifest:
        """Write a day's Arrow tables as `part-0`, `part-1`, …, then the manifest; in place of what
        the day held.

        Where a file cannot be written, the day is left without a manifest and without new parts
        (`StoreError`).
        """
        folder = _folder(feed, day)
        contents, manifest = _encoded([LandedPart(file_format, part) for part in parts])
        self.remove_day(feed, day)
        try:
            self._put(folder, contents, manifest)
        except BaseException:
            self._discard(folder)
            raise
        return manifest

    def replace_day(self, feed: str, day: date, parts: Sequence[LandedPart]) -> bool:
        """Put part files (each in its own form) in the place of what the day holds; whether
        anything had to change.

        Whoever reads the day, also after a crash at any point, finds the old rows or the new ones:
        while the files named `part-<n>` are written, the manifest lists copies of them under other
        names. A failed write raises `StoreError`.
        """
        folder = _folder(feed, day)
        contents, manifest = _encoded(parts)
        if self._holds(folder, contents, manifest):
            return False
        if self.storage.exists(f"{folder}"):
            aside = {
                f"part-{_sha256(content)[:16]}.{name.split('.', 1)[1]}": content
                for name, content in contents.items()
            }
            listed = zip(aside.items(), manifest.files, strict=True)
            copies = Manifest(
                tuple(LandedFile(name, file.rows, file.sha256) for (name, _), file in listed)
            )
            self._put(folder, aside, copies)
        self._put(folder, contents, manifest)
        for path in self.storage.files(folder):
            if path.rsplit("/", 1)[1] not in {*contents, MANIFEST_NAME}:
                self.storage.delete(path)
        return True

    def _put(self, folder: str, contents: Mapping[str, bytes], manifest: Manifest) -> None:
        for name, content in contents.items():
            self.storage.write(f"{folder}/{name}", content)
        self.storage.write(f"{folder}/{MANIFEST_NAME}", manifest.to_bytes())

    def _holds(self, folder: str, contents: Mapping[str, bytes], manifest: Manifest) -> bool:
        """Whether the day's folder holds exactly this manifest and these files."""
        if self.storage.read(f"{folder}/{MANIFEST_NAME}") != manifest.to_bytes():
            return False
        there = {path.rsplit("/", 1)[1] for path in self.storage.files(folder)}
        if there != {*contents, MANIFEST_NAME}:
            return False
        return all(
            self.storage.read(f"{folder}/{name}") == content for name, content in contents.items()
        )

    def remove_day(self, feed: str, day: date) -> None:
        """Take a day back: its manifest first, then its files; nothing happens where there is
        none.
        """
        folder = _folder(feed, day)
        self.storage.delete(f"{folder}/{MANIFEST_NAME}")
        for path in self.storage.files(folder):
            self.storage.delete(path)

    def _verified(self, path: str, file: LandedFile, day: date, scratch: Path) -> Path:
        where = f"{self.address}/{path}"
        local = self.storage.fetch(path, scratch)
        if local is None:
            raise _broken(
                "a file that the manifest lists is missing", where, day, file.name, "no such file"
            )
        with local.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        if digest != file.sha256:
            size = f"SHA-256 {digest} ({local.stat().st_size:,} bytes)"
            raise _broken(
                "a file is not the one its manifest lists",
                where,
                day,
                f"SHA-256 {file.sha256}",
                size,
            )
        try:
            rows = count_rows(local)
        except ValueError as error:
            raise _broken(
                "a file cannot be read", where, day, f"{file.rows:,} rows", str(error)
            ) from error
        if rows != file.rows:
            raise _broken(
                "a file has another number of rows",
                where,
                day,
                f"{file.rows:,} rows",
                f"{rows:,} rows",
            )
        return local

    def _discard(self, folder: str) -> None:
        """Take away what a failed write has left; whatever stays has no manifest and is never
        read.
        """
        with suppress(TollgateError):
            for path in self.storage.files(folder):
                self.storage.delete(path)


def _encoded(parts: Sequence[LandedPart]) -> tuple[dict[str, bytes], Manifest]:
    """The files `part-0`, `part-1`, … with their bytes, and the manifest that lists them."""
    contents = {
        f"part-{n}.{part.file_format}": encode(part.table, part.file_format)
        for n, part in enumerate(parts)
    }
    described = zip(contents.items(), parts, strict=True)
    files = (
        LandedFile(name, part.table.num_rows, _sha256(content))
        for (name, content), part in described
    )
    return contents, Manifest(tuple(files))


def _checked(feed: str) -> str:
    if not _FEED.fullmatch(feed):
        raise UsageError(
            "not a feed's name",
            expected="a lower-case word, for instance transactions",
            found=repr(feed),
            next_step="use a feed that the use case declares",
        )
    return feed


def _folder(feed: str, day: date) -> str:
    return f"{_checked(feed)}/{day.isoformat()}"


def _days_of(paths: Iterable[Sequence[str]]) -> list[date]:
    """The days of the files `<feed>/<day>/<name>`, each once, in order; other paths are passed
    over.
    """
    days = set()
    for parts in paths:
        day = _day(parts[1]) if len(parts) == 3 else None
        if day is not None:
            days.add(day)
    return sorted(days)


def _day(text: str) -> date | None:
    try:
        return parse_day(text)
    except UsageError:
        return None


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _broken(what: str, where: str, day: date, expected: str, given: str) -> ContractError:
    return ContractError(
        what,
        where=where,
        day=str(day),
        expected=expected,
        found=given,
        next_step="ask the sender to send the day again; nothing of it was read",
    )
