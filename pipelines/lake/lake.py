"""The lake: Delta tables partitioned by `day`; whole days are replaced in one commit that says
where they came from.

SQL and DataFrame only, so that the same code runs on a local session and over Spark Connect.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.base.days import DayRange
from pipelines.base.errors import PermanentError
from pipelines.base.settings import Settings, is_remote
from pipelines.lake.delta_health import require_whole_log
from pipelines.lake.delta_log import commit_infos, commit_versions
from pipelines.lake.errors import read_error, write_error
from pipelines.ledger.lease_holder import Leases, holder_name
from pipelines.ledger.leases import LeaseLedger

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, DataFrameWriter, SparkSession


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What a commit says of itself: who made it, from which versions of which tables, by which
    code.
    """

    stage: str
    run_id: str
    code: str
    inputs: Mapping[str, int] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self, *, days: Iterable[date]) -> str:
        """The commit's `userMetadata`, with a token by which the commit can be found again."""
        content = {
            "commit": uuid.uuid4().hex,
            "stage": self.stage,
            "run_id": self.run_id,
            "code": self.code,
            "inputs": dict(self.inputs),
            "days": [str(day) for day in sorted(days)],
            **self.extra,
        }
        return json.dumps(content, sort_keys=True)


@dataclass(frozen=True)
class Commit:
    """One entry of a table's history."""

    version: int
    operation: str
    metadata: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class AddedColumn:
    """A column that a table did not have from its first day: its Spark SQL type, and the value of
    the rows from before.
    """

    name: str
    type: str
    default: str | int | float | bool


def day_predicate(days: DayRange) -> str:
    """The SQL condition that `day` lies in the range (`replaceWhere` cannot resolve Spark 4.2's
    BETWEEN).
    """
    return f"day >= DATE'{days.first}' AND day <= DATE'{days.last}'"


FENCE = "fence"
"""What a commit's metadata calls the token of the lease under which it was made: of a table's
commits it only grows.
"""

MISSING = "DELTA_MISSING_DELTA_TABLE"
"""Spark's error condition where a folder holds no table, or is not there."""


class Lake:
    """The tables of one use case below `<lake root>/<use case>/`.

    `added` are the columns, by table, that were added to tables with history: their files are not
    rewritten, a row from before is read with the default.
    """

    def __init__(
        self,
        spark: SparkSession,
        root: str,
        leases: Leases | None = None,
        *,
        added: Mapping[str, Sequence[AddedColumn]] | None = None,
    ) -> None:
        self.spark = spark
        self.root = root.rstrip("/")
        self._leases = leases
        self._added = added or {}

    @classmethod
    def of(
        cls,
        spark: SparkSession,
        settings: Settings,
        use_case: str,
        *,
        run_id: str,
        added: Mapping[str, Sequence[AddedColumn]] | None = None,
    ) -> Lake:
        """The lake of a use case as the settings place it.

        A disk refuses the second of two equal names, which is what Delta builds on; an object store
        may take both. There each table has a lease in the ledger, and one writer at a time.
        """
        leases = None
        if is_remote(settings.lake):
            leases = Leases(
                ledger=LeaseLedger(settings.ledger, use_case), holder=holder_name(run_id)
            )
        return cls(spark, f"{settings.lake.rstrip('/')}/{use_case}", leases, added=added)

    def path(self, table: str) -> str:
        """Location of a table (Hadoop's `s3a://` for an object store)."""
        return f"{self.root.replace('s3://', 's3a://', 1)}/{table}"

    def sql_name(self, table: str) -> str:
        """The table as SQL names it by its location; a backtick in that is written twice."""
        return f"delta.`{self.path(table).replace('`', '``')}`"

    def exists(self, table: str) -> bool:
        """Whether the table has a first commit; raises `StoreError` where an object store does not
        say.
        """
        if not is_remote(self.root):
            return bool(commit_versions(Path(self.path(table))))
        try:
            self.spark.sql(f"DESCRIBE DETAIL {self.sql_name(table)}").collect()
        except Exception as error:
            if _condition(error) == MISSING:
                return False
            raise read_error(error, self.path(table)) from error
        return True

    def require_whole(self, table: str) -> None:
        """Raise `DamagedTableError` where a file of the table's log is not whole (an object store
        takes whole ones).
        """
        if not is_remote(self.root):
            require_whole_log(Path(self.path(table)))

    def read(
        self, table: str, *, days: DayRange | None = None, version: int | None = None
    ) -> DataFrame:
        """The table's rows, of some days or all, at a version or now; raises `PermanentError` where
        it is not there.
        """
        if not self.exists(table):
            raise PermanentError(
                f"the lake has no table {table!r}",
                where=self.path(table),
                expected="a Delta table",
                found="nothing",
                next_step="run the stage that makes it first (tollgate run --help)",
            )
        self.require_whole(table)
        reader = self.spark.read.format("delta")
        if version is not None:
            reader = reader.option("versionAsOf", version)
        frame = self._with_defaults(reader.load(self.path(table)), table)
        if days is not None:
            frame = frame.where(day_predicate(days))
        return frame

    def _with_defaults(self, frame: DataFrame, table: str) -> DataFrame:
        """The rows with every added column; ingest takes no null, so a null is from before."""
        from pyspark.sql import functions as f

        columns, stored = {}, dict(frame.dtypes)
        for column in self._added.get(table, ()):
            default = f.lit(column.default)
            if column.name in stored:
                default = f.coalesce(column.name, default.cast(stored[column.name]))
            columns[column.name] = default.cast(stored.get(column.name, column.type))
        return frame.withColumns(columns) if columns else frame

    def replace_days(
        self,
        frame: DataFrame,
        table: str,
        days: DayRange,
        *,
        provenance: Provenance,
        add_columns: bool = False,
    ) -> int:
        """Replace the rows of `days` by `frame` in one commit.

        `frame` has a `day` DATE column and only rows of these days. Returns the version that was
        written. The table is made where it does not exist. Nothing is visible until the commit, and
        after it all of it is. With `add_columns`, columns that the table lacks are added to it,
        null in the rows that are there.
        """
        return self._write(
            frame,
            table,
            day_predicate(days),
            provenance.to_json(days=days),
            add_columns=add_columns,
        )

    def replace_listed_days(
        self,
        frame: DataFrame,
        table: str,
        days: Iterable[date],
        *,
        provenance: Provenance,
        add_columns: bool = False,
    ) -> int:
        """As `replace_days`, for days that need not be consecutive."""
        listed = sorted(set(days))
        dates = ", ".join(f"DATE'{day}'" for day in listed)
        predicate = f"day IN ({dates})"
        return self._write(
            frame, table, predicate, provenance.to_json(days=listed), add_columns=add_columns
        )

    def replace_table(
        self, frame: DataFrame, table: str, *, days: DayRange, provenance: Provenance
    ) -> int:
        """Replace all rows and the schema of a table that is not partitioned; `days` is what the
        commit speaks of.
        """
        writer = frame.write.format("delta").mode("overwrite").option("overwriteSchema", "true")
        return self._commit(writer, table, provenance.to_json(days=days))

    def history(self, table: str, *, limit: int | None = None) -> list[Commit]:
        """The table's commits, newest first."""
        if not is_remote(self.root):
            self.require_whole(table)
            infos = commit_infos(Path(self.path(table)), limit)
            return [
                Commit(
                    version, info.get("operation", ""), json.loads(info.get("userMetadata") or "{}")
                )
                for version, info in infos
            ]
        if not self.exists(table):
            return []
        newest = f" LIMIT {int(limit)}" if limit else ""
        rows = self.spark.sql(f"DESCRIBE HISTORY {self.sql_name(table)}{newest}").collect()
        return [
            Commit(row.version, row.operation, json.loads(row.userMetadata or "{}")) for row in rows
        ]

    def version(self, table: str) -> int | None:
        """The newest version of the table, or None where it does not exist."""
        if not is_remote(self.root):
            return next(iter(commit_versions(Path(self.path(table)))), None)
        newest = self.history(table, limit=1)
        return newest[0].version if newest else None

    def versions(self, tables: Iterable[str]) -> dict[str, int]:
        """Newest versions of those tables that exist."""
        versions = {table: self.version(table) for table in tables}
        return {table: version for table, version in versions.items() if version is not None}

    @contextmanager
    def writing(self, table: str) -> Iterator[int | None]:
        """Be the table's one writer; the token of its lease (None where none is needed), for the
        commit to name.

        Raises `TransientError` where another writer holds it, or has taken it meanwhile: jobs are
        cancelled then.
        """
        self.require_whole(table)
        if self._leases is None:
            yield None
            return
        tag = f"lease-{uuid.uuid4().hex}"
        self.spark.addTag(tag)
        try:
            with self._leases.held(
                self.path(table), stop=lambda: self.spark.interruptTag(tag)
            ) as token:
                yield token
        finally:
            self.spark.removeTag(tag)

    def _write(
        self,
        frame: DataFrame,
        table: str,
        predicate: str,
        metadata: str,
        *,
        add_columns: bool = False,
    ) -> int:
        writer = (
            frame.write.format("delta")
            .mode("overwrite")
            .partitionBy("day")
            .option("replaceWhere", predicate)
        )
        return self._commit(writer.option("mergeSchema", str(add_columns).lower()), table, metadata)

    def _commit(self, writer: DataFrameWriter, table: str, metadata: str) -> int:
        with self.writing(table) as fence:
            said = (
                metadata
                if fence is None
                else json.dumps({**json.loads(metadata), FENCE: fence}, sort_keys=True)
            )
            try:
                writer.option("userMetadata", said).save(self.path(table))
            except Exception as error:
                raise write_error(error, self.path(table)) from error
        return self._committed(table, metadata)

    def _committed(self, table: str, metadata: str) -> int:
        """The version of the commit just made, found by its token."""
        token = json.loads(metadata)["commit"]
        for commit in self.history(table, limit=10):
            if commit.metadata.get("commit") == token:
                return commit.version
        raise PermanentError(
            "the commit just made is not in the table's history",
            where=self.path(table),
            expected=f"a commit with the token {token} among the newest ten",
            found="none",
            next_step="look at DESCRIBE HISTORY of the table; running the days again is safe",
        )


def _condition(error: Exception) -> str:
    """The error condition that Spark names, or nothing."""
    from pyspark.errors import PySparkException

    return str(error.getCondition()) if isinstance(error, PySparkException) else ""
