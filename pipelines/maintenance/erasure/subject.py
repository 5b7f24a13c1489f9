"""Who is to be forgotten: the keys of a unit, the ids of its events, and the conditions under which
a row is its.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.base.column_types import parse_column_type
from pipelines.base.errors import UsageError
from pipelines.base.secrets import secret
from pipelines.base.settings import Settings
from pipelines.nightly.ingest.quarantine import TABLE as QUARANTINE
from pipelines.run import Run
from pipelines.usecases.definition import UseCase

_WHOLE = re.compile(r"-?\d{1,19}")


@dataclass(frozen=True, kw_only=True)
class Subject:
    """`keys` are values of the column `unit`, `events` the values of the column `event` of all
    events that are theirs.

    Values are int where the column is a whole number in the lake, else str.
    """

    unit: str
    keys: tuple[Any, ...]
    event: str
    events: frozenset[Any] = frozenset()

    def condition(self, table: str, columns: Collection[str]) -> str | None:
        """Spark SQL that is true for the subject's rows of a table; None where no column of it can
        name them.
        """
        if self.unit in columns:
            return _among(self.unit, self.keys)
        if self.event in columns:
            return _among(self.event, self.events)
        if table == QUARANTINE:
            named = [_among_text(self.unit, self.keys), _among_text(self.event, self.events)]
            return f"({' OR '.join(named)})"
        return None

    def names(self, column: str, value: object) -> bool:
        """Whether a value as a file has it (of any type, blanks around it) is one of the subject's
        in that column.
        """
        wanted = {self.unit: self.keys, self.event: self.events}.get(column, ())
        return bool(wanted) and _plain(value) in {str(key) for key in wanted}

    def texts(self) -> dict[str, frozenset[str]]:
        """The values of both columns as text."""
        return {
            self.unit: frozenset(map(str, self.keys)),
            self.event: frozenset(map(str, self.events)),
        }


def subject_of(run: Run, keys: Iterable[str], unit: str | None) -> Subject:
    """The subject of these keys as a person wrote them, its events not looked for yet.

    Raises `UsageError` for a column that is no entity's key, for no key, or one that the column
    cannot hold.
    """
    schema = run.use_case.stored_features.schema
    columns = dict.fromkeys((run.use_case.review.unit, *schema.keys))
    column = unit or run.use_case.review.unit
    if column not in columns:
        raise _wrong(
            "this is no column that names a unit", "--unit", ", ".join(columns), repr(column)
        )
    written = [key.strip() for key in keys if key.strip()]
    if not written:
        raise _wrong("no key was given", "--delete-unit, --keys-from", "one key or more", "none")
    whole = _is_whole(run.use_case, column)
    if whole and (wrong := [key for key in written if not _WHOLE.fullmatch(key)]):
        raise _wrong(
            f"not a value of {column}",
            "--delete-unit",
            "a whole number",
            f"{len(wrong)} other texts",
        )
    values = dict.fromkeys(int(key) if whole else key for key in written)
    return Subject(unit=column, keys=tuple(values), event=schema.id)


def keyed_hashes(settings: Settings, keys: Sequence[Any]) -> list[str]:
    """A name for each key that only who holds the home's secret can match with it: HMAC-SHA256,
    hex.
    """
    key = secret(settings, "retain").encode()
    return sorted(
        hmac.new(key, str(unit_key).encode(), hashlib.sha256).hexdigest() for unit_key in keys
    )


def as_values(use_case: UseCase, column: str, texts: Iterable[str]) -> frozenset[Any]:
    """Texts as values of the column; what it cannot hold (a bad row's) is left out."""
    if not _is_whole(use_case, column):
        return frozenset(texts)
    return frozenset(int(text) for text in texts if _WHOLE.fullmatch(text))


def _is_whole(use_case: UseCase, column: str) -> bool:
    types = {column.name: column.type for column in use_case.events.columns}
    return parse_column_type(types[column]).is_whole


def _among(column: str, values: Iterable[Any]) -> str:
    listed = ", ".join(_literal(value) for value in sorted(values))
    return f"{column} IN ({listed})" if listed else "FALSE"


def _among_text(column: str, values: Iterable[Any]) -> str:
    """The column within the quarantine's JSON text of a row."""
    listed = ", ".join(_literal(str(value)) for value in sorted(values))
    digits = f"regexp_replace(trim(get_json_object(raw, '$.{column}')), '\\\\.0*$', '')"
    return f"coalesce({digits} IN ({listed}), FALSE)" if listed else "FALSE"


def _literal(value: Any) -> str:
    if isinstance(value, int):
        return str(value)
    escaped = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _plain(value: object) -> str:
    """Text without blanks around it, and without the zeros that a whole number gets in a column of
    floats.
    """
    return re.sub(r"\.0*$", "", str(value).strip())


def _wrong(what: str, where: str, expected: str, actual: str) -> UsageError:
    return UsageError(
        what, where=where, expected=expected, found=actual, next_step="tollgate retain --help"
    )
