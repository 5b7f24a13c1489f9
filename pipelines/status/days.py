"""What happened on each day, from the ledger alone: the rows of `tollgate status` and of the
report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from itertools import chain
from typing import Any, Literal

from pipelines.accounts.account import Account
from pipelines.accounts.drift import DriftAccount
from pipelines.accounts.features import FeaturesAccount
from pipelines.accounts.ingest import IngestAccount
from pipelines.accounts.materialize import MaterializeAccount
from pipelines.accounts.monitor import MonitorAccount
from pipelines.accounts.parity import ParityAccount
from pipelines.accounts.performance import PerformanceAccount
from pipelines.accounts.score import ScoreAccount
from pipelines.accounts.served import ServedAccount
from pipelines.base.days import DayRange
from pipelines.ledger.ledger import StageRecord
from pipelines.run import Run
from pipelines.status.gate_warnings import GateWarning, gate_failures, gate_warnings
from pipelines.status.mixed_policies import mixed_policies

STAGES = ("ingest", "features", "materialize", "score", "monitor", "parity", "served")
"""The stages of a day, in order; the last two are checks beside the chain."""

FALLBACK = "docs/runbooks/score-fallback.md"
DRIFT = "docs/runbooks/drift.md"

ProblemKind = Literal["stage", "fallback", "drift", "watch", "done", "mixed"]


@dataclass(frozen=True, kw_only=True)
class DayProblem:
    """What a person should know of a day, in a sentence.

    `kind`: a `stage` that did not do the day, the rule scored (`fallback`), `drift` beyond policy,
    what the `watch` found, or what was `done` about the day without a person. `grave`: refused,
    failed or beyond policy.
    """

    kind: ProblemKind
    text: str
    grave: bool = False


@dataclass(frozen=True, kw_only=True)
class DayRecords:
    """The newest record of each stage of a day, None where the stage has none."""

    ingest: StageRecord[IngestAccount] | None = None
    features: StageRecord[FeaturesAccount] | None = None
    materialize: StageRecord[MaterializeAccount] | None = None
    score: StageRecord[ScoreAccount] | None = None
    monitor: StageRecord[MonitorAccount] | None = None
    parity: StageRecord[ParityAccount] | None = None
    served: StageRecord[ServedAccount] | None = None

    def by_stage(self) -> dict[str, StageRecord[Account]]:
        """The records that there are, in the order of `STAGES`."""
        every: tuple[StageRecord[Account] | None, ...] = (
            self.ingest,
            self.features,
            self.materialize,
            self.score,
            self.monitor,
            self.parity,
            self.served,
        )
        return {record.stage: record for record in every if record is not None}


@dataclass(frozen=True, kw_only=True)
class DayRow:
    """One day. None means: not known (yet). Shares are between 0 and 1.

    `stages` holds the newest status of each stage that ran (`done`, `refused`, `failed`), `gates`
    the outcome of each gate (`passed`, `warning`, `refused`), `warnings` what the gates let pass.
    `average_precision` and `card_precision` speak of this day's own predictions and come when its
    labels have matured. `page` is below the home.
    """

    day: date
    state: str | None = None
    rows_in: int | None = None
    accepted: int | None = None
    quarantined: int | None = None
    duplicates: int | None = None
    late: int | None = None
    stages: Mapping[str, str]
    gates: Mapping[str, str]
    scored: int | None = None
    alerts: int | None = None
    score_mean: float | None = None
    release: str | None = None
    fallback: bool | None = None
    volume_ratio: float | None = None
    quarantine_rate: float | None = None
    average_precision: float | None = None
    card_precision: float | None = None
    drift_judged: bool | None = None
    drift_detected: bool | None = None
    drift_share: float | None = None
    drift_score: float | None = None
    drift_summary: str = ""
    retrain_asked: bool | None = None
    retrain_reason: str = ""
    page: str | None = None
    problems: tuple[DayProblem, ...] = ()
    warnings: tuple[GateWarning, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        problems = tuple(problem.text for problem in self.problems)
        return asdict(self) | {"day": str(self.day), "problems": problems}


def day_rows(
    run: Run, days: DayRange, *, monitored: Mapping[date, MonitorAccount] | None = None
) -> list[DayRow]:
    """A row for each of `days` on which any stage ran, in order; reads the ledger, never the lake.

    `monitored` are accounts of the monitor that stand for those in the ledger (of a run that is
    still going on).
    """
    records = _records(run, days)
    watched = {}
    for day, of_day in records.items():
        record = of_day.monitor
        if record is not None and record.status == "done":
            watched[day] = record.account
    accounts = {**watched, **(monitored or {})}
    matured = {
        account.performance.subject_day: account.performance
        for account in accounts.values()
        if account.performance is not None
    }
    seen = set(records) | set(accounts)
    return [
        _row(day, records.get(day, DayRecords()), accounts.get(day), matured.get(day))
        for day in days
        if day in seen
    ]


def _records(run: Run, days: DayRange) -> dict[date, DayRecords]:
    """The newest records of `days`, and of the days after them on which their labels mature."""
    ledger, last = run.ledger, days.last + timedelta(days=run.use_case.label.delay_days)
    ingest = ledger.latest(IngestAccount, first=days.first, last=last)
    features = ledger.latest(FeaturesAccount, first=days.first, last=last)
    materialize = ledger.latest(MaterializeAccount, first=days.first, last=last)
    score = ledger.latest(ScoreAccount, first=days.first, last=last)
    monitor = ledger.latest(MonitorAccount, first=days.first, last=last)
    parity = ledger.latest(ParityAccount, first=days.first, last=last)
    served = ledger.latest(ServedAccount, first=days.first, last=last)
    every = {*ingest, *features, *materialize, *score, *monitor, *parity, *served}
    return {
        day: DayRecords(
            ingest=ingest.get(day),
            features=features.get(day),
            materialize=materialize.get(day),
            score=score.get(day),
            monitor=monitor.get(day),
            parity=parity.get(day),
            served=served.get(day),
        )
        for day in every
    }


def _row(
    day: date,
    records: DayRecords,
    monitor: MonitorAccount | None,
    performance: PerformanceAccount | None,
) -> DayRow:
    of_day = records.by_stage()
    ingest = records.ingest.account if records.ingest else None
    done = records.ingest is not None and records.ingest.status == "done"
    counts = ingest if done else None
    score = records.score.account if records.score else None
    drift = monitor.drift if monitor else None
    retrain = monitor.retrain if monitor else None
    return DayRow(
        day=day,
        state=ingest.state or None if ingest else None,
        rows_in=counts.rows_in if counts else None,
        accepted=counts.accepted if counts else None,
        quarantined=counts.quarantined if counts else None,
        duplicates=counts.duplicates if counts else None,
        late=counts.late if counts else None,
        stages={stage: record.status for stage, record in of_day.items()},
        gates={stage: _gate(record) for stage, record in of_day.items() if _gate(record)},
        scored=score.rows if score else None,
        alerts=score.alerts if score else None,
        score_mean=score.score_mean if score else None,
        release=score.release or None if score else None,
        fallback=score.fallback if score else None,
        volume_ratio=monitor.volume_ratio if monitor else None,
        quarantine_rate=monitor.quarantine_rate if monitor else None,
        page=monitor.page if monitor else None,
        average_precision=performance.average_precision if performance else None,
        card_precision=performance.card_precision if performance else None,
        drift_judged=drift.judged if drift else None,
        drift_detected=drift.detected if drift else None,
        drift_share=drift.share if drift else None,
        drift_score=drift.score if drift else None,
        drift_summary=drift.summary if drift else "",
        retrain_asked=retrain.asked if retrain else None,
        retrain_reason=retrain.reason if retrain else "",
        problems=(
            *(_watched(monitor) if monitor else ()),
            *_problems(of_day, score, drift),
            *_mixed(day, records, monitor),
        ),
        warnings=_warnings(of_day),
    )


def _gate(record: StageRecord[Account]) -> str:
    """The outcome of a stage's gate: `refused`, `warning`, `passed`, or nothing where it has
    none.
    """
    if record.status == "refused":
        return "refused"
    if not record.account.gates():
        return ""
    return "warning" if gate_failures(record.account) else "passed"


def _warnings(of_day: Mapping[str, StageRecord[Account]]) -> tuple[GateWarning, ...]:
    """What the gates of the day's stages let pass; a refused stage's failures stand in its
    reason.
    """
    accounts = [record.account for record in of_day.values() if record.status == "done"]
    return tuple(chain.from_iterable(map(gate_warnings, accounts)))


def account_problems(account: Account) -> list[DayProblem]:
    """What a person should know of a stage's account of a day: that the rule scored, what the watch
    found.
    """
    if isinstance(account, ScoreAccount):
        return _fallback(account)
    if isinstance(account, MonitorAccount):
        return [*_watched(account), *_drifted(account.drift)]
    return []


def _problems(
    of_day: Mapping[str, StageRecord[Account]],
    score: ScoreAccount | None,
    drift: DriftAccount | None,
) -> list[DayProblem]:
    """What a person should know of the day."""
    undone = [
        DayProblem(
            kind="stage",
            text=(
                f"{stage} {record.status}:"
                f" {record.account.reason_line or 'see the log of run ' + record.run_id}"
            ),
            grave=record.status in ("refused", "failed"),
        )
        for stage, record in of_day.items()
        if record.status != "done"
    ]
    return [*undone, *(_fallback(score) if score else ()), *_drifted(drift)]


def _mixed(day: date, records: DayRecords, monitor: MonitorAccount | None) -> list[DayProblem]:
    """What does not fit together in the day: another release or other policies than an earlier
    stage had.

    `monitor` is the account that counts: of a run that is still going on, the ledger has an older
    one.
    """
    done = {
        stage: record.account
        for stage, record in records.by_stage().items()
        if record.status == "done"
    }
    if monitor is not None:
        done["monitor"] = monitor
    problems = [DayProblem(kind="mixed", text=text) for text in mixed_policies(day, done)]
    score = records.score.account if records.score and records.score.status == "done" else None
    # The rule may stand in for the champion, whose scores are watched all the same.
    if (
        score is None
        or monitor is None
        or score.fallback
        or not (score.release and monitor.release)
    ):
        return problems
    if monitor.release != score.release:
        command = f"tollgate run monitor --from {day} --to {day}"
        text = (
            f"scored again by {score.release} after the watch had judged {monitor.release}:"
            f" {command}"
        )
        problems.append(DayProblem(kind="mixed", text=text))
    return problems


def _fallback(score: ScoreAccount) -> list[DayProblem]:
    if not score.fallback:
        return []
    text = f"the rule scored, not a model: {_first_line(score.fallback_reason)} ({FALLBACK})"
    return [DayProblem(kind="fallback", text=text)]


def _drifted(drift: DriftAccount | None) -> list[DayProblem]:
    if drift is None or not drift.detected:
        return []
    return [DayProblem(kind="drift", text=f"drift: {drift.summary} ({DRIFT})", grave=True)]


def _watched(account: MonitorAccount) -> list[DayProblem]:
    """What the watch found that somebody has to know, and what was done about it."""
    problems: list[DayProblem] = []
    diagnosis = account.diagnosis
    if diagnosis is not None and diagnosis.severity in ("ticket", "page"):
        runbook = f" ({diagnosis.runbook})" if diagnosis.runbook else ""
        problems.append(DayProblem(kind="watch", text=f"watch: {diagnosis.summary}{runbook}"))
    problems += [DayProblem(kind="done", text=f"done: {answer}") for answer in account.answers]
    return problems


def _first_line(text: str) -> str:
    return text.splitlines()[0] if text else ""
