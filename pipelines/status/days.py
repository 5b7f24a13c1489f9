"""What happened on each day, from the ledger alone: the rows of `tollgate status` and of the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

from pipelines.base.days import DayRange
from pipelines.ledger.ledger import StageRecord
from pipelines.run import Run
from pipelines.status.gate_warnings import GateWarning, gate_results, gate_warnings
from pipelines.status.mixed_policies import mixed_policies

STAGES = ("ingest", "features", "materialize", "score", "monitor", "parity", "served")
"""The stages of a day, in order; the last two are checks beside the chain."""

FALLBACK = "docs/runbooks/score-fallback.md"
DRIFT = "docs/runbooks/drift.md"

Records = Mapping[str, Mapping[date, StageRecord]]


@dataclass(frozen=True, kw_only=True)
class DayRow:
    """One day. None means: not known (yet). Shares are between 0 and 1.

    `stages` holds the newest status of each stage that ran (`done`, `refused`, `failed`), `gates` the outcome of each
    gate (`passed`, `warning`, `refused`), `warnings` what the gates let pass. `average_precision` and `card_precision`
    speak of this day's own predictions and come when its labels have matured. `page` is below the home.
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
    problems: tuple[str, ...] = ()
    warnings: tuple[GateWarning, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self) | {"day": str(self.day)}


def day_rows(run: Run, days: DayRange, *, monitored: Mapping[date, Mapping[str, Any]] | None = None) -> list[DayRow]:
    """A row for each of `days` on which any stage ran, in order; reads the ledger, never the lake.

    `monitored` are accounts of the monitor that stand for those in the ledger (of a run that is still going on).
    """
    delay = run.use_case.label.delay_days
    records = {
        stage: run.ledger.latest(stage, first=days.first, last=days.last + timedelta(days=delay)) for stage in STAGES
    }
    payloads = {day: record.payload for day, record in records["monitor"].items() if record.status == "done"}
    accounts = {**payloads, **(monitored or {})}
    matured = {
        date.fromisoformat(found["subject_day"]): found
        for account in accounts.values()
        if (found := account.get("performance"))
    }
    seen = {day for by_day in records.values() for day in by_day} | set(accounts)
    return [_row(day, records, accounts.get(day), matured.get(day)) for day in days if day in seen]


def _row(
    day: date, records: Records, monitor: Mapping[str, Any] | None, performance: Mapping[str, Any] | None
) -> DayRow:
    of_day = {stage: by_day[day] for stage, by_day in records.items() if day in by_day}
    payload: dict[str, Mapping[str, Any]] = {stage: record.payload for stage, record in of_day.items()}
    ingest, score, watched = payload.get("ingest", {}), payload.get("score", {}), monitor or {}
    drift, retrain, worth = watched.get("drift", {}), watched.get("retrain", {}), performance or {}
    return DayRow(
        day=day,
        **{name: ingest.get(name) for name in ("state", "rows_in", "accepted", "quarantined", "duplicates", "late")},
        stages={stage: record.status for stage, record in of_day.items()},
        gates={stage: _gate(record) for stage, record in of_day.items() if _gate(record)},
        scored=score.get("rows"),
        **{name: score.get(name) for name in ("alerts", "score_mean", "release", "fallback")},
        **{name: watched.get(name) for name in ("volume_ratio", "quarantine_rate", "page")},
        **{name: worth.get(name) for name in ("average_precision", "card_precision")},
        drift_judged=drift.get("judged"),
        drift_detected=drift.get("detected"),
        drift_share=drift.get("share"),
        drift_score=drift.get("score"),
        drift_summary=drift.get("summary", ""),
        retrain_asked=retrain.get("asked"),
        retrain_reason=retrain.get("reason", ""),
        problems=(*_watched(watched), *_problems(of_day, score, drift), *_mixed(day, of_day, monitor)),
        warnings=_warnings(of_day),
    )


def _gate(record: StageRecord) -> str:
    """The outcome of a stage's gate: `refused`, `warning`, `passed`, or nothing where it has none."""
    if record.status == "refused":
        return "refused"
    if not record.payload.get("gate"):
        return ""
    return "warning" if gate_failures(record.payload) else "passed"


def gate_failures(payload: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The checks that failed, of a stage with one suite (`gate` is its result) or several (results by suite)."""
    return [failure for result in gate_results(payload) for failure in result["failures"]]


def _warnings(of_day: Mapping[str, StageRecord]) -> tuple[GateWarning, ...]:
    """What the gates of the day's stages let pass; a refused stage's failures stand in its reason."""
    return tuple(
        warning
        for stage, record in of_day.items()
        if record.status == "done"
        for warning in gate_warnings(stage, record.payload)
    )


def stage_problems(stage: str, account: Mapping[str, Any]) -> list[str]:
    """What a person should know of a stage's account of a day, in sentences: the rule scored, what the watch found."""
    if stage == "score":
        return _fallback(account)
    if stage == "monitor":
        return [*_watched(account), *_drifted(account.get("drift") or {})]
    return []


def _problems(of_day: Mapping[str, StageRecord], score: Mapping[str, Any], drift: Mapping[str, Any]) -> list[str]:
    """What a person should know of the day, in sentences."""
    told = [
        f"{stage} {record.status}: {_first_line(record.payload.get('reason')) or 'see the log of run ' + record.run_id}"
        for stage, record in of_day.items()
        if record.status != "done"
    ]
    return [*told, *_fallback(score), *_drifted(drift)]


def _mixed(day: date, of_day: Mapping[str, StageRecord], monitor: Mapping[str, Any] | None) -> list[str]:
    """What does not fit together in the day: another release or other policies than an earlier stage had.

    `monitor` is the account that counts: of a run that is still going on, the ledger has an older one.
    """
    done = {stage: record.payload for stage, record in of_day.items() if record.status == "done"}
    if monitor is not None:
        done["monitor"] = monitor
    told = mixed_policies(day, done)
    if "score" not in done or "monitor" not in done:
        return told
    decides, judged = done["score"].get("release"), done["monitor"].get("release")
    # The rule may stand in for the champion, whose scores are watched all the same.
    if done["score"].get("fallback") or not (decides and judged):
        return told
    if judged != decides:
        command = f"tollgate run monitor --from {day} --to {day}"
        told.append(f"scored again by {decides} after the watch had judged {judged}: {command}")
    return told


def _fallback(score: Mapping[str, Any]) -> list[str]:
    if not score.get("fallback"):
        return []
    return [f"the rule scored, not a model: {_first_line(score.get('fallback_reason'))} ({FALLBACK})"]


def _drifted(drift: Mapping[str, Any]) -> list[str]:
    return [f"drift: {drift.get('summary', '')} ({DRIFT})"] if drift.get("detected") else []


def _watched(account: Mapping[str, Any]) -> list[str]:
    """What the watch found that somebody has to know, and what was done about it."""
    found = account.get("diagnosis") or {}
    runbook = f" ({found['runbook']})" if found.get("runbook") else ""
    told = [f"watch: {found['summary']}{runbook}"] if found.get("severity") in ("ticket", "page") else []
    return told + [f"done: {one}" for one in account.get("answers", ())]


def _first_line(text: object) -> str:
    return str(text).splitlines()[0] if text else ""
