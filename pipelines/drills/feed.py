"""The drill `feed`: a feed is missing for three days, then all comes at once.

One incident, one cause, then none.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from pipelines.accounts.incident import IncidentDetail
from pipelines.accounts.ingest import IngestAccount
from pipelines.base.days import DayRange
from pipelines.base.errors import NotArrivedError
from pipelines.base.settings import Settings
from pipelines.drills.drill import Drill, Finding
from pipelines.ledger.ledger import Incident
from pipelines.nightly.ingest import ingest
from pipelines.nightly.monitor.incidents import stage_done, stage_failed
from pipelines.run import Run
from pipelines.simulate.day import DayPlan
from pipelines.simulate.delivery import simulate
from pipelines.simulate.world import WorldSize
from pipelines.usecases.registry import load

DAYS = DayRange(date(2026, 11, 2), date(2026, 11, 6))
MISSING = DayRange(date(2026, 11, 4), date(2026, 11, 6))
SIZE = WorldSize(customers=200, terminals=400, seed=5)
STAGE = "ingest"


def feed(settings: Settings) -> Sequence[Finding]:
    """Three nights without the day's transactions, as Airflow runs them; then the days are sent,
    and run again.
    """
    run = Run(settings, load(settings.use_case), run_id="drill", actor="drill")
    _send(run, dict.fromkeys(MISSING, DayPlan(("missing",))))
    ingest(run, DayRange(DAYS.first, MISSING.first - timedelta(days=1)))
    refused = [day for day in MISSING if not _night(run, day)]
    during = run.ledger.incidents(open_only=True)
    _send(run, {})
    done = [day for day in MISSING if _night(run, day)]
    return (
        _noticed(refused, during),
        _named(run, during),
        _told(during),
        _whole(run, done),
        _closed(run),
    )


def _send(run: Run, plans: dict[date, DayPlan]) -> None:
    for _sent in simulate(run.landing, run.settings.home / "truth", SIZE, DAYS, plans):
        pass


def _night(run: Run, day: date) -> bool:
    """The night's ingest with what Airflow's callbacks do; False where the day had not arrived."""
    try:
        ingest(run, DayRange.single(day))
    except NotArrivedError as error:
        stage_failed(run, STAGE, day, error)
        return False
    stage_done(run, STAGE, day)
    return True


def _noticed(refused: list[date], during: list[Incident]) -> Finding:
    return Finding(
        expected="each of the three nights fails, and all share one incident",
        happened=f"{len(refused)} nights failed, {len(during)} incident open",
        holds=refused == list(MISSING) and len(during) == 1,
    )


def _named(run: Run, during: list[Incident]) -> Finding:
    named = [(incident.kind, incident.subject) for incident in during]
    return Finding(
        expected="the incident names the cause, a feed, and which",
        happened=", ".join(f"{kind} {subject}" for kind, subject in named) or "nothing",
        holds=named == [("feed", run.use_case.events.name)],
    )


def _told(during: list[Incident]) -> Finding:
    detail = during[0].detail if during else IncidentDetail()
    return Finding(
        expected="it lists the days, and says what to type",
        happened=f"{', '.join(map(str, detail.days))}; {detail.next_step}",
        holds=detail.days == tuple(MISSING) and bool(detail.next_step),
    )


def _whole(run: Run, done: list[date]) -> Finding:
    records = run.ledger.latest(IngestAccount, first=DAYS.first, last=DAYS.last, status="done")
    rows = {day: records[day].account.rows_in for day in DAYS if day in records}
    return Finding(
        expected="once sent, every day is ingested whole",
        happened=(
            f"{len(done)} of the nights done, rows by day {', '.join(map(str, rows.values()))}"
        ),
        holds=done == list(MISSING)
        and len(rows) == len(DAYS)
        and min(rows.values()) > 0.5 * max(rows.values()),
    )


def _closed(run: Run) -> Finding:
    closed = [
        incident.resolution or "" for incident in run.ledger.incidents() if incident.resolved_at
    ]
    still = run.ledger.incidents(open_only=True)
    return Finding(
        expected="the incident closes by itself with the last of the days, and no other stays",
        happened="; ".join(closed) or "still open",
        holds=len(closed) == 1 and not still,
    )


FEED = Drill(
    name="feed",
    description="a feed is missing for three days, then all of it comes at once",
    injected="transactions of three days do not arrive",
    happens=feed,
)
