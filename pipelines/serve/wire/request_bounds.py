"""What a row must hold to be let in, from the use case's feed: ranges of amounts, how old, how far
ahead.

Both wires ask here, JSON row by row and Arrow by whole columns, so that they let the same rows in.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from features.instants import instant_of
from pipelines.base.column_types import parse_column_type
from pipelines.base.errors import ConfigurationError
from pipelines.serve.refusals import RefusalError
from pipelines.usecases.definition import Feed, UseCase

AHEAD = timedelta(minutes=5)
"""How far an event may be ahead of the clock: clocks of terminals differ."""

_MICROSECOND = timedelta(microseconds=1)
_RULE = re.compile(r"(\w+) *(<=|>=) *(-?\d+(?:\.\d{1,2})?)")
_MONEY = re.compile(r"[+-]?\d{1,16}(?:\.\d{1,2})?", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Door:
    """Bounds of a row, both ends included: amounts in cents, times in µs by `now` (µs), the latter
    unless `any_time`.

    Times reach back `reach` µs: before that no feature of ours would see the event.
    """

    amount: str
    time: str
    lowest: int
    highest: int
    reach: int
    now: Callable[[], int]
    any_time: bool = False

    def times(self) -> tuple[int, int]:
        """Earliest and latest event time (µs) that is let in now."""
        if self.any_time:
            return -(2**62), 2**62
        now = self.now()
        return now - self.reach, now + AHEAD // _MICROSECOND

    def wrong_time(self, micros: int, row: int | None, field: str = "") -> RefusalError:
        """Why a time beyond `times` is refused; `field` where it is another than the event's."""
        early, late = (_told(bound) for bound in self.times())
        ahead = micros > self.now()
        return RefusalError(
            (
                "a time in the future"
                if ahead
                else "the event is older than anything that features look at"
            ),
            kind="time-out-of-range",
            row=row,
            field=field or self.time,
            expected=f"from {early} to {late}",
            found=_told(micros),
            next_step=(
                "correct the clock or the zone of the sender"
                if ahead
                else "send it to the landing zone instead"
            ),
        )

    def wrong_amount(self, amount: str, row: int | None) -> RefusalError:
        """Why an amount is refused."""
        return RefusalError(
            "an amount that cannot be",
            kind="amount-out-of-range",
            row=row,
            field=self.amount,
            expected=f"{_money(self.lowest)} to {_money(self.highest)}, at most two decimals",
            found=amount,
            next_step='send currency units as a number or as text, such as 12.34 or "12.34"',
        )

    def cents(self, amount: float | str, row: int | None) -> int:
        """Whole cents of an amount, exactly; raises `RefusalError` for more than two decimals or
        out of range.
        """
        if isinstance(amount, str):
            if not _MONEY.fullmatch(amount):
                raise self.wrong_amount(amount, row)
            cents = int(Decimal(amount).scaleb(2))
        else:
            hundredfold = amount * 100
            if not self.lowest - 1 < hundredfold < self.highest + 1:
                raise self.wrong_amount(repr(amount), row)
            cents = round(hundredfold)
            if cents / 100 != amount:
                raise self.wrong_amount(repr(amount), row)
        if not self.lowest <= cents <= self.highest:
            raise self.wrong_amount(str(amount), row)
        return cents


def door(use_case: UseCase, *, now: Callable[[], int], any_time: bool = False) -> Door:
    """The door of a use case's events; raises `ConfigurationError` for a rule of the feed that it
    cannot hold.
    """
    schema = use_case.stored_features.schema
    lowest, highest = _range(use_case.events, schema.amount)
    reach = timedelta(days=use_case.stored_features.reach_days) // _MICROSECOND
    return Door(
        amount=schema.amount,
        time=schema.time,
        lowest=lowest,
        highest=highest,
        reach=reach,
        now=now,
        any_time=any_time,
    )


def _range(feed: Feed, amount: str) -> tuple[int, int]:
    """Least and largest cents: what the column's type can hold, narrowed by the feed's rules."""
    declared = {column.name: column.type for column in feed.columns}[amount]
    column_type = parse_column_type(declared)
    if column_type.kind != "decimal" or column_type.scale != 2:
        raise _not_held(f"{amount} {declared}", "decimal(p,2)")
    highest = 10**column_type.precision - 1
    lowest = -highest
    for rule in feed.rules:
        parts = _RULE.fullmatch(rule.condition)
        if parts is None or parts[1] != amount:
            raise _not_held(rule.condition, f"{amount} >= NUMBER or {amount} <= NUMBER")
        bound = int(Decimal(parts[3]).scaleb(2))
        lowest, highest = (
            (max(lowest, bound), highest) if parts[2] == ">=" else (lowest, min(highest, bound))
        )
    return lowest, highest


def _not_held(rule: str, expected: str) -> ConfigurationError:
    return ConfigurationError(
        "the scorer cannot hold requests to a rule of the feed",
        where="the use case's events",
        expected=expected,
        found=rule,
        next_step=(
            "declare the rule in that form, or teach pipelines/serve/wire/request_bounds.py the"
            " other one"
        ),
    )


def _told(instant: int) -> str:
    try:
        return instant_of(instant).isoformat()
    except OverflowError:
        return f"{instant} µs after 1970"


def _money(cents: int) -> str:
    return f"{Decimal(cents).scaleb(-2):,}"
