"""Delta tables read without Spark, for what must start in a second: whole tables, column by column, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.platform.delta_health import require_whole_log
from pipelines.platform.errors import StoreError
from pipelines.platform.settings import Settings, is_remote

if TYPE_CHECKING:
    import pyarrow as pa


def table_batches(settings: Settings, use_case: str, table: str, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The newest version of a table of the use case's lake, in batches of those columns.

    Raises `StoreError` where there is no such table, or it cannot be read.
    """
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    where = f"{settings.lake.rstrip('/')}/{use_case}/{table}"
    if not is_remote(settings.lake):
        require_whole_log(Path(where))
    try:
        found = DeltaTable(where.replace("s3a://", "s3://", 1), storage_options=_options(settings))
        yield from found.to_pyarrow_dataset().to_batches(columns=list(columns))
    except (DeltaError, OSError) as error:
        raise StoreError(
            f"the table {table!r} cannot be read",
            where=where,
            found=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
            next_step="look at the lake (server, permissions), or run the stage that writes it",
        ) from error


def _options(settings: Settings) -> dict[str, str]:
    """How the reader reaches the object store; who it is comes from AWS's own variables and files."""
    if not is_remote(settings.lake):
        return {}
    endpoint = settings.s3_endpoint
    return {
        "AWS_REGION": settings.s3_region or "us-east-1",
        **({"AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": "true"} if endpoint else {}),
    }
