"""Which source brought which row: kept beside the landing zone, in the home, a file for each day of
events.

A claim says: this source holds the event with this key, with this label, and its report is due
then. Claims decide what a corrected file may replace, and name both sources where two say different
things of one event. Rows that came another way (a sender, the simulator, an import before claims
were kept) have none: their source is `unrecorded`.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from pipelines.base.atomic_files import write_whole
from pipelines.base.days import parse_day
from pipelines.base.errors import StoreError, UsageError
from pipelines.importing.landed.landed_day import each_row_once

UNRECORDED = "unrecorded"
SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("source", pa.string()),
        ("label", pa.int8()),
        ("due", pa.timestamp("us", tz="UTC")),
    ]
)
"""`key`: the event's key as text (of a row whose key cannot be read, all of its texts); `label` 1,
0 or -1 (unknown); `due`: when its report is due, null where there is none.
"""

_IMPORTERS = b"importers"
"""The key of the file's metadata that lists the sources which were imported for its day. A
correction that was cut off has to be let in again when it has taken all rows of a day away.
"""


@dataclass(frozen=True)
class Claims:
    """The claims of one feed of events; without a folder nothing is kept, and all rows are
    `unrecorded`.
    """

    folder: Path | None = None

    @classmethod
    def of(cls, folder: Path, feed: str) -> Claims:
        """The claims of a use case, in its folder of the home."""
        return cls(folder / "imports" / feed)

    def days(self) -> list[date]:
        """Days that have claims, in order."""
        if self.folder is None or not self.folder.is_dir():
            return []
        days = [_day(path.stem) for path in self.folder.glob("*.parquet")]
        return sorted(day for day in days if day is not None)

    def read(self, day: date) -> Any:
        """The claims of a day (see `SCHEMA`). Raises `StoreError` where the file cannot be read."""
        path = self._path(day)
        if path is None or not path.is_file():
            return SCHEMA.empty_table()
        try:
            return pa.parquet.read_table(path, partitioning=None).cast(SCHEMA)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise StoreError(
                "the record of what sources brought cannot be read",
                where=str(path),
                expected="a Parquet file that an import has written",
                found=str(error).splitlines()[0],
                next_step=(
                    "move this file away, and run the import again: the day's rows then count as"
                    " unrecorded"
                ),
            ) from error

    def sources(self, day: date) -> set[str]:
        """The sources that have been imported for a day: those that claim rows of it, and those
        that did before a correction took all of them away.
        """
        return set(pc.unique(self.read(day)["source"]).to_pylist()) | self._importers(day)

    def write(self, day: date, claims: Any, *, importer: str = "") -> None:
        """Keep the claims of a day, each once and in one order, and the name of the source that is
        imported; raises `StoreError` where that fails.
        """
        path = self._path(day)
        if path is None:
            return
        names = SCHEMA.names
        table = each_row_once(claims.cast(SCHEMA), "key").sort_by(
            [(name, "ascending") for name in names]
        )
        importers = self._importers(day) | ({importer} if importer else set())
        metadata = {_IMPORTERS: json.dumps(sorted(importers))}
        buffer = io.BytesIO()
        pa.parquet.write_table(table.replace_schema_metadata(metadata), buffer)
        content = buffer.getvalue()
        if path.is_file() and path.read_bytes() == content:
            return
        write_whole(
            path,
            lambda partial: partial.write_bytes(content),
            what="the record of what sources brought",
        )

    def _importers(self, day: date) -> set[str]:
        """The sources that a day's file names beside its claims (older files name none)."""
        path = self._path(day)
        if path is None or not path.is_file():
            return set()
        try:
            metadata = pa.parquet.read_schema(path).metadata or {}
        except (pa.ArrowException, OSError):
            return set()
        return set(json.loads(metadata.get(_IMPORTERS, b"[]")))

    def _path(self, day: date) -> Path | None:
        return None if self.folder is None else self.folder / f"{day.isoformat()}.parquet"


def _day(text: str) -> date | None:
    try:
        return parse_day(text)
    except UsageError:
        return None
