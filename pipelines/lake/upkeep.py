"""Upkeep of the lake's tables: small files put together, versions kept as long as promised, what is
older removed.

Delta's own OPTIMIZE, table properties and VACUUM (Delta Lake 4, "Table utility commands"). By
default Delta forgets versions after 30 days, whenever it writes a checkpoint; what a release was
trained on must be readable for longer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from pipelines.accounts.maintain import TableUpkeepAccount
from pipelines.base.errors import TollgateError
from pipelines.lake.errors import write_error
from pipelines.lake.lake import FENCE, Lake, Provenance

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_METADATA = "spark.databricks.delta.commitInfo.userMetadata"
_LOGGED = "spark.databricks.delta.vacuum.logging.enabled"
_PROPERTIES = ("delta.logRetentionDuration", "delta.deletedFileRetentionDuration")


@dataclass(frozen=True, kw_only=True)
class TableUpkeep:
    """What was done to a table: files that were `compacted` into how many (`into`), old files
    `removed`.

    Of those removed Delta names at most 1,000.
    """

    compacted: int
    into: int
    removed: int

    def account(self) -> TableUpkeepAccount:
        """What the ledger keeps."""
        return TableUpkeepAccount(compacted=self.compacted, into=self.into, removed=self.removed)


def tend(
    lake: Lake, table: str, *, settled: date, versions_days: int, provenance: Provenance
) -> TableUpkeep:
    """Put the files of each day before `settled` together, and remove files that no kept version
    needs.

    Rows and their days stay; a new version is written only where files are put together or the
    policy has changed. Raises `StoreError` where another writer was faster or the store does not
    answer.
    """
    try:
        with lake.writing(table) as fence, commits_say(lake.spark, provenance, fence):
            _keep_versions(lake, table, versions_days)
            compacted, into = _compact(lake, table, settled)
            removed = _vacuum(lake, table, hours=24 * versions_days)
    except TollgateError:
        raise
    except Exception as error:
        raise write_error(error, lake.path(table)) from error
    return TableUpkeep(compacted=compacted, into=into, removed=removed)


@contextmanager
def commits_say(spark: SparkSession, provenance: Provenance, fence: int | None) -> Iterator[None]:
    """Commits of SQL commands carry provenance and fence (see `Lake.writing`) too; a VACUUM makes
    none.
    """
    said = json.loads(provenance.to_json(days=()))
    spark.conf.set(
        _METADATA, json.dumps(said if fence is None else {**said, FENCE: fence}, sort_keys=True)
    )
    spark.conf.set(_LOGGED, "false")
    try:
        yield
    finally:
        spark.conf.unset(_METADATA)
        spark.conf.unset(_LOGGED)


def _keep_versions(lake: Lake, table: str, days: int) -> None:
    wanted = dict.fromkeys(_PROPERTIES, f"interval {days} days")
    detail = _detail(lake, table)
    if any(detail.properties.get(name) != value for name, value in wanted.items()):
        listed = ", ".join(f"'{name}' = '{value}'" for name, value in wanted.items())
        lake.spark.sql(f"ALTER TABLE {lake.sql_name(table)} SET TBLPROPERTIES ({listed})").collect()


def _compact(lake: Lake, table: str, settled: date) -> tuple[int, int]:
    """How many files became how many; of a table without days all of it counts as settled."""
    where = (
        f" WHERE day < DATE'{settled}'" if "day" in _detail(lake, table).partitionColumns else ""
    )
    metrics = lake.spark.sql(f"OPTIMIZE {lake.sql_name(table)}{where}").collect()[0].metrics
    return int(metrics.numFilesRemoved), int(metrics.numFilesAdded)


def _vacuum(lake: Lake, table: str, *, hours: int) -> int:
    """How many files went; Delta lists them in a dry run, and lists at most a thousand."""
    command = f"VACUUM {lake.sql_name(table)} RETAIN {hours} HOURS"
    going = int(lake.spark.sql(f"{command} DRY RUN").count())
    if going:
        lake.spark.sql(command).collect()
    return going


def _detail(lake: Lake, table: str) -> Any:
    return lake.spark.sql(f"DESCRIBE DETAIL {lake.sql_name(table)}").collect()[0]
