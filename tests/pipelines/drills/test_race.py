"""The drill `race` on a real ledger, and that it would see two winners, a silent loser, a stray
error.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipelines.base.settings import Settings
from pipelines.drills.race import AT, Attempt, _findings, race
from pipelines.ledger.ledger import Ledger
from tests.accounts import release_account
from tests.guarantees.plugin import Tried

GOOD = (Attempt(0, "0-0", "won"), Attempt(0, "0-1", "lost"))


@pytest.mark.guarantee(
    "two promotions at once", fault="4 processes × 2 threads promote at the same moment"
)
def test_every_race_has_one_winner_and_the_losers_are_told(
    settings: Settings, tried: Tried, thorough: bool
) -> None:
    races = 100 if thorough else 12
    findings = race(settings, races=races)
    assert len(findings) == 4
    assert [finding for finding in findings if not finding.holds] == []
    assert findings[1].expected.startswith(f"each of the {7 * races} losers")
    tried(races, f"{findings[0].happened}, {findings[1].happened}; {findings[3].happened}")


def _held(settings: Settings, *attempts: Attempt) -> list[bool]:
    ledger = Ledger(settings.ledger, settings.use_case)
    ledger.add_release("race-000-0-0", release_account(), at=AT)
    ledger.move_champion("race-000-0-0", expected=None, reason="", actor="", at=AT)
    return [finding.holds for finding in _findings(ledger, attempts, 1, 2)]


def test_it_would_see_what_goes_wrong(settings: Settings) -> None:
    assert _held(settings, *GOOD) == [True] * 4


@pytest.mark.parametrize(
    ("attempts", "seen_by"),
    [
        ((GOOD[0], replace(GOOD[1], outcome="won")), [0, 1, 2, 3]),
        ((replace(GOOD[0], outcome="lost"), GOOD[1]), [0, 1, 2, 3]),
        ((GOOD[0], replace(GOOD[1], outcome="OperationalError: database is locked")), [1]),
    ],
    ids=["two winners", "no winner", "an error"],
)
def test_what_it_sees(
    settings: Settings, attempts: tuple[Attempt, ...], seen_by: list[int]
) -> None:
    assert [index for index, held in enumerate(_held(settings, *attempts)) if not held] == seen_by
