"""The fallback by policy: on which days the declared rule decides although there is a champion, and
why.

The ledger's audit says when it began and when it ended; both name the first day from which they
hold, so that a day which is scored again is decided as it was.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal

from pipelines.accounts.audit import AuditEntry, FallbackDetail
from pipelines.ledger.ledger import Ledger

Event = Literal["begun", "ended"]


@dataclass(frozen=True, kw_only=True)
class Fallback:
    """The rule decides the days from `first` to `last` (None: until it is ended), because of
    `reason`.

    `begun_at` is when that was decided (UTC); `told_on` the day whose diagnosis asked for it, None
    where a person did; `ended_by` who ended it (None while it lasts).
    """

    first: date
    last: date | None
    reason: str
    begun_by: str
    begun_at: datetime
    told_on: date | None = None
    ended_by: str | None = None
    ended_because: str = ""

    def covers(self, day: date) -> bool:
        """Whether the rule decides that day."""
        return self.first <= day and (self.last is None or day <= self.last)

    @property
    def policy_reason(self) -> str:
        """Why the rule decided a row of such a day, as predictions and answers carry it."""
        return f"by policy since {self.first}: {self.reason}"

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        days = {
            name: str(day) if day else None
            for name, day in (
                ("first", self.first),
                ("last", self.last),
                ("told_on", self.told_on),
            )
        }
        return {**vars(self), **days, "begun_at": self.begun_at.isoformat()}


def goes_on(ledger: Ledger) -> str:
    """What decides while a new release does not: a clause for messages."""
    if ledger.champion() is None:
        return "no release decides: the declared rule goes on"
    return "the champion stays"


def fallbacks(ledger: Ledger) -> list[Fallback]:
    """Every fallback of the use case, oldest first; only the last one may still go on."""
    return folded(ledger.audit_entries(FallbackDetail))


def folded(entries: Iterable[AuditEntry[FallbackDetail]]) -> list[Fallback]:
    """Fallbacks from audit entries: while one goes on a second beginning says nothing, nor an end
    without one.
    """
    periods: list[Fallback] = []
    for entry in entries:
        detail = entry.detail
        open_one = periods[-1] if periods and periods[-1].last is None else None
        if detail.event == "begun" and open_one is None:
            periods.append(
                Fallback(
                    first=detail.first_day,
                    last=None,
                    reason=detail.reason,
                    begun_by=entry.actor,
                    begun_at=entry.recorded_at,
                    told_on=detail.told_on,
                )
            )
        elif detail.event == "ended" and open_one is not None:
            ends = {
                "last": detail.first_day - timedelta(days=1),
                "ended_by": entry.actor,
                "ended_because": detail.reason,
            }
            periods[-1] = Fallback(**{**vars(open_one), **ends})
    return periods


def in_force(ledger: Ledger) -> Fallback | None:
    """The fallback that goes on, or None."""
    periods = fallbacks(ledger)
    return periods[-1] if periods and periods[-1].last is None else None


def fallback_on(periods: Iterable[Fallback], day: date) -> Fallback | None:
    """The fallback that covers the day, or None."""
    return next((period for period in periods if period.covers(day)), None)


def begin(
    ledger: Ledger,
    first: date,
    *,
    reason: str,
    actor: str,
    at: datetime,
    told_on: date | None = None,
) -> bool:
    """Let the rule decide from the day `first` on; False where it does so already.

    `told_on` is the day whose diagnosis asked for it, None where a person did.
    """
    if in_force(ledger) is not None:
        return False
    _record(ledger, "begun", first, reason, told_on, actor, at)
    return True


def end(
    ledger: Ledger,
    first: date,
    *,
    reason: str,
    actor: str,
    at: datetime,
    told_on: date | None = None,
) -> bool:
    """Let the champion decide again from the day `first` on; False where it does so already."""
    if in_force(ledger) is None:
        return False
    _record(ledger, "ended", first, reason, told_on, actor, at)
    return True


def _record(
    ledger: Ledger,
    event: Event,
    first: date,
    reason: str,
    told_on: date | None,
    actor: str,
    at: datetime,
) -> None:
    detail = FallbackDetail(event=event, first_day=first, reason=reason, told_on=told_on)
    ledger.audit(ledger.use_case, detail, actor=actor, at=at)
