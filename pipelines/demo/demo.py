"""The demo: ninety simulated days, history in bulk, a release, and the last four days by Airflow,
with an incident.

A list of named steps, each a plain function that returns one line on what it did. Every step may
run again: days are replaced by the same days, a training arrives at the same release, what runs
already is left running.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from pipelines.accounts.monitor import MonitorAccount
from pipelines.accounts.train import TrainAccount
from pipelines.base.days import DayRange
from pipelines.base.errors import ConfigurationError, PermanentError
from pipelines.base.settings import Settings
from pipelines.run import Run, utc_now
from pipelines.usecases.registry import load

if TYPE_CHECKING:
    from pipelines.airflow.api import AirflowApi

INCIDENT = "holiday"
SEED = 42
RETRAIN_PATIENCE = 600.0
"""Seconds that the demo waits for the retrain that it has seen asked for."""

JAVA_OPTIONS = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m"
"""Java compiles less thoroughly here: machines that live for minutes do not earn back what thorough
compiling costs.
"""

Report = Callable[[str], None]


@dataclass(frozen=True)
class DemoPlan:
    """Which days play which part; `last` is the last simulated day."""

    last: date
    days: int = 90
    by_airflow: int = 4
    with_incident: int = 2
    scored_before: int = 14
    customers: int = 3_000
    terminals: int = 6_000

    @property
    def all(self) -> DayRange:
        """Every simulated day."""
        return _until(self.last, self.days)

    @property
    def live(self) -> DayRange:
        """The days that Airflow runs."""
        return _until(self.last, self.by_airflow)

    @property
    def history(self) -> DayRange:
        """The days that are loaded in bulk."""
        return DayRange(self.all.first, self.live.first - timedelta(days=1))

    @property
    def scored(self) -> DayRange:
        """The days before Airflow's that are scored in bulk, so that labels mature on them."""
        return _until(self.history.last, self.scored_before)

    @property
    def incident(self) -> DayRange:
        """The days on which something happens in the world."""
        return _until(self.last, self.with_incident)


@dataclass(frozen=True)
class Step:
    """One step: `run(report)` does it and returns a line about it; `report(text)` says meanwhile
    what it is at.
    """

    title: str
    run: Callable[[Report], str]


def steps(run: Run, plan: DemoPlan) -> list[Step]:
    """The demo's steps, in order."""
    return [
        Step(
            f"simulate {plan.all}, a {INCIDENT} on {plan.incident}",
            lambda report: _simulate(run, plan, report),
        ),
        Step(f"ingest {plan.history} in bulk", lambda _: _ingest(run, plan)),
        Step("build its features in one Spark job", lambda _: _features(run, plan)),
        Step(
            f"train on what was known at {plan.scored.first} 00:00 UTC", lambda _: _train(run, plan)
        ),
        Step(f"score and watch {plan.scored}", lambda _: _score(run, plan)),
        Step("start Spark Connect, Airflow and MLflow", lambda report: _start(run, report)),
        Step(f"Airflow runs {plan.live}", lambda report: _backfill(run, plan, report)),
        Step("Airflow retrains, because of drift", lambda report: _retrain(run, plan, report)),
    ]


def demo_settings(settings: Settings) -> Settings:
    """The settings, with Java options for a short life where the user has set none."""
    return settings.model_copy(
        update={"spark_java_options": settings.spark_java_options or JAVA_OPTIONS}
    )


def demo_run(settings: Settings, plan: DemoPlan) -> Run:
    """The run of the bulk steps; raises `ConfigurationError` for a home that holds days of somebody
    else's.
    """
    run = Run(settings, load(settings.use_case), run_id=f"demo-{plan.last}", actor="demo")
    foreign = sorted(day for day in run.ledger.latest("ingest") if day not in plan.all)
    if foreign:
        raise ConfigurationError(
            "the home holds other days than the demo's",
            where=str(settings.home),
            expected=f"an empty home, or the demo's own days {plan.all}",
            found=f"{len(foreign)} other days, {foreign[0]} to {foreign[-1]}",
            next_step="choose an empty home: TOLLGATE_HOME=FOLDER make demo",
        )
    return run


def _until(last: date, length: int) -> DayRange:
    return DayRange(last - timedelta(days=length - 1), last)


def _simulate(run: Run, plan: DemoPlan, report: Report) -> str:
    from pipelines.simulate.day import plan_days
    from pipelines.simulate.delivery import simulate
    from pipelines.simulate.incidents import parse_incident
    from pipelines.simulate.reports import Reporting
    from pipelines.simulate.world import WorldSize

    scheduled = [parse_incident(f"{INCIDENT}:{plan.incident.first}:{plan.incident.last}", plan.all)]
    plans = plan_days(plan.all, scheduled, Reporting(), "parquet")
    size = WorldSize(customers=plan.customers, terminals=plan.terminals, seed=SEED)
    transactions = frauds = 0
    for sent in simulate(
        run.landing,
        run.settings.home / "truth",
        size,
        plan.all,
        plans,
    ):
        report(f"{sent.day}")
        transactions, frauds = transactions + sent.transactions, frauds + sent.frauds
    return f"{transactions:,} transactions, {frauds:,} of them fraud"


def _ingest(run: Run, plan: DemoPlan) -> str:
    from pipelines.nightly.ingest import ingest

    accounts = ingest(run, plan.history).accounts.values()
    rows_in = sum(account.rows_in for account in accounts)
    accepted = sum(account.accepted for account in accounts)
    quarantined = sum(account.quarantined for account in accounts)
    return f"{rows_in:,} rows in, {accepted:,} accepted, {quarantined:,} quarantined"


def _features(run: Run, plan: DemoPlan) -> str:
    from pipelines.nightly.features.stage import build_features

    accounts = build_features(run, plan.history).accounts.values()
    columns = len(run.use_case.stored_features.names)
    return f"{sum(account.rows for account in accounts):,} rows of {columns} features"


def _train(run: Run, plan: DemoPlan) -> str:
    from pipelines.training.stage import train

    result = train(run, plan.scored.first, reason="the demo's first model")
    if not result.in_production and result.released.state != "retired":
        raise PermanentError(
            "the demo's first model was not released",
            expected="a release that beats both baselines",
            found=str(result.to_json()["verdict"]),
            next_step="look at `tollgate releases`",
        )
    document = result.to_json()
    metric = run.use_case.model.primary_metric
    values = ", ".join(
        f"{name} {scores[metric]:.2f}" for name, scores in document["metrics"].items()
    )
    return f"released {document['release']}; {metric.replace('_', ' ')} {values}"


def _score(run: Run, plan: DemoPlan) -> str:
    from pipelines.nightly.monitor.stage import monitor
    from pipelines.nightly.score.stage import score

    accounts = score(run, plan.scored).accounts.values()
    monitor(run, plan.scored)
    run.spark.stop()
    del run.__dict__["spark"], run.__dict__["lake"]
    rows = sum(account.rows or 0 for account in accounts)
    alerts = sum(account.alerts or 0 for account in accounts)
    return f"{rows:,} predictions, {alerts:,} alerts"


def _start(run: Run, report: Report) -> str:
    from pipelines.services import local as services

    states = {service.name: service.state for service in services.status(run.settings)}
    if set(states.values()) == {"up"}:
        return "up already"

    def progress(name: str, state: str) -> None:
        states[name] = state
        report(", ".join(f"{service} {how}" for service, how in states.items()))

    return ", ".join(
        f"{service.title} at {service.address}"
        for service in services.up(run.settings, report=progress)
    )


def _backfill(run: Run, plan: DemoPlan, report: Report) -> str:
    from pipelines.airflow import backfill
    from pipelines.airflow.api import AirflowApi
    from pipelines.airflow.names import Orchestration
    from pipelines.nightly.completeness import missing_stages

    api, names = AirflowApi(run.settings), Orchestration(run.use_case.name)
    missing = missing_stages(run, plan.live)
    waiting = backfill.patience(plan.live, clock=utc_now)
    plans = backfill.plan(
        api, names, plan.live, rerun=False, today=utc_now().date(), waiting=waiting, missing=missing
    )
    backfill.start(api, names, plans, rerun=False, waiting=waiting)
    logs = run.settings.home / "airflow" / "logs"
    ended = 0
    for outcome in backfill.follow(
        api,
        names,
        plans,
        logs=logs,
        waiting_for=waiting,
        report=lambda *where: report(" ".join(map(str, where))),
    ):
        ended += 1
        report(f"{outcome.day} {outcome.state}")
        if outcome.state == "failed":
            raise PermanentError(
                "a day failed in Airflow",
                day=str(outcome.day),
                where=str(outcome.log),
                found=f"task {outcome.failed_task}",
                next_step=outcome.command,
            )
    return f"{ended} days from landing zone to alert list"


def _retrain(run: Run, plan: DemoPlan, report: Report) -> str:
    from pipelines.airflow.api import AirflowApi

    asking = [
        day
        for day, record in run.ledger.latest(
            MonitorAccount, first=plan.live.first, last=plan.live.last
        ).items()
        if record.account.asks_for_training
    ]
    if not asking:
        return "no day asked for it"
    state = _await_training(run, AirflowApi(run.settings), asking[0], report)
    trained = run.ledger.latest(TrainAccount).get(asking[0] + timedelta(days=1))
    if trained is None:
        return f"asked for on {asking[0]}, {state}"
    release = trained.account.release
    last = run.ledger.states(release)[-1]
    return (
        f"asked for on {asking[0]}, {state}: {release} {_standing(run, last['state'])}"
        f" ({last['reason']})"
    )


def _standing(run: Run, state: str) -> str:
    """Where the new release stands, who decides, and what has to happen before it does."""
    pointer, policy = run.ledger.champion(), run.use_case.rollout
    champion = pointer.release_id if pointer else "the rule"
    if state in {"shadow", "canary"}:
        way = (
            f"{policy.shadow_days} clean days in shadow and {policy.canary_days} in canary make it"
            " champion"
        )
        return f"is in {state}, {champion} decides; {way}"
    return f"is {state}" if state == "champion" else f"is {state}, {champion} decides"


def _await_training(run: Run, api: AirflowApi, day: date, report: Report) -> str:
    """How the training of a day ended; its run in Airflow stays open where a release waits for a
    person.
    """
    as_of = day + timedelta(days=1)
    deadline = time.monotonic() + RETRAIN_PATIENCE
    while time.monotonic() < deadline:
        if as_of in run.ledger.latest("train", first=as_of, last=as_of):
            return "done"
        runs = api.runs("train", str(day))
        if runs and runs[-1].finished:
            return runs[-1].state
        report(runs[-1].state if runs else "waiting for the scheduler")
        time.sleep(1)
    return "not finished yet"
