"""The source of an import: files of single days, or one file of all days, asked for the events of a UTC day."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.importing.conversion import read_events
from pipelines.importing.mapping import Mapping
from pipelines.platform.days import DayRange, midnight
from pipelines.platform.errors import ConfigurationError, UsageError
from pipelines.usecases.definition import Feed

_SHOWN = 5


class Source:
    """Files below a folder, read through a mapping, with the key of the ids that it wants hashed (none: any will do).

    Raises `UsageError` where there is no such folder or file.
    """

    def __init__(self, folder: Path, mapping: Mapping, feed: Feed, key: bytes = b"") -> None:
        if mapping.keyed and not key:
            raise ValueError("a mapping that hashes ids needs their key")
        self.folder = folder.expanduser().absolute()
        self.mapping = mapping
        self.feed = feed
        self._events_of_file = lru_cache(maxsize=3)(lambda path: read_events(path, mapping, feed, key))
        if not self.folder.is_dir():
            raise UsageError(
                "there is no folder to import from",
                where="--path",
                expected=f"a folder with files {mapping.source.files}",
                found=str(self.folder),
                next_step="give the folder that holds the files",
            )

    def require(self, days: DayRange) -> None:
        """Raise `UsageError` that names the days of the range that the source does not hold."""
        missing = [str(day) for day in days if not self.holds(day)]
        if missing:
            raise UsageError(
                f"the source lacks {len(missing)} of {len(days)} days",
                where=str(self.folder / self.mapping.source.files),
                expected=f"every day from {days.first} to {days.last}",
                found=f"missing: {', '.join(missing[:_SHOWN])}{', …' if len(missing) > _SHOWN else ''}",
                next_step="give a range that the source holds; nothing was written",
            )

    def holds(self, day: date) -> bool:
        """Whether the source speaks of that day: it has its file, or the one file's events begin and end about it."""
        if self.mapping.source.daily:
            return self._path(day).is_file()
        return self._span is not None and day in self._span

    def events(self, day: date) -> Any:
        """Events of a UTC day in the file's order: the feed's columns and `_positive`; None where nothing is held."""
        if not self.mapping.source.daily:
            return self._on(day, [self._single_file]) if self.holds(day) else None
        files = [near for near in self._days_of_files(day) if self._path(near).is_file()]
        if not files:
            return None
        for file_day in files:
            self._require_own_days(file_day)
        return self._on(day, [self._events_of_file(self._path(near)) for near in files])

    def _days_of_files(self, day: date) -> DayRange:
        """A UTC day lies in the files of up to three local days."""
        return DayRange.single(day) if self._slack == 0 else DayRange.single(day).widened(before=1, after=1)

    @property
    def _slack(self) -> int:
        return 0 if self.mapping.source.time_zone == "UTC" else 1

    def _require_own_days(self, file_day: date) -> None:
        """A day's file holds events of that day: anything else is a mapping of the wrong column, or a wrong file."""
        path = self._path(file_day)
        times = self._events_of_file(path)[self.feed.time]
        days = DayRange.single(file_day).widened(before=self._slack, after=self._slack)
        span = _span(times)
        if span and (span.first not in days or span.last not in days):
            raise ConfigurationError(
                "a day's file holds events of other days",
                where=str(path),
                day=str(file_day),
                expected=f"{self.mapping.events[self.feed.time]} on {file_day} ({self.mapping.source.time_zone})",
                found=f"events from {span.first} to {span.last} (UTC)",
                next_step="correct events, source.time_zone or source.files in the mapping",
            )

    def _on(self, day: date, tables: list[Any]) -> Any:
        start, end = (pa.scalar(midnight(d), pa.timestamp("us", tz="UTC")) for d in (day, day + timedelta(days=1)))
        parts = []
        for table in tables:
            times = table[self.feed.time]
            parts.append(table.filter(pc.and_(pc.greater_equal(times, start), pc.less(times, end))))
        return pa.concat_tables(parts)

    def _path(self, day: date) -> Path:
        return self.folder / self.mapping.source.files.replace("{day}", day.isoformat())

    @cached_property
    def _single_file(self) -> Any:
        path = self.folder / self.mapping.source.files
        if not path.is_file():
            raise UsageError(
                "there is no file to import",
                where=str(path),
                expected="the file that the mapping names in source.files",
                found="no such file",
                next_step="give the folder that holds it, or correct the mapping",
            )
        return self._events_of_file(path)

    @cached_property
    def _span(self) -> DayRange | None:
        return _span(self._single_file[self.feed.time])


def _span(times: Any) -> DayRange | None:
    bounds = pc.min_max(times)
    if not bounds["min"].is_valid:
        return None
    return DayRange(bounds["min"].as_py().date(), bounds["max"].as_py().date())
