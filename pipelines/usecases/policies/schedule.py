"""When things run, and by when they must be done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time, timedelta
from typing import Annotated

from pipelines.airflow.names import WRITERS
from pipelines.usecases.policies.value_types import Unit

Cron = Annotated[str, Unit("cron, UTC")]
"""A cron expression of five fields, or a preset such as `@daily`; times are UTC."""

DEADLINE_STAGES = tuple(stage for stage in WRITERS if stage != "train")
"""The stages that a deadline can be set for, in the order in which a day runs through them."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """When things run (cron expressions, UTC), and by when they must be done."""

    nightly: Cron = "0 2 * * *"
    """When the night of the day before begins."""
    training: Cron = "0 5 * * 1"
    """When a training is due whatever the drift."""
    looks: Cron = "1,31 * * * *"
    """When it is looked at what is late."""
    parity: Cron = "40 6 * * *"
    """When a sample of the day before is compared, online against batch."""
    served: Cron = "50 6 * * *"
    """When what was answered on the day before is compared with the batch."""
    upkeep: Cron = "30 8 * * 0"
    """When files are tidied up, old versions and days removed, and the ledger backed up."""
    deadlines: Mapping[str, str] = field(
        default_factory=lambda: {
            "ingest": "03:30",
            "features": "04:30",
            "materialize": "05:00",
            "score": "05:30",
            "monitor": "06:00",
        }
    )
    """The time (HH:MM, UTC) of the next morning by which a stage must be done with a day, in the
    order of the chain.
    """
    paged: tuple[str, ...] = ("score",)
    """The stages whose lateness calls somebody; that of another is a ticket."""

    def deadline(self, stage: str) -> timedelta:
        """How long after the end of its day the stage must be done; a day where the schedule does
        not say.
        """
        moment = time.fromisoformat(self.deadlines.get(stage, "00:00"))
        return timedelta(hours=moment.hour, minutes=moment.minute) or timedelta(days=1)
