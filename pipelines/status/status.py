"""Where things stand: the champion, the newest day of each stage, and what needs a person.

From the ledger alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from pipelines.accounts.train import TrainAccount
from pipelines.airflow.chain_state import paused_told
from pipelines.base.commands import as_typed
from pipelines.base.days import DayRange
from pipelines.base.home import place_warning
from pipelines.base.ports import home_of_service
from pipelines.base.settings import is_remote
from pipelines.lake.delta_health import log_damage, tables_of
from pipelines.releases.facts import ReleaseRow, release_rows
from pipelines.releases.fallback import goes_on, in_force
from pipelines.run import Run
from pipelines.status.days import STAGES, DayRow, day_rows
from pipelines.status.deadlines import Heads, Timeliness, timeliness
from pipelines.status.gate_warnings import by_warning
from pipelines.status.halted_days import Look
from pipelines.status.late_reports import late_reports, late_warning
from pipelines.stores.checks import LOST, LostStore
from pipelines.usecases.policies.first_training import too_early
from pipelines.usecases.policies.label_delays import LabelDelays

DAYS_SHOWN = 14
TRAINING = TrainAccount.STAGE


@dataclass(frozen=True, kw_only=True)
class Champion:
    """The release in production; `since` (UTC) and `reason` of its promotion."""

    release: str
    model_version: str
    since: datetime
    reason: str


@dataclass(frozen=True, kw_only=True)
class Standing:
    """`rows` are the days shown; `newest` the newest day that each stage has done; `attention`
    sentences by day.

    `challenger` is the release that is tried out, `releases` are all of them, oldest first.
    `timeliness`: what is late. `reports`: how long after their events those of the last weeks came.
    """

    use_case: str
    champion: Champion | None
    challenger: ReleaseRow | None
    releases: Sequence[ReleaseRow]
    newest: Mapping[str, date]
    rows: Sequence[DayRow]
    attention: Sequence[tuple[date | None, str]]
    timeliness: Timeliness
    reports: LabelDelays | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data for `--json`."""
        champion = self.champion
        return {
            "use_case": self.use_case,
            "champion": (
                {**vars(champion), "since": champion.since.isoformat()} if champion else None
            ),
            "challenger": self.challenger.to_json() if self.challenger else None,
            "releases": [row.to_json() for row in self.releases],
            "newest": {stage: str(day) for stage, day in self.newest.items()},
            "late": [lateness.to_json() for lateness in self.timeliness.late],
            "fresh": [freshness.to_json() for freshness in self.timeliness.fresh],
            "reports": self.reports.to_json() if self.reports else None,
            "days": [row.to_json() for row in self.rows],
            "attention": [
                {"day": str(day) if day else None, "what": what} for day, what in self.attention
            ],
        }


def standing(
    run: Run,
    days: DayRange | None = None,
    *,
    look: Look | None = None,
    lost: Sequence[LostStore] = (),
    heads: Heads | None = None,
    paused: Sequence[str] = (),
) -> Standing:
    """Where things stand, with the rows of `days` (by default of the newest fortnight that any
    stage knows).

    `look` asks Airflow why a day stopped half-way; without it the ledger alone says that it did.
    `lost` are stores that hold less than the ledger expects, where the caller has looked at them;
    `paused` are DAGs that are so in Airflow. `heads` are the ledger's newest records, where the
    caller has read them.
    """
    heads = run.ledger.stage_heads() if heads is None else heads
    statuses = {key: head.status for key, head in heads.items()}
    done = [
        key for key, status in statuses.items() if status == "done" and key[1] <= run.clock().date()
    ]
    by_stage = {
        stage: [day for name, day in done if name == stage] for stage in (*STAGES, TRAINING)
    }
    newest = {stage: max(done_days) for stage, done_days in by_stage.items() if done_days}
    last_day = newest_day(run, heads)
    shown = days or (
        DayRange(last_day - timedelta(days=DAYS_SHOWN - 1), last_day) if last_day else None
    )
    rows = day_rows(run, shown) if shown else []
    champion, releases, timely = (
        _champion(run),
        release_rows(run),
        timeliness(run, heads, look=look),
    )
    reports = late_reports(run, newest.get("features"), heads)
    return Standing(
        use_case=run.use_case.name,
        champion=champion,
        challenger=next((row for row in releases if row.state in {"shadow", "canary"}), None),
        releases=releases,
        newest=newest,
        rows=rows,
        attention=_typed(
            *_home(run),
            *_damaged(run),
            *_incidents(run),
            *_lost(run, lost),
            *[(None, paused_told(run.settings, paused)) for _ in paused[:1]],
            *_late(timely),
            *_not_over(run, statuses),
            *_fallback(run),
            *_of_releases(releases),
            *_general(run, champion, newest),
            *_held_back(rows, newest),
            *_of_days(rows),
            *_warned(rows),
            *[(None, late) for late in [late_warning(run, reports)] if late],
        ),
        timeliness=timely,
        reports=reports,
    )


def _typed(*attention: tuple[date | None, str]) -> list[tuple[date | None, str]]:
    """With commands as they have to be typed where this is shown."""
    return [(day, as_typed(what)) for day, what in attention]


def _damaged(run: Run) -> list[tuple[date | None, str]]:
    """A line for each table of the lake whose log has a file that is not whole (data files:
    `tollgate doctor`).
    """
    if is_remote(run.settings.lake):
        return []
    damages = (log_damage(table) for table in tables_of(Path(run.settings.lake)))
    return [
        (
            None,
            (
                f"the table {damage.table.name} is damaged: {damage.description};"
                f" {damage.last_whole}: `tollgate repair lake`"
            ),
        )
        for damage in damages
        if damage is not None
    ]


def newest_day(run: Run, heads: Heads | None = None) -> date | None:
    """The newest day that is over and that any stage of a day has a record of, or None.

    A day that is not over has records by a slip of the keyboard only: it must not push the true
    days out of sight. `heads` are the ledger's newest records, where the caller has read them.
    """
    today = run.clock().date()
    days = {
        day
        for stage, day in (run.ledger.stage_heads() if heads is None else heads)
        if stage in STAGES
    }
    return max((day for day in days if day < today), default=None)


def _champion(run: Run) -> Champion | None:
    pointer = run.ledger.champion()
    if pointer is None:
        return None
    promoted = next(
        s for s in reversed(run.ledger.states(pointer.release_id)) if s["state"] == "champion"
    )
    version = run.ledger.release(pointer.release_id).account.model_version
    return Champion(
        release=pointer.release_id,
        model_version=version,
        since=datetime.fromisoformat(promoted["recorded_at"]),
        reason=promoted["reason"],
    )


def _lost(run: Run, lost: Sequence[LostStore]) -> list[tuple[date | None, str]]:
    """Lost stores of which no incident tells yet."""
    noted = {
        incident.subject
        for incident in run.ledger.incidents(open_only=True)
        if incident.kind == LOST
    }
    return [
        (None, f"{lost_store.summary}; next: {lost_store.next_step}")
        for lost_store in lost
        if lost_store.store not in noted
    ]


def _home(run: Run) -> list[tuple[date | None, str]]:
    """That the home was copied or moved, and whose services are on its ports."""
    warning = place_warning(run.settings)
    if warning is None:
        return []
    ports = {
        name: getattr(run.settings, f"{name}_port")
        for name in ("spark", "mlflow", "airflow", "serve")
    }
    owners = {name: home_of_service(port) for name, port in ports.items()}
    others = [
        f"port {ports[name]} ({name}) is a service of {home}"
        for name, home in owners.items()
        if home
    ]
    return [(None, text) for text in (warning, *others)]


def _late(timeliness: Timeliness) -> list[tuple[date | None, str]]:
    """A line for each day that is late: the first stage of it says by how much."""
    lines: list[tuple[date | None, str]] = []
    for day in dict.fromkeys(lateness.day for lateness in timeliness.late):
        of_day = [lateness for lateness in timeliness.late if lateness.day == day]
        others = (
            f"; late too: {', '.join(lateness.stage for lateness in of_day[1:])}"
            if of_day[1:]
            else ""
        )
        lines.append((day, f"{of_day[0].told}{others}"))
    return lines


def _not_over(run: Run, statuses: Mapping[tuple[str, date], str]) -> list[tuple[date | None, str]]:
    """Days that are not over and have records all the same."""
    today = run.clock().date()
    stages: dict[date, list[str]] = {}
    for stage, day in statuses:
        if stage in STAGES and day >= today:
            stages.setdefault(day, []).append(stage)
    text = "the day is not over, yet these stages have run for it"
    command = "if that was a slip: tollgate withdraw --day"
    return [
        (day, f"{text}: {', '.join(stages[day])}; {command} {day} --reason …")
        for day in sorted(stages)
    ]


def _of_releases(releases: Sequence[ReleaseRow]) -> list[tuple[date | None, str]]:
    """Overrides of what decides or is tried out, and the newest release that waits; incidents have
    their own lines.
    """
    lines: list[tuple[date | None, str]] = []
    for row in releases:
        live = row.state in {"shadow", "canary", "champion"}
        notes = row.override_notes if live else []
        lines += [(None, f"{row.release} ({row.state}): {note}") for note in notes]
    if releases and releases[-1].state == "candidate":
        lines.append((None, f"{releases[-1].release} is a candidate: {releases[-1].state_reason}"))
    return lines


def _general(
    run: Run, champion: Champion | None, newest: Mapping[str, date]
) -> list[tuple[date | None, str]]:
    lines: list[tuple[date | None, str]] = []
    if champion is None and "features" in newest:
        lines.append(
            (
                None,
                (
                    "no model has been released: the rule would score"
                    f" ({run.use_case.rule.description})"
                ),
            )
        )
    if champion is None:
        lines += _too_early(run)
    trainings = run.ledger.latest(TrainAccount)
    last = trainings[max(trainings)] if trainings else None
    if last is not None and last.status == "refused":
        verdict = last.account.verdict
        reasons = "; ".join(verdict.reasons if verdict else ()) or "see `tollgate releases`"
        lines.append(
            (last.day, f"the newest training was refused, {goes_on(run.ledger)}: {reasons}")
        )
    return lines


def _too_early(run: Run) -> list[tuple[date | None, str]]:
    """From when on the first training is possible, where a young home waits for it; nothing in an
    empty home.
    """
    ingested = run.ledger.latest("ingest", status="done")
    if not ingested:
        return []
    reason = too_early(run.use_case, run.clock().date(), min(ingested))
    young = reason and too_early(run.use_case, max(ingested) + timedelta(days=1), min(ingested))
    return [(None, reason)] if young else []


def _incidents(run: Run) -> list[tuple[date | None, str]]:
    """Open incidents, and how many notices nobody has taken yet."""
    lines: list[tuple[date | None, str]] = []
    for incident in run.ledger.incidents(open_only=True):
        next_step = incident.detail.next_step or "tollgate oncall"
        level = "page" if incident.severity == "critical" else "ticket"
        lines.append(
            (
                None,
                f"incident {incident.incident_id} ({level}): {incident.summary}; next: {next_step}",
            )
        )
    waiting = run.ledger.waiting_messages()
    if waiting:
        where = ", ".join(sorted({message.channel for message in waiting}))
        lines.append((None, f"{len(waiting)} notices wait for {where}: tollgate oncall --send"))
    return lines


def _fallback(run: Run) -> list[tuple[date | None, str]]:
    """That the rule decides by policy, since when, and how to end it."""
    period = in_force(run.ledger)
    if period is None:
        return []
    days = run.use_case.watch.return_days
    by_itself = (
        f"it ends by itself after {days} calm days in a row; sooner: "
        if period.told_on
        else "to end it: "
    )
    ends = f"{by_itself}tollgate fallback --off --reason …"
    return [
        (
            period.first,
            (
                f"the declared rule decides from {period.first} on, not the champion:"
                f" {period.reason}; {ends}"
            ),
        )
    ]


def _held_back(rows: Sequence[DayRow], newest: Mapping[str, date]) -> list[tuple[date | None, str]]:
    """Days between scored ones on which a stage is missing: what Airflow would show as a hole."""
    lines: list[tuple[date | None, str]] = []
    for row in rows:
        for stage in ("features", "score", "monitor"):
            ended = stage in newest and row.day < newest[stage]
            started = any(stage in other.stages for other in rows if other.day < row.day)
            if ended and started and stage not in row.stages:
                lines.append(
                    (
                        row.day,
                        (
                            f"{stage} has not run: tollgate run {stage} --from {row.day} --to"
                            f" {row.day}"
                        ),
                    )
                )
                break
    return lines


def _warned(rows: Sequence[DayRow]) -> list[tuple[date | None, str]]:
    """What the gates let pass, each warning once with all of its days."""
    warnings = by_warning({row.day: row.warnings for row in rows})
    return [
        (days[-1], f"{warning.stage} {warning.severity}: {warning.describe(days)}")
        for warning, days in warnings
    ]


def _of_days(rows: Sequence[DayRow]) -> list[tuple[date | None, str]]:
    lines: list[tuple[date | None, str]] = []
    for row in rows:
        lines += [(row.day, problem.text) for problem in row.problems]
    return lines
