"""What ingest must make of landed rows, in plain Python: one row at a time, one landing day after
the other.

Written from the rules alone (docs/decisions/0120), without a look at how Spark does it: rows come
as text, are parsed by Python's own types, and the first to land wins.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation

Text = Mapping[str, str | None]
Content = tuple[datetime, int, int, Decimal]
COLUMNS = ("transaction_id", "event_time", "customer_id", "terminal_id", "amount")


@dataclass
class Books:
    """Counts of one landing day."""

    accepted: int = 0
    quarantined: int = 0
    duplicates: int = 0
    rules: Counter[str] = field(default_factory=Counter)


@dataclass
class World:
    """`table` maps an id to its rows: landing day and content.

    A key may come again once the lateness has passed.
    """

    table: dict[int, list[tuple[date, Content]]] = field(default_factory=dict)
    books: dict[date, Books] = field(default_factory=dict)


def ingested(landed: Mapping[date, Mapping[str, Sequence[Text]]], *, lateness_days: int) -> World:
    """The world after all landed days (day -> file name -> rows), in whatever order they were
    ingested.
    """
    world = World()
    for day in sorted(landed):
        world.books[day] = Books()
        good = []
        for name in sorted(landed[day]):
            for row in landed[day][name]:
                rule, key, content = judged(row, day, lateness_days)
                if rule:
                    _quarantine(world.books[day], rule)
                else:
                    good.append((name, content, key))
        for _, content, key in sorted(good):
            _settle(world, day, key, content, lateness_days)
    return world


def judged(row: Text, landing_day: date, lateness_days: int) -> tuple[str, int, Content]:
    """The rule that a row breaks ('' for none), its key and its content."""
    nothing = (0, (datetime.min.replace(tzinfo=UTC), 0, 0, Decimal(0)))
    for name in COLUMNS:
        if not row[name]:
            return f"{name}_missing", *nothing
    values = {name: _parsed(name, row[name] or "") for name in COLUMNS}
    for name in COLUMNS:
        if values[name] is None:
            return f"{name}_unreadable", *nothing
    at, amount = values["event_time"], values["amount"]
    if at.date() > landing_day:
        return "event_time_in_future", *nothing
    if at.date() < landing_day - timedelta(days=lateness_days):
        return "event_time_too_late", *nothing
    if amount < 0:
        return "amount_not_negative", *nothing
    if amount > 100_000:
        return "amount_plausible", *nothing
    return "", values["transaction_id"], (at, values["customer_id"], values["terminal_id"], amount)


def _settle(world: World, day: date, key: int, content: Content, lateness_days: int) -> None:
    rows = world.table.setdefault(key, [])
    if rows and (day - rows[-1][0]).days <= lateness_days:
        if rows[-1][1] == content:
            world.books[day].duplicates += 1
        else:
            _quarantine(world.books[day], "conflicting_content")
    else:
        rows.append((day, content))
        world.books[day].accepted += 1


def _quarantine(books: Books, rule: str) -> None:
    books.quarantined += 1
    books.rules[rule] += 1


def _parsed(name: str, text: str):  # type: ignore[no-untyped-def]
    text = text.strip(" ")
    if name == "event_time":
        return _instant(text)
    if name == "amount":
        return _money(text)
    if not re.fullmatch(r"[+-]?\d+", text):
        return None
    return int(text) if -(2**63) <= int(text) < 2**63 else None


def _instant(text: str) -> datetime | None:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)?", text):
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)


def _money(text: str) -> Decimal | None:
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    if not value.is_finite() or value != round(value, 2) or abs(value) >= Decimal(10) ** 10:
        return None
    return round(value, 2)
