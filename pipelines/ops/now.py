"""Now: what is in production, on which data, is it well, what needs a person."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from markupsafe import Markup

from pipelines.ledger.ledger import Release
from pipelines.ops.facts import Facts
from pipelines.ops.nights import days_since_good, good_days
from pipelines.pages.charts import lines
from pipelines.releases.approval import why_a_person
from pipelines.releases.promotion import newest_decision
from pipelines.releases.succession import line_of_champions
from pipelines.status.days import DayRow

NEWEST_DAYS = 14


def now_content(facts: Facts) -> dict[str, Any]:
    """What the page shows. `health` is `good`, `warn` or `bad`, with the sentence that says why."""
    rows = list(facts.rows)[-NEWEST_DAYS:]
    good = good_days({key: head.status for key, head in facts.heads.items()})
    waiting = waiting_releases(facts)
    health, why = _health(facts, waiting)
    timed = {freshness.stage for freshness in facts.standing.timeliness.fresh}
    return {
        "health": health,
        "why": why,
        "production": production(facts),
        "incidents": facts.open_incidents,
        "waiting": waiting,
        "attention": list(reversed(facts.standing.attention)),
        "rows": list(reversed(rows)),
        "newest": rows[-1] if rows else None,
        "matured": next(
            (row for row in reversed(facts.rows) if row.card_precision is not None), None
        ),
        "since_good": days_since_good(good, facts.at),
        "fresh": facts.standing.timeliness.fresh,
        "stages": {
            stage: day for stage, day in facts.standing.newest.items() if stage not in timed
        },
        "charts": charts(rows),
    }


def production(facts: Facts) -> Mapping[str, Any] | None:
    """The release that decides: what it is, what it learnt from, what vouches for it; None before
    the first.
    """
    champion, pointer = facts.standing.champion, facts.pointer
    if champion is None or pointer is None:
        return None
    account = next(
        release.account for release in facts.releases if release.release_id == champion.release
    )
    training = account.training
    return {
        "release": champion.release,
        "model_version": champion.model_version,
        "since": champion.since,
        "reason": champion.reason,
        "generation": pointer.generation,
        "challenger": pointer.challenger,
        "challenger_state": pointer.challenger_state,
        "back": next(iter(line_of_champions(facts.moves)[-2:-1]), None),
        "train_days": training.train_days,
        "n_train": training.n_train,
        "labels_known_at": training.labels_known_at.isoformat()
        if training.labels_known_at
        else None,
        "data_versions": account.data_versions,
        "code": account.code_version,
    }


def waits(facts: Facts, release: Release) -> str:
    """Why the release waits for a person, by its verdict or its use case's risk tier; nothing where
    it does not.
    """
    answered = {entry.subject for entry in facts.answers}
    if facts.state(release.release_id) != "candidate" or release.release_id in answered:
        return ""
    return why_a_person(facts.use_case, newest_decision(facts.run, release.release_id))


def waiting_releases(facts: Facts) -> list[str]:
    """Releases that wait for a person, newest first."""
    return [release.release_id for release in facts.releases if waits(facts, release)]


def _health(facts: Facts, waiting: list[str]) -> tuple[str, str]:
    critical = sum(incident.severity == "critical" for incident in facts.open_incidents)
    if critical:
        return "bad", f"{critical} critical incident{'s are' if critical > 1 else ' is'} open."
    if facts.newest is None:
        return "warn", "No stage has run yet."
    if facts.open_incidents or waiting or facts.standing.attention:
        return "warn", "Something needs a look; nothing is critical."
    return "good", "All is well: nothing needs a person."


def charts(rows: list[DayRow]) -> dict[str, Markup]:
    """Volume, drift and worth over the days of `rows`."""
    days: list[date] = [row.day for row in rows]
    return {
        "Rows that came in": lines(
            days, {"rows in": [row.rows_in for row in rows]}, title="Rows in", unit="rows"
        ),
        "Features beyond their drift limit": lines(
            days,
            {"share": [row.drift_share for row in rows]},
            title="Drift",
            unit="share of features",
        ),
        "Mean score": lines(
            days,
            {"mean": [row.score_mean for row in rows]},
            title="Mean score",
            unit="score, 0 to 1",
        ),
        "Alert list precision, once labels matured": lines(
            days,
            {"share": [row.card_precision for row in rows]},
            title="Alert list precision",
            unit="share of alerts",
        ),
    }
