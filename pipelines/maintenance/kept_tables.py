"""The tables of a use case that are in the lake, and for how long their earlier versions are
kept.
"""

from __future__ import annotations

from features.feast_objects import view_name
from features.state import entities_with_state
from pipelines.nightly.freshness import FEATURES
from pipelines.nightly.ingest.quarantine import TABLE as QUARANTINE
from pipelines.run import Run


def kept_days(run: Run) -> dict[str, int]:
    """The tables that there are, each with the days for which its earlier versions are kept."""
    policy, stored = run.use_case.upkeep, run.use_case.stored_features
    days = {feed.name: policy.versions_days for feed in run.use_case.feeds}
    days |= dict.fromkeys(
        (QUARANTINE, FEATURES, "predictions", "alerts", "metrics"), policy.versions_days
    )
    days |= {
        view_name(entity): policy.state_versions_days for entity in entities_with_state(stored)
    }
    return {table: kept for table, kept in days.items() if run.lake.exists(table)}
