"""The causes that a day can have, in words: title, consequence, next command, runbook."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Literal

Cause = Literal["well", "feed", "bug", "inputs", "harmful", "concept", "echo", "unjudged"]
Severity = Literal["none", "note", "ticket", "page"]
RUNBOOKS: Mapping[str, str] = {
    "feed": "docs/runbooks/watch-feed.md",
    "bug": "docs/runbooks/watch-bug.md",
    "inputs": "docs/runbooks/drift.md",
    "harmful": "docs/runbooks/drift.md",
    "concept": "docs/runbooks/watch-concept.md",
    "unjudged": "docs/runbooks/watch-unjudged.md",
}
TITLES: Mapping[Cause, str] = {
    "well": "all well",
    "feed": "an upstream feed is broken or incomplete",
    "bug": (
        "features or scores moved though the inputs did not: a bug of the pipeline or of the"
        " release"
    ),
    "inputs": "inputs moved, performance held",
    "harmful": "inputs moved and performance fell",
    "concept": "performance fell though inputs and scores are as usual: the world has changed",
    "echo": "figures still carry an earlier incident",
    "unjudged": "the day cannot be judged",
}
CONSEQUENCES: Mapping[Cause, str] = {
    "well": "none",
    "feed": "scores and alerts of the day stand on incomplete data",
    "bug": "scores and alerts of the day are wrong until the cause is put right",
    "inputs": "none for now: what the list catches is as good as before",
    "harmful": "the review list catches less; a retrain is asked for once this is confirmed",
    "concept": "positives of a new kind pass; retraining on old labels will not help",
    "echo": "none that is new",
    "unjudged": "nobody watches this day",
}


def next_step(cause: Cause, day: date) -> str:
    """What to type or do next; empty where nothing is."""
    steps: Mapping[Cause, str] = {
        "feed": (
            f"ask the feed's owner; once the rest is there: tollgate backfill --from {day} --to"
            f" {day} --rerun"
        ),
        "bug": (
            'tollgate rollback --reason "…" if a release came with it, else correct the feature'
            f" job and tollgate backfill --from {day} --to {day} --rerun"
        ),
        "inputs": "nothing to do: look at the day's page",
        "harmful": "look at the day's page; a retrain is asked for by itself once confirmed",
        "concept": "look at what the missed cases have in common, then add a rule or a feature",
        "unjudged": "nothing to do until there is more history",
    }
    return steps.get(cause, "")
