"""OpenMetrics text for Prometheus: the state of the newest day, read from the ledger at each
scrape.

Shares are between 0 and 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from pipelines.accounts.monitor import MonitorAccount
from pipelines.accounts.served import ServedAccount
from pipelines.base.days import midnight
from pipelines.base.openmetrics import CONTENT_TYPE, Family, exposition, joined, labelled
from pipelines.ops.facts import SHOWN_DAYS, Facts
from pipelines.ops.nights import days_since_good, good_days
from pipelines.status.days import STAGES

SEVERITIES = ("warning", "critical")

__all__ = ["CONTENT_TYPE", "openmetrics"]

Sample = tuple[Mapping[str, str], float | None]
Figure = tuple[str, str, str, Sequence[Sample]]
"""A gauge's name, unit, meaning and samples."""


def openmetrics(*of_use_cases: Facts) -> str:
    """The exposition; every sample carries its use case, every family its meaning."""
    families: list[Family] = []
    for facts in of_use_cases:
        families += [
            labelled(_gauge(figure), use_case=facts.use_case.name) for figure in _figures(facts)
        ]
    return exposition(joined(families), {})


def _gauge(figure: Figure) -> Family:
    name, unit, meaning, samples = figure
    points = [("", labels, value) for labels, value in samples]
    return Family(name=f"tollgate_{name}", kind="gauge", unit=unit, meaning=meaning, samples=points)


def _figures(facts: Facts) -> tuple[Figure, ...]:
    of_days = (*_days(facts), *_timely(facts), *_performance(facts), *_served(facts))
    return (*_releases(facts), *_incidents(facts), *of_days)


def _releases(facts: Facts) -> list[Figure]:
    pointer = facts.pointer
    champion = {"release": pointer.release_id} if pointer else {}
    challenger = (
        {"release": str(pointer.challenger), "state": str(pointer.challenger_state)}
        if pointer
        else {}
    )
    tried = pointer is not None and pointer.challenger is not None
    return [
        (
            "champion_generation",
            "",
            "how often the pointer has moved",
            [(champion, pointer.generation if pointer else None)],
        ),
        (
            "challenger",
            "",
            "1 while a release is tried out beside the champion",
            [(challenger, 1)] if tried else [],
        ),
        ("releases", "", "releases in the ledger", [({}, len(facts.releases))]),
    ]


def _incidents(facts: Facts) -> list[Figure]:
    counts: list[Sample] = [
        (
            {"severity": severity},
            sum(incident.severity == severity for incident in facts.open_incidents),
        )
        for severity in dict.fromkeys(
            [*SEVERITIES, *(incident.severity for incident in facts.open_incidents)]
        )
    ]
    return [("open_incidents", "", "incidents that are not resolved", counts)]


def _days(facts: Facts) -> list[Figure]:
    """The newest day of each stage; volume, alerts, quarantine and drift of the newest day that has
    them.
    """
    status_of, today = {key: head.status for key, head in facts.heads.items()}, facts.at.date()
    statuses = {key: status for key, status in status_of.items() if key[1] < today}
    good = good_days(statuses)
    done = {stage: _done(statuses, stage) for stage in STAGES}
    newest = {stage: max(days) for stage, days in done.items() if days}
    ends: list[Sample] = [
        ({"stage": stage}, midnight(day + timedelta(days=1)).timestamp())
        for stage, day in newest.items()
    ]
    since = days_since_good(good, facts.at)
    return [
        (
            "days_since_good_night",
            "",
            "days since the whole chain of a day was done (0: last night)",
            [({}, since)],
        ),
        (
            "newest_day_end_seconds",
            "seconds",
            "end (Unix time) of the newest day that a stage has done",
            ends,
        ),
        ("day_rows_in", "", "rows that came in on the newest day", _newest(facts, "rows_in")),
        (
            "day_rows_quarantined",
            "",
            "rows in quarantine of the newest day",
            _newest(facts, "quarantined"),
        ),
        ("day_rows_scored", "", "rows scored on the newest day", _newest(facts, "scored")),
        ("day_alerts", "", "alerts to review of the newest day", _newest(facts, "alerts")),
        (
            "day_fallback",
            "",
            "1 where the declared rule scored the newest day",
            _newest(facts, "fallback"),
        ),
        ("day_score_mean", "", "mean score of the newest day", _newest(facts, "score_mean")),
        (
            "drift_share",
            "",
            "share of features beyond their limit on the newest day",
            _newest(facts, "drift_share"),
        ),
        (
            "drift_detected",
            "",
            "1 where the newest day is beyond the drift policy",
            _newest(facts, "drift_detected"),
        ),
    ]


def _timely(facts: Facts) -> list[Figure]:
    """How late each stage is (its oldest day; 0 where none is), and how many days each table is
    behind.
    """
    timeliness = facts.standing.timeliness
    if timeliness.since is None:
        return []
    oldest = {lateness.stage: lateness.by.total_seconds() for lateness in reversed(timeliness.late)}
    late: list[Sample] = [
        ({"stage": stage}, oldest.get(stage, 0.0)) for stage in facts.use_case.schedule.deadlines
    ]
    behind: list[Sample] = [
        ({"table": freshness.table}, freshness.behind)
        for freshness in timeliness.fresh
        if freshness.behind is not None
    ]
    return [
        (
            "late_seconds",
            "seconds",
            "since the deadline of the oldest day that a stage has not done",
            late,
        ),
        ("table_days_behind", "", "days that a table should hold by now and does not", behind),
    ]


def _performance(facts: Facts) -> list[Figure]:
    """What matured labels say, and, where the monitor estimates it, what they will probably say."""
    return [
        (
            "matured_alert_precision",
            "",
            "share of reviews that found something",
            _newest(facts, "card_precision"),
        ),
        (
            "matured_average_precision",
            "",
            "average precision, labels matured",
            _newest(facts, "average_precision"),
        ),
        (
            "estimated_alert_precision",
            "",
            "estimate before labels mature, with its 95 % interval",
            _estimated(facts),
        ),
    ]


def _served(facts: Facts) -> list[Figure]:
    """The newest day whose answers were compared with the batch."""
    days = facts.back(SHOWN_DAYS)
    records = (
        facts.run.ledger.latest(ServedAccount, first=days.first, last=days.last) if days else {}
    )
    if not records:
        return []
    figures = records[max(records)].account
    newest = "answers to events of the newest day that was compared with the batch"
    return [
        ("served_answers", "", newest, [({}, figures.answers)]),
        (
            "served_mismatch_share",
            "",
            "share of its answers that differ from the batch",
            [({}, figures.mismatch_share)],
        ),
        (
            "served_unexplained_share",
            "",
            "share of its answers that differ for no known cause",
            [({}, figures.unexplained_share)],
        ),
        (
            "served_fallback_share",
            "",
            "share of its answers that the declared rule gave",
            [({}, figures.fallback_share)],
        ),
    ]


def _newest(facts: Facts, name: str) -> list[Sample]:
    """The newest value that is known; its day as a label would make a new series every day, so it
    is not one.
    """
    values = [getattr(row, name) for row in facts.rows if getattr(row, name) is not None]
    return [({}, float(values[-1]))] if values else []


def _estimated(facts: Facts) -> list[Sample]:
    days = facts.back(SHOWN_DAYS)
    records = (
        facts.run.ledger.latest(MonitorAccount, first=days.first, last=days.last) if days else {}
    )
    for day in sorted(records, reverse=True):
        estimate = records[day].account.estimate
        if estimate is not None:
            bounds = {"estimate": estimate.precision, "lower": estimate.low, "upper": estimate.high}
            return [({"bound": bound}, value) for bound, value in bounds.items()]
    return []


def _done(statuses: Mapping[tuple[str, date], str], stage: str) -> list[date]:
    return [day for (name, day), status in statuses.items() if name == stage and status == "done"]
