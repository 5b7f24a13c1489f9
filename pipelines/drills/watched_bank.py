"""The bank, watched for three weeks, and the fortnight after them in which a drill lets something happen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from pipelines.drills.bank import BAD_LABELS, DAYS, FIRST_TRAINING, INCIDENT, SIZE, bank, first_champion
from pipelines.platform.days import DayRange
from pipelines.platform.landing import Landing
from pipelines.platform.settings import Settings
from pipelines.run import Run
from pipelines.simulate.day import DayPlan
from pipelines.simulate.delivery import simulate
from pipelines.stages.features import build_features
from pipelines.stages.ingest import ingest
from pipelines.stages.monitor import monitor
from pipelines.stages.score import score

WATCHED = DayRange(FIRST_TRAINING, DAYS.last)
START = DAYS.last + timedelta(days=1)
"""The first day on which something may happen."""


def watched_bank(settings: Settings) -> Run:
    """A run over the bank with its first champion; the weeks since its training are scored and watched.

    The watch's policy is the one that the drills show: every answer that there is, whatever the use case declares.
    """
    made = bank(settings)
    watch = replace(made.use_case.watch, fall_back_on=("harmful",), roll_back_on=("bug",), retrain_waits=True)
    run = replace(made, use_case=replace(made.use_case, watch=watch))
    first_champion(run)
    if WATCHED.last not in run.ledger.latest("monitor", status="done"):
        nights(run, WATCHED)
    return run


def arrive(run: Run, until: date, happens: Mapping[date, DayPlan], *, features: date | None = None) -> None:
    """Let the days from `START` to `until` arrive, as they `happen`; features are built up to the day `features`.

    What the home has already is not made again.
    """
    if (features or until) in run.ledger.latest("features", status="done"):
        return
    plans = {**dict.fromkeys(BAD_LABELS, DayPlan((INCIDENT,))), **happens}
    days = DayRange(START, until)
    for _sent in simulate(Landing.of(run.settings), run.settings.home / "truth", SIZE, days, plans):
        pass
    ingest(run, days)
    build_features(run, DayRange(START, features or until))


def nights(run: Run, days: DayRange) -> dict[date, Mapping[str, Any]]:
    """Score and watch the days, in one go each; returns the monitor's accounts."""
    score(run, days)
    return dict(monitor(run, days, evidently=False).accounts)


def days_after(number: int, last: int | None = None) -> DayRange:
    """Days by their number from `START` on (0 is the first), both included."""
    return DayRange(START + timedelta(days=number), START + timedelta(days=number if last is None else last))
