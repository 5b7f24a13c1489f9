"""The landing zone without a subject's rows: part files written anew under new names, then the day's manifest.

The manifest is the switch: before it the day holds its old files, after it the new ones, and the old are removed. A run
that was interrupted leaves files that no manifest lists; they are looked through too.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from pipelines.platform.errors import ContractError
from pipelines.platform.landing import Landing
from pipelines.platform.manifest import MANIFEST_NAME, LandedFile, Manifest
from pipelines.platform.part_files import encode
from pipelines.stages.retain.subject import Subject

if TYPE_CHECKING:
    import pyarrow as pa

_GZIP = ".csv.gz"


@dataclass(kw_only=True)
class Landed:
    """What was found: `rows` of the subject in `files`; `unread` are files that could not be looked into."""

    files: int = 0
    rows: int = 0
    unread: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Plain data for the ledger."""
        return dict(vars(self))


def events_in_landing(landing: Landing, feed: str, subject: Subject) -> set[str]:
    """The ids, as text, of the subject's events in the files of a feed, whether the lake has them or not."""
    found: set[str] = set()
    for path in (path for day in landing.folders(feed) for path in _parts(landing, feed, day)):
        rows = _named_columns(landing, path, subject)
        if rows is not None and {subject.unit, subject.event} <= set(rows.column_names):
            theirs = rows.filter(_among(rows, subject.unit, subject))
            found |= {text for text in theirs[subject.event].to_pylist() if text is not None}
    return found


def delete_landed(landing: Landing, feed: str, subject: Subject, *, dry_run: bool) -> Landed:
    """Take the subject's rows out of every file of a feed; with `dry_run` they are only counted.

    A file that its day's manifest does not list is removed whole: nobody reads it.
    """
    told = Landed()
    for day in landing.folders(feed):
        manifest = _manifest(landing, feed, day)
        listed = {file.name for file in manifest.files} if manifest else set()
        new: dict[str, LandedFile] = {}
        unlisted: list[str] = []
        for path in _parts(landing, feed, day):
            rows = _named_columns(landing, path, subject)
            if rows is None:
                told.unread.append(path)
            elif hit := _mine(rows, subject).true_count:
                told.files, told.rows = told.files + 1, told.rows + hit
                name = path.rsplit("/", 1)[1]
                if name not in listed:
                    unlisted.append(path)
                elif not dry_run:
                    new[name] = _without(landing, path, subject)
        if not dry_run:
            _switch(landing, f"{feed}/{day}", manifest, new)
            for path in unlisted:
                landing.storage.delete(path)
    return told


def _switch(landing: Landing, folder: str, manifest: Manifest | None, new: Mapping[str, LandedFile]) -> None:
    """The manifest with the new files for the old, then the old files go."""
    if manifest is None or not new:
        return
    files = tuple(new.get(file.name, file) for file in manifest.files)
    landing.storage.write(f"{folder}/{MANIFEST_NAME}", Manifest(files).to_bytes())
    for name in new:
        landing.storage.delete(f"{folder}/{name}")


def _without(landing: Landing, path: str, subject: Subject) -> LandedFile:
    """Write the file without the subject's rows beside it, named after its content."""
    folder, name = path.rsplit("/", 1)
    content, rows = (_csv_without if name.endswith(_GZIP) else _parquet_without)(_read(landing, path), subject)
    digest = hashlib.sha256(content).hexdigest()
    ending = _GZIP if name.endswith(_GZIP) else ".parquet"
    new = LandedFile(f"part-{digest[:16]}{ending}", rows, digest)
    landing.storage.write(f"{folder}/{new.name}", content)
    return new


def _parquet_without(content: bytes, subject: Subject) -> tuple[bytes, int]:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO(content))
    kept = table.filter(pc.invert(_mine(_as_texts(table, subject), subject)))
    return encode(kept, "parquet"), kept.num_rows


def _csv_without(content: bytes, subject: Subject) -> tuple[bytes, int]:
    header, *rows = _csv_rows(content)
    places = [(column, header.index(column)) for column in (subject.unit, subject.event) if column in header]
    kept = [row for row in rows if not any(n < len(row) and subject.names(name, row[n]) for name, n in places)]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *kept])
    return gzip.compress(text.getvalue().encode(), compresslevel=6, mtime=0), len(kept)


def _csv_rows(content: bytes) -> list[list[str]]:
    return [row for row in csv.reader(io.StringIO(gzip.decompress(content).decode(), newline="")) if row]


def _named_columns(landing: Landing, path: str, subject: Subject) -> pa.Table | None:
    """The columns of unit and event, as plain texts, as far as the file has them; None where it cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    content = _read(landing, path)
    try:
        if path.endswith(_GZIP):
            header, *rows = _csv_rows(content)
            there = {name: header.index(name) for name in (subject.unit, subject.event) if name in header}
            cells = {name: [row[n] if n < len(row) else None for row in rows] for name, n in there.items()}
            return _as_texts(pa.table({name: pa.array(texts, pa.string()) for name, texts in cells.items()}), subject)
        file = pq.ParquetFile(io.BytesIO(content))
        named = [name for name in file.schema_arrow.names if name in {subject.unit, subject.event}]
        return _as_texts(file.read(columns=named), subject)
    except (pa.ArrowException, OSError, EOFError, ValueError, zlib.error, csv.Error):
        return None


def _as_texts(table: pa.Table, subject: Subject) -> pa.Table:
    """Both columns as text: no blanks around it, no zeros that a whole number gets in a column of floats."""
    import pyarrow as pa
    import pyarrow.compute as pc

    there = [name for name in (subject.unit, subject.event) if name in table.column_names]
    texts = [pc.utf8_trim_whitespace(table[name].cast(pa.string())) for name in there]
    plain = [pc.replace_substring_regex(text, pattern=r"\.0*$", replacement="") for text in texts]
    return pa.table(dict(zip(there, plain, strict=True)))


def _mine(rows: pa.Table, subject: Subject) -> pa.Array:
    """For each row whether unit or event is the subject's: never null."""
    import numpy as np
    import pyarrow as pa

    mask = np.zeros(rows.num_rows, dtype=bool)
    for column in rows.column_names:
        mask |= _among(rows, column, subject).to_numpy(zero_copy_only=False)
    return pa.array(mask)


def _among(rows: pa.Table, column: str, subject: Subject) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.is_in(rows[column], value_set=pa.array(sorted(subject.texts()[column]), pa.string())).combine_chunks()


def _parts(landing: Landing, feed: str, day: date) -> list[str]:
    files = landing.storage.files(f"{feed}/{day}")
    return [path for path in files if path.endswith((_GZIP, ".parquet"))]


def _manifest(landing: Landing, feed: str, day: date) -> Manifest | None:
    """The day's manifest; one that cannot be understood lists nothing that anybody would read."""
    try:
        return landing.arrival(feed, day).manifest
    except ContractError:
        return None


def _read(landing: Landing, path: str) -> bytes:
    return landing.storage.read(path) or b""
