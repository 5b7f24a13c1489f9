"""Days through Airflow: plan what each needs, have Airflow's own backfill run it, follow each day down the chain.

The first DAG of the chain is backfilled; the others follow its assets by themselves. A day that broke further down is
not ingested again: the run that failed is cleared, and the chain goes on from there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path

from pipelines.platform.airflow_api import AirflowApi, DagRun
from pipelines.platform.days import DayRange
from pipelines.platform.errors import ConfigurationError, TransientError, UsageError
from pipelines.platform.orchestration import Orchestration

POLL = 1.0
AT_ONCE = 8
"""Days that are looked at in a round: Airflow takes them in order, so later ones have nothing to tell yet."""

OTHERS_GRACE = 90.0
"""Seconds to wait for another backfill: Airflow looks every 30 s whether one is over."""

START_GRACE = timedelta(minutes=3)
"""How long a follower may take to start after the run before it has succeeded."""


@dataclass(frozen=True, kw_only=True)
class DayPlan:
    """What a day needs: `run` (never done), `again` (from the start), `resume`, `skip` (done) or `busy` (running).

    To resume is to clear `run`, which failed, of the DAG at `position`. `known` are the runs that were there before.
    """

    day: date
    action: str
    position: int = 0
    run: DagRun | None = None
    known: frozenset[str] = frozenset()

    @property
    def active(self) -> bool:
        """Whether something will be run."""
        return self.action in {"run", "again", "resume"}


@dataclass(frozen=True, kw_only=True)
class DayOutcome:
    """How a day ended: `done`, `failed` or `skipped`; for a failure, the task and its log.

    `states` holds the state of each DAG of the chain; what did not run is `held back`.
    """

    day: date
    state: str
    states: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    failed_task: str | None = None
    log: str | None = None

    @property
    def command(self) -> str:
        """The command that runs the day again."""
        rerun = " --rerun" if self.state != "failed" else ""
        return f"tollgate backfill --from {self.day} --to {self.day}{rerun}"


@dataclass
class _Followed:
    """A day on its way: at which DAG of the chain it is, since when, and in which run."""

    plan: DayPlan
    position: int
    since: datetime
    begun: datetime
    run: DagRun | None = None
    states: dict[str, str] = field(default_factory=dict)


def plan(api: AirflowApi, names: Orchestration, days: DayRange, *, rerun: bool, today: date) -> list[DayPlan]:
    """What each day needs; raises `UsageError` for days that are not over, `ConfigurationError` for paused DAGs."""
    if days.last >= today:
        raise UsageError(
            "a day that is not over cannot be run",
            expected=f"days until {today - timedelta(days=1)} (UTC)",
            found=str(days.last),
            next_step="leave out the days that have not ended",
        )
    _require_ready(api, names)
    return [_plan_day(api, names, day, rerun=rerun) for day in days]


def start(api: AirflowApi, names: Orchestration, plans: Sequence[DayPlan], *, rerun: bool) -> None:
    """Have Airflow start what the plans say."""
    fresh = [item.day for item in plans if item.action in {"run", "again"}]
    if fresh:
        _create_backfill(api, names.chain[0], DayRange(fresh[0], fresh[-1]), "completed" if rerun else "failed")
    for item in plans:
        if item.action == "resume" and item.run is not None:
            api.clear(item.run, only_failed=False)


def follow(
    api: AirflowApi,
    names: Orchestration,
    plans: Sequence[DayPlan],
    *,
    logs: Path,
    clock: Callable[[], datetime],
    report: Callable[[date, str, str], None],
) -> Iterable[DayOutcome]:
    """Wait for each day and yield its outcome when it has one; `report(day, dag_id, state)` tells where a day is."""
    yield from (DayOutcome(day=item.day, state="skipped") for item in plans if item.action == "skip")
    now = clock()
    waiting = {
        item.day: _Followed(plan=item, position=item.position, since=now, begun=now)
        for item in plans
        if item.action != "skip"
    }
    while waiting:
        for day in sorted(waiting)[:AT_ONCE]:
            outcome = _advance(api, names, waiting[day], logs=logs, now=clock(), report=report)
            if outcome is not None:
                del waiting[day]
                yield outcome
        time.sleep(POLL if waiting else 0)


def _create_backfill(api: AirflowApi, dag_id: str, days: DayRange, reprocess: str) -> None:
    """Start Airflow's backfill; raises `TransientError` where another one goes on for long."""
    first, last = days.start.isoformat(), (days.end - timedelta(seconds=1)).isoformat()
    deadline = time.monotonic() + OTHERS_GRACE
    while not api.create_backfill(dag_id, first, last, reprocess=reprocess, active=1):
        if time.monotonic() > deadline:
            raise TransientError(
                "another backfill is running",
                where=f"{api.url}/dags/{dag_id}/backfills",
                expected=f"one backfill of {dag_id} at a time",
                found="one that has days left to ingest",
                next_step="wait until it is done, or cancel it in Airflow; then run this again",
            )
        time.sleep(POLL)


def _require_ready(api: AirflowApi, names: Orchestration) -> None:
    dags = api.dags()
    missing = [dag_id for dag_id in names.chain if dag_id not in dags]
    paused = [dag_id for dag_id in names.chain if dags.get(dag_id)]
    if missing or paused:
        raise ConfigurationError(
            "the chain cannot run: " + ("Airflow does not know all of its DAGs" if missing else "DAGs are paused"),
            where=api.url,
            expected=", ".join(names.chain),
            found=f"missing: {', '.join(missing)}" if missing else f"paused: {', '.join(paused)}",
            next_step="see the import errors in Airflow" if missing else "unpause them in Airflow",
            runbook="docs/runbooks/services.md",
        )


def _plan_day(api: AirflowApi, names: Orchestration, day: date, *, rerun: bool) -> DayPlan:
    runs = [api.runs(dag_id, str(day)) for dag_id in names.chain]
    known = frozenset(run.run_id for found in runs for run in found)
    latest = [found[-1] if found else None for found in runs]
    busy = next((i for i, run in enumerate(latest) if run is not None and not run.finished), None)
    if busy is not None:
        return DayPlan(day=day, action="busy", position=busy, run=latest[busy], known=known)
    if latest[0] is None:
        return DayPlan(day=day, action="run", known=known)
    if rerun or latest[0].state == "failed":
        return DayPlan(day=day, action="again", known=known)
    broken = next((i for i, run in enumerate(latest) if run is not None and run.state == "failed"), None)
    if broken is not None:
        return DayPlan(day=day, action="resume", position=broken, run=latest[broken], known=known)
    return DayPlan(day=day, action="skip", known=known)


def _advance(
    api: AirflowApi,
    names: Orchestration,
    followed: _Followed,
    *,
    logs: Path,
    now: datetime,
    report: Callable[[date, str, str], None],
) -> DayOutcome | None:
    """Look at the DAG where the day is, and step on where it has succeeded; the outcome if the day has ended."""
    dag_id, day = names.chain[followed.position], followed.plan.day
    run = _find(api, dag_id, followed)
    state = run.state if run else "waiting"
    followed.states[dag_id] = state
    report(day, dag_id, state)
    if run is None:
        if followed.position > 0 and now - followed.since > START_GRACE:
            return _ended(names, followed, now, "failed")
        return None
    followed.run = run
    if state == "failed":
        return _failed(api, names, followed, run, logs, now)
    if state == "success":
        if followed.position == len(names.chain) - 1:
            return _ended(names, followed, now, "done")
        followed.position, followed.run, followed.since = followed.position + 1, None, now
    return None


def _find(api: AirflowApi, dag_id: str, followed: _Followed) -> DagRun | None:
    """The run that the day is in: the one known from the plan or an earlier look, else the newest that is new."""
    run = followed.run
    if run is None and followed.plan.action in {"resume", "busy"} and followed.position == followed.plan.position:
        run = followed.plan.run
    if run is not None:
        return api.run(dag_id, run.run_id)
    fresh = [run for run in api.runs(dag_id, str(followed.plan.day)) if run.run_id not in followed.plan.known]
    return fresh[-1] if fresh else None


def _failed(
    api: AirflowApi, names: Orchestration, followed: _Followed, run: DagRun, logs: Path, now: datetime
) -> DayOutcome:
    outcome = _ended(names, followed, now, "failed")
    for task in api.tasks(run):
        if task.state == "failed":
            path = logs / f"dag_id={run.dag_id}" / f"run_id={run.run_id}" / f"task_id={task.task_id}"
            return replace(
                outcome,
                failed_task=f"{run.dag_id}.{task.task_id}",
                log=str(path / f"attempt={task.try_number}.log"),
            )
    return outcome


def _ended(names: Orchestration, followed: _Followed, now: datetime, state: str) -> DayOutcome:
    states = {dag_id: followed.states.get(dag_id, "held back") for dag_id in names.chain[followed.plan.position :]}
    seconds = (now - followed.begun).total_seconds()
    return DayOutcome(day=followed.plan.day, state=state, states=states, seconds=seconds)
