"""Delta tables read without Spark, for what must start in a second: whole tables, column by column,
batch by batch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from pipelines.base.errors import StoreError
from pipelines.base.settings import Settings, is_remote
from pipelines.lake.delta_health import require_whole_log
from pipelines.lake.delta_log import commit_versions, live_files

if TYPE_CHECKING:
    import pyarrow as pa


_DECODED = re.compile("%[0-9A-Fa-f]{2}")
"""What delta-rs (1.6.6) decodes in the path of a table, although nobody has encoded it."""


def table_batches(
    settings: Settings, use_case: str, table: str, columns: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """The newest version of a table of the use case's lake, in batches of those columns.

    Raises `StoreError` where there is no such table, or it cannot be read.
    """
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    where = f"{settings.lake.rstrip('/')}/{use_case}/{table}"
    if not is_remote(settings.lake):
        require_whole_log(Path(where))
    try:
        if not is_remote(settings.lake) and _DECODED.search(where):
            dataset = _files_of(Path(where))
        else:
            opened = DeltaTable(
                where.replace("s3a://", "s3://", 1), storage_options=_options(settings)
            )
            dataset = opened.to_pyarrow_dataset()
        yield from dataset.to_batches(columns=list(columns))
    except (DeltaError, OSError) as error:
        raise StoreError(
            f"the table {table!r} cannot be read",
            where=where,
            found=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
            next_step="look at the lake (server, permissions), or run the stage that writes it",
        ) from error


def _files_of(table: Path) -> Any:
    """The files of a table that is not partitioned, as a dataset; raises `OSError` where there is
    no such table.
    """
    import pyarrow.dataset as ds

    if not commit_versions(table):
        raise FileNotFoundError(f"no Delta table at {table}")
    return ds.dataset([str(table / unquote(path)) for path in live_files(table)], format="parquet")


def _options(settings: Settings) -> dict[str, str]:
    """How the reader reaches the object store; who it is comes from AWS's own variables and
    files.
    """
    if not is_remote(settings.lake):
        return {}
    endpoint = settings.s3_endpoint
    return {
        "AWS_REGION": settings.s3_region or "us-east-1",
        **({"AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": "true"} if endpoint else {}),
    }
