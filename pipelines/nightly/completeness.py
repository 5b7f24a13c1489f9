"""What a day has: read from its accounts in the ledger and its rows in the lake, not from the
absence of a failure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pipelines.accounts.account import Account
from pipelines.airflow.names import CHAIN
from pipelines.base.days import DayRange
from pipelines.base.settings import is_remote
from pipelines.lake.delta_health import require_whole_log
from pipelines.lake.delta_log import commit_versions, last_writers
from pipelines.ledger.ledger import StageRecord
from pipelines.object_store.storage import Storage, open_storage
from pipelines.run import Run

_ROWS_IN = {"features": "features", "score": "predictions"}
"""The table in which a stage leaves as many rows of the day as its account says."""

_REPAIR = "repair"
"""What a commit says that took damaged files out of a table: their rows are gone."""


def missing_stages(run: Run, days: DayRange) -> dict[date, tuple[str, ...]]:
    """For each of `days` the stages of the chain whose result is not there, in order; empty for a
    complete day.

    A result is there where the stage's newest record says `done`, is younger than that of the stage
    before it, and the lake holds rows of the day where the account counts some: in the version that
    the account names or a later one, and last written by Tollgate (a lake on an object store is not
    asked that). Needs no engine. Raises `StoreError`, and `DamagedTableError` where a table's log
    is not whole.
    """
    records = {stage: run.ledger.latest(stage, first=days.first, last=days.last) for stage in CHAIN}
    tables = {stage: _Table.of(run, table, days) for stage, table in _ROWS_IN.items()}
    return {
        day: _missing({stage: records[stage].get(day) for stage in CHAIN}, day, tables)
        for day in days
    }


@dataclass(frozen=True)
class _Table:
    """A table of days: `newest` version and last writers by day where its log can be read here,
    else None.
    """

    name: str
    lake: Storage
    newest: int | None
    writers: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, run: Run, name: str, days: DayRange) -> _Table:
        root = f"{run.settings.lake}/{run.use_case.name}"
        lake = open_storage(run.settings, root)
        path = Path(root, name)
        if is_remote(run.settings.lake) or not (path / "_delta_log").is_dir():
            return cls(name, lake, None, {})
        require_whole_log(path)
        newest = next(iter(commit_versions(path)), -1)
        return cls(name, lake, newest, last_writers(path, {str(day) for day in days}))

    def holds(self, record: StageRecord[Account], day: date) -> bool:
        """Whether the rows that an account of the day counts are there."""
        if not any(path.endswith(".parquet") for path in self.lake.files(f"{self.name}/day={day}")):
            return False
        if self.newest is None:
            return True
        version = record.account.written_version(self.name)
        if version is not None and version > self.newest:
            return False
        writer = self.writers.get(str(day))
        return writer is None or writer.get("stage", _REPAIR) != _REPAIR


def _missing(
    records: Mapping[str, StageRecord[Account] | None], day: date, tables: Mapping[str, _Table]
) -> tuple[str, ...]:
    missing_stages: list[str] = []
    before = 0
    for stage, record in records.items():
        if (
            record is None
            or record.status != "done"
            or record.sequence < before
            or not _has_rows(record, day, tables)
        ):
            missing_stages.append(stage)
        before = max(before, record.sequence if record else 0)
    return tuple(missing_stages)


def _has_rows(record: StageRecord[Account], day: date, tables: Mapping[str, _Table]) -> bool:
    """Whether the stage's table holds the day, where its account counts rows."""
    table = tables.get(record.stage)
    return table is None or not record.account.rows_handled() or table.holds(record, day)
