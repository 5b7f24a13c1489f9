"""Features, and one feature: owner, definition, freshness, drift over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from markupsafe import Markup

from features.feature import Feature
from pipelines.accounts.account import Account
from pipelines.accounts.drift import DriftAccount
from pipelines.accounts.features import FeaturesAccount
from pipelines.accounts.materialize import MaterializeAccount
from pipelines.accounts.monitor import MonitorAccount
from pipelines.base.days import DayRange
from pipelines.base.errors import UsageError
from pipelines.ops.facts import Facts
from pipelines.pages.charts import lines, spark

DRIFT_DAYS = 60


def features_content(facts: Facts) -> dict[str, Any]:
    """Every stored feature with its newest distance, and how fresh the tables are that hold
    them.
    """
    drift = _drift(facts)
    limit = facts.use_case.drift.threshold
    lines = [
        _line(facts, feature, drift, limit) for feature in facts.use_case.stored_features.features
    ]
    return {
        "features": lines,
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
        raise UsageError(
            "no feature has that name", found=key, next_step="the page Features lists them all"
        )
    feature, drift = features[key], _drift(facts)
    days = sorted(drift)
    newest = drift[days[-1]].column(key) if days else None
    limit = newest.threshold if newest else facts.use_case.drift.threshold
    values = [_distance(drift[day], key) for day in days]
    chart = lines(
        days,
        {"distance": values},
        title=f"Drift of {key}",
        unit=(newest.method if newest else "") or facts.use_case.drift.method,
        limit=limit,
    )
    return {
        "feature": feature,
        "line": _line(facts, feature, drift, facts.use_case.drift.threshold),
        "declaration": {
            name: value for name, value in feature.declaration().items() if name != "name"
        },
        "inputs": [part.name for part in feature.inputs if part.name in features],
        "chart": chart if any(value is not None for value in values) else Markup(""),
        "limit": limit,
        "fresh": freshness(facts),
        "beyond": [day for day in days if _beyond(drift[day], key, limit)],
    }


def freshness(facts: Facts) -> list[Mapping[str, Any]]:
    """What each table holds at the newest, from the ledger: the newest day done, and when that
    was.
    """
    tables = (("features", "features table (batch)"), ("materialize", "online store"))
    rows: list[Mapping[str, Any]] = []
    for stage, what in tables:
        done = [
            record for record in facts.records.get(stage, {}).values() if record.status == "done"
        ]
        newest = max(done, key=lambda record: record.day, default=None)
        digest = _feature_digest(newest.account) if newest else ""
        rows.append(
            {
                "what": what,
                "day": newest.day if newest else None,
                "at": newest.recorded_at if newest else None,
                "digest": digest[:12],
                "same": digest == facts.use_case.stored_features.digest,
            }
        )
    return rows


def _feature_digest(account: Account) -> str:
    """The digest of the definitions by which a table was made."""
    return (
        account.feature_digest if isinstance(account, FeaturesAccount | MaterializeAccount) else ""
    )


def _drift(facts: Facts) -> Mapping[date, DriftAccount]:
    """What the monitor measured on the newest days, by day."""
    days: DayRange | None = facts.back(DRIFT_DAYS)
    if days is None:
        return {}
    records = facts.run.ledger.latest(MonitorAccount, first=days.first, last=days.last)
    return {day: record.account.drift or DriftAccount() for day, record in sorted(records.items())}


def _line(
    facts: Facts, feature: Feature, drift: Mapping[date, DriftAccount], limit: float
) -> Mapping[str, Any]:
    values: Sequence[float | None] = [
        _distance(account, feature.name) for account in drift.values()
    ]
    newest = drift[max(drift)] if drift else DriftAccount()
    compared = newest.column(feature.name)
    limit = compared.threshold if compared else limit
    return {
        "name": feature.name,
        "owner": feature.owner,
        "description": feature.description,
        "unit": feature.unit,
        "sets": [
            name
            for name, feature_set in facts.use_case.feature_sets.items()
            if feature.name in feature_set.names
        ],
        "distance": values[-1] if values else None,
        "beyond": _beyond(newest, feature.name, limit),
        "skipped": newest.skipped.get(feature.name, ""),
        "spark": spark(
            values, limit=limit, title=f"{feature.name}: distance on the last {len(values)} days"
        ),
    }


def _beyond(drift: DriftAccount, name: str, limit: float) -> bool:
    """Whether the day's value is beyond the threshold that held for it (`limit` where the account
    has none).
    """
    value, compared = _distance(drift, name), drift.column(name)
    return value is not None and value >= (compared.threshold if compared else limit)


def _distance(drift: DriftAccount, name: str) -> float | None:
    return drift.columns.get(name)
