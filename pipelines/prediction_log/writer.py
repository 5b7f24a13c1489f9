"""Every answer that was given, with the features behind it: one writer's part of the log
(`answer_files`).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.base.atomic_files import disk_remedy
from pipelines.base.errors import StoreError
from pipelines.prediction_log.files import CLOSED, OPEN, STREAM, hour_of

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_PER_FILE = 500_000

SALT = "answers"
"""With it the units are drawn of which a share is logged
(`pipelines.releases.canary.in_canary`).
"""


class PredictionLog:
    """One writer's log; for one thread. `writer` names it among the workers of a machine.

    A stream is complete when the hour ends, when it is large, when the writer closes, or when the
    next writer of that name starts. Completing it is a move of the file: what makes it Parquet
    costs this process nothing.
    """

    def __init__(self, folder: Path, writer: str) -> None:
        self._folder = folder
        self._writer = writer
        self._path: Path | None = None
        self._stream: Any = None
        self._stream_schema: Any = None
        self._file: Any = None
        self._hour = ""
        self._rows = 0
        with _failing(folder, "the log of answers cannot be opened"):
            for name in (OPEN, CLOSED):
                (folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
            for path in (folder / OPEN).glob(f"{writer}*{STREAM}"):
                if writer in (
                    path.stem,
                    path.stem.rpartition("-")[0],
                ):  # bare: left by an earlier version
                    path.replace(folder / CLOSED / _name(writer))

    def append(self, batch: pa.RecordBatch, at: datetime) -> None:
        """Rows of answers given at that instant; on return they outlive this process.

        Raises `StoreError`.
        """
        hour = hour_of(at.astimezone(UTC))
        with _failing(self._folder, "the log of answers does not take rows"):
            changed = self._stream is not None and self._stream_schema != batch.schema
            if changed or hour != self._hour or self._rows >= ROWS_PER_FILE:
                self.close()
            if self._stream is None:
                self._open(batch.schema, hour)
            self._stream.write_batch(batch.replace_schema_metadata({"hour": hour}))
            self._rows += batch.num_rows

    def close(self) -> None:
        """Complete what is open."""
        if self._stream is None or self._path is None:
            return
        with _failing(self._folder, "the log of answers cannot be closed"):
            self._stream.close()
            self._file.close()
            self._stream = None
            self._path.replace(self._folder / CLOSED / self._path.name)

    def _open(self, schema: pa.Schema, hour: str) -> None:
        import pyarrow as pa

        self._path = self._folder / OPEN / _name(self._writer)
        self._file = self._path.open("wb", buffering=0)
        self._stream = pa.ipc.new_stream(self._file, schema.with_metadata({"hour": hour}))
        self._stream_schema, self._hour, self._rows = schema, hour, 0


def _name(writer: str) -> str:
    return f"{writer}-{uuid.uuid4().hex[:12]}{STREAM}"


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
            next_step=(
                f"{disk_remedy(error)}; answers go out all the same, and are counted as not logged"
            ),
            runbook="docs/runbooks/serving.md",
        ) from error
