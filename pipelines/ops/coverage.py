"""Coverage: how much of what is declared is validated, watched and reproducible, by what the ledger shows of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.ledger.ledger import StageRecord
from pipelines.ops.facts import Facts, gate_results
from pipelines.ops.measure import Measure, plural, share_of

GROUP = "Coverage"
FULL = 1.0
NEEDED = (
    "model_digest",
    "data_versions",
    "code_version",
    "environment",
    "seed",
    "parameters",
    "training",
    "feature_set",
    "policy_digest",
    "manifest_digest",
)
"""What a release record must hold so that `tollgate reproduce` can train the model again."""


def coverage_measures(facts: Facts, history: Sequence[StageRecord]) -> list[Measure]:
    """Validation by suite, monitoring by feature, reproducibility by release."""
    return [_validation(facts, history), _monitoring(facts, history), _reproducible(facts)]


def _validation(facts: Facts, history: Sequence[StageRecord]) -> Measure:
    """Of the tables that are written each day (feeds, features, predictions): those that a suite has judged."""
    judged = {str(result.get("suite")) for record in history for result in gate_results(record)}
    tables = [*(feed.name for feed in facts.use_case.feeds), "features", "predictions"]
    seen = [table for table in tables if table in judged]
    left = ", ".join(table for table in tables if table not in judged)
    return Measure(
        group=GROUP,
        name="Tables behind a gate",
        unit="share",
        value=share_of(len(seen), len(tables)) if history else None,
        target=FULL,
        basis=f"{len(seen)} of {plural(len(tables), 'table')}" + (f"; not judged: {left}" if left else "")
        if history
        else "no stage has run yet",
    )


def _monitoring(facts: Facts, history: Sequence[StageRecord]) -> Measure:
    """Of the champion's features: those whose drift was measured on the newest day that was judged."""
    watched = [
        found
        for record in history
        if record.stage == "monitor" and (found := record.payload.get("drift") or {}).get("judged")
    ]
    names = _champion_features(facts)
    if not watched or not names:
        why = "no day was compared with a champion's training window yet"
        return Measure(group=GROUP, name="Features watched for drift", unit="share", value=None, target=FULL, basis=why)
    columns: Mapping[str, Any] = watched[-1].get("columns") or {}
    skipped: Mapping[str, str] = watched[-1].get("skipped") or {}
    seen = sum(name in columns for name in names)
    because = f"; {len(skipped)} cannot be compared, each with its reason on the day's page" if skipped else ""
    return Measure(
        group=GROUP,
        name="Features watched for drift",
        unit="share",
        value=share_of(seen, len(names)),
        target=FULL,
        basis=f"{seen} of {plural(len(names), 'feature')} of the champion on the newest day judged{because}",
    )


def _champion_features(facts: Facts) -> list[str]:
    if facts.pointer is None:
        return []
    payload = next(r.payload for r in facts.releases if r.release_id == facts.pointer.release_id)
    return list((payload.get("feature_set") or {}).get("names") or ())


def _reproducible(facts: Facts) -> Measure:
    """Releases whose record names all that a second training needs, made by code that was committed."""
    whole = [
        release for release in facts.releases if all(release.payload.get(name) for name in NEEDED if name != "seed")
    ]
    clean = [release for release in whole if not str(release.payload["code_version"]).endswith(("+dirty", "unknown"))]
    total = len(facts.releases)
    dirty = len(whole) - len(clean)
    because = f"; {dirty} trained by code that was not committed" if dirty else ""
    return Measure(
        group=GROUP,
        name="Releases that can be made again",
        unit="share",
        value=share_of(len(clean), total),
        target=FULL,
        basis=f"{len(clean)} of {plural(total, 'release')} name data, code, seed and environment{because}"
        if total
        else "there is no release yet",
    )
