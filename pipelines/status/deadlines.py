"""Deadlines of the nightly run and freshness of the tables: what is late, and by how much.

Ledger and clock alone.

Only days of the schedule have deadlines: those from the first night that Airflow's schedule ran on.
A home that is filled by hand, or with old data, is never late.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from pipelines.airflow.names import CHAIN, SCHEDULED, Orchestration
from pipelines.base.days import DayRange, midnight
from pipelines.ledger.ledger import StageHead
from pipelines.run import Run
from pipelines.status.halted_days import GRACE, Halted, Look, halted
from pipelines.usecases.definition import UseCase

LOOKED_BACK = 28
"""Days whose deadlines are watched; a night that is older is history, not late."""

Statuses = Mapping[tuple[str, date], str]
Heads = Mapping[tuple[str, date], StageHead]


@dataclass(frozen=True, kw_only=True)
class Late:
    """A stage that was to be done with `day` by `due` (UTC) and is not; `by` is how long that is
    ago.

    `status` is what the stage's newest record of the day says (`refused`, `failed`), or `not run`.
    `early`: its deadline is still to come, or it has none, and the day stopped before it.
    """

    stage: str
    day: date
    due: datetime
    by: timedelta
    status: str
    early: bool = False

    @property
    def told(self) -> str:
        """In words."""
        return (
            f"{self.stage} of {self.day} was due {self.due:%Y-%m-%d %H:%M} UTC, {words(self.by)}"
            f" ago ({self.status})"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data; `seconds` late."""
        plain = {
            "stage": self.stage,
            "day": str(self.day),
            "due": self.due.isoformat(),
            "status": self.status,
        }
        return plain | {"seconds": self.by.total_seconds()}


@dataclass(frozen=True, kw_only=True)
class Fresh:
    """What a table holds at the newest (None: nothing yet), and the day that it should hold by now.

    `due` is None where no schedule says so; `behind` counts the days between the two.
    """

    table: str
    stage: str
    newest: date | None
    due: date | None

    @property
    def behind(self) -> int | None:
        """Days that are missing at the end; 0 where the table is fresh, None where nothing is
        due.
        """
        if self.due is None or self.newest is None:
            return None
        return max(0, (self.due - self.newest).days)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        days = {
            name: str(day) if day else None
            for name, day in (("newest", self.newest), ("due", self.due))
        }
        return {"table": self.table, "stage": self.stage, **days, "behind": self.behind}


@dataclass(frozen=True, kw_only=True)
class Timeliness:
    """`late`, the oldest day first and in the order of the chain; `fresh`, a row for each table.

    `since` is the first day that the schedule ran, None where it never did.
    """

    since: date | None
    late: tuple[Late, ...]
    fresh: tuple[Fresh, ...]


def timeliness(run: Run, heads: Heads | None = None, *, look: Look | None = None) -> Timeliness:
    """What is late at the run's clock, days that stopped half-way included, whoever started them in
    Airflow.

    `heads` are the ledger's newest records, where the caller has read them already; `look` asks
    Airflow why a stage has not run.
    """
    stage_heads = run.ledger.stage_heads() if heads is None else heads
    statuses = {key: head.status for key, head in stage_heads.items()}
    nights = run.ledger.days_run_as(CHAIN[0], SCHEDULED)
    timeliness = judge(run.use_case, statuses, since=min(nights, default=None), at=run.clock())
    return replace(timeliness, late=_with_halted(run, timeliness.late, stage_heads, look))


def _with_halted(
    run: Run, late: tuple[Late, ...], heads: Heads, look: Look | None
) -> tuple[Late, ...]:
    """The same with days that stopped half-way; what is past its deadline is told why it is not
    there.
    """
    at, names = run.clock(), Orchestration(run.use_case.name)
    first = at.date() - timedelta(days=LOOKED_BACK)
    halted_days = {
        (halted_day.stage, halted_day.day): halted_day
        for halted_day in halted(heads, names, first=first, at=at, look=look)
    }
    merged = []
    for lateness in late:
        stopped = halted_days.pop((lateness.stage, lateness.day), None)
        merged.append(
            replace(lateness, status=f"{lateness.status}: {_why(stopped)}") if stopped else lateness
        )
    for rest in halted_days.values():
        due_at = rest.since + GRACE
        status = f"not run: {_why(rest)}"
        merged.append(
            Late(
                stage=rest.stage,
                day=rest.day,
                due=due_at,
                by=at - due_at,
                status=status,
                early=True,
            )
        )
    order = {stage: place for place, stage in enumerate(run.use_case.schedule.deadlines)}
    return tuple(
        sorted(merged, key=lambda lateness: (lateness.day, order.get(lateness.stage, len(order))))
    )


def _why(halted_day: Halted) -> str:
    return f"{halted_day.before} is done since {halted_day.since:%H:%M} UTC, {halted_day.why}"


def judge(use_case: UseCase, statuses: Statuses, *, since: date | None, at: datetime) -> Timeliness:
    """The same from plain values: newest status by stage and day, the first night of the schedule,
    the moment (UTC).
    """
    late = tuple(_late(use_case, statuses, since, at)) if since else ()
    fresh = []
    for table, stage in tables(use_case).items():
        done = [
            day
            for (name, day), status in statuses.items()
            if name == stage and status == "done" and day < at.date()
        ]
        due = newest_due(use_case, stage, at) if since else None
        due = due if due and since and due >= since else None
        fresh.append(Fresh(table=table, stage=stage, newest=max(done, default=None), due=due))
    return Timeliness(since=since, late=late, fresh=tuple(fresh))


def _late(use_case: UseCase, statuses: Statuses, since: date, at: datetime) -> list[Late]:
    yesterday = at.date() - timedelta(days=1)
    first = max(since, yesterday - timedelta(days=LOOKED_BACK - 1))
    late_stages = []
    for day in DayRange(first, yesterday) if first <= yesterday else ():
        for stage in use_case.schedule.deadlines:
            status, moment = statuses.get((stage, day), "not run"), due(use_case, stage, day)
            if status != "done" and moment < at:
                late_stages.append(
                    Late(stage=stage, day=day, due=moment, by=at - moment, status=status)
                )
    return late_stages


def due(use_case: UseCase, stage: str, day: date) -> datetime:
    """When the stage must be done with that day (UTC): a time of the day after it."""
    return midnight(day + timedelta(days=1)) + use_case.schedule.deadline(stage)


def newest_due(use_case: UseCase, stage: str, at: datetime) -> date:
    """The newest day that the stage must be done with at that moment."""
    yesterday = at.date() - timedelta(days=1)
    return yesterday if due(use_case, stage, yesterday) < at else yesterday - timedelta(days=1)


def tables(use_case: UseCase) -> dict[str, str]:
    """Every table that is written each night, and the online store, with the stage that writes
    it.
    """
    feeds = {feed.name: "ingest" for feed in use_case.feeds}
    made = {
        "features": "features",
        "online store": "materialize",
        "predictions": "score",
        "metrics": "monitor",
    }
    return {
        table: stage
        for table, stage in {**feeds, **made}.items()
        if stage in use_case.schedule.deadlines
    }


def words(span: timedelta) -> str:
    """A span in its two largest units: `3 d 4 h`, `2 h 10 min`, `5 min`."""
    minutes = int(span.total_seconds() // 60)
    days, hours = divmod(minutes // 60, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"
