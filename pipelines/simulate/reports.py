"""When fraud is reported: after the label delay exactly, or spread around that, or never."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import cast

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import UsageError
from pipelines.simulate.incidents import Effects
from pipelines.simulate.transactions import Transactions
from pipelines.simulate.world import Stream, WorldSize
from pipelines.usecases.fraud import USE_CASE

DELAY_DAYS = float(USE_CASE.label.delay_days)
"""Reports come when the use case stops waiting for them, or spread around that."""
LONGEST_DELAY_DAYS = 30
_SHORTEST_DELAY_DAYS = 0.25
_NIGHT_ENDS_HOUR = 7
_SECONDS_A_DAY = 86_400


@dataclass(frozen=True)
class Reporting:
    """`spread`: standard deviation of the delay in days, 0 for the label delay exactly;
    `unreported`: share never told.

    Spread delays are normal around the label delay, cut off at a quarter of a day and at 30 days.
    Raises `UsageError`.
    """

    spread: float = 0.0
    unreported: float = 0.0

    def __post_init__(self) -> None:
        for option, value, highest in (
            ("--report-spread", self.spread, float(LONGEST_DELAY_DAYS)),
            ("--unreported", self.unreported, 1.0),
        ):
            if not 0 <= value <= highest:
                raise UsageError(
                    f"{option} is out of range",
                    expected=f"a number from 0 to {highest:g}",
                    found=f"{value}",
                    next_step=f"give another {option}",
                )


def reported_at(
    size: WorldSize, day: date, events: Transactions, reporting: Reporting, effects: Effects
) -> npt.NDArray[np.datetime64]:
    """When a fraud report of each transaction of the day comes (datetime64[us], UTC); NaT where
    none ever does.
    """
    stream = size.stream(Stream.REPORTS, day)
    draws, delays = (
        stream.random(len(events)),
        stream.normal(DELAY_DAYS, reporting.spread, len(events)),
    )
    is_reported = (events.scenario > 0) & (draws >= reporting.unreported)
    is_reported ^= _flipped(size, day, events, effects.flipped_labels)
    delays = np.clip(delays, _SHORTEST_DELAY_DAYS, LONGEST_DELAY_DAYS)
    seconds = np.rint(delays * _SECONDS_A_DAY).astype("timedelta64[s]")
    times = np.where(is_reported, events.event_time + seconds, np.datetime64("NaT", "us"))
    return cast("npt.NDArray[np.datetime64]", times)


def _flipped(
    size: WorldSize, day: date, events: Transactions, share: float
) -> npt.NDArray[np.bool_]:
    """Which labels say the opposite of the truth: `share` of the night's transactions."""
    hour = (events.event_time - np.datetime64(day, "us")) // np.timedelta64(1, "h")
    chosen = size.stream(Stream.FLIPPED_LABELS, day).random(len(events)) < share
    return (hour < _NIGHT_ENDS_HOUR) & chosen
