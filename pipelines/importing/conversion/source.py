"""The source of an import: files of single days, or files of all days, asked for the events of a
UTC day.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.base.days import DayRange, midnight
from pipelines.base.errors import ConfigurationError, UsageError
from pipelines.importing.conversion.conversion import FINDINGS, TIME, FileRows, between, read_events
from pipelines.importing.mapping.definition import Mapping
from pipelines.usecases.definition import Feed

_SHOWN = 5
_KEPT_ROWS = 4_000_000
"""Rows of converted files that are kept in memory, as an import looks at each day twice: to judge,
then to land.
"""


@dataclass(frozen=True)
class SourceDay:
    """A source's events of one UTC day: `good`, `unreadable` and `findings` as in
    `conversion.FileRows`.
    """

    good: Any
    unreadable: Any
    findings: Any


class Source:
    """Files below a folder, read through a mapping, with the key of the ids that it wants hashed
    (none: any will do).

    `name` is what the source is called where rows of several are compared: that of the call, of the
    mapping, or the folder and the pattern of its files. Raises `UsageError` where there is no such
    folder.
    """

    def __init__(
        self, folder: Path, mapping: Mapping, feed: Feed, key: bytes = b"", *, name: str = ""
    ) -> None:
        if mapping.keyed and not key:
            raise ValueError("a mapping that hashes ids needs their key")
        self.folder = folder.expanduser().absolute()
        self.mapping = mapping
        self.feed = feed
        self.name = (
            name or mapping.source.name or str(self.folder / ", ".join(mapping.source.patterns))
        )
        self._key = key
        self._kept: dict[Path, FileRows] = {}
        self._read: dict[Path, FileRows] = {}
        if not self.folder.is_dir():
            raise UsageError(
                "there is no folder to import from",
                where="--path",
                expected=f"a folder with files {', '.join(mapping.source.patterns)}",
                found=str(self.folder),
                next_step="give the folder that holds the files",
            )

    def require(self, days: DayRange, *, emptied: Set[date] = frozenset()) -> None:
        """Raise `UsageError` that names the days of the range that the source does not hold.

        `emptied` are days that it held once, and may have been corrected to hold nothing.
        """
        missing = [str(day) for day in days if day not in emptied and not self.holds(day)]
        if missing:
            held = (
                "" if self._span is None else f"; it holds {self._span.first} to {self._span.last}"
            )
            rejected = self.rejected.num_rows
            held += f"; {rejected:,} rows have no readable time" if rejected else ""
            raise UsageError(
                f"the source lacks {len(missing)} of {len(days)} days",
                where=str(self.folder / ", ".join(self.mapping.source.patterns)),
                expected=f"every day from {days.first} to {days.last}",
                found=(
                    "missing:"
                    f" {', '.join(missing[:_SHOWN])}{', …' if len(missing) > _SHOWN else ''}{held}"
                ),
                next_step="give a range that the source holds; nothing was written",
            )

    def holds(self, day: date) -> bool:
        """Whether the source speaks of that day: it has files of its own, or lies between its first
        and last event.
        """
        if self.mapping.source.daily:
            return bool(self._paths(day))
        return self._span is not None and day in self._span

    def events(self, day: date) -> SourceDay | None:
        """Events of a UTC day; None where nothing is held."""
        if not self.holds(day) and not (self.mapping.source.daily and self._slack):
            return None
        if not self.mapping.source.daily:
            return self._on(day, list(self._all_files))
        near: dict[date, list[Path]] = {
            file_day: self._paths(file_day) for file_day in self._days_of_files(day)
        }
        if not any(near.values()):
            return None
        for file_day, paths in near.items():
            for path in paths:
                self._require_own_days(path, file_day)
        return self._on(day, [self._file(path) for path in chain.from_iterable(near.values())])

    def files_read(self) -> list[FileRows]:
        """What was read so far, by file."""
        return list(self._read.values())

    @property
    def rejected(self) -> Any:
        """Findings of rows without a readable time, of all files read so far: such rows belong to
        no day.
        """
        tables = [
            file.findings.filter(pc.is_null(file.findings["time"])) for file in self._read.values()
        ]
        return pa.concat_tables(tables) if tables else FINDINGS.empty_table()

    def _days_of_files(self, day: date) -> DayRange:
        """A UTC day lies in the files of up to three local days."""
        return (
            DayRange.single(day)
            if self._slack == 0
            else DayRange.single(day).widened(before=1, after=1)
        )

    @property
    def _slack(self) -> int:
        zones = {
            self.mapping.source.time_zone,
            *(getattr(c, "zone", None) for c in self.mapping.events.values()),
        }
        return 0 if zones <= {"UTC", None} else 1

    def _require_own_days(self, path: Path, file_day: date) -> None:
        """A day's file holds events of that day: anything else is a mapping of the wrong column, or
        a wrong file.
        """
        days = DayRange.single(file_day).widened(before=self._slack, after=self._slack)
        span = _span(self._file(path), self.feed)
        if span and (span.first not in days or span.last not in days):
            raise ConfigurationError(
                "a day's file holds events of other days",
                where=str(path),
                day=str(file_day),
                expected=(
                    f"{self.mapping.described(self.feed.time)} on {file_day}"
                    f" ({self.mapping.source.time_zone})"
                ),
                found=f"events from {span.first} to {span.last} (UTC)",
                next_step="correct events, source.time_zone or source.files in the mapping",
            )

    def _on(self, day: date, files: list[FileRows]) -> SourceDay:
        start, end = midnight(day), midnight(day + timedelta(days=1))
        return SourceDay(
            pa.concat_tables([between(file.good, self.feed.time, start, end) for file in files]),
            pa.concat_tables([between(file.unreadable, TIME, start, end) for file in files]),
            pa.concat_tables([between(file.findings, "time", start, end) for file in files]),
        )

    def _file(self, path: Path) -> FileRows:
        if path not in self._kept:
            rows = read_events(path, self.mapping, self.feed, self._key)
            while (
                self._kept
                and sum(kept.rows for kept in self._kept.values()) + rows.rows > _KEPT_ROWS
            ):
                del self._kept[next(iter(self._kept))]
            self._kept[path] = rows
            nothing = {"good": rows.good.slice(0, 0), "unreadable": rows.unreadable.slice(0, 0)}
            self._read[path] = replace(rows, **nothing)
        return self._kept[path]

    def _paths(self, day: date) -> list[Path]:
        """The files of a day, in order."""
        return self._matching(
            [pattern.replace("{day}", day.isoformat()) for pattern in self.mapping.source.patterns]
        )

    def _matching(self, patterns: list[str]) -> list[Path]:
        paths: set[Path] = set()
        for pattern in patterns:
            literal = self.folder / pattern
            # A name may hold the signs of a pattern: `tx [1].csv`.
            paths |= {literal} if literal.is_file() else set(self.folder.glob(pattern))
        return sorted(path for path in paths if path.is_file() and not path.name.startswith("."))

    def sample_paths(self) -> list[Path]:
        """All files of the source, in order."""
        return self._matching(
            [pattern.replace("{day}", "????-??-??") for pattern in self.mapping.source.patterns]
        )

    @cached_property
    def _all_files(self) -> tuple[FileRows, ...]:
        paths = self._matching(list(self.mapping.source.patterns))
        if not paths:
            raise UsageError(
                "there is no file to import",
                where=str(self.folder / ", ".join(self.mapping.source.patterns)),
                expected="the files that the mapping names in source.files",
                found="no such file",
                next_step="give the folder that holds them, or correct the mapping",
            )
        return tuple(self._file(path) for path in paths)

    @cached_property
    def _span(self) -> DayRange | None:
        if self.mapping.source.daily:
            return None
        spans: list[DayRange] = []
        for file in self._all_files:
            span = _span(file, self.feed)
            if span is not None:
                spans.append(span)
        return (
            DayRange(min(span.first for span in spans), max(span.last for span in spans))
            if spans
            else None
        )


def _span(file: FileRows, feed: Feed) -> DayRange | None:
    """The first and last UTC day of a file's events."""
    bounds = [pc.min_max(file.good[feed.time]), pc.min_max(file.unreadable[TIME])]
    first = [bound["min"].as_py() for bound in bounds if bound["min"].is_valid]
    last = [bound["max"].as_py() for bound in bounds if bound["max"].is_valid]
    return DayRange(min(first).date(), max(last).date()) if first else None
