"""All drills by name."""

from __future__ import annotations

from pipelines.base.errors import UsageError
from pipelines.drills.bad_retrain import BAD_RETRAIN
from pipelines.drills.bug import BUG
from pipelines.drills.concept import CONCEPT
from pipelines.drills.crash import CRASH
from pipelines.drills.drill import Drill
from pipelines.drills.feed import FEED
from pipelines.drills.holiday import HOLIDAY_DRILL
from pipelines.drills.race import RACE
from pipelines.drills.rollback import ROLLBACK
from pipelines.drills.skew import SKEW

DRILLS = {
    drill.name: drill
    for drill in (SKEW, BAD_RETRAIN, ROLLBACK, RACE, CRASH, FEED, HOLIDAY_DRILL, BUG, CONCEPT)
}


def drill_of(name: str) -> Drill:
    """The drill of that name; raises `UsageError` that lists those there are."""
    if name not in DRILLS:
        raise UsageError(
            "unknown drill",
            where="tollgate drill NAME",
            expected=", ".join(DRILLS),
            found=name,
            next_step="choose one of these",
        )
    return DRILLS[name]
