"""The drill `holiday`: demand shifts for four days.

Seen on the first; the rule stands in, and goes by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from itertools import chain

from pipelines.accounts.monitor import MonitorAccount
from pipelines.base.days import DayRange
from pipelines.base.settings import Settings
from pipelines.drills.drill import Drill, Finding
from pipelines.drills.watched_bank import days_after, nights, watched_bank, write_days
from pipelines.nightly.monitor.performance.performance import performance
from pipelines.nightly.score.stage import score
from pipelines.releases.fallback import fallbacks
from pipelines.releases.scorer import RULE_RELEASE
from pipelines.run import Run
from pipelines.simulate.day import DayPlan
from pipelines.simulate.incidents import INCIDENTS
from pipelines.status.status import standing

NAME = "holiday"
HOLIDAY, FIRST, REST = days_after(0, 3), days_after(0), days_after(1, 3)
CALM, BACK = days_after(4, 5), days_after(6)

Accounts = Mapping[date, MonitorAccount]


def holiday(settings: Settings) -> Sequence[Finding]:
    """Nights of a holiday and after it; those between which nobody could do anything are run at
    once.
    """
    run = watched_bank(settings)
    write_days(run, DayRange(HOLIDAY.first, BACK.last), dict.fromkeys(HOLIDAY, DayPlan((NAME,))))
    first = nights(run, FIRST)
    said = [what for _, what in standing(run).attention]
    during = nights(run, REST)
    after = nights(run, CALM)
    score(run, BACK)
    return (
        _named(first),
        _taken_over(run, first),
        _told(said),
        _stored(run),
        _caught(run),
        _waits({**first, **during}),
        _returns(run, after),
        _closed(run),
    )


def _named(first: Accounts) -> Finding:
    account = first[FIRST.first]
    return Finding(
        expected="the first day's run says that inputs moved and that it does harm",
        happened=f"{account.cause}: {account.summary}",
        holds=account.cause == "harmful"
        and account.diagnosis is not None
        and account.diagnosis.subject_day == FIRST.first,
    )


def _taken_over(run: Run, first: Accounts) -> Finding:
    periods = fallbacks(run.ledger)
    return Finding(
        expected=(
            f"by policy the declared rule decides from the next day, {REST.first}, on; the ledger"
            " says why"
        ),
        happened="; ".join(first[FIRST.first].answers) or "nothing was done",
        holds=len(periods) == 1
        and periods[0].first == REST.first
        and periods[0].begun_by == run.actor,
    )


def _told(said: Sequence[str]) -> Finding:
    lines = [sentence for sentence in said if "the declared rule decides" in sentence]
    return Finding(
        expected="`tollgate status` says so, and how to end it",
        happened=lines[0] if lines else "; ".join(said) or "nothing",
        holds=any("tollgate fallback --off" in line for line in lines),
    )


def _stored(run: Run) -> Finding:
    stamps = _stamps(run, REST)
    champion = run.ledger.champion()
    return Finding(
        expected=(
            "on the other holidays every row is decided by the rule, and the champion's score"
            " stands beside it"
        ),
        happened=", ".join(
            f"{rows:,} rows by {release}, beside {other}"
            for (release, other), rows in stamps.items()
        ),
        holds=champion is not None and set(stamps) == {(RULE_RELEASE, champion.release_id)},
    )


def _stamps(run: Run, days: DayRange) -> dict[tuple[str, str], int]:
    rows = run.lake.read("predictions", days=days).where("champion_score IS NOT NULL")
    counts = rows.groupBy("release", "champion").count().collect()
    return {(row["release"], row["champion"]): int(row["count"]) for row in counts}


def _caught(run: Run) -> Finding:
    """What both lists were worth, once the labels are known: a use case declares the fallback where
    it pays.
    """
    accounts = performance(run, REST).values()
    rule = sum(account.worth.hits for account in accounts)
    model = sum(account.watched.hits for account in accounts)
    return Finding(
        expected=(
            "once labels are known it can be told what the fallback cost or saved: both lists are"
            " judged"
        ),
        happened=(
            f"{rule} units with positives on the rule's lists of {len(accounts)} days, {model} on"
            " the champion's"
        ),
        holds=len(accounts) == len(REST)
        and all(account.model is not None for account in accounts)
        and rule + model > 0,
    )


def _waits(accounts: Accounts) -> Finding:
    reasons = {account.retrain_reason for account in accounts.values()}
    return Finding(
        expected="no training is asked for on what has no labels yet",
        happened="; ".join(sorted(reasons)),
        holds=not any(account.asks_for_training for account in accounts.values())
        and "wait" in " ".join(reasons),
    )


def _returns(run: Run, after: Accounts) -> Finding:
    periods = fallbacks(run.ledger)
    champion = run.ledger.champion()
    stamps = _stamps(run, BACK)
    lines = list(chain.from_iterable(account.answers for account in after.values()))
    return Finding(
        expected=(
            f"after {run.use_case.watch.return_days} calm days the champion decides again by itself"
        ),
        happened="; ".join([*lines, ", ".join(f"{BACK}: {release}" for release, _ in stamps)]),
        holds=len(periods) == 1
        and periods[0].last == CALM.last
        and champion is not None
        and {release for release, _ in stamps} == {champion.release_id},
    )


def _closed(run: Run) -> Finding:
    every = [incident for incident in run.ledger.incidents() if incident.kind == "harmful"]
    ends = "; ".join(
        f"{incident.summary} → {incident.resolution or 'still open'}" for incident in every
    )
    return Finding(
        expected="all of it is one incident, that says what was done and closes by itself",
        happened=ends or "none",
        holds=len(every) == 1 and every[0].resolved_at is not None and bool(every[0].detail.done),
    )


HOLIDAY_DRILL = Drill(
    name=NAME,
    description=(
        "demand shifts for four days: seen on the first, the declared rule stands in and goes by"
        " itself"
    ),
    injected=f"{HOLIDAY}: {INCIDENTS[NAME].description}",
    happens=holiday,
)
