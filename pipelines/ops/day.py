"""Days, and one day: rows, gates, drift, alerts, performance, and the runs that made them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from markupsafe import Markup

from pipelines.accounts.account import Account
from pipelines.accounts.drift import DriftAccount
from pipelines.accounts.ingest import IngestAccount
from pipelines.accounts.monitor import MonitorAccount
from pipelines.base.days import DayRange, parse_day
from pipelines.base.errors import UsageError
from pipelines.ledger.ledger import Incident, StageRecord
from pipelines.ops.facts import SHOWN_DAYS, Facts, counted_results, newest_records
from pipelines.ops.now import charts
from pipelines.pages.charts import Bar, bars
from pipelines.status.days import STAGES
from pipelines.status.gate_warnings import gate_failures


def days_content(facts: Facts) -> dict[str, Any]:
    """The rows of the days shown, newest first; `earlier` and `later` are the ranges beside
    them.
    """
    rows = list(facts.rows)
    shown = facts.shown
    beside: dict[str, DayRange | None] = {"earlier": None, "later": None}
    if shown is not None and facts.newest is not None:
        beside["earlier"] = DayRange(
            shown.first - timedelta(days=SHOWN_DAYS), shown.first - timedelta(days=1)
        )
        following = shown.last + timedelta(days=1)
        if following <= facts.newest:
            beside["later"] = DayRange(following, following + timedelta(days=SHOWN_DAYS - 1))
    return {
        "shown": shown,
        "rows": list(reversed(rows)),
        "charts": charts(rows),
        "delay": facts.use_case.label.delay_days,
        "capacity": facts.use_case.review.capacity,
        **beside,
    }


def day_content(facts: Facts, key: str) -> dict[str, Any]:
    """One day; raises `UsageError` where `key` is no day or nothing ran on it."""
    day = parse_day(key)
    row = facts.row(day)
    if row is None:
        raise UsageError(
            "nothing is recorded of this day",
            found=key,
            next_step="the page Days lists those that are",
        )
    history = facts.history(DayRange.single(day))
    records = newest_records(history).items()
    order = {stage: number for number, stage in enumerate(STAGES)}
    newest = {
        stage: by_day[day]
        for stage, by_day in sorted(records, key=lambda item: order.get(item[0], 99))
    }
    account = _monitor_account(newest)
    drift = account.drift
    ingested = newest["ingest"].account if "ingest" in newest else None
    failures = {stage: gate_failures(record.account) for stage, record in newest.items()}
    return {
        "day": day,
        "row": row,
        "stages": [_stage(record, history) for record in newest.values()],
        "failures": {stage: failed for stage, failed in failures.items() if failed},
        "rules": dict(ingested.rules) if isinstance(ingested, IngestAccount) else {},
        "account": account,
        "diagnosis": account.diagnosis,
        "explained": account.explained,
        "estimate": account.estimate,
        "drift": drift,
        "drift_chart": _drift_chart(drift, facts.use_case.drift.threshold),
        "incidents": [incident for incident in facts.incidents if incident_day(incident) == day],
        "slices": _slices(facts, day),
        "past_days": facts.use_case.watch.matured_days,
        "neighbours": [day - timedelta(days=1), day + timedelta(days=1)],
        "alert_file": f"alerts/{day}.csv",
    }


def _monitor_account(newest: Mapping[str, StageRecord[Account]]) -> MonitorAccount:
    """The monitor's account of the day, an empty one where it has not run."""
    account = newest["monitor"].account if "monitor" in newest else None
    return account if isinstance(account, MonitorAccount) else MonitorAccount()


def _slices(facts: Facts, day: date) -> list[Mapping[str, Any]]:
    """What the day's predictions were worth in each slice: the run on which its labels had matured
    says it.
    """
    matured = day + timedelta(days=facts.use_case.label.delay_days)
    record = facts.run.ledger.latest(
        MonitorAccount, first=matured, last=matured, status="done"
    ).get(matured)
    return [
        {
            "account": row,
            "share": _share(row.caught, row.positives),
            "past": _share(row.past_caught, row.past_positives),
        }
        for row in (record.account.slices if record else None) or ()
    ]


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _stage(record: StageRecord[Account], history: list[StageRecord[Account]]) -> Mapping[str, Any]:
    attempts = [other for other in history if other.stage == record.stage]
    results = counted_results(record)
    return {
        "record": record,
        "attempts": len(attempts),
        "checks": sum(result.checks or 0 for result in results),
        "failed": len(gate_failures(record.account)),
        "reason": record.account.reason.splitlines()[:1] if record.status != "done" else [],
    }


def _drift_chart(drift: DriftAccount | None, limit: float) -> Markup:
    if drift is None or not drift.columns:
        return Markup("")
    limits = {column.name: column.threshold for column in drift.compared}
    items = [
        Bar(label=name, value=value, limit=limits.get(name, limit), high=name in drift.drifted)
        for name, value in sorted(drift.columns.items(), key=lambda item: -(item[1] or 0.0))
    ]
    method = drift.method or "as declared"
    unit = (
        f"distance ({method}), or share of rows off a constant; the mark is the limit {limit:g}, or"
        " its own"
    )
    return bars(items, title="Drift by feature", unit=unit)


def incident_day(incident: Incident) -> date | None:
    """The (first) day that an incident is about; None where it names none."""
    return incident.detail.first
