"""What a day has: read from its accounts in the ledger and its rows in the lake, not from the absence of a failure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from pipelines.accounts.account import Account
from pipelines.platform.days import DayRange
from pipelines.platform.ledger import StageRecord
from pipelines.platform.orchestration import CHAIN
from pipelines.platform.storage import Storage, open_storage
from pipelines.run import Run

_ROWS_IN = {"features": "features", "score": "predictions"}
"""The table in which a stage leaves as many rows of the day as its account says."""


def missing_stages(run: Run, days: DayRange) -> dict[date, tuple[str, ...]]:
    """For each of `days` the stages of the chain whose result is not there, in order; empty for a complete day.

    A result is there where the stage's newest record says `done`, is younger than that of the stage before it, and the
    lake holds rows of the day where the account counts some. Needs no engine. Raises `StoreError`.
    """
    records = {stage: run.ledger.latest(stage, first=days.first, last=days.last) for stage in CHAIN}
    lake = open_storage(run.settings, f"{run.settings.lake}/{run.use_case.name}")
    return {day: _missing({stage: records[stage].get(day) for stage in CHAIN}, day, lake) for day in days}


def _missing(records: Mapping[str, StageRecord[Account] | None], day: date, lake: Storage) -> tuple[str, ...]:
    found: list[str] = []
    before = 0
    for stage, record in records.items():
        if record is None or record.status != "done" or record.sequence < before or not _has_rows(record, day, lake):
            found.append(stage)
        before = max(before, record.sequence if record else 0)
    return tuple(found)


def _has_rows(record: StageRecord[Account], day: date, lake: Storage) -> bool:
    """Whether the day has a folder in the stage's table, where its account counts rows."""
    table = _ROWS_IN.get(record.stage)
    if table is None or not record.account.rows_handled():
        return True
    return any(path.endswith(".parquet") for path in lake.files(f"{table}/day={day}"))
