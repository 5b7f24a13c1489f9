"""Mapping files: how public or own files become feeds of the landing zone. TOML; every problem is told at once."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from datetime import timedelta
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from pipelines.importing.keyed_ids import KINDS
from pipelines.platform.errors import ConfigurationError
from pipelines.usecases.definition import Feed, UseCase

_SHIPPED = resources.files("pipelines.importing") / "mappings"


class Section(BaseModel):
    """A table of the file: immutable, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SourceFiles(Section):
    """Which files, in which form. `{day}` in `files` stands for the day; without it one file holds all days."""

    files: str
    format: Literal["parquet", "csv"]
    time_zone: str = "UTC"
    time_format: str | None = None
    delimiter: str = Field(default=",", min_length=1, max_length=1)

    @field_validator("files")
    @classmethod
    def _inside(cls, files: str) -> str:
        parts = PurePosixPath(files).parts
        if not parts or ".." in parts or files.startswith("/") or "\0" in files:
            raise ValueError("must be a path below --path")
        if "{" in files.replace("{day}", "") or "}" in files.replace("{day}", ""):
            raise ValueError("may hold {day} and no other braces")
        return files

    @field_validator("time_zone")
    @classmethod
    def _known(cls, time_zone: str) -> str:
        try:
            ZoneInfo(time_zone)
        except (ValueError, OSError, KeyError) as error:
            raise ValueError("must be a time zone, for instance UTC or Europe/Berlin") from error
        return time_zone

    @property
    def daily(self) -> bool:
        """Whether each day has a file of its own."""
        return "{day}" in self.files


class LabelColumn(Section):
    """Which column holds the label, which of its values are positive, and how long after the event that is reported."""

    column: str
    positive: list[bool | int | float | str] = Field(min_length=1)
    delay_hours: float = Field(ge=0, le=24 * 366)

    @property
    def delay(self) -> timedelta:
        """Time from the event to its report."""
        return timedelta(hours=self.delay_hours)


class Mapping(Section):
    """A whole mapping file. `events` gives, for each column of the use case's events, the column of the source.

    `keyed` are those of the use case's columns that take a keyed hash of the source's ids (see `importing.keyed_ids`).
    """

    description: str = ""
    keyed: list[str] = []
    source: SourceFiles
    events: dict[str, str]
    labels: LabelColumn

    @property
    def source_columns(self) -> list[str]:
        """Every column that the source must have, once."""
        return list(dict.fromkeys([*self.events.values(), self.labels.column]))


def shipped_mappings() -> list[str]:
    """Names of the mappings that come with Tollgate."""
    return sorted(path.name.removesuffix(".toml") for path in _SHIPPED.iterdir() if path.name.endswith(".toml"))


def load_mapping(name: str, use_case: UseCase) -> Mapping:
    """A mapping by its name or by the path of a user's file; raises `ConfigurationError` that lists every problem."""
    shipped = name in shipped_mappings()
    where = f"mapping {name!r}" if shipped else str(Path(name).expanduser())
    try:
        text = (_SHIPPED / f"{name}.toml" if shipped else Path(name).expanduser()).read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except OSError as error:
        expected = f"one of {', '.join(shipped_mappings())}, or the path of a TOML file"
        raise _unusable(where, [f"{error.strerror or error}"], expected) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _unusable(where, [str(error)], "a TOML file") from error
    problems = _unknown_columns(document.get("events"), use_case) + _unkeyable(document.get("keyed"), use_case)
    try:
        mapping = Mapping.model_validate(document)
    except ValidationError as error:
        raise _unusable(where, [*_described(error), *problems]) from error
    if problems:
        raise _unusable(where, problems)
    return mapping


def _unknown_columns(events: Any, use_case: UseCase) -> list[str]:
    if not isinstance(events, dict):
        return []
    declared = [column.name for column in use_case.events.columns]
    missing = [f"events.{name}: missing" for name in declared if name not in events]
    unknown = [name for name in events if name not in declared]
    return missing + [f"events.{name}: not a column of {use_case.events.name}" for name in unknown]


def _unkeyable(columns: Any, use_case: UseCase) -> list[str]:
    listed = columns if isinstance(columns, list) else []
    return [f"keyed: {problem}" for problem in (unkeyable(str(one), use_case.events) for one in listed) if problem]


def unkeyable(column: str, feed: Feed) -> str | None:
    """Why a column of a feed cannot hold keyed ids; None where it can."""
    types = {one.name: one.type for one in feed.columns}
    if column not in types:
        return f"{column} is not a column of {feed.name}"
    return None if types[column] in KINDS else f"{column} is {types[column]}; hashed ids need {' or '.join(KINDS)}"


def _described(error: ValidationError) -> Iterable[str]:
    """Each problem once: a value that fits none of several types is one problem."""
    problems: dict[str, str] = {}
    for item in error.errors():
        place = ".".join(str(part) for part in item["loc"][:2])
        problems.setdefault(place, f"{place}: {item['msg'].removeprefix('Value error, ')}")
    return problems.values()


def _unusable(where: str, problems: list[str], expected: str = "") -> ConfigurationError:
    return ConfigurationError(
        "the mapping cannot be used",
        where=where,
        expected=expected or "[source], [events] and [labels] as in pipelines/importing/mappings/handbook.toml",
        found="; ".join(problems),
        next_step="correct the mapping; nothing was written",
    )
