"""The books of a landing day: rows in = accepted + quarantined + duplicates, for each feed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from pipelines.accounts.ingest import FeedCounts
from pipelines.base.errors import PermanentError
from pipelines.nightly.ingest.duplicates import (
    ACCEPTED,
    DUPLICATE,
    IN_LAKE,
    QUARANTINED,
    VERDICT,
    WINNER_DAY,
)
from pipelines.nightly.ingest.reading import SOURCE_DAY
from pipelines.nightly.ingest.rules import RULE
from pipelines.usecases.definition import Feed

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_HOUR, _LATE, _ROWS = "_hour", "_late", "_rows"


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Rows that have all of this in common; `hour` (0 to 23, UTC, of the feed's time) of accepted
    rows only.
    """

    source_day: date
    in_lake: bool
    verdict: str
    rule: str | None
    late: bool | None
    winner_day: date | None
    hour: int | None
    rows: int


@dataclass(frozen=True, kw_only=True)
class FeedAccount:
    """One feed of one landing day.

    `late` of the accepted rows are of an earlier day than the one they landed on.

    `overlaps`: other landing days whose rows won over rows of this one.
    """

    rows_in: int
    accepted: int = 0
    quarantined: int = 0
    duplicates: int = 0
    late: int = 0
    rules: Mapping[str, int] = field(default_factory=dict)
    overlaps: frozenset[date] = frozenset()
    busiest_hour: int = 0

    def allowed(self, budget: float) -> int:
        """How many quarantined rows a budget (a share, 0 to 1) lets pass; one row alone never
        closes a day.
        """
        return max(1, math.floor(budget * self.rows_in + 1e-9)) if budget > 0 else 0

    def counts(self) -> FeedCounts:
        """The counts, as the ledger keeps them."""
        return FeedCounts(
            rows_in=self.rows_in,
            accepted=self.accepted,
            quarantined=self.quarantined,
            duplicates=self.duplicates,
            late=self.late,
        )


def tallied(rows: DataFrame, feed: Feed) -> list[Tally]:
    """Count `rows` (as resolved), in one job."""
    from pyspark.sql import functions as f

    accepted = f.col(VERDICT) == ACCEPTED
    groups = {
        _LATE: f.when(accepted, f.to_date(feed.time) < f.col(SOURCE_DAY)),
        _HOUR: f.when(accepted, f.hour(feed.time)),
    }
    keys = [SOURCE_DAY, IN_LAKE, VERDICT, RULE, _LATE, WINNER_DAY, _HOUR]
    counted = rows.withColumns(groups).groupBy(*keys).agg(f.count("*").alias(_ROWS))
    return [
        Tally(
            source_day=row[SOURCE_DAY],
            in_lake=row[IN_LAKE],
            verdict=row[VERDICT],
            rule=row[RULE],
            late=row[_LATE],
            winner_day=row[WINNER_DAY],
            hour=row[_HOUR],
            rows=row[_ROWS],
        )
        for row in counted.collect()
    ]


def accounts(
    feed: Feed, rows_in: Mapping[date, int], tallies: Iterable[Tally]
) -> dict[date, FeedAccount]:
    """The account of each landing day in `rows_in` (what its manifest promises); settled rows do
    not count.

    Raises `PermanentError` where a day's rows do not add up.
    """
    by_day: dict[date, list[Tally]] = {day: [] for day in rows_in}
    for tally in tallies:
        if not tally.in_lake:
            by_day[tally.source_day].append(tally)
    by_landing_day = {day: _account(rows_in[day], by_day[day]) for day in rows_in}
    for day, account in by_landing_day.items():
        _require_balance(feed, day, account)
    return by_landing_day


def _account(rows_in: int, tallies: list[Tally]) -> FeedAccount:
    verdicts, rules, hours = Counter[str](), Counter[str](), Counter[int]()
    for tally in tallies:
        verdicts[tally.verdict] += tally.rows
        if tally.rule is not None:
            rules[tally.rule] += tally.rows
        if tally.hour is not None:
            hours[tally.hour] += tally.rows
    others = {
        tally.winner_day
        for tally in tallies
        if tally.winner_day and tally.winner_day != tally.source_day
    }
    return FeedAccount(
        rows_in=rows_in,
        accepted=verdicts[ACCEPTED],
        quarantined=verdicts[QUARANTINED],
        duplicates=verdicts[DUPLICATE],
        late=sum(tally.rows for tally in tallies if tally.late),
        rules=dict(sorted(rules.items())),
        overlaps=frozenset(others),
        busiest_hour=max(hours.values(), default=0),
    )


def _require_balance(feed: Feed, day: date, account: FeedAccount) -> None:
    """Nothing may be lost between the manifest and the lake: a line that Spark reads as two, a row
    counted twice.
    """
    accounted = account.accepted + account.quarantined + account.duplicates
    if accounted != account.rows_in:
        raise PermanentError(
            f"the rows of {feed.name} of {day} do not add up",
            day=str(day),
            expected=f"{account.rows_in:,} rows in = accepted + quarantined + duplicates",
            found=(
                f"{account.accepted:,} + {account.quarantined:,} + {account.duplicates:,} ="
                f" {accounted:,}"
            ),
            next_step=(
                "look for unusual quoting or line breaks in the day's CSV files; nothing was"
                " committed"
            ),
            runbook="docs/runbooks/ingest-refused.md",
        )
