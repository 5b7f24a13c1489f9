"""Days through Airflow: plan what each needs, have Airflow's own backfill run it, follow each day
down the chain.

The first DAG of the chain is backfilled; the others follow its assets by themselves. A day that
broke further down is not ingested again: the run that failed is cleared, and the chain goes on from
there.

Airflow goes on by itself. So a request that it does not answer (a restart, a full database) is
asked again for three minutes before following ends, and then nothing is said about days whose end
was not seen.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path

from pipelines.airflow.api import AirflowApi, DagRun
from pipelines.airflow.names import Orchestration
from pipelines.base.days import DayRange
from pipelines.base.errors import ConfigurationError, StoreError, TransientError, UsageError
from pipelines.base.patience import Patience

POLL = 1.0
AT_ONCE = 8
"""Days that are looked at in a round: Airflow takes them in order, so later ones have nothing to
tell yet.
"""

OTHERS_GRACE = timedelta(seconds=90)
"""How long to wait for another backfill: Airflow looks every 30 s whether one is over."""

START_GRACE = timedelta(minutes=3)
"""How long a follower may take to start after the run before it has succeeded."""


@dataclass(frozen=True, kw_only=True)
class DayPlan:
    """What a day needs: `run` (never done), `again` (from the start), `resume`, `skip` (done) or
    `busy` (running).

    To resume is to clear `run` of the DAG at `position`, or to trigger that DAG where it has no
    run; `reason` says what is wrong there. `known` are the runs of an earlier attempt: not those
    that follow from the run that is going on.
    """

    day: date
    action: str
    position: int = 0
    run: DagRun | None = None
    run_ids: frozenset[str] = frozenset()
    reason: str = ""

    @property
    def active(self) -> bool:
        """Whether something will be run."""
        return self.action in {"run", "again", "resume"}


@dataclass(frozen=True, kw_only=True)
class DayOutcome:
    """How a day ended: `done`, `failed` or `skipped`; for a failure, the task and its log.

    `states` holds the state of each DAG of the chain; what did not run is `held back`. `missing`
    are the stages whose result is not there although no run has failed.
    """

    day: date
    state: str
    states: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    failed_task: str | None = None
    log: str | None = None
    missing: tuple[str, ...] = ()

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


def plan(
    api: AirflowApi,
    names: Orchestration,
    days: DayRange,
    *,
    rerun: bool,
    today: date,
    waiting: Patience,
    missing: Mapping[date, Sequence[str]] | None = None,
) -> list[DayPlan]:
    """What each day needs; raises `UsageError` for days that are not over, `ConfigurationError` for
    paused DAGs.

    `missing` are for each day the stages whose result is not there
    (`pipelines.nightly.completeness`): a day is done where there are none, not where nothing has
    failed. Without it, a DAG of the chain without a run is missing.
    """
    if days.last >= today:
        raise UsageError(
            "a day that is not over cannot be run",
            expected=f"days until {today - timedelta(days=1)} (UTC)",
            found=str(days.last),
            next_step="leave out the days that have not ended",
        )
    _require_ready(api, names)
    missing_by_day = missing or {}
    plans = []
    for day in days:
        plan_day = partial(_plan_day, api, names, day, rerun=rerun, missing=missing_by_day.get(day))
        plans.append(waiting.ask(plan_day))
    return plans


def patience(
    days: DayRange, *, clock: Callable[[], datetime], pause: Callable[[float], None] = time.sleep
) -> Patience:
    """How long Airflow may be silent.

    The command that follows again has no `--rerun`: days that are done stay so.
    """
    return Patience(f"tollgate backfill --from {days.first} --to {days.last}", clock, pause, POLL)


def start(
    api: AirflowApi,
    names: Orchestration,
    plans: Sequence[DayPlan],
    *,
    rerun: bool,
    waiting: Patience,
) -> None:
    """Have Airflow start what the plans say."""
    fresh = [item for item in plans if item.action in {"run", "again"}]
    if fresh:
        _create_backfill(api, names.chain[0], fresh, "completed" if rerun else "failed", waiting)
    for item in plans:
        if item.action != "resume":
            continue
        if item.run is not None:
            _clear(api, item.run, waiting)
        else:
            _trigger(api, names.chain[item.position], item, waiting)


def follow(
    api: AirflowApi,
    names: Orchestration,
    plans: Sequence[DayPlan],
    *,
    logs: Path,
    waiting_for: Patience,
    report: Callable[[date, str, str], None],
) -> Iterable[DayOutcome]:
    """Wait for each day and yield its outcome when it has one; `report(day, dag_id, state)` tells
    where a day is.

    Raises `NotFollowedError` where Airflow does not answer for longer than the patience: the days
    go on unseen.
    """
    yield from (
        DayOutcome(day=item.day, state="skipped") for item in plans if item.action == "skip"
    )
    clock = waiting_for.clock
    now = clock()
    waiting = {
        item.day: _Followed(plan=item, position=item.position, since=now, begun=now)
        for item in plans
        if item.action != "skip"
    }
    while waiting:
        for day in sorted(waiting)[:AT_ONCE]:
            try:
                outcome = _advance(api, names, waiting[day], logs=logs, now=clock(), report=report)
            except StoreError as error:
                silent = waiting_for.failed(error)
                report(day, "Airflow", f"does not answer ({silent.total_seconds():.0f} s)")
                break
            _extend_grace(waiting.values(), waiting_for.answered())
            if outcome is not None:
                del waiting[day]
                yield outcome
        if waiting:
            waiting_for.pause(POLL)


def _extend_grace(days: Iterable[_Followed], outage: timedelta) -> None:
    """An Airflow that was away has started nothing meanwhile: the followers' time begins as much
    later.
    """
    for followed in days:
        followed.since += outage


def _clear(api: AirflowApi, run: DagRun, waiting: Patience) -> None:
    """Have a finished run go on; where the answer was lost, look whether it does before it is asked
    for again.
    """

    def clear() -> None:
        if unsure and api.run(run.dag_id, run.run_id).state != run.state:
            return
        unsure.append(True)
        api.clear(run, only_failed=False)

    unsure: list[bool] = []
    waiting.ask(clear)


def _trigger(api: AirflowApi, dag_id: str, item: DayPlan, waiting: Patience) -> None:
    """Start a DAG whose event was lost; where the answer was, look for a new run before it is asked
    for again.
    """

    def trigger() -> None:
        if unsure and any(
            run.run_id not in item.run_ids for run in api.runs(dag_id, str(item.day))
        ):
            return
        unsure.append(True)
        api.trigger(dag_id, str(item.day))

    unsure: list[bool] = []
    waiting.ask(trigger)


def _create_backfill(
    api: AirflowApi, dag_id: str, fresh: Sequence[DayPlan], reprocess: str, waiting: Patience
) -> None:
    """Start Airflow's backfill; raises `TransientError` where another one goes on for long.

    Where the answer to an earlier try was lost, the backfill that is there may be the one that we
    asked for: it is, if the first day has a new run.
    """
    days = DayRange(fresh[0].day, fresh[-1].day)
    first, last = days.start.isoformat(), (days.end - timedelta(seconds=1)).isoformat()
    tries = 0

    def create() -> bool:
        nonlocal tries
        tries += 1
        if api.create_backfill(dag_id, first, last, reprocess=reprocess, active=1):
            return True
        runs = api.runs(dag_id, str(days.first)) if tries > 1 else []
        return any(run.run_id not in fresh[0].run_ids for run in runs)

    deadline = waiting.clock() + OTHERS_GRACE
    while not waiting.ask(create):
        if waiting.clock() > deadline:
            raise TransientError(
                "another backfill is running",
                where=f"{api.url}/dags/{dag_id}/backfills",
                expected=f"one backfill of {dag_id} at a time",
                found="one that has days left to ingest",
                next_step="wait until it is done, or cancel it in Airflow; then run this again",
            )
        waiting.pause(POLL)


def _require_ready(api: AirflowApi, names: Orchestration) -> None:
    dags = api.dags()
    missing = [dag_id for dag_id in names.chain if dag_id not in dags]
    paused = [dag_id for dag_id in names.chain if dags.get(dag_id)]
    if missing or paused:
        raise ConfigurationError(
            "the chain cannot run: "
            + ("Airflow does not know all of its DAGs" if missing else "DAGs are paused"),
            where=api.url,
            expected=", ".join(names.chain),
            found=f"missing: {', '.join(missing)}" if missing else f"paused: {', '.join(paused)}",
            next_step="see the import errors in Airflow" if missing else _unpause(api, paused),
            runbook="docs/runbooks/services.md",
        )


def _unpause(api: AirflowApi, dag_ids: Sequence[str]) -> str:
    """How a person lets paused DAGs run. An event that comes while a DAG is paused is lost."""
    pages = ", ".join(f"{api.url}/dags/{dag_id}" for dag_id in dag_ids)
    return (
        f"switch them on in Airflow ({pages}), then run this again: a day goes on where it stopped"
    )


def _plan_day(
    api: AirflowApi, names: Orchestration, day: date, *, rerun: bool, missing: Sequence[str] | None
) -> DayPlan:
    runs = [api.runs(dag_id, str(day)) for dag_id in names.chain]
    run_ids: frozenset[str] = frozenset()
    for dag_runs in runs:
        run_ids |= {run.run_id for run in dag_runs}
    latest = [dag_runs[-1] if dag_runs else None for dag_runs in runs]
    busy = next(
        (place for place, run in enumerate(latest) if run is not None and not run.finished), None
    )
    if busy is not None:
        run_ids -= _following(api, runs, busy)
        return DayPlan(day=day, action="busy", position=busy, run=latest[busy], run_ids=run_ids)
    if latest[0] is None:
        return DayPlan(day=day, action="run", run_ids=run_ids)
    if rerun or latest[0].state == "failed":
        return DayPlan(day=day, action="again", run_ids=run_ids)
    broken = next(
        (place for place, run in enumerate(latest) if run is not None and run.state == "failed"),
        None,
    )
    if broken is not None:
        return DayPlan(
            day=day,
            action="resume",
            position=broken,
            run=latest[broken],
            run_ids=run_ids,
            reason="which failed",
        )
    absent = _absent(names, latest, missing)
    if absent is None:
        return DayPlan(day=day, action="skip", run_ids=run_ids)
    run = latest[absent]
    reason = "which has not run" if run is None else "whose result is not there"
    return DayPlan(
        day=day, action="resume", position=absent, run=run, run_ids=run_ids, reason=reason
    )


def _absent(
    names: Orchestration, latest: Sequence[DagRun | None], missing: Sequence[str] | None
) -> int | None:
    """The place in the chain from which on a day has no result, None where it has all."""
    if missing is None:
        return next((place for place, run in enumerate(latest) if run is None), None)
    wanted = {names.dag_id(stage) for stage in missing}
    return next((place for place, dag_id in enumerate(names.chain) if dag_id in wanted), None)


def _following(api: AirflowApi, runs: Sequence[Sequence[DagRun]], busy: int) -> set[str]:
    """The runs that Airflow has started already behind the one at `busy`, which is still going on.

    `features` goes on with the online store while `score` runs. A run is behind another one where
    it was made after the first task of that one had succeeded: a cleared task has not, so what
    follows it is still to come.
    """
    run_ids: set[str] = set()
    before = runs[busy][-1]
    for later in runs[busy + 1 :]:
        succeeded = [
            task.ended
            for task in api.tasks(before)
            if task.state == "success" and task.ended is not None
        ]
        behind = [run for run in later if succeeded and run.run_after >= min(succeeded)]
        if not behind:
            break
        before = behind[-1]
        run_ids.add(before.run_id)
    return run_ids


def _advance(
    api: AirflowApi,
    names: Orchestration,
    followed: _Followed,
    *,
    logs: Path,
    now: datetime,
    report: Callable[[date, str, str], None],
) -> DayOutcome | None:
    """Look at the DAG where the day is, and step on where it has succeeded; the outcome if the day
    has ended.
    """
    dag_id, day = names.chain[followed.position], followed.plan.day
    run = _find(api, dag_id, followed)
    state = run.state if run else "waiting"
    followed.states[dag_id] = state
    report(day, dag_id, state)
    if run is None:
        if followed.position > 0 and now - followed.since > START_GRACE:
            followed.states[dag_id] = "paused" if api.dags().get(dag_id) else "not started"
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
    """The run that the day is in: the one known from the plan or an earlier look, else the newest
    that is new.
    """
    run = followed.run
    if (
        run is None
        and followed.plan.action in {"resume", "busy"}
        and followed.position == followed.plan.position
    ):
        run = followed.plan.run
    if run is not None:
        return api.run(dag_id, run.run_id)
    fresh = [
        run
        for run in api.runs(dag_id, str(followed.plan.day))
        if run.run_id not in followed.plan.run_ids
    ]
    return fresh[-1] if fresh else None


def _failed(
    api: AirflowApi,
    names: Orchestration,
    followed: _Followed,
    run: DagRun,
    logs: Path,
    now: datetime,
) -> DayOutcome:
    outcome = _ended(names, followed, now, "failed")
    for task in api.tasks(run):
        if task.state == "failed":
            path = (
                logs / f"dag_id={run.dag_id}" / f"run_id={run.run_id}" / f"task_id={task.task_id}"
            )
            return replace(
                outcome,
                failed_task=f"{run.dag_id}.{task.task_id}",
                log=str(path / f"attempt={task.try_number}.log"),
            )
    return outcome


def _ended(names: Orchestration, followed: _Followed, now: datetime, state: str) -> DayOutcome:
    states = {
        dag_id: followed.states.get(dag_id, "held back")
        for dag_id in names.chain[followed.plan.position :]
    }
    seconds = (now - followed.begun).total_seconds()
    return DayOutcome(day=followed.plan.day, state=state, states=states, seconds=seconds)
