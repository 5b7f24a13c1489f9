"""What an import would make of a source, seen in a sample of its rows: columns, labels, times;
nothing is written.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.base.days import DayRange, midnight
from pipelines.base.errors import TollgateError, UsageError
from pipelines.base.printable import shape, shown
from pipelines.importing.conversion.conversion import (
    FINDINGS,
    LABEL,
    TIME,
    VALUE,
    FileRows,
    between,
    read_events,
)
from pipelines.importing.conversion.labels import LabelCounts, counted
from pipelines.importing.conversion.source import Source, SourceDay
from pipelines.importing.conversion.source_files import read_file
from pipelines.importing.landed.account import BrokenRule, ImportAccount, broken_rules
from pipelines.importing.landed.judgement import judged
from pipelines.importing.mapping.declared_columns import IdColumn
from pipelines.importing.mapping.definition import Mapping
from pipelines.importing.proposal.file_form import texts_of
from pipelines.usecases.definition import Column, Feed, UseCase

FILES, ROWS = 5, 20_000
"""Files that a sample looks into, and about how many rows of each."""

_SHOWN = 3


@dataclass(frozen=True)
class PreviewColumn:
    """A column of the events: the source's columns and their types, and what becomes of their
    values.

    `in_file` and `becomes` are the first values; ids by their shape. `rules` count what ingest
    would quarantine, or what has no day. `empty`: rows without a value.
    """

    name: str
    type: str
    sources: list[str]
    in_file: list[str]
    becomes: list[str]
    empty: int
    unreadable: int
    rules: list[BrokenRule]


@dataclass(frozen=True)
class Preview:
    """A sample of a source as an import would read it.

    `refusal` is why it would be refused; None where it would not.

    `hours`: events by hour of the day, UTC, 24 numbers. `days`: by day (YYYY-MM-DD) events and
    positives.
    """

    files: list[str]
    of_files: int
    rows: int
    columns: list[PreviewColumn]
    labels: LabelCounts
    hours: list[int]
    days: dict[str, tuple[int, int]]
    account: ImportAccount | None
    malformed: list[BrokenRule] = field(default_factory=list)
    refusal: TollgateError | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the sample is all of the source."""
        return len(self.files) == self.of_files and self.rows < ROWS

    def to_json(self) -> dict[str, Any]:
        """Plain data for `--json`."""
        return {
            "files": self.files,
            "of_files": self.of_files,
            "rows": self.rows,
            "columns": [asdict(column) for column in self.columns],
            "malformed": [asdict(rule) for rule in self.malformed],
            "labels": self.labels.table(),
            "hours": self.hours,
            "days": [
                {"day": day, "events": each[0], "positives": each[1]}
                for day, each in self.days.items()
            ],
            "account": self.account.to_json() if self.account else None,
            "refused": self.refusal.fields() if self.refusal else None,
        }


class SampledSource(Source):
    """The first rows of a few files of a source, evenly chosen; it answers each day with all of
    them.

    With `days`, only rows of these, and of a source with a file for each day only their files.
    """

    def __init__(
        self, folder: Path, mapping: Mapping, feed: Feed, key: bytes, days: DayRange | None
    ) -> None:
        super().__init__(folder, mapping, feed, key)
        self._days = days
        self._chosen = False
        every = self.sample_paths()
        if days is not None and mapping.source.daily:
            self.require(days)
            of_days: set[Path] = set()
            for day in days:
                of_days.update(self._paths(day))
            every = [path for path in every if path in of_days]
        self.of_files = len(every)
        self.chosen = _evenly(every, FILES)
        self._chosen = True
        if not self.chosen:
            raise UsageError(
                "there is no file to import",
                where=str(self.folder / ", ".join(mapping.source.patterns)),
                expected="the files that the mapping names in source.files",
                found="no such file",
                next_step="give the folder that holds them, or correct the mapping",
            )

    def sampled(self) -> list[FileRows]:
        """The rows of the chosen files."""
        return [self._file(path) for path in self.chosen]

    def holds(self, day: date) -> bool:
        """Always, once the sample is chosen: it stands for every day."""
        return self._chosen or super().holds(day)

    def events(self, day: date) -> SourceDay:
        """All rows of the sample that have a time (and lie in the days asked for)."""
        del day
        files = self.sampled()
        good = pa.concat_tables([file.good for file in files])
        unreadable = pa.concat_tables([file.unreadable for file in files])
        findings = pa.concat_tables([file.findings for file in files])
        findings = findings.filter(pc.is_valid(findings["time"]))
        if self._days is None:
            return SourceDay(good, unreadable, findings)
        start, end = midnight(self._days.first), midnight(self._days.last + timedelta(days=1))
        return SourceDay(
            between(good, self.feed.time, start, end),
            between(unreadable, TIME, start, end),
            between(findings, "time", start, end),
        )

    def _file(self, path: Path) -> FileRows:
        if path not in self._read:
            self._read[path] = read_events(path, self.mapping, self.feed, self._key, limit=ROWS)
        return self._read[path]


def preview(
    folder: Path, mapping: Mapping, use_case: UseCase, key: bytes, days: DayRange | None = None
) -> Preview:
    """Look at a sample of a source.

    Raises what an import would raise where files are missing or cannot be read.

    What an import would refuse of the values themselves is in `Preview.refusal`. `key` hashes ids
    where the mapping asks for it; any will do.
    """
    source = SampledSource(folder, mapping, use_case.events, key, days)
    requested = days or DayRange.parse("2000-01-01", "2000-01-01")
    content = source.events(requested.first)
    files = source.sampled()

    account, refusal = None, None
    try:
        account = judged(source, use_case, DayRange.single(requested.first))
    except TollgateError as error:
        refusal = error

    if refusal is None and not content.good.num_rows + content.unreadable.num_rows:
        refusal = UsageError(
            "the sample holds no event",
            where=str(source.folder / ", ".join(mapping.source.patterns)),
            expected="rows with a time",
            found=f"{sum(file.rows for file in files):,} rows in the sample, none of them an event",
            next_step="give a folder or a range of days with events, or correct the mapping",
        )

    findings = pa.concat_tables([FINDINGS.empty_table(), *(file.findings for file in files)])
    labels = LabelCounts()
    for table in (content.good, content.unreadable):
        labels.add(counted(table[LABEL].combine_chunks(), table[VALUE].combine_chunks()))
    times = pa.chunked_array(
        [*content.good[use_case.events.time].chunks, *content.unreadable[TIME].chunks]
    )
    flags = pa.chunked_array(
        [*content.good[LABEL].chunks, *content.unreadable[LABEL].chunks], pa.int8()
    )

    return Preview(
        files=[path.name for path in source.chosen],
        of_files=source.of_files,
        rows=sum(file.rows for file in files),
        columns=_columns(source, content.good, findings),
        labels=labels,
        hours=_by_hour(times),
        days=_by_day(times, flags),
        account=account,
        malformed=[rule for rule in broken_rules(findings) if rule.rule == "malformed_row"],
        refusal=refusal,
    )


def _columns(source: SampledSource, good: Any, findings: Any) -> list[PreviewColumn]:
    mapping = source.mapping
    raw = read_file(source.chosen[0], mapping, limit=ROWS).table
    columns = []
    for column in source.feed.columns:
        if column.name not in mapping.events:
            columns.append(_added_later(column))
            continue
        declared = mapping.events[column.name]
        is_id = isinstance(declared, IdColumn)
        of_column = findings.filter(_of(findings, column.name, mapping))
        rules = [
            rule for rule in broken_rules(of_column) if rule.rule.startswith(f"{column.name}_")
        ]
        empty = sum(rule.rows for rule in rules if rule.rule == f"{column.name}_missing")
        kind = f"{column.type}, a keyed hash" if column.name in mapping.keyed else column.type
        columns.append(
            PreviewColumn(
                name=column.name,
                type=kind,
                sources=[f"{name} ({_kind(raw[name].type, mapping)})" for name in declared.sources],
                in_file=_first_values([raw[name] for name in declared.sources], by_shape=is_id),
                becomes=_first_values([good[column.name]], by_shape=is_id),
                empty=empty,
                unreadable=sum(rule.rows for rule in rules) - empty,
                rules=rules,
            )
        )
    return columns


def _added_later(column: Column) -> PreviewColumn:
    """An added column that the mapping leaves out: rows from before have its default."""
    return PreviewColumn(
        name=column.name,
        type=column.type,
        sources=[f"(none: part of the feed since {column.added_on}, its default before)"],
        in_file=[],
        becomes=[str(column.default)],
        empty=0,
        unreadable=0,
        rules=[],
    )


def _of(findings: Any, name: str, mapping: Mapping) -> Any:
    return pc.equal(findings["column"], mapping.described(name))


def _kind(kind: Any, mapping: Mapping) -> str:
    return "text" if mapping.source.format == "csv" or pa.types.is_string(kind) else str(kind)


def _first_values(columns: list[Any], *, by_shape: bool) -> list[str]:
    """The first values; of several columns joined by ` + `."""
    say = shape if by_shape else shown
    rows = zip(*(_texts(column.slice(0, _SHOWN)) for column in columns), strict=True)
    return [" + ".join("(empty)" if text is None else say(text) for text in row) for row in rows]


def _texts(values: Any) -> list[str | None]:
    if pa.types.is_timestamp(values.type) and values.type.tz == "UTC" and values.type.unit == "us":
        return [
            None if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}Z"
            for moment in values.to_pylist()
        ]
    return texts_of(values)


def _by_hour(times: Any) -> list[int]:
    counts = Counter(pc.hour(times).to_pylist())
    return [counts.get(hour, 0) for hour in range(24)]


def _by_day(times: Any, labels: Any) -> dict[str, tuple[int, int]]:
    if not len(times):
        return {}
    table = pa.table({"day": times.cast(pa.date32()), "positive": pc.equal(labels, 1)})
    counts = (
        table.group_by("day")
        .aggregate([([], "count_all"), ("positive", "sum")])
        .sort_by("day")
        .to_pylist()
    )
    return {str(row["day"]): (row["count_all"], row["positive_sum"] or 0) for row in counts}


def _evenly(paths: list[Path], count: int) -> list[Path]:
    """At most so many of the files, the first and the last among them."""
    if len(paths) <= count:
        return paths
    return [paths[round(place * (len(paths) - 1) / (count - 1))] for place in range(count)]
