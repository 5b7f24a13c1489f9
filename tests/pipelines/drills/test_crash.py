"""The drill `crash` on real homes, at a few of the steps of a promotion (`tollgate drill crash` takes every one)."""

from __future__ import annotations

import pytest

from pipelines.drills.crash import crash
from pipelines.platform.settings import Settings


@pytest.mark.slow
def test_a_killed_promotion_leaves_the_old_champion_or_the_new(settings: Settings) -> None:
    settings.home.mkdir(parents=True)
    findings = crash(settings, every=10)
    assert len(findings) == 4
    assert [finding for finding in findings if not finding.holds] == []
    assert int(findings[0].happened.split()[0]) >= 3
