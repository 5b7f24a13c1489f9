"""How old a day may become before its rows are deleted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipelines.usecases.policies.value_types import AtLeastADay

LANDING, ALERT_LISTS, REPORTS, ANSWERS = "landing", "alert_lists", "reports", "answers"
"""What has days and is no table of the lake."""


@dataclass(frozen=True, kw_only=True)
class RetentionPolicy:
    """After how many days a day is deleted.

    Earlier versions of a table can be read for the `versions_days` of the upkeep policy beyond
    that: a period that the law sets is the sum of the two.
    """

    days: Mapping[str, AtLeastADay] = field(default_factory=dict)
    """Days by table of the lake, or by `landing`, `alert_lists`, `reports`, `answers`; what is not
    named is kept.
    """
