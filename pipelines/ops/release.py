"""Releases, and one release: what it is, what it learnt from, what vouches for it, and its way to
production.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

from markupsafe import Markup

from pipelines.accounts.evaluation import CheckAccount
from pipelines.base.errors import UsageError
from pipelines.ledger.ledger import Release
from pipelines.ops.facts import Facts
from pipelines.ops.now import waits
from pipelines.pages.charts import Bar, bars
from pipelines.releases.inventory import lineage
from pipelines.releases.succession import line_of_champions, was_champion

NEWEST = 200
"""Releases, and moves, that the list shows at most: four years of weekly trainings."""
CANDIDATE = "candidate"


def releases_content(facts: Facts) -> dict[str, Any]:
    """A line for each of the newest releases and of the newest moves of the pointer, newest first.

    The champion and the challenger have a line however old they are.
    """
    live = {facts.pointer.release_id, facts.pointer.challenger} if facts.pointer else set()
    older = [release for release in facts.releases[NEWEST:] if release.release_id in live]
    moves = list(reversed(facts.moves))
    return {
        "releases": [_line(facts, release) for release in (*facts.releases[:NEWEST], *older)],
        "releases_left_out": max(0, len(facts.releases) - NEWEST - len(older)),
        "moves_left_out": max(0, len(moves) - NEWEST),
        "metric": facts.use_case.model.primary_metric,
        "moves": moves[:NEWEST],
        "pointer": facts.pointer,
    }


def release_content(facts: Facts, key: str) -> dict[str, Any]:
    """One release; raises `UsageError` where the ledger has none of that name."""
    release = next((release for release in facts.releases if release.release_id == key), None)
    if release is None:
        raise UsageError(
            "no release has that name", found=key, next_step="the page Releases lists them all"
        )
    evaluation = release.account.evaluation
    metrics = evaluation.metrics
    return {
        "release": release,
        "line": _line(facts, release),
        "verdict": evaluation.verdict,
        "checks": [_check(check) for check in evaluation.verdict.checks],
        "metrics": metrics,
        "metric_names": sorted(set(chain.from_iterable(metrics.values()))),
        "chart": _chart(facts, metrics),
        "history": list(reversed(facts.states.get(key, []))),
        "lineage": _lineage(release),
        "row": facts.release_rows[key],
        "answers": [entry for entry in facts.answers if entry.subject == key],
        "back": rolls_back_to(facts, key),
        "waits": waits(facts, release),
        "is_champion": facts.pointer is not None and facts.pointer.release_id == key,
    }


def rolls_back_to(facts: Facts, release_id: str) -> str | None:
    """What a rollback asked for on the page of this release would put in production; None where
    none is possible.

    On the champion's page it is the champion before it; on the page of an earlier champion it is
    that one.
    """
    pointer = facts.pointer
    if pointer is None:
        return None
    if pointer.release_id == release_id:
        return next(iter(line_of_champions(facts.moves)[-2:-1]), None)
    return release_id if was_champion(facts.moves, release_id) else None


def _line(facts: Facts, release: Release) -> Mapping[str, Any]:
    account = release.account
    reached = [
        entry for entry in facts.states.get(release.release_id, []) if entry["state"] == "champion"
    ]
    return {
        "id": release.release_id,
        "state": facts.state(release.release_id),
        "as_of": str(account.as_of) if account.as_of else None,
        "created_at": release.created_at,
        "decision": account.evaluation.verdict.decision,
        "metric": account.evaluation.metrics.get(CANDIDATE, {}).get(
            facts.use_case.model.primary_metric
        ),
        "because": account.trained_because,
        "champion_since": reached[-1]["recorded_at"] if reached else None,
        "signed": bool(account.signed_by),
        "notes": facts.release_rows[release.release_id].notes,
    }


def _lineage(release: Release) -> Mapping[str, Any]:
    """Where the model comes from, as far as the release's record says it."""
    recorded = release.account.to_json()
    return {
        name: value
        for name, value in lineage(release.account).items()
        if recorded.get(name) is not None
    }


def _check(check: CheckAccount) -> Mapping[str, Any]:
    return {
        "name": check.name,
        "question": check.question,
        "outcome": check.outcome,
        "found": check.found,
        "table": check.table,
        "columns": list(check.table[0]) if check.table else [],
    }


def _chart(facts: Facts, metrics: Mapping[str, Mapping[str, float | None]]) -> Markup:
    name = facts.use_case.model.primary_metric
    items = [
        Bar(label=contender.replace("_", " "), value=values.get(name))
        for contender, values in metrics.items()
        if values.get(name) is not None
    ]
    if not items:
        return Markup("")
    return bars(
        items,
        title=f"{name.replace('_', ' ')} on the same test days",
        unit="share, 0 to 1; more is better",
    )
