"""Features, and one feature: owner, definition, freshness, drift over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from markupsafe import Markup

from features.feature import Feature
from pipelines.base.days import DayRange
from pipelines.base.errors import UsageError
from pipelines.ledger.ledger import StageRecord
from pipelines.ops.facts import Facts
from pipelines.pages.charts import lines, spark

DRIFT_DAYS = 60


def features_content(facts: Facts) -> dict[str, Any]:
    """Every stored feature with its newest distance, and how fresh the tables are that hold them."""
    drift = _drift(facts)
    limit = facts.use_case.drift.threshold
    found = [_line(facts, feature, drift, limit) for feature in facts.use_case.stored_features.features]
    return {
        "features": found,
        "limit": limit,
        "method": facts.use_case.drift.method,
        "drift_days": DRIFT_DAYS,
        "fresh": freshness(facts),
        "newest_drift": max(drift, default=None),
    }


def feature_content(facts: Facts, key: str) -> dict[str, Any]:
    """One feature; raises `UsageError` where none has that name."""
    features = {feature.name: feature for feature in facts.use_case.stored_features.features}
    if key not in features:
        raise UsageError("no feature has that name", found=key, next_step="the page Features lists them all")
    feature, drift = features[key], _drift(facts)
    days = sorted(drift)
    newest = _compared(drift[days[-1]], key) if days else {}
    limit = float(newest.get("threshold", facts.use_case.drift.threshold))
    values = [_distance(drift[day], key) for day in days]
    chart = lines(
        days,
        {"distance": values},
        title=f"Drift of {key}",
        unit=str(newest.get("method", facts.use_case.drift.method)),
        limit=limit,
    )
    return {
        "feature": feature,
        "line": _line(facts, feature, drift, facts.use_case.drift.threshold),
        "declaration": {name: value for name, value in feature.declaration().items() if name != "name"},
        "inputs": [part.name for part in feature.inputs if part.name in features],
        "chart": chart if any(value is not None for value in values) else Markup(""),
        "limit": limit,
        "fresh": freshness(facts),
        "beyond": [day for day in days if _beyond(drift[day], key, limit)],
    }


def freshness(facts: Facts) -> list[Mapping[str, Any]]:
    """What each table holds at the newest, from the ledger: the newest day done, and when that was."""
    tables = (("features", "features table (batch)"), ("materialize", "online store"))
    told: list[Mapping[str, Any]] = []
    for stage, what in tables:
        done = [record for record in facts.records.get(stage, {}).values() if record.status == "done"]
        newest = max(done, key=lambda record: record.day, default=None)
        told.append(
            {
                "what": what,
                "day": newest.day if newest else None,
                "at": newest.recorded_at if newest else None,
                "digest": str(newest.payload.get("feature_digest", ""))[:12] if newest else "",
                "same": newest is not None
                and newest.payload.get("feature_digest") == facts.use_case.stored_features.digest,
            }
        )
    return told


def _drift(facts: Facts) -> Mapping[date, Mapping[str, Any]]:
    """What the monitor measured on the newest days, by day."""
    days: DayRange | None = facts.back(DRIFT_DAYS)
    if days is None:
        return {}
    records: Mapping[date, StageRecord] = facts.run.ledger.latest("monitor", first=days.first, last=days.last)
    return {day: record.payload.get("drift") or {} for day, record in sorted(records.items())}


def _line(facts: Facts, feature: Feature, drift: Mapping[date, Mapping[str, Any]], limit: float) -> Mapping[str, Any]:
    values: Sequence[float | None] = [_distance(found, feature.name) for found in drift.values()]
    newest = drift[max(drift)] if drift else {}
    limit = float(_compared(newest, feature.name).get("threshold", limit))
    return {
        "name": feature.name,
        "owner": feature.owner,
        "description": feature.description,
        "unit": feature.unit,
        "sets": [name for name, known in facts.use_case.feature_sets.items() if feature.name in known.names],
        "distance": values[-1] if values else None,
        "beyond": _beyond(newest, feature.name, limit),
        "skipped": (newest.get("skipped") or {}).get(feature.name, ""),
        "spark": spark(values, limit=limit, title=f"{feature.name}: distance on the last {len(values)} days"),
    }


def _compared(drift: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """What was measured of a feature on a day, and against which threshold; empty where it was not compared."""
    columns: Sequence[Mapping[str, Any]] = drift.get("compared") or ()
    return next((column for column in columns if column["name"] == name), {})


def _beyond(drift: Mapping[str, Any], name: str, limit: float) -> bool:
    """Whether the day's value is beyond the threshold that held for it (`limit` where the account has none)."""
    value = _distance(drift, name)
    return value is not None and value >= float(_compared(drift, name).get("threshold", limit))


def _distance(drift: Mapping[str, Any], name: str) -> float | None:
    value = (drift.get("columns") or {}).get(name)
    return float(value) if value is not None else None
