"""The drill `crash` on real homes, at a few of the steps of a promotion (`tollgate drill crash`
takes every one).
"""

from __future__ import annotations

import pytest

from pipelines.base.settings import Settings
from pipelines.drills.crash import crash
from tests.guarantees.plugin import Tried


@pytest.mark.guarantee("crash while promoting", fault="kill -9 before a step of a promotion")
@pytest.mark.slow
def test_a_killed_promotion_leaves_the_old_champion_or_the_new(
    settings: Settings, tried: Tried, thorough: bool
) -> None:
    settings.home.mkdir(parents=True)
    findings = crash(settings, every=1 if thorough else 10)
    assert len(findings) == 4
    assert [finding for finding in findings if not finding.holds] == []
    kills = int(findings[0].happened.split()[0])
    assert kills >= 3
    tried(
        kills,
        f"champion afterwards: {findings[1].happened}; the next attempt: {findings[3].happened}"
        " went on",
    )
