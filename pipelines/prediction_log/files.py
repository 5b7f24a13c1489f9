"""The files of the log of answers, from the stream that a scorer writes to Parquet by the hour:
each whole or absent.

A file keeps its name `<writer>-<number>` through its life: `<folder>/open/*.arrows` is being
written (an Arrow stream, readable to its last whole batch whatever becomes of its writer),
`<folder>/closed/*.arrows` is complete, and `<folder>/day=YYYY-MM-DD/hour=HH/*.parquet`, by the UTC
hour in which the answers were given, is where `settle` puts it.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.base.atomic_files import write_whole

if TYPE_CHECKING:
    import pyarrow as pa

LOGGER = logging.getLogger(__name__)

OPEN, CLOSED, STREAM, DAMAGED = "open", "closed", ".arrows", ".damaged"
"""Folders of the streams, their ending, and what is added to that of one that cannot be read."""

WRITER = "writer"
"""The column that says who wrote a row, where it is asked for."""


def answers_folder(home: Path, use_case: str) -> Path:
    """Where a home keeps its answers."""
    return home / "serving" / "answers" / use_case


def answers_folders(home: Path) -> list[Path]:
    """Those of all use cases of a home."""
    return sorted(path for path in (home / "serving" / "answers").glob("*") if path.is_dir())


def hour_of(at: datetime) -> str:
    """The folder of an hour (UTC), below the log's."""
    return f"day={at:%Y-%m-%d}/hour={at:%H}"


def waiting(folder: Path) -> bool:
    """Whether a complete stream is not Parquet yet."""
    try:
        return any(entry.name.endswith(STREAM) for entry in os.scandir(folder / CLOSED))
    except FileNotFoundError:
        return False


def settle(folder: Path) -> int:
    """Turn every complete stream into Parquet, and return how many there were; those of one folder
    take turns.

    Raises `StoreError` where the disk takes no file, and `OSError` where a stream cannot be opened;
    it then stays. One whose beginning cannot be read stays too, as `*.arrows.damaged`.
    """
    import pyarrow.parquet as pq

    count = 0
    with _alone(folder):
        for path in sorted((folder / CLOSED).glob(f"*{STREAM}")):
            table = _readable(path)
            if table is None and path.stat().st_size:
                LOGGER.error("a stream of answers cannot be read and is put aside: %s", path)
                path.replace(path.with_name(f"{path.name}{DAMAGED}"))
                continue
            if table is not None and table.num_rows:
                target = folder / table.schema.metadata[b"hour"].decode() / f"{path.stem}.parquet"
                for left in target.parent.glob(f".{target.name}.*"):  # by one that was killed
                    left.unlink()
                plain = table.replace_schema_metadata(None)
                write_whole(
                    target, partial(pq.write_table, plain), what="a file of the log of answers"
                )
            path.unlink()
            count += 1
    return count


def keep_furthest(folder: Path) -> int:
    """Of each file that was copied twice on its way, as a backup may do, keep the later one; how
    many were removed.

    The earlier one may lack rows. A writer that starts would give it a name of its own, and its
    rows would count twice.
    """
    removed = 0
    further = {path.stem for path in folder.glob("day=*/hour=*/*.parquet")}
    for place in (CLOSED, OPEN):
        streams = sorted((folder / place).glob(f"*{STREAM}"))
        for path in streams:
            if path.stem in further:
                path.unlink()
                removed += 1
        further |= {path.stem for path in streams}
    return removed


def read_answers(
    folder: Path,
    hours: Sequence[datetime],
    columns: Sequence[str] | None = None,
    *,
    writers: bool = False,
) -> list[pa.Table]:
    """The answers given in those UTC hours, a table for each file, streams included; none where
    there are none.

    With `writers` each has the column `writer` besides: a worker's rows in one table are in the
    order of its answers.
    """
    import pyarrow as pa

    tables = _tables(folder, {hour_of(hour) for hour in hours}, list(columns) if columns else None)
    if not writers:
        return list(tables.values())
    named = ((stem.rpartition("-")[0], table) for stem, table in tables.items())
    return [
        table.append_column(WRITER, pa.repeat(pa.scalar(writer), table.num_rows))
        for writer, table in named
    ]


def _tables(folder: Path, wanted: set[str], columns: list[str] | None) -> dict[str, pa.Table]:
    """Tables by the files' names.

    Looked for in the order in which a file moves on, so that none is missed or twice.
    """
    import pyarrow.parquet as pq

    tables: dict[str, pa.Table] = {}
    for place in (OPEN, CLOSED):
        for path in sorted((folder / place).glob(f"*{STREAM}")):
            table = _readable(path)
            if table is not None and table.schema.metadata[b"hour"].decode() in wanted:
                tables[path.stem] = table.select(columns) if columns else table
    for hour in sorted(wanted):
        for path in sorted((folder / hour).glob("*.parquet")):
            tables[path.stem] = pq.ParquetFile(path).read(columns=columns)
    return tables


def _readable(path: Path) -> pa.Table | None:
    """All whole batches of a stream; None where not even its head is there, or where it has moved
    on.
    """
    import pyarrow as pa

    batches = []
    try:
        if not path.stat().st_size:
            return None
        source = pa.memory_map(str(path))
    except FileNotFoundError:
        return None
    with source:
        try:
            reader = pa.ipc.open_stream(source)
        except (pa.ArrowInvalid, OSError):  # its first bytes: pyarrow has both for them
            return None
        schema = reader.schema
        with suppress(pa.ArrowInvalid, OSError):  # the end of a write that was cut short
            batches.extend(reader)
        return pa.Table.from_batches(batches, schema)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One at a time."""
    (folder / CLOSED).mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(folder / CLOSED / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
