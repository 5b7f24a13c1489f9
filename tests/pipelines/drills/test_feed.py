"""The drill `feed` on a real landing zone, lake and ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipelines.base.settings import Settings
from pipelines.drills.feed import feed
from tests.guarantees.plugin import Tried

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.mark.guarantee(
    "missing upstream",
    fault="a feed that stays away, then comes all at once",
)
@pytest.mark.slow
def test_a_missing_feed_is_one_incident_that_closes_by_itself(
    spark: SparkSession, settings: Settings, tried: Tried
) -> None:
    findings = feed(settings)
    assert len(findings) == 5
    assert [finding for finding in findings if not finding.holds] == []
    tried(3, f"{findings[0].happened}; once sent {findings[3].happened}")
