"""The landing zone without a subject's rows: part files written anew under new names, then the
day's manifest.

The manifest is the switch: before it the day holds its old files, after it the new ones, and the
old are removed. A run that was interrupted leaves files that no manifest lists; they are looked
through too, and so is whatever else somebody has put below the landing zone. What a file is is read
from its content, as its name may be anything.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from pipelines.base.days import parse_day
from pipelines.base.errors import ContractError, StoreError, UsageError
from pipelines.landing.landing import Landing
from pipelines.landing.manifest import MANIFEST_NAME, LandedFile, Manifest
from pipelines.landing.part_files import encode
from pipelines.maintenance.erasure.saved_text import NotUnderstoodError, SavedRow, read_table
from pipelines.maintenance.erasure.subject import Subject
from pipelines.maintenance.files_below import files_below
from pipelines.object_store.storage import LocalStorage

if TYPE_CHECKING:
    import pyarrow as pa

_GZIP = ".csv.gz"
_PARQUET, _GZIPPED = b"PAR1", b"\x1f\x8b"


@dataclass(kw_only=True)
class Landed:
    """What was found: `rows` of the subject in `files`; `unread` could not be looked into, `why` by
    path.
    """

    files: int = 0
    rows: int = 0
    unread: list[str] = field(default_factory=list)
    why: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain data for the ledger."""
        return dict(vars(self))


def events_in_landing(landing: Landing, feed: str, subject: Subject) -> set[str]:
    """The ids, as text, of the subject's events in the files of a feed, whether the lake has them
    or not.
    """
    events: set[str] = set()
    for path in _files(landing, feed):
        rows = _named_columns(landing, path, subject, frozenset())
        if isinstance(rows, str):
            continue
        if {subject.unit, subject.event} <= set(rows.column_names):
            subject_rows = rows.filter(_among(rows, subject.unit, subject))
            events |= {text for text in subject_rows[subject.event].to_pylist() if text is not None}
    return events


def delete_landed(
    landing: Landing,
    feed: str,
    subject: Subject,
    *,
    dry_run: bool,
    columns: Collection[str] | None = None,
) -> Landed:
    """Take the subject's rows out of every file of a feed; with `dry_run` they are only counted.

    A file that its day's manifest does not list is removed whole: nobody reads it. `columns` are
    those that the feed declares; a file without the subject's among them is not understood (by
    default, one without the event's id).
    """
    expected = frozenset({subject.unit, subject.event} & set(columns or {subject.event}))
    landed_rows = Landed()
    for folder, paths in _by_folder(landing, feed).items():
        manifest = _manifest(landing, folder)
        listed = {file.name for file in manifest.files} if manifest else set()
        new: dict[str, LandedFile] = {}
        unlisted: list[str] = []
        for path in paths:
            rows = _named_columns(landing, path, subject, expected)
            if isinstance(rows, str):
                landed_rows.unread.append(path)
                landed_rows.why[path] = rows
            elif hit := _mine(rows, subject).true_count:
                landed_rows.files, landed_rows.rows = landed_rows.files + 1, landed_rows.rows + hit
                name = path.rsplit("/", 1)[1]
                if name not in listed:
                    unlisted.append(path)
                elif not dry_run:
                    new[name] = _without(landing, path, subject)
        if not dry_run:
            _switch(landing, folder, manifest, new)
            for path in unlisted:
                landing.storage.delete(path)
    return landed_rows


def beside_feeds(landing: Landing, feeds: Collection[str]) -> list[str]:
    """Files of a landing zone on this machine that are in the folder of none of these feeds."""
    if not isinstance(landing.storage, LocalStorage):
        return []
    return [path for path in _files(landing, "") if path.split("/")[0] not in feeds]


def undated(landing: Landing, feed: str) -> list[str]:
    """Files of a feed that are not directly in the folder of a day."""
    folders = {f"{feed}/{day}" for day in landing.folders(feed)}
    return [path for path in _files(landing, feed) if path.rpartition("/")[0] not in folders]


def _switch(
    landing: Landing, folder: str, manifest: Manifest | None, new: Mapping[str, LandedFile]
) -> None:
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
    content, rows = (_csv_without if name.endswith(_GZIP) else _parquet_without)(
        _read(landing, path), subject
    )
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
    table = read_table(gzip.decompress(content), [subject.unit, subject.event])
    places = []
    for column in (subject.unit, subject.event):
        places += [(column, place) for place in table.places(column)]

    def keep(row: SavedRow) -> bool:
        return not any(
            n < len(row.cells) and subject.names(name, row.cells[n]) for name, n in places
        )

    rows = sum(1 for row in (*table.above, *table.all_below) if row.cells and keep(row))
    return gzip.compress(table.kept(keep), compresslevel=6, mtime=0), rows


def _named_columns(
    landing: Landing, path: str, subject: Subject, expected: Collection[str]
) -> pa.Table | str:
    """The columns of unit and event, as plain texts, as far as the file has them; why not, where
    that is not known.

    A file that has not all of the `expected` columns may have them under other names.
    """
    import pyarrow as pa

    try:
        content = _read(landing, path)
    except ContractError:
        return "a link that leads out of the landing zone"
    except StoreError as error:
        if not isinstance(landing.storage, LocalStorage):
            raise
        return error.found
    if not content.strip() or _is_manifest(content):
        return pa.table({})
    try:
        rows = _columns(content, subject)
    except NotUnderstoodError as error:
        return str(error)
    except (pa.ArrowException, OSError, EOFError, ValueError, zlib.error) as error:
        return f"damaged ({type(error).__name__})"
    if missing := sorted(set(expected) - set(rows.column_names)):
        return f"no column {', '.join(missing)}"
    return rows


def _columns(content: bytes, subject: Subject) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if content[:4] == _PARQUET:
        file = pq.ParquetFile(io.BytesIO(content))
        named = [name for name in file.schema_arrow.names if name in {subject.unit, subject.event}]
        return _as_texts(file.read(columns=named), subject)
    text = gzip.decompress(content) if content[:2] == _GZIPPED else content
    table = read_table(text, [subject.unit, subject.event])
    columns: dict[str, Any] = {}
    for name in (subject.unit, subject.event):
        for place in table.places(name)[:1]:
            cells = [row.cells[place] if place < len(row.cells) else None for row in table.rows]
            columns[name] = pa.array(cells, pa.string())
    return _as_texts(pa.table(columns), subject)


def _as_texts(table: pa.Table, subject: Subject) -> pa.Table:
    """Both columns as text: no blanks around it, no zeros that a whole number gets in a column of
    floats.
    """
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

    return pc.is_in(
        rows[column], value_set=pa.array(sorted(subject.texts()[column]), pa.string())
    ).combine_chunks()


def _files(landing: Landing, folder: str) -> list[str]:
    """Every file below a folder of the landing zone, but for the manifests of days; hidden ones and
    links too.
    """
    storage = landing.storage
    if isinstance(storage, LocalStorage):
        paths = [
            path.relative_to(storage.root).as_posix() for path in files_below(storage.root / folder)
        ]
    else:
        paths = storage.files(folder)
    return [path for path in paths if not _is_manifest_of_day(path)]


def _by_folder(landing: Landing, feed: str) -> dict[str, list[str]]:
    folders: dict[str, list[str]] = {}
    for path in _files(landing, feed):
        folders.setdefault(path.rpartition("/")[0], []).append(path)
    return folders


def _is_manifest(content: bytes) -> bool:
    """Whether this is a manifest, which holds no rows; a folder of a day that somebody copied has
    one too.
    """
    if content.lstrip()[:1] != b"{":
        return False
    try:
        Manifest.parse(content, where="")
    except ContractError:
        return False
    return True


def _is_manifest_of_day(path: str) -> bool:
    parts = path.split("/")
    return len(parts) == 3 and parts[2] == MANIFEST_NAME and _day(parts[1]) is not None


def _manifest(landing: Landing, folder: str) -> Manifest | None:
    """The manifest of a day's folder; one that cannot be understood lists nothing that anybody
    would read.
    """
    feed, _, name = folder.partition("/")
    day = _day(name)
    try:
        return landing.arrival(feed, day).manifest if day else None
    except ContractError:
        return None


def _day(text: str) -> date | None:
    try:
        return parse_day(text)
    except UsageError:
        return None


def _read(landing: Landing, path: str) -> bytes:
    return landing.storage.read(path) or b""
