"""Days and ranges of days, always UTC, both ends included."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from pipelines.base.errors import UsageError

YEARS = range(1900, 9000)
"""The years of days that a person may mean."""


def parse_day(text: str, *, what: str = "day") -> date:
    """A calendar day from `YYYY-MM-DD`; raises `UsageError` for anything else (no paths, no other
    formats).

    Years are those of `YEARS`: windows reach back and forth from a day, and Python's calendar ends
    in 9999.
    """
    try:
        day = date.fromisoformat(text)
    except (TypeError, ValueError):
        day = None
    if day is None or day.isoformat() != text or day.year not in YEARS:
        raise UsageError(
            f"{what} is not a calendar day",
            expected="YYYY-MM-DD, for instance 2026-11-07",
            found=repr(text),
            next_step="give the day in that form",
        )
    return day


def midnight(day: date) -> datetime:
    """00:00:00 UTC at which `day` begins (time-zone aware)."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


@dataclass(frozen=True, order=True)
class DayRange:
    """The days `first` to `last`, both included."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise UsageError(
                "the range of days is reversed",
                expected="a first day that is not after the last day",
                found=f"--from {self.first} --to {self.last}",
                next_step=f"swap the ends: --from {self.last} --to {self.first}",
            )

    @classmethod
    def parse(cls, first: str, last: str) -> DayRange:
        """A range from two `YYYY-MM-DD` texts; raises `UsageError`."""
        return cls(parse_day(first, what="--from"), parse_day(last, what="--to"))

    @classmethod
    def single(cls, day: date) -> DayRange:
        """The range of one day."""
        return cls(day, day)

    @classmethod
    def of_length(cls, first: date, length: int) -> DayRange:
        """`length` days (at least one) that begin with `first`."""
        return cls(first, first + timedelta(days=length - 1))

    def __iter__(self) -> Iterator[date]:
        return (self.first + timedelta(days=n) for n in range(len(self)))

    def __len__(self) -> int:
        return (self.last - self.first).days + 1

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and self.first <= day <= self.last

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}..{self.last}"

    @property
    def start(self) -> datetime:
        """Midnight UTC at which the range begins."""
        return midnight(self.first)

    @property
    def end(self) -> datetime:
        """Midnight UTC at which the range is over (exclusive end)."""
        return midnight(self.last + timedelta(days=1))

    def widened(self, *, before: int = 0, after: int = 0) -> DayRange:
        """The range with `before` days more at its beginning and `after` days more at its end."""
        return DayRange(self.first - timedelta(days=before), self.last + timedelta(days=after))


def require_over(days: DayRange, today: date, *, where: str = "") -> None:
    """Raises `UsageError` where a day of the range is not over at the beginning of `today` (UTC).

    Such a day is a slip of the keyboard: what is recorded of it would be the newest day for as long
    as it lies ahead.
    """
    if days.last >= today:
        raise UsageError(
            "a day that is not over cannot be run",
            where=where,
            expected=f"days until {today - timedelta(days=1)} (UTC)",
            found=str(days.last),
            next_step=(
                "correct the day, or leave out the days that have not ended; nothing was done"
            ),
        )


def grouped(days: set[date] | list[date]) -> list[DayRange]:
    """Any days as the fewest ranges of consecutive days, in order."""
    ranges: list[DayRange] = []
    for day in sorted(set(days)):
        if ranges and day == ranges[-1].last + timedelta(days=1):
            ranges[-1] = DayRange(ranges[-1].first, day)
        else:
            ranges.append(DayRange.single(day))
    return ranges


def in_words(days: Iterable[date]) -> str:
    """Any days as text, consecutive ones as a range: `2026-11-01..2026-11-03, 2026-11-07`."""
    return ", ".join(map(str, grouped(list(days))))


def batched(days: DayRange, rows: Mapping[date, int], limit: int) -> Iterator[DayRange]:
    """The range cut into ranges of whole days, in order, of at most `limit` rows each (a larger day
    stands alone).

    `rows` says how many rows a day has; days that it does not name have none.
    """
    first, total = days.first, 0
    for day in days:
        count = rows.get(day, 0)
        if day > first and total + count > limit:
            yield DayRange(first, day - timedelta(days=1))
            first, total = day, 0
        total += count
    yield DayRange(first, days.last)
