"""When things run, and by when they must be done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time, timedelta


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Cron expressions, UTC: the nightly run (for the day before), the weekly training, the looks at the deadlines, the
    sampled and the served parity (of the day before), and the weekly upkeep.

    `deadlines`: the time (HH:MM, UTC) of the next morning by which a stage must be done with a day, in the order of the
    chain. Where a stage of `paged` is late somebody is called; the lateness of another is a ticket.
    """

    nightly: str = "0 2 * * *"
    training: str = "0 5 * * 1"
    looks: str = "1,31 * * * *"
    parity: str = "40 6 * * *"
    served: str = "50 6 * * *"
    upkeep: str = "30 8 * * 0"
    deadlines: Mapping[str, str] = field(
        default_factory=lambda: {
            "ingest": "03:30",
            "features": "04:30",
            "materialize": "05:00",
            "score": "05:30",
            "monitor": "06:00",
        }
    )
    paged: tuple[str, ...] = ("score",)

    def deadline(self, stage: str) -> timedelta:
        """How long after the end of its day the stage must be done; a day where the schedule does not say."""
        moment = time.fromisoformat(self.deadlines.get(stage, "00:00"))
        return timedelta(hours=moment.hour, minutes=moment.minute) or timedelta(days=1)
