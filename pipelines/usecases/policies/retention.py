"""How old a day may become before its rows are deleted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

LANDING, ALERT_LISTS, REPORTS, ANSWERS = "landing", "alert_lists", "reports", "answers"
"""What has days and is no table of the lake."""


@dataclass(frozen=True, kw_only=True)
class RetentionPolicy:
    """`days` by table of the lake, or by one of `landing`, `alert_lists`, `reports`, `answers` (by the day of
    answering); what it does not name is kept.

    A day is deleted once it is more than so many days old. Earlier versions of a table can be read for the
    `versions_days` of the upkeep policy beyond that: a period that the law sets is the sum of the two.
    """

    days: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if wrong := [f"{name} = {days}" for name, days in self.days.items() if days < 1]:
            raise ValueError(f"{', '.join(wrong)}: a day is kept for at least one day")
