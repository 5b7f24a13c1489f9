"""From a DAG run to a stage's days."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.base.days import DayRange
from plugins.tollgate_airflow.partition import (
    PartitionKeyError,
    partition_day,
    partition_days,
    require_ended,
)


def _context(key: str | None, **params: Any) -> dict[str, Any]:
    return {
        "dag_run": SimpleNamespace(dag_id="score", run_id="manual", partition_key=key),
        "params": params,
    }


def test_the_partition_is_the_day() -> None:
    assert partition_day(_context("2028-02-29")) == date(2028, 2, 29)


@pytest.mark.parametrize("key", [None, "", "  "])
def test_a_run_without_a_partition_is_told_how_to_get_one(key: str | None) -> None:
    with pytest.raises(PartitionKeyError, match="no partition") as caught:
        partition_day(_context(key))
    assert "partition key" in caught.value.next_step


@pytest.mark.parametrize(
    "key", ["2026-11-7", "../etc", "2026-02-30", "today", " 2026-11-07", "20261107", "0001-01-01"]
)
def test_a_partition_that_is_no_day_is_refused(key: str) -> None:
    with pytest.raises(PartitionKeyError, match="calendar day"):
        partition_day(_context(key))


def test_a_partition_of_another_age_is_refused() -> None:
    with pytest.raises(PartitionKeyError, match="no day of this pipeline"):
        partition_day(_context("1969-12-31"))


def test_a_day_that_is_not_over_is_refused_but_for_what_runs_on_its_own_day() -> None:
    today = date(2026, 11, 30)
    require_ended(_context("2026-11-29"), today)
    require_ended(_context("2026-11-30"), today, today_too=True)
    for key, today_too in (
        ("2026-11-30", False),
        ("2026-12-01", True),
        ("2026-12-25", False),
        ("2062-11-25", False),
    ):
        with pytest.raises(PartitionKeyError, match="not over") as caught:
            require_ended(_context(key), today, today_too=today_too)
        assert "partition key" in caught.value.next_step
        assert caught.value.found == key


def test_a_parameter_that_the_dag_does_not_have_is_refused() -> None:
    context = _context("2026-11-07", span_days=1, span_day=7)
    context["dag"] = SimpleNamespace(params={"span_days": 1})
    context["dag_run"].conf = {"span_day": 7}
    with pytest.raises(PartitionKeyError, match="does not have") as caught:
        partition_days(context)
    assert (caught.value.expected, caught.value.found) == ("span_days", "span_day")
    context["dag_run"].conf = {"span_days": 1}
    assert partition_days(context) == DayRange.single(date(2026, 11, 7))


def test_span_days_end_with_the_partition() -> None:
    assert partition_days(_context("2026-03-01", span_days=3)) == DayRange(
        date(2026, 2, 27), date(2026, 3, 1)
    )
    assert partition_days(_context("2026-03-01")) == DayRange.single(date(2026, 3, 1))
