"""From a DAG run to a stage's days."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.platform.days import DayRange
from pipelines.platform.errors import UsageError
from plugins.tollgate_airflow.partition import partition_day, partition_days


def _context(key: str | None, **params: Any) -> dict[str, Any]:
    return {"dag_run": SimpleNamespace(dag_id="score", run_id="manual", partition_key=key), "params": params}


def test_the_partition_is_the_day() -> None:
    assert partition_day(_context("2028-02-29")) == date(2028, 2, 29)


def test_a_run_without_a_partition_is_told_how_to_get_one() -> None:
    with pytest.raises(UsageError, match="no partition") as caught:
        partition_day(_context(None))
    assert "partition key" in caught.value.next_step


@pytest.mark.parametrize("key", ["2026-11-7", "../etc", "2026-02-30", "today"])
def test_a_partition_that_is_no_day_is_refused(key: str) -> None:
    with pytest.raises(UsageError, match="calendar day"):
        partition_day(_context(key))


def test_span_days_end_with_the_partition() -> None:
    assert partition_days(_context("2026-03-01", span_days=3)) == DayRange(date(2026, 2, 27), date(2026, 3, 1))
    assert partition_days(_context("2026-03-01")) == DayRange.single(date(2026, 3, 1))
