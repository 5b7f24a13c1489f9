"""Every answer that was given, with the features behind it: Parquet by the hour, in files that are whole or absent.

`<folder>/day=YYYY-MM-DD/hour=HH/<writer>-<number>.parquet`, by the UTC hour in which the answer was given. Rows are
first appended to `<folder>/open/<writer>.arrows`, an Arrow stream that a killed process leaves behind readable; it
becomes a Parquet file when the hour ends, when it is large, when the writer closes, or when the next writer of that
name starts.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.platform.errors import StoreError

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_PER_FILE = 500_000
OPEN, SUFFIX = "open", ".arrows"
"""Folder and ending of the streams that are being written."""

SALT = "answers"
"""With it the units are drawn of which a share is logged (`pipelines.release.canary.in_canary`)."""

WRITER = "writer"
"""The column that says who wrote a row, where it is asked for."""


def answers_folder(home: Path, use_case: str) -> Path:
    """Where a home keeps its answers."""
    return home / "serving" / "answers" / use_case


class AnswerLog:
    """One writer's log; for one thread. `writer` names it among the workers of a machine."""

    def __init__(self, folder: Path, writer: str) -> None:
        self._folder = folder
        self._open = folder / OPEN / f"{writer}{SUFFIX}"
        self._writer = writer
        self._stream: Any = None
        self._stream_schema: Any = None
        self._file: Any = None
        self._hour = ""
        self._rows = 0
        with _failing(folder, "the log of answers cannot be opened"):
            self._open.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if self._open.exists():
                self._settle(self._open)

    def append(self, batch: pa.RecordBatch, at: datetime) -> None:
        """Rows of answers given at that instant; on return they outlive this process. Raises `StoreError`."""
        import pyarrow as pa

        hour = f"day={at.astimezone(UTC):%Y-%m-%d}/hour={at.astimezone(UTC):%H}"
        with _failing(self._folder, "the log of answers does not take rows"):
            changed = self._stream is not None and self._stream_schema != batch.schema
            if changed or hour != self._hour or self._rows >= ROWS_PER_FILE:
                self.close()
            if self._stream is None:
                self._file = self._open.open("wb", buffering=0)
                self._stream = pa.ipc.new_stream(self._file, batch.schema.with_metadata({"hour": hour}))
                self._stream_schema, self._hour, self._rows = batch.schema, hour, 0
            self._stream.write_batch(batch.replace_schema_metadata({"hour": hour}))
            self._rows += batch.num_rows

    def close(self) -> None:
        """Turn what is open into a Parquet file."""
        if self._stream is None:
            return
        with _failing(self._folder, "the log of answers cannot be closed"):
            self._stream.close()
            self._file.close()
            self._stream = None
            self._settle(self._open)

    def _settle(self, path: Path) -> None:
        """The rows of a stream, whole or cut off, as a Parquet file; the stream is gone afterwards."""
        import pyarrow.parquet as pq

        table = _readable(path)
        if table is not None and table.num_rows:
            target = self._folder / table.schema.metadata[b"hour"].decode()
            target.mkdir(parents=True, exist_ok=True)
            scratch = target / f".{uuid.uuid4().hex}"
            pq.write_table(table.replace_schema_metadata(None), scratch)
            scratch.replace(target / f"{self._writer}-{uuid.uuid4().hex[:12]}.parquet")
        path.unlink(missing_ok=True)


def read_answers(
    folder: Path, hours: Sequence[datetime], columns: Sequence[str] | None = None, *, writers: bool = False
) -> list[pa.Table]:
    """The answers given in those UTC hours, a table for each file, open streams included; none where there are none.

    With `writers` each has the column `writer` besides: a worker's rows in one table are in the order of its answers.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    wanted = {f"day={hour:%Y-%m-%d}/hour={hour:%H}" for hour in hours}
    found: list[tuple[str, pa.Table]] = []
    for name in sorted(wanted):
        for path in sorted((folder / name).glob("*.parquet")):
            table = pq.ParquetFile(path).read(columns=list(columns) if columns else None)
            found.append((path.stem.rpartition("-")[0], table))
    for path in sorted((folder / OPEN).glob(f"*{SUFFIX}")):
        table = _readable(path)
        if table is not None and table.schema.metadata[b"hour"].decode() in wanted:
            found.append((path.stem, table.select(list(columns)) if columns else table))
    if not writers:
        return [table for _, table in found]
    return [table.append_column(WRITER, pa.repeat(pa.scalar(name), table.num_rows)) for name, table in found]


def _readable(path: Path) -> pa.Table | None:
    """All whole batches of a stream; None where not even its head is there."""
    import pyarrow as pa

    batches = []
    try:
        with pa.memory_map(str(path)) as source:
            reader = pa.ipc.open_stream(source)
            schema = reader.schema
            with suppress(pa.ArrowInvalid, OSError):  # the end of a write that was cut short
                batches.extend(reader)
            return pa.Table.from_batches(batches, schema)
    except (pa.ArrowInvalid, OSError):
        return None


@contextmanager
def _failing(folder: Path, what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            what,
            where=str(folder),
            expected="a folder with room that this user may write",
            found=str(error),
            next_step="make room; answers go out all the same, and are counted as not logged",
            runbook="docs/runbooks/serving.md",
        ) from error
