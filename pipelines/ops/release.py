"""Releases, and one release: what it is, what it learnt from, what vouches for it, and its way to production."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from pipelines.base.errors import UsageError
from pipelines.ledger.ledger import Release
from pipelines.ops.facts import Facts
from pipelines.ops.now import waits
from pipelines.pages.charts import Bar, bars
from pipelines.releases.inventory import LINEAGE
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
    release = next((found for found in facts.releases if found.release_id == key), None)
    if release is None:
        raise UsageError("no release has that name", found=key, next_step="the page Releases lists them all")
    evaluation = release.payload.get("evaluation") or {}
    verdict = evaluation.get("verdict") or {}
    metrics = evaluation.get("metrics") or {}
    return {
        "release": release,
        "line": _line(facts, release),
        "verdict": verdict,
        "checks": [_check(check) for check in verdict.get("checks", ())],
        "metrics": metrics,
        "metric_names": sorted({name for values in metrics.values() for name in values}),
        "chart": _chart(facts, metrics),
        "history": list(reversed(facts.states.get(key, []))),
        "lineage": {name: release.payload[name] for name in LINEAGE if release.payload.get(name) is not None},
        "row": facts.release_rows[key],
        "answers": [entry for entry in facts.answers if entry["subject"] == key],
        "back": rolls_back_to(facts, key),
        "waits": waits(facts, release),
        "is_champion": facts.pointer is not None and facts.pointer.release_id == key,
    }


def rolls_back_to(facts: Facts, release_id: str) -> str | None:
    """What a rollback asked for on the page of this release would put in production; None where none is possible.

    On the champion's page it is the champion before it; on the page of an earlier champion it is that one.
    """
    pointer = facts.pointer
    if pointer is None:
        return None
    if pointer.release_id == release_id:
        return next(iter(line_of_champions(facts.moves)[-2:-1]), None)
    return release_id if was_champion(facts.moves, release_id) else None


def _line(facts: Facts, release: Release) -> Mapping[str, Any]:
    payload = release.payload
    evaluation = payload.get("evaluation") or {}
    verdict = evaluation.get("verdict") or {}
    reached = [entry for entry in facts.states.get(release.release_id, []) if entry["state"] == "champion"]
    return {
        "id": release.release_id,
        "state": facts.state(release.release_id),
        "as_of": payload.get("as_of"),
        "created_at": release.created_at,
        "decision": verdict.get("decision"),
        "metric": (evaluation.get("metrics") or {}).get(CANDIDATE, {}).get(facts.use_case.model.primary_metric),
        "because": payload.get("trained_because", ""),
        "champion_since": reached[-1]["recorded_at"] if reached else None,
        "signed": bool(payload.get("signed_by")),
        "notes": facts.release_rows[release.release_id].notes,
    }


def _check(check: Mapping[str, Any]) -> Mapping[str, Any]:
    """A check as data whose every key is there, whatever version of Tollgate wrote it."""
    table = [dict(row) for row in check.get("table") or ()]
    return {
        "name": check.get("name", ""),
        "question": check.get("question", ""),
        "outcome": check.get("outcome", ""),
        "found": check.get("found", ""),
        "table": table,
        "columns": list(table[0]) if table else [],
    }


def _chart(facts: Facts, metrics: Mapping[str, Mapping[str, float]]) -> Markup:
    name = facts.use_case.model.primary_metric
    items = [
        Bar(label=contender.replace("_", " "), value=values.get(name))
        for contender, values in metrics.items()
        if values.get(name) is not None
    ]
    if not items:
        return Markup("")
    return bars(items, title=f"{name.replace('_', ' ')} on the same test days", unit="share, 0 to 1; more is better")
