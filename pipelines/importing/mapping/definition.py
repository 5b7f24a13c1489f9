"""Mapping files: how public or own files become feeds of the landing zone.

TOML; every problem is told at once.
"""

from __future__ import annotations

import codecs
import tomllib
from collections.abc import Iterable
from datetime import timedelta
from importlib import resources
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pyarrow as pa
from pydantic import Field, ValidationError, field_validator, model_validator

from pipelines.base.column_types import parse_column_type
from pipelines.base.errors import ConfigurationError
from pipelines.importing.mapping.declared_columns import (
    EventsColumn,
    IdColumn,
    Section,
    TimeColumn,
    column_model,
)
from pipelines.importing.mapping.keyed_ids import KINDS
from pipelines.importing.mapping.label_values import label_value, opposite
from pipelines.usecases.definition import Feed, UseCase

_SHIPPED = resources.files("pipelines.importing") / "mappings"

EVERYTHING_ELSE = "everything else"
FILL_IN = "FILL IN"
"""Stands in a proposed mapping for what a person has to say; a mapping that holds it cannot be
used.
"""

Value = bool | int | float | str


class SourceFiles(Section):
    """Which files, in which form.

    `{day}` in `files` stands for the day; without it the files hold all days.

    `files` may be a pattern (`*`, `?`, `[…]`, `**`) or several; all files that fit are one source.
    """

    files: str | tuple[str, ...] = Field(
        description="path or pattern below --path; {day} stands for YYYY-MM-DD"
    )
    format: Literal["parquet", "csv"] = Field(description="csv: text with a header, gzipped or not")
    name: str = Field(
        default="", description="what to call the source; without it, the folder and the pattern"
    )
    time_zone: str = Field(default="UTC", description="of times that carry none")
    time_format: str | None = Field(
        default=None, description="of times that are text; %s stands for epoch seconds"
    )
    delimiter: str = Field(default=",", min_length=1, max_length=1, description="of CSV")
    quote: str = Field(default='"', max_length=1, description='of CSV; "" for none')
    encoding: str = Field(default="utf-8", description="of CSV")
    multiline: bool = Field(
        default=False, description="of CSV: many quoted values go over line ends"
    )

    @field_validator("files")
    @classmethod
    def _inside(cls, files: str | tuple[str, ...]) -> str | tuple[str, ...]:
        for pattern in (files,) if isinstance(files, str) else files:
            parts = PurePosixPath(pattern).parts
            if not parts or ".." in parts or pattern.startswith("/") or "\0" in pattern:
                raise ValueError("must be a path below --path")
            if "{" in pattern.replace("{day}", "") or "}" in pattern.replace("{day}", ""):
                raise ValueError("may hold {day} and no other braces")
        if not files:
            raise ValueError("must be a path below --path")
        return files

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, time_zone: str) -> str:
        return _zone(time_zone)

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str) -> str:
        try:
            # Arrow hands its own buffers to the decoder, which not every codec of Python takes.
            codecs.getincrementaldecoder(encoding)().decode(pa.py_buffer("a,b".encode(encoding)))
        except (LookupError, ValueError, AttributeError, TypeError) as error:
            raise ValueError(
                "must be an encoding that Python knows, for instance utf-8 or cp1252"
            ) from error
        return encoding

    @field_validator("delimiter", "quote")
    @classmethod
    def _one_sign(cls, sign: str) -> str:
        if not sign.isascii() or sign in {"\r", "\n", "\0"}:
            raise ValueError("must be a sign of ASCII, and no end of a line")
        return sign

    @model_validator(mode="after")
    def _different_signs(self) -> SourceFiles:
        if self.delimiter == self.quote:
            raise ValueError("delimiter and quote must be different signs")
        return self

    @model_validator(mode="after")
    def _all_daily_or_none(self) -> SourceFiles:
        if len({"{day}" in pattern for pattern in self.patterns}) > 1:
            raise ValueError("files: all patterns hold {day}, or none does")
        return self

    @property
    def patterns(self) -> tuple[str, ...]:
        """The patterns of `files`."""
        return (self.files,) if isinstance(self.files, str) else self.files

    @property
    def daily(self) -> bool:
        """Whether each day has files of its own."""
        return "{day}" in self.patterns[0]


class RowFilter(Section):
    """Rows of the source by the value of one column: one of `values`, or a number `below` or
    `above` a bound.
    """

    column: str = Field(min_length=1)
    values: tuple[Value, ...] = Field(
        default=(), description="numbers, flags and texts that mean the same are equal"
    )
    below: float | None = None
    above: float | None = None
    empty: bool = Field(default=False, description="rows without a value as well")

    @model_validator(mode="after")
    def _says_something(self) -> RowFilter:
        if not self.values and self.below is None and self.above is None and not self.empty:
            raise ValueError("give values, below, above or empty = true")
        return self


class LabelColumn(Section):
    """Which column holds the label, what its values mean, and how long after the event a positive
    one is reported.

    A value that is neither positive nor negative is an unknown label. Without `negative`, the usual
    opposite of the positive values is meant (0 of 1, no of yes), where there is one.
    """

    column: str = Field(min_length=1)
    positive: tuple[Value, ...] = Field(
        min_length=1, description="values that mean a positive label"
    )
    negative: tuple[Value, ...] | Literal["everything else"] = Field(
        default=(), description='values that mean a negative label, or "everything else"'
    )
    unknown_share: float = Field(
        default=0.001,
        ge=0,
        le=1,
        description="largest share of events whose label may be unknown; they land unlabelled",
    )
    delay_hours: float = Field(ge=0, le=24 * 366, description="hours from the event to its report")

    @model_validator(mode="after")
    def _clear(self) -> LabelColumn:
        if self.negative == EVERYTHING_ELSE:
            return self
        if not self.negative and None in map(opposite, self.positive):
            raise ValueError(
                f"say which values are negative: negative = […], or negative = {EVERYTHING_ELSE!r} "
                "(an empty value too); every other value is an unknown label"
            )
        both = self.positive_values & self.negative_values
        if both:
            raise ValueError(f"{', '.join(sorted(both))} is both positive and negative")
        return self

    @property
    def positive_values(self) -> frozenset[str]:
        """The positive values, in the one spelling in which labels are compared."""
        return frozenset(label_value(value) for value in self.positive)

    @property
    def negative_values(self) -> frozenset[str]:
        """The negative values in that spelling; none where everything else is negative."""
        if isinstance(self.negative, str):
            return frozenset()
        declared = self.negative or [
            text for text in map(opposite, self.positive) if text is not None
        ]
        return frozenset(label_value(value) for value in declared)

    @property
    def delay(self) -> timedelta:
        """Time from the event to its report."""
        return timedelta(hours=self.delay_hours)


class Mapping(Section):
    """A whole mapping file.

    `events` gives, for each column of the use case's events, what it is made of.

    `keyed` are those of the use case's columns that take a keyed hash of the source's ids (see
    `importing.keyed_ids`).
    """

    description: str = ""
    keyed: tuple[str, ...] = ()
    source: SourceFiles
    keep: tuple[RowFilter, ...] = Field(
        default=(), description="only rows that fit every one of these are read"
    )
    drop: tuple[RowFilter, ...] = Field(
        default=(), description="rows that fit one of these are left out, and counted"
    )
    events: dict[str, EventsColumn]
    labels: LabelColumn

    @property
    def source_columns(self) -> list[str]:
        """Every column that the source must have, once."""
        filters = [row_filter.column for row_filter in (*self.keep, *self.drop)]
        columns = chain.from_iterable(column.sources for column in self.events.values())
        return list(dict.fromkeys([*columns, self.labels.column, *filters]))

    def described(self, column: str) -> str:
        """The source's columns of a column of the events, as a person would name them."""
        return " + ".join(self.events[column].sources)


def shipped_mappings() -> list[str]:
    """Names of the mappings that come with Tollgate."""
    return sorted(
        path.name.removesuffix(".toml")
        for path in _SHIPPED.iterdir()
        if path.name.endswith(".toml")
    )


def load_mapping(name: str, use_case: UseCase) -> Mapping:
    """A mapping by its name or by the path of a user's file; raises `ConfigurationError` that lists
    every problem.
    """
    shipped = name in shipped_mappings()
    where = f"mapping {name!r}" if shipped else str(Path(name).expanduser())
    try:
        text = (_SHIPPED / f"{name}.toml" if shipped else Path(name).expanduser()).read_text(
            encoding="utf-8"
        )
        document = tomllib.loads(text)
    except (OSError, ValueError) as error:
        if isinstance(error, tomllib.TOMLDecodeError | UnicodeDecodeError):
            raise _unusable(where, [str(error)], "a TOML file") from error
        expected = f"one of {', '.join(shipped_mappings())}, or the path of a TOML file"
        raise _unusable(
            where, [getattr(error, "strerror", None) or str(error)], expected
        ) from error
    return parse_mapping(document, use_case, where=where)


def parse_mapping(document: dict[str, Any], use_case: UseCase, *, where: str) -> Mapping:
    """A mapping from the content of its file; raises `ConfigurationError` that lists every
    problem.
    """
    problems = [
        f"{place}: {FILL_IN!r} stands for what you have to say" for place in _left_open(document)
    ]
    problems += _unknown_columns(document.get("events"), use_case) + _unkeyable(
        document.get("keyed"), use_case
    )
    columns = _columns(document.get("events"), use_case, problems)
    try:
        mapping = Mapping.model_validate({**document, "events": columns})
    except ValidationError as error:
        raise _unusable(where, [*_described(error), *problems]) from error
    problems += _contradictions(mapping, use_case)
    if problems:
        raise _unusable(where, problems)
    return mapping


def _left_open(document: Any, place: str = "") -> list[str]:
    """Where in the document something is still to be filled in."""
    if isinstance(document, dict):
        places: list[str] = []
        for key, value in document.items():
            places += _left_open(value, f"{place}.{key}".lstrip("."))
        return places
    if isinstance(document, list):
        return list(chain.from_iterable(_left_open(value, place) for value in document))
    return [place] if document == FILL_IN else []


def _columns(events: Any, use_case: UseCase, problems: list[str]) -> Any:
    """The columns of the events as declared, each checked by its own type; problems are added to
    the list.
    """
    if not isinstance(events, dict):
        return events
    columns: dict[str, EventsColumn] = {}
    types = {column.name: column.type for column in use_case.events.columns}
    for name, declared in events.items():
        if name not in types:
            continue
        try:
            content = {"column": declared} if isinstance(declared, str) else declared
            columns[name] = column_model(types[name]).model_validate(content)
        except ValidationError as error:
            problems += _described(error, within=f"events.{name}")
    return columns


def _unknown_columns(events: Any, use_case: UseCase) -> list[str]:
    if not isinstance(events, dict):
        return []
    declared = [column.name for column in use_case.events.columns]
    added = [column.name for column in use_case.events.added]
    missing = [
        f"events.{name}: missing" for name in declared if name not in events and name not in added
    ]
    unknown = [name for name in events if name not in declared]
    return missing + [f"events.{name}: not a column of {use_case.events.name}" for name in unknown]


def _unkeyable(columns: Any, use_case: UseCase) -> list[str]:
    listed = columns if isinstance(columns, list) else []
    return [
        f"keyed: {problem}"
        for problem in (unkeyable(str(column), use_case.events) for column in listed)
        if problem
    ]


def _contradictions(mapping: Mapping, use_case: UseCase) -> list[str]:
    """Declarations that are fine one by one and do not go together, or not with the use case."""
    problems = []
    kinds = {column.name: parse_column_type(column.type).kind for column in use_case.events.columns}
    for name, column in mapping.events.items():
        if isinstance(column, IdColumn) and name not in mapping.keyed and kinds[name] == "bigint":
            if column.columns:
                problems.append(
                    f"events.{name}: an id of several columns is text, so it has to be in keyed"
                )
            if column.kind == "text":
                problems.append(
                    f"events.{name}: {name} is a whole number here; an id that is text has to be in"
                    " keyed"
                )
        if isinstance(column, IdColumn) and column.not_card_numbers and kinds[name] == "string":
            declared = next(
                candidate for candidate in use_case.events.columns if candidate.name == name
            )
            if name not in mapping.keyed and not declared.not_card_numbers:
                problems.append(
                    f"events.{name}.not_card_numbers: ingest quarantines text that looks like a"
                    " card number; say not_card_numbers in the column's declaration too"
                    f" (pipelines/usecases/{use_case.name}.py)"
                )
        if isinstance(column, TimeColumn):
            problems += [
                f"events.{name}.zone: {problem}" for problem in _zone_problems(column.zone)
            ]
    longest = timedelta(days=use_case.label.delay_days)
    if mapping.labels.delay > longest:
        problems.append(
            f"labels.delay_hours: reports come {mapping.labels.delay_hours:g} hours after the"
            " event, but the use case takes an event without a report for negative after"
            f" {use_case.label.delay_days} days: shorten the delay, or raise label.delay_days in"
            f" pipelines/usecases/{use_case.name}.py"
        )
    return problems


def unkeyable(column: str, feed: Feed) -> str | None:
    """Why a column of a feed cannot hold keyed ids; None where it can."""
    types = {declared.name: declared.type for declared in feed.columns}
    if column not in types:
        return f"{column} is not a column of {feed.name}"
    if parse_column_type(types[column]).kind in KINDS:
        return None
    return f"{column} is {types[column]}; hashed ids need {' or '.join(KINDS)}"


def _zone(time_zone: str) -> str:
    try:
        ZoneInfo(time_zone)
    except (ValueError, OSError, KeyError) as error:
        raise ValueError("must be a time zone, for instance UTC or Europe/Berlin") from error
    return time_zone


def _zone_problems(time_zone: str | None) -> list[str]:
    if time_zone is None:
        return []
    try:
        _zone(time_zone)
    except ValueError as error:
        return [str(error)]
    return []


def _described(error: ValidationError, *, within: str = "") -> Iterable[str]:
    """Each problem once: a value that fits none of several types is one problem."""
    problems: dict[str, str] = {}
    for item in error.errors():
        place = ".".join(
            str(part)
            for part in ([within] if within else []) + list(item["loc"][: 1 if within else 2])
        )
        problems.setdefault(
            place, f"{place or within}: {item['msg'].removeprefix('Value error, ')}"
        )
    return problems.values()


def _unusable(where: str, problems: list[str], expected: str = "") -> ConfigurationError:
    return ConfigurationError(
        "the mapping cannot be used",
        where=where,
        expected=expected
        or "[source], [events] and [labels] as in pipelines/importing/mappings/handbook.toml",
        found="; ".join(problems),
        next_step="correct the mapping; nothing was written",
    )
